/**
 * @file mesh/codec_dec.c  Decoders: G.711, G.722 and Opus
 *
 * G.711 and G.722 come out at their own rate, Opus at any rate it is asked
 * for. Concealment is libopus's for Opus and plc.c's for the others.
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
#include "mesh/plc.h"


struct codec_dec {
	struct codec_pool *pool;
	enum mesh_codec codec;
	uint32_t rate;                /* of what comes out [Hz]             */
	union {
		struct {
			struct plc plc;
			g722_decode_state_t g722;
		};
		max_align_t opus;     /* libopus's state begins here        */
	};
};


static OpusDecoder *opus_state(struct codec_dec *dec)
{
	return (OpusDecoder *)(void *)&dec->opus;
}


static enum codec_obj obj_kind(enum mesh_codec codec)
{
	return codec == MESH_OPUS ? CODEC_OBJ_DEC_OPUS : CODEC_OBJ_DEC;
}


size_t codec_dec_size(enum codec_obj obj)
{
	if (obj == CODEC_OBJ_DEC)
		return sizeof(struct codec_dec);

	return offsetof(struct codec_dec, opus) +
		(size_t)opus_decoder_get_size(1);
}


/* CELT has none. Of SILK, a frame begins with one voice bit per 20 ms and
   then the LBRR flag: RFC 6716 4.2.3 */
static bool opus_has_fec(const uint8_t *p, size_t len)
{
	const uint8_t *frames[48];
	opus_int16 sizes[48];
	uint8_t toc;
	int ms;

	if (p[0] & 0x80 || opus_packet_parse(p, (opus_int32)len, &toc, frames,
					     sizes, NULL) <= 0 ||
	    sizes[0] < 2)
		return false;

	ms = opus_packet_get_samples_per_frame(p, 48000) / 48;

	return frames[0][0] & (0x40 >> (ms > 20 ? ms / 20 - 1 : 0));
}


/**
 * Tell whether a packet carries a copy of the one before it
 *
 * @param fmt  Format
 * @param p    Payload
 * @param len  Its length [bytes]
 *
 * @return true if codec_decode_fec can make use of it
 */
bool codec_has_fec(const struct mesh_format *fmt, const uint8_t *p,
		   size_t len)
{
	return fmt->codec == MESH_OPUS && len > 1 &&
		len <= CODEC_PAYLOAD_MAX && opus_has_fec(p, len);
}


/**
 * Take a decoder out of the pool
 *
 * @param dp    Where the decoder goes; give back with codec_dec_put
 * @param pool  The worker's pool
 * @param fmt   What it shall decode
 * @param rate  Wanted: 8000, 12000, 16000, 24000 or 48000 [Hz]; only Opus
 *              follows it, the others keep theirs, see codec_dec_rate
 *
 * @return 0 if success, ENOMEM if the pool is empty, EINVAL
 */
int codec_dec_get(struct codec_dec **dp, struct codec_pool *pool,
		  const struct mesh_format *fmt, uint32_t rate)
{
	struct codec_dec *dec;

	if (!dp || !pool || !fmt)
		return EINVAL;

	dec = codec_pool_get(pool, obj_kind(fmt->codec));
	if (!dec)
		return ENOMEM;

	dec->pool  = pool;
	dec->codec = fmt->codec;
	dec->rate  = fmt->codec == MESH_OPUS ? rate : codec_rate(fmt);

	if (fmt->codec == MESH_OPUS &&
	    opus_decoder_init(opus_state(dec), (opus_int32)rate, 1)) {
		codec_dec_put(dec);
		return EINVAL;
	}

	codec_dec_reset(dec);
	*dp = dec;

	return 0;
}


/**
 * Give a decoder back
 *
 * @param dec  Decoder, may be NULL
 *
 * @return NULL
 */
struct codec_dec *codec_dec_put(struct codec_dec *dec)
{
	if (!dec)
		return NULL;

	return codec_pool_put(dec->pool, obj_kind(dec->codec), dec);
}


/**
 * The rate of what a decoder gives
 *
 * @param dec  Decoder
 *
 * @return [Hz]
 */
uint32_t codec_dec_rate(const struct codec_dec *dec)
{
	return dec->rate;
}


/**
 * Forget what was decoded before
 *
 * @param dec  Decoder
 */
void codec_dec_reset(struct codec_dec *dec)
{
	switch (dec->codec) {

	case MESH_OPUS:
		opus_decoder_ctl(opus_state(dec), OPUS_RESET_STATE);
		break;

	case MESH_G722:
		g722_decode_init(&dec->g722, 64000, 0);
		plc_start(&dec->plc, dec->rate);
		break;

	default:
		plc_start(&dec->plc, dec->rate);
		break;
	}
}


/**
 * Decode one packet
 *
 * @param dec    Decoder
 * @param p      Payload
 * @param len    Its length [bytes], at least 1
 * @param sampv  Where the samples go
 * @param sampc  Room there [samples]; set to what was decoded
 *
 * @return 0 if success, EBADMSG if malformed or longer than there is room
 */
int codec_decode(struct codec_dec *dec, const uint8_t *p, size_t len,
		 int16_t *sampv, size_t *sampc)
{
	int n;

	if (!dec || !p || !sampv || !sampc)
		return EINVAL;
	if (!len || len > CODEC_PAYLOAD_MAX)
		return EBADMSG;

	codec_pool_count_decode(dec->pool, dec->codec == MESH_OPUS);

	switch (dec->codec) {

	case MESH_OPUS:
		n = opus_decode(opus_state(dec), p, (opus_int32)len, sampv,
				(int)*sampc, 0);
		if (n <= 0)
			return EBADMSG;
		*sampc = (size_t)n;
		return 0;

	case MESH_G722:
		if (len * 2 > *sampc)
			return EBADMSG;
		n = g722_decode(&dec->g722, sampv, p, (int)len);
		*sampc = (size_t)n;
		break;

	case MESH_L16:
		if (len & 1 || len / 2 > *sampc)
			return EBADMSG;
		for (size_t i = 0; i < len / 2; i++)
			sampv[i] = (int16_t)(p[2 * i] << 8 | p[2 * i + 1]);
		*sampc = len / 2;
		break;

	default:
		if (len > *sampc)
			return EBADMSG;
		g711_to_pcm(dec->codec == MESH_PCMA, sampv, p, len);
		*sampc = len;
		break;
	}

	plc_good(&dec->plc, sampv, *sampc);

	return 0;
}


/**
 * Decode a lost packet from the redundancy in the one after it
 *
 * @param dec    Decoder
 * @param p      Payload of the packet after the lost one
 * @param len    Its length [bytes]
 * @param sampv  Where the samples go
 * @param sampc  Length of what was lost [samples]
 *
 * @return 0 if success, ENOENT if the packet holds no redundancy (then use
 *         codec_decode_lost), EBADMSG
 */
int codec_decode_fec(struct codec_dec *dec, const uint8_t *p, size_t len,
		     int16_t *sampv, size_t sampc)
{
	int n;

	if (!dec || !p || !len || len > CODEC_PAYLOAD_MAX || !sampv)
		return EINVAL;
	if (dec->codec != MESH_OPUS || !opus_has_fec(p, len))
		return ENOENT;

	codec_pool_count_decode(dec->pool, dec->codec == MESH_OPUS);

	n = opus_decode(opus_state(dec), p, (opus_int32)len, sampv,
			(int)sampc, 1);

	return n == (int)sampc ? 0 : EBADMSG;
}


/**
 * Make up for what is missing
 *
 * @param dec    Decoder
 * @param sampv  Where the samples go
 * @param sampc  How many; for Opus a multiple of 2.5 ms, at most 60 ms
 *
 * @return 0 if success, otherwise errorcode (the samples are then silence)
 */
int codec_decode_lost(struct codec_dec *dec, int16_t *sampv, size_t sampc)
{
	int n;

	if (!dec || !sampv)
		return EINVAL;

	if (dec->codec != MESH_OPUS) {
		plc_lost(&dec->plc, sampv, sampc);
		return 0;
	}

	n = opus_decode(opus_state(dec), NULL, 0, sampv, (int)sampc, 0);
	if (n != (int)sampc) {
		memset(sampv, 0, sampc * sizeof(*sampv));
		return EPROTO;
	}

	return 0;
}
