/**
 * @file mesh/mesh_stream.c  Streams that go on in another server: main's side
 */
#include <re.h>
#include <pthread.h>
#include <string.h>
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


/* In the worker: from the next tick on */
static void hush_apply(struct msg *msg, void *arg)
{
	struct order *ord = (struct order *)msg;
	struct wpart *part = ord->part;
	(void)arg;

	part->tx.hush = ord->value;

	/* whoever waits to be reached is not silent */
	if (!part->tx.hush) {
		part->rx.heard = max(part->rx.heard, part->conf->w->now);
		part->group->sender->alone = true;
		part->came = part->conf->w->tick;
		if (part->own) {
			part->own->alone = true;
			part->own->wait = 0;
		}
	}
	wpart_publish(part);
}


/**
 * Is this the state of a stream that can go on
 *
 * @param st State, of anybody
 *
 * @return True if so
 */
bool mesh_stream_valid(const struct mesh_stream *st)
{
	return st->ssrc && (st->ptime == 10 || st->ptime == 20 ||
			    st->ptime == 40 || st->ptime == 60) &&
		st->step && st->step <= 48 * 60 && st->pt <= 127 &&
		st->rx_lost <= st->rx_expected;
}


/**
 * The streams of a participant as they are now, to go on in another server.
 * What changes by itself is worked out from when it was last looked at.
 *
 * @param part Participant
 * @param st   Filled in. Whoever keeps it adds to `age` and `lsr_age` the
 *             time that goes by.
 *
 * @return 0 or EINVAL
 */
int mesh_part_stream(const struct mesh_part *part, struct mesh_stream *st)
{
	const uint64_t now = worker_clock();
	struct wpart_shown sh;

	if (!part || !st)
		return EINVAL;

	snap_read(&part->part->shown, &sh, sizeof(sh));

	memset(st, 0, sizeof(*st));
	st->ssrc  = sh.ssrc;
	st->ts    = sh.ts;
	st->step  = sh.step;
	st->ptime = sh.ptime;
	st->seq   = sh.seq;
	st->pt    = sh.pt;
	st->on    = sh.on;
	st->psent = sh.psent;
	st->osent = sh.osent;
	st->tx_packets = sh.st.tx_packets;
	st->tx_bytes   = sh.st.tx_bytes;
	st->tx_lost    = sh.st.tx_lost;
	st->rtt        = sh.st.rtt;

	st->rx_packets  = sh.st.rx_packets;
	st->rx_bytes    = sh.st.rx_bytes;
	st->rx_ssrc     = sh.rx_ssrc;
	st->rx_ext_seq  = sh.rx_ext_seq;
	st->rx_expected = sh.rx_expected;
	st->rx_lost     = sh.st.rx_lost;
	st->rx_late     = sh.st.rx_late;
	st->rx_dup      = sh.st.rx_dup;
	st->rx_jitter   = sh.st.rx_jitter;
	st->concealed   = sh.st.concealed;
	st->loud        = (uint8_t)(127 - min(sh.st.level, (uint8_t)127));
	st->expected_prior = sh.expected_prior;
	st->lost_prior     = sh.lost_prior;
	st->lsr     = sh.lsr;
	st->lsr_age = sh.lsr ? now - sh.lsr_at : 0;

	/* a tick may begin a moment before it is due */
	if (sh.on && (int64_t)(now - sh.at) > 0)
		mesh_stream_pass(st, now - sh.at);

	return 0;
}


/**
 * Let time pass for a stream that goes on by itself
 *
 * @param st   Stream, its `age` not counted; changed
 * @param usec How much time [us]
 */
void mesh_stream_pass(struct mesh_stream *st, uint64_t usec)
{
	const uint32_t n = (uint32_t)stream_packets(usec, st->ptime);
	const uint32_t mean = st->psent ? st->osent / st->psent : 0;

	st->seq   = (uint16_t)(st->seq + n);
	st->ts    += n * st->step;
	st->psent += n;
	st->osent += n * mean;
	st->age    = usec % stream_every(st->ptime);
}


/**
 * Begin to send to a participant that was quiet
 *
 * @param part Participant
 *
 * @return 0, EINVAL or ENOMEM
 */
int mesh_part_go(struct mesh_part *part)
{
	return mesh_part_hush(part, false);
}


/**
 * Send nothing to a participant any more, because another server does, or
 * begin again. Numbers go on meanwhile, and what comes is heard.
 *
 * @param part Participant
 * @param on   Whether it is sent nothing
 *
 * @return 0, EINVAL or ENOMEM
 */
int mesh_part_hush(struct mesh_part *part, bool on)
{
	struct order *ord;
	int err;

	if (!part)
		return EINVAL;

	err = order_alloc(&ord, part->conf->conf, part->part, hush_apply);
	if (err)
		return err;

	ord->value = on;
	worker_post(part->conf->w, &ord->msg);

	return 0;
}
