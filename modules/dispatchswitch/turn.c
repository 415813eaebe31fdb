/**
 * @file turn.c  Whose turn it is
 *
 * Signalling threads ask, the main thread sets who takes part. A copy of an
 * INVITE goes where the first one went: a small table remembers, by the
 * INVITE's tag, who got it; it forgets when it is overwritten.
 */
#include <string.h>
#include <pthread.h>
#include <re.h>
#include "dispatchswitch/turn.h"


enum {
	MEMO    = 1 << 13,         /* power of 2                            */
	ID_MASK = 0xffff,          /* of a memo; the rest is of the tag     */
};

struct member {
	struct turn_member m;
	size_t contactlen;
	uint32_t sent;             /* since it told its load, atomic        */
};

struct turn {
	pthread_rwlock_t *lock;    /* read-locked by those who ask          */
	enum turn_mode mode;
	unsigned n;
	struct member v[TURN_MAX];

	uint32_t next;             /* atomic                                */
	uint64_t memov[MEMO];      /* atomic; 0: nothing                    */
};


static void destructor(void *arg)
{
	struct turn *t = arg;

	if (t->lock)
		pthread_rwlock_destroy(t->lock);
	mem_deref(t->lock);
}


/**
 * Make a turn with nobody in it
 *
 * @param tp   Set to the turn
 * @param mode Who is next
 *
 * @return 0 if success; ENOMEM
 */
int turn_alloc(struct turn **tp, enum turn_mode mode)
{
	struct turn *t;
	int err;

	t = mem_zalloc(sizeof(*t), destructor);
	if (!t)
		return ENOMEM;

	t->mode = mode;
	t->lock = mem_zalloc(sizeof(*t->lock), NULL);
	if (!t->lock) {
		err = ENOMEM;
		goto out;
	}

	err = pthread_rwlock_init(t->lock, NULL);
	if (err)
		t->lock = mem_deref(t->lock);

 out:
	if (err)
		mem_deref(t);
	else
		*tp = t;

	return err;
}


/**
 * Say who takes part
 *
 * @param t Turn
 * @param v Members; those that took part before, by their id, keep what was
 *          counted
 * @param n Their number, at most TURN_MAX
 *
 * @return 0 if success; EINVAL
 */
int turn_set(struct turn *t, const struct turn_member *v, unsigned n)
{
	struct member nv[TURN_MAX];
	unsigned i, j;

	if (!t || n > TURN_MAX || (n && !v))
		return EINVAL;

	memset(nv, 0, sizeof(nv));

	pthread_rwlock_wrlock(t->lock);

	for (i=0; i<n; i++) {
		nv[i].m = v[i];
		nv[i].contactlen = strlen(v[i].contact);
		for (j=0; j<t->n; j++) {
			if (t->v[j].m.id == v[i].id)
				nv[i].sent = t->v[j].sent;
		}
	}
	memcpy(t->v, nv, sizeof(t->v));
	t->n = n;

	pthread_rwlock_unlock(t->lock);

	return 0;
}


/**
 * A member tells its load
 *
 * @param t    Turn
 * @param id   Member
 * @param load Joins in the last second or so
 */
void turn_load(struct turn *t, uint16_t id, uint32_t load)
{
	unsigned i;

	if (!t)
		return;

	pthread_rwlock_wrlock(t->lock);
	for (i=0; i<t->n; i++) {
		if (t->v[i].m.id == id) {
			t->v[i].m.load = load;
			t->v[i].sent = 0;
		}
	}
	pthread_rwlock_unlock(t->lock);
}


static uint64_t load_of(const struct member *m)
{
	return (uint64_t)m->m.load +
		__atomic_load_n(&m->sent, __ATOMIC_RELAXED);
}


static struct member *member_next(struct turn *t)
{
	const uint32_t k = __atomic_fetch_add(&t->next, 1, __ATOMIC_RELAXED);
	struct member *m = &t->v[k % t->n];
	unsigned i;

	for (i=1; t->mode == TURN_LOAD && i<t->n; i++) {
		struct member *o = &t->v[(k + i) % t->n];

		if (load_of(o) < load_of(m))
			m = o;
	}

	return m;
}


static struct member *member_of(struct turn *t, uint64_t tag)
{
	uint64_t *memo = &t->memov[tag & (MEMO - 1)];
	const uint64_t was = __atomic_load_n(memo, __ATOMIC_RELAXED);
	struct member *m;
	unsigned i;

	for (i=0; was && i<t->n; i++) {
		if (was == ((tag & ~(uint64_t)ID_MASK) | t->v[i].m.id))
			return &t->v[i];
	}

	m = member_next(t);
	__atomic_store_n(memo, (tag & ~(uint64_t)ID_MASK) | m->m.id,
			 __ATOMIC_RELAXED);
	__atomic_fetch_add(&m->sent, 1, __ATOMIC_RELAXED);

	return m;
}


/**
 * Whose turn is it? Any thread; allocates nothing.
 *
 * @param t       Turn
 * @param tag     Of the INVITE, the same for each copy of it
 * @param contact Set to host:port, not zero-terminated
 * @param sz      Its size [bytes]
 * @param len     Length of the contact [bytes]
 *
 * @return 0 if success; ENOENT if nobody takes part; EOVERFLOW
 */
int turn_next(struct turn *t, uint64_t tag, char *contact, size_t sz,
	      size_t *len)
{
	int err = ENOENT;

	pthread_rwlock_rdlock(t->lock);

	if (t->n) {
		const struct member *m = member_of(t, tag);

		err = m->contactlen > sz ? EOVERFLOW : 0;
		if (!err) {
			memcpy(contact, m->m.contact, m->contactlen);
			*len = m->contactlen;
		}
	}

	pthread_rwlock_unlock(t->lock);

	return err;
}
