/**
 * @file capacity.c  The capacity table: what is known of each media server
 *
 * A media server counts its own capacity and tells what is left. The table
 * only adds what the server cannot know yet: reservations made here since
 * (leases.c). Who gets a new conference: select.c
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


/**
 * A hash that is the same in all dispatchers
 *
 * @param p   What is hashed
 * @param len Its length [bytes]
 *
 * @return Hash
 */
uint64_t tables_hash(const void *p, size_t len)
{
	static const struct siphash_key everywhere = {{0, 0}};

	return siphash(&everywhere, p, len);
}


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
	s->hash = tables_hash(s->report.name, s->namelen);
	s->lost = true;
	s->tally = WIRE_TALLY_NONE;
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
	const bool planned = si->out_from <= utc && utc < si->out_to;

	if (!si->in_contact || si->marked)
		return "out of contact";

	/* a server that is planned to be out drains because of that */
	switch (si->report->state) {

	case CAPACITY_IN_SERVICE:
		return planned ? "planned out" : "in service";
	case CAPACITY_DRAINING:
		return planned ? "planned out" : "draining";
	default:
		return "out of service";
	}
}
