/**
 * @file nodes.c  The bucket "nodes": our record in it, and those of others
 */
#include <string.h>
#include <time.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/log.h"
#include "bus/bus.h"
#include "noc/client.h"
#include "noc/name.h"
#include "heartbeat/hb.h"


enum {
	FORGET_S  = 3600,          /* a server that is gone is forgotten [s]*/
	TOLD_MS   = 60000,         /* between two lines in the log          */
};


static void node_destructor(void *arg)
{
	struct node *n = arg;

	list_unlink(&n->le);
	tmr_cancel(&n->again);
	mem_deref(n->req);
	if (n->slot != NO_SLOT)
		beater_peer_del(n->hb->beater, n->slot);
}


/**
 * Find another server
 *
 * @param hb   Heartbeat
 * @param name Its name
 *
 * @return Node, or NULL
 */
struct node *node_find(const struct heartbeat *hb, const char *name)
{
	struct le *le;

	LIST_FOREACH(&hb->nodel, le) {
		struct node *n = le->data;

		if (!strcmp(n->rec.name, name))
			return n;
	}

	return NULL;
}


static bool node_gone(const struct node *n)
{
	return !n->announced &&
		(n->state == NODE_DOWN || n->state == NODE_LEFT);
}


/* Room for one more: whoever is gone for long makes it, in need anybody */
static int room_make(struct heartbeat *hb)
{
	const uint64_t now = (uint64_t)time(NULL);
	const bool full = list_count(&hb->nodel) >= NODES_MAX;
	struct le *le = hb->nodel.head;

	while (le) {
		struct node *n = le->data;

		le = le->next;
		if (node_gone(n) && now > n->since + (full ? 0 : FORGET_S))
			mem_deref(n);
	}

	return list_count(&hb->nodel) < NODES_MAX ? 0 : ENOSPC;
}


static void slot_set(struct node *n)
{
	struct sa sa;

	if (n->slot != NO_SLOT)
		beater_peer_del(n->hb->beater, n->slot);
	n->slot = NO_SLOT;

	if (!n->rec.beat[0] ||
	    sa_decode(&sa, n->rec.beat, strlen(n->rec.beat)))
		return;

	if (beater_peer_add(n->hb->beater, &n->slot, n->rec.instance, &sa))
		n->slot = NO_SLOT;
}


static void node_begin(struct node *n, const struct node_record *rec)
{
	n->rec = *rec;
	n->state = NODE_NEW;
	n->since = (uint64_t)time(NULL);
	n->unanswered = n->proven = n->only_bus = false;
	n->req = mem_deref(n->req);
	tmr_cancel(&n->again);
	slot_set(n);

	if (n->slot == NO_SLOT)
		heartbeat_up(n, "announces itself, without heartbeats");
}


static void node_add(struct heartbeat *hb, const struct node_record *rec)
{
	struct node *n;
	int err;

	err = room_make(hb);
	n = err ? NULL : mem_zalloc(sizeof(*n), node_destructor);
	if (!n) {
		log_event(LOG_ERROR, "heartbeat", NULL,
			  "no place for server %s", rec->name);
		return;
	}

	n->hb = hb;
	n->slot = NO_SLOT;
	n->announced = true;
	list_append(&hb->nodel, &n->le, n);
	node_begin(n, rec);
}


static void name_twice(struct heartbeat *hb, const char *name)
{
	const uint64_t now = tmr_jiffies();

	if (hb->told && now < hb->told + TOLD_MS)
		return;

	hb->told = now;
	log_event(LOG_ERROR, "heartbeat", NULL, "two servers call themselves"
		  " %s: give each its own server.name", name);
}


static void node_update(struct node *n, const struct node_record *rec)
{
	const bool moved = strcmp(n->rec.beat, rec->beat) != 0;

	if (rec->instance != n->rec.instance) {

		if (rec->left)
			return;
		if (n->state == NODE_UP && n->slot != NO_SLOT &&
		    judge_state(n) == BEATER_HEARD) {
			name_twice(n->hb, rec->name);
			return;
		}

		if (n->state == NODE_UP || n->state == NODE_NEW)
			heartbeat_down(n, "has started anew");
		n->announced = true;
		node_begin(n, rec);
		return;
	}

	n->announced = !rec->left;
	n->rec = *rec;
	if (rec->left)
		heartbeat_left(n);
	else if (moved)
		slot_set(n);

	if (n->state == NODE_DOWN && !rec->left) {
		if (n->slot == NO_SLOT)
			heartbeat_up(n, "announces itself again");
		else
			judge_ask(n);
	}
}


static void own_record(struct heartbeat *hb, const struct node_record *rec)
{
	if (!rec) {
		/* it was away for too long */
		nodes_announce(hb);
	}
	else if (rec->instance != hb->self.instance && !rec->left &&
		 rec->started >= hb->self.started) {
		name_twice(hb, rec->name);
	}
}


static void record_gone(struct heartbeat *hb, const char *key)
{
	char name[NAME_SERVER_MAX];
	struct node *n;

	if (name_from_key(name, sizeof(name), key))
		return;

	if (!strcmp(name, hb->self.name)) {
		own_record(hb, NULL);
		return;
	}

	n = node_find(hb, name);
	if (!n)
		return;

	n->announced = false;
	if (n->state != NODE_DOWN)
		judge_ask(n);
}


static void watch_handler(const char *key, uint64_t rev, const uint8_t *buf,
			  size_t len, void *arg)
{
	struct heartbeat *hb = arg;
	struct node_record rec;
	struct node *n;
	int err;
	(void)rev;

	if (!key)
		return;

	if (!buf) {
		record_gone(hb, key);
		return;
	}

	err = node_record_decode(&rec, buf, len);
	if (err) {
		log_event(LOG_WARN, "heartbeat", NULL,
			  "record %s is not understood: %s", key,
			  strerror(err));
		return;
	}

	if (!strcmp(rec.name, hb->self.name)) {
		own_record(hb, &rec);
		return;
	}

	n = node_find(hb, rec.name);
	if (n)
		node_update(n, &rec);
	else if (!rec.left)
		node_add(hb, &rec);
}


static void services_get(struct heartbeat *hb)
{
	struct odict *array = NULL;
	struct le *le;
	size_t n = 0;

	hb->self.services[0] = '\0';
	if (odict_alloc(&array, 32) || service_list(hb->srv, array))
		goto out;

	LIST_FOREACH(&array->lst, le) {
		const struct odict_entry *e = le->data;
		const char *name = e->type == ODICT_OBJECT
			? odict_string(e->u.odict, "name") : NULL;
		const char *state = e->type == ODICT_OBJECT
			? odict_string(e->u.odict, "state") : NULL;
		const size_t len = str_len(name);

		if (!len || !state || (strcmp(state, "running") &&
				       strcmp(state, "paused")) ||
		    n + len + 2 > sizeof(hb->self.services))
			continue;
		if (n)
			hb->self.services[n++] = ',';
		memcpy(hb->self.services + n, name, len + 1);
		n += len;
	}

 out:
	mem_deref(array);
}


static void put_handler(int err, uint64_t rev, const uint8_t *buf, size_t len,
			void *arg)
{
	struct heartbeat *hb = arg;
	(void)rev;
	(void)buf;
	(void)len;

	/* the proof tells in detail; this one begins it */
	if (err)
		hb->bus_bad = true;
}


static int record_put(struct heartbeat *hb)
{
	char key[NAME_KEY_MAX];
	struct mbuf *mb;
	int err;

	mb = mbuf_alloc(512);
	if (!mb)
		return ENOMEM;

	err = node_record_encode(mb, &hb->self);
	if (!err)
		err = name_key(key, sizeof(key), hb->self.name,
			       strlen(hb->self.name));
	if (!err) {
		hb->op = mem_deref(hb->op);
		err = bus_kv_put(hb->self.left ? NULL : &hb->op, hb->bus,
				 "nodes", key, mb->buf, mb->end,
				 3 * hb->lease,
				 hb->self.left ? NULL : put_handler, hb);
	}
	mem_deref(mb);

	return err;
}


static void announce_handler(void *arg)
{
	nodes_announce(arg);
}


/**
 * Write our record, now and every lease at least
 *
 * @param hb Heartbeat
 */
void nodes_announce(struct heartbeat *hb)
{
	services_get(hb);
	if (record_put(hb))
		hb->bus_bad = true;
	echo_measure(hb);

	(void)room_make(hb);
	tmr_start(&hb->announce, bus_turn(hb->lease), announce_handler, hb);
}


/**
 * Announce ourselves and follow the others
 *
 * @param hb Heartbeat
 *
 * @return 0 if success
 */
int nodes_start(struct heartbeat *hb)
{
	nodes_announce(hb);

	return bus_kv_watch(&hb->watch, hb->bus, "nodes", ">", watch_handler,
			    hb);
}


/**
 * Say goodbye, and forget everybody
 *
 * @param hb Heartbeat
 */
void nodes_stop(struct heartbeat *hb)
{
	tmr_cancel(&hb->announce);
	hb->watch = mem_deref(hb->watch);
	if (hb->beater) {
		beater_bye(hb->beater);
		hb->self.left = true;
		(void)record_put(hb);
	}

	list_flush(&hb->nodel);
	hb->op = mem_deref(hb->op);
}
