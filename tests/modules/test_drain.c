/**
 * @file test_drain.c  Servers that are drained, terminated, or planned out of
 *                     service
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "calm.h"
#include "movers.h"
#include "movers_steps.h"
#include "../suite.h"


static void drain_1(void)
{
	ck_assert_int_eq(0, *movers_command(0, "drain", "on", "yes", NULL,
					    NULL));
	movers_until(empty_1);
}


static void spread(void)
{
	ck_assert_uint_ge(mphones_at(1, NULL), 12);
	ck_assert_uint_ge(mphones_at(2, NULL), 12);
	ck_assert_uint_eq(40, mphones_at(1, NULL) + mphones_at(2, NULL));
	ck_assert(!server_stopping(movers.mediav[0].srv));
	ck_assert_uint_eq(1, movers.drained);
}


START_TEST(test_drain)
{
	RUN(3, "", join_10, drain_1, settle, settle, settle, settle, spread);
}
END_TEST


static void drain_exit(void)
{
	ck_assert_int_eq(0, *movers_command(0, "drain", "on", "yes", "exit",
					    "yes"));
	movers_until(empty_1);
}


static bool stopping_1(void)
{
	return server_stopping(movers.mediav[0].srv);
}


static void wait_stop(void)
{
	movers_until(stopping_1);
}


START_TEST(test_drain_exit)
{
	RUN(2, "", join_10, drain_exit, wait_stop, settle);
}
END_TEST


/* nobody takes them: they stay, and new servers get them when they come */
static void drain_alone(void)
{
	ck_assert_int_eq(0, *movers_command(0, "drain", "on", "yes", NULL,
					    NULL));
}


static void alone(void)
{
	ck_assert_uint_eq(40, mphones_at(0, NULL));
	movers.mediac = 2;
	movers_start(1, "");
	movers_until(empty_1);
}


START_TEST(test_drain_waits)
{
	RUN(1, "", join_10, drain_alone, settle, settle, alone, settle);
}
END_TEST


static void undrain_1(void)
{
	ck_assert_int_eq(0, *movers_command(0, "drain", "on", "no", NULL,
					    NULL));
}


static void stay_40(void)
{
	ck_assert_uint_eq(40, mphones_at(0, NULL));
	ck_assert_uint_eq(0, movers.drained);
}


START_TEST(test_undrain)
{
	RUN(1, "", join_10, drain_alone, settle, undrain_1, settle, stay_40);
}
END_TEST


static void terminate(void)
{
	ck_assert(movers_terminate(0));
	/* the second one means it */
	movers_until(stopping_1);
}


static void terminated(void)
{
	ck_assert_uint_eq(40, mphones_at(1, NULL));
}


START_TEST(test_sigterm)
{
	RUN(2, "", join_10, terminate, terminated);
}
END_TEST


static void terminate_alone(void)
{
	ck_assert(!movers_terminate(0));
}


START_TEST(test_sigterm_alone)
{
	RUN(1, "", join_10, terminate_alone);
}
END_TEST


START_TEST(test_sigterm_off)
{
	RUN(2, "server.drain_seconds 0\n", join_10, terminate_alone);
}
END_TEST


static void plan_1(void)
{
	movers_plan(0, 2, 100);
	movers_until(empty_1);
}


static void unplan_1(void)
{
	ck_assert_uint_eq(40, mphones_at(1, NULL));
	movers_plan(0, 0, 0);
}


START_TEST(test_plan)
{
	RUN(2, "move.plan_lead 5\n", join_10, plan_1, unplan_1, settle);
}
END_TEST


int main(void)
{
	TCase *tc = tcase_create("drain");

	calm_speed(0);
	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, test_drain);
	tcase_add_test(tc, test_drain_exit);
	tcase_add_test(tc, test_drain_waits);
	tcase_add_test(tc, test_undrain);
	tcase_add_test(tc, test_sigterm);
	tcase_add_test(tc, test_sigterm_alone);
	tcase_add_test(tc, test_sigterm_off);
	tcase_add_test(tc, test_plan);

	return suite_run("drain", tc);
}
