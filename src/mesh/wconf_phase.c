/**
 * @file mesh/wconf_phase.c  A conference moves to where its talkers wait least
 *
 *   talk begins, or a second is over:   look (phase.c)
 *   the next tick comes earlier         by 5, 10 or 15 ms
 *
 * Everybody's packets go on by one per tick, so streams lose and gain
 * nothing: the next packet comes early once, and from then on each is as
 * early. Whoever is not talking is not asked.
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
#include "mesh/phase.h"
#include "mesh/worker.h"

enum {
	RECENT   = 20000000,     /* talk that still counts [us]           */
	SOON     = 200000,       /* after talk begins [us]                */
	EVERY    = 1000000,      /* [us]                                  */
	HOLD_MIN = 2000000,      /* after a change [us]                   */
	HOLD_MAX = 32000000,
	CALM     = 4,            /* holds without a change, then it is short*/
};


/**
 * Note that somebody talks
 *
 * @param conf Conference
 * @param part Who does, in this tick
 */
void wconf_talk(struct wconf *conf, struct wpart *part)
{
	struct wconf_phase *ph = &conf->phase;
	const uint64_t now = conf->w->now;

	if (!part->talked || now - part->talked > RECENT)
		ph->look = min(ph->look, now + SOON);

	part->talked = ph->talked = now;
}


/* Those who talk or did so lately; false if that is no help. Streams that
   another server sends at this moment go on here by the clock alone. */
static bool talkers_get(const struct wconf *conf, struct phase_talker *tv,
			unsigned *n)
{
	const uint64_t now = conf->w->now;
	struct le *le;

	*n = 0;

	for (le = conf->partl.head; le; le = le->next) {

		const struct wpart *part = le->data;
		struct scheduler_phase sp;
		bool known;

		if (part->tx.hush)
			return false;
		if (!part->talked || now - part->talked > RECENT)
			continue;

		known = scheduler_phase(part->sched, &sp, conf->phase.due);
		if (!known && !sp.heard)
			continue;
		if (!known || *n == PHASE_TALKERS)
			return false;

		tv[*n].wait   = sp.wait;
		tv[*n].spare  = sp.spare;
		tv[*n].shrinks = sp.shrinks;
		tv[*n].period = sp.period;
		tv[*n].heard  = sp.heard;
		++*n;
	}

	return true;
}


static void hold(struct wconf_phase *ph, uint64_t now)
{
	const uint64_t calm = (uint64_t)CALM * ph->hold;

	/* what helps for a moment only is not worth it */
	ph->hold = ph->hold && now - ph->moved < calm
		? min(2 * ph->hold, (uint32_t)HOLD_MAX) : HOLD_MIN;
	ph->moved = now;
	ph->look  = now + ph->hold;
}


static void move(struct wconf *conf, int32_t by)
{
	struct wconf_phase *ph = &conf->phase;
	const int32_t slots = by / WORKER_SLOT_US + WORKER_SLOTS;

	ph->due += (int64_t)by;
	ph->slot = (ph->slot + (unsigned)slots) % WORKER_SLOTS;
	ph->fresh = true;

	list_unlink(&ph->le);
	list_append(&conf->w->slotv[ph->slot], &ph->le, conf);
}


/**
 * Move a conference to another phase if that saves its talkers time; between
 * two ticks
 *
 * @param conf Conference; its next tick is known
 */
void wconf_phase(struct wconf *conf)
{
	struct wconf_phase *ph = &conf->phase;
	struct phase_talker talkerv[PHASE_TALKERS];
	const uint64_t now = conf->w->now;
	const unsigned parts = conf->w->stats.parts;
	/* every 10 ms it wakes anyhow */
	const bool half = parts > WORKER_FEW && parts <= WORKER_BUSY;
	int32_t by = 0;
	unsigned n;

	ph->fresh = false;

	if (now < ph->look || now < ph->moved + ph->hold)
		return;

	ph->look = now + EVERY;

	/* while it moves to another server, its streams are best left alone */
	if (!ph->talked || conf->linkl.head || !talkers_get(conf, talkerv, &n))
		return;

	/* later is safe for all */
	if (half && ph->slot % 2)
		by = WORKER_SLOT_US;
	else
		by = phase_choose(talkerv, n, half ? 2 * WORKER_SLOT_US
				  : WORKER_SLOT_US, half);
	if (!by)
		return;

	hold(ph, now);
	move(conf, by);
}
