/**
 * @file leases.c  Places that are reserved and not yet known to their server
 *
 * They end when the server answers that it knows them, or by themselves: they
 * are counted by when they were made, and expire a slot at a time.
 */
#include <string.h>
#include <pthread.h>
#include <re.h>
#include "server/siphash.h"
#include "noc/wire.h"
#include "noc/tables.h"
#include "noc/tables_int.h"


static uint64_t slot_of(const struct tables *t, uint64_t now)
{
	const uint32_t width = t->cfg.lease_ms / (LEASE_SLOTS - 1);

	return now / (width ? width : 1);
}


/* Reservations that are still alive. Expires old ones. Under the lock. */
uint32_t leases_live(struct leases *l, const struct tables *t, uint64_t now)
{
	const uint64_t slot = slot_of(t, now);

	if (slot >= l->slot + LEASE_SLOTS) {
		memset(l, 0, sizeof(*l));
		l->slot = slot;
	}

	while (l->slot < slot) {
		uint32_t *n = &l->slotv[++l->slot % LEASE_SLOTS];

		l->total -= *n;
		*n = 0;
	}

	return l->total;
}


void leases_add(struct leases *l, const struct tables *t, uint64_t now)
{
	(void)leases_live(l, t, now);
	++l->slotv[l->slot % LEASE_SLOTS];
	++l->total;
}


static void leases_release(struct leases *l, const struct tables *t,
			   uint32_t n, uint64_t now)
{
	unsigned i;

	(void)leases_live(l, t, now);

	/* oldest first */
	for (i=1; i<=LEASE_SLOTS && n; i++) {
		uint32_t *slot = &l->slotv[(l->slot + i) % LEASE_SLOTS];
		const uint32_t k = min(n, *slot);

		*slot    -= k;
		l->total -= k;
		n        -= k;
	}
}


/**
 * End reservations: the server knows them now, or will never
 *
 * @param t      Tables
 * @param server Name of the server
 * @param n      How many
 * @param now    Time [ms]
 */
void tables_release(struct tables *t, const char *server, uint32_t n,
		    uint64_t now)
{
	struct noc_server *s = t && server ? server_find(t, server) : NULL;

	if (!s)
		return;

	pthread_mutex_lock(t->lock);
	leases_release(&s->leases, t, n, now);
	pthread_mutex_unlock(t->lock);
}
