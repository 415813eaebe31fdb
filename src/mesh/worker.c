/**
 * @file mesh/worker.c  The thread of a worker
 *
 *   slot          0      1      2      3      0      1
 *   every 5 ms    |      |      |      |      |      |  ...
 *                 a             +             a          conferences of one
 *                 a      c      +      +      a      c   of several phases
 *
 *   a, c   receive; apply what main has asked for; the tick of those
 *          conferences: mix and send
 *   +      receive only: every 10 ms, with many participants every 5
 *
 * Sockets are read on time, not on arrival: thousands of packets a second
 * come in batches, one wake-up each; the kernel notes when they came. A
 * conference ticks every 20 ms, in the slot that suits its talkers; the timer
 * keeps to those slots that are in use. A worker without conferences sleeps.
 * Slots of several workers are shifted against one another.
 */
#define _GNU_SOURCE
#include <re.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include "mesh/mesh.h"
#include "mesh/codec.h"
#include "mesh/scheduler.h"
#include "mesh/tone.h"
#include "mesh/rtp.h"
#include "mesh/rtcp.h"
#include "mesh/demux.h"
#include "mesh/queue.h"
#include "mesh/snap.h"
#include "mesh/channel.h"
#include "mesh/sorter.h"
#include "mesh/filter.h"
#include "mesh/sender.h"
#include "mesh/effort.h"
#include "mesh/meter.h"
#include "mesh/worker.h"

enum {
	CATCH_UP  = 5,           /* ticks made up for, then time jumps    */
	IDLE_WAIT = 50,          /* looks without conferences, then sleep */
	NICE      = -11,
};

struct clockwork {
	uint64_t due;            /* next slot [us]                        */
	unsigned slot;           /* its number                            */
	unsigned idle;           /* looks without a conference            */
	uint32_t poll;           /* between looks at the sockets [us]     */
	unsigned odd;            /* if every 10 ms: 1 in odd slots        */
};


/**
 * The clock of the mesh
 *
 * @return Monotonic time [us]
 */
uint64_t worker_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);

	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}


/**
 * A number that nobody must rely on not to be guessed, without a lock
 *
 * @param w Worker
 *
 * @return Number
 */
uint32_t worker_random(struct worker *w)
{
	/* xorshift; never 0 */
	w->random ^= w->random << 13;
	w->random ^= w->random >> 17;
	w->random ^= w->random << 5;

	return w->random;
}


/**
 * Tell main of something that happened; sent with the tick
 *
 * @param w     Worker
 * @param part  To whom
 * @param event What
 * @param value Its value
 *
 * @return False if there are too many already; main has been busy for long
 */
bool worker_event(struct worker *w, struct wpart *part,
		  enum mesh_event event, int value)
{
	const struct ring_event ev = {
		.part = part, .event = (int)event, .value = value,
	};

	w->told = true;

	/* a key is pressed once, all else can be told again */
	if (event_ring_put(&w->ring, &ev, event == MESH_DTMF))
		return true;

	++w->events_lost;

	return false;
}


/* At most one message is on its way, so the pipe never fills */
static void main_tell(struct worker *w)
{
	w->told = false;
	if (!atomic_exchange(&w->notified, true))
		(void)mqueue_push(w->mq, (int)w->ix, NULL);
}


/* What main has asked for; between two ticks */
static void messages_apply(struct worker *w)
{
	struct msg *msg;

	if (!msg_pending(&w->inbox))
		return;

	msg = msg_take(&w->inbox);
	while (msg) {
		struct msg *next = msg->next;

		msg->apply_h(msg, w);
		msg_push(&w->outbox, msg);
		msg = next;
	}

	w->told = true;
}


static void load_publish(struct worker *w)
{
	struct le *le;

	if (w->cfg.opus_adapt)
		effort_second(&w->effort, &w->meter.load);
	w->meter.load.complexity = w->effort.now;
	snap_write(&w->load, &w->meter.load, sizeof(w->meter.load));

	LIST_FOREACH(&w->confl, le)
		wconf_cost(le->data);
}


static bool slots_used(const struct worker *w, unsigned odd)
{
	for (unsigned i = odd; i < WORKER_SLOTS; i += 2) {
		if (w->slotv[i].head)
			return true;
	}

	return false;
}


/* From the next slot on: the slots that are used, and often enough to
   receive; costs nothing if that is as before */
static void timer_set(struct worker *w, struct clockwork *cw)
{
	const bool even = slots_used(w, 0), odd = slots_used(w, 1);
	const uint32_t poll = w->stats.parts > WORKER_BUSY || (even && odd)
		? WORKER_POLL_BUSY_US : WORKER_POLL_US;
	struct itimerspec its;
	uint64_t first = cw->due;

	if (poll == cw->poll && (odd && !even) == cw->odd)
		return;

	cw->poll = poll;
	cw->odd  = odd && !even;
	if (poll == WORKER_POLL_US && cw->slot % 2 != cw->odd)
		first += WORKER_SLOT_US;

	memset(&its, 0, sizeof(its));
	its.it_value.tv_sec = (time_t)(first / 1000000);
	its.it_value.tv_nsec = (long)(first % 1000000 * 1000);
	its.it_interval.tv_nsec = (long)cw->poll * 1000;
	(void)timerfd_settime(w->timerfd, TFD_TIMER_ABSTIME, &its, NULL);
}


static void timer_arm(struct worker *w, struct clockwork *cw)
{
	/* none has a slot when another one has: they are apart by a part of
	   all, and of one */
	const uint64_t phase = (uint64_t)(WORKER_TICK_US + WORKER_SLOT_US) *
		w->ix / max(w->cfg.workers, 1u);
	const uint64_t now = worker_clock();

	/* in phase with the clock, so that workers keep their distance */
	cw->due = (now / WORKER_TICK_US + 1) * WORKER_TICK_US + phase;
	cw->slot = cw->idle = 0;
	cw->poll = 0;
	timer_set(w, cw);
}


static void timer_disarm(struct worker *w)
{
	const struct itimerspec its = {{0, 0}, {0, 0}};

	(void)timerfd_settime(w->timerfd, 0, &its, NULL);
}


/* Stopped for long, e.g. with the whole machine: time goes on without what
   would have been heard meanwhile, so that nobody lags behind from now on */
static void ticks_skip(struct worker *w, struct clockwork *cw, uint64_t n)
{
	cw->due += n * WORKER_TICK_US;
	worker_skip(w, n);
}


static void ticks_run(struct worker *w, struct clockwork *cw)
{
	const uint64_t now = worker_clock();
	unsigned n;

	if (now > cw->due + CATCH_UP * WORKER_TICK_US)
		ticks_skip(w, cw, (now - cw->due) / WORKER_TICK_US);

	/* The timer may fire a moment early. With more work than time this
	 * would go on for ever, and nothing be received or released. */
	for (n = 0; n < CATCH_UP * WORKER_SLOTS &&
	     worker_clock() + 500 >= cw->due; n++) {
		worker_slot(w, cw->slot, cw->due);
		cw->slot = (cw->slot + 1) % WORKER_SLOTS;
		cw->due += WORKER_SLOT_US;
	}

	cw->idle = w->confl.head ? 0 : cw->idle + 1;
	timer_set(w, cw);
}


/* When somebody ticks next */
static uint64_t tick_next(const struct worker *w, const struct clockwork *cw)
{
	unsigned i;

	for (i = 0; i + 1 < WORKER_SLOTS; i++) {
		if (w->slotv[(cw->slot + i) % WORKER_SLOTS].head)
			break;
	}

	return cw->due + (uint64_t)i * WORKER_SLOT_US;
}


/* Sleep until main has something to do; true if so */
static void sleep_begin(struct worker *w, bool *asleep)
{
	worker_show(w);
	meter_reset(&w->meter);
	snap_write(&w->load, &w->meter.load, sizeof(w->meter.load));
	timer_disarm(w);
	*asleep = true;
	atomic_store(&w->asleep, true);

	/* main may have looked just before */
	if (atomic_load(&w->inbox.top)) {
		const uint64_t one = 1;

		(void)!write(w->wakefd, &one, sizeof(one));
	}
}


/* Media come before all else, where the system lets them */
static void priority_raise(void)
{
	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
}


/* As `top -H` and a debugger show it; at most 15 characters */
static void name_set(const struct worker *w)
{
	char name[16];

	if (re_snprintf(name, sizeof(name), "junctor/mesh%u", w->ix) > 0)
		(void)pthread_setname_np(pthread_self(), name);
}


static void *worker_thread(void *arg)
{
	struct worker *w = arg;
	struct clockwork cw;
	bool asleep = false;

	name_set(w);
	priority_raise();
	timer_arm(w, &cw);

	while (!atomic_load(&w->stop)) {

		struct epoll_event evv[2];
		const int n = epoll_wait(w->epfd, evv, ARRAY_SIZE(evv), -1);
		uint64_t count, now;

		if (n < 0 && errno != EINTR)
			break;

		/* Whatever is ready, asleep or not: main may see that the
		   worker sleeps just before it no longer does, and wake it
		   afterwards. What stays unread keeps it from sleeping. */
		for (int i = 0; i < n; i++)
			(void)!read(evv[i].data.fd, &count, sizeof(count));

		if (asleep) {
			atomic_store(&w->asleep, false);
			asleep = false;
			timer_arm(w, &cw);
		}

		/* What comes before a tick that is late still comes in time
		   for it: only the network is to deepen the schedulers */
		now = worker_clock();
		meter_begin(&w->meter, now);
		w->now = min(now, tick_next(w, &cw));
		worker_rx(w);
		messages_apply(w);
		ticks_run(w, &cw);

		if (w->told)
			main_tell(w);

		if (meter_end(&w->meter, worker_clock()))
			load_publish(w);

		if (cw.idle >= IDLE_WAIT)
			sleep_begin(w, &asleep);
	}

	worker_show(w);

	return NULL;
}


/**
 * Start the thread of a worker
 *
 * @param w Worker
 *
 * @return 0, otherwise errorcode
 */
int worker_start(struct worker *w)
{
	int err;

	if (w->started)
		return EALREADY;

	err = pthread_create(&w->thread, NULL, worker_thread, w);
	if (err)
		return err;

	w->started = true;

	return 0;
}


/**
 * Stop the thread of a worker, and apply what it has not seen yet
 *
 * @param w Worker; the caller is its only thread afterwards
 */
void worker_stop(struct worker *w)
{
	const uint64_t one = 1;

	if (w->started) {
		atomic_store(&w->stop, true);
		(void)!write(w->wakefd, &one, sizeof(one));
		(void)pthread_join(w->thread, NULL);
		w->started = false;
	}

	if (w->wakefd >= 0)
		messages_apply(w);
}


/**
 * Post a message to a worker
 *
 * @param w   Worker
 * @param msg Message; comes back by the outbox when it has been applied
 */
void worker_post(struct worker *w, struct msg *msg)
{
	const uint64_t one = 1;

	msg_push(&w->inbox, msg);

	if (atomic_load(&w->asleep))
		(void)!write(w->wakefd, &one, sizeof(one));
}
