/**
 * @file test_request.c  Request and reply, on every kind of bus
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "bus/bus.h"
#include "loop.h"
#include "told.h"
#include "kinds.h"
#include "../suite.h"


START_TEST(test_request)
{
	kind_open(_i);
	ck_assert_int_eq(0, bus_subscribe(&fix.sub, fix.bus, "q",
					  echo_handler, "echo"));
	ck_assert_int_eq(0, bus_request(&fix.req, fix.bus, "q", bytes("hi"),
					2, 30000, answer_handler, "resp"));
	ck_assert_ptr_nonnull(fix.req);
	told("");
	await("echo q\nresp 0 hi\n");

	ck_assert_int_eq(0, bus_request(NULL, fix.bus, "nobody", NULL, 0,
					30000, answer_handler, "resp"));
	await("resp ENOENT -\n");
}
END_TEST


/* Some kinds of bus know that nobody waits any more. */
static void respond_late(void)
{
	const int err = bus_respond(fix.reply, NULL, 0);

	ck_assert(!err || err == ENOTCONN);
	fix.reply = NULL;
}


static void throw_handler(const char *subject, const uint8_t *buf, size_t len,
			  struct bus_reply *reply, void *arg)
{
	(void)buf;
	(void)len;
	tell("%s %s", arg, subject);
	mem_deref(reply);
}


START_TEST(test_request_timeout)
{
	kind_open(_i);
	ck_assert_int_eq(0, bus_subscribe(&fix.sub, fix.bus, "q",
					  keep_handler, "keep"));
	ck_assert_int_eq(0, bus_request(&fix.req, fix.bus, "q", NULL, 0, 1000,
					answer_handler, "resp"));
	await_sorted("keep q\nresp ETIMEDOUT -\n");

	/* the answer comes too late */
	respond_late();
	fix.sub = mem_deref(fix.sub);

	/* a reply that is thrown away is no reply */
	ck_assert_int_eq(0, bus_subscribe(&fix.sub, fix.bus, "q",
					  throw_handler, "throw"));
	ck_assert_int_eq(0, bus_request(&fix.req, fix.bus, "q", NULL, 0, 1000,
					answer_handler, "resp"));
	await_sorted("resp ETIMEDOUT -\nthrow q\n");
}
END_TEST


START_TEST(test_request_cancel)
{
	struct bus_sub *second;

	kind_open(_i);
	ck_assert_int_eq(0, bus_subscribe(&fix.sub, fix.bus, "q",
					  keep_handler, "keep"));
	ck_assert_int_eq(0, bus_request(&fix.req, fix.bus, "q", NULL, 0, 2000,
					answer_handler, "resp"));
	await("keep q\n");
	fix.req = mem_deref(fix.req);
	respond_late();

	/* cancelled with the reply on its way */
	ck_assert_int_eq(0, bus_request(&fix.req, fix.bus, "q", NULL, 0, 2000,
					answer_handler, "resp"));
	await("keep q\n");
	ck_assert_int_eq(0, bus_respond(fix.reply, NULL, 0));
	fix.reply = NULL;
	fix.req = mem_deref(fix.req);

	/* neither is told that time is up */
	loop_run(2500);
	told("");

	/* the first reply counts */
	ck_assert_int_eq(0, bus_subscribe(&second, fix.bus, "q",
					  echo_handler, "echo"));
	ck_assert_int_eq(0, bus_request(&fix.req, fix.bus, "q", bytes("x"), 1,
					30000, answer_handler, "resp"));
	await_sorted("echo q\nkeep q\nresp 0 x\n");
	respond_late();
	loop_run(60);
	told("");
	mem_deref(second);
}
END_TEST


static void request_handler(int err, const uint8_t *buf, size_t len,
			    void *arg)
{
	unsigned *n = arg;

	ck_assert_int_eq(0, err);
	ck_assert_uint_eq(4, len);
	(void)buf;
	++*n;
	if (++fix.n == 2000)
		re_cancel();
}


START_TEST(test_request_many)
{
	static unsigned nv[2000];
	unsigned i;

	/* all at once, and each gets one reply: its own */
	kind_open(_i);
	ck_assert_int_eq(0, bus_subscribe(&fix.sub, fix.bus, "q.*",
					  echo_handler, "echo"));
	for (i=0; i<2000; i++) {
		nv[i] = 0;
		ck_assert_int_eq(0, bus_request(NULL, fix.bus, "q.x",
						(uint8_t *)&i, 4, 50000,
						request_handler, &nv[i]));
	}
	loop_run(LIMIT_MS);
	for (i=0; i<2000; i++)
		ck_assert_uint_eq(1, nv[i]);
}
END_TEST


int main(void)
{
	TCase *tc = kinds_case("request");
	const int n = kinds_count();

	tcase_add_loop_test(tc, test_request, 0, n);
	tcase_add_loop_test(tc, test_request_timeout, 0, n);
	tcase_add_loop_test(tc, test_request_cancel, 0, n);
	tcase_add_loop_test(tc, test_request_many, 0, n);

	return suite_run("request", tc);
}
