/**
 * @file sendlibc.c  A response that cannot be sent is a response that is lost
 *
 * nta puts a transaction whose response could not be sent into a queue of its
 * own, and has an assertion that no ACK comes while it is there: whoever
 * names an address in Via that cannot be sent to, or resets a connection, and
 * then sends an ACK, could end the process. So in signalling threads sending
 * does not fail: what is wrong with an address is taken for a datagram that
 * got lost, and what is wrong with a connection is told later, by epoll.
 *
 * The functions stand in the executable and so before those of the C library,
 * also for libsofia; see udplibc.c. All other threads pass straight through.
 *
 * Connections are not taken when few descriptors are left: the media, the
 * logs and the operators need some, too.
 *
 * Names are not looked up either: that would block the thread for as long as
 * a stranger's name server likes. nta resolves what it has to by itself.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include "sip/sendlibc.h"
#include "sip/streamlimit.h"

enum { RESERVE = 4 };                   /* a fourth is for others        */

typedef int (getaddrinfo_h)(const char *, const char *,
			    const struct addrinfo *, struct addrinfo **);

/* libsofia's calls have no argument for us, as in udplibc.c */
static __thread bool ours;
static __thread int fd_max;            /* highest for a connection          */


/**
 * Mark the calling thread as a signalling thread
 *
 * @param on It is one from now on, or no longer
 */
void sendlibc_set(bool on)
{
	struct rlimit rl;

	ours   = on;
	fd_max = INT_MAX;

	if (!on)
		streamlimit_close();

	/* descriptors are given out from the lowest on */
	if (!getrlimit(RLIMIT_NOFILE, &rl) && rl.rlim_cur < INT_MAX)
		fd_max = (int)(rl.rlim_cur - rl.rlim_cur / RESERVE);
}


static bool is_stream(int fd)
{
	socklen_t len = sizeof(int);
	int type = 0;

	return !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) &&
		type == SOCK_STREAM;
}


ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	ssize_t n = syscall(SYS_sendmsg, fd, msg, flags);
	size_t len = 0;

	if (n >= 0 || !ours || errno == EBADF || errno == EINTR)
		return n;

	if (is_stream(fd)) {
		/* nta opens another connection for EPIPE only */
		if (errno != EAGAIN && errno != ENOBUFS)
			errno = EPIPE;

		return -1;
	}

	for (size_t i = 0; i < msg->msg_iovlen; i++)
		len += msg->msg_iov[i].iov_len;

	return (ssize_t)len;
}


int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	int r = (int)syscall(SYS_connect, fd, addr, len), err = errno;

	if (!ours || (r && (err == EBADF || err == EINTR)) || !is_stream(fd))
		goto out;

	(void)streamlimit_open(fd);

	/* a refusal that is known at once is told by epoll, too */
	if (r)
		err = EINPROGRESS;

 out:
	errno = err;

	return r;
}


int accept(int fd, struct sockaddr *addr, socklen_t *len)
{
	int s = (int)syscall(SYS_accept, fd, addr, len);

	if (!ours || s < 0 || (s < fd_max && streamlimit_open(s)))
		return s;

	(void)close(s);
	errno = ECONNABORTED;

	return -1;
}


int getaddrinfo(const char *node, const char *service,
		const struct addrinfo *hints, struct addrinfo **res)
{
	getaddrinfo_h *real = (getaddrinfo_h *)dlsym(RTLD_NEXT,
						     "getaddrinfo");
	struct addrinfo h;
	int r;

	if (!real)
		return EAI_SYSTEM;

	if (!ours)
		return real(node, service, hints, res);

	memset(&h, 0, sizeof(h));
	if (hints)
		h = *hints;
	h.ai_flags |= AI_NUMERICHOST | AI_NUMERICSERV;

	r = real(node, service, &h, res);
	if (!r || (h.ai_flags & AI_PASSIVE))
		return r;

	/* the port of the service "discard" */
	return real(h.ai_family == AF_INET6 ? "::1" : "127.0.0.1", "9", &h,
		    res);
}
