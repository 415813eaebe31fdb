/**
 * @file mesh/worker_tick.c  What is done when it is time
 *
 *   slot          0      1      2      3      0      1 ...
 *   every 5 ms    |a b   |      |c     |      |a b   |
 *
 * A conference ticks every 20 ms, in its slot; which one that is depends on
 * its talkers (wconf_phase.c). All of a slot is sent at once.
 */
#include <re.h>
#include <pthread.h>
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

enum {
	LATE   = 10000,          /* a tick this late is an overrun [us]   */
	SECOND = 50,             /* [ticks]                               */
};


/**
 * Add a conference; it ticks in slot 0 until it is known who talks
 *
 * @param w    Worker
 * @param conf Conference
 */
void worker_conf_add(struct worker *w, struct wconf *conf)
{
	list_append(&w->confl, &conf->le, conf);
	list_append(&w->slotv[0], &conf->phase.le, conf);
}


/**
 * Remove a conference
 *
 * @param conf Conference
 */
void worker_conf_remove(struct wconf *conf)
{
	list_unlink(&conf->phase.le);
	list_unlink(&conf->le);
}


/**
 * Let main see the numbers of a worker
 *
 * @param w Worker
 */
void worker_show(struct worker *w)
{
	struct codec_pool_stats pst;
	struct tx_stats a, b;

	codec_pool_stats(w->pool, &pst);
	tx_batch_stats(w->tx, &a);
	tx_batch_stats(w->tx_port, &b);
	w->stats.decodes = pst.decodes;
	w->stats.tx_packets = a.packets + b.packets;
	w->stats.tx_errors = a.errors + b.errors;

	snap_write(&w->snap, &w->stats, sizeof(w->stats));
}


static void tick(struct worker *w, unsigned slot, uint64_t due)
{
	struct le *le = w->slotv[slot].head;

	while (le) {
		struct wconf *conf = le->data;

		/* it may change its slot */
		le = le->next;

		if (conf->phase.due > due)
			continue;
		conf->phase.due = due + WORKER_TICK_US;
		wconf_tick(conf);
	}

	tx_batch_flush(w->tx);
	tx_batch_flush(w->tx_port);

	/* what was to be sent lies in senders until now */
	while (w->usedl.head) {
		struct sender *s = list_ledata(w->usedl.head);

		sender_clear(s);
		list_unlink(&s->le);
		list_append(&w->sparel, &s->le, s);
	}

	(void)codec_pool_refill(w->pool);
}


/* All slots are over. Figures are of them together: a moment in which the
   worker stood still counts once, however many conferences it met. */
static void round_end(struct worker *w, uint64_t due)
{
	++w->tick;
	++w->stats.ticks;
	meter_tick(&w->meter, due, due + w->late);
	if (w->late > LATE)
		++w->stats.overruns;
	w->late = 0;

	w->stats.tick_usec += w->round_usec;
	w->tick_max = max(w->tick_max, w->round_usec);
	w->round_usec = 0;
	if (!(w->tick % SECOND)) {
		w->stats.tick_usec_max = w->tick_max;
		w->tick_max = 0;
	}
	if (!(w->tick % WORKER_SLOW))
		worker_show(w);
}


/**
 * A slot has come: those conferences tick that have it
 *
 * @param w    Worker
 * @param slot Which one, 0..WORKER_SLOTS - 1; all of them in turn
 * @param due  When it should come [us]
 */
void worker_slot(struct worker *w, unsigned slot, uint64_t due)
{
	uint64_t start;

	if (!slot)
		round_end(w, due);
	if (!w->slotv[slot].head)
		return;

	start = worker_clock();
	if (start > due)
		w->late = max(w->late, start - due);

	w->now = w->ticked = due;
	tick(w, slot, due);

	w->round_usec += worker_clock() - start;
}


/**
 * Let ticks pass in which nothing is mixed or sent
 *
 * @param w Worker
 * @param n How many [ticks]
 */
void worker_skip(struct worker *w, uint64_t n)
{
	struct le *le;

	w->stats.overruns += n;

	LIST_FOREACH(&w->confl, le) {
		struct wconf *conf = le->data;

		if (conf->phase.due)
			conf->phase.due += n * WORKER_TICK_US;
		wconf_skip(conf, (unsigned)min(n, (uint64_t)SECOND));
	}
}
