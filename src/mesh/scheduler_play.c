/**
 * @file mesh/scheduler_play.c  PCM of a tick: decode, conceal, stretch
 *
 *   ring -> decode / FEC / conceal -> FIFO -> stretch -> DTMF out -> resample
 *
 * The FIFO runs at the decoder's own rate; for G.711 that makes everything
 * before the resampler cheap.
 */
#include <string.h>
#include <stdint.h>
#include <spandsp.h>
#include <re.h>
#include "mesh/mesh.h"
#include "mesh/codec.h"
#include "mesh/codec_priv.h"
#include "mesh/level.h"
#include "mesh/opus_level.h"
#include "mesh/talk.h"
#include "mesh/dtmf.h"
#include "mesh/resample.h"
#include "mesh/stretch.h"
#include "mesh/scheduler.h"
#include "mesh/scheduler_priv.h"


enum {
	STEP_US   = 15000,    /* stretched in one tick at most              */
	EXACT_US  = 2500,     /* less than any pitch period                 */
	ROUND_US  = 20,
	FADE_US   = 2000,
};


size_t sched_slot_size(void)
{
	return sizeof(struct sched_slot);
}


size_t sched_talk_size(void)
{
	return sizeof(struct sched_talk);
}


int sched_talk_setup(void *talk)
{
	struct sched_talk *tk = talk;

	tk->dtmf = dtmf_rx_init(NULL, NULL, NULL);

	return tk->dtmf ? 0 : ENOMEM;
}


void sched_talk_close(void *talk)
{
	struct sched_talk *tk = talk;

	if (tk->dtmf)
		dtmf_rx_free(tk->dtmf);
	tk->dtmf = NULL;
}


/**
 * Make a talk object fresh
 *
 * @param tk  Of the pool
 */
void sched_talk_init(struct sched_talk *tk)
{
	tk->dec     = NULL;
	tk->fmt     = SCHED_NOFMT;
	tk->rate    = 0;
	tk->out     = 0;
	tk->have    = 0;
	tk->started = false;
	tk->again   = false;
	tk->tone    = false;
	tk->past_any = false;
	dtmf_rx_init(tk->dtmf, NULL, NULL);
}


/**
 * Tell whether tones in the sound are keys pressed
 *
 * @param s  Scheduler
 *
 * @return true if so: G.711, wanted, and the phone has no other way
 */
bool sched_inband(const struct scheduler *s)
{
	const struct sched_slot *slot;

	if (!s->cfg.dtmf_inband || s->telev || !s->kept)
		return false;

	slot = sched_slot_at(s, s->newest);

	return slot && (s->fmtv[slot->fmt].codec == MESH_PCMU ||
			s->fmtv[slot->fmt].codec == MESH_PCMA);
}


static uint32_t usec(const struct sched_talk *tk, size_t sampc)
{
	return (uint32_t)((uint64_t)sampc * 1000000 / tk->rate);
}


static void conceal(struct scheduler *s, size_t sampc,
		    const struct sched_slot *fec)
{
	struct sched_talk *tk = s->tk;
	int16_t *sampv = &tk->fifo[tk->have];
	int err = ENOENT;

	sampc = min(sampc, SCHED_FIFO - tk->have);

	if (!tk->dec) {
		memset(sampv, 0, sampc * sizeof(*sampv));
		err = 0;
	}
	else if (fec && tk->fmt == fec->fmt) {
		err = codec_decode_fec(tk->dec, fec->data, fec->len, sampv,
				       sampc);
		if (!err)
			++s->st.fec;
	}

	if (err && tk->dec)
		(void)codec_decode_lost(tk->dec, sampv, sampc);

	if (err && tk->started)
		s->made += usec(tk, sampc);

	tk->have += sampc;
	s->clean = false;
}


/* Concealment comes in pieces of 2.5 ms: libopus will have it so */
static size_t pieces(const struct sched_talk *tk, int64_t us)
{
	const size_t piece = tk->rate / 400;
	size_t n = (size_t)((us + 2499) / 2500) * piece;

	return max(piece, min(n, 8 * piece));
}


static void play(struct scheduler *s, struct sched_slot *slot)
{
	struct sched_talk *tk = s->tk;
	size_t n;
	int err;

	err = sched_decoder_set(s, slot);
	n   = SCHED_FIFO - tk->have;

	if (!err)
		err = codec_decode(tk->dec, slot->data, slot->len,
				   &tk->fifo[tk->have], &n);
	if (err) {
		if (err == EBADMSG)
			++s->st.malformed;
		conceal(s, (size_t)slot->dur / 2500 * (tk->rate / 400),
			NULL);
	}
	else {
		s->fec_seen |= codec_has_fec(&s->fmtv[slot->fmt],
					     slot->data, slot->len);
		tk->have   += n;
		tk->started = true;
	}

	tk->dec_seq = (uint16_t)(slot->seq + 1);
	tk->dec_any = true;

	if (!s->frame_taken)
		sched_depth_played(s, slot);
	sched_advance(s, slot);
}


static void lost(struct scheduler *s, const struct sched_slot *slot)
{
	const bool next = slot->seq == (uint16_t)(s->next + 1);
	const int64_t gap = slot->media - s->expect - s->stalled;
	size_t n = pieces(s->tk, gap);
	uint32_t us;

	/* Redundancy stands for the whole packet before */
	if (next && s->tk->dec && gap == (int64_t)slot->dur && !s->stalled)
		n = (size_t)((uint64_t)slot->dur * s->tk->rate / 1000000);
	else
		slot = NULL;

	us = usec(s->tk, n);
	conceal(s, n, slot);
	s->stalled += us;
}


static void empty(struct scheduler *s, size_t missing)
{
	const size_t piece = s->tk->rate / 400;

	/* What this tick lacks is known to the depth already if a frame was
	   asked for first */
	if (!s->turn_taken) {
		s->stalled += usec(s->tk, missing);
	}

	conceal(s, (missing + piece - 1) / piece * piece, NULL);
}


static void fill(struct scheduler *s, size_t want)
{
	struct sched_talk *tk = s->tk;
	struct sched_slot *slot;

	while (tk->have < want) {

		const enum sched_turn turn = s->turn_taken ? SCHED_EMPTY
			: sched_turn(s, &slot);

		switch (turn) {

		case SCHED_PLAY:
			play(s, slot);
			/* its rate may be another */
			want = tk->rate / 50;
			break;

		case SCHED_LOST:
			lost(s, slot);
			break;

		default:
			empty(s, want - tk->have);
			break;
		}
	}
}


static void stretch(struct scheduler *s)
{
	struct sched_talk *tk = s->tk;
	struct sched_depth *d = &s->depth;
	const size_t tick = tk->rate / 50;
	const bool quiet = level_pcm(tk->fifo, tick, 4) + 3 >= s->talk.room;
	struct sched_slot *slot;
	int32_t todo = d->adjust < 0 ? -d->adjust : d->adjust;
	size_t want, n;

	/* to the nearest sample, so that in the end nothing is left over */
	todo = min(todo, (int32_t)STEP_US);
	want = ((size_t)todo * (tk->rate / 100) + 5000) / 10000;

	if (d->adjust > 0) {

		if (tk->have < tick + want && sched_turn(s, &slot) ==
		    SCHED_PLAY && tk->have + tick * 3 < SCHED_FIFO)
			play(s, slot);

		want = min(want, tk->have - tick);
		n = stretch_remove(tk->fifo, tk->have, tk->rate,
				   (unsigned)want,
				   quiet || todo < EXACT_US);
		d->adjust -= (int32_t)usec(tk, tk->have - n);
	}
	else {
		n = stretch_insert(tk->fifo, tk->have, tk->rate,
				   (unsigned)want,
				   quiet || todo < EXACT_US);
		d->adjust += (int32_t)usec(tk, n - tk->have);
	}

	s->stretched += usec(tk, n > tk->have ? n - tk->have : tk->have - n);
	tk->have = n;

	/* Less than a sample remains of rounding */
	if (d->adjust > -ROUND_US && d->adjust < ROUND_US)
		sched_depth_done(d);
}


/* Keys heard in the sound are told, and their tones silenced */
static void digits(struct scheduler *s, size_t tick)
{
	struct sched_talk *tk = s->tk;
	char digitv[8];
	size_t i, n;
	bool tone;

	(void)dtmf_rx(tk->dtmf, tk->fifo, (int)tick);

	tone = dtmf_rx_status(tk->dtmf) != 0;
	n    = dtmf_rx_get(tk->dtmf, digitv, sizeof(digitv) - 1);

	for (i = 0; i < n && s->dtmfh; i++)
		s->dtmfh(digitv[i], 0, s->arg);

	if (tone && !tk->tone)
		codec_fade_out(tk->fifo, tk->rate / 500);
	if (tone)
		memset(&tk->fifo[tk->tone ? 0 : tk->rate / 500], 0,
		       (tick - (tk->tone ? 0 : tk->rate / 500)) *
		       sizeof(*tk->fifo));
	else if (tk->tone)
		codec_fade_in(tk->fifo, tk->rate / 500);

	tk->tone = tone;
}


static void out(struct scheduler *s, int16_t *sampv, bool begin)
{
	struct sched_talk *tk = s->tk;
	const size_t tick = tk->rate / 50;
	const size_t fade = tk->rate / 1000 * (FADE_US / 1000);

	if (begin)
		codec_fade_in(tk->fifo, fade);
	if (s->ending)
		codec_fade_out(tk->fifo, tick);

	(void)resample(&tk->rs, sampv, tk->fifo, tick);

	tk->have -= tick;
	memmove(tk->fifo, &tk->fifo[tick], tk->have * sizeof(*tk->fifo));
}


/* Before the first packet, the decoder's rate is that of what is next */
static int talk_prepare(struct scheduler *s, uint32_t rate)
{
	struct sched_talk *tk = s->tk;
	struct sched_slot *slot;
	int err;

	if (tk->out != rate) {
		if (tk->fmt != SCHED_NOFMT &&
		    s->fmtv[tk->fmt].codec == MESH_OPUS)
			tk->dec = codec_dec_put(tk->dec);
		tk->out = rate;
		tk->fmt = tk->dec ? tk->fmt : SCHED_NOFMT;
		if (tk->rate && tk->dec)
			return resample_init(&tk->rs, tk->rate, rate);
	}

	if (tk->dec)
		return 0;

	(void)sched_turn(s, &slot);
	if (slot) {
		err = sched_decoder_set(s, slot);
		if (err)
			return err;
		tk->dec_seq = slot->seq;
		tk->dec_any = true;
		return 0;
	}

	if (!tk->rate) {
		tk->rate = rate;
		return resample_init(&tk->rs, rate, rate);
	}

	return 0;
}


/**
 * Get the sound of the tick before, of which only the frame was fetched;
 * after scheduler_pcm
 *
 * @param s      Scheduler
 * @param sampv  Where the samples go, rate / 50 of them
 * @param rate   That of scheduler_pcm [Hz]
 *
 * @return 0 if success, ENOENT if it is not known
 */
int scheduler_past(const struct scheduler *s, int16_t *sampv, uint32_t rate)
{
	const struct sched_talk *tk;

	if (!s || !sampv)
		return EINVAL;

	tk = s->tk;
	if (!tk || !tk->past_any || tk->rate != rate)
		return ENOENT;

	memcpy(sampv, tk->past, rate / 50 * sizeof(*sampv));

	return 0;
}


/**
 * Get the tick's sound: 20 ms
 *
 * @param s      Scheduler
 * @param sampv  Where the samples go, rate / 50 of them
 * @param rate   8000, 16000, 24000 or 48000 [Hz]; should not change often
 *
 * @return 0 if success, ENOENT if the participant does not talk, ENOMEM if
 *         the pool has no decoder left, EALREADY if taken before
 */
int scheduler_pcm(struct scheduler *s, int16_t *sampv, uint32_t rate)
{
	struct sched_talk *tk;
	bool begin;
	int err;

	if (!s || !sampv || (rate != 8000 && rate != 16000 &&
			     rate != 24000 && rate != 48000))
		return EINVAL;
	tk = s->tk;
	if (!tk)
		return ENOENT;
	if (s->pcm_taken)
		return EALREADY;

	tk->past_any = false;
	err = talk_prepare(s, rate);
	if (err)
		return err;

	begin    = !tk->started || tk->again;
	tk->again = false;
	s->clean = true;
	s->first = false;

	fill(s, tk->rate / 50);

	if (s->depth.adjust && tk->started && s->clean && !s->frame_taken)
		stretch(s);

	if (tk->rate == 8000 && sched_inband(s))
		digits(s, tk->rate / 50);

	if (s->clean && tk->started && s->talk_pcm)
		talk_hear(&s->talk, level_pcm(tk->fifo, tk->rate / 50,
					      tk->rate / 8000), s->now);

	out(s, sampv, begin && tk->started);

	if (!s->frame_taken)
		sched_depth_look(s, usec(tk, tk->have));

	s->pcm_taken = true;
	s->pcm_heard = true;

	return 0;
}
