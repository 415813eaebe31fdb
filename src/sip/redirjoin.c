/**
 * @file redirjoin.c  A plain INVITE that waits for its answer without a
 *                    transaction
 *
 * The first join to a new conference takes a claim and a reservation in the
 * main thread; a transaction and a dialog of sofia's would cost more than
 * both. The datagram is kept instead. The answer goes out as that of
 * the fast path does, with the same tag for the same INVITE; or sofia gets
 * the datagram after all.
 */
#include <string.h>
#include <pthread.h>
#include <re.h>
#include "server/siphash.h"
#include "sip/preparse.h"
#include "sip/redirect.h"
#include "sip/redirjoin.h"
#include "sip/redirmsg.h"
#include "sip/udpsock.h"
#include "sip/redirect_int.h"


struct redirect_join {
	struct le le;
	struct redirect *r;
	unsigned ix;                 /* of the thread that read it          */
	unsigned sockix;
	uint64_t tag;
	struct sockaddr_storage src;
	struct preparse pp;          /* points into buf                     */
	bool done;                   /* answered or passed on               */
	size_t len;
	char buf[];
};


static void destructor(void *arg)
{
	struct redirect_join *j = arg;

	list_unlink(&j->le);
	__atomic_fetch_sub(&j->r->joinc, 1, __ATOMIC_RELAXED);
}


/* Keep a copy for the main thread. In the signalling thread. */
int redirect_defer(struct rthread *t, const struct udpsock_msg *msg,
		   uint64_t tag)
{
	struct redirect *r = t->r;
	struct redirect_join *j;

	if (__atomic_load_n(&r->joinc, __ATOMIC_RELAXED) >= DEFER_MAX)
		return EOVERFLOW;

	/* not zeroed: most of it is the copy */
	j = mem_alloc(sizeof(*j) + msg->len, destructor);
	if (!j)
		return ENOMEM;

	memset(j, 0, sizeof(*j));
	memcpy(j->buf, msg->buf, msg->len);
	j->len    = msg->len;
	j->r      = r;
	j->ix     = t->ix;
	j->sockix = msg->sockix;
	j->tag    = tag;
	memcpy(&j->src, msg->src, msg->src->sa_family == AF_INET6
	       ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));

	__atomic_fetch_add(&r->joinc, 1, __ATOMIC_RELAXED);

	pthread_mutex_lock(&r->join_lock);
	t->wake |= !r->joinl.head;
	list_append(&r->joinl, &j->le, j);
	pthread_mutex_unlock(&r->join_lock);

	return 0;
}


/* Once for all joins of a batch. In the signalling thread. */
void redirect_defer_wake(struct rthread *t)
{
	if (t->wake && t->r->wakeh)
		t->r->wakeh(t->r->wakearg);

	t->wake = false;
}


/**
 * Take the oldest join that waits. In the main thread.
 *
 * @param r Fast path
 *
 * @return Join, owned by the caller, or NULL if there is none
 */
struct redirect_join *redirect_join_next(struct redirect *r)
{
	struct redirect_join *j;

	if (!r)
		return NULL;

	pthread_mutex_lock(&r->join_lock);
	j = list_ledata(r->joinl.head);
	if (j)
		list_unlink(&j->le);
	pthread_mutex_unlock(&r->join_lock);

	/* it was taken for one before, and is the same */
	if (j)
		(void)preparse_invite(&j->pp, j->buf, j->len);

	return j;
}


/**
 * What the INVITE says
 *
 * @param j Join
 *
 * @return Its parts, which live as long as the join
 */
const struct preparse *redirect_join_get(const struct redirect_join *j)
{
	return j ? &j->pp : NULL;
}


/**
 * Where the INVITE came from
 *
 * @param j Join
 *
 * @return Address, which lives as long as the join
 */
const struct sockaddr *redirect_join_src(const struct redirect_join *j)
{
	return j ? (const struct sockaddr *)&j->src : NULL;
}


/* The thread that read it, if it still has its sockets; r->lock is held. */
static struct udpsock *udpsock_of(const struct redirect_join *j)
{
	const struct rthread *t = j->r->threadv[j->ix];

	return t ? t->us : NULL;
}


/**
 * Send the final answer. In the main thread.
 *
 * @param j       Join; nothing more can be done with it
 * @param status  Status and reason: "302 Moved Temporarily"
 * @param contact URI, without brackets, or NULL
 *
 * @return 0 for success, EALREADY if it had its answer, otherwise errorcode
 */
int redirect_join_answer(struct redirect_join *j, const char *status,
			 const char *contact)
{
	struct redirmsg rm = {.status = status};
	struct sockaddr_storage dst;
	struct udpsock *us;
	char buf[UDPSOCK_REPLY_MAX];
	size_t len;
	int err;

	if (!j || !status || strpbrk(status, "\r\n"))
		return EINVAL;
	if (contact && strpbrk(contact, "<>\r\n"))
		return EINVAL;
	if (j->done)
		return EALREADY;

	rm.tag = j->tag;
	if (contact)
		pl_set_str(&rm.contact, contact);

	dst = j->src;
	err = redirmsg_encode(buf, sizeof(buf), &len, &j->pp,
			      (struct sockaddr *)&dst, &rm);
	if (err)
		return err;

	redirmsg_reply_port((struct sockaddr *)&dst, &j->pp);

	pthread_rwlock_rdlock(&j->r->lock);
	us  = udpsock_of(j);
	err = us ? udpsock_send(us, j->sockix, buf, len,
				(struct sockaddr *)&dst) : ENOTCONN;
	pthread_rwlock_unlock(&j->r->lock);

	j->done = true;

	return err;
}


/**
 * Give the INVITE to sofia after all. In the main thread.
 *
 * @param j Join; nothing more can be done with it
 *
 * @return 0 for success, EALREADY if it had its answer, otherwise errorcode
 */
int redirect_join_pass(struct redirect_join *j)
{
	struct udpsock_msg msg;
	const struct rthread *t;
	int err = ENOTCONN;

	if (!j)
		return EINVAL;
	if (j->done)
		return EALREADY;

	memset(&msg, 0, sizeof(msg));
	msg.buf    = j->buf;
	msg.len    = j->len;
	msg.src    = (struct sockaddr *)&j->src;
	msg.sockix = j->sockix;

	pthread_rwlock_rdlock(&j->r->lock);
	t = j->r->threadv[redirect_owner(j->r, j->pp.callid.p,
					 j->pp.callid.l)];
	if (t && t->us)
		err = udpsock_push(t->us, &msg);
	pthread_rwlock_unlock(&j->r->lock);

	j->done = true;

	return err;
}
