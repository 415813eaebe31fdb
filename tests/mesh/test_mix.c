/**
 * @file tests/mesh/test_mix.c  Sorter, filter, messages between threads
 */
#include <re.h>
#include <check.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "mesh/mesh.h"
#include "mesh/scheduler.h"
#include "mesh/queue.h"
#include "mesh/snap.h"
#include "mesh/sorter.h"
#include "mesh/filter.h"
#include "phone.h"

enum { MANY = 40, TICK = 160 };

struct people {
	struct sorter s;
	struct sorter_entry ev[MANY];
	int levelv[MANY];        /* [-dBov], or negative: silent          */
	unsigned on[MANY], off[MANY];
};


static void people_init(struct people *p, unsigned seats)
{
	memset(p, 0, sizeof(*p));
	p->s.seats = seats;
	for (unsigned i = 0; i < MANY; i++) {
		p->ev[i].who = &p->ev[i];
		p->levelv[i] = -1;
	}
}


static void speak_handler(void *who, bool on, int level, void *arg)
{
	struct people *p = arg;
	const size_t i = (size_t)((struct sorter_entry *)who - p->ev);

	ck_assert_int_ge(level, 0);
	ck_assert_int_le(level, 127);
	if (on)
		++p->on[i];
	else
		++p->off[i];
}


static void ticks(struct people *p, unsigned n)
{
	while (n--) {
		for (unsigned i = 0; i < MANY; i++)
			sorter_offer(&p->s, &p->ev[i], p->levelv[i] >= 0,
				     (uint8_t)abs(p->levelv[i]));
		sorter_pick(&p->s, speak_handler, p);
	}
}


static unsigned seated(const struct people *p)
{
	unsigned n = 0;

	for (unsigned i = 0; i < MANY; i++)
		n += p->ev[i].seated && !p->ev[i].leaving;

	return n;
}


START_TEST(test_sorter_loudest)
{
	struct people p;

	people_init(&p, 3);
	for (int i = 0; i < MANY; i++)
		p.levelv[i] = 60 - i;
	ticks(&p, 100);

	ck_assert_uint_eq(p.s.seatc, 3);
	ck_assert_uint_eq(seated(&p), 3);
	for (unsigned i = MANY - 3; i < MANY; i++)
		ck_assert_msg(p.ev[i].seated, "%u", i);

	/* all stop: the seats are free at once, the events come later */
	for (int i = 0; i < MANY; i++)
		p.levelv[i] = -1;
	ticks(&p, 1);
	ck_assert_uint_eq(p.s.seatc, 0);
	ck_assert_uint_eq(p.off[0], 0);
	ticks(&p, 60);
	for (unsigned i = 0; i < MANY; i++) {
		ck_assert_uint_eq(p.on[i], 1);
		ck_assert_uint_eq(p.off[i], 1);
		ck_assert_ptr_null(p.ev[i].le.list);
	}
}
END_TEST


/* Two of nearly the same level do not take turns */
START_TEST(test_sorter_hysteresis)
{
	struct people p;
	unsigned changes = 0;

	people_init(&p, 1);
	p.levelv[0] = p.levelv[1] = 30;
	ticks(&p, 1);
	for (unsigned t = 0; t < 500; t++) {
		const struct sorter_entry *was = p.s.seatv[0];

		p.levelv[0] = 30 + (int)(t % 5) - 2;
		p.levelv[1] = 30 - (int)(t % 7) + 3;
		ticks(&p, 1);
		changes += p.s.seatv[0] != was;
	}
	ck_assert_uint_eq(changes, 0);

	/* but somebody clearly louder gets in, within 200 ms */
	p.levelv[!p.ev[1].seated] = 15;
	p.levelv[p.ev[1].seated] = 30;
	for (unsigned t = 0; t < 10 && !changes; t++) {
		const struct sorter_entry *was = p.s.seatv[0];

		ticks(&p, 1);
		changes += p.s.seatv[0] != was;
	}
	ck_assert_uint_eq(changes, 1);

	/* who lost the seat is there once more, to be faded out */
	ck_assert_uint_eq(p.s.seatc, 2);
	ck_assert(p.s.seatv[0]->entering);
	ck_assert(!p.s.seatv[0]->onset);
	ck_assert(p.s.seatv[1]->leaving);
	ticks(&p, 1);
	ck_assert_uint_eq(p.s.seatc, 1);
	ck_assert(!p.s.seatv[0]->entering);
}
END_TEST


START_TEST(test_sorter_override)
{
	struct people p;

	people_init(&p, 2);
	p.levelv[0] = 60;
	p.ev[0].dominant = true;
	p.levelv[1] = 10;
	p.ev[1].silenced = true;
	p.levelv[2] = 20;
	p.levelv[3] = 30;
	ticks(&p, 20);

	ck_assert(p.ev[0].seated);
	ck_assert(!p.ev[1].seated);
	ck_assert(p.ev[2].seated);
	ck_assert(!p.ev[3].seated);
	ck_assert_uint_eq(p.on[1], 0);

	/* muted while speaking: that is over at once */
	p.ev[2].silenced = true;
	ticks(&p, 1);
	ck_assert_uint_eq(p.off[2], 1);
	ticks(&p, 2);
	ck_assert(!p.ev[2].seated);
	ck_assert(p.ev[3].seated);

	/* who is gone holds no seat */
	sorter_remove(&p.s, &p.ev[3]);
	ck_assert_uint_eq(p.s.seatc, 1);
	ck_assert_ptr_eq(p.s.seatv[0], &p.ev[0]);
	p.levelv[3] = -1;
	ticks(&p, 5);
	ck_assert_uint_eq(p.s.seatc, 1);
}
END_TEST


/* A cough is mixed, but is not called speaking */
START_TEST(test_sorter_short)
{
	struct people p;

	people_init(&p, 2);
	p.levelv[0] = 20;
	ticks(&p, 1);
	ck_assert(p.ev[0].seated);
	ck_assert(p.ev[0].onset);
	ticks(&p, 2);
	ck_assert(!p.ev[0].onset);
	p.levelv[0] = -1;
	ticks(&p, 40);
	ck_assert_uint_eq(p.on[0], 0);
	ck_assert_uint_eq(p.off[0], 0);

	/* a pause between words does not stop it */
	p.levelv[0] = 20;
	ticks(&p, 10);
	p.levelv[0] = -1;
	ticks(&p, 20);
	p.levelv[0] = 20;
	ticks(&p, 10);
	ck_assert_uint_eq(p.on[0], 1);
	ck_assert_uint_eq(p.off[0], 0);
}
END_TEST


struct table {                   /* three who talk, and what is heard     */
	int16_t sampv[4][TICK];
	struct filter_talker talkv[4];
	int32_t sumv[TICK];
	int16_t buf[TICK];
	struct filter_mix mix;
	int who[5];
	struct scheduler_frame frame;
};

static const double freqv[] = {400, 800, 1600, 3200};


static void table_init(struct table *t, unsigned n, double amp)
{
	memset(t, 0, sizeof(*t));
	for (unsigned i = 0; i < n; i++) {
		for (unsigned k = 0; k < TICK; k++)
			t->sampv[i][k] = (int16_t)(amp *
				sin(2 * M_PI * freqv[i] * k / 8000));
		t->talkv[i].who = &t->who[i];
		t->talkv[i].sampv = t->sampv[i];
		t->talkv[i].ssrc = 100 + i;
		t->talkv[i].level = (uint8_t)(20 + i);
		t->talkv[i].frame = &t->frame;
	}
	filter_sum(t->sumv, TICK, t->talkv, n);
}


static void heard(const struct table *t, unsigned i, double amp)
{
	const double a = t->mix.sampv
		? tone_power(t->mix.sampv, TICK, freqv[i], 8000) : 0;

	ck_assert_msg(fabs(a - amp) < 20, "%.0f Hz at %.0f, not %.0f",
		      freqv[i], a, amp);
}


START_TEST(test_filter_all)
{
	struct table t;

	table_init(&t, 3, 5000);
	filter_all(&t.mix, t.buf, t.sumv, TICK, t.talkv, 3);
	for (unsigned i = 0; i < 3; i++) {
		heard(&t, i, 5000);
		ck_assert_uint_eq(t.mix.csrcv[i], 100 + i);
		ck_assert_uint_eq(t.mix.levelv[i], 20 + i);
	}
	ck_assert_uint_eq(t.mix.csrcc, 3);
	ck_assert_ptr_null(t.mix.lone);

	table_init(&t, 1, 5000);
	filter_all(&t.mix, t.buf, t.sumv, TICK, t.talkv, 1);
	ck_assert_ptr_eq(t.mix.lone, &t.talkv[0]);
	ck_assert_mem_eq(t.mix.sampv, t.sampv[0], sizeof(t.sampv[0]));

	t.talkv[0].frame = NULL;
	filter_all(&t.mix, t.buf, t.sumv, TICK, t.talkv, 1);
	ck_assert_ptr_null(t.mix.lone);

	filter_all(&t.mix, t.buf, t.sumv, TICK, t.talkv, 0);
	ck_assert_ptr_null(t.mix.sampv);
	ck_assert_uint_eq(t.mix.csrcc, 0);
}
END_TEST


/* Taking a voice out of a sum that is too loud leaves the others whole */
START_TEST(test_filter_minus_one)
{
	struct table t;

	table_init(&t, 3, 15000);
	for (unsigned self = 0; self < 3; self++) {
		ck_assert(filter_concerns(t.talkv, 3, &t.who[self], NULL));
		filter_one(&t.mix, t.buf, t.sumv, TICK, t.talkv, 3,
			   &t.who[self], NULL);
		for (unsigned i = 0; i < 3; i++)
			heard(&t, i, i == self ? 0 : 15000);
		ck_assert_uint_eq(t.mix.csrcc, 2);
	}
	ck_assert(!filter_concerns(t.talkv, 3, &t.who[4], NULL));

	/* all three are too much, but only just: limited, not wrapped */
	for (unsigned k = 0; k < TICK; k++)
		for (unsigned i = 0; i < 3; i++)
			t.sampv[i][k] = k & 1 ? -20000 : 20000;
	filter_sum(t.sumv, TICK, t.talkv, 3);
	filter_all(&t.mix, t.buf, t.sumv, TICK, t.talkv, 3);
	for (unsigned k = 0; k < TICK; k++)
		ck_assert_int_eq(t.buf[k], k & 1 ? -32768 : 32767);

	/* with two talkers each hears exactly the other */
	table_init(&t, 2, 5000);
	filter_one(&t.mix, t.buf, t.sumv, TICK, t.talkv, 2, &t.who[0], NULL);
	ck_assert_ptr_eq(t.mix.lone, &t.talkv[1]);
	ck_assert_mem_eq(t.mix.sampv, t.sampv[1], sizeof(t.sampv[1]));
}
END_TEST


START_TEST(test_filter_rules)
{
	struct filter_rules r = { .ignorec = 0 };
	const void *listener;
	struct table t;

	table_init(&t, 3, 5000);
	listener = &t.who[4];

	r.ignorev[r.ignorec++] = &t.who[1];
	ck_assert(filter_concerns(t.talkv, 3, listener, &r));
	filter_one(&t.mix, t.buf, t.sumv, TICK, t.talkv, 3, listener, &r);
	heard(&t, 0, 5000);
	heard(&t, 1, 0);
	heard(&t, 2, 5000);

	r.hear_only = &t.who[2];
	filter_one(&t.mix, t.buf, t.sumv, TICK, t.talkv, 3, listener, &r);
	heard(&t, 0, 0);
	heard(&t, 1, 0);
	heard(&t, 2, 5000);
	ck_assert_ptr_eq(t.mix.lone, &t.talkv[2]);

	/* a sound of the conference is for all the same */
	t.talkv[0].who = NULL;
	filter_one(&t.mix, t.buf, t.sumv, TICK, t.talkv, 3, listener, &r);
	heard(&t, 0, 5000);
	ck_assert_uint_eq(t.mix.csrcc, 1);

	memset(&r, 0, sizeof(r));
	r.hear_gain = filter_gain_db(-6);
	ck_assert(filter_concerns(t.talkv, 3, listener, &r));
	filter_one(&t.mix, t.buf, t.sumv, TICK, t.talkv, 3, listener, &r);
	heard(&t, 1, 5000 * pow(10, -6 / 20.0));

	/* rules about nobody who talks need no mix of their own */
	memset(&r, 0, sizeof(r));
	r.ignorev[r.ignorec++] = &t.who[3];
	ck_assert(!filter_concerns(t.talkv, 3, listener, &r));
	ck_assert(!filter_concerns(t.talkv, 0, listener, &r));
}
END_TEST


START_TEST(test_filter_whisper)
{
	struct table t;

	table_init(&t, 3, 5000);
	t.talkv[2].to = &t.who[0];
	filter_sum(t.sumv, TICK, t.talkv, 3);

	filter_all(&t.mix, t.buf, t.sumv, TICK, t.talkv, 3);
	heard(&t, 0, 5000);
	heard(&t, 1, 5000);
	heard(&t, 2, 0);
	ck_assert_uint_eq(t.mix.csrcc, 2);

	/* the one it is for hears it too, and not itself */
	filter_one(&t.mix, t.buf, t.sumv, TICK, t.talkv, 3, &t.who[0], NULL);
	heard(&t, 0, 0);
	heard(&t, 1, 5000);
	heard(&t, 2, 5000);

	/* who whispers hears both */
	filter_one(&t.mix, t.buf, t.sumv, TICK, t.talkv, 3, &t.who[2], NULL);
	heard(&t, 0, 5000);
	heard(&t, 1, 5000);
	heard(&t, 2, 0);
	ck_assert(!filter_concerns(t.talkv, 3, &t.who[2], NULL));
}
END_TEST


START_TEST(test_filter_forget)
{
	struct filter_rules r = { .ignorec = 0 };
	int self = 0, a = 0, b = 0;

	r.ignorev[0] = &a;
	r.ignorev[1] = &b;
	r.ignorec = 2;
	r.hear_only = r.whisper = &a;
	filter_rules_forget(&r, &self, &b);
	ck_assert_uint_eq(r.ignorec, 1);
	ck_assert_ptr_eq(r.ignorev[0], &a);
	ck_assert_ptr_eq(r.whisper, &a);
	filter_rules_forget(&r, &self, &a);
	ck_assert_uint_eq(r.ignorec, 0);
	ck_assert_ptr_eq(r.whisper, &self);
	ck_assert_ptr_eq(r.hear_only, &self);
}
END_TEST


START_TEST(test_filter_gain)
{
	int16_t v[] = {1000, -1000, 32767, -32768};

	ck_assert_int_eq(filter_gain_db(0), 0);
	filter_gain(v, 4, 0);
	ck_assert_int_eq(v[0], 1000);
	filter_gain(v, 4, filter_gain_db(6));
	ck_assert_int_ge(v[0], 1990);
	ck_assert_int_le(v[0], 2000);
	ck_assert_int_eq(v[1], -v[0]);
	ck_assert_int_eq(v[2], 32767);
	ck_assert_int_eq(v[3], -32768);
	filter_gain(v, 4, filter_gain_db(-60));
	ck_assert_int_le(v[0], 2);
	ck_assert_int_eq(filter_gain_db(100), filter_gain_db(20));
}
END_TEST


enum { MSGS = 20000 };

struct pipe {
	struct msg_stack to, back;
	struct event_ring ring;
	struct snap snap;
	_Atomic bool stop;
	unsigned applied;
};

struct number {
	struct msg msg;
	unsigned i;
};


static void *pipe_thread(void *arg)
{
	struct pipe *p = arg;
	uint64_t v[8];

	while (!p->stop) {
		struct msg *m = msg_take(&p->to);

		while (m) {
			struct msg *next = m->next;
			const struct number *n = (struct number *)m;
			const struct ring_event ev = { .value = (int)n->i };

			/* in the order they were pushed */
			if (n->i == p->applied)
				++p->applied;
			while (!event_ring_put(&p->ring, &ev, true))
				(void)sched_yield();
			msg_push(&p->back, m);
			for (unsigned k = 0; k < 8; k++)
				v[k] = p->applied;
			snap_write(&p->snap, v, sizeof(v));
			m = next;
		}
	}

	return NULL;
}


/* Everything arrives once, in order, and comes back; snapshots are whole */
START_TEST(test_threads)
{
	static struct pipe p;
	static struct number numv[MSGS];
	unsigned back = 0, events = 0, sent = 0;
	pthread_t t;

	memset(&p, 0, sizeof(p));
	ck_assert_int_eq(pthread_create(&t, NULL, pipe_thread, &p), 0);

	while (back < MSGS || events < MSGS) {
		struct ring_event ev;
		struct msg *m;
		uint64_t v[8];

		if (sent < MSGS) {
			numv[sent].i = sent;
			msg_push(&p.to, &numv[sent++].msg);
		}

		for (m = msg_take(&p.back); m; m = m->next) {
			ck_assert_uint_eq(((struct number *)m)->i, back);
			++back;
		}

		while (event_ring_get(&p.ring, &ev)) {
			ck_assert_int_eq(ev.value, (int)events);
			++events;
		}

		snap_read(&p.snap, v, sizeof(v));
		for (unsigned k = 1; k < 8; k++)
			ck_assert_uint_eq(v[k], v[0]);
	}

	p.stop = true;
	(void)pthread_join(t, NULL);
	ck_assert_uint_eq(p.applied, MSGS);
	ck_assert(!msg_pending(&p.to));
}
END_TEST


START_TEST(test_ring_full)
{
	static struct event_ring ring;
	struct ring_event ev = { .value = 0 };

	memset(&ring, 0, sizeof(ring));
	ck_assert(!event_ring_get(&ring, &ev));
	for (int i = 0; i < EVENT_RING_SIZE; i++) {
		ev.value = i;
		ck_assert(event_ring_put(&ring, &ev, true));
	}
	ck_assert(!event_ring_put(&ring, &ev, true));
	ck_assert(event_ring_get(&ring, &ev));
	ck_assert_int_eq(ev.value, 0);
	ck_assert(event_ring_put(&ring, &ev, true));
	ck_assert(!event_ring_put(&ring, &ev, true));
}
END_TEST


static Suite *suite(void)
{
	Suite *s = suite_create("mesh mix");
	TCase *t = tcase_create("mix");

	tcase_add_test(t, test_sorter_loudest);
	tcase_add_test(t, test_sorter_hysteresis);
	tcase_add_test(t, test_sorter_override);
	tcase_add_test(t, test_sorter_short);
	tcase_add_test(t, test_filter_all);
	tcase_add_test(t, test_filter_minus_one);
	tcase_add_test(t, test_filter_rules);
	tcase_add_test(t, test_filter_whisper);
	tcase_add_test(t, test_filter_forget);
	tcase_add_test(t, test_filter_gain);
	tcase_add_test(t, test_threads);
	tcase_add_test(t, test_ring_full);
	tcase_set_timeout(t, 20);
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
