/**
 * @file test_halves.c  A conference that is in two servers for long, because
 *                      one of it cannot be moved: it is one conference
 *
 * Connect service, mesh, dispatchee and move are real, the test is the client
 * hosts.
 */
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "connect/connect.h"
#include "dispatchee/dispatchee_api.h"
#include "move/move.h"
#include "callers.h"
#include "farm.h"


enum { N = 4, LONG = 30000 };      /* for whatever has to happen [ms]      */

static struct farm farm;
static struct caller *cv[N];       /* the last one cannot be moved         */


static void up(unsigned ix, bool move)
{
	char name[8], conf[256];

	(void)re_snprintf(name, sizeof name, "m%u", ix + 1);
	(void)re_snprintf(conf, sizeof conf, "service groups\n"
			  "service dispatchee\n"
			  "dispatchee.contact 127.0.0.%u:5070\n%s", ix + 1,
			  move ? "service move\nmove.retry 200\n" : "");
	callers_up(&farm, ix, name, conf);
}


static bool is_claimed(void *arg)
{
	const struct dispatchee_api *d = service_api(callers.srvv[0],
						     "dispatchee");
	const char *owner = d->owner(d->d, "room");
	(void)arg;

	return owner && !strcmp(owner, "m1");
}


static void open_all(bool move)
{
	farm_open(&farm);
	callers_open();
	up(0, move);
	up(1, move);
	for (unsigned n = 0; n < N; n++)
		cv[n] = caller_join(0, "room", n, false);
}


static void setup(void)
{
	open_all(true);
	cv[N - 1]->mode = REFUSES;
	cv[N - 1]->scode = 500;
	ck_assert(farm_wait(is_claimed, NULL, LONG));
}


static void teardown(void)
{
	callers_down(&farm, 0);
	callers_down(&farm, 1);
	callers_close();
	farm_close(&farm);
}


static unsigned here(unsigned ix)
{
	return api_of(ix)->participants(api_of(ix)->c, "room");
}


static bool is_parted(void *arg)
{
	(void)arg;

	return here(0) == 1 && here(1) == N - 1;
}


static void part(void)
{
	const struct move_api *mv = service_api(callers.srvv[0], "move");

	ck_assert_int_eq(0, mv->move(mv->mv, "room", "m2", "test", NULL,
				     NULL));
	ck_assert(farm_wait(is_parted, NULL, LONG));
}


static bool is_idle(void *arg)
{
	const struct move_api *one = service_api(callers.srvv[0], "move");
	const struct move_api *two = service_api(callers.srvv[1], "move");
	(void)arg;

	return !one->busy(one->mv) && !two->busy(two->mv);
}


/* What its server has told somebody */
static const char *said(unsigned n)
{
	return cv[n]->sidev[cv[n]->host].said;
}


static bool have_c(void *arg)
{
	(void)arg;

	return strchr(said(N - 1), 'c') != NULL;
}


/* It comes last to those who are elsewhere: before it came all else. */
static bool have_end(void *arg)
{
	(void)arg;

	for (unsigned n = 0; n < N - 1; n++)
		if (!strstr(said(n), "end"))
			return false;

	return true;
}


/* What is said in either half is heard in both, once, and not by who said
   it. */
START_TEST(test_text)
{
	part();
	caller_say(cv[0], "a");
	caller_say(cv[N - 1], "b");
	caller_say(cv[1], "c");
	ck_assert(farm_wait(have_c, NULL, LONG));
	caller_say(cv[N - 1], "end");
	ck_assert(farm_wait(have_end, NULL, LONG));

	ck_assert_str_eq("ac", said(N - 1));
	ck_assert_uint_eq(5, strlen(said(0)));
	ck_assert_uint_eq(5, strlen(said(1)));
	ck_assert_uint_eq(6, strlen(said(2)));
	ck_assert_ptr_null(strchr(said(0), 'a'));
	ck_assert_ptr_nonnull(strchr(said(0), 'c'));
	ck_assert_ptr_null(strchr(said(1), 'c'));
	ck_assert_ptr_nonnull(strchr(said(1), 'a'));

	/* and when the halves are one again */
	caller_leave(cv[N - 1]);
	ck_assert(farm_wait(is_idle, NULL, LONG));
	caller_say(cv[0], "!");
	ck_assert_uint_eq(5, strlen(said(0)));
	ck_assert_uint_eq(6, strlen(said(1)));
	ck_assert_uint_eq(7, strlen(said(2)));
}
END_TEST


/* The newest that a watcher knows of somebody: the end of his entry in the
   last document that has one, or NULL */
static const char *entry(const struct caller *w, unsigned n)
{
	char key[64];

	(void)re_snprintf(key, sizeof key, "<user entity=\"sip:u%u@test;", n);
	for (unsigned i = w->docc; i > 0; i--) {
		const char *p = strstr(w->docv[i - 1], key);

		if (p)
			return p;
	}

	return NULL;
}


static bool entry_says(const struct caller *w, unsigned n, const char *what)
{
	const char *p = entry(w, n), *end, *q;

	if (!p)
		return false;

	end = strchr(p, '\r');
	q = strstr(p, what);

	return q && end && q < end;
}


struct seen {
	const struct caller *w;
	unsigned n;
	const char *what;
};


static bool is_seen(void *arg)
{
	const struct seen *s = arg;

	return entry_says(s->w, s->n, s->what);
}


static void sees(const struct caller *w, unsigned n, const char *what)
{
	struct seen s = {w, n, what};

	ck_assert_msg(farm_wait(is_seen, &s, LONG), "%s of u%u is not seen",
		      what, n);
}


/* Nobody has left who is there. */
static void none_left(const struct caller *w, unsigned from)
{
	for (unsigned i = from; i < w->docc; i++)
		ck_assert_msg(!strstr(w->docv[i], "deleted"), "%s",
			      w->docv[i]);
}


static unsigned count(const struct caller *w)
{
	const char *p;
	unsigned n;

	ck_assert_uint_gt(w->docc, 0);
	p = strstr(w->docv[w->docc - 1], "<user-count>");
	ck_assert_ptr_nonnull(p);
	ck_assert_int_eq(1, sscanf(p, "<user-count>%u<", &n));

	return n;
}


static bool has_moved(void *arg)
{
	return ((const struct caller *)arg)->host == 1;
}


/* It may be on its way once more just now. */
static bool is_muted(void *arg)
{
	char why[256];

	return !callers_command(0, "mute", ((struct caller *)arg)->user, why,
				sizeof why);
}


/* Whoever subscribes, or goes along, sees everybody. */
START_TEST(test_shown)
{
	struct caller *old = caller_watch(0, "room", cv[0]->user);
	struct caller *there, *new;

	ck_assert_uint_eq(N, count(old));
	part();
	ck_assert(farm_wait(has_moved, old, LONG));

	/* who is here may watch there */
	there = caller_watch(1, "room", cv[N - 1]->user);
	ck_assert_uint_eq(N, count(there));
	for (unsigned n = 0; n < N; n++)
		ck_assert(entry_says(there, n, "sendrecv"));

	ck_assert(farm_wait(is_muted, cv[N - 1], LONG));
	sees(there, N - 1, "<j:muted>true<");
	sees(old, N - 1, "<j:muted>true<");
	ck_assert_int_eq(0, callers_command(1, "mute", cv[0]->user, NULL,
					    0));
	sees(there, 0, "<j:muted>true<");
	sees(old, 0, "<j:muted>true<");

	new = caller_join(1, "room", N, false);
	ck_assert_uint_eq(0, new->rejected);
	sees(there, N, "sendrecv");
	sees(old, N, "sendrecv");
	none_left(old, 0);
	none_left(there, 0);
	ck_assert_uint_eq(N + 1, count(there));

	/* they go where they are, and nobody else */
	caller_leave(cv[N - 1]);
	sees(there, N - 1, "deleted");
	sees(old, N - 1, "deleted");
	ck_assert_uint_eq(N, count(there));
	ck_assert(farm_wait(is_idle, NULL, LONG));
	caller_leave(new);
	sees(there, N, "deleted");
	sees(old, N, "deleted");
	for (unsigned n = 0; n < N - 1; n++) {
		ck_assert(!entry_says(old, n, "deleted"));
		ck_assert(!entry_says(there, n, "deleted"));
	}
	ck_assert_uint_eq(N - 1, count(there));
	ck_assert_uint_eq(N - 1, count(old));
}
END_TEST


/* The same by hand: the test is what moves. */

static struct roster_mirror *mv[2];
static struct room_hold *hold;


static void news_h(void *arg)
{
	(void)arg;
}


static void by_hand(void)
{
	struct odict *od;

	open_all(false);
	ck_assert_int_eq(0, api_of(0)->room_save(api_of(0)->c, "room", &od));
	ck_assert_int_eq(0, api_of(0)->room_going(api_of(0)->c, "room",
						  "m2"));
	ck_assert_int_eq(0, api_of(1)->room_load(api_of(1)->c, od, &hold));
	mem_deref(od);
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(0, api_of(i)->mirror(&mv[i], api_of(i)->c,
						      "room",
						      i ? "m1" : "m2",
						      news_h, NULL));
}


static void by_hand_end(void)
{
	for (unsigned i = 0; i < 2; i++)
		mv[i] = mem_deref(mv[i]);
	hold = mem_deref(hold);
	teardown();
}


static void tell(void)
{
	struct odict *od;

	for (unsigned i = 0; i < 2; i++) {
		while (!roster_mirror_next(mv[i], &od)) {
			ck_assert_int_eq(0, api_of(!i)->users(
				api_of(!i)->c, "room", i ? "m2" : "m1", od));
			mem_deref(od);
		}
	}
}


static void go(unsigned n)
{
	struct odict *seat = callers_save(0, cv[n]);

	tell();
	callers_adopt(1, seat, false);
	tell();
	callers_release(0, cv[n], "m2");
	tell();
	mem_deref(seat);
}


/* Each half sees what happens in the other; who moves is there all along. */
START_TEST(test_both_see)
{
	struct caller *near, *there, *new;
	unsigned docs;

	near = caller_watch(0, "room", cv[0]->user);
	tell();
	there = caller_watch(1, "room", cv[1]->user);
	ck_assert_uint_eq(N, count(there));
	go(0);
	go(1);

	ck_assert_int_eq(0, callers_command(1, "mute", cv[0]->user, NULL,
					    0));
	ck_assert_int_eq(0, callers_command(0, "mute", cv[2]->user, NULL,
					    0));
	ck_assert_int_eq(0, callers_command(1, "lock", NULL, NULL, 0));
	tell();
	sees(near, 0, "<j:muted>true<");
	sees(there, 2, "<j:muted>true<");
	ck_assert_ptr_nonnull(strstr(near->docv[near->docc - 1],
				     "<locked>true<"));
	none_left(near, 0);
	none_left(there, 0);

	/* nothing to see when one goes who is shown */
	docs = near->docc + there->docc;
	go(2);
	ck_assert_int_eq(0, callers_command(1, "unlock", NULL, NULL, 0));
	new = caller_join(1, "room", N, false);
	ck_assert_uint_eq(0, new->rejected);
	tell();
	sees(near, N, "sendrecv");
	sees(there, N, "sendrecv");
	none_left(near, 0);
	none_left(there, 0);
	ck_assert_uint_eq(docs + 2, near->docc + there->docc);

	caller_leave(cv[0]);
	caller_leave(cv[3]);
	tell();
	sees(near, 0, "deleted");
	sees(there, 3, "deleted");
	sees(near, 3, "deleted");
	sees(there, 0, "deleted");
	ck_assert_uint_eq(3, count(near));
	ck_assert_uint_eq(3, count(there));
}
END_TEST


/* Nobody tells any more, and nobody has come: who is in no server is shown no
   more. */
START_TEST(test_nowhere)
{
	struct caller *near = caller_watch(0, "room", cv[1]->user), *there;

	tell();
	there = caller_watch(1, "room", cv[1]->user);
	go(0);
	ck_assert_uint_eq(N, count(there));
	hold = mem_deref(hold);
	ck_assert_int_eq(0, api_of(0)->room_drop(api_of(0)->c, "room",
						 NULL));
	for (unsigned n = 1; n < N; n++)
		sees(there, n, "deleted");
	sees(near, 0, "deleted");
	ck_assert_uint_eq(1, count(there));
	ck_assert_uint_eq(N - 1, count(near));
	ck_assert(!entry_says(there, 0, "deleted"));
}
END_TEST


START_TEST(test_bad)
{
	struct roster_mirror *m;
	struct odict *od;

	ck_assert_int_eq(ENOENT, api_of(0)->mirror(&m, api_of(0)->c, "none",
						   "m2", news_h, NULL));
	ck_assert_int_eq(EINVAL, api_of(0)->mirror(&m, api_of(0)->c, "room",
						   "", news_h, NULL));
	ck_assert_int_eq(0, odict_alloc(&od, 4));
	ck_assert_int_eq(EBADMSG, api_of(0)->users(api_of(0)->c, "room",
						   "m2", od));
	ck_assert_int_eq(ENOENT, api_of(0)->users(api_of(0)->c, "none", "m2",
						  od));
	ck_assert_int_eq(EINVAL, api_of(0)->users(api_of(0)->c, "room", "m2",
						  NULL));

	/* only who has the orders says if it is locked; and only so */
	ck_assert_int_eq(0, odict_entry_add(od, "locked", ODICT_BOOL, true));
	ck_assert_int_eq(EBADMSG, api_of(0)->users(api_of(0)->c, "room",
						   "m2", od));
	ck_assert_int_eq(EBADMSG, api_of(1)->users(api_of(1)->c, "room",
						   "m1", od));
	mem_deref(od);

	/* who is in neither half may not watch */
	tell();
	ck_assert_uint_eq(403, caller_watch(1, "room", "u9@test")->rejected);
	ck_assert_uint_eq(0, caller_watch(1, "room", cv[0]->user)->rejected);
}
END_TEST


int main(void)
{
	Suite *su = suite_create("halves");
	TCase *tc = tcase_create("halves");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 240);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_text);
	tcase_add_test(tc, test_shown);
	suite_add_tcase(su, tc);

	tc = tcase_create("by hand");
	tcase_set_timeout(tc, 240);
	tcase_add_checked_fixture(tc, by_hand, by_hand_end);
	tcase_add_test(tc, test_both_see);
	tcase_add_test(tc, test_nowhere);
	tcase_add_test(tc, test_bad);
	suite_add_tcase(su, tc);

	sr = srunner_create(su);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
