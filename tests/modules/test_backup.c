/**
 * @file test_backup.c  move.backup: the media server to move to when none is
 *                      heard of
 *
 * dispatchee and move are real, on servers with one bus. There is no dispatch
 * server, and the backup says nothing of itself, but answers whoever asks it.
 */
#include <string.h>
#include <stdlib.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "noc/client.h"
#include "calm.h"
#include "movers.h"


enum { N = 10 };

static int *res;


static void join(void)
{
	mphones_join(0, "a", N);
}


/* m2 says nothing of itself. */
static void hush_2(void)
{
	movers.mediac = 2;
	movers.hush = true;
	movers_start(1, "");
	movers.hush = false;
}


static void start_3(void)
{
	movers.mediac = 3;
	movers_start(2, "");
}


static bool settled(void)
{
	for (int i = 0; i < movers.mediac; i++)
		if (movers.mediav[i].srv && movers_moving(i))
			return false;

	return *res != -1;
}


static void move_anywhere(void)
{
	res = movers_command(0, "move", "conference", "a", NULL, NULL);
	movers_until(settled);
}


static void all_at_2(void)
{
	ck_assert_int_eq(0, *res);
	ck_assert_uint_eq(N, mphones_at(1, "a"));
}


static void all_at_1(void)
{
	ck_assert_int_ne(0, *res);
	ck_assert_uint_eq(N, mphones_at(0, "a"));
}


/* Who is sent to m1 by an old ticket is sent on. */
static void late_join(void)
{
	char contact[1024];

	all_at_2();
	mjoin_ask(0, "a", "late@h", mjoin_ticket("a", "late@h", "m1"),
		  contact, sizeof(contact));
	ck_assert_msg(strstr(contact, "127.0.0.2:5070") != NULL, "'%s'",
		      contact);
	ck_assert(mjoin_ask(1, "a", "late@h", strstr(contact, "ticket=") + 7,
			    contact, sizeof(contact)));
}


START_TEST(test_used)
{
	RUN(1, "move.backup m2\n", hush_2, join, move_anywhere, late_join);
}
END_TEST


/* Without it there is nowhere to go. */
START_TEST(test_unset)
{
	RUN(1, "", hush_2, join, move_anywhere, all_at_1);
}
END_TEST


/* Its own name helps nobody. */
START_TEST(test_own_name)
{
	RUN(1, "move.backup m1\n", hush_2, join, move_anywhere, all_at_1);
}
END_TEST


/* Nobody of that name answers: it stays. */
START_TEST(test_nobody)
{
	RUN(1, "move.backup m9\n", hush_2, join, move_anywhere, all_at_1);
}
END_TEST


static void all_at_3(void)
{
	ck_assert_int_eq(0, *res);
	ck_assert_uint_eq(N, mphones_at(2, "a"));
}


/* As long as others are heard of, one of those is taken. */
START_TEST(test_others)
{
	RUN(1, "move.backup m2\n", hush_2, start_3, join, move_anywhere,
	    all_at_3);
}
END_TEST


/* It may be out of service itself. */
static void drain_2(void)
{
	res = movers_command(1, "drain", NULL, NULL, NULL, NULL);
	ck_assert_int_eq(0, *res);
}


START_TEST(test_drained)
{
	RUN(1, "move.backup m2\n", hush_2, join, drain_2, move_anywhere,
	    all_at_1);
}
END_TEST


static bool all_drained(void)
{
	return movers.drained > 0;
}


/* A server that is emptied has somewhere to go, by order ... */
static void drain_1(void)
{
	res = movers_command(0, "drain", NULL, NULL, NULL, NULL);
	movers_until(all_drained);
}


START_TEST(test_drain)
{
	RUN(1, "move.backup m2\n", hush_2, join, drain_1, all_at_2);
}
END_TEST


/* ... and when it is told to stop */
static void terminate(void)
{
	ck_assert(movers_terminate(0));
	movers_until(all_drained);
}


static void at_2(void)
{
	ck_assert_uint_eq(N, mphones_at(1, "a"));
}


START_TEST(test_terminate)
{
	RUN(1, "move.backup m2\nserver.drain_seconds 60\n", hush_2, join,
	    terminate, at_2);
}
END_TEST


int main(void)
{
	Suite *s = suite_create("backup");
	TCase *tc = tcase_create("backup");
	SRunner *sr;
	int failed;

	calm_speed(0);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, test_used);
	tcase_add_test(tc, test_unset);
	tcase_add_test(tc, test_own_name);
	tcase_add_test(tc, test_nobody);
	tcase_add_test(tc, test_others);
	tcase_add_test(tc, test_drained);
	tcase_add_test(tc, test_drain);
	tcase_add_test(tc, test_terminate);
	suite_add_tcase(s, tc);

	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
