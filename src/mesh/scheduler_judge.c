/**
 * @file mesh/scheduler_judge.c  Does an Opus sender talk?
 *
 * A payload of Opus does not show how loud it is. What it shows: next to
 * nothing when the encoder's DTX is at work; in SILK, the encoder's own voice
 * flag; a larger size when a variable-rate encoder has more to tell. These
 * choose the packets that are worth a verdict. For the verdict the last few
 * packets are decoded at 8 kHz.
 */
#include <string.h>
#include <opus/opus.h>
#include <re.h>
#include "mesh/mesh.h"
#include "mesh/codec.h"
#include "mesh/codec_priv.h"
#include "mesh/level.h"
#include "mesh/talk.h"
#include "mesh/dtmf.h"
#include "mesh/resample.h"
#include "mesh/scheduler.h"
#include "mesh/scheduler_priv.h"


enum {
	JUDGE_RATE   = 8000,
	DTX_SIZE     = 3,        /* not more than this is DTX [bytes]       */
	HINT_US      = 80000,    /* between verdicts when there is a hint   */
	TALK_US      = 100000,   /* ... while talking, if not decoded       */
	CELT_US      = 200000,   /* ... without any hint                    */
	NOVOICE_US   = 1000000,  /* ... when the encoder says: no voice     */
};


/* RFC 6716 4.2.3: a SILK frame begins with its voice flag */
static uint32_t patience(const struct scheduler *s, const uint8_t *p,
			 size_t len)
{
	const bool celt = p[0] & 0x80;
	const bool one  = !(p[0] & 3);
	const bool jump = len > s->size + s->size / 3u + 4;

	if (s->tk)
		return TALK_US;
	if (!celt && one && len > 1)
		return p[1] & 0x80 ? HINT_US : NOVOICE_US;

	return jump ? HINT_US : CELT_US;
}


/**
 * Hear an Opus packet without its level
 *
 * @param s    Scheduler
 * @param pkt  Packet
 * @param now  [us]
 *
 * @return true if the packet is to be kept
 */
bool sched_judge_hear(struct scheduler *s, const struct scheduler_packet *pkt,
		      uint64_t now)
{
	if (pkt->len <= DTX_SIZE) {
		if (!s->tk)
			sched_slot_flush(s);
		return talk_hear(&s->talk, LEVEL_SILENCE, now);
	}

	/* What is played is heard then */
	if (s->tk && s->pcm_heard)
		return true;

	if (now - s->judged >= patience(s, pkt->p, pkt->len))
		s->judge = true;

	s->size = (uint16_t)(s->size ? (s->size * 7 + pkt->len) / 8
			     : pkt->len);

	if (!s->tk)
		sched_slot_drop_before(s, (uint16_t)(pkt->seq - SCHED_HIST));

	return true;
}


/**
 * Give a verdict, if one is due in this tick
 *
 * @param s  Scheduler
 */
void sched_judge_tick(struct scheduler *s)
{
	int16_t sampv[JUDGE_RATE / 1000 * 60];
	struct codec_dec *dec = NULL;
	uint8_t level = LEVEL_SILENCE;
	uint16_t seq;

	if (!s->judge || !s->kept)
		return;

	s->judge = false;

	for (seq = (uint16_t)(s->newest - SCHED_HIST);
	     seq_diff(seq, s->newest) <= 0; seq++) {

		const struct sched_slot *slot = sched_slot_at(s, seq);
		size_t n = ARRAY_SIZE(sampv);

		if (!slot || s->fmtv[slot->fmt].codec != MESH_OPUS)
			continue;

		if (!dec && codec_dec_get(&dec, s->pool,
					  &s->fmtv[slot->fmt], JUDGE_RATE))
			return;

		if (!codec_decode(dec, slot->data, slot->len, sampv, &n))
			level = level_pcm(sampv, n, 1);
	}

	if (!dec)
		return;

	codec_dec_put(dec);
	codec_pool_count_judged(s->pool);
	s->judged = s->now;

	talk_hear(&s->talk, level, s->now);
}
