/**
 * @file tests/mesh/test_resume.c  Streams of other servers: going on, linked
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <check.h>
#include <re.h>
#include "mesh/mesh.h"
#include "mesh/codec.h"
#include "mesh/level.h"
#include "mesh/scheduler.h"
#include "signal.h"
#include "sim.h"

enum { PAIR = 480 * 2 };     /* 10 ms of L16 at 48 kHz [bytes]             */


static const struct scheduler_stats elsewhere = {
	.packets = 1000, .bytes = 160000, .lost = 7, .late = 3, .dup = 2,
	.jitter = 1500, .concealed = 40, .ssrc = 1, .ext_seq = 0x2fffe,
	.expected = 1007,
};


START_TEST(figures_go_on)
{
	static struct sim sim;
	struct scheduler_stats st;
	int16_t out[960];
	uint8_t p[160];
	unsigned i;

	sim_init(&sim, MESH_PCMU);
	sim_start(&sim);
	scheduler_resume(sim.s, &elsewhere, LEVEL_SILENCE);
	st = sim_stats(&sim);
	ck_assert_uint_eq(elsewhere.ext_seq, st.ext_seq);
	ck_assert_uint_eq(elsewhere.expected, st.expected);
	ck_assert_uint_eq(elsewhere.lost, st.lost);
	ck_assert_uint_eq(elsewhere.late, st.late);
	ck_assert_uint_eq(elsewhere.concealed, st.concealed);
	ck_assert_uint_eq(elsewhere.jitter, st.jitter);

	/* ten went to the other server; one is lost here */
	for (i = 0; i < 50; i++) {
		if (i == 20)
			continue;
		sim_loud(p, 160, i);
		sim_put(&sim, (uint16_t)(8 + i), i * 160, 1, 0, p, 160);
		(void)sim_tick(&sim, out);
	}
	st = sim_stats(&sim);
	ck_assert_uint_eq(0x30008 + 49, st.ext_seq);
	ck_assert_uint_eq(elsewhere.expected + 10 + 49, st.expected);
	ck_assert_uint_eq(elsewhere.lost + 1, st.lost);
	ck_assert_uint_eq(0, st.resyncs);
	ck_assert_uint_eq(elsewhere.packets + 49, st.packets);
	sim_close_clean(&sim);
}
END_TEST


START_TEST(another_source_counts_anew)
{
	static struct sim sim;
	struct scheduler_stats st;
	int16_t out[960];
	uint8_t p[160];
	unsigned i;

	sim_init(&sim, MESH_PCMU);
	sim_start(&sim);
	scheduler_resume(sim.s, &elsewhere, LEVEL_SILENCE);
	for (i = 0; i < 10; i++) {
		sim_loud(p, 160, i);
		sim_put(&sim, (uint16_t)i, i * 160, 99, 0, p, 160);
		ck_assert_int_eq(SCHEDULER_TALKING, sim_tick(&sim, out));
	}
	st = sim_stats(&sim);
	ck_assert_uint_eq(99, st.ssrc);
	ck_assert_uint_eq(10, st.expected);
	ck_assert_uint_eq(0, st.lost);
	sim_close_clean(&sim);

	/* nothing had come there: as if there had been no other server */
	sim_init(&sim, MESH_PCMU);
	sim_start(&sim);
	scheduler_resume(sim.s, &(struct scheduler_stats){.ssrc = 0},
			 LEVEL_SILENCE);
	sim_put(&sim, 4, 0, 1, 0, p, 160);
	ck_assert_uint_eq(1, sim_stats(&sim).expected);
	ck_assert_uint_eq(0, sim_stats(&sim).lost);
	sim_close_clean(&sim);
}
END_TEST


/* How loud the first 60 ms are that are heard of talk that is under way,
   against what is heard a second later [dB] */
static int begin_level(uint8_t known)
{
	static struct sim sim;
	struct scheduler *first;
	int begin, later;

	sim_init(&sim, MESH_OPUS);
	sim.fmt.bitrate = 96000;
	sim.silence = 3;
	sim_start(&sim);
	sim_run(&sim, 1);

	/* the stream goes on, the scheduler is another one */
	first = sim.s;
	ck_assert_int_eq(0, scheduler_alloc(&sim.s, sim.pool, &sim.cfg,
					    &sim.media, NULL, NULL));
	scheduler_resume(sim.s, &(struct scheduler_stats){.ssrc = 0}, known);
	mem_deref(first);
	sim.outc = 0;
	sim_run(&sim, 1.2);

	/* the first tick with sound, and the two after it */
	begin = 127;
	for (size_t i = 0; i < 10 && begin > 100; i++)
		begin = level_pcm(&sim.out[i * 960], 3 * 960, 1);
	later = level_pcm(&sim.out[50 * 960], 4800, 1);
	sim_close_clean(&sim);

	return begin - later;
}


START_TEST(talk_goes_on_as_loud_as_it_was)
{
	const int plain = begin_level(LEVEL_SILENCE);
	const int known = begin_level(15);

	/* only with what it was before it begins as loud at once */
	ck_assert_msg(plain > known + 3, "%d %d", plain, known);
	ck_assert_msg(abs(known) <= 4, "%d", known);

	/* it was nearly silent: then it may be a word that begins */
	ck_assert_int_eq(plain, begin_level(90));
}
END_TEST


START_TEST(l16_is_exact)
{
	static const uint32_t ratev[] = {8000, 16000, 24000, 48000};
	int16_t in[480], out[480];
	struct signal sig = {0};
	struct codec_pool *pool;

	ck_assert_int_eq(0, codec_pool_alloc(&pool));
	for (int i = 0; i < CODEC_OBJ_MAX; i++)
		ck_assert_int_eq(0, codec_pool_fill(pool, (enum codec_obj)i,
						    2));

	for (size_t r = 0; r < ARRAY_SIZE(ratev); r++) {
		const struct mesh_format fmt = {.codec = MESH_L16,
			.pt = 96, .rate = ratev[r]};
		const struct codec_enc_params prm = {.rate = ratev[r],
			.frame_ms = 10};
		const size_t n = ratev[r] / 100;
		struct codec_enc *enc;
		struct codec_dec *dec;
		uint8_t buf[CODEC_PAYLOAD_MAX];
		size_t len = sizeof(buf), got = ARRAY_SIZE(out);

		ck_assert_int_eq(0, codec_enc_get(&enc, pool, &fmt, &prm));
		ck_assert_int_eq(0, codec_dec_get(&dec, pool, &fmt, 48000));
		ck_assert_uint_eq(ratev[r], codec_dec_rate(dec));
		signal_sine(&sig, in, n, ratev[r], 310, -3);
		in[0] = -32768;
		in[1] = 32767;
		ck_assert_int_eq(0, codec_encode(enc, in, n, buf, &len));
		ck_assert_uint_eq(2 * n, len);
		ck_assert_uint_eq(10000, codec_duration(&fmt, buf, len));
		ck_assert_int_eq(0, codec_decode(dec, buf, len, out, &got));
		ck_assert_uint_eq(n, got);
		ck_assert_int_eq(0, memcmp(in, out, n * sizeof(*in)));
		ck_assert_int_le(abs(level_l16(buf, len) -
				     level_pcm(in, n, 1)), 1);

		/* half a sample, no room */
		ck_assert_uint_eq(0, codec_duration(&fmt, buf, len - 1));
		got = ARRAY_SIZE(out);
		ck_assert_int_eq(EBADMSG, codec_decode(dec, buf, len - 1, out,
						       &got));
		got = n - 1;
		ck_assert_int_eq(EBADMSG, codec_decode(dec, buf, len, out,
						       &got));
		len = 2 * n - 1;
		ck_assert_int_eq(EOVERFLOW, codec_encode(enc, in, n, buf,
							 &len));
		ck_assert_int_eq(0, codec_decode_lost(dec, out, n));
		codec_enc_put(enc);
		codec_dec_put(dec);
	}
	mem_deref(pool);
}
END_TEST


static void link_start(struct sim *sim)
{
	sim_init(sim, MESH_PCMU);
	sim->rate = 48000;
	sim->media.rxc = 1;
	sim->media.rxv[0].codec = MESH_L16;
	sim->media.rxv[0].pt = 99;
	sim->media.rxv[0].rate = 48000;
	sim->cfg.link = true;
	/* the sender is not used */
	sim->rate = 8000;
	sim_start(sim);
	sim->rate = 48000;
}


/* Two packets at once, in time for the tick */
static void pair_put(struct sim *sim, unsigned i, uint16_t seq, int amp)
{
	uint8_t p[PAIR];

	for (unsigned k = 0; k < 2; k++) {
		for (size_t j = 0; j < PAIR; j += 2) {
			const int v = j / 2 / 24 & 1 ? amp : -amp;

			p[j] = (uint8_t)((uint16_t)v >> 8);
			p[j + 1] = (uint8_t)v;
		}
		sim_put(sim, (uint16_t)(seq + k), i * 960 + k * 480, 5, 99, p,
			PAIR);
	}
}


/* What comes in pairs waits for the tick and no longer, however soft it is;
   a packet of comfort noise ends it, without making anything up */
START_TEST(a_link_is_shallow_and_ends_when_told)
{
	static struct sim sim;
	const uint8_t cn = 127;
	int16_t out[960];
	unsigned i;

	link_start(&sim);
	for (i = 0; i < 200; i++) {
		pair_put(&sim, i, (uint16_t)(2 * i), i < 100 ? 4000 : 20);
		ck_assert_int_eq(SCHEDULER_TALKING, sim_tick(&sim, out));
		if (i != 50)
			continue;
		ck_assert_uint_lt(level_pcm(out, 960, 1), 30);
		ck_assert_uint_le(sim_stats(&sim).depth, 10);
	}
	ck_assert_uint_le(sim_stats(&sim).depth, 10);
	ck_assert_uint_eq(0, sim_stats(&sim).concealed);
	ck_assert_uint_eq(0, sim_stats(&sim).stretched);

	sim_put(&sim, (uint16_t)(2 * i), i * 960, 5, 13, &cn, 1);
	(void)sim_tick(&sim, out);
	ck_assert_int_eq(SCHEDULER_SILENT, sim_tick(&sim, out));
	for (i = 201; i < 230; i++)
		ck_assert_int_eq(SCHEDULER_SILENT, sim_tick(&sim, out));

	/* it begins again at once, numbers and time without a gap */
	for (; i < 260; i++) {
		pair_put(&sim, i, (uint16_t)(401 + 2 * (i - 230)), 4000);
		ck_assert_int_eq(SCHEDULER_TALKING, sim_tick(&sim, out));
	}
	ck_assert_uint_eq(0, sim_stats(&sim).lost);
	ck_assert_uint_eq(0, sim_stats(&sim).concealed);
	ck_assert_uint_le(sim_stats(&sim).depth, 10);
	sim_close_clean(&sim);
}
END_TEST


/* Whatever is lost is made up for; the end may be lost, too */
START_TEST(a_link_may_lose)
{
	static struct sim sim;
	int16_t out[960];
	unsigned i;

	link_start(&sim);
	for (i = 0; i < 100; i++) {
		if (i % 10 != 9)
			pair_put(&sim, i, (uint16_t)(2 * i), 4000);
		ck_assert_int_eq(SCHEDULER_TALKING, sim_tick(&sim, out));
	}
	ck_assert_uint_eq(18, sim_stats(&sim).lost);
	ck_assert_uint_ge(sim_stats(&sim).concealed, 160);

	for (i = 0; i < 12; i++)
		(void)sim_tick(&sim, out);
	ck_assert_int_eq(SCHEDULER_SILENT, sim_tick(&sim, out));
	sim_close_clean(&sim);
}
END_TEST


int main(void)
{
	Suite *suite = suite_create("resume");
	TCase *tc    = tcase_create("resume");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, figures_go_on);
	tcase_add_test(tc, another_source_counts_anew);
	tcase_add_test(tc, talk_goes_on_as_loud_as_it_was);
	tcase_add_test(tc, l16_is_exact);
	tcase_add_test(tc, a_link_is_shallow_and_ends_when_told);
	tcase_add_test(tc, a_link_may_lose);
	suite_add_tcase(suite, tc);

	sr = srunner_create(suite);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? 1 : 0;
}
