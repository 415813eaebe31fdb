/**
 * @file test_crash.c  Servers take over what a dead one had
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "calm.h"
#include "movers.h"
#include "movers_steps.h"
#include "../suite.h"


/* kill -9 */
static void kill_1(void)
{
	movers_kill(0);
	movers_down(0);
	movers_until(idle);
}


static void taken_over(void)
{
	ck_assert_uint_ge(mphones_at(1, NULL), 4);
	ck_assert_uint_ge(mphones_at(2, NULL), 4);
	ck_assert_uint_eq(40, mphones_at(1, NULL) + mphones_at(2, NULL));
	for (unsigned i = 0; i < movers.phonec; i++)
		ck_assert_uint_eq(1, movers.phonev[i].adoptions);
}


START_TEST(test_crash)
{
	RUN(3, "", join_10, kill_1, taken_over, settle);
}
END_TEST


/* more conferences than are read at once */
static void join_60(void)
{
	char name[8];

	for (int i = 0; i < 60; i++) {
		(void)re_snprintf(name, sizeof(name), "c%d", i);
		mphones_join(0, name, 2);
	}
}


static void taken_60(void)
{
	ck_assert_uint_eq(120, mphones_at(1, NULL));
}


START_TEST(test_crash_many)
{
	RUN(2, "move.crash_window 5\n", join_60, kill_1, taken_60, settle);
}
END_TEST


/* only one of two notices, or lives: whose turn it is does not matter */
static void kill_1_seen_by_3(void)
{
	movers_kill(0);
	movers_down_seen(0, 2);
	movers_until(idle);
}


static void taken_by_3(void)
{
	ck_assert_uint_eq(40, mphones_at(2, NULL));
}


START_TEST(test_crash_seen_by_one)
{
	RUN(3, "", join_10, kill_1_seen_by_3, taken_by_3, settle);
}
END_TEST


static void kill_1_isolated(void)
{
	movers_isolate(1, true);
	movers_kill(0);
	movers_down(0);
}


static void nothing_taken(void)
{
	ck_assert_uint_eq(0, mphones_at(1, NULL));
	movers_isolate(1, false);
	movers_until(idle);
}


static void taken_by_2(void)
{
	ck_assert_uint_eq(40, mphones_at(1, NULL));
}


START_TEST(test_crash_isolated)
{
	RUN(2, "", join_10, kill_1_isolated, settle, settle, settle,
	    nothing_taken, taken_by_2, settle);
}
END_TEST


/* the server starts anew before anybody notices that it died */
static bool back_at_1(void)
{
	return mphones_at(0, NULL) == 40 && idle();
}


static void restart_1(void)
{
	movers_kill(0);
	movers_start(0, "");
	movers_until(back_at_1);
}


START_TEST(test_restart)
{
	RUN(2, "", join_10, restart_1, settle);
}
END_TEST


/* and who does not come back leaves nothing */
static void restart_deaf(void)
{
	for (unsigned i = 0; i < 4; i++)
		movers.phonev[i].mute = true;
	movers_kill(0);
	movers_start(0, "");
	movers_until(idle);
}


static void deaf_hangup(void)
{
	for (unsigned i = 0; i < 4; i++)
		movers.phonev[i].there = false;
}


START_TEST(test_crash_deaf)
{
	RUN(2, "", join_10, restart_deaf, settle, wait_idle, deaf_hangup);
}
END_TEST


/* m1 and m2 die, and m3 does not notice. m2 starts anew and has not heard of
   m1, but of m3, which keeps what it has. */
static void join_10_and_1(void)
{
	join_10();
	mphones_join(2, "z", 4);
}


static void kill_1_and_2(void)
{
	movers_kill(0);
	movers_kill(1);
}


static bool all_at_2(void)
{
	return mphones_at(1, NULL) == 40;
}


static void start_2(void)
{
	movers_start(1, "service heartbeat\nmove.unheard 200\n");
	way_up(movers.mediav[1].way);
	movers_until(all_at_2);
}


static void as_it_was_at_3(void)
{
	ck_assert_uint_eq(4, mphones_at(2, "z"));
	for (unsigned i = 0; i < movers.phonec; i++)
		ck_assert_uint_eq(movers.phonev[i].conference[0] != 'z',
				  movers.phonev[i].adoptions);
}


START_TEST(test_unheard)
{
	RUN(3, "", join_10_and_1, kill_1_and_2, start_2, wait_idle,
	    as_it_was_at_3, settle);
}
END_TEST


int main(void)
{
	TCase *tc = tcase_create("crash");

	calm_speed(0);
	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, test_crash);
	tcase_add_test(tc, test_crash_many);
	tcase_add_test(tc, test_crash_seen_by_one);
	tcase_add_test(tc, test_crash_isolated);
	tcase_add_test(tc, test_crash_deaf);
	tcase_add_test(tc, test_unheard);
	tcase_add_test(tc, test_restart);

	return suite_run("crash", tc);
}
