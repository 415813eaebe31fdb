/* The floor: what any server pays on this machine for the packets alone.
 *
 * Media: every participant sends a packet per packet time to one socket of a
 * child process, which reads them in batches each 20 ms and sends each
 * participant one packet with a header of its own and a payload all share.
 * SIP: a child process answers each large datagram with one and swallows the
 * small ones, as INVITE, 302 and ACK. Nothing is parsed, looked up, decoded,
 * mixed, encoded or encrypted.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bench.h"

enum {
	BATCH = 256,
	SIP_BATCH = 64,
	HDR = 12,
	INVITE_LEN = 700, REPLY_LEN = 450, ACK_LEN = 350,
	SPARE_S = 5,            /* the child ends by itself this much later */
};

static const int64_t second = 1000000000;

struct batch {
	struct mmsghdr rxv[BATCH], txv[BATCH];
	struct iovec rxiov[BATCH], txiov[BATCH][2];
	struct sockaddr_in srcv[BATCH];
	uint8_t rxbuf[BATCH][1024], hdr[BATCH][HDR], payload[1024];
};


static int socket_open(struct sockaddr_in *a)
{
	socklen_t len = sizeof(*a);
	const int size = 16 << 20;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	memset(a, 0, sizeof(*a));
	a->sin_family = AF_INET;
	a->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (void *)a, sizeof(*a)) ||
	    getsockname(fd, (void *)a, &len))
		return -1;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size,
				 sizeof(size));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size,
				 sizeof(size));

	return fd;
}


static struct batch *batch_alloc(size_t payload)
{
	struct batch *t = calloc(1, sizeof(*t));

	for (int i = 0; t && i < BATCH; i++) {
		t->rxiov[i].iov_base = t->rxbuf[i];
		t->rxiov[i].iov_len = sizeof(t->rxbuf[i]);
		t->rxv[i].msg_hdr.msg_iov = &t->rxiov[i];
		t->rxv[i].msg_hdr.msg_iovlen = 1;
		t->txiov[i][0].iov_base = t->hdr[i];
		t->txiov[i][0].iov_len = HDR;
		t->txiov[i][1].iov_base = t->payload;
		t->txiov[i][1].iov_len = payload;
		t->txv[i].msg_hdr.msg_iov = t->txiov[i];
		t->txv[i].msg_hdr.msg_iovlen = 2;
		t->txv[i].msg_hdr.msg_namelen = sizeof(struct sockaddr_in);
	}

	return t;
}


static void send_all(int fd, struct mmsghdr *v, int n)
{
	for (int i = 0; i < n;) {
		const int r = sendmmsg(fd, v + i, (unsigned)(n - i), 0);

		i += r > 0 ? r : 1;
	}
}


/* The child for media; ends by itself. */
static void media_floor(int fd, const struct opts *o, uint32_t n,
			struct sockaddr_in *peerv)
{
	struct itimerspec its = {{0, 20000000}, {0, 20000000}};
	const uint32_t ticks = 50 * (o->seconds + o->warmup + SPARE_S);
	struct batch *t = batch_alloc(o->payload);
	int tfd = timerfd_create(CLOCK_MONOTONIC, 0);
	uint64_t x;

	timerfd_settime(tfd, 0, &its, NULL);
	for (uint32_t k = 0; t && k < ticks; k++) {
		if (read(tfd, &x, sizeof(x)) < 0)
			break;
		while (recvmmsg(fd, t->rxv, BATCH, MSG_DONTWAIT, NULL) ==
		       BATCH)
			;

		for (uint32_t i = 0; i < n; i += BATCH) {
			const uint32_t m = n - i < BATCH ? n - i : BATCH;

			for (uint32_t j = 0; j < m; j++) {
				uint8_t *h = t->hdr[j];

				h[0] = 0x80;
				h[2] = (uint8_t)(k >> 8);
				h[3] = (uint8_t)k;
				t->txv[j].msg_hdr.msg_name = &peerv[i + j];
			}
			send_all(fd, t->txv, (int)m);
		}
	}
	_exit(0);
}


/* The child for SIP: sleeps until something comes, then works in batches. */
static void sip_floor(int fd)
{
	struct batch *t = batch_alloc(REPLY_LEN - HDR);

	for (;;) {
		int n, out = 0;

		for (int i = 0; t && i < SIP_BATCH; i++) {
			t->rxv[i].msg_hdr.msg_name = &t->srcv[i];
			t->rxv[i].msg_hdr.msg_namelen = sizeof(t->srcv[i]);
		}
		n = t ? recvmmsg(fd, t->rxv, SIP_BATCH, MSG_WAITFORONE,
				 NULL) : -1;
		if (n < 0)
			_exit(0);

		for (int i = 0; i < n; i++) {
			if (t->rxv[i].msg_len < INVITE_LEN)
				continue;
			/* which one it answers */
			memcpy(t->hdr[out], t->rxbuf[i], HDR);
			t->txv[out++].msg_hdr.msg_name = &t->srcv[i];
		}
		send_all(fd, t->txv, out);
	}
}


static int child_start(pid_t *pid)
{
	const pid_t parent = getpid();

	*pid = fork();
	if (*pid < 0)
		return errno;
	if (*pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
	}

	return 0;
}


static void child_end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}


static void sleep_ns(int64_t ns)
{
	const struct timespec ts = {ns / second, ns % second};

	nanosleep(&ts, NULL);
}


static int media_measure(struct bench *b, struct media *m, uint32_t n,
			 pid_t pid)
{
	struct proc_use u0, u1;
	double took, self;
	int64_t t0, w0;
	int err;

	sleep_ns(b->o.warmup * second);
	err = proc_read(&u0, &pid, 1, false);
	if (err)
		return err;

	t0 = now_ns();
	w0 = wall_ns();
	self = proc_self();
	media_window(m, w0, w0 + b->o.seconds * second);
	sleep_ns(b->o.seconds * second);
	err = proc_read(&u1, &pid, 1, false);
	if (err)
		return err;

	took = (double)(now_ns() - t0) / 1e9;
	result_num(b->res, "cpu_ms", 1e3 * (u1.cpu - u0.cpu) / n / took,
		   "ms", "floor, CPU per participant-second");
	result_num(b->res, "self_share", 100 * (proc_self() - self) / took,
		   "%", "CPU of this program, of one core");
	sleep_ns(second / 5);

	return 0;
}


static int media_run(struct bench *b)
{
	const uint32_t n = b->o.parts * b->o.conferences;
	uint16_t len = (uint16_t)b->o.payload;
	uint8_t data[FRAME_MAX] = {0};
	struct loop loop = {1, 160, &len, data, NULL};
	struct sockaddr_in a, *peerv = calloc(n, sizeof(*peerv));
	struct media *m = NULL;
	pid_t pid = -1;
	int fd, err;

	fd = socket_open(&a);
	if (fd < 0 || !peerv) {
		err = errno;
		goto out;
	}
	err = media_alloc(&m, &b->o, n);
	if (err)
		goto out;

	for (uint32_t i = 0; i < n; i++) {
		struct part *p = media_part(m, i);

		peerv[i].sin_family = AF_INET;
		peerv[i].sin_addr.s_addr = htonl(p->addr);
		peerv[i].sin_port = htons(p->port);
		p->loop = &loop;
	}

	err = child_start(&pid);
	if (err)
		goto out;
	if (!pid)
		media_floor(fd, &b->o, n, peerv);

	err = media_start(m);
	for (uint32_t i = 0; !err && i < n; i++)
		part_connect(media_part(m, i), &a, 0);
	if (!err)
		err = media_measure(b, m, n, pid);
	media_stop(m);
	child_end(pid);
	if (!err)
		media_report(b, m, n);

 out:
	media_free(m);
	if (fd >= 0)
		close(fd);
	free(peerv);

	return err;
}


struct exchange {
	struct sockio *io;
	struct sockaddr_in to;
	uint32_t left, done;
	bool steady;
};


static void invite_push(struct exchange *x)
{
	memset(sockio_buf(x->io), 0, INVITE_LEN);
	sockio_push(x->io, INVITE_LEN, &x->to);
	--x->left;
}


static void answer(char *buf, size_t len, const struct sockaddr_in *src,
		   void *arg)
{
	struct exchange *x = arg;

	++x->done;
	memset(sockio_buf(x->io), 0, ACK_LEN);
	sockio_push(x->io, ACK_LEN, &x->to);
	if (!x->steady && x->left)
		invite_push(x);
}


static void exchanges(struct exchange *x, const struct opts *o,
		      uint32_t count)
{
	const int fd = sockio_fd(x->io);
	const int64_t t0 = now_ns();
	int64_t quiet = t0;
	uint32_t seen = x->done = 0;

	x->left = count;
	for (uint32_t i = 0; !x->steady && i < o->outstanding && x->left; i++)
		invite_push(x);

	/* a second without an answer: the last ones were lost */
	while (x->done < count && now_ns() - quiet < second) {
		int64_t now = now_ns(), due = now + second / 10;

		while (x->steady && x->left) {
			due = t0 + (int64_t)(count - x->left) * second /
				o->rate;
			if (due > now)
				break;
			invite_push(x);
		}
		sockio_flush(x->io);
		wait_until(&fd, 1, due);
		sockio_read(x->io, answer, x);
		if (x->done != seen) {
			seen = x->done;
			quiet = now_ns();
		}
	}
	sockio_flush(x->io);
}


static int sip_run(struct bench *b)
{
	const struct opts *o = &b->o;
	struct exchange x = {.steady = o->rate > 0};
	const uint32_t count = x.steady ? o->rate * o->seconds : o->count;
	struct proc_use u0, u1;
	pid_t pid;
	int fd, err;

	fd = socket_open(&x.to);
	if (fd < 0)
		return errno;

	err = child_start(&pid);
	if (!err && !pid)
		sip_floor(fd);
	close(fd);
	if (err)
		return err;

	err = sockio_alloc(&x.io, "127.0.0.1");
	if (err)
		goto out;

	exchanges(&x, o, count / 10);
	err = proc_read(&u0, &pid, 1, false);
	exchanges(&x, o, count);
	if (!err)
		err = proc_read(&u1, &pid, 1, false);
	if (!err && x.done) {
		result_num(b->res, "cpu_us", 1e6 * (u1.cpu - u0.cpu) / x.done,
			   "us", "floor, CPU per exchange of three");
		result_num(b->res, "done", x.done, "", "exchanges");
	}
	b->failed = !x.done;

 out:
	sockio_free(x.io);
	child_end(pid);

	return err;
}


/**
 * Measure the floor
 *
 * @param b Measurement
 *
 * @return 0 if measured, otherwise errorcode
 */
int bench_floor(struct bench *b)
{
	return b->o.sip ? sip_run(b) : media_run(b);
}
