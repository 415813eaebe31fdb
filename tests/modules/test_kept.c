/**
 * @file test_kept.c  When seats are on the bus, and whose they are
 *
 * Connect services and meshes are real; the test is their client hosts, and
 * whoever moves legs.
 */
#include <stdlib.h>
#include <string.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/event.h"
#include "bus/bus.h"
#include "noc/json.h"
#include "noc/seal.h"
#include "noc/seat.h"
#include "connect/connect.h"
#include "callers.h"
#include "farm.h"


enum { LONG = 15000 };             /* for whatever has to happen [ms]      */

static struct farm farm;
static struct seal_key *key;


static void server_up(unsigned ix, const char *name)
{
	callers_up(&farm, ix, name, "service groups\nconnect.seats yes\n");
}


static void setup(void)
{
	farm_open(&farm);
	callers_open();
	ck_assert_int_eq(0, seal_key_alloc(&key, farm.key,
					   sizeof farm.key));
}


static void teardown(void)
{
	for (unsigned i = 0; i < HOSTS_MAX; i++)
		callers_down(&farm, i);
	callers_close();
	key = mem_deref(key);
	farm_close(&farm);
}


static unsigned here(unsigned ix)
{
	return api_of(ix)->participants(api_of(ix)->c, "room");
}


/* what is on the bus */

struct look {
	const char *bucket;
	char key[SEAT_KEY_MAX];
	struct bus_kvop *op;
	struct odict *od;          /* last answer, NULL: nothing is there   */
	bool (*good)(const struct odict *od);
};


static void look_h(int err, uint64_t rev, const uint8_t *buf, size_t len,
		   void *arg)
{
	struct look *lk = arg;
	char place[SEAT_KEY_MAX + 8];

	(void)rev;
	lk->op = NULL;
	lk->od = mem_deref(lk->od);
	if (err)
		return;

	(void)re_snprintf(place, sizeof place, "%s/%s", lk->bucket, lk->key);
	ck_assert_int_eq(0, seal_open(&lk->od, key, place, buf, len));
}


static bool look_good(void *arg)
{
	struct look *lk = arg;

	if (lk->od && lk->good(lk->od))
		return true;

	if (!lk->op)
		ck_assert_int_eq(0, bus_kv_get(&lk->op, farm.inner,
					       lk->bucket, lk->key, look_h,
					       lk));

	return false;
}


static void wait_for(const char *bucket, const struct caller *c,
		     bool (*good)(const struct odict *od))
{
	struct look lk = {.bucket = bucket, .good = good};

	if (c)
		ck_assert_int_eq(0, seat_key(lk.key, sizeof lk.key, "room",
					     c->callid));
	else
		str_ncpy(lk.key, "room", sizeof lk.key);

	ck_assert(farm_wait(look_good, &lk, LONG));
	mem_deref(lk.op);
	mem_deref(lk.od);
}


static bool of_m1(const struct odict *od)
{
	return !strcmp("m1", odict_string(od, "server"));
}


static bool of_m1_again(const struct odict *od)
{
	uint64_t moves;

	return of_m1(od) && odict_get_number(od, &moves, "moves") &&
		moves == 2;
}


static bool has_streams(const struct odict *od)
{
	return odict_get_type(od, ODICT_OBJECT, "stream") != NULL;
}


static bool is_locked(const struct odict *od)
{
	bool on = false;

	return odict_get_boolean(od, &on, "locked") && on;
}


static void moment_h(void *arg)
{
	struct caller *const *cv = arg;

	ck_assert_uint_eq(1, cv[0]->sidev[0].peeks);
	ck_assert_uint_eq(1, cv[1]->sidev[0].peeks);
	re_cancel();
}


/* Timers fire in the order in which they are due, however late: a seat that
   waited for later changes would be looked at after this moment. */
START_TEST(test_first_at_once)
{
	struct caller *cv[2];
	struct tmr moment;

	server_up(0, "m1");
	farm_nap(10);
	tmr_init(&moment);
	tmr_start(&moment, 40, moment_h, cv);
	cv[0] = caller_join(0, "room", 0, false);
	cv[1] = caller_watch(0, "room", cv[0]->user);

	/* what happens until then is one with it */
	(void)callers_command(0, "mute", cv[0]->user, NULL, 0);
	(void)re_main(NULL);
	tmr_cancel(&moment);
	wait_for("seats", cv[0], of_m1);
	wait_for("seats", cv[1], of_m1);
	wait_for("rooms", NULL, of_m1);

	/* perhaps that was before anything was sent to it */
	wait_for("seats", cv[0], has_streams);
	ck_assert_uint_le(cv[0]->sidev[0].peeks, 2);
}
END_TEST


static bool none_at_2(void *arg)
{
	(void)arg;

	return !here(1);
}


/* m2 has taken somebody over, and nobody knows: m1 takes him back. The bus
   was away all the time; m2 must not write its name over that of m1, and m1
   must not believe what m2 wrote. */
START_TEST(test_goes_back)
{
	struct caller *c;
	struct odict *seat;

	server_up(0, "m1");
	server_up(1, "m2");
	c = caller_join(0, "room", 0, false);
	wait_for("seats", c, of_m1);

	farm_down(&farm, true);
	seat = callers_save(0, c);
	callers_adopt(1, seat, false);
	callers_release(0, c, "m2");
	callers_adopt(0, seat, true);
	mem_deref(seat);
	ck_assert_uint_eq(1, here(0));
	ck_assert_uint_eq(1, here(1));

	farm_down(&farm, false);
	wait_for("seats", c, of_m1_again);
	(void)callers_command(1, "mute", c->user, NULL, 0);
	ck_assert(farm_wait(none_at_2, NULL, LONG));
	ck_assert(c->sidev[1].released);
	ck_assert(!c->sidev[1].bye);
	ck_assert_uint_eq(1, here(0));
	wait_for("seats", c, of_m1_again);

	/* nothing of it stays */
	caller_leave(c);
	ck_assert_uint_eq(0, here(0));
}
END_TEST


/* What changes while the bus is away is written when it is back, though it is
   first looked up whose it is. */
START_TEST(test_changed_while_away)
{
	struct caller *c;

	server_up(0, "m1");
	c = caller_join(0, "room", 0, false);
	wait_for("seats", c, of_m1);
	wait_for("rooms", NULL, of_m1);

	farm_down(&farm, true);
	(void)callers_command(0, "lock", NULL, NULL, 0);
	farm_nap(100);
	farm_down(&farm, false);
	wait_for("rooms", NULL, is_locked);
}
END_TEST


/* Numbers of streams that make no sense are refused before anything else. */
static void bad_stream(struct odict *to)
{
	struct odict *od;

	ck_assert_int_eq(0, odict_alloc(&od, 4));
	ck_assert_int_eq(0, odict_entry_add(od, "ssrc", ODICT_INT,
					    (int64_t)-1));
	odict_entry_del(to, "stream");
	ck_assert_int_eq(0, odict_entry_add(to, "stream", ODICT_OBJECT, od));
	mem_deref(od);
}


START_TEST(test_bad_stream)
{
	struct caller *c;
	struct odict *seat;
	int err;

	server_up(0, "m1");
	server_up(1, "m2");
	c = caller_join(0, "room", 0, false);
	seat = callers_save(0, c);
	bad_stream(seat);
	ck_assert_int_eq(EBADMSG, callers_adopt_begin(1, seat, false, &err));
	ck_assert_uint_eq(0, here(1));
	ck_assert_int_eq(0, api_of(0)->leg_thaw(api_of(0)->c, c->callid, 0));
	mem_deref(seat);
}
END_TEST


static bool created_h(const struct event *ev, void *arg)
{
	const struct connect_event *ce = ev->data;

	ck_assert(ce->moved);
	*(uint64_t *)arg = ce->created_usec;

	return false;
}


/* A conference is as old as it is, wherever it goes. */
START_TEST(test_created)
{
	struct room_hold *hold;
	struct seat_room sr;
	struct listener *l;
	struct odict *od;
	uint64_t there = 0, then;

	server_up(0, "m1");
	server_up(1, "m2");
	ck_assert_int_eq(0, event_listen(&l, server_events(callers.srvv[1]),
					 "connect.created",
					 EVENT_PRIO_NORMAL, created_h,
					 &there));
	(void)caller_join(0, "room", 0, false);
	ck_assert_int_eq(0, api_of(0)->room_save(api_of(0)->c, "room", &od));
	ck_assert_int_eq(0, seat_room_decode(&sr, od));
	then = sr.created_usec;
	ck_assert_uint_gt(then, 0);
	ck_assert_int_eq(0, api_of(1)->room_load(api_of(1)->c, od, &hold));
	mem_deref(od);
	mem_deref(l);
	ck_assert_uint_eq(then, there);

	/* from there it goes on as old */
	ck_assert_int_eq(0, api_of(1)->room_save(api_of(1)->c, "room", &od));
	ck_assert_int_eq(0, seat_room_decode(&sr, od));
	ck_assert_uint_eq(then, sr.created_usec);
	mem_deref(od);
	mem_deref(hold);
}
END_TEST


int main(void)
{
	Suite *su = suite_create("kept");
	TCase *tc = tcase_create("kept");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_first_at_once);
	tcase_add_test(tc, test_goes_back);
	tcase_add_test(tc, test_changed_while_away);
	tcase_add_test(tc, test_bad_stream);
	tcase_add_test(tc, test_created);
	suite_add_tcase(su, tc);

	sr = srunner_create(su);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
