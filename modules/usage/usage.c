/**
 * @file usage.c  Service: one record per leg, for billing
 *
 * Settings:
 *   usage.file       SQLite database, in server.dir unless absolute
 *   usage.heartbeat  how often the run is noted to be alive [s]
 *   usage.farm       other servers may have taken legs over: ask before an
 *                    earlier run's records are closed (auto: if bus.url is
 *                    set)
 *   usage.adopt_wait how long after the start nobody is asked yet: others
 *                    have to notice the death first [s]
 *
 * A leg has a name that goes with it from server to server (its seat's
 * x.usage.leg). When it moves, its record does: it leaves the store here and
 * goes on there, with the first join time and all packets.
 *
 * Command: usage {from, to [s since the epoch], account, conference, after,
 * limit} -> {records: [...]}
 */
#include <string.h>
#include <re.h>
#include "server/log.h"
#include "server/offers.h"
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "noc/seat.h"
#include "mesh/mesh.h"
#include "connect/connect.h"
#include "usage/adopted.h"
#include "usage/db.h"


enum { READ_MAX = 10000 };          /* records of one answer                */

struct usage {
	struct service *svc;
	struct usage_store *store;
	struct adopted *adopted;    /* NULL: no other servers               */
	struct offers *offers;
	struct hash *legs;          /* struct uleg, by participant          */
	struct tmr tmr;
	uint32_t heartbeat;         /* [ms]                                 */
};

/* A leg that is up. */
struct uleg {
	struct le he;
	unsigned id;                /* of the participant                   */
	char leg[USAGE_LEG_MAX];
	bool crashed;               /* a server that had it has died        */
};

static const struct setting settings[] = {
	{"usage.file", SETTING_STRING, "usage.db", 1, 1000, NULL, 0,
	 "SQLite database of the usage records, in server.dir"},
	{"usage.heartbeat", SETTING_U32, "5", 1, 3600, NULL, 0,
	 "how often the server notes that it is alive [s]"},
	{"usage.farm", SETTING_CHOICE, "auto", 0, 0, "auto|yes|no", 0,
	 "legs may go on at other servers: auto if bus.url is set"},
	{"usage.adopt_wait", SETTING_U32, "30", 0, 3600, NULL, 0,
	 "before legs that an earlier run left open are looked up [s]"},
	{NULL, 0, NULL, 0, 0, NULL, 0, NULL}
};


static void usage_destructor(void *data)
{
	struct usage *u = data;

	tmr_cancel(&u->tmr);
	mem_deref(u->offers);
	mem_deref(u->adopted);
	mem_deref(u->store);
	hash_flush(u->legs);
	mem_deref(u->legs);
}


static void uleg_destructor(void *data)
{
	struct uleg *l = data;

	hash_unlink(&l->he);
}


static bool id_cmp_h(struct le *le, void *arg)
{
	const struct uleg *l = le->data;

	return l->id == *(unsigned *)arg;
}


static struct uleg *uleg_find(const struct usage *u, unsigned id)
{
	return list_ledata(hash_lookup(u->legs, id, id_cmp_h, &id));
}


/* The name of a leg that begins here is random: it must not be that of any
   leg of any server at any time. */
static struct uleg *uleg_make(struct usage *u, unsigned id, const char *leg)
{
	struct uleg *l = mem_zalloc(sizeof *l, uleg_destructor);

	if (!l)
		return NULL;

	l->id = id;
	if (leg)
		str_ncpy(l->leg, leg, sizeof l->leg);
	else
		(void)re_snprintf(l->leg, sizeof l->leg, "%016llx%016llx",
				  (unsigned long long)rand_u64(),
				  (unsigned long long)rand_u64());
	hash_append(u->legs, id, &l->he, l);

	return l;
}


static bool leg_valid(const char *leg)
{
	const size_t n = leg ? strlen(leg) : 0;

	return n && n < USAGE_LEG_MAX &&
		strspn(leg, "0123456789abcdef") == n;
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


static void leg_push(struct usage *u, const struct event *ev,
		     enum usage_what what, const struct uleg *l)
{
	struct usage_leg leg;

	leg_fill(&leg, u, ev);
	leg.what = what;
	str_ncpy(leg.leg, l->leg, sizeof leg.leg);
	str_ncpy(leg.cause, cause_name(ev->data), sizeof leg.cause);
	log_trace("usage", ev->callid, "record of %s in %s %s%s", leg.from,
		  leg.conference, what == USAGE_JOIN ? "begins" :
		  what == USAGE_LEAVE ? "ends: " : "goes elsewhere",
		  what == USAGE_LEAVE ? leg.cause : "");
	(void)usage_store_push(u->store, &leg);
}


static bool joined_h(const struct event *ev, void *arg)
{
	const struct connect_event *ce = ev->data;
	struct usage *u = arg;
	struct uleg *l;

	if (!ce)
		return false;

	l = uleg_find(u, ce->id);
	if (!l)
		l = uleg_make(u, ce->id, NULL);
	if (!l)
		return false;

	leg_push(u, ev, USAGE_JOIN, l);
	if (ce->moved)
		adopted_mark(u->adopted, l->leg, l->crashed);

	return false;
}


static bool left_h(const struct event *ev, void *arg)
{
	const struct connect_event *ce = ev->data;
	struct usage *u = arg;
	struct uleg *l = ce ? uleg_find(u, ce->id) : NULL;

	if (!l)
		return false;

	leg_push(u, ev, USAGE_LEAVE, l);
	mem_deref(l);

	return false;
}


/* Another server goes on with it, and with its record. */
static bool moved_h(const struct event *ev, void *arg)
{
	const struct connect_event *ce = ev->data;
	struct usage *u = arg;
	struct uleg *l = ce ? uleg_find(u, ce->id) : NULL;

	if (!l)
		return false;

	leg_push(u, ev, USAGE_MOVED, l);
	mem_deref(l);

	return false;
}


static bool save_h(const struct event *ev, void *arg)
{
	const struct seat_event *se = ev->data;
	const struct uleg *l = se ? uleg_find(arg, se->id) : NULL;
	struct odict *od;

	if (!l || odict_alloc(&od, 4))
		return false;

	if (!odict_entry_add(od, "leg", ODICT_STRING, l->leg) &&
	    (!l->crashed || !odict_entry_add(od, "crashed", ODICT_BOOL,
					     true)))
		(void)odict_entry_add(se->x, "usage", ODICT_OBJECT, od);
	mem_deref(od);

	return false;
}


static bool load_h(const struct event *ev, void *arg)
{
	const struct seat_event *se = ev->data;
	struct usage *u = arg;
	const struct odict_entry *e;
	const char *leg;
	bool crashed;
	struct uleg *l;

	e = se ? odict_get_type(se->x, ODICT_OBJECT, "usage") : NULL;
	leg = e ? odict_string(e->u.odict, "leg") : NULL;

	if (!leg_valid(leg) || uleg_find(u, se->id))
		return false;

	l = uleg_make(u, se->id, leg);
	if (l)
		l->crashed = se->crash ||
			(odict_get_boolean(e->u.odict, &crashed, "crashed") &&
			 crashed);

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


static double waiting_h(void *arg)
{
	const struct usage *u = arg;

	return adopted_waiting(u->adopted);
}


static int init(struct service *svc)
{
	struct usage *u = mem_zalloc(sizeof *u, usage_destructor);
	int err;

	if (!u)
		return ENOMEM;

	err = hash_alloc(&u->legs, 4096);
	if (err) {
		mem_deref(u);
		return err;
	}

	u->svc = svc;
	service_data_set(svc, u);

	return 0;
}


static bool is_farm(const struct config *cfg)
{
	const char *farm = config_str(cfg, "usage.farm");

	return strcmp(farm, "auto") ? !strcmp(farm, "yes")
		: config_str(cfg, "bus.url") != NULL;
}


static int offer(struct usage *u)
{
	static const struct offer_listener lsnv[] = {
		{"connect.joined", EVENT_PRIO_NORMAL, joined_h, false},
		{"connect.left", EVENT_PRIO_NORMAL, left_h, false},
		{"connect.moved", EVENT_PRIO_NORMAL, moved_h, false},
		{"connect.lost", EVENT_PRIO_NORMAL, moved_h, false},
		{"seat.save", EVENT_PRIO_NORMAL, save_h, false},
		{"seat.load", EVENT_PRIO_NORMAL, load_h, false},
	};
	static const struct offer_command cmdv[] = {
		{"usage", COMMAND_READ, "usage records, one per leg",
		 usage_h},
	};
	static const struct offer_metric metricv[] = {
		{METRIC_COUNTER, "junctor_usage_dropped_total", NULL,
		 "usage records lost because the disk was too slow",
		 dropped_h, NULL},
		{METRIC_GAUGE, "junctor_usage_adopted_waiting", NULL,
		 "usage records of which is not clear yet whose they are",
		 waiting_h, NULL},
	};
	int err;

	err = offers_alloc(&u->offers, service_server(u->svc));
	if (!err)
		err = offers_listen(u->offers, lsnv, ARRAY_SIZE(lsnv), u);
	if (!err)
		err = offers_commands(u->offers, cmdv, ARRAY_SIZE(cmdv), u);
	if (!err)
		err = offers_metrics(u->offers, metricv, ARRAY_SIZE(metricv),
				     u);

	return err;
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

	err = usage_store_alloc(&u->store, &usage_sqlite, path,
				server_name(srv), is_farm(cfg));
	if (!err && is_farm(cfg))
		err = adopted_alloc(&u->adopted, svc, u->store);
	if (!err)
		err = offer(u);
	if (err)
		return err;

	tmr_start(&u->tmr, u->heartbeat, heartbeat_h, u);

	return 0;
}


static void stop(struct service *svc)
{
	struct usage *u = service_data(svc);

	tmr_cancel(&u->tmr);
	u->offers = mem_deref(u->offers);
	u->adopted = mem_deref(u->adopted);
	hash_flush(u->legs);
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
