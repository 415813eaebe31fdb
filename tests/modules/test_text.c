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


enum { LONG = 15000 };             /* for whatever has to happen [ms]      */

static struct farm farm;
static struct caller *cv[3];
static struct odict *seat;
static bool adopted;
static int adopt_err;


static const struct connect_api *api_of(unsigned ix)
{
	return service_api(callers.srvv[ix], "connect");
}


static void setup(void)
{
	static const char *const namev[] = {"m1", "m2"};

	farm_open(&farm);
	callers_open();
	for (unsigned i = 0; i < 2; i++) {
		callers.starting = i;
		callers.srvv[i] = farm_start(&farm, i, namev[i],
					     "service siphost\nservice mesh\n"
					     "service groups\n"
					     "mesh.workers 1\n",
					     callers_builtin);
	}

	for (unsigned n = 0; n < 3; n++)
		cv[n] = caller_join(0, "room", n, false);
}


static void teardown(void)
{
	seat = mem_deref(seat);
	for (unsigned i = 0; i < 2; i++)
		farm_stop(&farm, i);
	callers_close();
	farm_close(&farm);
}


static void saved_h(int err, const char *callid, const struct odict *od,
		    void *arg)
{
	(void)callid;
	(void)arg;
	ck_assert_int_eq(0, err);
	seat = mem_ref((void *)od);
}


static bool is_saved(void *arg)
{
	(void)arg;

	return seat != NULL;
}


static void save(struct caller *c)
{
	seat = mem_deref(seat);
	ck_assert_int_eq(0, api_of(0)->leg_save(api_of(0)->c, c->callid,
						saved_h, NULL));
	ck_assert(farm_wait(is_saved, NULL, LONG));
}


static void adopted_h(int err, uint16_t scode, uint32_t cseq,
		      const char *callid, void *arg)
{
	(void)scode;
	(void)cseq;
	(void)callid;
	(void)arg;
	adopt_err = err;
	adopted = true;
}


static bool is_adopted(void *arg)
{
	(void)arg;

	return adopted;
}


static void adopt_begin(void)
{
	adopted = false;
	ck_assert_int_eq(0, api_of(1)->leg_adopt(api_of(1)->c, seat, false,
						 adopted_h, NULL));
}


static void adopt(void)
{
	adopt_begin();
	ck_assert(farm_wait(is_adopted, NULL, LONG));
	ck_assert_int_eq(0, adopt_err);
}


static void release(struct caller *c)
{
	ck_assert_int_eq(0, api_of(0)->leg_release(api_of(0)->c, c->callid,
						   "m2"));
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
	adopt();
	caller_say(cv[1], "no \xff utf-8\n");
	ck_assert_int_eq(0, api_of(0)->leg_texts(api_of(0)->c, cv[0]->callid,
						 &od));
	release(cv[0]);
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
	save(cv[0]);
	adopt();
	release(cv[0]);

	save(cv[1]);
	cv[1]->delay = 50;
	adopt_begin();
	caller_say(cv[0], "welcome");
	ck_assert_str_eq("", cv[1]->sidev[1].said);
	ck_assert(farm_wait(is_adopted, NULL, LONG));
	ck_assert_int_eq(0, adopt_err);
	release(cv[1]);
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
