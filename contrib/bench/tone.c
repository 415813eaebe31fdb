/* Tones: what talkers send when gaps are measured, and how it is told from
 * what a listener decodes that a tone is in it.
 *
 * All tones are multiples of 100 Hz, so that within 10 ms none leaks into
 * another, and none is a multiple of another one that matters. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include "bench.h"

enum { TONE_S = 1, AMPLITUDE = 4000 };

#define HEARD 0.25              /* of the amplitude: 12 dB less still counts */

static const uint16_t tonev[TONES_MAX] = {
	500, 800, 1100, 1300, 1700, 1900, 2300, 2900,
};


/**
 * Encode a tone as a loop without a seam
 *
 * @param lp Frames, freed with loop_free()
 * @param o  Codec, bit rate, packet time
 * @param k  Which tone, below TONES_MAX
 *
 * @return 0 if success, otherwise errorcode
 */
int loop_tone(struct loop **lp, const struct opts *o, uint32_t k)
{
	const uint32_t rate = pcm_rate(o->codec);
	/* whole frames and whole seconds, whatever the packet time */
	const size_t n = (size_t)rate * TONE_S * 3;
	int16_t *pcm;
	int err;

	if (k >= TONES_MAX)
		return EINVAL;

	pcm = calloc(n, sizeof(*pcm));
	if (!pcm)
		return ENOMEM;

	for (size_t i = 0; i < n; i++)
		pcm[i] = (int16_t)lrint(AMPLITUDE * sin(2 * M_PI * tonev[k] *
							(double)i / rate));

	err = loop_encode(lp, o, pcm, n);
	free(pcm);

	return err;
}


/**
 * Prepare to look for the first tones
 *
 * @param ts    Filled in
 * @param count How many tones there are, at most TONES_MAX
 */
void tones_init(struct tones *ts, uint32_t count)
{
	ts->count = count < TONES_MAX ? count : TONES_MAX;
	for (uint32_t k = 0; k < ts->count; k++) {
		for (int i = 0; i < TONE_BLOCK; i++) {
			const double w = 2 * M_PI * tonev[k] * i / EAR_RATE;

			ts->cosv[k][i] = (float)cos(w);
			ts->sinv[k][i] = (float)sin(w);
		}
	}
}


/**
 * Tell which tones are in 10 ms
 *
 * @param ts  Tones
 * @param pcm TONE_BLOCK samples at EAR_RATE
 *
 * @return A bit for each that is there
 */
uint32_t tones_find(const struct tones *ts, const int16_t *pcm)
{
	const float least = (float)HEARD * AMPLITUDE * TONE_BLOCK / 2;
	uint32_t mask = 0;

	for (uint32_t k = 0; k < ts->count; k++) {
		float c = 0, s = 0;

		for (int i = 0; i < TONE_BLOCK; i++) {
			c += ts->cosv[k][i] * pcm[i];
			s += ts->sinv[k][i] * pcm[i];
		}
		if (c * c + s * s >= least * least)
			mask |= 1u << k;
	}

	return mask;
}
