/**
 * @file test_heartbeat_slow.c  Who is there, by a bus that is slow
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "bus/bus.h"
#include "ghost.h"


static bool both_up(void *arg)
{
	(void)arg;

	return ears[0].up >= 2;
}


/* An answer takes longer than a silent server is given: nevertheless who dies
   is found dead, and who only sends no heartbeats is not. */
START_TEST(test_slow)
{
	struct ghost g, q;

	farm_open(&farm);
	farm.slow = 600;
	start(0, "a");
	ghost_start(&g, "g", 7);
	ghost_start(&q, "q", 9);
	ck_assert(farm_wait(both_up, NULL, 20000));

	q.beater = mem_deref(q.beater);
	ghost_die(&g);
	ck_assert(farm_wait(one_down, NULL, 20000));
	ck_assert_str_eq("g", ears[0].last);
	ck_assert_int_eq(NODE_DOWN, state(0, "g"));
	ck_assert_int_eq(NODE_UP, state(0, "q"));
	ghost_die(&q);
	all_end();
}
END_TEST


int main(void)
{
	Suite *s = suite_create("heartbeat_slow");
	TCase *tc = tcase_create("heartbeat_slow");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 90);
	tcase_add_test(tc, test_slow);
	suite_add_tcase(s, tc);

	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? 1 : 0;
}
