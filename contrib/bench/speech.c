/* What participants say: the speech sample and quiet rooms, brought to the
 * codec's rate. Everything is encoded once, before the measurement. */
#include <errno.h>
#include <math.h>
#include <sndfile.h>
#include <stdlib.h>
#include <string.h>
#include "bench.h"

enum {
	TAPS = 24,              /* of the interpolation, each side */
	SPEECH_MIN_S = 6,       /* twelve places in it must be told apart */
	SPEECH_MAX_S = 30,
	QUIET_S = 2,
};

#define NOISE_RMS (32768.0 * 0.001)     /* -60 dBFS */


static uint32_t gcd(uint32_t a, uint32_t b)
{
	return b ? gcd(b, a % b) : a;
}


static int16_t clipped(double v)
{
	return (int16_t)lrint(v > 32767 ? 32767 : v < -32768 ? -32768 : v);
}


/* The filter for a place that lies frac input samples behind one. */
static void taps_set(double *w, int taps, double frac, double ratio)
{
	const double cut = ratio > 1 ? 0.95 / ratio : 0.95;

	for (int k = 0; k < 2 * taps; k++) {
		const double x = frac - (k - taps + 1);
		const double s = fabs(x) < 1e-9 ? cut :
			sin(M_PI * cut * x) / (M_PI * x);

		w[k] = s * (0.5 + 0.5 * cos(M_PI * x / taps));
	}
}


/* Band-limited interpolation with a Hann-windowed sinc; the places between
 * two input samples repeat, and so do the filters. */
static int resample(int16_t **outp, size_t *nout, const int16_t *in,
		    size_t n, uint32_t from, uint32_t to)
{
	const uint32_t g = gcd(from, to), phases = to / g, step = from / g;
	const double ratio = (double)from / to;
	const int taps = (int)(TAPS * (ratio > 1 ? ratio : 1));
	const size_t m = (size_t)((uint64_t)n * to / from);
	int16_t *out = malloc(m * sizeof(*out));
	double *w = malloc(sizeof(*w) * 2 * (size_t)taps * phases);
	const int err = out && w ? 0 : ENOMEM;

	for (uint32_t p = 0; !err && p < phases; p++)
		taps_set(w + 2 * taps * p, taps, (double)p / phases, ratio);

	for (size_t i = 0; !err && i < m; i++) {
		const uint64_t at = (uint64_t)i * step;
		const double *f = w + 2 * taps * (at % phases);
		const long first = (long)(at / phases) - taps + 1;
		double sum = 0;

		for (long k = 0; k < 2 * taps; k++) {
			if (first + k >= 0 && first + k < (long)n)
				sum += in[first + k] * f[k];
		}
		out[i] = clipped(sum);
	}

	free(w);
	if (err) {
		free(out);
		return err;
	}
	*outp = out;
	*nout = m;

	return 0;
}


static int wav_read(int16_t **pcmp, size_t *np, uint32_t *rate,
		    const char *path)
{
	SF_INFO info = {0};
	SNDFILE *sf = sf_open(path, SFM_READ, &info);
	int16_t *pcm;
	sf_count_t n;

	if (!sf)
		return ENOENT;

	if (info.channels != 1 || info.samplerate < 8000 ||
	    info.samplerate > 48000 ||
	    info.frames < (sf_count_t)info.samplerate * SPEECH_MIN_S ||
	    info.frames > (sf_count_t)info.samplerate * SPEECH_MAX_S) {
		sf_close(sf);
		return EBADMSG;
	}

	pcm = malloc((size_t)info.frames * sizeof(*pcm));
	n = pcm ? sf_read_short(sf, pcm, info.frames) : 0;
	sf_close(sf);
	if (n != info.frames) {
		free(pcm);
		return pcm ? EBADMSG : ENOMEM;
	}

	*pcmp = pcm;
	*np = (size_t)n;
	*rate = (uint32_t)info.samplerate;

	return 0;
}


/**
 * Load speech
 *
 * @param pcmp Samples, freed with free()
 * @param np   How many
 * @param path Mono sound file of 6 to 30 s
 * @param rate Wanted rate [Hz]
 *
 * @return 0 if success, ENOENT, or EBADMSG if it is not such a file
 */
int speech_load(int16_t **pcmp, size_t *np, const char *path,
		uint32_t rate)
{
	uint32_t from;
	int16_t *pcm;
	size_t n;
	int err;

	err = wav_read(&pcm, &n, &from, path);
	if (err)
		return err;

	if (from == rate) {
		*pcmp = pcm;
		*np = n;
		return 0;
	}

	err = resample(pcmp, np, pcm, n, from, rate);
	free(pcm);

	return err;
}


/** The rate of the samples a codec encodes [Hz] */
uint32_t pcm_rate(enum codec codec)
{
	return codec == CODEC_OPUS ? 48000 : codec == CODEC_G722 ? 16000 :
		8000;
}


/**
 * Encode the speech sample
 *
 * @param lp Frames, freed with loop_free()
 * @param o  Codec, packet time, sample file
 *
 * @return 0 if success, otherwise errorcode
 */
int loop_speech(struct loop **lp, const struct opts *o)
{
	int16_t *pcm;
	size_t n;
	int err;

	err = speech_load(&pcm, &n, o->speech, pcm_rate(o->codec));
	if (err)
		return err;

	err = loop_encode(lp, o, pcm, n);
	free(pcm);

	return err;
}


/**
 * Encode what somebody sends who says nothing: silence, or the noise of a
 * room at -60 dBFS
 *
 * @param lp Frames, freed with loop_free()
 * @param o  Codec, packet time, which of the two
 *
 * @return 0 if success, otherwise errorcode
 */
int loop_quiet(struct loop **lp, const struct opts *o)
{
	const size_t n = pcm_rate(o->codec) * QUIET_S;
	uint32_t seed = 1;
	int16_t *pcm;
	int err;

	pcm = calloc(n, sizeof(*pcm));
	if (!pcm)
		return ENOMEM;

	for (size_t i = 0; o->listeners == LISTEN_NOISE && i < n; i++) {
		double sum = 0;

		/* the sum of 12 even ones is nearly normal, variance 1 */
		for (int k = 0; k < 12; k++) {
			seed = seed * 1664525u + 1013904223u;
			sum += (double)(seed >> 8) / (1 << 24);
		}
		pcm[i] = (int16_t)lrint((sum - 6) * NOISE_RMS);
	}

	err = loop_encode(lp, o, pcm, n);
	free(pcm);

	return err;
}
