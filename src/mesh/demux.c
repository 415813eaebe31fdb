/**
 * @file mesh/demux.c  Whose packet is this: participants by source address
 *
 * Open addressing with linear probing; removal moves what follows back, so
 * there are no tombstones and a miss stays as short as the table is empty.
 * The hash is keyed at random: a stranger cannot choose addresses that
 * collide. Fixed size, never more than half full; finding neither allocates
 * nor locks.
 */
#include <re.h>
#include <string.h>
#include "mesh/demux.h"

struct key {
	uint64_t hi, lo;         /* IPv6 address; IPv4: 0 and the address   */
	uint32_t port;           /* and 1 << 16 for IPv6; 0: slot is free   */
};

struct slot {
	struct key key;
	void *what;
};

struct demux {
	uint64_t seed[2];
	uint32_t mask;
	unsigned max, count;
	struct slot slotv[];
};


static bool key_make(struct key *key, const struct sa *sa)
{
	memset(key, 0, sizeof(*key));

	switch (sa_af(sa)) {

	case AF_INET:
		key->lo = sa->u.in.sin_addr.s_addr;
		key->port = sa->u.in.sin_port;
		return key->port != 0;

	case AF_INET6:
		memcpy(&key->hi, &sa->u.in6.sin6_addr.s6_addr[0], 8);
		memcpy(&key->lo, &sa->u.in6.sin6_addr.s6_addr[8], 8);
		key->port = sa->u.in6.sin6_port;
		if (!key->port)
			return false;
		key->port |= 1 << 16;
		return true;

	default:
		return false;
	}
}


static bool key_equal(const struct key *a, const struct key *b)
{
	return a->lo == b->lo && a->hi == b->hi && a->port == b->port;
}


static uint32_t key_hash(const struct demux *d, const struct key *key)
{
	uint64_t h = d->seed[0] ^ key->lo;

	h *= 0x9e3779b97f4a7c15ULL;
	h ^= h >> 32 ^ key->hi ^ d->seed[1];
	h *= 0xbf58476d1ce4e5b9ULL;
	h ^= h >> 29 ^ (uint64_t)key->port << 17;
	h *= 0x94d049bb133111ebULL;

	return (uint32_t)(h >> 32);
}


/* The slot of a key, or the free one where it would go */
static uint32_t slot_find(const struct demux *d, const struct key *key)
{
	uint32_t ix = key_hash(d, key) & d->mask;

	while (d->slotv[ix].key.port &&
	       !key_equal(&d->slotv[ix].key, key))
		ix = (ix + 1) & d->mask;

	return ix;
}


/**
 * Allocate a table
 *
 * @param dp  Pointer to allocated table
 * @param max Most addresses it will hold, 1..1000000
 *
 * @return 0, or EINVAL or ENOMEM
 */
int demux_alloc(struct demux **dp, unsigned max)
{
	struct demux *d;
	uint32_t n = 16;

	if (!dp || !max || max > 1000000)
		return EINVAL;

	while (n < 2 * max)
		n *= 2;

	d = mem_zalloc(sizeof(*d) + n * sizeof(d->slotv[0]), NULL);
	if (!d)
		return ENOMEM;

	d->mask = n - 1;
	d->max = max;
	d->seed[0] = rand_u64();
	d->seed[1] = rand_u64();
	*dp = d;

	return 0;
}


/**
 * Add an address
 *
 * @param d    Table
 * @param sa   Address and port
 * @param what What is found by it; not owned
 *
 * @return 0, or EINVAL without address or port, EEXIST if the address is in
 *         use, ENOSPC if the table is full
 */
int demux_add(struct demux *d, const struct sa *sa, void *what)
{
	struct key key;
	uint32_t ix;

	if (!d || !sa || !what || !key_make(&key, sa))
		return EINVAL;

	ix = slot_find(d, &key);
	if (d->slotv[ix].key.port)
		return EEXIST;
	if (d->count >= d->max)
		return ENOSPC;

	d->slotv[ix].key = key;
	d->slotv[ix].what = what;
	++d->count;

	return 0;
}


/**
 * Remove an address; one that is not there is ignored
 *
 * @param d  Table
 * @param sa Address and port
 */
void demux_remove(struct demux *d, const struct sa *sa)
{
	struct key key;
	uint32_t hole, ix;

	if (!d || !sa || !key_make(&key, sa))
		return;

	hole = slot_find(d, &key);
	if (!d->slotv[hole].key.port)
		return;

	--d->count;

	/* move back whatever its own place lies at or before the hole */
	for (ix = (hole + 1) & d->mask; d->slotv[ix].key.port;
	     ix = (ix + 1) & d->mask) {

		const uint32_t home = key_hash(d, &d->slotv[ix].key) &
			d->mask;

		if (((ix - home) & d->mask) < ((ix - hole) & d->mask))
			continue;

		d->slotv[hole] = d->slotv[ix];
		hole = ix;
	}

	memset(&d->slotv[hole], 0, sizeof(d->slotv[hole]));
}


/**
 * Find what was added under an address
 *
 * @param d  Table
 * @param sa Address and port
 *
 * @return What was added, or NULL
 */
void *demux_find(const struct demux *d, const struct sa *sa)
{
	struct key key;

	if (!key_make(&key, sa))
		return NULL;

	return d->slotv[slot_find(d, &key)].what;
}


/**
 * How many addresses a table holds
 *
 * @param d Table
 *
 * @return Their number
 */
unsigned demux_count(const struct demux *d)
{
	return d ? d->count : 0;
}
