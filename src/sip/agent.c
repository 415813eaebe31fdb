/**
 * @file agent.c  A signalling thread: its sofia-sip root, agent, transports
 *
 * The thread makes everything it uses itself and frees it itself. The
 * creator waits until the transports are bound, so that an address in use
 * is an error of agent_alloc and not of somebody later.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <sofia-sip/su_log.h>
#include <sofia-sip/tport_tag.h>
#include "sip/leg.h"
#include "sip/redirect.h"
#include "sip/sendlibc.h"

enum {
	TICK_MS     = 1000,
	TCP_IDLE_MS = 30 * 60 * 1000,  /* silent connections are closed     */
	TCP_QUEUE   = 16384,           /* messages for one connection, that
					  is slow; memory is taken then     */
	UDP_RMEM    = 4 * 1024 * 1024, /* holds a burst, if the kernel lets
					  us have it [bytes]                */
	TCP_HALF_MS = 60 * 1000,       /* half messages are given up        */
};

/* sofia's own logs, which would go to stderr */
extern su_log_t nta_log[];
extern su_log_t tport_log[];


/**
 * The clock of the dialogs
 *
 * @return Time that never jumps [s], never 0
 */
unsigned agent_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);

	return (unsigned)ts.tv_sec + 1;
}


static void wake_h(void *arg)
{
	const struct agent *ag = arg;
	uint64_t one = 1;

	/* cannot fill up: the reader takes all of it at once */
	if (write(ag->fd, &one, sizeof(one)) < 0)
		return;
}


static int woken(struct agent *ag, su_wait_t *wait, su_wakeup_arg_t *arg)
{
	uint64_t n;

	(void)wait;
	(void)arg;

	if (read(ag->fd, &n, sizeof(n)) < 0)
		return 0;

	command_drain(ag);

	return 0;
}


static void tick(struct agent *ag, su_timer_t *t, su_timer_arg_t *arg)
{
	usize_t bad = 0;

	(void)t;
	(void)arg;

	nta_agent_get_stats(ag->nta, NTATAG_S_BAD_MESSAGE_REF(bad),
			    TAG_END());

	if (bad > ag->bad) {
		atomic_fetch_add(&ag->sh->malformed, bad - ag->bad);
		ag->bad = bad;
	}

	leg_tick(ag, agent_now());
}


static int transports_add(struct agent *ag)
{
	for (unsigned i = 0; i < ag->urlc; i++) {

		errno = 0;

		if (nta_agent_add_tport(ag->nta, URL_STRING_MAKE(ag->urlv[i]),
					TPTAG_IDLE(TCP_IDLE_MS),
					TPTAG_TIMEOUT(TCP_HALF_MS),
					TPTAG_SERVER(1),
					TPTAG_QUEUESIZE(TCP_QUEUE),
					TPTAG_STUN_SERVER(0),
					TPTAG_UDP_RMEM(UDP_RMEM),
					TAG_END()) < 0)
			return errno ? errno : EADDRNOTAVAIL;
	}

	return 0;
}


static void addrs_get(struct agent *ag)
{
	tport_t *tp = tport_primaries(nta_agent_tports(ag->nta));

	for (; tp; tp = tport_next(tp)) {

		const su_addrinfo_t *ai = tport_get_address(tp);
		union wire_addr *av = &ag->addrv[ag->addrc];

		if (!ai || !ai->ai_addr ||
		    ag->addrc >= sizeof(ag->addrv) / sizeof(ag->addrv[0]))
			continue;

		if (ai->ai_addrlen > sizeof(*av))
			continue;

		memcpy(av, ai->ai_addr, ai->ai_addrlen);
		++ag->addrc;
	}
}


static nta_agent_t *nta_create(struct agent *ag)
{
	const struct agent_shared *sh = ag->sh;

	/* -1: no transports yet */
	return nta_agent_create(ag->root, (url_string_t *)-1, NULL, ag,
				NTATAG_UA(1),
				NTATAG_MERGE_482(1),
				NTATAG_CANCEL_487(1),
				NTATAG_EXTRA_100(1),
				NTATAG_MAXSIZE(sh->max_msg),
				/* ours strikes first, with Retry-After */
				NTATAG_MAX_PROCEEDING(4 * sh->max_pending),
				NTATAG_SIP_T1(sh->t1),
				NTATAG_SIP_T1X64(64 * sh->t1),
				NTATAG_SIP_T2(8 * sh->t1),
				NTATAG_SIP_T4(10 * sh->t1),
				NTATAG_UDP_MTU(1300),
				NTATAG_USE_NAPTR(0),
				NTATAG_USE_SRV(0),
				TAG_END());
}


static int setup(struct agent *ag)
{
	int err;

	/* UDP sockets bound from here on belong to the fast path */
	if (ag->sh->redirect) {
		err = redirect_thread_enter(ag->sh->redirect, ag->index);
		if (err)
			return err;
		ag->entered = true;
	}

	ag->root = su_root_create(ag);
	if (!ag->root)
		return ENOMEM;

	/* else every agent gets one more thread, just to free memory in */
	su_root_threading(ag->root, 0);

	ag->nta = nta_create(ag);
	if (!ag->nta)
		return ENOMEM;

	err = transports_add(ag);
	if (err)
		return err;

	addrs_get(ag);

	ag->none->ag = ag;
	ag->deflt = nta_leg_tcreate(ag->nta, receive_request, ag->none,
				    NTATAG_NO_DIALOG(1), TAG_END());
	ag->tick = su_timer_create(su_root_task(ag->root), TICK_MS);
	if (!ag->deflt || !ag->tick)
		return ENOMEM;

	if (su_timer_set_for_ever(ag->tick, tick, NULL) < 0)
		return ENOMEM;

	if (su_wait_create(&ag->wait, ag->fd, SU_WAIT_IN) < 0)
		return errno;

	ag->waiti = su_root_register(ag->root, &ag->wait, woken, NULL, 0);

	return ag->waiti < 0 ? ENOMEM : 0;
}


static void teardown(struct agent *ag)
{
	for (uint32_t i = 0; i < ag->legc; i++)
		leg_free(ag->legv[i]);

	if (ag->waiti > 0)
		su_root_deregister(ag->root, ag->waiti);

	su_timer_destroy(ag->tick);
	nta_leg_destroy(ag->deflt);
	nta_agent_destroy(ag->nta);
	su_root_destroy(ag->root);

	if (ag->entered)
		redirect_thread_leave(ag->sh->redirect);

	free(ag->legv);
	free(ag->genv);
	free(ag->freev);
	trace_match_set(ag, NULL, false);
}


static void *thread_run(void *arg)
{
	struct agent *ag = arg;
	char name[16];
	bool ok;

	(void)snprintf(name, sizeof(name), "junctor/sip%u", ag->index);
	(void)pthread_setname_np(pthread_self(), name);

	ag->err = setup(ag);
	ok = ag->err == 0;
	sendlibc_set(ok);

	/* after this the creator may read err and addrv */
	sem_post(&ag->ready);

	if (ok)
		su_root_run(ag->root);

	teardown(ag);
	sendlibc_set(false);

	return NULL;
}


static void logs_quiet(void)
{
	if (nta_log->log_level != 0)
		su_log_set_level(nta_log, 0);
	if (tport_log->log_level != 0)
		su_log_set_level(tport_log, 0);
}


/**
 * Start a signalling thread and wait until it listens
 *
 * @param agp  Set to the agent
 * @param conf What it shall do; strings need to live during the call only
 *
 * @return 0 or errno, as of bind(2) if an address cannot be had
 */
int agent_alloc(struct agent **agp, const struct agent_conf *conf)
{
	struct agent *ag;
	int err;

	if (!agp || !conf || !conf->shared || !conf->out || !conf->urlc)
		return EINVAL;

	ag = calloc(1, sizeof(*ag));
	if (!ag)
		return ENOMEM;

	ag->index   = conf->index;
	ag->threads = conf->threads;
	ag->sh      = conf->shared;
	ag->out     = conf->out;
	ag->urlv    = conf->urlv;
	ag->urlc    = conf->urlc;
	ag->none    = calloc(1, sizeof(*ag->none));
	ag->recent  = recent_alloc();
	ag->released = recent_alloc();
	ag->fd      = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (su_init() < 0 || !ag->none || !ag->recent || !ag->released ||
	    ag->fd < 0) {
		err = ENOMEM;
		goto out;
	}

	logs_quiet();

	err = wireq_alloc(&ag->in, wake_h, ag);
	if (err)
		goto out;

	if (sem_init(&ag->ready, 0, 0)) {
		err = errno;
		goto out;
	}

	err = pthread_create(&ag->tid, NULL, thread_run, ag);
	if (err)
		goto out;

	ag->joinable = true;

	while (sem_wait(&ag->ready) && errno == EINTR)
		;

	err = ag->err;
	ag->urlv = NULL;

 out:
	if (err)
		agent_free(ag);
	else
		*agp = ag;

	return err;
}


/**
 * End a signalling thread; dialogs that are left are forgotten
 *
 * @param ag Agent or NULL
 *
 * @return NULL
 */
struct agent *agent_free(struct agent *ag)
{
	if (!ag)
		return NULL;

	if (ag->joinable) {
		if (!ag->err)
			agent_push(ag, wire_alloc(WIRE_QUIT, 0, NULL, NULL));

		pthread_join(ag->tid, NULL);
		sem_destroy(&ag->ready);
	}

	wireq_free(ag->in);

	if (ag->fd >= 0)
		close(ag->fd);

	free(ag->recent);
	free(ag->released);
	free(ag->none);
	free(ag);

	return NULL;
}


/**
 * Tell a signalling thread something, from any thread
 *
 * @param ag Agent
 * @param w  Message, which belongs to the agent from now on
 */
void agent_push(struct agent *ag, struct wire *w)
{
	if (ag)
		wireq_push(ag->in, w);
	else
		wire_free(w);
}


/**
 * Where an agent listens
 *
 * @param ag Agent
 * @param av Set to the addresses, in the order of the URLs, per URL as many
 *           as it has transports
 * @param ac Room there
 *
 * @return Number of addresses set
 */
unsigned agent_addrs(const struct agent *ag, union wire_addr *av,
		     unsigned ac)
{
	unsigned n;

	if (!ag || !av)
		return 0;

	n = ag->addrc < ac ? ag->addrc : ac;
	memcpy(av, ag->addrv, n * sizeof(*av));

	return n;
}
