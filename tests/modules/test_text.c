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
#include "server/event.h"
#include "connect/connect.h"
#include "callers.h"
#include "farm.h"


static struct farm farm;
static struct caller *cv[3];
static struct odict *seat;
static struct room_hold *hold;
static struct listener *saidlv[2];
static struct odict *saidv[2];       /* last that was for the other half  */
static unsigned saidc;


static bool said_h(const struct event *ev, void *arg)
{
	const struct connect_text *ct = ev->data;
	struct odict **od = arg;

	ck_assert_str_eq("room", ct->conference);
	mem_deref(*od);
	*od = mem_ref((void *)ct->texts);
	++saidc;

	return false;
}


static void setup(void)
{
	farm_open(&farm);
	callers_open();
	callers_up(&farm, 0, "m1", "service groups\n");
	callers_up(&farm, 1, "m2", "service groups\n");

	saidc = 0;
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(0, event_listen(&saidlv[i],
			server_events(callers.srvv[i]), "connect.text",
			EVENT_PRIO_NORMAL, said_h, &saidv[i]));

	for (unsigned n = 0; n < 3; n++)
		cv[n] = caller_join(0, "room", n, false);
}


static void teardown(void)
{
	hold = mem_deref(hold);
	seat = mem_deref(seat);
	for (unsigned i = 0; i < 2; i++) {
		saidlv[i] = mem_deref(saidlv[i]);
		saidv[i] = mem_deref(saidv[i]);
	}
	callers_down(&farm, 0);
	callers_down(&farm, 1);
	callers_close();
	farm_close(&farm);
}


static bool is_over(void *arg)
{
	return *(int *)arg != -1;
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


/* As move does: what was saved is on its way, then it is there. */
static void room_go(void)
{
	struct odict *od;

	ck_assert_int_eq(0, api_of(0)->room_save(api_of(0)->c, "room", &od));
	ck_assert_int_eq(0, api_of(0)->room_going(api_of(0)->c, "room",
						  "m2"));
	ck_assert_int_eq(0, api_of(1)->room_load(api_of(1)->c, od, &hold));
	mem_deref(od);
}


/* What the halves have to tell one another, so often and so late as a test
   wants */
static void pass(unsigned ix)
{
	struct odict *od = mem_ref(saidv[ix]);

	ck_assert_ptr_nonnull(od);
	ck_assert_int_eq(0, api_of(!ix)->room_text(api_of(!ix)->c, "room",
						   od));
	mem_deref(od);
}


static void is_told(unsigned n, unsigned ix, const char *text)
{
	ck_assert_msg(!strcmp(cv[n]->sidev[ix].said, text),
		      "%u was told \"%s\" by m%u", n,
		      cv[n]->sidev[ix].said, ix + 1);
}


static void go(unsigned n)
{
	struct odict *od = NULL;
	const int err = api_of(0)->leg_texts(api_of(0)->c, cv[n]->callid,
					     &od);

	callers_release(0, cv[n], "m2");
	ck_assert(!err || err == ENOENT);
	if (!err)
		ck_assert_int_eq(0, api_of(1)->leg_text(api_of(1)->c,
							cv[n]->callid, od));
	mem_deref(od);
}


/* Each half hears what is said in the other, its speakers nothing of what they
   said themselves. */
START_TEST(test_halves)
{
	caller_say(cv[0], "whole ");
	ck_assert_uint_eq(0, saidc);

	room_go();
	save(cv[0]);
	callers_adopt(1, seat, false);
	go(0);

	caller_say(cv[0], "there ");
	pass(1);
	caller_say(cv[1], "here ");
	pass(0);
	ck_assert_uint_eq(2, saidc);
	is_told(0, 1, "here ");
	is_told(1, 0, "whole there ");
	is_told(2, 0, "whole there here ");

	/* asked once more */
	pass(0);
	pass(1);
	is_told(0, 1, "here ");
	is_told(1, 0, "whole there ");
	is_told(2, 0, "whole there here ");

	/* whoever comes later was not there */
	ck_assert_int_eq(ENOENT, api_of(1)->room_text(api_of(1)->c, "none",
						      saidv[0]));
}
END_TEST


/* Who is on the way is found by it once, be it here or there or both. */
START_TEST(test_halves_amid)
{
	int err;

	room_go();
	save(cv[0]);
	callers_adopt(1, seat, false);
	go(0);

	save(cv[1]);
	cv[1]->delay = 50;
	ck_assert_int_eq(0, callers_adopt_begin(1, seat, false, &err));
	caller_say(cv[0], "a");
	pass(1);
	caller_say(cv[2], "b");
	pass(0);
	is_told(1, 0, "");
	is_told(1, 1, "");
	callers_adopted(&err);
	is_told(1, 1, "ab");
	caller_say(cv[2], "c");
	go(1);
	is_told(1, 1, "abc");
	pass(0);
	is_told(1, 1, "abc");
	is_told(0, 1, "bc");
	is_told(2, 0, "a");
}
END_TEST


/* It refuses, and stays: nothing is lost, and nothing told twice. */
START_TEST(test_halves_stays)
{
	int err;

	room_go();
	save(cv[0]);
	callers_adopt(1, seat, false);
	go(0);

	save(cv[1]);
	cv[1]->mode = REFUSES;
	cv[1]->scode = 500;
	ck_assert_int_eq(0, callers_adopt_begin(1, seat, false, &err));
	caller_say(cv[0], "a");
	pass(1);
	caller_say(cv[2], "b");
	pass(0);
	ck_assert(farm_wait(is_over, &err, 15000));
	ck_assert_int_eq(EPROTO, err);
	ck_assert_int_eq(0, api_of(0)->leg_thaw(api_of(0)->c, cv[1]->callid,
						0));
	is_told(1, 0, "ab");
	is_told(1, 1, "");

	/* it was told of that here, and says so where it goes */
	save(cv[1]);
	cv[1]->mode = ANSWERS;
	callers_adopt(1, seat, false);
	go(1);
	pass(0);
	is_told(1, 1, "");
	is_told(0, 1, "b");
	is_told(2, 0, "a");
}
END_TEST


/* Who said it and left is not told by the other half, and who was told here
   not once more there, when that takes long. */
START_TEST(test_halves_late)
{
	struct odict *late;

	room_go();
	caller_say(cv[0], "late ");
	late = mem_ref(saidv[0]);
	for (unsigned i = 0; i < 20; i++)
		caller_say(cv[0], "x");

	for (unsigned n = 0; n < 3; n++) {
		save(cv[n]);
		callers_adopt(1, seat, false);
		go(n);
	}

	ck_assert_int_eq(0, api_of(1)->room_text(api_of(1)->c, "room",
						 late));
	mem_deref(late);
	pass(0);
	for (unsigned n = 0; n < 3; n++)
		is_told(n, 1, "");

	caller_say(cv[1], "on");
	is_told(0, 1, "on");
	is_told(2, 1, "on");
	is_told(1, 1, "");
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


#define FROM "\"from\":\"a\",\"type\":\"text/plain\""

START_TEST(test_nonsense)
{
	static const struct {
		const char *json;
		int err;
	} v[] = {
		{"{}", EBADMSG},
		{"{\"0\":7,\"1\":{}}", EBADMSG},
		{"{\"0\":{" FROM "}}", EBADMSG},
		{"{\"0\":{" FROM ",\"text\":\"eHh4\"}}", EBADMSG},
		{"{\"0\":{\"id\":1," FROM ",\"text\":\"?\"}}", EBADMSG},
		{"{\"0\":{\"id\":0," FROM ",\"text\":\"eHh4\"}}", EBADMSG},
		{"{\"0\":{\"id\":4294967296," FROM ",\"text\":\"eHh4\"}}",
		 EBADMSG},
		{"{\"0\":{\"id\":\"1\"," FROM ",\"text\":\"eHh4\"}}",
		 EBADMSG},
		/* a zero; a line in a header; no type */
		{"{\"0\":{\"id\":4," FROM ",\"text\":\"AAAA\"}}", EBADMSG},
		{"{\"0\":{\"id\":5,\"from\":\"a\",\"type\":\"a\\r\\nb\","
		 "\"text\":\"eHh4\"}}", EBADMSG},
		{"{\"0\":{\"id\":6,\"from\":\"a\\nb\",\"type\":"
		 "\"text/plain\",\"text\":\"eHh4\"}}", EBADMSG},
		{"{\"0\":{\"id\":7,\"from\":\"a\",\"type\":\"\","
		 "\"text\":\"eHh4\"}}", EBADMSG},
		/* one of them is good */
		{"{\"0\":{},\"1\":{\"id\":8," FROM
		 ",\"text\":\"eHh4\"}}", 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		struct odict *od;

		ck_assert_str_eq("", cv[0]->sidev[0].said);
		ck_assert_int_eq(0, json_decode_odict(&od, 8, v[i].json,
						      strlen(v[i].json), 8));
		ck_assert_msg(api_of(0)->leg_text(api_of(0)->c,
						  cv[0]->callid, od) ==
			      v[i].err, "%zu", i);
		ck_assert_msg(api_of(0)->room_text(api_of(0)->c, "room",
						   od) == v[i].err, "%zu", i);
		mem_deref(od);
	}

	/* the last one is good, and the same for all */
	for (unsigned n = 0; n < 3; n++)
		ck_assert_str_eq("xxx", cv[n]->sidev[0].said);
	ck_assert_int_eq(EBADMSG, api_of(0)->leg_text(api_of(0)->c,
						      cv[0]->callid, NULL));
	ck_assert_int_eq(EBADMSG, api_of(0)->room_text(api_of(0)->c, "room",
						       NULL));
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
	tcase_add_test(tc, test_halves);
	tcase_add_test(tc, test_halves_amid);
	tcase_add_test(tc, test_halves_stays);
	tcase_add_test(tc, test_halves_late);
	tcase_add_test(tc, test_bounds);
	tcase_add_test(tc, test_nonsense);
	suite_add_tcase(su, tc);

	sr = srunner_create(su);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
