/**
 * @file target.c  Which server is to take a conference: the choice that
 *                 dispatch makes, without asking it
 *
 * Dispatch may be away; what it knows of media servers is on the bus.
 */
#include <string.h>
#include <time.h>
#include <re.h>
#include "server/service.h"
#include "server/settings.h"
#include "server/log.h"
#include "bus/bus.h"
#include "noc/tables.h"
#include "noc/wire.h"
#include "move/mover.h"


enum {
	CONTACT_TIME = 5000,       /* silent: out of contact [ms]           */
	LEASE_TIME   = 2000,       /* [ms]                                  */
	SERVERS_MAX  = 4096,
	FRESH_TIME   = 2000,       /* a move is counted in reports by [ms]  */
};

struct pick {
	struct move *mv;
	uint32_t need;
	uint32_t left;             /* of the best                           */
	bool only;                 /* the best has no media but audio       */
	uint64_t utc;
	const struct wire_server *best;
};


/* What was offered to a server lately, and its reports may not say yet */
static uint32_t offered(const struct move *mv, const char *server)
{
	const uint64_t now = tmr_jiffies();
	uint32_t n = 0;
	struct le *le;

	LIST_FOREACH(&mv->outl, le) {
		const struct out *out = le->data;

		if (!strcmp(out->to, server) &&
		    now < out->started + FRESH_TIME)
			n += mv->connect->participants(mv->connect->c,
						       out->conference);
	}

	return n;
}


static bool usable(const struct pick *p, const struct server_info *si)
{
	const struct wire_server *ws = si->report;

	return si->in_contact && ws->state == CAPACITY_IN_SERVICE &&
		ws->media & MEDIA_AUDIO && strcmp(ws->name, p->mv->name) &&
		!(si->out_from <= p->utc && p->utc < si->out_to);
}


static void pick_handler(const struct server_info *si, void *arg)
{
	const struct wire_server *ws = si->report;
	struct pick *p = arg;
	uint32_t used, left;
	bool only;

	if (!usable(p, si))
		return;

	used = offered(p->mv, ws->name) + si->reserved;
	left = ws->unused > used ? ws->unused - used : 0;
	if (left < p->need)
		return;

	only = !(ws->media & ~(unsigned)MEDIA_AUDIO);
	if (p->best && (only != p->only ? p->only : left <= p->left))
		return;

	p->best = ws;
	p->left = left;
	p->only = only;
}


/* Set by an operator for when nobody is heard of at all */
static const char *backup(const struct move *mv)
{
	const char *name = config_str(move_config(mv), "move.backup");

	return str_isset(name) && strcmp(name, mv->name) ? name : NULL;
}


static bool other_exists(struct move *mv)
{
	struct pick p = { .mv = mv, .utc = (uint64_t)time(NULL) };

	tables_servers(mv->tables, tmr_jiffies(), pick_handler, &p);

	return p.best != NULL;
}


/**
 * Pick the server that a conference is to be moved to: in service, in contact,
 * with room for all of it; the one with most room
 *
 * @param mv           Service
 * @param participants Of the conference
 * @param server       Set to its name
 * @param sz           Its size [bytes]
 *
 * @return 0 if success; ENOSPC if there are servers, but none with so much
 *         room; EHOSTUNREACH if there is none
 */
int target_pick(struct move *mv, uint32_t participants, char *server,
		size_t sz)
{
	const char *other = backup(mv);
	struct pick p = {
		.mv = mv, .need = max(participants, 1u),
		.utc = (uint64_t)time(NULL),
	};

	tables_servers(mv->tables, tmr_jiffies(), pick_handler, &p);
	if (p.best) {
		str_ncpy(server, p.best->name, sz);
		return 0;
	}

	if (other_exists(mv))
		return ENOSPC;

	if (!other)
		return EHOSTUNREACH;

	str_ncpy(server, other, sz);

	return 0;
}


/**
 * Tell if there is a server that takes conferences, or may
 *
 * @param mv Service
 *
 * @return True if so, however little room it has
 */
bool target_exists(struct move *mv)
{
	return other_exists(mv) || backup(mv);
}


static void report(struct move *mv, const uint8_t *buf, size_t len)
{
	struct wire_server ws;

	if (!wire_server_decode(&ws, buf, len))
		(void)tables_server_report(mv->tables, &ws, tmr_jiffies());
}


static void server_handler(const char *key, uint64_t rev, const uint8_t *buf,
			   size_t len, void *arg)
{
	struct move *mv = arg;
	char name[NAME_SERVER_MAX];
	(void)rev;

	if (!key)
		return;

	if (buf)
		report(mv, buf, len);
	else if (!name_from_key(name, sizeof(name), key))
		tables_server_lost(mv->tables, name);
}


static void capacity_handler(const char *subject, const uint8_t *buf,
			     size_t len, struct bus_reply *reply, void *arg)
{
	(void)subject;
	report(arg, buf, len);
	mem_deref(reply);
}


static void plan_handler(const char *key, uint64_t rev, const uint8_t *buf,
			 size_t len, void *arg)
{
	struct move *mv = arg;
	char name[NAME_SERVER_MAX];
	struct wire_plan p = { .from = 0 };
	(void)rev;

	if (!key || name_from_key(name, sizeof(name), key) ||
	    (buf && wire_plan_decode(&p, buf, len)))
		return;

	(void)tables_server_plan(mv->tables, name, p.from, p.to);
	if (!strcmp(name, mv->name))
		drain_plan(mv, p.from, p.to);
}


/**
 * Begin to follow what media servers say of themselves
 *
 * @param mv Service
 *
 * @return 0 if success
 */
int target_follow(struct move *mv)
{
	const struct tables_config cfg = {
		.servers_max = SERVERS_MAX, .conferences_max = 64,
		.lease_ms = LEASE_TIME, .contact_ms = CONTACT_TIME,
	};
	int err;

	err = tables_alloc(&mv->tables, &cfg);
	if (err)
		return err;

	err = bus_kv_watch(&mv->watchv[0], mv->bus, "servers", ">",
			   server_handler, mv);
	if (err)
		return err;

	err = bus_kv_watch(&mv->watchv[1], mv->bus, "plans", ">",
			   plan_handler, mv);
	if (err)
		return err;

	return bus_subscribe(&mv->subv[1], mv->bus, "noc.capacity",
			     capacity_handler, mv);
}
