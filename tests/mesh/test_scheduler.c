/**
 * @file tests/mesh/test_scheduler.c  The jitter buffer against networks
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


START_TEST(clean_network_adds_little)
{
	enum mesh_codec codec;
	double phase, sum = 0, worst = 0;
	unsigned n = 0;

	for (codec = MESH_PCMU; codec <= MESH_OPUS; codec++)
	for (phase = 1500; phase < 21000; phase += 3000) {

		/* what the codec itself takes: QMF filters; look-ahead */
		const double own = codec == MESH_G722 ? 1.5
			: codec == MESH_OPUS ? 6.5 : 0;
		static struct sim sim;
		struct scheduler_stats st;
		double delay;

		sim_init(&sim, codec);
		sim.phase  = phase;
		sim.jitter = 300;
		sim_start(&sim);
		sim_run(&sim, 6);

		st    = sim_stats(&sim);
		delay = sim_delay_ms(&sim, 2) - own;

		ck_assert_msg(delay < 25, "codec %d phase %g: %.1f ms",
			      codec, phase, delay);
		ck_assert_uint_eq(0, st.concealed);
		ck_assert_uint_eq(0, st.late);
		ck_assert_uint_eq(0, st.stretched);
		ck_assert_uint_eq(0, st.lost);
		ck_assert_uint_ge(sim.talking, sim.ticks - 3);

		sum  += delay;
		worst = max(worst, delay);
		++n;
		sim_close_clean(&sim);
	}

	ck_assert_msg(sum / n < 14, "mean %.1f ms", sum / n);
	ck_assert_msg(worst < 24, "worst %.1f ms", worst);
}
END_TEST


START_TEST(arrival_close_to_the_tick_does_not_flap)
{
	double phase;

	for (phase = 500; phase < 4500; phase += 250) {
		static struct sim sim;
		struct scheduler_stats st;

		sim_init(&sim, MESH_PCMA);
		sim.phase  = phase;
		sim.jitter = 2000;
		sim_start(&sim);
		sim_run(&sim, 30);
		st = sim_stats(&sim);

		ck_assert_msg(st.concealed <= 40, "phase %g: %u ms "
			      "concealed", phase, st.concealed);
		ck_assert_msg(st.stretched <= 40, "phase %g: %u ms "
			      "stretched", phase, st.stretched);
		ck_assert(sim_delay_ms(&sim, 2) < 26);
		sim_close_clean(&sim);
	}
}
END_TEST


START_TEST(jitter_deepens_and_calm_shrinks)
{
	static struct sim sim;
	struct scheduler_stats a, b;
	double deep, shallow;

	sim_init(&sim, MESH_PCMU);
	sim.jitter = 30000;
	sim_start(&sim);
	sim_run(&sim, 15);
	a    = sim_stats(&sim);
	deep = sim_delay_ms(&sim, 2);

	ck_assert_msg(a.concealed <= 100, "%u ms concealed", a.concealed);
	ck_assert_msg(deep > 25 && deep < 60, "%.1f ms", deep);

	/* the network calms down: back, and not by cuts */
	sim.jitter = 500;
	sim_run(&sim, 20);
	b       = sim_stats(&sim);
	shallow = sim_delay_ms(&sim, 2);

	ck_assert_msg(shallow < 25, "%.1f ms", shallow);
	ck_assert_uint_eq(a.concealed, b.concealed);
	ck_assert_uint_eq(a.late, b.late);
	ck_assert_uint_ge(b.stretched, (uint32_t)(deep - shallow) - 1);
	sim_close_clean(&sim);
}
END_TEST


START_TEST(stretching_makes_no_click)
{
	static struct sim sim;
	int before;
	size_t from;

	sim_init(&sim, MESH_PCMU);
	sim.silence = 3;
	sim.freq    = 233;
	sim.jitter  = 30000;
	sim_start(&sim);
	sim_run(&sim, 10);

	sim.jitter = 100;
	from = sim.outc;
	sim_run(&sim, 20);

	before = signal_step(sim.in, sim.inc);
	ck_assert_uint_gt(sim_stats(&sim).stretched, 10);
	ck_assert_msg(signal_step(&sim.out[from], sim.outc - from) <=
		      before * 3 / 2, "step %d, of the tone %d",
		      signal_step(&sim.out[from], sim.outc - from), before);
	sim_close_clean(&sim);
}
END_TEST


static bool lose_bursts(struct sim *sim, uint16_t seq)
{
	return seq % 100 >= 50 && seq % 100 < 54;
}


START_TEST(bursts_of_loss_are_concealed)
{
	enum mesh_codec codec;

	for (codec = MESH_PCMU; codec <= MESH_OPUS; codec++) {
		static struct sim sim;
		struct scheduler_stats st;

		sim_init(&sim, codec);
		sim.lose = lose_bursts;
		sim_start(&sim);
		sim_run(&sim, 20);
		st = sim_stats(&sim);

		ck_assert_uint_eq(40, st.lost);
		ck_assert_uint_eq(40 * 20, st.concealed);
		ck_assert_uint_eq(0, st.late);

		/* the delay is what it was */
		ck_assert(sim_delay_ms(&sim, 2) < 20);
		sim_close_clean(&sim);
	}
}
END_TEST


START_TEST(fec_helps_at_five_per_cent)
{
	static struct sim sim;
	struct scheduler_stats st;

	sim_init(&sim, MESH_OPUS);
	sim.rate    = 16000;
	sim.fmt.fec = true;
	sim.loss    = .05;
	sim_start(&sim);
	sim_run(&sim, 40);
	st = sim_stats(&sim);

	ck_assert_uint_ge(st.lost, 60);
	ck_assert_msg(st.fec * 2 >= st.lost * 9 / 10, "%u of %u recovered",
		      st.fec, st.lost);
	ck_assert_uint_le(st.concealed, st.lost * 20 * 6 / 10);
	sim_close_clean(&sim);
}
END_TEST


START_TEST(clocks_drift_apart_unheard)
{
	static const double driftv[] = {200e-6, -200e-6};
	enum mesh_codec codec;
	size_t i;

	for (codec = MESH_PCMU; codec <= MESH_OPUS; codec += 3)
	for (i = 0; i < 2; i++) {
		static struct sim sim;
		struct scheduler_stats st;

		sim_init(&sim, codec);
		sim.drift      = driftv[i];
		sim.jitter     = 500;
		sim.complexity = 0;
		sim.rate       = codec == MESH_OPUS ? 16000 : 8000;
		sim_start(&sim);
		sim_run(&sim, 600);
		st = sim_stats(&sim);

		/* 120 ms in ten minutes, and not much more; a sender that
		   is slow is found out by a packet that is not there */
		ck_assert_msg(st.concealed <= (driftv[i] > 0 ? 20 : 160),
			      "%u ms concealed", st.concealed);
		ck_assert_uint_ge(st.stretched + st.concealed, 80);
		ck_assert_uint_le(st.stretched, 260);
		ck_assert_uint_eq(0, st.late);
		ck_assert_uint_lt(st.depth, 26);
		sim_close_clean(&sim);
	}
}
END_TEST


static double reorder(struct sim *sim, uint16_t seq)
{
	return seq % 10 == 3 ? 25000 : 0;
}


START_TEST(reordered_packets_are_put_right)
{
	static struct sim sim;
	struct scheduler_stats st;

	sim_init(&sim, MESH_PCMU);
	sim.delay = reorder;
	sim_start(&sim);
	sim_run(&sim, 20);
	st = sim_stats(&sim);

	ck_assert_uint_le(st.concealed, 80);
	ck_assert_uint_eq(0, st.lost);
	ck_assert_uint_le(st.late, 3);
	(void)sim_delay_ms(&sim, 4);
	sim_close_clean(&sim);
}
END_TEST


static double late_seldom(struct sim *sim, uint16_t seq)
{
	return seq == 500 || seq == 900 ? 10000 : 0;
}


static double late_twice(struct sim *sim, uint16_t seq)
{
	return seq == 500 || seq == 510 ? 10000 : 0;
}


static double late_by_two(struct sim *sim, uint16_t seq)
{
	return seq == 500 ? 32000 : seq == 501 ? 12000 : 0;
}


/* A packet that misses its tick counts as lost if that is rare. More in a
   second, or longer: then it is played, and the delay comes back after. */
START_TEST(one_late_packet_is_left_out)
{
	static const struct {
		double (*delay)(struct sim *sim, uint16_t seq);
		unsigned late, concealed, stretched;
	} casev[] = {
		{late_seldom, 2, 40,  0},
		{late_twice,  1, 40, 20},
		{late_by_two, 0, 40, 40},
	};
	enum mesh_codec codec;

	for (codec = MESH_PCMU; codec <= MESH_OPUS; codec += 3)
	for (size_t i = 0; i < ARRAY_SIZE(casev); i++) {
		static struct sim sim;
		struct scheduler_stats st;
		double before;

		sim_init(&sim, codec);
		sim.phase  = 6000;
		sim.jitter = 300;
		sim.delay  = casev[i].delay;
		sim_start(&sim);
		sim_run(&sim, 9.5);
		before = sim_delay_ms(&sim, 2);
		sim_run(&sim, 15);
		st = sim_stats(&sim);

		ck_assert_uint_eq(casev[i].late, st.late);
		ck_assert_uint_eq(casev[i].concealed, st.concealed);
		/* to the sample, but told in whole milliseconds */
		ck_assert_uint_le(st.stretched, casev[i].stretched);
		ck_assert_uint_le(casev[i].stretched, st.stretched + 1);
		ck_assert(fabs(sim_delay_ms(&sim, 2) - before) < 1);
		sim_close_clean(&sim);
	}
}
END_TEST


static double late_first(struct sim *sim, uint16_t seq)
{
	return seq < 6 ? 15000 : 0;
}


/* A stream begins in a rush: what it says after that does not wait for that */
START_TEST(a_late_beginning_is_soon_forgotten)
{
	static struct sim sim;

	sim_init(&sim, MESH_PCMU);
	sim.phase  = 6000;
	sim.jitter = 300;
	sim.delay  = late_first;
	sim_start(&sim);
	sim_run(&sim, 1);

	ck_assert_uint_le(sim_stats(&sim).depth, 10);
	sim_close_clean(&sim);
}
END_TEST


START_TEST(every_ptime_is_played)
{
	static const unsigned msv[] = {10, 20, 40, 60};
	enum mesh_codec codec;
	size_t i;

	for (codec = MESH_PCMU; codec <= MESH_OPUS; codec++)
	for (i = 0; i < 4; i++) {
		static struct sim sim;
		struct scheduler_stats st;

		sim_init(&sim, codec);
		sim.ptime  = msv[i];
		sim.jitter = 1000;
		sim_start(&sim);
		sim_run(&sim, 10);
		st = sim_stats(&sim);

		ck_assert_uint_eq(0, st.concealed);
		ck_assert_uint_eq(0, st.late);
		ck_assert(sim_delay_ms(&sim, 2) < 35);
		sim_close_clean(&sim);
	}
}
END_TEST


START_TEST(thirty_milliseconds_too)
{
	static struct sim sim;
	int16_t out[960];
	uint8_t p[240];
	unsigned i, k = 0;

	sim_init(&sim, MESH_PCMU);
	sim_start(&sim);

	for (i = 0; i < 300; i++) {
		if (i % 3 != 2) {
			sim_loud(p, 240, k);
			sim_put(&sim, (uint16_t)k, k * 240, 1, 0, p, 240);
			++k;
		}
		(void)sim_tick(&sim, out);
	}

	ck_assert_uint_le(sim_stats(&sim).concealed, 40);
	ck_assert_uint_eq(0, sim_stats(&sim).late);
	sim_close_clean(&sim);
}
END_TEST


static double stall(struct sim *sim, uint16_t seq)
{
	return seq >= 200 && seq < 250 ? (250 - seq) * 20000. : 0;
}


START_TEST(depth_has_a_limit)
{
	static struct sim sim;

	/* the network stands still for a second, then delivers all at once */
	sim_init(&sim, MESH_PCMU);
	sim.cfg.depth_max = 200;
	sim.delay = stall;
	sim_start(&sim);
	sim.seq = 0;
	sim_run(&sim, 5.5);
	ck_assert_uint_le(sim_stats(&sim).depth, 260);
	sim_run(&sim, 14);
	ck_assert_uint_le(sim_stats(&sim).depth, 60);
	sim_close_clean(&sim);
}
END_TEST


int main(void)
{
	Suite *suite = suite_create("scheduler");
	TCase *tc = tcase_create("scheduler");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, clean_network_adds_little);
	tcase_add_test(tc, arrival_close_to_the_tick_does_not_flap);
	tcase_add_test(tc, jitter_deepens_and_calm_shrinks);
	tcase_add_test(tc, stretching_makes_no_click);
	tcase_add_test(tc, bursts_of_loss_are_concealed);
	tcase_add_test(tc, fec_helps_at_five_per_cent);
	tcase_add_test(tc, clocks_drift_apart_unheard);
	tcase_add_test(tc, reordered_packets_are_put_right);
	tcase_add_test(tc, one_late_packet_is_left_out);
	tcase_add_test(tc, a_late_beginning_is_soon_forgotten);
	tcase_add_test(tc, every_ptime_is_played);
	tcase_add_test(tc, thirty_milliseconds_too);
	tcase_add_test(tc, depth_has_a_limit);
	suite_add_tcase(suite, tc);

	sr = srunner_create(suite);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? 1 : 0;
}
