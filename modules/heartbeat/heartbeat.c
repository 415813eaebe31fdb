/**
 * @file heartbeat.c  Service: which servers of the farm live
 *
 *   every lease     our record in the bucket "nodes", which lives for three
 *   every interval  a datagram to every other server, from one thread
 *
 * Files: nodes.c records; beater.c datagrams; judge.c who is dead; api.c what
 * other services and operators can ask.
 *
 * Settings (heartbeat.*): see below.
 * Command: nodes: the servers of the farm, as this one sees them.
 */
#include <string.h>
#include <time.h>
#include <openssl/crypto.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "server/degraded.h"
#include "server/offers.h"
#include "server/log.h"
#include "bus/bus.h"
#include "noc/key.h"
#include "siphost/siphost.h"
#include "heartbeat/hb.h"


enum { TICK_MS = 300 };            /* between two looks, at most            */

static const struct setting settings[] = {
	{"heartbeat.listen", SETTING_SA, NULL, 0, 0, NULL, 0,
	 "where heartbeats of other servers are heard, ADDR:PORT, port 0: any;"
	 " default: address of sip.listen, any port"},
	{"heartbeat.interval", SETTING_U32, "100", 20, 10000, NULL, 0,
	 "time between heartbeats, the same for all servers [ms]"},
	{"heartbeat.timeout", SETTING_U32, "350", 60, 60000, NULL, 0,
	 "a server is silent when no heartbeat comes for [ms]"},
	{"heartbeat.ping", SETTING_U32, "150", 10, 10000, NULL, 0,
	 "a silent server has to answer on the bus within [ms]; if the bus is"
	 " slower, in twice the time that it takes"},
	{"heartbeat.lease", SETTING_U32, "1000", 100, 60000, NULL, 0,
	 "time between announcements; they live three times as long [ms]"},
	{"heartbeat.stuck", SETTING_U32, "3000", 500, 600000, NULL, 0,
	 "no heartbeats when this server's main loop hangs for [ms]"},
	{NULL, 0, NULL, 0, 0, NULL, 0, NULL}
};


static int node_detail(struct odict *od, const void *data)
{
	const struct node_event *ne = data;
	int err;

	err  = odict_entry_add(od, "name", ODICT_STRING, ne->name);
	err |= odict_entry_add(od, "reason", ODICT_STRING, ne->reason);

	return err;
}


static void node_fire(struct node *n, const char *name, const char *reason)
{
	const struct node_record rec = n->rec;
	struct node_event ne = {
		.name = rec.name, .instance = rec.instance,
		.services = rec.services, .reason = reason,
	};
	const struct event ev = {
		.name = name, .data = &ne, .detail = node_detail,
	};

	(void)event_fire(server_events(n->hb->srv), &ev);
	heartbeat_missing(n->hb);
}


static void state_set(struct node *n, enum node_state state)
{
	n->state = state;
	n->since = (uint64_t)time(NULL);
	n->unanswered = n->only_bus = false;
	tmr_cancel(&n->again);
}


/**
 * A server is there
 *
 * @param n      Node
 * @param reason How we know
 */
void heartbeat_up(struct node *n, const char *reason)
{
	const bool again = n->state == NODE_DOWN;

	n->state = NODE_UP;
	n->since = (uint64_t)time(NULL);
	log_event(again ? LOG_NOTICE : LOG_INFO, "heartbeat", NULL,
		  "server %s is there%s: %s", n->rec.name,
		  again ? " again" : "", reason);
	node_fire(n, "node.up", reason);
}


/**
 * A server is dead
 *
 * @param n      Node
 * @param reason How we know
 */
void heartbeat_down(struct node *n, const char *reason)
{
	state_set(n, NODE_DOWN);
	++n->hb->downs;
	log_event(LOG_WARN, "heartbeat", NULL, "server %s is dead: %s",
		  n->rec.name, reason);
	node_fire(n, "node.down", reason);
}


/**
 * A server has said goodbye
 *
 * @param n Node
 */
void heartbeat_left(struct node *n)
{
	if (n->state == NODE_LEFT)
		return;

	state_set(n, NODE_LEFT);
	n->announced = false;
	n->req = mem_deref(n->req);
	if (n->slot != NO_SLOT)
		beater_peer_del(n->hb->beater, n->slot);
	n->slot = NO_SLOT;

	log_event(LOG_INFO, "heartbeat", NULL, "server %s has left",
		  n->rec.name);
	node_fire(n, "node.left", "said goodbye");
}


static int isolated_detail(struct odict *od, const void *data)
{
	const struct node_isolated_event *ie = data;

	return odict_entry_add(od, "on", ODICT_BOOL, (int)ie->on);
}


/**
 * We are cut off from everybody, or no longer
 *
 * @param hb Heartbeat
 * @param on True if so
 */
void heartbeat_isolated(struct heartbeat *hb, bool on)
{
	struct node_isolated_event ie = {.on = on};
	const struct event ev = {
		.name = "node.isolated", .data = &ie,
		.detail = isolated_detail,
	};

	if (hb->isolated == on)
		return;

	hb->isolated = on;
	log_event(LOG_WARN, "heartbeat", NULL, on ? "cut off: no other"
		  " server is heard, and the bus does not work"
		  : "no longer cut off");
	(void)event_fire(server_events(hb->srv), &ev);
}


/**
 * The bus was seen to work, or not to
 *
 * @param hb    Heartbeat
 * @param works True if it does
 */
void heartbeat_bus(struct heartbeat *hb, bool works)
{
	degraded_set(hb->srv, "bus", !works, works ? "it works again" :
		     "calls go on, servers cannot hand over to one another");
}


static bool has_service(const struct heartbeat *hb, const char *service,
			bool *known)
{
	struct le *le;

	if (service_find(hb->srv, service))
		return true;

	LIST_FOREACH(&hb->nodel, le) {
		const struct node *n = le->data;

		if (!node_has_service(n->rec.services, service))
			continue;

		/* who has left in order is not missed */
		*known |= n->state != NODE_LEFT;
		if (n->state == NODE_UP)
			return true;
	}

	return false;
}


static void missing_check(struct heartbeat *hb, const char *service,
			  const char *text)
{
	bool known = false;
	const bool there = has_service(hb, service, &known);

	degraded_set(hb->srv, service, !there && known,
		     there ? "one is there again" : known ? text
		     : "it has left in order");
}


/**
 * Servers came or went: is any kind of them missing now?
 *
 * @param hb Heartbeat
 */
void heartbeat_missing(struct heartbeat *hb)
{
	missing_check(hb, "registry", "nobody asks servers whether they are"
		      " well");
	missing_check(hb, "dispatch", "no server of the farm takes new"
		      " callers");
}


static void beats_handler(unsigned ix, uint64_t instance,
			  enum beater_state state, bool bye, void *arg)
{
	struct heartbeat *hb = arg;
	struct le *le;

	LIST_FOREACH(&hb->nodel, le) {
		struct node *n = le->data;

		if (n->slot != ix || n->rec.instance != instance)
			continue;

		if (bye)
			heartbeat_left(n);
		else
			judge_beats(n, state);
		return;
	}
}


/* The beater has to hear of us ten times before it takes us for stuck; a bus
   that did not work is looked after more often. */
static void tick_handler(void *arg)
{
	struct heartbeat *hb = arg;

	beater_main(hb->beater);
	judge_tick(hb);
	tmr_start(&hb->tick, hb->bus_bad ? hb->interval :
		  max(hb->interval, min(hb->stuck / 10, TICK_MS)),
		  tick_handler, hb);
}


/* What listens everywhere is reached at one address. */
static int address_print(char *buf, size_t sz, const struct sa *laddr)
{
	struct sa sa = *laddr;
	int err;

	if (sa_is_any(&sa)) {
		err = net_default_source_addr_get(sa_af(laddr), &sa);
		if (err)
			return err;
		sa_set_port(&sa, sa_port(laddr));
	}

	return re_snprintf(buf, sz, "%J", &sa) < 0 ? ENOMEM : 0;
}


static int listen_addr(struct heartbeat *hb, struct sa *sa)
{
	const struct config *cfg = server_config(hb->srv);

	if (!config_sa(cfg, "heartbeat.listen", sa))
		return 0;

	if (!config_sa(cfg, "sip.listen", sa)) {
		sa_set_port(sa, 0);
		return 0;
	}

	return sa_set_str(sa, "127.0.0.1", 0);
}


static int beater_make(struct heartbeat *hb)
{
	uint8_t secret[NOC_KEY_LEN];
	struct beater_conf conf = {
		.secret = secret,
		.instance = hb->self.instance,
		.interval = hb->interval,
		.timeout = hb->timeout,
		.stuck = hb->stuck,
	};
	struct sa laddr;
	int err;

	err = listen_addr(hb, &conf.laddr);
	if (err)
		return err;

	err = noc_key_load(secret, hb->srv, "heartbeat");
	if (err)
		return err;

	err = beater_alloc(&hb->beater, &conf, beats_handler, hb);
	OPENSSL_cleanse(secret, sizeof(secret));
	if (!err)
		err = beater_laddr(hb->beater, &laddr);
	if (!err)
		err = address_print(hb->self.beat, sizeof(hb->self.beat),
				    &laddr);
	if (err)
		log_event(LOG_ERROR, "heartbeat", NULL,
			  "cannot listen to heartbeats: %s", strerror(err));

	return err;
}


/* Where clients reach this server: known once the client host listens */
static void contact_get(struct heartbeat *hb)
{
	const struct siphost_api *host = service_api(hb->srv, "siphost");
	const char *contact = config_str(server_config(hb->srv),
					 "dispatchee.contact");
	struct sa laddr;

	if (contact)
		str_ncpy(hb->self.sip, contact, sizeof(hb->self.sip));
	else if (host && host->laddr && !host->laddr(host->sh, &laddr))
		(void)address_print(hb->self.sip, sizeof(hb->self.sip),
				    &laddr);
}


static bool running_handler(const struct event *ev, void *arg)
{
	struct heartbeat *hb = arg;
	(void)ev;

	contact_get(hb);
	nodes_announce(hb);

	return false;
}


static void heartbeat_stop(struct service *svc)
{
	struct heartbeat *hb = service_data(svc);

	hb->offers = mem_deref(hb->offers);
	tmr_cancel(&hb->tick);
	nodes_stop(hb);
	judge_stop(hb);
	hb->beater = mem_deref(hb->beater);
}


static void heartbeat_destructor(void *arg)
{
	struct heartbeat *hb = arg;

	list_flush(&hb->nodel);
	tmr_cancel(&hb->announce);
	tmr_cancel(&hb->tick);
	tmr_cancel(&hb->late);
}


static int heartbeat_init(struct service *svc)
{
	struct heartbeat *hb;

	hb = mem_zalloc(sizeof(*hb), heartbeat_destructor);
	if (!hb)
		return ENOMEM;

	hb->svc = svc;
	hb->srv = service_server(svc);
	heartbeat_api(hb);
	service_data_set(svc, hb);
	service_api_set(svc, &hb->api);

	return 0;
}


static int settings_get(struct heartbeat *hb)
{
	const struct config *cfg = server_config(hb->srv);

	hb->interval = config_u32(cfg, "heartbeat.interval");
	hb->timeout  = config_u32(cfg, "heartbeat.timeout");
	hb->ping     = config_u32(cfg, "heartbeat.ping");
	hb->lease    = config_u32(cfg, "heartbeat.lease");
	hb->stuck    = config_u32(cfg, "heartbeat.stuck");

	if (hb->timeout >= 2 * hb->interval)
		return 0;

	log_event(LOG_ERROR, "heartbeat", NULL, "heartbeat.timeout: must be"
		  " at least twice heartbeat.interval");

	return EINVAL;
}


static void self_set(struct heartbeat *hb)
{
	memset(&hb->self, 0, sizeof(hb->self));
	str_ncpy(hb->self.name, server_name(hb->srv), sizeof(hb->self.name));
	str_ncpy(hb->self.version, JUNCTOR_VERSION, sizeof(hb->self.version));
	hb->self.started = (uint64_t)time(NULL);
	do {
		rand_bytes((uint8_t *)&hb->self.instance,
			   sizeof(hb->self.instance));
	}
	while (!hb->self.instance);
}


static int heartbeat_start(struct service *svc)
{
	static const struct offer_listener listenerv[] = {
		{"server.running", EVENT_PRIO_VALIDATION, running_handler,
		 false},
	};
	struct heartbeat *hb = service_data(svc);
	int err;

	hb->bus = server_bus(hb->srv);
	hb->bus_bad = hb->isolated = false;
	self_set(hb);

	err = settings_get(hb);
	if (!err)
		err = beater_make(hb);
	if (!err)
		err = judge_start(hb);
	if (!err)
		err = offers_alloc(&hb->offers, hb->srv);
	if (!err)
		err = offers_listen(hb->offers, listenerv,
				    ARRAY_SIZE(listenerv), hb);
	if (!err)
		err = heartbeat_offers(hb);
	if (!err)
		err = nodes_start(hb);

	if (err) {
		heartbeat_stop(svc);
	}
	else {
		contact_get(hb);
		tick_handler(hb);
	}

	return err;
}


extern const struct service_export service_export;

const struct service_export service_export = {
	.api_version = SERVICE_API_VERSION,
	.name     = "heartbeat",
	.settings = settings,
	.init     = heartbeat_init,
	.start    = heartbeat_start,
	.stop     = heartbeat_stop,
	.close    = service_release,
};
