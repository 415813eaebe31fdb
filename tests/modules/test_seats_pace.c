/**
 * @file test_seats_pace.c  When seats are written to the bus, and how often
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "seats.h"
#include "../suite.h"


/* A bus that is away for a while: what changes meanwhile is written then. */
START_TEST(test_bus_away)
{
	struct caller *cv[6];

	server_up(0, "m1", "");
	cv[0] = caller_join(0, "room", 0, false);
	cv[1] = caller_join(0, "room", 1, false);
	kept_are("seats", "m1", 2);
	farm_nap(200);

	farm_down(&farm, true);
	for (unsigned n = 2; n < 6; n++)
		cv[n] = caller_join(0, "room", n, false);
	caller_leave(cv[0]);
	command(0, "mute", cv[1]->user);
	farm_nap(500);
	kept_are("seats", "m1", 2);
	farm_down(&farm, false);
	kept_are("seats", "m1", 5);

	for (unsigned n = 1; n < 6; n++)
		caller_leave(cv[n]);
	kept_are("seats", "", 0);
}
END_TEST


static unsigned peeks(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < callers.callerc; i++)
		n += callers.callerv[i]->sidev[0].peeks;

	return n;
}


static bool all_kept(void *arg)
{
	return peeks() >= *(unsigned *)arg;
}


struct calm {
	unsigned peeks;
	uint64_t since;            /* [us]                                  */
};


static bool is_calm(void *arg)
{
	struct calm *c = arg;
	const uint64_t now = farm_clock();

	if (c->peeks != peeks()) {
		c->peeks = peeks();
		c->since = now;
	}

	return now - c->since > 1000000;
}


/* What changes twice within a moment is written once; a burst of joins is
   spread; who just sits there costs nothing. Who was written before anything
   was sent to him is written a second time. */
START_TEST(test_pace)
{
	enum { N = 200 };
	struct calm calm = {0};
	unsigned n = N;
	uint64_t began;

	server_up(0, "m1", "connect.seats_rate 200\n");
	for (unsigned i = 0; i < N; i++) {
		(void)caller_join(0, "room", i, false);
		if (i < 50)
			command(0, "mute", callers.callerv[i]->user);
	}

	began = farm_clock();
	ck_assert(farm_wait(all_kept, &n, LIMIT_MS));
	ck_assert_uint_gt(farm_clock() - began, 300000);
	ck_assert(farm_wait(is_calm, &calm, 30000));
	n = peeks();
	ck_assert_uint_ge(n, N);
	ck_assert_uint_le(n, 2 * N);
	kept_are("seats", "m1", N);

	farm_nap(1000);
	ck_assert_uint_eq(n, peeks());
}
END_TEST


int main(void)
{
	TCase *tc = seats_case("seats pace");

	tcase_add_test(tc, test_bus_away);
	tcase_add_test(tc, test_pace);

	return suite_run("seats pace", tc);
}
