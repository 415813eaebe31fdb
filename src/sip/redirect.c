/**
 * @file redirect.c  The fast path: plain INVITEs for known conferences are
 *                   answered with 302 before sofia sees them
 *
 *  datagrams -> pre-parser -> came back? -> look-up -> 302
 *                   |             |            |
 *                   |             |            +-> main thread -> any answer
 *                   |             |                     |
 *                   +-------------+---------------------+----> sofia
 *
 * No transaction is kept. The To tag is a keyed hash of branch and Call-ID,
 * so a retransmitted INVITE gets the 302 it got before, and the ACK, which
 * repeats all three, is recognised by hashing again (RFC 3261 section
 * 17.2.1 does the same with memory).
 *
 * Only a small table of the last redirects is kept: a phone that drops the
 * parameters of the Contact's URI comes back without its ticket, with the
 * Call-ID it had and a higher CSeq. It is let through to sofia, where the
 * will-call list may know it, instead of being sent round for ever. The
 * table forgets when it is overwritten or after 64*T1.
 *
 * What sofia gets goes to the thread that owns its Call-ID, since with a
 * port shared by several threads the kernel chooses by address.
 */
#include <string.h>
#include <time.h>
#include <pthread.h>
#include <re.h>
#include "server/siphash.h"
#include "sip/preparse.h"
#include "sip/redirect.h"
#include "sip/headlimit.h"
#include "sip/redirmsg.h"
#include "sip/udpsock.h"
#include "sip/redirect_int.h"


/* One writer, so no locked instruction is needed. */
static inline void count(uint64_t *n)
{
	__atomic_store_n(n, *n + 1, __ATOMIC_RELAXED);
}


static void destructor(void *arg)
{
	struct redirect *r = arg;
	unsigned i;

	for (i=0; i<r->threadc; i++) {
		if (r->threadv[i])
			mem_deref(r->threadv[i]->us);
		mem_deref(r->threadv[i]);
	}

	list_flush(&r->joinl);
	pthread_mutex_destroy(&r->join_lock);
	pthread_rwlock_destroy(&r->lock);
}


/**
 * Make the fast path; it does nothing until a thread enters and a handler is
 * set
 *
 * @param rp      Set to the object; all threads have to leave before it is
 *                freed
 * @param threads Signalling threads that share the ports, at most,
 *                1..REDIRECT_THREADS_MAX
 *
 * @return 0 for success, otherwise errorcode
 */
int redirect_alloc(struct redirect **rp, unsigned threads)
{
	struct redirect *r;

	if (!rp || !threads || threads > REDIRECT_THREADS_MAX)
		return EINVAL;

	r = mem_zalloc(sizeof(*r), destructor);
	if (!r)
		return ENOMEM;

	pthread_rwlock_init(&r->lock, NULL);
	pthread_mutex_init(&r->join_lock, NULL);
	r->threads = threads;
	r->threadc = threads;

	siphash_key_random(&r->key);

	*rp = r;

	return 0;
}


/**
 * Set or take away the look-up
 *
 * @param r   Fast path
 * @param h   Called in the signalling threads, at the same time in several;
 *            NULL: sofia gets everything. The handler before is not running
 *            any more when this returns, so do not call this from a handler
 * @param arg Its argument
 */
void redirect_handler(struct redirect *r, redirect_lookup_h *h, void *arg)
{
	if (!r)
		return;

	pthread_rwlock_wrlock(&r->lock);
	r->lookuph = h;
	r->arg     = arg;
	pthread_rwlock_unlock(&r->lock);
}


/**
 * Have joins that the look-up could not answer given to the main thread
 *
 * @param r   Fast path
 * @param h   Called in the signalling threads: there is something for
 *            redirect_join_next; NULL: sofia gets them
 * @param arg Its argument
 */
void redirect_defer_handler(struct redirect *r, redirect_wake_h *h, void *arg)
{
	if (!r)
		return;

	pthread_rwlock_wrlock(&r->lock);
	r->wakeh   = h;
	r->wakearg = arg;
	pthread_rwlock_unlock(&r->lock);
}


/**
 * Tell how many signalling threads there are, before the first one enters;
 * nothing is on hold then
 *
 * @param r       Fast path
 * @param threads 1..what was told to redirect_alloc
 */
void redirect_threads_set(struct redirect *r, unsigned threads)
{
	if (!r || !threads || threads > r->threadc)
		return;

	pthread_rwlock_wrlock(&r->lock);
	r->threads = threads;
	r->hold    = 0;
	pthread_rwlock_unlock(&r->lock);
}


/**
 * Listen also on addresses that this host does not have yet
 *
 * @param r  Fast path, before the first thread enters
 * @param on True if so
 */
void redirect_freebind(struct redirect *r, bool on)
{
	if (r)
		r->freebind = on;
}


/**
 * Let sofia have everything for a time
 *
 * @param r   Fast path
 * @param why Reason; redirects are on again when none is left
 * @param on  Begin or end
 */
void redirect_hold(struct redirect *r, enum redirect_hold why, bool on)
{
	if (!r)
		return;

	pthread_rwlock_wrlock(&r->lock);
	if (on)
		r->hold |= why;
	else
		r->hold &= ~(unsigned)why;
	pthread_rwlock_unlock(&r->lock);
}


/**
 * Add up the counters of all threads
 *
 * @param r  Fast path; any thread may ask
 * @param st Filled
 */
void redirect_stats(struct redirect *r, struct redirect_stats *st)
{
	unsigned i;

	if (!r || !st)
		return;

	memset(st, 0, sizeof(*st));

	pthread_rwlock_rdlock(&r->lock);

	for (i=0; i<r->threadc; i++) {

		const struct rthread *t = r->threadv[i];

		if (!t)
			continue;

#define ADD(f) st->f += __atomic_load_n(&t->st.f, __ATOMIC_RELAXED)
		ADD(redirected);
		ADD(retransmitted);
		ADD(acked);
		ADD(deferred);
		ADD(handed_over);
		ADD(malformed);
		ADD(unsent);
#undef ADD
		st->unsent += udpsock_unsent(t->us);
	}

	pthread_rwlock_unlock(&r->lock);
}


/**
 * Which signalling thread owns a call?
 *
 * @param r      Fast path
 * @param callid Call-ID
 * @param len    Its length [bytes]
 *
 * @return Number of the thread: there, what comes with this Call-ID reaches
 *         sofia, so legs for it belong there
 */
unsigned redirect_owner(const struct redirect *r, const char *callid,
			size_t len)
{
	if (!r || !callid || r->threads < 2)
		return 0;

	return (unsigned)(siphash(&r->key, callid, len) % r->threads);
}


static uint64_t tag_make(const struct redirect *r, const struct preparse *pp,
			 uint64_t callid)
{
	const struct siphash_key key = {{r->key.v[0] ^ callid, r->key.v[1]}};

	return siphash(&key, pp->branch.p, pp->branch.l);
}


/* Did this client come back? Told apart from a retransmission by its CSeq,
 * and from a call to somewhere else by the conference. */
static bool recent_came_back(const struct rthread *t, const struct recent *rec,
			     const struct preparse *pp, uint64_t callid,
			     uint32_t conf)
{
	return rec->sec && rec->callid == callid && rec->conf == conf &&
		t->now - rec->sec < RECENT_LIFE && pp->cseq_num > rec->cseq;
}


static bool recent_again(const struct recent *rec, const struct recent *now)
{
	return rec->sec && rec->callid == now->callid &&
		rec->tag == now->tag && rec->cseq == now->cseq;
}


/* Not known, or not so simple: the main thread finds out, or else sofia. What
 * is repeated meanwhile waits for the same answer. */
static enum udpsock_verdict defer(struct rthread *t, struct udpsock_msg *msg,
				  struct recent *rec, struct recent *now)
{
	if (recent_again(rec, now) && rec->deferred &&
	    t->now - rec->sec < DEFER_LIFE)
		return UDPSOCK_ABSORB;

	if (!t->r->wakeh || redirect_defer(t, msg, now->tag))
		return UDPSOCK_HAND;

	now->deferred = true;
	*rec = *now;
	count(&t->st.deferred);

	return UDPSOCK_ABSORB;
}


static bool by_ipv6(const struct sockaddr *src)
{
	const void *p = src;

	return src->sa_family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(
		&((const struct sockaddr_in6 *)p)->sin6_addr);
}


static enum udpsock_verdict invite(struct rthread *t, struct udpsock_msg *msg)
{
	struct redirect *r = t->r;
	struct redirmsg rm = {.status = "302 Moved Temporarily"};
	struct preparse pp;
	struct redirect_query q;
	struct recent *rec, now;
	char contact[REDIRECT_CONTACT_MAX];
	size_t len = 0;

	if (!r->lookuph || r->hold ||
	    preparse_invite(&pp, msg->buf, msg->len))
		return UDPSOCK_HAND;

	now.callid   = siphash(&r->key, pp.callid.p, pp.callid.l);
	now.tag      = tag_make(r, &pp, now.callid);
	now.conf     = (uint32_t)siphash(&r->key, pp.conf.p, pp.conf.l);
	now.cseq     = pp.cseq_num;
	now.sec      = t->now;
	now.deferred = false;
	rec = &t->recentv[now.callid & (RECENT - 1)];

	if (recent_came_back(t, rec, &pp, now.callid, now.conf))
		return UDPSOCK_HAND;

	q = (struct redirect_query){
		pp.conf.p, pp.conf.l, pp.user.p, pp.user.l, now.tag,
		by_ipv6(msg->src)
	};
	if (r->lookuph(&q, contact, sizeof(contact), &len, r->arg) ||
	    !len || len > sizeof(contact))
		return defer(t, msg, rec, &now);

	rm.tag       = now.tag;
	rm.contact.p = contact;
	rm.contact.l = len;

	if (redirmsg_encode(msg->reply, UDPSOCK_REPLY_MAX, &msg->replylen,
			    &pp, msg->src, &rm))
		return UDPSOCK_HAND;

	redirmsg_reply_port(msg->src, &pp);

	count(recent_again(rec, &now) && !rec->deferred
	      ? &t->st.retransmitted : &t->st.redirected);
	*rec = now;

	return UDPSOCK_REPLY;
}


static enum udpsock_verdict ack(struct rthread *t, struct udpsock_msg *msg)
{
	struct redirect *r = t->r;
	struct preparse pp;
	uint64_t callid;

	if (preparse_ack(&pp, msg->buf, msg->len) ||
	    pp.to_tag.l != REDIRMSG_TAG_LEN)
		return UDPSOCK_HAND;

	callid = siphash(&r->key, pp.callid.p, pp.callid.l);

	if (!redirmsg_tag_is(&pp.to_tag, tag_make(r, &pp, callid)))
		return UDPSOCK_HAND;

	count(&t->st.acked);

	return UDPSOCK_ABSORB;
}


static enum udpsock_verdict refuse(struct rthread *t,
				   struct udpsock_msg *msg)
{
	count(&t->st.malformed);

	return headlimit_refuse(msg->reply, UDPSOCK_REPLY_MAX,
				&msg->replylen, msg->buf, msg->len)
		? UDPSOCK_ABSORB : UDPSOCK_REPLY;
}


static void hand_over(struct rthread *t, struct udpsock_msg *msg)
{
	struct pl callid;

	count(&t->st.handed_over);

	if ((msg->buf[0] | 0x20) < 'a' || (msg->buf[0] | 0x20) > 'z')
		count(&t->st.malformed);

	if (t->r->threads > 1 &&
	    !preparse_callid(&callid, msg->buf, msg->len))
		msg->owner = redirect_owner(t->r, callid.p, callid.l);
}


static void batch_handler(struct udpsock_msg *msgv, unsigned msgc, void *arg)
{
	struct rthread *t = arg;
	struct timespec ts;
	unsigned i;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	t->now = (uint32_t)ts.tv_sec + 1;

	pthread_rwlock_rdlock(&t->r->lock);

	for (i=0; i<msgc; i++) {

		struct udpsock_msg *msg = &msgv[i];

		if (msg->len > 7 && !memcmp(msg->buf, "INVITE ", 7))
			msg->verdict = invite(t, msg);
		else if (msg->len > 4 && !memcmp(msg->buf, "ACK ", 4))
			msg->verdict = ack(t, msg);
		else if (!msg->len)
			msg->verdict = UDPSOCK_ABSORB;

		if (msg->verdict == UDPSOCK_HAND &&
		    headlimit_exceeded(msg->buf, msg->len))
			msg->verdict = refuse(t, msg);

		if (msg->verdict == UDPSOCK_HAND)
			hand_over(t, msg);
	}

	redirect_defer_wake(t);

	pthread_rwlock_unlock(&t->r->lock);
}


static int hand_handler(const struct udpsock_msg *msg, void *arg)
{
	struct rthread *t = arg;
	const struct rthread *to;
	int err = ENOENT;

	pthread_rwlock_rdlock(&t->r->lock);

	to = t->r->threadv[msg->owner];
	if (to && to->us)
		err = udpsock_push(to->us, msg);

	pthread_rwlock_unlock(&t->r->lock);

	/* too many is a loss like any other on the way, the client repeats */
	return err == EOVERFLOW ? 0 : err;
}


/* Its counters outlive the thread, so it is made once and kept. */
static struct rthread *rthread_get(struct redirect *r, unsigned ix)
{
	struct rthread *t;

	pthread_rwlock_wrlock(&r->lock);

	t = r->threadv[ix];
	if (!t) {
		t = mem_zalloc(sizeof(*t), NULL);
		if (t) {
			t->r  = r;
			t->ix = ix;
		}
		r->threadv[ix] = t;
	}

	pthread_rwlock_unlock(&r->lock);

	return t;
}


/**
 * Enter the fast path with a signalling thread: the UDP sockets that sofia
 * opens in it from now on are read here first
 *
 * @param r  Fast path
 * @param ix Number of the thread, 0..threads-1
 *
 * @return 0 for success, EALREADY if the thread is in, EEXIST if another one
 *         has this number, otherwise errorcode
 */
int redirect_thread_enter(struct redirect *r, unsigned ix)
{
	struct udpsock *us;
	struct rthread *t;
	int err;

	if (!r || ix >= r->threads)
		return EINVAL;

	t = rthread_get(r, ix);
	if (!t)
		return ENOMEM;

	err = udpsock_enter(&us, ix, r->threads > 1, batch_handler,
			    hand_handler, t);
	if (err)
		return err;

	udpsock_freebind(us, r->freebind);

	pthread_rwlock_wrlock(&r->lock);
	if (t->us) {
		err = EEXIST;
	}
	else {
		t->us  = us;
		t->tid = pthread_self();
	}
	pthread_rwlock_unlock(&r->lock);

	if (err)
		mem_deref(us);

	return err;
}


/**
 * Leave the fast path, in the thread that entered, after its agent is gone
 *
 * @param r Fast path
 */
void redirect_thread_leave(struct redirect *r)
{
	struct udpsock *us = NULL;
	unsigned i;

	if (!r)
		return;

	pthread_rwlock_wrlock(&r->lock);

	for (i=0; i<r->threadc && !us; i++) {

		struct rthread *t = r->threadv[i];

		if (!t || !t->us || !pthread_equal(t->tid, pthread_self()))
			continue;

		us    = t->us;
		t->us = NULL;
		t->st.unsent += udpsock_unsent(us);
	}

	pthread_rwlock_unlock(&r->lock);

	mem_deref(us);
}
