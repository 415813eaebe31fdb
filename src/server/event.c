/**
 * @file event.c  Events and their listeners
 *
 * Rules:
 *
 * 1. Listeners are called in the order of their priority; those of equal
 *    priority in the order in which they came.
 * 2. A listener that returns true ends the journey: nobody else is called,
 *    except those at EVENT_PRIO_LOG, whose answer does not count.
 * 3. A listener may be taken out at any time, also by itself or by another
 *    one while an event travels: it is not called again.
 * 4. A listener that comes while an event travels does not hear that event,
 *    but hears any event fired afterwards.
 * 5. A listener may fire events.
 * 6. Events of other servers carry no data; only listeners that asked for
 *    them hear them, and these hear nothing else.
 *
 * The handle of the caller and the slot in the list are two objects, so that
 * a handle can go at any time while the slot waits until nobody walks the
 * list.
 */
#include <string.h>
#include <re.h>
#include "server/event.h"


enum {
	HASH_SIZE = 64,
	DEPTH_MAX = 32,       /* events that fire events: a bug beyond this */
	CALLID_MAX = 256,     /* [bytes]                                    */
};

struct events {
	struct hash *topich;
	struct topic *any;         /* topic of "*"                          */
	uint64_t serial;           /* of the last event fired               */
	unsigned depth;            /* events that travel now                */
	bool dirty;                /* slots without a handle are listed     */
};

struct topic {
	struct le he;
	struct list slotl;         /* sorted by priority                    */
	char name[];
};

struct slot {
	struct le le;
	struct events *evs;        /* NULL: the events are gone             */
	enum event_prio prio;
	uint64_t born;             /* serial when it came                   */
	bool remote;               /* wants events of other servers         */
	event_h *h;                /* NULL: its handle is gone              */
	void *arg;
};

struct listener {
	struct slot *slot;
};


static bool slot_unlink(struct le *le, void *arg)
{
	struct slot *slot = le->data;
	(void)arg;

	slot->evs = NULL;
	list_unlink(&slot->le);
	mem_deref(slot);

	return false;
}


static void topic_destructor(void *data)
{
	struct topic *topic = data;
	struct le *le;

	hash_unlink(&topic->he);
	while ((le = topic->slotl.head))
		(void)slot_unlink(le, NULL);
}


static void events_destructor(void *data)
{
	struct events *evs = data;

	mem_deref(evs->any);
	hash_flush(evs->topich);
	mem_deref(evs->topich);
}


static int topic_alloc(struct topic **tp, const char *name)
{
	const size_t sz = strlen(name) + 1;
	struct topic *topic;

	topic = mem_zalloc(sizeof(*topic) + sz, topic_destructor);
	if (!topic)
		return ENOMEM;

	memcpy(topic->name, name, sz);
	*tp = topic;

	return 0;
}


/**
 * Allocate a set of events
 *
 * @param evp Pointer to the new events
 *
 * @return 0 if success, otherwise errorcode
 */
int events_alloc(struct events **evp)
{
	struct events *evs;
	int err;

	if (!evp)
		return EINVAL;

	evs = mem_zalloc(sizeof(*evs), events_destructor);
	if (!evs)
		return ENOMEM;

	err = hash_alloc(&evs->topich, HASH_SIZE);
	if (!err)
		err = topic_alloc(&evs->any, "*");

	if (err)
		mem_deref(evs);
	else
		*evp = evs;

	return err;
}


static bool topic_cmp(struct le *le, void *arg)
{
	const struct topic *topic = le->data;

	return !strcmp(topic->name, arg);
}


static struct topic *topic_find(const struct events *evs, const char *name)
{
	return list_ledata(hash_lookup(evs->topich, hash_joaat_str(name),
				       topic_cmp, (void *)name));
}


static struct topic *topic_get(struct events *evs, const char *name)
{
	struct topic *topic;

	if (!strcmp(name, "*"))
		return evs->any;

	topic = topic_find(evs, name);
	if (topic)
		return topic;

	if (topic_alloc(&topic, name))
		return NULL;

	hash_append(evs->topich, hash_joaat_str(name), &topic->he, topic);

	return topic;
}


/* Topics stay once made: their number is that of the names in the code. */
static void slots_sweep(struct list *slotl)
{
	struct le *le = slotl->head;

	while (le) {
		struct slot *slot = le->data;

		le = le->next;
		if (!slot->h)
			(void)slot_unlink(&slot->le, NULL);
	}
}


static bool topic_sweep(struct le *le, void *arg)
{
	struct topic *topic = le->data;
	(void)arg;

	slots_sweep(&topic->slotl);

	return false;
}


static void sweep(struct events *evs)
{
	if (evs->depth || !evs->dirty)
		return;

	evs->dirty = false;
	slots_sweep(&evs->any->slotl);
	(void)hash_apply(evs->topich, topic_sweep, NULL);
}


static void listener_destructor(void *data)
{
	struct listener *l = data;
	struct slot *slot = l->slot;

	if (!slot)
		return;

	slot->h = NULL;
	if (slot->evs && slot->evs->depth)
		slot->evs->dirty = true;
	else if (slot->evs)
		(void)slot_unlink(&slot->le, NULL);

	mem_deref(slot);
}


static void slot_insert(struct list *slotl, struct slot *slot)
{
	struct le *le;

	for (le = slotl->tail; le; le = le->prev) {
		const struct slot *other = le->data;

		if (other->prio <= slot->prio) {
			list_insert_after(slotl, le, &slot->le, slot);
			return;
		}
	}

	list_prepend(slotl, &slot->le, slot);
}


static int listen_add(struct listener **lp, struct events *evs,
		      const char *name, enum event_prio prio, bool remote,
		      event_h *h, void *arg)
{
	struct listener *l;
	struct topic *topic;
	struct slot *slot;

	if (!lp || !evs || !str_isset(name) || !h)
		return EINVAL;

	topic = topic_get(evs, name);
	if (!topic)
		return ENOMEM;

	l = mem_zalloc(sizeof(*l), listener_destructor);
	if (!l)
		return ENOMEM;

	slot = mem_zalloc(sizeof(*slot), NULL);
	if (!slot) {
		mem_deref(l);
		return ENOMEM;
	}

	slot->evs  = evs;
	slot->prio = prio;
	slot->born = evs->serial;
	slot->remote = remote;
	slot->h    = h;
	slot->arg  = arg;

	slot_insert(&topic->slotl, slot);     /* the list's reference */
	l->slot = mem_ref(slot);

	*lp = l;

	return 0;
}


/**
 * Listen to an event of this server
 *
 * @param lp   Pointer to the listener; mem_deref takes it out
 * @param evs  Events
 * @param name Name of the event, or "*" for all
 * @param prio Place among the listeners
 * @param h    Called when the event is fired
 * @param arg  Handler argument
 *
 * @return 0 if success, otherwise errorcode
 */
int event_listen(struct listener **lp, struct events *evs,
		 const char *name, enum event_prio prio,
		 event_h *h, void *arg)
{
	return listen_add(lp, evs, name, prio, false, h, arg);
}


/**
 * Listen to an event of the other servers, as far as events.subscribe brings
 * it here
 *
 * @param lp   Pointer to the listener; mem_deref takes it out
 * @param evs  Events
 * @param name Name of the event, or "*" for all
 * @param prio Place among the listeners
 * @param h    Called with an event that has an origin but no data
 * @param arg  Handler argument
 *
 * @return 0 if success, otherwise errorcode
 */
int event_listen_remote(struct listener **lp, struct events *evs,
			const char *name, enum event_prio prio,
			event_h *h, void *arg)
{
	return listen_add(lp, evs, name, prio, true, h, arg);
}


/* The next slot of two lists that are sorted by priority; among equals the
 * older one. */
static struct slot *slot_next(struct le **a, struct le **b)
{
	struct slot *sa = list_ledata(*a), *sb = list_ledata(*b);
	bool first;

	if (!sa && !sb)
		return NULL;

	if (!sa || !sb)
		first = sa != NULL;
	else if (sa->prio != sb->prio)
		first = sa->prio < sb->prio;
	else
		first = sa->born <= sb->born;

	if (first) {
		*a = (*a)->next;
		return sa;
	}

	*b = (*b)->next;

	return sb;
}


/**
 * Fire an event
 *
 * @param evs Events
 * @param ev  The event; must live until this returns
 *
 * @return true if a listener answered it
 */
bool event_fire(struct events *evs, const struct event *ev)
{
	const struct topic *topic;
	struct le *a, *b;
	struct slot *slot;
	uint64_t serial;
	bool answered = false;

	if (!evs || !ev || !ev->name || evs->depth >= DEPTH_MAX)
		return false;

	mem_ref(evs);
	++evs->depth;
	serial = ++evs->serial;

	topic = topic_find(evs, ev->name);
	a = topic ? topic->slotl.head : NULL;
	b = evs->any->slotl.head;

	while ((slot = slot_next(&a, &b))) {

		/* slots stay listed while an event travels, so a and b do */
		if (!slot->h || slot->born >= serial
		    || slot->remote != (ev->origin != NULL))
			continue;

		if (slot->prio >= EVENT_PRIO_LOG)
			(void)slot->h(ev, slot->arg);
		else if (!answered)
			answered = slot->h(ev, slot->arg);
	}

	--evs->depth;
	sweep(evs);
	mem_deref(evs);

	return answered;
}


static bool member_add(struct le *le, void *arg)
{
	const struct odict_entry *e = le->data;
	struct odict *od = arg;

	/* the frame's own members are not for the details to overwrite */
	if (odict_lookup(od, e->key))
		return false;

	switch (e->type) {

	case ODICT_STRING:
		(void)odict_entry_add(od, e->key, ODICT_STRING, e->u.str);
		break;

	case ODICT_INT:
		(void)odict_entry_add(od, e->key, ODICT_INT, e->u.integer);
		break;

	case ODICT_DOUBLE:
		(void)odict_entry_add(od, e->key, ODICT_DOUBLE, e->u.dbl);
		break;

	case ODICT_BOOL:
		(void)odict_entry_add(od, e->key, ODICT_BOOL, e->u.boolean);
		break;

	default:
		break;
	}

	return false;
}


static uint16_t u16_get(const struct event_field *f, const void *data)
{
	return *(const uint16_t *)(const void *)((const uint8_t *)data
						 + f->off);
}


/**
 * Show a member of an event's data as text
 *
 * @param f    Member
 * @param data Data it is a member of
 * @param buf  Used if the text has to be made
 * @param sz   Its size [bytes], EVENT_TEXT_MAX is always enough
 *
 * @return The text, in buf or the data; NULL if there is nothing to tell
 */
const char *event_text(const struct event_field *f, const void *data,
		       char *buf, size_t sz)
{
	const void *p = (const uint8_t *)data + f->off;

	switch (f->type) {

	case EVENT_TEXT:
		return *(const char *const *)p;

	case EVENT_U16:
		if (!u16_get(f, data))
			return NULL;
		(void)re_snprintf(buf, sz, "%u", u16_get(f, data));
		return buf;

	case EVENT_ADDR:
		(void)re_snprintf(buf, sz, "%J", p);
		return buf;
	}

	return NULL;
}


static int fields_add(struct odict *od, const struct event_field *fieldv,
		      const void *data)
{
	char buf[EVENT_TEXT_MAX];
	int err = 0;

	for (const struct event_field *f = fieldv; f->key && !err; f++) {
		const char *text = event_text(f, data, buf, sizeof(buf));

		if (text && f->type == EVENT_U16)
			err = odict_entry_add(od, f->key, ODICT_INT,
					      (int64_t)u16_get(f, data));
		else if (text)
			err = odict_entry_add(od, f->key, ODICT_STRING, text);
	}

	return err;
}


/**
 * Show an event as a JSON object
 *
 * @param odp Pointer to the new object: "event", "callid" and "origin" where
 *            known, and the event's flat details
 * @param ev  Event
 *
 * @return 0 if success, otherwise errorcode
 */
int event_odict(struct odict **odp, const struct event *ev)
{
	struct odict *od;
	int err;

	if (!odp || !ev || !ev->name)
		return EINVAL;

	err = odict_alloc(&od, 16);
	if (err)
		return err;

	err = odict_entry_add(od, "event", ODICT_STRING, ev->name);
	if (ev->callid && strlen(ev->callid) < CALLID_MAX)
		err |= odict_entry_add(od, "callid", ODICT_STRING,
				       ev->callid);
	if (ev->origin)
		err |= odict_entry_add(od, "origin", ODICT_STRING,
				       ev->origin);

	if (ev->detail && ev->data)
		err |= ev->detail(od, ev->data);
	else if (ev->fieldv && ev->data)
		err |= fields_add(od, ev->fieldv, ev->data);
	else if (ev->remote)
		(void)list_apply(&ev->remote->lst, true, member_add, od);

	if (err)
		mem_deref(od);
	else
		*odp = od;

	return err;
}
