/**
 * @file natslink.c  The main thread's end of a connection to NATS
 */
#define _GNU_SOURCE 1
#include <string.h>
#include <pthread.h>
#include <nats/nats.h>
#include <re.h>
#include "bus/bus.h"
#include "bus/natslink.h"
#include "bus/natsconn.h"


enum {
	RX_BATCH = 1024,           /* events before sockets get their turn  */
	URLS_MAX = 16,
};

struct natslink {
	struct natsconn *nc;       /* shared with other threads             */
	void *owner;
	natslink_msg_h *msgh;
	natslink_state_h *stateh;
	struct natsev *got;        /* taken over, not handled yet           */
	uint64_t gen;              /* of the connection, 0: none            */
	uint64_t received;
	uint64_t connects;
};


static void event_handle(struct natslink *nl, struct natsev *ev)
{
	switch (ev->what) {

	case NATSEV_UP:
		nl->gen = ev->gen;
		++nl->connects;
		nl->stateh(true, nl->owner);
		break;

	case NATSEV_DOWN:
		nl->gen = 0;
		nl->stateh(false, nl->owner);
		break;

	case NATSEV_MSG:
		/* of a connection that is lost already */
		if (ev->gen != nl->gen)
			break;
		++nl->received;
		nl->msgh(ev->sid, ev->msg, nl->owner);
		break;
	}
}


static void wake_handler(int id, void *data, void *arg)
{
	struct natslink *nl = arg;
	void *owner = mem_ref(nl->owner);
	unsigned n = RX_BATCH;
	(void)id;
	(void)data;

	if (!nl->got)
		nl->got = natsconn_take(nl->nc);

	/* a handler may let the owner go; then only we hold it */
	while (n-- && nl->got && mem_nrefs(owner) > 1) {
		struct natsev *ev = nl->got;

		nl->got = ev->next;
		event_handle(nl, ev);
		natsev_free(ev);
	}

	if (mem_nrefs(owner) > 1 && nl->got)
		natsconn_wake(nl->nc);

	mem_deref(owner);
}


static void destructor(void *arg)
{
	struct natslink *nl = arg;

	natsconn_stop(nl->nc);

	while (nl->got) {
		struct natsev *ev = nl->got;

		nl->got = ev->next;
		natsev_free(ev);
	}
}


static int urls_split(char ***urlvp, size_t *urlcp, const char *url)
{
	char **urlv;
	size_t n = 0;
	int err = 0;

	urlv = mem_zalloc(URLS_MAX * sizeof(*urlv), NULL);
	if (!urlv)
		return ENOMEM;

	while (*url && !err) {
		const size_t gap = strspn(url, ", \t");
		const size_t len = strcspn(url + gap, ", \t");
		const struct pl pl = { url + gap, len };

		url += gap + len;
		if (!len)
			continue;

		/* secrets have settings of their own, which nobody prints */
		if (n == URLS_MAX || memchr(pl.p, '@', len) ||
		    (memmem(pl.p, len, "://", 3) &&
		     strncmp(pl.p, "nats://", 7) &&
		     strncmp(pl.p, "tls://", 6)))
			err = EINVAL;
		else
			err = pl_strdup(&urlv[n++], &pl);
	}

	if (!err && !n)
		err = EINVAL;

	*urlvp = urlv;
	*urlcp = n;

	return err;
}


static int conf_make(struct natsconn_conf *cc,
		     const struct bus_nats_conf *conf, const char **wrongp)
{
	const int err = urls_split(&cc->urlv, &cc->urlc, conf->url);

	if (err) {
		*wrongp = "url";
		return err;
	}

	return natsopts_alloc(&cc->opts, conf, wrongp);
}


/**
 * Judge how NATS is to be reached, without trying
 *
 * @param conf   How to connect
 * @param wrongp Set to the name of the field that cannot be used
 *
 * @return 0 if success; EINVAL; ENOMEM
 */
int bus_nats_check(const struct bus_nats_conf *conf, const char **wrongp)
{
	struct natsconn_conf cc = { .opts = NULL };
	int err;

	if (!conf || !conf->url || !wrongp)
		return EINVAL;

	err = conf_make(&cc, conf, wrongp);
	natsconn_conf_free(&cc);

	return err;
}


/**
 * Begin to connect to NATS, again and again for as long as it takes
 *
 * @param lp     Pointer to the link, owned by the caller; mem_deref sends what
 *               waits, for at most a second or two, and closes
 * @param conf   How to connect, copied
 * @param wrongp Set to the name of the field of conf that cannot be used
 * @param owner  Mem object, argument of the handlers, which may release it
 * @param msgh   Told of messages
 * @param stateh Told when the connection is there, and when it is lost
 *
 * @return 0 if success; EINVAL; ENOMEM
 */
int natslink_alloc(struct natslink **lp, const struct bus_nats_conf *conf,
		   const char **wrongp, void *owner, natslink_msg_h *msgh,
		   natslink_state_h *stateh)
{
	struct natsconn_conf cc = { .opts = NULL };
	struct natslink *nl;
	int err;

	nl = mem_zalloc(sizeof(*nl), destructor);
	if (!nl)
		return ENOMEM;

	nl->owner  = owner;
	nl->msgh   = msgh;
	nl->stateh = stateh;

	err = conf_make(&cc, conf, wrongp);
	if (!err)
		err = natsconn_start(&nl->nc, &cc, wake_handler, nl);

	if (err) {
		natsconn_conf_free(&cc);
		mem_deref(nl);
	}
	else {
		*lp = nl;
	}

	return err;
}


static int message_alloc(natsMsg **msgp, const char *subject,
			 const char *reply, const struct natshdr *hdrv,
			 const uint8_t *buf, size_t len)
{
	natsMsg *msg;
	unsigned i;

	if (natsMsg_Create(&msg, subject, reply, (const char *)buf, (int)len))
		return ENOMEM;

	for (i=0; hdrv && i<NATSHDR_MAX && hdrv[i].name; i++) {
		if (natsMsgHeader_Set(msg, hdrv[i].name, hdrv[i].val)) {
			natsMsg_Destroy(msg);
			return ENOMEM;
		}
	}

	*msgp = msg;

	return 0;
}


/**
 * Send a message
 *
 * @param nl      Link
 * @param subject Subject
 * @param reply   Subject for replies, or NULL
 * @param hdrv    Up to NATSHDR_MAX headers, fewer end with name NULL; or NULL
 * @param buf     Payload, copied
 * @param len     [bytes]
 *
 * @return 0 if success; ENOTCONN; ENOBUFS if too much waits; ENOMEM
 */
int natslink_publish(struct natslink *nl, const char *subject,
		     const char *reply, const struct natshdr *hdrv,
		     const uint8_t *buf, size_t len)
{
	natsMsg *msg;
	int err;

	if (!nl || !nl->gen)
		return ENOTCONN;

	/* before the copy: it is the cheapest way to say no */
	if (natsconn_full(nl->nc))
		return ENOBUFS;

	err = message_alloc(&msg, subject, reply, hdrv, buf, len);
	if (err)
		return err;

	return natsconn_push(nl->nc, NATSCMD_PUBLISH, nl->gen, 0, NULL, msg,
			     len);
}


/**
 * Ask for the messages of a subject
 *
 * @param nl      Link
 * @param sid     Its number, for natslink_msg_h
 * @param pattern Subject, may have wildcards
 *
 * @return 0 if success; ENOTCONN; ENOMEM
 */
int natslink_subscribe(struct natslink *nl, uint64_t sid, const char *pattern)
{
	if (!nl || !nl->gen)
		return ENOTCONN;

	return natsconn_push(nl->nc, NATSCMD_SUBSCRIBE, nl->gen, sid, pattern,
			     NULL, 0);
}


/**
 * Want no more messages of a subject
 *
 * @param nl  Link
 * @param sid Number of the subscription
 *
 * @return 0 if success; ENOTCONN; ENOMEM
 */
int natslink_unsubscribe(struct natslink *nl, uint64_t sid)
{
	if (!nl || !nl->gen)
		return ENOTCONN;

	return natsconn_push(nl->nc, NATSCMD_UNSUBSCRIBE, nl->gen, sid, NULL,
			     NULL, 0);
}


/**
 * Count what went over the link
 *
 * @param nl    Link
 * @param stats Its part is filled in
 */
void natslink_stats(const struct natslink *nl, struct bus_stats *stats)
{
	stats->received = nl->received;
	stats->connects = nl->connects;
	natsconn_stats(nl->nc, &stats->sent, &stats->waiting);
}
