/**
 * @file test_orders.c  What operators order while a conference moves
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
#include "bus/bus.h"
#include "connect/connect.h"
#include "callers.h"
#include "farm.h"


static struct farm farm;
static struct room_hold *hold;
static struct odict *seat;
static struct listener *mutedlv[2];
static unsigned mutedv[2];           /* times that somebody was (un)muted */


static bool muted_h(const struct event *ev, void *arg)
{
	(void)ev;
	++*(unsigned *)arg;

	return false;
}


static void setup(void)
{
	farm_open(&farm);
	callers_open();
	callers_up(&farm, 0, "m1", "service groups\n");
	callers_up(&farm, 1, "m2", "service groups\n");
	for (unsigned i = 0; i < 2; i++) {
		mutedv[i] = 0;
		ck_assert_int_eq(0, event_listen(&mutedlv[i],
			server_events(callers.srvv[i]), "connect.muted",
			EVENT_PRIO_NORMAL, muted_h, &mutedv[i]));
	}
}


static void teardown(void)
{
	for (unsigned i = 0; i < 2; i++)
		mutedlv[i] = mem_deref(mutedlv[i]);
	hold = mem_deref(hold);
	seat = mem_deref(seat);
	callers_down(&farm, 0);
	callers_down(&farm, 1);
	callers_close();
	farm_close(&farm);
}


static unsigned here(unsigned ix)
{
	return api_of(ix)->participants(api_of(ix)->c, "room");
}


static void order(unsigned ix, const char *name, const char *user, int err,
		  const char *reason)
{
	char why[256];
	const int e = callers_command(ix, name, user, why, sizeof why);

	ck_assert_msg(e == err && strstr(why, reason), "%s %s at m%u: %d %s",
		      name, user ? user : "", ix + 1, e, why);
}


static void save(struct caller *c)
{
	seat = callers_save(0, c);
}


/* m2 has who was saved */
static void adopt(struct caller *c)
{
	callers_adopt(1, seat, false);
	seat = mem_deref(seat);
	callers_release(0, c, "m2");
}


/* As move does: what was saved is on its way, then it is there. */
static void room_go(void)
{
	struct odict *od;

	ck_assert_int_eq(0, api_of(0)->room_save(api_of(0)->c, "room", &od));
	ck_assert_int_eq(EINVAL, api_of(0)->room_going(api_of(0)->c, "room",
						       ""));
	ck_assert_int_eq(ENOENT, api_of(0)->room_going(api_of(0)->c, "none",
						       "m2"));
	ck_assert_int_eq(0, api_of(0)->room_going(api_of(0)->c, "room",
						  "m2"));
	ck_assert_int_eq(0, api_of(1)->room_load(api_of(1)->c, od, &hold));
	mem_deref(od);
}


/* The orders that the old server must not keep for itself, or lose */
START_TEST(test_old)
{
	struct caller *cv[3];

	for (unsigned n = 0; n < 3; n++)
		cv[n] = caller_join(0, "room", n, false);
	order(0, "lock", NULL, 0, "");
	order(0, "unlock", NULL, 0, "");

	room_go();
	order(0, "lock", NULL, EAGAIN, "room is moving to m2");
	order(1, "lock", NULL, 0, "");

	/* what is done to those who are here goes with them */
	order(0, "mute", cv[0]->user, 0, "");
	order(0, "mute", "nobody", EAGAIN, "room is moving to m2");
	order(0, "unmute", "all", EAGAIN, "room is moving to m2");
	order(0, "mute", cv[0]->user, 0, "");

	save(cv[0]);
	order(0, "unmute", cv[0]->user, EAGAIN, "room is moving to m2");
	order(0, "kick", cv[0]->user, EAGAIN, "room is moving to m2");
	ck_assert(!cv[0]->sidev[0].bye);
	adopt(cv[0]);
	order(0, "kick", cv[0]->user, EAGAIN, "room is moving to m2");
	order(1, "kick", cv[0]->user, 0, "");
	order(0, "kick", cv[1]->user, 0, "");
	ck_assert_uint_eq(1, here(0));
	ck_assert_uint_eq(0, here(1));

	save(cv[2]);
	adopt(cv[2]);
	ck_assert_int_eq(0, api_of(0)->room_drop(api_of(0)->c, "room",
						 "m2"));
	order(0, "lock", NULL, ENOENT, "no conference room here");
	ck_assert_uint_eq(403, caller_join(1, "room", 9, false)->rejected);
}
END_TEST


/* Who has not arrived yet is not nobody. */
START_TEST(test_new)
{
	struct caller *cv[2];

	for (unsigned n = 0; n < 2; n++)
		cv[n] = caller_join(0, "room", n, false);
	room_go();
	save(cv[0]);
	adopt(cv[0]);

	order(1, "mute", cv[0]->user, 0, "");
	order(1, "mute", cv[1]->user, EAGAIN, "room is arriving from m1");
	order(1, "mute", "all", EAGAIN, "room is arriving from m1");
	order(1, "mute", NULL, EINVAL, "whom");
	save(cv[1]);
	adopt(cv[1]);
	order(1, "mute", "all", EAGAIN, "room is arriving from m1");
	hold = mem_deref(hold);
	order(1, "mute", "all", 0, "");
	order(1, "mute", "nobody", ENOENT, "nobody of that name");
}
END_TEST


/* All or nobody: as long as not all of them are here, and free, nobody is
   muted. Who is sent away is gone, so those who are here can be. */
START_TEST(test_all)
{
	struct caller *cv[3];

	for (unsigned n = 0; n < 3; n++)
		cv[n] = caller_join(0, "room", n, false);
	order(0, "mute", "all", 0, "");
	ck_assert_uint_eq(3, mutedv[0]);

	/* somebody is on the way, who knows where to */
	save(cv[2]);
	order(0, "unmute", "all", EAGAIN, "room is moving: try again");
	ck_assert_uint_eq(3, mutedv[0]);
	ck_assert_int_eq(0, api_of(0)->leg_thaw(api_of(0)->c, cv[2]->callid,
						0));
	seat = mem_deref(seat);
	order(0, "unmute", "all", 0, "");
	ck_assert_uint_eq(6, mutedv[0]);

	/* one by one, whether they have gone or not */
	room_go();
	order(0, "mute", "all", EAGAIN, "room is moving to m2");
	save(cv[0]);
	order(0, "mute", "all", EAGAIN, "room is moving to m2");
	adopt(cv[0]);
	order(0, "mute", "all", EAGAIN, "room is moving to m2");
	order(1, "mute", "all", EAGAIN, "room is arriving from m1");
	order(0, "lock", NULL, EAGAIN, "room is moving to m2");
	ck_assert_uint_eq(6, mutedv[0]);
	ck_assert_uint_eq(0, mutedv[1]);

	/* those who are here go, the others when it is tried again there */
	order(0, "kick", "all", EAGAIN, "room is moving to m2");
	ck_assert_uint_eq(0, here(0));
	ck_assert_uint_eq(1, here(1));
	hold = mem_deref(hold);
	ck_assert_int_eq(0, api_of(0)->room_drop(api_of(0)->c, "room",
						 "m2"));
	order(0, "mute", "all", ENOENT, "no conference room here");
	order(1, "mute", "all", 0, "");
	ck_assert_uint_eq(1, mutedv[1]);
	order(1, "mute", "all", 0, "");
	ck_assert_uint_eq(1, mutedv[1]);
	order(1, "kick", "all", 0, "");
	ck_assert_uint_eq(0, here(1));
}
END_TEST


/* Nor while one is being taken over: it would come as it was. */
START_TEST(test_all_amid)
{
	struct caller *cv[2];
	int err;

	for (unsigned n = 0; n < 2; n++)
		cv[n] = caller_join(0, "room", n, false);
	save(cv[0]);
	adopt(cv[0]);
	save(cv[1]);
	cv[1]->delay = 50;
	ck_assert_int_eq(0, callers_adopt_begin(1, seat, false, &err));
	order(1, "mute", "all", EAGAIN, "room is moving: try again");
	order(1, "mute", "u1@test", EAGAIN, "room is moving: try again");
	ck_assert_uint_eq(0, mutedv[1]);
	callers_adopted(&err);
	callers_release(0, cv[1], "m2");
	order(1, "mute", "all", 0, "");
	ck_assert_uint_eq(2, mutedv[1]);
}
END_TEST


/* It stays here after all; and what was ordered there comes back with it. */
START_TEST(test_back)
{
	struct room_hold *own;
	struct odict *od;

	(void)caller_join(0, "room", 0, false);
	room_go();
	order(1, "lock", NULL, 0, "");
	ck_assert_int_eq(0, api_of(1)->room_save(api_of(1)->c, "room", &od));
	order(0, "lock", NULL, EAGAIN, "room is moving to m2");
	ck_assert_int_eq(0, api_of(0)->room_load(api_of(0)->c, od, &own));
	mem_deref(od);
	mem_deref(own);
	ck_assert_int_eq(0, api_of(0)->room_drop(api_of(0)->c, "room",
						 NULL));
	ck_assert_uint_eq(403, caller_join(0, "room", 8, false)->rejected);
	order(0, "unlock", NULL, 0, "");
	ck_assert_uint_eq(0, caller_join(0, "room", 9, false)->rejected);
	ck_assert_uint_eq(2, here(0));
}
END_TEST


int main(void)
{
	Suite *su = suite_create("orders");
	TCase *tc = tcase_create("orders");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_old);
	tcase_add_test(tc, test_new);
	tcase_add_test(tc, test_all);
	tcase_add_test(tc, test_all_amid);
	tcase_add_test(tc, test_back);
	suite_add_tcase(su, tc);

	sr = srunner_create(su);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
