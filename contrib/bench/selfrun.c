/* Whole measurements, against a server that does right, or wrong in a known
 * way. */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <math.h>
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


static void conference(struct figures *f, unsigned faults, uint32_t delay)
{
	const struct opts o = small();
	struct stub *s;

	ck_assert_int_eq(stub_alloc(&s, faults, delay), 0);
	measure(f, bench_conference, &o, s);
	ck_assert_int_eq((int)stub_replies(s), faults & STUB_DEAF ?
			 (int)stub_replies(s) : 8);
	ck_assert_int_eq((int)stub_legs(s), 0);
	stub_free(s);
}


START_TEST(test_conference)
{
	struct figures f;

	conference(&f, 0, 0);
	ck_assert_int_eq(f.err, 0);
	ck_assert_msg(!f.failed, "%s", f.json);
	ck_assert(figure(&f, "failed") == 0);
	ck_assert(figure(&f, "participants") == 8);
	ck_assert(figure(&f, "delivered") > 90);
	ck_assert(figure(&f, "lost") == 0);
	/* 2 conferences, 4 listeners, own and the other's 2 talkers */
	ck_assert(figure(&f, "heard_right") == 32);
	ck_assert(figure(&f, "heard_wrong") == 0);
	ck_assert(figure(&f, "delay_p50_ms") > 0);
	ck_assert(figure(&f, "delay_p50_ms") < 60);
}
END_TEST


/* 80 ms more in the server are 80 ms more in the figure. */
START_TEST(test_delay)
{
	struct figures a, b;

	conference(&a, 0, 0);
	conference(&b, 0, 80);
	ck_assert(!b.failed);
	ck_assert_msg(fabs(figure(&b, "delay_p50_ms") -
			   figure(&a, "delay_p50_ms") - 80) < 15,
		      "%f %f", figure(&a, "delay_p50_ms"),
		      figure(&b, "delay_p50_ms"));
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
	ck_assert_int_eq(f.err, 0);
	ck_assert(f.failed);
	ck_assert_int_eq((int)figure(&f, "heard_wrong"), faultv[_i].wrong);
}
END_TEST


START_TEST(test_loss)
{
	struct figures f;

	conference(&f, STUB_LOSS, 0);
	ck_assert(figure(&f, "delivered") > 80);
	ck_assert(figure(&f, "delivered") < 93);
	ck_assert(figure(&f, "lost") > 80);
}
END_TEST


/* The server says BYE: the calls count as failed, nobody hangs. */
START_TEST(test_hangup)
{
	struct figures f;
	struct opts o = small();
	struct stub *s;

	ck_assert_int_eq(stub_alloc(&s, STUB_HANGUP, 0), 0);
	measure(&f, bench_conference, &o, s);
	ck_assert(f.failed);
	ck_assert(figure(&f, "failed") == 8);
	stub_free(s);
}
END_TEST


START_TEST(test_join)
{
	struct opts o = small();
	struct figures f;
	struct stub *s;

	o.count = 40;
	o.rate = 100;
	o.parts = 1;
	ck_assert_int_eq(stub_alloc(&s, STUB_DEAF, 0), 0);
	measure(&f, bench_join, &o, s);
	ck_assert(!f.failed);
	ck_assert(figure(&f, "joined") == 40);
	ck_assert(figure(&f, "retransmitted") >= 80);
	ck_assert(figure(&f, "setup_p50_ms") > 990);
	stub_free(s);

	ck_assert_int_eq(stub_alloc(&s, STUB_DIRECT, 0), 0);
	measure(&f, bench_join, &o, s);
	ck_assert(!f.failed);
	ck_assert(figure(&f, "setup_p50_ms") < 500);
	stub_free(s);

	ck_assert_int_eq(stub_alloc(&s, STUB_BUSY, 0), 0);
	measure(&f, bench_join, &o, s);
	ck_assert(f.failed);
	ck_assert(figure(&f, "failed") == 40);
	stub_free(s);
}
END_TEST


START_TEST(test_storm)
{
	struct opts o = small();
	struct figures f;
	struct stub *s;

	o.count = 50;
	o.rate = 200;
	ck_assert_int_eq(stub_alloc(&s, 0, 0), 0);
	measure(&f, bench_storm, &o, s);
	ck_assert(!f.failed);
	ck_assert(figure(&f, "joined") == 100);
	ck_assert_int_eq((int)stub_legs(s), 0);
	stub_free(s);
}
END_TEST


START_TEST(test_redirect)
{
	struct opts o = small();
	struct figures f;
	struct stub *s;

	o.parts = o.conferences = 1;
	o.count = 2000;
	ck_assert_int_eq(stub_alloc(&s, 0, 0), 0);
	measure(&f, bench_redirect, &o, s);
	ck_assert_int_eq(f.err, 0);
	ck_assert(!f.failed);
	ck_assert(figure(&f, "redirected") == 2000);
	measure(&f, bench_firstjoin, &o, s);
	ck_assert(figure(&f, "redirected") == 2000);

	o.rate = 500;
	o.seconds = 1;
	measure(&f, bench_redirect, &o, s);
	ck_assert(figure(&f, "redirected") == 500);
	stub_free(s);

	ck_assert_int_eq(stub_alloc(&s, STUB_DIRECT, 0), 0);
	measure(&f, bench_redirect, &o, s);
	ck_assert_int_eq(f.err, EPROTO);
	ck_assert_int_eq((int)stub_legs(s), 0);
	stub_free(s);
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
	ck_assert_msg(figure(f, "participants") == 8, "%s", f->json);
	ck_assert(figure(f, "act_status") == 7);
	ck_assert_int_eq((int)stub_legs(s), 0);
	stub_free(s);
}


/* Calls that another server goes on with are followed, and a silence of
 * 200 ms is measured as one. */
START_TEST(test_move)
{
	struct figures f;

	move(&f, STUB_MOVE, 200);
	ck_assert_msg(!f.failed, "%s", f.json);
	ck_assert(figure(&f, "moved") == 8);
	ck_assert(figure(&f, "dropped") == 0);
	ck_assert(figure(&f, "heard") == 100);
	ck_assert(figure(&f, "disorder") == 0);
	ck_assert_msg(figure(&f, "before_max_ms") < 60, "%s", f.json);
	ck_assert_msg(fabs(figure(&f, "silence_median_ms") - 200) < 60,
		      "%s", f.json);
	ck_assert_msg(fabs(figure(&f, "missing_median_ms") - 200) < 60,
		      "%s", f.json);
	ck_assert(figure(&f, "back_median_ms") > 300);
}
END_TEST


START_TEST(test_refer)
{
	struct figures f;

	move(&f, STUB_REFER, 0);
	ck_assert_msg(!f.failed, "%s", f.json);
	ck_assert_msg(figure(&f, "referred") == 8, "%s", f.json);
	ck_assert(figure(&f, "dropped") == 0);
	ck_assert(figure(&f, "heard") == 100);
	ck_assert_msg(figure(&f, "missing_max_ms") < 60, "%s", f.json);
}
END_TEST


/* Who hears nobody any more is found, though its call goes on. */
START_TEST(test_vanish)
{
	struct figures f;

	move(&f, STUB_VANISH, 0);
	ck_assert(f.failed);
	ck_assert(figure(&f, "heard") == 87.5);
	ck_assert(figure(&f, "affected") == 1);
	ck_assert(figure(&f, "dropped") == 0);
	ck_assert_msg(figure(&f, "silence_max_ms") > 800, "%s", f.json);
	ck_assert_msg(figure(&f, "silence_median_ms") < 60, "%s", f.json);
}
END_TEST


START_TEST(test_backwards)
{
	struct figures f;

	move(&f, STUB_BACKWARDS, 0);
	ck_assert(figure(&f, "moved") == 0);
	ck_assert_msg(figure(&f, "disorder") == 8, "%s", f.json);
}
END_TEST


START_TEST(test_failover)
{
	struct opts o = small();
	struct figures f;
	struct stub *s;

	/* a first address where nobody answers */
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
	ck_assert(figure(&f, "in") == 20);
	ck_assert(figure(&f, "again") == 10);
	ck_assert(figure(&f, "refusals") == 10);
	ck_assert_msg(figure(&f, "took_max_ms") > 1100, "%s", f.json);
	ck_assert_int_eq((int)stub_legs(s), 0);

	/* and nobody anywhere */
	o.toc = 1;
	o.retries = 1;
	o.rate = 5;
	measure(&f, bench_failover, &o, s);
	ck_assert(f.failed);
	ck_assert(figure(&f, "never") == 5);
	ck_assert(figure(&f, "refusals") == 10);
	stub_free(s);
}
END_TEST


START_TEST(test_spread)
{
	struct opts o = small();
	struct figures f;
	struct stub *s;

	o.count = 12;
	o.seconds = 1;
	o.parts = 1;
	ck_assert_int_eq(stub_alloc(&s, 0, 0), 0);

	snprintf(o.capacity, sizeof(o.capacity), "echo '[{\"name\": \"a\", "
		 "\"participants\" : 8, \"unused\": 2},{\"participants\":4,"
		 "\"unused\":0}]'");
	measure(&f, bench_spread, &o, s);
	ck_assert_msg(!f.failed, "%s", f.json);
	ck_assert(figure(&f, "servers") == 2);
	ck_assert(figure(&f, "joined") == 12);
	ck_assert(figure(&f, "max_over_mean") > 1.33);
	ck_assert(figure(&f, "over") == 0);

	snprintf(o.capacity, sizeof(o.capacity), "echo '[{\"participants\": "
		 "12,\"unused\":-2}]'");
	measure(&f, bench_spread, &o, s);
	ck_assert(f.failed);
	ck_assert(figure(&f, "over") == 2);
	ck_assert(figure(&f, "over_share") == 20);

	snprintf(o.capacity, sizeof(o.capacity), "echo '{}'");
	measure(&f, bench_spread, &o, s);
	ck_assert(f.failed);
	ck_assert(figure(&f, "looks") == 0);
	stub_free(s);
}
END_TEST


START_TEST(test_idle)
{
	struct opts o = small();
	struct figures f;
	struct stub *s;

	o.seconds = 1;
	o.pidv[0] = o.buspidv[0] = getpid();
	o.pidc = o.buspidc = 1;
	snprintf(o.but, sizeof(o.but), "nobody");
	ck_assert_int_eq(stub_alloc(&s, 0, 0), 0);
	measure(&f, bench_idle, &o, s);
	ck_assert_msg(!f.failed, "%s", f.json);
	ck_assert(figure(&f, "participants") == 8);
	ck_assert(figure(&f, "cpu_share") > 0);
	ck_assert(figure(&f, "bus_share") > 0);
	ck_assert(figure(&f, "rest_share") > 0);
	ck_assert(figure(&f, "left") == 0);
	stub_free(s);
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
