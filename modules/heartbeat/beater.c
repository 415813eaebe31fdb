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
#include <sys/resource.h>
#include <sys/socket.h>
#include <re.h>
#include "noc/hmac.h"
#include "noc/key.h"
#include "heartbeat/beater_int.h"


enum {
	BYES = 2,                  /* copies of a goodbye                   */
	NICE = -10,                /* priority of the thread                */
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
		for (i=0; i<b->peerc; i++) {
			if (b->peerv[i].used)
				peer_forgive(&b->peerv[i], now);
		}
	}

	b->woke = b->awake = now;
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

	for (i=0; i<b->peerc; i++) {
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
	beater_read(b, now);

	b->odd = !b->odd;
	if (!b->odd && !b->gone && main_runs(b, now))
		beater_send(b, BEAT_ALIVE);

	if (judge(b, now))
		(void)mqueue_push(b->mq, 0, NULL);
}


static void *thread_main(void *arg)
{
	struct beater *b = arg;
	const uint64_t step = (uint64_t)b->conf.interval * 500;
	uint64_t next = now_usec();

	(void)pthread_setname_np(pthread_self(), "heartbeat");

	/* if we may: a machine that is busy is not dead */
	(void)setpriority(PRIO_PROCESS, 0, NICE);

	pthread_mutex_lock(&b->lock);
	while (!b->quit) {
		struct timespec ts;

		look(b);

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
		err = beater_open(b);
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
		b->peerc = max(b->peerc, i + 1);
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
	while (b->peerc && !b->peerv[b->peerc - 1].used)
		--b->peerc;
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
 * The main thread runs. To be told several times within conf.stuck.
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
		beater_send(b, BEAT_BYE);
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
	struct timespec ts;
	clockid_t id;

	if (!b || !st)
		return;

	pthread_mutex_lock(&b->lock);
	*st = b->stats;
	pthread_mutex_unlock(&b->lock);

	if (!pthread_getcpuclockid(b->thread, &id) && !clock_gettime(id, &ts))
		st->cpu_usec = (uint64_t)ts.tv_sec * 1000000 +
			(uint64_t)ts.tv_nsec / 1000;
}
