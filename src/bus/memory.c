/**
 * @file memory.c  The bus of one process
 *
 * What happens is put into one queue and told from the main loop, so that no
 * handler runs inside the call that caused it. One timer of 0 ms wakes the
 * loop for a whole burst: libre polls its timers right after its sockets,
 * hence without a system call and without waiting.
 */
#include <string.h>
#include <re.h>
#include "server/siphash.h"
#include "bus/bus.h"
#include "bus/ops.h"
#include "bus/subject.h"
#include "bus/heap.h"
#include "bus/membus.h"


enum {
	QUEUE_MAX   = 1 << 18,     /* items; beyond that ENOBUFS            */
	DRAIN_BATCH = 4096,        /* items before sockets get their turn   */
};

struct bus_sub {
	struct le le;
	struct membus *mb;         /* NULL once the bus is gone             */
	uint64_t since;            /* hears what happened later             */
	bus_msg_h *h;
	void *arg;
	char pattern[];
};

struct msg {
	struct item it;            /* first                                 */
	struct bus_req *req;       /* NULL: publication, or cancelled       */
	bool request;
	size_t len;                /* of the payload                        */
	const uint8_t *buf;        /* within text                           */
	char text[];               /* subject, zero, payload                */
};

struct bus_req {
	struct item it;            /* first; queued once replied to         */
	struct le le;              /* in membus.reql                        */
	struct heap_node due;
	struct membus *mb;
	struct msg *msg;           /* NULL once delivered                   */
	struct list replyl;
	struct bus_req **reqp;
	bus_resp_h *h;
	void *arg;
	uint8_t *buf;              /* the reply                             */
	size_t len;
};

struct memreply {
	struct bus_reply reply;    /* first                                 */
	struct le le;
	struct bus_req *req;       /* NULL: nobody waits any more           */
};


/* A handler may have released the bus; then only we hold it. */
static bool bus_wanted(struct membus *mb)
{
	return mem_nrefs(mb) > 1;
}


static void drain_handler(void *arg)
{
	struct membus *mb = mem_ref(arg);
	unsigned n = DRAIN_BATCH;
	struct le *le;

	while (n-- && bus_wanted(mb) && (le = list_head(&mb->queue))) {
		struct item *it = le->data;

		membus_pull(it);
		it->h(mb, it);
		mem_deref(it);
	}

	if (!list_isempty(&mb->queue))
		tmr_start(&mb->drain, 0, drain_handler, mb);

	mem_deref(mb);
}


/**
 * Tell if the queue takes no more
 *
 * @param mb Memory bus
 *
 * @return True if it is full
 */
bool membus_full(const struct membus *mb)
{
	return mb->queuec >= QUEUE_MAX;
}


/**
 * Queue an item
 *
 * @param mb Memory bus
 * @param it Item; the queue takes the reference over
 * @param h  What to do when its turn comes
 */
void membus_push(struct membus *mb, struct item *it, item_h *h)
{
	if (list_isempty(&mb->queue))
		tmr_start(&mb->drain, 0, drain_handler, mb);

	it->mb  = mb;
	it->h   = h;
	it->seq = ++mb->seq;
	list_append(&mb->queue, &it->le, it);
	++mb->queuec;
}


/**
 * Take an item out of the queue
 *
 * @param it Item; nothing happens if it is in no queue. The reference goes to
 *           the caller
 */
void membus_pull(struct item *it)
{
	if (!it->le.list)
		return;

	list_unlink(&it->le);
	--it->mb->queuec;
}


static void due_handler(void *arg)
{
	struct membus *mb = mem_ref(arg);
	const uint64_t now = tmr_jiffies();
	struct heap_node *node;

	mb->due_at = 0;

	while ((node = heap_first(&mb->heap)) && node->when <= now &&
	       bus_wanted(mb)) {
		heap_remove(&mb->heap, node);
		node->h(node->arg);
	}

	if (node && (!mb->due_at || node->when < mb->due_at)) {
		mb->due_at = node->when;
		tmr_start(&mb->due, node->when > now ? node->when - now : 0,
			  due_handler, mb);
	}

	mem_deref(mb);
}


/**
 * Have a node's handler called later
 *
 * @param mb    Memory bus
 * @param node  Node, its handler set
 * @param delay When [ms]
 *
 * @return 0 if success; ENOMEM
 */
int membus_due(struct membus *mb, struct heap_node *node, uint32_t delay)
{
	const uint64_t when = tmr_jiffies() + delay;
	const int err = heap_insert(&mb->heap, node, when);

	if (err)
		return err;

	/* a timer that comes too early finds nothing due and starts again */
	if (!mb->due_at || when < mb->due_at) {
		mb->due_at = when;
		tmr_start(&mb->due, delay, due_handler, mb);
	}

	return 0;
}


static void req_finish(struct bus_req *req, int err)
{
	bus_resp_h *h = req->h;

	if (req->reqp) {
		*req->reqp = NULL;
		req->reqp = NULL;
	}

	h(err, err ? NULL : req->buf, err ? 0 : req->len, req->arg);
}


static void req_destructor(void *arg)
{
	struct bus_req *req = arg;
	struct le *le;

	membus_pull(&req->it);
	list_unlink(&req->le);
	if (req->mb)
		heap_remove(&req->mb->heap, &req->due);
	if (req->msg)
		req->msg->req = NULL;
	while ((le = list_head(&req->replyl))) {
		struct memreply *mr = le->data;

		list_unlink(le);
		mr->req = NULL;
	}
	if (req->reqp)
		*req->reqp = NULL;

	mem_deref(req->buf);
}


static void req_due_handler(void *arg)
{
	struct bus_req *req = arg;

	req_finish(req, ETIMEDOUT);
	mem_deref(req);
}


static void req_item_handler(struct membus *mb, struct item *it)
{
	struct bus_req *req = (struct bus_req *)it;
	(void)mb;

	req_finish(req, req->buf ? 0 : ENOENT);
}


static void reply_destructor(void *arg)
{
	struct memreply *mr = arg;

	list_unlink(&mr->le);
}


static int reply_respond(struct bus_reply *reply, const uint8_t *buf,
			 size_t len)
{
	struct memreply *mr = (struct memreply *)reply;
	struct bus_req *req = mr->req;

	if (!req || req->buf)
		return ENOTCONN;

	req->buf = mem_alloc(len ? len : 1, NULL);
	if (!req->buf)
		return ENOMEM;

	if (len)
		memcpy(req->buf, buf, len);
	req->len = len;

	heap_remove(&req->mb->heap, &req->due);

	membus_push(req->mb, &req->it, req_item_handler);

	return 0;
}


static struct bus_reply *reply_alloc(struct bus_req *req)
{
	struct memreply *mr = mem_zalloc(sizeof(*mr), reply_destructor);

	if (!mr)
		return NULL;

	mr->reply.respond = reply_respond;
	mr->req = req;
	if (req)
		list_append(&req->replyl, &mr->le, mr);

	return &mr->reply;
}


static void msg_destructor(void *arg)
{
	struct msg *msg = arg;

	membus_pull(&msg->it);
	if (msg->req)
		msg->req->msg = NULL;
}


static void msg_handler(struct membus *mb, struct item *it)
{
	struct msg *msg = (struct msg *)it;
	struct le *le = list_head(&mb->subl);
	bool told = false;

	while (le) {
		const struct bus_sub *sub = le->data;
		struct bus_reply *reply = NULL;

		mb->sub_next = le->next;

		if (sub->since < it->seq &&
		    subject_match(sub->pattern, msg->text)) {

			if (msg->request)
				reply = reply_alloc(msg->req);

			if (!msg->request || reply)
				sub->h(msg->text, msg->buf, msg->len, reply,
				       sub->arg);
			told = true;
		}

		le = mb->sub_next;
	}

	if (msg->req && !told) {
		heap_remove(&mb->heap, &msg->req->due);
		membus_push(mb, &msg->req->it, req_item_handler);
	}
}


static int msg_push(struct msg **msgp, struct membus *mb,
		    const char *subject, const uint8_t *buf, size_t len)
{
	const size_t n = strlen(subject) + 1;
	struct msg *msg;

	if (membus_full(mb))
		return ENOBUFS;

	msg = mem_alloc(sizeof(*msg) + n + len, msg_destructor);
	if (!msg)
		return ENOMEM;

	memset(msg, 0, sizeof(*msg));
	memcpy(msg->text, subject, n);
	if (len)
		memcpy(msg->text + n, buf, len);
	msg->buf = (const uint8_t *)msg->text + n;
	msg->len = len;

	if (msgp)
		*msgp = msg;

	membus_push(mb, &msg->it, msg_handler);

	return 0;
}


static int mem_publish(struct bus *bus, const char *subject,
		       const uint8_t *buf, size_t len)
{
	return msg_push(NULL, (struct membus *)bus, subject, buf, len);
}


static int mem_request(struct bus_req **reqp, struct bus *bus,
		       const char *subject, const uint8_t *buf, size_t len,
		       uint32_t timeout_ms, bus_resp_h *h, void *arg)
{
	struct membus *mb = (struct membus *)bus;
	struct bus_req *req;
	int err;

	req = mem_zalloc(sizeof(*req), req_destructor);
	if (!req)
		return ENOMEM;

	req->mb    = mb;
	req->h     = h;
	req->arg   = arg;
	req->due.h = req_due_handler;
	req->due.arg = req;

	err = membus_due(mb, &req->due, timeout_ms);
	if (err)
		goto out;

	err = msg_push(&req->msg, mb, subject, buf, len);
	if (err)
		goto out;

	req->msg->req = req;
	req->msg->request = true;
	list_append(&mb->reql, &req->le, req);

	req->reqp = reqp;
	if (reqp)
		*reqp = req;

 out:
	if (err)
		mem_deref(req);

	return err;
}


static void sub_destructor(void *arg)
{
	struct bus_sub *sub = arg;

	if (sub->mb && sub->mb->sub_next == &sub->le)
		sub->mb->sub_next = sub->le.next;

	list_unlink(&sub->le);
}


static int mem_subscribe(struct bus_sub **subp, struct bus *bus,
			 const char *pattern, bus_msg_h *h, void *arg)
{
	struct membus *mb = (struct membus *)bus;
	const size_t n = strlen(pattern) + 1;
	struct bus_sub *sub;

	sub = mem_zalloc(sizeof(*sub) + n, sub_destructor);
	if (!sub)
		return ENOMEM;

	memcpy(sub->pattern, pattern, n);
	sub->mb    = mb;
	sub->since = mb->seq;
	sub->h     = h;
	sub->arg   = arg;
	list_append(&mb->subl, &sub->le, sub);

	*subp = sub;

	return 0;
}


static void membus_destructor(void *arg)
{
	struct membus *mb = arg;
	struct le *le;

	bus_close(&mb->bus);
	tmr_cancel(&mb->drain);
	tmr_cancel(&mb->due);

	/* a request that was replied to is in both lists: empty this first */
	list_flush(&mb->reql);
	while ((le = list_head(&mb->queue)))
		mem_deref(le->data);

	while ((le = list_head(&mb->subl))) {
		struct bus_sub *sub = le->data;

		list_unlink(le);
		sub->mb = NULL;
	}

	memkv_close(mb);
	heap_reset(&mb->heap);
}


static const struct bus_ops ops = {
	.publish   = mem_publish,
	.subscribe = mem_subscribe,
	.request   = mem_request,
	.kv_put    = memkv_put,
	.kv_delete = memkv_delete,
	.kv_get    = memkv_get,
	.kv_watch  = memkv_watch,
};


/**
 * Make a bus for one process. When it goes away, subscriptions and watches
 * fall silent, and pending requests and operations end without a word.
 *
 * @param busp Pointer to the bus, owned by the caller
 *
 * @return 0 if success; EINVAL; ENOMEM
 */
int bus_alloc_memory(struct bus **busp)
{
	struct membus *mb;

	if (!busp)
		return EINVAL;

	mb = mem_zalloc(sizeof(*mb), membus_destructor);
	if (!mb)
		return ENOMEM;

	mb->bus.ops = &ops;
	mb->bus.state = BUS_UP;
	siphash_key_random(&mb->hkey);

	*busp = &mb->bus;

	return 0;
}
