/**
 * @file dispatch.c  Service: sends every join to the server of its conference
 *
 *   client.join -> known?  yes -> redirect, with a ticket
 *                          no  -> select, reserve, claim -> redirect
 *
 * Files: core.c the dispatcher without the service; join.c answers;
 * pending.c finds servers; held.c joins that wait a moment; unclaimed.c what
 * was placed without the bus; handover.c what signalling threads have
 * redirected; follow.c keeps the tables what the bus says; commands.c.
 *
 * Settings (dispatch.*): see below.
 */
#include <stddef.h>
#include <string.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "server/degraded.h"
#include "server/offers.h"
#include "server/log.h"
#include "bus/bus.h"
#include "noc/client.h"
#include "noc/name.h"
#include "noc/willcall.h"
#include "noc/wire.h"
#include "noc/key.h"
#include "noc/ticket.h"
#include "noc/tables.h"
#include "noc/route.h"
#include "siphost/siphost.h"
#include "heartbeat/heartbeat.h"
#include "dispatch/dispatch.h"


enum { LOAD_MS = 1000 };       /* between two reports of load           */

static const struct setting settings[] = {
	{"dispatch.ticket_life", SETTING_U32, "30", 1, 3600, NULL,
	 SETTING_RUNTIME, "how long a ticket is good [s]"},
	{"dispatch.lease", SETTING_U32, "2000", 100, 60000, NULL, 0,
	 "reservations that no server has confirmed end after [ms]"},
	{"dispatch.claim_life", SETTING_U32, "30", 1, 3600, NULL,
	 SETTING_RUNTIME,
	 "a new conference that nobody enters is forgotten after [s]"},
	{"dispatch.reserve_timeout", SETTING_U32, "1000", 10, 10000, NULL,
	 SETTING_RUNTIME,
	 "a server that does not answer is passed over after [ms]"},
	{"dispatch.contact_timeout", SETTING_U32, "3000", 100, 60000, NULL, 0,
	 "a server is out of contact when silent for [ms]"},
	{"dispatch.banks", SETTING_BOOL, "no", 0, 0, NULL, 0,
	 "know no media servers, only banks of them: dispatch servers with a"
	 " dispatch.bank in spaces of this one"},
	{"dispatch.bank", SETTING_STRING, NULL, 1, 63, NULL, 0,
	 "name of the bank of this server's bus.space, for dispatch servers"
	 " with dispatch.banks one space up"},
	{"dispatch.servers_max", SETTING_U32, "256", 1, 4096, NULL, 0,
	 "most media servers"},
	{"dispatch.conferences_max", SETTING_U32, "200000", 1, 4000000, NULL,
	 0, "most conferences"},
	{"dispatch.orphan_wait", SETTING_U32, "2000", 0, 60000, NULL,
	 SETTING_RUNTIME,
	 "joins wait so long for another server to take over from a dead"
	 " one [ms]"},
	{"dispatch.load_wait", SETTING_U32, "3000", 0, 60000, NULL,
	 SETTING_RUNTIME,
	 "joins wait so long for the tables to be loaded at the start [ms]"},
	{"dispatch.waiting_max", SETTING_U32, "10000", 1, 1000000, NULL,
	 SETTING_RUNTIME,
	 "most clients that wait for a server to be found"},
	{NULL, 0, NULL, 0, 0, NULL, 0, NULL}
};


/**
 * Configuration of the server
 *
 * @param d Dispatch
 *
 * @return Configuration (borrowed)
 */
struct config *dispatch_config(const struct dispatch *d)
{
	return server_config(service_server(d->svc));
}


static const struct event_field fieldv[] = {
	{"conference", EVENT_TEXT,
	 offsetof(struct dispatch_event, conference)},
	{"user",   EVENT_TEXT, offsetof(struct dispatch_event, user)},
	{"server", EVENT_TEXT, offsetof(struct dispatch_event, server)},
	{"reason", EVENT_TEXT, offsetof(struct dispatch_event, reason)},
	{"status", EVENT_U16,  offsetof(struct dispatch_event, scode)},
	{NULL, EVENT_TEXT, 0}
};


/* What is not about a conference only goes on or off. */
static int switch_detail(struct odict *od, const void *data)
{
	const struct dispatch_event *de = data;

	return odict_entry_add(od, "on", ODICT_BOOL, de->on);
}


static void fire(const char *name, const char *callid,
		 const struct dispatch_event *de, void *arg)
{
	struct dispatch *d = arg;
	struct dispatch_event copy = *de;
	const struct event ev = {
		.name = name, .callid = callid, .data = &copy,
		.detail = de->conference ? NULL : switch_detail,
		.fieldv = fieldv,
	};

	(void)event_fire(server_events(service_server(d->svc)), &ev);
}


static void beats_handler(const struct node_info *ni, void *arg)
{
	struct dispatch *d = arg;

	tables_server_mark(d->tables, ni->record->name,
			   d->degraded && !ni->self && !ni->beats);
}


/* Without the bus, new conferences go where heartbeats come from. */
static void beats_look(struct dispatch *d)
{
	const struct heartbeat_api *api =
		service_api(service_server(d->svc), "heartbeat");

	if (api)
		api->apply(api->hb, beats_handler, d);
	d->by_beats = d->degraded;
}


static bool join_handler(const struct event *ev, void *arg)
{
	struct dispatch *d = arg;
	const struct join *join = ev->data;

	if (!join || join->admitted)
		return false;

	if (d->degraded || d->by_beats)
		beats_look(d);

	return dispatch_join(d, join);
}


/* Sooner than its connection is given up */
static bool degraded_handler(const struct event *ev, void *arg)
{
	const struct degraded_event *de = ev->data;
	struct dispatch *d = arg;

	if (de && !strcmp(de->what, "bus"))
		dispatch_bus_missing(d, de->on);

	return false;
}


/* Sooner than its announcement on the bus expires */
static bool down_handler(const struct event *ev, void *arg)
{
	const struct node_event *ne = ev->data;
	struct dispatch *d = arg;

	if (ne) {
		dispatch_server_down(d, ne->name);
		tables_server_dead(d->tables, ne->name, ne->instance);
	}

	return false;
}


static bool up_handler(const struct event *ev, void *arg)
{
	const struct node_event *ne = ev->data;
	struct dispatch *d = arg;

	if (ne)
		tables_server_alive(d->tables, ne->name, ne->instance);

	return false;
}


static bool subscribe_handler(const struct event *ev, void *arg)
{
	struct dispatch *d = arg;
	const struct join *join = ev->data;
	struct conf_route cr;
	char uri[NAME_URI_MAX + 1];
	size_t n;

	if (!join || tables_lookup(d->tables, join->conference,
				   str_len(join->conference), NULL,
				   tmr_jiffies(), &cr))
		return false;

	/* what runs here is for the services above */
	if (!strcmp(cr.server, d->name))
		return false;

	route_family(&cr, join_ipv6(join));
	if (name_uri(uri, sizeof(uri) - 1, &n, join->conference,
		     strlen(join->conference), cr.contact, cr.contactlen,
		     NULL, 0))
		return false;

	uri[n] = '\0';
	(void)client_dispatch(join->client, uri);

	return true;
}


static void settings_get(struct dispatch *d)
{
	const struct config *cfg = dispatch_config(d);

	d->conf.claim_ms = 1000 * config_u32(cfg, "dispatch.claim_life");
	d->conf.reserve_ms = config_u32(cfg, "dispatch.reserve_timeout");
	d->conf.waiting_max = config_u32(cfg, "dispatch.waiting_max");
	d->conf.orphan_ms = config_u32(cfg, "dispatch.orphan_wait");
	d->conf.load_ms = config_u32(cfg, "dispatch.load_wait");
	d->conf.ticket_s = config_u32(cfg, "dispatch.ticket_life");
	route_ticket_set(d->route, d->conf.ticket_s);
}


static bool changed_handler(const struct event *ev, void *arg)
{
	const struct config_change *ch = ev->data;

	if (ch && !strncmp(ch->key, "dispatch.", 9))
		settings_get(arg);

	return false;
}


/* How much there is to do here, for a switch that spreads joins by load */
static void load_handler(void *arg)
{
	struct dispatch *d = arg;
	const uint64_t joins = d->countv[COUNT_JOINS] +
		__atomic_load_n(&d->fast, __ATOMIC_RELAXED);
	const uint32_t load = (uint32_t)(joins - d->joins_told);
	char json[128];
	int n;

	tmr_start(&d->load_tmr, LOAD_MS, load_handler, d);

	if (load || d->load_told) {
		n = re_snprintf(json, sizeof(json),
				"{\"name\":\"%s\",\"load\":%u}", d->name,
				load);
		if (n > 0)
			(void)bus_publish(d->bus, "noc.dispatch",
					  (uint8_t *)json, (size_t)n);
	}

	d->joins_told = joins;
	d->load_told  = load;
}


/* After false, no signalling thread uses the tables any more. */
static int fast_set(struct dispatch *d, bool on)
{
	if (!d->host || !d->host->redirect_set)
		return 0;

	return d->host->redirect_set(d->host->sh,
				     on ? dispatch_lookup : NULL,
				     on ? d : NULL);
}


static void dispatch_stop(struct service *svc)
{
	struct dispatch *d = service_data(svc);

	/* first the other threads, then what they use */
	(void)fast_set(d, false);
	tmr_cancel(&d->load_tmr);

	d->listeners = mem_deref(d->listeners);
	dispatch_close(d);
	d->offers = mem_deref(d->offers);
}


static unsigned waiting(const struct dispatch *d)
{
	return d->waiting;
}


static int dispatch_init(struct service *svc)
{
	struct dispatch *d;
	int err;

	err = dispatch_alloc(&d);
	if (err)
		return err;

	d->svc = svc;
	d->api = (struct dispatch_api){ .d = d, .waiting = waiting };
	service_data_set(svc, d);
	service_api_set(svc, &d->api);

	return 0;
}


/* What this server is for those above and below */
static int bank_get(struct dispatch *d, struct dispatch_params *prm,
		    char *contact, size_t sz)
{
	const struct config *cfg = dispatch_config(d);
	struct sa sa;

	prm->banks = config_bool(cfg, "dispatch.banks");
	prm->bank  = config_str(cfg, "dispatch.bank");
	if (!prm->bank)
		return 0;

	prm->upbus = bus_space_up(prm->bus);
	if (!prm->upbus) {
		log_event(LOG_ERROR, "dispatch", NULL,
			  "dispatch.bank: its servers have a bus.space");
		return EINVAL;
	}

	if (!d->host || d->host->laddr(d->host->sh, &sa) ||
	    re_snprintf(contact, sz, "%J", &sa) < 0)
		return EADDRNOTAVAIL;

	prm->contact = contact;

	return 0;
}


static int open_(struct dispatch *d)
{
	const struct config *cfg = dispatch_config(d);
	struct server *srv = service_server(d->svc);
	const struct tables_config tc = {
		.servers_max = config_u32(cfg, "dispatch.servers_max"),
		.conferences_max = config_u32(cfg,
					      "dispatch.conferences_max"),
		.lease_ms = config_u32(cfg, "dispatch.lease"),
		.contact_ms = config_u32(cfg, "dispatch.contact_timeout"),
	};
	struct dispatch_params prm = {
		.name = server_name(srv),
		.bus = server_bus(srv),
		.tables = &tc,
		.fireh = fire,
		.arg = d,
	};
	char contact[NAME_CONTACT_MAX];
	int err;

	err = bank_get(d, &prm, contact, sizeof(contact));
	if (err)
		return err;

	err = noc_key_ticket(&prm.key, srv, "dispatch");
	if (err)
		return err;

	settings_get(d);
	err = dispatch_open(d, &prm);
	mem_deref(prm.key);

	return err;
}


static int listen_all(struct dispatch *d)
{
	static const struct offer_listener listenerv[] = {
		{"client.join", EVENT_PRIO_DISPATCH, join_handler, false},
		{"client.subscribe", EVENT_PRIO_DISPATCH, subscribe_handler,
		 false},
		{"config.changed", EVENT_PRIO_NORMAL, changed_handler, false},
		{"node.down", EVENT_PRIO_NORMAL, down_handler, false},
		{"node.up", EVENT_PRIO_NORMAL, up_handler, false},
		{"noc.degraded", EVENT_PRIO_NORMAL, degraded_handler, false},
	};

	return offers_listen(d->listeners, listenerv, ARRAY_SIZE(listenerv),
			     d);
}


static int dispatch_start(struct service *svc)
{
	struct dispatch *d = service_data(svc);
	struct server *srv = service_server(svc);
	int err;

	d->host = service_api(srv, "siphost");

	err  = offers_alloc(&d->listeners, srv);
	err |= offers_alloc(&d->offers, srv);
	if (err)
		goto out;

	err = open_(d);
	if (err)
		goto out;

	err = dispatch_commands(d);
	if (err)
		goto out;

	err = dispatch_metrics(d);
	if (err)
		goto out;

	tmr_start(&d->load_tmr, LOAD_MS, load_handler, d);
	err = fast_set(d, true);
	if (err)
		goto out;

	err = listen_all(d);

 out:
	if (err)
		dispatch_stop(svc);

	return err;
}


static int dispatch_pause(struct service *svc)
{
	struct dispatch *d = service_data(svc);

	d->conf.paused = true;

	return fast_set(d, false);
}


static int dispatch_resume(struct service *svc)
{
	struct dispatch *d = service_data(svc);

	d->conf.paused = false;

	return fast_set(d, true);
}


static unsigned dispatch_busy(const struct service *svc)
{
	const struct dispatch *d = service_data(svc);

	return d ? d->waiting : 0;
}


static const char *const needs[] = {"siphost", NULL};

extern const struct service_export service_export;

const struct service_export service_export = {
	.api_version = SERVICE_API_VERSION,
	.name     = "dispatch",
	.needs    = needs,
	.settings = settings,
	.init     = dispatch_init,
	.start    = dispatch_start,
	.stop     = dispatch_stop,
	.pause    = dispatch_pause,
	.resume   = dispatch_resume,
	.busy     = dispatch_busy,
	.close    = service_release,
};
