/**
 * @file usage.c  Service: one record per leg, for billing
 *
 * Settings:
 *   usage.file       SQLite database, in server.dir unless absolute
 *   usage.heartbeat  how often the run is noted to be alive [s]
 *
 * Command: usage {from, to [s since the epoch], account, conference, after,
 * limit} -> {records: [...]}
 */
#include <string.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "server/event.h"
#include "server/command.h"
#include "server/metrics.h"
#include "mesh/mesh.h"
#include "connect/connect.h"
#include "usage/store.h"


enum { READ_MAX = 10000 };          /* records of one answer                */

struct usage {
	struct service *svc;
	struct usage_store *store;
	struct listener *joined, *left;
	struct command *cmd;
	struct metric *dropped;
	struct tmr tmr;
	uint32_t heartbeat;         /* [ms]                                 */
};

static const struct setting settings[] = {
	{"usage.file", SETTING_STRING, "usage.db", 1, 1000, NULL, 0,
	 "SQLite database of the usage records, in server.dir"},
	{"usage.heartbeat", SETTING_U32, "5", 1, 3600, NULL, 0,
	 "how often the server notes that it is alive [s]"},
	{NULL, 0, NULL, 0, 0, NULL, 0, NULL}
};


static void usage_destructor(void *data)
{
	struct usage *u = data;

	tmr_cancel(&u->tmr);
	mem_deref(u->cmd);
	mem_deref(u->dropped);
	mem_deref(u->joined);
	mem_deref(u->left);
	mem_deref(u->store);
}


static const char *cause_name(const struct connect_event *ce)
{
	static const char *const namev[] = {
		[LEAVE_BYE] = "bye", [LEAVE_KICKED] = "kicked",
		[LEAVE_TIMEOUT] = "timeout", [LEAVE_ERROR] = "error",
		[LEAVE_SHUTDOWN] = "shutdown",
	};

	return (unsigned)ce->cause < ARRAY_SIZE(namev)
		? namev[ce->cause] : "?";
}


static void leg_fill(struct usage_leg *leg, const struct usage *u,
		     const struct event *ev)
{
	const struct connect_event *ce = ev->data;
	const struct mesh_stats *st = ce->stats;

	memset(leg, 0, sizeof *leg);
	leg->id = ce->id;
	leg->join_usec  = ce->joined_usec;
	leg->leave_usec = ce->left_usec;
	str_ncpy(leg->account, ce->account, sizeof leg->account);
	str_ncpy(leg->conference, ce->conference, sizeof leg->conference);
	str_ncpy(leg->user, ce->name, sizeof leg->user);
	(void)re_snprintf(leg->from, sizeof leg->from, "sip:%s", ce->user);
	(void)re_snprintf(leg->to, sizeof leg->to, "sip:%s@%s",
			  ce->conference, server_name(service_server(u->svc)));
	str_ncpy(leg->callid, ev->callid ? ev->callid : "",
		 sizeof leg->callid);
	str_ncpy(leg->media, ce->codec, sizeof leg->media);

	if (!st)
		return;

	leg->packets_in  = st->rx_packets;
	leg->packets_out = st->tx_packets;
	leg->lost_in  = st->rx_lost;
	leg->lost_out = st->tx_lost;
	leg->jitter   = st->rx_jitter;
}


static bool joined_h(const struct event *ev, void *arg)
{
	struct usage *u = arg;
	struct usage_leg leg;

	if (!ev->data)
		return false;

	leg_fill(&leg, u, ev);
	leg.what = USAGE_JOIN;
	(void)usage_store_push(u->store, &leg);

	return false;
}


static bool left_h(const struct event *ev, void *arg)
{
	struct usage *u = arg;
	struct usage_leg leg;

	if (!ev->data)
		return false;

	leg_fill(&leg, u, ev);
	leg.what = USAGE_LEAVE;
	str_ncpy(leg.cause, cause_name(ev->data), sizeof leg.cause);
	(void)usage_store_push(u->store, &leg);

	return false;
}


static void heartbeat_h(void *arg)
{
	struct usage *u = arg;

	tmr_start(&u->tmr, u->heartbeat, heartbeat_h, u);
	usage_store_heartbeat(u->store);
}


static void usage_h(struct command_req *req, const struct odict *args,
		    void *arg)
{
	struct usage *u = arg;
	struct usage_filter f = {
		.account = odict_string(args, "account"),
		.conference = odict_string(args, "conference"),
	};
	struct odict *res = NULL, *recs = NULL;
	uint64_t limit = 1000;
	int err;

	(void)odict_get_number(args, &f.from_sec, "from");
	(void)odict_get_number(args, &f.to_sec, "to");
	(void)odict_get_number(args, &f.after, "after");
	(void)odict_get_number(args, &limit, "limit");

	if (f.from_sec > UINT32_MAX || f.to_sec > UINT32_MAX) {
		command_fail(req, EINVAL, "from, to: seconds since 1970");
		return;
	}

	f.limit = limit > READ_MAX ? READ_MAX : (unsigned)limit;

	err = odict_alloc(&res, 4);
	if (!err)
		err = odict_alloc(&recs, 256);
	if (!err)
		err = usage_store_read(u->store, &f, recs);
	if (!err)
		err = odict_entry_add(res, "records", ODICT_ARRAY, recs);

	if (err)
		command_fail(req, err, "%s", strerror(err));
	else
		command_ok(req, res);

	mem_deref(recs);
	mem_deref(res);
}


static double dropped_h(void *arg)
{
	const struct usage *u = arg;

	return usage_store_dropped(u->store);
}


static int init(struct service *svc)
{
	struct usage *u = mem_zalloc(sizeof *u, usage_destructor);

	if (!u)
		return ENOMEM;

	u->svc = svc;
	service_data_set(svc, u);

	return 0;
}


static int start(struct service *svc)
{
	struct usage *u = service_data(svc);
	struct server *srv = service_server(svc);
	const struct config *cfg = server_config(srv);
	const char *file = config_str(cfg, "usage.file");
	char path[1200];
	int err;

	if (re_snprintf(path, sizeof path, "%s%s%s",
			*file == '/' ? "" : server_dir(srv),
			*file == '/' ? "" : "/", file) < 0)
		return ENAMETOOLONG;

	u->heartbeat = 1000 * config_u32(cfg, "usage.heartbeat");

	err = usage_store_alloc(&u->store, path, server_name(srv));
	if (err)
		return err;

	err  = event_listen(&u->joined, server_events(srv), "connect.joined",
			    EVENT_PRIO_NORMAL, joined_h, u);
	err |= event_listen(&u->left, server_events(srv), "connect.left",
			    EVENT_PRIO_NORMAL, left_h, u);
	err |= command_add(&u->cmd, server_commands(srv), "usage",
			   COMMAND_READ, "usage records, one per leg",
			   usage_h, u);
	err |= metric_add(&u->dropped, server_metrics(srv), METRIC_COUNTER,
			  "junctor_usage_dropped_total", NULL,
			  "usage records lost because the disk was too slow",
			  dropped_h, u);
	if (err)
		return err;

	tmr_start(&u->tmr, u->heartbeat, heartbeat_h, u);

	return 0;
}


static void stop(struct service *svc)
{
	struct usage *u = service_data(svc);

	tmr_cancel(&u->tmr);
	u->cmd = mem_deref(u->cmd);
	u->dropped = mem_deref(u->dropped);
	u->joined = mem_deref(u->joined);
	u->left = mem_deref(u->left);
	u->store = mem_deref(u->store);
}


static void close_(struct service *svc)
{
	service_data_set(svc, mem_deref(service_data(svc)));
}


const struct service_export service_export = {
	.api_version = SERVICE_API_VERSION,
	.name = "usage",
	.settings = settings,
	.init = init,
	.start = start,
	.stop = stop,
	.close = close_,
};
