/**
 * @file natssweep.c  What those who should have removed it left behind
 *
 * Marks of deletions and values that have expired are removed by who made or
 * found them (natsreap.c). If that process has died they remain. Every few
 * minutes one of all members of the bus looks through a bucket: who succeeds
 * in storing $sweep, which no key can be and which lives that long.
 */
#include <stdlib.h>
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
#include "bus/natsjs.h"


enum {
	PERIOD   = 10,             /* between two looks [lives of a mark]   */
	LIMIT_MS = 60000,          /* for one look                          */
};

struct natssweep {
	struct target t;           /* first; what the consumer sends        */
	struct heap_node due;
	struct kvbucket *b;
	struct bus_kvop *op;
	bool looking;
};


static void sweep_next(struct natssweep *sw, uint32_t lives)
{
	const uint32_t ms = lives * sw->b->nb->mark_ms;

	if (sw->looking)
		(void)natslink_unsubscribe(sw->b->nb->link, sw->t.id);
	sw->looking = false;
	target_stop(&sw->t);
	(void)due_start(&sw->b->nb->due, &sw->due,
			ms + rand_u32() % (ms / 2));
}


/* Old enough that whoever has to do with it has done it */
static void value_look(struct natssweep *sw, natsMsg *msg,
		       const struct natspush *p)
{
	const uint64_t age = kvbucket_age(sw->b, p->stamp);
	const uint32_t life = sw->b->nb->mark_ms, grace = life / 2;
	const char *val;
	uint64_t ttl;

	if (!natsMsgHeader_Get(msg, NATSJS_HDR_KVOP, &val)) {
		if (age > life + grace)
			natsreap_add(sw->b, p->seq, 1000);
		return;
	}

	if (natsMsgHeader_Get(msg, NATSJS_HDR_TTL, &val))
		return;

	ttl = strtoull(val, NULL, 10);
	if (ttl && age > ttl + grace)
		natsreap_add(sw->b, p->seq, 1000);
}


static void sent_handler(struct target *t, natsMsg *msg)
{
	struct natssweep *sw = (struct natssweep *)t;
	struct natspush p;

	/* the consumer has nothing to say, so this was all */
	if (natsjs_push_decode(&p, natsMsg_GetReply(msg))) {
		sweep_next(sw, PERIOD);
		return;
	}

	value_look(sw, msg, &p);
	if (!p.pending)
		sweep_next(sw, PERIOD);
}


static void look(struct natssweep *sw)
{
	struct natsbus *nb = sw->b->nb;
	char subject[NATS_SUBJECT_MAX], reply[NATS_INBOX_MAX + 4];
	char deliver[NATS_INBOX_MAX + 24], json[NATS_SUBJECT_MAX + 512];

	target_start(nb, &sw->t, sent_handler);
	(void)re_snprintf(deliver, sizeof(deliver), "%s-sweep.%llx",
			  nb->inbox, sw->t.id);
	(void)re_snprintf(reply, sizeof(reply), "%s.0", nb->inbox);
	(void)re_snprintf(subject, sizeof(subject),
			  "$JS.API.CONSUMER.CREATE.KV_%s", sw->b->name);
	(void)re_snprintf(json, sizeof(json),
			  "{\"stream_name\":\"KV_%s\",\"config\":{"
			  "\"deliver_policy\":\"last_per_subject\","
			  "\"filter_subject\":\"$KV.%s.>\","
			  "\"ack_policy\":\"none\",\"max_deliver\":1,"
			  "\"replay_policy\":\"instant\","
			  "\"deliver_subject\":\"%s\","
			  "\"headers_only\":true,"
			  "\"idle_heartbeat\":5000000000,"
			  "\"num_replicas\":1,\"mem_storage\":true}}",
			  sw->b->name, sw->b->name, deliver);

	/* without a subscription it goes away by itself */
	sw->looking = !natslink_subscribe(nb->link, sw->t.id, deliver);
	(void)natslink_publish(nb->link, subject, reply, NULL,
			       (uint8_t *)json, strlen(json));
	(void)due_start(&nb->due, &sw->due, LIMIT_MS);
}


static void turn_handler(int err, uint64_t rev, const uint8_t *buf,
			 size_t len, void *arg)
{
	struct natssweep *sw = arg;
	(void)rev;
	(void)buf;
	(void)len;

	if (err || sw->b->state != BUCKET_READY)
		sweep_next(sw, PERIOD);
	else
		look(sw);
}


static void due_handler(void *arg)
{
	struct natssweep *sw = arg;
	const struct bus_put put = {
		BUS_KV_CREATE, sw->b->name, "$sweep", 0, NULL, 0,
		PERIOD * sw->b->nb->mark_ms
	};

	/* it took too long */
	if (sw->looking) {
		sweep_next(sw, PERIOD);
		return;
	}

	if (sw->op || natskv_put(&sw->op, &sw->b->nb->bus, &put, turn_handler,
				 sw))
		sweep_next(sw, PERIOD);
}


static void destructor(void *arg)
{
	struct natssweep *sw = arg;

	target_stop(&sw->t);
	due_stop(&sw->b->nb->due, &sw->due);
	mem_deref(sw->op);
}


/**
 * Look through a bucket now and then
 *
 * @param swp Pointer to the sweep, owned by the caller
 * @param b   Bucket, which outlives it
 *
 * @return 0 if success; ENOMEM
 */
int natssweep_alloc(struct natssweep **swp, struct kvbucket *b)
{
	struct natssweep *sw;

	sw = mem_zalloc(sizeof(*sw), destructor);
	if (!sw)
		return ENOMEM;

	sw->b = b;
	sw->due.h = due_handler;
	sw->due.arg = sw;
	*swp = sw;

	return 0;
}


/**
 * The bucket is ready (again)
 *
 * @param sw Sweep
 */
void natssweep_ready(struct natssweep *sw)
{
	if (!sw->due.pos)
		sweep_next(sw, 1);
}


/**
 * The bucket cannot be reached any more
 *
 * @param sw Sweep
 */
void natssweep_down(struct natssweep *sw)
{
	sw->looking = false;
	target_stop(&sw->t);
	due_stop(&sw->b->nb->due, &sw->due);
}
