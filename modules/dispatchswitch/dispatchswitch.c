/**
 * @file dispatchswitch.c  Service: spreads joins over the dispatch servers
 *
 *   phone -- join --> switch -- 302 --> dispatch server -- 302 --> media
 *
 * It keeps no state of a join but whom the last ones were sent to, so that a
 * copy of an INVITE is answered as the first one was. Plain DNS SRV does the
 * same without knowing who lives.
 *
 * Files: turn.c whose turn it is; targets.c who lives.
 *
 * Settings (dispatchswitch.*): see below. Command: dispatch-servers.
 */
#include <string.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "server/siphash.h"
#include "server/offers.h"
#include "server/log.h"
#include "noc/client.h"
#include "noc/name.h"
#include "sip/redirect.h"
#include "siphost/siphost.h"
#include "heartbeat/heartbeat.h"
#include "dispatchswitch/turn.h"
#include "dispatchswitch/switch.h"


static const struct setting settings[] = {
	{"dispatchswitch.mode", SETTING_CHOICE, "round-robin", 0, 0,
	 "round-robin|load", 0,
	 "who is next: each in turn, or who has least to do"},
	{"dispatchswitch.server", SETTING_STRING, NULL, 1, 127, NULL,
	 SETTING_MULTI,
	 "a dispatch server beside those that announce themselves, host:port"},
	{"dispatchswitch.interval", SETTING_U32, "100", 10, 10000, NULL, 0,
	 "each dispatch server is asked by OPTIONS every so many [ms]"},
	{"dispatchswitch.timeout", SETTING_U32, "300", 20, 60000, NULL, 0,
	 "and passed over when silent for [ms]"},
	{NULL, 0, NULL, 0, 0, NULL, 0, NULL}
};


static int uri_make(struct dswitch *sw, const char *conf, size_t conflen,
		    uint64_t tag, char *uri, size_t sz, size_t *len)
{
	char contact[NAME_CONTACT_MAX];
	size_t n;
	int err;

	err = turn_next(sw->turn, tag, contact, sizeof(contact), &n);
	if (err)
		return err;

	return name_uri(uri, sz, len, conf, conflen, contact, n, NULL, 0);
}


/* Any signalling thread */
static int lookup_handler(const struct redirect_query *q, char *contact,
			    size_t sz, size_t *len, void *arg)
{
	struct dswitch *sw = arg;
	int err;

	if (!name_valid(q->conf, q->conflen, CLIENT_CONFERENCE_MAX))
		return EINVAL;

	err = uri_make(sw, q->conf, q->conflen, q->tag, contact, sz, len);
	if (!err)
		__atomic_fetch_add(&sw->fast, 1, __ATOMIC_RELAXED);

	return err;
}


static uint64_t tag_of(const struct join *join)
{
	static const struct siphash_key key = {{0, 0}};

	return siphash(&key, join->callid, str_len(join->callid));
}


/* What was not so simple, or came when nobody lived */
static bool join_handler(const struct event *ev, void *arg)
{
	struct dswitch *sw = arg;
	const struct join *join = ev->data;
	char uri[NAME_URI_MAX + 1];
	size_t n;

	if (!join || join->admitted)
		return false;

	if (!name_valid(join->conference, str_len(join->conference),
			CLIENT_CONFERENCE_MAX)) {
		++sw->refused;
		(void)client_reject(join->client, 404,
				    "Say which conference: sip:NAME@...");
		return true;
	}

	if (service_state(sw->svc) == SERVICE_PAUSED ||
	    uri_make(sw, join->conference, strlen(join->conference),
		     tag_of(join), uri, sizeof(uri) - 1, &n)) {
		++sw->refused;
		(void)client_reject(join->client, 503,
				    "No dispatch server in service");
		return true;
	}

	uri[n] = '\0';
	++sw->redirects;
	(void)client_dispatch(join->client, uri);

	return true;
}


static bool node_handler(const struct event *ev, void *arg)
{
	const struct node_event *ne = ev->data;

	if (ne)
		targets_down(arg, ne->name, strcmp(ev->name, "node.up") != 0);

	return false;
}


static void servers_command(struct command_req *req,
			    const struct odict *args, void *arg)
{
	const struct dswitch *sw = arg;
	struct odict *od = NULL, *array = NULL;
	int err;
	(void)args;

	err = odict_alloc(&array, 16);
	if (!err)
		err = targets_odict(sw, array);
	if (!err)
		err = odict_alloc(&od, 1);
	if (!err)
		err = odict_entry_add(od, "servers", ODICT_ARRAY, array);

	if (err)
		command_fail(req, err, "too much to tell");
	else
		command_ok(req, od);

	mem_deref(od);
	mem_deref(array);
}


static double active(void *arg)
{
	const struct dswitch *sw = arg;
	unsigned n = 0;
	struct le *le;

	LIST_FOREACH(&sw->targetl, le)
		n += target_alive(le->data);

	return n;
}


static int offers_make(struct dswitch *sw)
{
	static const struct offer_listener listenerv[] = {
		{"client.join", EVENT_PRIO_DISPATCH, join_handler, false},
		{"client.subscribe", EVENT_PRIO_DISPATCH, join_handler,
		 false},
		{"node.up", EVENT_PRIO_NORMAL, node_handler, false},
		{"node.down", EVENT_PRIO_NORMAL, node_handler, false},
		{"node.left", EVENT_PRIO_NORMAL, node_handler, false},
	};
	static const struct offer_command commandv[] = {
		{"dispatch-servers", COMMAND_READ,
		 "dispatch servers, and which of them take joins",
		 servers_command},
	};
	const struct offer_metric metricv[] = {
		{METRIC_COUNTER, "junctor_switch_redirects_total", NULL,
		 "Joins sent to a dispatch server by the main thread",
		 offers_counter, &sw->redirects},
		{METRIC_COUNTER, "junctor_switch_fast_redirects_total", NULL,
		 "Joins sent to a dispatch server by signalling threads",
		 offers_counter, &sw->fast},
		{METRIC_COUNTER, "junctor_switch_refused_total", NULL,
		 "Joins turned away", offers_counter, &sw->refused},
		{METRIC_GAUGE, "junctor_switch_active", NULL,
		 "Dispatch servers that take joins", active, NULL},
	};
	int err;

	err = offers_alloc(&sw->offers, service_server(sw->svc));
	if (!err)
		err = offers_listen(sw->offers, listenerv,
				    ARRAY_SIZE(listenerv), sw);
	if (!err)
		err = offers_commands(sw->offers, commandv,
				      ARRAY_SIZE(commandv), sw);
	if (!err)
		err = offers_metrics(sw->offers, metricv,
				     ARRAY_SIZE(metricv), sw);

	return err;
}


static int fast_set(struct dswitch *sw, bool on)
{
	if (!sw->host || !sw->host->redirect_set)
		return 0;

	return sw->host->redirect_set(sw->host->sh,
				      on ? lookup_handler : NULL,
				      on ? sw : NULL);
}


static void stop(struct service *svc)
{
	struct dswitch *sw = service_data(svc);

	(void)fast_set(sw, false);
	sw->offers = mem_deref(sw->offers);
	targets_stop(sw);
	sw->turn = mem_deref(sw->turn);
}


static int start(struct service *svc)
{
	struct dswitch *sw = service_data(svc);
	struct server *srv = service_server(svc);
	const char *mode = config_str(server_config(srv),
				      "dispatchswitch.mode");
	int err;

	if (service_find(srv, "dispatch")) {
		log_event(LOG_ERROR, "dispatchswitch", NULL,
			  "a server either dispatches or switches");
		return EINVAL;
	}

	sw->host = service_api(srv, "siphost");
	err = turn_alloc(&sw->turn, strcmp(mode, "load") ? TURN_ROUND_ROBIN
							 : TURN_LOAD);
	if (!err)
		err = targets_start(sw);
	if (!err)
		err = offers_make(sw);
	if (!err)
		err = fast_set(sw, true);

	if (err)
		stop(svc);

	return err;
}


static int init(struct service *svc)
{
	struct dswitch *sw = mem_zalloc(sizeof(*sw), NULL);

	if (!sw)
		return ENOMEM;

	sw->svc = svc;
	service_data_set(svc, sw);

	return 0;
}


static int pause_(struct service *svc)
{
	return fast_set(service_data(svc), false);
}


static int resume(struct service *svc)
{
	return fast_set(service_data(svc), true);
}


static const char *const needs[] = {"siphost", NULL};

extern const struct service_export service_export;

const struct service_export service_export = {
	.api_version = SERVICE_API_VERSION,
	.name     = "dispatchswitch",
	.needs    = needs,
	.settings = settings,
	.init     = init,
	.start    = start,
	.stop     = stop,
	.pause    = pause_,
	.resume   = resume,
	.close    = service_release,
};
