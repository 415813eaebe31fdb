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
	SPEECH_MAX_S = 30,
	QUIET_S = 2,
};

#define NOISE_RMS (32768.0 * 0.001)     /* -60 dBFS */


/* Band-limited interpolation with a Hann-windowed sinc: slow and good. */
static int resample(int16_t **outp, size_t *nout, const int16_t *in,
		    size_t n, uint32_t from, uint32_t to)
{
	const double ratio = (double)from / to;
	const double cut = ratio > 1 ? 0.95 / ratio : 0.95;
	const int taps = (int)(TAPS * (ratio > 1 ? ratio : 1));
	const size_t m = (size_t)((uint64_t)n * to / from);
	int16_t *out;

	out = malloc(m * sizeof(*out));
	if (!out)
		return ENOMEM;

	for (size_t i = 0; i < m; i++) {
		const double pos = (double)i * ratio;
		const long mid = (long)pos;
		double sum = 0;

		for (long k = mid - taps + 1; k <= mid + taps; k++) {
			const double x = pos - (double)k;
			const double s = fabs(x) < 1e-9 ? cut :
				sin(M_PI * cut * x) / (M_PI * x);

			if (k >= 0 && k < (long)n)
				sum += in[k] * s *
					(0.5 + 0.5 * cos(M_PI * x / taps));
		}
		if (sum > 32767)
			sum = 32767;
		if (sum < -32768)
			sum = -32768;
		out[i] = (int16_t)lrint(sum);
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
	    info.samplerate > 48000 || info.frames < info.samplerate ||
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
 * @param path Mono sound file of 1 to 30 s
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


static uint32_t pcm_rate(enum codec codec)
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
