/* G.711, G.722 and Opus, encoded once and decoded for the ears that check. */
#include <errno.h>
#include <opus/opus.h>
#include <spandsp.h>
#include <stdlib.h>
#include <string.h>
#include "bench.h"

enum { COMPLEXITY = 9, PCM_MAX = 48 * 60, EAR_MAX = 8 * 120 };

struct decoder {
	enum codec codec;
	OpusDecoder *opus;
	g722_decode_state_t *g722;
};

struct encoder {
	enum codec codec;
	OpusEncoder *opus;
	g722_encode_state_t *g722;
};


/** RTP clock rate of a codec [Hz]; 8000 for G.722 (RFC 3551) */
uint32_t codec_rate(enum codec codec)
{
	return codec == CODEC_OPUS ? 48000 : 8000;
}


static int encoder_init(struct encoder *e, const struct opts *o)
{
	int err = 0;

	memset(e, 0, sizeof(*e));
	e->codec = o->codec;

	if (o->codec == CODEC_OPUS) {
		e->opus = opus_encoder_create(48000, 1,
					      OPUS_APPLICATION_VOIP, &err);
		if (err)
			return ENOMEM;
		opus_encoder_ctl(e->opus, OPUS_SET_BITRATE((int)o->bitrate));
		opus_encoder_ctl(e->opus, OPUS_SET_COMPLEXITY(COMPLEXITY));
	}
	else if (o->codec == CODEC_G722) {
		e->g722 = g722_encode_init(NULL, 64000, 0);
		if (!e->g722)
			return ENOMEM;
	}

	return 0;
}


static void encoder_close(struct encoder *e)
{
	if (e->opus)
		opus_encoder_destroy(e->opus);
	if (e->g722)
		g722_encode_free(e->g722);
}


static int encode(struct encoder *e, uint8_t *out, const int16_t *pcm,
		  size_t n)
{
	switch (e->codec) {

	case CODEC_PCMU:
		for (size_t i = 0; i < n; i++)
			out[i] = linear_to_ulaw(pcm[i]);
		return (int)n;

	case CODEC_PCMA:
		for (size_t i = 0; i < n; i++)
			out[i] = linear_to_alaw(pcm[i]);
		return (int)n;

	case CODEC_G722:
		return g722_encode(e->g722, out, pcm, (int)n);

	default:
		return opus_encode(e->opus, pcm, (int)n, out, FRAME_MAX);
	}
}


static int loop_alloc(struct loop **lp, uint32_t framec, uint32_t samples)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return ENOMEM;

	l->framec = framec;
	l->samples = samples;
	l->lenv = calloc(framec, sizeof(*l->lenv));
	l->data = calloc(framec, FRAME_MAX);
	l->ref = calloc((size_t)framec * samples, sizeof(*l->ref));
	if (!l->lenv || !l->data || !l->ref) {
		loop_free(l);
		return ENOMEM;
	}

	*lp = l;

	return 0;
}


/** Free encoded frames */
void loop_free(struct loop *l)
{
	if (!l)
		return;

	free(l->lenv);
	free(l->data);
	free(l->ref);
	free(l);
}


/* Twice over, so that the second pass holds what a decoder hears that came
 * from the end of the loop. */
static int loop_decode(struct loop *l, enum codec codec)
{
	int16_t pcm[EAR_MAX];
	struct decoder *d;
	int err;

	err = decoder_alloc(&d, codec);
	if (err)
		return err;

	for (uint32_t k = 0; k < 2 * l->framec; k++) {
		const uint32_t f = k % l->framec;
		const int n = decoder_frame(d, pcm, EAR_MAX, l->data +
					    (size_t)f * FRAME_MAX,
					    l->lenv[f]);

		if (n != (int)l->samples) {
			err = EPROTO;
			break;
		}
		memcpy(l->ref + (size_t)f * l->samples, pcm,
		       (size_t)n * sizeof(*pcm));
	}
	decoder_free(d);

	return err;
}


/**
 * Encode samples as a loop of frames; what does not fill one is left out
 *
 * @param lp  Frames, freed with loop_free()
 * @param o   Codec, bit rate, packet time
 * @param pcm Samples at the codec's rate
 * @param n   How many
 *
 * @return 0 if success, otherwise errorcode
 */
int loop_encode(struct loop **lp, const struct opts *o, const int16_t *pcm,
		size_t n)
{
	const size_t fs = pcm_rate(o->codec) / 1000 * o->ptime;
	struct encoder e;
	struct loop *l = NULL;
	int err;

	if (n < fs)
		return EINVAL;

	err = encoder_init(&e, o);
	if (!err)
		err = loop_alloc(&l, (uint32_t)(n / fs), EAR_RATE / 1000 *
				 o->ptime);

	/* twice over: the loop begins with an encoder that comes from its
	 * end, or there would be a click each time round */
	for (uint32_t k = 0; !err && k < 2 * l->framec; k++) {
		const uint32_t f = k % l->framec;
		const int len = encode(&e, l->data + (size_t)f * FRAME_MAX,
				       pcm + f * fs, fs);

		if (len <= 0 || len > FRAME_MAX)
			err = EPROTO;
		else
			l->lenv[f] = (uint16_t)len;
	}
	encoder_close(&e);

	if (!err)
		err = loop_decode(l, o->codec);
	if (err)
		loop_free(l);
	else
		*lp = l;

	return err;
}


/**
 * Make a decoder to EAR_RATE
 *
 * @param dp    Where it goes, freed with decoder_free()
 * @param codec Codec
 *
 * @return 0 if success, otherwise errorcode
 */
int decoder_alloc(struct decoder **dp, enum codec codec)
{
	struct decoder *d = calloc(1, sizeof(*d));
	int err = 0;

	if (!d)
		return ENOMEM;

	d->codec = codec;
	if (codec == CODEC_OPUS)
		d->opus = opus_decoder_create(EAR_RATE, 1, &err);
	else if (codec == CODEC_G722) {
		d->g722 = g722_decode_init(NULL, 64000,
					   G722_SAMPLE_RATE_8000);
		err = d->g722 ? 0 : ENOMEM;
	}
	if (err) {
		decoder_free(d);
		return ENOMEM;
	}

	*dp = d;

	return 0;
}


/** Free a decoder */
void decoder_free(struct decoder *d)
{
	if (!d)
		return;

	if (d->opus)
		opus_decoder_destroy(d->opus);
	if (d->g722)
		g722_decode_free(d->g722);
	free(d);
}


/**
 * Decode one packet
 *
 * @param d   Decoder
 * @param pcm Samples at EAR_RATE
 * @param max Room for so many
 * @param p   Payload
 * @param len Its length [bytes]
 *
 * @return Number of samples, 0 if it cannot be decoded
 */
int decoder_frame(struct decoder *d, int16_t *pcm, size_t max,
		  const uint8_t *p, size_t len)
{
	int n;

	if (d->codec != CODEC_OPUS && len > max)
		return 0;

	switch (d->codec) {

	case CODEC_PCMU:
		for (size_t i = 0; i < len; i++)
			pcm[i] = ulaw_to_linear(p[i]);
		return (int)len;

	case CODEC_PCMA:
		for (size_t i = 0; i < len; i++)
			pcm[i] = alaw_to_linear(p[i]);
		return (int)len;

	case CODEC_G722:
		/* a byte is two samples of 16 kHz, one of 8 kHz */
		return g722_decode(d->g722, pcm, p, (int)len);

	default:
		n = opus_decode(d->opus, p, (opus_int32)len, pcm, (int)max,
				0);
		return n > 0 ? n : 0;
	}
}
