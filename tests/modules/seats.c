/**
 * @file seats.c  Servers with real connect services, meshes and usage records,
 *                and what they tell
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "server/event.h"
#include "noc/seal.h"
#include "connect/connect.h"
#include "seats.h"


struct farm farm;
struct told toldv[HOSTS_MAX];
struct seal_key *seats_key;


static bool told_h(const struct event *ev, void *arg)
{
	const struct connect_event *ce = ev->data;
	const char *what = ev->name + strlen("connect.");
	struct told *t = arg;

	if (!strcmp(what, "joined"))
		++*(ce->moved ? &t->arrived : &t->joined);
	else if (!strcmp(what, "left"))
		++t->left;
	else if (!strcmp(what, "created"))
		++t->created;
	else if (!strcmp(what, "deleted"))
		++t->deleted;
	else if (!strcmp(what, "muted"))
		++t->muted;
	else
		++*(strcmp(what, "moved") ? &t->lost : &t->moved);

	if (ce->to)
		str_ncpy(t->to, ce->to, sizeof t->to);

	return false;
}


void server_up(unsigned ix, const char *name, const char *more)
{
	static const char *const eventv[] = {
		"connect.joined", "connect.left", "connect.moved",
		"connect.lost", "connect.created", "connect.deleted",
		"connect.muted",
	};
	char conf[512];

	(void)re_snprintf(conf, sizeof conf, "service usage\n%s%s%s",
			  strstr(more, "service ") ? "" : "service groups\n",
			  strstr(more, "connect.seats ") ? "" :
			  "connect.seats yes\n", more);
	callers_up(&farm, ix, name, conf);
	memset(&toldv[ix], 0, sizeof toldv[ix]);
	for (unsigned i = 0; i < ARRAY_SIZE(eventv); i++)
		ck_assert_int_eq(0, event_listen(&toldv[ix].lv[i],
			server_events(callers.srvv[ix]), eventv[i],
			EVENT_PRIO_NORMAL, told_h, &toldv[ix]));
}


void server_down(unsigned ix)
{
	for (unsigned i = 0; i < ARRAY_SIZE(toldv[ix].lv); i++)
		toldv[ix].lv[i] = mem_deref(toldv[ix].lv[i]);
	callers_down(&farm, ix);
}


static void setup(void)
{
	farm_open(&farm);
	callers_open();
	ck_assert_int_eq(0, seal_key_alloc(&seats_key, farm.key,
					   sizeof farm.key));
}


static void teardown(void)
{
	for (unsigned i = 0; i < HOSTS_MAX; i++)
		if (callers.srvv[i])
			server_down(i);
	callers_close();
	seats_key = mem_deref(seats_key);
	farm_close(&farm);
}


/* A case whose tests find the fixture prepared */
TCase *seats_case(const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, 240);
	tcase_add_checked_fixture(tc, setup, teardown);

	return tc;
}


unsigned here(unsigned ix)
{
	struct connect_totals tot;

	api_of(ix)->totals(api_of(ix)->c, &tot);

	return tot.participants;
}


unsigned roomsof(unsigned ix)
{
	struct connect_totals tot;

	api_of(ix)->totals(api_of(ix)->c, &tot);

	return tot.conferences;
}


void command(unsigned ix, const char *name, const char *user)
{
	ck_assert_int_eq(0, callers_command(ix, name, user, NULL, 0));
}


struct count {
	const unsigned *n;
	unsigned want;
};


static bool counted(void *arg)
{
	const struct count *c = arg;

	return *c->n >= c->want;
}


/* So many, and not more */
void comes_to(const unsigned *n, unsigned want)
{
	struct count c = {n, want};

	(void)farm_wait(counted, &c, LIMIT_MS);
	ck_assert_uint_eq(want, *n);
}


struct hears {
	const struct caller *c;
	unsigned n;
	bool yes;
};


static bool heard(void *arg)
{
	const struct hears *h = arg;

	return caller_hears(h->c, h->n) == h->yes;
}


/* Does it hear the other one now, or soon? */
bool hears(const struct caller *c, unsigned n)
{
	struct hears h = {c, n, true};

	return farm_wait(heard, &h, LIMIT_MS);
}


bool hears_not(const struct caller *c, unsigned n)
{
	struct hears h = {c, n, false};

	return farm_wait(heard, &h, LIMIT_MS);
}


/* A machine that is busy elsewhere leaves some out; who begins anew changes
   more than that. */
void seamless(const struct phone_stats *st)
{
	ck_assert_uint_eq(0, st->ssrcs);
	ck_assert_uint_eq(0, st->bye);
	ck_assert_uint_le(st->gaps, 3 + st->packets / 4);
	ck_assert_uint_le(st->ts_bad, 3 + st->packets / 4);
}
