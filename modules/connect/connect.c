/**
 * @file connect.c  What connect services share: the client host's events
 *                  become rooms and members
 */
#include <string.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "server/event.h"
#include "server/log.h"
#include "noc/client.h"
#include "noc/roster.h"
#include "mesh/mesh.h"
#include "mesh/mesh_service.h"
#include "connect/connect.h"
#include "connect/room.h"


const char *const connect_needs[] = {"siphost", "mesh", NULL};

const struct setting connect_settings[] = {
	{"connect.open", SETTING_BOOL, "no", 0, 0, NULL, SETTING_RUNTIME,
	 "take joins that no dispatch server sent here"},
	{"connect.codecs", SETTING_STRING, "opus,G722,PCMU,PCMA", 1, 200,
	 NULL, SETTING_RUNTIME, "codecs that may be used"},
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
	{NULL, 0, NULL, 0, 0, NULL, 0, NULL}
};


static void connect_destructor(void *data)
{
	struct connect *c = data;

	for (size_t i = 0; i < ARRAY_SIZE(c->cmdv); i++)
		mem_deref(c->cmdv[i]);
	for (size_t i = 0; i < ARRAY_SIZE(c->lsnv); i++)
		mem_deref(c->lsnv[i]);
	mem_deref(c->roomh);
	mem_deref(c->memberh);
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
 * Details of a "connect." event for logs and other servers
 *
 * @param od   Object to add to
 * @param data struct connect_event
 *
 * @return 0 if success, otherwise errorcode
 */
int connect_event_detail(struct odict *od, const void *data)
{
	static const char *const causev[] = {
		"bye", "kicked", "timeout", "error", "shutdown",
	};
	const struct connect_event *ce = data;
	int err = 0;

	err |= odict_entry_add(od, "conference", ODICT_STRING,
			       ce->conference);
	err |= odict_entry_add(od, "participants", ODICT_INT,
			       (int64_t)ce->participants);
	if (!ce->user)
		return err;

	err |= odict_entry_add(od, "id", ODICT_INT, (int64_t)ce->id);
	err |= odict_entry_add(od, "user", ODICT_STRING, ce->user);
	err |= odict_entry_add(od, "name", ODICT_STRING, ce->name);
	err |= odict_entry_add(od, "account", ODICT_STRING, ce->account);
	err |= odict_entry_add(od, "codec", ODICT_STRING, ce->codec);
	err |= odict_entry_add(od, "on", ODICT_BOOL, ce->on);

	if (ce->left_usec) {
		err |= odict_entry_add(od, "cause", ODICT_STRING,
				       causev[ce->cause]);
		err |= odict_entry_add(od, "seconds", ODICT_DOUBLE,
			(double)(ce->left_usec - ce->joined_usec) / 1e6);
	}

	return err;
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
		(void)client_reject(join->client, scode, reason);
		return;
	}

	err = room_get(&room, c, join->conference);
	if (!err)
		err = member_alloc(&m, room, join, join->offer);
	if (!err)
		c->rule->wire(room);
	mem_deref(room);

	if (err == ENOENT)
		(void)client_reject(join->client, 488,
				    "No codec in common");
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
		room_member(room, 0, join->user);
}


static bool subscribe_h(const struct event *ev, void *arg)
{
	struct connect *c = arg;
	const struct join *join = ev->data;
	struct room *room = room_find(c, join->conference);

	/* Perhaps it runs elsewhere: others may know. */
	if (!room)
		return false;

	if (!may_watch(c, room, join)) {
		(void)client_reject(join->client, 403,
				    "Only participants may watch");
		return true;
	}

	if (!client_accept(join->client, NULL))
		(void)roster_watch(room->roster, join->client);

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


static bool room_refresh_h(struct le *le, void *arg)
{
	const struct room *room = le->data;

	return roster_watches(room->roster, arg) &&
		!roster_watch(room->roster, arg);
}


static bool refresh_h(const struct event *ev, void *arg)
{
	const struct client_event *ce = ev->data;
	struct connect *c = arg;

	hash_apply(c->roomh, room_refresh_h, ce->client);

	return false;
}


static bool room_unwatch_h(struct le *le, void *arg)
{
	const struct room *room = le->data;

	return roster_unwatch(room->roster, arg);
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
		hash_apply(c->roomh, room_unwatch_h, ce->client);

	return false;
}


static bool member_stop_h(struct le *le, void *arg)
{
	(void)arg;

	member_bye(le->data, LEAVE_SHUTDOWN);

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


static void totals(const struct connect *c, struct connect_totals *tot)
{
	tot->conferences  = c->roomc;
	tot->participants = c->memberc;
}


static unsigned participants(const struct connect *c, const char *name)
{
	const struct room *room = room_find(c, name);

	return room ? room->memberc : 0;
}


static bool callid_cmp_h(struct le *le, void *arg)
{
	const struct member *m = le->data;

	return !strcmp(client_join(m->client)->callid, arg);
}


static int stats(const struct connect *c, const char *callid,
		 struct mesh_stats *st)
{
	const struct member *m;

	m = list_ledata(hash_apply(c->memberh, callid_cmp_h, (void *)callid));

	return m ? mesh_part_stats(m->part, st) : ENOENT;
}


static int start_listening(struct connect *c)
{
	static const struct {
		const char *event;
		event_h *h;
	} hv[CONNECT_LISTENERS] = {
		{"client.join", join_h},
		{"client.subscribe", subscribe_h},
		{"client.established", established_h},
		{"client.media", media_h},
		{"client.text", text_h},
		{"client.dtmf", dtmf_h},
		{"client.refresh", refresh_h},
		{"client.leave", leave_h},
		{"server.stopping", stopping_h},
	};
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(hv) && !err; i++)
		err = event_listen(&c->lsnv[i],
				   server_events(service_server(c->svc)),
				   hv[i].event, EVENT_PRIO_CONNECT,
				   hv[i].h, c);

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
	c->api  = (struct connect_api){
		.c = c, .totals = totals, .participants = participants,
		.stats = stats,
	};

	err  = hash_alloc(&c->roomh, 1024);
	err |= hash_alloc(&c->memberh, 4096);
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

	err = start_listening(c);

	return err ? err : connect_commands(c);
}


/**
 * Stop of every connect service: who is still there is told goodbye
 *
 * @param svc The service
 */
void connect_stop(struct service *svc)
{
	struct connect *c = service_data(svc);

	hash_apply(c->memberh, member_stop_h, NULL);

	for (size_t i = 0; i < ARRAY_SIZE(c->cmdv); i++)
		c->cmdv[i] = mem_deref(c->cmdv[i]);
	for (size_t i = 0; i < ARRAY_SIZE(c->lsnv); i++)
		c->lsnv[i] = mem_deref(c->lsnv[i]);
}


/**
 * How many participants a shutdown still waits for
 *
 * @param svc The service
 *
 * @return Number of participants
 */
unsigned connect_busy(const struct service *svc)
{
	const struct connect *c = service_data(svc);

	return c->memberc;
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
