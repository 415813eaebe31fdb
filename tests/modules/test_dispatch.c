/**
 * @file test_dispatch.c  dispatch and dispatchee: where a join is sent
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


/*
 * phone     dispatch          dispatchee   connect
 *   |-- join ->|-- reserve -----> |           |
 *   |          |<------ granted --|           |
 *   |          |-- claim          |           |
 *   |<-- 302 --|                  |           |
 *   |-- join, ticket -----------> |-- join -->|
 *   |          |<---- joined -----|<----------|
 */
static void call_first(void)
{
	char uri[512];

	ck_assert_int_eq(ENOENT, fast("team a", "x@h", uri, sizeof(uri)));
	phone_call(0, "team a", "alice@h", "");
	ck_assert(noc.phonev[0].taken);
	ck_assert_uint_eq(0, noc.phonev[0].answers);
}


static void call_with_ticket(void)
{
	char uri[512];
	const char *t;

	phone_is(0, 302, "sip:team%20a@" HERE ";ticket=");
	ck_assert_uint_eq(1, noc.created);
	ck_assert_uint_eq(1, table_count("conference-table", "conferences"));

	/* known now: at once, also for signalling threads */
	phone_call(1, "team a", "bob@h", "");
	phone_is(1, 302, HERE);
	ck_assert_int_eq(0, fast("team a", "carol@h", uri, sizeof(uri)));
	ck_assert(!strncmp(uri, "sip:team%20a@" HERE ";ticket=", 35));
	t = strstr(uri, ";ticket=") + 8;
	phone_call(2, "team a", "carol@h", t);
	ck_assert(noc.phonev[2].admitted);
	ck_assert(!noc.phonev[2].taken);

	phone_call(3, "team a", "alice@h", phone_ticket(&noc.phonev[0]));
	ck_assert(noc.phonev[3].admitted);
	ck_assert(!noc.phonev[3].taken);
	ck_assert_uint_eq(0, noc.phonev[3].answers);

	connect_say("connect.created", "team a", NULL, 0, 0);
	connect_say("connect.joined", "team a", "alice@h", 1, 1);
	connect_say("connect.joined", "team a", "carol@h", 2, 2);
}


static void no_row(int err, const char *reason, const struct odict *result,
		   void *arg)
{
	const struct odict_entry *e;
	uint64_t n;
	(void)reason;

	ck_assert_int_eq(0, err);
	e = odict_get_type(result, ODICT_ARRAY, "servers");
	ck_assert_ptr_nonnull(e);
	e = odict_lookup(e->u.odict, "0");
	ck_assert_ptr_nonnull(e);
	ck_assert_str_eq("m1", odict_string(e->u.odict, "name"));
	ck_assert_str_eq("audio", odict_string(e->u.odict, "media"));
	ck_assert_str_eq(HERE, odict_string(e->u.odict, "contact"));
	ck_assert_str_eq("in service", odict_string(e->u.odict, "state"));
	ck_assert(odict_get_number(e->u.odict, &n, "participants"));
	ck_assert_uint_eq(*(unsigned *)arg, n);
	/* bob alone was sent here and has not come: of those who are in,
	   nobody is counted twice, however late the server was told */
	ck_assert(odict_get_number(e->u.odict, &n, "unused"));
	ck_assert_uint_eq(n, 1000 - *(unsigned *)arg - 1);
	ck_assert(odict_get_number(e->u.odict, &n, "reserved"));
	ck_assert_uint_eq(0, n);
}


static void capacity_is(unsigned participants)
{
	struct odict *args;

	ck_assert_int_eq(0, odict_alloc(&args, 4));
	ck_assert_int_eq(0, command_run(server_commands(noc.srv), "capacity",
					args, no_row, &participants));
	mem_deref(args);
}


static void report_comes(void)
{
	noc.delay = 80;
}


static void all_leave(void)
{
	capacity_is(2);
	connect_say("connect.left", "team a", "alice@h", 1, 1);
	connect_say("connect.left", "team a", "carol@h", 2, 0);
	connect_say("connect.deleted", "team a", NULL, 0, 0);
	noc.delay = 80;
}


static void late_ticket(void)
{
	char uri[512];

	capacity_is(0);
	ck_assert_uint_eq(0, table_count("conference-table", "conferences"));
	ck_assert_int_eq(ENOENT, fast("team a", "x@h", uri, sizeof(uri)));

	/* was redirected before the conference ended: begins it anew */
	phone_call(4, "team a", "bob@h", phone_ticket(&noc.phonev[1]));
	ck_assert(noc.phonev[4].admitted);
	connect_say("connect.created", "team a", NULL, 0, 0);
	connect_say("connect.joined", "team a", "bob@h", 3, 1);
}


static void table_has_one(void)
{
	char uri[512];

	ck_assert_uint_eq(1, table_count("conference-table", "conferences"));
	ck_assert_int_eq(0, fast("team a", "x@h", uri, sizeof(uri)));
}


START_TEST(test_call)
{
	RUN(BOTH, call_first, call_with_ticket, report_comes, all_leave,
	    late_ticket, table_has_one);
}
END_TEST


static void names_bad(void)
{
	phone_call(0, "", "u@h", "");
	phone_is(0, 404, NULL);
	phone_call(0, "a\tb", "u@h", "");
	phone_is(0, 400, NULL);
	phone_call_media(1, "v", "u@h", "", MEDIA_VIDEO);
	phone_call_media(2, "av", "u@h", "", MEDIA_AUDIO | MEDIA_VIDEO);
	phone_call_media(3, "none", "u@h", "", 0);
}


static void media_are(void)
{
	phone_is(1, 488, NULL);
	phone_is(2, 302, HERE);       /* at least the audio of it */
	phone_is(3, 302, HERE);
}


START_TEST(test_rejects)
{
	RUN(BOTH, names_bad, media_are);
}
END_TEST


static void nobody_there(void)
{
	phone_call(0, "a", "u@h", "");
	phone_is(0, 503, NULL);
}


START_TEST(test_no_server)
{
	RUN("service dispatch\n", nobody_there);
}
END_TEST


static void fill(void)
{
	phone_call(0, "a", "u@h", "");
	phone_call(1, "b", "u@h", "");
	phone_call(2, "c", "u@h", "");
}


static void is_full(void)
{
	char uri[512];
	unsigned ok = 0, i;

	for (i=0; i<3; i++) {
		ok += noc.phonev[i].scode == 302;
		ck_assert_uint_eq(1, noc.phonev[i].answers);
	}
	ck_assert_uint_eq(2, ok);
	phone_is(2, 480, NULL);

	/* also where a conference is already */
	ck_assert_int_eq(ENOSPC, fast("a", "v@h", uri, sizeof(uri)));
	phone_call(3, "a", "v@h", "");
	noc.delay = 400;       /* leases of those who never come end */
}


static void is_free_again(void)
{
	phone_is(3, 480, NULL);
	noc.delay = 1200;      /* told by the next heartbeat */
}


static void call_again(void)
{
	phone_call(4, "d", "u@h", "");
}


static void called_again(void)
{
	phone_is(4, 302, HERE);
}


START_TEST(test_full)
{
	RUN(BOTH "capacity.users 2\ndispatchee.lease 300\n", fill, is_full,
	    is_free_again, call_again, called_again);
}
END_TEST


static void same_many(void)
{
	char user[16];
	unsigned i;

	for (i=0; i<100; i++) {
		re_snprintf(user, sizeof(user), "u%u@h", i);
		phone_call(i, "new", user, "");
	}
}


static void same_all(void)
{
	unsigned i;

	for (i=0; i<100; i++)
		phone_is(i, 302, HERE);
	ck_assert_uint_eq(1, noc.created);
	ck_assert_uint_eq(1, table_count("conference-table", "conferences"));
}


START_TEST(test_same_new_conference)
{
	RUN(BOTH, same_many, same_all);
}
END_TEST


static void other_70(void)
{
	other_start(70, OTHER_GRANTS);
}


static void call_60(void)
{
	char conf[16];
	unsigned i;

	for (i=0; i<60; i++) {
		re_snprintf(conf, sizeof(conf), "c%u", i);
		phone_call(i, conf, "u@h", "");
	}
}


static unsigned here_count(unsigned from, unsigned to)
{
	unsigned n = 0, i;

	for (i=from; i<to; i++) {
		phone_is(i, 302, NULL);
		n += strstr(noc.phonev[i].contact, HERE) != NULL;
	}

	return n;
}


static void spread_60(void)
{
	char conf[16];
	unsigned i;

	/* down to the same 20 on both */
	ck_assert_uint_eq(10, here_count(0, 60));
	ck_assert_uint_eq(50, noc.other.granted);

	for (i=60; i<101; i++) {
		re_snprintf(conf, sizeof(conf), "c%u", i);
		phone_call(i, conf, "u@h", "");
	}
}


static void spread_100(void)
{
	ck_assert_uint_eq(20, here_count(60, 100));
	ck_assert_uint_eq(70, noc.other.granted);
	phone_is(100, 480, NULL);
}


START_TEST(test_spread)
{
	RUN(BOTH "capacity.users 30\n", other_70, call_60, spread_60,
	    spread_100);
}
END_TEST


static void other_full(void)
{
	other_start(5000, OTHER_FULL);
}


static void other_silent(void)
{
	other_start(5000, OTHER_SILENT);
}


static void next_best(void)
{
	ck_assert_uint_eq(1, noc.other.reserves);
	phone_is(0, 302, HERE);
}


START_TEST(test_next_best)
{
	RUN(BOTH, other_full, call_one, next_best);
	RUN(BOTH "dispatch.reserve_timeout 50\n", other_silent, call_one,
	    next_best);
}
END_TEST


static void other_nobody(void)
{
	/* announced, but nobody answers there */
	other_start(5000, OTHER_GRANTS);
	noc.other.sub = mem_deref(noc.other.sub);
}


START_TEST(test_nobody_answers)
{
	RUN(BOTH, other_nobody, call_one, sent_here);
}
END_TEST


static void moved_meanwhile(void)
{
	phone_is(0, 302, HERE);
	other_start(10, OTHER_GRANTS);
	claim_put("a", "m2", 0);
}


static void follows(void)
{
	/* the ticket is good, but the conference is elsewhere now */
	phone_call(1, "a", "u@h", phone_ticket(&noc.phonev[0]));
	ck_assert(!noc.phonev[1].admitted);
	phone_is(1, 302, OTHER);
}


START_TEST(test_elsewhere)
{
	RUN(BOTH, call_one, moved_meanwhile, follows);
}
END_TEST


static void subscribe(void)
{
	phone_is(0, 302, HERE);

	/* what runs here is answered by the services above, what nobody knows
	   by nobody */
	phone_ask(1, "client.subscribe", "a", "u@h", "", 0);
	ck_assert(!noc.phonev[1].taken);
	phone_ask(1, "client.subscribe", "unknown", "u@h", "", 0);
	ck_assert(!noc.phonev[1].taken);
	other_start(10, OTHER_GRANTS);
	claim_put("b c", "m2", 0);
}


static void subscribe_there(void)
{
	phone_ask(1, "client.subscribe", "b c", "u@h", "", 0);
	phone_is(1, 302, NULL);
	ck_assert_str_eq("sip:b%20c@" OTHER, noc.phonev[1].contact);
	ck_assert_uint_eq(0, noc.other.reserves);
}


START_TEST(test_subscribe)
{
	RUN(BOTH, call_one, subscribe, subscribe_there);
}
END_TEST


static void bus_rubbish(void)
{
	static const uint8_t junk[] = "\x01\x01\xff\xff\xff junk";
	static const char *const subjectv[] = {
		"noc.capacity", "noc.user", "noc.conference",
		"server.m1.reserve",
	};
	static const char *const bucketv[] = {
		"servers", "conferences", "plans",
	};
	struct bus *bus = server_bus(noc.srv);
	size_t i;

	for (i=0; i<ARRAY_SIZE(subjectv); i++)
		ck_assert_int_eq(0, bus_publish(bus, subjectv[i], junk,
						sizeof(junk)));
	for (i=0; i<ARRAY_SIZE(bucketv); i++) {
		ck_assert_int_eq(0, bus_kv_put(NULL, bus, bucketv[i], "x=",
					       junk, sizeof(junk), 0, NULL,
					       NULL));
		ck_assert_int_eq(0, bus_kv_delete(NULL, bus, bucketv[i], "x=",
						  0, NULL, NULL));
	}

	/* in the way of a claim */
	ck_assert_int_eq(0, bus_kv_put(NULL, bus, "conferences", "a", junk,
				       sizeof(junk), 0, NULL, NULL));
}


START_TEST(test_rubbish)
{
	RUN(BOTH, bus_rubbish, call_one, sent_here);
}
END_TEST


static void pause_both(void)
{
	struct service *svc = service_find(noc.srv, "dispatchee");

	ck_assert_int_eq(0, service_pause(svc));
	noc.delay = 80;
}


static void paused(void)
{
	/* known, but takes nobody; nobody else does */
	phone_call(1, "a", "v@h", "");
	phone_is(1, 503, NULL);
	phone_call(2, "a", "u@h", phone_ticket(&noc.phonev[0]));
	phone_is(2, 503, NULL);
	ck_assert_int_eq(0, service_resume(service_find(noc.srv,
							"dispatchee")));
	ck_assert_int_eq(0, service_pause(service_find(noc.srv, "dispatch")));
}


static void paused_dispatch(void)
{
	phone_call(1, "a", "v@h", "");
	phone_is(1, 503, NULL);
	ck_assert_ptr_null(noc.redirect);
	ck_assert_int_eq(0, service_resume(service_find(noc.srv, "dispatch")));
	ck_assert_ptr_nonnull(noc.redirect);
	phone_call(1, "a", "v@h", "");
	phone_is(1, 302, HERE);
}


START_TEST(test_pause)
{
	RUN(BOTH, call_one, pause_both, paused, paused_dispatch);
}
END_TEST


static void stop_while_waiting(void)
{
	other_start(5000, OTHER_SILENT);
}


static void wait_for_it(void)
{
	phone_call(0, "a", "u@h", "");
	noc.delay = 1;
}


START_TEST(test_stop_while_waiting)
{
	/* the server stops while a reservation is on its way; whoever waits
	   is answered before that */
	RUN(BOTH "dispatch.reserve_timeout 100\n", stop_while_waiting,
	    wait_for_it);
}
END_TEST


int main(void)
{
	Suite *s = suite_create("dispatch");
	TCase *tc = tcase_create("dispatch");
	SRunner *sr;
	int failed;

	calm_speed(0);
	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, test_call);
	tcase_add_test(tc, test_rejects);
	tcase_add_test(tc, test_no_server);
	tcase_add_test(tc, test_full);
	tcase_add_test(tc, test_same_new_conference);
	tcase_add_test(tc, test_spread);
	tcase_add_test(tc, test_next_best);
	tcase_add_test(tc, test_nobody_answers);
	tcase_add_test(tc, test_elsewhere);
	tcase_add_test(tc, test_subscribe);
	tcase_add_test(tc, test_rubbish);
	tcase_add_test(tc, test_pause);
	tcase_add_test(tc, test_stop_while_waiting);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
