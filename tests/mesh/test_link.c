/**
 * @file tests/mesh/test_link.c  Meshes that share a conference
 */
#include <re.h>
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "mesh/mesh.h"
#include "phone.h"
#include "call.h"

enum { SERVERS = 3 };

struct farm {
	struct call cv[SERVERS];
	struct mesh_part *linkv[SERVERS][SERVERS];  /* from, to            */
	unsigned n;
	unsigned latched, events;
};


static void link_event(struct mesh_part *part, enum mesh_event ev, int value,
		       void *arg)
{
	struct farm *f = arg;
	(void)part;
	(void)value;

	if (ev == MESH_LATCHED)
		++f->latched;
	else
		++f->events;
}


static void farm_start(struct farm *f, unsigned n)
{
	memset(f, 0, sizeof(*f));
	f->n = n;
	for (unsigned i = 0; i < n; i++) {
		call_config(&f->cv[i]);
		call_start(&f->cv[i]);
	}
}


/* One knows the other beforehand, and tells it where it is itself */
static void farm_link(struct farm *f, unsigned i, unsigned k)
{
	struct sa sa;

	ck_assert_int_eq(mesh_link_alloc(&f->linkv[i][k], f->cv[i].conf, NULL,
					 link_event, f), 0);
	ck_assert_int_eq(mesh_part_laddr(f->linkv[i][k], &sa, NULL), 0);
	ck_assert_int_eq(mesh_link_alloc(&f->linkv[k][i], f->cv[k].conf, &sa,
					 link_event, f), 0);
	ck_assert_int_eq(mesh_part_laddr(f->linkv[k][i], &sa, NULL), 0);
	ck_assert_int_eq(mesh_link_peer(f->linkv[i][k], &sa), 0);
}


static void farm_stop(struct farm *f)
{
	for (unsigned i = 0; i < f->n; i++)
		for (unsigned k = 0; k < f->n; k++)
			f->linkv[i][k] = mem_deref(f->linkv[i][k]);
	for (unsigned i = 0; i < f->n; i++)
		call_stop(&f->cv[i]);
}


static struct mesh_worker_stats stats(const struct call *c)
{
	struct mesh_worker_stats st;

	ck_assert_int_eq(mesh_worker_stats(c->mesh, 0, &st), 0);

	return st;
}


/*
 *   600 Hz, 1000 Hz -- A ==== B -- 1500 Hz, Opus
 */
START_TEST(test_everybody)
{
	const struct phone_stats *ps;
	struct farm f;
	struct call *a = &f.cv[0], *b = &f.cv[1];
	unsigned known = 0;

	farm_start(&f, 2);
	call_join(a, MESH_PCMU, 20, 600);
	call_join(a, MESH_G722, 20, 1000);
	call_join(b, MESH_OPUS, 20, 1500);
	farm_link(&f, 0, 1);
	run_ms(1500);

	call_hears(a, 0, 600, false);
	call_hears(a, 0, 1000, true);
	call_hears(a, 0, 1500, true);
	call_hears(a, 1, 600, true);
	call_hears(a, 1, 1000, false);
	call_hears(a, 1, 1500, true);
	call_hears(b, 0, 600, true);
	call_hears(b, 0, 1000, true);
	call_hears(b, 0, 1500, false);

	/* a phone sees those who talk, wherever they are, but no link */
	ps = phone_stats(b->phonev[0]);
	ck_assert_uint_eq(ps->csrcc, 2);
	for (unsigned i = 0; i < 2; i++)
		for (unsigned k = 0; k < 2; k++)
			known += ps->csrcv[i] == mesh_part_ssrc(a->partv[k]);
	ck_assert_uint_eq(known, 2);

	/* nobody is said to speak who does not speak here */
	ck_assert_uint_eq(f.latched, 2);
	ck_assert_uint_eq(f.events, 0);
	ck_assert_uint_eq(a->started[0] + a->started[1], 2);
	ck_assert_uint_eq(b->started[0], 1);

	farm_stop(&f);
}
END_TEST


/* Three servers, each linked to each: everybody is heard once */
START_TEST(test_three)
{
	static const double freqv[] = {600, 1000, 1500};
	struct farm f;

	farm_start(&f, 3);
	for (unsigned i = 0; i < 3; i++) {
		call_join(&f.cv[i], MESH_PCMU, 20, freqv[i]);
		for (unsigned k = 0; k < i; k++)
			farm_link(&f, i, k);
	}
	run_ms(1500);

	for (unsigned i = 0; i < 3; i++)
		for (unsigned k = 0; k < 3; k++)
			call_hears(&f.cv[i], 0, freqv[k], i != k);

	farm_stop(&f);
}
END_TEST


/* What is said at one server does not go round by others */
START_TEST(test_chain)
{
	struct farm f;

	farm_start(&f, 3);
	call_join(&f.cv[0], MESH_PCMU, 20, 600);
	call_join(&f.cv[1], MESH_PCMU, 20, 1000);
	call_join(&f.cv[2], MESH_PCMU, 20, 0);
	farm_link(&f, 0, 1);
	farm_link(&f, 1, 2);
	run_ms(1200);

	call_hears(&f.cv[2], 0, 1000, true);
	call_hears(&f.cv[2], 0, 600, false);
	call_hears(&f.cv[1], 0, 600, true);

	farm_stop(&f);
}
END_TEST


/* With nothing to say nearly nothing is sent, and mixed is nothing either */
START_TEST(test_silence)
{
	struct mesh_worker_stats was, is;
	struct mesh_stats st;
	struct farm f;
	uint64_t sent;

	farm_start(&f, 2);
	call_join(&f.cv[0], MESH_PCMU, 20, 600);
	call_join(&f.cv[1], MESH_PCMU, 20, 0);
	farm_link(&f, 0, 1);
	run_ms(1000);
	call_hears(&f.cv[1], 0, 600, true);
	phone_talk(f.cv[0].phonev[0], 600, 0);
	run_ms(1200);

	ck_assert_int_eq(mesh_part_stats(f.linkv[0][1], &st), 0);
	sent = st.tx_packets;
	was = stats(&f.cv[1]);
	run_ms(2000);
	ck_assert_int_eq(mesh_part_stats(f.linkv[0][1], &st), 0);
	ck_assert_uint_ge(st.tx_packets, sent + 1);
	ck_assert_uint_le(st.tx_packets, sent + 4);
	is = stats(&f.cv[1]);
	ck_assert_uint_eq(was.decodes, is.decodes);
	ck_assert_uint_eq(was.encodes, is.encodes);

	/* and again, at once */
	phone_talk(f.cv[0].phonev[0], 600, AMP);
	run_ms(600);
	call_hears(&f.cv[1], 0, 600, true);
	ck_assert_int_eq(mesh_part_stats(f.linkv[1][0], &st), 0);
	ck_assert_uint_eq(st.rx_lost, 0);
	ck_assert_uint_eq(st.rx_late, 0);
	/* a machine that stood still was concealed */
	ck_assert_uint_le(st.concealed, 200);

	farm_stop(&f);
}
END_TEST


/* One talks at A: there its frames are passed through, at B listeners share
   one encoder */
START_TEST(test_shared)
{
	struct mesh_worker_stats was[2], is[2];
	struct farm f;

	farm_start(&f, 2);
	call_join(&f.cv[0], MESH_PCMU, 20, 600);
	call_join(&f.cv[0], MESH_PCMU, 20, 0);
	for (unsigned i = 0; i < 3; i++)
		call_join(&f.cv[1], MESH_OPUS, 20, 0);
	farm_link(&f, 0, 1);
	run_ms(1000);
	for (unsigned i = 0; i < 2; i++)
		was[i] = stats(&f.cv[i]);
	run_ms(2000);
	for (unsigned i = 0; i < 2; i++)
		is[i] = stats(&f.cv[i]);

	/* of a hundred frames; a slow machine plays fewer, or for longer */
	ck_assert_uint_ge(is[0].passed_through - was[0].passed_through, 30);
	ck_assert_uint_ge(is[1].encodes - was[1].encodes, 30);
	ck_assert_uint_le(is[1].encodes - was[1].encodes, 200);
	for (unsigned i = 0; i < 3; i++)
		call_hears(&f.cv[1], i, 600, true);

	farm_stop(&f);
}
END_TEST


/* A link is heard beside the talkers, it takes nobody's place */
START_TEST(test_limit)
{
	struct farm f;

	memset(&f, 0, sizeof(f));
	f.n = 2;
	for (unsigned i = 0; i < 2; i++) {
		call_config(&f.cv[i]);
		f.cv[i].cfg.talkers_max = 1;
		call_start(&f.cv[i]);
	}
	call_join(&f.cv[0], MESH_PCMU, 20, 600);
	call_join(&f.cv[1], MESH_PCMU, 20, 1000);
	call_join(&f.cv[1], MESH_PCMU, 20, 0);
	farm_link(&f, 0, 1);
	run_ms(1500);
	call_hears(&f.cv[1], 1, 600, true);
	call_hears(&f.cv[1], 1, 1000, true);
	call_hears(&f.cv[0], 0, 1000, true);

	/* unless it is muted, as anybody may be */
	ck_assert_int_eq(mesh_part_mute(f.linkv[1][0], true), 0);
	run_ms(700);
	call_hears(&f.cv[1], 1, 600, false);
	call_hears(&f.cv[1], 1, 1000, true);

	farm_stop(&f);
}
END_TEST


/* Rates differ, and change while it goes on */
START_TEST(test_rates)
{
	struct farm f;
	struct call *a = &f.cv[0], *b = &f.cv[1];
	const int16_t *v;
	size_t n;

	farm_start(&f, 2);
	call_join(a, MESH_PCMU, 20, 400);
	call_join(b, MESH_PCMU, 20, 0);
	farm_link(&f, 0, 1);
	run_ms(1000);
	phone_forget(b->phonev[0]);
	call_join(b, MESH_OPUS, 20, 0);
	call_join(b, MESH_OPUS, 20, 0);
	run_ms(800);
	call_hears(b, 0, 400, true);
	call_hears(b, 1, 400, true);
	call_join(a, MESH_OPUS, 20, 0);
	call_join(a, MESH_OPUS, 20, 0);
	run_ms(800);
	call_leave(b, 1);
	call_leave(b, 2);
	run_ms(800);
	call_hears(b, 0, 400, true);

	/* a sine of 400 Hz and 8000 bends by 790 per sample at most */
	v = phone_heard(b->phonev[0], &n);
	ck_assert_uint_gt(n, 8000);
	ck_assert_msg(click_max(v, n) < 1600, "%.0f", click_max(v, n));
	ck_assert_uint_eq(phone_stats(b->phonev[0])->gaps, 0);

	farm_stop(&f);
}
END_TEST


/* How long ago a tone began, as a phone heard it [ms] */
static double onset_ago(struct phone *ph)
{
	size_t n, i;
	const int16_t *v = phone_heard(ph, &n);

	for (i = 0; i < n; i++)
		if (abs(v[i]) > AMP / 4)
			break;

	return (double)(n - i) / 8;
}


/* A word is heard at the other server a tick or two later, unless the machine
   stands still */
START_TEST(test_delay)
{
	struct mesh_stats st;
	struct farm f;
	double ago[2], least = 1000, more;

	farm_start(&f, 2);
	call_join(&f.cv[0], MESH_PCMU, 20, 0);
	call_join(&f.cv[0], MESH_PCMU, 20, 0);
	call_join(&f.cv[1], MESH_PCMU, 20, 0);
	farm_link(&f, 0, 1);
	run_ms(600);

	for (unsigned i = 0; i < 5; i++) {
		phone_forget(f.cv[0].phonev[1]);
		phone_forget(f.cv[1].phonev[0]);
		phone_talk(f.cv[0].phonev[0], 600, AMP);
		run_ms(500);
		ago[0] = onset_ago(f.cv[0].phonev[1]);
		ago[1] = onset_ago(f.cv[1].phonev[0]);
		more = ago[0] - ago[1];
		if (ago[0] > 0 && ago[1] > 0 && fabs(more) < fabs(least))
			least = more;
		phone_talk(f.cv[0].phonev[0], 600, 0);
		run_ms(700);
	}
	(void)re_fprintf(stderr, "a link adds %d ms at least\n",
			 (int)least);
	ck_assert_msg(fabs(least) < 45, "%.0f", least);

	ck_assert_int_eq(mesh_part_stats(f.linkv[1][0], &st), 0);
	ck_assert_uint_eq(st.rx_late, 0);

	farm_stop(&f);
}
END_TEST


/* Nobody else is heard on the port of a link, and nobody heard who is not
   there yet */
START_TEST(test_stranger)
{
	uint8_t pkt[12 + 960] = {0x80, 99, 0, 1};
	struct mesh_stats st;
	struct phone *ph;
	struct farm f;
	struct sa sa;

	farm_start(&f, 2);
	call_join(&f.cv[0], MESH_PCMU, 20, 0);
	ck_assert_int_eq(mesh_link_alloc(&f.linkv[0][1], f.cv[0].conf, NULL,
					 link_event, &f), 0);
	ck_assert_int_eq(mesh_part_laddr(f.linkv[0][1], &sa, NULL), 0);
	ck_assert_int_eq(phone_alloc(&ph, MESH_PCMU, 20, "127.0.0.1"), 0);
	phone_peer(ph, &sa);
	memset(pkt + 12, 0x11, 960);

	for (unsigned i = 0; i < 100; i++) {
		if (i == 50) {
			(void)sa_set_str(&sa, "127.0.0.1", 9);
			ck_assert_int_eq(mesh_link_peer(f.linkv[0][1], &sa),
					 0);
		}
		pkt[3] = (uint8_t)i;
		ck_assert_int_eq(phone_send(ph, pkt, sizeof(pkt)), 0);
		run_ms(5);
	}
	run_ms(400);
	ck_assert_int_eq(mesh_part_stats(f.linkv[0][1], &st), 0);
	ck_assert_uint_eq(st.rx_packets, 0);
	ck_assert_uint_eq(f.latched, 0);
	mem_deref(ph);

	farm_stop(&f);
}
END_TEST


/* Whatever comes from a server that went mad is counted, and no more */
START_TEST(test_garbage)
{
	struct mesh_stats st;
	struct phone *ph;
	struct farm f;
	struct sa sa, peer;
	uint8_t pkt[1400];

	farm_start(&f, 1);
	call_join(&f.cv[0], MESH_PCMU, 20, 0);
	ck_assert_int_eq(phone_alloc(&ph, MESH_PCMU, 20, "127.0.0.1"), 0);
	phone_laddr(ph, &peer);
	ck_assert_int_eq(mesh_link_alloc(&f.linkv[0][0], f.cv[0].conf, &peer,
					 link_event, &f), 0);
	ck_assert_int_eq(mesh_part_laddr(f.linkv[0][0], &sa, NULL), 0);
	phone_peer(ph, &sa);

	for (unsigned i = 0; i < 2000; i++) {
		const size_t len = rand_u16() % sizeof(pkt);

		rand_bytes(pkt, sizeof(pkt));
		pkt[0] = (uint8_t)(0x80 | (rand_u16() & 0x3f));
		if (i % 3)
			pkt[1] = (uint8_t)(96 + rand_u16() % 4);
		if (i % 5)
			memcpy(pkt + 8, "link", 4);
		if (i % 7) {
			pkt[2] = (uint8_t)(i >> 8);
			pkt[3] = (uint8_t)i;
		}
		ck_assert_int_eq(phone_send(ph, pkt, len), 0);
		if (i % 20 == 0)
			run_ms(5);
	}
	run_ms(400);
	ck_assert_int_eq(mesh_part_stats(f.linkv[0][0], &st), 0);
	ck_assert_uint_gt(st.rx_packets, 0);
	mem_deref(ph);

	farm_stop(&f);
}
END_TEST


START_TEST(test_reject)
{
	struct mesh_part *linkv[MESH_LINKS_MAX + 1];
	struct mesh_media media;
	struct sa sa, none;
	struct call c;
	unsigned i;

	call_config(&c);
	c.cfg.private_max = 10;
	call_start(&c);
	call_join(&c, MESH_PCMU, 20, 0);
	(void)sa_set_str(&sa, "127.0.0.1", 4000);
	(void)sa_set_str(&none, "127.0.0.1", 0);

	ck_assert_int_eq(mesh_link_alloc(NULL, c.conf, &sa, NULL, NULL),
			 EINVAL);
	ck_assert_int_eq(mesh_link_alloc(linkv, NULL, &sa, NULL, NULL),
			 EINVAL);
	ck_assert_int_eq(mesh_link_alloc(linkv, c.conf, &none, NULL, NULL),
			 EINVAL);
	for (i = 0; i < MESH_LINKS_MAX; i++)
		ck_assert_int_eq(mesh_link_alloc(&linkv[i], c.conf, &sa, NULL,
						 NULL), 0);
	ck_assert_int_eq(mesh_link_alloc(&linkv[i], c.conf, &sa, NULL, NULL),
			 ENOSPC);
	ck_assert_int_eq(mesh_link_peer(linkv[0], &none), EINVAL);
	ck_assert_int_eq(mesh_link_peer(linkv[0], NULL), EINVAL);
	ck_assert_int_eq(mesh_link_peer(NULL, &sa), EINVAL);
	ck_assert_int_eq(mesh_link_peer(c.partv[0], &sa), EINVAL);
	phone_media(c.phonev[0], &media);
	ck_assert_int_eq(mesh_part_update(linkv[0], &media), EINVAL);
	media.tx.codec = MESH_L16;
	ck_assert_int_eq(mesh_part_update(c.partv[0], &media), EINVAL);
	while (i)
		mem_deref(linkv[--i]);

	/* they count for nothing */
	run_ms(400);
	for (i = 0; i < 20; i++) {
		ck_assert_int_eq(mesh_link_alloc(&linkv[0], c.conf, &sa, NULL,
						 NULL), 0);
		mem_deref(linkv[0]);
		run_ms(5);
	}
	call_stop(&c);
}
END_TEST


int main(void)
{
	const TTest *const testv[] = {
		test_everybody, test_three, test_chain, test_silence,
		test_shared, test_limit, test_rates, test_delay,
		test_stranger, test_garbage, test_reject,
	};

	return call_main("link", testv, ARRAY_SIZE(testv));
}
