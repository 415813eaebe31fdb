/**
 * @file nats.c  The bus of several processes: NATS
 *
 * Replies of all kinds come in under one inbox with a number each. It has
 * another name on every connection, so that nothing which was meant for an
 * earlier one can come in, and the server forgets what it kept for it.
 */
#include <string.h>
#include <stdlib.h>
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


enum {
	TARGET_BUCKETS = 4096,
	NATS_MARK_MS = 60000,
	INBOX_SID = 1,             /* the only number that stays the same   */
};

struct bus_sub {
	struct target t;           /* first                                 */
	struct le le;
	struct natsbus *nb;        /* NULL once the bus is gone             */
	bus_msg_h *h;
	void *arg;
	char pattern[];
};

struct bus_req {
	struct target t;           /* first                                 */
	struct le le;
	struct heap_node due;
	struct natsbus *nb;
	struct bus_req **reqp;
	bus_resp_h *h;
	void *arg;
	int err;                   /* told when due                         */
};

struct natsreply {
	struct bus_reply reply;    /* first                                 */
	struct le le;
	struct natsbus *nb;        /* NULL once the bus is gone             */
	char subject[];
};


/**
 * Expect messages under a new number
 *
 * @param nb NATS bus
 * @param t  Target, owned by the caller; its number is set
 * @param h  Message handler
 */
void target_start(struct natsbus *nb, struct target *t, target_h *h)
{
	target_stop(t);
	t->id = ++nb->id;
	t->h  = h;
	hash_append(nb->targeth, (uint32_t)t->id, &t->he, t);
}


/**
 * Expect no messages any more
 *
 * @param t Target
 */
void target_stop(struct target *t)
{
	hash_unlink(&t->he);
	t->id = 0;
}


static bool target_cmp(struct le *le, void *arg)
{
	const struct target *t = le->data;

	return t->id == *(const uint64_t *)arg;
}


static struct target *target_find(const struct natsbus *nb, uint64_t id)
{
	return list_ledata(hash_lookup(nb->targeth, (uint32_t)id, target_cmp,
				       &id));
}


/**
 * Send a message whose replies come to a target
 *
 * @param nb      NATS bus
 * @param t       Target, started
 * @param subject Subject
 * @param hdrv    Headers as for natslink_publish, or NULL
 * @param buf     Payload, copied
 * @param len     [bytes]
 *
 * @return 0 if success; ENOTCONN; ENOBUFS; ENOMEM
 */
int natsbus_ask(struct natsbus *nb, struct target *t, const char *subject,
		const struct natshdr *hdrv, const uint8_t *buf, size_t len)
{
	char reply[NATS_INBOX_MAX + 24];

	(void)re_snprintf(reply, sizeof(reply), "%s.%llx", nb->inbox, t->id);

	return natslink_publish(nb->link, subject, reply, hdrv, buf, len);
}


/**
 * Tell if a reply says that nobody listens
 *
 * @param msg Reply
 *
 * @return True if so
 */
bool natsbus_nobody(natsMsg *msg)
{
	return natsMsg_IsNoResponders(msg);
}


static void msg_handler(uint64_t sid, natsMsg *msg, void *arg)
{
	struct natsbus *nb = arg;
	const size_t n = strlen(nb->inbox) + 1;
	const char *subject = natsMsg_GetSubject(msg);
	struct target *t;

	if (sid == INBOX_SID)
		sid = strlen(subject) > n ? strtoull(subject + n, NULL, 16)
					  : 0;

	t = target_find(nb, sid);
	if (t)
		t->h(t, msg);
}


static int nats_publish(struct bus *bus, const char *subject,
			const uint8_t *buf, size_t len)
{
	struct natsbus *nb = (struct natsbus *)bus;
	const int err = natslink_publish(nb->link, subject, NULL, NULL, buf,
					 len);

	if (err)
		++nb->refused;

	return err;
}


static void reply_destructor(void *arg)
{
	struct natsreply *nr = arg;

	list_unlink(&nr->le);
}


static int reply_respond(struct bus_reply *reply, const uint8_t *buf,
			 size_t len)
{
	struct natsreply *nr = (struct natsreply *)reply;

	if (!nr->nb)
		return ENOTCONN;

	return natslink_publish(nr->nb->link, nr->subject, NULL, NULL, buf,
				len);
}


static struct bus_reply *reply_alloc(struct natsbus *nb, const char *subject)
{
	const size_t n = strlen(subject) + 1;
	struct natsreply *nr = mem_zalloc(sizeof(*nr) + n, reply_destructor);

	if (!nr)
		return NULL;

	nr->reply.respond = reply_respond;
	nr->nb = nb;
	memcpy(nr->subject, subject, n);
	list_append(&nb->replyl, &nr->le, nr);

	return &nr->reply;
}


static void sub_msg_handler(struct target *t, natsMsg *msg)
{
	const struct bus_sub *sub = (struct bus_sub *)t;
	const char *to = natsMsg_GetReply(msg);
	struct bus_reply *reply = to ? reply_alloc(sub->nb, to) : NULL;

	if (to && !reply)
		return;

	sub->h(natsMsg_GetSubject(msg), (const uint8_t *)natsMsg_GetData(msg),
	       (size_t)natsMsg_GetDataLength(msg), reply, sub->arg);
}


static void sub_destructor(void *arg)
{
	struct bus_sub *sub = arg;

	if (sub->nb)
		(void)natslink_unsubscribe(sub->nb->link, sub->t.id);
	target_stop(&sub->t);
	list_unlink(&sub->le);
}


static int nats_subscribe(struct bus_sub **subp, struct bus *bus,
			  const char *pattern, bus_msg_h *h, void *arg)
{
	struct natsbus *nb = (struct natsbus *)bus;
	const size_t n = strlen(pattern) + 1;
	struct bus_sub *sub;
	int err;

	sub = mem_zalloc(sizeof(*sub) + n, sub_destructor);
	if (!sub)
		return ENOMEM;

	memcpy(sub->pattern, pattern, n);
	sub->nb  = nb;
	sub->h   = h;
	sub->arg = arg;
	target_start(nb, &sub->t, sub_msg_handler);
	list_append(&nb->subl, &sub->le, sub);

	/* else as soon as the bus is up */
	err = natslink_subscribe(nb->link, sub->t.id, sub->pattern);
	if (err && err != ENOTCONN) {
		mem_deref(sub);
		return err;
	}

	*subp = sub;

	return 0;
}


static void req_destructor(void *arg)
{
	struct bus_req *req = arg;

	target_stop(&req->t);
	list_unlink(&req->le);
	due_stop(&req->nb->due, &req->due);
	--req->nb->waiting;
	if (req->reqp)
		*req->reqp = NULL;
}


static void req_finish(struct bus_req *req, int err, const uint8_t *buf,
		       size_t len)
{
	bus_resp_h *h = req->h;
	void *arg = req->arg;

	/* the handler may begin another one at the same place */
	if (req->reqp) {
		*req->reqp = NULL;
		req->reqp = NULL;
	}

	mem_deref(req);
	h(err, buf, len, arg);
}


static void req_due_handler(void *arg)
{
	struct bus_req *req = arg;

	req_finish(req, req->err, NULL, 0);
}


static void req_msg_handler(struct target *t, natsMsg *msg)
{
	struct bus_req *req = (struct bus_req *)t;

	if (natsbus_nobody(msg))
		req_finish(req, ENOENT, NULL, 0);
	else
		req_finish(req, 0, (const uint8_t *)natsMsg_GetData(msg),
			   (size_t)natsMsg_GetDataLength(msg));
}


static int nats_request(struct bus_req **reqp, struct bus *bus,
			const char *subject, const uint8_t *buf, size_t len,
			uint32_t timeout_ms, bus_resp_h *h, void *arg)
{
	struct natsbus *nb = (struct natsbus *)bus;
	struct bus_req *req;
	int err;

	if (nb->waiting >= NATS_WAITING_MAX)
		return ENOBUFS;

	req = mem_zalloc(sizeof(*req), req_destructor);
	if (!req)
		return ENOMEM;

	req->nb    = nb;
	req->h     = h;
	req->arg   = arg;
	req->err   = ETIMEDOUT;
	req->due.h = req_due_handler;
	req->due.arg = req;
	++nb->waiting;
	list_append(&nb->reql, &req->le, req);
	target_start(nb, &req->t, req_msg_handler);

	err = natsbus_ask(nb, &req->t, subject, NULL, buf, len);
	if (err == ENOTCONN) {
		req->err = ENOTCONN;
		timeout_ms = 0;
		err = 0;
	}
	if (!err)
		err = due_start(&nb->due, &req->due, timeout_ms);

	if (err) {
		mem_deref(req);
		return err;
	}

	req->reqp = reqp;
	if (reqp)
		*reqp = req;

	return 0;
}


/* What was sent may have been heard: nobody knows. */
static void requests_reset(struct natsbus *nb)
{
	struct le *le;

	LIST_FOREACH(&nb->reql, le) {
		struct bus_req *req = le->data;

		target_stop(&req->t);
		if (req->err == ETIMEDOUT)
			req->err = ECONNRESET;
		(void)due_start(&nb->due, &req->due, 0);
	}
}


static void up(struct natsbus *nb)
{
	char inbox[NATS_INBOX_MAX + 8];
	struct le *le;

	(void)re_snprintf(nb->inbox, sizeof(nb->inbox), "_INBOX.%016llx",
			  rand_u64());
	(void)re_snprintf(inbox, sizeof(inbox), "%s.*", nb->inbox);
	(void)natslink_subscribe(nb->link, INBOX_SID, inbox);

	LIST_FOREACH(&nb->subl, le) {
		const struct bus_sub *sub = le->data;

		(void)natslink_subscribe(nb->link, sub->t.id, sub->pattern);
	}

	natsstore_up(nb);
	kvbucket_up(nb);
	bus_state_set(&nb->bus, BUS_UP);
}


static void down(struct natsbus *nb)
{
	requests_reset(nb);
	natskv_down(nb);
	natsreap_flush(nb);
	kvbucket_down(nb);
	bus_state_set(&nb->bus, BUS_DOWN);
}


static void state_handler(bool is_up, void *arg)
{
	struct natsbus *nb = arg;

	if (is_up)
		up(nb);
	else
		down(nb);
}


static void nats_stats(const struct bus *bus, struct bus_stats *stats)
{
	const struct natsbus *nb = (const struct natsbus *)bus;

	natslink_stats(nb->link, stats);
	stats->refused = nb->refused;
	stats->lost    = nb->lost;
	stats->waiting += nb->waiting;
}


static void destructor(void *arg)
{
	struct natsbus *nb = arg;
	struct le *le;

	bus_close(&nb->bus);

	/* what is on its way to a bucket is sent before the link closes */
	natskv_close(nb);
	list_flush(&nb->reql);
	natsreap_flush(nb);
	kvbucket_close(nb);

	while ((le = list_head(&nb->subl))) {
		struct bus_sub *sub = le->data;

		list_unlink(le);
		target_stop(&sub->t);
		sub->nb = NULL;
	}
	while ((le = list_head(&nb->replyl))) {
		struct natsreply *nr = le->data;

		list_unlink(le);
		nr->nb = NULL;
	}

	nb->link = mem_deref(nb->link);
	due_reset(&nb->due);
	mem_deref(nb->keyh);
	mem_deref(nb->targeth);
}


static const struct bus_ops ops = {
	.publish   = nats_publish,
	.subscribe = nats_subscribe,
	.request   = nats_request,
	.kv_put    = natskv_put,
	.kv_delete = natskv_delete,
	.kv_get    = natskv_get,
	.kv_watch  = natskv_watch,
	.stats     = nats_stats,
};


/**
 * Make a bus for several processes. It connects by itself, as often as it
 * takes; until then it is down. When it goes away, subscriptions and watches
 * fall silent, and pending requests and operations end without a word; what
 * was published is sent, for which it waits a second or two at most.
 *
 * @param busp   Pointer to the bus, owned by the caller
 * @param conf   How to reach NATS
 * @param wrongp Set to the name of the field of conf that cannot be used
 *
 * @return 0 if success; EINVAL; ENOMEM
 */
int bus_alloc_nats(struct bus **busp, const struct bus_nats_conf *conf,
		   const char **wrongp)
{
	struct natsbus *nb;
	int err;

	if (!busp || !conf || !wrongp)
		return EINVAL;

	*wrongp = "url";
	if (!str_isset(conf->url))
		return EINVAL;

	nb = mem_zalloc(sizeof(*nb), destructor);
	if (!nb)
		return ENOMEM;

	nb->bus.ops   = &ops;
	nb->bus.state = BUS_DOWN;
	nb->due.owner = nb;
	natsstore_init(nb);
	nb->id        = INBOX_SID;
	nb->replicas  = conf->replicas ? conf->replicas : 1;
	nb->kv_ms     = conf->kv_timeout ? conf->kv_timeout : NATS_API_MS;
	nb->mark_ms   = conf->mark_life ? conf->mark_life : NATS_MARK_MS;
	siphash_key_random(&nb->hkey);
	rand_str(nb->name, sizeof(nb->name));

	err  = hash_alloc(&nb->targeth, TARGET_BUCKETS);
	err |= hash_alloc(&nb->keyh, TARGET_BUCKETS);
	if (!err)
		err = natslink_alloc(&nb->link, conf, wrongp, nb, msg_handler,
				     state_handler);

	if (err)
		mem_deref(nb);
	else
		*busp = &nb->bus;

	return err;
}
