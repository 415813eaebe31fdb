/**
 * @file mesh/codec_pool.c  Coders and packet slots of one mesh worker
 *
 * Between two ticks the worker fills the pool; in the tick, taking from it
 * and giving back is a move from list to list.
 */
#include <re.h>
#include "mesh/codec.h"
#include "mesh/codec_priv.h"


enum {
	REFILL_MAX = 16,      /* objects made or freed in one refill        */
	TRIM_FREE  = 64,      /* free ones beyond the spare that may stay   */
};

struct codec_node {           /* in front of every object                   */
	struct le le;
	struct codec_pool *pool;
	enum codec_obj obj;
	uint32_t pad;
};

struct codec_pool {
	struct list freel[CODEC_OBJ_MAX];
	struct list usedl[CODEC_OBJ_MAX];
	unsigned spare[CODEC_OBJ_MAX];
	unsigned freec[CODEC_OBJ_MAX];
	unsigned usedc[CODEC_OBJ_MAX];
	unsigned failed[CODEC_OBJ_MAX];
	struct codec_counts counts;
	uint64_t judged;
};


static size_t obj_size(enum codec_obj obj)
{
	switch (obj) {

	case CODEC_OBJ_DEC:
	case CODEC_OBJ_DEC_OPUS: return codec_dec_size(obj);
	case CODEC_OBJ_ENC:
	case CODEC_OBJ_ENC_OPUS: return codec_enc_size(obj);
	case CODEC_OBJ_SLOT:     return sched_slot_size();
	case CODEC_OBJ_TALK:     return sched_talk_size();
	default:                 return 0;
	}
}


static void node_destructor(void *data)
{
	struct codec_node *node = data;

	list_unlink(&node->le);
	if (node->obj == CODEC_OBJ_TALK)
		sched_talk_close(node + 1);
}


static void pool_destructor(void *data)
{
	struct codec_pool *pool = data;
	int i;

	for (i = 0; i < CODEC_OBJ_MAX; i++) {
		list_flush(&pool->freel[i]);
		list_flush(&pool->usedl[i]);
	}
}


/**
 * Make the pool of a worker. It starts empty.
 *
 * @param pp  Where the pool goes; objects still out when it ends end with it
 *
 * @return 0 if success, otherwise errorcode
 */
int codec_pool_alloc(struct codec_pool **pp)
{
	struct codec_pool *pool;

	if (!pp)
		return EINVAL;

	pool = mem_zalloc(sizeof(*pool), pool_destructor);
	if (!pool)
		return ENOMEM;

	*pp = pool;

	return 0;
}


static int node_add(struct codec_pool *pool, enum codec_obj obj)
{
	struct codec_node *node;

	node = mem_zalloc(sizeof(*node) + obj_size(obj), node_destructor);
	if (!node)
		return ENOMEM;

	node->pool = pool;
	node->obj  = obj;

	if (obj == CODEC_OBJ_TALK) {
		const int err = sched_talk_setup(node + 1);
		if (err) {
			mem_deref(node);
			return err;
		}
	}

	list_prepend(&pool->freel[obj], &node->le, node);
	++pool->freec[obj];

	return 0;
}


/**
 * Hold this many objects ready, now and after every codec_pool_refill. Not
 * in a tick: it allocates.
 *
 * @param pool   Pool
 * @param obj    Which kind
 * @param spare  How many to have ready
 *
 * @return 0 if success, otherwise errorcode
 */
int codec_pool_fill(struct codec_pool *pool, enum codec_obj obj,
		    unsigned spare)
{
	int err = 0;

	if (!pool || obj >= CODEC_OBJ_MAX)
		return EINVAL;

	pool->spare[obj] = spare;

	while (pool->freec[obj] < spare && !err)
		err = node_add(pool, obj);

	return err;
}


/**
 * Bring the pool back to what codec_pool_fill asked for: a bounded number of
 * objects is made, or freed after a peak. Not in a tick: it allocates.
 *
 * @param pool  Pool
 *
 * @return 0 if success, otherwise errorcode
 */
int codec_pool_refill(struct codec_pool *pool)
{
	unsigned budget = REFILL_MAX;
	int i, err = 0;

	if (!pool)
		return EINVAL;

	for (i = 0; i < CODEC_OBJ_MAX; i++) {

		while (pool->freec[i] < pool->spare[i] && budget && !err) {
			err = node_add(pool, (enum codec_obj)i);
			--budget;
		}

		while (pool->freec[i] > pool->spare[i] + TRIM_FREE &&
		       pool->freec[i] > 2 * pool->usedc[i] && budget) {

			mem_deref(list_ledata(list_tail(&pool->freel[i])));
			--pool->freec[i];
			--budget;
		}
	}

	return err;
}


/**
 * Take an object. Its contents are those of its last use.
 *
 * @param pool  Pool
 * @param obj   Which kind
 *
 * @return The object, NULL if there is none ready
 */
void *codec_pool_get(struct codec_pool *pool, enum codec_obj obj)
{
	struct codec_node *node;

	node = list_ledata(list_head(&pool->freel[obj]));
	if (!node) {
		++pool->failed[obj];
		return NULL;
	}

	list_unlink(&node->le);
	list_append(&pool->usedl[obj], &node->le, node);
	--pool->freec[obj];
	++pool->usedc[obj];

	return node + 1;
}


/**
 * Give an object back
 *
 * @param pool  Pool
 * @param obj   Which kind
 * @param p     Object of codec_pool_get, or NULL
 *
 * @return NULL
 */
void *codec_pool_put(struct codec_pool *pool, enum codec_obj obj, void *p)
{
	struct codec_node *node;

	if (!p)
		return NULL;

	/* the last used is the next used: its memory is still in the cache */
	node = (struct codec_node *)p - 1;
	list_unlink(&node->le);
	list_prepend(&pool->freel[obj], &node->le, node);
	++pool->freec[obj];
	--pool->usedc[obj];

	return NULL;
}


void codec_pool_count_decode(struct codec_pool *pool, bool opus)
{
	++pool->counts.decodes;
	pool->counts.opus_decodes += opus;
}


void codec_pool_count_encode(struct codec_pool *pool, bool opus)
{
	++pool->counts.encodes;
	pool->counts.opus_encodes += opus;
}


void codec_pool_count_judged(struct codec_pool *pool)
{
	++pool->judged;
}


/**
 * What the coders of a pool have done so far
 *
 * @param pool    Pool
 * @param counts  Where the figures go
 */
void codec_pool_counts(const struct codec_pool *pool,
		       struct codec_counts *counts)
{
	*counts = pool->counts;
}


/**
 * What the pool holds and has done
 *
 * @param pool  Pool
 * @param st    Where the figures go
 */
void codec_pool_stats(const struct codec_pool *pool,
		      struct codec_pool_stats *st)
{
	int i;

	if (!pool || !st)
		return;

	for (i = 0; i < CODEC_OBJ_MAX; i++) {
		st->made[i]   = pool->freec[i] + pool->usedc[i];
		st->free[i]   = pool->freec[i];
		st->failed[i] = pool->failed[i];
	}

	st->decodes = pool->counts.decodes;
	st->encodes = pool->counts.encodes;
	st->judged  = pool->judged;
}
