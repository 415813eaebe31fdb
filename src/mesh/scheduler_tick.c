/**
 * @file mesh/scheduler_tick.c  The state of a tick; frames for pass-through
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
	STALL_MAX_US = 200000,  /* without a packet, the spurt has ended    */
	LOST_US      = 2500,    /* a gap worth concealing                   */
	BURST_US     = 100000,  /* a gap that is rather a pause             */
	MEAN_SHIFT   = 6,       /* frames are averaged over: 1.3 s          */
};


/**
 * Begin to talk: what has come since the last tick is to be played, what
 * came before serves to warm up the decoder
 *
 * @param s  Scheduler
 */
void sched_talk_begin(struct scheduler *s)
{
	struct sched_slot *slot;
	struct sched_talk *tk;
	uint16_t seq;

	tk = codec_pool_get(s->pool, CODEC_OBJ_TALK);
	if (!tk) {
		sched_slot_flush(s);
		return;
	}

	for (seq = s->newest; ; seq--) {

		slot = sched_slot_at(s, (uint16_t)(seq - 1));
		if (!slot || slot->arrival <= s->tick_last)
			break;
	}

	slot = sched_slot_at(s, seq);

	sched_talk_init(tk);
	s->tk      = tk;
	s->next    = seq;
	s->expect  = slot ? slot->media : 0;
	s->stalled = 0;
	s->skip    = 0;
	s->made    = 0;
	s->others  = 0;
	s->ready   = slot != NULL;
	s->first   = true;
	s->waiting = true;
	s->ending  = false;
	s->pcm_heard = false;
	s->depth.adjust = 0;
}


/**
 * Stop to talk and give everything back
 *
 * @param s  Scheduler
 */
void sched_talk_end(struct scheduler *s)
{
	sched_slot_flush(s);

	if (s->tk) {
		s->tk->dec = codec_dec_put(s->tk->dec);
		s->tk = codec_pool_put(s->pool, CODEC_OBJ_TALK, s->tk);
	}

	s->ending    = false;
	s->waiting   = false;
	s->pcm_heard = false;
	s->fec_wait  = false;
	s->state     = SCHEDULER_SILENT;
}


/* How many packets before this one are missing: what was no sound is not */
static int missing(const struct scheduler *s, const struct sched_slot *slot)
{
	return max(0, seq_diff(slot->seq, s->next) - s->others);
}


/**
 * A packet has had its turn
 *
 * @param s     Scheduler
 * @param slot  Packet
 */
void sched_advance(struct scheduler *s, const struct sched_slot *slot)
{
	const int gone = missing(s, slot);
	const bool late = !gone && slot->media - s->expect < LOST_US;

	/* What was waited for was not lost but late */
	if (s->stalled && late && !s->first)
		sched_depth_late(s);

	/* A pause that the sender made needs no concealment */
	if (late || gone)
		s->made_all += s->made;
	s->made   = 0;
	s->others = 0;

	s->lossc  = (uint8_t)(s->lossc + min(gone, 8));
	s->next   = (uint16_t)(slot->seq + 1);
	s->expect = slot->media + slot->dur;
	s->stalled = 0;

	/* Is it worth to wait for redundancy? */
	if (++s->playc < 200 && s->lossc < 32)
		return;

	if (!s->fec_seen || s->lossc * 100 < s->playc)
		s->fec_wait = false;
	else if (s->lossc * 50 >= s->playc)
		s->fec_wait = true;

	s->playc = s->lossc = 0;
	s->fec_seen = false;
}


/* A packet that missed its tick, while the one after it is in time: it may
   be left out, for its tick has been made up for. One tick is hardly heard,
   and more is speech. */
static struct sched_slot *late_skip(struct scheduler *s,
				    struct sched_slot *slot)
{
	struct sched_slot *after = sched_slot_at(s, (uint16_t)(s->next + 1));

	if (slot->seq != s->next || s->first || !after ||
	    slot->dur != SCHED_TICK_US || s->stalled != slot->dur ||
	    slot->media != s->expect ||
	    after->media != slot->media + slot->dur ||
	    !sched_depth_spare(s, slot, after))
		return slot;

	++s->st.late;
	s->made_all += s->made;
	s->made      = 0;
	s->others    = 0;
	s->next      = after->seq;
	s->expect    = after->media;
	s->stalled   = 0;

	return after;
}


/**
 * What comes next
 *
 * @param s      Scheduler
 * @param slotp  Set to the packet if there is one
 *
 * @return SCHED_PLAY, or why there is nothing to play at this moment;
 *         SCHED_LOST: the packet is the one after what was lost
 */
enum sched_turn sched_turn(struct scheduler *s, struct sched_slot **slotp)
{
	struct sched_slot *slot = NULL;
	int64_t gap;

	if (s->kept)
		slot = s->ready ? sched_slot_at(s, s->next)
			: sched_slot_after(s, (uint16_t)
					   (s->newest - SCHED_RING));
	if (!slot && s->kept && s->ready)
		slot = sched_slot_after(s, s->next);

	*slotp = slot;
	if (!slot)
		return SCHED_EMPTY;

	/* The stream began anew under us */
	if (!s->ready) {
		s->ready   = true;
		s->waiting = true;
		s->next    = slot->seq;
		s->expect  = slot->media;
	}

	if (s->stalled && !s->waiting)
		slot = *slotp = late_skip(s, slot);

	gap = slot->media - s->expect - s->stalled;

	if (s->waiting || (gap > LOST_US && (!missing(s, slot) ||
					     gap > BURST_US))) {

		/* A spurt begins, or goes on after a pause: choose the depth
		   anew */
		if (sched_depth_wait(s, slot))
			return SCHED_WAIT;
		s->waiting = false;
		return SCHED_PLAY;
	}

	return gap > LOST_US ? SCHED_LOST : SCHED_PLAY;
}


/* Nobody wanted the last tick: let its time pass */
static void tick_skip(struct scheduler *s)
{
	struct sched_slot *slot;

	s->pcm_heard = false;
	s->skip += SCHED_TICK_US;

	while (s->skip >= LOST_US && sched_turn(s, &slot) == SCHED_PLAY &&
	       s->skip >= slot->dur) {
		s->skip -= slot->dur;
		sched_advance(s, slot);
	}

	/* Time cannot be owed for what has not come */
	if (s->skip >= 3 * SCHED_TICK_US) {
		s->stalled += SCHED_TICK_US;
		s->skip = 0;
	}
}


/* More than the deepest buffer: a sender or a network that stood still */
static void tick_limit(struct scheduler *s)
{
	const struct sched_slot *last = sched_slot_at(s, s->newest);
	struct sched_slot *slot;

	if (!last || !s->ready)
		return;

	while (last->media - s->expect > (int64_t)s->cfg.depth_max * 1000) {

		slot = sched_slot_at(s, s->next);
		if (!slot)
			slot = sched_slot_after(s, s->next);
		if (!slot || slot == last)
			break;

		sched_advance(s, slot);
		++s->st.late;
	}
}


static void tick_talking(struct scheduler *s, bool talking)
{
	const struct sched_slot *slot;
	unsigned hist = 0;

	if ((s->ending && !talking) || s->stalled > STALL_MAX_US) {
		sched_talk_end(s);
		return;
	}
	s->tk->again |= s->ending;

	if (s->frame_taken && !s->pcm_taken) {
		slot = sched_slot_at(s, s->frame_seq);
		if (slot && s->ready && seq_diff(slot->seq, s->next) >= 0)
			sched_advance(s, slot);
		s->pcm_heard = false;
	}
	else if (!s->pcm_taken && s->turn_taken) {
		/* it is the listener's decoder that makes up for it */
		s->made += s->waiting ? 0 : SCHED_TICK_US;
	}
	else if (!s->pcm_taken) {
		tick_skip(s);
	}

	slot = sched_slot_at(s, s->newest);
	if (slot && (s->fmtv[slot->fmt].codec == MESH_G722 ||
		     s->fmtv[slot->fmt].codec == MESH_OPUS))
		hist = SCHED_HIST;
	if (s->ready)
		sched_slot_drop_before(s, (uint16_t)(s->next - hist));

	tick_limit(s);

	s->ending = !talking;
}


/**
 * Begin a tick
 *
 * @param s      Scheduler
 * @param now    [us]
 * @param level  Set to the smoothed level [-dBov], may be NULL
 *
 * @return The state; PCM and frames are to be had while SCHEDULER_TALKING
 */
enum scheduler_state scheduler_tick(struct scheduler *s, uint64_t now,
				    uint8_t *level)
{
	/* a tick that comes later than usual is for 20 ms as well */
	s->tick_last = max(s->now, now > SCHED_TICK_US
			   ? now - SCHED_TICK_US : 0);
	s->now       = now;

	if (level)
		*level = talk_level(&s->talk);

	if (!s->kept && !s->tk)
		return s->state = SCHEDULER_SILENT;

	if (s->judge)
		sched_judge_tick(s);

	/* all that came before the end has been played */
	if (s->over && (!s->kept ||
			(s->ready && seq_diff(s->newest, s->next) < 0)))
		talk_stop(&s->talk);

	if (s->tk)
		tick_talking(s, talk_check(&s->talk, now));
	else if (talk_check(&s->talk, now))
		sched_talk_begin(s);

	s->frame_taken = s->pcm_taken = s->turn_taken = false;

	if (level)
		*level = talk_level(&s->talk);

	s->state = s->tk ? SCHEDULER_TALKING
		: s->kept ? SCHEDULER_JUDGING : SCHEDULER_SILENT;

	return s->state;
}


/* What a stream takes on average, however long one frame of it may be */
static void frame_note(struct scheduler *s, const struct sched_slot *slot)
{
	const int32_t len  = (int32_t)slot->len << 8;
	const int32_t mean = (int32_t)s->frame_mean;

	s->frame_mean = (uint32_t)(mean ? mean + (len - mean) /
				   (1 << MEAN_SHIFT) : len);
}


/**
 * Get the tick's packet as it came, for a listener who hears nothing else
 *
 * @param s      Scheduler
 * @param frame  Set to the packet
 *
 * @return 0 if success; ENODATA if the packet of this tick is missing: skip
 *         a sequence number and the listener's decoder conceals it; ENOENT
 *         if this tick is not just one packet: take scheduler_pcm
 */
int scheduler_frame(struct scheduler *s, struct scheduler_frame *frame)
{
	struct sched_slot *slot;

	if (!s || !frame)
		return EINVAL;
	if (!s->tk || s->ending)
		return ENOENT;

	if (s->pcm_taken || s->frame_taken) {
		slot = s->frame_taken ? sched_slot_at(s, s->frame_seq) : NULL;
		if (!slot)
			return ENOENT;
	}
	else {
		if (s->depth.adjust || s->tk->have || sched_inband(s))
			return ENOENT;

		switch (sched_turn(s, &slot)) {

		case SCHED_PLAY:
			break;

		default:
			s->stalled += SCHED_TICK_US;
			s->turn_taken = true;
			return ENODATA;
		}

		if (slot->dur != SCHED_TICK_US)
			return ENOENT;

		sched_depth_played(s, slot);
		sched_depth_look(s, 0);
		frame_note(s, slot);
		s->frame_seq   = slot->seq;
		s->frame_taken = true;
	}

	frame->fmt   = &s->fmtv[slot->fmt];
	frame->p     = slot->data;
	frame->len   = slot->len;
	frame->rate  = (uint32_t)((uint64_t)s->frame_mean * 8 * 1000000 /
				  SCHED_TICK_US >> 8);
	frame->first = s->first;
	s->first     = false;

	return 0;
}
