/**
 * @file mesh/scheduler_judge.c  Does an Opus sender talk?
 *
 * CELT tells its level by itself. SILK tells whether its encoder heard a voice
 * (a steady tone is none to it), and how its gain changed; when that may be
 * talk, and else now and then, the last few packets are decoded at 8 kHz for
 * a verdict.
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
	NEAR_US    = 80000,      /* between verdicts if it may be talk      */
	NOVOICE_US = 300000,     /* ... if the encoder hears no voice       */
	SURE_US    = 3000000,    /* ... if it is far too quiet              */
	TALK_US    = 500000,     /* ... of a talker                         */
	AHEAD_US   = 50000,      /* keep packets this long before a verdict */
	NEAR_DB    = 8,          /* to the threshold                        */
	QUIET      = 70,         /* quieter makes no difference [-dBov]     */
};


/* The level, as far as the last verdict and what has changed since tell */
static uint8_t estimate(const struct scheduler *s)
{
	const int ref = min(s->verdict, (uint8_t)QUIET);
	const int est = ref + s->gain - s->gain_ref;

	return (uint8_t)max(0, min(est, (int)LEVEL_SILENCE));
}


static bool silk_hear(struct scheduler *s, bool onset, uint64_t now)
{
	const uint64_t since = now - s->judged;
	const bool known = s->gain != OPUS_LEVEL_NONE &&
		s->gain_ref != OPUS_LEVEL_NONE;
	const uint8_t est = known ? estimate(s) : s->verdict;
	bool near = onset;
	uint64_t wait;

	if (s->tk) {
		/* Between verdicts, a voice goes on as it was judged */
		if (known || s->voice)
			talk_hear(&s->talk, est, now);
		s->judge |= since >= TALK_US;
		return true;
	}

	if (known)
		near = est <= talk_threshold(&s->talk) + NEAR_DB &&
			(onset || est + 3 <= s->verdict ||
			 s->verdict <= talk_threshold(&s->talk) + NEAR_DB);

	wait = near ? NEAR_US : known ? SURE_US
		: s->voice ? NEAR_US : NOVOICE_US;

	/* At once when a voice begins */
	if (since >= wait || (onset && near)) {
		s->judge = true;
		return true;
	}

	return near || since + AHEAD_US >= wait;
}


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

	/* What is played is heard then */
	if (s->tk && s->pcm_heard)
		return true;

	look = opus_level_look(&s->opus, pkt->p, pkt->len, level);

	s->voice = look == OPUS_LOOK_VOICE;

	switch (look) {

	case OPUS_LOOK_BAD:
		++s->st.malformed;
		return false;

	case OPUS_LOOK_LEVEL:
		return talk_hear(&s->talk, *level, now);

	default:
		s->gain = *level;
		*level  = LEVEL_SILENCE;
		return silk_hear(s, s->voice && !voiced, now);
	}
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
	s->judged   = s->now;
	s->verdict  = level;
	s->gain_ref = s->gain;

	/* Until the next one, nobody needs what was kept */
	if (!talk_hear(&s->talk, level, s->now) && !s->voice && !s->tk)
		sched_slot_flush(s);
}
