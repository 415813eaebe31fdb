/**
 * @file dispatchee.c  Service: a media server obeys dispatch
 *
 * Announces the server, keeps places for those on their way, lets in who has a
 * ticket or is on the will-call list, holds the claims of its conferences.
 *
 * Files: admit.c client.join; reserve.c requests of dispatch; conf.c
 * conferences, claim.c their claims, owner.c whose; guest.c who is in;
 * report.c capacity.
 *
 * Settings (dispatchee.*, capacity.*): see below.
 * Command: drain {on: bool, exit: bool}: take no new conferences; whoever
 * can move conferences gives those that run here away, and ends the process.
 */
#include <string.h>
#include <sys/time.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "server/offers.h"
#include "server/log.h"
#include "bus/bus.h"
#include "noc/client.h"
#include "noc/key.h"
#include "noc/ticket.h"
#include "siphost/siphost.h"
#include "dispatchee/dispatchee.h"


enum {
	CONF_BUCKETS  = 1 << 16,   /* claims of all servers are in there    */
	GUEST_BUCKETS = 1 << 12,
};

static const struct setting settings[] = {
	{"dispatchee.open", SETTING_BOOL, "no", 0, 0, NULL, SETTING_RUNTIME,
	 "let in who has neither ticket nor will-call entry"},
	{"dispatchee.media", SETTING_STRING, "audio", 4, 32,
	 "audio|video|text", SETTING_RUNTIME,
	 "media types of this server: audio,video,text"},
	{"dispatchee.contact", SETTING_STRING, NULL, 1, 127, NULL, 0,
	 "where clients reach this server, host:port; default: sip.listen"},
	{"dispatchee.lease", SETTING_U32, "10000", 100, 600000, NULL,
	 SETTING_RUNTIME, "a place is kept for who is on the way for [ms]"},
	{"dispatchee.willcall_max", SETTING_U32, "100000", 1, 10000000, NULL,
	 0, "most places that are kept"},
	{"capacity.estimator", SETTING_CHOICE, "users", 0, 0,
	 "users|bandwidth|cpu|conferences", SETTING_RUNTIME,
	 "what limits this server"},
	{"capacity.users", SETTING_U32, "1000", 0, 10000000, NULL,
	 SETTING_RUNTIME, "estimator users: participants"},
	{"capacity.bandwidth", SETTING_U32, "1000", 0, 1000000000, NULL,
	 SETTING_RUNTIME, "estimator bandwidth: units of the server"},
	{"capacity.bandwidth_audio", SETTING_U32, "1", 1, 1000000, NULL,
	 SETTING_RUNTIME, "units of an audio participant"},
	{"capacity.bandwidth_video", SETTING_U32, "20", 0, 1000000, NULL,
	 SETTING_RUNTIME, "units of a video participant, on top"},
	{"capacity.bandwidth_text", SETTING_U32, "0", 0, 1000000, NULL,
	 SETTING_RUNTIME, "units of a text participant, on top"},
	{"capacity.cpu", SETTING_U32, "80", 1, 100, NULL, SETTING_RUNTIME,
	 "estimator cpu: most that this server may use [% of the machine]"},
	{"capacity.cpu_audio", SETTING_U32, "500", 1, 1000000, NULL,
	 SETTING_RUNTIME,
	 "what an audio participant will use [1/1000000 of the machine]"},
	{"capacity.cpu_video", SETTING_U32, "20000", 0, 1000000, NULL,
	 SETTING_RUNTIME,
	 "what a video participant will use, on top [1/1000000]"},
	{"capacity.cpu_text", SETTING_U32, "10", 0, 1000000, NULL,
	 SETTING_RUNTIME,
	 "what a text participant will use, on top [1/1000000]"},
	{"capacity.conferences", SETTING_U32, "50", 0, 1000000, NULL,
	 SETTING_RUNTIME, "estimator conferences: how many at once"},
	{"capacity.contracted", SETTING_U32, "20", 1, 1000000, NULL,
	 SETTING_RUNTIME, "estimator conferences: participants of each"},
	{"capacity.strain", SETTING_U32, "800", 0, 100000, NULL,
	 SETTING_RUNTIME, "load of the media engine from which on next to"
	 " nothing is left, from half of it on less [1/1000]; 0: whatever"},
	{"capacity.heartbeat", SETTING_U32, "1000", 50, 60000, NULL,
	 SETTING_RUNTIME, "how often the server says that it is there [ms]"},
	{"capacity.report_interval", SETTING_U32, "50", 1, 10000, NULL,
	 SETTING_RUNTIME, "shortest time between two reports [ms]"},
	{NULL, 0, NULL, 0, 0, NULL, 0, NULL}
};


/**
 * Configuration of the server
 *
 * @param d Dispatchee
 *
 * @return Configuration (borrowed)
 */
struct config *dispatchee_config(const struct dispatchee *d)
{
	return server_config(service_server(d->svc));
}


static bool changed_handler(const struct event *ev, void *arg)
{
	const struct config_change *ch = ev->data;
	struct dispatchee *d = arg;

	if (!ch || (strncmp(ch->key, "dispatchee.", 11) &&
		    strncmp(ch->key, "capacity.", 9)))
		return false;

	if (!report_settings(d))
		report_now(d);

	return false;
}


static bool stopping_handler(const struct event *ev, void *arg)
{
	struct dispatchee *d = arg;
	(void)ev;

	d->stopping = true;
	report_now(d);

	return false;
}


static bool flag_get(const struct odict *args, bool *flag, const char *key)
{
	const char *word = odict_string(args, key);

	if (!word)
		return odict_get_boolean(args, flag, key);

	*flag = !strcmp(word, "true") || !strcmp(word, "yes");

	return *flag || !strcmp(word, "false") || !strcmp(word, "no");
}


static int drain_detail(struct odict *od, const void *data)
{
	const struct dispatchee_drain *dd = data;
	int err;

	err  = odict_entry_add(od, "on", ODICT_BOOL, dd->on);
	err |= odict_entry_add(od, "exit", ODICT_BOOL, dd->exit);

	return err;
}


static void drain_command(struct command_req *req, const struct odict *args,
			  void *arg)
{
	struct dispatchee *d = arg;
	struct dispatchee_drain dd = { .on = true };
	const struct event ev = {
		.name = "dispatchee.drain", .data = &dd,
		.detail = drain_detail,
	};

	if (odict_lookup(args, "on") && !flag_get(args, &dd.on, "on")) {
		command_fail(req, EINVAL, "on: true or false");
		return;
	}
	if (odict_lookup(args, "exit") && !flag_get(args, &dd.exit, "exit")) {
		command_fail(req, EINVAL, "exit: true or false");
		return;
	}

	d->api.drain(d, dd.on);
	(void)event_fire(server_events(service_server(d->svc)), &ev);

	if (dd.exit && !dd.taken)
		command_fail(req, ENOSYS, "no service here ends the process"
			     " when it is empty (move)");
	else
		command_ok(req, NULL);
}


static int api_state(const struct dispatchee *d)
{
	return report_state(d);
}


static void api_drain(struct dispatchee *d, bool on)
{
	if (d->draining == on)
		return;

	d->draining = on;
	report_now(d);
	log_event(LOG_NOTICE, "dispatchee", NULL, "%s",
		  on ? "draining: no new conferences" : "in service again");
}


static void api_full(struct dispatchee *d, bool on)
{
	if (d->full == on)
		return;

	d->full = on;
	report_changed(d);
}


static void api_orphans(struct dispatchee *d, claim_each_h *h, void *arg)
{
	d->orphan_h = h;
	d->orphan_arg = arg;
}


static void dispatchee_stop(struct service *svc)
{
	struct dispatchee *d = service_data(svc);

	d->stopping = true;
	if (d->bus)
		report_stop(d);

	d->offers = mem_deref(d->offers);
	d->about  = mem_deref(d->about);
	d->counts = mem_deref(d->counts);
	d->sub    = mem_deref(d->sub);
	d->watch  = mem_deref(d->watch);
	d->server_watch = mem_deref(d->server_watch);

	hash_flush(d->confh);
	hash_flush(d->guesth);
	list_flush(&d->ownerl);
	d->self = NULL;
	d->participants = d->running = d->contracted = d->incoming = 0;
	memset(d->mediav, 0, sizeof(d->mediav));

	d->willcall = mem_deref(d->willcall);
	d->key = mem_deref(d->key);
}


static void dispatchee_destructor(void *arg)
{
	struct dispatchee *d = arg;

	tmr_cancel(&d->heartbeat);
	tmr_cancel(&d->report_tmr);
	mem_deref(d->confh);
	mem_deref(d->guesth);
}


static int dispatchee_init(struct service *svc)
{
	struct dispatchee *d;
	struct timeval tv;
	int err;

	d = mem_zalloc(sizeof(*d), dispatchee_destructor);
	if (!d)
		return ENOMEM;

	d->svc = svc;
	d->api = (struct dispatchee_api){
		.d = d, .state = api_state, .unused = report_unused,
		.drain = api_drain, .full = api_full, .owner = claim_owner,
		.claims = claim_each, .owners = owner_each,
		.give = claim_give, .take = claim_take,
		.settle = claim_settle, .expect = local_incoming,
		.orphans = api_orphans, .uri = owner_uri,
		.contact = owner_contact, .met = owner_met,
	};
	siphash_key_random(&d->hkey);
	d->tally = WIRE_TALLY_NONE;

	/* later than any report before a restart */
	(void)gettimeofday(&tv, NULL);
	d->seq = (uint64_t)tv.tv_sec * 1000000 + (uint64_t)tv.tv_usec;

	err  = hash_alloc(&d->confh, CONF_BUCKETS);
	err |= hash_alloc(&d->guesth, GUEST_BUCKETS);
	if (err) {
		mem_deref(d);
		return err;
	}

	service_data_set(svc, d);
	service_api_set(svc, &d->api);

	return 0;
}


static int address_print(char *buf, size_t sz, struct sa *laddr)
{
	int err = 0;

	/* what listens everywhere is reached at one */
	if (sa_is_any(laddr)) {
		const uint16_t port = sa_port(laddr);

		err = net_default_source_addr_get(sa_af(laddr), laddr);
		sa_set_port(laddr, port);
	}

	return err ? err : re_snprintf(buf, sz, "%J", laddr) < 0 ? ENOMEM : 0;
}


/* What listens on the other family of addresses, too, is for those who came
   by that one. */
static void other_set(struct dispatchee *d, const struct siphost_api *host,
		      int af)
{
	struct sa laddr;

	if (!host->laddr_af ||
	    host->laddr_af(host->sh, af == AF_INET6 ? AF_INET : AF_INET6,
			   &laddr) ||
	    address_print(d->report.other, sizeof(d->report.other), &laddr))
		d->report.other[0] = '\0';
}


static int contact_set(struct dispatchee *d)
{
	struct server *srv = service_server(d->svc);
	const struct siphost_api *host = service_api(srv, "siphost");
	const char *contact = config_str(dispatchee_config(d),
					 "dispatchee.contact");
	struct sa laddr;
	int err = 0;

	d->report.other[0] = '\0';
	if (!contact) {
		err = host && host->laddr ? host->laddr(host->sh, &laddr)
					  : ENOENT;
		if (!err)
			err = address_print(d->report.contact,
					    sizeof(d->report.contact),
					    &laddr);
		if (!err)
			other_set(d, host, sa_af(&laddr));
	}
	else if (!name_contact_valid(contact, strlen(contact))) {
		err = EINVAL;
	}
	else {
		str_ncpy(d->report.contact, contact,
			 sizeof(d->report.contact));
	}

	if (err)
		log_event(LOG_ERROR, "dispatchee", NULL,
			  "dispatchee.contact: where do clients reach this"
			  " server? (host:port)");

	return err;
}


static int offers_make(struct dispatchee *d)
{
	static const struct offer_listener listenerv[] = {
		{"client.join", EVENT_PRIO_DISPATCHEE, admit_handler, false},
		{"client.join", EVENT_PRIO_NORMAL, uninvited_handler, false},
		{"connect.created", EVENT_PRIO_NORMAL, created_handler, false},
		{"connect.joined", EVENT_PRIO_NORMAL, joined_handler, false},
		{"connect.left", EVENT_PRIO_NORMAL, left_handler, false},
		{"connect.moved", EVENT_PRIO_NORMAL, moved_handler, false},
		{"connect.lost", EVENT_PRIO_NORMAL, moved_handler, false},
		{"connect.deleted", EVENT_PRIO_NORMAL, deleted_handler, false},
		{"config.changed", EVENT_PRIO_NORMAL, changed_handler, false},
		{"server.stopping", EVENT_PRIO_NORMAL, stopping_handler,
		 false},
	};
	static const struct offer_command commandv[] = {
		{"drain", COMMAND_CHANGE, "take no new conferences: on, exit",
		 drain_command},
	};
	static const char *const labelv[DISPATCHEE_COUNTS] = {
		[ADMITTED_TICKET]   = "what=\"admitted_ticket\"",
		[ADMITTED_WILLCALL] = "what=\"admitted_willcall\"",
		[ADMITTED_OPEN]     = "what=\"admitted_open\"",
		[REFUSED_TICKET]    = "what=\"refused_ticket\"",
		[REFUSED_FULL]      = "what=\"refused_full\"",
		[GRANTED]           = "what=\"place_granted\"",
		[NOT_GRANTED]       = "what=\"place_refused\"",
		[CONFLICTS]         = "what=\"conflict\"",
		[SENT_ON]           = "what=\"sent_on\"",
	};
	size_t i;
	int err;

	err = offers_alloc(&d->offers, service_server(d->svc));
	if (!err)
		err = offers_listen(d->offers, listenerv,
				    ARRAY_SIZE(listenerv), d);
	if (!err)
		err = offers_commands(d->offers, commandv,
				      ARRAY_SIZE(commandv), d);

	for (i=0; i<ARRAY_SIZE(labelv) && !err; i++) {
		const struct offer_metric om = {
			METRIC_COUNTER, "junctor_dispatchee_joins_total",
			labelv[i], "Joins by what became of them",
			offers_counter, &d->countv[i]
		};

		err = offers_metrics(d->offers, &om, 1, NULL);
	}

	return err;
}


/* What others ask this server */
static int listen_for(struct bus_sub **subp, struct dispatchee *d,
		      const char *what, bus_msg_h *h)
{
	char subject[NAME_KEY_MAX + 32], key[NAME_KEY_MAX];
	int err;

	err = name_key(key, sizeof(key), d->report.name,
		       strlen(d->report.name));
	if (err)
		return err;

	(void)re_snprintf(subject, sizeof(subject), "server.%s.%s", key,
			  what);

	return bus_subscribe(subp, d->bus, subject, h, d);
}


static int dispatchee_start(struct service *svc)
{
	struct dispatchee *d = service_data(svc);
	struct server *srv = service_server(svc);
	const struct config *cfg = dispatchee_config(d);
	int err;

	d->bus = server_bus(srv);
	d->stopping = d->paused = d->full = false;
	str_ncpy(d->report.name, server_name(srv), sizeof(d->report.name));

	err = willcall_alloc(&d->willcall,
			     config_u32(cfg, "dispatchee.willcall_max"),
			     config_u32(cfg, "dispatchee.lease"));
	if (!err)
		err = report_settings(d);
	if (!err)
		err = contact_set(d);
	if (!err)
		err = noc_key_ticket(&d->key, srv, "dispatchee");
	if (!err)
		err = owner_watch(d);
	if (!err)
		err = local_watch(d);
	if (!err)
		err = listen_for(&d->sub, d, "reserve", reserve_handler);
	if (!err)
		err = listen_for(&d->about, d, "about", about_handler);
	if (!err)
		err = listen_for(&d->counts, d, "counts", counts_handler);
	if (!err)
		err = offers_make(d);

	if (err)
		dispatchee_stop(svc);
	else
		report_now(d);

	return err;
}


static int dispatchee_pause(struct service *svc)
{
	struct dispatchee *d = service_data(svc);

	d->paused = true;
	report_now(d);

	return 0;
}


static int dispatchee_resume(struct service *svc)
{
	struct dispatchee *d = service_data(svc);

	d->paused = false;
	report_now(d);

	return 0;
}


static const char *const needs[] = {"siphost", NULL};

extern const struct service_export service_export;

const struct service_export service_export = {
	.api_version = SERVICE_API_VERSION,
	.name     = "dispatchee",
	.needs    = needs,
	.settings = settings,
	.init     = dispatchee_init,
	.start    = dispatchee_start,
	.stop     = dispatchee_stop,
	.pause    = dispatchee_pause,
	.resume   = dispatchee_resume,
	.close    = service_release,
};
