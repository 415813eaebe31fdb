/**
 * @file test_dispatch.c  dispatch and dispatchee together
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
#include "noc.h"


#define BOTH "service dispatch\nservice dispatchee\n"
#define HERE "127.0.0.1:5070"
#define OTHER "127.0.0.2:5070"

#define RUN(conf, ...) do { \
	step_h *const stepv_[] = { __VA_ARGS__ }; \
	noc_run(conf, stepv_, ARRAY_SIZE(stepv_)); \
} while (0)


static int fast(const char *conf, const char *user, char *uri, size_t sz)
{
	size_t n;
	int err;

	ck_assert_ptr_nonnull(noc.redirect);
	err = noc.redirect(conf, strlen(conf), user, strlen(user), 0,
			   uri, sz - 1, &n, noc.redirect_arg);
	if (!err)
		uri[n] = '\0';

	return err;
}


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


static void call_one(void)
{
	phone_call(0, "a", "u@h", "");
	noc.delay = 200;
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


static void next_best_0(void)
{
	phone_is(0, 302, HERE);
}


START_TEST(test_nobody_answers)
{
	RUN(BOTH, other_nobody, call_one, next_best_0);
}
END_TEST


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
	RUN(BOTH, claim_of_ghost, call_one, next_best_0);
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
	RUN(BOTH, claim_of_before, claim_is_gone, call_one, next_best_0);
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
	ck_assert(!noc.phonev[0].taken);
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
	RUN(BOTH, plan_bad, plan_on, plan_off, next_best_0);
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
	RUN(BOTH "capacity.users 0\n", set_users, set_then, next_best_0);
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
	RUN(BOTH, bus_rubbish, call_one, next_best_0);
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

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_call);
	tcase_add_test(tc, test_tickets);
	tcase_add_test(tc, test_willcall);
	tcase_add_test(tc, test_rejects);
	tcase_add_test(tc, test_no_server);
	tcase_add_test(tc, test_full);
	tcase_add_test(tc, test_same_new_conference);
	tcase_add_test(tc, test_spread);
	tcase_add_test(tc, test_next_best);
	tcase_add_test(tc, test_nobody_answers);
	tcase_add_test(tc, test_claims);
	tcase_add_test(tc, test_claim_of_before);
	tcase_add_test(tc, test_claim_race);
	tcase_add_test(tc, test_claim_expiry);
	tcase_add_test(tc, test_elsewhere);
	tcase_add_test(tc, test_subscribe);
	tcase_add_test(tc, test_open);
	tcase_add_test(tc, test_drain);
	tcase_add_test(tc, test_plan);
	tcase_add_test(tc, test_contracted);
	tcase_add_test(tc, test_runtime_setting);
	tcase_add_test(tc, test_rubbish);
	tcase_add_test(tc, test_restart);
	tcase_add_test(tc, test_pause);
	tcase_add_test(tc, test_stop_while_waiting);
	suite_add_tcase(s, tc);

	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
