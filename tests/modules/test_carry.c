/**
 * @file test_carry.c  Text goes after whoever has moved
 *
 * dispatchee and move are real, on servers with one bus.
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


enum { N = 6 };

static int *res;


static bool all_have_it(void)
{
	for (unsigned i = 0; i < N; i++)
		if (movers.phonev[i].texts_got != i)
			return false;

	return *res != -1 && !movers_moving(0) &&
		(!movers.mediav[1].srv || !movers_moving(1));
}


/* Text that comes after the seat was saved */
static void join_slow(void)
{
	mphones_join(0, "a", N);
	movers.speed = 100;
}


static bool all_sent(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < N; i++)
		n += movers.phonev[i].adopter == 2;

	return n == N;
}


static void move_to_2(void)
{
	movers.speed = 500;
	res = movers_command(0, "move", "conference", "a", "server", "m2");
	movers_until(all_sent);
}


static void say(void)
{
	for (unsigned i = 0; i < N; i++)
		movers.phonev[i].texts = i;
	movers_until(all_have_it);
}


static void all_there(void)
{
	ck_assert_int_eq(0, *res);
	ck_assert_uint_eq(N, mphones_at(1, "a"));
}


START_TEST(test_moved)
{
	RUN(2, "", join_slow, move_to_2, say, all_there);
}
END_TEST


/* The other server dies: who comes back is told. */
static void say_and_die(void)
{
	for (unsigned i = 0; i < N; i++)
		movers.phonev[i].texts = i;
	movers_kill(1);
	movers_down(1);
	movers_until(all_have_it);
}


static void all_back(void)
{
	ck_assert_int_ne(0, *res);
	ck_assert_uint_eq(N, mphones_at(0, "a"));
}


START_TEST(test_back)
{
	RUN(2, "", join_slow, move_to_2, say_and_die, all_back);
}
END_TEST


int main(void)
{
	Suite *s = suite_create("carry");
	TCase *tc = tcase_create("carry");
	SRunner *sr;
	int failed;

	calm_speed(0);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, test_moved);
	tcase_add_test(tc, test_back);
	suite_add_tcase(s, tc);

	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
