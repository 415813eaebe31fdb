/**
 * @file udplibc.c  What stands before the C library: see udpsock.c
 *
 * All but the signalling threads, and all but the UDP sockets that sofia
 * polls in them, pass straight through to the kernel.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>
#include <pthread.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <re.h>
#include "sip/udpsock.h"
#include "sip/udpsock_int.h"
#include "sip/streamlimit.h"


/* The functions below are called by libsofia, which has no argument for us:
 * this is what tells them in whose name. Set from udpsock_enter to the end
 * of the object. */
static __thread struct udpsock *self;


/* In whose name this thread's calls are from now on, NULL: nobody's */
void udplibc_set(struct udpsock *us)
{
	self = us;
}


struct udpsock *udplibc_get(void)
{
	return self;
}


static struct udpsock_sock *sock_find(struct udpsock *us, int fd)
{
	unsigned i;

	for (i=0; us && i<us->sockc; i++) {
		if (us->sockv[i].fd == fd)
			return &us->sockv[i];
	}

	return NULL;
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
	struct epoll_event ev = {EPOLLIN, {.u64 = UDPSOCK_INBOX_EVENT}};
	struct udpsock_sock *sock;

	if (us->sockc >= UDPSOCK_SOCKS || !is_udp(fd))
		return;

	/* EEXIST when this is not the first socket */
	(void)syscall(SYS_epoll_ctl, epfd, EPOLL_CTL_ADD, us->efd, &ev);

	pthread_mutex_lock(&us->lock);
	sock = &us->sockv[us->sockc++];
	sock->fd   = fd;
	sock->epfd = epfd;
	sock->data = data;
	pthread_mutex_unlock(&us->lock);
}


/* Sockets behind it change their numbers, so what is left of them goes. */
static void sock_remove(struct udpsock *us, struct udpsock_sock *sock)
{
	const unsigned ix = (unsigned)(sock - us->sockv);

	udpsock_left_flush(us);

	pthread_mutex_lock(&us->lock);
	--us->sockc;
	memmove(sock, sock + 1, (us->sockc - ix) * sizeof(*sock));
	pthread_mutex_unlock(&us->lock);
}


/* sofia takes a socket out before it closes it: then nobody may use it. */
int epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev)
{
	struct udpsock_sock *sock = sock_find(self, fd);
	int ret;

	if (sock && op == EPOLL_CTL_DEL)
		sock_remove(self, sock);

	ret = (int)syscall(SYS_epoll_ctl, epfd, op, fd, ev);

	if (!self || ret)
		return ret;

	if (op == EPOLL_CTL_ADD && !sock)
		sock_add(self, epfd, fd, ev->data.u64);
	else if (op == EPOLL_CTL_MOD && sock)
		sock->data = ev->data.u64;

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
			udpsock_nap(us);
	}
	else {
		us = NULL;
	}

	n = (int)syscall(SYS_epoll_pwait, epfd, evv, max, timeout, NULL, 0);

	return us && n >= 0 ? udpsock_events(us, evv, n, max) : n;
}


int ioctl(int fd, unsigned long req, ...)
{
	const struct udpsock_sock *sock = sock_find(self, fd);
	const struct udpsock_left *left;
	va_list ap;
	void *arg;

	va_start(ap, req);
	arg = va_arg(ap, void *);
	va_end(ap);

	if (!sock || req != FIONREAD)
		return (int)syscall(SYS_ioctl, fd, req, arg);

	left = udpsock_left(self, sock);
	*(int *)arg = left ? (int)left->len : 0;

	return 0;
}


static ssize_t stream_recv(int fd, struct msghdr *hdr, int flags)
{
	const ssize_t n = syscall(SYS_recvmsg, fd, hdr, flags);

	if (n <= 0 || flags & (MSG_ERRQUEUE | MSG_PEEK) ||
	    streamlimit_read(fd, hdr->msg_iov, hdr->msg_iovlen, (size_t)n))
		return n;

	errno = ECONNRESET;

	return -1;
}


ssize_t recvmsg(int fd, struct msghdr *hdr, int flags)
{
	const struct udpsock_sock *sock = sock_find(self, fd);
	const struct udpsock_left *left;
	size_t i, n = 0;

	if (!sock || flags & MSG_ERRQUEUE)
		return stream_recv(fd, hdr, flags);

	left = udpsock_left(self, sock);
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

	udpsock_left_pop(self);

	return (ssize_t)n;
}


/* sofia takes an empty datagram away with this one. */
ssize_t recv(int fd, void *buf, size_t len, int flags)
{
	const struct udpsock_sock *sock = sock_find(self, fd);

	if (!sock)
		return syscall(SYS_recvfrom, fd, buf, len, flags, NULL, NULL);

	if (udpsock_left(self, sock))
		udpsock_left_pop(self);

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

	if (self && self->freebind)
		(void)setsockopt(fd, SOL_IP, IP_FREEBIND, &on, sizeof(on));

	if (share && !any)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on,
				 sizeof(on));

	ret = (int)syscall(SYS_bind, fd, addr, len);

	if (share && any && !ret)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on,
				 sizeof(on));

	return ret;
}
