/**
 * @file mesh/mesh.c  The media engine: workers, and what comes back of them
 */
#include <re.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
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
#include "mesh/mesh_priv.h"


static void group_free(struct sender_group *group)
{
	if (!group)
		return;

	mem_deref(group->sender);
	mem_deref(group);
}


static void order_destructor(void *arg)
{
	struct order *ord = arg;

	group_free(ord->group);
	group_free(ord->group_old);
	mem_deref(ord->sender);
	mem_deref(ord->rules);
	mem_deref(ord->media);
}


static void order_done(struct msg *msg, void *arg)
{
	struct order *ord = (struct order *)msg;
	(void)arg;

	mem_deref(ord);
}


/**
 * Allocate a message to a worker
 *
 * @param op      Pointer to allocated message; owns what is put into it
 * @param conf    Conference it is about
 * @param part    Participant it is about, or NULL
 * @param apply_h What the worker does; its argument is the worker
 *
 * @return 0, or ENOMEM
 */
int order_alloc(struct order **op, struct wconf *conf, struct wpart *part,
		void (*apply_h)(struct msg *msg, void *arg))
{
	struct order *ord = mem_zalloc(sizeof(*ord), order_destructor);

	if (!ord)
		return ENOMEM;

	ord->conf = conf;
	ord->part = part;
	ord->msg.apply_h = apply_h;
	ord->msg.done_h = order_done;
	*op = ord;

	return 0;
}


/* Messages first, events second, but handled the other way round: events
   of a participant that is gone come before the message that says so. */
static void worker_drain(struct worker *w)
{
	struct ring_event ev;
	struct msg *msg;

	atomic_store(&w->notified, false);
	msg = msg_take(&w->outbox);

	while (event_ring_get(&w->ring, &ev)) {
		const struct wpart *wp = ev.part;
		struct mesh_part *part = wp->handle;

		if (part && part->h)
			part->h(part, (enum mesh_event)ev.event, ev.value,
				part->arg);
	}

	while (msg) {
		struct msg *next = msg->next;

		msg->done_h(msg, w);
		msg = next;
	}
}


static void mqueue_handler(int id, void *data, void *arg)
{
	struct mesh *mesh = mem_ref(arg);
	(void)data;

	if (id >= 0 && (unsigned)id < mesh->workerc)
		worker_drain(mesh->workerv[id]);

	mem_deref(mesh);
}


static void mesh_destructor(void *arg)
{
	struct mesh *mesh = arg;

	for (unsigned i = 0; i < mesh->workerc; i++) {
		struct worker *w = mesh->workerv[i];

		if (!w)
			continue;
		worker_stop(w);
		worker_drain(w);
		mem_deref(w);
	}

	mem_deref(mesh->workerv);
	mem_deref(mesh->mq);
	mem_deref(mesh->portv);
}


static bool config_valid(const struct mesh_config *cfg)
{
	return cfg->workers <= MESH_WORKERS_MAX &&
		sa_isset(&cfg->laddr, SA_ADDR) &&
		!(sa_port(&cfg->laddr) & 1) &&
		cfg->private_max <= 32767 &&
		cfg->talkers_max >= 1 &&
		cfg->talkers_max <= MESH_TALKERS_MAX &&
		cfg->opus_complexity <= 10;
}


static unsigned cores(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : (unsigned)min(n, (long)MESH_WORKERS_MAX);
}


/**
 * Allocate a media engine and open its ports
 *
 * @param mp  Pointer to allocated media engine. Conferences and participants
 *            hold references: it ends with the last of them.
 * @param cfg Configuration
 *
 * @return 0, EINVAL for values out of range, ENOMEM, or what the system says
 *         of the ports, e.g. EADDRINUSE
 */
int mesh_alloc(struct mesh **mp, const struct mesh_config *cfg)
{
	struct mesh *mesh;
	int err;

	if (!mp || !cfg || !config_valid(cfg))
		return EINVAL;

	mesh = mem_zalloc(sizeof(*mesh), mesh_destructor);
	if (!mesh)
		return ENOMEM;

	mesh->cfg = *cfg;
	if (!mesh->cfg.workers)
		mesh->cfg.workers = cores();

	mesh->workerv = mem_zalloc(mesh->cfg.workers *
				   sizeof(*mesh->workerv), NULL);
	mesh->portv = mem_zalloc(mesh->cfg.private_max + 1, NULL);
	if (!mesh->workerv || !mesh->portv) {
		err = ENOMEM;
		goto out;
	}

	err = mqueue_alloc(&mesh->mq, mqueue_handler, mesh);
	if (err)
		goto out;

	for (unsigned i = 0; i < mesh->cfg.workers; i++) {
		err = worker_alloc(&mesh->workerv[i], &mesh->cfg, i,
				   mesh->mq);
		if (err)
			goto out;
		++mesh->workerc;
	}

 out:
	if (err)
		mem_deref(mesh);
	else
		*mp = mesh;

	return err;
}


/**
 * Start the workers; what was asked for before is done now
 *
 * @param mesh Media engine
 *
 * @return 0, EALREADY, or what the system says of the threads
 */
int mesh_start(struct mesh *mesh)
{
	int err = 0;

	if (!mesh)
		return EINVAL;

	if (mesh->started)
		return EALREADY;

	for (unsigned i = 0; i < mesh->workerc && !err; i++)
		err = worker_start(mesh->workerv[i]);

	mesh->started = !err;

	return err;
}


/**
 * How many workers there are
 *
 * @param mesh Media engine
 *
 * @return Their number
 */
unsigned mesh_workers(const struct mesh *mesh)
{
	return mesh ? mesh->workerc : 0;
}


/**
 * What a worker has done; at most a third of a second old
 *
 * @param mesh Media engine
 * @param ix   Which worker, 0 or more
 * @param st   Filled in
 *
 * @return 0, EINVAL, or ENOENT if there is no such worker
 */
int mesh_worker_stats(const struct mesh *mesh, unsigned ix,
		      struct mesh_worker_stats *st)
{
	struct worker *w;

	if (!mesh || !st)
		return EINVAL;

	if (ix >= mesh->workerc)
		return ENOENT;

	w = mesh->workerv[ix];
	snap_read(&w->snap, st, sizeof(*st));
	snap_read(&w->load, &st->load, sizeof(st->load));
	st->confs = w->confs;
	st->parts = w->parts;

	return 0;
}


/**
 * Where a worker receives RTP
 *
 * @param mesh   Media engine
 * @param worker Which one, 0 or more
 * @param sa     Set
 *
 * @return 0, EINVAL, or ENOENT if there is no such worker
 */
int mesh_laddr(const struct mesh *mesh, unsigned worker, struct sa *sa)
{
	if (!mesh || !sa)
		return EINVAL;

	if (worker >= mesh->workerc)
		return ENOENT;

	*sa = mesh->workerv[worker]->ch->rtp_laddr;

	return 0;
}
