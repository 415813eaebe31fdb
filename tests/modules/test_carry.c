/**
 * @file test_carry.c  Text goes after whoever has moved, and to the half of
 *                     a conference that is elsewhere
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


/* One cannot be moved, so the conference has two halves for long. */
static void join_stubborn(void)
{
	mphones_join(0, "a", N);
	movers.phonev[0].refuses = 1000;
	movers.phonev[0].scode = 500;
}


static bool parted(void)
{
	return mphones_at(1, "a") == N - 1;
}


static void part(void)
{
	res = movers_command(0, "move", "conference", "a", "server", "m2");
	movers_until(parted);
}


static bool both_told(void)
{
	return !strcmp("one two ", movers_said(1, "a")) &&
		!strcmp("three ", movers_said(0, "a"));
}


static void say_in_both(void)
{
	movers_text(0, "a", "one ");
	movers_text(1, "a", "three ");
	movers_text(0, "a", "two ");
	movers_text(0, "b", "nobody ");
	movers_until(both_told);
}


static bool all_gone(void)
{
	return !movers_moving(0) && !movers_moving(1);
}


static void stubborn_leaves(void)
{
	ck_assert_str_eq("one two ", movers_said(1, "a"));
	mphone_hangup(&movers.phonev[0]);
	movers_until(all_gone);
}


/* Nobody else is anywhere else. */
static void say_alone(void)
{
	movers_text(1, "a", "four ");
	ck_assert_uint_eq(N - 1, mphones_at(1, "a"));
}


START_TEST(test_halves)
{
	RUN(2, "", join_stubborn, part, say_in_both, stubborn_leaves,
	    say_alone);
}
END_TEST


/* What is said while the bus is away is told when it is back, in order. */
static void say_unheard(void)
{
	way_cut(movers.mediav[0].way, true);
	movers_text(0, "a", "one ");
	movers_text(0, "a", "two ");
	ck_assert_str_eq("", movers_said(1, "a"));
}


static bool told_2(void)
{
	return !strcmp("one two ", movers_said(1, "a"));
}


static void mend(void)
{
	way_cut(movers.mediav[0].way, false);
	movers_until(told_2);
}


START_TEST(test_halves_bus)
{
	RUN(2, "", join_stubborn, part, say_unheard, mend, stubborn_leaves);
}
END_TEST


/* Two come together in a third: it passes on what each of them says. */
static void join_three(void)
{
	for (int i = 0; i < 3; i++)
		mphones_join(i, "a", 2);
	for (int i = 2; i < 6; i += 2) {
		movers.phonev[i].refuses = 1000;
		movers.phonev[i].scode = 500;
	}
}


static bool three_parted(void)
{
	return mphones_at(0, "a") == 4;
}


static void merge(void)
{
	for (int i = 1; i < 3; i++)
		(void)movers_command(i, "move", "conference", "a", "server",
				     "m1");
	movers_until(three_parted);
}


static bool three_told(void)
{
	return strlen(movers_said(0, "a")) == 2 &&
		strlen(movers_said(1, "a")) == 2 &&
		strlen(movers_said(2, "a")) == 2;
}


static void say_in_three(void)
{
	movers_text(0, "a", "1");
	movers_text(1, "a", "2");
	movers_text(2, "a", "3");
	movers_until(three_told);
}


static bool three_gone(void)
{
	return all_gone() && !movers_moving(2);
}


/* Nobody is told what was said where he is himself. */
static void three_end(void)
{
	for (int i = 0; i < 3; i++)
		ck_assert_ptr_null(strchr(movers_said(i, "a"), '1' + i));
	mphone_hangup(&movers.phonev[2]);
	mphone_hangup(&movers.phonev[4]);
	movers_until(three_gone);
}


static void one_is_left(void)
{
	ck_assert_uint_eq(2, strlen(movers_said(0, "a")));
}


START_TEST(test_halves_three)
{
	RUN(3, "", join_three, merge, say_in_three, three_end, one_is_left);
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
	tcase_add_test(tc, test_halves);
	tcase_add_test(tc, test_halves_bus);
	tcase_add_test(tc, test_halves_three);
	suite_add_tcase(s, tc);

	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
