/**
 * @file beater.c  Sends and hears heartbeats, in a thread of its own
 *
 *   every interval / 2:  slept too long? -> everybody gets a new chance
 *                        read what has come
 *                        every other time: one beat to every peer
 *                        judge how long each peer is silent; tell main
 *
 * A thread, because main may be busy for longer than a peer waits; if main
 * does not run at all any more, beats cease. Nothing wakes the thread but its
 * clock (monotonic), so that fifty peers cost as many wake-ups as one. A beat
 * counts only if it shows that its sender has heard us lately (noc/beat.h):
 * what is counted is a way that works in both directions.
 */
#define _GNU_SOURCE 1
#include <string.h>
#include <errno.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>
#include <sys/socket.h>
#include <linux/errqueue.h>
#include <re.h>
#include "noc/beat.h"
#include "noc/hmac.h"
#include "noc/key.h"
#include "heartbeat/beater.h"


enum {
	BATCH     = 64,            /* datagrams in one system call          */
	READ_MAX  = 16,            /* batches read at a time                */
	BYES      = 2,             /* copies of a goodbye                   */
};

/* Guarded by the lock */
struct peer {
	bool used;
	uint64_t instance;
	struct sa addr;
	uint64_t seq;              /* last heard of it, 0: none             */
	uint64_t heard;            /* [us]                                  */
	enum beater_state state, told;
	bool bye, bye_told;
	bool refused;              /* since the last beat                   */
};

struct beater {
	/* main */
	struct mqueue *mq;
	beater_h *h;
	void *arg;
	pthread_t thread;
	bool running;

	/* set once */
	struct beater_conf conf;
	struct hmac_key *key;
	int fd;

	/* the thread's */
	uint64_t seq;              /* of our last beats                     */
	uint64_t woke;             /* [us]                                  */
	bool odd;                  /* no beats this time                    */

	/* both */
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool lock_ok, cond_ok;
	bool quit;
	bool gone;                 /* goodbye was said                      */
	uint64_t main_usec;        /* main was seen to run                  */
	uint64_t awake;            /* last time the thread looked           */
	struct beater_stats stats;
	struct peer peerv[BEATER_PEERS];
};


static uint64_t now_usec(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);

	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}


/* Longer between two looks, and this process did not run in between */
static uint64_t pause_usec(const struct beater *b)
{
	return (uint64_t)b->conf.interval * 2500;
}


/* When beats are missing, to ask early leaves time for the answer */
static uint64_t quiet_usec(const struct beater *b)
{
	return (uint64_t)b->conf.timeout * 1000 * 4 / 7;
}


static void peer_forgive(struct peer *p, uint64_t now)
{
	p->heard = now;
	if (p->state == BEATER_QUIET)
		p->state = BEATER_HEARD;
}


static void pause_check(struct beater *b, uint64_t now)
{
	unsigned i;

	if (b->woke && now - b->woke > pause_usec(b)) {
		++b->stats.pauses;
		for (i=0; i<BEATER_PEERS; i++) {
			if (b->peerv[i].used)
				peer_forgive(&b->peerv[i], now);
		}
	}

	b->woke = b->awake = now;
}


static struct peer *peer_find(struct beater *b, uint64_t instance)
{
	unsigned i;

	for (i=0; i<BEATER_PEERS; i++) {
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


static void receive(struct beater *b, uint64_t now)
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
		for (i=0; i<BEATER_PEERS; i++) {
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


static void beats_send(struct beater *b, enum beat_type type)
{
	uint8_t bufv[BATCH][BEAT_LEN];
	struct mmsghdr msgv[BATCH];
	struct iovec iov[BATCH];
	unsigned i, n = 0;

	++b->seq;
	for (i=0; i<BEATER_PEERS; i++) {
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


static enum beater_state peer_judge(const struct beater *b,
				    const struct peer *p, uint64_t now)
{
	const uint64_t silence = now > p->heard ? now - p->heard : 0;

	if (silence >= (uint64_t)b->conf.timeout * 1000)
		return BEATER_SILENT;

	if (p->state == BEATER_HEARD &&
	    (p->refused || silence >= quiet_usec(b)))
		return BEATER_QUIET;

	if (p->state == BEATER_QUIET && !p->refused &&
	    silence < quiet_usec(b))
		return BEATER_HEARD;

	return p->state;
}


static bool judge(struct beater *b, uint64_t now)
{
	bool news = false;
	unsigned i;

	for (i=0; i<BEATER_PEERS; i++) {
		struct peer *p = &b->peerv[i];

		if (!p->used)
			continue;

		p->state = peer_judge(b, p, now);
		news |= p->state != p->told || p->bye != p->bye_told;
	}

	return news;
}


static bool main_runs(const struct beater *b, uint64_t now)
{
	return now < b->main_usec + (uint64_t)b->conf.stuck * 1000;
}


static void look(struct beater *b)
{
	uint64_t now = now_usec();

	pause_check(b, now);
	errors_read(b);
	receive(b, now);

	b->odd = !b->odd;
	if (!b->odd && !b->gone && main_runs(b, now))
		beats_send(b, BEAT_ALIVE);

	if (judge(b, now))
		(void)mqueue_push(b->mq, 0, NULL);
}


static void cpu_look(struct beater *b)
{
	struct timespec ts;

	if (!clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts))
		b->stats.cpu_usec = (uint64_t)ts.tv_sec * 1000000 +
			(uint64_t)ts.tv_nsec / 1000;
}


static void *thread_main(void *arg)
{
	struct beater *b = arg;
	const uint64_t step = (uint64_t)b->conf.interval * 500;
	uint64_t next = now_usec();

	(void)pthread_setname_np(pthread_self(), "heartbeat");
	pthread_mutex_lock(&b->lock);
	while (!b->quit) {
		struct timespec ts;

		look(b);
		cpu_look(b);

		/* no hurry after a pause: what was missed is missed */
		next += step;
		if (next < now_usec())
			next = now_usec() + step;
		ts.tv_sec  = (time_t)(next / 1000000);
		ts.tv_nsec = (long)(next % 1000000) * 1000;
		while (!b->quit && pthread_cond_timedwait(&b->cond, &b->lock,
							  &ts) != ETIMEDOUT)
			;
	}
	pthread_mutex_unlock(&b->lock);

	return NULL;
}


static void news_handler(int id, void *data, void *arg)
{
	struct beater *b = arg;
	unsigned i;
	(void)id;
	(void)data;

	mem_ref(b);
	for (i=0; i<BEATER_PEERS; i++) {
		struct peer *p = &b->peerv[i], copy;
		bool news;

		pthread_mutex_lock(&b->lock);
		news = p->used && (p->state != p->told ||
				   p->bye != p->bye_told);
		p->told = p->state;
		p->bye_told = p->bye;
		copy = *p;
		pthread_mutex_unlock(&b->lock);

		if (news && b->h)
			b->h(i, copy.instance, copy.state, copy.bye, b->arg);
	}
	mem_deref(b);
}


static void beater_destructor(void *arg)
{
	struct beater *b = arg;

	b->h = NULL;
	if (b->running) {
		pthread_mutex_lock(&b->lock);
		b->quit = true;
		pthread_cond_signal(&b->cond);
		pthread_mutex_unlock(&b->lock);
		(void)pthread_join(b->thread, NULL);
	}

	mem_deref(b->mq);
	mem_deref(b->key);
	if (b->fd >= 0)
		(void)close(b->fd);
	if (b->cond_ok)
		pthread_cond_destroy(&b->cond);
	if (b->lock_ok)
		pthread_mutex_destroy(&b->lock);
}


static int socket_open(struct beater *b)
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


static int sync_init(struct beater *b)
{
	pthread_condattr_t attr;
	int err;

	err = pthread_mutex_init(&b->lock, NULL);
	if (err)
		return err;

	b->lock_ok = true;
	err = pthread_condattr_init(&attr);
	if (err)
		return err;

	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	err = pthread_cond_init(&b->cond, &attr);
	pthread_condattr_destroy(&attr);
	if (!err)
		b->cond_ok = true;

	return err;
}


/**
 * Begin to send and hear heartbeats
 *
 * @param bp   Pointer to the beater, owned by the caller; mem_deref ends its
 *             thread
 * @param conf What to do; the secret is not kept
 * @param h    Told in the main thread how peers do
 * @param arg  Handler argument
 *
 * @return 0 if success; EINVAL; ENOMEM; what the system says of the address
 */
int beater_alloc(struct beater **bp, const struct beater_conf *conf,
		 beater_h *h, void *arg)
{
	struct beater *b;
	int err;

	if (!bp || !conf || !conf->secret || !conf->instance || !h ||
	    conf->interval < 10 || conf->timeout < 2 * conf->interval)
		return EINVAL;

	b = mem_zalloc(sizeof(*b), beater_destructor);
	if (!b)
		return ENOMEM;

	b->fd   = -1;
	b->conf = *conf;
	b->conf.secret = NULL;
	b->h    = h;
	b->arg  = arg;
	b->main_usec = b->awake = now_usec();

	err = sync_init(b);
	if (!err)
		err = hmac_key_alloc(&b->key, conf->secret, NOC_KEY_LEN,
				     BEAT_LABEL);
	if (!err)
		err = mqueue_alloc(&b->mq, news_handler, b);
	if (!err)
		err = socket_open(b);
	if (!err)
		err = pthread_create(&b->thread, NULL, thread_main, b);
	if (err) {
		mem_deref(b);
		return err;
	}

	b->running = true;
	*bp = b;

	return 0;
}


/**
 * Where beats are heard
 *
 * @param b     Beater
 * @param laddr Set to the address
 *
 * @return 0 if success
 */
int beater_laddr(const struct beater *b, struct sa *laddr)
{
	if (!b || !laddr)
		return EINVAL;

	sa_init(laddr, AF_UNSPEC);
	laddr->len = sizeof(laddr->u);

	return getsockname(b->fd, &laddr->u.sa, &laddr->len) ? errno : 0;
}


/**
 * Exchange beats with another server
 *
 * @param b        Beater
 * @param ix       Set to the number that the handler tells
 * @param instance Instance of the server
 * @param addr     Where it hears beats
 *
 * @return 0 if success; ENOSPC if there are BEATER_PEERS of them; EINVAL
 */
int beater_peer_add(struct beater *b, unsigned *ix, uint64_t instance,
		    const struct sa *addr)
{
	unsigned i;
	int err = ENOSPC;

	if (!b || !ix || !instance || !sa_isset(addr, SA_ALL))
		return EINVAL;

	pthread_mutex_lock(&b->lock);
	for (i=0; i<BEATER_PEERS; i++) {
		struct peer *p = &b->peerv[i];

		if (p->used)
			continue;

		memset(p, 0, sizeof(*p));
		p->used = true;
		p->instance = instance;
		p->addr = *addr;
		p->heard = now_usec();
		*ix = i;
		err = 0;
		break;
	}
	pthread_mutex_unlock(&b->lock);

	return err;
}


/**
 * Forget a server
 *
 * @param b  Beater
 * @param ix Its number
 */
void beater_peer_del(struct beater *b, unsigned ix)
{
	if (!b || ix >= BEATER_PEERS)
		return;

	pthread_mutex_lock(&b->lock);
	memset(&b->peerv[ix], 0, sizeof(b->peerv[ix]));
	pthread_mutex_unlock(&b->lock);
}


/**
 * How a server does at this moment
 *
 * @param b  Beater
 * @param ix Its number
 *
 * @return State
 */
enum beater_state beater_peer_state(struct beater *b, unsigned ix)
{
	enum beater_state state = BEATER_NEW;

	if (!b || ix >= BEATER_PEERS)
		return state;

	pthread_mutex_lock(&b->lock);
	if (b->peerv[ix].used)
		state = peer_judge(b, &b->peerv[ix], now_usec());
	pthread_mutex_unlock(&b->lock);

	return state;
}


/**
 * May its judgement be trusted? Not right after the process did not run.
 *
 * @param b Beater
 *
 * @return True if the thread has looked lately
 */
bool beater_awake(struct beater *b)
{
	bool awake;

	if (!b)
		return false;

	pthread_mutex_lock(&b->lock);
	awake = now_usec() <= b->awake + pause_usec(b);
	pthread_mutex_unlock(&b->lock);

	return awake;
}


/**
 * The main thread runs. To be told every interval.
 *
 * @param b Beater
 */
void beater_main(struct beater *b)
{
	if (!b)
		return;

	pthread_mutex_lock(&b->lock);
	b->main_usec = now_usec();
	pthread_mutex_unlock(&b->lock);
}


/**
 * Say goodbye to everybody
 *
 * @param b Beater
 */
void beater_bye(struct beater *b)
{
	unsigned i;

	if (!b)
		return;

	pthread_mutex_lock(&b->lock);
	b->gone = true;
	for (i=0; i<BYES; i++)
		beats_send(b, BEAT_BYE);
	pthread_mutex_unlock(&b->lock);
}


/**
 * What was sent and heard so far
 *
 * @param b  Beater
 * @param st Numbers
 */
void beater_stats(struct beater *b, struct beater_stats *st)
{
	if (!b || !st)
		return;

	pthread_mutex_lock(&b->lock);
	*st = b->stats;
	pthread_mutex_unlock(&b->lock);
}
