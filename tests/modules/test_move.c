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
#include "movers.h"


#define RUN(n, conf, ...) do { \
	mstep_h *const stepv_[] = { __VA_ARGS__ }; \
	movers_run(n, conf, stepv_, ARRAY_SIZE(stepv_)); \
} while (0)


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


static bool all_at_2(void)
{
	return !mphones_at(0, NULL) && !movers.mediav[0].roomv[0].here;
}


/* The end of a move is told before it is told to the other server. */
static void settle(void)
{
}


static void join_20(void)
{
	mphones_join(0, "a", 20);
	movers.mediav[0].roomv[0].locked = true;
	movers.phonev[3].watcher = false;
}


static void moved_20(void)
{
	ck_assert_int_eq(0, *res);
	ck_assert_uint_eq(20, mphones_at(1, "a"));
	ck_assert(!movers.mediav[0].roomv[0].here);
	ck_assert(movers.mediav[1].roomv[0].locked);
	ck_assert_uint_eq(20, movers.mediav[0].moved);
	ck_assert_uint_eq(0, movers.mediav[0].left);
	ck_assert_uint_eq(0, movers.mediav[1].joined);
	for (unsigned i = 0; i < movers.phonec; i++) {
		ck_assert_uint_eq(1, movers.phonev[i].adoptions);
		ck_assert_uint_eq(1, movers.phonev[i].moves);
	}
}


/*
 * m1                      m2
 *  |-- begin ------------->|
 *  |<------------ ok, link |
 *  |   claim -> m2         |
 *  |-- seat (20 times) --->|-- re-INVITE
 *  |<------------------ ok |
 *  |-- end --------------->|
 */
START_TEST(test_move)
{
	RUN(2, "", join_20, move_to_2, moved_20, settle);
}
END_TEST


int main(void)
{
	Suite *s = suite_create("move");
	TCase *tc = tcase_create("move");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_move);
	suite_add_tcase(s, tc);
	(void)all_at_2;

	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
