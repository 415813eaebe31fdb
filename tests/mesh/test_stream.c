/**
 * @file tests/mesh/test_stream.c  The jitter buffer against senders
 *
 * A sender, a network and a clock are simulated, so that ten minutes take a
 * second and every run is the same.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <check.h>
#include <re.h>
#include "mesh/mesh.h"
#include "mesh/codec.h"
#include "mesh/g711.h"
#include "mesh/level.h"
#include "mesh/scheduler.h"
#include "signal.h"
#include "sim.h"


START_TEST(duplicates_are_dropped)
{
	static struct sim sim;
	int16_t out[960];
	uint8_t p[160];
	unsigned i;

	sim_init(&sim, MESH_PCMU);
	sim_start(&sim);

	for (i = 0; i < 100; i++) {
		sim_loud(p, 160, i);
		sim_put(&sim, (uint16_t)i, i * 160, 1, 0, p, 160);
		sim_put(&sim, (uint16_t)i, i * 160, 1, 0, p, 160);
		if (i > 5)
			sim_put(&sim, (uint16_t)(i - 5), (i - 5) * 160, 1, 0,
				p, 160);
		ck_assert_int_eq(SCHEDULER_TALKING, sim_tick(&sim, out));
	}

	ck_assert_uint_eq(100 + 94, sim_stats(&sim).dup);
	ck_assert_uint_eq(0, sim_stats(&sim).lost);
	ck_assert_uint_eq(0, sim_stats(&sim).concealed);
	ck_assert_uint_eq(100, sim_stats(&sim).expected);
	sim_close_clean(&sim);
}
END_TEST


START_TEST(streams_may_begin_anew)
{
	static struct sim sim;
	struct scheduler_stats st;
	uint32_t before;

	sim_init(&sim, MESH_PCMU);
	sim_start(&sim);
	sim_run(&sim, 3);
	ck_assert_uint_eq(0, sim_stats(&sim).resyncs);

	/* time stamps jump, forward and back */
	sim.ts += 8000000;
	sim_run(&sim, 3);
	sim.ts -= 16000000;
	sim_run(&sim, 3);
	ck_assert_uint_eq(2, sim_stats(&sim).resyncs);

	/* the sequence restarts: one packet is the price */
	sim.seq = (uint16_t)(sim.seq + 20000);
	sim_run(&sim, 3);
	ck_assert_uint_eq(3, sim_stats(&sim).resyncs);

	/* another SSRC */
	before   = sim.talking;
	sim.ssrc = 0x77777;
	sim.seq  = 100;
	sim.ts   = 99;
	sim_run(&sim, 3);
	st = sim_stats(&sim);
	ck_assert_uint_eq(4, st.resyncs);
	ck_assert_uint_eq(0x77777, st.ssrc);
	ck_assert_uint_ge(sim.talking - before, 146);
	ck_assert_uint_le(st.concealed, 120);
	ck_assert(sim_delay_ms(&sim, 2) < 60);
	sim_close_clean(&sim);
}
END_TEST


START_TEST(a_stray_ssrc_is_ignored)
{
	static struct sim sim;
	int16_t out[960];
	uint8_t p[160];
	unsigned i;

	sim_init(&sim, MESH_PCMU);
	sim_start(&sim);

	for (i = 0; i < 100; i++) {
		sim_loud(p, 160, i);
		sim_put(&sim, (uint16_t)i, i * 160, 1, 0, p, 160);
		sim_put(&sim, (uint16_t)(i * 77), i * 99, 1000 + i, 0, p, 160);
		(void)sim_tick(&sim, out);
	}

	ck_assert_uint_eq(0, sim_stats(&sim).resyncs);
	ck_assert_uint_eq(1, sim_stats(&sim).ssrc);
	ck_assert_uint_eq(0, sim_stats(&sim).concealed);
	sim_close_clean(&sim);
}
END_TEST


START_TEST(payload_types_may_change_in_mid_stream)
{
	static struct sim sim;
	struct codec_enc *enc[2] = {NULL, NULL};
	struct codec_enc_params prm = {.rate = 48000, .frame_ms = 20,
		.bitrate = 24000, .complexity = 1};
	static int16_t all[48000 * 6];
	struct signal s = {0};
	int16_t v[960], out[960];
	uint8_t p[CODEC_PAYLOAD_MAX];
	uint32_t ts = 5;
	unsigned i;

	sim_init(&sim, MESH_OPUS);
	sim.media.rxv[0] = sim.fmt;
	sim.media.rxv[1].codec = MESH_PCMA;
	sim.media.rxv[1].pt    = 8;
	sim.media.rxc = 2;
	sim_start(&sim);
	ck_assert_int_eq(0, codec_enc_get(&enc[0], sim.pool,
					  &sim.media.rxv[0], &prm));
	ck_assert_int_eq(0, codec_enc_get(&enc[1], sim.pool,
					  &sim.media.rxv[1], &prm));

	for (i = 0; i < 300; i++) {
		const unsigned k = i / 50 & 1;
		size_t len = sizeof(p);

		signal_sine(&s, v, 960, 48000, 500, -12);
		ck_assert_int_eq(0, codec_encode(enc[k], v, 960, p, &len));
		sim_put(&sim, (uint16_t)i, ts, 9, k ? 8 : 96, p, len);
		ts += k ? 160 : 960;
		ck_assert_int_eq(SCHEDULER_TALKING, sim_tick(&sim, out));
		memcpy(&all[i * 960], out, sizeof(out));
		ck_assert_int_eq(0, codec_pool_refill(sim.pool));
	}

	/* from 100 ms after each change on */
	for (i = 0; i < 300; i += 50)
		ck_assert(signal_tone(&all[(i + 5) * 960], 960 * 44, 48000,
				      500) > .98);
	ck_assert_uint_eq(0, sim_stats(&sim).malformed);
	ck_assert_uint_le(sim_stats(&sim).concealed, 40);
	codec_enc_put(enc[0]);
	codec_enc_put(enc[1]);
	sim_close_clean(&sim);
}
END_TEST


START_TEST(rates_may_change_while_talking)
{
	static const uint32_t ratev[] = {8000, 48000, 16000, 24000, 48000};
	enum mesh_codec codec;
	size_t i, k;

	for (codec = MESH_PCMU; codec <= MESH_OPUS; codec++) {
		static struct sim sim;

		sim_init(&sim, codec);
		sim.silence = 3;
		sim_start(&sim);

		for (i = 0; i < ARRAY_SIZE(ratev); i++) {
			for (k = 0; k < 50; k++) {
				int16_t out[960];

				sim_send(&sim);
				sim.now += 20000;
				{
					struct sim_packet *q = sim.queue;

					ck_assert(q->used);
					(void)scheduler_put(sim.s, &q->pkt,
						(uint64_t)q->at);
					q->used = false;
				}
				(void)scheduler_tick(sim.s,
						     (uint64_t)sim.now, NULL);
				if (k < 5)
					(void)scheduler_pcm(sim.s, out,
							    ratev[i]);
				else
					ck_assert_int_eq(0, scheduler_pcm(
						sim.s, out, ratev[i]));
				if (k > 10)
					ck_assert(signal_db(out, ratev[i]
							    / 50) > -15);
				ck_assert_int_eq(0, codec_pool_refill(
					sim.pool));
			}
		}
		sim_close_clean(&sim);
	}
}
END_TEST


START_TEST(frames_pass_through)
{
	enum mesh_codec codec;

	for (codec = MESH_PCMU; codec <= MESH_OPUS; codec++) {
		static struct sim sim;
		struct scheduler_stats st;

		sim_init(&sim, codec);
		sim.frames = true;
		sim.jitter = 300;
		sim.drift  = 500e-6;
		sim.complexity = 0;
		sim_start(&sim);
		sim_run(&sim, 120);
		st = sim_stats(&sim);

		/* but for the moments in which time has to be stretched */
		ck_assert_msg(sim.framed >= sim.talking - 60, "%u of %u",
			      sim.framed, sim.talking);
		ck_assert_uint_ge(sim.talking, sim.ticks - 10);
		ck_assert_uint_le(sim.nodata, 3);
		ck_assert_uint_ge(st.stretched, 20);
		sim_close_clean(&sim);
	}
}
END_TEST


START_TEST(frames_and_pcm_may_alternate)
{
	static struct sim sim;
	unsigned i;

	sim_init(&sim, MESH_OPUS);
	sim.silence = 3;
	sim_start(&sim);

	for (i = 0; i < 40; i++) {
		sim.frames = i & 1;
		sim_run(&sim, .1);
	}
	ck_assert_uint_ge(sim.framed, 95);

	/* what comes as PCM is right from the first sample on */
	for (i = 10; i < 40; i += 2)
		ck_assert(signal_tone(&sim.out[i * 4800 + 480], 3800, 48000,
				      440) > .95);
	sim_close_clean(&sim);
}
END_TEST


START_TEST(both_frame_and_pcm_in_one_tick)
{
	static struct sim sim;
	struct scheduler_frame f;
	int16_t out[960];
	uint8_t p[160];
	unsigned i, n = 0;

	sim_init(&sim, MESH_PCMU);
	sim_start(&sim);

	for (i = 0; i < 100; i++) {
		sim_loud(p, 160, i);
		sim_put(&sim, (uint16_t)i, i * 160, 1, 0, p, 160);
		ck_assert_int_eq(SCHEDULER_TALKING,
				 scheduler_tick(sim.s, (uint64_t)sim.now,
						NULL));
		sim.now += 20000;
		if (scheduler_frame(sim.s, &f))
			continue;

		++n;
		ck_assert_uint_eq(160, f.len);
		ck_assert_uint_eq(64000, f.rate);
		ck_assert_int_eq(0, memcmp(f.p, p, 160));
		ck_assert(f.first == (n == 1));
		ck_assert_int_eq(0, scheduler_pcm(sim.s, out, 8000));
		ck_assert_int_eq(EALREADY, scheduler_pcm(sim.s, out, 8000));
		ck_assert_int_eq(g711_ulaw[p[80]], out[80]);
	}

	ck_assert_uint_eq(100, n);
	sim_close_clean(&sim);
}
END_TEST


START_TEST(an_empty_pool_is_survived)
{
	static struct sim sim;
	struct scheduler *s = NULL;
	struct codec_pool *pool = NULL;
	uint8_t p[160];
	int16_t out[960];
	unsigned i;

	sim_init(&sim, MESH_PCMU);
	sim.media.rxv[0] = sim.fmt;
	sim.media.rxc    = 1;
	ck_assert_int_eq(0, codec_pool_alloc(&pool));
	ck_assert_int_eq(0, scheduler_alloc(&s, pool, NULL, &sim.media, NULL,
					    NULL));

	for (i = 0; i < 50; i++) {
		const struct scheduler_packet pkt = {.ssrc = 1, .seq =
			(uint16_t)i, .ts = i * 160, .level = -1, .p = p,
			.len = 160};

		if (i == 20)
			(void)codec_pool_fill(pool, CODEC_OBJ_SLOT, 4);
		if (i == 30)
			(void)codec_pool_fill(pool, CODEC_OBJ_TALK, 1);
		if (i == 40)
			(void)codec_pool_fill(pool, CODEC_OBJ_DEC, 1);

		sim_loud(p, 160, i);
		(void)scheduler_put(s, &pkt, 1000000 + i * 20000);
		if (scheduler_tick(s, 1010000 + i * 20000, NULL) ==
		    SCHEDULER_TALKING) {
			ck_assert_uint_ge(i, 30);
			ck_assert_int_eq(i < 40 ? ENOMEM : 0,
					 scheduler_pcm(s, out, 8000));
		}
		else {
			ck_assert_uint_lt(i, 30);
			ck_assert_int_eq(ENOENT, scheduler_pcm(s, out, 8000));
		}
	}

	mem_deref(s);
	mem_deref(pool);
}
END_TEST


START_TEST(junk_is_survived)
{
	static struct sim sim;
	static uint8_t p[1500];
	struct signal r = {.seed = 5};
	struct scheduler_packet pkt = {.p = p};
	int16_t out[960];
	unsigned i, k;

	sim_init(&sim, MESH_OPUS);
	sim.media.rxv[0] = sim.fmt;
	sim.media.rxv[1].codec = MESH_PCMA;
	sim.media.rxv[1].pt    = 8;
	sim.media.rxv[2].codec = MESH_G722;
	sim.media.rxv[2].pt    = 9;
	sim.media.rxc      = 3;
	sim.media.telev_rx = 101;
	sim_start(&sim);

	ck_assert_int_eq(EINVAL, scheduler_put(NULL, &pkt, 0));
	ck_assert_int_eq(EINVAL, scheduler_put(sim.s, NULL, 0));
	pkt.pt = 96;
	ck_assert_int_eq(EBADMSG, scheduler_put(sim.s, &pkt, 0));
	pkt.len = 1400;
	ck_assert_int_eq(EBADMSG, scheduler_put(sim.s, &pkt, 0));
	pkt.len = 100;
	pkt.pt  = 97;
	ck_assert_int_eq(EPROTO, scheduler_put(sim.s, &pkt, 0));

	for (i = 0; i < 40000; i++) {
		static const uint8_t ptv[] = {96, 96, 96, 8, 9, 101, 13, 77};
		int16_t w[8];

		signal_noise(&r, w, 8, -10);
		for (k = 0; k < sizeof(p); k += 1 + (r.seed >> 28)) {
			r.seed = r.seed * 1664525u + 1u;
			p[k]   = (uint8_t)(r.seed >> 17);
		}

		pkt.ssrc  = (uint32_t)w[0] % 97 == 0 ? 5u : 4u;
		pkt.seq   = (uint16_t)(i + (w[1] & 31 ? 0 : w[2]));
		pkt.ts    = i * 960u + (w[3] & 63 ? 0 : (uint32_t)w[4] * 999);
		pkt.pt    = ptv[w[5] & 7];
		pkt.level = (int8_t)(w[6] & 3 ? -1 : w[7] & 127);
		pkt.len   = r.seed % (i & 1 ? 1500 : 12);
		(void)scheduler_put(sim.s, &pkt, (uint64_t)sim.now);

		if (i % 3)
			continue;
		if (scheduler_tick(sim.s, (uint64_t)sim.now, NULL) ==
		    SCHEDULER_TALKING) {
			struct scheduler_frame f;

			if (i & 4)
				(void)scheduler_frame(sim.s, &f);
			if (i & 8)
				(void)scheduler_pcm(sim.s, out, i & 16 ? 8000
						    : 48000);
		}
		sim.now += 20000;
		ck_assert_int_eq(0, codec_pool_refill(sim.pool));
	}

	sim_close(&sim);
}
END_TEST


START_TEST(a_refreshed_session_is_not_heard)
{
	static struct sim sim;
	unsigned i;

	sim_init(&sim, MESH_PCMU);
	sim.silence = 3;
	sim_start(&sim);

	for (i = 0; i < 20; i++) {
		sim_run(&sim, .2);
		ck_assert_int_eq(0, scheduler_update(sim.s, &sim.media));
	}
	ck_assert_uint_eq(0, sim_stats(&sim).concealed);
	ck_assert_uint_eq(sim.ticks, sim.talking);
	ck_assert(signal_tone(&sim.out[800], 16000, 8000, 440) > .99);

	/* another type in the place of one: what is kept is dropped */
	sim.media.rxv[0].codec = MESH_PCMA;
	ck_assert_int_eq(0, scheduler_update(sim.s, &sim.media));
	sim_run(&sim, .2);
	sim.media.rxc = MESH_FORMATS_MAX + 1;
	ck_assert_int_eq(EINVAL, scheduler_update(sim.s, &sim.media));
	sim_close_clean(&sim);
}
END_TEST


START_TEST(settings_are_checked)
{
	static struct sim sim;
	struct scheduler_config cfg = {.depth_max = 5};
	struct scheduler *s = NULL;
	int16_t out[960];

	sim_init(&sim, MESH_PCMU);
	sim_start(&sim);
	ck_assert_int_eq(EINVAL, scheduler_alloc(&s, sim.pool, &cfg,
						 &sim.media, NULL, NULL));
	ck_assert_int_eq(EINVAL, scheduler_alloc(&s, NULL, NULL, &sim.media,
						 NULL, NULL));
	ck_assert_int_eq(EINVAL, scheduler_alloc(NULL, sim.pool, NULL,
						 &sim.media, NULL, NULL));
	ck_assert_int_eq(EINVAL, scheduler_pcm(sim.s, out, 44100));
	ck_assert_int_eq(ENOENT, scheduler_pcm(sim.s, out, 8000));
	ck_assert_ptr_null(s);
	sim_close_clean(&sim);
}
END_TEST


int main(void)
{
	Suite *suite = suite_create("stream");
	TCase *tc = tcase_create("stream");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, duplicates_are_dropped);
	tcase_add_test(tc, streams_may_begin_anew);
	tcase_add_test(tc, a_stray_ssrc_is_ignored);
	tcase_add_test(tc, payload_types_may_change_in_mid_stream);
	tcase_add_test(tc, rates_may_change_while_talking);
	tcase_add_test(tc, frames_pass_through);
	tcase_add_test(tc, frames_and_pcm_may_alternate);
	tcase_add_test(tc, both_frame_and_pcm_in_one_tick);
	tcase_add_test(tc, an_empty_pool_is_survived);
	tcase_add_test(tc, junk_is_survived);
	tcase_add_test(tc, a_refreshed_session_is_not_heard);
	tcase_add_test(tc, settings_are_checked);
	suite_add_tcase(suite, tc);

	sr = srunner_create(suite);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? 1 : 0;
}
