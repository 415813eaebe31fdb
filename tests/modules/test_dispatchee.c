/**
 * @file test_dispatchee.c  dispatch and dispatchee: who is let in, and what a
 *                          media server says it has left
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


static void tickets_get(void)
{
	phone_call(0, "a", "alice@h", "");
	phone_call(1, "b", "alice@h", "");
}


static void tickets_bad(void)
{
	char ticket[CLIENT_TICKET_MAX];

	phone_is(0, 302, HERE);
	phone_is(1, 302, HERE);

	str_ncpy(ticket, phone_ticket(&noc.phonev[0]), sizeof(ticket));
	phone_call(2, "b", "alice@h", ticket);       /* another conference */
	phone_is(2, 403, NULL);
	ck_assert_str_eq("Ticket is not valid", noc.phonev[2].reason);
	phone_call(2, "a", "mallory@h", ticket);     /* another user */
	phone_is(2, 403, NULL);
	phone_call(2, "a", "alice@h", "forged");
	phone_is(2, 403, NULL);
	ticket[10] ^= 1;
	phone_call(2, "a", "alice@h", ticket);
	phone_is(2, 403, NULL);
	ck_assert(!noc.phonev[2].admitted);
	noc.delay = 2100;
}


static void ticket_old(void)
{
	phone_call(2, "a", "alice@h", phone_ticket(&noc.phonev[0]));
	phone_is(2, 403, NULL);
	ck_assert_str_eq("Ticket has expired", noc.phonev[2].reason);

	/* the will-call list knows it still, but once only */
	phone_call(3, "b", "alice@h", "");
	ck_assert(noc.phonev[3].admitted);
	phone_call(3, "b", "alice@h", "");
	ck_assert(!noc.phonev[3].admitted);
	phone_is(3, 302, HERE);
	phone_call(4, "b", "bob@h", "");
	ck_assert(!noc.phonev[4].admitted);
}


START_TEST(test_tickets)
{
	RUN(BOTH "dispatch.ticket_life 1\n", tickets_get, tickets_bad,
	    ticket_old);
}
END_TEST


/* Clients that drop URI parameters come without ticket after a fast
   redirect. */
static void willcall_call(void)
{
	char uri[512];

	phone_is(0, 302, HERE);
	ck_assert_int_eq(0, fast("a", "dave@h", uri, sizeof(uri)));
	ck_assert_int_eq(0, fast("a", "erin@h", uri, sizeof(uri)));
}


static void willcall_come(void)
{
	phone_call(2, "a", "erin@h", "");
	ck_assert(noc.phonev[2].admitted);
	phone_call(3, "a", "dave@h", "");
	ck_assert(noc.phonev[3].admitted);
	phone_call(4, "a", "frank@h", "");
	ck_assert(!noc.phonev[4].admitted);
	phone_is(4, 302, HERE);
}


START_TEST(test_willcall)
{
	RUN(BOTH, tickets_get, willcall_call, willcall_come);
}
END_TEST


static void open_call(void)
{
	phone_call(0, "a", "u@h", "");
	ck_assert(noc.phonev[0].admitted);
	phone_call(1, "a", "v@h", "");
	ck_assert(noc.phonev[1].admitted);
	phone_call(2, "a", "w@h", "");
	phone_is(2, 503, NULL);
	phone_call(3, "a", "w@h", "forged");
	phone_is(3, 403, NULL);
}


static void closed_call(void)
{
	phone_call(0, "a", "u@h", "");
	ck_assert(!noc.phonev[0].admitted);
	phone_is(0, 403, NULL);
	ck_assert_str_eq("Ticket is missing", noc.phonev[0].reason);
}


START_TEST(test_open)
{
	RUN("service dispatchee\ndispatchee.open yes\ncapacity.users 2\n",
	    open_call);
	RUN("service dispatchee\n", closed_call);
}
END_TEST


static void ok_handler(int err, const char *reason,
		       const struct odict *result, void *arg)
{
	(void)result;
	*(int *)arg = err;
	if (err)
		ck_assert_ptr_nonnull(reason);
}


static int drain(bool on)
{
	struct odict *args;
	int err = -1;

	ck_assert_int_eq(0, odict_alloc(&args, 4));
	ck_assert_int_eq(0, odict_entry_add(args, "on", ODICT_BOOL, on));
	ck_assert_int_eq(0, command_run(server_commands(noc.srv), "drain",
					args, ok_handler, &err));
	mem_deref(args);

	return err;
}


static void drain_on(void)
{
	phone_is(0, 302, HERE);
	ck_assert_int_eq(0, drain(true));
}


static void drained(void)
{
	/* those who belong together still come together */
	phone_call(1, "a", "v@h", "");
	phone_is(1, 302, HERE);
	phone_call(2, "b", "v@h", "");
	phone_is(2, 503, NULL);
	ck_assert_int_eq(0, drain(false));
}


static void undrained(void)
{
	phone_call(3, "b", "v@h", "");
}


static void undrained_is(void)
{
	phone_is(3, 302, HERE);
}


START_TEST(test_drain)
{
	RUN(BOTH, call_one, drain_on, drained, undrained, undrained_is);
}
END_TEST


static int plan_err;


static void plan(const char *server, int64_t from, int64_t to)
{
	struct odict *args;

	plan_err = -1;
	ck_assert_int_eq(0, odict_alloc(&args, 4));
	if (server)
		(void)odict_entry_add(args, "server", ODICT_STRING, server);
	(void)odict_entry_add(args, "from", ODICT_INT, from);
	(void)odict_entry_add(args, "to", ODICT_INT, to);
	ck_assert_int_eq(0, command_run(server_commands(noc.srv), "plan-out",
					args, ok_handler, &plan_err));
	mem_deref(args);
}


static void plan_bad(void)
{
	plan(NULL, 1, 2);
	ck_assert_int_eq(EINVAL, plan_err);
	plan("m1", 2, 1);
	ck_assert_int_eq(EINVAL, plan_err);
	plan("m1", 1, (int64_t)time(NULL) + 1000);
}


static void plan_on(void)
{
	ck_assert_int_eq(0, plan_err);
	phone_call(0, "a", "u@h", "");
	phone_is(0, 503, NULL);
	plan("m1", 0, 0);
}


static void plan_off(void)
{
	ck_assert_int_eq(0, plan_err);
	phone_call(0, "a", "u@h", "");
}


START_TEST(test_plan)
{
	RUN(BOTH, plan_bad, plan_on, plan_off, sent_here);
}
END_TEST


static void contracted_fill(void)
{
	phone_call(0, "a", "u@h", "");
	phone_call(1, "b", "u@h", "");
}


static void contracted_full(void)
{
	phone_is(0, 302, HERE);
	phone_is(1, 302, HERE);
	phone_call(2, "c", "u@h", "");      /* no third conference */
	phone_call(3, "a", "v@h", "");      /* but a second of the first */
}


static void contracted_is(void)
{
	phone_is(2, 480, NULL);
	phone_is(3, 302, HERE);
}


START_TEST(test_contracted)
{
	RUN(BOTH "capacity.estimator conferences\ncapacity.conferences 2\n"
	    "capacity.contracted 5\n", contracted_fill, contracted_full,
	    contracted_is);
}
END_TEST


static void set_users(void)
{
	char reason[128];

	phone_call(0, "a", "u@h", "");
	phone_is(0, 480, NULL);
	ck_assert_int_eq(0, config_set(server_config(noc.srv),
				       "capacity.users", "5", reason,
				       sizeof(reason)));
}


static void set_then(void)
{
	phone_call(0, "a", "u@h", "");
}


START_TEST(test_runtime_setting)
{
	RUN(BOTH "capacity.users 0\n", set_users, set_then, sent_here);
}
END_TEST


int main(void)
{
	Suite *s = suite_create("dispatchee");
	TCase *tc = tcase_create("dispatchee");
	SRunner *sr;
	int failed;

	calm_speed(0);
	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, test_tickets);
	tcase_add_test(tc, test_willcall);
	tcase_add_test(tc, test_open);
	tcase_add_test(tc, test_drain);
	tcase_add_test(tc, test_plan);
	tcase_add_test(tc, test_contracted);
	tcase_add_test(tc, test_runtime_setting);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
