/**
 * @file natsjob.c  Operations on keys
 *
 *   waits for its turn -> PUB, if it has to stand still: GET -> PUB again ...
 *
 * Operations on one key have their turn one after the other, those on
 * different keys all at once. To store is to publish with the condition that
 * the key's last message is still a given one; if it is not, what stands there
 * is read: something that was deleted or has expired does not count. Who
 * stores adds a random number. If a reply is lost the operation is tried
 * again, and finds by that number that it has happened already.
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
#include "bus/natsjs.h"
#include "bus/natsjob.h"


enum {
	TRIES_MAX   = 32,          /* times that others may be faster       */
	REPLY_MS    = 2000,        /* then a reply is taken for lost        */
	EXPIRED_MS  = 1000,
};

/* What the caller holds; gone when cancelled, and the job goes on */
struct bus_kvop {
	struct kvjob *job;         /* NULL once finished                    */
	struct bus_kvop **opp;
	bus_kv_h *h;
	void *arg;
};

/* Those who want to do something with one key */
struct keyq {
	struct le he;
	struct list jobl;          /* the first has its turn                */
	struct kvbucket *b;
	uint32_t hash;
	char key[];
};

static void job_send(struct kvjob *j);


static void keyq_destructor(void *arg)
{
	struct keyq *q = arg;

	hash_unlink(&q->he);
}


static bool keyq_cmp(struct le *le, void *arg)
{
	const struct keyq *q = le->data, *o = arg;

	return q->b == o->b && q->hash == o->hash && !strcmp(q->key, o->key);
}


static struct keyq *keyq_get(struct kvbucket *b, const char *key)
{
	const size_t n = strlen(key) + 1;
	struct keyq *q, *have;

	q = mem_zalloc(sizeof(*q) + n, keyq_destructor);
	if (!q)
		return NULL;

	memcpy(q->key, key, n);
	q->b = b;
	q->hash = (uint32_t)siphash(&b->nb->hkey, key, n - 1);

	have = list_ledata(hash_lookup(b->nb->keyh, q->hash, keyq_cmp, q));
	if (have) {
		mem_deref(q);
		return have;
	}

	hash_append(b->nb->keyh, q->hash, &q->he, q);

	return q;
}


static void job_destructor(void *arg)
{
	struct kvjob *j = arg;
	struct natsbus *nb;

	if (!j->q)
		return;

	nb = j->q->b->nb;
	target_stop(&j->t);
	due_stop(&nb->due, &j->limit);
	due_stop(&nb->due, &j->retry);
	list_unlink(&j->le);
	list_unlink(&j->qle);
	if (list_isempty(&j->q->jobl))
		mem_deref(j->q);
	--nb->waiting;
	nb->waiting_bytes -= j->len;

	if (j->op) {
		j->op->job = NULL;
		mem_deref(j->op);
	}
}


static void op_destructor(void *arg)
{
	struct bus_kvop *op = arg;

	if (op->job)
		op->job->op = NULL;
	if (op->opp)
		*op->opp = NULL;
}


/* Lets the next one have its turn, then tells. The job is gone. */
static void job_finish(struct kvjob *j, int err, uint64_t rev,
		       const struct natsval *val)
{
	struct bus_kvop *op = j->op;
	struct kvjob *next = NULL;

	if (list_head(&j->q->jobl) == &j->qle && j->qle.next)
		next = j->qle.next->data;

	if (op) {
		op->job = NULL;
		j->op = NULL;
	}
	mem_deref(j);

	if (next && next->q->b->state == BUCKET_READY)
		job_send(next);

	if (!op)
		return;

	if (op->opp) {
		*op->opp = NULL;
		op->opp = NULL;
	}
	op->h(err, rev, val ? val->buf : NULL, val ? val->len : 0, op->arg);
	mem_deref(op);
}


static void limit_handler(void *arg)
{
	struct kvjob *j = arg;

	job_finish(j, j->sent ? ETIMEDOUT : ENOTCONN, 0, NULL);
}


static void retry_handler(void *arg)
{
	struct kvjob *j = arg;

	target_stop(&j->t);
	if (j->q->b->state == BUCKET_READY)
		job_send(j);
}


static void job_again(struct kvjob *j, uint32_t ms)
{
	target_stop(&j->t);
	(void)due_start(&j->q->b->nb->due, &j->retry, ms);
}


static bool alive(const struct kvjob *j, const struct natsval *val)
{
	if (!val->seq || val->deleted)
		return false;

	return !val->ttl || kvbucket_age(j->q->b, val->stamp) < val->ttl ||
		natsstore_grace(j->q->b->nb, val->ttl);
}


/* What the caller wanted to find there is there, or not */
static void job_judge(struct kvjob *j, const struct natsval *val)
{
	const bool there = alive(j, val);

	/* the reply to what we sent was lost, not the message */
	if (j->cmd != JOB_GET && val->seq && val->write == j->write) {
		job_finish(j, 0, val->seq, NULL);
		return;
	}

	if (val->seq && !there && !val->deleted)
		natsreap_add(j->q->b, val->seq, EXPIRED_MS);

	switch (j->cmd) {

	case JOB_GET:
		job_finish(j, there ? 0 : ENOENT, there ? val->seq : 0,
			   there ? val : NULL);
		return;

	case JOB_CREATE:
		if (there) {
			job_finish(j, EEXIST, val->seq, val);
			return;
		}
		break;

	case JOB_UPDATE:
	case JOB_DELETE:
		if (!there) {
			job_finish(j, ENOENT, 0, NULL);
			return;
		}
		if (j->rev != val->seq && (j->rev || j->cmd == JOB_UPDATE)) {
			job_finish(j, ESTALE, val->seq, val);
			return;
		}
		break;

	default:
		break;
	}

	j->expect = val->seq;
	j->reading = false;
	if (++j->tries > TRIES_MAX)
		job_finish(j, ETIMEDOUT, 0, NULL);
	else
		job_send(j);
}


static void reply_read(struct kvjob *j, unsigned code,
		       const struct odict *od)
{
	struct natsval val = { .seq = 0 };

	if (code && code != NATSJS_NO_MESSAGE) {
		job_again(j, NATS_RETRY_MS);
		return;
	}

	if (!code && natsjs_value_decode(&val, od))
		job_finish(j, EBADMSG, 0, NULL);
	else
		job_judge(j, &val);

	natsjs_value_reset(&val);
}


static void reply_stored(struct kvjob *j, unsigned code,
			 const struct odict *od)
{
	struct kvbucket *b = j->q->b;
	uint64_t seq;

	if (code == NATSJS_WRONG_SEQUENCE) {
		j->reading = true;
		job_send(j);
		return;
	}

	/* limits, or a leader that is not there yet */
	if (code) {
		job_again(j, NATS_RETRY_MS);
		return;
	}

	if (!odict_get_number(od, &seq, "seq")) {
		job_finish(j, EBADMSG, 0, NULL);
		return;
	}

	if (j->cmd == JOB_DELETE)
		natsreap_add(j->q->b, seq, j->q->b->nb->mark_ms);

	job_finish(j, 0, seq, NULL);
	natsstore_done(b);
}


static void reply_handler(struct target *t, natsMsg *msg)
{
	struct kvjob *j = (struct kvjob *)t;
	struct odict *od = NULL;
	unsigned code;

	target_stop(t);
	due_stop(&j->q->b->nb->due, &j->retry);

	if (natsbus_nobody(msg)) {
		job_again(j, NATS_RETRY_MS);
		kvbucket_nobody(j->q->b);
		return;
	}

	j->q->b->nobody_at = 0;
	if (natsjs_reply_decode(&od, &code, natsMsg_GetData(msg),
				(size_t)natsMsg_GetDataLength(msg))) {
		job_again(j, NATS_RETRY_MS);
	}
	else if (code == NATSJS_NO_STREAM) {
		job_again(j, NATS_RETRY_MS);
		kvbucket_lost(j->q->b);
	}
	else if (j->reading) {
		reply_read(j, code, od);
	}
	else {
		reply_stored(j, code, od);
	}

	mem_deref(od);
}


static int read_send(struct kvjob *j)
{
	const struct kvbucket *b = j->q->b;
	char subject[NATS_SUBJECT_MAX], json[NATS_SUBJECT_MAX + 64];

	(void)re_snprintf(subject, sizeof(subject),
			  "$JS.API.STREAM.MSG.GET.KV_%s", b->name);
	(void)re_snprintf(json, sizeof(json),
			  "{\"last_by_subj\":\"$KV.%s.%s\"}", b->name,
			  j->q->key);

	return natsbus_ask(b->nb, &j->t, subject, NULL, (uint8_t *)json,
			   strlen(json));
}


static int store_send(struct kvjob *j)
{
	const struct kvbucket *b = j->q->b;
	struct natshdr hdrv[NATSHDR_MAX] = { { NULL, NULL } };
	char subject[NATS_SUBJECT_MAX], expect[24], ttl[16], wr[20];
	unsigned n = 0;

	(void)re_snprintf(subject, sizeof(subject), "$KV.%s.%s", b->name,
			  j->q->key);
	(void)re_snprintf(wr, sizeof(wr), "%llx", j->write);
	hdrv[n].name  = NATSJS_HDR_WRITE;
	hdrv[n++].val = wr;

	if (!j->blind) {
		(void)re_snprintf(expect, sizeof(expect), "%llu", j->expect);
		hdrv[n].name  = NATSJS_HDR_EXPECT;
		hdrv[n++].val = expect;
	}
	if (j->ttl) {
		(void)re_snprintf(ttl, sizeof(ttl), "%u", j->ttl);
		hdrv[n].name  = NATSJS_HDR_TTL;
		hdrv[n++].val = ttl;
	}
	if (j->cmd == JOB_DELETE) {
		hdrv[n].name  = NATSJS_HDR_KVOP;
		hdrv[n++].val = "DEL";
	}

	return natsbus_ask(b->nb, &j->t, subject, hdrv, j->buf, j->len);
}


static void job_send(struct kvjob *j)
{
	struct natsbus *nb = j->q->b->nb;
	int err;

	target_start(nb, &j->t, reply_handler);
	err = j->reading ? read_send(j) : store_send(j);
	if (err)
		target_stop(&j->t);
	else
		j->sent = true;

	(void)due_start(&nb->due, &j->retry, err ? NATS_RETRY_MS : REPLY_MS);
}


/**
 * The bucket of an operation
 *
 * @param j Operation
 *
 * @return Bucket
 */
struct kvbucket *job_bucket(const struct kvjob *j)
{
	return j->q->b;
}


/**
 * Let an operation have its turn
 *
 * @param opp Set to what the caller can cancel it by, or NULL
 * @param j   Operation, which owns itself if this succeeds
 * @param h   Told the result, or NULL
 * @param arg Handler argument
 *
 * @return 0 if success; ENOMEM
 */
int job_start(struct bus_kvop **opp, struct kvjob *j, bus_kv_h *h,
	      void *arg)
{
	struct natsbus *nb = j->q->b->nb;
	int err;

	if (h) {
		j->op = mem_zalloc(sizeof(*j->op), op_destructor);
		if (!j->op)
			return ENOMEM;

		j->op->job = j;
		j->op->h   = h;
		j->op->arg = arg;
	}

	j->began = tmr_jiffies();
	natsstore_begun(nb);
	err = due_start(&nb->due, &j->limit, nb->kv_ms);
	if (err)
		return err;

	if (opp)
		*opp = j->op;
	if (j->op)
		j->op->opp = opp;

	if (list_head(&j->q->jobl) == &j->qle &&
	    j->q->b->state == BUCKET_READY)
		job_send(j);

	return 0;
}


/**
 * Make an operation, the last of those on its key
 *
 * @param jp     Pointer to the operation
 * @param bus    NATS bus
 * @param cmd    Kind
 * @param bucket Bucket
 * @param key    Key
 * @param buf    Value, copied
 * @param len    [bytes]
 *
 * @return 0 if success; ENOBUFS if too many are under way; ENOSPC; ENOMEM
 */
int job_alloc(struct kvjob **jp, struct bus *bus, enum job_cmd cmd,
	      const char *bucket, const char *key,
	      const uint8_t *buf, size_t len)
{
	struct natsbus *nb = (struct natsbus *)bus;
	struct kvbucket *b;
	struct kvjob *j;
	int err;

	if (nb->waiting >= NATS_WAITING_MAX ||
	    nb->waiting_bytes + len > NATS_WAITING_BYTES)
		return ENOBUFS;

	err = kvbucket_get(&b, nb, bucket);
	if (err)
		return err;

	j = mem_zalloc(sizeof(*j) + len, job_destructor);
	if (!j)
		return ENOMEM;

	j->q = keyq_get(b, key);
	if (!j->q) {
		mem_deref(j);
		return ENOMEM;
	}

	j->cmd = cmd;
	j->len = len;
	if (len)
		memcpy(j->buf, buf, len);
	j->limit.h = limit_handler;
	j->limit.arg = j;
	j->retry.h = retry_handler;
	j->retry.arg = j;
	j->write = rand_u64() | 1;
	++nb->waiting;
	nb->waiting_bytes += len;
	list_append(&nb->jobl, &j->le, j);
	list_append(&j->q->jobl, &j->qle, j);
	*jp = j;

	return 0;
}


/**
 * The bus went down: what was under way waits for it
 *
 * @param nb NATS bus
 */
void natskv_down(struct natsbus *nb)
{
	struct le *le;

	LIST_FOREACH(&nb->jobl, le) {
		struct kvjob *j = le->data;

		target_stop(&j->t);
		due_stop(&nb->due, &j->retry);
	}
}


/**
 * A bucket is ready: those that have their turn begin
 *
 * @param b Bucket
 */
void natskv_ready(struct kvbucket *b)
{
	struct le *le;

	LIST_FOREACH(&b->nb->jobl, le) {
		struct kvjob *j = le->data;

		if (j->q->b == b && list_head(&j->q->jobl) == &j->qle &&
		    !j->t.id)
			job_send(j);
	}
}


/**
 * The bus goes away: what need not wait for anything is still sent, in order
 *
 * @param nb NATS bus
 */
void natskv_close(struct natsbus *nb)
{
	struct le *le;

	LIST_FOREACH(&nb->jobl, le) {
		struct kvjob *j = le->data;

		if (!j->t.id && !j->reading &&
		    j->q->b->state == BUCKET_READY)
			(void)store_send(j);
	}

	list_flush(&nb->jobl);
}
