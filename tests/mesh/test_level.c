/**
 * @file tests/mesh/test_level.c  Levels from bytes; talk or room
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <check.h>
#include <opus/opus.h>
#include <re.h>
#include "mesh/mesh.h"
#include "mesh/codec.h"
#include "mesh/g711.h"
#include "mesh/level.h"
#include "mesh/opus_level.h"
#include "mesh/talk.h"
#include "signal.h"


START_TEST(levels_are_those_of_rfc_6464)
{
	static int16_t v[8000];
	struct signal s = {0};
	int db, i;

	memset(v, 0, sizeof(v));
	ck_assert_uint_eq(127, level_pcm(v, 160, 1));
	ck_assert_uint_eq(127, level_pcm(v, 0, 1));

	for (i = 0; i < 8000; i++)
		v[i] = i & 1 ? -32768 : 32767;
	ck_assert_uint_eq(0, level_pcm(v, 8000, 1));

	for (db = 4; db < 80; db++) {
		signal_sine(&s, v, 8000, 8000, 440, -db);
		ck_assert_int_le(abs((int)level_pcm(v, 8000, 1) - db), 1);
		ck_assert_int_le(abs((int)level_pcm(v, 8000, 4) - db), 1);
	}
}
END_TEST


START_TEST(g711_levels_need_no_decoder)
{
	static const double freqv[] = {100, 440, 1000, 1600, 2000, 2666.7,
		3300};
	static int16_t v[160];
	uint8_t p[160];
	int db, law;
	size_t f;

	for (law = 0; law < 2; law++) {

		/* silence of either law */
		memset(p, law ? 0xd5 : 0xff, sizeof(p));
		ck_assert_uint_ge(level_g711(law, p, sizeof(p)), 70);

		for (db = 6; db < 55; db += 3) {
			for (f = 0; f < ARRAY_SIZE(freqv); f++) {
				struct signal s = {0};
				int level;

				signal_sine(&s, v, 160, 8000, freqv[f], -db);
				g711_from_pcm(law, p, v, 160);
				level = level_g711(law, p, 160);
				ck_assert_msg(abs(level - db) <= 4,
					      "law %d %g Hz -%d: %d", law,
					      freqv[f], db, level);
			}
		}
	}

	ck_assert_uint_eq(127, level_g711(false, p, 0));
}
END_TEST


START_TEST(g722_levels_follow_the_codes)
{
	const struct mesh_format fmt = {.codec = MESH_G722, .rate = 16000};
	const struct codec_enc_params prm = {.rate = 16000, .frame_ms = 20};
	struct codec_pool *pool = NULL;
	struct codec_enc *enc = NULL;
	int db, i;

	ck_assert_int_eq(0, codec_pool_alloc(&pool));
	ck_assert_int_eq(0, codec_pool_fill(pool, CODEC_OBJ_ENC, 1));

	for (db = 20; db <= 60; db += 10) {
		struct level_g722 st = {0};
		struct signal s = {0};
		int level = 0;

		ck_assert_int_eq(0, codec_enc_get(&enc, pool, &fmt, &prm));
		for (i = 0; i < 25; i++) {
			int16_t v[320];
			uint8_t p[160];
			size_t len = sizeof(p);

			signal_noise(&s, v, 320, -db);
			ck_assert_int_eq(0, codec_encode(enc, v, 320, p,
							 &len));
			level = level_g722(&st, p, len);
		}
		ck_assert_msg(abs(level - db) <= 5, "-%d: %d", db, level);
		codec_enc_put(enc);
	}

	mem_deref(pool);
}
END_TEST


/* Mean difference between what the bytes tell and what is decoded [dB] */
static double opus_bias(int app, int frame, int channels, int rate, int kind,
			double db, double *rms)
{
	OpusEncoder *enc;
	OpusDecoder *dec;
	struct opus_level st = {.stereo = false};
	struct signal s = {0};
	double sum = 0, sq = 0;
	int i, k, n = 0, err;

	enc = opus_encoder_create(48000, channels, app, &err);
	dec = opus_decoder_create(48000, 1, &err);
	opus_encoder_ctl(enc, OPUS_SET_BITRATE(rate));

	for (i = 0; i < 96000 / frame; i++) {
		static int16_t v[2880], in[5760], out[5760];
		uint8_t p[1500], level = 0;
		int len, c;

		if (kind == 0)
			signal_noise(&s, v, (size_t)frame, db);
		else if (kind == 1)
			signal_sine(&s, v, (size_t)frame, 48000, 440, db);
		else
			signal_speech(&s, v, (size_t)frame, 48000);

		for (k = 0; k < frame; k++) for (c = 0; c < channels; c++)
			in[k * channels + c] = v[k];

		len = opus_encode(enc, in, frame, p, sizeof(p));
		ck_assert_int_gt(len, 0);
		k = opus_decode(dec, p, len, out, 5760, 0);
		ck_assert_int_eq(frame, k);

		if (opus_level_look(&st, p, (size_t)len, &level) ==
		    OPUS_LOOK_LEVEL && i > 10) {
			const double ref = -signal_db(out, (size_t)frame);

			if (ref < 70) {
				sum += level - ref;
				sq  += pow(level - ref, 2);
				++n;
			}
		}
	}

	opus_encoder_destroy(enc);
	opus_decoder_destroy(dec);

	ck_assert_int_gt(n, 10);
	*rms = sqrt(sq / n);

	return sum / n;
}


START_TEST(celt_tells_its_level)
{
	static const int framev[] = {120, 240, 480, 960, 1920, 2880};
	size_t f;
	int ch;

	for (f = 0; f < ARRAY_SIZE(framev); f++) for (ch = 1; ch <= 2; ch++) {

		const int app = OPUS_APPLICATION_RESTRICTED_LOWDELAY;
		double db, bias, rms;

		/* noise is what the threshold has to be right for */
		for (db = -65; db < -10; db += 18) {
			bias = opus_bias(app, framev[f], ch, 32000 * ch, 0,
					 db, &rms);
			ck_assert_msg(fabs(bias) < 1.5 && rms < 3,
				      "noise %g frame %d: %.1f rms %.1f",
				      db, framev[f], bias, rms);
		}

		bias = opus_bias(app, framev[f], ch, 32000 * ch, 1, -12,
				 &rms);
		ck_assert_msg(fabs(bias) < 10, "tone %.1f", bias);
		bias = opus_bias(app, framev[f], ch, 32000 * ch, 2, 0, &rms);
		ck_assert_msg(fabs(bias) < 10, "speech %.1f", bias);
	}
}
END_TEST


START_TEST(silk_tells_voice_and_gain)
{
	struct opus_level st = {.stereo = false};
	struct signal s = {0};
	OpusEncoder *enc;
	uint8_t quiet = 0, loud = 0, level = 0;
	int i, err, voice = 0;

	enc = opus_encoder_create(16000, 1, OPUS_APPLICATION_VOIP, &err);
	opus_encoder_ctl(enc, OPUS_SET_BITRATE(16000));

	for (i = 0; i < 250; i++) {
		enum opus_look look;
		int16_t v[320];
		uint8_t p[500];
		int len;

		if (i < 100)
			signal_noise(&s, v, 320, -60);
		else if (i < 200)
			signal_noise(&s, v, 320, -30);
		else
			signal_speech(&s, v, 320, 16000);

		len = opus_encode(enc, v, 320, p, sizeof(p));
		ck_assert_int_gt(len, 0);
		ck_assert_int_eq(0, p[0] & 0x80);

		look = opus_level_look(&st, p, (size_t)len, &level);
		ck_assert(look == OPUS_LOOK_VOICE ||
			  look == OPUS_LOOK_NOVOICE);
		if (i == 99)
			quiet = level;
		if (i == 199)
			loud = level;
		if (i > 200 && look == OPUS_LOOK_VOICE)
			++voice;
		if (i > 50 && i < 100)
			ck_assert_int_eq(OPUS_LOOK_NOVOICE, look);
	}
	opus_encoder_destroy(enc);

	ck_assert_int_le(abs(quiet - loud - 30), 3);
	ck_assert_int_gt(voice, 20);
}
END_TEST


START_TEST(opus_level_survives_anything)
{
	struct opus_level st = {.stereo = false};
	uint32_t x = 1;
	uint8_t p[300] = {0}, level;
	size_t i, k, len;

	ck_assert_int_eq(OPUS_LOOK_BAD, opus_level_look(&st, p, 0, &level));

	for (i = 0; i < 100000; i++) {
		len = 1 + (x >> 8) % (i & 1 ? sizeof(p) : 8);
		for (k = 0; k < len; k++) {
			x = x * 1664525u + 1013904223u;
			p[k] = (uint8_t)(x >> 24);
		}
		(void)opus_level_look(&st, p, len, &level);
	}
}
END_TEST


/* Let a detector hear levels; returns the part of the time it heard talk */
static double hear(struct talk *t, double seconds, int (*level)(int i),
		   uint64_t *now)
{
	const int n = (int)(seconds * 50);
	int i, on = 0;

	for (i = 0; i < n; i++, *now += 20000)
		on += talk_hear(t, (uint8_t)level(i), *now);

	return (double)on / n;
}


static int room(int i)     { return 60 + i * 7 % 5 - 2; }
static int loud_room(int i) { return 50 + i * 7 % 5 - 2; }
static int silence(int i)  { return 127; }
static int tone(int i)     { return 15; }
static int quiet_talk(int i) { return i % 45 < 31 ? 42 : 62; }
static int talk(int i)     { return i % 45 < 31 ? 24 + i * 5 % 9 : 62; }
static int click(int i)    { return i % 500 == 100 ? 30 : 61; }


START_TEST(room_noise_is_no_talk)
{
	uint64_t now = 1000000;
	struct talk t;

	talk_init(&t);
	ck_assert(hear(&t, 60, silence, &now) == 0);
	ck_assert(hear(&t, 60, room, &now) == 0);
	ck_assert(hear(&t, 60, silence, &now) == 0);
	ck_assert(hear(&t, 60, room, &now) == 0);

	/* a louder one is talk until it is known */
	ck_assert(hear(&t, 5, loud_room, &now) < .8);
	ck_assert(hear(&t, 60, loud_room, &now) == 0);
	ck_assert_uint_lt(talk_threshold(&t), 45);

	/* and what follows a quiet room is heard again */
	(void)hear(&t, 5, room, &now);
	ck_assert(hear(&t, 10, quiet_talk, &now) > .9);
}
END_TEST


START_TEST(talk_is_heard_at_once_and_not_cut)
{
	uint64_t now = 1000000;
	struct talk t;

	talk_init(&t);
	(void)hear(&t, 10, room, &now);

	ck_assert(talk_hear(&t, 30, now += 20000));
	ck_assert(hear(&t, 30, talk, &now) == 1);

	/* hangover */
	ck_assert(hear(&t, .3, room, &now) == 1);
	(void)hear(&t, .4, room, &now);
	ck_assert(hear(&t, 1, room, &now) == 0);

	/* without any packet too */
	ck_assert(talk_hear(&t, 30, now += 20000));
	ck_assert(talk_check(&t, now + 300000));
	ck_assert(!talk_check(&t, now + 500000));

	/* a tone never pauses, and is heard all the same */
	ck_assert(hear(&t, 60, tone, &now) == 1);

	/* a click is over soon */
	(void)hear(&t, 2, room, &now);
	ck_assert(hear(&t, 60, click, &now) < .06);
}
END_TEST


int main(void)
{
	Suite *suite = suite_create("level");
	TCase *tc = tcase_create("level");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, levels_are_those_of_rfc_6464);
	tcase_add_test(tc, g711_levels_need_no_decoder);
	tcase_add_test(tc, g722_levels_follow_the_codes);
	tcase_add_test(tc, celt_tells_its_level);
	tcase_add_test(tc, silk_tells_voice_and_gain);
	tcase_add_test(tc, opus_level_survives_anything);
	tcase_add_test(tc, room_noise_is_no_talk);
	tcase_add_test(tc, talk_is_heard_at_once_and_not_cut);
	suite_add_tcase(suite, tc);

	sr = srunner_create(suite);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? 1 : 0;
}
