/**
 * @file tests/mesh/test_wiring.c  Who hears whom; keys, tones, silence
 */
#include <re.h>
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "mesh/mesh.h"
#include "phone.h"
#include "call.h"


/* Mute, deaf, ignore, hear only, whisper, gain */
START_TEST(test_wiring)
{
	static const double freqv[] = {500, 900, 1400};
	struct call c;

	call_config(&c);
	call_start(&c);
	for (unsigned i = 0; i < 3; i++)
		call_join(&c, MESH_PCMU, 20, freqv[i]);
	run_ms(600);

	ck_assert_int_eq(mesh_part_mute(c.partv[0], true), 0);
	run_ms(700);
	call_hears(&c, 1, 500, false);
	call_hears(&c, 1, 1400, true);
	call_hears(&c, 0, 900, true);
	ck_assert_uint_eq(c.stopped[0], 1);
	ck_assert_int_eq(mesh_part_mute(c.partv[0], false), 0);

	ck_assert_int_eq(mesh_part_deaf(c.partv[1], true), 0);
	ck_assert_int_eq(mesh_part_ignore(c.partv[2], c.partv[0], true), 0);
	run_ms(700);
	call_hears(&c, 0, 900, true);
	call_hears(&c, 0, 1400, true);
	call_hears(&c, 1, 500, false);
	call_hears(&c, 1, 1400, false);
	call_hears(&c, 2, 500, false);
	call_hears(&c, 2, 900, true);

	ck_assert_int_eq(mesh_part_deaf(c.partv[1], false), 0);
	ck_assert_int_eq(mesh_part_ignore(c.partv[2], c.partv[0], false), 0);
	ck_assert_int_eq(mesh_part_whisper(c.partv[0], c.partv[1]), 0);
	ck_assert_int_eq(mesh_part_hear_only(c.partv[0], c.partv[2]), 0);
	run_ms(700);
	call_hears(&c, 1, 500, true);
	call_hears(&c, 1, 1400, true);
	call_hears(&c, 2, 500, false);
	call_hears(&c, 2, 900, true);
	call_hears(&c, 0, 900, false);
	call_hears(&c, 0, 1400, true);

	/* the one whispered to leaves: that does not make it public */
	call_leave(&c, 1);
	run_ms(600);
	call_hears(&c, 2, 500, false);
	ck_assert_int_eq(mesh_part_whisper(c.partv[0], NULL), 0);
	ck_assert_int_eq(mesh_part_gain(c.partv[0], -20, 0), 0);
	run_ms(600);
	ck_assert_double_gt(phone_level(c.phonev[2], 500, 300), AMP * 0.08);
	ck_assert_double_lt(phone_level(c.phonev[2], 500, 300), AMP * 0.12);

	call_stop(&c);
}
END_TEST


START_TEST(test_wiring_bad)
{
	struct mesh_conf *other;
	struct mesh_part *part;
	struct mesh_media media;
	struct phone *ph;
	struct call c;

	call_config(&c);
	call_start(&c);
	call_join(&c, MESH_PCMU, 20, 0);
	ck_assert_int_eq(mesh_conf_alloc(&other, c.mesh, NULL), 0);
	ck_assert_int_eq(phone_alloc(&ph, MESH_PCMU, 20,
				     "127.0.0.1"), 0);
	phone_media(ph, &media);
	ck_assert_int_eq(call_part(&part, other, &media, false, NULL, NULL),
			 0);

	/* of another conference, oneself, nobody, too much */
	ck_assert_int_eq(mesh_part_ignore(part, c.partv[0], true), EINVAL);
	ck_assert_int_eq(mesh_part_hear_only(part, c.partv[0]), EINVAL);
	ck_assert_int_eq(mesh_part_whisper(part, c.partv[0]), EINVAL);
	ck_assert_int_eq(mesh_part_ignore(part, part, true), EINVAL);
	ck_assert_int_eq(mesh_part_ignore(NULL, part, true), EINVAL);
	ck_assert_int_eq(mesh_part_gain(part, 21, 0), EINVAL);
	ck_assert_int_eq(mesh_part_gain(part, 0, -61), EINVAL);
	ck_assert_int_eq(mesh_part_tone(part, 99), EINVAL);
	ck_assert_int_eq(mesh_conf_tone(other, 99), EINVAL);
	ck_assert_int_eq(mesh_part_mute(NULL, true), EINVAL);

	/* the address is known already: a port of its own, or an error */
	media.ptime = 30;
	ck_assert_int_eq(mesh_part_update(part, &media), EINVAL);
	phone_media(ph, &media);
	phone_laddr(c.phonev[0], &media.rtp);
	if (mesh_workers(c.mesh) == 1)
		ck_assert_int_eq(mesh_part_update(part, &media), EADDRINUSE);

	mem_deref(part);
	mem_deref(other);
	mem_deref(ph);
	call_stop(&c);
}
END_TEST


/* RFC 4733: a key is an event, once, and not in the mix */
static void key_send(struct phone *ph, uint8_t key, uint16_t *seq,
		     uint32_t ts)
{
	for (unsigned i = 0; i < 6; i++) {
		uint8_t p[16] = {0x80, 101};

		p[2] = (uint8_t)(*seq >> 8);
		p[3] = (uint8_t)*seq;
		p[4] = (uint8_t)(ts >> 24);
		p[5] = (uint8_t)(ts >> 16);
		p[6] = (uint8_t)(ts >> 8);
		p[7] = (uint8_t)ts;
		p[11] = 9;
		p[12] = key;
		p[13] = i > 2 ? 0x8a : 0x0a;
		p[14] = (uint8_t)((i + 1) * 160 >> 8);
		p[15] = (uint8_t)((i + 1) * 160);
		++*seq;
		(void)phone_send(ph, p, sizeof(p));
		run_ms(20);
	}
}


START_TEST(test_keys)
{
	struct mesh_media media;
	uint16_t seq = 100;
	struct call c;

	call_config(&c);
	call_start(&c);
	call_join(&c, MESH_PCMU, 20, 0);
	phone_stop(c.phonev[0]);
	phone_media(c.phonev[0], &media);
	media.telev_rx = 101;
	ck_assert_int_eq(mesh_part_update(c.partv[0], &media), 0);
	run_ms(60);

	key_send(c.phonev[0], 10, &seq, 1000);
	key_send(c.phonev[0], 6, &seq, 9000);
	run_ms(200);
	ck_assert_str_eq(c.keys[0], "*6");

	call_stop(&c);
}
END_TEST


/* A tone for one is heard by that one only, a chime by all */
START_TEST(test_tones)
{
	double one[3], all[3];
	struct call c;

	call_config(&c);
	call_start(&c);
	for (unsigned i = 0; i < 3; i++)
		call_join(&c, MESH_PCMU, 20, 0);
	run_ms(300);

	for (unsigned i = 0; i < 3; i++)
		phone_forget(c.phonev[i]);
	ck_assert_int_eq(mesh_part_tone(c.partv[1], MESH_TONE_MUTED), 0);
	run_ms(800);
	for (unsigned i = 0; i < 3; i++) {
		size_t n;
		const int16_t *v = phone_heard(c.phonev[i], &n);

		one[i] = 0;
		for (size_t k = 0; k < n; k++)
			one[i] = max(one[i], abs(v[k]));
		phone_forget(c.phonev[i]);
	}
	ck_assert_int_eq(mesh_conf_tone(c.conf, MESH_TONE_JOIN), 0);
	run_ms(800);
	for (unsigned i = 0; i < 3; i++) {
		size_t n;
		const int16_t *v = phone_heard(c.phonev[i], &n);

		all[i] = 0;
		for (size_t k = 0; k < n; k++)
			all[i] = max(all[i], abs(v[k]));
	}

	ck_assert_double_lt(one[0], 50);
	ck_assert_double_gt(one[1], 500);
	ck_assert_double_lt(one[2], 50);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_double_gt(all[i], 500);

	call_stop(&c);
}
END_TEST


/* Neither RTP nor RTCP: told once, and again after it came back */
START_TEST(test_silent)
{
	struct mesh_stats st;
	struct call c;

	call_config(&c);
	c.cfg.silence_timeout = 1;
	call_start(&c);
	call_join(&c, MESH_PCMU, 20, 600);
	run_ms(600);
	ck_assert_uint_eq(c.silent[0], 0);
	phone_stop(c.phonev[0]);
	run_ms(2000);
	ck_assert_uint_eq(c.silent[0], 1);
	ck_assert_int_eq(mesh_part_stats(c.partv[0], &st), 0);
	ck_assert_uint_gt(st.quiet_ms, 1500);
	ck_assert_uint_ge(st.rx_packets, 25);
	phone_start(c.phonev[0]);
	run_ms(300);
	phone_stop(c.phonev[0]);
	run_ms(1600);
	ck_assert_uint_eq(c.silent[0], 2);

	call_stop(&c);
}
END_TEST


/* Reports go both ways: loss, round trip, what was sent */
START_TEST(test_reports)
{
	const struct phone_stats *st;
	struct mesh_stats ms;
	struct rtcp_rr rr;
	struct sa rtcp;
	struct call c;

	call_config(&c);
	call_start(&c);
	call_join(&c, MESH_PCMU, 20, 600);
	ck_assert_int_eq(mesh_part_laddr(c.partv[0], NULL, &rtcp), 0);
	run_ms(1000);

	memset(&rr, 0, sizeof(rr));
	rr.ssrc = mesh_part_ssrc(c.partv[0]);
	rr.fraction = 10;
	rr.lost = 7;
	ck_assert_int_eq(phone_report(c.phonev[0], &rtcp, &rr), 0);
	run_ms(500);
	ck_assert_int_eq(mesh_part_stats(c.partv[0], &ms), 0);
	ck_assert_uint_eq(ms.tx_lost, 7);
	ck_assert_uint_eq(ms.rtt, 0);

	/* about somebody else */
	++rr.ssrc;
	rr.lost = 9;
	ck_assert_int_eq(phone_report(c.phonev[0], &rtcp, &rr), 0);

	/* a first report comes 2.5 to 7.5 s after the first look */
	st = phone_stats(c.phonev[0]);
	for (unsigned i = 0; i < 90 && !st->sr_packets; i++)
		run_ms(100);
	ck_assert_uint_gt(st->sr_packets, 100);
	ck_assert_uint_gt(st->rr.last_seq & 0xffff, 0);
	ck_assert_int_eq(st->rr.lost, 0);
	ck_assert_uint_eq(st->rr.lsr, 0x33445566);
	ck_assert_uint_gt(st->rr.dlsr, 65536 / 10);
	ck_assert_uint_lt(st->rr.dlsr, 65536 * 10);
	ck_assert_int_eq(mesh_part_stats(c.partv[0], &ms), 0);
	ck_assert_uint_eq(ms.tx_lost, 7);

	call_stop(&c);
}
END_TEST


int main(void)
{
	const TTest *const testv[] = {
		test_wiring, test_wiring_bad, test_keys, test_tones,
		test_silent, test_reports,
	};

	return call_main("mesh wiring", testv, ARRAY_SIZE(testv));
}
