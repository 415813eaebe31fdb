/**
 * @file test_roster.c  What watchers of a conference are told, and when
 */
#include <stdlib.h>
#include <string.h>
#include <check.h>
#include <re.h>
#include "noc/client.h"
#include "noc/roster.h"
#include "noc/seat.h"


enum { INTERVAL = 10, DOCS_MAX = 64 };     /* [ms] */

/* A subscription that keeps what it is sent. */
struct sub {
	struct client *client;
	char *docv[DOCS_MAX];
	unsigned docc;
	bool over;
};

static struct roster *roster;


static int roster_op(struct client *cl, const char *xml, bool last)
{
	struct sub *s = client_arg(cl);

	s->over |= last;

	if (xml && s->docc < DOCS_MAX)
		s->docv[s->docc++] = strdup(xml);

	return 0;
}


static const struct client_ops ops = {.roster = roster_op};


static void sub_open(struct sub *s)
{
	const struct join join = {
		.callid = "c", .conference = "room", .account = "",
		.user = "w@host", .name = "w", .info = "", .ticket = "",
	};

	memset(s, 0, sizeof *s);
	ck_assert_int_eq(client_alloc(&s->client, &ops, &join, s), 0);
	ck_assert_int_eq(roster_watch(roster, s->client), 0);
}


static void sub_close(struct sub *s)
{
	(void)roster_unwatch(roster, s->client);
	mem_deref(s->client);
	for (unsigned i = 0; i < s->docc; i++)
		free(s->docv[i]);
}


static void enter(unsigned id, const char *user, const char *name)
{
	ck_assert_int_eq(roster_user_set(roster, id, &(struct roster_user){
		.user = user, .name = name, .joined_usec = 1000000,
		.ssrc = 7,
	}), 0);
}


static void stop_h(void *arg)
{
	(void)arg;
	re_cancel();
}


static void run(unsigned ms)
{
	struct tmr tmr;

	tmr_init(&tmr);
	tmr_start(&tmr, ms, stop_h, NULL);
	ck_assert_int_eq(re_main(NULL), 0);
	tmr_cancel(&tmr);
}


static bool has(const struct sub *s, unsigned doc, const char *text)
{
	ck_assert_uint_lt(doc, s->docc);

	return strstr(s->docv[doc], text) != NULL;
}


static void setup(void)
{
	ck_assert_int_eq(libre_init(), 0);
	ck_assert_int_eq(roster_alloc(&roster, "room@host", INTERVAL), 0);
}


static void teardown(void)
{
	roster = mem_deref(roster);
	tmr_debug();
	libre_close();
}


START_TEST(full_state_first)
{
	struct sub s;

	enter(1, "alice@a", "Alice");
	enter(2, "bob@b", "Bob");
	sub_open(&s);

	ck_assert_uint_eq(s.docc, 1);
	ck_assert(has(&s, 0, "state=\"full\" version=\"1\""));
	ck_assert(has(&s, 0, "<user-count>2</user-count>"));
	ck_assert(has(&s, 0, "<display-text>Alice</display-text>"));
	ck_assert(has(&s, 0, "sip:bob@b;leg=2"));
	ck_assert(has(&s, 0, "<when>1970-01-01T00:00:01Z</when>"));

	sub_close(&s);
}
END_TEST


START_TEST(then_only_what_changed)
{
	struct sub s;

	enter(1, "alice@a", "Alice");
	enter(2, "bob@b", "Bob");
	sub_open(&s);
	enter(3, "carol@c", "Carol");
	roster_user_del(roster, 1);
	run(3 * INTERVAL);

	ck_assert_uint_eq(s.docc, 2);
	ck_assert(has(&s, 1, "state=\"partial\" version=\"2\""));
	ck_assert(has(&s, 1, "Carol"));
	ck_assert(!has(&s, 1, "bob@b"));
	ck_assert(has(&s, 1,
		      "<user entity=\"sip:alice@a;leg=1\" state=\"deleted\""));
	ck_assert(has(&s, 1, "<user-count>2</user-count>"));

	sub_close(&s);
}
END_TEST


START_TEST(many_changes_one_notification)
{
	struct sub s;

	sub_open(&s);
	for (int i = 0; i < 100; i++)
		enter(1, "alice@a", i & 1 ? "odd" : "even");
	run(3 * INTERVAL);

	ck_assert_uint_eq(s.docc, 2);
	ck_assert(has(&s, 1, "odd"));
	ck_assert(!has(&s, 1, "even"));

	sub_close(&s);
}
END_TEST


START_TEST(came_and_went_unseen)
{
	struct sub s;

	sub_open(&s);
	enter(1, "alice@a", "Alice");
	roster_user_del(roster, 1);
	run(3 * INTERVAL);

	ck_assert_uint_eq(s.docc, 2);
	ck_assert(!has(&s, 1, "alice"));

	sub_close(&s);
}
END_TEST


START_TEST(late_watcher_is_not_told_of_the_dead)
{
	struct sub a, b;

	enter(1, "alice@a", "Alice");
	sub_open(&a);
	roster_user_del(roster, 1);
	sub_open(&b);
	ck_assert(!has(&b, 0, "alice"));
	run(3 * INTERVAL);
	ck_assert_uint_eq(a.docc, 2);
	ck_assert(has(&a, 1, "deleted"));
	ck_assert_uint_eq(b.docc, 1);

	sub_close(&a);
	sub_close(&b);
}
END_TEST


START_TEST(big_rosters_come_in_parts)
{
	char user[32];
	unsigned seen = 0;
	struct sub s;

	for (unsigned i = 1; i <= 400; i++) {
		(void)re_snprintf(user, sizeof user, "u%u@host", i);
		enter(i, user, user);
	}
	sub_open(&s);
	run(20 * INTERVAL);

	ck_assert_uint_gt(s.docc, 2);
	for (unsigned i = 0; i < s.docc; i++) {
		ck_assert_uint_lt(strlen(s.docv[i]), 30000);
		ck_assert(has(&s, i, i ? "state=\"partial\" version="
			      : "state=\"full\" version="));
		for (const char *p = s.docv[i];
		     (p = strstr(p, "<display-text>")); p++)
			++seen;
	}
	ck_assert_uint_eq(seen, 400);

	sub_close(&s);
}
END_TEST


START_TEST(names_cannot_break_out)
{
	struct sub s;

	enter(1, "a\"<x>&'@h", "<b>\x01\x7f");
	sub_open(&s);

	ck_assert(has(&s, 0, "sip:a&quot;&lt;x&gt;&amp;&apos;@h"));
	ck_assert(has(&s, 0, "<display-text>&lt;b&gt;?"));
	ck_assert(!has(&s, 0, "<b>"));

	sub_close(&s);
}
END_TEST


START_TEST(lock_and_end_are_told)
{
	struct sub s;

	sub_open(&s);
	roster_lock(roster, true);
	roster_lock(roster, true);
	run(3 * INTERVAL);
	ck_assert_uint_eq(s.docc, 2);
	ck_assert(has(&s, 1, "<locked>true</locked>"));

	roster_end(roster);
	ck_assert(s.over);
	ck_assert_uint_eq(roster_watchers(roster), 0);

	sub_close(&s);
}
END_TEST


START_TEST(refresh_gets_all_again)
{
	struct sub s;

	enter(1, "alice@host", "Alice");
	sub_open(&s);
	run(INTERVAL * 3);
	enter(2, "bob@host", "Bob");
	run(INTERVAL * 3);
	ck_assert_uint_eq(s.docc, 2);

	ck_assert(roster_watches(roster, s.client));
	ck_assert_int_eq(roster_watch(roster, s.client), 0);
	run(INTERVAL * 3);
	ck_assert_uint_eq(s.docc, 3);
	ck_assert(has(&s, 2, "state=\"full\" version=\"3\""));
	ck_assert(has(&s, 2, "alice@host"));
	ck_assert(has(&s, 2, "bob@host"));
	ck_assert_uint_eq(roster_watchers(roster), 1);

	sub_close(&s);
	ck_assert_uint_eq(roster_watchers(roster), 0);
}
END_TEST


START_TEST(bad_arguments)
{
	struct roster *r = NULL;

	ck_assert_int_eq(roster_alloc(NULL, "x", 1), EINVAL);
	ck_assert_int_eq(roster_alloc(&r, NULL, 1), EINVAL);
	ck_assert_ptr_null(r);
	ck_assert_int_eq(roster_user_set(roster, 1, NULL), EINVAL);
	ck_assert_int_eq(roster_user_set(roster, 1, &(struct roster_user){
		.user = "x"}), EINVAL);
	ck_assert_int_eq(roster_watch(roster, NULL), EINVAL);
	roster_user_del(roster, 99);
	ck_assert(!roster_unwatch(NULL, NULL));
}
END_TEST


/* watchers that come from another server's roster */

static void save(const struct sub *s, struct seat_watch *sw)
{
	ck_assert_int_eq(roster_watch_save(roster, s->client, sw), 0);
}


/* The roster of the other server, which says the same. */
static struct roster *other_make(bool speaking)
{
	struct roster *r;

	ck_assert_int_eq(roster_alloc(&r, "room@host", INTERVAL), 0);
	for (unsigned id = 2; id; id--)
		ck_assert_int_eq(roster_user_set(r, id, &(struct roster_user){
			.user = id == 1 ? "alice@a" : "bob@b",
			.name = id == 1 ? "Alice" : "Bob",
			.joined_usec = 1000000, .ssrc = 7,
			.speaking = speaking && id == 1}), 0);

	return r;
}


static void two_enter(void)
{
	enter(1, "alice@a", "Alice");
	enter(2, "bob@b", "Bob");
}


START_TEST(who_knows_all_is_told_nothing)
{
	struct seat_watch sw;
	struct roster *other;
	struct sub s;

	two_enter();
	sub_open(&s);
	enter(3, "carol@c", "Carol");
	roster_user_del(roster, 3);
	roster_watch_flush(roster, s.client);
	save(&s, &sw);
	ck_assert_uint_eq(sw.version, s.docc);
	ck_assert_uint_eq(strlen(sw.digest), 16);

	other = other_make(false);
	ck_assert_int_eq(roster_watch_load(other, s.client, &sw), 0);
	ck_assert_int_eq(roster_watch_load(other, s.client, &sw), EEXIST);
	run(3 * INTERVAL);
	ck_assert_uint_eq(s.docc, sw.version);

	/* and its documents go on counting */
	roster_lock(other, true);
	run(3 * INTERVAL);
	ck_assert_uint_eq(s.docc, sw.version + 1);
	ck_assert(has(&s, 2, "state=\"partial\" version=\"3\""));
	ck_assert(!has(&s, 2, "alice"));
	mem_deref(other);
	sub_close(&s);
}
END_TEST


START_TEST(who_speaks_is_told_alone)
{
	struct seat_watch sw;
	struct roster *other;
	struct sub s;

	two_enter();
	sub_open(&s);
	save(&s, &sw);
	ck_assert_uint_eq(sw.speakingc, 0);

	other = other_make(true);
	ck_assert_int_eq(roster_watch_load(other, s.client, &sw), 0);
	run(3 * INTERVAL);
	ck_assert_uint_eq(s.docc, 2);
	ck_assert(has(&s, 1, "state=\"partial\" version=\"2\""));
	ck_assert(has(&s, 1, "alice"));
	ck_assert(!has(&s, 1, "bob"));
	mem_deref(other);
	sub_close(&s);
}
END_TEST


START_TEST(another_roster_is_told_in_full)
{
	static const struct seat_watch old = {.version = 70000};
	struct seat_watch sw;
	struct roster *other;
	struct sub s;

	two_enter();
	enter(3, "carol@c", "Carol");
	sub_open(&s);
	save(&s, &sw);
	other = other_make(false);
	ck_assert_int_eq(roster_watch_load(other, s.client, &sw), 0);
	run(3 * INTERVAL);
	ck_assert_uint_eq(s.docc, 2);
	ck_assert(has(&s, 1, "state=\"full\" version=\"2\""));
	ck_assert(!has(&s, 1, "carol"));

	/* one of whom nothing is known but what it may have had */
	ck_assert(roster_unwatch(other, s.client));
	ck_assert_int_eq(roster_watch_load(other, s.client, &old), 0);
	run(3 * INTERVAL);
	ck_assert_uint_eq(s.docc, 3);
	ck_assert(has(&s, 2, "state=\"full\" version=\"70001\""));
	mem_deref(other);
	sub_close(&s);
}
END_TEST


/* While a conference arrives nobody is told half of it. */
START_TEST(paused_until_all_are_there)
{
	struct seat_watch sw;
	struct roster *other;
	struct sub s;

	two_enter();
	sub_open(&s);
	save(&s, &sw);

	ck_assert_int_eq(roster_alloc(&other, "room@host", INTERVAL), 0);
	roster_pause(other, true);
	ck_assert_int_eq(roster_user_set(other, 2, &(struct roster_user){
		.user = "bob@b", .name = "Bob", .joined_usec = 1000000,
		.ssrc = 7}), 0);
	ck_assert_int_eq(roster_watch_load(other, s.client, &sw), 0);
	run(3 * INTERVAL);
	ck_assert_uint_eq(s.docc, 1);

	ck_assert_int_eq(roster_user_set(other, 1, &(struct roster_user){
		.user = "alice@a", .name = "Alice", .joined_usec = 1000000,
		.ssrc = 7}), 0);
	roster_pause(other, false);
	run(3 * INTERVAL);
	ck_assert_uint_eq(s.docc, 1);

	roster_user_del(other, 1);
	run(3 * INTERVAL);
	ck_assert_uint_eq(s.docc, 2);
	ck_assert(has(&s, 1, "leg=1\" state=\"deleted\""));
	mem_deref(other);
	sub_close(&s);
}
END_TEST


START_TEST(behind_or_unknown)
{
	struct seat_watch sw;
	struct sub s, none = {.client = NULL};

	two_enter();
	sub_open(&s);
	enter(3, "carol@c", "Carol");
	save(&s, &sw);
	ck_assert_str_eq(sw.digest, "");
	ck_assert_int_eq(roster_watch_save(roster, none.client, &sw), EINVAL);
	(void)roster_unwatch(roster, s.client);
	ck_assert_int_eq(roster_watch_save(roster, s.client, &sw), ENOENT);
	sub_close(&s);
}
END_TEST


int main(void)
{
	Suite *su = suite_create("roster");
	TCase *tc = tcase_create("roster");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, full_state_first);
	tcase_add_test(tc, then_only_what_changed);
	tcase_add_test(tc, many_changes_one_notification);
	tcase_add_test(tc, came_and_went_unseen);
	tcase_add_test(tc, late_watcher_is_not_told_of_the_dead);
	tcase_add_test(tc, big_rosters_come_in_parts);
	tcase_add_test(tc, names_cannot_break_out);
	tcase_add_test(tc, lock_and_end_are_told);
	tcase_add_test(tc, refresh_gets_all_again);
	tcase_add_test(tc, bad_arguments);
	tcase_add_test(tc, who_knows_all_is_told_nothing);
	tcase_add_test(tc, who_speaks_is_told_alone);
	tcase_add_test(tc, another_roster_is_told_in_full);
	tcase_add_test(tc, paused_until_all_are_there);
	tcase_add_test(tc, behind_or_unknown);
	suite_add_tcase(su, tc);

	sr = srunner_create(su);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed != 0;
}
