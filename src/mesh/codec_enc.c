/**
 * @file mesh/codec_enc.c  Encoders: G.711, G.722, Opus and L16
 *
 * PCM comes at the rate of the mix; for G.711 and G.722 it is resampled here,
 * once for all who share the encoder.
 */
#include <string.h>
#include <opus/opus.h>
#include <stddef.h>
#include <stdint.h>
#include <spandsp.h>
#include <spandsp/private/g722.h>
#include <re.h>
#include "mesh/mesh.h"
#include "mesh/codec.h"
#include "mesh/codec_priv.h"
#include "mesh/g711.h"
#include "mesh/resample.h"


struct codec_enc {
	struct codec_pool *pool;
	enum mesh_codec codec;
	uint32_t rate;                /* of what goes in [Hz]               */
	size_t sampc;                 /* samples of one packet, at rate     */
	bool primed;                  /* next packet must stand alone       */
	unsigned complexity;          /* of Opus                            */
	union {
		struct {
			struct resample rs;
			g722_encode_state_t g722;
		};
		max_align_t opus;     /* libopus's state begins here        */
	};
};


static OpusEncoder *opus_state(struct codec_enc *enc)
{
	return (OpusEncoder *)(void *)&enc->opus;
}


static enum codec_obj obj_kind(enum mesh_codec codec)
{
	return codec == MESH_OPUS ? CODEC_OBJ_ENC_OPUS : CODEC_OBJ_ENC;
}


size_t codec_enc_size(enum codec_obj obj)
{
	if (obj == CODEC_OBJ_ENC)
		return sizeof(struct codec_enc);

	return offsetof(struct codec_enc, opus) +
		(size_t)opus_encoder_get_size(1);
}


static int bandwidth(const struct mesh_format *fmt)
{
	switch (codec_rate(fmt)) {

	case 8000:  return OPUS_BANDWIDTH_NARROWBAND;
	case 16000: return OPUS_BANDWIDTH_WIDEBAND;
	case 24000: return OPUS_BANDWIDTH_SUPERWIDEBAND;
	default:    return OPUS_BANDWIDTH_FULLBAND;
	}
}


static int opus_setup(struct codec_enc *enc, const struct mesh_format *fmt,
		      const struct codec_enc_params *prm)
{
	OpusEncoder *st = opus_state(enc);
	const uint32_t br = fmt->bitrate ? fmt->bitrate : prm->bitrate;

	if (opus_encoder_init(st, (opus_int32)prm->rate, 1,
			      OPUS_APPLICATION_VOIP))
		return EINVAL;

	enc->complexity = prm->complexity;
	opus_encoder_ctl(st, OPUS_SET_COMPLEXITY((int)prm->complexity));
	opus_encoder_ctl(st, OPUS_SET_BITRATE(br ? (opus_int32)br
					      : OPUS_AUTO));
	opus_encoder_ctl(st, OPUS_SET_MAX_BANDWIDTH(bandwidth(fmt)));
	opus_encoder_ctl(st, OPUS_SET_SIGNAL(OPUS_SIGNAL_VOICE));
	opus_encoder_ctl(st, OPUS_SET_VBR(!fmt->cbr));
	opus_encoder_ctl(st, OPUS_SET_DTX(fmt->dtx));
	opus_encoder_ctl(st, OPUS_SET_INBAND_FEC(fmt->fec));
	opus_encoder_ctl(st, OPUS_SET_PACKET_LOSS_PERC((int)prm->loss));

	return 0;
}


/**
 * Take an encoder out of the pool
 *
 * @param ep    Where the encoder goes; give back with codec_enc_put
 * @param pool  The worker's pool
 * @param fmt   What it shall make
 * @param prm   How
 *
 * @return 0 if success, ENOMEM if the pool is empty, EINVAL
 */
int codec_enc_get(struct codec_enc **ep, struct codec_pool *pool,
		  const struct mesh_format *fmt,
		  const struct codec_enc_params *prm)
{
	struct codec_enc *enc;
	int err = 0;

	if (!ep || !pool || !fmt || !prm || prm->complexity > 10 ||
	    prm->loss > 100)
		return EINVAL;
	if (prm->frame_ms != 10 && (prm->frame_ms % 20 || !prm->frame_ms ||
				    prm->frame_ms > 60))
		return EINVAL;
	if (prm->rate != 8000 && prm->rate != 16000 && prm->rate != 24000 &&
	    prm->rate != 48000)
		return EINVAL;

	enc = codec_pool_get(pool, obj_kind(fmt->codec));
	if (!enc)
		return ENOMEM;

	enc->pool   = pool;
	enc->codec  = fmt->codec;
	enc->rate   = prm->rate;
	enc->sampc  = prm->rate / 1000 * prm->frame_ms;
	enc->primed = false;

	if (fmt->codec == MESH_OPUS) {
		err = opus_setup(enc, fmt, prm);
	}
	else {
		/* between servers, the stream has the rate of the mix */
		err = resample_init(&enc->rs, prm->rate,
				    fmt->codec == MESH_L16 ? prm->rate
				    : codec_rate(fmt));
		codec_enc_reset(enc);
	}

	if (err)
		codec_enc_put(enc);
	else
		*ep = enc;

	return err;
}


/**
 * Take an encoder out of the pool that goes on exactly where another one is:
 * a decoder that followed the one follows the other as well
 *
 * @param ep    Where the encoder goes; give back with codec_enc_put
 * @param from  The other one, unchanged
 * @param rate  Of the PCM that will be given [Hz]
 *
 * @return 0 if success, ENOMEM if the pool is empty, ENOTSUP if Opus or L16
 *         shall change its rate, EINVAL
 */
int codec_enc_copy(struct codec_enc **ep, const struct codec_enc *from,
		   uint32_t rate)
{
	struct codec_enc *enc;
	int err = 0;

	if (!ep || !from || !rate)
		return EINVAL;
	if ((from->codec == MESH_OPUS || from->codec == MESH_L16) &&
	    rate != from->rate)
		return ENOTSUP;

	enc = codec_pool_get(from->pool, obj_kind(from->codec));
	if (!enc)
		return ENOMEM;

	/* the states of libopus and spandsp hold no pointers into themselves,
	   and none to what one encoder alone would own */
	memcpy(enc, from, codec_enc_size(obj_kind(from->codec)));

	if (rate != from->rate) {
		err = resample_init(&enc->rs, rate, from->rs.out);
		enc->rate = rate;
		enc->sampc = from->sampc * rate / from->rate;
	}

	if (err)
		codec_enc_put(enc);
	else
		*ep = enc;

	return err;
}


/**
 * Give an encoder back
 *
 * @param enc  Encoder, may be NULL
 *
 * @return NULL
 */
struct codec_enc *codec_enc_put(struct codec_enc *enc)
{
	if (!enc)
		return NULL;

	return codec_pool_put(enc->pool, obj_kind(enc->codec), enc);
}


/**
 * Change how much work an encoder makes of it; between any two packets
 *
 * @param enc        Encoder
 * @param complexity Of Opus, 0..10; others have none
 */
void codec_enc_complexity(struct codec_enc *enc, unsigned complexity)
{
	if (enc->codec != MESH_OPUS || enc->complexity == complexity)
		return;

	enc->complexity = complexity;
	opus_encoder_ctl(opus_state(enc),
			 OPUS_SET_COMPLEXITY((int)complexity));
}


/**
 * Forget what was encoded before
 *
 * @param enc  Encoder
 */
void codec_enc_reset(struct codec_enc *enc)
{
	if (enc->codec == MESH_OPUS) {
		opus_encoder_ctl(opus_state(enc), OPUS_RESET_STATE);
		return;
	}

	resample_reset(&enc->rs);
	if (enc->codec == MESH_G722)
		g722_encode_init(&enc->g722, 64000, 0);
}


static int l16_put(uint8_t *buf, size_t *len, const int16_t *sampv, size_t n)
{
	if (2 * n > *len)
		return EOVERFLOW;

	for (size_t i = 0; i < n; i++) {
		buf[2 * i]     = (uint8_t)((uint16_t)sampv[i] >> 8);
		buf[2 * i + 1] = (uint8_t)sampv[i];
	}
	*len = 2 * n;

	return 0;
}


static int encode_plain(struct codec_enc *enc, const int16_t *sampv,
			uint8_t *buf, size_t *len)
{
	int16_t low[CODEC_FRAME_MAX];
	const size_t tick = enc->rate / 50;
	size_t i, n = 0;

	for (i = 0; i < enc->sampc; i += tick)
		n += resample(&enc->rs, &low[n], &sampv[i],
			      min(tick, enc->sampc - i));

	if (enc->codec == MESH_G722) {
		if (n / 2 > *len)
			return EOVERFLOW;
		*len = (size_t)g722_encode(&enc->g722, buf, low, (int)n);
		return 0;
	}

	if (enc->codec == MESH_L16)
		return l16_put(buf, len, low, n);

	if (n > *len)
		return EOVERFLOW;
	g711_from_pcm(enc->codec == MESH_PCMA, buf, low, n);
	*len = n;

	return 0;
}


/**
 * Encode one packet
 *
 * @param enc    Encoder
 * @param sampv  Samples at the rate given to codec_enc_get
 * @param sampc  Exactly one packet of them: rate / 1000 * frame_ms
 * @param buf    Where the payload goes
 * @param len    Room there [bytes], CODEC_PAYLOAD_MAX is enough for all; set
 *               to the length of the payload. Opus with DTX: 2 or less, the
 *               packet need not be sent
 *
 * @return 0 if success, EINVAL if sampc is not that of a packet, EOVERFLOW
 *         if there is no room, EPROTO if the encoder fails
 */
int codec_encode(struct codec_enc *enc, const int16_t *sampv, size_t sampc,
		 uint8_t *buf, size_t *len)
{
	opus_int32 n;

	if (!enc || !sampv || !buf || !len || sampc != enc->sampc)
		return EINVAL;

	codec_pool_count_encode(enc->pool, enc->codec == MESH_OPUS);

	if (enc->codec != MESH_OPUS)
		return encode_plain(enc, sampv, buf, len);

	n = opus_encode(opus_state(enc), sampv, (int)sampc, buf,
			(opus_int32)min(*len, (size_t)CODEC_PAYLOAD_MAX));
	if (enc->primed) {
		opus_encoder_ctl(opus_state(enc),
				 OPUS_SET_PREDICTION_DISABLED(0));
		enc->primed = false;
	}

	if (n < 0)
		return EPROTO;

	*len = (size_t)n;

	return 0;
}


/**
 * Let a fresh encoder hear what a listener got so far from another one, so
 * that the change between both makes no click. What it makes of that is
 * dropped; its next packet relies as little as possible on packets before.
 *
 * @param enc    Encoder, fresh from codec_enc_get
 * @param sampv  The last packet's samples
 * @param sampc  Exactly one packet of them
 *
 * @return 0 if success, otherwise errorcode
 */
int codec_enc_prime(struct codec_enc *enc, const int16_t *sampv,
		    size_t sampc)
{
	uint8_t buf[CODEC_PAYLOAD_MAX];
	size_t len = sizeof(buf);
	int err;

	err = codec_encode(enc, sampv, sampc, buf, &len);
	if (err)
		return err;

	codec_enc_alone(enc);

	return 0;
}


/**
 * Let the next packet rely as little as possible on packets before, because
 * somebody has not got them. Of no use but for Opus.
 *
 * @param enc Encoder
 */
void codec_enc_alone(struct codec_enc *enc)
{
	if (enc->codec != MESH_OPUS)
		return;

	opus_encoder_ctl(opus_state(enc), OPUS_SET_PREDICTION_DISABLED(1));
	enc->primed = true;
}


/**
 * Tell how many packets the far end misses; more of them buys more FEC
 *
 * @param enc   Encoder
 * @param loss  0..100 [%]
 *
 * @return 0 if success, ENOTSUP if the codec has no use for it, EINVAL
 */
int codec_enc_loss(struct codec_enc *enc, unsigned loss)
{
	if (!enc || loss > 100)
		return EINVAL;
	if (enc->codec != MESH_OPUS)
		return ENOTSUP;

	return opus_encoder_ctl(opus_state(enc),
				OPUS_SET_PACKET_LOSS_PERC((int)loss))
		? EINVAL : 0;
}
