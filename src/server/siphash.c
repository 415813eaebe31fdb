/**
 * @file siphash.c  Keyed hash for tables that strangers can fill
 *
 * SipHash-2-4 (Aumasson and Bernstein, 2012). With a plain hash a caller could
 * choose conference names that all meet in one bucket.
 */
#include <string.h>
#include <re.h>
#include "server/siphash.h"


static inline uint64_t rotl(uint64_t x, unsigned n)
{
	return (x << n) | (x >> (64 - n));
}


static inline void rounds(uint64_t v[4], unsigned n)
{
	while (n--) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotl(v[1], 13) ^ v[0];
		v[3] = rotl(v[3], 16) ^ v[2];
		v[0] = rotl(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotl(v[1], 17) ^ v[2];
		v[3] = rotl(v[3], 21) ^ v[0];
		v[2] = rotl(v[2], 32);
	}
}


/**
 * Make a key that nobody can guess
 *
 * @param key Key
 */
void siphash_key_random(struct siphash_key *key)
{
	if (!key)
		return;

	key->v[0] = rand_u64();
	key->v[1] = rand_u64();
}


/**
 * Hash some bytes. Safe in any thread.
 *
 * @param key Key
 * @param buf Bytes
 * @param len Number of bytes
 *
 * @return Hash; differs between big and little endian machines, so it is not
 *         for the wire
 */
uint64_t siphash(const struct siphash_key *key, const void *buf, size_t len)
{
	const uint8_t *p = buf;
	uint64_t v[4], m;
	size_t n = len;

	v[0] = key->v[0] ^ 0x736f6d6570736575ULL;
	v[1] = key->v[1] ^ 0x646f72616e646f6dULL;
	v[2] = key->v[0] ^ 0x6c7967656e657261ULL;
	v[3] = key->v[1] ^ 0x7465646279746573ULL;

	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&m, p, 8);
		v[3] ^= m;
		rounds(v, 2);
		v[0] ^= m;
	}

	m = (uint64_t)len << 56;
	while (n--)
		m |= (uint64_t)p[n] << (8 * n);

	v[3] ^= m;
	rounds(v, 2);
	v[0] ^= m;
	v[2] ^= 0xff;
	rounds(v, 4);

	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
