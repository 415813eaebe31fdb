/**
 * @file mesh/scheduler_warm.c  A decoder that has to begin in the middle
 *
 * Of what went out as frames, of a talk spurt that is only now judged to be
 * one, and of talk that another server heard the beginning of.
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
#include "mesh/scheduler.h"
#include "mesh/scheduler_priv.h"


enum {
	SETTLE = 4,           /* times to hear a frame                      */
	LOUDER = 10,          /* than before: that cannot be [dB]           */
};


/* In the middle of talk that another server heard the beginning of, the
   frame before was much like this one: hearing this one a few times brings
   the decoder close. False if it was not so, then it is too loud now. */
static bool settle(struct scheduler *s, const struct sched_slot *slot)
{
	int16_t sampv[CODEC_FRAME_MAX];
	const uint8_t was = s->midway;

	s->midway = LEVEL_SILENCE;
	if (was >= LEVEL_SILENCE)
		return false;

	for (unsigned i = 0; i < SETTLE; i++) {
		size_t n = ARRAY_SIZE(sampv);

		if (codec_decode(s->tk->dec, slot->data, slot->len, sampv,
				 &n) ||
		    level_pcm(sampv, n, 2) + LOUDER < was) {
			codec_dec_reset(s->tk->dec);
			return false;
		}
	}

	return true;
}


/* A decoder that missed what went out as frames hears the last of it. One
   that heard nothing begins with silence: CELT predicts the energy of a
   frame from the one before, and what libopus begins with is loud. */
static void warm_up(struct scheduler *s, const struct sched_slot *next)
{
	struct sched_talk *tk = s->tk;
	int16_t sampv[CODEC_FRAME_MAX];
	const uint16_t upto = next->seq;
	const uint8_t toc = next->data[0];
	uint16_t seq = (uint16_t)(upto - SCHED_HIST);

	if (!tk->dec_any && s->fmtv[tk->fmt].codec == MESH_OPUS &&
	    toc & 0x80 && !settle(s, next)) {
		const uint8_t silence[] = {toc & 0xfc, 0xff, 0xfe};
		size_t n = ARRAY_SIZE(sampv);

		(void)codec_decode(tk->dec, silence, sizeof(silence), sampv,
				   &n);
	}

	if (tk->dec_any && seq_diff(tk->dec_seq, seq) > 0)
		seq = tk->dec_seq;

	for (; seq_diff(seq, upto) < 0; seq++) {

		const struct sched_slot *slot = sched_slot_at(s, seq);
		size_t n = ARRAY_SIZE(sampv);

		if (!slot || slot->fmt != tk->fmt ||
		    codec_decode(tk->dec, slot->data, slot->len, sampv, &n))
			continue;

		if (seq == (uint16_t)(upto - 1) && n == tk->rate / 50) {
			memcpy(tk->past, sampv, n * sizeof(*sampv));
			tk->past_any = true;
		}
	}
}


/**
 * See to it that there is a decoder for a packet that knows what was before
 *
 * @param s     Scheduler that plays
 * @param slot  Packet to decode next
 *
 * @return 0 if success, otherwise errorcode
 */
int sched_decoder_set(struct scheduler *s, const struct sched_slot *slot)
{
	struct sched_talk *tk = s->tk;
	const struct mesh_format *fmt = &s->fmtv[slot->fmt];
	uint32_t rate;
	int err;

	if (tk->dec && tk->fmt == slot->fmt) {
		if (tk->dec_seq != slot->seq)
			warm_up(s, slot);
		return 0;
	}

	tk->dec = codec_dec_put(tk->dec);

	err = codec_dec_get(&tk->dec, s->pool, fmt, tk->out);
	if (err)
		return err;

	tk->fmt     = slot->fmt;
	tk->dec_any = false;

	rate = codec_dec_rate(tk->dec);
	if (rate != tk->rate) {
		tk->rate = rate;
		tk->have = 0;
		err = resample_init(&tk->rs, rate, tk->out);
	}

	warm_up(s, slot);

	return err;
}
