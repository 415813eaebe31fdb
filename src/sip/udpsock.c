/**
 * @file udpsock.c  sofia's UDP sockets, read in batches before sofia
 *
 * sofia opens its UDP sockets itself and reads one datagram per turn of its
 * loop. The functions at the end of this file stand in the executable and
 * so before those of the C library, also for libsofia. In a signalling
 * thread, for a UDP socket that sofia polls, they do this:
 *
 *   epoll_ctl    the socket becomes one of ours
 *   epoll_wait   reads a batch, has it judged, sends the replies, and tells
 *                sofia that the socket is readable as long as something is
 *                left for sofia: each datagram is one event
 *   ioctl        FIONREAD: the length of the datagram that is next
 *   recvmsg      that datagram, with the address where it came from
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
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <re.h>
#include "sip/udpsock.h"


enum {
	SOCKS_MAX   = 8,        /* UDP sockets of one thread                */
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

/* What epoll tells for our eventfd; sofia's own values are small indices. */
#define INBOX_EVENT UINT64_MAX

struct sock {
	int fd;
	int epfd;
	uint64_t data;          /* what sofia wants to be told              */
};

/* A datagram for sofia */
struct left {
	struct le le;
	unsigned sockix;
	struct sockaddr_storage src;
	socklen_t srclen;
	const char *buf;
	size_t len;
	char *copy;             /* buf, if it is ours to free               */
};

struct udpsock {
	/* of the signalling thread */
	unsigned ix;
	bool shared;
	udpsock_batch_h *bh;
	udpsock_hand_h *hh;
	void *arg;
	struct sock sockv[SOCKS_MAX];
	unsigned sockc;
	int efd;
	struct list leftl;              /* of the last batch, or from the
					   inbox; sofia's next first        */
	unsigned tells;                 /* events for the first of them     */
	struct left leftv[UDPSOCK_BATCH];
	struct udpsock_msg msgv[UDPSOCK_BATCH];
	struct mmsghdr rxv[UDPSOCK_BATCH], txv[UDPSOCK_BATCH];
	struct iovec rxiov[UDPSOCK_BATCH], txiov[UDPSOCK_BATCH];
	struct sockaddr_storage srcv[UDPSOCK_BATCH];
	char *rxbuf, *txbuf;
	uint64_t last;                  /* when a batch was read [ns]       */
	uint64_t gap;                   /* between datagrams, average [ns]  */
	uint64_t nap;                   /* not to wake before [ns], 0: now  */
	uint64_t unsent;                /* read by other threads            */

	/* of all threads, under the lock */
	pthread_mutex_t lock;
	struct list inboxl;             /* struct left, with a copy         */
};

/* The functions below are called by libsofia, which has no argument for us:
 * this is what tells them in whose name. Set between udpsock_enter and the
 * end of the object. */
static __thread struct udpsock *self;


static void left_destructor(void *arg)
{
	struct left *left = arg;

	list_unlink(&left->le);
	mem_deref(left->copy);
}


/* Take a datagram off the list: those of a batch are part of us. */
static void left_done(struct left *left)
{
	list_unlink(&left->le);

	if (left->copy)
		mem_deref(left);
}


static void inbox_flush(struct list *l)
{
	while (l->head)
		left_done(l->head->data);
}


static void destructor(void *arg)
{
	struct udpsock *us = arg;

	if (self == us)
		self = NULL;

	inbox_flush(&us->leftl);
	inbox_flush(&us->inboxl);
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

	if (self)
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

	self = us;
	*up  = us;

	return 0;
}


/**
 * Give a thread a datagram that another one has read
 *
 * @param us     Of the thread that gets it; thread-safe as long as the
 *               caller keeps it from being freed
 * @param sockix Number of the socket that it came to: each thread has opened
 *               the same ones in the same order
 * @param msg    Datagram, copied
 *
 * @return 0 for success, EOVERFLOW if that thread has too many already,
 *         otherwise errorcode
 */
int udpsock_push(struct udpsock *us, unsigned sockix,
		 const struct udpsock_msg *msg)
{
	const uint64_t one = 1;
	struct left *left;
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
	left->sockix = sockix;
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


static struct sock *sock_find(struct udpsock *us, int fd)
{
	unsigned i;

	for (i=0; us && i<us->sockc; i++) {
		if (us->sockv[i].fd == fd)
			return &us->sockv[i];
	}

	return NULL;
}


/* The datagram that sofia is to get next, if it came to this socket */
static struct left *left_first(struct udpsock *us, const struct sock *sock)
{
	struct left *left = list_ledata(us->leftl.head);

	return left && &us->sockv[left->sockix] == sock ? left : NULL;
}


static void left_pop(struct udpsock *us)
{
	left_done(list_ledata(us->leftl.head));
	us->tells = 0;
}


static void left_append(struct udpsock *us, unsigned i, unsigned sockix)
{
	struct left *left = &us->leftv[i];

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
			    us->hh(msg, sockix, us->arg))
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
	}

	us->bh(us->msgv, n, us->arg);
	pace_set(us, batch_judged(us, sockix, n));

	return n == UDPSOCK_BATCH && !us->leftl.head;
}


static void pace_nap(struct udpsock *us)
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

		struct left *left = le->data;

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
static int events_filter(struct udpsock *us, struct epoll_event *evv, int n,
			 int max)
{
	bool inbox = false;
	struct left *left;
	int i, c = 0;

	for (i=0; i<n; i++) {

		if (evv[i].data.u64 == INBOX_EVENT)
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
		left_pop(us);
		return c;
	}

	evv[c].events   = EPOLLIN;
	evv[c].data.u64 = us->sockv[left->sockix].data;

	return c + 1;
}


static bool is_udp(int fd)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(int), salen = sizeof(sa);
	int type = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) ||
	    type != SOCK_DGRAM)
		return false;

	/* a connected one is a client's, of the resolver for instance */
	if (!getpeername(fd, (struct sockaddr *)&sa, &salen))
		return false;

	salen = sizeof(sa);
	if (getsockname(fd, (struct sockaddr *)&sa, &salen))
		return false;

	return sa.ss_family == AF_INET || sa.ss_family == AF_INET6;
}


static void sock_add(struct udpsock *us, int epfd, int fd, uint64_t data)
{
	struct epoll_event ev = {EPOLLIN, {.u64 = INBOX_EVENT}};
	struct sock *sock;

	if (us->sockc >= SOCKS_MAX || !is_udp(fd))
		return;

	/* EEXIST when this is not the first socket */
	if (us->shared)
		(void)syscall(SYS_epoll_ctl, epfd, EPOLL_CTL_ADD, us->efd,
			      &ev);

	sock = &us->sockv[us->sockc++];
	sock->fd   = fd;
	sock->epfd = epfd;
	sock->data = data;
}


/* Sockets behind it change their numbers, so what is left of them goes. */
static void sock_remove(struct udpsock *us, struct sock *sock)
{
	const unsigned ix = (unsigned)(sock - us->sockv);

	inbox_flush(&us->leftl);
	us->tells = 0;

	--us->sockc;
	memmove(sock, sock + 1, (us->sockc - ix) * sizeof(*sock));
}


/* ------------------------------------------------------------------------
 * What stands before the C library. All but the signalling threads, and all
 * but their sockets, pass straight through.
 */

int epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev)
{
	struct sock *sock = sock_find(self, fd);
	const int ret = (int)syscall(SYS_epoll_ctl, epfd, op, fd, ev);

	if (!self || ret)
		return ret;

	if (op == EPOLL_CTL_ADD && !sock)
		sock_add(self, epfd, fd, ev->data.u64);
	else if (op == EPOLL_CTL_MOD && sock)
		sock->data = ev->data.u64;
	else if (op == EPOLL_CTL_DEL && sock)
		sock_remove(self, sock);

	return ret;
}


int epoll_wait(int epfd, struct epoll_event *evv, int max, int timeout)
{
	struct udpsock *us = self;
	int n;

	if (us && us->sockc && us->sockv[0].epfd == epfd) {

		if (us->leftl.head)
			timeout = 0;
		else if (us->nap)
			pace_nap(us);
	}
	else {
		us = NULL;
	}

	n = (int)syscall(SYS_epoll_pwait, epfd, evv, max, timeout, NULL, 0);

	return us && n >= 0 ? events_filter(us, evv, n, max) : n;
}


int ioctl(int fd, unsigned long req, ...)
{
	const struct sock *sock = sock_find(self, fd);
	const struct left *left;
	va_list ap;
	void *arg;

	va_start(ap, req);
	arg = va_arg(ap, void *);
	va_end(ap);

	if (!sock || req != FIONREAD)
		return (int)syscall(SYS_ioctl, fd, req, arg);

	left = left_first(self, sock);
	*(int *)arg = left ? (int)left->len : 0;

	return 0;
}


ssize_t recvmsg(int fd, struct msghdr *hdr, int flags)
{
	const struct sock *sock = sock_find(self, fd);
	const struct left *left;
	size_t i, n = 0;

	if (!sock || flags & MSG_ERRQUEUE)
		return syscall(SYS_recvmsg, fd, hdr, flags);

	left = left_first(self, sock);
	if (!left) {
		errno = EAGAIN;
		return -1;
	}

	if (hdr->msg_name) {
		memcpy(hdr->msg_name, &left->src,
		       min(hdr->msg_namelen, left->srclen));
		hdr->msg_namelen = left->srclen;
	}

	for (i=0; i<hdr->msg_iovlen && n < left->len; i++) {

		const size_t c = min(hdr->msg_iov[i].iov_len, left->len - n);

		memcpy(hdr->msg_iov[i].iov_base, left->buf + n, c);
		n += c;
	}

	hdr->msg_flags = n < left->len ? MSG_TRUNC : 0;
	hdr->msg_controllen = 0;

	left_pop(self);

	return (ssize_t)n;
}


/* sofia takes an empty datagram away with this one. */
ssize_t recv(int fd, void *buf, size_t len, int flags)
{
	const struct sock *sock = sock_find(self, fd);

	if (!sock)
		return syscall(SYS_recvfrom, fd, buf, len, flags, NULL, NULL);

	if (left_first(self, sock))
		left_pop(self);

	return 0;
}


/* With port 0 the option is set afterwards, or else the kernel might pick a
 * port where somebody else's server shares. */
int bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	const int on = 1;
	bool share, any;
	int ret;

	share = self && self->shared && is_udp(fd);
	any   = share && (addr->sa_family == AF_INET6
			  ? !((const struct sockaddr_in6 *)(const void *)
			      addr)->sin6_port
			  : !((const struct sockaddr_in *)(const void *)
			      addr)->sin_port);

	if (share && !any)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on,
				 sizeof(on));

	ret = (int)syscall(SYS_bind, fd, addr, len);

	if (share && any && !ret)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on,
				 sizeof(on));

	return ret;
}
