/**
 * @file test_seats.c  Conferences that go from one server to another, and
 *                     what is kept of them on the bus
 *
 * The servers have real connect services, meshes and usage records; the test
 * is their client hosts, and whoever moves conferences. Everything that goes
 * from one server to the other is sealed and opened again.
 */
#define _GNU_SOURCE 1
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/event.h"
#include "server/command.h"
#include "bus/bus.h"
#include "noc/seal.h"
#include "noc/seat.h"
#include "connect/connect.h"
#include "usage/db.h"
#include "mesh/rtcp.h"
#include "callers.h"
#include "farm.h"
#include "mortal.h"
#include "../mesh/phone.h"


/* For whatever has to happen, on a machine with much else to do [ms] */
enum { LIMIT_MS = 20000 };

/* What one server tells */
struct told {
	unsigned joined, arrived, left, moved, lost, created, deleted;
	unsigned muted;
	char to[64];
	struct listener *lv[7];
};

static struct farm farm;
static struct told toldv[HOSTS_MAX];
static struct seal_key *key;


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


static void server_up(unsigned ix, const char *name, const char *more)
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


static void server_down(unsigned ix)
{
	for (unsigned i = 0; i < ARRAY_SIZE(toldv[ix].lv); i++)
		toldv[ix].lv[i] = mem_deref(toldv[ix].lv[i]);
	callers_down(&farm, ix);
}


static void setup(void)
{
	farm_open(&farm);
	callers_open();
	ck_assert_int_eq(0, seal_key_alloc(&key, farm.key,
					   sizeof farm.key));
}


static void teardown(void)
{
	for (unsigned i = 0; i < HOSTS_MAX; i++)
		if (callers.srvv[i])
			server_down(i);
	callers_close();
	key = mem_deref(key);
	farm_close(&farm);
}


static unsigned here(unsigned ix)
{
	struct connect_totals tot;

	api_of(ix)->totals(api_of(ix)->c, &tot);

	return tot.participants;
}


static unsigned roomsof(unsigned ix)
{
	struct connect_totals tot;

	api_of(ix)->totals(api_of(ix)->c, &tot);

	return tot.conferences;
}


static void command(unsigned ix, const char *name, const char *user)
{
	ck_assert_int_eq(0, callers_command(ix, name, user, NULL, 0));
}


/* who moves */

struct move {
	unsigned from, to;
	unsigned pending, ok, failed;
	unsigned legc;
	char legv[CALLERS_MAX][64];
	size_t bytes;              /* of all seats, sealed                  */
	int err;                   /* of the last that failed               */
	uint16_t scode;
	struct room_hold *hold;
};


static struct odict *through_bus(struct move *mv, const struct odict *od)
{
	struct odict *back = NULL;
	uint8_t *buf;
	size_t n;

	ck_assert_int_eq(0, seal_odict(&buf, &n, key, "move", od));
	ck_assert_int_eq(0, seal_open(&back, key, "move", buf, n));
	mv->bytes += n;
	mem_deref(buf);

	return back;
}


static void adopted_h(int err, uint16_t scode, uint32_t cseq,
		      const char *callid, void *arg)
{
	const struct connect_api *old;
	struct move *mv = arg;

	--mv->pending;

	if (mv->from >= HOSTS_MAX) {
		if (err)
			++mv->failed;
		else
			++mv->ok;
		mv->err = err ? err : mv->err;
		return;
	}

	old = api_of(mv->from);
	if (!err) {
		++mv->ok;
		ck_assert_int_eq(0, old->leg_release(old->c, callid, "m2"));
		return;
	}

	++mv->failed;
	mv->err = err;
	mv->scode = scode;
	ck_assert_uint_gt(cseq, 7);
	if (err == ENOTCONN)
		caller_leave(caller_find(callid));
	else
		ck_assert_int_eq(0, old->leg_thaw(old->c, callid, cseq));
}


static void saved_h(int err, const char *callid, const struct odict *seat,
		    void *arg)
{
	struct move *mv = arg;
	const struct connect_api *new = api_of(mv->to);
	struct odict *copy;

	(void)callid;
	ck_assert_int_eq(0, err);
	copy = through_bus(mv, seat);
	ck_assert_int_eq(0, new->leg_adopt(new->c, copy, false, adopted_h,
					   mv));
	mem_deref(copy);
}


static void leg_h(const char *callid, unsigned id, bool watcher, void *arg)
{
	struct move *mv = arg;

	ck_assert(watcher == !id);
	str_ncpy(mv->legv[mv->legc++], callid, sizeof mv->legv[0]);
}


static bool none_pending(void *arg)
{
	const struct move *mv = arg;

	return !mv->pending;
}


/* All at once, but watchers when the others have gone. */
static void legs_move(struct move *mv)
{
	const struct connect_api *old = api_of(mv->from);

	mv->legc = 0;
	(void)old->legs(old->c, "room", leg_h, mv);

	for (unsigned i = 0; i < mv->legc; i++) {
		if (caller_find(mv->legv[i])->watcher)
			ck_assert(farm_wait(none_pending, mv, LIMIT_MS));
		++mv->pending;
		ck_assert_int_eq(0, old->leg_save(old->c, mv->legv[i],
						  saved_h, mv));
		ck_assert_int_eq(EBUSY, old->leg_save(old->c, mv->legv[i],
						      saved_h, mv));
	}

	ck_assert(farm_wait(none_pending, mv, LIMIT_MS));
}


static void move_begin(struct move *mv, unsigned from, unsigned to)
{
	const struct connect_api *old = api_of(from), *new = api_of(to);
	struct odict *od, *copy;
	char one[64], two[64];

	memset(mv, 0, sizeof *mv);
	mv->from = from;
	mv->to = to;

	ck_assert_int_eq(ENOENT, old->room_save(old->c, "none", &od));
	ck_assert_int_eq(0, old->room_save(old->c, "room", &od));
	copy = through_bus(mv, od);
	mem_deref(od);
	ck_assert_int_eq(0, new->room_load(new->c, copy, &mv->hold));
	mem_deref(copy);

	ck_assert_int_eq(0, old->link(old->c, "room", NULL, one,
				      sizeof one));
	ck_assert_int_eq(0, new->link(new->c, "room", one, two, sizeof two));
	ck_assert_int_eq(0, old->link(old->c, "room", two, NULL, 0));
	ck_assert_int_eq(0, old->link(old->c, "room", two, NULL, 0));
	ck_assert_int_eq(EALREADY, old->link(old->c, "room", "127.0.0.1:9",
					     NULL, 0));
	ck_assert_int_eq(EBADMSG, old->link(old->c, "room", "nowhere",
					    NULL, 0));
}


static void move_end(struct move *mv)
{
	const struct connect_api *old = api_of(mv->from);
	const struct connect_api *new = api_of(mv->to);

	ck_assert_int_eq(0, old->room_drop(old->c, "room", "m2"));
	ck_assert_int_eq(ENOENT, old->room_drop(old->c, "room", "m2"));
	ck_assert_int_eq(0, new->unlink(new->c, "room"));
	ck_assert_int_eq(ENOENT, new->unlink(new->c, "room"));
	mv->hold = mem_deref(mv->hold);
}


/* what is on the bus */

struct kept {
	unsigned n;
	char server[CALLERS_MAX][64];
	bool done;
};


static void kept_h(const char *k, uint64_t rev, const uint8_t *buf,
		   size_t len, void *arg)
{
	struct kept *kp = arg;
	struct odict *od = NULL;
	char place[300];

	(void)rev;
	if (!k) {
		kp->done = true;
		return;
	}
	if (!buf || kp->done)
		return;

	(void)re_snprintf(place, sizeof place, "seats/%s", k);
	if (seal_open(&od, key, place, buf, len)) {
		(void)re_snprintf(place, sizeof place, "rooms/%s", k);
		ck_assert_int_eq(0, seal_open(&od, key, place, buf, len));
	}
	ck_assert_uint_lt(kp->n, CALLERS_MAX);
	str_ncpy(kp->server[kp->n++], odict_string(od, "server"), 64);
	mem_deref(od);
}


static bool kept_done(void *arg)
{
	return ((const struct kept *)arg)->done;
}


static void kept_get(struct kept *kp, const char *bucket)
{
	struct bus_watch *w;

	memset(kp, 0, sizeof *kp);
	ck_assert_int_eq(0, bus_kv_watch(&w, farm.inner, bucket, ">",
					 kept_h, kp));
	ck_assert(farm_wait(kept_done, kp, LIMIT_MS));
	mem_deref(w);
}


static bool kept_match(const struct kept *kp, const char *server, unsigned n)
{
	for (unsigned i = 0; i < n && i < kp->n; i++)
		if (strcmp(server, kp->server[i]))
			return false;

	return kp->n == n;
}


static void kept_are(const char *bucket, const char *server, unsigned n)
{
	const uint64_t until = tmr_jiffies() + LIMIT_MS;
	static struct kept kp;

	for (;;) {
		kept_get(&kp, bucket);
		if (kept_match(&kp, server, n))
			return;

		ck_assert_msg(tmr_jiffies() < until, "%u %s, of '%s'", kp.n,
			      bucket, kp.n ? kp.server[0] : "");
		farm_nap(20);
	}
}


struct got {
	uint8_t buf[16384];
	size_t len;
	bool done;
};


static void got_h(int err, uint64_t rev, const uint8_t *buf, size_t len,
		  void *arg)
{
	struct got *got = arg;

	(void)rev;
	got->done = true;
	if (err)
		return;

	ck_assert_uint_le(len, sizeof got->buf);
	memcpy(got->buf, buf, len);
	got->len = len;
}


static bool got_done(void *arg)
{
	return ((const struct got *)arg)->done;
}


/* What is on the bus, opened; NULL: nothing */
static struct odict *bus_object(const char *bucket, const char *k)
{
	static struct got got;
	struct bus_kvop *op = NULL;
	struct odict *od = NULL;
	char place[310];

	memset(&got, 0, sizeof got);
	ck_assert_int_eq(0, bus_kv_get(&op, farm.inner, bucket, k, got_h,
				       &got));
	ck_assert(farm_wait(got_done, &got, LIMIT_MS));
	if (!got.len)
		return NULL;

	(void)re_snprintf(place, sizeof place, "%s/%s", bucket, k);
	ck_assert_int_eq(0, seal_open(&od, key, place, got.buf, got.len));

	return od;
}


static void usage_h(int err, const char *reason, const struct odict *result,
		    void *arg)
{
	(void)reason;
	ck_assert_int_eq(0, err);
	*(struct odict **)arg = mem_ref((void *)result);
}


/* Records of a server: how many, and how many of them are closed. */
static unsigned usage_count(unsigned ix, unsigned *closed)
{
	struct odict *args, *res = NULL;
	const struct odict_entry *recs;
	struct le *le;
	unsigned n = 0;

	*closed = 0;
	ck_assert_int_eq(0, odict_alloc(&args, 4));
	ck_assert_int_eq(0, command_run(server_commands(callers.srvv[ix]),
					"usage", args, usage_h, &res));
	mem_deref(args);
	recs = odict_get_type(res, ODICT_ARRAY, "records");
	ck_assert_ptr_nonnull(recs);
	LIST_FOREACH(&recs->u.odict->lst, le) {
		const struct odict_entry *e = le->data;
		uint64_t left;

		++n;
		*closed += odict_get_number(e->u.odict, &left, "leave_time");
	}
	mem_deref(res);

	return n;
}


struct usage_want {
	unsigned ix, records, closed;
};


static bool usage_match(void *arg)
{
	const struct usage_want *uw = arg;
	unsigned closed;

	return usage_count(uw->ix, &closed) == uw->records &&
		closed == uw->closed;
}


static void usage_are(unsigned ix, unsigned records, unsigned closed)
{
	struct usage_want uw = {ix, records, closed};
	unsigned n;

	if (farm_wait(usage_match, &uw, LIMIT_MS))
		return;

	n = usage_count(ix, &closed);
	ck_abort_msg("server %u: %u records, %u closed", ix, n, closed);
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
static void comes_to(const unsigned *n, unsigned want)
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
static bool hears(const struct caller *c, unsigned n)
{
	struct hears h = {c, n, true};

	return farm_wait(heard, &h, LIMIT_MS);
}


static bool hears_not(const struct caller *c, unsigned n)
{
	struct hears h = {c, n, false};

	return farm_wait(heard, &h, LIMIT_MS);
}


static bool has_packets(void *arg)
{
	struct caller *const *cv = arg;

	for (unsigned n = 0; n < 3; n++)
		if (phone_stats(cv[n]->phone)->packets < 5)
			return false;

	return true;
}


/* A machine that is busy elsewhere leaves some out; who begins anew changes
   more than that. */
static void seamless(const struct phone_stats *st)
{
	ck_assert_uint_eq(0, st->ssrcs);
	ck_assert_uint_eq(0, st->bye);
	ck_assert_uint_le(st->gaps, 3 + st->packets / 4);
	ck_assert_uint_le(st->ts_bad, 3 + st->packets / 4);
}


/* three who talk, one of them muted, one who holds, a locked room */
START_TEST(test_move)
{
	struct caller *cv[4], *w;
	struct move mv;
	uint64_t sess_id;
	struct sa origin;
	unsigned docs;

	server_up(0, "m1", "");
	server_up(1, "m2", "");

	for (unsigned n = 0; n < 4; n++)
		cv[n] = caller_join(0, "room", n, true);
	w = caller_watch(0, "room", cv[0]->user);
	farm_nap(800);

	command(0, "mute", cv[1]->user);
	command(0, "lock", NULL);
	caller_key(cv[2], '*');
	caller_key(cv[2], '6');
	caller_key(cv[2], '*');
	caller_key(cv[2], '6');
	caller_hold(cv[3], true);
	ck_assert(hears(cv[0], 2));
	ck_assert(hears_not(cv[0], 1));
	kept_are("seats", "m1", 5);
	kept_are("rooms", "m1", 1);
	ck_assert_uint_eq(3, toldv[0].muted);

	docs = w->docc;
	sess_id = cv[0]->answer.sess_id;
	origin  = cv[0]->answer.rtp;
	for (unsigned n = 0; n < 4; n++)
		phone_forget(cv[n]->phone);

	move_begin(&mv, 0, 1);
	legs_move(&mv);
	ck_assert_uint_eq(5, mv.ok);
	ck_assert_uint_eq(0, mv.failed);
	move_end(&mv);

	/* everybody is there, and nobody has left or come */
	ck_assert_uint_eq(0, here(0));
	ck_assert_uint_eq(4, here(1));
	ck_assert_uint_eq(0, roomsof(0));
	ck_assert_uint_eq(1, roomsof(1));
	ck_assert_uint_eq(0, toldv[0].left + toldv[1].left);
	ck_assert_uint_eq(4, toldv[0].moved);
	ck_assert_uint_eq(4, toldv[1].arrived);
	ck_assert_uint_eq(0, toldv[1].joined + toldv[0].lost);
	ck_assert_uint_eq(1, toldv[0].deleted);
	ck_assert_str_eq("m2", toldv[0].to);

	/* the same session, one version further */
	ck_assert_uint_eq(sess_id, cv[0]->offer.sess_id);
	ck_assert_uint_eq(cv[0]->answer.sess_ver + 1,
			  cv[0]->offer.sess_ver);
	ck_assert(sa_cmp(&origin, &cv[0]->offer.origin, SA_ADDR));
	ck_assert(!sa_cmp(&origin, &cv[0]->offer.rtp, SA_ALL));
	ck_assert_uint_eq(2, cv[0]->offer.codecc);
	ck_assert_str_eq("PCMU", cv[0]->offer.codecv[0].name);
	ck_assert_uint_eq(97, cv[0]->offer.codecv[1].pt);
	ck_assert_int_eq(SDP_SENDRECV, cv[0]->offer.dir);
	ck_assert_int_eq(SDP_RECVONLY, cv[3]->offer.dir);

	farm_nap(1200);
	for (unsigned n = 0; n < 3; n++)
		seamless(phone_stats(cv[n]->phone));
	ck_assert(hears(cv[0], 2));
	ck_assert(hears(cv[2], 0));
	ck_assert(hears_not(cv[0], 1));

	/* the roster is what it was; at most who speaks was told */
	for (unsigned i = docs; i < w->docc; i++) {
		ck_assert_ptr_null(strstr(w->docv[i], "state=\"full\" v"));
		ck_assert_ptr_null(strstr(w->docv[i], "deleted"));
	}
	ck_assert(!w->over);
	ck_assert_uint_eq(1, w->where);

	/* muted, locked, held there as here */
	command(1, "unmute", cv[1]->user);
	ck_assert_uint_eq(1, toldv[1].muted);
	ck_assert_uint_eq(403, caller_join(1, "room", 9, false)->rejected);
	caller_hold(cv[3], false);
	ck_assert(hears(cv[0], 1));
	ck_assert(hears(cv[3], 0));
	ck_assert(strstr(w->docv[w->docc - 1], "state=\"partial\"") != NULL);

	kept_are("seats", "m2", 5);
	kept_are("rooms", "m2", 1);
	usage_are(0, 0, 0);
	usage_are(1, 4, 0);

	for (unsigned n = 0; n < 4; n++)
		caller_leave(cv[n]);
	comes_to(&toldv[1].left, 4);
	ck_assert(w->over);
	kept_are("seats", "m2", 0);
	kept_are("rooms", "m2", 0);
	usage_are(0, 0, 0);
	usage_are(1, 4, 4);
}
END_TEST


static struct move one_moves(unsigned *n)
{
	static struct move mv;

	move_begin(&mv, 0, 1);
	legs_move(&mv);
	*n = here(1);

	return mv;
}


/* Whose phone does not follow stays where it is, and everybody still hears
   everybody; later it follows. */
START_TEST(test_refused)
{
	struct caller *cv[3];
	struct move mv;
	unsigned n;

	server_up(0, "m1", "");
	server_up(1, "m2", "");
	for (n = 0; n < 3; n++)
		cv[n] = caller_join(0, "room", n, true);
	cv[1]->mode = REFUSES;
	cv[1]->scode = 500;
	farm_nap(300);

	mv = one_moves(&n);
	ck_assert_uint_eq(2, mv.ok);
	ck_assert_uint_eq(1, mv.failed);
	ck_assert_int_eq(EPROTO, mv.err);
	ck_assert_uint_eq(500, mv.scode);
	ck_assert_uint_eq(2, n);
	ck_assert_uint_eq(1, here(0));
	ck_assert(cv[1]->sidev[1].released);
	ck_assert_uint_gt(cv[1]->sidev[0].thawed, 7);
	ck_assert_int_eq(EBUSY, api_of(0)->room_drop(api_of(0)->c, "room",
						     "m2"));

	farm_nap(1000);
	ck_assert(hears(cv[0], 1));
	ck_assert(hears(cv[1], 0));
	ck_assert(hears(cv[1], 2));
	ck_assert(hears(cv[2], 0));
	seamless(phone_stats(cv[1]->phone));
	usage_are(0, 1, 0);
	usage_are(1, 2, 0);

	/* again, and it dislikes the one codec only */
	cv[1]->mode = REFUSES_ONCE;
	cv[1]->scode = 488;
	legs_move(&mv);
	ck_assert_uint_eq(3, here(1));
	ck_assert_uint_eq(3, cv[1]->sidev[1].offers);
	ck_assert_uint_ge(cv[1]->offer.codecc, 4);
	move_end(&mv);
	ck_assert_uint_eq(0, toldv[0].left + toldv[1].left);

	farm_nap(500);
	for (n = 0; n < 3; n++)
		ck_assert(hears(cv[n], (n + 1) % 3));
	for (n = 0; n < 3; n++)
		caller_leave(cv[n]);
	kept_are("seats", "", 0);
	usage_are(0, 0, 0);
	usage_are(1, 3, 3);
}
END_TEST


/* Hung up on its way: at the new server, and at the old one */
START_TEST(test_hangs_up)
{
	struct caller *cv[3];
	struct move mv;
	unsigned n;

	server_up(0, "m1", "");
	server_up(1, "m2", "");
	for (n = 0; n < 3; n++)
		cv[n] = caller_join(0, "room", n, false);
	farm_nap(200);
	cv[1]->mode = HANGS_UP;

	mv = one_moves(&n);
	ck_assert_uint_eq(2, mv.ok);
	ck_assert_int_eq(ENOTCONN, mv.err);
	ck_assert_uint_eq(1, toldv[0].left);
	ck_assert_uint_eq(0, toldv[1].left);
	move_end(&mv);

	for (n = 0; n < 3; n += 2)
		caller_leave(cv[n]);
	kept_are("seats", "", 0);
	kept_are("rooms", "", 0);
	usage_are(0, 1, 1);
	usage_are(1, 2, 2);
}
END_TEST


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


/* m1 is thought dead: m2 takes everybody over. m1 lives, and learns of it. */
START_TEST(test_taken)
{
	struct caller *cv[3], *w;
	struct move mv = {.from = HOSTS_MAX, .to = 1};
	const char *roster;
	struct odict *od;
	unsigned docs;

	server_up(0, "m1", "usage.farm yes\n");
	server_up(1, "m2", "usage.farm yes\n");
	for (unsigned n = 0; n < 3; n++)
		cv[n] = caller_join(0, "room", n, true);
	w = caller_watch(0, "room", cv[0]->user);

	/* what is on the bus has to have the streams, too */
	ck_assert(farm_wait(has_packets, cv, LIMIT_MS));
	for (unsigned n = 0; n < 3; n++) {
		command(0, "mute", cv[n]->user);
		if (n != 1)
			command(0, "unmute", cv[n]->user);
	}
	command(0, "lock", NULL);
	farm_nap(600);
	kept_are("seats", "m1", 4);
	while (!room_locked(NULL))
		farm_nap(20);
	docs = w->docc;

	for (unsigned n = 0; n < 3; n++)
		phone_forget(cv[n]->phone);
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

	/* both think they have it, until the bus is there again for m1 */
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
		ck_assert(cv[n]->sidev[0].released);
		ck_assert(!cv[n]->sidev[0].bye);
	}
	ck_assert_uint_eq(0, roomsof(0));

	farm_nap(900);
	kept_are("seats", "m2", 4);
	kept_are("rooms", "m2", 1);
	for (unsigned n = 0; n < 3; n++)
		ck_assert_uint_eq(0, phone_stats(cv[n]->phone)->ssrcs);
	ck_assert(hears(cv[0], 2));
	ck_assert(hears_not(cv[0], 1));
	ck_assert_uint_eq(403, caller_join(1, "room", 9, false)->rejected);

	/* the watcher got the whole roster once, and it is the right one */
	ck_assert_uint_gt(w->docc, docs);
	ck_assert(!w->over);
	roster = whole_roster(w, docs);
	ck_assert_ptr_nonnull(strstr(roster, "u0@test"));
	ck_assert_ptr_nonnull(strstr(roster, "u2@test"));
	ck_assert_ptr_nonnull(strstr(roster, "<user-count>3</user-count>"));

	for (unsigned n = 0; n < 3; n++)
		caller_leave(cv[n]);
	kept_are("seats", "", 0);
	usage_are(0, 0, 0);
	usage_are(1, 3, 3);
}
END_TEST


/* A bus that is away for a while: what changes meanwhile is written then. */
START_TEST(test_bus_away)
{
	struct caller *cv[6];

	server_up(0, "m1", "");
	cv[0] = caller_join(0, "room", 0, false);
	cv[1] = caller_join(0, "room", 1, false);
	kept_are("seats", "m1", 2);
	farm_nap(200);

	farm_down(&farm, true);
	for (unsigned n = 2; n < 6; n++)
		cv[n] = caller_join(0, "room", n, false);
	caller_leave(cv[0]);
	command(0, "mute", cv[1]->user);
	farm_nap(500);
	kept_are("seats", "m1", 2);
	farm_down(&farm, false);
	kept_are("seats", "m1", 5);

	for (unsigned n = 1; n < 6; n++)
		caller_leave(cv[n]);
	kept_are("seats", "", 0);
}
END_TEST


static double cpu_seconds(void)
{
	struct rusage ru;

	ck_assert_int_eq(0, getrusage(RUSAGE_THREAD, &ru));

	return (double)ru.ru_utime.tv_sec + (double)ru.ru_stime.tv_sec +
		1e-6 * (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec);
}


static unsigned peeks(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < callers.callerc; i++)
		n += callers.callerv[i]->sidev[0].peeks;

	return n;
}


static bool all_kept(void *arg)
{
	return peeks() >= *(unsigned *)arg;
}


struct calm {
	unsigned peeks;
	uint64_t since;            /* [us]                                  */
};


static bool is_calm(void *arg)
{
	struct calm *c = arg;
	const uint64_t now = farm_clock();

	if (c->peeks != peeks()) {
		c->peeks = peeks();
		c->since = now;
	}

	return now - c->since > 1000000;
}


/* What changes twice within a moment is written once; a burst of joins is
   spread; who just sits there costs nothing. Who was written before anything
   was sent to him is written a second time. */
START_TEST(test_pace)
{
	enum { N = 200 };
	struct calm calm = {0};
	unsigned n = N;
	uint64_t began;

	server_up(0, "m1", "connect.seats_rate 200\n");
	for (unsigned i = 0; i < N; i++) {
		(void)caller_join(0, "room", i, false);
		if (i < 50)
			command(0, "mute", callers.callerv[i]->user);
	}

	began = farm_clock();
	ck_assert(farm_wait(all_kept, &n, LIMIT_MS));
	ck_assert_uint_gt(farm_clock() - began, 300000);
	ck_assert(farm_wait(is_calm, &calm, 30000));
	n = peeks();
	ck_assert_uint_ge(n, N);
	ck_assert_uint_le(n, 2 * N);
	kept_are("seats", "m1", N);

	farm_nap(1000);
	ck_assert_uint_eq(n, peeks());
}
END_TEST


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


/* Two who hear each other, and nobody else, wherever they are */
START_TEST(test_pair)
{
	struct caller *cv[2];
	struct move mv;

	server_up(0, "m1", "service pointtopoint\n");
	server_up(1, "m2", "service pointtopoint\n");
	cv[0] = caller_join(0, "room", 0, true);
	cv[1] = caller_join(0, "room", 1, true);
	farm_nap(300);

	/* one after the other: the link stands for who is not there yet */
	cv[1]->mode = REFUSES;
	cv[1]->scode = 500;
	move_begin(&mv, 0, 1);
	legs_move(&mv);
	ck_assert_uint_eq(1, here(0));
	ck_assert_uint_eq(1, here(1));
	farm_nap(1000);
	ck_assert(hears(cv[0], 1));
	ck_assert(hears(cv[1], 0));
	ck_assert(hears_not(cv[0], 0));

	cv[1]->mode = ANSWERS;
	legs_move(&mv);
	move_end(&mv);
	farm_nap(1000);
	ck_assert_uint_eq(2, here(1));
	ck_assert(hears(cv[0], 1));
	ck_assert(hears(cv[1], 0));
	ck_assert(hears_not(cv[1], 1));
	ck_assert_uint_eq(486, caller_join(1, "room", 2, false)->rejected);
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
	ck_assert_int_eq(0, seal_odict(&buf, &n, key, place, od));
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


static bool offered(void *arg)
{
	return ((const struct caller *)arg)->sidev[1].offers > 0;
}


/* Kicked out by an operator of the new server, who sees it already */
START_TEST(test_kicked)
{
	const struct connect_api *old, *new;
	struct caller *c[2];
	struct move mv;

	server_up(0, "m1", "");
	server_up(1, "m2", "");
	c[0] = caller_join(0, "room", 0, false);
	c[1] = caller_join(0, "room", 1, false);
	farm_nap(200);
	old = api_of(0);
	new = api_of(1);

	move_begin(&mv, 0, 1);
	c[0]->mode = IGNORES;
	++mv.pending;
	ck_assert_int_eq(0, old->leg_save(old->c, c[0]->callid, saved_h,
					  &mv));
	ck_assert(farm_wait(offered, c[0], LIMIT_MS));
	ck_assert_uint_eq(0, here(1));
	ck_assert_uint_eq(0, new->legs(new->c, "room", NULL, NULL));
	command(1, "kick", c[0]->user);
	ck_assert(farm_wait(none_pending, &mv, LIMIT_MS));
	ck_assert_int_eq(ENOTCONN, mv.err);
	ck_assert(c[0]->sidev[1].bye);
	ck_assert_uint_eq(1, toldv[0].left);
	ck_assert_uint_eq(0, toldv[1].left);

	/* one that is on its way when its new server stops */
	c[1]->mode = IGNORES;
	++mv.pending;
	ck_assert_int_eq(0, old->leg_save(old->c, c[1]->callid, saved_h,
					  &mv));
	ck_assert(farm_wait(offered, c[1], LIMIT_MS));
	mv.hold = mem_deref(mv.hold);
	server_down(1);
	ck_assert(c[1]->sidev[1].released);
	ck_assert(!c[1]->sidev[1].bye);
	ck_assert_uint_eq(1, mv.pending);
	ck_assert_int_eq(0, old->leg_thaw(old->c, c[1]->callid, 0));
	ck_assert_int_eq(ENOENT, old->leg_thaw(old->c, c[1]->callid, 0));
	ck_assert_int_eq(ENOENT, old->leg_release(old->c, c[1]->callid,
						  "m2"));
	ck_assert_uint_eq(1, here(0));
	caller_leave(c[1]);
	comes_to(&toldv[0].left, 2);
	usage_are(0, 2, 2);
	kept_are("seats", "", 0);
}
END_TEST


/* What makes no sense is refused, and nothing of it stays */
START_TEST(test_nonsense)
{
	static const char *const v[] = {
		"{}", "{\"v\":1}",
		"{\"v\":2,\"kind\":\"leg\"}",
		"{\"v\":1,\"kind\":\"leg\",\"conference\":\"c\","
		"\"server\":\"m\",\"dialog\":\"d\","
		"\"join\":{\"callid\":\"i\",\"user\":\"u\"}}",
	};
	const struct connect_api *new;
	struct room_hold *hold = NULL;

	server_up(0, "m1", "");
	new = api_of(0);

	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		struct odict *od;

		ck_assert_int_eq(0, json_decode_odict(&od, 8, v[i],
						      strlen(v[i]), 8));
		ck_assert_int_ne(0, new->leg_adopt(new->c, od, false,
						   adopted_h, NULL));
		/* the last one would do for a room */
		if (i + 1 < ARRAY_SIZE(v))
			ck_assert_int_ne(0, new->room_load(new->c, od,
							   &hold));
		mem_deref(od);
	}

	ck_assert_ptr_null(hold);
	ck_assert_uint_eq(0, roomsof(0));
	ck_assert_int_eq(ENOENT, new->leg_save(new->c, "nobody", saved_h,
					       NULL));
	ck_assert_int_eq(ENOENT, new->link(new->c, "none", NULL, NULL, 0));
	new->leg_gone(new->c, "none", 1);
	new->verify(new->c, "none");
}
END_TEST


/* A large room: all arrive, and what one seat takes is known */
START_TEST(test_large)
{
	enum { N = 200 };
	struct caller *w;
	struct move mv;
	unsigned docs;
	double cpu;

	server_up(0, "m1", "connect.seats no\n");
	server_up(1, "m2", "connect.seats no\n");
	for (unsigned i = 0; i < N; i++)
		(void)caller_join(0, "room", i, false);
	w = caller_watch(0, "room", "u0@test");
	do {
		docs = w->docc;
		farm_nap(1000);
	} while (docs != w->docc);

	cpu = cpu_seconds();
	move_begin(&mv, 0, 1);
	legs_move(&mv);
	move_end(&mv);
	cpu = cpu_seconds() - cpu;

	ck_assert_uint_eq(N + 1, mv.ok);
	ck_assert_uint_eq(N, here(1));
	ck_assert_uint_eq(0, here(0) + roomsof(0));
	ck_assert_uint_eq(N, toldv[0].moved);
	ck_assert_uint_eq(N, toldv[1].arrived);
	farm_nap(500);
	ck_assert_uint_eq(docs, w->docc);

	/* a room or a seat, twice each way */
	ck_assert_uint_lt(mv.bytes / (N + 2), 1800);
	(void)re_fprintf(stderr, "a seat: %zu bytes, %u us of the main"
			 " threads of both servers and the test\n",
			 mv.bytes / (N + 2), (unsigned)(1e6 * cpu / N));

	usage_are(0, 0, 0);
	usage_are(1, N, 0);
}
END_TEST


int main(void)
{
	Suite *su = suite_create("seats");
	TCase *tc = tcase_create("seats");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 240);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_move);
	tcase_add_test(tc, test_refused);
	tcase_add_test(tc, test_hangs_up);
	tcase_add_test(tc, test_pair);
	tcase_add_test(tc, test_taken);
	tcase_add_test(tc, test_bus_away);
	tcase_add_test(tc, test_pace);
	tcase_add_test(tc, test_dead);
	tcase_add_test(tc, test_died);
	tcase_add_test(tc, test_kicked);
	tcase_add_test(tc, test_nonsense);
	tcase_add_test(tc, test_large);
	suite_add_tcase(su, tc);

	sr = srunner_create(su);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
