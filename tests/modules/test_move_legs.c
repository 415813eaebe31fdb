/**
 * @file test_move_legs.c  Legs that are hard to move, and who comes and goes
 *                         meanwhile
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "calm.h"
#include "movers.h"
#include "movers_steps.h"
#include "../suite.h"


/* Legs that are busy, refuse at first, or are slow */
static void join_hard(void)
{
	join_20();
	movers.phonev[2].busy = 3;
	movers.phonev[3].refuses = 2;
	movers.phonev[3].scode = 500;
	movers.phonev[4].refuses = 1;
	movers.phonev[4].scode = 488;
	movers.phonev[5].slow = 1500;
}


static void moved_hard(void)
{
	ck_assert_int_eq(0, *res);
	ck_assert_uint_eq(21, mphones_at(1, "a"));
	ck_assert_uint_eq(3, movers.phonev[3].adoptions);
	ck_assert_uint_eq(2, movers.phonev[3].thaws);
	ck_assert_uint_eq(2, movers.phonev[4].adoptions);
}


START_TEST(test_hard_legs)
{
	RUN(2, "move.retry 20\nmove.window 3\n", join_hard, move_to_2,
	    moved_hard, wait_idle, settle);
}
END_TEST


/* One that never can be moved, one that nobody hears of any more: both stay,
   and the link stays with them */
static void join_stubborn(void)
{
	join_20();
	movers.phonev[2].refuses = 1000;
	movers.phonev[2].scode = 500;
	movers.phonev[3].mute = true;
}


static bool referred(void)
{
	return movers.phonev[2].referred && mphones_at(1, "a") == 19 &&
		movers.phonev[3].thaws;
}


static void move_most(void)
{
	(void)movers_command(0, "move", "conference", "a", "server", "m2");
	movers_until(referred);
}


static void some_stay(void)
{
	ck_assert_uint_eq(19, mphones_at(1, "a"));
	ck_assert_uint_eq(2, mphones_at(0, "a"));
	ck_assert_uint_eq(1, movers.phonev[2].referred);
	ck_assert_uint_eq(0, movers.phonev[3].referred);
	ck_assert(movers.mediav[0].roomv[0].linked);
	ck_assert(movers.mediav[1].roomv[0].linked);
	ck_assert(!movers.phonev[2].frozen);
	ck_assert(!movers.phonev[3].frozen);
	mphone_hangup(&movers.phonev[2]);
	mphone_hangup(&movers.phonev[3]);
	movers_until(idle);
}


START_TEST(test_stubborn_legs)
{
	RUN(2, "move.retry 20\n", join_stubborn, move_most, some_stay,
	    settle);
}
END_TEST


static void move_slowly(void)
{
	res = movers_command(0, "move", "conference", "a", "server", "m2");
}


static void come_and_go(void)
{
	ck_assert_int_eq(-1, *res);
	mphone_hangup(&movers.phonev[0]);
	mphone_hangup(&movers.phonev[7]);
	(void)mphone_join(0, "a");
	movers_until(answered);
}


static void came_and_went(void)
{
	ck_assert_int_eq(0, *res);
	ck_assert_uint_eq(20, mphones_at(1, "a"));
	ck_assert_uint_eq(0, mphones_at(0, "a"));
}


START_TEST(test_come_and_go)
{
	RUN(2, "", join_slow, move_slowly, come_and_go, came_and_went,
	    wait_idle, settle);
}
END_TEST


/* A phone that reaches m1 with a good ticket after the claim has gone is sent
   to m2, with a ticket that m2 believes. */
static void ask_both(void)
{
	char contact[1024];

	mjoin_ask(0, "a", "late@h", mjoin_ticket("a", "late@h", "m1"),
		  contact, sizeof(contact));
	ck_assert_msg(strstr(contact, "127.0.0.2:5070") != NULL, "'%s'",
		      contact);
	ck_assert(mjoin_ask(1, "a", "late@h", strstr(contact, "ticket=") + 7,
			    contact, sizeof(contact)));
	ck_assert_str_eq("", contact);

	/* a stranger learns nothing */
	ck_assert(!mjoin_ask(0, "a", "thief@h", "", contact,
			     sizeof(contact)));
	ck_assert_str_eq("403 Ticket is missing", contact);
}


START_TEST(test_late_join)
{
	RUN(2, "", join_20, move_to_2, moved_20, ask_both, wait_idle,
	    settle);
}
END_TEST


/* a phone speaks to a server that has the claim, but not the dialog */
static void lose_one(void)
{
	struct mphone *p = &movers.phonev[3];

	/* as if it had been overlooked */
	--movers.mediav[0].roomv[0].members;
	p->at = -1;
	ck_assert(movers_lost(0, p->callid));
	(void)movers_lost(0, "nobody's");
	movers_until(idle);
}


static void found_one(void)
{
	ck_assert_int_eq(0, movers.phonev[3].at);
	ck_assert_uint_eq(1, movers.phonev[3].adoptions);
}


START_TEST(test_lost)
{
	RUN(2, "", join_20, lose_one, settle, settle, found_one, settle);
}
END_TEST


int main(void)
{
	TCase *tc = tcase_create("move legs");

	calm_speed(0);
	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, test_hard_legs);
	tcase_add_test(tc, test_stubborn_legs);
	tcase_add_test(tc, test_come_and_go);
	tcase_add_test(tc, test_late_join);
	tcase_add_test(tc, test_lost);

	return suite_run("move legs", tc);
}
