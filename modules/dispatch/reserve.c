/**
 * @file reserve.c  A server is chosen, and asked to keep places
 */
#include <string.h>
#include <time.h>
#include <re.h>
#include "server/log.h"
#include "bus/bus.h"
#include "noc/client.h"
#include "noc/name.h"
#include "noc/willcall.h"
#include "noc/wire.h"
#include "noc/tables.h"
#include "dispatch/dispatch.h"
#include "dispatch/pending.h"


/**
 * The server that was chosen knows, or will not have it
 *
 * @param p Pending
 */
void pending_release(struct pending *p)
{
	if (p->held)
		tables_release(p->d->tables, p->route.server, 1,
			       tmr_jiffies());
	p->held = false;
}


/**
 * Choose a server, and count a reservation there
 *
 * @param p Pending
 *
 * @return as tables_select
 */
int pending_choose(struct pending *p)
{
	const char *notv[TRIES_MAX];
	struct select_req req = {
		.conf = p->name, .conflen = p->namelen,
		.media = p->media, .notv = notv, .notc = p->triedc,
		.now = tmr_jiffies(), .utc = (uint64_t)time(NULL),
	};
	unsigned i;
	int err;

	for (i=0; i<p->triedc; i++)
		notv[i] = p->triedv[i];

	err = tables_select(p->d->tables, &req, &p->route);

	/* video is a wish: better heard than not let in */
	if (err == ENOTSUP && p->media & MEDIA_AUDIO &&
	    p->media != MEDIA_AUDIO) {
		req.media = p->media = MEDIA_AUDIO;
		err = tables_select(p->d->tables, &req, &p->route);
	}

	p->held = !err;

	return err;
}


static int reserve_encode(struct pending *p, bool release, uint8_t *buf,
			  size_t sz, size_t *len)
{
	const uint32_t next = p->route.next;
	const struct wire_reserve r = {
		.create = !p->known, .media = p->media,
		.least = p->known || p->lessc >= LESS_MAX ? 0 :
			next - next / LESS_PART,
		.release = release,
	};
	struct le *le;
	size_t n, total;
	unsigned joinc = 0;
	int err;

	err = wire_reserve_encode(buf, sz, &total, &r);
	if (err)
		return err;

	LIST_FOREACH(&p->waitl, le) {
		const struct waiting *w = le->data;
		const struct willcall_join j =
			join_willcall(client_join(w->client));

		if (joinc == (release ? p->granted : ASK_MAX))
			break;

		err = wire_join_encode(buf + total, sz - total, &n, &j);
		if (err)
			return err;

		total += n;
		++joinc;
	}

	if (!release)
		p->asked = joinc;
	*len = total;

	return 0;
}


/**
 * Places were reserved for nothing: the server need not keep them
 *
 * @param p Pending
 */
void pending_giveback(struct pending *p)
{
	uint8_t buf[64 + ASK_MAX * WIRE_JOIN_MAX];
	char subject[2 * NAME_KEY_MAX];
	size_t n;

	/* those that were granted are the first ones */
	if (!p->granted || reserve_encode(p, true, buf, sizeof(buf), &n) ||
	    dispatch_subject(p->d, p->route.server, subject,
				       sizeof(subject)))
		return;

	/* if it is lost, they end by themselves */
	(void)bus_publish(p->d->bus, subject, buf, n);
}


static int verdict_errno(enum wire_verdict verdict)
{
	switch (verdict) {

	case WIRE_GRANT: return 0;
	case WIRE_FULL:  return ENOSPC;
	case WIRE_OUT:   return ENOENT;
	case WIRE_LESS:  return EAGAIN;
	default:         return EPROTO;
	}
}


static void reserve_handler(int err, const uint8_t *buf, size_t len, void *arg)
{
	struct pending *p = arg;
	struct wire_granted g = { .granted = 0 };

	if (!err)
		err = wire_granted_decode(&g, buf, len);
	else if (err == ENOENT)
		tables_server_lost(p->d->tables, p->route.server);

	if (!err) {
		(void)tables_server_granted(p->d->tables, p->route.server,
					    g.unused, g.seq, tmr_jiffies());
		err = verdict_errno(g.verdict);
	}

	/* a full server may have had room for some of them */
	p->granted = min(g.granted, p->asked);

	if (!p->granted) {
		log_trace("dispatch", NULL, "%s does not take %s: %s",
			  p->route.server, p->name, strerror(err));
		err = err ? err : ENOSPC;
	}
	else {
		err = 0;
	}

	pending_reserved(p, err);
}


/**
 * Ask the server that was chosen, for those who wait
 *
 * @param p Pending; pending_reserved is told what became of it
 */
void pending_reserve(struct pending *p)
{
	uint8_t buf[64 + ASK_MAX * WIRE_JOIN_MAX];
	char subject[2 * NAME_KEY_MAX];
	size_t n;
	int err;

	err = reserve_encode(p, false, buf, sizeof(buf), &n);
	if (!err)
		err = dispatch_subject(p->d, p->route.server, subject,
				       sizeof(subject));
	if (err)
		goto out;

	err = bus_request(&p->req, p->d->bus, subject, buf, n,
			  p->d->conf.reserve_ms, reserve_handler, p);

 out:
	if (err == ENOTCONN)
		pending_reserved(p, err);
	else if (err)
		pending_fail(p, err);
}
