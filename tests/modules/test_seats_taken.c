/**
 * @file test_seats_taken.c  A server takes over what another one had on
 *                           the bus
 */
#include <unistd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <string.h>
#include <check.h>
#include <re.h>
#include "bus/bus.h"
#include "noc/seal.h"
#include "noc/seat.h"
#include "connect/connect.h"
#include "usage/db.h"
#include "mortal.h"
#include "seats.h"
#include "../suite.h"


static bool has_packets(void *arg)
{
	struct caller *const *cv = arg;

	for (unsigned n = 0; n < 3; n++)
		if (phone_stats(cv[n]->phone)->packets < 5)
			return false;

	return true;
}


/* As who takes over does: straight from the bus, watchers last */
static void kept_adopt(struct move *mv)
{
	const struct connect_api *new = api_of(mv->to);
	char k[SEAT_KEY_MAX];

	for (unsigned i = 0; i < callers.callerc; i++) {
		struct odict *od;

		ck_assert_int_eq(0, seat_key(k, sizeof k, "room",
					     callers.callerv[i]->callid));
		od = bus_object("seats", k);
		if (!od)
			continue;

		++mv->pending;
		ck_assert_int_eq(0, new->leg_adopt(new->c, od, true,
						   adopted_h, mv));
		mem_deref(od);
	}

	ck_assert(farm_wait(none_pending, mv, LIMIT_MS));
}


static bool room_locked(void *arg)
{
	struct odict *od = bus_object("rooms", "room");
	bool on = false;

	(void)arg;
	if (od)
		(void)odict_get_boolean(od, &on, "locked");
	mem_deref(od);

	return on;
}


/* The first whole roster from here on */
static const char *whole_roster(const struct caller *w, unsigned from)
{
	for (unsigned i = from; i < w->docc; i++)
		if (strstr(w->docv[i], "state=\"full\" v"))
			return w->docv[i];

	ck_abort_msg("no whole roster");
}


struct three {
	struct caller *cv[3], *w;
	unsigned docs;             /* that the watcher had                  */
};


static void three_join(struct three *f)
{
	for (unsigned n = 0; n < 3; n++)
		f->cv[n] = caller_join(0, "room", n, true);
	f->w = caller_watch(0, "room", f->cv[0]->user);

	/* what is on the bus has to have the streams, too */
	ck_assert(farm_wait(has_packets, f->cv, LIMIT_MS));
	for (unsigned n = 0; n < 3; n++) {
		command(0, "mute", f->cv[n]->user);
		if (n != 1)
			command(0, "unmute", f->cv[n]->user);
	}
	command(0, "lock", NULL);
	farm_nap(600);
	kept_are("seats", "m1", 4);
	while (!room_locked(NULL))
		farm_nap(20);
	f->docs = f->w->docc;
}


static void three_taken(struct three *f)
{
	struct move mv = {.from = HOSTS_MAX, .to = 1};
	struct odict *od;

	for (unsigned n = 0; n < 3; n++)
		phone_forget(f->cv[n]->phone);
	od = bus_object("rooms", "room");
	ck_assert_int_eq(0, api_of(1)->room_load(api_of(1)->c, od, &mv.hold));
	mem_deref(od);
	kept_adopt(&mv);
	mv.hold = mem_deref(mv.hold);
	ck_assert_uint_eq(4, mv.ok);
	ck_assert_uint_eq(0, mv.failed);
	ck_assert_uint_eq(3, here(1));
	ck_assert_uint_eq(3, toldv[1].arrived);
	farm_nap(300);
}


/* Both think they have it, until the bus is there again for m1. */
static void three_lost(const struct three *f)
{
	ck_assert_uint_eq(3, here(0));
	farm_down(&farm, true);
	farm_nap(50);
	ck_assert_uint_eq(0, toldv[0].lost);
	farm_down(&farm, false);
	comes_to(&toldv[0].lost, 3);
	ck_assert_uint_eq(0, here(0));
	ck_assert_uint_eq(0, toldv[0].left);
	ck_assert_str_eq("m2", toldv[0].to);
	for (unsigned n = 0; n < 3; n++) {
		ck_assert(f->cv[n]->sidev[0].released);
		ck_assert(!f->cv[n]->sidev[0].bye);
	}
	ck_assert_uint_eq(0, roomsof(0));
}


/* The watcher got the whole roster once, and it is the right one. */
static void three_watched(const struct three *f)
{
	const char *roster;

	ck_assert_uint_gt(f->w->docc, f->docs);
	ck_assert(!f->w->over);
	roster = whole_roster(f->w, f->docs);
	ck_assert_ptr_nonnull(strstr(roster, "u0@test"));
	ck_assert_ptr_nonnull(strstr(roster, "u2@test"));
	ck_assert_ptr_nonnull(strstr(roster, "<user-count>3</user-count>"));
}


/* m1 is thought dead: m2 takes everybody over. m1 lives, and learns of it. */
START_TEST(test_taken)
{
	struct three f;

	server_up(0, "m1", "usage.farm yes\n");
	server_up(1, "m2", "usage.farm yes\n");
	three_join(&f);
	three_taken(&f);
	three_lost(&f);

	farm_nap(900);
	kept_are("seats", "m2", 4);
	kept_are("rooms", "m2", 1);
	for (unsigned n = 0; n < 3; n++)
		ck_assert_uint_eq(0, phone_stats(f.cv[n]->phone)->ssrcs);
	ck_assert(hears(f.cv[0], 2));
	ck_assert(hears_not(f.cv[0], 1));
	ck_assert_uint_eq(403, caller_join(1, "room", 9, false)->rejected);

	three_watched(&f);

	for (unsigned n = 0; n < 3; n++)
		caller_leave(f.cv[n]);
	kept_are("seats", "", 0);
	usage_are(0, 0, 0);
	usage_are(1, 3, 3);
}
END_TEST


/* A run of m1 that dies with four legs up, in a process of its own */
static void die_with_legs(void)
{
	char file[128];
	const pid_t pid = fork();
	int st;

	if (!pid) {
		struct usage_db_ops ops;
		struct usage_store *s;

		mortal_ops(&ops);
		(void)re_snprintf(file, sizeof file, "%s/m1", farm.dir);
		(void)mkdir(file, 0700);
		(void)re_snprintf(file, sizeof file, "%s/m1/usage.db",
				  farm.dir);
		if (usage_store_alloc(&s, &ops, file, "m1", true))
			_exit(1);
		for (unsigned i = 0; i < 4; i++) {
			struct usage_leg leg = {
				.what = USAGE_JOIN, .id = i + 1,
				.join_usec = 1000000,
			};

			(void)re_snprintf(leg.leg, sizeof leg.leg, "f00%u",
					  i);
			if (usage_store_push(s, &leg))
				_exit(1);
		}
		mortal_end(s);
	}

	ck_assert_int_eq(waitpid(pid, &st, 0), pid);
	ck_assert_int_eq(st, 0);
}


static void mark_put(const char *leg, const char *server)
{
	struct odict *od;
	char place[64];
	uint8_t *buf;
	size_t n;

	ck_assert_int_eq(0, odict_alloc(&od, 4));
	ck_assert_int_eq(0, odict_entry_add(od, "server", ODICT_STRING,
					    server));
	(void)re_snprintf(place, sizeof place, "legs/%s", leg);
	ck_assert_int_eq(0, seal_odict(&buf, &n, seats_key, place, od));
	ck_assert_int_eq(0, bus_kv_put(NULL, farm.inner, "legs", leg, buf, n,
				       0, NULL, NULL));
	mem_deref(buf);
	mem_deref(od);
}


/* A server that died and runs again closes what nobody has taken over, and
   nothing as long as it cannot know. */
START_TEST(test_died)
{
	static const uint8_t junk[80] = {1, 2, 3};
	die_with_legs();
	mark_put("f000", "m2");
	mark_put("f001", "m1");
	ck_assert_int_eq(0, bus_kv_put(NULL, farm.inner, "legs", "f003",
				       junk, sizeof junk, 0, NULL, NULL));
	farm_nap(50);

	farm_down(&farm, true);
	server_up(0, "m1", "usage.farm yes\nusage.adopt_wait 1\n");
	farm_nap(1500);
	usage_are(0, 4, 0);

	farm_down(&farm, false);
	usage_are(0, 3, 2);
	farm_nap(1500);

	/* f000 is m2's; f001 came back to us, and f002 nobody has; of f003
	   nothing is known */
	usage_are(0, 3, 2);
}
END_TEST


int main(void)
{
	TCase *tc = seats_case("seats taken");

	tcase_add_test(tc, test_taken);
	tcase_add_test(tc, test_died);

	return suite_run("seats taken", tc);
}
