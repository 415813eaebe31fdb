/**
 * @file tests/mesh/signal.c  Sounds to test with, and how to measure them
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <re.h>
#include "signal.h"


/* A full-scale sine is -3.01 dBov: RFC 6465 measures power */
void signal_sine(struct signal *s, int16_t *v, size_t n, uint32_t rate,
		 double freq, double dbov)
{
	const double a = 32767 * M_SQRT2 * pow(10, dbov / 20);
	size_t i;

	for (i = 0; i < n; i++, s->n++)
		v[i] = (int16_t)lrint(a * sin(2 * M_PI * freq *
					      (double)s->n / rate));
}


static double uniform(struct signal *s)
{
	s->seed = s->seed * 1664525u + 1013904223u;

	return (double)s->seed / 4294967296. * 2 - 1;
}


void signal_noise(struct signal *s, int16_t *v, size_t n, double dbov)
{
	const double a = 32768 * pow(10, dbov / 20) * sqrt(3. / 4);
	size_t i, k;

	for (i = 0; i < n; i++, s->n++) {
		double x = 0;

		/* four uniforms: near enough to Gauss */
		for (k = 0; k < 4; k++)
			x += uniform(s);
		v[i] = (int16_t)lrint(max(-32768., min(32767., a * x)));
	}
}


/* A two-pole resonance; its coefficients are worked out once per block */
static void resonance(double *c, double f, double bw, uint32_t rate)
{
	const double r = exp(-M_PI * bw / rate);

	c[0] = 2 * r * cos(2 * M_PI * f / rate);
	c[1] = -r * r;
}


static double resonate(double *z, double x, const double *c)
{
	const double y = x + c[0] * z[0] + c[1] * z[1];

	z[1] = z[0];
	z[0] = y;

	return y;
}


/* Syllables of 200 ms, a word of three, pauses between; pitch 90..140 Hz,
   three formants that wander: enough of speech for codecs and detectors */
void signal_speech(struct signal *s, int16_t *v, size_t n, uint32_t rate)
{
	double c1[2] = {0}, c2[2] = {0}, c3[2] = {0}, pitch = 0, env = 0;
	size_t i;

	for (i = 0; i < n; i++, s->n++) {

		double x = 0, y;

		if (i % 16 == 0) {
			const double t = (double)s->n / rate;
			const double in = fmod(t, .9);

			pitch = 110 + 25 * sin(2 * M_PI * .7 * t);
			env   = in > .62 ? 0
				: pow(sin(M_PI * fmod(in, .2067) / .2067), 2);
			resonance(c1, 550 + 200 * sin(3 * t), 70, rate);
			resonance(c2, 1400 + 400 * sin(2 * t), 90, rate);
			resonance(c3, 2500, 140, rate);
		}

		s->phase += pitch / rate;
		if (s->phase >= 1) {
			s->phase -= 1;
			x = 1;
		}
		x = x * 40 + uniform(s) * .4;

		y  = resonate(s->f1, x, c1);
		y += resonate(s->f2, x, c2);
		y += resonate(s->f3, x, c3);

		y = y * env * 26 * sqrt(8000. / rate);
		v[i] = (int16_t)lrint(max(-32768., min(32767., y)));
	}
}


double signal_power(const int16_t *v, size_t n)
{
	double sum = 0;
	size_t i;

	for (i = 0; i < n; i++)
		sum += (double)v[i] * v[i];

	return n ? sum / (double)n : 0;
}


double signal_db(const int16_t *v, size_t n)
{
	const double p = signal_power(v, n) / 32768 / 32768;

	return p > 0 ? 10 * log10(p) : -200;
}


/* Part of the power that is in one tone, 0..1 */
double signal_tone(const int16_t *v, size_t n, uint32_t rate, double freq)
{
	double re = 0, im = 0, all = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		const double w = .5 - .5 * cos(2 * M_PI * (double)i /
					       (double)n);
		const double x = v[i] * w;

		re  += x * cos(2 * M_PI * freq * (double)i / rate);
		im  += x * sin(2 * M_PI * freq * (double)i / rate);
		all += x * x;
	}

	/* of a pure tone A: |sum|^2 = (A n / 4)^2, all = A^2 3 n / 16 */
	return all > 0 ? 3 * (re * re + im * im) / all / (double)n : 0;
}


/* The largest step from one sample to the next: a click shows here */
int signal_step(const int16_t *v, size_t n)
{
	int top = 0;
	size_t i;

	for (i = 1; i < n; i++)
		top = max(top, abs(v[i] - v[i - 1]));

	return top;
}


/* Signal to error [dB] at the best delay and gain */
double signal_snr(const int16_t *ref, const int16_t *v, size_t n,
		  size_t lag_max)
{
	double best = -100;
	size_t lag, i;

	for (lag = 0; lag <= lag_max; lag++) {
		double xy = 0, xx = 0, yy = 0, err;

		for (i = 0; i + lag < n; i++) {
			xy += (double)ref[i] * v[i + lag];
			xx += (double)ref[i] * ref[i];
			yy += (double)v[i + lag] * v[i + lag];
		}
		if (xy <= 0 || yy <= 0)
			continue;

		err = xx - xy * xy / yy;
		best = max(best, 10 * log10(xx / max(err, 1e-9)));
	}

	return best;
}
