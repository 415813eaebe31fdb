/**
 * @file movers_steps.c  Steps that runs of movers have in common
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "movers.h"
#include "movers_steps.h"


int *res;


bool answered(void)
{
	return *res != -1;
}


void move_to_2(void)
{
	res = movers_command(0, "move", "conference", "a", "server", "m2");
	movers_until(answered);
}


void settle(void)
{
}


bool idle(void)
{
	for (int i = 0; i < movers.mediac; i++) {
		const struct media *m = &movers.mediav[i];

		if (m->srv && movers_moving(i))
			return false;
	}

	return true;
}


void wait_idle(void)
{
	movers_until(idle);
}


void join_20(void)
{
	mphones_join(0, "a", 20);
	mphone_watch(0, "a");
	movers.mediav[0].roomv[0].locked = true;
}


void moved_20(void)
{
	ck_assert_int_eq(0, *res);
	ck_assert_uint_eq(21, mphones_at(1, "a"));
	ck_assert(!movers.mediav[0].roomv[0].here);
	ck_assert(movers.mediav[1].roomv[0].locked);
	ck_assert_uint_eq(21, movers.mediav[0].moved);
	ck_assert_uint_eq(0, movers.mediav[0].left);
	ck_assert_uint_eq(0, movers.mediav[1].joined);
	ck_assert_uint_eq(1, movers.mediav[0].deleted);
	for (unsigned i = 0; i < movers.phonec; i++) {
		ck_assert_uint_eq(1, movers.phonev[i].adoptions);
		ck_assert_uint_eq(1, movers.phonev[i].moves);
		/* who watches comes last */
		if (!movers.phonev[i].watcher)
			ck_assert_uint_lt(movers.phonev[i].order,
					  movers.phonev[20].order);
	}
}


/* Somebody hangs up while it is on its way, somebody comes */
void join_slow(void)
{
	join_20();
	movers.speed = 150;
}


static bool some_moved(void)
{
	return mphones_at(1, "a") >= 6;
}


void move_in_part(void)
{
	res = movers_command(0, "move", "conference", "a", "server", "m2");
	movers_until(some_moved);
}


void all_at_2_now(void)
{
	ck_assert_uint_eq(21, mphones_at(1, "a"));
}


/* 10 conferences of 4 leave m1; two servers share them */
void join_10(void)
{
	for (char c = 'a'; c < 'k'; c++)
		mphones_join(0, (char []){c, 0}, 4);
}


bool empty_1(void)
{
	return !mphones_at(0, NULL) && idle();
}
