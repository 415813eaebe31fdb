/**
 * @file tests/mesh/test_sender.c  Streams of packets without a seam
 */
#include <re.h>
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <spandsp.h>
#include <opus/opus.h>
#include "mesh/mesh.h"
#include "mesh/codec.h"
#include "mesh/scheduler.h"
#include "mesh/rtp.h"
#include "mesh/filter.h"
#include "mesh/sender.h"
#include "phone.h"

enum { AMP = 8000, FREQ = 400, HEARD = 8000 * 6 };

struct bed {                     /* a tone, two senders, one listener     */
	struct codec_pool *pool;
	struct sender *shared, *own;
	struct sender_key key;
	struct sender_env env;
	uint32_t rate;
	double phase, amp;
	int16_t buf[CODEC_TICK_MAX];
	struct filter_mix mix;
	struct filter_talker talker;
	struct scheduler_frame frame;
	int who;
	OpusDecoder *dec;
	g722_decode_state_t *g722;
	int16_t heard[HEARD];
	size_t heardc;
	unsigned packets;
};


static void bed_init(struct bed *b, enum mesh_codec codec, uint32_t rate,
		     uint8_t ptime)
{
	static const enum codec_obj objv[] = {
		CODEC_OBJ_ENC, CODEC_OBJ_ENC_OPUS,
	};
	int err;

	memset(b, 0, sizeof(*b));
	b->rate = rate;
	b->amp = AMP;
	b->key.fmt.codec = codec;
	b->key.fmt.rate = codec == MESH_OPUS ? 48000 : 8000;
	b->key.ptime = ptime;
	ck_assert_int_eq(codec_pool_alloc(&b->pool), 0);
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(codec_pool_fill(b->pool, objv[i], 3), 0);
	b->env.pool = b->pool;
	b->env.rate = rate;
	b->env.bitrate = 32000;
	b->env.complexity = 5;
	b->env.pass_through = true;
	ck_assert_int_eq(sender_alloc(&b->shared), 0);
	ck_assert_int_eq(sender_alloc(&b->own), 0);
	b->talker.who = &b->who;
	b->talker.ssrc = 5;
	b->talker.level = 15;
	b->dec = opus_decoder_create(8000, 1, &err);
	b->g722 = g722_decode_init(NULL, 64000, 0);
}


static void bed_close(struct bed *b)
{
	mem_deref(b->shared);
	mem_deref(b->own);
	mem_deref(b->pool);
	opus_decoder_destroy(b->dec);
	g722_decode_free(b->g722);
}


/* The next 20 ms of a tone, or silence */
static void bed_tick(struct bed *b, bool tone)
{
	const size_t n = b->rate / 50;

	++b->env.tick;
	memset(&b->mix, 0, sizeof(b->mix));
	for (size_t i = 0; i < n; i++) {
		b->phase += 2 * M_PI * FREQ / b->rate;
		b->buf[i] = (int16_t)(b->amp * sin(b->phase));
	}
	if (!tone)
		return;

	b->mix.sampv = b->buf;
	b->mix.csrcc = 1;
	b->mix.csrcv[0] = 5;
	b->mix.levelv[0] = 15;
}


static void run(struct bed *b, struct sender *s)
{
	ck_assert_int_eq(sender_run(s, &b->key, &b->mix, &b->env), 0);
}


/* Decode what a listener would get in this tick */
static void hear(struct bed *b, const struct sender *s)
{
	for (unsigned i = 0; i < s->packetc; i++) {
		const struct sender_packet *pkt = &s->packetv[i];
		const uint8_t *p = pkt->p + (pkt->len - pkt->payload);
		int16_t v[5760];
		int n = 0;

		switch (b->key.fmt.codec) {

		case MESH_PCMU:
			n = (int)pkt->payload;
			for (int k = 0; k < n; k++)
				v[k] = ulaw_to_linear(p[k]);
			break;

		case MESH_G722:
			n = g722_decode(b->g722, v, p, (int)pkt->payload) / 2;
			for (int k = 0; k < n; k++)
				v[k] = v[2 * k];
			break;

		default:
			n = opus_decode(b->dec, p, (int)pkt->payload, v, 5760,
					0);
			break;
		}

		ck_assert_int_gt(n, 0);
		ck_assert_uint_eq((unsigned)n, b->key.ptime * 8u);
		ck_assert_uint_le(b->heardc + (size_t)n, HEARD);
		memcpy(b->heard + b->heardc, v, (size_t)n * sizeof(*v));
		b->heardc += (size_t)n;
		++b->packets;
	}
}


/* Between two times [ms]: how much is not the tone, at worst in 5 ms */
static double rest(const struct bed *b, unsigned from, unsigned to)
{
	const double w = 2 * M_PI * FREQ / 8000;
	double most = 0;

	for (size_t pos = from * 8; pos + 40 <= to * 8; pos += 20) {
		double c = 0, s = 0, e = 0;

		for (size_t i = 0; i < 40; i++) {
			c += b->heard[pos + i] * cos(w * (double)i);
			s += b->heard[pos + i] * sin(w * (double)i);
		}
		c /= 20;
		s /= 20;
		for (size_t i = 0; i < 40; i++) {
			const double x = w * (double)i;
			const double d = b->heard[pos + i] -
				c * cos(x) - s * sin(x);

			e += d * d;
		}
		most = max(most, sqrt(e / 40));
	}

	return most;
}


static const struct {
	enum mesh_codec codec;
	uint32_t rate;
	uint8_t ptime;
} kindv[] = {
	{MESH_PCMU,  8000, 20}, {MESH_PCMU, 16000, 20}, {MESH_PCMU, 48000, 20},
	{MESH_G722, 16000, 20}, {MESH_G722, 48000, 20},
	{MESH_OPUS, 48000, 20}, {MESH_OPUS, 16000, 20}, {MESH_OPUS, 48000, 10},
	{MESH_OPUS, 48000, 40}, {MESH_OPUS, 48000, 60}, {MESH_PCMU, 8000, 60},
	{MESH_PCMU,  8000, 10}, {MESH_G722, 16000, 40},
};


/* When a change is allowed */
static void meets(struct bed *b)
{
	const struct sender_key *key = &b->key;
	const bool plain = key->fmt.codec == MESH_PCMU;

	ck_assert(!sender_meets(b->own, b->shared, key, true, 1));
	ck_assert(sender_meets(b->own, b->shared, key, true, 2) == plain);
	ck_assert(sender_meets(b->own, b->shared, key, true, 20));
	ck_assert(sender_meets(b->own, b->shared, key, false, 20) == plain);
	ck_assert(sender_meets(b->own, b->shared, key, false, 1000));

	b->own->pass = &b->who;
	ck_assert(!sender_meets(b->own, b->shared, key, true, 20));
	b->shared->pass = &b->who;
	ck_assert(sender_meets(b->own, b->shared, key, false, 2));
}


/*
 *                own voice in the shared mix, pause
 *                |------------------|      |---|  both equal again
 * shared  ======\                            /========
 * own            \==========================/
 *              960                1680     1980 ms
 */
START_TEST(test_switch)
{
	static struct bed b;
	double steady, there, back;

	bed_init(&b, kindv[_i].codec, kindv[_i].rate, kindv[_i].ptime);

	for (unsigned t = 0; t < 150; t++) {

		const bool own = t >= 48 && t < 99;
		int16_t loud[CODEC_TICK_MAX];
		const int16_t *others;

		b.amp = t >= 96 && t < 102 ? AMP / 100 : AMP;
		bed_tick(&b, true);
		if (t == 48)
			sender_follow(b.own, b.shared);

		others = b.mix.sampv;
		for (size_t i = 0; i < b.rate / 50; i++)
			loud[i] = (int16_t)(others[i] + rand_u16() % 16000 -
					    8000);
		if (t >= 48 && t < 84)
			b.mix.sampv = loud;
		run(&b, b.shared);
		b.mix.sampv = others;

		if (own)
			run(&b, b.own);
		hear(&b, own ? b.own : b.shared);
	}

	ck_assert_uint_eq(b.packets, 3000 / kindv[_i].ptime);
	steady = max(rest(&b, 400, 900), rest(&b, 1500, 1850));
	there = rest(&b, 920, 1200);
	back = rest(&b, 1960, 2030);
	meets(&b);

	/* not more noise than the codec makes all the time, give or take */
	ck_assert_msg(there < 2.5 * steady + 150 && back < AMP / 100 + 60,
		      "%d: steady %.0f, there %.0f, back %.0f", _i, steady,
		      there, back);

	bed_close(&b);
}
END_TEST


/* The test above can fail: a fresh sender that follows nobody is heard */
START_TEST(test_switch_heard)
{
	static struct bed b;

	bed_init(&b, MESH_PCMU, 8000, 20);
	for (unsigned t = 0; t < 100; t++) {
		bed_tick(&b, t != 50);
		run(&b, b.shared);
		hear(&b, b.shared);
	}
	ck_assert_double_gt(rest(&b, 900, 1200), 1000);
	bed_close(&b);
}
END_TEST


static void frame_set(struct bed *b, const uint8_t *p, size_t len)
{
	b->frame.fmt = &b->key.fmt;
	b->frame.p = p;
	b->frame.len = len;
	b->talker.frame = &b->frame;
	b->mix.lone = &b->talker;
}


/* Frames of an only talker go out as they are, bit by bit */
START_TEST(test_pass_exact)
{
	static struct bed b;
	uint8_t p[160];

	bed_init(&b, MESH_PCMU, 16000, 20);
	for (unsigned t = 0; t < 20; t++) {
		bed_tick(&b, true);
		rand_bytes(p, sizeof(p));
		frame_set(&b, p, sizeof(p));
		b.frame.first = t == 0;
		run(&b, b.shared);
		ck_assert_uint_eq(b.shared->packetc, 1);
		ck_assert_uint_eq(b.shared->packetv[0].payload, sizeof(p));
		ck_assert_uint_eq(b.shared->packetv[0].len, sizeof(p) + 4);
		ck_assert_mem_eq(b.shared->packetv[0].p + 4, p, sizeof(p));
		ck_assert(b.shared->packetv[0].marker == (t == 0));
	}
	ck_assert_uint_eq(b.env.passed, 20);
	ck_assert_uint_eq(b.env.encodes, 0);

	/* not if that is switched off, or lengths or codecs differ */
	b.env.pass_through = false;
	bed_tick(&b, true);
	frame_set(&b, p, sizeof(p));
	run(&b, b.shared);
	ck_assert_uint_eq(b.env.passed, 20);
	ck_assert_uint_eq(b.shared->packetc, 1);

	b.env.pass_through = true;
	b.key.ptime = 10;
	sender_clear(b.shared);
	bed_tick(&b, true);
	frame_set(&b, p, sizeof(p));
	run(&b, b.shared);
	ck_assert_uint_eq(b.env.passed, 20);
	ck_assert_uint_eq(b.shared->packetc, 2);

	bed_close(&b);
}
END_TEST


/*
 * G.711 in a mix of another rate: what is encoded lags behind the frames
 *
 *   passed | encoded | passed | encoded, while the frame is missing
 */
START_TEST(test_pass_cross)
{
	static struct bed b;
	double phase = 0;

	bed_init(&b, MESH_PCMU, 16000, 20);
	b.mix.talkv = &b.talker;
	for (unsigned t = 0; t < 150; t++) {
		uint8_t p[160];

		bed_tick(&b, true);
		for (unsigned i = 0; i < sizeof(p); i++) {
			phase += 2 * M_PI * FREQ / 8000;
			p[i] = linear_to_ulaw((int)(AMP * sin(phase)));
		}
		frame_set(&b, p, sizeof(p));
		b.mix.talkv = &b.talker;
		b.mix.talkc = 1;
		if (t >= 40 && t < 80)
			b.mix.lone = NULL;
		if (t >= 120)
			b.mix.lone = NULL;
		if (t == 120)
			b.talker.frame = NULL;
		run(&b, b.shared);
		hear(&b, b.shared);
	}

	ck_assert_uint_eq(b.env.passed, 40 + 39);
	for (unsigned at = 800; at <= 2400; at += 800)
		ck_assert_msg(click_max(b.heard + at * 8 - 160, 480) < 1500,
			      "%u ms: %.0f", at,
			      click_max(b.heard + at * 8 - 160, 480));

	bed_close(&b);
}
END_TEST


/* The talker's own encoder, whose frames may be passed through */
static size_t talker_encode(const struct bed *b, OpusEncoder *enc,
			    uint8_t *p, size_t sz)
{
	int n = opus_encode(enc, b->buf, (int)b->rate / 50, p,
			    (opus_int32)sz);

	ck_assert_int_gt(n, 0);

	return (size_t)n;
}


/* A listener's limit is an average: one long frame is fine, a stream is not */
START_TEST(test_pass_limit)
{
	static struct bed b;
	uint8_t p[200] = {0xf8};

	bed_init(&b, MESH_OPUS, 48000, 20);
	b.key.fmt.bitrate = 24000;
	b.mix.lone = &b.talker;
	frame_set(&b, p, sizeof(p));

	b.frame.rate = 24000;
	ck_assert(sender_fits(&b.key, &b.mix, &b.env));
	b.frame.rate = 30000;
	ck_assert(sender_fits(&b.key, &b.mix, &b.env));
	b.frame.rate = 30001;
	ck_assert(!sender_fits(&b.key, &b.mix, &b.env));
	b.key.fmt.bitrate = 32000;
	ck_assert(sender_fits(&b.key, &b.mix, &b.env));
	b.key.fmt.bitrate = 0;
	b.frame.rate = 510000;
	ck_assert(sender_fits(&b.key, &b.mix, &b.env));
	b.key.fmt.cbr = true;
	ck_assert(!sender_fits(&b.key, &b.mix, &b.env));

	bed_close(&b);
}
END_TEST


/*
 * Opus is passed through from silence on, not in the middle of a word; to
 * our own encoder and back it changes without a click.
 *
 *   silence | passed through     | own encoder          ...quiet| passed
 */
START_TEST(test_pass_opus)
{
	static struct bed b;
	OpusEncoder *enc;
	uint8_t p[1275];
	double steady;
	int err;

	bed_init(&b, MESH_OPUS, 48000, 20);
	enc = opus_encoder_create(48000, 1, OPUS_APPLICATION_VOIP, &err);
	(void)opus_encoder_ctl(enc, OPUS_SET_BITRATE(32000));

	for (unsigned t = 0; t < 10; t++) {
		bed_tick(&b, false);
		run(&b, b.shared);
		hear(&b, b.shared);
	}
	ck_assert_uint_eq(b.env.passed, 0);

	for (unsigned t = 0; t < 190; t++) {
		size_t n;

		bed_tick(&b, true);
		n = talker_encode(&b, enc, p, sizeof(p));
		/* for a second there is somebody else, unheard of here */
		if (t < 50 || t >= 100)
			frame_set(&b, p, n);
		/* a pause that is soft, though not silent */
		b.talker.level = t == 150 ? 60 : 15;
		run(&b, b.shared);
		hear(&b, b.shared);

		if (t == 49)
			ck_assert_uint_eq(b.env.passed, 50);
		if (t == 149)
			ck_assert_uint_eq(b.env.passed, 50);
	}
	ck_assert_uint_eq(b.env.passed, 50 + 40);

	steady = max(rest(&b, 500, 1100), rest(&b, 1600, 2100));
	ck_assert_msg(rest(&b, 1180, 1500) < 3 * steady + 300,
		      "steady %.0f, to own %.0f", steady,
		      rest(&b, 1180, 1500));

	opus_encoder_destroy(enc);
	bed_close(&b);
}
END_TEST


/*
 * Who comes from another server in the middle of a word goes on with the
 * frames of the only talker at once; others do so when there was no quiet
 * moment for long. It becomes neither loud, nor wrong for more than a moment.
 *
 *   own encoder | passed through
 */
START_TEST(test_pass_fresh)
{
	static struct bed b;
	OpusEncoder *enc;
	uint8_t p[1275];
	double steady;
	int err, peak = 0;

	bed_init(&b, MESH_OPUS, 48000, 20);
	enc = opus_encoder_create(48000, 1, OPUS_APPLICATION_VOIP, &err);
	(void)opus_encoder_ctl(enc, OPUS_SET_BITRATE(32000));

	ck_assert_uint_ge(b.own->wait, 75 - 25);
	if (_i)
		b.own->wait = 75 - 25;

	for (unsigned t = 0; t < 150; t++) {
		size_t n;

		bed_tick(&b, true);
		n = talker_encode(&b, enc, p, sizeof(p));
		/* at first others are heard, too */
		if (t >= 25)
			frame_set(&b, p, n);
		if (t == 75 && !_i) {
			b.own->alone = true;
			b.own->wait = 0;
		}
		run(&b, b.own);
		hear(&b, b.own);
		if (t == 74)
			ck_assert_uint_eq(b.env.passed, 0);
	}
	ck_assert_uint_eq(b.env.passed, 75);
	ck_assert_uint_eq(b.own->wait, SENDER_WAIT);

	for (size_t i = 1400 * 8; i < b.heardc; i++)
		peak = max(peak, abs(b.heard[i]));
	ck_assert_msg(peak < AMP * 5 / 4, "peak %d", peak);

	/* the step itself can be heard, and nothing after it */
	steady = rest(&b, 500, 1400);
	ck_assert_msg(rest(&b, 1600, 2900) < 3 * steady + 300,
		      "steady %.0f, after %.0f", steady,
		      rest(&b, 1600, 2900));

	opus_encoder_destroy(enc);
	bed_close(&b);
}
END_TEST


/* A frame lost on the way in leaves a gap; G.711 is concealed instead */
START_TEST(test_pass_lost)
{
	static struct bed b;
	OpusEncoder *enc;
	uint8_t p[1275];
	int err;

	bed_init(&b, MESH_OPUS, 48000, 20);
	enc = opus_encoder_create(48000, 1, OPUS_APPLICATION_VOIP, &err);
	bed_tick(&b, false);
	run(&b, b.shared);
	for (unsigned t = 0; t < 10; t++) {
		size_t n;

		bed_tick(&b, true);
		n = talker_encode(&b, enc, p, sizeof(p));
		frame_set(&b, p, t == 5 ? 0 : n);
		run(&b, b.shared);
		ck_assert_uint_eq(b.shared->packetc, 1);
		ck_assert_uint_eq(b.shared->packetv[0].payload,
				  t == 5 ? 0 : n);
	}
	opus_encoder_destroy(enc);
	bed_close(&b);

	bed_init(&b, MESH_PCMU, 8000, 20);
	for (unsigned t = 0; t < 10; t++) {
		bed_tick(&b, true);
		frame_set(&b, p, t == 5 ? 0 : 160);
		run(&b, b.shared);
		ck_assert_uint_eq(b.shared->packetv[0].payload, 160);
	}
	ck_assert_uint_eq(b.env.passed, 9);
	ck_assert_uint_eq(b.env.encodes, 1);
	bed_close(&b);
}
END_TEST


/* Silence is encoded a few times and then said again, at full rate */
START_TEST(test_silence)
{
	static struct bed b;
	uint64_t before;

	bed_init(&b, kindv[_i].codec, kindv[_i].rate, kindv[_i].ptime);
	for (unsigned t = 0; t < 30; t++) {
		bed_tick(&b, true);
		run(&b, b.shared);
		hear(&b, b.shared);
	}
	for (unsigned t = 0; t < 30; t++) {
		bed_tick(&b, false);
		run(&b, b.shared);
		hear(&b, b.shared);
	}
	before = b.env.encodes;
	for (unsigned t = 0; t < 60; t++) {
		bed_tick(&b, false);
		run(&b, b.shared);
		hear(&b, b.shared);
	}
	ck_assert_uint_eq(b.env.encodes, before);
	ck_assert_uint_eq(b.packets, 2400 / kindv[_i].ptime);
	ck_assert_double_lt(tone_power(b.heard + b.heardc - 4000, 4000, FREQ,
				       8000), 20);

	/* and the tone comes back whole */
	for (unsigned t = 0; t < 30; t++) {
		bed_tick(&b, true);
		run(&b, b.shared);
		hear(&b, b.shared);
	}
	ck_assert_double_gt(tone_power(b.heard + b.heardc - 2000, 2000, FREQ,
				       8000), AMP * 0.8);

	bed_close(&b);
}
END_TEST


/* Out of encoders, there is nothing to send, and nothing breaks */
START_TEST(test_pool_empty)
{
	static struct bed b;
	void *v[8];

	bed_init(&b, MESH_OPUS, 48000, 20);
	for (unsigned i = 0; i < 8; i++)
		v[i] = codec_pool_get(b.pool, CODEC_OBJ_ENC_OPUS);
	bed_tick(&b, true);
	ck_assert_int_eq(sender_run(b.shared, &b.key, &b.mix, &b.env),
			 ENOMEM);
	ck_assert_uint_eq(b.shared->packetc, 0);

	for (unsigned i = 0; i < 8; i++)
		if (v[i])
			(void)codec_pool_put(b.pool, CODEC_OBJ_ENC_OPUS,
					     v[i]);
	bed_tick(&b, true);
	run(&b, b.shared);
	ck_assert_uint_eq(b.shared->packetc, 1);

	bed_close(&b);
}
END_TEST


static Suite *suite(void)
{
	Suite *s = suite_create("mesh sender");
	TCase *t = tcase_create("sender");

	tcase_set_timeout(t, 30);
	tcase_add_loop_test(t, test_switch, 0, ARRAY_SIZE(kindv));
	tcase_add_test(t, test_switch_heard);
	tcase_add_test(t, test_pass_exact);
	tcase_add_test(t, test_pass_cross);
	tcase_add_test(t, test_pass_limit);
	tcase_add_test(t, test_pass_opus);
	tcase_add_loop_test(t, test_pass_fresh, 0, 2);
	tcase_add_test(t, test_pass_lost);
	tcase_add_loop_test(t, test_silence, 0, ARRAY_SIZE(kindv));
	tcase_add_test(t, test_pool_empty);
	suite_add_tcase(s, t);

	return s;
}


int main(void)
{
	SRunner *sr = srunner_create(suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
