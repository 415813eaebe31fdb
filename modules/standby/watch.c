/**
 * @file watch.c  Is who has the role still there?
 *
 * Two signs, both of which must be bad: nothing comes from it by the bus (it
 * does not renew its role, or heartbeats say that it is dead), and it does not
 * answer OPTIONS.
 */
#include <string.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/log.h"
#include "bus/bus.h"
#include "noc/json.h"
#include "noc/name.h"
#include "sip/ping.h"
#include "heartbeat/heartbeat.h"
#include "standby/standby.h"


enum { TICK_MS = 50, YIELD_MS = 1000, FAILED_MS = 5000 };


static void ping_handler(enum ping_state state, void *arg)
{
	struct standby *st = arg;

	log_event(LOG_INFO, "standby", NULL, "%s %s OPTIONS",
		  st->holder.server, state == PING_DEAD ? "does not answer"
		  : "answers");
}


/**
 * Ask whoever has the role now
 *
 * @param st Standby
 */
void watch_ping(struct standby *st)
{
	const char *sip = role_mine(st) ? "" : st->holder.sip;
	struct sa sa;

	/* one that gave up its role is not asked, one that lost it still is */
	if (!strcmp(st->pinged, sip))
		return;

	st->ping = mem_deref(st->ping);
	str_ncpy(st->pinged, sip, sizeof(st->pinged));

	if (sip[0] && !sa_decode(&sa, sip, strlen(sip)) &&
	    ping_alloc(&st->ping, &sa, st->conf.interval, st->conf.timeout,
		       ping_handler, st))
		log_event(LOG_WARN, "standby", NULL,
			  "cannot ask %s whether it lives", sip);
}


static bool bus_silent(const struct standby *st, uint64_t now)
{
	const struct heartbeat_api *hb = st->heartbeat;

	return now > st->holder.changed + st->conf.lease ||
		(hb && hb->state(hb->hb, st->holder.server) == NODE_DOWN);
}


static bool sip_silent(const struct standby *st)
{
	return !st->ping || ping_state(st->ping) == PING_DEAD;
}


/**
 * Has the hook failed lately? Then it will again.
 *
 * @param st Standby
 *
 * @return True if so
 */
bool watch_barred(const struct standby *st)
{
	return st->failed && tmr_jiffies() < st->failed + FAILED_MS;
}


static bool may_take(const struct standby *st, uint64_t now)
{
	if (!st->holder.known)
		return false;

	if (watch_barred(st))
		return false;

	/* nobody has it: who is preferred goes first */
	if (!st->holder.server[0])
		return st->conf.prefer || st->was[0] ||
			now > st->started + st->conf.grace;

	return bus_silent(st, now) && sip_silent(st);
}


static void yield_handler(int err, const uint8_t *buf, size_t len, void *arg)
{
	struct standby *st = arg;
	(void)buf;
	(void)len;

	if (err)
		log_event(LOG_INFO, "standby", NULL, "%s does not yield: %s",
			  st->holder.server, strerror(err));
}


/* Who is preferred asks for its role; the role then comes by the bus. */
static void failback(struct standby *st, uint64_t now)
{
	char subject[NAME_KEY_MAX + 32], key[NAME_KEY_MAX], json[256];
	int n;

	if (!st->conf.prefer || !st->conf.failback || st->req ||
	    now < st->started + st->conf.failback ||
	    now < st->since + st->conf.failback ||
	    now < st->asked + YIELD_MS || watch_barred(st))
		return;

	st->asked = now;
	if (name_key(key, sizeof(key), st->holder.server,
		     strlen(st->holder.server)))
		return;

	(void)re_snprintf(subject, sizeof(subject), "server.%s.standby", key);
	n = re_snprintf(json, sizeof(json), "{\"op\":\"yield\",\"role\":"
			"\"%s\",\"to\":\"%s\",\"sip\":\"%s\"}", st->conf.role,
			server_name(service_server(st->svc)), st->sip);
	if (n > 0)
		(void)bus_request(&st->req, st->bus, subject,
				  (uint8_t *)json, (size_t)n, YIELD_MS,
				  yield_handler, st);
}


/**
 * Look at what has become of the role, again and again
 *
 * @param arg Standby
 */
void watch_tick(void *arg)
{
	const uint64_t now = tmr_jiffies();
	struct standby *st = arg;

	tmr_start(&st->tmr, TICK_MS, watch_tick, st);

	switch (st->state) {

	case STANDBY_PASSIVE:
		if (role_mine(st) && watch_barred(st))
			(void)role_write(st, "", "", false);
		else if (role_mine(st))
			standby_told(st);
		else if (may_take(st, now))
			(void)role_take(st);
		else if (st->holder.server[0])
			failback(st, now);
		break;

	case STANDBY_TAKING:
	case STANDBY_ACTIVE:
		if (now > st->holder.changed + st->conf.renew ||
		    (st->state == STANDBY_ACTIVE && !st->holder.ready))
			(void)role_write(st, server_name(
					 service_server(st->svc)), st->sip,
					 st->state == STANDBY_ACTIVE);
		break;

	case STANDBY_LEAVING:
		standby_told(st);
		break;
	}
}
