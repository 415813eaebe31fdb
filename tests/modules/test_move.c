/**
 * @file test_move.c  Conferences change their media server
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "calm.h"
#include "movers.h"
#include "movers_steps.h"
#include "../suite.h"


/*
 * m1                      m2
 *  |-- begin ------------->|
 *  |<------------ ok, link |
 *  |   claim -> m2         |
 *  |-- seat (21 times) --->|-- re-INVITE
 *  |<------------------ ok |
 *  |-- end --------------->|
 */
START_TEST(test_move)
{
	RUN(2, "", join_20, move_to_2, moved_20, wait_idle, settle);
}
END_TEST


static void move_back(void)
{
	res = movers_command(1, "move", "conference", "a", "server", "m1");
	movers_until(answered);
}


static void moved_back(void)
{
	ck_assert_int_eq(0, *res);
	ck_assert_uint_eq(21, mphones_at(0, "a"));
}


START_TEST(test_there_and_back)
{
	RUN(2, "", join_20, move_to_2, moved_20, wait_idle, move_back,
	    moved_back, wait_idle, settle);
}
END_TEST


static void order_from_2(void)
{
	res = movers_command(1, "move", "conference", "a", "server", "m2");
	movers_until(answered);
}


START_TEST(test_order_elsewhere)
{
	RUN(2, "", join_20, order_from_2, moved_20, wait_idle, settle);
}
END_TEST


static void move_anywhere(void)
{
	res = movers_command(0, "move", "conference", "a", NULL, NULL);
	movers_until(answered);
}


START_TEST(test_anywhere)
{
	RUN(2, "", join_20, move_anywhere, moved_20, wait_idle, settle);
}
END_TEST


static void bad_orders(void)
{
	static const struct {
		const char *conference, *server;
		int err;
	} badv[] = {
		{"a", "m1", EALREADY},          /* it is here               */
		{"nobody", "m2", ENOENT},
		{"", "m2", EINVAL},
		{"a", "m2\n", EINVAL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(badv); i++) {
		int *r = movers_command(0, "move", "conference",
					badv[i].conference, "server",
					badv[i].server);

		ck_assert_msg(*r == badv[i].err, "%zu: %d", i, *r);
	}

	/* twice at once */
	res = movers_command(0, "move", "conference", "a", "server", "m2");
	ck_assert_int_eq(-1, *res);
	ck_assert_int_eq(EBUSY, *movers_command(0, "move", "conference", "a",
						"server", "m2"));
	movers_until(answered);
}


START_TEST(test_bad_orders)
{
	RUN(2, "", join_20, bad_orders, moved_20, wait_idle, settle);
}
END_TEST


static void move_to_9(void)
{
	res = movers_command(0, "move", "conference", "a", "server", "m9");
	movers_until(answered);
}


static void still_here(void)
{
	ck_assert_int_ne(0, *res);
	ck_assert_uint_eq(21, mphones_at(0, "a"));
	for (unsigned i = 0; i < movers.phonec; i++)
		ck_assert_uint_eq(0, movers.phonev[i].adoptions);
}


START_TEST(test_no_such_server)
{
	RUN(2, "", join_20, move_to_9, still_here, settle);
}
END_TEST


/* m2 makes ready for the conference, but m1 never hears of that: what m2 keeps
   for it is given up at once, not when nothing came for long. */
static void move_unanswered(void)
{
	way_unanswered(movers.mediav[0].way, true);
	move_to_2();
}


static void room_at_2(void)
{
	ck_assert_int_eq(ETIMEDOUT, *res);
	ck_assert_uint_eq(1, movers.mediav[1].created);
	way_unanswered(movers.mediav[0].way, false);
}


static void no_room_at_2(void)
{
	ck_assert(!movers.mediav[1].roomv[0].here);
}


START_TEST(test_begin_unanswered)
{
	RUN(2, "", join_20, move_unanswered, room_at_2, still_here, wait_idle,
	    no_room_at_2, move_to_2, moved_20, wait_idle, settle);
}
END_TEST


START_TEST(test_no_room)
{
	RUN(2, "capacity.users 19\n", join_20, move_to_2, still_here,
	    move_anywhere, still_here, settle);
}
END_TEST


static void drain_2(void)
{
	ck_assert_int_eq(0, *movers_command(1, "drain", "on", "yes", NULL,
					    NULL));
}


START_TEST(test_target_drained)
{
	RUN(2, "", join_20, drain_2, move_to_2, still_here, settle);
}
END_TEST


/* a conference that runs at two servers becomes one */
static void join_both(void)
{
	join_20();
	mphones_join(1, "a", 5);
}


static void merge(void)
{
	ck_assert_uint_eq(5, mphones_at(1, "a"));
	res = movers_command(1, "move", "conference", "a", "server", "m1");
	movers_until(answered);
}


static void merged(void)
{
	ck_assert_int_eq(0, *res);
	ck_assert_uint_eq(26, mphones_at(0, "a"));
	ck_assert(!movers.mediav[1].roomv[0].here);
	movers_until(idle);
}


START_TEST(test_merge)
{
	RUN(2, "", join_both, merge, merged, settle);
}
END_TEST


/* what strangers may say */
static void junk(void)
{
	movers_say("server.m2.move", "");
	movers_say("server.m2.move", "{\"op\":\"end\"}");
	movers_say("server.m2.move", "\x01xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		   "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
}


START_TEST(test_junk)
{
	RUN(2, "", join_20, junk, settle, move_to_2, moved_20, wait_idle,
	    settle);
}
END_TEST


int main(void)
{
	TCase *tc = tcase_create("move");

	calm_speed(0);
	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, test_move);
	tcase_add_test(tc, test_there_and_back);
	tcase_add_test(tc, test_order_elsewhere);
	tcase_add_test(tc, test_anywhere);
	tcase_add_test(tc, test_bad_orders);
	tcase_add_test(tc, test_no_such_server);
	tcase_add_test(tc, test_begin_unanswered);
	tcase_add_test(tc, test_no_room);
	tcase_add_test(tc, test_target_drained);
	tcase_add_test(tc, test_merge);
	tcase_add_test(tc, test_junk);

	return suite_run("move", tc);
}
