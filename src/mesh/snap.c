/**
 * @file mesh/snap.c  Numbers that one thread writes and another may read
 *
 * The writer never waits; the reader tries again if it was overtaken. Each
 * word is released and acquired on its own, so whoever reads a word of a
 * newer snapshot also sees that `seq` has moved.
 */
#include <re.h>
#include <stdatomic.h>
#include <string.h>
#include "mesh/snap.h"


/**
 * Write a snapshot
 *
 * @param snap Snapshot; one thread writes
 * @param p    What to copy
 * @param len  Its length, at most 8 * SNAP_WORDS [bytes]
 */
void snap_write(struct snap *snap, const void *p, size_t len)
{
	const uint32_t seq = atomic_load_explicit(&snap->seq,
						  memory_order_relaxed);
	const uint8_t *src = p;

	atomic_store_explicit(&snap->seq, seq + 1, memory_order_relaxed);

	for (size_t i = 0; len; i++) {
		const size_t n = min(len, sizeof(uint64_t));
		uint64_t w = 0;

		memcpy(&w, src, n);
		atomic_store_explicit(&snap->wordv[i], w,
				      memory_order_release);
		src += n;
		len -= n;
	}

	atomic_store_explicit(&snap->seq, seq + 2, memory_order_release);
}


/**
 * Read the latest snapshot
 *
 * @param snap Snapshot
 * @param p    Where it goes
 * @param len  As long as it was written [bytes]
 */
void snap_read(struct snap *snap, void *p, size_t len)
{
	uint32_t before, after;

	do {
		uint8_t *dst = p;
		size_t left = len;

		before = atomic_load_explicit(&snap->seq,
					      memory_order_acquire);

		for (size_t i = 0; left; i++) {
			const size_t n = min(left, sizeof(uint64_t));
			uint64_t w = atomic_load_explicit(
				&snap->wordv[i], memory_order_acquire);

			memcpy(dst, &w, n);
			dst += n;
			left -= n;
		}

		after = atomic_load_explicit(&snap->seq,
					     memory_order_relaxed);

	} while (before != after || (before & 1));
}
