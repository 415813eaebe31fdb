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
	unsigned txc;
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


/**
 * Open a UDP socket on a free port
 *
 * @param iop   Where it goes, freed with sockio_free()
 * @param local Address to bind to
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

	io->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	io->addr.sin_family = AF_INET;
	if (io->fd < 0 ||
	    inet_pton(AF_INET, local, &io->addr.sin_addr) != 1 ||
	    bind(io->fd, (void *)&io->addr, sizeof(io->addr)) ||
	    getsockname(io->fd, (void *)&io->addr, &len)) {
		err = errno ? errno : EINVAL;
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
	io->dstv[io->txc] = *dst;
	++io->txc;
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
