/**
 * @file registry.c  Service: which servers there are, and how they are
 *
 * Servers announce themselves (service heartbeat); the registry asks each of
 * them from outside, as a client would, and marks what it finds for dispatch
 * servers and operators. Several registries share the marks. Calls need none.
 *
 * Files: probe.c asks; marks.c agrees; commands.c tells.
 *
 * Settings (registry.*): see below.
 */
#include <string.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "server/offers.h"
#include "server/log.h"
#include "bus/bus.h"
#include "noc/client.h"
#include "registry/registry.h"
#include "registry/reg.h"


enum {
	TICK_MS = 100,             /* between two looks at who is due       */
	SLOTS   = 4,               /* of an interval, with some servers each */
};

static const struct setting settings[] = {
	{"registry.listen", SETTING_SA, NULL, 0, 0, NULL, 0,
	 "where OPTIONS are sent from, ADDR:PORT, port 0: any; default:"
	 " address of sip.listen or heartbeat.listen, any port"},
	{"registry.interval", SETTING_U32, "2000", 100, 600000, NULL,
	 SETTING_RUNTIME, "every server is asked each [ms]"},
	{"registry.timeout", SETTING_U32, "1000", 50, 60000, NULL,
	 SETTING_RUNTIME, "it has to answer within [ms]"},
	{"registry.tries", SETTING_U32, "3", 1, 100, NULL, SETTING_RUNTIME,
	 "it is out of contact when it did not answer so many times"},
	{NULL, 0, NULL, 0, 0, NULL, 0, NULL}
};


static int marked_detail(struct odict *od, const void *data)
{
	const struct registry_event *re = data;
	int err;

	err  = odict_entry_add(od, "name", ODICT_STRING, re->mark->name);
	err |= odict_entry_add(od, "state", ODICT_STRING,
			       mark_state_name(re->mark->state));
	err |= odict_entry_add(od, "reason", ODICT_STRING, re->mark->reason);
	err |= odict_entry_add(od, "by", ODICT_STRING, re->mark->by);

	return err;
}


/**
 * A server has another mark
 *
 * @param r Registry
 * @param m Mark
 */
void registry_marked(struct registry *r, const struct mark *m)
{
	const struct mark copy = *m;
	struct registry_event re = {.mark = &copy};
	const struct event ev = {
		.name = "registry.marked", .data = &re,
		.detail = marked_detail,
	};

	log_event(m->state == MARK_OUT_OF_CONTACT ? LOG_WARN : LOG_INFO,
		  "registry", NULL, "server %s is %s%s%s", m->name,
		  mark_state_text(m->state), m->reason[0] ? ": " : "",
		  m->reason);
	(void)event_fire(server_events(r->srv), &ev);
}


static void node_take(const struct node_info *ni, void *arg)
{
	struct registry *r = arg;
	struct target *t;

	t = target_get(r, ni->record->name);
	if (!t)
		return;

	t->known = true;
	str_ncpy(t->sip, ni->record->sip, sizeof(t->sip));
}


/* Not all at once; but those who share a slot are asked at the same moment */
static uint64_t due_next(const struct registry *r, uint64_t due, uint64_t now)
{
	const uint32_t slot = r->interval / SLOTS;

	return now - now % slot + (due ? r->interval
				   : slot * (1 + rand_u32() % SLOTS));
}


static void tick_handler(void *arg)
{
	struct registry *r = arg;
	const uint64_t now = tmr_jiffies();
	struct le *le;

	LIST_FOREACH(&r->targetl, le) {
		struct target *t = le->data;

		t->known = false;
	}
	r->hb->apply(r->hb->hb, node_take, r);

	LIST_FOREACH(&r->targetl, le) {
		struct target *t = le->data;
		const enum node_state st = r->hb->state(r->hb->hb, t->name);

		if (!t->known || (st != NODE_UP && st != NODE_DOWN) ||
		    now < t->due)
			continue;

		t->due = due_next(r, t->due, now);
		(void)probe_start(t, NULL);
	}

	tmr_start(&r->tick, bus_turn(TICK_MS), tick_handler, r);
}


/* What the heartbeat has found out need not wait for the next probe. */
static bool node_handler(const struct event *ev, void *arg)
{
	const struct node_event *ne = ev->data;
	struct registry *r = arg;
	struct target *t = ne ? target_get(r, ne->name) : NULL;

	if (!t)
		return false;

	if (strcmp(ev->name, "node.down")) {
		t->failures = 0;
		t->due = 1;
	}
	t->known = true;
	mark_judge(t);

	return false;
}


static void settings_get(struct registry *r)
{
	const struct config *cfg = server_config(r->srv);

	r->interval = config_u32(cfg, "registry.interval");
	r->timeout  = config_u32(cfg, "registry.timeout");
	r->tries    = config_u32(cfg, "registry.tries");
}


static bool changed_handler(const struct event *ev, void *arg)
{
	const struct config_change *ch = ev->data;

	if (ch && !strncmp(ch->key, "registry.", 9))
		settings_get(arg);

	return false;
}


static void registry_stop(struct service *svc)
{
	struct registry *r = service_data(svc);

	if (!r)
		return;

	tmr_cancel(&r->tick);
	r->offers = mem_deref(r->offers);
	marks_stop(r);
	probe_close(r);
	mem_deref(r);
	service_data_set(svc, NULL);
}


static int offers_make(struct registry *r)
{
	static const struct offer_listener listenerv[] = {
		{"node.up", EVENT_PRIO_NORMAL, node_handler, false},
		{"node.down", EVENT_PRIO_NORMAL, node_handler, false},
		{"config.changed", EVENT_PRIO_NORMAL, changed_handler, false},
	};
	int err;

	err = offers_alloc(&r->offers, r->srv);
	if (!err)
		err = offers_listen(r->offers, listenerv,
				    ARRAY_SIZE(listenerv), r);
	if (!err)
		err = registry_commands(r);

	return err;
}


static int registry_start(struct service *svc)
{
	struct registry *r;
	int err;

	r = mem_zalloc(sizeof(*r), NULL);
	if (!r)
		return ENOMEM;

	r->svc = svc;
	r->srv = service_server(svc);
	r->bus = server_bus(r->srv);
	r->hb  = service_api(r->srv, "heartbeat");
	tmr_init(&r->tick);
	service_data_set(svc, r);

	settings_get(r);
	err = r->hb ? probe_open(r) : ENOENT;
	if (!err)
		err = marks_start(r);
	if (!err)
		err = offers_make(r);

	if (err)
		registry_stop(svc);
	else
		tmr_start(&r->tick, bus_turn(TICK_MS), tick_handler, r);

	return err;
}


static const char *const needs[] = {"heartbeat", NULL};

extern const struct service_export service_export;

const struct service_export service_export = {
	.api_version = SERVICE_API_VERSION,
	.name     = "registry",
	.needs    = needs,
	.settings = settings,
	.start    = registry_start,
	.stop     = registry_stop,
};
