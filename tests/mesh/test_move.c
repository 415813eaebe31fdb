/**
 * @file tests/mesh/test_move.c  Streams that go on in another mesh
 */
#include <re.h>
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "mesh/mesh.h"
#include "phone.h"
#include "call.h"

struct pair {                /* two servers, of which one has phones      */
	struct call a, b;
};


static void pair_start(struct pair *p)
{
	struct mesh_conf_params prm;

	call_config(&p->a);
	call_start(&p->a);
	call_config(&p->b);
	ck_assert_int_eq(mesh_alloc(&p->b.mesh, &p->b.cfg), 0);
	ck_assert_int_eq(mesh_start(p->b.mesh), 0);
	ck_assert_int_eq(mesh_conf_state(p->a.conf, &prm), 0);
	ck_assert_int_eq(mesh_conf_alloc(&p->b.conf, p->b.mesh, &prm), 0);
}


static void pair_stop(struct pair *p)
{
	for (unsigned i = 0; i < p->b.n; i++)
		p->b.partv[i] = mem_deref(p->b.partv[i]);
	p->b.n = 0;
	call_stop(&p->a);
	call_stop(&p->b);
}


/* B takes participant `i` of A over, and is quiet about it */
static void adopt(struct pair *p, unsigned i, const struct mesh_stream *st,
		  unsigned skip)
{
	struct mesh_part_params prm;
	struct mesh_part_state state;
	struct mesh_media media;

	phone_media(p->a.phonev[i], &media);
	ck_assert_int_eq(mesh_part_state(p->a.partv[i], &state), 0);

	memset(&prm, 0, sizeof(prm));
	prm.media = &media;
	prm.stream = st;
	prm.skip = skip;
	prm.state = &state;
	prm.quiet = true;
	prm.h = call_event;
	prm.arg = &p->b;
	if (p->b.n <= i)
		p->b.n = i + 1;
	ck_assert_int_eq(mesh_part_alloc(&p->b.partv[i], p->b.conf, &prm), 0);
	ck_assert_uint_eq(mesh_part_ssrc(p->b.partv[i]), st->ssrc);
}


/* ... and sends, while the phone turns to it */
static void turn(struct pair *p, unsigned i)
{
	struct sa sa;

	ck_assert_int_eq(mesh_part_laddr(p->b.partv[i], &sa, NULL), 0);
	phone_peer(p->a.phonev[i], &sa);
	ck_assert_int_eq(mesh_part_hush(p->a.partv[i], true), 0);
	ck_assert_int_eq(mesh_part_go(p->b.partv[i]), 0);
}


/*
 *   A  1 2 3 4 5 .        what the phone gets is one stream
 *   B      (3 4 5) 6 7 8
 */
static unsigned move_planned(enum mesh_codec codec, unsigned ptime)
{
	unsigned most = 0;
	struct mesh_stream st;
	struct mesh_stats was, is;
	const struct phone_stats *ps;
	struct pair p;
	unsigned n;

	pair_start(&p);
	call_join(&p.a, codec, ptime, 600);
	call_join(&p.a, codec, ptime, 1000);
	run_ms(1200);

	/* the state is older than a snapshot, and travels for a while */
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(mesh_part_stream(p.a.partv[i], &st), 0);
		ck_assert(st.on);
		ck_assert_uint_lt(st.age, max(ptime, 20) * 1000);
		adopt(&p, i, &st, 0);
	}
	run_ms(400);
	ck_assert_int_eq(mesh_part_stats(p.a.partv[0], &was), 0);
	n = phone_stats(p.a.phonev[0])->packets;
	turn(&p, 0);
	turn(&p, 1);
	run_ms(30);
	p.a.partv[0] = mem_deref(p.a.partv[0]);
	p.a.partv[1] = mem_deref(p.a.partv[1]);
	run_ms(1200);

	for (unsigned i = 0; i < 2; i++) {
		ps = phone_stats(p.a.phonev[i]);
		ck_assert_uint_eq(ps->ssrcs, 0);
		most = max(most, ps->gap_most + 100 * ps->ts_bad);
		/* what stood still begins anew */
		if (ps->markers > 3)
			most = UINT32_MAX;
		ck_assert_uint_eq(ps->bye, 0);
		call_hears(&p.a, i, i ? 600 : 1000, true);
		call_hears(&p.a, i, i ? 1000 : 600, false);

		/* he never stopped to speak, so nobody is told he starts */
		ck_assert_uint_eq(p.a.started[i], 1);
		ck_assert_uint_eq(p.a.stopped[i], 0);
		ck_assert_uint_eq(p.b.started[i], 0);
		ck_assert_uint_eq(p.b.stopped[i], 0);
		ck_assert_uint_eq(p.b.latched[i], 1);
	}
	ck_assert_uint_ge(phone_stats(p.a.phonev[0])->packets,
			  n + 1100 / ptime);

	/* figures go on, and what went to A is not lost */
	run_ms(400);
	ck_assert_int_eq(mesh_part_stats(p.b.partv[0], &is), 0);
	ck_assert_uint_gt(is.rx_packets, was.rx_packets);
	ck_assert_uint_gt(is.tx_packets, was.tx_packets);
	ck_assert_uint_eq(is.rx_lost, 0);
	ck_assert(is.speaking);

	pair_stop(&p);

	return most;
}


/* Numbers may come from both, none may be left out, but for those of a tick.
   A machine that stood still tries again: it sent less than time went by. */
static void planned_check(enum mesh_codec codec, unsigned ptime)
{
	const unsigned limit = max(20 / ptime, 1u);
	unsigned most = UINT32_MAX;

	for (unsigned i = 0; i < 4 && most > limit; i++)
		most = min(most, move_planned(codec, ptime));

	ck_assert_uint_le(most, limit);
}


START_TEST(test_planned)
{
	planned_check(MESH_PCMU, 20);
}
END_TEST


START_TEST(test_planned_opus)
{
	planned_check(MESH_OPUS, 20);
}
END_TEST


START_TEST(test_planned_short)
{
	planned_check(MESH_PCMA, 10);
}
END_TEST


START_TEST(test_planned_long)
{
	planned_check(MESH_OPUS, 60);
}
END_TEST


/* After a crash: what is known is old, and nothing may come twice */
START_TEST(test_crash)
{
	struct mesh_stream st;
	const struct phone_stats *ps;
	struct pair p;

	pair_start(&p);
	call_join(&p.a, MESH_PCMU, 20, 600);
	call_join(&p.a, MESH_PCMU, 20, 1000);
	run_ms(1000);
	ck_assert_int_eq(mesh_part_stream(p.a.partv[0], &st), 0);
	run_ms(1000);

	/* A is gone without a word */
	ck_assert_int_eq(mesh_part_hush(p.a.partv[0], true), 0);
	run_ms(50);
	st.age += 1050000;
	adopt(&p, 0, &st, 150);
	turn(&p, 0);
	run_ms(500);

	ps = phone_stats(p.a.phonev[0]);
	ck_assert_uint_eq(ps->ssrcs, 0);
	ck_assert_uint_eq(ps->gaps, 1);
	ck_assert_uint_ge(ps->gap_most, 150);
	/* more if the machine stood still */
	ck_assert_uint_le(ps->gap_most, 170);
	ck_assert_uint_ge(ps->markers, 2);

	pair_stop(&p);
}
END_TEST


/* On hold numbers stand still, and go on from there */
START_TEST(test_hold)
{
	struct mesh_stream st, later;
	struct mesh_media media;
	struct pair p;

	pair_start(&p);
	call_join(&p.a, MESH_PCMU, 20, 600);
	run_ms(500);
	phone_media(p.a.phonev[0], &media);
	media.send = false;
	ck_assert_int_eq(mesh_part_update(p.a.partv[0], &media), 0);
	run_ms(100);
	ck_assert_int_eq(mesh_part_stream(p.a.partv[0], &st), 0);
	ck_assert(!st.on);
	run_ms(200);
	ck_assert_int_eq(mesh_part_stream(p.a.partv[0], &later), 0);
	ck_assert_uint_eq(st.seq, later.seq);
	ck_assert_uint_eq(st.ts, later.ts);

	later.age = 3600000000ull;
	adopt(&p, 0, &later, 0);
	turn(&p, 0);
	run_ms(400);
	ck_assert_uint_eq(phone_stats(p.a.phonev[0])->gaps, 0);

	pair_stop(&p);
}
END_TEST


/* A move that fails: A goes on as if nothing had been */
START_TEST(test_back)
{
	struct pair p;
	unsigned n;

	pair_start(&p);
	call_join(&p.a, MESH_PCMU, 20, 600);
	run_ms(500);
	ck_assert_int_eq(mesh_part_hush(p.a.partv[0], true), 0);
	run_ms(100);
	n = phone_stats(p.a.phonev[0])->packets;
	run_ms(200);
	ck_assert_uint_eq(n, phone_stats(p.a.phonev[0])->packets);
	ck_assert_int_eq(mesh_part_hush(p.a.partv[0], false), 0);
	run_ms(300);
	ck_assert_uint_gt(phone_stats(p.a.phonev[0])->packets, n + 4);
	ck_assert_uint_eq(phone_stats(p.a.phonev[0])->gaps, 1);

	pair_stop(&p);
}
END_TEST


/* The longest time in which a tone was not heard [ms] */
static unsigned silence_most(const struct phone *ph, double freq)
{
	enum { STEP = 40, WINDOW = 80 };
	unsigned most = 0, now = 0;
	size_t n;
	const int16_t *v = phone_heard(ph, &n);

	for (size_t i = 0; i + WINDOW <= n; i += STEP) {
		if (tone_power(v + i, WINDOW, freq, PHONE_RATE) > AMP / 4.0)
			now = 0;
		else
			most = max(most, ++now * STEP * 1000 / PHONE_RATE);
	}

	return most;
}


/*
 * A whole conference moves, one after another; meanwhile a link joins both
 * halves. Whoever listens hears the talker all the time, and sees him.
 *
 *   A  0 1 2 3      . 1 2 3      . . 2 3      . . . 3      . . . .
 *          |  ====    |    ====    |    ====    |    ====
 *   B                 0            0 1          0 1 2      0 1 2 3
 */
static unsigned move_all(enum mesh_codec codec)
{
	unsigned most = 0;
	struct mesh_part *link[2];
	struct mesh_stream st;
	struct pair p;
	struct sa sa;

	pair_start(&p);
	call_join(&p.a, codec, 20, 0);
	call_join(&p.a, codec, 20, 0);
	call_join(&p.a, codec, 20, 0);
	call_join(&p.a, codec, 20, 0);
	run_ms(400);
	phone_talk(p.a.phonev[0], 600, AMP);
	run_ms(600);
	ck_assert_int_eq(mesh_link_alloc(&link[0], p.a.conf, NULL, NULL,
					 NULL), 0);
	ck_assert_int_eq(mesh_part_laddr(link[0], &sa, NULL), 0);
	ck_assert_int_eq(mesh_link_alloc(&link[1], p.b.conf, &sa, NULL, NULL),
			 0);
	ck_assert_int_eq(mesh_part_laddr(link[1], &sa, NULL), 0);
	ck_assert_int_eq(mesh_link_peer(link[0], &sa), 0);
	run_ms(100);
	for (unsigned i = 0; i < 4; i++)
		phone_forget(p.a.phonev[i]);
	run_ms(200);

	for (unsigned i = 0; i < 4; i++) {
		ck_assert_int_eq(mesh_part_stream(p.a.partv[i], &st), 0);
		adopt(&p, i, &st, 0);
		run_ms(60);
		turn(&p, i);
		run_ms(30);
		p.a.partv[i] = mem_deref(p.a.partv[i]);
		run_ms(250);
	}
	link[0] = mem_deref(link[0]);
	link[1] = mem_deref(link[1]);
	run_ms(400);

	for (unsigned i = 1; i < 4; i++) {
		const struct phone_stats *ps = phone_stats(p.a.phonev[i]);

		most = max(most, silence_most(p.a.phonev[i], 600));
		ck_assert_uint_eq(ps->ssrcs, 0);
		most = max(most, ps->gap_most * 20 + ps->ts_bad * 100);
		ck_assert_uint_eq(ps->csrcc, 1);
		ck_assert_uint_eq(ps->csrcv[0], mesh_part_ssrc(p.b.partv[0]));
		call_hears(&p.a, i, 600, true);
	}
	call_hears(&p.a, 0, 600, false);
	ck_assert_uint_eq(p.a.started[0], 1);
	ck_assert_uint_eq(p.a.stopped[0] + p.b.started[0] + p.b.stopped[0],
			  0);

	pair_stop(&p);

	return most;
}


/* What a busy machine does at times, it does not do always */
static void silence_check(enum mesh_codec codec)
{
	unsigned most = UINT32_MAX;

	for (unsigned i = 0; i < 6 && most > 40; i++)
		most = min(most, move_all(codec));

	(void)re_fprintf(stderr, "silent for %u ms\n", most);
	ck_assert_uint_le(most, 40);
}


START_TEST(test_all)
{
	silence_check(MESH_PCMU);
}
END_TEST


START_TEST(test_all_opus)
{
	silence_check(MESH_OPUS);
}
END_TEST


START_TEST(test_reject)
{
	struct mesh_part_state state;
	struct mesh_part_params prm;
	struct mesh_stream st, bad;
	struct mesh_media media;
	struct mesh_part *part;
	struct call c;

	call_config(&c);
	call_start(&c);
	call_join(&c, MESH_PCMU, 20, 0);
	ck_assert_int_eq(mesh_part_stream(c.partv[0], &st), 0);
	ck_assert_int_eq(mesh_part_stream(NULL, &st), EINVAL);
	ck_assert_int_eq(mesh_part_stream(c.partv[0], NULL), EINVAL);
	ck_assert_int_eq(mesh_part_hush(NULL, true), EINVAL);
	ck_assert_int_eq(mesh_part_go(NULL), EINVAL);
	ck_assert_int_eq(mesh_part_state(NULL, &state), EINVAL);
	ck_assert_int_eq(mesh_conf_state(c.conf, NULL), EINVAL);

	phone_media(c.phonev[0], &media);
	memset(&prm, 0, sizeof(prm));
	prm.media = &media;
	prm.private_port = true;
	prm.stream = &bad;

#define REJECT(what) do { bad = st; what;				\
		ck_assert_int_eq(mesh_part_alloc(&part, c.conf, &prm),	\
				 EINVAL); } while (0)
	REJECT(bad.ssrc = 0);
	REJECT(bad.ptime = 0);
	REJECT(bad.ptime = 30);
	REJECT(bad.step = 0);
	REJECT(bad.step = 1 << 20);
	REJECT(bad.pt = 128);
	REJECT(bad.rx_lost = bad.rx_expected + 1);

	prm.stream = NULL;
	prm.state = &state;
	memset(&state, 0, sizeof(state));
	state.talk_db = 21;
	REJECT();
	state.talk_db = 0;
	state.hear_db = -61;
	REJECT();
	state.hear_db = 0;
	state.ignorec = MESH_IGNORE_MAX + 1;
	REJECT();
	state.ignorec = 0;
	ck_assert_int_eq(mesh_part_alloc(&part, c.conf, &prm), 0);
	mem_deref(part);

	call_stop(&c);
}
END_TEST


/* All that was set is set again, whoever comes first */
START_TEST(test_state)
{
	struct mesh_part_state was[3], is;
	struct mesh_stream st;
	struct pair p;

	pair_start(&p);
	call_join(&p.a, MESH_PCMU, 20, 600);
	call_join(&p.a, MESH_PCMU, 20, 1000);
	call_join(&p.a, MESH_PCMU, 20, 1500);
	run_ms(300);
	ck_assert_int_eq(mesh_part_ignore(p.a.partv[0], p.a.partv[1], true),
			 0);
	ck_assert_int_eq(mesh_part_whisper(p.a.partv[1], p.a.partv[2]), 0);
	ck_assert_int_eq(mesh_part_gain(p.a.partv[2], -3, 2), 0);
	ck_assert_int_eq(mesh_part_hear_only(p.a.partv[2], p.a.partv[1]), 0);
	ck_assert_int_eq(mesh_part_mute(p.a.partv[0], true), 0);
	ck_assert_int_eq(mesh_part_dominant(p.a.partv[1], true), 0);
	run_ms(400);

	for (unsigned i = 0; i < 3; i++) {
		ck_assert_int_eq(mesh_part_state(p.a.partv[i], &was[i]), 0);
		ck_assert_int_eq(mesh_part_stream(p.a.partv[i], &st), 0);
		adopt(&p, i, &st, 0);
		turn(&p, i);

		/* whom 1 whispers to is not there yet: nobody hears it, and
		   whoever ignores it does not either */
		if (i == 1) {
			run_ms(700);
			call_hears(&p.a, 0, 1000, false);
		}
	}
	ck_assert(was[0].muted && was[1].dominant && was[1].speaking);
	ck_assert_uint_eq(was[0].ignorec, 1);
	ck_assert_int_eq(was[2].talk_db, -3);
	run_ms(1000);

	for (unsigned i = 0; i < 3; i++) {
		ck_assert_int_eq(mesh_part_state(p.b.partv[i], &is), 0);
		ck_assert_int_eq(memcmp(&is, &was[i], sizeof(is)), 0);
	}
	call_hears(&p.a, 0, 1500, true);
	call_hears(&p.a, 0, 1000, false);
	call_hears(&p.a, 1, 600, false);
	call_hears(&p.a, 2, 1000, true);
	call_hears(&p.a, 2, 600, false);

	pair_stop(&p);
}
END_TEST


int main(void)
{
	const TTest *const testv[] = {
		test_planned, test_planned_opus, test_planned_short,
		test_planned_long, test_crash, test_hold, test_back,
		test_reject, test_state, test_all, test_all_opus,
	};

	return call_main("move", testv, ARRAY_SIZE(testv));
}
