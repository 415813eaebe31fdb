/**
 * @file tests/mesh/test_call.c  Phones in a conference, over real sockets
 */
#include <re.h>
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "mesh/mesh.h"
#include "phone.h"
#include "call.h"


/*
 *  A 600 Hz ---\        /--> hears B
 *               >- mesh-<
 *  B 1000 Hz --/        \--> hears A
 */
START_TEST(test_two)
{
	struct call c;

	call_config(&c);
	call_start(&c);
	call_join(&c, MESH_PCMU, 20, 600);
	call_join(&c, MESH_PCMU, 20, 1000);
	run_ms(1500);

	call_hears(&c, 0, 1000, true);
	call_hears(&c, 0, 600, false);
	call_hears(&c, 1, 600, true);
	call_hears(&c, 1, 1000, false);

	for (unsigned i = 0; i < 2; i++) {
		const struct phone_stats *st = phone_stats(c.phonev[i]);

		ck_assert_uint_ge(st->packets, 68);
		ck_assert_uint_eq(st->gaps, 0);
		ck_assert_uint_eq(st->ts_bad, 0);
		ck_assert_uint_eq(st->ssrcs, 0);
		ck_assert_uint_eq(st->csrcc, 1);
		ck_assert_uint_eq(st->csrcv[0], mesh_part_ssrc(c.partv[!i]));
		ck_assert_uint_eq(st->ssrc, mesh_part_ssrc(c.partv[i]));
		ck_assert_uint_eq(c.started[i], 1);
		ck_assert_uint_eq(c.latched[i], 1);
	}

	call_stop(&c);
}
END_TEST


/* Everybody hears the others and not himself, whatever they speak */
START_TEST(test_codecs)
{
	static const double freqv[] = {500, 900, 1400, 2100};
	struct call c;

	call_config(&c);
	c.cfg.talkers_max = 4;
	call_start(&c);
	call_join(&c, MESH_PCMU, 20, freqv[0]);
	call_join(&c, MESH_PCMA, 20, freqv[1]);
	call_join(&c, MESH_G722, 20, freqv[2]);
	call_join(&c, MESH_OPUS, 20, freqv[3]);
	run_ms(2500);

	for (unsigned i = 0; i < 4; i++)
		for (unsigned k = 0; k < 4; k++)
			call_hears(&c, i, freqv[k], i != k);

	call_stop(&c);
}
END_TEST


/* Who leaves is heard no longer, and is told so */
START_TEST(test_leave)
{
	struct call c;

	call_config(&c);
	call_start(&c);
	call_join(&c, MESH_PCMU, 20, 600);
	call_join(&c, MESH_PCMU, 20, 1000);
	call_join(&c, MESH_PCMU, 20, 0);
	run_ms(1000);
	call_hears(&c, 2, 600, true);
	call_hears(&c, 2, 1000, true);

	call_leave(&c, 1);
	run_ms(700);
	call_hears(&c, 2, 600, true);
	call_hears(&c, 2, 1000, false);
	ck_assert_uint_eq(phone_stats(c.phonev[1])->bye, 1);

	call_stop(&c);
}
END_TEST


/* Packets of every length come at full rate, with steady time stamps */
START_TEST(test_ptime)
{
	static const struct {
		enum mesh_codec codec;
		unsigned ptime;
	} t[] = {
		{MESH_PCMU, 10}, {MESH_OPUS, 40}, {MESH_PCMA, 60},
		{MESH_OPUS, 10},
	};
	static const double freqv[] = {500, 900, 1400, 2100};
	struct call c;

	call_config(&c);
	c.cfg.talkers_max = 4;
	call_start(&c);
	for (unsigned i = 0; i < 4; i++)
		call_join(&c, t[i].codec, t[i].ptime, freqv[i]);
	run_ms(2500);

	for (unsigned i = 0; i < 4; i++) {
		const struct phone_stats *st = phone_stats(c.phonev[i]);

		for (unsigned k = 0; k < 4; k++)
			call_hears(&c, i, freqv[k], i != k);
		ck_assert_uint_ge(st->packets, 2300 / t[i].ptime);
		ck_assert_uint_le(st->packets, 2600 / t[i].ptime + 1);
		ck_assert_uint_eq(st->gaps, 0);
		ck_assert_uint_eq(st->ts_bad, 0);
	}

	call_stop(&c);
}
END_TEST


/* What an only talker sends arrives bit by bit, with its level */
START_TEST(test_pass_through)
{
	struct mesh_worker_stats st;
	struct mesh_media media;
	struct call c;
	size_t n;
	const int16_t *v;
	unsigned same = 0;

	call_config(&c);
	call_start(&c);
	call_join(&c, MESH_PCMU, 20, 600);
	call_join(&c, MESH_PCMU, 20, 0);
	phone_media(c.phonev[1], &media);
	media.ext_mixer = 3;
	ck_assert_int_eq(mesh_part_update(c.partv[1], &media), 0);
	run_ms(1000);

	/* a sine of 600 Hz repeats itself after 40 samples */
	v = phone_heard(c.phonev[1], &n);
	ck_assert_uint_gt(n, 4000);
	for (size_t i = n - 2000; i + 40 < n; i++)
		same += v[i] == v[i + 40];
	/* a busy machine may be late once, which is concealed */
	ck_assert_uint_gt(same, 1500);
	ck_assert_uint_eq(phone_stats(c.phonev[1])->csrcc, 1);
	ck_assert_uint_eq(phone_stats(c.phonev[1])->levels, 1);
	ck_assert_int_eq(mesh_worker_stats(c.mesh, 0, &st), 0);
	ck_assert_uint_gt(st.passed_through, 20);

	call_stop(&c);
}
END_TEST


static struct mesh_worker_stats stats(const struct call *c)
{
	struct mesh_worker_stats st;

	run_ms(340);
	ck_assert_int_eq(mesh_worker_stats(c->mesh, 0, &st), 0);

	return st;
}


/*
 * One talks alone and is passed on undecoded, until somebody needs to hear
 * it otherwise: then nobody hears a seam
 *
 *   A 400 Hz  ################################
 *   B         listens, Opus
 *   C                 listens, PCMU: ######
 *   D                             says a word: ##
 */
START_TEST(test_lone)
{
	struct mesh_worker_stats was, is;
	const struct phone_stats *ps;
	struct call c;
	const int16_t *v;
	double calm, worst;
	size_t n;

	call_config(&c);
	call_start(&c);
	call_join(&c, MESH_OPUS, 20, 0);
	call_join(&c, MESH_OPUS, 20, 0);
	run_ms(400);

	/* it is passed on if it begins in time, which a busy machine may not
	   let it */
	memset(&was, 0, sizeof(was));
	memset(&is, 0, sizeof(is));
	for (unsigned i = 0; i < 4 && is.passed_through -
		     was.passed_through < 40; i++) {
		phone_talk(c.phonev[0], 400, 0);
		run_ms(900);
		phone_talk(c.phonev[0], 400, AMP);
		run_ms(900);
		was = stats(&c);
		run_ms(660);
		is = stats(&c);
	}
	ck_assert_uint_ge(is.passed_through - was.passed_through, 40);
	ck_assert_msg(is.decodes - was.decodes <= 16, "%u decoded",
		      (unsigned)(is.decodes - was.decodes));
	call_hears(&c, 1, 400, true);
	ck_assert_uint_eq(c.stopped[0], c.started[0] - 1);
	v = phone_heard(c.phonev[1], &n);
	calm = click_max(v + n - 4000, 4000);

	phone_forget(c.phonev[1]);
	call_join(&c, MESH_PCMU, 20, 0);
	run_ms(500);
	call_hears(&c, 2, 400, true);
	call_leave(&c, 2);
	run_ms(500);
	call_join(&c, MESH_OPUS, 20, 0);
	run_ms(300);
	phone_talk(c.phonev[3], 900, AMP / 8.0);
	run_ms(400);
	phone_talk(c.phonev[3], 900, 0);
	run_ms(1500);
	call_hears(&c, 1, 400, true);
	ck_assert_uint_eq(c.stopped[0], c.started[0] - 1);

	v = phone_heard(c.phonev[1], &n);
	worst = click_max(v, n);
	ck_assert_msg(worst < 3 * calm, "%.0f, calm %.0f", worst, calm);
	ps = phone_stats(c.phonev[1]);
	ck_assert_uint_eq(ps->gaps, 0);
	ck_assert_uint_eq(ps->ts_bad, 0);

	call_stop(&c);
}
END_TEST


/*
 * The rate of the mix follows the members, while two go on talking:
 *
 *   PCMU + PCMU at 8 kHz, then two of 48 kHz join, then leave again
 */
START_TEST(test_rate)
{
	struct call c;
	const int16_t *v;
	size_t n;

	call_config(&c);
	c.cfg.pass_through = false;
	call_start(&c);
	call_join(&c, MESH_PCMU, 20, 400);
	call_join(&c, MESH_PCMU, 20, 0);
	run_ms(800);
	phone_forget(c.phonev[1]);
	call_join(&c, MESH_OPUS, 20, 0);
	call_join(&c, MESH_OPUS, 20, 0);
	run_ms(700);
	call_hears(&c, 2, 400, true);
	call_leave(&c, 2);
	call_leave(&c, 3);
	run_ms(700);
	call_hears(&c, 1, 400, true);

	/* a sine of 400 Hz and 8000 bends by 790 per sample at most */
	v = phone_heard(c.phonev[1], &n);
	ck_assert_uint_gt(n, 8000);
	ck_assert_msg(click_max(v, n) < 1600, "%.0f", click_max(v, n));
	ck_assert_uint_eq(phone_stats(c.phonev[1])->gaps, 0);

	call_stop(&c);
}
END_TEST


/* Another codec in the middle of a call */
START_TEST(test_update)
{
	struct mesh_media media;
	struct phone *ph;
	struct call c;
	struct sa sa;

	call_config(&c);
	call_start(&c);
	call_join(&c, MESH_PCMU, 20, 600);
	call_join(&c, MESH_PCMU, 20, 1000);
	run_ms(700);

	ck_assert_int_eq(phone_alloc(&ph, MESH_OPUS, 20,
				     "127.0.0.1"), 0);
	phone_media(ph, &media);
	ck_assert_int_eq(mesh_part_update(c.partv[1], &media), 0);
	ck_assert_int_eq(mesh_part_laddr(c.partv[1], &sa, NULL), 0);
	mem_deref(c.phonev[1]);
	c.phonev[1] = ph;
	phone_peer(ph, &sa);
	phone_talk(ph, 1400, AMP);
	phone_start(ph);
	run_ms(1300);
	call_hears(&c, 0, 1400, true);
	call_hears(&c, 1, 600, true);
	ck_assert_uint_eq(c.latched[1], 2);

	/* on hold: it is sent nothing, and is not heard */
	media.send = media.recv = false;
	ck_assert_int_eq(mesh_part_update(c.partv[1], &media), 0);
	run_ms(100);
	phone_forget(ph);
	run_ms(700);
	ck_assert_uint_eq(phone_stats(ph)->packets, 0);
	call_hears(&c, 0, 1400, false);

	call_stop(&c);
}
END_TEST


/* Many come and go on several workers, in any order */
START_TEST(test_churn)
{
	enum { CONFS = 6, PARTS = 60, ROUNDS = 400 };
	struct mesh_conf *confv[CONFS];
	struct mesh_part *partv[PARTS] = {NULL};
	struct mesh_media media;
	struct call c;

	call_config(&c);
	c.cfg.workers = 3;
	c.cfg.private_max = PARTS;
	ck_assert_int_eq(mesh_alloc(&c.mesh, &c.cfg), 0);
	ck_assert_int_eq(mesh_start(c.mesh), 0);
	for (unsigned i = 0; i < CONFS; i++)
		ck_assert_int_eq(mesh_conf_alloc(&confv[i], c.mesh, NULL), 0);

	ck_assert_int_eq(phone_alloc(&c.phonev[0], MESH_OPUS, 20,
				     "127.0.0.1"), 0);
	phone_media(c.phonev[0], &media);

	for (unsigned r = 0; r < ROUNDS; r++) {
		const unsigned i = rand_u32() % PARTS;
		const unsigned k = rand_u32() % PARTS;

		if (partv[i]) {
			(void)mesh_part_mute(partv[i], r & 1);
			(void)mesh_part_ignore(partv[i], partv[k], r & 1);
			(void)mesh_part_whisper(partv[i], partv[k]);
			(void)mesh_part_tone(partv[i], MESH_TONE_MUTED);
			media.tx.codec = (enum mesh_codec)(r % 4);
			media.ptime = r & 1 ? 20 : 40;
			(void)mesh_part_update(partv[i], &media);
			if (r % 3)
				partv[i] = mem_deref(partv[i]);
		}
		else {
			sa_set_port(&media.rtp, (uint16_t)(20000 + i));
			ck_assert_int_eq(
				call_part(&partv[i], confv[r % CONFS], &media,
					  r % 7 == 0, NULL, NULL), 0);
		}
		if (r % 50 == 0) {
			confv[0] = mem_deref(confv[0]);
			ck_assert_int_eq(mesh_conf_alloc(&confv[0], c.mesh,
							 NULL), 0);
			run_ms(30);
		}
	}

	for (unsigned i = 0; i < PARTS; i++)
		mem_deref(partv[i]);
	for (unsigned i = 0; i < CONFS; i++)
		mem_deref(confv[i]);
	run_ms(50);
	for (unsigned i = 0; i < 3; i++) {
		struct mesh_worker_stats st;

		ck_assert_int_eq(mesh_worker_stats(c.mesh, i, &st), 0);
		ck_assert_uint_eq(st.parts, 0);
		ck_assert_uint_eq(st.confs, 0);
	}
	mem_deref(c.phonev[0]);
	mem_deref(c.mesh);
}
END_TEST


/* Never started, ended while in use, wrong values */
START_TEST(test_life)
{
	struct mesh_media media;
	struct mesh_worker_stats st;
	struct call c;
	struct sa sa;

	call_config(&c);
	c.cfg.talkers_max = 0;
	ck_assert_int_eq(mesh_alloc(&c.mesh, &c.cfg), EINVAL);
	c.cfg.talkers_max = MESH_TALKERS_MAX + 1;
	ck_assert_int_eq(mesh_alloc(&c.mesh, &c.cfg), EINVAL);
	call_config(&c);
	c.cfg.opus_complexity = 11;
	ck_assert_int_eq(mesh_alloc(&c.mesh, &c.cfg), EINVAL);
	call_config(&c);
	sa_set_port(&c.cfg.laddr, 4001);
	ck_assert_int_eq(mesh_alloc(&c.mesh, &c.cfg), EINVAL);
	call_config(&c);
	(void)sa_set_str(&c.cfg.laddr, "192.0.2.1", 0);
	ck_assert_int_eq(mesh_alloc(&c.mesh, &c.cfg), EADDRNOTAVAIL);

	call_config(&c);
	ck_assert_int_eq(mesh_alloc(&c.mesh, &c.cfg), 0);
	ck_assert_int_eq(mesh_worker_stats(c.mesh, 1, &st), ENOENT);
	ck_assert_int_eq(mesh_laddr(c.mesh, 1, &sa), ENOENT);
	ck_assert_int_eq(mesh_conf_alloc(&c.conf, c.mesh, NULL), 0);
	call_join(&c, MESH_PCMU, 20, 600);
	phone_media(c.phonev[0], &media);
	media.rxc = 0;
	ck_assert_int_eq(mesh_part_update(c.partv[0], &media), EINVAL);
	call_stop(&c);

	call_config(&c);
	call_start(&c);
	ck_assert_int_eq(mesh_start(c.mesh), EALREADY);
	call_join(&c, MESH_PCMU, 20, 600);
	/* the engine and the conference outlive their names */
	c.mesh = mem_deref(c.mesh);
	c.conf = mem_deref(c.conf);
	run_ms(300);
	ck_assert_uint_gt(phone_stats(c.phonev[0])->packets, 5);
	call_stop(&c);
}
END_TEST


/*
 * Who starts and stops to talk hears no click in what others say:
 *
 *   talks           |----------|
 *   hears  -------shared---own-------shared---   400 Hz all the time
 */
START_TEST(test_talk_click)
{
	static const enum mesh_codec codecv[] = {
		MESH_PCMU, MESH_G722, MESH_OPUS,
	};
	struct call c;

	call_config(&c);
	call_start(&c);
	call_join(&c, MESH_PCMU, 20, 400);
	for (unsigned i = 0; i < 3; i++)
		call_join(&c, codecv[i], 20, 0);
	run_ms(1000);
	for (unsigned i = 1; i < 4; i++)
		phone_forget(c.phonev[i]);

	for (unsigned i = 1; i < 4; i++) {
		run_ms(300);
		phone_talk(c.phonev[i], 1000, AMP / 4.0);
		run_ms(500);
		phone_talk(c.phonev[i], 0, 0);
		run_ms(1300);
	}

	for (unsigned i = 1; i < 4; i++) {
		const struct phone_stats *st = phone_stats(c.phonev[i]);
		int16_t own[PHONE_RATE * 9 / 5];
		const int16_t *v;
		size_t n, at;

		v = phone_heard(c.phonev[i], &n);
		ck_assert_uint_eq(st->gaps, 0);
		ck_assert_uint_eq(c.started[i], 1);

		/* while it talks itself there is the one tone only */
		at = (size_t)(2100 * (i - 1) + 200) * 8;
		ck_assert_uint_gt(n, at + ARRAY_SIZE(own));
		memcpy(own, v + at, sizeof(own));
		ck_assert_msg(click_max(own, ARRAY_SIZE(own)) < 1500,
			      "%u: %.0f", i,
			      click_max(own, ARRAY_SIZE(own)));
		ck_assert_double_lt(tone_power(own + 4000, 3000, 1000,
					       PHONE_RATE), AMP / 100.0);
	}

	call_stop(&c);
}
END_TEST


/* Over IPv6 as well */
START_TEST(test_six)
{
	struct call c;

	call_config(&c);
	(void)sa_set_str(&c.cfg.laddr, "::1", 0);
	call_start(&c);
	call_join(&c, MESH_PCMU, 20, 600);
	call_join(&c, MESH_OPUS, 20, 1000);
	run_ms(1500);
	call_hears(&c, 0, 1000, true);
	call_hears(&c, 0, 600, false);
	call_hears(&c, 1, 600, true);
	call_hears(&c, 1, 1000, false);

	call_stop(&c);
}
END_TEST


int main(void)
{
	const TTest *const testv[] = {
		test_two, test_codecs, test_leave, test_ptime,
		test_pass_through, test_lone, test_rate, test_update,
		test_churn,
		test_talk_click, test_six, test_life,
	};

	return call_main("mesh call", testv, ARRAY_SIZE(testv));
}
