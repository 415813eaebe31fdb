/**
 * @file capacity.c  The capacity table: which server gets a new conference
 *
 * A media server counts its own capacity and tells what is left. The table
 * only adds what the server cannot know yet: reservations made here since.
 * They end when the server answers that it knows them, or by themselves.
 */
#include <string.h>
#include <pthread.h>
#include <re.h>
#include "server/siphash.h"
#include "noc/client.h"
#include "noc/name.h"
#include "noc/wire.h"
#include "noc/tables.h"
#include "noc/tables_int.h"


/* Of hashes that all dispatchers share */
static const struct siphash_key everywhere = {{0, 0}};


struct noc_server *server_find(const struct tables *t, const char *name)
{
	struct le *le;

	LIST_FOREACH(&t->serverl, le) {
		struct noc_server *s = le->data;

		if (!strcmp(s->report.name, name))
			return s;
	}

	return NULL;
}


bool server_in_contact(const struct tables *t, const struct noc_server *s,
		       uint64_t now)
{
	return !s->lost && (t->blind || now < s->heard + t->cfg.contact_ms);
}


/* Known conferences are still found while nobody at all is heard of: then the
   trouble is between us and the bus. */
bool server_presumed(const struct tables *t, const struct noc_server *s,
		     uint64_t now)
{
	return !s->lost && (t->blind || now < s->heard + t->cfg.contact_ms ||
			    now >= t->heard + t->cfg.contact_ms);
}


static uint64_t slot_of(const struct tables *t, uint64_t now)
{
	const uint32_t width = t->cfg.lease_ms / (LEASE_SLOTS - 1);

	return now / (width ? width : 1);
}


/* Reservations that are still alive. Expires old ones. Under the lock. */
uint32_t leases_live(struct leases *l, const struct tables *t, uint64_t now)
{
	const uint64_t slot = slot_of(t, now);

	if (slot >= l->slot + LEASE_SLOTS) {
		memset(l, 0, sizeof(*l));
		l->slot = slot;
	}

	while (l->slot < slot) {
		uint32_t *n = &l->slotv[++l->slot % LEASE_SLOTS];

		l->total -= *n;
		*n = 0;
	}

	return l->total;
}


void leases_add(struct leases *l, const struct tables *t, uint64_t now)
{
	(void)leases_live(l, t, now);
	++l->slotv[l->slot % LEASE_SLOTS];
	++l->total;
}


static void leases_release(struct leases *l, const struct tables *t,
			   uint32_t n, uint64_t now)
{
	unsigned i;

	(void)leases_live(l, t, now);

	/* oldest first */
	for (i=1; i<=LEASE_SLOTS && n; i++) {
		uint32_t *slot = &l->slotv[(l->slot + i) % LEASE_SLOTS];
		const uint32_t k = min(n, *slot);

		*slot    -= k;
		l->total -= k;
		n        -= k;
	}
}


uint32_t server_left(const struct tables *t, struct noc_server *s,
		     uint64_t now)
{
	const uint32_t reserved = leases_live(&s->leases, t, now);

	return reserved < s->report.unused ? s->report.unused - reserved : 0;
}


void server_route(const struct noc_server *s, struct conf_route *route)
{
	memcpy(route->server, s->report.name, s->namelen + 1);
	memcpy(route->contact, s->report.contact, s->contactlen + 1);
	memcpy(route->other, s->report.other, sizeof(route->other));
	route->serverlen  = s->namelen;
	route->contactlen = s->contactlen;
	route->next = 0;
	route->wake = false;
}


static void server_destructor(void *arg)
{
	struct noc_server *s = arg;

	list_unlink(&s->le);
	mem_deref(s->pend);
}


/* A server that is gone is kept as long as a conference names it, and else
   until its place is needed. */
static int server_room(struct tables *t, uint64_t now)
{
	struct le *le;

	if (t->serverc < t->cfg.servers_max)
		return 0;

	LIST_FOREACH(&t->serverl, le) {
		struct noc_server *s = le->data;

		if (s->confs || s->pendc || server_in_contact(t, s, now))
			continue;

		pthread_mutex_lock(t->lock);
		mem_deref(s);
		--t->serverc;
		pthread_mutex_unlock(t->lock);
		return 0;
	}

	return ENOSPC;
}


static int server_add(struct noc_server **sp, struct tables *t,
		      const char *name, uint64_t now)
{
	struct noc_server *s;
	int err;

	err = server_room(t, now);
	if (err)
		return err;

	s = mem_zalloc(sizeof(*s), server_destructor);
	if (!s)
		return ENOMEM;

	s->pend = mem_alloc(PENDING_MAX, NULL);
	if (!s->pend) {
		mem_deref(s);
		return ENOMEM;
	}

	str_ncpy(s->report.name, name, sizeof(s->report.name));
	s->namelen = strlen(s->report.name);
	s->hash = siphash(&everywhere, s->report.name, s->namelen);
	s->lost = true;
	list_append(&t->serverl, &s->le, s);
	++t->serverc;
	*sp = s;

	return 0;
}


static void report_set(struct noc_server *s, const struct wire_server *rep)
{
	s->report = *rep;
	s->namelen = strlen(rep->name);
	s->contactlen = strlen(rep->contact);
}


/**
 * Take over what a server says about itself
 *
 * @param t   Tables
 * @param rep Its report, decoded
 * @param now Time [ms]
 *
 * @return 0 if success; ESTALE if a later one was heard already, which then
 *         stays; ENOSPC if there are too many servers; EINVAL; ENOMEM
 */
int tables_server_report(struct tables *t, const struct wire_server *rep,
			 uint64_t now)
{
	struct noc_server *s;
	int err = 0;

	if (!t || !rep || !rep->name[0])
		return EINVAL;

	s = server_find(t, rep->name);
	if (!s) {
		err = server_add(&s, t, rep->name, now);
		if (err)
			return err;
	}

	/* a server that was lost has perhaps started anew */
	if (server_in_contact(t, s, now) && rep->seq < s->report.seq)
		return ESTALE;

	pthread_mutex_lock(t->lock);
	report_set(s, rep);
	s->heard = t->heard = now;
	s->lost  = false;
	pthread_mutex_unlock(t->lock);

	return 0;
}


/**
 * A server answered a reservation: it tells what is left now
 *
 * @param t      Tables
 * @param server Name of the server
 * @param unused As in its report
 * @param seq    As in its report
 * @param now    Time [ms]
 *
 * @return 0 if success; ENOENT; ESTALE if a later report was heard already
 */
int tables_server_granted(struct tables *t, const char *server,
			  uint32_t unused, uint64_t seq, uint64_t now)
{
	struct noc_server *s;

	if (!t || !server)
		return EINVAL;

	s = server_find(t, server);
	if (!s)
		return ENOENT;

	if (seq < s->report.seq)
		return ESTALE;

	pthread_mutex_lock(t->lock);
	s->report.unused = unused;
	s->report.seq    = seq;
	s->heard = t->heard = now;
	pthread_mutex_unlock(t->lock);

	return 0;
}


/**
 * A server is gone: its announcement has expired
 *
 * @param t      Tables
 * @param server Name of the server
 */
void tables_server_lost(struct tables *t, const char *server)
{
	struct noc_server *s = t && server ? server_find(t, server) : NULL;

	if (!s)
		return;

	pthread_mutex_lock(t->lock);
	s->lost = true;
	pthread_mutex_unlock(t->lock);
}


/**
 * A server has died: its conferences are for others to take over, even if one
 * of its name reports again, until it is told which one that is
 *
 * @param t        Tables
 * @param server   Name of the server
 * @param instance The one that has died
 */
void tables_server_dead(struct tables *t, const char *server,
			uint64_t instance)
{
	struct noc_server *s = t && server ? server_find(t, server) : NULL;

	if (!s)
		return;

	pthread_mutex_lock(t->lock);
	s->lost = s->dead = true;
	s->instance = instance;
	pthread_mutex_unlock(t->lock);
}


/**
 * A server lives; if it is not the one that lived before under its name, it
 * does not have the conferences of that one
 *
 * @param t        Tables
 * @param server   Name of the server
 * @param instance Drawn at every start of a server
 */
void tables_server_alive(struct tables *t, const char *server,
			 uint64_t instance)
{
	struct noc_server *s = t && server ? server_find(t, server) : NULL;

	if (!s)
		return;

	pthread_mutex_lock(t->lock);
	if (s->instance && s->instance != instance)
		++s->epoch;
	s->instance = instance;
	s->dead = false;
	pthread_mutex_unlock(t->lock);
}


/**
 * Registries say whether they can reach a server; one that they cannot gets no
 * new conferences as long as there are others
 *
 * @param t      Tables
 * @param server Name of the server
 * @param out    True if they cannot
 */
void tables_server_mark(struct tables *t, const char *server, bool out)
{
	struct noc_server *s = t && server ? server_find(t, server) : NULL;

	if (s)
		s->marked = out;
}


/**
 * Places were given away of which the server will not tell, because nobody
 * can be heard
 *
 * @param t      Tables
 * @param server Name of the server
 * @param n      How many
 */
void tables_server_taken(struct tables *t, const char *server, uint32_t n)
{
	struct noc_server *s = t && server ? server_find(t, server) : NULL;

	if (!s)
		return;

	pthread_mutex_lock(t->lock);
	s->report.unused -= min(n, s->report.unused);
	pthread_mutex_unlock(t->lock);
}


/**
 * Nobody can be heard of for now: what is in the tables is believed, however
 * old it is
 *
 * @param t   Tables
 * @param on  True to begin; after the end, servers have the usual time to be
 *            heard of
 * @param now Time [ms]
 */
void tables_blind(struct tables *t, bool on, uint64_t now)
{
	struct le *le;

	if (!t || t->blind == on)
		return;

	pthread_mutex_lock(t->lock);
	t->blind = on;
	LIST_FOREACH(&t->serverl, le) {
		struct noc_server *s = le->data;

		if (!on && !s->lost)
			s->heard = t->heard = now;
	}
	pthread_mutex_unlock(t->lock);
}


/**
 * Plan a time without new conferences on a server
 *
 * @param t      Tables
 * @param server Name of the server, which need not be known yet
 * @param from   Begin, UTC [s]
 * @param to     End, UTC [s]; 0: no plan
 *
 * @return 0 if success; ENOSPC if there are too many servers; EINVAL
 */
int tables_server_plan(struct tables *t, const char *server,
		       uint64_t from, uint64_t to)
{
	struct noc_server *s;

	if (!t || !server || !name_valid(server, strlen(server),
					 NAME_SERVER_MAX))
		return EINVAL;

	s = server_find(t, server);
	if (!s) {
		int err;

		if (!to)
			return 0;

		err = server_add(&s, t, server, 0);
		if (err)
			return err;
	}

	s->out_from = from;
	s->out_to   = to;

	return 0;
}


/**
 * Where a server that can take joins is reached
 *
 * @param t      Tables
 * @param server Name of the server
 * @param now    Time [ms]
 * @param route  Set if success
 *
 * @return 0 if success; ENOENT if it is not known, not in contact or out of
 *         service
 */
int tables_server_route(const struct tables *t, const char *server,
			uint64_t now, struct conf_route *route)
{
	const struct noc_server *s;

	if (!t || !server || !route)
		return EINVAL;

	s = server_find(t, server);
	if (!s || !server_in_contact(t, s, now) ||
	    s->report.state == CAPACITY_OUT)
		return ENOENT;

	server_route(s, route);

	return 0;
}


/**
 * What has a server left, less live reservations?
 *
 * @param t      Tables
 * @param server Name of the server
 * @param now    Time [ms]
 * @param room   Set to it
 * @param seq    Set to the number of the report that says so
 *
 * @return 0 if success; ENOENT if it is not known
 */
int tables_server_room(const struct tables *t, const char *server,
		       uint64_t now, uint32_t *room, uint64_t *seq)
{
	struct noc_server *s;

	if (!t || !server || !room || !seq)
		return EINVAL;

	s = server_find(t, server);
	if (!s)
		return ENOENT;

	pthread_mutex_lock(t->lock);
	*room = server_left(t, s, now);
	*seq  = s->report.seq;
	pthread_mutex_unlock(t->lock);

	return 0;
}


/**
 * End reservations: the server knows them now, or will never
 *
 * @param t      Tables
 * @param server Name of the server
 * @param n      How many
 * @param now    Time [ms]
 */
void tables_release(struct tables *t, const char *server, uint32_t n,
		    uint64_t now)
{
	struct noc_server *s = t && server ? server_find(t, server) : NULL;

	if (!s)
		return;

	pthread_mutex_lock(t->lock);
	leases_release(&s->leases, t, n, now);
	pthread_mutex_unlock(t->lock);
}


static bool tried(const struct noc_server *s, const struct select_req *req)
{
	size_t i;

	for (i=0; i<req->notc; i++) {
		if (!strcmp(s->report.name, req->notv[i]))
			return true;
	}

	return false;
}


static bool planned_out(const struct noc_server *s, uint64_t utc)
{
	return s->out_from <= utc && utc < s->out_to;
}


static bool in_service(const struct tables *t, const struct noc_server *s,
		       const struct select_req *req)
{
	return s->report.state == CAPACITY_IN_SERVICE && !s->dead &&
		server_in_contact(t, s, req->now) &&
		!planned_out(s, req->utc) && !tried(s, req);
}


/* The best server so far */
struct choice {
	struct noc_server *s;
	uint32_t left;
	uint32_t next;             /* what the next best of its kind has    */
	uint64_t weight;           /* decides among equals                  */
	bool only;                 /* has no types that nobody asked for    */
};


/* How much a conference likes a server: any order that is another one for
   each conference, and the same in every dispatcher (rendezvous hashing) */
static uint64_t liking(const struct noc_server *s, uint64_t conf)
{
	const uint64_t v[2] = { s->hash, conf };

	return siphash(&everywhere, v, sizeof(v));
}


/* Servers without types that nobody asked for go first, because the others
   are rare; then what is left decides, and among equals what the conference
   likes: dispatchers that are asked for different ones spread them, those that
   are asked for the same one agree. */
static void choice_offer(struct choice *ch, struct noc_server *s,
			 uint32_t left, unsigned media, uint64_t conf)
{
	const bool only = !(s->report.media & ~media);
	uint64_t weight;

	if (ch->s && ch->only && !only)
		return;

	weight = liking(s, conf);

	if (!ch->s || only != ch->only || left > ch->left) {
		ch->next = ch->s && only == ch->only ? ch->left : 0;
		ch->s    = s;
		ch->left = left;
		ch->only = only;
		ch->weight = weight;
		return;
	}

	ch->next = max(ch->next, left);
	if (left == ch->left && weight > ch->weight) {
		ch->s = s;
		ch->weight = weight;
	}
}


/* The best of those that registries can reach, or of the others; under the
   lock */
static int select_among(struct tables *t, const struct select_req *req,
			struct choice *ch, bool marked)
{
	const uint64_t conf = siphash(&everywhere, req->conf, req->conflen);
	int err = ENOENT;
	struct le *le;

	LIST_FOREACH(&t->serverl, le) {
		struct noc_server *s = le->data;
		uint32_t left;

		if (s->marked != marked || !in_service(t, s, req))
			continue;

		if (req->media & ~s->report.media) {
			if (err == ENOENT)
				err = ENOTSUP;
			continue;
		}

		left = server_left(t, s, req->now);
		/* blind, nobody tells of those who left: it may have room */
		if (!left && !t->blind) {
			err = ENOSPC;
			continue;
		}

		choice_offer(ch, s, left, req->media, conf);
	}

	return err;
}


/**
 * Select the server for a new conference, and reserve a place there.
 * Candidates are in service, have the media asked for, are in contact, are not
 * draining and not within a planned out-of-service period; those that support
 * only what is asked are preferred; then the one with the most unused capacity
 * less live reservations, of several the one that the conference likes best.
 *
 * @param t     Tables
 * @param req   What is asked for
 * @param route Set if success
 *
 * @return 0 if success, tables_release ends the reservation; ENOENT if no
 *         server is in service; ENOTSUP if none has the media types; ENOSPC if
 *         none has room
 */
int tables_select(struct tables *t, const struct select_req *req,
		  struct conf_route *route)
{
	struct choice ch = { .s = NULL };
	int err;

	if (!t || !req || !route)
		return EINVAL;

	pthread_mutex_lock(t->lock);

	/* better one that a registry cannot reach than none */
	err = select_among(t, req, &ch, false);
	if (!ch.s) {
		const int e = select_among(t, req, &ch, true);

		if (err == ENOENT)
			err = e;
	}

	if (ch.s) {
		leases_add(&ch.s->leases, t, req->now);
		server_route(ch.s, route);
		route->next = ch.next;
		err = 0;
	}

	pthread_mutex_unlock(t->lock);

	return err;
}


/**
 * Tell every row of the capacity table
 *
 * @param t   Tables
 * @param now Time [ms]
 * @param h   Called for every server
 * @param arg Handler argument
 */
void tables_servers(const struct tables *t, uint64_t now,
		    tables_server_h *h, void *arg)
{
	struct le *le;

	if (!t || !h)
		return;

	LIST_FOREACH(&t->serverl, le) {
		struct noc_server *s = le->data;
		struct server_info si = {
			.report = &s->report,
			.heard = s->heard,
			.out_from = s->out_from,
			.out_to = s->out_to,
			.in_contact = server_in_contact(t, s, now) &&
				!s->dead,
			.marked = s->marked,
		};

		pthread_mutex_lock(t->lock);
		si.reserved = leases_live(&s->leases, t, now);
		pthread_mutex_unlock(t->lock);

		h(&si, arg);
	}
}


/**
 * Name of a server's state, as operators see it
 *
 * @param si  Row of the capacity table
 * @param utc Time [s]
 *
 * @return "in service", "draining", "planned out", "out of service",
 *         "out of contact"
 */
const char *tables_state_name(const struct server_info *si, uint64_t utc)
{
	if (!si->in_contact || si->marked)
		return "out of contact";

	switch (si->report->state) {

	case CAPACITY_IN_SERVICE:
		return si->out_from <= utc && utc < si->out_to ?
			"planned out" : "in service";
	case CAPACITY_DRAINING:
		return "draining";
	default:
		return "out of service";
	}
}
