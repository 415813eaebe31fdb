/**
 * @file mesh/codec.c  What a format means, and fades
 */
#include <opus/opus.h>
#include <re.h>
#include "mesh/mesh.h"
#include "mesh/codec.h"


/**
 * The RTP clock of a format
 *
 * @param fmt  Format
 *
 * @return Clock rate [Hz]; 8000 for G.722, as RFC 3551 4.5.2 has it; of L16
 *         it is that of the highest rate, which may change in a stream
 */
uint32_t codec_clock(const struct mesh_format *fmt)
{
	return fmt->codec == MESH_OPUS || fmt->codec == MESH_L16
		? 48000 : 8000;
}


/**
 * The lowest rate that loses nothing of what this format can carry
 *
 * @param fmt  Format
 *
 * @return 8000, 16000, 24000 or 48000 [Hz]
 */
uint32_t codec_rate(const struct mesh_format *fmt)
{
	switch (fmt->codec) {

	case MESH_PCMU:
	case MESH_PCMA: return 8000;
	case MESH_G722: return 16000;
	default:        break;
	}

	if (!fmt->rate || fmt->rate > 24000)
		return 48000;

	return fmt->rate > 16000 ? 24000 : fmt->rate > 8000 ? 16000 : 8000;
}


/**
 * Tell whether one encoding can serve both formats
 *
 * @param a  One
 * @param b  Other
 *
 * @return true if the payloads would be the same
 */
bool codec_equal(const struct mesh_format *a, const struct mesh_format *b)
{
	if (a->codec != b->codec)
		return false;

	if (a->codec == MESH_L16)
		return codec_rate(a) == codec_rate(b);

	return a->codec != MESH_OPUS ||
		(codec_rate(a) == codec_rate(b) &&
		 a->bitrate == b->bitrate && a->fec == b->fec &&
		 a->dtx == b->dtx && a->cbr == b->cbr);
}


/**
 * How long the audio in a payload is
 *
 * @param fmt  Format
 * @param p    Payload
 * @param len  Its length [bytes]
 *
 * @return Duration [us], 0 if the payload is malformed or over 120 ms
 */
uint32_t codec_duration(const struct mesh_format *fmt, const uint8_t *p,
			size_t len)
{
	int n;

	if (!fmt || !p || !len || len > CODEC_PAYLOAD_MAX)
		return 0;

	if (fmt->codec == MESH_L16)
		return len & 1 ? 0 : (uint32_t)(len * 500000 /
						codec_rate(fmt));

	if (fmt->codec != MESH_OPUS)
		return len > 960 ? 0 : (uint32_t)len * 125;

	n = opus_packet_get_nb_samples(p, (opus_int32)len, 48000);

	return n > 0 ? (uint32_t)n * 125 / 6 : 0;
}


/**
 * Raise a block from nothing to full
 *
 * @param sampv  Samples
 * @param sampc  Number of samples
 */
void codec_fade_in(int16_t *sampv, size_t sampc)
{
	size_t i;

	for (i = 0; i < sampc; i++)
		sampv[i] = (int16_t)(sampv[i] * (int)i / (int)sampc);
}


/**
 * Lower a block from full to nothing
 *
 * @param sampv  Samples
 * @param sampc  Number of samples
 */
void codec_fade_out(int16_t *sampv, size_t sampc)
{
	size_t i;

	for (i = 0; i < sampc; i++)
		sampv[i] = (int16_t)(sampv[i] * (int)(sampc - 1 - i) /
				     (int)sampc);
}


/**
 * Go from one signal to another
 *
 * @param to     Signal at the end; holds the result
 * @param from   Signal at the start
 * @param sampc  Number of samples of the passage
 */
void codec_crossfade(int16_t *to, const int16_t *from, size_t sampc)
{
	size_t i;

	for (i = 0; i < sampc; i++)
		to[i] = (int16_t)((from[i] * (int)(sampc - i) +
				   to[i] * (int)i) / (int)sampc);
}
