/**
 * @file marks.c  What is said of servers: by us, and by other registries
 *
 * Several registries agree by compare-and-set, and by this rule: who reaches a
 * server says so at once; who does not, only when no other one does. A mark
 * that somebody else keeps fresh is left alone. Who has kept it fresh, and
 * reaches the server no more, leaves it to the others for a while first.
 *
 *   bucket marks    struct mark, lives for four probes
 *   bucket servers  what media servers say of themselves
 *   bucket plans    when a server is to be out of service
 */
#include <string.h>
#include <time.h>
#include <re.h>
#include "server/server.h"
#include "server/log.h"
#include "bus/bus.h"
#include "noc/client.h"
#include "noc/name.h"
#include "registry/reg.h"


enum { TARGETS_MAX = 512 };


static void target_destructor(void *arg)
{
	struct target *t = arg;

	list_unlink(&t->le);
	probe_stop(t);
	mem_deref(t->op);
}


/**
 * Find a server
 *
 * @param r    Registry
 * @param name Its name
 *
 * @return Server, or NULL
 */
struct target *target_find(const struct registry *r, const char *name)
{
	struct le *le;

	LIST_FOREACH(&r->targetl, le) {
		struct target *t = le->data;

		if (!strcmp(t->name, name))
			return t;
	}

	return NULL;
}


static bool target_idle(const struct target *t)
{
	return !t->known && !t->reported && !t->out_to && !t->probing &&
		t->mark.state == MARK_NONE;
}


/**
 * Find a server, or make a place for it
 *
 * @param r    Registry
 * @param name Its name
 *
 * @return Server, or NULL if there are too many
 */
struct target *target_get(struct registry *r, const char *name)
{
	struct target *t = target_find(r, name);
	struct le *le = r->targetl.head;

	if (t)
		return t;

	while (le) {
		struct target *old = le->data;

		le = le->next;
		if (target_idle(old))
			mem_deref(old);
	}

	if (list_count(&r->targetl) >= TARGETS_MAX)
		return NULL;

	t = mem_zalloc(sizeof(*t), target_destructor);
	if (!t)
		return NULL;

	t->r = r;
	str_ncpy(t->name, name, sizeof(t->name));
	list_append(&r->targetl, &t->le, t);

	return t;
}


static bool mark_fresh(const struct target *t, uint32_t intervals)
{
	return t->mark.state != MARK_NONE &&
		tmr_jiffies() < t->marked +
		(uint64_t)t->r->interval * intervals * 5 / 4;
}


static bool by_other(const struct target *t)
{
	return strcmp(t->mark.by, server_name(t->r->srv)) != 0;
}


/* Our own mark, and no answer to us: another one that reaches the server has
   time to take it over before we say more. */
static bool in_doubt(const struct target *t, enum mark_state state)
{
	if (!t->failures || t->mark.state == MARK_OUT_OF_CONTACT ||
	    t->r->hb->state(t->r->hb->hb, t->name) != NODE_UP)
		return false;

	return state == t->mark.state || state == MARK_OUT_OF_CONTACT;
}


static bool leave_alone(const struct target *t, enum mark_state state)
{
	if (!by_other(t))
		return in_doubt(t, state) && mark_fresh(t, 2);

	if (t->mark.state == state)
		return mark_fresh(t, 1);

	/* another one reaches it, we do not */
	return state == MARK_OUT_OF_CONTACT && mark_fresh(t, 2);
}


static void put_handler(int err, uint64_t rev, const uint8_t *buf, size_t len,
			void *arg)
{
	struct target *t = arg;
	(void)buf;
	(void)len;

	/* somebody else was faster: the watch tells what is so now, or, if the
	   bus has forgotten, this does */
	if (err == ESTALE || err == EEXIST)
		t->mark_rev = rev;
	else if (err == ENOENT)
		t->mark_rev = 0;

	if (err && err != ESTALE && err != EEXIST && err != ENOENT)
		log_event(LOG_DEBUG, "registry", NULL,
			  "cannot mark %s: %s", t->name, strerror(err));
}


static int mark_put(struct target *t, const struct mark *m)
{
	const uint32_t ttl = MARK_LIFE * t->r->interval;
	char key[NAME_KEY_MAX];
	struct mbuf *mb;
	int err;

	mb = mbuf_alloc(256);
	if (!mb)
		return ENOMEM;

	err = mark_encode(mb, m);
	if (!err)
		err = name_key(key, sizeof(key), t->name, strlen(t->name));
	if (!err) {
		t->op = mem_deref(t->op);
		err = t->mark_rev
			? bus_kv_update(&t->op, t->r->bus, "marks", key,
					t->mark_rev, mb->buf, mb->end, ttl,
					put_handler, t)
			: bus_kv_create(&t->op, t->r->bus, "marks", key,
					mb->buf, mb->end, ttl, put_handler,
					t);
	}
	mem_deref(mb);

	return err;
}


/**
 * Say how a server is, if that is not said yet
 *
 * @param t Server
 */
void mark_judge(struct target *t)
{
	struct mark m = {.state = MARK_NONE};
	const char *reason;

	/* who has said goodbye is no server until it comes again */
	if (t->r->hb->state(t->r->hb->hb, t->name) == NODE_LEFT)
		return;

	m.state = target_state(t, &reason);
	if (m.state == MARK_NONE || leave_alone(t, m.state))
		return;

	m.since = m.state == t->mark.state ? t->mark.since
		: (uint64_t)time(NULL);
	str_ncpy(m.name, t->name, sizeof(m.name));
	str_ncpy(m.by, server_name(t->r->srv), sizeof(m.by));
	str_ncpy(m.reason, reason, sizeof(m.reason));
	(void)mark_put(t, &m);
}


static void bad(const char *what, const char *key, int err)
{
	log_event(LOG_WARN, "registry", NULL, "%s %s is not understood: %s",
		  what, key, strerror(err));
}


static struct target *target_of(struct registry *r, const char *key)
{
	char name[NAME_SERVER_MAX];

	return name_from_key(name, sizeof(name), key) ? NULL
		: target_get(r, name);
}


static void mark_handler(const char *key, uint64_t rev, const uint8_t *buf,
			 size_t len, void *arg)
{
	struct registry *r = arg;
	enum mark_state before;
	struct target *t;
	struct mark m;
	int err;

	t = key ? target_of(r, key) : NULL;
	if (!t)
		return;

	if (!buf) {
		t->mark.state = MARK_NONE;
		t->mark_rev = 0;
		return;
	}

	/* whatever it is, it can be replaced */
	t->mark_rev = rev;
	err = mark_decode(&m, buf, len);
	if (!err && strcmp(m.name, t->name))
		err = EBADMSG;
	if (err) {
		bad("mark", key, err);
		return;
	}

	before = t->mark.state;
	t->mark = m;
	t->marked = tmr_jiffies();
	if (before != m.state)
		registry_marked(r, &t->mark);
}


static void report_handler(const char *key, uint64_t rev, const uint8_t *buf,
			   size_t len, void *arg)
{
	struct registry *r = arg;
	struct wire_server ws;
	struct target *t;
	enum capacity_state before;
	int err;
	(void)rev;

	t = key ? target_of(r, key) : NULL;
	if (!t)
		return;

	if (!buf) {
		t->reported = false;
		return;
	}

	err = wire_server_decode(&ws, buf, len);
	if (err) {
		bad("report", key, err);
		return;
	}

	before = t->reported ? t->report.state : CAPACITY_IN_SERVICE;
	t->report = ws;
	t->reported = true;
	if (before != ws.state)
		mark_judge(t);
}


static void plan_handler(const char *key, uint64_t rev, const uint8_t *buf,
			 size_t len, void *arg)
{
	struct registry *r = arg;
	struct wire_plan p = {.from = 0};
	struct target *t;
	int err = 0;
	(void)rev;

	t = key ? target_of(r, key) : NULL;
	if (!t)
		return;

	if (buf)
		err = wire_plan_decode(&p, buf, len);
	if (err) {
		bad("plan", key, err);
		return;
	}

	t->out_from = p.from;
	t->out_to = p.to;
	mark_judge(t);
}


/**
 * Begin to follow what is said
 *
 * @param r Registry
 *
 * @return 0 if success
 */
int marks_start(struct registry *r)
{
	int err;

	err = bus_kv_watch(&r->watchv[0], r->bus, "marks", ">", mark_handler,
			   r);
	if (!err)
		err = bus_kv_watch(&r->watchv[1], r->bus, "servers", ">",
				   report_handler, r);
	if (!err)
		err = bus_kv_watch(&r->watchv[2], r->bus, "plans", ">",
				   plan_handler, r);

	return err;
}


/**
 * End it
 *
 * @param r Registry
 */
void marks_stop(struct registry *r)
{
	size_t i;

	for (i=0; i<ARRAY_SIZE(r->watchv); i++)
		r->watchv[i] = mem_deref(r->watchv[i]);
	list_flush(&r->targetl);
}
