/**
 * @file natsconn.c  What the main thread, the helper and libnats share
 *
 * Two queues under one lock that is held for a few instructions. What is in
 * them is allocated in one thread and freed in another, hence by malloc.
 */
#include <string.h>
#include <stdlib.h>
#include <pthread.h>
#include <nats/nats.h>
#include <re.h>
#include "bus/bus.h"
#include "bus/natsconn.h"
#include "bus/natshelp.h"


enum {
	TX_MAX   = 65536,          /* commands                              */
	TX_BYTES = 32 << 20,
	RX_MAX   = 65536,          /* events                                */
	RX_BYTES = 32 << 20,
};


/**
 * Release an event and what it carries
 *
 * @param ev Event, or NULL
 */
void natsev_free(struct natsev *ev)
{
	if (ev)
		natsMsg_Destroy(ev->msg);
	free(ev);
}


/**
 * Release a command and what it carries
 *
 * @param cmd Command, or NULL
 */
void natscmd_free(struct natscmd *cmd)
{
	if (cmd)
		natsMsg_Destroy(cmd->msg);
	free(cmd);
}


/**
 * Release how to connect
 *
 * @param conf Empty afterwards
 */
void natsconn_conf_free(struct natsconn_conf *conf)
{
	size_t i;

	natsOptions_Destroy(conf->opts);
	for (i=0; i<conf->urlc; i++)
		mem_deref(conf->urlv[i]);
	mem_deref(conf->urlv);
	memset(conf, 0, sizeof(*conf));
}


static int locks_init(struct natsconn *nc)
{
	pthread_condattr_t attr;
	int err;

	err = pthread_mutex_init(&nc->lock, NULL);
	if (err)
		return err;

	err = pthread_condattr_init(&attr);
	if (err)
		return err;

	err  = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	err |= pthread_cond_init(&nc->work, &attr);
	err |= pthread_cond_init(&nc->room, &attr);
	(void)pthread_condattr_destroy(&attr);

	return err;
}


/**
 * Start the helper, which begins to connect
 *
 * @param ncp   Pointer to what is shared with it; natsconn_stop ends it
 * @param conf  How to connect; taken over if this succeeds
 * @param wakeh Called in the main thread when there are events to take
 * @param arg   Handler argument
 *
 * @return 0 if success
 */
int natsconn_start(struct natsconn **ncp, struct natsconn_conf *conf,
		   mqueue_h *wakeh, void *arg)
{
	struct natsconn *nc;
	int err;

	nc = mem_zalloc(sizeof(*nc), NULL);
	if (!nc)
		return ENOMEM;

	nc->conf   = *conf;
	nc->txtail = &nc->txhead;
	nc->rxtail = &nc->rxhead;
	nc->url    = rand_u32() % conf->urlc;

	err = locks_init(nc);
	if (!err)
		err = mqueue_alloc(&nc->mq, wakeh, arg);
	if (!err)
		err = pthread_create(&nc->helper, NULL, natshelp_run, nc);
	if (err) {
		mem_deref(nc->mq);
		mem_deref(nc);
		return err;
	}

	memset(conf, 0, sizeof(*conf));
	*ncp = nc;

	return 0;
}


/**
 * Send what waits and close, in a second or two at most
 *
 * @param nc Shared, or NULL; not to be used any more
 */
void natsconn_stop(struct natsconn *nc)
{
	struct natsev *ev;

	if (!nc)
		return;

	pthread_mutex_lock(&nc->lock);
	nc->stop = true;
	nc->mq = mem_deref(nc->mq);
	pthread_cond_broadcast(&nc->work);
	pthread_cond_broadcast(&nc->room);
	pthread_mutex_unlock(&nc->lock);

	(void)pthread_join(nc->helper, NULL);

	/* libnats has not let go in time: better lost than used freed */
	if (nc->subs || nc->open)
		return;

	while ((ev = nc->rxhead)) {
		nc->rxhead = ev->next;
		natsev_free(ev);
	}

	natsconn_conf_free(&nc->conf);
	(void)pthread_cond_destroy(&nc->work);
	(void)pthread_cond_destroy(&nc->room);
	(void)pthread_mutex_destroy(&nc->lock);
	mem_deref(nc);
}


/**
 * Tell if no more can be sent at the moment
 *
 * @param nc Shared
 *
 * @return True if the queue to the helper is full
 */
bool natsconn_full(struct natsconn *nc)
{
	bool full;

	pthread_mutex_lock(&nc->lock);
	full = nc->txc >= TX_MAX || nc->txbytes >= TX_BYTES;
	pthread_mutex_unlock(&nc->lock);

	return full;
}


/**
 * Give the helper something to do. What is not a publication is taken even if
 * the queue is full.
 *
 * @param nc      Shared
 * @param what    Command
 * @param gen     Connection that it is meant for
 * @param sid     Number of the subscription
 * @param pattern Its subject, NATSCMD_SUBSCRIBE only
 * @param msg     Message, taken over in any case, NATSCMD_PUBLISH only
 * @param len     Size of its payload [bytes]
 *
 * @return 0 if success; ENOMEM
 */
int natsconn_push(struct natsconn *nc, enum natscmd_what what, uint64_t gen,
		  uint64_t sid, const char *pattern, natsMsg *msg, size_t len)
{
	const size_t n = pattern ? strlen(pattern) + 1 : 0;
	struct natscmd *cmd;

	cmd = calloc(1, sizeof(*cmd) + n);
	if (!cmd) {
		natsMsg_Destroy(msg);
		return ENOMEM;
	}

	cmd->what = what;
	cmd->gen  = gen;
	cmd->sid  = sid;
	cmd->msg  = msg;
	cmd->size = sizeof(*cmd) + n + len;
	if (n)
		memcpy(cmd->pattern, pattern, n);

	pthread_mutex_lock(&nc->lock);
	*nc->txtail = cmd;
	nc->txtail = &cmd->next;
	nc->txbytes += cmd->size;
	if (!nc->txc++)
		pthread_cond_signal(&nc->work);
	pthread_mutex_unlock(&nc->lock);

	return 0;
}


/**
 * Take all events that there are
 *
 * @param nc Shared
 *
 * @return List, in order, each to be freed; or NULL
 */
struct natsev *natsconn_take(struct natsconn *nc)
{
	struct natsev *ev;

	pthread_mutex_lock(&nc->lock);
	ev = nc->rxhead;
	nc->rxhead = NULL;
	nc->rxtail = &nc->rxhead;
	nc->rxc = nc->rxbytes = 0;
	pthread_cond_broadcast(&nc->room);
	pthread_mutex_unlock(&nc->lock);

	return ev;
}


/**
 * Have the main thread woken once more
 *
 * @param nc Shared
 */
void natsconn_wake(struct natsconn *nc)
{
	(void)mqueue_push(nc->mq, 0, NULL);
}


/**
 * Tell the main thread something. A message waits for room, so that a main
 * thread which is slow does not drown; libnats and the server bound what waits
 * behind it.
 *
 * @param nc   Shared
 * @param what Event
 * @param gen  Connection
 * @param sid  Number of the subscription
 * @param msg  Message, taken over, or NULL
 */
void natsconn_event(struct natsconn *nc, enum natsev_what what, uint64_t gen,
		    uint64_t sid, natsMsg *msg)
{
	struct natsev *ev = calloc(1, sizeof(*ev));

	if (!ev) {
		natsMsg_Destroy(msg);
		return;
	}

	ev->what = what;
	ev->gen  = gen;
	ev->sid  = sid;
	ev->msg  = msg;

	pthread_mutex_lock(&nc->lock);

	while (msg && !nc->stop &&
	       (nc->rxc >= RX_MAX || nc->rxbytes >= RX_BYTES))
		pthread_cond_wait(&nc->room, &nc->lock);

	if (nc->mq) {
		*nc->rxtail = ev;
		nc->rxtail = &ev->next;
		if (msg)
			nc->rxbytes += (size_t)natsMsg_GetDataLength(msg);
		if (!nc->rxc++)
			(void)mqueue_push(nc->mq, 0, NULL);
		ev = NULL;
	}

	pthread_mutex_unlock(&nc->lock);

	natsev_free(ev);
}


/**
 * Count what was sent
 *
 * @param nc      Shared
 * @param sent    Messages sent
 * @param waiting Commands not carried out yet
 */
void natsconn_stats(struct natsconn *nc, uint64_t *sent, uint32_t *waiting)
{
	pthread_mutex_lock(&nc->lock);
	*sent = nc->sent;
	*waiting = (uint32_t)nc->txc;
	pthread_mutex_unlock(&nc->lock);
}
