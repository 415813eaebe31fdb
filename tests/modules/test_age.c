/**
 * @file test_age.c  A conference that has moved is as old as it is, not as
 *                   young as it is at its server
 *
 * dispatchee, move and resolution are real, on three servers with one bus.
 */
#include <string.h>
#include <stdlib.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "noc/client.h"
#include "movers.h"


#define CONF "service resolution\nresolution.settle 60\n"

static const uint64_t HOUR = 3600000000ULL;   /* [us]                       */

static int *res;


/* It began an hour ago. */
static void begin_at_1(void)
{
	mphones_join(0, "a", 3);
	movers.mediav[0].roomv[0].created_usec -= HOUR;
}


/* It begins a second time, where nobody can be asked. */
static void begin_at_3(void)
{
	way_cut(movers.mediav[2].way, true);
	mphones_join(2, "a", 2);
}


/* Less than 50 ms would be no difference: each takes 30 ms at least. */
static void nap(void)
{
}


static bool moved(void)
{
	return *res != -1 && !movers_moving(0) && !movers_moving(1);
}


/* There it is younger than the one at m3. */
static void move_to_2(void)
{
	res = movers_command(0, "move", "conference", "a", "server", "m2");
	movers_until(moved);
}


static bool one_at_2(void)
{
	return mphones_at(1, "a") == 6 && !movers_moving(1) &&
		!movers_moving(2);
}


static void mend_3(void)
{
	ck_assert_int_eq(0, *res);
	ck_assert_uint_eq(3, mphones_at(1, "a"));
	way_cut(movers.mediav[2].way, false);
	mphones_join(2, "a", 1);
	movers_until(one_at_2);
}


static void are_there(void)
{
	ck_assert_uint_eq(6, mphones_at(1, "a"));
	for (unsigned i = 0; i < movers.phonec; i++)
		ck_assert_uint_eq(1, movers.phonev[i].adoptions);
}


START_TEST(test_older_has_moved)
{
	RUN(3, CONF, begin_at_1, begin_at_3, nap, nap, nap, nap, move_to_2,
	    mend_3, are_there);
}
END_TEST


int main(void)
{
	Suite *s = suite_create("age");
	TCase *tc = tcase_create("age");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, test_older_has_moved);
	suite_add_tcase(s, tc);

	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
