/**
 * @file move.c  Service: conferences change their media server
 *
 * Files: out.c a conference leaves, out_lost.c for a server that dies, leg.c
 * each of its participants, pace.c in turn; in.c one comes; ask.c, message.c
 * how the two servers speak; target.c which server is to take it. Who moves:
 * commands.c operators, drain.c a server that is emptied, punt.c one with too
 * much to do. crash.c servers that die, unheard.c those that died before this
 * one started, adopt.c what the bus knows of their participants; text.c what
 * is said to somebody meanwhile, half.c what is said in one half of a
 * conference, and who is there.
 *
 * Settings (move.*, server.drain_seconds): see below.
 * Commands: move, moves; drain (of dispatchee)
 */
#include <string.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "server/offers.h"
#include "server/log.h"
#include "bus/bus.h"
#include "noc/key.h"
#include "noc/seal.h"
#include "move/mover.h"


static const struct setting settings[] = {
	{"move.window", SETTING_U32, "32", 1, 1024, NULL, SETTING_RUNTIME,
	 "participants on their way at once"},
	{"move.rate", SETTING_U32, "500", 1, 100000, NULL, SETTING_RUNTIME,
	 "participants that may set out per second"},
	{"move.retry", SETTING_U32, "2000", 10, 60000, NULL, SETTING_RUNTIME,
	 "one that cannot be moved is tried again after so long, then after"
	 " twice that, and so on [ms]"},
	{"move.parallel", SETTING_U32, "2", 1, 1024, NULL, SETTING_RUNTIME,
	 "conferences that leave at once when a server is emptied"},
	{"move.unheard", SETTING_U32, "3000", 0, 600000, NULL,
	 SETTING_RUNTIME,
	 "after the start: conferences of servers that were not heard of in"
	 " twice that time are taken over [ms], 0: never"},
	{"move.crash_window", SETTING_U32, "256", 1, 65536, NULL,
	 SETTING_RUNTIME,
	 "participants of a server that died, taken over at once"},
	{"move.backup", SETTING_STRING, NULL, 1, 63, NULL, SETTING_RUNTIME,
	 "media server to move to when none is heard of; unset: none"},
	{"move.plan_lead", SETTING_U32, "300", 0, 86400, NULL,
	 SETTING_RUNTIME,
	 "begin to empty the server before it is planned to be out [s]"},
	{"move.punt_above", SETTING_U32, "850", 0, 100000, NULL,
	 SETTING_RUNTIME, "give conferences away above this load of the"
	 " media engine [1/1000], 0: never"},
	{"move.punt_below", SETTING_U32, "650", 0, 100000, NULL,
	 SETTING_RUNTIME, "until it is below this one [1/1000]"},
	{"move.punt_after", SETTING_U32, "2000", 0, 600000, NULL,
	 SETTING_RUNTIME, "when the load was above for [ms]"},
	{"move.punt_settle", SETTING_U32, "2000", 0, 600000, NULL,
	 SETTING_RUNTIME, "time between two that are given away [ms]"},
	{"move.punt_rest", SETTING_U32, "60", 0, 86400, NULL,
	 SETTING_RUNTIME,
	 "a conference that came is not given away again for [s]"},
	{"server.drain_seconds", SETTING_U32, "20", 0, 86400, NULL,
	 SETTING_RUNTIME, "SIGTERM: conferences are given away first, if"
	 " somebody can take them, for at most [s]; 0: goodbye at once"},
	{NULL, SETTING_STRING, NULL, 0, 0, NULL, 0, NULL}
};


/**
 * Configuration of the server
 *
 * @param mv Service
 *
 * @return Configuration (borrowed)
 */
struct config *move_config(const struct move *mv)
{
	return server_config(service_server(mv->svc));
}


static int event_detail(struct odict *od, const void *data)
{
	const struct move_event *me = data;
	int err = 0;

	if (me->conference)
		err |= odict_entry_add(od, "conference", ODICT_STRING,
				       me->conference);
	if (me->from)
		err |= odict_entry_add(od, "from", ODICT_STRING, me->from);
	if (me->to)
		err |= odict_entry_add(od, "to", ODICT_STRING, me->to);
	if (str_isset(me->reason))
		err |= odict_entry_add(od, "reason", ODICT_STRING,
				       me->reason);
	if (!me->conference)
		return err;

	err |= odict_entry_add(od, "legs", ODICT_INT, (int64_t)me->legs);
	err |= odict_entry_add(od, "moved", ODICT_INT, (int64_t)me->moved);
	err |= odict_entry_add(od, "failed", ODICT_INT, (int64_t)me->failed);
	err |= odict_entry_add(od, "left", ODICT_INT, (int64_t)me->left);
	err |= odict_entry_add(od, "ms", ODICT_INT, (int64_t)me->ms);
	if (me->err)
		err |= odict_entry_add(od, "error", ODICT_STRING,
				       strerror(me->err));

	return err;
}


/**
 * Fire an event of this service
 *
 * @param mv   Service
 * @param name "move.started", ...
 * @param me   Its data
 */
void move_fire(struct move *mv, const char *name, const struct move_event *me)
{
	struct move_event copy = *me;
	const struct event ev = {
		.name = name, .callid = me->callid, .data = &copy,
		.detail = event_detail,
	};

	(void)event_fire(server_events(service_server(mv->svc)), &ev);
}


static bool changed_handler(const struct event *ev, void *arg)
{
	const struct config_change *ch = ev->data;

	if (ch && !strncmp(ch->key, "move.", 5))
		pace_settings(arg);

	return false;
}


static bool stopping_handler(const struct event *ev, void *arg)
{
	struct move *mv = arg;
	(void)ev;

	/* before the services below say goodbye to who is left */
	mv->stopping = true;
	outs_stop(mv);

	return false;
}


static int api_move(struct move *mv, const char *conference, const char *to,
		    const char *why, move_done_h *h, void *arg)
{
	char server[NAME_SERVER_MAX];
	int err;

	if (!to) {
		err = target_pick(mv, mv->connect->participants(
				  mv->connect->c, conference), server,
				  sizeof(server));
		if (err)
			return err;
		to = server;
	}

	return out_start(mv, conference, to, why, h, arg);
}


static bool api_moving(const struct move *mv, const char *conference)
{
	return out_find(mv, conference) || in_any(mv, conference) ||
		adopt_running(mv, conference);
}


static bool api_busy(const struct move *mv)
{
	return !list_isempty(&mv->outl) || !list_isempty(&mv->inl) ||
		!list_isempty(&mv->adoptl) || !list_isempty(&mv->orphanl);
}


static void move_stop(struct service *svc)
{
	struct move *mv = service_data(svc);
	size_t i;

	mv->stopping = true;
	mv->offers = mem_deref(mv->offers);
	list_flush(&mv->waitl);
	drain_stop(mv);
	punt_stop(mv);
	crash_stop(mv);
	if (mv->connect && mv->disp) {
		outs_stop(mv);
		ins_stop(mv);
	}
	adopts_stop(mv);
	tmr_cancel(&mv->pace.tmr);
	list_flush(&mv->wordl);
	list_flush(&mv->parcell);
	list_flush(&mv->halfl);

	for (i=0; i<ARRAY_SIZE(mv->subv); i++)
		mv->subv[i] = mem_deref(mv->subv[i]);
	for (i=0; i<ARRAY_SIZE(mv->watchv); i++)
		mv->watchv[i] = mem_deref(mv->watchv[i]);
	mv->tables = mem_deref(mv->tables);
	mv->seal   = mem_deref(mv->seal);
}


static void destructor(void *arg)
{
	struct move *mv = arg;

	list_flush(&mv->laterl);
	mem_deref(mv->legh);
}


static int init(struct service *svc)
{
	struct move *mv;
	int err;

	mv = mem_zalloc(sizeof(*mv), destructor);
	if (!mv)
		return ENOMEM;

	mv->svc = svc;
	mv->api = (struct move_api){
		.mv = mv, .move = api_move, .moving = api_moving,
		.busy = api_busy,
	};
	err = hash_alloc(&mv->legh, 4096);
	if (err) {
		mem_deref(mv);
		return err;
	}

	service_data_set(svc, mv);
	service_api_set(svc, &mv->api);

	return 0;
}


static int listen_all(struct move *mv)
{
	static const struct offer_listener listenerv[] = {
		{"connect.joined", EVENT_PRIO_NORMAL, out_joined_handler,
		 false},
		{"connect.left", EVENT_PRIO_NORMAL, out_left_handler, false},
		{"connect.lost", EVENT_PRIO_NORMAL, out_left_handler, false},
		{"connect.text", EVENT_PRIO_NORMAL, half_text_handler, false},
		{"client.replaces", EVENT_PRIO_NORMAL, in_replaces_handler,
		 false},
		{"config.changed", EVENT_PRIO_NORMAL, changed_handler, false},
		{"server.stopping", EVENT_PRIO_VALIDATION, stopping_handler,
		 false},
	};

	return offers_listen(mv->offers, listenerv, ARRAY_SIZE(listenerv),
			     mv);
}


static int key_load(struct move *mv)
{
	uint8_t secret[NOC_KEY_LEN];
	int err;

	err = noc_key_load(secret, service_server(mv->svc), "move");
	if (!err)
		err = seal_key_alloc(&mv->seal, secret, sizeof(secret));
	explicit_bzero(secret, sizeof(secret));

	return err;
}


static int parts_start(struct move *mv)
{
	int err;

	err = key_load(mv);
	if (err)
		return err;

	err = offers_alloc(&mv->offers, service_server(mv->svc));
	if (err)
		return err;

	err = target_follow(mv);
	if (err)
		return err;

	err = ask_listen(mv);
	if (err)
		return err;

	err = crash_start(mv);
	if (err)
		return err;

	err = drain_start(mv);
	if (err)
		return err;

	err = move_commands(mv);
	if (err)
		return err;

	return listen_all(mv);
}


static int move_start(struct service *svc)
{
	struct move *mv = service_data(svc);
	struct server *srv = service_server(svc);
	int err;

	mv->bus     = server_bus(srv);
	mv->connect = service_api(srv, "connect");
	mv->disp    = service_api(srv, "dispatchee");
	mv->stopping = mv->isolated = false;
	str_ncpy(mv->name, server_name(srv), sizeof(mv->name));
	if (!mv->connect || !mv->disp)
		return ENOENT;

	mv->pace.at = tmr_jiffies();
	pace_settings(mv);

	err = parts_start(mv);
	if (err)
		move_stop(svc);
	else
		punt_start(mv);

	return err;
}


static const char *const needs[] = {"siphost", "connect", "dispatchee", NULL};

extern const struct service_export service_export;

const struct service_export service_export = {
	.api_version = SERVICE_API_VERSION,
	.name     = "move",
	.needs    = needs,
	.settings = settings,
	.init     = init,
	.start    = move_start,
	.stop     = move_stop,
	.close    = service_release,
};
