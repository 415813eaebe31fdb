/**
 * @file test_resolution.c  A conference that was created twice becomes one
 *
 * dispatchee, move and resolution are real, on three servers with one bus,
 * from which a server can be cut off.
 */
#include <string.h>
#include <stdlib.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/event.h"
#include "bus/bus.h"
#include "noc/client.h"
#include "calm.h"
#include "movers.h"


#define CONF "service resolution\nresolution.settle 60\n"


static struct listener *lv[MEDIA_MAX];
static unsigned merged, merging;


static bool event_handler(const struct event *ev, void *arg)
{
	(void)ev;
	++*(unsigned *)arg;

	return false;
}


static void listen_all(void)
{
	merged = merging = 0;
	for (int i = 0; i < 2; i++) {
		struct events *evs = server_events(movers.mediav[2].srv);

		ck_assert_int_eq(0, event_listen(&lv[i], evs, i ?
						 "resolution.merged" :
						 "resolution.merging",
						 EVENT_PRIO_NORMAL,
						 event_handler, i ? &merged :
						 &merging));
	}
}


static void listen_end(void)
{
	for (int i = 0; i < 2; i++)
		lv[i] = mem_deref(lv[i]);
}


static void nap(void)
{
}


static bool all_at_1(void)
{
	return mphones_at(0, "a") == 6 && !movers_moving(0) &&
		!movers_moving(1);
}


static void wait_merged(void)
{
	movers_until(all_at_1);
}


static void is_one(void)
{
	ck_assert_uint_eq(6, mphones_at(0, "a"));
	for (unsigned i = 0; i < movers.phonec; i++)
		ck_assert_uint_le(movers.phonev[i].adoptions, 1);
	listen_end();
}


/* The claim is the older one's; the younger one could not see it. */
static void old_has_claim(void)
{
	listen_all();
	way_cut(movers.mediav[1].way, true);
	mphones_join(0, "a", 3);
}


static void young_without(void)
{
	mphones_join(1, "a", 2);
}


static void mend_2(void)
{
	way_cut(movers.mediav[1].way, false);
	mphones_join(1, "a", 1);
}


START_TEST(test_older_has_claim)
{
	RUN(3, CONF, old_has_claim, nap, nap, nap, young_without, nap, mend_2,
	    wait_merged, is_one, nap);
}
END_TEST


/* The claim is the younger one's: it gives it away. */
static void old_without(void)
{
	listen_all();
	way_cut(movers.mediav[0].way, true);
	mphones_join(0, "a", 3);
}


static void young_has_claim(void)
{
	mphones_join(1, "a", 2);
}


static void mend_1(void)
{
	way_cut(movers.mediav[0].way, false);
	mphones_join(0, "a", 1);
}


START_TEST(test_younger_has_claim)
{
	RUN(3, CONF, old_without, nap, nap, nap, young_has_claim, nap, mend_1,
	    wait_merged, is_one, nap);
}
END_TEST


/* What only looks so is left alone. */
static void false_alarms(void)
{
	listen_all();
	mphones_join(0, "a", 6);
	movers_say("noc.conflict", "{\"conference\":\"a\",\"server\":\"m2\","
		   "\"claimed\":\"m1\"}");
	movers_say("noc.conflict", "{\"conference\":\"none\",\"server\":"
		   "\"m2\",\"claimed\":\"m1\"}");
	movers_say("noc.conflict", "{\"conference\":\"a\",\"server\":\"m9\","
		   "\"claimed\":\"m8\"}");
	movers_say("noc.conflict", "{\"conference\":7}");
	movers_say("noc.conflict", "rubbish");
	movers_say("noc.user", "rubbish");
}


static void still_one(void)
{
	ck_assert_uint_eq(0, merging);
	is_one();
}


START_TEST(test_false_alarms)
{
	RUN(3, CONF, false_alarms, nap, nap, nap, nap, nap, still_one);
}
END_TEST


int main(void)
{
	Suite *s = suite_create("resolution");
	TCase *tc = tcase_create("resolution");
	SRunner *sr;
	int failed;

	calm_speed(0);
	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, test_older_has_claim);
	tcase_add_test(tc, test_younger_has_claim);
	tcase_add_test(tc, test_false_alarms);
	suite_add_tcase(s, tc);

	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
