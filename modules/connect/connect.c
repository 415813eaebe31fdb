/**
 * @file connect.c  What connect services share: the client host's events
 *                  become rooms and members
 */
#include <string.h>
#include <sys/time.h>
#include <re.h>
#include "server/offers.h"
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "server/log.h"
#include "noc/roster.h"
#include "mesh/mesh_service.h"
#include "siphost/siphost.h"
#include "connect/connect.h"
#include "connect/room.h"
#include "connect/seatwriter.h"


const char *const connect_needs[] = {"siphost", "mesh", NULL};

const struct setting connect_settings[] = {
	{"connect.open", SETTING_BOOL, "no", 0, 0, NULL, SETTING_RUNTIME,
	 "take joins that no dispatch server sent here"},
	{"connect.codecs", SETTING_STRING, "opus,G722,PCMU,PCMA", 1, 200,
	 "opus|G722|PCMU|PCMA", SETTING_RUNTIME, "codecs that may be used"},
	{"connect.room_max", SETTING_U32, "10000", 1, 1000000, NULL,
	 SETTING_RUNTIME, "most participants of one conference"},
	{"connect.talkers", SETTING_U32, "0", 0, MESH_TALKERS_MAX, NULL,
	 SETTING_RUNTIME,
	 "most talkers mixed at once in a new conference, 0: mesh.talkers"},
	{"connect.chime_max", SETTING_U32, "0", 0, 1000, NULL,
	 SETTING_RUNTIME,
	 "chime on joining and leaving up to so many participants, 0: never"},
	{"connect.hangup_silent", SETTING_BOOL, "yes", 0, 0, NULL,
	 SETTING_RUNTIME, "hang up when neither RTP nor RTCP comes for long"},
	{"connect.roster_open", SETTING_BOOL, "no", 0, 0, NULL,
	 SETTING_RUNTIME, "who is not in a conference may watch its roster"},
	{"connect.seats", SETTING_CHOICE, "auto", 0, 0, "auto|yes|no", 0,
	 "keep seats on the bus for other servers: auto if there may be any"},
	{"connect.seats_rate", SETTING_U32, "1000", 10, 100000, NULL, 0,
	 "most seats written to the bus [1/s]"},
	{NULL, 0, NULL, 0, 0, NULL, 0, NULL}
};


static void connect_destructor(void *data)
{
	struct connect *c = data;

	mem_deref(c->offers);
	mem_deref(c->writer);
	mem_deref(c->roomh);
	mem_deref(c->memberh);
	mem_deref(c->watchh);
	mem_deref(c->callidh);
	mem_deref(c->watchidh);
	mem_deref(c->idh);
}


/**
 * The configuration that a connect service runs under
 *
 * @param c Connect service
 *
 * @return Configuration (borrowed)
 */
struct config *connect_config(const struct connect *c)
{
	return server_config(service_server(c->svc));
}


/**
 * Name of this server
 *
 * @param c Connect service
 *
 * @return Name (borrowed)
 */
const char *connect_server(const struct connect *c)
{
	return server_name(service_server(c->svc));
}


/**
 * What time it is
 *
 * @return UTC since the epoch [us]
 */
uint64_t connect_now(void)
{
	struct timeval tv;

	gettimeofday(&tv, NULL);

	return 1000000ULL * (uint64_t)tv.tv_sec + (uint64_t)tv.tv_usec;
}


/* Why somebody may not come in: 0, or a SIP status and its reason. */
static uint16_t refuse(const struct connect *c, const struct room *room,
		       const char **reason)
{
	if (c->stopping || service_state(c->svc) != SERVICE_RUNNING) {
		*reason = "Server takes no new participants";
		return 503;
	}

	if (!room)
		return 0;

	if (room->locked) {
		*reason = "Conference is locked";
		return 403;
	}

	if (room->count >= config_u32(connect_config(c),
				      "connect.room_max")) {
		*reason = "Conference is full";
		return 486;
	}

	return c->rule->admit ? c->rule->admit(room, reason) : 0;
}


static void join_take(struct connect *c, const struct join *join)
{
	const char *reason = NULL;
	struct room *room = NULL;
	struct member *m;
	uint16_t scode;
	int err;

	scode = refuse(c, room_find(c, join->conference), &reason);
	if (scode) {
		log_trace(c->rule->name, join->callid, "%s may not join %s: "
			  "%u %s", join->user, join->conference, scode,
			  reason ? reason : "");
		(void)client_reject(join->client, scode, reason);
		return;
	}

	err = room_get(&room, c, join->conference);
	if (!err)
		err = member_alloc(&m, room, join, join->offer);
	if (!err)
		c->rule->wire(room);
	mem_deref(room);

	if (err == ENOENT) {
		log_trace(c->rule->name, join->callid, "%s and %s have no "
			  "codec in common", join->user, join->conference);
		(void)client_reject(join->client, 488,
				    "No codec in common");
	}
	else if (err) {
		log_event(LOG_WARN, c->rule->name, join->callid,
			  "%s cannot join %s: %s", join->user,
			  join->conference, strerror(err));
		(void)client_reject(join->client, 500,
				    "No room in the media engine");
	}
}


static bool join_h(const struct event *ev, void *arg)
{
	struct connect *c = arg;
	const struct join *join = ev->data;

	if (!join->admitted && !config_bool(connect_config(c),
					    "connect.open"))
		return false;

	join_take(c, join);

	return true;
}


static bool may_watch(const struct connect *c, const struct room *room,
		      const struct join *join)
{
	return config_bool(connect_config(c), "connect.roster_open") ||
		room_member(room, 0, join->user) ||
		(room_parted(room) && roster_shows(room->roster,
						   join->user));
}


static bool subscribe_h(const struct event *ev, void *arg)
{
	struct connect *c = arg;
	const struct join *join = ev->data;
	struct room *room = room_find(c, join->conference);
	struct watch *w;

	/* Perhaps it runs elsewhere: others may know. */
	if (!room)
		return false;

	if (!may_watch(c, room, join)) {
		(void)client_reject(join->client, 403,
				    "Only participants may watch");
		return true;
	}

	if (!client_accept(join->client, NULL) &&
	    !watch_alloc(&w, room, join->client)) {
		(void)roster_watch(room->roster, join->client);
		seatwriter_watch(w);
	}

	return true;
}


static bool established_h(const struct event *ev, void *arg)
{
	const struct client_event *ce = ev->data;

	member_joined(member_find(arg, ce->client));

	return false;
}


static bool media_h(const struct event *ev, void *arg)
{
	const struct client_event *ce = ev->data;
	struct member *m = member_find(arg, ce->client);
	int err;

	if (!m)
		return false;

	if (ce->answered && m->adoption) {
		adoption_answered(m, ce->media);
		return true;
	}

	if (ce->answered) {
		if (member_answered(m, ce->media))
			member_bye(m, LEAVE_ERROR);
		return true;
	}

	err = member_answer(m, ce->media);
	if (err)
		(void)client_reject(ce->client, err == ENOENT ? 488 : 500,
				    err == ENOENT ? "No codec in common"
				    : "No room in the media engine");

	return true;
}


static bool text_h(const struct event *ev, void *arg)
{
	const struct client_event *ce = ev->data;
	struct member *m = member_find(arg, ce->client);

	if (!m)
		return false;

	member_text(m, ce->type, ce->text);

	return true;
}


static bool dtmf_h(const struct event *ev, void *arg)
{
	const struct client_event *ce = ev->data;
	struct member *m = member_find(arg, ce->client);

	if (!m)
		return false;

	member_key(m, ce->digit);

	return true;
}


static bool refused_h(const struct event *ev, void *arg)
{
	const struct client_event *ce = ev->data;
	struct member *m = member_find(arg, ce->client);

	if (!m)
		return false;

	m->offered = false;
	if (m->adoption)
		adoption_refused(m, ce);

	return false;
}


/* Its phone calls another server instead; it comes as a new participant. */
static bool referred_h(const struct event *ev, void *arg)
{
	const struct client_event *ce = ev->data;
	struct member *m = member_find(arg, ce->client);

	if (m && ce->cause == 200)
		member_bye(m, LEAVE_BYE);

	return false;
}


static bool dead_h(const struct event *ev, void *arg)
{
	const struct client_event *ce = ev->data;
	struct member *m = member_find(arg, ce->client);

	if (m)
		member_dead(m);

	return false;
}


static bool refresh_h(const struct event *ev, void *arg)
{
	const struct client_event *ce = ev->data;
	struct watch *w = watch_find(arg, ce->client);

	if (w) {
		(void)roster_watch(w->room->roster, w->client);
		seatwriter_watch(w);
	}

	return false;
}


static bool leave_h(const struct event *ev, void *arg)
{
	const struct client_event *ce = ev->data;
	struct connect *c = arg;
	struct member *m = member_find(c, ce->client);

	if (m)
		member_left(m, ce->cause ? LEAVE_ERROR : LEAVE_BYE,
			    ce->reason);
	else
		mem_deref(watch_find(c, ce->client));

	return false;
}


static bool member_stop_h(struct le *le, void *arg)
{
	struct member *m = le->data;
	(void)arg;

	if (!m->adoption)
		member_bye(m, LEAVE_SHUTDOWN);

	return false;
}


static bool stopping_h(const struct event *ev, void *arg)
{
	struct connect *c = arg;

	(void)ev;

	c->stopping = true;
	hash_apply(c->memberh, member_stop_h, NULL);

	return false;
}


static int start_offers(struct connect *c)
{
	static const struct offer_listener lsnv[] = {
		{"client.join", EVENT_PRIO_CONNECT, join_h, false},
		{"client.subscribe", EVENT_PRIO_CONNECT, subscribe_h, false},
		{"client.established", EVENT_PRIO_CONNECT, established_h,
		 false},
		{"client.media", EVENT_PRIO_CONNECT, media_h, false},
		{"client.refused", EVENT_PRIO_CONNECT, refused_h, false},
		{"client.referred", EVENT_PRIO_CONNECT, referred_h, false},
		{"client.dead", EVENT_PRIO_CONNECT, dead_h, false},
		{"client.text", EVENT_PRIO_CONNECT, text_h, false},
		{"client.dtmf", EVENT_PRIO_CONNECT, dtmf_h, false},
		{"client.refresh", EVENT_PRIO_CONNECT, refresh_h, false},
		{"client.leave", EVENT_PRIO_CONNECT, leave_h, false},
		{"server.stopping", EVENT_PRIO_CONNECT, stopping_h, false},
	};
	struct server *srv = service_server(c->svc);
	int err;

	err = offers_alloc(&c->offers, srv);
	if (!err)
		err = offers_listen(c->offers, lsnv, ARRAY_SIZE(lsnv), c);
	if (!err)
		err = connect_commands(c);
	if (!err)
		err = connect_metrics(c);

	return err;
}


/**
 * Init of every connect service; its rule is the module's `connect_rule`
 *
 * @param svc The service
 *
 * @return 0 if success, otherwise errorcode
 */
int connect_init(struct service *svc)
{
	struct connect *c;
	int err;

	c = mem_zalloc(sizeof *c, connect_destructor);
	if (!c)
		return ENOMEM;

	c->svc  = svc;
	c->rule = &connect_rule;
	tmr_init(&c->silent_tmr);
	connect_api_init(c);

	err  = hash_alloc(&c->roomh, 1024);
	err |= hash_alloc(&c->memberh, 4096);
	err |= hash_alloc(&c->watchh, 1024);
	err |= hash_alloc(&c->callidh, 4096);
	err |= hash_alloc(&c->watchidh, 1024);
	err |= hash_alloc(&c->idh, 4096);
	if (err) {
		mem_deref(c);
		return ENOMEM;
	}

	service_data_set(svc, c);
	service_api_set(svc, &c->api);

	return 0;
}


/**
 * Start of every connect service: take joins
 *
 * @param svc The service
 *
 * @return 0 if success, otherwise errorcode
 */
int connect_start(struct service *svc)
{
	struct connect *c = service_data(svc);
	const struct mesh_api *mapi = service_api(service_server(svc),
						  "mesh");
	int err;

	if (!mapi)
		return ENOENT;

	c->mesh = mapi->mesh;
	c->host = service_api(service_server(c->svc), "siphost");

	err = seatwriter_alloc(&c->writer, c);

	return err ? err : start_offers(c);
}


/**
 * Stop of every connect service: who is still there is told goodbye
 *
 * @param svc The service
 */
void connect_stop(struct service *svc)
{
	struct connect *c = service_data(svc);

	savings_end(c);
	adoptions_end(c);
	hash_apply(c->memberh, member_stop_h, NULL);
	rooms_end(c);
	silents_stop(c);

	c->offers = mem_deref(c->offers);
	c->writer = mem_deref(c->writer);
}


/**
 * What a shutdown still waits for
 *
 * @param svc The service
 *
 * @return Number of participants, and of seats to be deleted from the bus
 */
unsigned connect_busy(const struct service *svc)
{
	const struct connect *c = service_data(svc);

	return c->memberc + seatwriter_busy(c->writer);
}


/**
 * Close of every connect service
 *
 * @param svc The service
 */
void connect_close(struct service *svc)
{
	service_data_set(svc, mem_deref(service_data(svc)));
}
