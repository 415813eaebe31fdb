/**
 * @file mesh/plc.c  Concealment for codecs that bring none of their own
 *
 * What is missing is replaced by the last pitch period, again and again,
 * softer and softer: whole for 10 ms, gone after 60. The first sound that
 * arrives again is faded in over what would have gone on.
 */
#include <string.h>
#include <re.h>
#include "mesh/codec.h"
#include "mesh/plc.h"
#include "mesh/stretch.h"


enum {
	FULL_MS  = 10,        /* at full strength                           */
	GONE_MS  = 60,        /* nothing left after                         */
	JOIN_US  = 4000,      /* back to what was received                  */
	JOIN_MAX = 192,       /* the same at 48 kHz [samples]               */
};


/**
 * Start anew
 *
 * @param plc   State
 * @param rate  8000, 16000, 24000 or 48000 [Hz]
 */
void plc_start(struct plc *plc, uint32_t rate)
{
	memset(plc, 0, sizeof(*plc));
	plc->rate = rate;
}


static void remember(struct plc *plc, const int16_t *sampv, size_t sampc)
{
	const size_t n = plc->rate / 25;

	if (sampc >= n) {
		memcpy(plc->hist, &sampv[sampc - n], n * sizeof(*sampv));
		return;
	}

	memmove(plc->hist, &plc->hist[sampc],
		(n - sampc) * sizeof(*sampv));
	memcpy(&plc->hist[n - sampc], sampv, sampc * sizeof(*sampv));
}


/* One period out of the past, its end made to lead over into its start */
static void period_make(struct plc *plc)
{
	const unsigned n = plc->rate / 25, w = plc->rate / 125;
	unsigned i, seam;

	plc->pitch = stretch_lag_back(plc->hist, n, plc->rate,
				      plc->rate / 400, plc->rate / 66, w);
	plc->pos = 0;

	memcpy(plc->period, &plc->hist[n - plc->pitch],
	       plc->pitch * sizeof(*plc->period));

	seam = plc->pitch / 4;
	for (i = 0; i < seam; i++) {
		const int a = plc->period[plc->pitch - seam + i];
		const int b = plc->hist[n - plc->pitch - seam + i];

		plc->period[plc->pitch - seam + i] = (int16_t)
			((a * (int)(seam - i) + b * (int)i) / (int)seam);
	}
}


static int16_t next(struct plc *plc)
{
	const int full = (int)plc->rate * FULL_MS / 1000;
	const int gone = (int)plc->rate * GONE_MS / 1000;
	const int at = (int)plc->lost++;
	const int x = plc->period[plc->pos];

	if (++plc->pos >= plc->pitch)
		plc->pos = 0;

	if (at < full)
		return (int16_t)x;
	if (at >= gone)
		return 0;

	return (int16_t)(x * (gone - at) / (gone - full));
}


/**
 * Conceal what is missing
 *
 * @param plc    State
 * @param sampv  Where the samples go
 * @param sampc  Number of samples wanted
 */
void plc_lost(struct plc *plc, int16_t *sampv, size_t sampc)
{
	size_t i;

	if (!plc->lost)
		period_make(plc);

	/* The repetition starts where the sound broke off, so the first
	   period is what would have followed the period before */
	for (i = 0; i < sampc; i++)
		sampv[i] = next(plc);

	remember(plc, sampv, sampc);
}


/**
 * Tell of what was received; its start is changed if it follows a gap
 *
 * @param plc    State
 * @param sampv  Samples
 * @param sampc  Number of samples
 */
void plc_good(struct plc *plc, int16_t *sampv, size_t sampc)
{
	if (plc->lost) {
		int16_t tail[JOIN_MAX];
		size_t i, n = (size_t)plc->rate * JOIN_US / 1000000;

		n = min(n, sampc);
		for (i = 0; i < n; i++)
			tail[i] = next(plc);

		codec_crossfade(sampv, tail, n);
		plc->lost = 0;
	}

	remember(plc, sampv, sampc);
}
