/**
 * @file test_mirror.c  Rosters of one conference in several servers
 */
#include <stdlib.h>
#include <string.h>
#include <check.h>
#include <re.h>
#include "noc/client.h"
#include "noc/json.h"
#include "noc/roster.h"


enum { ROSTERS = 3, IDS = 300 };

static const char *const namev[] = {"m1", "m2", "m3"};

static struct roster *rv[ROSTERS];
static enum roster_place placev[ROSTERS][IDS];
static unsigned called;
static char *doc;


static int roster_op(struct client *cl, const char *xml, bool last)
{
	(void)cl;
	(void)last;
	free(doc);
	doc = xml ? strdup(xml) : NULL;

	return 0;
}


static void setup(void)
{
	ck_assert_int_eq(libre_init(), 0);
	for (unsigned i = 0; i < ROSTERS; i++)
		ck_assert_int_eq(roster_alloc(&rv[i], "room@host", 10), 0);
	memset(placev, 0, sizeof placev);
	called = 0;
	doc = NULL;
}


static void teardown(void)
{
	for (unsigned i = 0; i < ROSTERS; i++)
		rv[i] = mem_deref(rv[i]);
	free(doc);
	tmr_debug();
	libre_close();
}


/* Whoever subscribes now sees that. */
static bool shows(unsigned ix, const char *text)
{
	static const struct client_ops ops = {.roster = roster_op};
	const struct join join = {
		.callid = "c", .conference = "room", .account = "",
		.user = "w@host", .name = "w", .info = "", .ticket = "",
	};
	struct client *cl;
	bool found;

	ck_assert_int_eq(client_alloc(&cl, &ops, &join, NULL), 0);
	ck_assert_int_eq(roster_watch(rv[ix], cl), 0);
	ck_assert_ptr_nonnull(doc);
	found = strstr(doc, text) != NULL;
	ck_assert(roster_unwatch(rv[ix], cl));
	mem_deref(cl);

	return found;
}


static void put(unsigned ix, unsigned id, bool muted)
{
	char user[32];

	(void)re_snprintf(user, sizeof user, "u%u@host", id);
	ck_assert_int_eq(roster_user_set(rv[ix], id, &(struct roster_user){
		.user = user, .name = "N", .joined_usec = 1000000,
		.ssrc = id, .muted = muted}), 0);
}


static void news_h(void *arg)
{
	(void)arg;
	++called;
}


static struct roster_mirror *mirror(unsigned from, unsigned to)
{
	struct roster_mirror *m;

	ck_assert_int_eq(roster_mirror_alloc(&m, rv[from], namev[to], news_h,
					     NULL), 0);

	return m;
}


static enum roster_place place_h(unsigned id, void *arg)
{
	const enum roster_place *v = arg;

	return id < IDS ? v[id] : ROSTER_ELSEWHERE;
}


static int take(unsigned from, unsigned to, const struct odict *od)
{
	return roster_take(rv[to], namev[from], od, place_h, placev[to]);
}


/* Tell all there is, each part twice; how many users that were */
static unsigned tell(struct roster_mirror *m, unsigned from, unsigned to)
{
	struct odict *od, *back;
	unsigned n = 0;
	char *text;

	while (!roster_mirror_next(m, &od)) {
		ck_assert_int_eq(re_sdprintf(&text, "%H", json_print, od), 0);
		ck_assert_int_eq(json_decode_odict(&back, 64, text,
						   strlen(text), 8), 0);
		n += list_count(&odict_lookup(back, "users")->u.odict->lst);
		for (unsigned i = 0; i < 2; i++)
			ck_assert_int_eq(take(from, to, back), 0);
		mem_deref(text);
		mem_deref(back);
		mem_deref(od);
	}

	ck_assert(!roster_mirror_news(m));

	return n;
}


START_TEST(all_then_what_changes)
{
	struct roster_mirror *m;

	put(0, 1, false);
	put(0, 2, true);
	m = mirror(0, 1);
	ck_assert(roster_mirror_news(m));
	ck_assert_uint_eq(2, tell(m, 0, 1));
	ck_assert(shows(1, "<user-count>2<"));
	ck_assert(shows(1, "u1@host"));
	ck_assert(shows(1, "<src-id>2</src-id><status>recvonly"));
	ck_assert(roster_shows(rv[1], "U2@host"));

	ck_assert_uint_eq(0, called);
	put(0, 1, true);
	ck_assert_uint_eq(1, called);
	ck_assert_uint_eq(1, tell(m, 0, 1));
	ck_assert(shows(1, "<src-id>1</src-id><status>recvonly"));

	roster_user_del(rv[0], 2);
	ck_assert_uint_eq(1, tell(m, 0, 1));
	ck_assert(shows(1, "<user-count>1<"));
	ck_assert(!shows(1, "u2@host"));
	ck_assert(!roster_shows(rv[1], "u2@host"));

	/* came and went; came as before: nothing that anybody could see */
	put(0, 3, false);
	roster_user_del(rv[0], 3);
	put(0, 1, true);
	ck_assert_uint_eq(0, tell(m, 0, 1));
	mem_deref(m);
}
END_TEST


START_TEST(nobody_is_told_his_own)
{
	struct roster_mirror *ab = mirror(0, 1), *ba = mirror(1, 0);
	struct roster_mirror *bc = mirror(1, 2);

	put(0, 1, false);
	put(1, 2, false);
	ck_assert_uint_eq(1, tell(ab, 0, 1));
	ck_assert_uint_eq(1, tell(ba, 1, 0));
	ck_assert_uint_eq(0, tell(ab, 0, 1));

	/* a third is told of all, by who knows both */
	ck_assert_uint_eq(2, tell(bc, 1, 2));
	ck_assert(shows(2, "<user-count>2<"));
	roster_user_del(rv[0], 1);
	ck_assert_uint_eq(1, tell(ab, 0, 1));
	ck_assert_uint_eq(0, tell(ba, 1, 0));
	ck_assert_uint_eq(1, tell(bc, 1, 2));
	for (unsigned i = 0; i < ROSTERS; i++)
		ck_assert(shows(i, "<user-count>1<"));

	mem_deref(ab);
	mem_deref(ba);
	mem_deref(bc);
}
END_TEST


/* As a leg moves: known here, known by both, known there. */
START_TEST(who_is_here_is_known_here)
{
	struct roster_mirror *ab = mirror(0, 1), *ba = mirror(1, 0);

	placev[0][1] = ROSTER_HERE;
	put(0, 1, false);
	ck_assert_uint_eq(1, tell(ab, 0, 1));

	/* it is being taken over there; here it is frozen */
	placev[0][1] = placev[1][1] = ROSTER_MOVING;
	put(1, 1, true);
	ck_assert_uint_eq(1, tell(ba, 1, 0));
	ck_assert(shows(0, "recvonly"));
	ck_assert_uint_eq(0, tell(ab, 0, 1));
	roster_user_del(rv[1], 1);
	ck_assert_uint_eq(1, tell(ba, 1, 0));
	ck_assert(shows(0, "recvonly"));

	/* it is there: what was said of it here does not count there */
	put(1, 1, false);
	ck_assert_uint_eq(1, tell(ba, 1, 0));
	put(0, 1, true);
	placev[1][1] = ROSTER_HERE;
	ck_assert_uint_eq(1, tell(ab, 0, 1));
	ck_assert(shows(1, "sendrecv"));
	placev[0][1] = ROSTER_ELSEWHERE;
	roster_user_moved(rv[0], 1, "m2");
	roster_user_del(rv[0], 1);
	(void)tell(ab, 0, 1);
	ck_assert(shows(1, "u1@host"));

	/* it hangs up there */
	put(1, 1, true);
	ck_assert_uint_eq(1, tell(ba, 1, 0));
	ck_assert(shows(0, "u1@host"));
	placev[1][1] = ROSTER_ELSEWHERE;
	roster_user_del(rv[1], 1);
	ck_assert_uint_eq(1, tell(ba, 1, 0));
	ck_assert(shows(0, "<user-count>0<"));
	mem_deref(ab);
	mem_deref(ba);
}
END_TEST


START_TEST(many_come_in_parts)
{
	struct roster_mirror *m = mirror(0, 1);
	struct odict *od;

	for (unsigned id = 1; id <= 250; id++)
		put(0, id, false);
	ck_assert_int_eq(roster_mirror_next(m, &od), 0);
	ck_assert_uint_eq(100, list_count(&odict_lookup(od, "users")
					  ->u.odict->lst));
	ck_assert_int_eq(take(0, 1, od), 0);
	mem_deref(od);
	ck_assert_uint_eq(150, tell(m, 0, 1));
	ck_assert(shows(1, "<user-count>250<"));

	/* whoever forgot all begins anew */
	mem_deref(m);
	m = mirror(0, 2);
	ck_assert_uint_eq(250, tell(m, 0, 2));
	mem_deref(m);
}
END_TEST


START_TEST(locked_and_whole)
{
	struct roster_mirror *m = mirror(0, 1);
	struct odict *od;
	bool on;

	roster_lock(rv[0], true);
	ck_assert_int_eq(roster_mirror_next(m, &od), 0);
	ck_assert(odict_get_boolean(od, &on, "locked"));
	ck_assert(on);
	mem_deref(od);
	ck_assert_int_eq(roster_mirror_next(m, &od), ENOENT);

	for (unsigned id = 1; id < 6; id++)
		put(0, id, false);
	(void)tell(m, 0, 1);
	placev[1][2] = ROSTER_HERE;
	placev[1][3] = ROSTER_MOVING;
	roster_whole(rv[1], place_h, placev[1]);
	ck_assert(shows(1, "<user-count>2<"));
	ck_assert(shows(1, "u2@host"));
	ck_assert(shows(1, "u3@host"));

	/* the roster may end before those who are told of it */
	rv[0] = mem_deref(rv[0]);
	ck_assert(!roster_mirror_news(m));
	ck_assert_int_eq(roster_mirror_next(m, &od), ENOENT);
	mem_deref(m);
}
END_TEST


/* What JSON cannot carry is left out, what cannot be shown not shown. */
START_TEST(odd_names)
{
	static const struct roster_user v[] = {
		{.user = "a@host", .name = "\xff"},
		{.user = "b@host", .name = "x\ny"},
		{.user = "\xff@host", .name = "x"},
		{.user = "d@host", .name = "\"<\xc3\x84>\""},
		{.user = "e@host", .name = ""},
	};
	struct roster_mirror *m = mirror(0, 1);

	for (unsigned i = 0; i < ARRAY_SIZE(v); i++)
		ck_assert_int_eq(roster_user_set(rv[0], i + 1, &v[i]), 0);
	ck_assert_uint_eq(5, tell(m, 0, 1));
	ck_assert(shows(1, "<user-count>4<"));
	ck_assert(shows(1, "a@host;leg=1\" state=\"full\"><display-text></"));
	ck_assert(shows(1, "b@host;leg=2\" state=\"full\"><display-text></"));
	ck_assert(shows(1, "&quot;&lt;\xc3\x84&gt;&quot;"));
	mem_deref(m);
}
END_TEST


#define ONE(rest) "{\"users\":[{\"id\":1," rest "}]}"
#define GOOD "{\"id\":7,\"user\":\"g@host\"}"

START_TEST(rejects)
{
	static const char *const v[] = {
		"{}",
		"{\"users\":{}}",
		"{\"users\":7}",
		"{\"users\":[7," GOOD "]}",
		"{\"users\":[{}," GOOD "]}",
		"{\"users\":[{\"id\":0,\"user\":\"a\"}]}",
		"{\"users\":[{\"id\":-1,\"user\":\"a\"}]}",
		"{\"users\":[{\"id\":2147483648,\"user\":\"a\"}]}",
		"{\"users\":[{\"id\":\"1\",\"user\":\"a\"}]}",
		ONE("\"user\":7"),
		ONE("\"user\":\"\""),
		ONE("\"user\":\"a\\nb\""),
		ONE("\"user\":\"a\",\"name\":\"\\u0007\""),
		ONE("\"user\":\"a\",\"joined\":-1"),
		ONE("\"user\":\"a\",\"ssrc\":4294967296"),
		ONE("\"user\":\"a\",\"muted\":1"),
		ONE("\"user\":\"a\",\"gone\":\"yes\""),
	};
	struct odict *od;

	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		ck_assert_int_eq(json_decode_odict(&od, 8, v[i],
						   strlen(v[i]), 8), 0);
		ck_assert_msg(take(0, 1, od) == EBADMSG, "%zu", i);
		mem_deref(od);
	}

	/* only what was beside something bad */
	ck_assert(shows(1, "<user-count>1<"));
	ck_assert(shows(1, "g@host"));

	/* without an address, or unknown and gone: nothing to show */
	ck_assert_int_eq(json_decode_odict(&od, 8, "{\"users\":[{\"id\":1},"
					   "{\"id\":2,\"gone\":true}]}", 42,
					   8), 0);
	ck_assert_int_eq(take(0, 1, od), 0);
	ck_assert(shows(1, "<user-count>1<"));

	ck_assert_int_eq(roster_take(NULL, "m1", od, place_h, NULL), EINVAL);
	ck_assert_int_eq(roster_take(rv[1], "", od, place_h, NULL), EINVAL);
	ck_assert_int_eq(roster_take(rv[1], "m1", NULL, place_h, NULL),
			 EINVAL);
	ck_assert_int_eq(roster_take(rv[1], "m1", od, NULL, NULL), EINVAL);
	mem_deref(od);
}
END_TEST


START_TEST(bad_arguments)
{
	struct roster_mirror *m;
	struct odict *od;

	ck_assert_int_eq(roster_mirror_alloc(NULL, rv[0], "m", news_h, NULL),
			 EINVAL);
	ck_assert_int_eq(roster_mirror_alloc(&m, NULL, "m", news_h, NULL),
			 EINVAL);
	ck_assert_int_eq(roster_mirror_alloc(&m, rv[0], "", news_h, NULL),
			 EINVAL);
	ck_assert_int_eq(roster_mirror_alloc(&m, rv[0], "m", NULL, NULL),
			 EINVAL);
	ck_assert_int_eq(roster_mirror_next(NULL, &od), EINVAL);
	ck_assert(!roster_mirror_news(NULL));
	roster_user_moved(NULL, 1, "m");
	roster_user_moved(rv[0], 1, "m");
	roster_whole(NULL, place_h, NULL);
	ck_assert(!roster_shows(NULL, "a"));
	ck_assert(!roster_shows(rv[0], NULL));
	ck_assert(!roster_shows(rv[0], ""));
	m = mirror(0, 1);
	ck_assert_int_eq(roster_mirror_next(m, NULL), EINVAL);
	ck_assert_int_eq(roster_mirror_next(m, &od), ENOENT);
	mem_deref(m);
}
END_TEST


int main(void)
{
	Suite *su = suite_create("mirror");
	TCase *tc = tcase_create("mirror");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, all_then_what_changes);
	tcase_add_test(tc, nobody_is_told_his_own);
	tcase_add_test(tc, who_is_here_is_known_here);
	tcase_add_test(tc, many_come_in_parts);
	tcase_add_test(tc, locked_and_whole);
	tcase_add_test(tc, odd_names);
	tcase_add_test(tc, rejects);
	tcase_add_test(tc, bad_arguments);
	suite_add_tcase(su, tc);

	sr = srunner_create(su);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
