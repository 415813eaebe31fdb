/**
 * @file natsbucket.c  Buckets: made, found again, and what time it is there
 *
 *   up -> FIND -> (MAKE) -> STAMP -> CLOCK -> READY
 *
 * A bucket is a stream KV_<name> with subjects $KV.<name>.<key>, one message
 * each, as everybody's tools for NATS have it. The age of a value is the time
 * there since it was stored. For that something is stored under $clock, which
 * no key can be, and the stamp that the server gave it is read back: later
 * than that it is. Stamps of changes as they come in make this exact.
 */
#include <string.h>
#include <time.h>
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


enum {
	BUCKETS_MAX = 64,
	WINDOW_MS   = 30000,       /* clocks drift, leaders change          */
	ASK_MS      = 1000,        /* a question is repeated                */
	NOBODY_MS   = 12000,       /* for so long nobody may lead a stream  */
};

static void bucket_next(struct kvbucket *b, enum bucket_state state);
static int state_send(struct kvbucket *b);


static int64_t clock_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);

	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}


/**
 * The server has just stamped a message
 *
 * @param b     Bucket
 * @param stamp Its time [ns]
 */
void kvbucket_stamp(struct kvbucket *b, uint64_t stamp)
{
	const uint64_t now = tmr_jiffies();
	const int64_t ahead = (int64_t)stamp - clock_ns();

	if (!b->clock) {
		b->clock = true;
		b->aheadv[0] = b->aheadv[1] = ahead;
		b->ahead_at = now;
	}
	else if (now - b->ahead_at >= WINDOW_MS) {
		b->aheadv[0] = now - b->ahead_at < 2 * WINDOW_MS ?
			b->aheadv[1] : ahead;
		b->aheadv[1] = ahead;
		b->ahead_at = now;
	}
	else if (ahead > b->aheadv[1]) {
		b->aheadv[1] = ahead;
	}
}


/**
 * How long ago the server stored something
 *
 * @param b     Bucket that is ready
 * @param stamp Time of the server [ns]
 *
 * @return Age, not more than it is [ms]
 */
uint64_t kvbucket_age(const struct kvbucket *b, uint64_t stamp)
{
	const int64_t now = clock_ns() + max(b->aheadv[0], b->aheadv[1]);
	const int64_t age = now - (int64_t)stamp;

	return age > 0 ? (uint64_t)age / 1000000 : 0;
}


static void bucket_destructor(void *arg)
{
	struct kvbucket *b = arg;

	natswatch_close(b);
	mem_deref(b->sweep);
	natsstore_close(b);
	target_stop(&b->t);
	due_stop(&b->nb->due, &b->due);
	list_unlink(&b->le);
}


static void pause_start(struct kvbucket *b)
{
	target_stop(&b->t);
	b->state = BUCKET_PAUSE;
	(void)due_start(&b->nb->due, &b->due, NATS_RETRY_MS);
}


static void due_handler(void *arg)
{
	struct kvbucket *b = arg;

	/* Without a leader nobody answers, and who leads later has not heard
	   the question. A reply to an earlier one will do. */
	if (b->t.id && tmr_jiffies() - b->asked_at < NATS_API_MS &&
	    !state_send(b))
		(void)due_start(&b->nb->due, &b->due, ASK_MS);
	else
		bucket_next(b, BUCKET_FIND);
}


static void ready(struct kvbucket *b)
{
	b->state = BUCKET_READY;
	b->nobody_at = 0;
	due_stop(&b->nb->due, &b->due);
	natswatch_ready(b);
	natskv_ready(b);
	natssweep_ready(b->sweep);
}


static void trouble(struct kvbucket *b, unsigned code,
		    const struct odict *od)
{
	const struct odict_entry *e = odict_lookup(od, "error");
	const char *text = e && e->type == ODICT_OBJECT ?
		odict_string(e->u.odict, "description") : NULL;

	/* a cluster that has no leader yet says so again and again */
	if (code != b->told)
		log_event(LOG_WARN, "bus", NULL,
			  "bucket %s: %s (%u); trying on", b->name,
			  text ? text : "?", code);
	b->told = code;
	pause_start(b);
}


static void stream_get(struct kvbucket *b, const struct odict *od)
{
	const struct odict_entry *e = odict_lookup(od, "cluster");
	const char *made = odict_string(od, "created");

	str_ncpy(b->made, made ? made : "", sizeof(b->made));

	/* some servers without a cluster name themselves there as leader */
	b->alone = !(e && e->type == ODICT_OBJECT &&
		     str_isset(odict_string(e->u.odict, "name")));

	e = odict_lookup(od, "state");
	b->last = 0;
	if (e && e->type == ODICT_OBJECT)
		(void)odict_get_number(e->u.odict, &b->last, "last_seq");
}


static void reply(struct kvbucket *b, unsigned code, const struct odict *od)
{
	struct natsval val;

	if (code == NATSJS_NO_STREAM && b->state == BUCKET_FIND) {
		bucket_next(b, BUCKET_MAKE);
		return;
	}
	if (code == NATSJS_STREAM_EXISTS) {
		bucket_next(b, BUCKET_FIND);
		return;
	}
	if (code) {
		trouble(b, code, od);
		return;
	}

	switch (b->state) {

	case BUCKET_FIND:
	case BUCKET_MAKE:
		stream_get(b, od);
		bucket_next(b, BUCKET_STAMP);
		break;

	case BUCKET_STAMP:
		natsstore_done(b);
		bucket_next(b, BUCKET_CLOCK);
		break;

	case BUCKET_CLOCK:
		if (natsjs_value_decode(&val, od)) {
			trouble(b, 1, od);
			break;
		}
		b->clock = false;
		kvbucket_stamp(b, val.stamp);
		natsjs_value_reset(&val);
		ready(b);
		break;

	default:
		break;
	}
}


static void reply_handler(struct target *t, natsMsg *msg)
{
	struct kvbucket *b = (struct kvbucket *)t;
	struct odict *od = NULL;
	unsigned code;

	target_stop(t);

	/* JetStream does not run (yet), or has lost the stream meanwhile */
	if (natsbus_nobody(msg) ||
	    natsjs_reply_decode(&od, &code, natsMsg_GetData(msg),
				(size_t)natsMsg_GetDataLength(msg)))
		pause_start(b);
	else
		reply(b, code, od);

	mem_deref(od);
}


static int find_send(struct kvbucket *b)
{
	char subject[NATS_SUBJECT_MAX];

	(void)re_snprintf(subject, sizeof(subject),
			  "$JS.API.STREAM.INFO.KV_%s", b->name);

	return natsbus_ask(b->nb, &b->t, subject, NULL, NULL, 0);
}


static int make_send(struct kvbucket *b)
{
	char subject[NATS_SUBJECT_MAX], json[512];

	(void)re_snprintf(subject, sizeof(subject),
			  "$JS.API.STREAM.CREATE.KV_%s", b->name);
	if (re_snprintf(json, sizeof(json),
			"{\"name\":\"KV_%s\",\"subjects\":[\"$KV.%s.>\"],"
			"\"retention\":\"limits\",\"storage\":\"file\","
			"\"max_msgs_per_subject\":1,\"max_msgs\":-1,"
			"\"max_bytes\":-1,\"max_age\":0,\"max_msg_size\":-1,"
			"\"max_consumers\":-1,\"discard\":\"new\","
			"\"allow_rollup_hdrs\":true,\"allow_direct\":true,"
			"\"num_replicas\":%u}",
			b->name, b->name, b->nb->replicas) < 0)
		return ENAMETOOLONG;

	return natsbus_ask(b->nb, &b->t, subject, NULL, (uint8_t *)json,
			   strlen(json));
}


/**
 * Have something stored in a bucket that nobody needs
 *
 * @param b Bucket
 * @param t Target for the reply, started
 *
 * @return as natsbus_ask
 */
int kvbucket_stamp_send(struct kvbucket *b, struct target *t)
{
	char subject[NATS_SUBJECT_MAX];

	(void)re_snprintf(subject, sizeof(subject), "$KV.%s.$clock", b->name);

	return natsbus_ask(b->nb, t, subject, NULL, NULL, 0);
}


static int clock_send(struct kvbucket *b)
{
	char subject[NATS_SUBJECT_MAX], json[128];

	(void)re_snprintf(subject, sizeof(subject),
			  "$JS.API.STREAM.MSG.GET.KV_%s", b->name);
	(void)re_snprintf(json, sizeof(json),
			  "{\"last_by_subj\":\"$KV.%s.$clock\"}", b->name);

	return natsbus_ask(b->nb, &b->t, subject, NULL, (uint8_t *)json,
			   strlen(json));
}


static int state_send(struct kvbucket *b)
{
	switch (b->state) {

	case BUCKET_FIND:  return find_send(b);
	case BUCKET_MAKE:  return make_send(b);
	case BUCKET_STAMP: return kvbucket_stamp_send(b, &b->t);
	case BUCKET_CLOCK: return clock_send(b);
	default:           return EINVAL;
	}
}


static void bucket_next(struct kvbucket *b, enum bucket_state state)
{
	b->state = state;
	b->asked_at = tmr_jiffies();
	target_start(b->nb, &b->t, reply_handler);

	if (state_send(b))
		pause_start(b);
	else
		(void)due_start(&b->nb->due, &b->due, ASK_MS);
}


/**
 * Find a bucket of ours, or begin to know it
 *
 * @param bp   Pointer to the bucket, which lives as long as the bus
 * @param nb   NATS bus
 * @param name Valid name
 *
 * @return 0 if success; ENOSPC if there are too many; ENOMEM
 */
int kvbucket_get(struct kvbucket **bp, struct natsbus *nb, const char *name)
{
	const size_t n = strlen(name) + 1;
	struct kvbucket *b;
	struct le *le;

	LIST_FOREACH(&nb->bucketl, le) {
		b = le->data;
		if (!strcmp(b->name, name)) {
			*bp = b;
			return 0;
		}
	}

	if (list_count(&nb->bucketl) >= BUCKETS_MAX)
		return ENOSPC;

	b = mem_zalloc(sizeof(*b) + n, bucket_destructor);
	if (!b)
		return ENOMEM;

	memcpy(b->name, name, n);
	b->nb = nb;
	b->due.h = due_handler;
	b->due.arg = b;
	if (natssweep_alloc(&b->sweep, b)) {
		mem_deref(b);
		return ENOMEM;
	}

	list_append(&nb->bucketl, &b->le, b);
	if (nb->bus.state == BUS_UP)
		bucket_next(b, BUCKET_FIND);

	*bp = b;

	return 0;
}


/**
 * Nobody has taken what was meant for a bucket. In a cluster that elects a
 * leader this passes, and watches go on meanwhile; if it does not, the bucket
 * is gone.
 *
 * @param b Bucket
 */
void kvbucket_nobody(struct kvbucket *b)
{
	const uint64_t now = tmr_jiffies();

	if (!b->nobody_at)
		b->nobody_at = now;
	else if (b->nb->replicas < 2 || now - b->nobody_at > NOBODY_MS)
		kvbucket_lost(b);
}


/**
 * A bucket that was ready is not: it must be found again
 *
 * @param b Bucket
 */
void kvbucket_lost(struct kvbucket *b)
{
	if (b->state != BUCKET_READY)
		return;

	natswatch_down(b);
	natssweep_down(b->sweep);
	natsreap_flush(b->nb);
	pause_start(b);
}


/**
 * The bus went down
 *
 * @param nb NATS bus
 */
void kvbucket_down(struct natsbus *nb)
{
	struct le *le;

	LIST_FOREACH(&nb->bucketl, le) {
		struct kvbucket *b = le->data;

		target_stop(&b->t);
		due_stop(&nb->due, &b->due);
		b->state = BUCKET_CLOSED;
		natswatch_down(b);
		natssweep_down(b->sweep);
	}
}


/**
 * The bus is up
 *
 * @param nb NATS bus
 */
void kvbucket_up(struct natsbus *nb)
{
	struct le *le;

	LIST_FOREACH(&nb->bucketl, le)
		bucket_next(le->data, BUCKET_FIND);
}


/**
 * The bus goes away
 *
 * @param nb NATS bus
 */
void kvbucket_close(struct natsbus *nb)
{
	list_flush(&nb->bucketl);
}
