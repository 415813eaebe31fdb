/* The participants' media: every one sends a packet per packet time from an
 * address and port of its own, spread evenly over the packet time.
 *
 * So that thousands of them leave the server its share of the machine, up
 * to 64 participants share one socket on loopback: each is another address
 * of 127.66.0.0/16, chosen packet by packet (IP_PKTINFO), and sendmmsg and
 * recvmmsg work on all of them at once. Nobody waits on these sockets: the
 * kernel stamps arrivals, so reading late does not blur the times, and the
 * server is not charged for waking this program. Away from loopback each
 * participant has a socket.
 *
 *	tick, 1 ms: [participants of this slot] -> sendmmsg
 *	            recvmmsg <- [a fifth of all sockets]
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "bench.h"

enum {
	GROUP = 64,             /* participants on one socket */
	READ_PERIOD = 5,        /* each socket is read every [ms] */
	RTP_HDR = 12,
	SLOT_STEP = 7,          /* coprime to every packet time */
	STALL_MS = 3,           /* lateness that others could notice */
	NICE_MEDIA = -20,
};

#define NET 0x7f420000u         /* 127.66.0.0 */

struct group {
	int fd;
	uint32_t base;          /* address of the first one, host order */
	uint32_t n;
	uint8_t slot;
	struct part *partv[GROUP];
};

struct media {
	const struct opts *o;
	uint32_t partc, groupc;
	struct part *partv;
	struct group *groupv;
	pthread_mutex_t lock;   /* remote, pt and active of the parts */
	pthread_t thread;
	bool started;
	int run;                /* atomic */
	/* the rest belongs to the thread */
	struct rxset *rx;
	struct hist *late;      /* how late slots begin [us] */
	struct stalls stalls;
	struct mmsghdr msgv[GROUP];
	struct iovec iov[GROUP];
	uint8_t buf[GROUP][RTP_HDR + FRAME_MAX];
	_Alignas(struct cmsghdr)
	char ctl[GROUP][CMSG_SPACE(sizeof(struct in_pktinfo))];
};


static int socket_open(const struct media *m, uint16_t *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t len = sizeof(a);
	const int one = 1, size = 4 << 20, df = IP_PMTUDISC_DO;
	int fd;

	fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;

	if (m->o->foreign)
		inet_pton(AF_INET, m->o->local, &a.sin_addr);
	else if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3))
		(void)0;        /* an old kernel wants root for this */

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size,
				 sizeof(size));
	/* what is never fragmented needs no number, which is dear to make */
	(void)setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &df, sizeof(df));
	if (setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one)) ||
	    bind(fd, (void *)&a, sizeof(a)) ||
	    getsockname(fd, (void *)&a, &len)) {
		close(fd);
		return -1;
	}

	*port = ntohs(a.sin_port);

	return fd;
}


static void part_init(struct media *m, struct part *p, uint32_t i,
		      struct group *g, uint16_t port)
{
	struct sockaddr_in own = {0};
	uint32_t rnd[3] = {0};

	if (m->o->foreign)
		inet_pton(AF_INET, m->o->local, &own.sin_addr);
	(void)!getrandom(rnd, sizeof(rnd), 0);

	p->i = i;
	p->lock = &m->lock;
	p->slot = g->slot;
	p->port = port;
	p->addr = m->o->foreign ? ntohl(own.sin_addr.s_addr) :
		g->base + g->n;
	p->ssrc = rnd[0];
	p->ts = rnd[1];
	p->seq = (uint16_t)(rnd[2] & 0x7fff);
	g->partv[g->n++] = p;
}


/* Participants of one slot share sockets, so that a slot is few calls. */
static int groups_fill(struct media *m, uint32_t max)
{
	for (uint32_t s = 0; s < m->o->ptime; s++) {
		struct group *g = NULL;
		uint16_t port = 0;

		for (uint32_t i = 0; i < m->partc; i++) {
			const uint32_t slot = m->o->burst ? 0 :
				i * SLOT_STEP % m->o->ptime;

			if (slot != s)
				continue;
			if (!g || g->n == max) {
				g = &m->groupv[m->groupc];
				g->fd = socket_open(m, &port);
				if (g->fd < 0)
					return errno;
				g->slot = (uint8_t)s;
				g->base = NET + m->groupc * GROUP + 1;
				++m->groupc;
			}
			part_init(m, &m->partv[i], i, g, port);
		}
	}

	return 0;
}


static void files_allow(uint32_t n)
{
	struct rlimit rl;

	if (!getrlimit(RLIMIT_NOFILE, &rl) && rl.rlim_cur < n) {
		rl.rlim_cur = rl.rlim_max < n ? rl.rlim_max : n;
		(void)setrlimit(RLIMIT_NOFILE, &rl);
	}
}


/* The media thread comes before all others (below): whoever it waits for has
 * to come as soon. */
static void lock_init(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	(void)pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(lock, &attr);
	pthread_mutexattr_destroy(&attr);
}


/**
 * Make the media of some participants; they are silent until connected
 *
 * @param mp    Where it goes, freed with media_free()
 * @param o     Options; must live as long
 * @param partc How many
 *
 * @return 0 if success, otherwise errorcode
 */
int media_alloc(struct media **mp, const struct opts *o, uint32_t partc)
{
	const uint32_t max = o->foreign ? 1 : GROUP;
	struct media *m;
	int err;

	if (!partc || partc > PARTS_MAX)
		return EINVAL;

	files_allow(partc / max + o->ptime + 64);
	m = calloc(1, sizeof(*m));
	if (!m)
		return ENOMEM;

	m->o = o;
	m->partc = partc;
	lock_init(&m->lock);
	m->partv = calloc(partc, sizeof(*m->partv));
	m->groupv = calloc(partc / max + o->ptime, sizeof(*m->groupv));
	if (!m->partv || !m->groupv) {
		err = ENOMEM;
		goto out;
	}

	err = rxset_alloc(&m->rx);
	if (!err)
		err = hist_alloc(&m->late, 10, 10000);
	if (!err)
		err = groups_fill(m, max);

 out:
	if (err)
		media_free(m);
	else
		*mp = m;

	return err;
}


/** Free the media; stops it first */
void media_free(struct media *m)
{
	if (!m)
		return;

	media_stop(m);
	for (uint32_t i = 0; i < m->groupc; i++) {
		if (m->groupv[i].fd >= 0)
			close(m->groupv[i].fd);
	}
	for (uint32_t i = 0; m->partv && i < m->partc; i++) {
		free(m->partv[i].sentv);
		free(m->partv[i].heard);
	}
	rxset_free(m->rx);
	free(m->late);
	free(m->groupv);
	free(m->partv);
	pthread_mutex_destroy(&m->lock);
	free(m);
}


/** A participant's media */
struct part *media_part(struct media *m, uint32_t i)
{
	return &m->partv[i];
}


/** How much inter-arrival times differ from the packet time [ns] */
const struct hist *media_jitter(const struct media *m)
{
	return rxset_jitter(m->rx);
}


/** How late this program itself was [us] */
const struct hist *media_lateness(const struct media *m)
{
	return m->late;
}


/** When this program itself was late, while arrivals counted */
const struct stalls *media_stalls(const struct media *m)
{
	return &m->stalls;
}


/**
 * Say which arrivals count
 *
 * @param m    Media
 * @param from First moment [ns, wall clock]
 * @param to   Moment after the last [ns, wall clock]
 */
void media_window(struct media *m, int64_t from, int64_t to)
{
	rxset_window(m->rx, from, to);
}


static void header_write(uint8_t *h, struct part *p)
{
	h[0] = 0x80;
	h[1] = (uint8_t)(p->pt | (p->frame ? 0 : 0x80));
	h[2] = (uint8_t)(p->seq >> 8);
	h[3] = (uint8_t)p->seq;
	for (int k = 0; k < 4; k++) {
		h[4 + k] = (uint8_t)(p->ts >> (24 - 8 * k));
		h[8 + k] = (uint8_t)(p->ssrc >> (24 - 8 * k));
	}
}


/* All loops run from the start of the media, whenever their participant
 * joins, so that talkers keep their distance in the speech sample. */
static uint32_t frame_next(struct part *p, uint64_t round)
{
	const uint32_t framec = p->loop->framec;

	if (!p->frame)
		p->off = (uint32_t)((p->off + round) % framec);

	return (p->frame + p->off) % framec;
}


static void packet_make(struct media *m, unsigned k, struct part *p,
			int64_t at, uint64_t round)
{
	const struct loop *l = p->loop;
	const uint32_t f = frame_next(p, round);
	struct msghdr *mh = &m->msgv[k].msg_hdr;

	/* one piece: copying is cheaper than a second vector */
	header_write(m->buf[k], p);
	memcpy(m->buf[k] + RTP_HDR, l->data + (size_t)f * FRAME_MAX,
	       l->lenv[f]);
	m->iov[k].iov_base = m->buf[k];
	m->iov[k].iov_len = RTP_HDR + (size_t)l->lenv[f];

	mh->msg_iov = &m->iov[k];
	mh->msg_iovlen = 1;
	mh->msg_name = &p->remote;
	mh->msg_namelen = sizeof(p->remote);
	source_set(mh, m->ctl[k], sizeof(m->ctl[k]), p->addr);

	if (p->frame < p->sentmax)
		p->sentv[p->frame] = at;
	++p->frame;
	++p->seq;
	p->ts += codec_rate(m->o->codec) / 1000 * m->o->ptime;
}


static void group_send(struct media *m, struct group *g, uint64_t round)
{
	const int64_t at = wall_ns();
	unsigned n = 0, i = 0;

	for (uint32_t k = 0; k < g->n; k++) {
		if (g->partv[k]->active)
			packet_make(m, n++, g->partv[k], at, round);
	}

	while (i < n) {
		const int r = sendmmsg(g->fd, m->msgv + i, n - i, 0);

		if (r > 0)
			i += (unsigned)r;
		else if (errno != EINTR)
			++i;    /* this one is lost, as on a network */
	}
}


static void tick_run(struct media *m, uint64_t tick)
{
	const uint32_t slot = (uint32_t)(tick % m->o->ptime);

	pthread_mutex_lock(&m->lock);
	for (uint32_t i = 0; i < m->groupc; i++) {
		if (m->groupv[i].slot == slot)
			group_send(m, &m->groupv[i], tick / m->o->ptime);
	}
	pthread_mutex_unlock(&m->lock);

	for (uint32_t i = tick % READ_PERIOD; i < m->groupc;
	     i += READ_PERIOD) {
		const struct group *g = &m->groupv[i];

		rxset_read(m->rx, g->fd, g->partv, g->base, g->n,
			   m->o->ptime);
	}
}


/* Catching up, a late thread is late for every tick: that is one stall. */
static void lateness_note(struct media *m, int64_t due)
{
	const int64_t late = now_ns() - due, now = wall_ns();
	struct stalls *st = &m->stalls;
	struct stall *last = st->n ? &st->v[st->n - 1] : NULL;

	if (!rxset_open(m->rx, now))
		return;

	hist_add(m->late, (uint64_t)late / 1000);
	if (late < STALL_MS * INT64_C(1000000))
		return;

	if (last && now - late <= last->to)
		last->to = now;
	else if (st->n < STALLS_MAX)
		st->v[st->n++] = (struct stall){now - late, now};
}


/* Where silences are measured, nobody else's work may delay what is said:
 * before all others, if the user may do so. It is little work. Where that
 * class is not to be had, the threads of a server go no further than this. */
static void priority_take(void)
{
	const struct sched_param sp = {.sched_priority = 1};

	if (pthread_setschedparam(pthread_self(), SCHED_RR, &sp))
		own_priority(NICE_MEDIA);
}


static void *media_thread(void *arg)
{
	struct media *m = arg;
	const int64_t t0 = now_ns();

	if (m->o->tones)
		priority_take();

	for (uint64_t tick = 0; __atomic_load_n(&m->run, __ATOMIC_ACQUIRE);
	     tick++) {
		const int64_t t = t0 + (int64_t)tick * 1000000;
		const struct timespec ts = {t / 1000000000, t % 1000000000};

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
		lateness_note(m, t);
		tick_run(m, tick);
	}

	for (uint32_t i = 0; i < m->groupc; i++) {
		const struct group *g = &m->groupv[i];

		rxset_read(m->rx, g->fd, g->partv, g->base, g->n,
			   m->o->ptime);
	}

	return NULL;
}


/**
 * Start the media thread
 *
 * @param m Media
 *
 * @return 0 if success, otherwise errorcode
 */
int media_start(struct media *m)
{
	int err;

	for (uint32_t i = 0; i < m->partc; i++) {
		if (!m->partv[i].loop)
			return EINVAL;
	}

	m->run = 1;
	err = pthread_create(&m->thread, NULL, media_thread, m);
	m->started = !err;

	return err;
}


/** Stop the media thread; then the parts belong to the caller */
void media_stop(struct media *m)
{
	if (!m->started)
		return;

	__atomic_store_n(&m->run, 0, __ATOMIC_RELEASE);
	pthread_join(m->thread, NULL);
	m->started = false;
}
