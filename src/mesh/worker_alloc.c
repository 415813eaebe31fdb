/**
 * @file mesh/worker_alloc.c  What a worker is made of
 */
#include <re.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include "mesh/mesh.h"
#include "mesh/codec.h"
#include "mesh/scheduler.h"
#include "mesh/tone.h"
#include "mesh/rtp.h"
#include "mesh/rtcp.h"
#include "mesh/demux.h"
#include "mesh/queue.h"
#include "mesh/snap.h"
#include "mesh/channel.h"
#include "mesh/sorter.h"
#include "mesh/filter.h"
#include "mesh/sender.h"
#include "mesh/effort.h"
#include "mesh/meter.h"
#include "mesh/worker.h"


static void worker_destructor(void *arg)
{
	struct worker *w = arg;

	worker_stop(w);

	list_flush(&w->sparel);
	list_flush(&w->usedl);
	mem_deref(w->tx);
	mem_deref(w->tx_port);
	mem_deref(w->rx);
	mem_deref(w->rtp_from);
	mem_deref(w->rtcp_from);
	mem_deref(w->taken);
	mem_deref(w->ch);
	mem_deref(w->pool);

	if (w->timerfd >= 0)
		(void)close(w->timerfd);
	if (w->wakefd >= 0)
		(void)close(w->wakefd);
	if (w->portfd >= 0)
		(void)close(w->portfd);
	if (w->epfd >= 0)
		(void)close(w->epfd);
}


static int fds_open(struct worker *w)
{
	struct epoll_event ev = { .events = EPOLLIN };

	w->epfd = epoll_create1(EPOLL_CLOEXEC);
	w->portfd = epoll_create1(EPOLL_CLOEXEC);
	w->timerfd = timerfd_create(CLOCK_MONOTONIC,
				    TFD_NONBLOCK | TFD_CLOEXEC);
	w->wakefd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (w->epfd < 0 || w->portfd < 0 || w->timerfd < 0 || w->wakefd < 0)
		return errno;

	ev.data.fd = w->timerfd;
	if (epoll_ctl(w->epfd, EPOLL_CTL_ADD, w->timerfd, &ev))
		return errno;

	ev.data.fd = w->wakefd;
	if (epoll_ctl(w->epfd, EPOLL_CTL_ADD, w->wakefd, &ev))
		return errno;

	return 0;
}


/* What the first talkers of the first conferences need */
static int pool_fill(struct codec_pool *pool)
{
	static const struct {
		enum codec_obj obj;
		unsigned spare;
	} v[] = {
		{CODEC_OBJ_DEC,       8},
		{CODEC_OBJ_DEC_OPUS,  4},
		{CODEC_OBJ_ENC,       8},
		{CODEC_OBJ_ENC_OPUS,  4},
		{CODEC_OBJ_SLOT,    256},
		{CODEC_OBJ_TALK,      8},
	};
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		err |= codec_pool_fill(pool, v[i].obj, v[i].spare);

	return err;
}


static int port_open(struct worker *w)
{
	struct sa sa = w->cfg.laddr;

	if (sa_port(&sa))
		sa_set_port(&sa, (uint16_t)(sa_port(&sa) + 2 * w->ix));

	return channel_open(&w->ch, &sa, true);
}


/**
 * Allocate a worker; its ports are open, its thread does not run yet
 *
 * @param wp  Pointer to allocated worker
 * @param cfg Configuration
 * @param ix  Which one it is
 * @param mq  Pushed to when there is something for main; outlives it
 *
 * @return 0, otherwise errorcode
 */
int worker_alloc(struct worker **wp, const struct mesh_config *cfg,
		 unsigned ix, struct mqueue *mq)
{
	struct worker *w;
	int err;

	w = mem_zalloc(sizeof(*w), worker_destructor);
	if (!w)
		return ENOMEM;

	w->epfd = w->portfd = w->timerfd = w->wakefd = -1;
	w->cfg = *cfg;
	w->ix = ix;
	w->mq = mq;
	w->random = rand_u32() | 1;
	effort_init(&w->effort, cfg->opus_complexity);

	err = fds_open(w);
	if (err)
		goto out;

	err = port_open(w);
	if (err)
		goto out;

	err  = demux_alloc(&w->rtp_from, WORKER_ADDR_MAX);
	err |= demux_alloc(&w->rtcp_from, WORKER_ADDR_MAX);
	err |= demux_alloc(&w->taken, 2 * WORKER_ADDR_MAX);
	err |= rx_batch_alloc(&w->rx);
	err |= tx_batch_alloc(&w->tx);
	err |= tx_batch_alloc(&w->tx_port);
	if (err)
		goto out;

	err = codec_pool_alloc(&w->pool);
	if (err)
		goto out;

	err = pool_fill(w->pool);

 out:
	if (err)
		mem_deref(w);
	else
		*wp = w;

	return err;
}
