/**
 * @file test_move.c  Conferences change their media server
 */
#include <string.h>
#include <stdlib.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "bus/bus.h"
#include "noc/client.h"
#include "noc/name.h"
#include "move/message.h"
#include "calm.h"
#include "movers.h"



static int *res;

static bool answered(void)
{
	return *res != -1;
}


static void move_to_2(void)
{
	res = movers_command(0, "move", "conference", "a", "server", "m2");
	movers_until(answered);
}


static void settle(void)
{
}


static bool idle(void)
{
	for (int i = 0; i < movers.mediac; i++) {
		const struct media *m = &movers.mediav[i];

		if (m->srv && movers_moving(i))
			return false;
	}

	return true;
}


static void wait_idle(void)
{
	movers_until(idle);
}


static void join_20(void)
{
	mphones_join(0, "a", 20);
	mphone_watch(0, "a");
	movers.mediav[0].roomv[0].locked = true;
}


static void moved_20(void)
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


/* Somebody hangs up while it is on its way, somebody comes */
static void join_slow(void)
{
	join_20();
	movers.speed = 150;
}


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
	ck_assert_str_eq("", contact);
}


START_TEST(test_late_join)
{
	RUN(2, "", join_20, move_to_2, moved_20, ask_both, wait_idle,
	    settle);
}
END_TEST


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


static bool some_moved(void)
{
	return mphones_at(1, "a") >= 6;
}


static void move_in_part(void)
{
	res = movers_command(0, "move", "conference", "a", "server", "m2");
	movers_until(some_moved);
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


static void all_at_2_now(void)
{
	ck_assert_uint_eq(21, mphones_at(1, "a"));
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


/* 10 conferences of 4 leave m1; two servers share them */
static void join_10(void)
{
	for (char c = 'a'; c < 'k'; c++)
		mphones_join(0, (char []){c, 0}, 4);
}


static bool empty_1(void)
{
	return !mphones_at(0, NULL) && idle();
}


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


static struct odict *json(const char *text)
{
	struct odict *od;

	ck_assert_int_eq(0, json_decode_odict(&od, 16, text, strlen(text),
					      8));

	return od;
}


START_TEST(test_messages)
{
	static const char *const badv[] = {
		"{}",
		"{\"op\":\"steal\",\"conference\":\"a\",\"from\":\"m1\"}",
		"{\"op\":1,\"conference\":\"a\",\"from\":\"m1\"}",
		"{\"op\":\"end\",\"conference\":\"a\"}",
		"{\"op\":\"end\",\"from\":\"m1\"}",
		"{\"op\":\"end\",\"conference\":\"\",\"from\":\"m1\"}",
		"{\"op\":\"end\",\"conference\":7,\"from\":\"m1\"}",
		"{\"op\":\"end\",\"conference\":\"a\",\"from\":\"m1\","
			"\"abort\":1}",
		"{\"op\":\"begin\",\"conference\":\"a\",\"from\":\"m1\"}",
		"{\"op\":\"begin\",\"conference\":\"a\",\"from\":\"m1\","
			"\"room\":[]}",
		"{\"op\":\"begin\",\"conference\":\"a\",\"from\":\"m1\","
			"\"room\":{},\"participants\":-1}",
		"{\"op\":\"begin\",\"conference\":\"a\",\"from\":\"m1\","
			"\"room\":{},\"participants\":4294967296}",
		"{\"op\":\"seat\",\"conference\":\"a\",\"from\":\"m1\","
			"\"seat\":{}}",
		"{\"op\":\"seat\",\"conference\":\"a\",\"from\":\"m1\","
			"\"callid\":\"x\"}",
		"{\"op\":\"gone\",\"conference\":\"a\",\"from\":\"m1\"}",
		"{\"op\":\"share\",\"conference\":\"a\",\"from\":\"m1\"}",
		"{\"op\":\"share\",\"conference\":\"a\",\"from\":\"m1\","
			"\"texts\":\"x\"}",
		"{\"op\":\"share\",\"conference\":\"a\",\"texts\":{}}",
		"{\"op\":\"begin\",\"conference\":\"a\",\"from\":\"m1\","
			"\"room\":{},\"link\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxx"
			"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}",
	};
	struct move_msg msg, back;
	struct move_reply r, rback;
	struct odict *od, *room;

	ck_assert_int_eq(0, libre_init());
	for (size_t i = 0; i < ARRAY_SIZE(badv); i++) {
		od = json(badv[i]);
		ck_assert_msg(move_msg_decode(&msg, od) == EBADMSG, "%zu", i);
		mem_deref(od);
	}

	memset(&msg, 0, sizeof(msg));
	ck_assert_int_eq(EINVAL, move_msg_encode(&od, &msg));
	room = json("{\"v\":1}");
	msg.op = MOVE_BEGIN;
	msg.room = room;
	msg.participants = 300;
	msg.merge = true;
	str_ncpy(msg.conference, "team a", sizeof(msg.conference));
	str_ncpy(msg.from, "m1", sizeof(msg.from));
	str_ncpy(msg.link, "127.0.0.1:9", sizeof(msg.link));
	ck_assert_int_eq(0, move_msg_encode(&od, &msg));
	ck_assert_int_eq(0, move_msg_decode(&back, od));
	ck_assert_int_eq(MOVE_BEGIN, back.op);
	ck_assert_str_eq("team a", back.conference);
	ck_assert_str_eq("m1", back.from);
	ck_assert_str_eq("127.0.0.1:9", back.link);
	ck_assert_uint_eq(300, back.participants);
	ck_assert(back.merge);
	ck_assert(!back.abort);
	ck_assert_ptr_nonnull(back.room);
	ck_assert_ptr_null(back.seat);
	mem_deref(od);
	mem_deref(room);

	memset(&r, 0, sizeof(r));
	r.error = MOVE_RETRY;
	r.scode = 491;
	r.cseq = 77;
	str_ncpy(r.reason, "not now", sizeof(r.reason));
	ck_assert_int_eq(0, move_reply_encode(&od, &r));
	ck_assert_int_eq(0, move_reply_decode(&rback, od));
	ck_assert_int_eq(MOVE_RETRY, rback.error);
	ck_assert_uint_eq(491, rback.scode);
	ck_assert_uint_eq(77, rback.cseq);
	ck_assert_str_eq("not now", rback.reason);
	mem_deref(od);

	od = json("{\"error\":\"perhaps\"}");
	ck_assert_int_eq(EBADMSG, move_reply_decode(&rback, od));
	mem_deref(od);
	od = json("{}");
	ck_assert_int_eq(EBADMSG, move_reply_decode(&rback, od));
	mem_deref(od);
	libre_close();
}
END_TEST


static void add_moves(TCase *tc)
{
	tcase_add_test(tc, test_move);
	tcase_add_test(tc, test_there_and_back);
	tcase_add_test(tc, test_order_elsewhere);
	tcase_add_test(tc, test_anywhere);
	tcase_add_test(tc, test_bad_orders);
	tcase_add_test(tc, test_no_such_server);
	tcase_add_test(tc, test_begin_unanswered);
	tcase_add_test(tc, test_no_room);
	tcase_add_test(tc, test_target_drained);
	tcase_add_test(tc, test_hard_legs);
	tcase_add_test(tc, test_stubborn_legs);
	tcase_add_test(tc, test_come_and_go);
	tcase_add_test(tc, test_late_join);
	tcase_add_test(tc, test_target_dies);
	tcase_add_test(tc, test_target_restarts);
	tcase_add_test(tc, test_source_dies);
	tcase_add_test(tc, test_third_takes);
	tcase_add_test(tc, test_merge);
	tcase_add_test(tc, test_bus_away);
	tcase_add_test(tc, test_junk);
	tcase_add_test(tc, test_messages);
}


static void add_others(TCase *tc)
{
	tcase_add_test(tc, test_drain);
	tcase_add_test(tc, test_drain_exit);
	tcase_add_test(tc, test_drain_waits);
	tcase_add_test(tc, test_undrain);
	tcase_add_test(tc, test_sigterm);
	tcase_add_test(tc, test_sigterm_alone);
	tcase_add_test(tc, test_sigterm_off);
	tcase_add_test(tc, test_plan);
	tcase_add_test(tc, test_crash);
	tcase_add_test(tc, test_crash_many);
	tcase_add_test(tc, test_crash_seen_by_one);
	tcase_add_test(tc, test_crash_isolated);
	tcase_add_test(tc, test_crash_deaf);
	tcase_add_test(tc, test_restart);
	tcase_add_test(tc, test_lost);
}


int main(void)
{
	Suite *s = suite_create("move");
	TCase *tc = tcase_create("move");
	SRunner *sr;
	int failed;

	calm_speed(0);
	tcase_set_timeout(tc, 240);
	add_moves(tc);
	add_others(tc);
	suite_add_tcase(s, tc);

	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
