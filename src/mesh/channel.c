/**
 * @file mesh/channel.c  UDP ports of a worker and packets in batches
 *
 * A packet that is sent has two parts, its own header and a block that
 * many packets share; the kernel puts them together, nothing is copied
 * here. The block must stay as it is until the batch is flushed.
 */
#define _GNU_SOURCE
#include <re.h>
#include <fcntl.h>
#include <netinet/ip.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "mesh/rtp.h"
#include "mesh/channel.h"

enum {
	SOCKBUF     = 16 << 20,  /* a second of 3000 callers [bytes]      */
	SOCKBUF_ONE = 256 << 10, /* port of one caller [bytes]            */
	PAIR_TRIES  = 50,
	DSCP_EF     = 46,
	STAMP_MAX   = 1000000,   /* oldest time stamp that is believed [us]*/
};

enum {
	CONTROL_SIZE = CMSG_SPACE(sizeof(struct timespec)) +
		CMSG_SPACE(sizeof(uint32_t)),
};

union control {                  /* when a packet came; how many did not  */
	struct cmsghdr align;
	uint8_t buf[CONTROL_SIZE];
};

struct rx_batch {
	unsigned used;           /* by the latest packets                 */
	uint64_t ahead;          /* of the system's clock before ours [us]*/
	struct mmsghdr msgv[CHANNEL_RX_BATCH];
	struct iovec iovv[CHANNEL_RX_BATCH];
	struct sa srcv[CHANNEL_RX_BATCH];
	union control controlv[CHANNEL_RX_BATCH];
	uint8_t bufv[CHANNEL_RX_BATCH][RTP_MTU + 36]; /* 12 cache lines * 2 */
};

struct tx_batch {
	int fd;
	unsigned n;
	struct tx_stats stats;
	struct mmsghdr msgv[CHANNEL_TX_BATCH];
	struct iovec iovv[CHANNEL_TX_BATCH][2];
	uint8_t hdrv[CHANNEL_TX_BATCH][RTP_FIXED];
};


static void channel_destructor(void *arg)
{
	struct channel *ch = arg;

	if (ch->rtp >= 0)
		(void)close(ch->rtp);
	if (ch->rtcp >= 0)
		(void)close(ch->rtcp);
}


static void buffer_set(int fd, int force, int opt, int size)
{
	/* the forced one needs CAP_NET_ADMIN, the other stops at a limit */
	if (setsockopt(fd, SOL_SOCKET, force, &size, sizeof(size)))
		(void)setsockopt(fd, SOL_SOCKET, opt, &size, sizeof(size));
}


static int port_open(int *fdp, struct sa *bound, const struct sa *laddr,
		     bool big)
{
	const int size = big ? SOCKBUF : SOCKBUF_ONE, tos = DSCP_EF << 2;
	const int df = IP_PMTUDISC_PROBE, on = 1;
	int fd, err = 0;

	fd = socket(sa_af(laddr), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		    0);
	if (fd < 0)
		return errno;

	buffer_set(fd, SO_RCVBUFFORCE, SO_RCVBUF, size);
	buffer_set(fd, SO_SNDBUFFORCE, SO_SNDBUF, size);

	if (sa_af(laddr) == AF_INET6) {
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &tos,
				 sizeof(tos));
	}
	else {
		(void)setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
		/* voice needs no fragments, and without them no datagram
		   needs a number of its own */
		(void)setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &df,
				 sizeof(df));
	}

	(void)setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on));

	if (bind(fd, &laddr->u.sa, laddr->len)) {
		err = errno;
		goto out;
	}

	sa_init(bound, AF_UNSPEC);
	bound->len = sizeof(bound->u);
	if (getsockname(fd, &bound->u.sa, &bound->len))
		err = errno;

 out:
	if (err)
		(void)close(fd);
	else
		*fdp = fd;

	return err;
}


static int pair_open(struct channel *ch, const struct sa *laddr, bool big)
{
	struct sa sa = *laddr;
	int err;

	err = port_open(&ch->rtp, &ch->rtp_laddr, &sa, big);
	if (err)
		return err;

	/* RFC 3550, 11: RTP on an even port, RTCP on the next */
	if (sa_port(&ch->rtp_laddr) & 1) {
		err = EADDRINUSE;
	}
	else {
		sa_set_port(&sa, (uint16_t)(sa_port(&ch->rtp_laddr) + 1));
		err = port_open(&ch->rtcp, &ch->rtcp_laddr, &sa, false);
	}

	if (err) {
		(void)close(ch->rtp);
		ch->rtp = -1;
	}

	return err;
}


/**
 * Open a pair of ports, RTP on an even one and RTCP on the next
 *
 * @param chp   Pointer to allocated channel
 * @param laddr Address; port: even, or 0 for any
 * @param big   Buffers for thousands of callers, else for one
 *
 * @return 0, EINVAL, ENOMEM, or what the system says, e.g. EADDRINUSE
 */
int channel_open(struct channel **chp, const struct sa *laddr, bool big)
{
	struct channel *ch;
	int err = EADDRINUSE;

	if (!chp || !sa_isset(laddr, SA_ADDR) || (sa_port(laddr) & 1))
		return EINVAL;

	ch = mem_zalloc(sizeof(*ch), channel_destructor);
	if (!ch)
		return ENOMEM;
	ch->rtp = ch->rtcp = -1;

	/* an odd port, or a taken neighbour: the system picks again */
	for (int i = 0; err == EADDRINUSE && i < PAIR_TRIES; i++) {
		err = pair_open(ch, laddr, big);
		if (sa_port(laddr))
			break;
	}

	if (err)
		mem_deref(ch);
	else
		*chp = ch;

	return err;
}


/**
 * Allocate room for packets to receive
 *
 * @param bp Pointer to allocated batch
 *
 * @return 0, or EINVAL or ENOMEM
 */
int rx_batch_alloc(struct rx_batch **bp)
{
	struct rx_batch *b;

	if (!bp)
		return EINVAL;

	b = mem_zalloc(sizeof(*b), NULL);
	if (!b)
		return ENOMEM;

	for (unsigned i = 0; i < CHANNEL_RX_BATCH; i++) {
		struct msghdr *hdr = &b->msgv[i].msg_hdr;

		b->iovv[i].iov_base = b->bufv[i];
		b->iovv[i].iov_len = sizeof(b->bufv[i]);
		hdr->msg_iov = &b->iovv[i];
		hdr->msg_iovlen = 1;
		hdr->msg_name = &b->srcv[i].u;
		hdr->msg_namelen = sizeof(b->srcv[i].u);
		hdr->msg_control = &b->controlv[i];
		hdr->msg_controllen = sizeof(b->controlv[i]);
	}

	*bp = b;

	return 0;
}


static uint64_t clock_usec(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);

	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}


/**
 * Receive what has come, one system call
 *
 * @param b  Batch, overwritten
 * @param fd Socket
 *
 * @return Number of packets; CHANNEL_RX_BATCH: there may be more
 */
unsigned rx_batch_recv(struct rx_batch *b, int fd)
{
	int n;

	for (unsigned i = 0; i < b->used; i++) {
		struct msghdr *hdr = &b->msgv[i].msg_hdr;

		hdr->msg_namelen = sizeof(b->srcv[i].u);
		hdr->msg_controllen = sizeof(b->controlv[i]);
	}
	b->used = 0;

	n = recvmmsg(fd, b->msgv, CHANNEL_RX_BATCH, MSG_DONTWAIT, NULL);
	if (n <= 0)
		return 0;

	for (int i = 0; i < n; i++)
		b->srcv[i].len = b->msgv[i].msg_hdr.msg_namelen;
	b->used = (unsigned)n;
	b->ahead = clock_usec(CLOCK_REALTIME) - clock_usec(CLOCK_MONOTONIC);

	return (unsigned)n;
}


/**
 * One packet of a batch
 *
 * @param b   Batch
 * @param ix  Which one
 * @param len Its length [bytes]; 0 if it was too long and is cut off
 *
 * @return Its first byte
 */
const uint8_t *rx_batch_packet(const struct rx_batch *b, unsigned ix,
			       size_t *len)
{
	const struct mmsghdr *msg = &b->msgv[ix];

	*len = msg->msg_hdr.msg_flags & MSG_TRUNC ? 0 : msg->msg_len;

	return b->bufv[ix];
}


/**
 * How many packets the system threw away, because nobody read them in time
 *
 * @param b    Batch, not empty
 * @param seen Those of this socket that are known; updated
 *
 * @return How many more there are by the latest packet of the batch
 */
unsigned rx_batch_drops(const struct rx_batch *b, uint32_t *seen)
{
	struct msghdr *hdr;
	struct cmsghdr *c;
	uint32_t n = 0;

	if (!b->used)
		return 0;

	/* counted since the socket was opened; none are not told */
	hdr = (struct msghdr *)&b->msgv[b->used - 1].msg_hdr;
	for (c = CMSG_FIRSTHDR(hdr); c; c = CMSG_NXTHDR(hdr, c)) {
		if (c->cmsg_level != SOL_SOCKET ||
		    c->cmsg_type != SO_RXQ_OVFL)
			continue;
		memcpy(&n, CMSG_DATA(c), sizeof(n));
		n -= *seen;
		*seen += n;
		return n;
	}

	return 0;
}


/**
 * When a packet of a batch came to this machine
 *
 * @param b   Batch
 * @param ix  Which one
 * @param now The time now, which is said if it is not known better [us]
 *
 * @return Monotonic time, at most a second ago [us]
 */
uint64_t rx_batch_time(const struct rx_batch *b, unsigned ix, uint64_t now)
{
	const struct msghdr *hdr = &b->msgv[ix].msg_hdr;
	const struct cmsghdr *c = CMSG_FIRSTHDR(hdr);
	struct timespec ts;
	uint64_t t;

	if (!c || c->cmsg_level != SOL_SOCKET ||
	    c->cmsg_type != SCM_TIMESTAMPNS)
		return now;

	memcpy(&ts, CMSG_DATA(c), sizeof(ts));
	t = (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000 -
		b->ahead;

	return t <= now && now - t < STAMP_MAX ? t : now;
}


/**
 * Where a packet of a batch came from
 *
 * @param b  Batch
 * @param ix Which one
 *
 * @return Address and port
 */
const struct sa *rx_batch_src(const struct rx_batch *b, unsigned ix)
{
	return &b->srcv[ix];
}


/**
 * Allocate room for packets to send
 *
 * @param bp Pointer to allocated batch
 *
 * @return 0, or EINVAL or ENOMEM
 */
int tx_batch_alloc(struct tx_batch **bp)
{
	struct tx_batch *b;

	if (!bp)
		return EINVAL;

	b = mem_zalloc(sizeof(*b), NULL);
	if (!b)
		return ENOMEM;

	for (unsigned i = 0; i < CHANNEL_TX_BATCH; i++) {
		struct msghdr *hdr = &b->msgv[i].msg_hdr;

		b->iovv[i][0].iov_base = b->hdrv[i];
		b->iovv[i][0].iov_len = RTP_FIXED;
		hdr->msg_iov = b->iovv[i];
		hdr->msg_iovlen = 2;
	}

	b->fd = -1;
	*bp = b;

	return 0;
}


/**
 * Add a packet; what is there for another socket, or too much, is sent first
 *
 * @param b      Batch
 * @param fd     Socket
 * @param dst    Where to; unchanged until the batch is flushed
 * @param shared What follows the header; unchanged until then, too
 * @param len    Its length [bytes]
 *
 * @return Where to write the header, RTP_FIXED bytes
 */
uint8_t *tx_batch_add(struct tx_batch *b, int fd, const struct sa *dst,
		      const void *shared, size_t len)
{
	struct mmsghdr *msg;

	if (b->n == CHANNEL_TX_BATCH || (b->n && fd != b->fd))
		tx_batch_flush(b);

	b->fd = fd;
	msg = &b->msgv[b->n];
	msg->msg_hdr.msg_name = (void *)&dst->u;
	msg->msg_hdr.msg_namelen = dst->len;
	b->iovv[b->n][1].iov_base = (void *)shared;
	b->iovv[b->n][1].iov_len = len;

	return b->hdrv[b->n++];
}


/**
 * Send all packets of a batch
 *
 * One that the system refuses is counted and skipped; with a full buffer
 * the rest is too late for its time anyway, and is counted and dropped.
 *
 * @param b Batch, empty afterwards
 */
void tx_batch_flush(struct tx_batch *b)
{
	unsigned done = 0;

	while (done < b->n) {
		int n = sendmmsg(b->fd, b->msgv + done, b->n - done,
				 MSG_DONTWAIT);

		if (n > 0) {
			done += (unsigned)n;
			b->stats.packets += (unsigned)n;
		}
		else if (errno == EINTR) {
			continue;
		}
		else if (errno == EAGAIN || errno == ENOBUFS) {
			b->stats.errors += b->n - done;
			break;
		}
		else {
			++b->stats.errors;
			++done;
		}
	}

	b->n = 0;
}


/**
 * What was sent so far
 *
 * @param b  Batch
 * @param st Filled in
 */
void tx_batch_stats(const struct tx_batch *b, struct tx_stats *st)
{
	*st = b->stats;
}
