/**
 * @file crash.c  Servers that die, and who takes over their conferences
 *
 * Every survivor ranks all servers for every conference by a hash of both,
 * weighted by what each has left, so that most agree whose turn it is and the
 * load is spread by capacity. The first one takes at once, the others a little
 * later if it did not. Compare-and-set decides; ranks only save work.
 *
 * A server that started anew after a crash does the same for its own claims.
 * Nobody takes anything while cut off from the others.
 */
#include <string.h>
#include <math.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "server/offers.h"
#include "server/log.h"
#include "server/siphash.h"
#include "bus/bus.h"
#include "noc/seal.h"
#include "noc/seat.h"
#include "noc/tables.h"
#include "noc/wire.h"
#include "heartbeat/heartbeat.h"
#include "move/mover.h"


enum {
	RANK_TIME  = 150,          /* each rank waits longer by [ms]        */
	AGAIN_TIME = 100,          /* the claim could not be asked for [ms] */
	TAKES_MAX  = 300,          /* times it is asked for                 */
	LOST_MAX   = 64,           /* Call-IDs looked up at a time          */
	LOST_TIME  = 2000,         /* [ms]                                  */
};

/* A conference that nobody serves. */
struct orphan {
	struct le le;              /* in move.orphanl                       */
	struct move *mv;
	struct tmr tmr;
	struct claim_op *claim;
	unsigned tries;
	char conference[CLIENT_CONFERENCE_MAX];
	char from[NAME_SERVER_MAX];
};

/* A Call-ID that speaks to us and that we do not know. */
struct lost {
	struct le le;              /* in move.lostl                         */
	struct move *mv;
	struct bus_watch *watch;
	struct tmr tmr;
	char callid[CLIENT_CALLID_MAX];
};

static void orphan_take(struct orphan *o);


static void orphan_destructor(void *arg)
{
	struct orphan *o = arg;

	tmr_cancel(&o->tmr);
	list_unlink(&o->le);
	mem_deref(o->claim);
}


static void take_handler(void *arg)
{
	orphan_take(arg);
}


static void orphan_again(struct orphan *o, int err)
{
	if (++o->tries < TAKES_MAX) {
		tmr_start(&o->tmr, AGAIN_TIME, take_handler, o);
		return;
	}

	log_event(LOG_ERROR, "move", NULL, "%s of %s cannot be claimed: %s",
		  o->conference, o->from, strerror(err));
	mem_deref(o);
}


static void claimed(struct orphan *o, int err, const char *server)
{
	struct move *mv = o->mv;

	switch (err) {

	case 0:
		(void)adopt_run(mv, o->conference, o->from, NULL, NULL);
		mem_deref(o);
		break;

	case ESTALE:
	case ENOENT:
		log_trace("move", NULL, "%s of %s goes to %s", o->conference,
			  o->from, server ? server : "nobody");
		mem_deref(o);
		break;

	default:
		orphan_again(o, err);
		break;
	}
}


static void claim_handler(int err, const char *server, void *arg)
{
	struct orphan *o = arg;

	o->claim = mem_deref(o->claim);
	claimed(o, err, server);
}


static void orphan_take(struct orphan *o)
{
	const struct dispatchee_api *d = o->mv->disp;
	int err;

	if (o->mv->isolated) {
		orphan_again(o, ENETDOWN);
		return;
	}

	err = d->take(&o->claim, d->d, o->conference, o->from, claim_handler,
		      o);
	if (err)
		claimed(o, err, d->owner(d->d, o->conference));
}


struct ranking {
	const char *self, *dead, *conference;
	double score;              /* of this server                        */
	bool mine;                 /* second round: score is known          */
	unsigned rank, servers;
};


/* Weighted rendezvous: the greatest -w / ln(u) wins, u uniform in (0, 1). */
static double score(const char *conference, const char *server,
		    uint32_t weight)
{
	const struct siphash_key key = {{0x6a756e63746f7221, 0x72616e6b}};
	char buf[CLIENT_CONFERENCE_MAX + NAME_SERVER_MAX];
	uint64_t h;
	double u;

	(void)re_snprintf(buf, sizeof(buf), "%s\t%s", conference, server);
	h = siphash(&key, buf, strlen(buf));
	u = ((double)(h >> 11) + 0.5) / (double)(1ULL << 53);

	return -(double)max(weight, 1u) / log(u);
}


static void rank_handler(const struct server_info *si, void *arg)
{
	const struct wire_server *ws = si->report;
	struct ranking *r = arg;
	double s;

	if (!strcmp(ws->name, r->dead) || !si->in_contact ||
	    ws->state != CAPACITY_IN_SERVICE)
		return;

	s = score(r->conference, ws->name, ws->unused);
	if (!strcmp(ws->name, r->self)) {
		r->score = s;
		return;
	}

	if (!r->mine)
		++r->servers;
	else if (s > r->score)
		++r->rank;
}


/* How many others go first. One that takes nothing new goes last of all. */
static unsigned rank(struct move *mv, const char *conference,
		     const char *dead)
{
	struct ranking r = {
		.self = mv->name, .dead = dead, .conference = conference,
	};

	tables_servers(mv->tables, tmr_jiffies(), rank_handler, &r);
	r.mine = true;
	tables_servers(mv->tables, tmr_jiffies(), rank_handler, &r);

	if (mv->disp->state(mv->disp->d) != CAPACITY_IN_SERVICE ||
	    !mv->disp->unused(mv->disp->d))
		return r.servers + 1;

	return r.rank;
}


static struct orphan *orphan_find(const struct move *mv,
				  const char *conference)
{
	struct le *le;

	LIST_FOREACH(&mv->orphanl, le) {
		struct orphan *o = le->data;

		if (!strcmp(o->conference, conference))
			return o;
	}

	return NULL;
}


static void orphan_add(struct move *mv, const char *conference,
		       const char *from, uint32_t delay)
{
	struct orphan *o;

	if (orphan_find(mv, conference))
		return;

	o = mem_zalloc(sizeof(*o), orphan_destructor);
	if (!o)
		return;

	o->mv = mv;
	str_ncpy(o->conference, conference, sizeof(o->conference));
	str_ncpy(o->from, from, sizeof(o->from));
	list_append(&mv->orphanl, &o->le, o);
	tmr_start(&o->tmr, delay, take_handler, o);
}


struct orphans {
	struct move *mv;
	const char *dead;
	unsigned n;
};


static void down_handler(const char *conference, uint32_t participants,
			 void *arg)
{
	struct orphans *os = arg;
	struct move *mv = os->mv;
	(void)participants;

	/* in the middle of a move to there: out.c knows more */
	if (out_find(mv, conference))
		return;

	orphan_add(mv, conference, os->dead,
		   RANK_TIME * rank(mv, conference, os->dead));
	++os->n;
}


static void node_down(struct move *mv, const char *server)
{
	struct orphans os = { .mv = mv, .dead = server };

	if (!strcmp(server, mv->name) || mv->stopping)
		return;

	tables_server_lost(mv->tables, server);
	in_node_down(mv, server);
	out_node_down(mv, server);
	mv->disp->claims(mv->disp->d, server, down_handler, &os);
	log_event(LOG_WARN, "move", NULL, "%s is down: %u conferences are"
		  " without a server", server, os.n);
}


/**
 * A server has claims and was never heard of here
 *
 * @param mv     Service
 * @param server Its name
 */
void crash_unheard(struct move *mv, const char *server)
{
	struct orphans os = { .mv = mv, .dead = server };

	if (mv->stopping)
		return;

	mv->disp->claims(mv->disp->d, server, down_handler, &os);
	if (os.n)
		log_event(LOG_WARN, "move", NULL, "nobody has heard of %s: %u"
			  " conferences are without a server", server, os.n);
}


static bool down_event(const struct event *ev, void *arg)
{
	const struct node_event *ne = ev->data;

	if (ne && ne->name)
		node_down(arg, ne->name);

	return false;
}


/* It has what it had: it was only not heard of for a while. */
static bool up_event(const struct event *ev, void *arg)
{
	const struct node_event *ne = ev->data;
	struct move *mv = arg;
	struct le *le = list_head(&mv->orphanl);

	while (ne && le) {
		struct orphan *o = le->data;

		le = le->next;
		if (!o->claim && !strcmp(o->from, ne->name) &&
		    strcmp(o->from, mv->name))
			mem_deref(o);
	}

	return false;
}


static bool isolated_event(const struct event *ev, void *arg)
{
	const struct node_isolated_event *ni = ev->data;
	struct move *mv = arg;

	if (!ni)
		return false;

	mv->isolated = ni->on;

	/* others may have taken what was ours: let go of that */
	if (!ni->on)
		mv->connect->verify(mv->connect->c, NULL);

	return false;
}


static bool conflict_event(const struct event *ev, void *arg)
{
	const struct dispatchee_conflict *dc = ev->data;
	struct move *mv = arg;

	if (dc)
		mv->connect->verify(mv->connect->c, dc->conference);

	return false;
}


/* Of an earlier life of this server: it ended without a goodbye. */
static void own_handler(const char *conference, uint32_t participants,
			void *arg)
{
	struct move *mv = arg;
	(void)participants;

	orphan_add(mv, conference, mv->name, 0);
}


static void lost_destructor(void *arg)
{
	struct lost *lo = arg;

	tmr_cancel(&lo->tmr);
	list_unlink(&lo->le);
	mem_deref(lo->watch);
}


static void lost_end_handler(void *arg)
{
	mem_deref(arg);
}


/* Its server is gone, and its conference is ours: it was overlooked. */
static void lost_seat(struct lost *lo, const char *key, const uint8_t *buf,
		      size_t len)
{
	struct move *mv = lo->mv;
	const struct heartbeat_api *hb =
		service_api(service_server(mv->svc), "heartbeat");
	const char *owner;
	struct odict *od = NULL;
	struct seat seat;
	char place[512];

	(void)re_snprintf(place, sizeof(place), "seats/%s", key);
	if (seal_open(&od, mv->seal, place, buf, len) ||
	    seat_decode(&seat, od) || strcmp(seat.callid, lo->callid))
		goto out;

	owner = mv->disp->owner(mv->disp->d, seat.conference);
	if (!owner || strcmp(owner, mv->name) ||
	    adopt_running(mv, seat.conference))
		goto out;

	if (strcmp(seat.server, mv->name) &&
	    (!hb || hb->state(hb->hb, seat.server) == NODE_UP))
		goto out;

	log_event(LOG_NOTICE, "move", lo->callid, "is taken over late from"
		  " %s", seat.server);
	adopt_seat(mv, seat.conference, seat.callid, od, NULL);

 out:
	mem_deref(od);
}


static void lost_handler(const char *key, uint64_t rev, const uint8_t *buf,
			 size_t len, void *arg)
{
	struct lost *lo = arg;
	(void)rev;

	if (!key)
		tmr_start(&lo->tmr, 0, lost_end_handler, lo);
	else if (buf)
		lost_seat(lo, key, buf, len);
}


static int lost_pattern(char *buf, size_t sz, const char *callid)
{
	char key[SEAT_KEY_MAX];
	const char *dot;
	int err;

	err = seat_key(key, sizeof(key), "x", callid);
	if (err)
		return err;

	dot = strchr(key, '.');

	return dot && re_snprintf(buf, sz, "*%s", dot) > 0 ? 0 : EINVAL;
}


static bool client_lost_event(const struct event *ev, void *arg)
{
	const struct client_lost *cl = ev->data;
	struct move *mv = arg;
	char pattern[SEAT_KEY_MAX + 2];
	struct lost *lo;

	if (!cl || !str_isset(cl->callid) || mv->isolated ||
	    list_count(&mv->lostl) >= LOST_MAX ||
	    lost_pattern(pattern, sizeof(pattern), cl->callid))
		return false;

	lo = mem_zalloc(sizeof(*lo), lost_destructor);
	if (!lo)
		return false;

	lo->mv = mv;
	str_ncpy(lo->callid, cl->callid, sizeof(lo->callid));
	list_append(&mv->lostl, &lo->le, lo);
	tmr_start(&lo->tmr, LOST_TIME, lost_end_handler, lo);
	if (bus_kv_watch(&lo->watch, mv->bus, "seats", pattern, lost_handler,
			 lo)) {
		mem_deref(lo);
		return false;
	}

	/* the request waits a moment for what we find */
	return true;
}


/**
 * Begin to hear of servers that die
 *
 * @param mv Service
 *
 * @return 0 if success
 */
int crash_start(struct move *mv)
{
	static const struct offer_listener listenerv[] = {
		{"node.down", EVENT_PRIO_NORMAL, down_event, false},
		{"node.up", EVENT_PRIO_NORMAL, up_event, false},
		{"node.isolated", EVENT_PRIO_NORMAL, isolated_event, false},
		{"dispatchee.conflict", EVENT_PRIO_NORMAL, conflict_event,
		 false},
		{"client.lost", EVENT_PRIO_NORMAL, client_lost_event, false},
	};

	mv->disp->orphans(mv->disp->d, own_handler, mv);
	unheard_start(mv);

	return offers_listen(mv->offers, listenerv, ARRAY_SIZE(listenerv),
			     mv);
}


/**
 * Take over nothing any more
 *
 * @param mv Service
 */
void crash_stop(struct move *mv)
{
	if (mv->disp)
		mv->disp->orphans(mv->disp->d, NULL, NULL);
	unheard_stop(mv);
	list_flush(&mv->orphanl);
	list_flush(&mv->lostl);
}
