/**
 * @file seal.h  What nobody but the farm may read or write: sealed messages
 *
 * A message is sealed for one place: the subject it is sent to, or
 * "BUCKET/KEY" of where it is stored. Opened for another place it is forged.
 * A key and what it opens belong to one thread at a time.
 */
#ifndef JUNCTOR_NOC_SEAL_H
#define JUNCTOR_NOC_SEAL_H

struct seal_key;
struct server;
struct odict;

enum {
	SEAL_OVERHEAD = 1 + 16 + 12 + 16,   /* [bytes]                      */
	SEAL_TEXT_MAX = 384 * 1024,         /* of a message [bytes]         */
};

int seal_key_alloc(struct seal_key **kp, const uint8_t *secret, size_t len);
int seal_key_load(struct seal_key **kp, struct server *srv,
		  const char *service);
int seal_encode(uint8_t *buf, size_t sz, size_t *np, struct seal_key *key,
		const char *place, const uint8_t *text, size_t len);
int seal_decode(uint8_t *text, size_t sz, size_t *np, struct seal_key *key,
		const char *place, const uint8_t *buf, size_t len);

/* the same for JSON objects; *bufp, *odp are the caller's */
int seal_odict(uint8_t **bufp, size_t *lenp, struct seal_key *key,
	       const char *place, const struct odict *od);
int seal_open(struct odict **odp, struct seal_key *key, const char *place,
	      const uint8_t *buf, size_t len);

#endif
