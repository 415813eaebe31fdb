/**
 * @file dispatch.c  Service: sends every join to the server of its conference
 *
 *   client.join -> known?  yes -> redirect, with a ticket
 *                          no  -> select, reserve, claim -> redirect
 *
 * Files: join.c what is not known yet; handover.c what signalling threads have
 * redirected; follow.c keeps the tables what the bus says; commands.c.
 *
 * Settings (dispatch.*): see below.
 */
#include <string.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "server/event.h"
#include "server/command.h"
#include "server/metrics.h"
#include "server/log.h"
#include "bus/bus.h"
#include "noc/client.h"
#include "noc/name.h"
#include "noc/willcall.h"
#include "noc/wire.h"
#include "noc/ticket.h"
#include "noc/tables.h"
#include "noc/route.h"
#include "siphost/siphost.h"
#include "dispatch/dispatch.h"


static const struct setting settings[] = {
	{"dispatch.ticket_life", SETTING_U32, "30", 1, 3600, NULL,
	 SETTING_RUNTIME, "how long a ticket is good [s]"},
	{"dispatch.lease", SETTING_U32, "2000", 100, 60000, NULL, 0,
	 "reservations that no server has confirmed end after [ms]"},
	{"dispatch.claim_life", SETTING_U32, "30", 1, 3600, NULL,
	 SETTING_RUNTIME,
	 "a new conference that nobody enters is forgotten after [s]"},
	{"dispatch.reserve_timeout", SETTING_U32, "500", 10, 10000, NULL,
	 SETTING_RUNTIME,
	 "a server that does not answer is passed over after [ms]"},
	{"dispatch.contact_timeout", SETTING_U32, "3000", 100, 60000, NULL, 0,
	 "a server is out of contact when silent for [ms]"},
	{"dispatch.servers_max", SETTING_U32, "256", 1, 4096, NULL, 0,
	 "most media servers"},
	{"dispatch.conferences_max", SETTING_U32, "200000", 1, 4000000, NULL,
	 0, "most conferences"},
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


static int event_detail(struct odict *od, const void *data)
{
	const struct dispatch_event *de = data;
	int err;

	err = odict_entry_add(od, "conference", ODICT_STRING, de->conference);
	if (de->user)
		err |= odict_entry_add(od, "user", ODICT_STRING, de->user);
	if (de->server)
		err |= odict_entry_add(od, "server", ODICT_STRING,
				       de->server);
	if (de->reason) {
		err |= odict_entry_add(od, "reason", ODICT_STRING,
				       de->reason);
		err |= odict_entry_add(od, "status", ODICT_INT,
				       (int64_t)de->scode);
	}

	return err;
}


/**
 * Fire an event of this service
 *
 * @param d      Dispatch
 * @param name   "dispatch.created", ...
 * @param callid Call-ID or NULL
 * @param de     Its data
 */
void dispatch_fire(struct dispatch *d, const char *name, const char *callid,
		   const struct dispatch_event *de)
{
	struct dispatch_event copy = *de;
	const struct event ev = {
		.name = name, .callid = callid, .data = &copy,
		.detail = event_detail,
	};

	(void)event_fire(server_events(service_server(d->svc)), &ev);
}


static bool join_handler(const struct event *ev, void *arg)
{
	struct dispatch *d = arg;
	const struct join *join = ev->data;

	if (!join || join->admitted)
		return false;

	return dispatch_join(d, join);
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
	if (!strcmp(cr.server, server_name(service_server(d->svc))))
		return false;

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
	route_ticket_set(d->route, config_u32(cfg, "dispatch.ticket_life"));
}


static bool changed_handler(const struct event *ev, void *arg)
{
	const struct config_change *ch = ev->data;

	if (ch && !strncmp(ch->key, "dispatch.", 9))
		settings_get(arg);

	return false;
}


static void dispatch_stop(struct service *svc)
{
	struct dispatch *d = service_data(svc);
	size_t i;

	/* first the other threads, then what they use */
	dispatch_handover_stop(d);

	for (i=0; i<ARRAY_SIZE(d->listenerv); i++)
		d->listenerv[i] = mem_deref(d->listenerv[i]);
	dispatch_flush(d);
	for (i=0; i<ARRAY_SIZE(d->commandv); i++)
		d->commandv[i] = mem_deref(d->commandv[i]);
	for (i=0; i<ARRAY_SIZE(d->metricv); i++)
		d->metricv[i] = mem_deref(d->metricv[i]);
	for (i=0; i<ARRAY_SIZE(d->watchv); i++)
		d->watchv[i] = mem_deref(d->watchv[i]);
	for (i=0; i<ARRAY_SIZE(d->subv); i++)
		d->subv[i] = mem_deref(d->subv[i]);

	d->route  = mem_deref(d->route);
	d->tables = mem_deref(d->tables);
	d->key    = mem_deref(d->key);
}


static void dispatch_destructor(void *arg)
{
	struct dispatch *d = arg;

	mem_deref(d->pendingh);
}


static int dispatch_init(struct service *svc)
{
	struct dispatch *d;
	int err;

	d = mem_zalloc(sizeof(*d), dispatch_destructor);
	if (!d)
		return ENOMEM;

	d->svc = svc;
	siphash_key_random(&d->hkey);
	err = hash_alloc(&d->pendingh, 1024);
	if (err)
		mem_deref(d);
	else
		service_data_set(svc, d);

	return err;
}


static int key_load(struct dispatch *d)
{
	char file[512];
	int err;

	if (re_snprintf(file, sizeof(file), "%s/noc.key",
			server_dir(service_server(d->svc))) < 0)
		return ENAMETOOLONG;

	err = ticket_key_load(&d->key, file);
	if (err)
		log_event(LOG_ERROR, "dispatch", NULL, "%s: %s", file,
			  err == EPERM ? "others may read it, it must have"
			  " mode 0600" : strerror(err));

	return err;
}


static int tables_make(struct dispatch *d)
{
	const struct config *cfg = dispatch_config(d);
	const struct tables_config tc = {
		.servers_max = config_u32(cfg, "dispatch.servers_max"),
		.conferences_max = config_u32(cfg,
					      "dispatch.conferences_max"),
		.lease_ms = config_u32(cfg, "dispatch.lease"),
		.contact_ms = config_u32(cfg, "dispatch.contact_timeout"),
	};

	return tables_alloc(&d->tables, &tc);
}


static int listen_all(struct dispatch *d)
{
	struct events *evs = server_events(service_server(d->svc));
	int err;

	err  = event_listen(&d->listenerv[0], evs, "client.join",
			    EVENT_PRIO_DISPATCH, join_handler, d);
	err |= event_listen(&d->listenerv[1], evs, "client.subscribe",
			    EVENT_PRIO_DISPATCH, subscribe_handler, d);
	err |= event_listen(&d->listenerv[2], evs, "config.changed",
			    EVENT_PRIO_NORMAL, changed_handler, d);

	return err;
}


static int dispatch_start(struct service *svc)
{
	struct dispatch *d = service_data(svc);
	struct server *srv = service_server(svc);
	int err;

	d->bus  = server_bus(srv);
	d->host = service_api(srv, "siphost");

	err = key_load(d);
	if (err)
		goto out;

	err = tables_make(d);
	if (err)
		goto out;

	err = dispatch_follow(d);
	if (err)
		goto out;

	err = dispatch_commands(d);
	if (err)
		goto out;

	err = dispatch_metrics(d);
	if (err)
		goto out;

	err = dispatch_handover_start(d);
	if (err)
		goto out;

	settings_get(d);
	err = listen_all(d);

 out:
	if (err)
		dispatch_stop(svc);

	return err;
}


static int dispatch_pause(struct service *svc)
{
	return dispatch_fast(service_data(svc), false);
}


static int dispatch_resume(struct service *svc)
{
	return dispatch_fast(service_data(svc), true);
}


static unsigned dispatch_busy(const struct service *svc)
{
	const struct dispatch *d = service_data(svc);

	return d ? d->waiting : 0;
}


static void dispatch_close(struct service *svc)
{
	mem_deref(service_data(svc));
	service_data_set(svc, NULL);
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
	.close    = dispatch_close,
};
