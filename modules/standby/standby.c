/**
 * @file standby.c  Service: one of several dispatch servers is active, another
 *                  one takes over when it is gone
 *
 *   passive -- the role is ours --> taking -- hook up --> active
 *      ^                                                     |
 *      +-- hook down -- leaving <---- the role is another's -+
 *
 * It runs on the active server and on those that stand by, with the same
 * standby.role. The role is on the bus (role.c), so there is one at most who
 * has it. Who is active can be seen in two ways:
 *
 *  - a virtual address (standby.address): the hook brings it up and takes it
 *    down. siphost listens there all the time (sip.listen and sip.freebind).
 *  - `dispatchswitch`, which gives joins only to who has a role. No hook then.
 *
 * A server that stands by dispatches what it gets: its tables are those of all
 * dispatch servers. So nothing is lost in between: when a role is handed over,
 * the new one brings up the address first, and the old one answers what it has
 * before it takes it down.
 *
 * The hook is called with the arguments
 *
 *      up|down  ADDRESS  PORT  ROLE
 *
 * and has to end with 0 within standby.takeover_timeout, e.g.
 *
 *      #!/bin/sh
 *      case $1 in
 *      up)   ip addr replace "$2/32" dev eth0 || exit 1
 *            arping -qUc 2 -I eth0 "$2" & ;;
 *      down) ip addr del "$2/32" dev eth0 || true ;;
 *      esac
 *
 * Files: role.c the role on the bus; watch.c who is dead; hook.c.
 *
 * Settings (standby.*): see below. Command: standby.
 */
#include <string.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "server/offers.h"
#include "server/log.h"
#include "bus/bus.h"
#include "noc/json.h"
#include "noc/name.h"
#include "siphost/siphost.h"
#include "heartbeat/heartbeat.h"
#include "dispatch/dispatch_api.h"
#include "standby/hook.h"
#include "standby/standby.h"


static const struct setting settings[] = {
	{"standby.role", SETTING_STRING, "main", 1, 63, NULL, 0,
	 "what the active server and those that stand by for it have in"
	 " common"},
	{"standby.prefer", SETTING_BOOL, "no", 0, 0, NULL, 0,
	 "this one is to be active whenever it can be"},
	{"standby.address", SETTING_SA, NULL, 0, 0, NULL, 0,
	 "virtual address, ADDR:PORT; also a sip.listen, with sip.freebind;"
	 " unset: dispatchswitch sends joins to who is active"},
	{"standby.takeover", SETTING_STRING, NULL, 1, 255, NULL, 0,
	 "program that brings the virtual address up or down; arguments:"
	 " up|down ADDR PORT ROLE"},
	{"standby.takeover_timeout", SETTING_U32, "1000", 50, 60000, NULL, 0,
	 "it is killed after [ms]"},
	{"standby.lease", SETTING_U32, "1000", 100, 60000, NULL, 0,
	 "a role that was not renewed for so long is free [ms]"},
	{"standby.renew", SETTING_U32, "300", 20, 20000, NULL, 0,
	 "who is active renews its role every so many [ms]"},
	{"standby.interval", SETTING_U32, "100", 10, 10000, NULL, 0,
	 "who is active is asked by OPTIONS every so many [ms]"},
	{"standby.timeout", SETTING_U32, "400", 20, 60000, NULL, 0,
	 "and does not answer when silent for [ms]"},
	{"standby.failback", SETTING_U32, "10000", 0, 3600000, NULL, 0,
	 "who is preferred asks for its role when it has run for [ms];"
	 " 0: never"},
	{"standby.grace", SETTING_U32, "3000", 0, 60000, NULL, 0,
	 "at the start, who is not preferred leaves a free role for [ms]"},
	{"standby.drain", SETTING_U32, "1000", 0, 60000, NULL, 0,
	 "who hands its role over answers what waits, at most for [ms]"},
	{NULL, 0, NULL, 0, 0, NULL, 0, NULL}
};

static void hook_handler(int err, void *arg);


static int event_detail(struct odict *od, const void *data)
{
	const struct standby_event *se = data;
	int err;

	err = odict_entry_add(od, "role", ODICT_STRING, se->role);
	if (str_isset(se->server))
		err |= odict_entry_add(od, "server", ODICT_STRING,
				       se->server);
	if (se->reason)
		err |= odict_entry_add(od, "reason", ODICT_STRING,
				       se->reason);

	return err;
}


/**
 * Fire an event
 *
 * @param st     Standby
 * @param name   "standby.active", ...
 * @param reason For people, or NULL
 */
void standby_fire(struct standby *st, const char *name, const char *reason)
{
	struct standby_event se = {
		.role = st->conf.role, .reason = reason,
		.server = !strcmp(name, "standby.passive") ?
			st->holder.server : st->was,
	};
	const struct event ev = {
		.name = name, .data = &se, .detail = event_detail,
	};

	(void)event_fire(server_events(service_server(st->svc)), &ev);
}


static void state_set(struct standby *st, enum standby_state state)
{
	st->state = state;
	st->since = tmr_jiffies();
}


static bool hook_start(struct standby *st, const char *what)
{
	const char *const argv[] = {
		st->conf.hook, what, st->conf.host, st->conf.port,
		st->conf.role, NULL
	};
	int err;

	if (!st->conf.hook[0])
		return false;

	st->hook = mem_deref(st->hook);
	err = hook_run(&st->hook, argv, st->conf.hook_timeout, hook_handler,
		       st);
	if (err)
		hook_handler(err, st);

	return true;
}


static void active(struct standby *st)
{
	state_set(st, STANDBY_ACTIVE);
	st->failed = 0;
	++st->takeovers;
	log_event(LOG_NOTICE, "standby", NULL, "active as %s%s%s",
		  st->conf.role, st->was[0] ? ", before: " : "", st->was);
	standby_fire(st, "standby.active", NULL);
	(void)role_write(st, server_name(service_server(st->svc)), st->sip,
			 true);
}


static void passive(struct standby *st)
{
	state_set(st, STANDBY_PASSIVE);
	log_event(LOG_NOTICE, "standby", NULL, "stands by for %s, active: %s",
		  st->conf.role, st->holder.server[0] ? st->holder.server
		  : "nobody");
	standby_fire(st, "standby.passive", NULL);
}


static void failed(struct standby *st, int err)
{
	st->failed = tmr_jiffies();
	log_event(LOG_ERROR, "standby", NULL, "%s up failed: %s; the role is"
		  " given up", st->conf.hook, err == ECANCELED ?
		  "it says so" : strerror(err));
	standby_fire(st, "standby.failed", strerror(err));
	(void)role_write(st, "", "", false);
	state_set(st, STANDBY_PASSIVE);
}


static void hook_handler(int err, void *arg)
{
	struct standby *st = arg;

	if (st->state == STANDBY_TAKING) {
		if (err)
			failed(st, err);
		else
			active(st);
		return;
	}

	if (err)
		log_event(LOG_ERROR, "standby", NULL, "%s down failed: %s",
			  st->conf.hook, strerror(err));
	if (st->state == STANDBY_LEAVING)
		passive(st);
}


/**
 * How many joins wait for their answer here?
 *
 * @param st Standby
 *
 * @return Number
 */
unsigned standby_waiting(const struct standby *st)
{
	const struct dispatch_api *api =
		service_api(service_server(st->svc), "dispatch");

	return api ? api->waiting(api->d) : 0;
}


/* The address goes when the new one has it, and what waits is answered. */
static void leave(struct standby *st)
{
	const bool late = tmr_jiffies() > st->since + st->conf.drain;

	if (st->hook || (!late && (!st->holder.ready || standby_waiting(st))))
		return;

	if (!hook_start(st, "down"))
		passive(st);
}


/**
 * The bus has told who has the role, or time has passed
 *
 * @param st Standby
 */
void standby_told(struct standby *st)
{
	const bool mine = role_mine(st);

	if (st->closing)
		return;

	watch_ping(st);

	switch (st->state) {

	case STANDBY_PASSIVE:
		if (mine && st->holder.rev && !watch_barred(st)) {
			state_set(st, STANDBY_TAKING);
			if (!hook_start(st, "up"))
				active(st);
		}
		else if (st->holder.server[0]) {
			str_ncpy(st->was, st->holder.server,
				 sizeof(st->was));
		}
		break;

	case STANDBY_TAKING:
	case STANDBY_ACTIVE:
		if (mine)
			break;
		if (!st->holder.server[0]) {
			/* somebody deleted it: written again */
			(void)role_take(st);
			break;
		}
		st->hook = mem_deref(st->hook);
		str_ncpy(st->was, st->holder.server, sizeof(st->was));
		state_set(st, STANDBY_LEAVING);
		leave(st);
		break;

	case STANDBY_LEAVING:
		leave(st);
		break;
	}
}


static void yield_answer(struct bus_reply *reply, bool ok)
{
	const char *json = ok ? "{\"ok\":true}" : "{\"ok\":false}";

	if (reply)
		(void)bus_respond(reply, (const uint8_t *)json,
				  strlen(json));
}


/* Another server that is preferred wants the role. */
static void request_handler(const char *subject, const uint8_t *buf,
			    size_t len, struct bus_reply *reply, void *arg)
{
	struct standby *st = arg;
	struct odict *od = NULL;
	const char *op, *role, *to, *sip;
	bool ok = false;

	if (json_object_decode(&od, (const char *)buf, len)) {
		log_event(LOG_WARN, "standby", NULL,
			  "%s: message is not understood", subject);
		goto out;
	}

	op   = odict_string(od, "op");
	role = odict_string(od, "role");
	to   = odict_string(od, "to");
	sip  = odict_string(od, "sip");
	if (!op || strcmp(op, "yield") || !role ||
	    strcmp(role, st->conf.role) || !to ||
	    !name_valid(to, strlen(to), NAME_SERVER_MAX) ||
	    strpbrk(to, "\"\\") || !sip ||
	    !name_contact_valid(sip, strlen(sip)))
		goto out;

	if (st->state == STANDBY_ACTIVE && role_mine(st)) {
		log_event(LOG_NOTICE, "standby", NULL,
			  "%s is handed over to %s", st->conf.role, to);
		ok = !role_write(st, to, sip, false);
	}

 out:
	yield_answer(reply, ok);
	mem_deref(od);
}


static const char *state_name(enum standby_state state)
{
	switch (state) {

	case STANDBY_PASSIVE: return "passive";
	case STANDBY_TAKING:  return "taking over";
	case STANDBY_ACTIVE:  return "active";
	default:              return "leaving";
	}
}


static void status_command(struct command_req *req, const struct odict *args,
			   void *arg)
{
	const struct standby *st = arg;
	struct odict *od;
	int err;
	(void)args;

	err = odict_alloc(&od, 8);
	if (err) {
		command_fail(req, err, "too much to tell");
		return;
	}

	err |= odict_entry_add(od, "role", ODICT_STRING, st->conf.role);
	err |= odict_entry_add(od, "state", ODICT_STRING,
			       state_name(st->state));
	err |= odict_entry_add(od, "active", ODICT_STRING,
			       st->holder.server);
	err |= odict_entry_add(od, "address", ODICT_STRING, st->conf.host);
	if (err)
		command_fail(req, err, "too much to tell");
	else
		command_ok(req, od);

	mem_deref(od);
}


static double is_active(void *arg)
{
	const struct standby *st = arg;

	return st->state == STANDBY_ACTIVE;
}


static int offers_make(struct standby *st)
{
	static const struct offer_command commandv[] = {
		{"standby", COMMAND_READ,
		 "who is active, and what this server does about it",
		 status_command},
	};
	const struct offer_metric metricv[] = {
		{METRIC_GAUGE, "junctor_standby_active", NULL,
		 "1 if this server has the role", is_active, NULL},
		{METRIC_COUNTER, "junctor_standby_takeovers_total", NULL,
		 "Times that this server became active", offers_counter,
		 &st->takeovers},
	};
	int err;

	err = offers_alloc(&st->offers, service_server(st->svc));
	if (!err)
		err = offers_commands(st->offers, commandv,
				      ARRAY_SIZE(commandv), st);
	if (!err)
		err = offers_metrics(st->offers, metricv,
				     ARRAY_SIZE(metricv), st);

	return err;
}


static int settings_get(struct standby *st)
{
	const struct config *cfg = server_config(service_server(st->svc));
	struct standby_conf *conf = &st->conf;
	const char *hook = config_str(cfg, "standby.takeover");
	struct sa sa;

	str_ncpy(conf->role, config_str(cfg, "standby.role"),
		 sizeof(conf->role));
	if (strpbrk(conf->role, "\"\\")) {
		log_event(LOG_ERROR, "standby", NULL, "standby.role: no"
			  " quotes, no backslash");
		return EINVAL;
	}

	conf->prefer       = config_bool(cfg, "standby.prefer");
	conf->lease        = config_u32(cfg, "standby.lease");
	conf->renew        = config_u32(cfg, "standby.renew");
	conf->failback     = config_u32(cfg, "standby.failback");
	conf->grace        = config_u32(cfg, "standby.grace");
	conf->interval     = config_u32(cfg, "standby.interval");
	conf->timeout      = config_u32(cfg, "standby.timeout");
	conf->drain        = config_u32(cfg, "standby.drain");
	conf->hook_timeout = config_u32(cfg, "standby.takeover_timeout");
	str_ncpy(conf->hook, hook ? hook : "", sizeof(conf->hook));

	if (!config_sa(cfg, "standby.address", &sa)) {
		(void)re_snprintf(conf->host, sizeof(conf->host), "%j", &sa);
		(void)re_snprintf(conf->port, sizeof(conf->port), "%u",
				  sa_port(&sa));
	}
	else if (hook) {
		log_event(LOG_ERROR, "standby", NULL, "standby.takeover"
			  " needs a standby.address");
		return EINVAL;
	}

	return 0;
}


/* Where this server itself answers OPTIONS, whoever has the virtual address */
static int sip_get(struct standby *st)
{
	const struct siphost_api *host =
		service_api(service_server(st->svc), "siphost");
	struct sa sa;
	int err;

	err = host ? host->laddr(host->sh, &sa) : ENOENT;
	if (err)
		return err;

	return re_snprintf(st->sip, sizeof(st->sip), "%J", &sa) < 0 ?
		EOVERFLOW : 0;
}


static int subscribe(struct standby *st)
{
	const char *name = server_name(service_server(st->svc));
	char subject[NAME_KEY_MAX + 32], key[NAME_KEY_MAX];
	int err;

	err = name_key(key, sizeof(key), name, strlen(name));
	if (err)
		return err;

	(void)re_snprintf(subject, sizeof(subject), "server.%s.standby", key);

	return bus_subscribe(&st->sub, st->bus, subject, request_handler, st);
}


/* Whoever stands by need not wait until it is missed. */
static void stop(struct service *svc)
{
	struct standby *st = service_data(svc);
	const char *const argv[] = {
		st->conf.hook, "down", st->conf.host, st->conf.port,
		st->conf.role, NULL
	};

	st->closing = true;
	tmr_cancel(&st->tmr);
	st->op   = mem_deref(st->op);
	st->hook = mem_deref(st->hook);
	role_release(st);
	if (st->conf.hook[0] && st->state != STANDBY_PASSIVE)
		(void)hook_leave(argv);
	st->state = STANDBY_PASSIVE;

	st->req    = mem_deref(st->req);
	st->ping   = mem_deref(st->ping);
	st->sub    = mem_deref(st->sub);
	role_stop(st);
	st->offers = mem_deref(st->offers);
	st->bus    = mem_deref(st->bus);
}


static int start(struct service *svc)
{
	struct standby *st = service_data(svc);
	struct server *srv = service_server(svc);
	int err;

	memset(&st->holder, 0, sizeof(st->holder));
	st->was[0] = st->pinged[0] = '\0';
	st->closing = false;
	st->failed  = st->asked = 0;
	st->started = tmr_jiffies();
	state_set(st, STANDBY_PASSIVE);
	st->bus = mem_ref(server_bus(srv));
	st->heartbeat = service_api(srv, "heartbeat");

	err = settings_get(st);
	if (!err)
		err = sip_get(st);
	if (!err)
		err = offers_make(st);
	if (!err)
		err = subscribe(st);
	if (!err)
		err = role_start(st);
	if (!err)
		watch_tick(st);
	else
		stop(svc);

	return err;
}


static int init(struct service *svc)
{
	struct standby *st = mem_zalloc(sizeof(*st), NULL);

	if (!st)
		return ENOMEM;

	st->svc = svc;
	tmr_init(&st->tmr);
	service_data_set(svc, st);

	return 0;
}


static const char *const needs[] = {"siphost", NULL};

extern const struct service_export service_export;

const struct service_export service_export = {
	.api_version = SERVICE_API_VERSION,
	.name     = "standby",
	.needs    = needs,
	.settings = settings,
	.init     = init,
	.start    = start,
	.stop     = stop,
	.close    = service_release,
};
