/**
 * @file mesh/scheduler_depth.c  How deep the buffer should be
 *
 * `need` is the transit that all packets of the last eight seconds kept to,
 * but for the two worst of these seconds: a sender or a machine that stood
 * still for a moment is no reason to wait for it ever after. Of a stream that
 * has just begun, eighths of its first second are compared: many begin at
 * once, and late. A packet played has a margin: by how much a packet of that
 * transit would have been in time. A tick is 20 ms, so play-out moves in whole
 * ticks:
 *
 *            0                        20   22..24
 *      ------|-------------------------|-----|----> margin [ms]
 *       grow |      leave it alone           | shrink by a tick
 *
 * What lies between shrinking by 20 ms when over 22 and growing by 20 ms when
 * under 0 is what keeps a stream that arrives close to the tick from going
 * back and forth; with more jitter it is more, up to 24. Up to 20 ms nothing
 * can be gained: the worker looks at its sockets now and then, so that a
 * packet may have come earlier than it says, but one that was there for its
 * tick never has a margin below 0.
 */
#include <string.h>
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
	BUCKET_US  = 1000000,
	TRANSIT_NONE = INT32_MIN,
	TRANSIT_MAX  = 2000000,
	OUTLIERS   = 2,       /* seconds of a window that do not count      */
	LOOK_EVERY = 16,      /* packets                                    */
	APART_MIN  = 2000,    /* growing and shrinking, with little jitter  */
	APART_MAX  = 4000,
	EXCESS_US  = 2 * SCHED_TICK_US + APART_MAX,  /* whatever happened   */
	LEFT_US    = 1000,    /* not worth removing                         */
	HOLD_MIN   = 500000,  /* once is no reason to stay deep for long    */
	HOLD_MAX   = 30000000,
	HOLD_GROWN = 2000000, /* all packets came later                     */
	AGAIN_US   = SCHED_BUCKETS * BUCKET_US,
};


/**
 * Start anew
 *
 * @param d  State
 */
void sched_depth_init(struct sched_depth *d)
{
	unsigned i;

	memset(d, 0, sizeof(*d));
	for (i = 0; i < SCHED_BUCKETS; i++)
		d->top[i] = TRANSIT_NONE;

	d->margin  = INT32_MAX;
	d->left    = UINT32_MAX;
	d->hold_us = HOLD_MIN;
	d->stale   = true;
}


/**
 * Note a packet's transit
 *
 * @param d        State
 * @param transit  [us], relative to the stream's time line
 * @param now      [us]
 */
void sched_depth_transit(struct sched_depth *d, int64_t transit, uint64_t now)
{
	const int32_t t = (int32_t)transit;

	if (now - d->turn >= (d->turns < SCHED_BUCKETS
			      ? BUCKET_US / SCHED_BUCKETS : BUCKET_US)) {
		d->turns += d->turns < SCHED_BUCKETS;
		d->turn   = now;
		d->bucket = (uint8_t)((d->bucket + 1) % SCHED_BUCKETS);
		d->top[d->bucket] = TRANSIT_NONE;
		d->stale  = true;
	}

	if (t > d->top[d->bucket]) {
		d->top[d->bucket] = t;
		d->stale = true;
	}
}


/**
 * The transit to allow for
 *
 * @param d  State
 *
 * @return [us]
 */
int32_t sched_depth_need(struct sched_depth *d)
{
	int32_t best[OUTLIERS + 1], any = TRANSIT_NONE;
	unsigned i, k;

	if (!d->stale)
		return d->need;

	for (i = 0; i <= OUTLIERS; i++)
		best[i] = TRANSIT_NONE;

	for (i = 0; i < SCHED_BUCKETS; i++) {
		int32_t t = d->top[i];

		for (k = 0; k <= OUTLIERS; k++) {
			const int32_t b = best[k];

			if (t > b) {
				best[k] = t;
				t = b;
			}
		}
	}

	for (i = 0; i <= OUTLIERS; i++) {
		if (best[i] != TRANSIT_NONE)
			any = best[i];
	}

	d->need  = any == TRANSIT_NONE ? 0 : any;
	d->stale = false;

	return d->need;
}


static int32_t margin_of(struct scheduler *s, const struct sched_slot *slot)
{
	const int64_t delay = (int64_t)s->now - slot->media;
	int32_t need = sched_depth_need(&s->depth);

	/* Redundancy helps only if the packet after the lost one is here */
	if (s->fec_wait)
		need += (int32_t)slot->dur;

	return (int32_t)max(min(delay - need, (int64_t)TRANSIT_MAX),
			    -(int64_t)TRANSIT_MAX);
}


/**
 * Tell whether to begin with a packet one tick later
 *
 * @param s     Scheduler
 * @param slot  First packet of a spurt, or first after a pause
 *
 * @return true if playing it now would leave too little time for those that
 *         follow
 */
bool sched_depth_wait(struct scheduler *s, const struct sched_slot *slot)
{
	/* A spike of the past must not hold up the spurt for long */
	return margin_of(s, slot) < 0 &&
		s->now - slot->arrival < s->cfg.depth_max * 500ull;
}


/**
 * Note that a packet is being played
 *
 * @param s     Scheduler
 * @param slot  Packet
 */
void sched_depth_played(struct scheduler *s, const struct sched_slot *slot)
{
	struct sched_depth *d = &s->depth;
	const int32_t margin = margin_of(s, slot);

	d->margin = min(d->margin, margin);
	d->now_us = (uint32_t)(s->now > slot->arrival
			       ? s->now - slot->arrival : 0);
	++d->looks;
}


/**
 * Tell whether a packet that was not there in time is better left out, like
 * one that was lost, than played now. That would keep what follows waiting
 * by as much; where packets that late are as rare as not to count, that is
 * delay for nothing.
 *
 * @param s     Scheduler
 * @param slot  The packet
 * @param after The one after it, to be played in its place
 *
 * @return true if so; once a second at most
 */
bool sched_depth_spare(struct scheduler *s, const struct sched_slot *slot,
		       const struct sched_slot *after)
{
	struct sched_depth *d = &s->depth;
	const int64_t transit = (int64_t)slot->arrival - slot->media;

	if (s->now < d->spared + BUCKET_US || margin_of(s, after) < 0 ||
	    transit < sched_depth_need(d) + APART_MIN)
		return false;

	d->spared = s->now;

	return true;
}


/**
 * Note that a packet was not there in time: the buffer has grown by that,
 * and stays so for a while; longer each time it happens again
 *
 * @param s  Scheduler
 */
void sched_depth_late(struct scheduler *s)
{
	struct sched_depth *d = &s->depth;

	d->hold_us = s->now < d->hold + max(d->hold_us, (uint32_t)AGAIN_US)
		? min(d->hold_us * 2, (uint32_t)HOLD_MAX) : HOLD_MIN;
	d->hold   = s->now + d->hold_us;
	sched_depth_done(d);
}


/**
 * The delay has changed; what was measured before says nothing any more
 *
 * @param d  State
 */
void sched_depth_done(struct sched_depth *d)
{
	d->adjust = 0;
	d->margin = INT32_MAX;
	d->left   = UINT32_MAX;
	d->looks  = 0;
}


/**
 * Tell from which margin on the buffer gets a tick shallower
 *
 * @param s     Scheduler
 *
 * @return [us]
 */
int32_t sched_depth_shrinks(const struct scheduler *s)
{
	const uint32_t jitter = s->rx.jitter >> 4;

	return SCHED_TICK_US + (int32_t)min(max(4 * jitter,
						(uint32_t)APART_MIN),
					    (uint32_t)APART_MAX);
}


/**
 * Decide whether to stretch; once per tick, after sched_depth_played
 *
 * @param s     Scheduler
 * @param left  Decoded and not yet played after this tick [us]
 */
void sched_depth_look(struct scheduler *s, uint32_t left)
{
	struct sched_depth *d = &s->depth;

	d->left = min(d->left, left);

	if (d->looks < LOOK_EVERY)
		return;

	if (d->adjust == 0 && d->margin != INT32_MAX) {

		if (d->margin < 0 && d->margin > -TRANSIT_MAX) {
			d->adjust = -SCHED_TICK_US;
			d->hold   = max(d->hold, s->now + HOLD_GROWN);
		}
		else if (d->margin >= sched_depth_shrinks(s) &&
			 (s->now >= d->hold || d->margin >= EXCESS_US)) {
			d->adjust = SCHED_TICK_US;
		}

		/* What is always left over is delay that helps nobody */
		if (d->left >= LEFT_US && d->left < SCHED_TICK_US)
			d->adjust += (int32_t)d->left;
	}

	d->margin = INT32_MAX;
	d->left   = UINT32_MAX;
	d->looks  = 0;
}
