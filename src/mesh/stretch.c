/**
 * @file mesh/stretch.c  Time scaling: a little more or less of the same sound
 *
 * Overlap-add of a signal with itself, shifted by the lag at which it is
 * most like itself: for voiced speech a whole number of pitch periods, so
 * that neither pitch nor waveform show the seam. The lag is searched at
 * about 8 kHz and then refined.
 */
#include <string.h>
#include <re.h>
#include "mesh/codec.h"
#include "mesh/stretch.h"


enum {
	SEARCH_RATE = 8000,   /* [Hz]                                       */
	COARSE_MAX  = 640,    /* samples searched, 80 ms                    */
	LAG_MIN_US  = 2500,   /* 400 Hz                                     */
	LAG_MAX_US  = 15000,  /* 66 Hz                                      */
	WINDOW_US   = 5000,
	SEAM_MAX    = 480,    /* longest cross-fade [samples]               */
};


/* How alike x and y are; only the order of the results has a meaning */
static float likeness(const float *x, const float *y, unsigned n)
{
	float xy = 0, yy = 1;
	unsigned i;

	for (i = 0; i < n; i++) {
		xy += x[i] * y[i];
		yy += y[i] * y[i];
	}

	return xy > 0 ? xy * xy / yy : -xy * xy / yy;
}


static float likeness_pcm(const int16_t *x, const int16_t *y, unsigned n)
{
	float xy = 0, yy = 1;
	unsigned i;

	for (i = 0; i < n; i++) {
		xy += (float)x[i] * y[i];
		yy += (float)y[i] * y[i];
	}

	return xy > 0 ? xy * xy / yy : -xy * xy / yy;
}


static size_t decimate(float *dst, const int16_t *src, size_t n, unsigned d)
{
	size_t i, k;

	n = min(n / d, (size_t)COARSE_MAX);

	for (i = 0; i < n; i++) {
		int sum = 0;

		for (k = 0; k < d; k++)
			sum += src[i * d + k];
		dst[i] = (float)sum;
	}

	return n;
}


/* Best lag between the window at `at` and the one `lag` later or earlier */
static unsigned search(const int16_t *v, size_t n, uint32_t rate, size_t at,
		       int dir, unsigned lag_min, unsigned lag_max,
		       unsigned window)
{
	float x[COARSE_MAX];
	const unsigned d = max(rate / SEARCH_RATE, (uint32_t)1);
	const unsigned w = window / d, cat = (unsigned)at / d;
	unsigned lag, best = lag_min, lo, hi;
	float top = -1e30f;
	size_t cn;

	cn = decimate(x, v, n, d);

	for (lag = max(lag_min / d, 1u); lag <= lag_max / d; lag++) {
		float l;

		if (dir > 0 ? cat + lag + w > cn : lag > cat)
			break;

		l = likeness(&x[cat], &x[dir > 0 ? cat + lag : cat - lag], w);
		if (l > top) {
			top  = l;
			best = lag * d;
		}
	}

	if (d == 1)
		return best;

	lo  = best > lag_min + d ? best - d : lag_min;
	hi  = min(best + d, lag_max);
	top = -1e30f;

	for (lag = lo; lag <= hi; lag++) {
		float l;

		if (dir > 0 ? at + lag + window > n : lag > at)
			break;

		l = likeness_pcm(&v[at], &v[dir > 0 ? at + lag : at - lag],
				 window);
		if (l > top) {
			top  = l;
			best = lag;
		}
	}

	return best;
}


/**
 * The lag at which the start of a signal is most like what follows
 *
 * @param sampv    Signal
 * @param sampc    Its length, at least lag_max + window [samples]
 * @param rate     [Hz]
 * @param lag_min  Shortest lag [samples]
 * @param lag_max  Longest lag [samples]
 * @param window   How much is compared [samples]
 *
 * @return Lag [samples]
 */
unsigned stretch_lag(const int16_t *sampv, size_t sampc, uint32_t rate,
		     unsigned lag_min, unsigned lag_max, unsigned window)
{
	return search(sampv, sampc, rate, 0, 1, lag_min, lag_max, window);
}


/**
 * The lag at which the end of a signal is most like what came before
 *
 * @param sampv    Signal
 * @param sampc    Its length, at least lag_max + window [samples]
 * @param rate     [Hz]
 * @param lag_min  Shortest lag [samples]
 * @param lag_max  Longest lag [samples]
 * @param window   How much is compared [samples]
 *
 * @return Lag [samples]
 */
unsigned stretch_lag_back(const int16_t *sampv, size_t sampc, uint32_t rate,
			  unsigned lag_min, unsigned lag_max,
			  unsigned window)
{
	return search(sampv, sampc, rate, sampc - window, -1, lag_min,
		      lag_max, window);
}


/* The shift to use for a change of at most `want`; 0: not now */
static unsigned pick_lag(const int16_t *sampv, size_t sampc, uint32_t rate,
			 unsigned want, bool exact)
{
	const unsigned lo = rate / 100 * LAG_MIN_US / 10000;
	const unsigned window = rate / 100 * WINDOW_US / 10000;
	unsigned hi = rate / 100 * LAG_MAX_US / 10000;

	if (exact)
		return want + 8 <= sampc ? want : 0;

	hi = min(hi, want);
	if (hi < lo || sampc < hi + window)
		return 0;

	return search(sampv, sampc, rate, 0, 1, lo, hi, window);
}


/**
 * Shorten a signal. Its first and last sample stay as they were.
 *
 * @param sampv   Signal, changed in place
 * @param sampc   Its length [samples]
 * @param rate    [Hz]
 * @param remove  Remove at most this much [samples]
 * @param exact   Remove just this, whatever the pitch
 *
 * @return New length [samples]; sampc if nothing could be removed
 */
size_t stretch_remove(int16_t *sampv, size_t sampc, uint32_t rate,
		      unsigned remove, bool exact)
{
	const unsigned lag = pick_lag(sampv, sampc, rate, remove, exact);
	size_t seam;

	if (!lag)
		return sampc;

	seam = min(sampc - lag, (size_t)max(lag, rate / 400));
	seam = min(seam, (size_t)SEAM_MAX);

	codec_crossfade(&sampv[lag], sampv, seam);
	memmove(sampv, &sampv[lag], (sampc - lag) * sizeof(*sampv));

	return sampc - lag;
}


/**
 * Lengthen a signal. Its first and last sample stay as they were.
 *
 * @param sampv   Signal, changed in place; room for sampc + insert
 * @param sampc   Its length [samples]
 * @param rate    [Hz]
 * @param insert  Add at most this much [samples]
 * @param exact   Add just this, whatever the pitch
 *
 * @return New length [samples]; sampc if nothing could be added
 */
size_t stretch_insert(int16_t *sampv, size_t sampc, uint32_t rate,
		      unsigned insert, bool exact)
{
	int16_t old[SEAM_MAX];
	const unsigned lag = pick_lag(sampv, sampc, rate, insert, exact);
	size_t seam;

	if (!lag || lag > sampc)
		return sampc;

	seam = min(sampc - lag, (size_t)max(lag, rate / 400));
	seam = min(seam, (size_t)SEAM_MAX);

	/* What followed the first period leads over into its repetition */
	memcpy(old, &sampv[lag], seam * sizeof(*sampv));
	memmove(&sampv[lag], sampv, sampc * sizeof(*sampv));
	codec_crossfade(&sampv[lag], old, seam);

	return sampc + lag;
}
