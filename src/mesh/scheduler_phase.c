/**
 * @file mesh/scheduler_phase.c  When packets are there, for the worker
 */
#include <re.h>
#include "mesh/mesh.h"
#include "mesh/codec.h"
#include "mesh/level.h"
#include "mesh/opus_level.h"
#include "mesh/talk.h"
#include "mesh/dtmf.h"
#include "mesh/resample.h"
#include "mesh/scheduler.h"
#include "mesh/scheduler_priv.h"

enum {
	KNOWN = 16,              /* packets until it is known when they come */
};


/* Of a tick, and whole packets: after that long all is as it was */
static uint32_t period_of(uint32_t dur)
{
	uint32_t a = SCHED_TICK_US, b = dur;

	while (b) {
		const uint32_t rest = a % b;

		a = b;
		b = rest;
	}

	return a;
}


/* How long before the next tick that comes as usual what is played in it is
   there; with short packets that is the last one of several */
static int32_t margin_next(struct scheduler *s, uint32_t period)
{
	const struct sched_slot *slot = NULL;
	const struct sched_talk *tk = s->tk;
	const uint64_t next = s->now + SCHED_TICK_US;
	int64_t expect = s->expect, margin;
	uint32_t left = 0;

	if (s->frame_taken && !s->pcm_taken)
		slot = sched_slot_at(s, s->frame_seq);
	if (slot)
		expect = slot->media + slot->dur;
	else if (tk->rate)
		left = (uint32_t)((uint64_t)tk->have * 1000000 / tk->rate);

	margin = (int64_t)next - expect + left / SCHED_TICK_US *
		SCHED_TICK_US - sched_depth_need(&s->depth);
	if (s->fec_wait)
		margin -= s->dur;
	margin = min(margin, (int64_t)s->depth.margin);
	margin -= SCHED_TICK_US - period;

	/* what is made up and left out at this moment */
	margin += s->stalled;
	margin -= s->depth.adjust;

	return (int32_t)max(min(margin, (int64_t)INT32_MAX),
			    (int64_t)INT32_MIN);
}


/* Is it as it shall be for a while? Who waits or lacks something does so by
   time, and what has been late lately is not to be hurried again. */
static bool steady(const struct scheduler *s)
{
	return s->ready && !s->waiting && !s->stalled && !s->depth.adjust &&
		s->now >= s->depth.hold;
}


/**
 * Tell how a talker's packets and ticks lie to one another; after a tick
 *
 * @param s   Scheduler
 * @param ph  Set
 * @param due When the next tick is due [us]
 *
 * @return False if too little is known yet; then only `heard` is set
 */
bool scheduler_phase(struct scheduler *s, struct scheduler_phase *ph,
		     uint64_t due)
{
	int64_t wait;

	ph->heard = s->tk && !s->ending &&
		(s->frame_taken || s->pcm_taken || s->turn_taken);
	if (s->rx.received < KNOWN || !s->dur)
		return false;

	ph->period = period_of(s->dur);
	ph->spare  = 0;
	ph->shrinks = 0;

	/* the packet that was to come latest before that tick */
	wait = (int64_t)(due - s->rx.last) + s->rx.transit -
		sched_depth_need(&s->depth) -
		(s->fec_wait ? (int64_t)s->dur : 0);
	wait %= (int64_t)ph->period;
	if (wait < 0)
		wait += ph->period;
	ph->wait = (int32_t)wait;

	if (ph->heard && s->ready) {
		ph->wait = margin_next(s, ph->period);
		if (steady(s))
			ph->spare = ph->wait;
		if (steady(s) && ph->period == SCHED_TICK_US)
			ph->shrinks = sched_depth_shrinks(s);
	}

	return true;
}
