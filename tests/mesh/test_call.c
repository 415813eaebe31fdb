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

enum { PHONES = 4, AMP = 8000 };

struct call {
	struct mesh *mesh;
	struct mesh_conf *conf;
	struct phone *phonev[PHONES];
	struct mesh_part *partv[PHONES];
	unsigned n;
	unsigned started[PHONES], stopped[PHONES], latched[PHONES];
	unsigned silent[PHONES];
	char keys[PHONES][16];
	struct mesh_config cfg;
};


static void setup(void)
{
	ck_assert_int_eq(libre_init(), 0);
}


static void teardown(void)
{
	libre_close();
}


static void event_handler(struct mesh_part *part, enum mesh_event ev,
			  int value, void *arg)
{
	struct call *c = arg;
	unsigned i;

	for (i = 0; i < c->n; i++)
		if (c->partv[i] == part)
			break;
	ck_assert_uint_lt(i, c->n);

	switch (ev) {

	case MESH_SPEAKING_STARTED: ++c->started[i]; break;
	case MESH_SPEAKING_STOPPED: ++c->stopped[i]; break;
	case MESH_LATCHED:          ++c->latched[i]; break;
	case MESH_SILENT:           ++c->silent[i];  break;
	case MESH_DTMF:
		if (strlen(c->keys[i]) < sizeof(c->keys[i]) - 1)
			c->keys[i][strlen(c->keys[i])] = (char)value;
		break;
	}
}


static void config(struct call *c)
{
	memset(c, 0, sizeof(*c));
	c->cfg.workers = 1;
	c->cfg.talkers_max = 3;
	c->cfg.private_max = 4;
	c->cfg.opus_complexity = 5;
	c->cfg.opus_bitrate = 24000;
	c->cfg.pass_through = true;
	(void)sa_set_str(&c->cfg.laddr, "127.0.0.1", 0);
}


static void start(struct call *c)
{
	ck_assert_int_eq(mesh_alloc(&c->mesh, &c->cfg), 0);
	ck_assert_int_eq(mesh_start(c->mesh), 0);
	ck_assert_int_eq(mesh_conf_alloc(&c->conf, c->mesh, NULL), 0);
}


static unsigned join(struct call *c, enum mesh_codec codec, unsigned ptime,
		     double freq)
{
	struct mesh_media media;
	const unsigned i = c->n++;
	struct sa sa;

	ck_assert_int_eq(phone_alloc(&c->phonev[i], codec, ptime), 0);
	phone_media(c->phonev[i], &media);
	ck_assert_int_eq(mesh_part_alloc(&c->partv[i], c->conf, &media, false,
					 "phone@test", event_handler, c), 0);
	ck_assert_int_eq(mesh_part_laddr(c->partv[i], &sa, NULL), 0);
	phone_peer(c->phonev[i], &sa);
	phone_talk(c->phonev[i], freq, freq > 0 ? AMP : 0);
	phone_start(c->phonev[i]);

	return i;
}


static void leave(struct call *c, unsigned i)
{
	c->partv[i] = mem_deref(c->partv[i]);
	phone_stop(c->phonev[i]);
}


static void stop(struct call *c)
{
	for (unsigned i = 0; i < c->n; i++) {
		c->partv[i] = mem_deref(c->partv[i]);
		c->phonev[i] = mem_deref(c->phonev[i]);
	}
	c->conf = mem_deref(c->conf);
	c->mesh = mem_deref(c->mesh);
}


static void hears(struct call *c, unsigned i, double freq, bool on)
{
	const double a = phone_level(c->phonev[i], freq, 400);

	if (on)
		ck_assert_msg(a > AMP / 2.0 && a < AMP * 1.5,
			      "phone %u: %.0f Hz at %.0f", i, freq, a);
	else
		ck_assert_msg(a < AMP / 50.0,
			      "phone %u: %.0f Hz at %.0f", i, freq, a);
}


/*
 *  A 600 Hz ---\        /--> hears B
 *               >- mesh-<
 *  B 1000 Hz --/        \--> hears A
 */
START_TEST(test_two)
{
	struct call c;

	config(&c);
	start(&c);
	join(&c, MESH_PCMU, 20, 600);
	join(&c, MESH_PCMU, 20, 1000);
	run_ms(1500);

	hears(&c, 0, 1000, true);
	hears(&c, 0, 600, false);
	hears(&c, 1, 600, true);
	hears(&c, 1, 1000, false);

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

	stop(&c);
}
END_TEST


/* Everybody hears the others and not himself, whatever they speak */
START_TEST(test_codecs)
{
	static const double freqv[] = {500, 900, 1400, 2100};
	struct call c;

	config(&c);
	c.cfg.talkers_max = 4;
	start(&c);
	join(&c, MESH_PCMU, 20, freqv[0]);
	join(&c, MESH_PCMA, 20, freqv[1]);
	join(&c, MESH_G722, 20, freqv[2]);
	join(&c, MESH_OPUS, 20, freqv[3]);
	run_ms(2500);

	for (unsigned i = 0; i < 4; i++)
		for (unsigned k = 0; k < 4; k++)
			hears(&c, i, freqv[k], i != k);

	stop(&c);
}
END_TEST


/* Who leaves is heard no longer, and is told so */
START_TEST(test_leave)
{
	struct call c;

	config(&c);
	start(&c);
	join(&c, MESH_PCMU, 20, 600);
	join(&c, MESH_PCMU, 20, 1000);
	join(&c, MESH_PCMU, 20, 0);
	run_ms(1000);
	hears(&c, 2, 600, true);
	hears(&c, 2, 1000, true);

	leave(&c, 1);
	run_ms(700);
	hears(&c, 2, 600, true);
	hears(&c, 2, 1000, false);
	ck_assert_uint_eq(phone_stats(c.phonev[1])->bye, 1);

	stop(&c);
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

	config(&c);
	c.cfg.talkers_max = 4;
	start(&c);
	for (unsigned i = 0; i < 4; i++)
		join(&c, t[i].codec, t[i].ptime, freqv[i]);
	run_ms(2500);

	for (unsigned i = 0; i < 4; i++) {
		const struct phone_stats *st = phone_stats(c.phonev[i]);

		for (unsigned k = 0; k < 4; k++)
			hears(&c, i, freqv[k], i != k);
		ck_assert_uint_ge(st->packets, 2300 / t[i].ptime);
		ck_assert_uint_le(st->packets, 2600 / t[i].ptime + 1);
		ck_assert_uint_eq(st->gaps, 0);
		ck_assert_uint_eq(st->ts_bad, 0);
	}

	stop(&c);
}
END_TEST


/* Mute, deaf, ignore, hear only, whisper, gain */
START_TEST(test_wiring)
{
	static const double freqv[] = {500, 900, 1400};
	struct call c;

	config(&c);
	start(&c);
	for (unsigned i = 0; i < 3; i++)
		join(&c, MESH_PCMU, 20, freqv[i]);
	run_ms(600);

	ck_assert_int_eq(mesh_part_mute(c.partv[0], true), 0);
	run_ms(700);
	hears(&c, 1, 500, false);
	hears(&c, 1, 1400, true);
	hears(&c, 0, 900, true);
	ck_assert_uint_eq(c.stopped[0], 1);
	ck_assert_int_eq(mesh_part_mute(c.partv[0], false), 0);

	ck_assert_int_eq(mesh_part_deaf(c.partv[1], true), 0);
	ck_assert_int_eq(mesh_part_ignore(c.partv[2], c.partv[0], true), 0);
	run_ms(700);
	hears(&c, 0, 900, true);
	hears(&c, 0, 1400, true);
	hears(&c, 1, 500, false);
	hears(&c, 1, 1400, false);
	hears(&c, 2, 500, false);
	hears(&c, 2, 900, true);

	ck_assert_int_eq(mesh_part_deaf(c.partv[1], false), 0);
	ck_assert_int_eq(mesh_part_ignore(c.partv[2], c.partv[0], false), 0);
	ck_assert_int_eq(mesh_part_whisper(c.partv[0], c.partv[1]), 0);
	ck_assert_int_eq(mesh_part_hear_only(c.partv[0], c.partv[2]), 0);
	run_ms(700);
	hears(&c, 1, 500, true);
	hears(&c, 1, 1400, true);
	hears(&c, 2, 500, false);
	hears(&c, 2, 900, true);
	hears(&c, 0, 900, false);
	hears(&c, 0, 1400, true);

	/* the one whispered to leaves: that does not make it public */
	leave(&c, 1);
	run_ms(600);
	hears(&c, 2, 500, false);
	ck_assert_int_eq(mesh_part_whisper(c.partv[0], NULL), 0);
	ck_assert_int_eq(mesh_part_gain(c.partv[0], -20, 0), 0);
	run_ms(600);
	ck_assert_double_gt(phone_level(c.phonev[2], 500, 300), AMP * 0.08);
	ck_assert_double_lt(phone_level(c.phonev[2], 500, 300), AMP * 0.12);

	stop(&c);
}
END_TEST


START_TEST(test_wiring_bad)
{
	struct mesh_conf *other;
	struct mesh_part *part;
	struct mesh_media media;
	struct phone *ph;
	struct call c;

	config(&c);
	start(&c);
	join(&c, MESH_PCMU, 20, 0);
	ck_assert_int_eq(mesh_conf_alloc(&other, c.mesh, NULL), 0);
	ck_assert_int_eq(phone_alloc(&ph, MESH_PCMU, 20), 0);
	phone_media(ph, &media);
	ck_assert_int_eq(mesh_part_alloc(&part, other, &media, false, NULL,
					 NULL, NULL), 0);

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
	stop(&c);
}
END_TEST


/* A caller behind NAT: its address is not the one it told */
START_TEST(test_private)
{
	struct mesh_media media;
	struct mesh_stats st;
	struct sa sa, shared;
	struct call c;

	config(&c);
	start(&c);
	join(&c, MESH_PCMU, 20, 600);
	ck_assert_int_eq(phone_alloc(&c.phonev[1], MESH_PCMU, 20), 0);
	phone_media(c.phonev[1], &media);
	(void)sa_set_str(&media.rtp, "192.0.2.1", 4000);
	media.rtcp = media.rtp;
	c.n = 2;
	ck_assert_int_eq(mesh_part_alloc(&c.partv[1], c.conf, &media, true,
					 NULL, event_handler, &c), 0);
	ck_assert_int_eq(mesh_part_laddr(c.partv[1], &sa, NULL), 0);
	ck_assert_int_eq(mesh_laddr(c.mesh, 0, &shared), 0);
	ck_assert(!sa_cmp(&sa, &shared, SA_ALL));
	phone_peer(c.phonev[1], &sa);
	phone_talk(c.phonev[1], 1000, AMP);
	phone_start(c.phonev[1]);
	run_ms(1000);

	hears(&c, 0, 1000, true);
	hears(&c, 1, 600, true);
	ck_assert_uint_eq(c.latched[1], 1);

	/* somebody else cannot take its place while it talks */
	ck_assert_int_eq(phone_alloc(&c.phonev[2], MESH_PCMU, 20), 0);
	c.n = 3;
	phone_peer(c.phonev[2], &sa);
	phone_talk(c.phonev[2], 2000, AMP);
	phone_start(c.phonev[2]);
	run_ms(700);
	hears(&c, 0, 2000, false);
	hears(&c, 0, 1000, true);
	ck_assert_uint_eq(c.latched[1], 1);
	ck_assert_uint_eq(phone_stats(c.phonev[2])->packets, 0);
	phone_stop(c.phonev[2]);

	/* but it may come back from another port after a while */
	phone_stop(c.phonev[1]);
	run_ms(1300);
	ck_assert_int_eq(phone_move(c.phonev[1]), 0);
	phone_start(c.phonev[1]);
	run_ms(1000);
	ck_assert_uint_eq(c.latched[1], 2);
	hears(&c, 0, 1000, true);
	hears(&c, 1, 600, true);
	ck_assert_int_eq(mesh_part_stats(c.partv[1], &st), 0);
	ck_assert(!sa_cmp(&st.peer, &media.rtp, SA_ALL));

	stop(&c);
}
END_TEST


/* Private ports are numbered, limited, and come back */
START_TEST(test_private_max)
{
	struct mesh_part *partv[3];
	struct mesh_media media;
	struct phone *ph;
	struct call c;

	config(&c);
	c.cfg.private_max = 2;
	start(&c);
	ck_assert_int_eq(phone_alloc(&ph, MESH_PCMU, 20), 0);
	phone_media(ph, &media);

	for (unsigned r = 0; r < 3; r++) {
		for (unsigned i = 0; i < 3; i++)
			ck_assert_int_eq(mesh_part_alloc(&partv[i], c.conf,
							 &media, true, NULL,
							 NULL, NULL),
					 i < 2 ? 0 : ENOSPC);
		mem_deref(partv[0]);
		mem_deref(partv[1]);
	}

	/* the same address twice: the second gets a port of its own */
	ck_assert_int_eq(mesh_part_alloc(&partv[0], c.conf, &media, false,
					 NULL, NULL, NULL), 0);
	ck_assert_int_eq(mesh_part_alloc(&partv[1], c.conf, &media, false,
					 NULL, NULL, NULL), 0);
	for (unsigned i = 0; i < 2; i++) {
		struct sa sa, shared;

		(void)mesh_laddr(c.mesh, 0, &shared);
		(void)mesh_part_laddr(partv[i], &sa, NULL);
		ck_assert(sa_cmp(&sa, &shared, SA_ALL) == (i == 0));
	}
	mem_deref(partv[1]);
	mem_deref(partv[0]);

	mem_deref(ph);
	stop(&c);
}
END_TEST


/* A phone that sends from another port than it has told */
START_TEST(test_other_port)
{
	struct call c;

	config(&c);
	start(&c);
	join(&c, MESH_PCMU, 20, 600);
	join(&c, MESH_PCMU, 20, 0);
	phone_stop(c.phonev[1]);
	run_ms(500);
	ck_assert_uint_eq(c.latched[1], 0);
	ck_assert_int_eq(phone_move(c.phonev[1]), 0);
	phone_talk(c.phonev[1], 1000, AMP);
	phone_start(c.phonev[1]);
	run_ms(800);
	hears(&c, 0, 1000, true);
	ck_assert_uint_eq(c.latched[1], 1);

	/* nobody is missing now: a stranger is not heard */
	ck_assert_int_eq(phone_alloc(&c.phonev[2], MESH_PCMU, 20), 0);
	c.n = 3;
	{
		struct sa sa;

		(void)mesh_laddr(c.mesh, 0, &sa);
		phone_peer(c.phonev[2], &sa);
	}
	phone_talk(c.phonev[2], 2000, AMP);
	phone_start(c.phonev[2]);
	run_ms(700);
	hears(&c, 0, 2000, false);
	hears(&c, 0, 1000, true);

	stop(&c);
}
END_TEST


/* Junk between good packets disturbs nobody and is counted */
START_TEST(test_junk)
{
	struct mesh_worker_stats st;
	struct call c;
	uint8_t buf[1600];

	config(&c);
	start(&c);
	join(&c, MESH_PCMU, 20, 600);
	join(&c, MESH_PCMU, 20, 1000);

	for (unsigned i = 0; i < 1200; i++) {
		const size_t len = rand_u16() % (i % 50 ? 60 : sizeof(buf));

		rand_bytes(buf, sizeof(buf));
		switch (i % 4) {

		case 0: /* anything */
			break;
		case 1: /* RTP, with everything in its header */
			buf[0] = (uint8_t)(0x80 | (buf[0] & 0x3f));
			break;
		case 2: /* RTCP */
			buf[0] = 0x81;
			buf[1] = (uint8_t)(200 + buf[1] % 5);
			buf[2] = 0;
			buf[3] &= 0x0f;
			break;
		case 3: /* unknown payload type */
			buf[0] = 0x80;
			buf[1] = 77;
			break;
		}
		(void)phone_send(c.phonev[1], buf, len);
		if (i % 40 == 0)
			run_ms(20);
	}
	run_ms(900);

	hears(&c, 0, 1000, true);
	hears(&c, 1, 600, true);
	ck_assert_uint_eq(phone_stats(c.phonev[0])->gaps, 0);
	ck_assert_int_eq(mesh_worker_stats(c.mesh, 0, &st), 0);
	ck_assert_uint_gt(st.rx_malformed, 100);
	ck_assert_uint_eq(st.tx_errors, 0);

	stop(&c);
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

	config(&c);
	start(&c);
	join(&c, MESH_PCMU, 20, 0);
	phone_stop(c.phonev[0]);
	phone_media(c.phonev[0], &media);
	media.telev_rx = 101;
	ck_assert_int_eq(mesh_part_update(c.partv[0], &media), 0);
	run_ms(60);

	key_send(c.phonev[0], 10, &seq, 1000);
	key_send(c.phonev[0], 6, &seq, 9000);
	run_ms(200);
	ck_assert_str_eq(c.keys[0], "*6");

	stop(&c);
}
END_TEST


/* A tone for one is heard by that one only, a chime by all */
START_TEST(test_tones)
{
	double one[3], all[3];
	struct call c;

	config(&c);
	start(&c);
	for (unsigned i = 0; i < 3; i++)
		join(&c, MESH_PCMU, 20, 0);
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

	stop(&c);
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

	config(&c);
	start(&c);
	join(&c, MESH_PCMU, 20, 600);
	join(&c, MESH_PCMU, 20, 0);
	phone_media(c.phonev[1], &media);
	media.ext_mixer = 3;
	ck_assert_int_eq(mesh_part_update(c.partv[1], &media), 0);
	run_ms(1000);

	/* a sine of 600 Hz repeats itself after 40 samples */
	v = phone_heard(c.phonev[1], &n);
	ck_assert_uint_gt(n, 4000);
	for (size_t i = n - 2000; i + 40 < n; i++)
		ck_assert_int_eq(v[i], v[i + 40]);
	ck_assert_uint_eq(phone_stats(c.phonev[1])->csrcc, 1);
	ck_assert_uint_eq(phone_stats(c.phonev[1])->levels, 1);
	ck_assert_int_eq(mesh_worker_stats(c.mesh, 0, &st), 0);
	ck_assert_uint_gt(st.passed_through, 20);

	stop(&c);
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

	config(&c);
	c.cfg.pass_through = false;
	start(&c);
	join(&c, MESH_PCMU, 20, 400);
	join(&c, MESH_PCMU, 20, 0);
	run_ms(800);
	phone_forget(c.phonev[1]);
	join(&c, MESH_OPUS, 20, 0);
	join(&c, MESH_OPUS, 20, 0);
	run_ms(700);
	hears(&c, 2, 400, true);
	leave(&c, 2);
	leave(&c, 3);
	run_ms(700);
	hears(&c, 1, 400, true);

	/* a sine of 400 Hz and 8000 bends by 790 per sample at most */
	v = phone_heard(c.phonev[1], &n);
	ck_assert_uint_gt(n, 8000);
	ck_assert_msg(click_max(v, n) < 1600, "%.0f", click_max(v, n));
	ck_assert_uint_eq(phone_stats(c.phonev[1])->gaps, 0);

	stop(&c);
}
END_TEST


/* Neither RTP nor RTCP: told once, and again after it came back */
START_TEST(test_silent)
{
	struct mesh_stats st;
	struct call c;

	config(&c);
	c.cfg.silence_timeout = 1;
	start(&c);
	join(&c, MESH_PCMU, 20, 600);
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

	stop(&c);
}
END_TEST


/* Another codec in the middle of a call */
START_TEST(test_update)
{
	struct mesh_media media;
	struct phone *ph;
	struct call c;
	struct sa sa;

	config(&c);
	start(&c);
	join(&c, MESH_PCMU, 20, 600);
	join(&c, MESH_PCMU, 20, 1000);
	run_ms(700);

	ck_assert_int_eq(phone_alloc(&ph, MESH_OPUS, 20), 0);
	phone_media(ph, &media);
	ck_assert_int_eq(mesh_part_update(c.partv[1], &media), 0);
	ck_assert_int_eq(mesh_part_laddr(c.partv[1], &sa, NULL), 0);
	mem_deref(c.phonev[1]);
	c.phonev[1] = ph;
	phone_peer(ph, &sa);
	phone_talk(ph, 1400, AMP);
	phone_start(ph);
	run_ms(1300);
	hears(&c, 0, 1400, true);
	hears(&c, 1, 600, true);
	ck_assert_uint_eq(c.latched[1], 2);

	/* on hold: it is sent nothing, and is not heard */
	media.send = media.recv = false;
	ck_assert_int_eq(mesh_part_update(c.partv[1], &media), 0);
	run_ms(100);
	phone_forget(ph);
	run_ms(700);
	ck_assert_uint_eq(phone_stats(ph)->packets, 0);
	hears(&c, 0, 1400, false);

	stop(&c);
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

	config(&c);
	c.cfg.workers = 3;
	c.cfg.private_max = PARTS;
	ck_assert_int_eq(mesh_alloc(&c.mesh, &c.cfg), 0);
	ck_assert_int_eq(mesh_start(c.mesh), 0);
	for (unsigned i = 0; i < CONFS; i++)
		ck_assert_int_eq(mesh_conf_alloc(&confv[i], c.mesh, NULL), 0);

	ck_assert_int_eq(phone_alloc(&c.phonev[0], MESH_OPUS, 20), 0);
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
				mesh_part_alloc(&partv[i],
						confv[r % CONFS], &media,
						r % 7 == 0, NULL, NULL, NULL),
				0);
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

	config(&c);
	c.cfg.talkers_max = 0;
	ck_assert_int_eq(mesh_alloc(&c.mesh, &c.cfg), EINVAL);
	c.cfg.talkers_max = MESH_TALKERS_MAX + 1;
	ck_assert_int_eq(mesh_alloc(&c.mesh, &c.cfg), EINVAL);
	config(&c);
	c.cfg.opus_complexity = 11;
	ck_assert_int_eq(mesh_alloc(&c.mesh, &c.cfg), EINVAL);
	config(&c);
	sa_set_port(&c.cfg.laddr, 4001);
	ck_assert_int_eq(mesh_alloc(&c.mesh, &c.cfg), EINVAL);
	config(&c);
	(void)sa_set_str(&c.cfg.laddr, "192.0.2.1", 0);
	ck_assert_int_eq(mesh_alloc(&c.mesh, &c.cfg), EADDRNOTAVAIL);

	config(&c);
	ck_assert_int_eq(mesh_alloc(&c.mesh, &c.cfg), 0);
	ck_assert_int_eq(mesh_worker_stats(c.mesh, 1, &st), ENOENT);
	ck_assert_int_eq(mesh_laddr(c.mesh, 1, &sa), ENOENT);
	ck_assert_int_eq(mesh_conf_alloc(&c.conf, c.mesh, NULL), 0);
	join(&c, MESH_PCMU, 20, 600);
	phone_media(c.phonev[0], &media);
	media.rxc = 0;
	ck_assert_int_eq(mesh_part_update(c.partv[0], &media), EINVAL);
	stop(&c);

	config(&c);
	start(&c);
	ck_assert_int_eq(mesh_start(c.mesh), EALREADY);
	join(&c, MESH_PCMU, 20, 600);
	/* the engine and the conference outlive their names */
	c.mesh = mem_deref(c.mesh);
	c.conf = mem_deref(c.conf);
	run_ms(300);
	ck_assert_uint_gt(phone_stats(c.phonev[0])->packets, 5);
	stop(&c);
}
END_TEST


static Suite *suite(void)
{
	Suite *s = suite_create("mesh call");
	TCase *t = tcase_create("call");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, test_two);
	tcase_add_test(t, test_codecs);
	tcase_add_test(t, test_leave);
	tcase_add_test(t, test_ptime);
	tcase_add_test(t, test_wiring);
	tcase_add_test(t, test_wiring_bad);
	tcase_add_test(t, test_private);
	tcase_add_test(t, test_private_max);
	tcase_add_test(t, test_other_port);
	tcase_add_test(t, test_junk);
	tcase_add_test(t, test_keys);
	tcase_add_test(t, test_tones);
	tcase_add_test(t, test_pass_through);
	tcase_add_test(t, test_rate);
	tcase_add_test(t, test_silent);
	tcase_add_test(t, test_update);
	tcase_add_test(t, test_churn);
	tcase_add_test(t, test_life);
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
