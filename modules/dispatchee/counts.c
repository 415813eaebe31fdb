/**
 * @file counts.c  server.NAME.counts: how many are in the conferences that are
 *                 ours, for dispatch servers that have missed something
 *
 * The table of conferences is told in parts of some kB. Between these
 * participants come and go, and that is told as always.
 */
#include <string.h>
#include <re.h>
#include "server/log.h"
#include "bus/bus.h"
#include "noc/client.h"
#include "dispatchee/dispatchee.h"


enum { PART = 32 * 1024 };         /* then the rest is for the next one
				      [bytes]                               */


static int bucket_write(struct mbuf *mb, const struct dispatchee *d,
			uint32_t ix)
{
	struct le *le;

	LIST_FOREACH(hash_list(d->confh, ix), le) {
		const struct conf *c = le->data;
		uint8_t buf[WIRE_COUNT_MAX];
		size_t n;
		int err;

		if (!c->tally)
			continue;

		err = wire_count_encode(buf, sizeof(buf), &n, c->name,
					c->participants);
		if (!err)
			err = mbuf_write_mem(mb, buf, n);
		if (err)
			return err;
	}

	return 0;
}


/* What is told begins behind room for the head, which says how far it goes;
   position is the beginning of the answer afterwards. */
static int answer_make(struct mbuf *mb, const struct dispatchee *d,
		       uint32_t from)
{
	struct wire_counts c = { .from = from };
	const uint32_t end = hash_bsize(d->confh);
	uint8_t head[WIRE_SMALL_MAX];
	size_t n;
	int err = 0;

	mb->pos = mb->end = sizeof(head);
	for (; from<end && mb->pos<sizeof(head)+PART && !err; from++)
		err = bucket_write(mb, d, from);
	if (err)
		return err;

	str_ncpy(c.server, d->report.name, sizeof(c.server));
	c.next = from < end ? from : 0;
	err = wire_counts_encode(head, sizeof(head), &n, &c);
	if (err)
		return err;

	mb->pos = sizeof(head) - n;
	err = mbuf_write_mem(mb, head, n);
	mb->pos = sizeof(head) - n;

	return err;
}


/**
 * Tell how many are in each conference
 *
 * @param subject Asked for, server.<name>.counts
 * @param buf     Question
 * @param len     Its length [bytes]
 * @param reply   Where the answer goes, taken; NULL if none is wanted
 * @param arg     Dispatchee
 */
void counts_handler(const char *subject, const uint8_t *buf, size_t len,
		    struct bus_reply *reply, void *arg)
{
	const struct dispatchee *d = arg;
	struct mbuf *mb = NULL;
	struct wire_counts c;

	if (!reply)
		return;

	if (wire_counts_decode(&c, buf, len, NULL, NULL) ||
	    strcmp(c.server, d->report.name)) {
		log_event(LOG_WARN, "dispatchee", NULL,
			  "%s: message is not understood", subject);
		goto out;
	}

	mb = mbuf_alloc(WIRE_SMALL_MAX + PART + WIRE_COUNT_MAX);
	if (!mb || answer_make(mb, d, c.from))
		goto out;

	(void)bus_respond(reply, mbuf_buf(mb), mbuf_get_left(mb));
	reply = NULL;

 out:
	mem_deref(mb);
	mem_deref(reply);
}
