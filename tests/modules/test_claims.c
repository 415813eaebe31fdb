/**
 * @file test_claims.c  dispatch and dispatchee: who has a conference
 */
#include <string.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "server/command.h"
#include "bus/bus.h"
#include "noc/name.h"
#include "calm.h"
#include "noc.h"


static void claim_of_ghost(void)
{
	claim_put("a", "ghost", 0);
}


static void claim_of_other(void)
{
	other_start(1, OTHER_GRANTS);
	claim_put("a", "m2", 0);
}


static void there(void)
{
	phone_is(0, 302, OTHER);
}


START_TEST(test_claims)
{
	/* a server that is gone leaves nothing to respect */
	RUN(BOTH, claim_of_ghost, call_one, sent_here);
	/* one that is there does */
	RUN(BOTH, claim_of_other, call_one, there);
}
END_TEST


static void claim_of_before(void)
{
	struct wire_claim c = { "a", "m1", true };
	uint8_t buf[WIRE_SMALL_MAX];
	size_t n;

	ck_assert_int_eq(0, wire_claim_encode(buf, sizeof(buf), &n, &c));
	ck_assert_int_eq(0, bus_kv_put(NULL, server_bus(noc.srv),
				       "conferences", "a", buf, n, 0, NULL,
				       NULL));
}


static void claim_is_gone(void)
{
	ck_assert_uint_eq(0, table_count("conference-table", "conferences"));
}


START_TEST(test_claim_of_before)
{
	/* this server says that it has a conference which it has not */
	RUN(BOTH, claim_of_before, claim_is_gone, call_one, sent_here);
}
END_TEST


static void other_claims(void)
{
	other_start(5000, OTHER_CLAIMS);
}


static void call_raced(void)
{
	phone_call(0, "raced", "u@h", "");
	phone_call(1, "raced", "v@h", "");
}


static void raced(void)
{
	ck_assert_uint_eq(1, noc.other.reserves);
	ck_assert_uint_eq(1, noc.other.released);
	phone_is(0, 302, HERE);
	phone_is(1, 302, HERE);
	ck_assert_uint_eq(0, noc.created);
}


START_TEST(test_claim_race)
{
	RUN(BOTH, other_claims, call_raced, raced);
}
END_TEST


static void claim_expires(void)
{
	phone_is(0, 302, HERE);
	ck_assert_uint_eq(1, table_count("conference-table", "conferences"));
	noc.delay = 1100;
}


static void claim_expired(void)
{
	ck_assert_uint_eq(0, table_count("conference-table", "conferences"));
}


START_TEST(test_claim_expiry)
{
	RUN(BOTH "dispatch.claim_life 1\n", call_one, claim_expires,
	    claim_expired);
}
END_TEST


static void services_restart(void)
{
	static const char *const namev[] = { "dispatchee", "dispatch" };
	struct service *svc;
	char uri[512];
	size_t i;

	phone_is(0, 302, HERE);
	ck_assert_int_eq(0, fast("a", "x@h", uri, sizeof(uri)));

	/* with a reservation and a handover under way */
	phone_call(1, "b", "u@h", "");
	for (i=0; i<ARRAY_SIZE(namev); i++) {
		svc = service_find(noc.srv, namev[i]);
		ck_assert_ptr_nonnull(svc);
		ck_assert_int_eq(0, service_stop(svc));
	}
	ck_assert_ptr_null(noc.redirect);
	phone_is(1, 503, NULL);
	for (i=ARRAY_SIZE(namev); i-->0; ) {
		svc = service_find(noc.srv, namev[i]);
		ck_assert_int_eq(0, service_start(svc));
	}
	noc.delay = 80;
}


static void services_again(void)
{
	phone_call(0, "a", "x@h", "");
	phone_call(1, "c", "u@h", "");
}


static void services_work(void)
{
	char uri[512];

	phone_is(0, 302, HERE);
	phone_is(1, 302, HERE);
	ck_assert_int_eq(0, fast("a", "x@h", uri, sizeof(uri)));
}


START_TEST(test_restart)
{
	RUN(BOTH, call_one, services_restart, services_again, services_work);
}
END_TEST


int main(void)
{
	Suite *s = suite_create("claims");
	TCase *tc = tcase_create("claims");
	SRunner *sr;
	int failed;

	calm_speed(0);
	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, test_claims);
	tcase_add_test(tc, test_claim_of_before);
	tcase_add_test(tc, test_claim_race);
	tcase_add_test(tc, test_claim_expiry);
	tcase_add_test(tc, test_restart);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
