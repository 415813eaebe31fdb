/**
 * @file test_move_broken.c  Servers die in the middle of a move, or lose
 *                           the bus
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "bus/bus.h"
#include "calm.h"
#include "movers.h"
#include "movers_steps.h"
#include "../suite.h"


/* m2 dies when some have moved: they come back, the others never left */
static void half_way(void)
{
	ck_assert_int_eq(-1, *res);
	ck_assert_uint_gt(mphones_at(1, "a"), 0);
	ck_assert_uint_gt(mphones_at(0, "a"), 0);
	ck_assert(movers.mediav[0].roomv[0].going);
	movers_kill(1);
	movers_down(1);
	movers_until(answered);
}


static void all_at_1(void)
{
	ck_assert_int_ne(0, *res);
	movers_until(idle);
}


static void all_at_1_now(void)
{
	ck_assert_uint_eq(21, mphones_at(0, "a"));
}


START_TEST(test_target_dies)
{
	RUN(2, "move.window 3\n", join_slow, move_in_part, half_way,
	    all_at_1, all_at_1_now, settle);
}
END_TEST


/* m2 starts anew before anybody notices: it takes back whom it had, and the
   move is begun again */
static bool all_at_2_idle(void)
{
	return mphones_at(1, "a") == 21 && idle();
}


static void restart_2(void)
{
	ck_assert_uint_gt(mphones_at(0, "a"), 0);
	movers_kill(1);
	movers_start(1, "move.window 3\n");
	movers_until(all_at_2_idle);
}


START_TEST(test_target_restarts)
{
	RUN(2, "move.window 3\n", join_slow, move_in_part, restart_2,
	    settle);
}
END_TEST


/* m1 dies when some have moved: m2 takes the others */
static void half_way_1(void)
{
	ck_assert_int_eq(-1, *res);
	movers_kill(0);
	movers_down(0);
	movers_until(idle);
}


START_TEST(test_source_dies)
{
	RUN(3, "move.window 3\n", join_slow, move_in_part, half_way_1,
	    all_at_2_now, settle);
}
END_TEST


/* m2 dies, and m3 is faster than m1 to take over: what m1 has goes there */
static bool some_at_2(void)
{
	return mphones_at(1, "a") + mphones_at(2, "a") >= 6;
}


static void drain_in_part(void)
{
	(void)movers_command(0, "drain", "on", "yes", NULL, NULL);
	movers_until(some_at_2);
}


static bool all_at_other(void)
{
	return mphones_at(movers.resv[63], "a") == 21 && idle();
}


static void half_way_3(void)
{
	const int target = mphones_at(1, "a") ? 1 : 2;
	const int other = 3 - target;

	ck_assert_uint_gt(mphones_at(0, "a"), 0);
	movers.resv[63] = other;
	movers_kill(target);
	movers_down_seen(target, other);
	movers_until(all_at_other);
}


START_TEST(test_third_takes)
{
	RUN(3, "move.window 3\n", join_slow, drain_in_part, half_way_3,
	    settle);
}
END_TEST


/* The bus is away in the middle of a move, and comes back */
static void cut_1(void)
{
	way_cut(movers.mediav[0].way, true);
}


static void mend_1(void)
{
	way_cut(movers.mediav[0].way, false);
	movers_until(answered);
}


static void nap(void)
{
}


START_TEST(test_bus_away)
{
	RUN(2, "move.window 3\n", join_slow, move_in_part, cut_1, nap, nap,
	    nap, nap, nap, nap, nap, nap, nap, nap, nap, nap, nap, nap,
	    mend_1, wait_idle, all_at_2_now, settle);
}
END_TEST


int main(void)
{
	TCase *tc = tcase_create("move broken");

	calm_speed(0);
	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, test_target_dies);
	tcase_add_test(tc, test_target_restarts);
	tcase_add_test(tc, test_source_dies);
	tcase_add_test(tc, test_third_takes);
	tcase_add_test(tc, test_bus_away);

	return suite_run("move broken", tc);
}
