/**
 * @file tests/mesh/test_dtmf.c  Telephone events (RFC 4733); tones we play
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <check.h>
#include <re.h>
#include "mesh/mesh.h"
#include "mesh/dtmf.h"
#include "mesh/tone.h"
#include "signal.h"


static int event(struct dtmf *d, uint32_t ts, uint8_t ev, bool end,
		 uint16_t duration, uint64_t now, char *digit)
{
	const uint8_t p[] = {ev, (uint8_t)(end ? 0x8a : 0x0a),
		(uint8_t)(duration >> 8), (uint8_t)duration};

	return dtmf_recv(d, 7, ts, p, sizeof(p), now, digit);
}


START_TEST(a_press_is_told_once)
{
	static const char keys[] = "0123456789*#ABCD";
	struct dtmf d = {0};
	uint32_t ts = 0xffffff00;
	uint64_t now = 5000000;
	unsigned i, k;
	char c = 0;

	for (i = 0; i < 16; i++, ts += 4000, now += 500000) {

		ck_assert_int_eq(0, event(&d, ts, (uint8_t)i, false, 160, now,
					  &c));
		ck_assert_int_eq(keys[i], c);

		for (k = 2; k < 8; k++)
			ck_assert_int_eq(EALREADY, event(
				&d, ts, (uint8_t)i, false,
				(uint16_t)(k * 160), now, &c));

		/* the end, three times over */
		for (k = 0; k < 3; k++)
			ck_assert_int_eq(EALREADY, event(
				&d, ts, (uint8_t)i, true, 1280, now, &c));

		/* one that was overtaken by the next */
		if (i)
			ck_assert_int_eq(EALREADY, event(
				&d, ts - 4000, (uint8_t)(i - 1), true, 1280,
				now, &c));
	}

	/* the same key again is another press */
	ck_assert_int_eq(0, event(&d, ts, 5, true, 800, now, &c));
	ck_assert_int_eq(0, event(&d, ts + 1600, 5, true, 800, now, &c));

	/* all but the last end got lost */
	ck_assert_int_eq(0, event(&d, ts + 9600, 6, true, 800, now, &c));
	ck_assert_int_eq('6', c);
}
END_TEST


START_TEST(a_long_press_is_one)
{
	struct dtmf d = {0};
	char c = 0;

	ck_assert_int_eq(0, event(&d, 1000, 1, false, 160, 0, &c));
	ck_assert_int_eq(EALREADY, event(&d, 1000, 1, false, 0xffff, 0, &c));
	ck_assert_int_eq(EALREADY, event(&d, 1000 + 0xffff, 1, false, 160, 0,
					 &c));
	ck_assert_int_eq(EALREADY, event(&d, 1000 + 0xffff, 1, true, 800, 0,
					 &c));
	ck_assert_int_eq(0, event(&d, 1000 + 0x1ffff, 1, true, 800, 0, &c));
}
END_TEST


START_TEST(what_is_no_key_is_refused)
{
	static const struct {
		uint8_t p[8];
		size_t len;
		int err;
	} tab[] = {
		{{0}, 0, EBADMSG},
		{{1}, 1, EBADMSG},
		{{1, 0x0a, 0}, 3, EBADMSG},
		{{16, 0x0a, 0, 160}, 4, ENOTSUP},      /* flash             */
		{{36, 0x0a, 0, 160}, 4, ENOTSUP},      /* CNG of a fax      */
		{{255, 0xff, 0xff, 0xff}, 4, ENOTSUP},
		{{9, 0x0a, 0, 160, 1, 2, 3, 4}, 8, 0},
	};
	struct dtmf d = {0};
	char c = 'x';
	size_t i;

	for (i = 0; i < ARRAY_SIZE(tab); i++) {
		ck_assert_int_eq(tab[i].err, dtmf_recv(&d, 1, 5, tab[i].p,
						       tab[i].len, 0, &c));
		ck_assert_int_eq(tab[i].err ? 'x' : '9', c);
	}
	ck_assert_int_eq(EINVAL, dtmf_recv(NULL, 1, 5, tab[6].p, 4, 0, &c));
}
END_TEST


START_TEST(a_flood_is_bounded)
{
	struct dtmf d = {0};
	unsigned i, n = 0;
	char c;

	for (i = 0; i < 1000; i++)
		n += !event(&d, i * 1000, 1, true, 800, 1000000 + i * 1000,
			    &c);
	ck_assert_uint_le(n, 21);

	ck_assert_int_eq(0, event(&d, 2000000, 1, true, 800, 9000000, &c));
}
END_TEST


START_TEST(tones_play_at_any_rate_without_a_click)
{
	static const uint32_t ratev[] = {8000, 16000, 24000, 48000};
	static const double firstv[] = {620, 440, 523, 784};
	int kind;
	size_t r;

	for (kind = MESH_TONE_MUTED; kind <= MESH_TONE_LEAVE; kind++)
	for (r = 0; r < 4; r++) {
		const uint32_t rate = ratev[r];
		static int16_t v[48000];
		struct tone t = {0};
		size_t n = 0;

		ck_assert(!tone_playing(&t));
		ck_assert_int_eq(0, tone_start(&t, kind, rate));
		memset(v, 0, sizeof(v));
		do {
			ck_assert(tone_playing(&t));
			ck_assert_uint_lt(n, rate);
			n += rate / 50;
		}
		while (tone_mix(&t, &v[n - rate / 50], rate / 50));
		ck_assert(!tone_playing(&t));

		/* short, at the level said, of the frequency said */
		ck_assert_uint_le(n, rate * 2 / 5);
		ck_assert(fabs(signal_db(&v[rate / 50], rate / 20) + 20) <
			  1.5);
		ck_assert(signal_tone(&v[rate / 100], rate / 16, rate,
				      firstv[kind]) > .9);

		/* no step larger than a sine of 784 Hz makes */
		ck_assert_int_le(signal_step(v, n),
				 (int)(4600 * 2 * M_PI * 800 / rate) + 2);
		ck_assert_int_eq(0, v[0]);
	}
}
END_TEST


START_TEST(tones_are_added_and_clipped)
{
	int16_t v[160];
	struct tone t = {0};
	size_t i;

	ck_assert_int_eq(EINVAL, tone_start(&t, 99, 8000));
	ck_assert_int_eq(EINVAL, tone_start(&t, -1, 8000));
	ck_assert_int_eq(EINVAL, tone_start(&t, MESH_TONE_JOIN, 0));
	ck_assert_int_eq(EINVAL, tone_start(NULL, MESH_TONE_JOIN, 8000));

	ck_assert_int_eq(0, tone_start(&t, MESH_TONE_JOIN, 8000));
	for (i = 0; i < 160; i++)
		v[i] = 32000;
	ck_assert(tone_mix(&t, v, 160));
	for (i = 0; i < 160; i++)
		ck_assert_int_gt(v[i], 20000);
}
END_TEST


int main(void)
{
	Suite *suite = suite_create("dtmf");
	TCase *tc = tcase_create("dtmf");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, a_press_is_told_once);
	tcase_add_test(tc, a_long_press_is_one);
	tcase_add_test(tc, what_is_no_key_is_refused);
	tcase_add_test(tc, a_flood_is_bounded);
	tcase_add_test(tc, tones_play_at_any_rate_without_a_click);
	tcase_add_test(tc, tones_are_added_and_clipped);
	suite_add_tcase(suite, tc);

	sr = srunner_create(suite);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? 1 : 0;
}
