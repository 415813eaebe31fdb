/**
 * @file fuzz_node.c  What comes from other servers, or from who pretends to be
 *                    one: heartbeats, responses to probes, records, marks
 */
#include <string.h>
#include <stdlib.h>
#include <re.h>
#include "noc/beat.h"
#include "noc/hmac.h"
#include "noc/mark.h"
#include "noc/node.h"
#include "noc/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* What was understood can be written, and is understood again. */
static void record_check(const struct node_record *nr)
{
	struct node_record again;
	struct mbuf *mb = mbuf_alloc(512);

	if (!mb)
		return;

	if (node_record_encode(mb, nr) ||
	    node_record_decode(&again, mb->buf, mb->end) ||
	    again.instance != nr->instance ||
	    strcmp(again.name, nr->name))
		abort();
	mem_deref(mb);
}


static void mark_check(const struct mark *m)
{
	struct mark again;
	struct mbuf *mb = mbuf_alloc(512);

	if (!mb)
		return;

	if (mark_encode(mb, m) || mark_decode(&again, mb->buf, mb->end) ||
	    again.state != m->state)
		abort();
	mem_deref(mb);
}


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t secret[32];
	char token[OPTIONS_TOKEN + 1];
	struct node_record nr;
	struct hmac_key *key;
	struct beat beat;
	struct mark mark;
	uint16_t scode;

	if (!beat_decode(&beat, data, size) &&
	    !hmac_key_alloc(&key, secret, sizeof(secret), BEAT_LABEL)) {
		(void)beat_match(data, key);
		mem_deref(key);
	}

	if (!options_response(&scode, token, data, size) &&
	    (scode < 200 || scode > 699 || strlen(token) != OPTIONS_TOKEN))
		abort();

	if (!node_record_decode(&nr, data, size))
		record_check(&nr);
	if (!mark_decode(&mark, data, size))
		mark_check(&mark);

	return 0;
}
