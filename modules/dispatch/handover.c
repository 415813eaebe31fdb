/**
 * @file handover.c  Joins that were redirected at once: their server is told
 *                   afterwards, many at a time
 *
 * Signalling threads (and join.c) look a conference up, reserve and leave the
 * join in the tables. The first of them wakes the main thread, which waits a
 * little for more and then tells every server concerned with one message.
 */
#include <string.h>
#include <re.h>
#include "server/log.h"
#include "bus/bus.h"
#include "noc/client.h"
#include "noc/name.h"
#include "noc/willcall.h"
#include "noc/wire.h"
#include "noc/ticket.h"
#include "noc/tables.h"
#include "noc/route.h"
#include "sip/redirect.h"
#include "dispatch/dispatch.h"


enum {
	HANDOVER_MS = 5,           /* to gather joins                       */
	HANDOVER_TIMEOUT = 2000,   /* [ms]                                  */
};

struct batch {
	struct dispatch *d;
	unsigned joinc;
	char server[NAME_SERVER_MAX];
};


static void batch_handler(int err, const uint8_t *buf, size_t len, void *arg)
{
	struct batch *b = arg;
	struct dispatch *d = b->d;
	struct wire_granted g;

	/* stopped meanwhile */
	if (!d->tables)
		goto out;

	if (!err)
		err = wire_granted_decode(&g, buf, len);

	tables_release(d->tables, b->server, b->joinc, tmr_jiffies());

	/* it counts them itself when they come, but cannot tell us */
	if (err == ENOTCONN)
		tables_server_taken(d->tables, b->server, b->joinc);

	if (err)
		log_trace("dispatch", NULL, "%s does not know of %u joins: %s",
			  b->server, b->joinc, strerror(err));
	else
		(void)tables_server_granted(d->tables, b->server, g.unused,
					    g.seq, tmr_jiffies());

 out:
	mem_deref(b);
}


static void batch_destructor(void *arg)
{
	struct batch *b = arg;

	mem_deref(b->d);
}


static int batch_send(struct dispatch *d, const char *server,
		      const uint8_t *buf, size_t len, unsigned joinc)
{
	const struct wire_reserve r = { .create = false,
					.media = MEDIA_AUDIO };
	char subject[2 * NAME_KEY_MAX];
	struct mbuf *mb = NULL;
	struct batch *b;
	size_t n;
	int err;

	b = mem_zalloc(sizeof(*b), batch_destructor);
	if (!b)
		return ENOMEM;

	b->d = mem_ref(d);
	b->joinc = joinc;
	str_ncpy(b->server, server, sizeof(b->server));

	mb = mbuf_alloc(len + WIRE_SMALL_MAX);
	if (!mb) {
		err = ENOMEM;
		goto out;
	}

	err = wire_reserve_encode(mb->buf, mb->size, &n, &r);
	if (err)
		goto out;

	mb->pos = mb->end = n;
	err = mbuf_write_mem(mb, buf, len);
	if (err)
		goto out;

	err = dispatch_subject(d, server, subject, sizeof(subject));
	if (err)
		goto out;

	err = bus_request(NULL, d->bus, subject, mb->buf, mb->end,
			  HANDOVER_TIMEOUT, batch_handler, b);

 out:
	mem_deref(mb);
	if (err)
		mem_deref(b);

	return err;
}


static void server_handler(const char *server, const uint8_t *buf, size_t len,
			   unsigned joinc, void *arg)
{
	struct dispatch *d = arg;
	const int err = batch_send(d, server, buf, len, joinc);

	if (err == ENOTCONN)
		tables_server_taken(d->tables, server, joinc);

	/* they have tickets; the reservations end by themselves */
	if (err)
		log_event(LOG_WARN, "dispatch", NULL,
			  "cannot tell %s of %u joins: %s", server, joinc,
			  strerror(err));
}


static void handover_handler(void *arg)
{
	struct dispatch *d = arg;

	tables_handover(d->tables, server_handler, d);
}


static void wake_handler(int id, void *data, void *arg)
{
	struct dispatch *d = arg;
	(void)id;
	(void)data;

	tmr_start(&d->handover, HANDOVER_MS, handover_handler, d);
}


/* Any thread */
static void route_wake_handler(void *arg)
{
	struct dispatch *d = arg;

	(void)mqueue_push(d->mq, 0, NULL);
}


/**
 * Answer a join for a known conference. Any thread, while the dispatcher is
 * open; as siphost_redirect_h.
 *
 * @param q       The INVITE
 * @param contact Set to the URI to go to, not zero-terminated
 * @param sz      Its size [bytes]
 * @param len     Length of the URI [bytes]
 * @param arg     Dispatcher
 *
 * @return as route_lookup
 */
int dispatch_lookup(const struct redirect_query *q, char *contact, size_t sz,
		    size_t *len, void *arg)
{
	const struct willcall_join j = {
		.conference = q->conf, .conferencelen = q->conflen,
		.user = q->user, .userlen = q->userlen, .account = "",
	};
	struct dispatch *d = arg;
	int err;

	err = route_lookup(d->route, &j, q->ipv6, contact, sz, len);
	if (!err)
		__atomic_fetch_add(&d->fast, 1, __ATOMIC_RELAXED);

	return err;
}


/**
 * Begin to gather joins
 *
 * @param d Dispatcher, with tables and key
 *
 * @return 0 if success
 */
int dispatch_handover_start(struct dispatch *d)
{
	int err;

	err = mqueue_alloc(&d->mq, wake_handler, d);
	if (err)
		return err;

	return route_alloc(&d->route, d->tables, d->key, d->conf.ticket_s,
			   route_wake_handler, d);
}


/**
 * End it; no other thread may use the route any more
 *
 * @param d Dispatcher
 */
void dispatch_handover_stop(struct dispatch *d)
{
	tmr_cancel(&d->handover);
	d->mq = mem_deref(d->mq);
}
