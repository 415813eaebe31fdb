/**
 * @file wirecounts.c  How many are in the conferences of a media server
 *
 * Messages that tell of who comes and goes can be missed. So a server reports
 * a sum over all its conferences, too; who has added up another one asks for
 * the numbers.
 */
#include <stddef.h>
#include <string.h>
#include <re.h>
#include "server/siphash.h"
#include "noc/client.h"
#include "noc/name.h"
#include "noc/willcall.h"
#include "noc/wire.h"
#include "noc/wirecode.h"


enum { COUNT_LEN = 4 };

static const struct wire_layout counts_layout = {
	WIRE_COUNTS, 3, 0, {
		{WIRE_STR, offsetof(struct wire_counts, server),
		 sizeof(((struct wire_counts *)0)->server), 0, 0},
		{WIRE_U32, offsetof(struct wire_counts, from), 0, 0,
		 UINT32_MAX},
		{WIRE_U32, offsetof(struct wire_counts, next), 0, 0,
		 UINT32_MAX},
	}
};


/**
 * What a conference adds to the sum of its server; the same everywhere
 *
 * @param name    Conference
 * @param namelen Its length [bytes]
 * @param n       Participants
 *
 * @return Summand, 0 for a conference without participants
 */
uint64_t wire_tally(const char *name, size_t namelen, uint32_t n)
{
	const struct siphash_key key = {{n, WIRE_COUNTS}};

	return n ? siphash(&key, name, namelen) : 0;
}


/**
 * Encode a question for numbers of participants, or the head of the answer;
 * wire_count_encode adds conferences
 *
 * @param buf Buffer
 * @param sz  Its size, WIRE_SMALL_MAX is enough [bytes]
 * @param len Length of the message [bytes]
 * @param c   Question or answer
 *
 * @return 0 if success; EINVAL; EOVERFLOW
 */
int wire_counts_encode(uint8_t *buf, size_t sz, size_t *len,
		       const struct wire_counts *c)
{
	return wire_encode(&counts_layout, buf, sz, len, c);
}


/**
 * Encode one conference of an answer
 *
 * @param buf  Where it goes
 * @param sz   Room there; WIRE_COUNT_MAX is always enough [bytes]
 * @param len  Length of it [bytes]
 * @param name Conference
 * @param n    Participants
 *
 * @return 0 if success; EINVAL; EOVERFLOW
 */
int wire_count_encode(uint8_t *buf, size_t sz, size_t *len, const char *name,
		      uint32_t n)
{
	struct wire_writer w = { .buf = buf, .sz = sz };
	const size_t namelen = str_len(name);
	const uint8_t head[3 + COUNT_LEN] = {
		WIRE_TAG_JOIN, 0, (uint8_t)(COUNT_LEN + namelen),
		(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8),
		(uint8_t)n
	};

	if (!buf || !len || !namelen || namelen >= CLIENT_CONFERENCE_MAX)
		return EINVAL;

	wire_put(&w, head, sizeof(head));
	wire_put(&w, name, namelen);

	return wire_finish(&w, len);
}


struct counts {
	wire_count_h *h;
	void *arg;
};


static int count_field(const struct wire_field *f, void *arg)
{
	const struct counts *cs = arg;
	const char *name = (const char *)f->p + COUNT_LEN;
	uint32_t n;

	if (f->tag != WIRE_TAG_JOIN)
		return 0;

	if (f->len <= COUNT_LEN ||
	    !name_valid(name, f->len - COUNT_LEN, CLIENT_CONFERENCE_MAX))
		return EBADMSG;

	n = (uint32_t)f->p[0] << 24 | (uint32_t)f->p[1] << 16 |
		(uint32_t)f->p[2] << 8 | f->p[3];
	if (cs->h)
		cs->h(name, f->len - COUNT_LEN, n, cs->arg);

	return 0;
}


/**
 * Decode a question for numbers of participants, or the answer
 *
 * @param c   Head, all of it set if success
 * @param buf Message
 * @param len Its length [bytes]
 * @param h   Called for each conference, whose name points into the message;
 *            may have been called for the first ones of a message that turns
 *            out to be bad. NULL: only check
 * @param arg Handler argument
 *
 * @return 0 if success; EBADMSG, also if an answer leads nowhere; EPROTO if
 *         its version is not known
 */
int wire_counts_decode(struct wire_counts *c, const uint8_t *buf, size_t len,
		       wire_count_h *h, void *arg)
{
	struct counts cs = { .h = h, .arg = arg };
	const int err = wire_decode(&counts_layout, c, sizeof(*c), buf, len,
				    count_field, &cs);

	if (err)
		return err;

	return c->next && c->next <= c->from ? EBADMSG : 0;
}
