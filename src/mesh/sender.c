/**
 * @file mesh/sender.c  One stream of packets, for one listener or many equal
 *
 *                      +-- frames of the only talker, as they came --+
 *   mix of 20 ms ------+                                             +-> block
 *                      +-- gather to ptime -- encode ----------------+
 *
 * The block is what all packets of the stream have in common: CSRCs, levels
 * and payload. Payloads lie at a fixed place in their buffer and what comes
 * before is written in front, so that a payload can be sent once more.
 *
 * A decoder at the far end hears one stream without a seam, although what
 * feeds it changes between three: own encoder, frames passed through, and
 * the encoder of another sender. An encoder that takes over is first fed
 * with the audio that was heard before (primed). Frames of Opus, which rely
 * on those before them, are passed through only from a moment of silence on.
 */
#include <re.h>
#include <string.h>
#include "mesh/mesh.h"
#include "mesh/codec.h"
#include "mesh/scheduler.h"
#include "mesh/rtp.h"
#include "mesh/filter.h"
#include "mesh/sender.h"

enum {
	SILENT_FRAMES = 4,       /* then the last one is repeated          */
	MEET          = 15,      /* ticks for two encoders to come close  */
	MEET_PLAIN    = 2,       /* the same if only resampling has state */
	MEET_MAX      = 250,     /* ticks to wait for a quiet moment       */
	FEC_LOSS      = 10,      /* what FEC is made for [%]               */
};


static void sender_destructor(void *arg)
{
	struct sender *s = arg;

	list_unlink(&s->le);
	s->enc = codec_enc_put(s->enc);
}


/**
 * Allocate a sender
 *
 * @param sp Pointer to allocated sender
 *
 * @return 0, or EINVAL or ENOMEM
 */
int sender_alloc(struct sender **sp)
{
	struct sender *s;

	if (!sp)
		return EINVAL;

	s = mem_zalloc(sizeof(*s), sender_destructor);
	if (!s)
		return ENOMEM;

	*sp = s;

	return 0;
}


/**
 * Make a sender as good as new; its encoder goes back to the pool
 *
 * @param s Sender
 */
void sender_clear(struct sender *s)
{
	s->enc = codec_enc_put(s->enc);
	s->pass = NULL;
	s->silent = 0;
	s->primed = false;
	s->tick = 0;
	s->fill = 0;
	s->packetc = 0;
	memset(s->prev, 0, sizeof(s->prev));
}


/**
 * Continue what listeners heard from another sender until now
 *
 * @param s    Sender, fresh or cleared
 * @param from The other, equal in its key
 */
void sender_follow(struct sender *s, const struct sender *from)
{
	s->pass   = from->pass;
	s->silent = from->silent;
	s->tick   = from->tick;
	s->rate   = from->rate;
	s->fill   = from->fill;
	memcpy(s->prev, from->prev, sizeof(s->prev));
	memcpy(s->gather, from->gather, from->fill * sizeof(s->gather[0]));
	s->loud   = from->loud;

	if (from->silent < SILENT_FRAMES) {
		if (!from->pass && from->primed && !s->enc &&
		    !codec_enc_copy(&s->enc, from->enc, from->enc_rate)) {
			s->enc_rate = from->enc_rate;
			s->primed = true;
		}
		return;
	}

	/* silence can be repeated without an encoder */
	for (unsigned i = 0; i < SENDER_PACKETS; i++) {
		s->lenv[i] = from->lenv[i];
		memcpy(s->bufv[i] + RTP_SHARED_MAX,
		       from->bufv[i] + RTP_SHARED_MAX, from->lenv[i]);
	}
}


static bool stateless(enum mesh_codec codec)
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
	if (ticks >= MEET_MAX)
		return true;

	if (ticks < MEET_PLAIN || s->pass != other->pass)
		return false;

	/* the same frames as they came: nothing can differ */
	if (s->pass || stateless(key->fmt.codec))
		return true;

	return quiet && ticks >= MEET;
}


/**
 * Can listeners with these formats share a sender
 *
 * @param a One
 * @param b Other
 *
 * @return True if so
 */
bool sender_key_equal(const struct sender_key *a, const struct sender_key *b)
{
	return a->ptime == b->ptime && a->ext_mixer == b->ext_mixer &&
		codec_equal(&a->fmt, &b->fmt);
}


/* Would this frame do as it is? */
static bool frame_fits(const struct sender_key *key,
		       const struct scheduler_frame *f)
{
	if (f->fmt->codec != key->fmt.codec || !f->len ||
	    f->len > CODEC_PAYLOAD_MAX)
		return false;

	if (stateless(key->fmt.codec))
		return true;

	if (key->fmt.codec != MESH_OPUS || key->fmt.cbr)
		return false;

	/* a limit is an average, RFC 7587, 6.1: half as much again is fine */
	return !key->fmt.bitrate ||
		f->len * 8 * 50 <= key->fmt.bitrate + key->fmt.bitrate / 2;
}


/* Do frames of the only talker go out in this tick, or what we encode? */
static bool pass_wanted(const struct sender *s, const struct sender_key *key,
			const struct filter_mix *mix,
			const struct sender_env *env)
{
	const struct filter_talker *t = mix->lone;

	if (!env->pass_through || !t || key->ptime != CODEC_TICK_MS)
		return false;

	if (!t->frame)
		return false;

	/* a frame that is lost leaves a gap for the far end to conceal */
	if (!t->frame->len)
		return s->pass == t->who && !stateless(key->fmt.codec);

	if (!frame_fits(key, t->frame))
		return false;

	if (s->pass == t->who || stateless(key->fmt.codec))
		return true;

	return s->silent || t->level >= SENDER_QUIET;
}


static void packet_add(struct sender *s, const struct filter_mix *mix,
		       uint8_t ext_mixer, size_t payload, bool marker)
{
	uint8_t hdr[RTP_SHARED_MAX];
	struct sender_packet *pkt = &s->packetv[s->packetc];
	uint8_t *buf = s->bufv[s->packetc];
	const size_t n = rtp_mixer_encode(hdr, &s->first, mix->csrcv,
					  mix->levelv, mix->csrcc, ext_mixer);

	memcpy(buf + RTP_SHARED_MAX - n, hdr, n);
	pkt->p = buf + RTP_SHARED_MAX - n;
	pkt->len = n + payload;
	pkt->payload = payload;
	pkt->marker = marker;
	s->lenv[s->packetc++] = payload;
}


static void pass(struct sender *s, const struct sender_key *key,
		 const struct filter_mix *mix, struct sender_env *env)
{
	const struct scheduler_frame *f = mix->lone->frame;

	memcpy(s->bufv[0] + RTP_SHARED_MAX, f->p, f->len);
	packet_add(s, mix, key->ext_mixer, f->len, f->first);
	s->pass = mix->lone->who;
	s->silent = 0;
	s->primed = false;
	++env->passed;
}


static int encoder_get(struct sender *s, const struct sender_key *key,
		       const struct sender_env *env)
{
	const struct codec_enc_params prm = {
		.rate       = env->rate,
		.frame_ms   = key->ptime,
		.bitrate    = env->bitrate,
		.complexity = env->complexity,
		.loss       = key->fmt.fec ? FEC_LOSS : 0,
	};

	struct codec_enc *enc = NULL;
	int err = ENOTSUP;

	/* with another rate some can go on, with new resampling only */
	if (s->enc && s->primed)
		err = codec_enc_copy(&enc, s->enc, env->rate);
	if (err) {
		s->primed = false;
		err = codec_enc_get(&enc, env->pool, &key->fmt, &prm);
	}

	codec_enc_put(s->enc);
	s->enc = enc;
	s->enc_rate = env->rate;

	return err;
}


/* An encoder that knows what was heard last */
static int encoder_ready(struct sender *s, const struct sender_key *key,
			 const struct sender_env *env)
{
	const size_t frame = env->rate / 1000 * key->ptime;
	int err;

	if (!s->enc || s->enc_rate != env->rate) {
		err = encoder_get(s, key, env);
		if (err)
			return err;
	}
	else if (!s->primed) {
		codec_enc_reset(s->enc);
	}

	if (s->primed)
		return 0;

	s->primed = true;

	/* one tick is known, so packets longer than that start afresh */
	if (key->ptime > CODEC_TICK_MS)
		return 0;

	return codec_enc_prime(s->enc, s->prev + env->rate / 50 - frame,
			       frame);
}


static int frames_encode(struct sender *s, const struct sender_key *key,
			 const struct filter_mix *mix, const int16_t *sampv,
			 size_t sampc, struct sender_env *env)
{
	const size_t frame = env->rate / 1000 * key->ptime;
	int err;

	s->silent = s->loud ? 0 : s->silent + 1;
	s->loud = false;

	if (s->silent <= SILENT_FRAMES) {
		err = encoder_ready(s, key, env);
		if (err)
			return err;
	}

	for (size_t pos = 0; pos + frame <= sampc; pos += frame) {

		size_t len = CODEC_PAYLOAD_MAX;

		if (s->silent > SILENT_FRAMES) {
			len = s->lenv[s->packetc];
		}
		else {
			uint8_t *buf = s->bufv[s->packetc] + RTP_SHARED_MAX;

			err = codec_encode(s->enc, sampv + pos, frame, buf,
					   &len);
			if (err)
				return err;
			++env->encodes;
		}

		packet_add(s, mix, key->ext_mixer, len, false);
	}

	return 0;
}


/* Gather until there is enough for a packet */
static int gather(struct sender *s, const struct sender_key *key,
		  const struct filter_mix *mix, const int16_t *sampv,
		  struct sender_env *env)
{
	const size_t tick = env->rate / 50;
	const size_t frame = env->rate / 1000 * key->ptime;
	int err;

	/* all packets of a conference leave in the same tick, so that
	   whoever changes the sender finds it in the same phase */
	s->fill = (env->tick % (key->ptime / CODEC_TICK_MS)) * tick;
	memcpy(s->gather + s->fill, sampv, tick * sizeof(*sampv));
	s->fill += tick;

	if (s->fill < frame)
		return 0;

	err = frames_encode(s, key, mix, s->gather, frame, env);
	s->fill = 0;

	return err;
}


/**
 * Make the packets of a tick
 *
 * @param s   Sender; its `packetv` is set
 * @param key What it makes
 * @param mix What its listeners hear
 * @param env Of their conference; counters are counted up
 *
 * @return 0, or what the encoder says; there are no packets then
 */
int sender_run(struct sender *s, const struct sender_key *key,
	       const struct filter_mix *mix, struct sender_env *env)
{
	static const int16_t silence[CODEC_TICK_MAX];
	const int16_t *sampv = mix->sampv ? mix->sampv : silence;
	const size_t tick = env->rate / 50;
	int err = 0;

	s->packetc = 0;

	/* idle until now: what it knows is not what was heard */
	if (s->tick + 1 != env->tick) {
		s->primed = false;
		s->pass = NULL;
		s->silent = 0;
		memset(s->prev, 0, sizeof(s->prev));
	}
	s->tick = env->tick;

	if (s->rate != env->rate) {
		memset(s->prev, 0, sizeof(s->prev));
		memset(s->gather, 0, sizeof(s->gather));
		s->rate = env->rate;
	}

	if (pass_wanted(s, key, mix, env)) {
		if (mix->lone->frame->len)
			pass(s, key, mix, env);
		else
			packet_add(s, mix, key->ext_mixer, 0, false);
	}
	else {
		if (s->pass) {
			s->primed = false;
			s->pass = NULL;
		}
		if (mix->sampv)
			s->loud = true;

		if (key->ptime <= CODEC_TICK_MS)
			err = frames_encode(s, key, mix, sampv, tick, env);
		else
			err = gather(s, key, mix, sampv, env);
	}

	memcpy(s->prev, sampv, tick * sizeof(*sampv));
	if (err)
		s->packetc = 0;

	return err;
}
