/**
 * @file mesh/scheduler_judge.c  Does an Opus sender talk?
 *
 * CELT tells its level by itself. SILK tells only whether its encoder heard a
 * voice; when it did, and now and then when it did not (a steady tone is none
 * to it), the last few packets are decoded at 8 kHz for a verdict.
 */
#include <string.h>
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
	JUDGE_RATE = 8000,
	JUDGE_HIST = 2,          /* packets decoded before the one judged   */
	VOICE_US   = 80000,      /* between verdicts if there is a voice    */
	NOVOICE_US = 300000,     /* ... and if there is none                */
	AHEAD_US   = 130000,     /* keep packets this long before a verdict */
};


/**
 * Hear an Opus packet
 *
 * @param s      Scheduler
 * @param pkt    Packet
 * @param now    [us]
 * @param level  Set to its level, if it tells [-dBov]
 *
 * @return true if the packet is to be kept
 */
bool sched_judge_hear(struct scheduler *s, const struct scheduler_packet *pkt,
		      uint64_t now, uint8_t *level)
{
	const bool voiced = s->voice;
	enum opus_look look;
	uint64_t wait, since;

	/* What is played is heard then */
	if (s->tk && s->pcm_heard)
		return true;

	look = opus_level_look(&s->opus, pkt->p, pkt->len, level);

	s->voice = look == OPUS_LOOK_VOICE;

	if (look == OPUS_LOOK_BAD) {
		++s->st.malformed;
		return false;
	}
	if (look == OPUS_LOOK_LEVEL)
		return talk_hear(&s->talk, *level, now);

	/* Between verdicts, a voice goes on as it was judged */
	if (s->tk && s->voice)
		talk_hear(&s->talk, s->verdict, now);

	wait  = s->voice ? VOICE_US : NOVOICE_US;
	since = now - s->judged;

	/* At once when a voice begins */
	if (since >= wait || (s->voice && !voiced)) {
		s->judge = true;
		return true;
	}

	return s->voice || since + AHEAD_US >= wait;
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

	s->judge = false;

	if (!s->kept)
		return;

	for (seq = (uint16_t)(s->newest - JUDGE_HIST);
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
	s->judged  = s->now;
	s->verdict = level;

	/* Until the next one, nobody needs what was kept */
	if (!talk_hear(&s->talk, level, s->now) && !s->voice && !s->tk)
		sched_slot_flush(s);
}
