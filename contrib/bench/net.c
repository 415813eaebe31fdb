/* One UDP socket that sends and receives in batches, and the clock. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>
#include "bench.h"

enum { BATCH = 64, SOCKBUF = 8 << 20 };

struct sockio {
	int fd;
	struct sockaddr_in addr;
	/* sending */
	struct mmsghdr txv[BATCH];
	struct iovec txiov[BATCH];
	struct sockaddr_in dstv[BATCH];
	char txbuf[BATCH][DGRAM_MAX];
	_Alignas(struct cmsghdr)
	char txctl[BATCH][CMSG_SPACE(sizeof(struct in_pktinfo))];
	unsigned txc;
	bool any;               /* sends from any address of loopback */
	/* receiving */
	struct mmsghdr rxv[BATCH];
	struct iovec rxiov[BATCH];
	struct sockaddr_in srcv[BATCH];
	char rxbuf[BATCH][DGRAM_MAX];
};


/** Monotonic time [ns] */
int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);

	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}


/** Wall clock, which the kernel stamps packets with [ns] */
int64_t wall_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);

	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}


/* Larger than the limit for all users needs privilege; try both. */
static void buffers_grow(int fd)
{
	const int n = SOCKBUF;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &n, sizeof(n)))
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &n, sizeof(n));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &n, sizeof(n)))
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &n, sizeof(n));
}


static void vectors_init(struct sockio *io)
{
	for (unsigned i = 0; i < BATCH; i++) {
		io->txiov[i].iov_base = io->txbuf[i];
		io->txv[i].msg_hdr.msg_iov = &io->txiov[i];
		io->txv[i].msg_hdr.msg_iovlen = 1;
		io->txv[i].msg_hdr.msg_name = &io->dstv[i];
		io->txv[i].msg_hdr.msg_namelen = sizeof(io->dstv[i]);

		/* one byte less: the parser may end it with a zero */
		io->rxiov[i].iov_base = io->rxbuf[i];
		io->rxiov[i].iov_len = DGRAM_MAX - 1;
		io->rxv[i].msg_hdr.msg_iov = &io->rxiov[i];
		io->rxv[i].msg_hdr.msg_iovlen = 1;
		io->rxv[i].msg_hdr.msg_name = &io->srcv[i];
	}
}


/* Bound to all addresses, but to the loopback device only. */
static int any_bind(struct sockio *io, socklen_t *len)
{
	(void)setsockopt(io->fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3);
	if (bind(io->fd, (void *)&io->addr, sizeof(io->addr)) ||
	    getsockname(io->fd, (void *)&io->addr, len))
		return errno;

	io->addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	io->any = true;

	return 0;
}


static int one_bind(struct sockio *io, const char *local, socklen_t *len)
{
	if (inet_pton(AF_INET, local, &io->addr.sin_addr) != 1)
		return EINVAL;

	return bind(io->fd, (void *)&io->addr, sizeof(io->addr)) ||
		getsockname(io->fd, (void *)&io->addr, len) ? errno : 0;
}


/**
 * Open a UDP socket on a free port
 *
 * @param iop   Where it goes, freed with sockio_free()
 * @param local Address to bind to; NULL or "": all of loopback
 *
 * @return 0 if success, otherwise errorcode
 */
int sockio_alloc(struct sockio **iop, const char *local)
{
	socklen_t len = sizeof(struct sockaddr_in);
	struct sockio *io;
	int err = 0;

	io = calloc(1, sizeof(*io));
	if (!io)
		return ENOMEM;

	io->addr.sin_family = AF_INET;
	io->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (io->fd < 0)
		err = errno;
	else if (local && *local)
		err = one_bind(io, local, &len);
	else
		err = any_bind(io, &len);
	if (err) {
		sockio_free(io);
		return err;
	}

	buffers_grow(io->fd);
	vectors_init(io);
	*iop = io;

	return 0;
}


/** Close the socket */
void sockio_free(struct sockio *io)
{
	if (!io)
		return;

	if (io->fd >= 0)
		close(io->fd);
	free(io);
}


/** The descriptor, to wait on */
int sockio_fd(const struct sockio *io)
{
	return io->fd;
}


/** The own address and port */
const struct sockaddr_in *sockio_addr(const struct sockio *io)
{
	return &io->addr;
}


/** Room for the next datagram, DGRAM_MAX bytes */
char *sockio_buf(struct sockio *io)
{
	if (io->txc == BATCH)
		sockio_flush(io);

	return io->txbuf[io->txc];
}


/** Queue what was written to sockio_buf() */
void sockio_push(struct sockio *io, size_t len,
		 const struct sockaddr_in *dst)
{
	io->txiov[io->txc].iov_len = len;
	io->txv[io->txc].msg_hdr.msg_control = NULL;
	io->txv[io->txc].msg_hdr.msg_controllen = 0;
	io->dstv[io->txc] = *dst;
	++io->txc;
}


/**
 * Queue what was written to sockio_buf(), from a chosen address
 *
 * @param io  Socket of all of loopback; another one sends from its own
 * @param src Address, host order
 * @param len Length of what was written
 * @param dst Where to
 */
void sockio_push_from(struct sockio *io, uint32_t src, size_t len,
		      const struct sockaddr_in *dst)
{
	const unsigned k = io->txc;
	struct msghdr *mh = &io->txv[k].msg_hdr;

	sockio_push(io, len, dst);
	if (io->any)
		source_set(mh, io->txctl[k], sizeof(io->txctl[k]), src);
}


/**
 * Choose the address a datagram is sent from (IP_PKTINFO)
 *
 * @param mh  Message; gets the control buffer
 * @param ctl Buffer
 * @param n   CMSG_SPACE() of struct in_pktinfo
 * @param src Address, host order
 */
void source_set(struct msghdr *mh, void *ctl, size_t n, uint32_t src)
{
	struct in_pktinfo pi;
	struct cmsghdr *c;

	memset(&pi, 0, sizeof(pi));
	pi.ipi_spec_dst.s_addr = htonl(src);

	mh->msg_control = ctl;
	mh->msg_controllen = n;
	c = CMSG_FIRSTHDR(mh);
	c->cmsg_level = IPPROTO_IP;
	c->cmsg_type = IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(pi));
	memcpy(CMSG_DATA(c), &pi, sizeof(pi));
}


/** Send what is queued. What the kernel refuses is lost, as on a network */
void sockio_flush(struct sockio *io)
{
	unsigned i = 0;

	while (i < io->txc) {
		const int n = sendmmsg(io->fd, io->txv + i, io->txc - i, 0);

		if (n > 0)
			i += (unsigned)n;
		else if (errno != EINTR)
			++i;
	}

	io->txc = 0;
}


/**
 * Read all that is waiting, at most a few batches
 *
 * @param io    Socket
 * @param recvh Called for each datagram, which is followed by a zero byte
 * @param arg   Handler argument
 */
void sockio_read(struct sockio *io, sockio_recv_h *recvh, void *arg)
{
	for (int k = 0; k < 16; k++) {
		int n;

		for (unsigned i = 0; i < BATCH; i++)
			io->rxv[i].msg_hdr.msg_namelen =
				sizeof(io->srcv[i]);

		n = recvmmsg(io->fd, io->rxv, BATCH, MSG_DONTWAIT, NULL);
		for (int i = 0; i < n; i++) {
			io->rxbuf[i][io->rxv[i].msg_len] = '\0';
			recvh(io->rxbuf[i], io->rxv[i].msg_len,
			      &io->srcv[i], arg);
		}
		if (n < BATCH)
			return;
	}
}


/**
 * Turn the signals that end the program into a descriptor
 *
 * @return Descriptor, -1 on error
 */
int stop_fd(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);

	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}


/** Tell whether somebody wants this to end */
bool stop_wanted(int fd)
{
	struct signalfd_siginfo si;

	return fd >= 0 && read(fd, &si, sizeof(si)) == sizeof(si);
}


/**
 * Wait for a descriptor or a time
 *
 * @param fdv   Descriptors, negative ones are ignored
 * @param fdc   How many, at most 4
 * @param until Monotonic time [ns]
 *
 * @return Bit i is set if descriptor i can be read; 0 at the time
 */
int wait_until(const int *fdv, size_t fdc, int64_t until)
{
	struct pollfd pv[4];
	int64_t left = until - now_ns();
	struct timespec ts;
	int mask = 0;

	if (left < 0)
		left = 0;
	ts.tv_sec = left / 1000000000;
	ts.tv_nsec = left % 1000000000;

	for (size_t i = 0; i < fdc; i++) {
		pv[i].fd = fdv[i];
		pv[i].events = POLLIN;
		pv[i].revents = 0;
	}
	if (ppoll(pv, fdc, &ts, NULL) <= 0)
		return 0;

	for (size_t i = 0; i < fdc; i++)
		mask |= pv[i].revents ? 1 << i : 0;

	return mask;
}
