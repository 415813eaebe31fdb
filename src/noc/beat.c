/**
 * @file noc/beat.c  The datagram of a heartbeat
 *
 *   "JHB" | version (1) | type (1) | 0 (3) | from (8) | to (8) | seq (8) |
 *   echo (8) | code (16)
 *
 * in network byte order. The code is HMAC-SHA256 over all before it, cut to
 * 128 bits. Who replays a beat is found by seq; who holds beats back and lets
 * them go later, when their sender may be dead, by echo: it tells how lately
 * the sender has heard the receiver.
 */
#include <string.h>
#include <re.h>
#include "noc/hmac.h"
#include "noc/beat.h"


enum {
	CODE_LEN = 16,
	CODE_POS = BEAT_LEN - CODE_LEN,
};

static const uint8_t head[4] = {'J', 'H', 'B', 1};


static void put_be64(uint8_t *p, uint64_t v)
{
	unsigned i;

	for (i=0; i<8; i++)
		p[i] = (uint8_t)(v >> (56 - 8 * i));
}


static uint64_t get_be64(const uint8_t *p)
{
	uint64_t v = 0;
	unsigned i;

	for (i=0; i<8; i++)
		v = v << 8 | p[i];

	return v;
}


/**
 * Write a beat
 *
 * @param buf Datagram
 * @param b   Beat
 * @param key Key, made with BEAT_LABEL
 */
void beat_encode(uint8_t buf[BEAT_LEN], const struct beat *b,
		 const struct hmac_key *key)
{
	uint8_t code[HMAC_CODE_LEN];

	memset(buf, 0, BEAT_LEN);
	memcpy(buf, head, sizeof(head));
	buf[4] = (uint8_t)b->type;
	put_be64(buf + 8, b->from);
	put_be64(buf + 16, b->to);
	put_be64(buf + 24, b->seq);
	put_be64(buf + 32, b->echo);

	hmac_code(key, code, buf, CODE_POS);
	memcpy(buf + CODE_POS, code, CODE_LEN);
}


/**
 * Read a beat; who sent it is for beat_match to say, which costs more
 *
 * @param b   Beat
 * @param buf Datagram
 * @param len Its length [bytes]
 *
 * @return 0 if success; EBADMSG
 */
int beat_decode(struct beat *b, const uint8_t *buf, size_t len)
{
	if (!b || !buf)
		return EINVAL;

	if (len != BEAT_LEN || memcmp(buf, head, sizeof(head)) ||
	    (buf[4] != BEAT_ALIVE && buf[4] != BEAT_BYE) ||
	    buf[5] || buf[6] || buf[7])
		return EBADMSG;

	b->type = buf[4];
	b->from = get_be64(buf + 8);
	b->to   = get_be64(buf + 16);
	b->seq  = get_be64(buf + 24);
	b->echo = get_be64(buf + 32);

	return b->from && b->to && b->seq ? 0 : EBADMSG;
}


/**
 * Was a datagram that can be read made with the key?
 *
 * @param buf Datagram
 * @param key Key
 *
 * @return True if so
 */
bool beat_match(const uint8_t buf[BEAT_LEN], const struct hmac_key *key)
{
	return hmac_match(key, buf + CODE_POS, CODE_LEN, buf, CODE_POS);
}
