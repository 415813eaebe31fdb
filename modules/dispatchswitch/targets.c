/**
 * @file targets.c  The dispatch servers, and which of them live
 *
 *   bucket nodes    who runs the service dispatch, and where
 *   bucket roles    which of those that stand by are active
 *   noc.dispatch    how much they have to do
 *   node.up, .down  from the service heartbeat, if it runs here
 *   OPTIONS         asked of each, all the time: what counts in the end
 */
#include <string.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "server/log.h"
#include "bus/bus.h"
#include "noc/json.h"
#include "noc/name.h"
#include "noc/node.h"
#include "sip/ping.h"
#include "dispatchswitch/turn.h"
#include "dispatchswitch/switch.h"


static void target_destructor(void *arg)
{
	struct target *t = arg;

	list_unlink(&t->le);
	mem_deref(t->ping);
}


static void role_destructor(void *arg)
{
	struct role *r = arg;

	list_unlink(&r->le);
}


static bool has_role(const struct dswitch *sw, const char *server)
{
	struct le *le;

	LIST_FOREACH(&sw->rolel, le) {
		const struct role *r = le->data;

		if (!strcmp(r->server, server))
			return true;
	}

	return false;
}


/**
 * May joins go there?
 *
 * @param t Dispatch server
 *
 * @return True if so
 */
bool target_alive(const struct target *t)
{
	const enum ping_state state = ping_state(t->ping);

	if (!t->wanted || (t->standby && !has_role(t->sw, t->name)))
		return false;

	if (!t->ping)
		return !t->down;

	/* heartbeats may be quicker to miss it, but not to know better */
	return state == PING_ALIVE && !t->down;
}


/**
 * Tell the signalling threads who takes part
 *
 * @param sw Switch
 */
void targets_turn(struct dswitch *sw)
{
	struct turn_member v[TURN_MAX];
	unsigned n = 0;
	struct le *le;

	LIST_FOREACH(&sw->targetl, le) {
		const struct target *t = le->data;

		if (!target_alive(t) || n == TURN_MAX)
			continue;

		v[n].id = t->id;
		v[n].load = t->load;
		str_ncpy(v[n].contact, t->contact, sizeof(v[n].contact));
		++n;
	}

	(void)turn_set(sw->turn, v, n);
}


static void ping_handler(enum ping_state state, void *arg)
{
	struct target *t = arg;

	/* it answers: heartbeats may lag behind */
	if (state == PING_ALIVE)
		t->down = false;

	log_event(state == PING_ALIVE ? LOG_NOTICE : LOG_WARN,
		  "dispatchswitch", NULL, "dispatch server %s %s", t->name,
		  state == PING_ALIVE ? "answers" :
		  state == PING_REFUSING ? "takes nothing" :
		  "does not answer");
	targets_turn(t->sw);
}


static struct target *target_find(const struct dswitch *sw, const char *name)
{
	struct le *le;

	LIST_FOREACH(&sw->targetl, le) {
		struct target *t = le->data;

		if (!strcmp(t->name, name))
			return t;
	}

	return NULL;
}


static struct target *target_get(struct dswitch *sw, const char *name)
{
	struct target *t = target_find(sw, name);

	if (t)
		return t;

	if (list_count(&sw->targetl) >= TARGETS_MAX) {
		log_event(LOG_WARN, "dispatchswitch", NULL,
			  "no place for dispatch server %s", name);
		return NULL;
	}

	t = mem_zalloc(sizeof(*t), target_destructor);
	if (!t)
		return NULL;

	t->sw = sw;
	t->id = ++sw->lastid ? sw->lastid : ++sw->lastid;
	str_ncpy(t->name, name, sizeof(t->name));
	list_append(&sw->targetl, &t->le, t);

	return t;
}


static void contact_set(struct target *t, const char *contact)
{
	struct sa sa;

	if (!strcmp(t->contact, contact))
		return;

	str_ncpy(t->contact, contact, sizeof(t->contact));
	t->ping = mem_deref(t->ping);

	/* a name is for phones to resolve, and heartbeats watch over it */
	if (sa_decode(&sa, contact, strlen(contact)))
		return;

	if (ping_alloc(&t->ping, &sa, t->sw->interval, t->sw->timeout,
		       ping_handler, t))
		log_event(LOG_WARN, "dispatchswitch", NULL,
			  "cannot ask %s whether it lives", contact);
}


static void node_set(struct dswitch *sw, const struct node_record *nr)
{
	const bool wanted = node_has_service(nr->services, "dispatch") &&
		!nr->left && name_contact_valid(nr->sip, strlen(nr->sip));
	struct target *t = wanted ? target_get(sw, nr->name)
				  : target_find(sw, nr->name);

	if (!t)
		return;

	t->wanted  = wanted;
	t->standby = node_has_service(nr->services, "standby");
	if (wanted)
		contact_set(t, nr->sip);
}


static void nodes_handler(const char *key, uint64_t rev, const uint8_t *buf,
			  size_t len, void *arg)
{
	struct dswitch *sw = arg;
	char name[NAME_SERVER_MAX];
	struct node_record nr;
	(void)rev;

	if (!key)
		return;

	/* whether it lives is seen by asking it, not by its announcement */
	if (!buf) {
		struct target *t = NULL;

		if (!name_from_key(name, sizeof(name), key))
			t = target_find(sw, name);
		if (t && !t->fixed && ping_state(t->ping) != PING_ALIVE)
			mem_deref(t);
	}
	else if (node_record_decode(&nr, buf, len)) {
		log_event(LOG_WARN, "dispatchswitch", NULL,
			  "node %s is not understood", key);
	}
	else {
		node_set(sw, &nr);
	}

	targets_turn(sw);
}


static struct role *role_find(const struct dswitch *sw, const char *key)
{
	struct le *le;

	LIST_FOREACH(&sw->rolel, le) {
		struct role *r = le->data;

		if (!strcmp(r->key, key))
			return r;
	}

	return NULL;
}


static void role_set(struct dswitch *sw, const char *key, const char *server)
{
	struct role *r = role_find(sw, key);

	if (!r && list_count(&sw->rolel) < TARGETS_MAX) {
		r = mem_zalloc(sizeof(*r), role_destructor);
		if (r)
			list_append(&sw->rolel, &r->le, r);
	}
	if (!r)
		return;

	str_ncpy(r->key, key, sizeof(r->key));
	str_ncpy(r->server, server, sizeof(r->server));
}


static void roles_handler(const char *key, uint64_t rev, const uint8_t *buf,
			  size_t len, void *arg)
{
	struct dswitch *sw = arg;
	struct odict *od = NULL;
	const char *server;
	(void)rev;

	if (!key)
		return;

	/* a role that nobody renewed still is with who had it: perhaps nobody
	   can renew it */
	if (!buf)
		return;

	if (!json_object_decode(&od, (const char *)buf, len)) {
		server = odict_string(od, "server");
		if (server)
			role_set(sw, key, server);
	}
	mem_deref(od);

	targets_turn(sw);
}


static void load_handler(const char *subject, const uint8_t *buf, size_t len,
			 struct bus_reply *reply, void *arg)
{
	struct dswitch *sw = arg;
	struct odict *od = NULL;
	const char *name;
	struct target *t;
	uint64_t load;
	(void)subject;

	if (!json_object_decode(&od, (const char *)buf, len)) {
		name = odict_string(od, "name");
		t = name ? target_find(sw, name) : NULL;
		if (t && odict_get_number(od, &load, "load")) {
			t->load = (uint32_t)min(load, UINT32_MAX);
			turn_load(sw->turn, t->id, t->load);
		}
	}

	mem_deref(od);
	mem_deref(reply);
}


static bool fixed_handler(const char *val, void *arg)
{
	struct dswitch *sw = arg;
	struct target *t;

	if (!name_contact_valid(val, strlen(val))) {
		log_event(LOG_ERROR, "dispatchswitch", NULL,
			  "dispatchswitch.server %s: write HOST:PORT", val);
		return false;
	}

	t = target_get(sw, val);
	if (t) {
		t->fixed = t->wanted = true;
		contact_set(t, val);
	}

	return false;
}


/**
 * A server died, or is back, by what the service heartbeat says
 *
 * @param sw   Switch
 * @param name Server
 * @param down True if it died
 */
void targets_down(struct dswitch *sw, const char *name, bool down)
{
	struct target *t = target_find(sw, name);

	if (!t)
		return;

	t->down = down;
	targets_turn(sw);
}


static int target_odict(const struct target *t, struct odict *od)
{
	int err;

	err  = odict_entry_add(od, "name", ODICT_STRING, t->name);
	err |= odict_entry_add(od, "contact", ODICT_STRING, t->contact);
	err |= odict_entry_add(od, "active", ODICT_BOOL, target_alive(t));
	err |= odict_entry_add(od, "answers", ODICT_BOOL,
			       ping_state(t->ping) == PING_ALIVE);
	err |= odict_entry_add(od, "standby", ODICT_BOOL, t->standby);
	err |= odict_entry_add(od, "load", ODICT_INT, (int64_t)t->load);

	return err;
}


/**
 * Tell of all dispatch servers
 *
 * @param sw    Switch
 * @param array Added to
 *
 * @return 0 if success
 */
int targets_odict(const struct dswitch *sw, struct odict *array)
{
	unsigned n = 0;
	struct le *le;
	int err = 0;

	LIST_FOREACH(&sw->targetl, le) {
		struct odict *od;
		char key[16];

		err = odict_alloc(&od, 8);
		if (err)
			return err;

		(void)re_snprintf(key, sizeof(key), "%u", n++);
		err  = target_odict(le->data, od);
		err |= odict_entry_add(array, key, ODICT_OBJECT, od);
		mem_deref(od);
		if (err)
			return err;
	}

	return 0;
}


/**
 * Begin to follow the dispatch servers
 *
 * @param sw Switch, with its turn
 *
 * @return 0 if success
 */
int targets_start(struct dswitch *sw)
{
	struct server *srv = service_server(sw->svc);
	struct config *cfg = server_config(srv);
	struct bus *bus = server_bus(srv);
	int err;

	sw->interval = config_u32(cfg, "dispatchswitch.interval");
	sw->timeout  = config_u32(cfg, "dispatchswitch.timeout");
	config_multi(cfg, "dispatchswitch.server", fixed_handler, sw);

	err = bus_kv_watch(&sw->watchv[0], bus, "nodes", ">", nodes_handler,
			   sw);
	if (err)
		return err;

	err = bus_kv_watch(&sw->watchv[1], bus, "roles", ">", roles_handler,
			   sw);
	if (err)
		return err;

	return bus_subscribe(&sw->sub, bus, "noc.dispatch", load_handler, sw);
}


/**
 * Forget the dispatch servers
 *
 * @param sw Switch
 */
void targets_stop(struct dswitch *sw)
{
	size_t i;

	for (i=0; i<ARRAY_SIZE(sw->watchv); i++)
		sw->watchv[i] = mem_deref(sw->watchv[i]);
	sw->sub = mem_deref(sw->sub);
	list_flush(&sw->targetl);
	list_flush(&sw->rolel);
}
