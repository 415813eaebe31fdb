/**
 * @file mesh/resample.c  8, 16, 24 and 48 kHz into one another
 *
 * A polyphase FIR: a Kaiser-windowed sinc of 24 taps per phase, counted at
 * the lower of both rates. Pass band to 0.42 of that rate, 55 dB of
 * rejection from 0.58 on, delay 12 of its samples (1.5 ms at 8 kHz).
 */
#include <math.h>
#include <string.h>
#include <re.h>
#include "mesh/resample.h"


static double bessel_i0(double x)
{
	double sum = 1, term = 1;
	int k;

	for (k = 1; k < 25; k++) {
		term *= (x / 2 / k) * (x / 2 / k);
		sum += term;
	}

	return sum;
}


static void make_filter(struct resample *r)
{
	const unsigned n = r->up * r->taps, ratio = max(r->up, r->down);
	const double beta = 5.2, mid = (n - 1) / 2.0;
	unsigned i, ph;

	for (i = 0; i < n; i++) {
		const double t = i - mid, x = M_PI * t / ratio;
		const double w = 2 * t / n;
		double h = fabs(x) < 1e-9 ? 1 : sin(x) / x;

		h *= bessel_i0(beta * sqrt(1 - w * w)) / bessel_i0(beta);

		r->coefv[(i % r->up) * r->taps + r->taps - 1 - i / r->up] =
			(float)h;
	}

	/* Each phase passes DC as it is: no ripple at the phases' rate */
	for (ph = 0; ph < r->up; ph++) {
		float *c = &r->coefv[ph * r->taps], sum = 0;

		for (i = 0; i < r->taps; i++)
			sum += c[i];
		for (i = 0; i < r->taps; i++)
			c[i] /= sum;
	}
}


static uint32_t common(uint32_t a, uint32_t b)
{
	while (b) {
		const uint32_t t = a % b;

		a = b;
		b = t;
	}

	return a;
}


/**
 * Prepare to resample. Computing the filter takes some 20 us; it is kept
 * when the ratio is that of the last use.
 *
 * @param r    State, all zero before its first use
 * @param in   Rate of what comes [Hz]
 * @param out  Rate wanted [Hz]; in:out or out:in at most 6, as 3:2, 2:1 ...
 *
 * @return 0 if success, EINVAL if the ratio is not supported
 */
int resample_init(struct resample *r, uint32_t in, uint32_t out)
{
	uint32_t g, up, down;

	if (!r || !in || !out)
		return EINVAL;

	g    = common(in, out);
	up   = out / g;
	down = in / g;

	if (up > RESAMPLE_RATIO || down > RESAMPLE_RATIO)
		return EINVAL;

	if (r->up != up || r->down != down) {
		r->up   = up;
		r->down = down;
		r->taps = up >= down ? RESAMPLE_TAPS
			: RESAMPLE_TAPS * down / up;
		make_filter(r);
	}

	r->in  = in;
	r->out = out;
	resample_reset(r);

	return 0;
}


/**
 * Forget what came before
 *
 * @param r  State
 */
void resample_reset(struct resample *r)
{
	memset(r->hist, 0, sizeof(r->hist));
	r->phase = 0;
	r->skip  = 0;
}


static inline int16_t clip(float x)
{
	return x > 32767 ? 32767 : x < -32768 ? -32768 : (int16_t)lrintf(x);
}


/**
 * Resample a block. The number of samples out is sampc * out / in when that
 * is a whole number, as it is for every multiple of 1 ms.
 *
 * @param r      State
 * @param dst    Where the samples go: room for sampc * out / in + 1
 * @param src    Samples; must not overlap dst
 * @param sampc  Number of samples, 0..RESAMPLE_IN_MAX
 *
 * @return Number of samples written
 */
size_t resample(struct resample *r, int16_t *dst, const int16_t *src,
		size_t sampc)
{
	float x[RESAMPLE_COEFS + RESAMPLE_IN_MAX];
	const unsigned keep = r->taps - 1;
	size_t i, n = 0, pos = r->skip;

	sampc = min(sampc, (size_t)RESAMPLE_IN_MAX);

	if (r->up == r->down) {
		memcpy(dst, src, sampc * sizeof(*dst));
		return sampc;
	}

	for (i = 0; i < keep; i++)
		x[i] = r->hist[i];
	for (i = 0; i < sampc; i++)
		x[keep + i] = src[i];

	while (pos < sampc) {
		const float *c = &r->coefv[r->phase * r->taps], *v = &x[pos];
		float acc[4] = {0};

		for (i = 0; i < r->taps; i += 4) {
			acc[0] += c[i]     * v[i];
			acc[1] += c[i + 1] * v[i + 1];
			acc[2] += c[i + 2] * v[i + 2];
			acc[3] += c[i + 3] * v[i + 3];
		}

		dst[n++] = clip(acc[0] + acc[1] + acc[2] + acc[3]);

		r->phase += r->down;
		pos      += r->phase / r->up;
		r->phase %= r->up;
	}

	r->skip = (unsigned)(pos - sampc);

	for (i = 0; i < keep; i++)
		r->hist[i] = (int16_t)x[sampc + i];

	return n;
}
