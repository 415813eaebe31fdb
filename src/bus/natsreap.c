/**
 * @file natsreap.c  What nobody needs any more is really removed
 *
 * The mark that a deletion leaves, when everybody has had the time to hear of
 * it, and values that have expired. A message is removed by its number, so
 * nothing newer under the same key can be hit, and it does no harm if several
 * try.
 */
#include <string.h>
#include <nats/nats.h>
#include <re.h>
#include "server/siphash.h"
#include "bus/bus.h"
#include "bus/ops.h"
#include "bus/heap.h"
#include "bus/due.h"
#include "bus/natslink.h"
#include "bus/natsbus.h"
#include "bus/natsbucket.h"


enum {
	REAP_MAX = 65536,          /* beyond that it is left to others      */
};

struct reap {
	struct le le;
	struct heap_node due;
	struct kvbucket *b;
	uint64_t seq;
};


static void reap_destructor(void *arg)
{
	struct reap *r = arg;
	struct natsbus *nb = r->b->nb;

	due_stop(&nb->due, &r->due);
	list_unlink(&r->le);
	--nb->reapc;
}


static void due_handler(void *arg)
{
	struct reap *r = arg;
	const struct kvbucket *b = r->b;
	char subject[NATS_SUBJECT_MAX], json[96], reply[NATS_INBOX_MAX + 4];

	(void)re_snprintf(subject, sizeof(subject),
			  "$JS.API.STREAM.MSG.DELETE.KV_%s", b->name);
	(void)re_snprintf(json, sizeof(json),
			  "{\"seq\":%llu,\"no_erase\":true}", r->seq);

	/* nobody expects anything under 0 */
	(void)re_snprintf(reply, sizeof(reply), "%s.0", b->nb->inbox);
	(void)natslink_publish(b->nb->link, subject, reply, NULL,
			       (uint8_t *)json, strlen(json));

	mem_deref(r);
}


/**
 * Have a message of a bucket removed later
 *
 * @param b     Bucket
 * @param seq   Its number
 * @param delay At least; up to half as much more [ms]
 */
void natsreap_add(struct kvbucket *b, uint64_t seq, uint32_t delay)
{
	struct natsbus *nb = b->nb;
	struct reap *r;

	if (nb->reapc >= REAP_MAX)
		return;

	r = mem_zalloc(sizeof(*r), reap_destructor);
	if (!r)
		return;

	r->b = b;
	r->seq = seq;
	r->due.h = due_handler;
	r->due.arg = r;
	list_append(&nb->reapl, &r->le, r);
	++nb->reapc;

	/* somebody else may be about to do it, too */
	if (due_start(&nb->due, &r->due, delay + rand_u16() % (delay / 2)))
		mem_deref(r);
}


/**
 * Remove nothing: the bus goes down or away, and the numbers may mean another
 * thing when it is up again. What is left is found by those who look for it.
 *
 * @param nb NATS bus
 */
void natsreap_flush(struct natsbus *nb)
{
	list_flush(&nb->reapl);
}
