/**
 * @file tests/mesh/test_codec.c  Codecs, resampler, pool
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <check.h>
#include <re.h>
#include "mesh/mesh.h"
#include "mesh/codec.h"
#include "mesh/g711.h"
#include "mesh/plc.h"
#include "mesh/resample.h"
#include "signal.h"


static const struct mesh_format pcmu = {.codec = MESH_PCMU, .rate = 8000};
static const struct mesh_format pcma = {.codec = MESH_PCMA, .pt = 8,
					.rate = 8000};
static const struct mesh_format g722 = {.codec = MESH_G722, .pt = 9,
					.rate = 16000};
static const struct mesh_format opus = {.codec = MESH_OPUS, .pt = 96,
					.rate = 48000};


static struct codec_pool *pool_make(unsigned spare)
{
	struct codec_pool *pool = NULL;
	int i;

	ck_assert_int_eq(0, codec_pool_alloc(&pool));
	for (i = 0; i < CODEC_OBJ_MAX; i++)
		ck_assert_int_eq(0, codec_pool_fill(pool, (enum codec_obj)i,
						    spare));

	return pool;
}


START_TEST(g711_is_its_own_inverse)
{
	int i, worst = 0;

	/* every code decodes to a value that encodes to it again; mu-law has
	   two zeros */
	for (i = 0; i < 256; i++) {
		ck_assert_int_eq(i, g711_to_alaw(g711_alaw[i]));
		if (i != 0x7f)
			ck_assert_int_eq(i, g711_to_ulaw(g711_ulaw[i]));
	}

	for (i = -32768; i < 32768; i++) {
		const int u = g711_ulaw[g711_to_ulaw((int16_t)i)];
		const int a = g711_alaw[g711_to_alaw((int16_t)i)];

		worst = max(worst, abs(u - i) * 100 / (abs(i) + 300));
		worst = max(worst, abs(a - i) * 100 / (abs(i) + 300));
	}
	ck_assert_int_le(worst, 6);

	/* ITU-T G.711 table values */
	ck_assert_int_eq(32124, g711_ulaw[0x80]);
	ck_assert_int_eq(-32124, g711_ulaw[0x00]);
	ck_assert_int_eq(0, g711_ulaw[0xff]);
	ck_assert_int_eq(8, g711_alaw[0xd5]);
	ck_assert_int_eq(32256, g711_alaw[0xaa]);
}
END_TEST


/* Encode and decode a sound of one second */
static void round_trip(struct codec_pool *pool, const struct mesh_format *f,
		       uint32_t rate, unsigned ms, const int16_t *in,
		       int16_t *out, size_t n, unsigned complexity)
{
	const struct codec_enc_params prm = {.rate = rate, .frame_ms = ms,
		.bitrate = 32000, .complexity = complexity};
	const size_t step = rate / 1000 * ms;
	struct codec_enc *enc = NULL;
	struct codec_dec *dec = NULL;
	struct resample rs = {0};
	uint8_t buf[CODEC_PAYLOAD_MAX];
	size_t i;

	ck_assert_int_eq(0, codec_enc_get(&enc, pool, f, &prm));
	ck_assert_int_eq(0, codec_dec_get(&dec, pool, f, rate));
	ck_assert_int_eq(0, resample_init(&rs, codec_dec_rate(dec), rate));

	for (i = 0; i + step <= n; i += step) {
		int16_t pcm[CODEC_FRAME_MAX];
		size_t len = sizeof(buf), sampc = ARRAY_SIZE(pcm), k = 0;
		size_t o = i;

		ck_assert_int_eq(0, codec_encode(enc, &in[i], step, buf,
						 &len));
		ck_assert_uint_eq(ms * 1000, codec_duration(f, buf, len));
		ck_assert_int_eq(0, codec_decode(dec, buf, len, pcm,
						 &sampc));
		ck_assert_uint_eq(sampc, codec_dec_rate(dec) / 1000 * ms);

		for (; k < sampc; k += 160)
			o += resample(&rs, &out[o], &pcm[k],
				      min(sampc - k, (size_t)160));
		ck_assert_uint_eq(o, i + step);
	}

	codec_enc_put(enc);
	codec_dec_put(dec);
}


START_TEST(codecs_keep_the_sound)
{
	static const uint32_t ratev[] = {8000, 16000, 24000, 48000};
	static const unsigned msv[] = {10, 20, 40, 60};
	const struct mesh_format *fmtv[] = {&pcmu, &pcma, &g722, &opus};
	static int16_t in[48000 * 6 / 5], out[48000 * 6 / 5];
	struct codec_pool *pool = pool_make(1);
	size_t f, r, m;

	for (f = 0; f < 4; f++) for (r = 0; r < 4; r++) for (m = 0; m < 4;
							     m++) {
		struct signal sig = {0};
		const uint32_t rate = ratev[r];
		const size_t n = rate * 6 / 5;
		double tone, db;

		signal_sine(&sig, in, n, rate, 1000, -12);
		memset(out, 0, sizeof(out));
		round_trip(pool, fmtv[f], rate, msv[m], in, out, n, 5);

		tone = signal_tone(&out[rate / 2], rate / 2, rate, 1000);
		db   = signal_db(&out[rate / 2], rate / 2);

		ck_assert_msg(tone > .995, "codec %zu rate %u ptime %u: "
			      "tone %.4f", f, rate, msv[m], tone);
		ck_assert_msg(fabs(db + 12) < .8, "codec %zu rate %u ptime "
			      "%u: level %.2f", f, rate, msv[m], db);
	}

	mem_deref(pool);
}
END_TEST


START_TEST(plain_codecs_have_snr)
{
	const struct mesh_format *fmtv[] = {&pcmu, &pcma, &g722};
	static const double want[] = {33, 33, 15};
	struct codec_pool *pool = pool_make(1);
	static int16_t in[16000], out[16000];
	size_t f;

	for (f = 0; f < 3; f++) {
		struct signal sig = {0};
		const uint32_t rate = codec_rate(fmtv[f]);
		double snr;

		signal_speech(&sig, in, rate, rate);
		round_trip(pool, fmtv[f], rate, 20, in, out, rate, 5);
		snr = signal_snr(in, out, rate, 40);
		ck_assert_msg(snr > want[f], "codec %zu: %.1f dB", f, snr);
	}

	mem_deref(pool);
}
END_TEST


START_TEST(resampler_keeps_tones_and_stops_images)
{
	static const uint32_t ratev[] = {8000, 16000, 24000, 48000};
	static int16_t in[48000], out[48000 + 1];
	size_t a, b, i;

	for (a = 0; a < 4; a++) for (b = 0; b < 4; b++) {

		const uint32_t ri = ratev[a], ro = ratev[b];
		const uint32_t low = min(ri, ro);
		struct resample rs = {0};
		double db;
		size_t n;
		int pass;

		ck_assert_int_eq(0, resample_init(&rs, ri, ro));

		/* within the pass band, then above what fits */
		for (pass = 0; pass < (ri > ro ? 2 : 1); pass++) {
			const double freq = low * (pass ? .62 : .38);
			struct signal sig = {0};

			resample_reset(&rs);
			signal_sine(&sig, in, ri, ri, freq, -12);
			for (i = n = 0; i < ri; i += ri / 50)
				n += resample(&rs, &out[n], &in[i], ri / 50);
			ck_assert_uint_eq(ro, n);

			db = signal_db(&out[ro / 2], ro / 2);
			if (pass) {
				ck_assert_msg(db < -60, "%u to %u: %.1f dB "
					      "left", ri, ro, db);
				continue;
			}
			ck_assert_msg(fabs(db + 12) < .5, "%u to %u: %.2f",
				      ri, ro, db);
			ck_assert(signal_tone(&out[ro / 2], ro / 2, ro,
					      freq) > .9995);
		}
	}

	{
		struct resample rs = {0};

		ck_assert_int_eq(EINVAL, resample_init(&rs, 0, 8000));
		ck_assert_int_eq(EINVAL, resample_init(&rs, 44100, 8000));
		ck_assert_int_eq(EINVAL, resample_init(NULL, 8000, 8000));
	}
}
END_TEST


START_TEST(plc_makes_no_click)
{
	static int16_t in[8000], out[8000];
	struct signal sig = {0};
	struct plc plc;
	size_t i;
	int clean;

	plc_start(&plc, 8000);
	signal_sine(&sig, in, 8000, 8000, 310, -14);
	clean = signal_step(in, 8000);

	for (i = 0; i < 8000; i += 160) {
		const unsigned k = (unsigned)(i / 160);

		memcpy(&out[i], &in[i], 320);
		if (k % 9 == 8 || k == 20 || k == 21 || k == 22)
			plc_lost(&plc, &out[i], 160);
		else
			plc_good(&plc, &out[i], 160);
	}

	ck_assert_int_le(signal_step(out, 8000), clean * 3 / 2);

	/* fades away */
	for (i = 0; i < 5; i++)
		plc_lost(&plc, out, 160);
	ck_assert(signal_power(out, 160) == 0);
}
END_TEST


START_TEST(fec_recovers_what_was_lost)
{
	const struct mesh_format fmt = {.codec = MESH_OPUS, .rate = 16000,
		.fec = true, .bitrate = 24000};
	const struct codec_enc_params prm = {.rate = 16000, .frame_ms = 20,
		.complexity = 5, .loss = 20};
	struct codec_pool *pool = pool_make(2);
	static int16_t in[16000 * 2], ref[16000 * 2], fec[16000 * 2];
	struct codec_enc *enc = NULL;
	struct codec_dec *a = NULL, *b = NULL;
	struct signal sig = {0};
	double p_err = 0, p_ref = 0;
	unsigned got = 0, k = 0;
	size_t i, j;

	ck_assert_int_eq(0, codec_enc_get(&enc, pool, &fmt, &prm));
	ck_assert_int_eq(0, codec_dec_get(&a, pool, &fmt, 16000));
	ck_assert_int_eq(0, codec_dec_get(&b, pool, &fmt, 16000));
	signal_speech(&sig, in, ARRAY_SIZE(in), 16000);

	for (i = 0; i < ARRAY_SIZE(in); i += 320, k++) {
		uint8_t buf[CODEC_PAYLOAD_MAX];
		size_t len = sizeof(buf), n = 320;

		ck_assert_int_eq(0, codec_encode(enc, &in[i], 320, buf,
						 &len));
		ck_assert_int_eq(0, codec_decode(a, buf, len, &ref[i], &n));

		if (k % 8 == 6)
			continue;

		if (k % 8 == 7 && codec_has_fec(&fmt, buf, len)) {
			ck_assert_int_eq(0, codec_decode_fec(
				b, buf, len, &fec[i - 320], 320));
			for (j = i - 320; j < i; j++) {
				p_err += pow(fec[j] - ref[j], 2);
				p_ref += pow(ref[j], 2);
			}
			++got;
		}
		else if (k % 8 == 7) {
			ck_assert_int_eq(ENOENT, codec_decode_fec(
				b, buf, len, &fec[i - 320], 320));
			ck_assert_int_eq(0, codec_decode_lost(
				b, &fec[i - 320], 320));
		}

		n = 320;
		ck_assert_int_eq(0, codec_decode(b, buf, len, &fec[i], &n));
	}

	ck_assert_uint_ge(got, 4);
	ck_assert_msg(p_err < p_ref / 2, "error %.2f of the power",
		      p_err / p_ref);

	mem_deref(pool);
}
END_TEST


START_TEST(malformed_payloads_are_refused)
{
	const struct mesh_format *fmtv[] = {&pcmu, &pcma, &g722, &opus};
	struct codec_pool *pool = pool_make(1);
	static uint8_t big[CODEC_PAYLOAD_MAX + 1];
	int16_t pcm[CODEC_FRAME_MAX];
	struct signal sig = {.seed = 7};
	size_t f, i, k;

	for (f = 0; f < 4; f++) {
		struct codec_dec *dec = NULL;
		size_t n = ARRAY_SIZE(pcm);

		ck_assert_int_eq(0, codec_dec_get(&dec, pool, fmtv[f],
						  48000));
		ck_assert_int_eq(EBADMSG, codec_decode(dec, big, 0, pcm, &n));
		ck_assert_int_eq(EBADMSG, codec_decode(dec, big, sizeof(big),
						       pcm, &n));
		n = 10;
		ck_assert_int_eq(EBADMSG, codec_decode(dec, big, 160, pcm,
						       &n));
		ck_assert_uint_eq(0, codec_duration(fmtv[f], big, 0));
		ck_assert_uint_eq(0, codec_duration(fmtv[f], big,
						    sizeof(big)));

		/* whatever the bytes: an error or sound, and no more sound
		   than there is room for */
		for (i = 0; i < 3000; i++) {
			const size_t len = 1 + sig.seed % 200;

			signal_noise(&sig, pcm, 2, -10);
			for (k = 0; k < len; k++)
				big[k] = (uint8_t)((sig.seed = sig.seed *
					1664525u + 1013904223u) >> 24);
			n = ARRAY_SIZE(pcm);
			if (!codec_decode(dec, big, len, pcm, &n))
				ck_assert_uint_le(n, ARRAY_SIZE(pcm));
			(void)codec_decode_fec(dec, big, len, pcm, 960);
			(void)codec_duration(fmtv[f], big, len);
		}
		codec_dec_put(dec);
	}

	mem_deref(pool);
}
END_TEST


START_TEST(pool_is_bounded_and_refills)
{
	struct codec_pool *pool = pool_make(1);
	struct codec_dec *a = NULL, *b = NULL;
	struct codec_pool_stats st;
	void *slotv[300];
	size_t i;

	ck_assert_int_eq(0, codec_dec_get(&a, pool, &opus, 48000));
	ck_assert_int_eq(ENOMEM, codec_dec_get(&b, pool, &opus, 48000));
	ck_assert_ptr_null(b);
	ck_assert_int_eq(0, codec_pool_refill(pool));
	ck_assert_int_eq(0, codec_dec_get(&b, pool, &opus, 48000));

	codec_pool_stats(pool, &st);
	ck_assert_uint_eq(2, st.made[CODEC_OBJ_DEC_OPUS]);
	ck_assert_uint_eq(1, st.failed[CODEC_OBJ_DEC_OPUS]);

	a = codec_dec_put(a);
	ck_assert_int_eq(EINVAL, codec_dec_get(&a, pool, &opus, 44100));
	ck_assert_int_eq(0, codec_dec_get(&a, pool, &opus, 8000));

	/* after a peak, memory returns */
	ck_assert_int_eq(0, codec_pool_fill(pool, CODEC_OBJ_SLOT, 300));
	for (i = 0; i < 300; i++)
		slotv[i] = codec_pool_get(pool, CODEC_OBJ_SLOT);
	ck_assert_int_eq(0, codec_pool_fill(pool, CODEC_OBJ_SLOT, 4));
	for (i = 0; i < 300; i++)
		codec_pool_put(pool, CODEC_OBJ_SLOT, slotv[i]);
	for (i = 0; i < 40; i++)
		ck_assert_int_eq(0, codec_pool_refill(pool));
	codec_pool_stats(pool, &st);
	ck_assert_uint_le(st.made[CODEC_OBJ_SLOT], 80);

	/* what is still out ends with the pool */
	mem_deref(pool);
}
END_TEST


START_TEST(encoders_refuse_nonsense)
{
	struct codec_pool *pool = pool_make(1);
	struct codec_enc_params prm = {.rate = 48000, .frame_ms = 20,
		.bitrate = 24000, .complexity = 5};
	struct codec_enc *enc = NULL;
	static int16_t pcm[CODEC_FRAME_MAX];
	uint8_t buf[CODEC_PAYLOAD_MAX];
	size_t len = sizeof(buf);

	prm.frame_ms = 30;
	ck_assert_int_eq(EINVAL, codec_enc_get(&enc, pool, &opus, &prm));
	prm.frame_ms = 0;
	ck_assert_int_eq(EINVAL, codec_enc_get(&enc, pool, &opus, &prm));
	prm.frame_ms = 20;
	prm.rate = 44100;
	ck_assert_int_eq(EINVAL, codec_enc_get(&enc, pool, &opus, &prm));
	prm.rate = 48000;
	prm.complexity = 11;
	ck_assert_int_eq(EINVAL, codec_enc_get(&enc, pool, &opus, &prm));
	prm.complexity = 5;

	ck_assert_int_eq(0, codec_enc_get(&enc, pool, &pcmu, &prm));
	ck_assert_int_eq(EINVAL, codec_encode(enc, pcm, 480, buf, &len));
	len = 100;
	ck_assert_int_eq(EOVERFLOW, codec_encode(enc, pcm, 960, buf, &len));
	ck_assert_int_eq(ENOTSUP, codec_enc_loss(enc, 5));
	codec_enc_put(enc);

	mem_deref(pool);
}
END_TEST


START_TEST(a_primed_encoder_takes_over_without_a_click)
{
	struct codec_pool *pool = pool_make(2);
	const struct codec_enc_params prm = {.rate = 48000, .frame_ms = 20,
		.bitrate = 32000, .complexity = 5};
	struct codec_enc *a = NULL, *b = NULL;
	struct codec_dec *dec = NULL;
	static int16_t in[48000], out[48000];
	struct signal sig = {0};
	size_t i;
	int before, at;

	ck_assert_int_eq(0, codec_enc_get(&a, pool, &opus, &prm));
	ck_assert_int_eq(0, codec_enc_get(&b, pool, &opus, &prm));
	ck_assert_int_eq(0, codec_dec_get(&dec, pool, &opus, 48000));
	signal_sine(&sig, in, 48000, 48000, 440, -15);

	for (i = 0; i < 48000; i += 960) {
		uint8_t buf[CODEC_PAYLOAD_MAX];
		size_t len = sizeof(buf), n = 960;

		if (i == 24000 - 960 * 1)
			ck_assert_int_eq(0, codec_enc_prime(b, &in[i - 960],
							    960));
		ck_assert_int_eq(0, codec_encode(i < 24000 - 960 ? a : b,
						 &in[i], 960, buf, &len));
		ck_assert_int_eq(0, codec_decode(dec, buf, len, &out[i],
						 &n));
	}

	before = signal_step(&out[9600], 9600);
	at     = signal_step(&out[24000 - 1920], 9600);
	ck_assert_msg(at <= before * 2, "step %d, was %d", at, before);

	mem_deref(pool);
}
END_TEST


START_TEST(complexity_changes_without_a_click)
{
	static const unsigned stepv[] = {5, 3, 1, 0, 1, 3, 5, 10};
	struct codec_pool *pool = pool_make(2);
	const struct codec_enc_params prm = {.rate = 48000, .frame_ms = 20,
		.bitrate = 24000, .complexity = 5};
	struct codec_enc *enc = NULL;
	struct codec_dec *dec = NULL;
	static int16_t in[96000], out[96000];
	struct signal sig = {0};
	int before;

	ck_assert_int_eq(0, codec_enc_get(&enc, pool, &opus, &prm));
	ck_assert_int_eq(0, codec_dec_get(&dec, pool, &opus, 48000));
	signal_sine(&sig, in, 96000, 48000, 440, -15);

	for (size_t i = 0; i < 96000; i += 960) {
		uint8_t buf[CODEC_PAYLOAD_MAX];
		size_t len = sizeof(buf), n = 960;

		codec_enc_complexity(enc, stepv[i / 12000]);
		ck_assert_int_eq(0, codec_encode(enc, &in[i], 960, buf,
						 &len));
		ck_assert_int_eq(0, codec_decode(dec, buf, len, &out[i],
						 &n));
	}

	before = signal_step(in, 48000);
	ck_assert_msg(signal_step(&out[9600], 96000 - 9600) <= before * 3 / 2,
		      "step %d, was %d",
		      signal_step(&out[9600], 96000 - 9600), before);

	mem_deref(pool);
}
END_TEST


int main(void)
{
	Suite *suite = suite_create("codec");
	TCase *tc = tcase_create("codec");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, g711_is_its_own_inverse);
	tcase_add_test(tc, codecs_keep_the_sound);
	tcase_add_test(tc, plain_codecs_have_snr);
	tcase_add_test(tc, resampler_keeps_tones_and_stops_images);
	tcase_add_test(tc, plc_makes_no_click);
	tcase_add_test(tc, fec_recovers_what_was_lost);
	tcase_add_test(tc, malformed_payloads_are_refused);
	tcase_add_test(tc, pool_is_bounded_and_refills);
	tcase_add_test(tc, encoders_refuse_nonsense);
	tcase_add_test(tc, a_primed_encoder_takes_over_without_a_click);
	tcase_add_test(tc, complexity_changes_without_a_click);
	suite_add_tcase(suite, tc);

	sr = srunner_create(suite);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? 1 : 0;
}
