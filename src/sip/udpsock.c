/**
 * @file udpsock.c  sofia's UDP sockets, read in batches before sofia
 *
 * sofia opens its UDP sockets itself and reads one datagram per turn of its
 * loop. The functions in udplibc.c stand in the executable and so before those
 * of the C library, also for libsofia. In a signalling thread, for a UDP
 * socket that sofia polls, they do this:
 *
 *   epoll_ctl    the socket becomes one of ours
 *   epoll_wait   reads a batch, has it judged, sends the replies, and tells
 *                sofia that the socket is readable as long as something is
 *                left for sofia: each datagram is one event
 *   ioctl        FIONREAD: the length of the datagram that is next
 *   recvmsg      that datagram, with the address where it came from
 *   recv         takes an empty one away
 *   bind         lets the threads share the port
 *
 * sofia sends on its socket as always, and everybody else (other threads,
 * other sockets) passes straight through to the kernel. Nothing is copied
 * but what another signalling thread has to get: what is left of a batch
 * stays where it was read until sofia has taken it, and only then the next
 * batch is read, so that nothing can pile up here but in the kernel's buffer.
 *
 * To be woken for one datagram costs several times what the datagram costs.
 * So when they come faster than 2,000 in a second the thread sleeps between
 * batches, up to 1 ms, until about PACE_BATCH of them wait. Only those count
 * that are answered or absorbed here; what sofia gets is not slowed down by
 * itself.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <re.h>
#include "sip/udpsock.h"
#include "sip/udpsock_int.h"


enum {
	DGRAM_MAX   = 65536,
	/* apart by an odd number of cache lines: the heads of a batch shall
	   not all fall into the same few sets of the cache                 */
	STRIDE      = DGRAM_MAX + 1088,
	INBOX_MAX   = 4096,     /* datagrams from other threads             */
	TELLS_MAX   = 4,        /* events before a datagram is given up     */
	ROUNDS_MAX  = 4,        /* full batches before sofia has its turn   */

	PACE_BATCH  = 16,       /* datagrams that one wake-up is worth      */
	PACE_BUSY   = 500000,   /* apart by less on average: busy [ns]      */
	PACE_MIN    = 50000,    /* shortest nap [ns]                        */
	PACE_MAX    = 1000000,  /* longest                                  */
	PACE_IDLE   = 20000000, /* no datagram counts as more [ns]          */
};


static void left_destructor(void *arg)
{
	struct udpsock_left *left = arg;

	list_unlink(&left->le);
	mem_deref(left->copy);
}


/* Take a datagram off the list: those of a batch are part of us. */
static void left_done(struct udpsock_left *left)
{
	list_unlink(&left->le);

	if (left->copy)
		mem_deref(left);
}


static void lefts_flush(struct list *l)
{
	while (l->head)
		left_done(l->head->data);
}


static void destructor(void *arg)
{
	struct udpsock *us = arg;

	if (udplibc_get() == us)
		udplibc_set(NULL);

	lefts_flush(&us->leftl);
	lefts_flush(&us->inboxl);
	pthread_mutex_destroy(&us->lock);

	if (us->efd >= 0)
		close(us->efd);
	mem_deref(us->rxbuf);
	mem_deref(us->txbuf);
}


static void slots_init(struct udpsock *us)
{
	unsigned i;

	for (i=0; i<UDPSOCK_BATCH; i++) {

		us->rxiov[i].iov_base = us->rxbuf + (size_t)i * STRIDE;
		us->rxiov[i].iov_len  = DGRAM_MAX;
		us->rxv[i].msg_hdr.msg_iov    = &us->rxiov[i];
		us->rxv[i].msg_hdr.msg_iovlen = 1;
		us->rxv[i].msg_hdr.msg_name   = &us->srcv[i];

		us->txv[i].msg_hdr.msg_iov    = &us->txiov[i];
		us->txv[i].msg_hdr.msg_iovlen = 1;

		us->msgv[i].buf   = us->rxiov[i].iov_base;
		us->msgv[i].src   = (struct sockaddr *)&us->srcv[i];
		us->msgv[i].reply = us->txbuf +
			(size_t)i * (UDPSOCK_REPLY_MAX + 64);
	}
}


/**
 * Make this thread one whose sofia sockets are read in batches, until the
 * object is freed, which has to happen in the same thread
 *
 * @param up     Set to the object
 * @param ix     Number of this thread among the signalling threads
 * @param shared Other signalling threads use the same ports
 * @param bh     Called with each batch
 * @param hh     Called for what belongs to another thread
 * @param arg    Handed to both
 *
 * @return 0 for success, EALREADY if this thread is one, otherwise errorcode
 */
int udpsock_enter(struct udpsock **up, unsigned ix, bool shared,
		  udpsock_batch_h *bh, udpsock_hand_h *hh, void *arg)
{
	struct udpsock *us;

	if (!up || !bh || !hh)
		return EINVAL;

	if (udplibc_get())
		return EALREADY;

	us = mem_zalloc(sizeof(*us), destructor);
	if (!us)
		return ENOMEM;

	us->efd = -1;
	pthread_mutex_init(&us->lock, NULL);

	us->ix     = ix;
	us->shared = shared;
	us->bh     = bh;
	us->hh     = hh;
	us->arg    = arg;

	/* pages that no datagram reaches are never touched, so these are not
	   zeroed */
	us->rxbuf = mem_alloc((size_t)UDPSOCK_BATCH * STRIDE, NULL);
	us->txbuf = mem_alloc((size_t)UDPSOCK_BATCH *
			      (UDPSOCK_REPLY_MAX + 64), NULL);
	us->efd   = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (!us->rxbuf || !us->txbuf || us->efd < 0) {
		mem_deref(us);
		return ENOMEM;
	}

	slots_init(us);

	udplibc_set(us);
	*up = us;

	return 0;
}


/**
 * Let sofia listen on addresses that this host does not have, or not yet
 * (IP_FREEBIND, also for TCP)
 *
 * @param us Of this thread
 * @param on True to begin
 */
void udpsock_freebind(struct udpsock *us, bool on)
{
	if (us)
		us->freebind = on;
}


/**
 * Give a thread a datagram that another one has read
 *
 * @param us  Of the thread that gets it; thread-safe as long as the caller
 *            keeps it from being freed
 * @param msg Datagram, copied. Each thread has opened the same sockets in the
 *            same order, so the number of the socket means the same in each
 *
 * @return 0 for success, EOVERFLOW if that thread has too many already,
 *         otherwise errorcode
 */
int udpsock_push(struct udpsock *us, const struct udpsock_msg *msg)
{
	const uint64_t one = 1;
	struct udpsock_left *left;
	bool first, full;

	if (!us || !msg)
		return EINVAL;

	left = mem_zalloc(sizeof(*left), left_destructor);
	if (!left)
		return ENOMEM;

	left->copy = mem_alloc(msg->len + 1, NULL);
	if (!left->copy) {
		mem_deref(left);
		return ENOMEM;
	}

	memcpy(left->copy, msg->buf, msg->len);
	left->buf    = left->copy;
	left->len    = msg->len;
	left->sockix = msg->sockix;
	left->srclen = msg->src->sa_family == AF_INET6
		? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	memcpy(&left->src, msg->src, left->srclen);

	pthread_mutex_lock(&us->lock);
	full  = list_count(&us->inboxl) >= INBOX_MAX;
	first = !us->inboxl.head;
	if (!full)
		list_append(&us->inboxl, &left->le, left);
	pthread_mutex_unlock(&us->lock);

	if (full) {
		mem_deref(left);
		return EOVERFLOW;
	}

	if (first && write(us->efd, &one, sizeof(one)) < 0)
		return errno;

	return 0;
}


/**
 * Send on a socket of a thread
 *
 * @param us     Of that thread; thread-safe as long as the caller keeps it
 *               from being freed
 * @param sockix Number of the socket
 * @param buf    Datagram
 * @param len    Its length [bytes]
 * @param dst    Where to
 *
 * @return 0 for success, ENOENT if the socket is gone, otherwise errorcode
 */
int udpsock_send(struct udpsock *us, unsigned sockix, const void *buf,
		 size_t len, const struct sockaddr *dst)
{
	const socklen_t dstlen = dst->sa_family == AF_INET6
		? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	unsigned tries = 2;
	int err = ENOENT;

	/* the lock keeps the socket from being closed meanwhile */
	pthread_mutex_lock(&us->lock);

	while (sockix < us->sockc && tries--) {

		err = sendto(us->sockv[sockix].fd, buf, len, MSG_NOSIGNAL,
			     dst, dstlen) < 0 ? errno : 0;

		/* an error of an earlier datagram is reported once */
		if (err != ECONNREFUSED)
			break;
	}

	pthread_mutex_unlock(&us->lock);

	if (err)
		__atomic_fetch_add(&us->unsent, 1, __ATOMIC_RELAXED);

	return err;
}


/**
 * Count the replies that the kernel did not take
 *
 * @param us Object; any thread may ask
 *
 * @return Their number since udpsock_enter
 */
uint64_t udpsock_unsent(const struct udpsock *us)
{
	return us ? __atomic_load_n(&us->unsent, __ATOMIC_RELAXED) : 0;
}


/* The datagram that sofia is to get next, if it came to this socket */
const struct udpsock_left *udpsock_left(const struct udpsock *us,
					const struct udpsock_sock *sock)
{
	const struct udpsock_left *left = list_ledata(us->leftl.head);

	return left && &us->sockv[left->sockix] == sock ? left : NULL;
}


/* Sofia has it. */
void udpsock_left_pop(struct udpsock *us)
{
	left_done(list_ledata(us->leftl.head));
	us->tells = 0;
}


/* Nobody will ask for what is left. */
void udpsock_left_flush(struct udpsock *us)
{
	lefts_flush(&us->leftl);
	us->tells = 0;
}


static void left_append(struct udpsock *us, unsigned i, unsigned sockix)
{
	struct udpsock_left *left = &us->leftv[i];

	memset(&left->le, 0, sizeof(left->le));
	left->sockix = sockix;
	left->src    = us->srcv[i];
	left->srclen = us->rxv[i].msg_hdr.msg_namelen;
	left->buf    = us->msgv[i].buf;
	left->len    = us->msgv[i].len;

	list_append(&us->leftl, &left->le, left);
}


/* An error is one of an earlier datagram (ICMP); it is reported once, and the
 * one that it was reported for has not been sent. */
static void replies_send(struct udpsock *us, int fd, unsigned txc)
{
	unsigned i = 0, errc = 0;

	while (i < txc) {

		const int n = sendmmsg(fd, &us->txv[i], txc - i, MSG_NOSIGNAL);

		if (n > 0) {
			i += (unsigned)n;
			continue;
		}

		if (errno == EINTR)
			continue;

		if (errno == ECONNREFUSED && errc++ < txc)
			continue;

		/* the client repeats what got no answer */
		__atomic_fetch_add(&us->unsent, 1, __ATOMIC_RELAXED);
		++i;
	}
}


/* Do as was judged; how many are done with, the others are left for sofia */
static unsigned batch_judged(struct udpsock *us, unsigned sockix, unsigned n)
{
	unsigned i, txc = 0, done = 0;

	for (i=0; i<n; i++) {

		struct udpsock_msg *msg = &us->msgv[i];

		switch (msg->verdict) {

		case UDPSOCK_REPLY:
			us->txiov[txc].iov_base = msg->reply;
			us->txiov[txc].iov_len  = msg->replylen;
			us->txv[txc].msg_hdr.msg_name = &us->srcv[i];
			us->txv[txc].msg_hdr.msg_namelen =
				us->rxv[i].msg_hdr.msg_namelen;
			++txc;
			++done;
			break;

		case UDPSOCK_HAND:
			if (msg->owner == us->ix ||
			    us->hh(msg, us->arg))
				left_append(us, i, sockix);
			break;

		default:
			++done;
			break;
		}
	}

	if (txc)
		replies_send(us, us->sockv[sockix].fd, txc);

	return done;
}


static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);

	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}


/* Reckon from a batch, of which n were done here, when the next one is due */
static void pace_set(struct udpsock *us, unsigned n)
{
	const uint64_t now = now_ns();
	uint64_t gap, due;

	gap = min(now - us->last, (uint64_t)PACE_IDLE) / max(n, 1u);

	us->last = now;
	us->gap  = (7 * us->gap + gap) / 8;
	us->nap  = 0;

	if (!n || us->gap > PACE_BUSY)
		return;

	due = min(us->gap * PACE_BATCH, (uint64_t)PACE_MAX);
	if (due >= PACE_MIN)
		us->nap = now + due;
}


/* Read one batch; true if there may be more and nothing is left for sofia */
static bool batch_read(struct udpsock *us, unsigned sockix)
{
	unsigned i, n;
	int ret;

	for (i=0; i<UDPSOCK_BATCH; i++)
		us->rxv[i].msg_hdr.msg_namelen = sizeof(us->srcv[i]);

	ret = recvmmsg(us->sockv[sockix].fd, us->rxv, UDPSOCK_BATCH,
		       MSG_DONTWAIT, NULL);
	if (ret <= 0)
		return false;

	n = (unsigned)ret;

	for (i=0; i<n; i++) {
		us->msgv[i].len     = us->rxv[i].msg_len;
		us->msgv[i].verdict = UDPSOCK_HAND;
		us->msgv[i].owner   = us->ix;
		us->msgv[i].sockix  = sockix;
	}

	us->bh(us->msgv, n, us->arg);
	pace_set(us, batch_judged(us, sockix, n));

	return n == UDPSOCK_BATCH && !us->leftl.head;
}


/* Sleep until the next batch is due */
void udpsock_nap(struct udpsock *us)
{
	const struct timespec ts = {
		(time_t)(us->nap / 1000000000u), (long)(us->nap % 1000000000u)
	};

	us->nap = 0;
	(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}


static void batches_read(struct udpsock *us, unsigned sockix)
{
	unsigned rounds = 0;

	while (batch_read(us, sockix) && ++rounds < ROUNDS_MAX)
		;
}


/* Other threads' datagrams wait behind those of the last batch. */
static void inbox_take(struct udpsock *us)
{
	struct le *le;
	uint64_t n;

	if (read(us->efd, &n, sizeof(n)) < 0)
		return;

	pthread_mutex_lock(&us->lock);

	while ((le = us->inboxl.head)) {

		struct udpsock_left *left = le->data;

		list_unlink(le);

		if (left->sockix < us->sockc)
			list_append(&us->leftl, le, left);
		else
			mem_deref(left);
	}

	pthread_mutex_unlock(&us->lock);
}


static bool sock_event(struct udpsock *us, struct epoll_event *ev)
{
	unsigned i;

	for (i=0; i<us->sockc; i++) {

		if (us->sockv[i].data != ev->data.u64)
			continue;

		if (ev->events & EPOLLIN && !us->leftl.head)
			batches_read(us, i);

		ev->events &= ~(uint32_t)EPOLLIN;

		return ev->events != 0;
	}

	return true;
}


/* Our own events are taken out, and the one for what is left put in. */
int udpsock_events(struct udpsock *us, struct epoll_event *evv, int n,
		   int max)
{
	bool inbox = false;
	struct udpsock_left *left;
	int i, c = 0;

	for (i=0; i<n; i++) {

		if (evv[i].data.u64 == UDPSOCK_INBOX_EVENT)
			inbox = true;
		else if (sock_event(us, &evv[i]))
			evv[c++] = evv[i];
	}

	if (inbox)
		inbox_take(us);

	left = list_ledata(us->leftl.head);
	if (!left || c >= max)
		return c;

	/* a socket that sofia stopped reading must not keep the loop busy */
	if (us->tells++ >= TELLS_MAX) {
		udpsock_left_pop(us);
		return c;
	}

	evv[c].events   = EPOLLIN;
	evv[c].data.u64 = us->sockv[left->sockix].data;

	return c + 1;
}
