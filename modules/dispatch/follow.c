/**
 * @file follow.c  The tables are what the bus says
 *
 *   bucket servers      who announces itself, and who is gone
 *   noc.capacity        what servers have left, whenever it changes
 *   bucket conferences  which server has claimed which conference
 *   noc.user            who joined and left; of what was missed, reports
 *                       tell (recount.c)
 *   noc.conference      which conference has ended
 *   bucket plans        when a server is to be out of service
 *   bucket marks        which servers registries cannot reach
 *
 * Claims name servers, so they are asked for when all servers have been told.
 * Joins wait for all of it once (held.c).
 */
#include <string.h>
#include <re.h>
#include "server/log.h"
#include "bus/bus.h"
#include "noc/client.h"
#include "noc/mark.h"
#include "noc/name.h"
#include "noc/wire.h"
#include "noc/tables.h"
#include "dispatch/dispatch.h"


static void bad(const char *what, const char *where, int err)
{
	log_event(LOG_WARN, "dispatch", NULL, "%s %s is not understood: %s",
		  what, where, strerror(err));
}


/**
 * A watch has told all that was stored when it began; it says so again after
 * the bus was down
 *
 * @param d   Dispatcher
 * @param bit Of the watch
 */
void dispatch_loaded(struct dispatch *d, unsigned bit)
{
	if (!(d->loading & bit))
		return;

	d->loading &= ~bit;
	if (!d->loading)
		held_wake(d, NULL);
}


static void report(struct dispatch *d, const char *where, const uint8_t *buf,
		   size_t len)
{
	struct wire_server ws;
	int err;

	err = wire_server_decode(&ws, buf, len);
	if (err) {
		bad("report", where, err);
		return;
	}

	err = tables_server_report(d->tables, &ws, tmr_jiffies());
	if (!err)
		recount_look(d, ws.name);
	else if (err != ESTALE)
		log_event(LOG_WARN, "dispatch", NULL,
			  "no place for server %s: %s", ws.name,
			  strerror(err));
}


/**
 * A server is gone: what it had is for others to take over
 *
 * @param d      Dispatcher
 * @param server Its name
 */
void dispatch_server_down(struct dispatch *d, const char *server)
{
	log_event(LOG_WARN, "dispatch", NULL, "server %s is out of contact",
		  server);
	tables_server_lost(d->tables, server);
	recount_forget(d, server);
	head_down(d, server);
}


/**
 * A conference is over, or not there any more
 *
 * @param d          Dispatcher
 * @param conference Its name
 * @param server     Only if it is there, or NULL: wherever
 */
void dispatch_gone(struct dispatch *d, const char *conference,
		   const char *server)
{
	const size_t len = strlen(conference);
	const char *where = tables_conf_server(d->tables, conference, len);
	char was[NAME_SERVER_MAX];

	str_ncpy(was, where ? where : "", sizeof(was));
	if (!tables_conf_del(d->tables, conference, len, server))
		return;

	head_gone(d, conference, was);
	unclaimed_forget(d, conference);
	held_wake(d, conference);
}


static int conferences_watch(struct dispatch *d);


static void server_handler(const char *key, uint64_t rev, const uint8_t *buf,
			   size_t len, void *arg)
{
	struct dispatch *d = arg;
	char name[NAME_SERVER_MAX];
	(void)rev;

	if (!key) {
		if (!d->watchv[WATCH_CONFERENCES] && conferences_watch(d))
			log_event(LOG_ERROR, "dispatch", NULL,
				  "cannot follow the conferences");
		dispatch_loaded(d, 1 << WATCH_SERVERS);
		return;
	}

	if (buf) {
		report(d, key, buf, len);
		return;
	}

	/* without the bus everything that is there expires */
	if (!d->degraded && !name_from_key(name, sizeof(name), key))
		dispatch_server_down(d, name);
}


static void capacity_handler(const char *subject, const uint8_t *buf,
			     size_t len, struct bus_reply *reply, void *arg)
{
	report(arg, subject, buf, len);
	mem_deref(reply);
}


static void claim_handler(const char *key, uint64_t rev, const uint8_t *buf,
			  size_t len, void *arg)
{
	struct dispatch *d = arg;
	char name[CLIENT_CONFERENCE_MAX];
	const char *was;
	struct wire_claim c;
	int err;
	(void)rev;

	if (!key) {
		dispatch_loaded(d, 1 << WATCH_CONFERENCES);
		return;
	}

	if (!buf) {
		if (!name_from_key(name, sizeof(name), key))
			dispatch_gone(d, name, NULL);
		return;
	}

	err = wire_claim_decode(&c, buf, len);
	if (err) {
		bad("claim", key, err);
		return;
	}

	was = tables_conf_server(d->tables, c.conference,
				 strlen(c.conference));
	if (was && strcmp(was, c.server))
		head_gone(d, c.conference, was);

	/* a server that is not known yet: the next join will find the claim */
	err = tables_conf_set(d->tables, c.conference, strlen(c.conference),
			      c.server);
	if (err && err != ENOENT)
		log_event(LOG_WARN, "dispatch", NULL,
			  "no place for conference %s: %s", c.conference,
			  strerror(err));

	held_wake(d, c.conference);
}


static void plan_handler(const char *key, uint64_t rev, const uint8_t *buf,
			 size_t len, void *arg)
{
	struct dispatch *d = arg;
	char name[NAME_SERVER_MAX];
	struct wire_plan p;
	int err;
	(void)rev;

	if (!key) {
		dispatch_loaded(d, 1 << WATCH_PLANS);
		return;
	}

	if (!buf) {
		if (!name_from_key(name, sizeof(name), key))
			(void)tables_server_plan(d->tables, name, 0, 0);
		return;
	}

	err = wire_plan_decode(&p, buf, len);
	if (!err)
		err = tables_server_plan(d->tables, p.server, p.from, p.to);
	if (err)
		bad("plan", key, err);
}


/* A mark that nobody refreshes goes away, and with it what it said. */
static void mark_handler(const char *key, uint64_t rev, const uint8_t *buf,
			 size_t len, void *arg)
{
	struct dispatch *d = arg;
	char name[NAME_SERVER_MAX];
	struct mark m;
	int err;
	(void)rev;

	if (!key)
		return;

	if (!buf) {
		if (!name_from_key(name, sizeof(name), key))
			tables_server_mark(d->tables, name, false);
		return;
	}

	err = mark_decode(&m, buf, len);
	if (err)
		bad("mark", key, err);
	else
		tables_server_mark(d->tables, m.name,
				   m.state == MARK_OUT_OF_CONTACT);
}


static void user_handler(const char *subject, const uint8_t *buf, size_t len,
			 struct bus_reply *reply, void *arg)
{
	struct dispatch *d = arg;
	struct wire_user u;
	int err;

	err = wire_user_decode(&u, buf, len);
	if (err) {
		bad("message", subject, err);
	}
	else if (u.what == WIRE_DELETED) {
		dispatch_gone(d, u.conference, u.server);
	}
	else {
		(void)tables_conf_participants(d->tables, u.conference,
					       strlen(u.conference),
					       u.server, u.participants);
	}

	mem_deref(reply);
}


static int conferences_watch(struct dispatch *d)
{
	return bus_kv_watch(&d->watchv[WATCH_CONFERENCES], d->bus,
			    "conferences", ">", claim_handler, d);
}


/**
 * Begin to follow what servers say
 *
 * @param d Dispatch
 *
 * @return 0 if success
 */
int dispatch_follow(struct dispatch *d)
{
	int err;

	d->loading = 1 << WATCH_SERVERS | 1 << WATCH_PLANS |
		1 << WATCH_CONFERENCES;

	err = bus_kv_watch(&d->watchv[WATCH_SERVERS], d->bus, "servers", ">",
			   server_handler, d);
	if (err)
		return err;

	err = bus_kv_watch(&d->watchv[WATCH_PLANS], d->bus, "plans", ">",
			   plan_handler, d);
	if (err)
		return err;

	err = bus_kv_watch(&d->watchv[WATCH_MARKS], d->bus, "marks", ">",
			   mark_handler, d);
	if (err)
		return err;

	err = bus_subscribe(&d->subv[0], d->bus, "noc.capacity",
			    capacity_handler, d);
	if (err)
		return err;

	err = bus_subscribe(&d->subv[1], d->bus, "noc.user",
			    user_handler, d);
	if (err)
		return err;

	return bus_subscribe(&d->subv[2], d->bus, "noc.conference",
			     user_handler, d);
}
