/**
 * @file memwatch.c  Who watches the buckets of the memory bus, and what it is
 *                   told
 */
#include <string.h>
#include <re.h>
#include "server/siphash.h"
#include "bus/bus.h"
#include "bus/ops.h"
#include "bus/subject.h"
#include "bus/heap.h"
#include "bus/membus.h"
#include "bus/memkv.h"


struct change {
	struct item it;            /* first                                 */
	struct bucket *bucket;     /* lives as long as the bus              */
	struct entry *e;           /* referenced                            */
	struct value *val;         /* referenced; NULL: deleted             */
};

struct bus_watch {
	struct le le;              /* in bucket.watchl                      */
	struct bucket *bucket;     /* NULL once the bus is gone             */
	struct initial *init;      /* NULL once told                        */
	uint64_t since;
	bus_watch_h *h;
	void *arg;
	char pattern[];
};

/* what was stored when a watch began */
struct initial {
	struct item it;            /* first                                 */
	struct bus_watch *watch;   /* NULL once the watch is gone           */
	struct entry **ev;         /* referenced                            */
	struct value **valv;       /* referenced                            */
	size_t n;
};


static void change_destructor(void *arg)
{
	struct change *c = arg;

	membus_pull(&c->it);
	mem_deref(c->e);
	mem_deref(c->val);
}


static void change_handler(struct membus *mb, struct item *it)
{
	const struct change *c = (struct change *)it;
	const struct value *val = c->val;
	const uint64_t rev = val ? val->rev : c->e->val->rev;
	struct le *le = list_head(&c->bucket->watchl);

	while (le) {
		const struct bus_watch *w = le->data;

		mb->watch_next = le->next;

		if (w->since < it->seq && subject_match(w->pattern, c->e->key))
			w->h(c->e->key, rev, val ? val->data : NULL,
			     val ? val->len : 0, w->arg);

		le = mb->watch_next;
	}
}


/**
 * Prepare to tell of a change. Somebody who watches must not miss it: memory
 * for that is there, or the change fails.
 *
 * @param cp Set to the change, or NULL if nobody watches
 * @param b  Bucket
 *
 * @return 0 if success; ENOMEM
 */
int change_alloc(struct change **cp, struct bucket *b)
{
	struct change *c;

	*cp = NULL;
	if (list_isempty(&b->watchl))
		return 0;

	c = mem_zalloc(sizeof(*c), change_destructor);
	if (!c)
		return ENOMEM;

	c->bucket = b;
	*cp = c;

	return 0;
}


/**
 * Tell of a change that has happened
 *
 * @param c   Change, taken over, or NULL
 * @param e   Entry, referenced
 * @param val Its value, referenced; NULL: deleted
 */
void change_push(struct change *c, struct entry *e, struct value *val)
{
	if (!c)
		return;

	c->e   = mem_ref(e);
	c->val = mem_ref(val);
	membus_push(c->bucket->mb, &c->it, change_handler);
}


static void initial_destructor(void *arg)
{
	struct initial *in = arg;

	membus_pull(&in->it);
	if (in->watch)
		in->watch->init = NULL;

	while (in->n--) {
		mem_deref(in->ev[in->n]);
		mem_deref(in->valv[in->n]);
	}
	mem_deref(in->ev);
	mem_deref(in->valv);
}


static void initial_handler(struct membus *mb, struct item *it)
{
	struct initial *in = (struct initial *)it;
	size_t i;
	(void)mb;

	for (i=0; i<in->n && in->watch; i++)
		in->watch->h(in->ev[i]->key, in->valv[i]->rev,
			     in->valv[i]->data, in->valv[i]->len,
			     in->watch->arg);

	if (in->watch)
		in->watch->h(NULL, 0, NULL, 0, in->watch->arg);
}


static bool initial_add_handler(struct le *le, void *arg)
{
	struct initial *in = arg;
	struct entry *e = le->data;

	if (subject_match(in->watch->pattern, e->key)) {
		in->ev[in->n]   = mem_ref(e);
		in->valv[in->n] = mem_ref(e->val);
		++in->n;
	}

	return false;
}


static int initial_push(struct bus_watch *w)
{
	struct bucket *b = w->bucket;
	struct initial *in;
	int err = 0;

	in = mem_zalloc(sizeof(*in), initial_destructor);
	if (!in)
		return ENOMEM;

	in->ev   = mem_zalloc((b->entryc + 1) * sizeof(*in->ev), NULL);
	in->valv = mem_zalloc((b->entryc + 1) * sizeof(*in->valv), NULL);
	if (!in->ev || !in->valv) {
		err = ENOMEM;
		goto out;
	}

	in->watch = w;
	w->init   = in;
	(void)hash_apply(b->entries, initial_add_handler, in);

	membus_push(b->mb, &in->it, initial_handler);

 out:
	if (err)
		mem_deref(in);

	return err;
}


static void watch_destructor(void *arg)
{
	struct bus_watch *w = arg;
	struct membus *mb = w->bucket ? w->bucket->mb : NULL;

	if (mb && mb->watch_next == &w->le)
		mb->watch_next = w->le.next;

	list_unlink(&w->le);

	/* while it is being told it is in no queue, and the queue's owner
	   releases it */
	if (w->init) {
		w->init->watch = NULL;
		if (w->init->it.le.list)
			mem_deref(w->init);
	}
}


/**
 * Watch a bucket, see bus_kv_watch
 *
 * @param wp      Pointer to the watch
 * @param bus     Memory bus
 * @param bucket  Bucket
 * @param pattern Keys
 * @param h       Told of values and changes
 * @param arg     Handler argument
 *
 * @return 0 if success
 */
int memkv_watch(struct bus_watch **wp, struct bus *bus, const char *bucket,
		const char *pattern, bus_watch_h *h, void *arg)
{
	struct membus *mb = (struct membus *)bus;
	const size_t n = strlen(pattern) + 1;
	struct bus_watch *w;
	struct bucket *b;
	int err;

	err = bucket_get(&b, mb, bucket);
	if (err)
		return err;

	w = mem_zalloc(sizeof(*w) + n, watch_destructor);
	if (!w)
		return ENOMEM;

	memcpy(w->pattern, pattern, n);
	w->bucket = b;
	w->h      = h;
	w->arg    = arg;

	err = initial_push(w);
	if (err) {
		mem_deref(w);
		return err;
	}

	w->since = mb->seq;
	list_append(&b->watchl, &w->le, w);
	*wp = w;

	return 0;
}


/**
 * A bucket goes away under those who watch it
 *
 * @param b Bucket
 */
void bucket_unwatch(struct bucket *b)
{
	struct le *le;

	while ((le = list_head(&b->watchl))) {
		struct bus_watch *w = le->data;

		list_unlink(le);
		w->bucket = NULL;
	}
}
