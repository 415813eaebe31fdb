/* What the participants receive: counted, timed, and for some kept. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "bench.h"

enum {
	BATCH = 64,
	PACKET_MAX = 1024,
	RTP_HDR = 12,
	REORDER_MAX = 256,      /* further back is a new start */
	JUMP_MAX = 1000,        /* further ahead is a new start */
	GAP_MS = 60,            /* a silence that is heard */
};

struct rxset {
	int64_t from, to;       /* what counts [ns]; atomic */
	struct hist *jitter;    /* [ns] */
	struct mmsghdr msgv[BATCH];
	struct iovec iov[BATCH];
	uint8_t buf[BATCH][PACKET_MAX];
	_Alignas(struct cmsghdr) char ctl[BATCH][128];
};


/**
 * Make the buffers for receiving
 *
 * @param rsp Where they go, freed with rxset_free()
 *
 * @return 0 if success, otherwise errorcode
 */
int rxset_alloc(struct rxset **rsp)
{
	struct rxset *rs = calloc(1, sizeof(*rs));
	int err;

	if (!rs)
		return ENOMEM;

	err = hist_alloc(&rs->jitter, 10000, 50000);    /* to 500 ms */
	if (err) {
		free(rs);
		return err;
	}

	for (int i = 0; i < BATCH; i++) {
		rs->iov[i].iov_base = rs->buf[i];
		rs->iov[i].iov_len = PACKET_MAX;
		rs->msgv[i].msg_hdr.msg_iov = &rs->iov[i];
		rs->msgv[i].msg_hdr.msg_iovlen = 1;
		rs->msgv[i].msg_hdr.msg_control = rs->ctl[i];
	}
	rs->from = rs->to = INT64_MAX;
	*rsp = rs;

	return 0;
}


/** Free the buffers */
void rxset_free(struct rxset *rs)
{
	if (!rs)
		return;

	free(rs->jitter);
	free(rs);
}


/** Say which arrivals count [ns, wall clock] */
void rxset_window(struct rxset *rs, int64_t from, int64_t to)
{
	__atomic_store_n(&rs->to, to, __ATOMIC_RELEASE);
	__atomic_store_n(&rs->from, from, __ATOMIC_RELEASE);
}


/** Tell whether what arrives at this moment counts */
bool rxset_open(struct rxset *rs, int64_t at)
{
	return at >= __atomic_load_n(&rs->from, __ATOMIC_ACQUIRE) &&
		at < __atomic_load_n(&rs->to, __ATOMIC_ACQUIRE);
}


/** Deviation of inter-arrival times from the packet time [ns] */
struct hist *rxset_jitter(struct rxset *rs)
{
	return rs->jitter;
}


/* When it came and to which address, as the kernel saw it. */
static void stamps_read(struct msghdr *mh, int64_t *at, uint32_t *addr)
{
	struct in_pktinfo pi;
	struct timespec ts;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c;
	     c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level == SOL_SOCKET &&
		    c->cmsg_type == SCM_TIMESTAMPNS) {
			memcpy(&ts, CMSG_DATA(c), sizeof(ts));
			*at = ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
		}
		else if (c->cmsg_level == IPPROTO_IP &&
			 c->cmsg_type == IP_PKTINFO) {
			memcpy(&pi, CMSG_DATA(c), sizeof(pi));
			*addr = ntohl(pi.ipi_addr.s_addr);
		}
	}
}


static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
		(uint32_t)p[2] << 8 | p[3];
}


/* Continuity (RFC 3550 appendix A.1): lost, late, or another stream. */
static void sequence_check(struct part *p, uint16_t seq, uint32_t ssrc)
{
	const uint16_t d = (uint16_t)(seq - p->rseq - 1);

	if (!p->seen || ssrc != p->rssrc) {
		p->anew += p->seen;
		p->seen = true;
		p->rssrc = ssrc;
	}
	else if (d >= 0x10000 - REORDER_MAX) {
		++p->late;
		return;
	}
	else if (d && d < JUMP_MAX) {
		p->lost += d;
		++p->gaps;
	}

	p->rseq = seq;
}


static void arrival_check(struct rxset *rs, struct part *p, int64_t at,
			  int64_t from, uint32_t ptime)
{
	const int64_t delta = at - p->last;
	const int64_t dev = delta - ptime * INT64_C(1000000);

	if (p->last < from)
		return;

	hist_add(rs->jitter, (uint64_t)(dev < 0 ? -dev : dev));
	if (delta > p->worst)
		p->worst = delta;
	if (delta > GAP_MS * INT64_C(1000000))
		++p->gaps;
}


/* The payload, behind CSRCs and extension (RFC 3550 section 5.1). */
static void packet_keep(struct part *p, const uint8_t *b, size_t len,
			int64_t at)
{
	size_t off = RTP_HDR + 4u * (b[0] & 0x0f);

	if (b[0] & 0x10) {
		if (off + 4 > len)
			return;
		off += 4 + 4u * ((size_t)b[off + 2] << 8 | b[off + 3]);
	}
	if (b[0] & 0x20 && b[len - 1] <= len)
		len -= b[len - 1];
	if (off < len && len - off <= FRAME_MAX)
		part_keep(p, at, be32(b + 4), b + off, len - off);
}


static void packet_take(struct rxset *rs, struct part *p, const uint8_t *b,
			size_t len, int64_t at, uint32_t ptime)
{
	const int64_t from = __atomic_load_n(&rs->from, __ATOMIC_ACQUIRE);
	const int64_t to = __atomic_load_n(&rs->to, __ATOMIC_ACQUIRE);
	const uint8_t pt = b[1] & 0x7f;

	/* version 2, and not RTCP (RFC 5761) nor another payload type */
	if (len < RTP_HDR || b[0] >> 6 != 2 || (b[1] >= 192 && b[1] <= 223) ||
	    pt != p->pt)
		return;

	if (at < from || at >= to) {
		/* the first one that counts has a predecessor */
		p->seen = true;
		p->rssrc = be32(b + 8);
		p->rseq = (uint16_t)(b[2] << 8 | b[3]);
		p->last = at;
		return;
	}

	++p->got;
	sequence_check(p, (uint16_t)(b[2] << 8 | b[3]), be32(b + 8));
	arrival_check(rs, p, at, from, ptime);
	p->last = at;
	if (p->heard)
		packet_keep(p, b, len, at);
}


/**
 * Read all that waits on a socket
 *
 * @param rs     Buffers
 * @param fd     Socket
 * @param byaddr The participants on it, by address
 * @param base   Address of the first, host order
 * @param n      How many; a lone one is found by the socket
 * @param ptime  Packet time [ms]
 */
void rxset_read(struct rxset *rs, int fd, struct part *const *byaddr,
		uint32_t base, uint32_t n, uint32_t ptime)
{
	int r;

	do {
		for (int i = 0; i < BATCH; i++)
			rs->msgv[i].msg_hdr.msg_controllen =
				sizeof(rs->ctl[i]);

		r = recvmmsg(fd, rs->msgv, BATCH, MSG_DONTWAIT, NULL);
		for (int i = 0; i < r; i++) {
			int64_t at = 0;
			uint32_t addr = 0, k;

			stamps_read(&rs->msgv[i].msg_hdr, &at, &addr);
			k = n == 1 ? 0 : addr - base;
			if (k < n && at)
				packet_take(rs, byaddr[k], rs->buf[i],
					    rs->msgv[i].msg_len, at, ptime);
		}
	} while (r == BATCH);
}
