/* Whole measurements, against a server that does right, or wrong in a known
 * way. */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "stub.h"


struct figures {
	int err;
	bool failed;
	char json[2000];
};


static double figure(const struct figures *f, const char *key)
{
	char pat[64];
	const char *p;

	snprintf(pat, sizeof(pat), "\"%s\":", key);
	p = strstr(f->json, pat);
	ck_assert_msg(p != NULL, "no %s in %s", key, f->json);

	return strtod(p + strlen(pat), NULL);
}


static void measure(struct figures *f, int (*run)(struct bench *b),
		    const struct opts *o, const struct stub *s)
{
	struct bench b = {.o = *o};
	FILE *out = fmemopen(f->json, sizeof(f->json), "w");

	stub_addr(s, &b.o.to);
	if (!b.o.toc)
		b.o.tov[b.o.toc++] = b.o.to;
	ck_assert_int_eq(result_alloc(&b.res, "test"), 0);
	f->err = run(&b);
	f->failed = b.failed;
	result_print(b.res, true, out);
	fclose(out);
	result_free(b.res);
}


static struct opts small(void)
{
	struct opts o = {
		.outstanding = 8, .joinrate = 100, .timeout = 4,
		.bitrate = 24000, .ptime = 20, .conf = "t%d",
		.seconds = 3, .parts = 4, .conferences = 2, .talkers = 2,
		.rounds = 2, .speech = SPEECH_WAV,
	};

	return o;
}


/* One measurement against a server of its own. No call is left there; those
 * that it hung up itself it still counts. */
static void against(struct figures *f, unsigned faults,
		    int (*run)(struct bench *b), const struct opts *o)
{
	struct stub *s;

	ck_assert_int_eq(stub_alloc(&s, faults, 0), 0);
	measure(f, run, o, s);
	if (!(faults & STUB_HANGUP))
		ck_assert_int_eq((int)stub_legs(s), 0);
	stub_free(s);
}


/* A figure is exactly this. */
static void is(const struct figures *f, const char *key, double v)
{
	ck_assert_msg(figure(f, key) == v, "%s is not %g in %s", key, v,
		      f->json);
}


/* It is between these. */
static void within(const struct figures *f, const char *key, double from,
		   double to)
{
	const double v = figure(f, key);

	ck_assert_msg(v > from && v < to, "%s is not from %g to %g in %s",
		      key, from, to, f->json);
}


static void conference(struct figures *f, unsigned faults, uint32_t delay)
{
	const struct opts o = small();
	struct stub *s;

	ck_assert_int_eq(stub_alloc(&s, faults, delay), 0);
	measure(f, bench_conference, &o, s);
	ck_assert_int_eq(f->err, 0);
	ck_assert_int_eq((int)stub_replies(s), 8);
	ck_assert_int_eq((int)stub_legs(s), 0);
	stub_free(s);
}


START_TEST(test_conference)
{
	struct figures f;

	conference(&f, 0, 0);
	ck_assert_msg(!f.failed, "%s", f.json);
	is(&f, "failed", 0);
	is(&f, "participants", 8);
	within(&f, "delivered", 90, 101);
	is(&f, "lost", 0);
	/* 2 conferences, 4 listeners, own and the other's 2 talkers */
	is(&f, "heard_right", 32);
	is(&f, "heard_wrong", 0);
	within(&f, "delay_p50_ms", 0, 300);
}
END_TEST


/* 80 ms more in the server are 80 ms more in the figure. */
START_TEST(test_delay)
{
	struct figures a, b;
	double was;

	conference(&a, 0, 0);
	conference(&b, 0, 80);
	ck_assert(!b.failed);
	was = figure(&a, "delay_p50_ms");
	within(&b, "delay_p50_ms", was + 50, was + 150);
}
END_TEST


START_TEST(test_faults)
{
	static const struct {
		unsigned fault;
		int wrong;              /* pairs */
	} faultv[] = {
		{STUB_ECHO, 4}, {STUB_MUTE, 3}, {STUB_LEAK, 16},
	};
	struct figures f;

	conference(&f, faultv[_i].fault, 0);
	ck_assert(f.failed);
	is(&f, "heard_wrong", faultv[_i].wrong);
}
END_TEST


START_TEST(test_loss)
{
	struct figures f;

	conference(&f, STUB_LOSS, 0);
	within(&f, "delivered", 80, 93);
	within(&f, "lost", 80, 1000);
}
END_TEST


/* The server says BYE: the calls count as failed, nobody hangs. */
START_TEST(test_hangup)
{
	const struct opts o = small();
	struct figures f;

	against(&f, STUB_HANGUP, bench_conference, &o);
	ck_assert(f.failed);
	is(&f, "failed", 8);
}
END_TEST


START_TEST(test_join)
{
	struct opts o = small();
	struct figures f;

	o.count = 40;
	o.rate = 100;
	o.parts = 1;
	against(&f, STUB_DEAF, bench_join, &o);
	ck_assert(!f.failed);
	is(&f, "joined", 40);
	ck_assert(figure(&f, "retransmitted") >= 80);
	within(&f, "setup_p50_ms", 990, 5000);

	against(&f, STUB_DIRECT, bench_join, &o);
	ck_assert(!f.failed);
	within(&f, "setup_p50_ms", 0, 500);

	against(&f, STUB_BUSY, bench_join, &o);
	ck_assert(f.failed);
	is(&f, "failed", 40);
}
END_TEST


START_TEST(test_storm)
{
	struct opts o = small();
	struct figures f;

	o.count = 50;
	o.rate = 200;
	against(&f, 0, bench_storm, &o);
	ck_assert(!f.failed);
	is(&f, "joined", 100);
}
END_TEST


START_TEST(test_redirect)
{
	struct opts o = small();
	struct figures f;

	o.parts = o.conferences = 1;
	o.count = 2000;
	against(&f, 0, bench_redirect, &o);
	ck_assert_int_eq(f.err, 0);
	ck_assert(!f.failed);
	is(&f, "redirected", 2000);
	against(&f, 0, bench_firstjoin, &o);
	is(&f, "redirected", 2000);

	o.rate = 500;
	o.seconds = 1;
	against(&f, 0, bench_redirect, &o);
	is(&f, "redirected", 500);

	against(&f, STUB_DIRECT, bench_redirect, &o);
	ck_assert_int_eq(f.err, EPROTO);
}
END_TEST


static void move(struct figures *f, enum stub_event event, uint32_t gap)
{
	struct opts o = small();
	struct stub *s;

	o.before = 1;
	o.seconds = 2;
	snprintf(o.act, sizeof(o.act), "exit 7");
	snprintf(o.each, sizeof(o.each), "/dev/null");
	ck_assert_int_eq(stub_alloc(&s, 0, 0), 0);
	stub_event(s, event, 1700, gap);
	measure(f, bench_move, &o, s);
	ck_assert_int_eq(f->err, 0);
	is(f, "participants", 8);
	is(f, "act_status", 7);
	ck_assert_int_eq((int)stub_legs(s), 0);
	stub_free(s);
}


/* Calls that another server goes on with are followed, and a silence of
 * 400 ms is measured as one. */
START_TEST(test_move)
{
	struct figures f;

	move(&f, STUB_MOVE, 400);
	ck_assert_msg(!f.failed, "%s", f.json);
	is(&f, "moved", 8);
	is(&f, "dropped", 0);
	is(&f, "heard", 100);
	is(&f, "disorder", 0);
	within(&f, "before_median_ms", -1, 200);
	within(&f, "silence_median_ms", 300, 700);
	within(&f, "missing_median_ms", 300, 700);
	within(&f, "back_median_ms", 500, 3000);
}
END_TEST


START_TEST(test_refer)
{
	struct figures f;

	move(&f, STUB_REFER, 0);
	ck_assert_msg(!f.failed, "%s", f.json);
	is(&f, "referred", 8);
	is(&f, "dropped", 0);
	is(&f, "heard", 100);
	within(&f, "missing_median_ms", -1, 300);
}
END_TEST


/* Who hears nobody any more is found, though its call goes on. */
START_TEST(test_vanish)
{
	struct figures f;

	move(&f, STUB_VANISH, 0);
	ck_assert(f.failed);
	is(&f, "heard", 87.5);
	is(&f, "dropped", 0);
	ck_assert(figure(&f, "affected") >= 1);
	within(&f, "silence_max_ms", 800, 3000);
	within(&f, "silence_median_ms", -1, 400);
}
END_TEST


START_TEST(test_backwards)
{
	struct figures f;

	move(&f, STUB_BACKWARDS, 0);
	is(&f, "moved", 0);
	is(&f, "disorder", 8);
}
END_TEST


/* A first address where nobody answers, then nobody anywhere */
START_TEST(test_failover)
{
	struct opts o = small();
	struct figures f;
	struct stub *s;

	o.rate = 20;
	o.seconds = 1;
	o.timeout = 1;
	o.retry = 100;
	o.retries = 3;
	ck_assert_int_eq(stub_alloc(&s, 0, 0), 0);
	addr_parse(&o.tov[0], "127.0.0.1:9", 11);
	stub_addr(s, &o.tov[1]);
	o.toc = 2;
	measure(&f, bench_failover, &o, s);
	ck_assert_msg(!f.failed, "%s", f.json);
	is(&f, "in", 20);
	is(&f, "again", 10);
	is(&f, "refusals", 10);
	within(&f, "took_max_ms", 1100, 30000);
	ck_assert_int_eq((int)stub_legs(s), 0);

	o.toc = 1;
	o.retries = 1;
	o.rate = 5;
	measure(&f, bench_failover, &o, s);
	ck_assert(f.failed);
	is(&f, "never", 5);
	is(&f, "refusals", 10);
	stub_free(s);
}
END_TEST


static void spread(struct figures *f, const char *json)
{
	struct opts o = small();

	o.count = 12;
	o.seconds = 1;
	o.parts = 1;
	snprintf(o.capacity, sizeof(o.capacity), "echo '%s'", json);
	against(f, 0, bench_spread, &o);
}


START_TEST(test_spread)
{
	struct figures f;

	spread(&f, "[{\"name\": \"a\", \"participants\" : 8, "
	       "\"unused\": 2},{\"participants\":4,\"unused\":0}]");
	ck_assert_msg(!f.failed, "%s", f.json);
	is(&f, "servers", 2);
	is(&f, "joined", 12);
	within(&f, "max_over_mean", 1.33, 1.34);
	is(&f, "over", 0);

	spread(&f, "[{\"participants\": 12,\"unused\":-2}]");
	ck_assert(f.failed);
	is(&f, "over", 2);
	is(&f, "over_share", 20);

	spread(&f, "{}");
	ck_assert(f.failed);
	is(&f, "looks", 0);
}
END_TEST


START_TEST(test_idle)
{
	struct opts o = small();
	struct figures f;

	o.seconds = 1;
	o.pidv[0] = o.buspidv[0] = getpid();
	o.pidc = o.buspidc = 1;
	snprintf(o.but, sizeof(o.but), "nobody");
	against(&f, 0, bench_idle, &o);
	ck_assert_msg(!f.failed, "%s", f.json);
	is(&f, "participants", 8);
	is(&f, "left", 0);
	ck_assert(figure(&f, "cpu_share") > 0);
	ck_assert(figure(&f, "bus_share") > 0);
	ck_assert(figure(&f, "rest_share") > 0);
}
END_TEST


/** Add the tests of this file */
void measurements_add(TCase *whole)
{
	tcase_add_test(whole, test_conference);
	tcase_add_test(whole, test_delay);
	tcase_add_loop_test(whole, test_faults, 0, 3);
	tcase_add_test(whole, test_loss);
	tcase_add_test(whole, test_hangup);
	tcase_add_test(whole, test_join);
	tcase_add_test(whole, test_storm);
	tcase_add_test(whole, test_redirect);
	tcase_add_test(whole, test_move);
	tcase_add_test(whole, test_refer);
	tcase_add_test(whole, test_vanish);
	tcase_add_test(whole, test_backwards);
	tcase_add_test(whole, test_failover);
	tcase_add_test(whole, test_spread);
	tcase_add_test(whole, test_idle);
}
