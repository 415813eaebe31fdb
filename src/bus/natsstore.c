/**
 * @file natsstore.c  Does NATS store anything?
 *
 *   an operation is not answered for long -> the bucket stores nothing: a
 *   word is stored there, again and again ... confirmed -> it does
 *
 * A cluster that has lost its quorum keeps connections and passes messages on,
 * but nobody confirms what is to be stored, and nobody says why. Elections of
 * a leader look the same, and are over in some seconds. Who cannot store
 * cannot renew what it has stored either, so nothing expires meanwhile, and
 * from the first doubt on.
 */
#include <stddef.h>
#include <nats/nats.h>
#include <re.h>
#include "server/siphash.h"
#include "server/log.h"
#include "bus/bus.h"
#include "bus/ops.h"
#include "bus/heap.h"
#include "bus/due.h"
#include "bus/natslink.h"
#include "bus/natsbus.h"
#include "bus/natsbucket.h"
#include "bus/natsjs.h"
#include "bus/natsjob.h"


enum {
	LOOK_MS  = 500,
	LATE_MS  = 500,            /* later than that we were not run       */
	DOUBT_MS = 1500,           /* without an answer, nothing expires    */
	LOST_MS  = 3500,           /* ... nothing is stored; before the
				      operation's time is up                */
	PROBE_MS = 1000,
};

static void probe(struct kvbucket *b);


/* Nothing came of an operation for so long: neither was it answered, nor was
   anything else stored in its bucket */
static bool in_vain(const struct kvjob *j, uint64_t now, uint64_t ms)
{
	const struct kvbucket *b = job_bucket(j);
	const uint64_t since = max(max(j->began, b->stored_at),
				   b->nb->up_at);

	return b->nb->bus.state == BUS_UP && now >= since + ms;
}


static void probe_handler(void *arg)
{
	probe(arg);
}


static void bucket_lost(struct kvbucket *b)
{
	if (b->bad)
		return;

	b->bad = true;
	log_event(LOG_WARN, "bus", NULL, "bucket %s: nothing is stored",
		  b->name);
	probe(b);
	if (!b->nb->badc++)
		bus_store_set(&b->nb->bus, false);
}


static bool doubtful(struct natsbus *nb, uint64_t now)
{
	bool doubt = nb->badc != 0;
	struct le *le;

	/* in the order that they have begun */
	for (le = list_head(&nb->jobl); le && !doubt; le = le->next) {
		const struct kvjob *j = le->data;

		if (now < j->began + DOUBT_MS)
			break;
		doubt = in_vain(j, now, DOUBT_MS);
	}

	if (doubt)
		nb->doubt_at = now;

	return doubt;
}


static void look_handler(void *arg)
{
	struct natsbus *nb = arg;
	const uint64_t now = tmr_jiffies();
	struct le *le;

	/* what came while this process did not run has not been read */
	if (now - nb->looked_at > LOOK_MS + LATE_MS)
		nb->up_at = now;

	(void)doubtful(nb, now);
	LIST_FOREACH(&nb->jobl, le) {
		const struct kvjob *j = le->data;

		if (now < j->began + LOST_MS)
			break;
		if (in_vain(j, now, LOST_MS))
			bucket_lost(job_bucket(j));
	}

	if (!list_isempty(&nb->jobl))
		natsstore_begun(nb);
}


/**
 * Begin to doubt
 *
 * @param nb NATS bus
 */
void natsstore_init(struct natsbus *nb)
{
	nb->look.h = look_handler;
	nb->look.arg = nb;
}


/**
 * The bus is up: who has waited for it begins to wait for its answer
 *
 * @param nb NATS bus
 */
void natsstore_up(struct natsbus *nb)
{
	nb->up_at = tmr_jiffies();
}


/**
 * An operation on a key has begun
 *
 * @param nb NATS bus
 */
void natsstore_begun(struct natsbus *nb)
{
	if (nb->look.pos)
		return;

	nb->looked_at = tmr_jiffies();
	(void)due_start(&nb->due, &nb->look, LOOK_MS);
}


/**
 * Something was stored
 *
 * @param b Bucket
 */
void natsstore_done(struct kvbucket *b)
{
	struct natsbus *nb = b->nb;

	b->stored_at = tmr_jiffies();
	if (!b->bad)
		return;

	log_event(LOG_NOTICE, "bus", NULL, "bucket %s: it stores again",
		  b->name);
	natsstore_close(b);
	nb->doubt_at = b->stored_at;
	if (!nb->badc)
		bus_store_set(&nb->bus, true);
}


/**
 * Doubt no longer
 *
 * @param b Bucket, which may be about to go away
 */
void natsstore_close(struct kvbucket *b)
{
	target_stop(&b->probe);
	due_stop(&b->nb->due, &b->probe_due);
	if (b->bad)
		--b->nb->badc;
	b->bad = false;
}


static void reply_handler(struct target *t, natsMsg *msg)
{
	struct kvbucket *b = (struct kvbucket *)
		((char *)t - offsetof(struct kvbucket, probe));
	struct odict *od = NULL;
	unsigned code;

	target_stop(t);
	if (!natsbus_nobody(msg) &&
	    !natsjs_reply_decode(&od, &code, natsMsg_GetData(msg),
				 (size_t)natsMsg_GetDataLength(msg)) && !code)
		natsstore_done(b);

	mem_deref(od);
}


/* A bucket that has to be found again stores something for that. */
static void probe(struct kvbucket *b)
{
	b->probe_due.h = probe_handler;
	b->probe_due.arg = b;
	(void)due_start(&b->nb->due, &b->probe_due, PROBE_MS);
	if (b->state != BUCKET_READY)
		return;

	target_start(b->nb, &b->probe, reply_handler);
	if (kvbucket_stamp_send(b, &b->probe))
		target_stop(&b->probe);
}


/**
 * How long may something that is due to expire still be renewed?
 *
 * @param nb  NATS bus
 * @param ttl Its time to live [ms]
 *
 * @return All of that while nothing may have been stored, the rest of it
 *         afterwards, else 0 [ms]
 */
uint64_t natsstore_grace(struct natsbus *nb, uint64_t ttl)
{
	const uint64_t now = tmr_jiffies();

	if (doubtful(nb, now))
		return ttl;
	if (!nb->doubt_at || now - nb->doubt_at >= ttl)
		return 0;

	return ttl - (now - nb->doubt_at);
}
