/**
 * @file calm.c  Time that a slow machine does not take from a test
 *
 * In programs linked with this file the clock of timers, and the time of day,
 * go on only while the main loop has nothing to do and waits for a timer, and
 * never beyond what it waits for. While it works, or is not let run, they
 * stand still. What shall have happened after 100 ms has had 100 ms for it,
 * however long they take, and a time limit ends only for who did nothing.
 *
 * Where nothing but timers moves the loop (no socket, thread or process
 * matters), waiting is of no use: calm_speed lets time jump to the next timer,
 * or go faster where little else matters.
 *
 * The functions have the names of libre's and of the C library's, and are
 * called in their place. Other clocks, those of threads for instance, are the
 * machine's.
 */
#define _GNU_SOURCE 1
#include <poll.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>
#include <sys/epoll.h>
#include <re.h>
#include "calm.h"


static struct {
	pthread_mutex_t lock;      /* of everything                         */
	unsigned speed;            /* of time, 0: it jumps                  */
	bool waits;                /* the loop, for a timer                 */
	bool jumps;                /* ... and this time it need not         */
	uint64_t since;            /* real time when it began to [us]       */
	uint64_t granted;          /* until the timer is due [us]           */
	uint64_t passed;           /* time that counts [us]                 */
	uint64_t begun;            /* time of day at its beginning [us]     */
	pthread_t loop;            /* thread that waits                     */
	int epfd;                  /* it waits at, > 0                      */
} calm = { .lock = PTHREAD_MUTEX_INITIALIZER, .speed = 1 };

/* as src/server/clock.c: whoever keeps 0 for "never" finds that long ago */
static const uint64_t origin = 1000000000000ULL;


static uint64_t real_usec(clockid_t id)
{
	struct timespec ts;

	(void)clock_gettime(id, &ts);

	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}


/* Time that counts, under the lock. Whatever the loop's thread does after it
   has waited begins with this. */
static uint64_t passed_usec(void)
{
	uint64_t usec = 0;

	if (calm.waits) {
		usec = calm.jumps ? calm.granted
			: (real_usec(CLOCK_MONOTONIC) - calm.since) *
			calm.speed;
		if (usec > calm.granted)
			usec = calm.granted;
		if (pthread_equal(calm.loop, pthread_self())) {
			calm.waits = false;
			calm.passed += usec;
			usec = 0;
		}
		else if (calm.jumps) {
			usec = 0;
		}
	}

	return calm.passed + usec;
}


/**
 * Let time pass faster while the loop waits
 *
 * @param n So many times as fast; 0: do not wait, jump to the next timer
 */
void calm_speed(unsigned n)
{
	pthread_mutex_lock(&calm.lock);
	calm.speed = n;
	pthread_mutex_unlock(&calm.lock);
}


uint64_t tmr_jiffies(void)
{
	uint64_t usec;

	pthread_mutex_lock(&calm.lock);
	usec = passed_usec();
	pthread_mutex_unlock(&calm.lock);

	return origin + usec / 1000;
}


/* Only the loop's is made in the main thread. */
int epoll_create(int size)
{
	const int fd = epoll_create1(0);

	(void)size;
	if (fd > 0 && getpid() == gettid()) {
		pthread_mutex_lock(&calm.lock);
		calm.epfd = fd;
		pthread_mutex_unlock(&calm.lock);
	}

	return fd;
}


/* Something has come already: it is first, and takes no time */
static bool fd_ready(void)
{
	struct pollfd pfd = { .fd = calm.epfd, .events = POLLIN };

	return calm.epfd > 0 && poll(&pfd, 1, 0) == 1 &&
		(pfd.revents & POLLIN);
}


/* Called by the loop before it waits: how long, 0: no timer [ms] */
uint64_t tmr_next_timeout(struct list *tmrl)
{
	const struct tmr *tmr = list_ledata(list_head(tmrl));
	uint64_t now, ms = 0;

	pthread_mutex_lock(&calm.lock);
	now = origin + passed_usec() / 1000;
	if (tmr)
		ms = tmr->jfs > now && !fd_ready() ? tmr->jfs - now : 0;

	calm.waits   = true;
	calm.jumps   = !calm.speed && tmr;
	calm.granted = tmr ? ms * 1000 : UINT64_MAX;
	calm.since   = real_usec(CLOCK_MONOTONIC);
	calm.loop    = pthread_self();
	if (tmr)
		ms = calm.jumps ? 1 : max(ms / calm.speed, 1);
	pthread_mutex_unlock(&calm.lock);

	return ms;
}


time_t time(time_t *t)
{
	time_t now;

	pthread_mutex_lock(&calm.lock);
	if (!calm.begun)
		calm.begun = real_usec(CLOCK_REALTIME) - calm.passed;
	now = (time_t)((calm.begun + passed_usec()) / 1000000);
	pthread_mutex_unlock(&calm.lock);
	if (t)
		*t = now;

	return now;
}
