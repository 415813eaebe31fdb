/**
 * @file natswatch.c  Watches of buckets
 *
 *   bucket ready -> CONSUMER.CREATE -> what is stored -> key NULL -> changes
 *        ^                                                             |
 *        +------ a message is missing, or nothing comes any more ------+
 *
 * A consumer of JetStream sends us the last message of every key, and then
 * what is stored from then on. When that breaks off we ask another one for
 * what was stored since. If that was too long ago (deletions can be heard of
 * for a minute), or the server has lost its store, we start anew and compare
 * what comes with what we have told: values of the same revision are not told
 * again, and what does not come is gone.
 *
 * A consumer lives in one server of a cluster. If that one dies, the others
 * may place the next consumer there again, because it takes them a minute to
 * believe it; so one that says nothing is soon given up for another one. Where
 * there is no cluster it lives in the server that we are connected to, and the
 * connection breaks when that one dies: it need not say so often that it is
 * there.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <nats/nats.h>
#include <re.h>
#include "server/siphash.h"
#include "server/log.h"
#include "bus/bus.h"
#include "bus/ops.h"
#include "bus/subject.h"
#include "bus/heap.h"
#include "bus/due.h"
#include "bus/natslink.h"
#include "bus/natsbus.h"
#include "bus/natsbucket.h"
#include "bus/natsjs.h"
#include "bus/natswatch.h"


enum {
	HEARTBEAT_MS = 1250,       /* of a consumer that has nothing to say;
				      not of one that tells what is renewed
				      every second                          */
	ALONE_MS     = 5000,       /* the same, where there is no cluster   */
	MISSED_MAX   = 2,          /* then it is gone                       */
	MADE_MIN     = 1000,       /* for the first word of a new one; each */
	MADE_STEP    = 250,        /* time that none came a little longer   */
	MADE_MAX     = 4000,
};

static void watch_start(struct bus_watch *w);


static const char *header(natsMsg *msg, const char *name)
{
	const char *val;

	return natsMsgHeader_Get(msg, name, &val) ? NULL : val;
}


static uint64_t header_number(natsMsg *msg, const char *name, unsigned base)
{
	const char *val = header(msg, name);

	return val ? strtoull(val, NULL, (int)base) : 0;
}


/* A consumer says that it is there, or that it waits for us. True if this was
   no value. */
static bool control(struct bus_watch *w, natsMsg *msg)
{
	const char *to = natsMsg_GetReply(msg);
	const char *status = natsMsg_GetDataLength(msg) ? NULL :
		header(msg, "Status");
	const char *stalled;

	if (!status)
		return false;

	stalled = to ? to : header(msg, "Nats-Consumer-Stalled");
	if (stalled)
		(void)natslink_publish(w->b->nb->link, stalled, NULL, NULL,
				       NULL, 0);

	/* the last that it sent did not come */
	if (!to && header(msg, "Nats-Last-Consumer") &&
	    header_number(msg, "Nats-Last-Consumer", 10) != w->nth) {
		++w->b->nb->lost;
		watch_start(w);
	}

	return true;
}


static void value_get(struct natsval *val, natsMsg *msg,
		      const struct natspush *p)
{
	memset(val, 0, sizeof(*val));
	val->seq     = p->seq;
	val->stamp   = p->stamp;
	val->deleted = header(msg, NATSJS_HDR_KVOP) != NULL;
	val->ttl     = (uint32_t)header_number(msg, NATSJS_HDR_TTL, 10);
	val->len     = (size_t)natsMsg_GetDataLength(msg);
	val->buf     = (uint8_t *)natsMsg_GetData(msg);

	/* a value of no length is a value */
	if (!val->buf)
		val->buf = (uint8_t *)"";
}


static const char *message_key(const struct bus_watch *w, natsMsg *msg)
{
	const char *subject = natsMsg_GetSubject(msg);
	const size_t n = strlen(w->b->name);

	if (strlen(subject) < n + 6 || memcmp(subject, "$KV.", 4) ||
	    memcmp(subject + 4, w->b->name, n) || subject[4 + n] != '.' ||
	    !subject_key_valid(subject + n + 5))
		return NULL;

	return subject + n + 5;
}


static void sent_handler(struct target *target, natsMsg *msg)
{
	struct bus_watch *w = (struct bus_watch *)target;
	const char *key = message_key(w, msg);
	struct natspush p;
	struct natsval val;

	w->word_at = tmr_jiffies();
	w->made_ms = 0;
	if (w->current)
		w->heard_at = w->word_at;
	if (control(w, msg) || natsjs_push_decode(&p, natsMsg_GetReply(msg)))
		return;

	if (p.nth != w->nth + 1) {
		++w->b->nb->lost;
		watch_start(w);
		return;
	}
	w->nth = p.nth;
	w->seq = p.seq;
	w->b->last = max(w->b->last, p.seq);

	mem_ref(w);
	value_get(&val, msg, &p);
	if (w->current)
		kvbucket_stamp(w->b, p.stamp);
	else if (val.deleted &&
		 kvbucket_age(w->b, val.stamp) > w->b->nb->mark_ms)
		natsreap_add(w->b, val.seq, w->b->nb->mark_ms);

	if (key)
		told_value(w, key, &val);
	if (watch_wanted(w) && !w->current && !p.pending)
		told_caught_up(w);
	mem_deref(w);
}


static void consumer_drop(struct bus_watch *w)
{
	const struct natsbus *nb = w->b->nb;
	char subject[NATS_SUBJECT_MAX], reply[NATS_INBOX_MAX + 4];

	if (w->t.id)
		(void)natslink_unsubscribe(nb->link, w->t.id);
	target_stop(&w->t);
	target_stop(&w->made);

	if (w->running && w->consumer[0]) {
		(void)re_snprintf(subject, sizeof(subject),
				  "$JS.API.CONSUMER.DELETE.KV_%s.%s",
				  w->b->name, w->consumer);
		(void)re_snprintf(reply, sizeof(reply), "%s.0", nb->inbox);
		(void)natslink_publish(nb->link, subject, reply, NULL, NULL,
				       0);
	}

	w->running = false;
	w->consumer[0] = '\0';
}


static void made_handler(struct target *target, natsMsg *msg)
{
	struct bus_watch *w = (struct bus_watch *)
		((char *)target - offsetof(struct bus_watch, made));
	struct odict *od = NULL;
	uint64_t pending = 0;
	unsigned code = 1;

	target_stop(target);

	if (natsbus_nobody(msg) ||
	    natsjs_reply_decode(&od, &code, natsMsg_GetData(msg),
				(size_t)natsMsg_GetDataLength(msg)) || code) {
		mem_deref(od);
		consumer_drop(w);
		(void)due_start(&w->b->nb->due, &w->due, NATS_RETRY_MS);
		if (code == NATSJS_NO_STREAM)
			kvbucket_lost(w->b);
		return;
	}

	w->word_at = tmr_jiffies();
	w->made_ms = 0;
	str_ncpy(w->consumer, odict_string(od, "name") ?
		 odict_string(od, "name") : "", sizeof(w->consumer));
	(void)odict_get_number(od, &pending, "num_pending");
	mem_deref(od);

	if (!pending && !w->nth && !w->current) {
		mem_ref(w);
		told_caught_up(w);
		mem_deref(w);
	}
}


static int create_send(struct bus_watch *w, const char *deliver)
{
	struct natsbus *nb = w->b->nb;
	char subject[NATS_SUBJECT_MAX], json[NATS_SUBJECT_MAX + 768];
	char from[96] = "\"deliver_policy\":\"last_per_subject\"";

	if (w->resumed)
		(void)re_snprintf(from, sizeof(from), "\"deliver_policy\":"
				  "\"by_start_sequence\","
				  "\"opt_start_seq\":%llu", w->seq + 1);
	(void)re_snprintf(subject, sizeof(subject),
			  "$JS.API.CONSUMER.CREATE.KV_%s", w->b->name);
	if (re_snprintf(json, sizeof(json),
			"{\"stream_name\":\"KV_%s\",\"config\":{"
			"%s,\"ack_policy\":\"none\",\"max_deliver\":1,"
			"\"replay_policy\":\"instant\","
			"\"filter_subject\":\"$KV.%s.%H\","
			"\"deliver_subject\":\"%s\","
			"\"flow_control\":true,\"idle_heartbeat\":%u000000,"
			"\"num_replicas\":1,\"mem_storage\":true}}",
			w->b->name, from, w->b->name, utf8_encode, w->pattern,
			deliver, w->beat_ms) < 0)
		return ENAMETOOLONG;

	return natsbus_ask(nb, &w->made, subject, NULL, (uint8_t *)json,
			   strlen(json));
}


static void watch_start(struct bus_watch *w)
{
	struct natsbus *nb = w->b->nb;
	char deliver[NATS_INBOX_MAX + 24];

	consumer_drop(w);

	w->resumed = w->complete && w->seq <= w->b->last &&
		!strcmp(w->stream, w->b->made) &&
		tmr_jiffies() - w->heard_at < nb->mark_ms / 2;
	w->complete = w->resumed;
	w->beat_ms = w->b->alone ? ALONE_MS : HEARTBEAT_MS;
	++w->round;
	w->nth = 0;
	w->current = false;
	target_start(nb, &w->t, sent_handler);
	target_start(nb, &w->made, made_handler);

	/* what it sends keeps the subject that it was stored under, so it
	   needs a subscription of its own */
	(void)re_snprintf(deliver, sizeof(deliver), "%s-watch.%llx",
			  nb->inbox, w->t.id);
	w->running = !natslink_subscribe(nb->link, w->t.id, deliver) &&
		!create_send(w, deliver);
	w->made_ms = min(w->made_ms + (w->made_ms ? MADE_STEP : MADE_MIN),
			 (uint32_t)MADE_MAX);
	(void)due_start(&nb->due, &w->due,
			w->running ? w->made_ms : NATS_RETRY_MS);
}


static void silence_handler(void *arg)
{
	struct bus_watch *w = arg;
	const uint64_t silent = tmr_jiffies() - w->word_at;
	const uint32_t limit = MISSED_MAX * w->beat_ms;

	if (w->b->state != BUCKET_READY)
		return;

	/* made_ms: not a word of this one yet */
	if (w->running && !w->made_ms && silent < limit) {
		(void)due_start(&w->b->nb->due, &w->due, limit - silent);
		return;
	}

	if (w->running)
		++w->b->nb->lost;
	watch_start(w);
}


static void watch_destructor(void *arg)
{
	struct bus_watch *w = arg;

	if (w->b) {
		due_stop(&w->b->nb->due, &w->due);
		consumer_drop(w);
	}

	told_close(w);
	list_unlink(&w->le);
}


/**
 * Watch a bucket, see bus_kv_watch
 *
 * @param wp      Pointer to the watch
 * @param bus     NATS bus
 * @param bucket  Bucket
 * @param pattern Keys
 * @param h       Told of values and changes
 * @param arg     Handler argument
 *
 * @return 0 if success
 */
int natskv_watch(struct bus_watch **wp, struct bus *bus, const char *bucket,
		 const char *pattern, bus_watch_h *h, void *arg)
{
	struct natsbus *nb = (struct natsbus *)bus;
	const size_t n = strlen(pattern) + 1;
	struct bus_watch *w;
	struct kvbucket *b;
	int err;

	err = kvbucket_get(&b, nb, bucket);
	if (err)
		return err;

	w = mem_zalloc(sizeof(*w) + n, watch_destructor);
	if (!w)
		return ENOMEM;

	memcpy(w->pattern, pattern, n);
	w->b   = b;
	w->h   = h;
	w->arg = arg;
	w->due.h = silence_handler;
	w->due.arg = w;
	list_append(&b->watchl, &w->le, w);

	err = told_alloc(w);
	if (err) {
		mem_deref(w);
		return err;
	}

	if (b->state == BUCKET_READY)
		watch_start(w);

	*wp = w;

	return 0;
}


/**
 * A bucket cannot be reached any more
 *
 * @param b Bucket
 */
void natswatch_down(struct kvbucket *b)
{
	struct le *le;

	LIST_FOREACH(&b->watchl, le) {
		struct bus_watch *w = le->data;

		target_stop(&w->t);
		target_stop(&w->made);
		due_stop(&b->nb->due, &w->due);
		w->current = w->running = false;
		w->made_ms = 0;
	}
}


/**
 * A bucket is ready
 *
 * @param b Bucket
 */
void natswatch_ready(struct kvbucket *b)
{
	struct le *le;

	LIST_FOREACH(&b->watchl, le)
		watch_start(le->data);
}


/**
 * A bucket goes away under those who watch it
 *
 * @param b Bucket
 */
void natswatch_close(struct kvbucket *b)
{
	struct le *le;

	while ((le = list_head(&b->watchl))) {
		struct bus_watch *w = le->data;

		list_unlink(le);
		consumer_drop(w);
		due_stop(&b->nb->due, &w->due);
		told_quiet(w);
		w->b = NULL;
	}
}
