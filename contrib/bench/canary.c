/* How busy is the machine? A thread that does nothing but wake up every 5 ms,
 * in no hurry, comes as late as any server does. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include "bench.h"

enum { PERIOD_MS = 5 };

struct canary {
	pthread_t thread;
	bool started;
	int run;                /* atomic */
	struct hist *late;      /* [us]; the thread's while it runs */
	int64_t worst;          /* [ns] */
};


static void *canary_thread(void *arg)
{
	struct canary *c = arg;
	int64_t due = now_ns();

	own_priority(0);
	while (__atomic_load_n(&c->run, __ATOMIC_ACQUIRE)) {
		struct timespec ts;
		int64_t late;

		due += PERIOD_MS * INT64_C(1000000);
		ts.tv_sec = due / 1000000000;
		ts.tv_nsec = due % 1000000000;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);

		late = now_ns() - due;
		hist_add(c->late, (uint64_t)late / 1000);
		if (late > c->worst)
			c->worst = late;
		if (late > PERIOD_MS * INT64_C(1000000))
			due += late;
	}

	return NULL;
}


/**
 * Begin to watch the machine
 *
 * @param cp Where it goes, freed with canary_free()
 *
 * @return 0 if success, otherwise errorcode
 */
int canary_alloc(struct canary **cp)
{
	struct canary *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return ENOMEM;

	c->run = 1;
	err = hist_alloc(&c->late, 100, 10000);         /* to 1 s */
	if (!err) {
		err = pthread_create(&c->thread, NULL, canary_thread, c);
		c->started = !err;
	}
	if (err)
		canary_free(c);
	else
		*cp = c;

	return err;
}


/**
 * Stop watching, and tell
 *
 * @param c Canary
 * @param r Where its figures go
 *
 * @return How late it was at worst [ns]
 */
int64_t canary_tell(struct canary *c, struct result *r)
{
	if (c->started) {
		__atomic_store_n(&c->run, 0, __ATOMIC_RELEASE);
		pthread_join(c->thread, NULL);
		c->started = false;
	}

	result_num(r, "machine_late_p99_ms",
		   (double)hist_percentile(c->late, 0.99) / 1e3, "ms",
		   "lateness of an idle thread p99");
	result_num(r, "machine_late_ms", (double)c->worst / 1e6, "ms",
		   "lateness of an idle thread, worst");

	return c->worst;
}


/** Free a canary */
void canary_free(struct canary *c)
{
	if (!c)
		return;

	if (c->started) {
		__atomic_store_n(&c->run, 0, __ATOMIC_RELEASE);
		pthread_join(c->thread, NULL);
	}
	free(c->late);
	free(c);
}
