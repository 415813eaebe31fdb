/**
 * @file noc/beat.h  The datagram of a heartbeat
 */
#ifndef JUNCTOR_NOC_BEAT_H
#define JUNCTOR_NOC_BEAT_H

struct hmac_key;

enum { BEAT_LEN = 56 };        /* of every one [bytes]                  */

#define BEAT_LABEL "junctor heartbeat"   /* of its key, see hmac.h       */

enum beat_type {
	BEAT_ALIVE = 1,
	BEAT_BYE,              /* stops in order, is no crash           */
};

struct beat {
	enum beat_type type;
	uint64_t from, to;     /* instances, drawn when a server starts */
	uint64_t seq;          /* grows with every beat of an instance  */
	uint64_t echo;         /* last seq heard of the other, 0: none  */
};

void beat_encode(uint8_t buf[BEAT_LEN], const struct beat *b,
		 const struct hmac_key *key);
int  beat_decode(struct beat *b, const uint8_t *buf, size_t len);
bool beat_match(const uint8_t buf[BEAT_LEN], const struct hmac_key *key);

#endif
