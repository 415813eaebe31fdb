/**
 * @file mesh/sender_pass.c  When to change between streams, and how
 *
 * Resampling delays audio by a few milliseconds, so what is encoded here lags
 * behind the frames it was made of. For G.711 nothing hides that step when a
 * stream changes between the two; so the tick of the change goes from the
 * one to the other.
 */
#include <re.h>
#include "mesh/mesh.h"
#include "mesh/codec.h"
#include "mesh/scheduler.h"
#include "mesh/g711.h"
#include "mesh/plc.h"
#include "mesh/rtp.h"
#include "mesh/filter.h"
#include "mesh/sender.h"

enum {
	TICK       = 160,        /* samples of G.711                      */
	MEET       = 15,         /* ticks for two encoders to come close  */
	MEET_PLAIN = 2,          /* the same if only resampling has state */
};


/**
 * Tell whether packets of a codec stand alone
 *
 * @param codec Codec
 *
 * @return True for G.711
 */
bool sender_stateless(enum mesh_codec codec)
{
	return codec == MESH_PCMU || codec == MESH_PCMA;
}


/**
 * Can a listener change between two senders now, without hearing it
 *
 * @param s     Sender that it hears
 * @param other Another one
 * @param key   Of both
 * @param quiet There is little to hear in this tick
 * @param ticks For how long both have had the same mix [ticks]
 *
 * @return True if so, or if there has been no good moment for very long
 */
bool sender_meets(const struct sender *s, const struct sender *other,
		  const struct sender_key *key, bool quiet, unsigned ticks)
{
	if (ticks >= SENDER_WAIT)
		return true;

	if (ticks < MEET_PLAIN || s->pass != other->pass)
		return false;

	/* the same frames as they came: nothing can differ */
	if (s->pass || sender_stateless(key->fmt.codec))
		return true;

	return quiet && ticks >= MEET;
}


/* Would this frame do as it is? */
static bool frame_fits(const struct sender_key *key,
		       const struct scheduler_frame *f)
{
	if (f->fmt->codec != key->fmt.codec || !f->len ||
	    f->len > CODEC_PAYLOAD_MAX)
		return false;

	if (sender_stateless(key->fmt.codec))
		return true;

	if (key->fmt.codec != MESH_OPUS || key->fmt.cbr)
		return false;

	/* a limit is an average, RFC 7587, 6.1: single frames of VBR may be
	   much longer, and more in a second when somebody speaks */
	return !key->fmt.bitrate ||
		f->rate <= key->fmt.bitrate + key->fmt.bitrate / 4;
}


/**
 * Tell whether frames of an only talker would do
 *
 * @param key What a sender makes
 * @param mix What its listeners hear
 * @param env Of their conference
 *
 * @return True if so
 */
bool sender_fits(const struct sender_key *key, const struct filter_mix *mix,
		 const struct sender_env *env)
{
	const struct filter_talker *t = mix->lone;

	/* an empty one was lost on the way in */
	return env->pass_through && t && t->frame && t->frame->len &&
		key->ptime == CODEC_TICK_MS && frame_fits(key, t->frame);
}


/**
 * Tell whether frames of the only talker go out in this tick, or what we
 * encode
 *
 * @param s   Sender
 * @param key What it makes
 * @param mix What its listeners hear
 * @param env Of their conference
 *
 * @return True if frames go out as they came
 */
bool sender_passes(const struct sender *s, const struct sender_key *key,
		   const struct filter_mix *mix,
		   const struct sender_env *env)
{
	const struct filter_talker *t = mix->lone;

	if (!env->pass_through || !t || key->ptime != CODEC_TICK_MS)
		return false;

	if (!t->frame)
		return false;

	if (!s->wait && sender_fits(key, mix, env))
		return true;

	/* whoever comes in the middle has not got the frames before */
	if (s->alone && !s->silent && !sender_stateless(key->fmt.codec))
		return false;

	/* a frame that is lost leaves a gap for the far end to conceal */
	if (!t->frame->len)
		return s->pass == t->who && !sender_stateless(key->fmt.codec);

	if (!frame_fits(key, t->frame))
		return false;

	if (s->pass == t->who || sender_stateless(key->fmt.codec))
		return true;

	return s->silent || t->level >= SENDER_QUIET;
}


/**
 * Find the frame of this tick of somebody who is mixed
 *
 * @param mix   What is heard; may be of others, too
 * @param who   Whose frame
 * @param codec That it must be of
 *
 * @return Frame of 20 ms of G.711, or NULL
 */
const struct scheduler_frame *sender_frame(const struct filter_mix *mix,
					   const void *who,
					   enum mesh_codec codec)
{
	for (unsigned i = 0; who && i < mix->talkc; i++) {

		const struct scheduler_frame *f = mix->talkv[i].frame;

		if (mix->talkv[i].who == who)
			return f && f->len == TICK && f->fmt->codec == codec
				? f : NULL;
	}

	return NULL;
}


/**
 * Go from one payload of G.711 to another, within 20 ms
 *
 * @param to    Payload at the end, 160 bytes; holds the result
 * @param from  Payload at the start, as long
 * @param codec Which law
 */
void sender_cross(uint8_t *to, const uint8_t *from, enum mesh_codec codec)
{
	const bool alaw = codec == MESH_PCMA;
	int16_t a[TICK], b[TICK];

	g711_to_pcm(alaw, a, from, TICK);
	g711_to_pcm(alaw, b, to, TICK);
	codec_crossfade(b, a, TICK);
	g711_from_pcm(alaw, to, b, TICK);
}


/**
 * How two payloads of G.711 may go on
 *
 * @param next  Set to 160 bytes
 * @param older The last but one, as long
 * @param last  The last one
 * @param codec Which law
 */
void sender_go_on(uint8_t *next, const uint8_t *older, const uint8_t *last,
		  enum mesh_codec codec)
{
	const bool alaw = codec == MESH_PCMA;
	int16_t sampv[TICK];
	struct plc plc;

	plc_start(&plc, 8000);
	g711_to_pcm(alaw, sampv, older, TICK);
	plc_good(&plc, sampv, TICK);
	g711_to_pcm(alaw, sampv, last, TICK);
	plc_good(&plc, sampv, TICK);
	plc_lost(&plc, sampv, TICK);
	g711_from_pcm(alaw, next, sampv, TICK);
}
