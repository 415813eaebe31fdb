/**
 * @file mesh/level.c  How loud something is, without or before decoding it
 */
#include <re.h>
#include "mesh/g711.h"
#include "mesh/level.h"


enum {
	G722_NB_MAX = 18432,
};


/**
 * The level of a mean square
 *
 * @param sum    Sum of squared samples
 * @param sampc  Number of samples in the sum
 *
 * @return Level [-dBov]
 */
uint8_t level_energy(uint64_t sum, size_t sampc)
{
	uint64_t ms;
	unsigned e;
	uint32_t frac, log2q8, db;

	/* 8 fractional bits keep the quietest sounds apart */
	ms = sampc ? (sum << 8) / sampc : 0;
	if (ms < 2)
		return LEVEL_SILENCE;

	/* Between powers of two a straight line is wrong by 0.26 dB at most */
	e = 63u - (unsigned)__builtin_clzll(ms);
	frac = (uint32_t)((e >= 8 ? ms >> (e - 8) : ms << (8 - e)) & 255);
	log2q8 = (e << 8) + frac;

	/* full scale is 2^30, or 2^38 with the fractional bits;
	   10 log10(2) = 3.0103 = 771 / 256 */
	if (log2q8 >= 38u << 8)
		return 0;

	db = (((38u << 8) - log2q8) * 771 + (1u << 15)) >> 16;

	return (uint8_t)min(db, (uint32_t)LEVEL_SILENCE);
}


/**
 * The level of linear samples
 *
 * @param sampv  Samples
 * @param sampc  Number of samples
 * @param step   Look at one sample in this many, at least 1
 *
 * @return Level [-dBov]
 */
uint8_t level_pcm(const int16_t *sampv, size_t sampc, unsigned step)
{
	uint64_t sum = 0;
	size_t i, n = 0;

	for (i = 0; i < sampc; i += step, n++)
		sum += (uint32_t)(sampv[i] * sampv[i]);

	return level_energy(sum, n);
}


/**
 * The level of a payload of linear samples, RFC 3551 4.5.11
 *
 * @param p     Payload
 * @param len   Its length [bytes]
 *
 * @return Level [-dBov]
 */
uint8_t level_l16(const uint8_t *p, size_t len)
{
	uint64_t sum = 0;
	size_t i, n = 0;

	/* One sample in four is enough; as uneven as for G.711 */
	for (i = 0; i + 1 < len; i += n & 1 ? 6 : 10, n++) {
		const int x = (int16_t)(p[i] << 8 | p[i + 1]);

		sum += (uint32_t)(x * x);
	}

	return level_energy(sum, n);
}


/**
 * The level of a G.711 payload
 *
 * @param alaw  A-law if true, else mu-law
 * @param p     Payload
 * @param len   Its length [bytes]
 *
 * @return Level [-dBov]
 */
uint8_t level_g711(bool alaw, const uint8_t *p, size_t len)
{
	const int16_t *tab = alaw ? g711_alaw : g711_ulaw;
	uint64_t sum = 0;
	size_t i, n = 0;

	/* One code in four is enough; uneven strides, so that no tone can
	   keep its zero crossings where we look */
	for (i = 0; i < len; i += n & 1 ? 3 : 5, n++) {
		const int x = tab[p[i]];

		sum += (uint32_t)(x * x);
	}

	return level_energy(sum, n);
}


/**
 * The level of a G.722 payload, from the step size that its lower band's
 * codes imply (ITU-T G.722 3.5, blocks LOGSCL and SCALEL). The step follows
 * what the predictor leaves over, so a steady tone reads 25 to 30 dB low;
 * speech and noise read right within a few.
 *
 * @param st   Adaptation state, all zero at the start of a stream
 * @param p    Payload
 * @param len  Its length [bytes]
 *
 * @return Level of the loudest quarter of the packet [-dBov]
 */
uint8_t level_g722(struct level_g722 *st, const uint8_t *p, size_t len)
{
	/* by magnitude of the four bits that matter to adaptation */
	static const int16_t wl[16] = {
		-60, 3042, 1198, 538, 334, 172, 58, -30,
		3042, 1198, 538, 334, 172, 58, -30, -60,
	};
	int32_t nb = st->nb, top = 0;
	size_t i;

	for (i = 0; i < len; i++) {
		nb = ((nb * 127) >> 7) + wl[(p[i] >> 2) & 15];
		nb = nb < 0 ? 0 : min(nb, (int32_t)G722_NB_MAX);
		top = max(top, nb);
	}

	st->nb = (int16_t)nb;

	return (uint8_t)max(0, 74 - ((top * 771) >> 18));
}
