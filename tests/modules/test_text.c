/**
 * @file test_text.c  Text for who is on the way to another server
 *
 * The connect service and its mesh are real; the test is the client hosts, and
 * moves legs by hand.
 */
#include <stdlib.h>
#include <string.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "connect/connect.h"
#include "callers.h"
#include "farm.h"


static struct farm farm;
static struct caller *cv[3];
static struct odict *seat;


static void setup(void)
{
	farm_open(&farm);
	callers_open();
	callers_up(&farm, 0, "m1", "service groups\n");
	callers_up(&farm, 1, "m2", "service groups\n");

	for (unsigned n = 0; n < 3; n++)
		cv[n] = caller_join(0, "room", n, false);
}


static void teardown(void)
{
	seat = mem_deref(seat);
	callers_down(&farm, 0);
	callers_down(&farm, 1);
	callers_close();
	farm_close(&farm);
}


static void save(struct caller *c)
{
	mem_deref(seat);
	seat = callers_save(0, c);
}


/* It stays: what was said meanwhile is told then, in order. */
START_TEST(test_stays)
{
	save(cv[0]);
	caller_say(cv[1], "one ");
	caller_say(cv[2], "two ");
	ck_assert_str_eq("", cv[0]->sidev[0].said);
	ck_assert_str_eq("two ", cv[1]->sidev[0].said);
	ck_assert_str_eq("one ", cv[2]->sidev[0].said);

	ck_assert_int_eq(0, api_of(0)->leg_thaw(api_of(0)->c, cv[0]->callid,
						0));
	ck_assert_str_eq("one two ", cv[0]->sidev[0].said);
	caller_say(cv[1], "three");
	ck_assert_str_eq("one two three", cv[0]->sidev[0].said);
}
END_TEST


/* It goes: what was said meanwhile goes after it, once. */
START_TEST(test_goes)
{
	struct odict *od;

	ck_assert_int_eq(ENOENT, api_of(0)->leg_texts(api_of(0)->c,
						      cv[0]->callid, &od));
	save(cv[0]);
	caller_say(cv[1], "gr\xc3\xbc\xc3\x9f dich\r\n");
	callers_adopt(1, seat, false);
	caller_say(cv[1], "no \xff utf-8\n");
	ck_assert_int_eq(0, api_of(0)->leg_texts(api_of(0)->c, cv[0]->callid,
						 &od));
	callers_release(0, cv[0], "m2");
	ck_assert_int_eq(ENOENT, api_of(0)->leg_text(api_of(0)->c,
						     cv[0]->callid, od));

	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(0, api_of(1)->leg_text(api_of(1)->c,
							cv[0]->callid, od));
	ck_assert_str_eq("gr\xc3\xbc\xc3\x9f dich\r\nno \xff utf-8\n",
			 cv[0]->sidev[1].said);
	ck_assert_str_eq("", cv[0]->sidev[0].said);
	mem_deref(od);
}
END_TEST


/* Who is being taken over is told when it is here. */
START_TEST(test_arrives)
{
	int err;

	save(cv[0]);
	callers_adopt(1, seat, false);
	callers_release(0, cv[0], "m2");

	save(cv[1]);
	cv[1]->delay = 50;
	ck_assert_int_eq(0, callers_adopt_begin(1, seat, false, &err));
	caller_say(cv[0], "welcome");
	ck_assert_str_eq("", cv[1]->sidev[1].said);
	callers_adopted(&err);
	callers_release(0, cv[1], "m2");
	ck_assert_str_eq("welcome", cv[1]->sidev[1].said);
}
END_TEST


/* Nobody can fill the memory with what waits. */
START_TEST(test_bounds)
{
	struct odict *od;

	save(cv[0]);
	for (unsigned i = 0; i < 40; i++)
		caller_say(cv[1], "x");
	ck_assert_int_eq(0, api_of(0)->leg_thaw(api_of(0)->c, cv[0]->callid,
						0));
	ck_assert_str_eq("xxxxxxxxxxxxxxxx", cv[0]->sidev[0].said);

	/* it hangs up while something waits */
	save(cv[0]);
	caller_say(cv[1], "x");
	caller_leave(cv[0]);
	ck_assert_int_eq(ENOENT, api_of(0)->leg_texts(api_of(0)->c,
						      cv[0]->callid, &od));
}
END_TEST


START_TEST(test_nonsense)
{
	static const struct {
		const char *json;
		int err;
	} v[] = {
		{"{}", EBADMSG},
		{"{\"id\":\"x\"}", EBADMSG},
		{"{\"id\":1,\"0\":7,\"1\":{}}", 0},
		{"{\"id\":2,\"0\":{\"from\":\"a\",\"type\":\"text/plain\"}}",
		 0},
		{"{\"id\":3,\"0\":{\"from\":\"a\",\"type\":\"text/plain\","
		 "\"text\":\"?\"}}", 0},
		/* a zero; a line in a header; no type */
		{"{\"id\":4,\"0\":{\"from\":\"a\",\"type\":\"text/plain\","
		 "\"text\":\"AAAA\"}}", 0},
		{"{\"id\":5,\"0\":{\"from\":\"a\",\"type\":\"a\\r\\nb\","
		 "\"text\":\"eHh4\"}}", 0},
		{"{\"id\":6,\"0\":{\"from\":\"a\\nb\",\"type\":"
		 "\"text/plain\",\"text\":\"eHh4\"}}", 0},
		{"{\"id\":7,\"0\":{\"from\":\"a\",\"type\":\"\","
		 "\"text\":\"eHh4\"}}", 0},
		{"{\"id\":8,\"0\":{\"from\":\"a\",\"type\":\"text/plain\","
		 "\"text\":\"eHh4\"}}", 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		struct odict *od;

		ck_assert_str_eq("", cv[0]->sidev[0].said);
		ck_assert_int_eq(0, json_decode_odict(&od, 8, v[i].json,
						      strlen(v[i].json), 8));
		ck_assert_msg(api_of(0)->leg_text(api_of(0)->c,
						  cv[0]->callid, od) ==
			      v[i].err, "%zu", i);
		mem_deref(od);
	}

	/* the last one is good */
	ck_assert_str_eq("xxx", cv[0]->sidev[0].said);
}
END_TEST


int main(void)
{
	Suite *su = suite_create("text");
	TCase *tc = tcase_create("text");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_stays);
	tcase_add_test(tc, test_goes);
	tcase_add_test(tc, test_arrives);
	tcase_add_test(tc, test_bounds);
	tcase_add_test(tc, test_nonsense);
	suite_add_tcase(su, tc);

	sr = srunner_create(su);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
