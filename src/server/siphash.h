/**
 * @file siphash.h  Keyed hash for tables that strangers can fill
 */
#ifndef JUNCTOR_SERVER_SIPHASH_H
#define JUNCTOR_SERVER_SIPHASH_H

struct siphash_key {
	uint64_t v[2];
};

void siphash_key_random(struct siphash_key *key);
uint64_t siphash(const struct siphash_key *key, const void *buf, size_t len);

#endif
