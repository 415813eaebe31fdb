/**
 * @file beater_net.c  Heartbeats on the wire: batches, and who is refused
 */
#define _GNU_SOURCE 1
#include <string.h>
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <linux/errqueue.h>
#include <re.h>
#include "noc/hmac.h"
#include "heartbeat/beater_int.h"


enum {
	BATCH     = 16,            /* datagrams in one system call          */
	READ_MAX  = 64,            /* batches read at a time                */
};


static struct peer *peer_find(struct beater *b, uint64_t instance)
{
	unsigned i;

	for (i=0; i<b->peerc; i++) {
		struct peer *p = &b->peerv[i];

		if (p->used && p->instance == instance)
			return p;
	}

	return NULL;
}


static void heard(struct beater *b, const uint8_t *buf, size_t len,
		  uint64_t now)
{
	const uint64_t fresh = 2 * b->conf.timeout / b->conf.interval + 2;
	struct beat beat;
	struct peer *p;

	if (beat_decode(&beat, buf, len) || beat.to != b->conf.instance) {
		++b->stats.bad;
		return;
	}

	/* a server that is not announced yet, or is gone */
	p = peer_find(b, beat.from);
	if (!p)
		return;

	if (beat.seq <= p->seq) {
		++b->stats.old;
		return;
	}

	if (!beat_match(buf, b->key)) {
		++b->stats.bad;
		return;
	}

	p->seq = beat.seq;
	if (beat.echo > b->seq || beat.echo + fresh < b->seq) {
		++b->stats.old;
		return;
	}

	++b->stats.rx;
	p->heard = now;
	p->state = BEATER_HEARD;
	p->refused = false;
	if (beat.type == BEAT_BYE)
		p->bye = true;
}


static void beats_read(struct beater *b, uint64_t now)
{
	uint8_t bufv[BATCH][BEAT_LEN + 1];
	struct mmsghdr msgv[BATCH];
	struct iovec iov[BATCH];
	unsigned rounds;
	int i, n;

	memset(msgv, 0, sizeof(msgv));
	for (i=0; i<BATCH; i++) {
		iov[i].iov_base = bufv[i];
		iov[i].iov_len  = sizeof(bufv[i]);
		msgv[i].msg_hdr.msg_iov = &iov[i];
		msgv[i].msg_hdr.msg_iovlen = 1;
	}

	for (rounds=0; rounds<READ_MAX; rounds++) {

		n = recvmmsg(b->fd, msgv, BATCH, MSG_DONTWAIT, NULL);
		if (n < 0) {
			/* an ICMP error is told once, then cleared */
			if (errno == EAGAIN || errno == EBADF)
				break;
			continue;
		}

		for (i=0; i<n; i++)
			heard(b, bufv[i], msgv[i].msg_len, now);
		if (n < BATCH)
			break;
	}
}


/* Connection refused: a reason to ask, but anybody can send such */
static void errors_read(struct beater *b)
{
	union {
		struct cmsghdr align;
		uint8_t buf[512];
	} ctl;
	uint8_t data[BEAT_LEN + 1];
	unsigned n, i;

	for (n=0; n<BEATER_PEERS; n++) {
		struct sa sa;
		struct iovec iov = {data, sizeof(data)};
		struct msghdr msg = {
			.msg_name = &sa.u, .msg_namelen = sizeof(sa.u),
			.msg_iov = &iov, .msg_iovlen = 1,
			.msg_control = ctl.buf,
			.msg_controllen = sizeof(ctl.buf),
		};

		if (recvmsg(b->fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			return;

		++b->stats.refused;
		sa.len = msg.msg_namelen;
		for (i=0; i<b->peerc; i++) {
			struct peer *p = &b->peerv[i];

			if (p->used && sa_cmp(&p->addr, &sa, SA_ALL))
				p->refused = true;
		}
	}
}


static void batch_send(struct beater *b, struct mmsghdr *msgv, unsigned n)
{
	unsigned i = 0, errors = 0;

	while (i < n) {
		const int k = sendmmsg(b->fd, msgv + i, n - i, MSG_DONTWAIT);

		if (k > 0) {
			i += (unsigned)k;
			b->stats.tx += (unsigned)k;
			continue;
		}

		if (k < 0 && errno == EAGAIN)
			return;

		/* the error may be of a beat before: this one has a second
		   chance, then the next one's turn comes */
		if (errors++ & 1)
			++i;
		if (errors > 2 * BATCH)
			return;
	}
}


/**
 * Send a beat to every peer; under the lock
 *
 * @param b    Beater
 * @param type What it says
 */
void beater_send(struct beater *b, enum beat_type type)
{
	uint8_t bufv[BATCH][BEAT_LEN];
	struct mmsghdr msgv[BATCH];
	struct iovec iov[BATCH];
	unsigned i, n = 0;

	++b->seq;
	for (i=0; i<b->peerc; i++) {
		struct peer *p = &b->peerv[i];
		const struct beat beat = {
			.type = type, .from = b->conf.instance,
			.to = p->instance, .seq = b->seq, .echo = p->seq,
		};

		if (!p->used)
			continue;

		beat_encode(bufv[n], &beat, b->key);
		iov[n].iov_base = bufv[n];
		iov[n].iov_len  = BEAT_LEN;
		memset(&msgv[n], 0, sizeof(msgv[n]));
		msgv[n].msg_hdr.msg_iov = &iov[n];
		msgv[n].msg_hdr.msg_iovlen = 1;
		msgv[n].msg_hdr.msg_name = &p->addr.u;
		msgv[n].msg_hdr.msg_namelen = p->addr.len;

		if (++n == BATCH) {
			batch_send(b, msgv, n);
			n = 0;
		}
	}

	batch_send(b, msgv, n);
}


/**
 * Read what has come; under the lock
 *
 * @param b   Beater
 * @param now Time [us]
 */
void beater_read(struct beater *b, uint64_t now)
{
	errors_read(b);
	beats_read(b, now);
}


/**
 * Open the socket
 *
 * @param b Beater
 *
 * @return 0 if success; what the system says
 */
int beater_open(struct beater *b)
{
	const int on = 1, rcvbuf = 512 * 1024;
	const int af = sa_af(&b->conf.laddr);

	b->fd = socket(af, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (b->fd < 0)
		return errno;

	(void)setsockopt(b->fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf,
			 sizeof(rcvbuf));
	if (af == AF_INET6)
		(void)setsockopt(b->fd, IPPROTO_IPV6, IPV6_RECVERR, &on,
				 sizeof(on));
	else
		(void)setsockopt(b->fd, IPPROTO_IP, IP_RECVERR, &on,
				 sizeof(on));

	return bind(b->fd, &b->conf.laddr.u.sa, b->conf.laddr.len)
		? errno : 0;
}
