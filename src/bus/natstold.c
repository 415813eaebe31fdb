/**
 * @file natstold.c  What a watch has told
 *
 * It is compared with what comes when the bus was down meanwhile. Values that
 * live for a limited time expire by our own timer: from when a change came in,
 * or by the age that the server gives what was stored before. While the bus is
 * down nothing expires.
 */
#include <stdlib.h>
#include <string.h>
#include <nats/nats.h>
#include <re.h>
#include "server/siphash.h"
#include "server/log.h"
#include "bus/bus.h"
#include "bus/ops.h"
#include "bus/heap.h"
#include "bus/due.h"
#include "bus/natslink.h"
#include "bus/natsbus.h"
#include "bus/natsbucket.h"
#include "bus/natsjs.h"
#include "bus/natswatch.h"


enum {
	HASH_MIN    = 64,
	ENTRIES_MAX = 1 << 20,
	REAP_MS     = 2000,        /* after an expiry                       */
};

/* What was told of a key */
struct told {
	struct le he;
	struct heap_node due;
	struct bus_watch *w;
	uint32_t hash;
	uint32_t ttl;              /* [ms]                                  */
	uint64_t rev;
	unsigned round;            /* of the consumer that told it last     */
	char key[];
};


static uint32_t key_hash(const struct bus_watch *w, const char *key)
{
	return (uint32_t)siphash(&w->b->nb->hkey, key, strlen(key));
}


static struct told *told_find(const struct bus_watch *w, const char *key,
			      uint32_t hash)
{
	struct le *le = list_head(hash_list(w->told, hash));

	for (; le; le = le->next) {
		struct told *t = le->data;

		if (t->hash == hash && !strcmp(t->key, key))
			return t;
	}

	return NULL;
}


static void told_destructor(void *arg)
{
	struct told *t = arg;

	if (t->w->b)
		due_stop(&t->w->b->nb->due, &t->due);
	hash_unlink(&t->he);
	--t->w->toldc;
}


static bool told_move_handler(struct le *le, void *arg)
{
	struct told *t = le->data;

	hash_unlink(le);
	hash_append(arg, t->hash, le, t);

	return false;
}


/* Failing to grow makes the watch slower, not wrong. */
static void told_grow(struct bus_watch *w)
{
	struct hash *told;

	if (w->toldc < 2 * w->hsize || hash_alloc(&told, 4 * w->hsize))
		return;

	(void)hash_apply(w->told, told_move_handler, told);
	mem_deref(w->told);
	w->told = told;
	w->hsize *= 4;
}


/**
 * Tell if somebody still wants a watch that we hold: a handler may have ended
 * it, or the bus
 *
 * @param w Watch, referenced by the caller
 *
 * @return True if so
 */
bool watch_wanted(struct bus_watch *w)
{
	return mem_nrefs(w) > 1 && w->b;
}


static void told_gone(struct told *t, uint64_t rev)
{
	struct bus_watch *w = t->w;
	bus_watch_h *h = w->h;
	char key[BUS_SUBJECT_MAX + 1];

	str_ncpy(key, t->key, sizeof(key));
	mem_deref(t);
	h(key, rev, NULL, 0, w->arg);
}


static void told_life(struct told *t, uint64_t ms)
{
	struct due *due = &t->w->b->nb->due;

	if (t->ttl)
		(void)due_start(due, &t->due, ms);
	else
		due_stop(due, &t->due);
}


static void expiry_handler(void *arg)
{
	struct told *t = arg;
	struct bus_watch *w = t->w;
	uint64_t grace;

	/* perhaps it was renewed, and we have not heard of it yet */
	if (!w->current)
		return;

	/* or it could not be */
	grace = natsstore_grace(w->b->nb, t->ttl);
	if (grace) {
		told_life(t, grace);
		return;
	}

	natsreap_add(w->b, t->rev, REAP_MS);

	mem_ref(w);
	told_gone(t, t->rev);
	mem_deref(w);
}


static struct told *told_add(struct bus_watch *w, const char *key,
			     uint32_t hash)
{
	const size_t n = strlen(key) + 1;
	struct told *t;

	if (w->toldc >= ENTRIES_MAX)
		return NULL;

	t = mem_zalloc(sizeof(*t) + n, told_destructor);
	if (!t)
		return NULL;

	memcpy(t->key, key, n);
	t->w = w;
	t->hash = hash;
	t->due.h = expiry_handler;
	t->due.arg = t;
	++w->toldc;
	told_grow(w);
	hash_append(w->told, hash, &t->he, t);

	return t;
}


/**
 * Something stands under a key: tell it if it is new
 *
 * @param w   Watch, referenced by the caller, because a handler may end it
 * @param key Key
 * @param val What stands there
 */
void told_value(struct bus_watch *w, const char *key,
		const struct natsval *val)
{
	const uint32_t hash = key_hash(w, key);
	struct told *t = told_find(w, key, hash);
	uint64_t age = 0, grace;

	if (val->deleted) {
		if (t)
			told_gone(t, val->seq);
		return;
	}

	/* told before, and could not be renewed while we were away */
	if (t && t->rev == val->seq) {
		t->round = w->round;
		told_life(t, t->ttl);
		return;
	}

	/* nor while nothing was stored */
	if (val->ttl && !w->current) {
		age = kvbucket_age(w->b, val->stamp);
		grace = natsstore_grace(w->b->nb, val->ttl);
		age = min(age, val->ttl - grace);
	}

	if (val->ttl && age >= val->ttl) {
		natsreap_add(w->b, val->seq, REAP_MS);
		if (t)
			told_gone(t, val->seq);
		return;
	}

	if (!t)
		t = told_add(w, key, hash);
	if (!t) {
		log_event(LOG_ERROR, "bus", NULL, "bucket %s: no memory to"
			  " watch %s", w->b->name, key);
		return;
	}

	t->rev   = val->seq;
	t->round = w->round;
	t->ttl   = val->ttl;
	told_life(t, val->ttl - age);
	w->h(key, val->seq, val->buf, val->len, w->arg);
}


struct stale {
	struct told **tv;
	size_t n;
	const struct bus_watch *w;
};


static bool stale_handler(struct le *le, void *arg)
{
	struct told *t = le->data;
	struct stale *st = arg;

	if (t->round == st->w->round)
		return false;

	if (st->w->resumed)
		told_life(t, t->ttl);
	else
		st->tv[st->n++] = t;

	return false;
}


/**
 * All that is stored has come: what has not is gone; or, if only what we
 * missed has come, it is as it was
 *
 * @param w Watch, referenced by the caller, because a handler may end it
 */
void told_caught_up(struct bus_watch *w)
{
	struct stale st = { .w = w };
	size_t i;

	w->current = true;
	w->heard_at = tmr_jiffies();
	w->complete = true;
	str_ncpy(w->stream, w->b->made, sizeof(w->stream));

	st.tv = mem_zalloc((w->toldc + 1) * sizeof(*st.tv), NULL);
	if (st.tv)
		(void)hash_apply(w->told, stale_handler, &st);

	for (i=0; i<st.n && watch_wanted(w); i++)
		told_gone(st.tv[i], st.tv[i]->rev);
	mem_deref(st.tv);

	if (watch_wanted(w))
		w->h(NULL, 0, NULL, 0, w->arg);
}


/**
 * Begin with nothing told
 *
 * @param w Watch
 *
 * @return 0 if success; ENOMEM
 */
int told_alloc(struct bus_watch *w)
{
	w->hsize = HASH_MIN;

	return hash_alloc(&w->told, w->hsize);
}


/**
 * Forget what was told
 *
 * @param w Watch
 */
void told_close(struct bus_watch *w)
{
	hash_flush(w->told);
	w->told = mem_deref(w->told);
}


static bool told_quiet_handler(struct le *le, void *arg)
{
	struct told *t = le->data;

	due_stop(arg, &t->due);

	return false;
}


/**
 * Nothing expires any more
 *
 * @param w Watch whose bus goes away
 */
void told_quiet(struct bus_watch *w)
{
	(void)hash_apply(w->told, told_quiet_handler, &w->b->nb->due);
}
