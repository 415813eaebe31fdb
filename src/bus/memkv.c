/**
 * @file memkv.c  The key-value buckets of the memory bus
 *
 * Operations change the buckets at once and their results travel through the
 * queue, so that handlers see results and changes in the order in which they
 * happened. Keys and values are reference counted: what is in the queue
 * remains what it was then.
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


enum {
	BUCKETS_MAX = 64,
	ENTRIES_MAX = 1 << 20,     /* of all buckets                        */
	HASH_MIN    = 64,
};

struct bus_kvop {
	struct item it;            /* first                                 */
	struct bus_kvop **opp;
	bus_kv_h *h;
	void *arg;
	int err;
	uint64_t rev;
	struct value *val;         /* referenced, or NULL                   */
};



static void bucket_destructor(void *arg)
{
	struct bucket *b = arg;

	bucket_unwatch(b);
	hash_flush(b->entries);
	mem_deref(b->entries);
	list_unlink(&b->le);
}


static struct bucket *bucket_find(const struct membus *mb, const char *name)
{
	struct le *le;

	LIST_FOREACH(&mb->bucketl, le) {
		struct bucket *b = le->data;

		if (!strcmp(b->name, name))
			return b;
	}

	return NULL;
}


/**
 * Find a bucket, or make it
 *
 * @param bp   Pointer to the bucket, which lives as long as the bus
 * @param mb   Memory bus
 * @param name Valid name
 *
 * @return 0 if success; ENOSPC if there are too many; ENOMEM
 */
int bucket_get(struct bucket **bp, struct membus *mb, const char *name)
{
	struct bucket *b = bucket_find(mb, name);
	const size_t n = strlen(name) + 1;
	int err;

	if (b)
		goto out;

	if (list_count(&mb->bucketl) >= BUCKETS_MAX)
		return ENOSPC;

	b = mem_zalloc(sizeof(*b) + n, bucket_destructor);
	if (!b)
		return ENOMEM;

	memcpy(b->name, name, n);
	b->mb = mb;
	b->hsize = HASH_MIN;
	err = hash_alloc(&b->entries, b->hsize);
	if (err) {
		mem_deref(b);
		return err;
	}

	list_append(&mb->bucketl, &b->le, b);

 out:
	*bp = b;

	return 0;
}


static bool entry_move_handler(struct le *le, void *arg)
{
	struct entry *e = le->data;

	hash_unlink(le);
	hash_append(arg, e->hash, le, e);

	return false;
}


/* Failing to grow makes the bucket slower, not wrong. */
static void bucket_grow(struct bucket *b)
{
	struct hash *entries;

	if (hash_alloc(&entries, 4 * b->hsize))
		return;

	(void)hash_apply(b->entries, entry_move_handler, entries);
	mem_deref(b->entries);
	b->entries = entries;
	b->hsize *= 4;
}


static uint32_t key_hash(const struct membus *mb, const char *key)
{
	return (uint32_t)siphash(&mb->hkey, key, strlen(key));
}


static struct entry *entry_find(const struct bucket *b, const char *key,
				uint32_t hash)
{
	struct le *le = list_head(hash_list(b->entries, hash));

	for (; le; le = le->next) {
		struct entry *e = le->data;

		if (e->hash == hash && !strcmp(e->key, key))
			return e;
	}

	return NULL;
}


static void entry_destructor(void *arg)
{
	struct entry *e = arg;

	if (e->bucket)
		heap_remove(&e->bucket->mb->heap, &e->due);
	hash_unlink(&e->he);
	mem_deref(e->val);
}


static void entry_remove(struct entry *e, struct change *c)
{
	struct bucket *b = e->bucket;

	change_push(c, e, NULL);

	hash_unlink(&e->he);
	heap_remove(&b->mb->heap, &e->due);
	e->bucket = NULL;
	--b->entryc;
	--b->mb->entryc;
	mem_deref(e);
}


static void entry_due_handler(void *arg)
{
	struct entry *e = arg;
	struct change *c;

	if (change_alloc(&c, e->bucket)) {
		membus_due(e->bucket->mb, &e->due, 100);
		return;
	}

	entry_remove(e, c);
}


static int entry_alloc(struct entry **ep, struct bucket *b, const char *key,
		       uint32_t hash)
{
	const size_t n = strlen(key) + 1;
	struct entry *e;

	if (b->mb->entryc >= ENTRIES_MAX)
		return ENOSPC;

	e = mem_zalloc(sizeof(*e) + n, entry_destructor);
	if (!e)
		return ENOMEM;

	memcpy(e->key, key, n);
	e->hash    = hash;
	e->due.h   = entry_due_handler;
	e->due.arg = e;
	*ep = e;

	return 0;
}


static void entry_add(struct entry *e, struct bucket *b)
{
	if (b->entryc >= 2 * b->hsize)
		bucket_grow(b);

	e->bucket = b;
	hash_append(b->entries, e->hash, &e->he, e);
	++b->entryc;
	++b->mb->entryc;
}


static void kvop_destructor(void *arg)
{
	struct bus_kvop *op = arg;

	membus_pull(&op->it);
	if (op->opp)
		*op->opp = NULL;
	mem_deref(op->val);
}


static void kvop_handler(struct membus *mb, struct item *it)
{
	struct bus_kvop *op = (struct bus_kvop *)it;
	const struct value *val = op->val;
	(void)mb;

	if (op->opp) {
		*op->opp = NULL;
		op->opp = NULL;
	}

	op->h(op->err, op->rev, val ? val->data : NULL, val ? val->len : 0,
	      op->arg);
}


static int kvop_alloc(struct bus_kvop **opp, struct membus *mb, bus_kv_h *h,
		      void *arg)
{
	struct bus_kvop *op;

	*opp = NULL;
	if (membus_full(mb))
		return ENOBUFS;

	if (!h)
		return 0;

	op = mem_zalloc(sizeof(*op), kvop_destructor);
	if (!op)
		return ENOMEM;

	op->h   = h;
	op->arg = arg;
	*opp = op;

	return 0;
}


static void kvop_push(struct bus_kvop *op, struct bus_kvop **opp,
		      struct membus *mb, int err, uint64_t rev,
		      struct value *val)
{
	if (opp)
		*opp = op;

	if (!op)
		return;

	op->opp = opp;
	op->err = err;
	op->rev = rev;
	op->val = mem_ref(val);
	membus_push(mb, &op->it, kvop_handler);
}


static int put_verdict(const struct bus_put *put, const struct entry *e)
{
	switch (put->cmd) {

	case BUS_KV_CREATE:
		return e ? EEXIST : 0;

	case BUS_KV_UPDATE:
		if (!e)
			return ENOENT;
		return e->val->rev == put->rev ? 0 : ESTALE;

	default:
		return 0;
	}
}


static int value_set(struct bucket *b, struct entry **ep, uint32_t hash,
		     const struct bus_put *put, struct change **cp)
{
	struct entry *e = *ep;
	struct value *val;
	int err;

	val = mem_alloc(sizeof(*val) + put->len, NULL);
	if (!val)
		return ENOMEM;

	val->len = put->len;
	if (put->len)
		memcpy(val->data, put->buf, put->len);

	err = change_alloc(cp, b);
	if (err)
		goto out;

	if (!e) {
		err = entry_alloc(&e, b, put->key, hash);
		if (err)
			goto out;
	}

	if (put->ttl_ms)
		err = membus_due(b->mb, &e->due, put->ttl_ms);
	else
		heap_remove(&b->mb->heap, &e->due);
	if (err)
		goto out;

	if (!*ep)
		entry_add(e, b);

	val->rev = ++b->mb->rev;
	mem_deref(e->val);
	e->val = val;
	*ep = e;

	return 0;

 out:
	if (!*ep)
		mem_deref(e);
	*cp = mem_deref(*cp);
	mem_deref(val);

	return err;
}


/**
 * Store a value, see bus_kv_create, bus_kv_update, bus_kv_put
 *
 * @param opp Pointer to the operation, or NULL
 * @param bus Memory bus
 * @param put What to store, checked
 * @param h   Told the result, or NULL
 * @param arg Handler argument
 *
 * @return 0 if success
 */
int memkv_put(struct bus_kvop **opp, struct bus *bus,
	      const struct bus_put *put, bus_kv_h *h, void *arg)
{
	struct membus *mb = (struct membus *)bus;
	const uint32_t hash = key_hash(mb, put->key);
	struct change *c = NULL;
	struct bus_kvop *op;
	struct bucket *b;
	struct entry *e;
	int err, verdict;

	err = kvop_alloc(&op, mb, h, arg);
	if (err)
		return err;

	err = bucket_get(&b, mb, put->bucket);
	if (err)
		goto out;

	e = entry_find(b, put->key, hash);
	verdict = put_verdict(put, e);

	if (!verdict) {
		err = value_set(b, &e, hash, put, &c);
		if (err)
			goto out;

		change_push(c, e, e->val);
	}

	kvop_push(op, opp, mb, verdict, e ? e->val->rev : 0,
		  verdict && e ? e->val : NULL);

 out:
	if (err)
		mem_deref(op);

	return err;
}


/**
 * Delete a value, see bus_kv_delete
 *
 * @param opp    Pointer to the operation, or NULL
 * @param bus    Memory bus
 * @param bucket Bucket
 * @param key    Key
 * @param rev    Revision that must be stored, 0: any
 * @param h      Told the result, or NULL
 * @param arg    Handler argument
 *
 * @return 0 if success
 */
int memkv_delete(struct bus_kvop **opp, struct bus *bus, const char *bucket,
		 const char *key, uint64_t rev, bus_kv_h *h, void *arg)
{
	struct membus *mb = (struct membus *)bus;
	struct bucket *b = bucket_find(mb, bucket);
	struct entry *e = b ? entry_find(b, key, key_hash(mb, key)) : NULL;
	struct bus_kvop *op;
	struct change *c;
	int err;

	err = kvop_alloc(&op, mb, h, arg);
	if (err)
		return err;

	if (!e) {
		kvop_push(op, opp, mb, ENOENT, 0, NULL);
	}
	else if (rev && rev != e->val->rev) {
		kvop_push(op, opp, mb, ESTALE, e->val->rev, e->val);
	}
	else {
		err = change_alloc(&c, b);
		if (err) {
			mem_deref(op);
			return err;
		}

		kvop_push(op, opp, mb, 0, e->val->rev, NULL);
		entry_remove(e, c);
	}

	return 0;
}


/**
 * Read a value, see bus_kv_get
 *
 * @param opp    Pointer to the operation, or NULL
 * @param bus    Memory bus
 * @param bucket Bucket
 * @param key    Key
 * @param h      Told the value
 * @param arg    Handler argument
 *
 * @return 0 if success
 */
int memkv_get(struct bus_kvop **opp, struct bus *bus, const char *bucket,
	      const char *key, bus_kv_h *h, void *arg)
{
	struct membus *mb = (struct membus *)bus;
	const struct bucket *b = bucket_find(mb, bucket);
	const struct entry *e = b ? entry_find(b, key, key_hash(mb, key))
				  : NULL;
	struct bus_kvop *op;
	int err;

	err = kvop_alloc(&op, mb, h, arg);
	if (err)
		return err;

	kvop_push(op, opp, mb, e ? 0 : ENOENT, e ? e->val->rev : 0,
		  e ? e->val : NULL);

	return 0;
}


/**
 * Forget all buckets; the queue is empty by now
 *
 * @param mb Memory bus
 */
void memkv_close(struct membus *mb)
{
	list_flush(&mb->bucketl);
}
