/**
 * @file test_publish.c  Publish and subscribe, on every kind of bus;
 *                       how it ends
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "bus/bus.h"
#include "loop.h"
#include "told.h"
#include "kinds.h"
#include "../suite.h"


START_TEST(test_publish)
{
	struct bus_sub *all = NULL, *word = NULL;

	kind_open(_i);
	publish("a.b", "early");
	ck_assert_int_eq(0, bus_subscribe(&fix.sub, fix.bus, "a.b",
					  msg_handler, "one"));
	ck_assert_int_eq(0, bus_subscribe(&all, fix.bus, "a.>",
					  msg_handler, "all"));
	ck_assert_int_eq(0, bus_subscribe(&word, fix.bus, "*.b",
					  msg_handler, "word"));
	publish("a.b", "1");
	publish("a.b.c", "2");
	publish("c.b", "");
	publish("a", "nobody");
	told("");               /* never inside the call */
	await_sorted("all a.b 1\nall a.b.c 2\none a.b 1\nword a.b 1\n"
		     "word c.b \n");

	mem_deref(word);
	publish("c.b", "3");
	publish("a.b", "4");
	mem_deref(all);         /* was there when it happened, not any more */
	await("one a.b 4\n");

	/* one publisher's messages arrive in order */
	publish("a.b", "5");
	publish("a.b", "6");
	publish("a.b", "7");
	await("one a.b 5\none a.b 6\none a.b 7\n");
}
END_TEST


static void first_handler(const char *subject, const uint8_t *buf, size_t len,
			  struct bus_reply *reply, void *arg)
{
	struct bus_sub **subv = arg;

	/* ends itself and the next one */
	tell("first %s", subject);
	subv[0] = mem_deref(subv[0]);
	subv[1] = mem_deref(subv[1]);
	publish("s", "from within");
}


START_TEST(test_unsubscribe_within)
{
	struct bus_sub *subv[2], *third;

	kind_open(_i);
	ck_assert_int_eq(0, bus_subscribe(&subv[0], fix.bus, "s",
					  first_handler, subv));
	ck_assert_int_eq(0, bus_subscribe(&subv[1], fix.bus, "t",
					  msg_handler, "second"));
	ck_assert_int_eq(0, bus_subscribe(&third, fix.bus, "s",
					  msg_handler, "third"));
	publish("s", "x");
	publish("t", "unheard");
	await_sorted("first s\nthird s from within\nthird s x\n");
	mem_deref(third);
}
END_TEST


static void again_handler(const char *subject, const uint8_t *buf, size_t len,
			  struct bus_reply *reply, void *arg)
{
	(void)subject;
	(void)buf;
	(void)len;
	(void)reply;
	(void)arg;
	++fix.n;
	publish("again", "x");
}


static bool again_enough(void)
{
	return fix.n >= 500;
}


START_TEST(test_endless)
{
	/* a handler that always has more to say starves nobody: the timer
	   that looks for an end has its turn */
	kind_open(_i);
	ck_assert_int_eq(0, bus_subscribe(&fix.sub, fix.bus, "again",
					  again_handler, NULL));
	publish("again", "x");
	until(again_enough);
}
END_TEST


static void drop_handler(const char *subject, const uint8_t *buf, size_t len,
			 struct bus_reply *reply, void *arg)
{
	tell("drop");
	fix.bus = mem_deref(fix.bus);
	mem_deref(reply);
}


START_TEST(test_close)
{
	struct bus_watch *watch;
	struct bus_sub *sub;

	/* all kinds of things under way */
	kind_open(_i);
	ck_assert_int_eq(0, bus_subscribe(&sub, fix.bus, "q",
					  keep_handler, "keep"));
	ck_assert_int_eq(0, bus_kv_watch(&watch, fix.bus, "b", ">",
					 watch_handler, "watch"));
	ck_assert_int_eq(0, bus_request(NULL, fix.bus, "q", NULL, 0, 60000,
					answer_handler, "resp"));
	await_sorted("keep q\nwatch (all) -\n");
	ck_assert_int_eq(0, bus_request(&fix.req, fix.bus, "q", NULL, 0, 60000,
					answer_handler, "resp"));
	ck_assert_int_eq(0, bus_kv_get(&fix.op, fix.bus, "b", "k", kv_handler,
				       "get"));
	put("k", "v", 30);
	publish("q", "late");
	fix.bus = mem_deref(fix.bus);
	ck_assert_ptr_null(fix.req);
	ck_assert_ptr_null(fix.op);
	ck_assert_int_eq(ENOTCONN, bus_respond(fix.reply, NULL, 0));
	fix.reply = NULL;
	loop_run(50);
	told("");
	mem_deref(sub);
	mem_deref(watch);

	/* from within a handler */
	kind_open(_i);
	ck_assert_int_eq(0, bus_subscribe(&sub, fix.bus, "q",
					  drop_handler, NULL));
	publish("q", "1");
	publish("q", "2");
	await("drop\n");
	mem_deref(sub);
}
END_TEST


int main(void)
{
	TCase *tc = kinds_case("publish");
	const int n = kinds_count();

	tcase_add_loop_test(tc, test_publish, 0, n);
	tcase_add_loop_test(tc, test_unsubscribe_within, 0, n);
	tcase_add_loop_test(tc, test_endless, 0, n);
	tcase_add_loop_test(tc, test_close, 0, n);

	return suite_run("publish", tc);
}
