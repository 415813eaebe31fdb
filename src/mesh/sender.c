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
 * on those before them, are passed through only from a moment of silence on,
 * or when none has come for long. A listener who has just come from another
 * server was sent such frames there most likely, and goes on with them at
 * once: otherwise a server to which many conferences move would have to encode
 * for all of them until their talkers pause.
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

	s->wait = SENDER_WAIT;
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
	s->alone = false;
	s->wait = SENDER_WAIT;
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

	/* silence is repeated without an encoder, and what was passed
	   through tells how it would go on */
	for (unsigned i = 0; i < SENDER_PACKETS; i++) {
		s->lenv[i] = from->lenv[i];
		memcpy(s->bufv[i] + RTP_SHARED_MAX,
		       from->bufv[i] + RTP_SHARED_MAX, CODEC_PAYLOAD_MAX);
	}

	if (from->silent >= SILENT_FRAMES || from->pass || !from->primed ||
	    s->enc)
		return;

	if (!codec_enc_copy(&s->enc, from->enc, from->enc_rate)) {
		s->enc_rate = from->enc_rate;
		s->primed = true;
	}
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


/* Does what is encoded lag behind frames, with nothing to hide the step? */
static bool lags(const struct sender_key *key, const struct sender_env *env)
{
	return sender_stateless(key->fmt.codec) && env->rate != 8000 &&
		key->ptime == CODEC_TICK_MS;
}


static void pass(struct sender *s, const struct sender_key *key,
		 const struct filter_mix *mix, struct sender_env *env)
{
	const struct scheduler_frame *f = mix->lone->frame;

	/* the one before may be needed to tell how it would go on */
	if (lags(key, env))
		memcpy(s->bufv[1] + RTP_SHARED_MAX,
		       s->bufv[0] + RTP_SHARED_MAX, f->len);
	memcpy(s->bufv[0] + RTP_SHARED_MAX, f->p, f->len);
	/* in the middle of talk, no spurt begins */
	packet_add(s, mix, key->ext_mixer, f->len,
		   f->first && (s->wait || s->silent));
	s->pass = mix->lone->who;
	s->silent = 0;
	s->primed = false;
	s->alone = false;
	s->wait = SENDER_WAIT;
	++env->passed;
}


/* The tick in which a stream begins to be passed through, or ends to be: go
   from one payload to the other */
static void cross(struct sender *s, const struct sender_key *key,
		  const uint8_t *from, const uint8_t *to)
{
	uint8_t *p = s->bufv[0] + RTP_SHARED_MAX;
	uint8_t old[CODEC_TICK_MS * 8];

	if (s->packetc != 1 || s->lenv[0] != sizeof(old))
		return;

	if (to) {
		memcpy(old, p, sizeof(old));
		memcpy(p, to, sizeof(old));
		from = old;
	}

	sender_cross(p, from, key->fmt.codec);
}


/* What would have been passed through in this tick, or something like it */
static void pass_go_on(const struct sender *s, const struct sender_key *key,
		       const struct filter_mix *mix, uint8_t *p)
{
	const struct scheduler_frame *f;

	f = sender_frame(mix, s->pass, key->fmt.codec);
	if (f)
		memcpy(p, f->p, f->len);
	else
		sender_go_on(p, s->bufv[1] + RTP_SHARED_MAX,
			     s->bufv[0] + RTP_SHARED_MAX, key->fmt.codec);
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
		codec_enc_complexity(s->enc, env->complexity);
		if (s->alone)
			codec_enc_alone(s->enc);
		s->alone = false;
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


static int run_encode(struct sender *s, const struct sender_key *key,
		      const struct filter_mix *mix, const int16_t *sampv,
		      struct sender_env *env)
{
	const bool crossing = s->pass && lags(key, env) &&
		s->lenv[0] == CODEC_TICK_MS * 8;
	uint8_t from[CODEC_TICK_MS * 8];
	int err;

	if (crossing)
		pass_go_on(s, key, mix, from);
	if (s->pass)
		s->primed = false;
	s->pass = NULL;

	if (mix->sampv)
		s->loud = true;

	if (key->ptime <= CODEC_TICK_MS)
		err = frames_encode(s, key, mix, sampv, env->rate / 50, env);
	else
		err = gather(s, key, mix, sampv, env);

	if (!err && crossing)
		cross(s, key, from, NULL);

	return err;
}


static int run_pass(struct sender *s, const struct sender_key *key,
		    const struct filter_mix *mix, const int16_t *sampv,
		    struct sender_env *env)
{
	const struct filter_talker *t = mix->lone;
	const bool other = s->pass && s->pass != t->who;
	uint8_t from[CODEC_TICK_MS * 8];
	int err;

	if (!t->frame->len) {
		packet_add(s, mix, key->ext_mixer, 0, false);
		return 0;
	}

	/* somebody was heard until now by way of the encoder */
	if (lags(key, env) && !s->pass && s->primed && !s->silent) {
		err = run_encode(s, key, mix, sampv, env);
		if (!err)
			cross(s, key, NULL, t->frame->p);
		s->pass = t->who;
		s->primed = false;
		return err;
	}

	if (other && lags(key, env))
		pass_go_on(s, key, mix, from);
	pass(s, key, mix, env);
	if (other && lags(key, env))
		cross(s, key, from, NULL);

	return 0;
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

	if (sender_passes(s, key, mix, env)) {
		err = run_pass(s, key, mix, sampv, env);
	}
	else {
		if (sender_fits(key, mix, env))
			s->wait -= min(s->wait, 1 + env->haste);
		err = run_encode(s, key, mix, sampv, env);
	}

	memcpy(s->prev, sampv, tick * sizeof(*sampv));
	if (err)
		s->packetc = 0;

	return err;
}
