/**
 * @file test_silent.c  Callers that send nothing any more
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "seats.h"
#include "../suite.h"


static bool probed(void *arg)
{
	const struct caller *c = arg;

	return c->sidev[0].probes > 0;
}


/* Who sends nothing is asked; who does not answer is hung up on; who is on
   hold is left alone. */
START_TEST(test_dead)
{
	struct caller *cv[3];

	server_up(0, "m1", "mesh.silence_timeout 1\n");
	for (unsigned n = 0; n < 3; n++)
		cv[n] = caller_join(0, "room", n, false);
	caller_hold(cv[2], true);

	ck_assert(farm_wait(probed, cv[0], LIMIT_MS));
	ck_assert(farm_wait(probed, cv[1], LIMIT_MS));
	farm_nap(500);
	ck_assert_uint_eq(0, cv[2]->sidev[0].probes);
	ck_assert_uint_eq(3, here(0));

	/* it has begun to send meanwhile: it is not dead */
	phone_talk(cv[1]->phone, 500, 8000);
	phone_start(cv[1]->phone);
	farm_nap(1000);
	caller_dead(cv[0]);
	caller_dead(cv[1]);
	ck_assert(cv[0]->sidev[0].bye);
	ck_assert(!cv[1]->sidev[0].bye);
	ck_assert_uint_eq(2, here(0));
	ck_assert_uint_eq(1, toldv[0].left);
}
END_TEST


int main(void)
{
	TCase *tc = seats_case("silent");

	tcase_add_test(tc, test_dead);

	return suite_run("silent", tc);
}
