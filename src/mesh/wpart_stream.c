/**
 * @file mesh/wpart_stream.c  A participant's streams: as they are, going on
 *
 *     this server               |  another one
 *     ... 41 42 43 44 ----------|-> state: 45, 12 ms ago
 *                  45 46 (47) . |            (45 46 47) 48 49 ...
 *                          hush |  quiet ............ go
 *
 * Numbers go on with time, whoever sends: the other server works out with
 * its own clock where the stream is, so that its first packet is the one
 * after, or nearly so. Until then it counts as if it were sending.
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


/**
 * How often packets go out; short ones go out in pairs
 *
 * @param ptime Of a packet [ms]
 *
 * @return Time between two [us]
 */
uint32_t stream_every(uint32_t ptime)
{
	return max(ptime, (uint32_t)CODEC_TICK_MS) * 1000;
}


/**
 * How many packets go out in a time
 *
 * @param usec  Time since the latest went out [us]
 * @param ptime Of a packet, at least 1 [ms]
 *
 * @return Number of packets, whole ticks' worth
 */
uint64_t stream_packets(uint64_t usec, uint32_t ptime)
{
	const uint32_t every = stream_every(ptime);

	return usec / every * (every / 1000 / ptime);
}


/**
 * Let a stream that was elsewhere until now begin with the number that is
 * nearest to what would be its turn there
 *
 * @param tx  What is sent
 * @param now When its first packets here go out [us]
 */
void wpart_resume_tx(struct wpart_tx *tx, uint64_t now)
{
	struct wpart_resume *r = &tx->resume;
	const int64_t half = stream_every(r->ptime) / 2;
	const int64_t since = (int64_t)(now - r->at) - half;
	uint32_t n, mean;

	r->pending = false;

	/* the latest of those that have gone is one before `seq` */
	if (!r->on || since < 0)
		return;

	n = (uint32_t)stream_packets((uint64_t)since, r->ptime);
	mean = tx->psent ? tx->osent / tx->psent : 0;
	tx->seq   = (uint16_t)(tx->seq + n);
	tx->ts    += n * r->step;
	tx->psent += n;
	tx->osent += n * mean;
}


/**
 * Go on with the streams of another server. Not in the worker: before it
 * gets the participant.
 *
 * @param part Participant, new
 * @param st   The streams as they were
 * @param skip Numbers to leave out [packets]
 */
void wpart_resume(struct wpart *part, const struct mesh_stream *st,
		  unsigned skip)
{
	const uint64_t now = worker_clock();
	const struct scheduler_stats rx = {
		.packets   = st->rx_packets,
		.bytes     = st->rx_bytes,
		.lost      = st->rx_lost,
		.late      = st->rx_late,
		.dup       = st->rx_dup,
		.jitter    = st->rx_jitter,
		.concealed = st->concealed,
		.ssrc      = st->rx_ssrc,
		.ext_seq   = st->rx_ext_seq,
		.expected  = st->rx_expected,
	};
	struct wpart_tx *tx = &part->tx;

	tx->ssrc    = st->ssrc;
	tx->seq     = (uint16_t)(st->seq + skip);
	tx->ts      = st->ts + skip * st->step;
	tx->marker  = skip != 0;
	tx->psent   = st->psent;
	tx->osent   = st->osent;
	tx->packets = st->tx_packets;
	tx->bytes   = st->tx_bytes;

	tx->resume.pending = true;
	tx->resume.on      = st->on;
	tx->resume.at      = now - st->age;
	tx->resume.step    = st->step;
	tx->resume.ptime   = (uint8_t)st->ptime;

	part->rx.packets = st->rx_packets;
	part->rx.bytes   = st->rx_bytes;

	part->rtcp.tx_lost        = st->tx_lost;
	part->rtcp.rtt            = st->rtt;
	part->rtcp.expected_prior = st->expected_prior;
	part->rtcp.lost_prior     = st->lost_prior;
	part->rtcp.lsr            = st->lsr;
	part->rtcp.lsr_at         = st->lsr ? now - st->lsr_age : 0;

	scheduler_resume(part->sched, &rx, (uint8_t)
			 (127 - min(st->loud, (uint8_t)127)));
}


static void stats_show(struct mesh_stats *st, const struct wpart *part,
		       const struct scheduler_stats *ss, uint64_t now)
{
	st->rx_packets = part->rx.packets;
	st->rx_bytes   = part->rx.bytes;
	st->tx_packets = part->tx.packets;
	st->tx_bytes   = part->tx.bytes;
	st->rx_lost    = ss->lost;
	st->rx_late    = ss->late;
	st->rx_dup     = ss->dup;
	st->rx_jitter  = ss->jitter;
	st->tx_lost    = part->rtcp.tx_lost;
	st->rtt        = part->rtcp.rtt;
	st->depth      = ss->depth;
	st->concealed  = ss->concealed;
	st->level      = part->entry.talking ? part->level : 127;
	st->speaking   = part->entry.speaking;
	st->peer       = part->rx.latched ? part->rx.peer : part->tx.rtp;
	st->quiet_ms   = now > part->rx.heard
		? (now - part->rx.heard) / 1000 : 0;
}


/* What goes on by itself is told as of its latest packets */
static void tx_show(struct wpart_shown *sh, const struct wpart_tx *tx)
{
	const struct wpart_resume *r = &tx->resume;

	sh->ssrc  = tx->ssrc;
	sh->ts    = tx->ts;
	sh->seq   = tx->seq;
	sh->pt    = tx->pt;
	sh->psent = tx->psent;
	sh->osent = tx->osent;
	sh->step  = r->pending ? r->step  : tx->step;
	sh->ptime = r->pending ? r->ptime : tx->ptime;
	sh->at    = r->pending ? r->at    : tx->at;
	sh->on    = r->pending ? r->on    : tx->on && tx->at;
}


/**
 * Let main see a participant's numbers
 *
 * @param part Participant
 * @param now  [us]
 */
void wpart_show(struct wpart *part, uint64_t now)
{
	const struct wpart_rtcp *rtcp = &part->rtcp;
	struct scheduler_stats ss;
	struct wpart_shown sh;

	_Static_assert(sizeof(sh) <= SNAP_WORDS * sizeof(uint64_t),
		       "room for a snapshot");

	memset(&sh, 0, sizeof(sh));
	scheduler_stats(part->sched, &ss);
	stats_show(&sh.st, part, &ss, now);
	tx_show(&sh, &part->tx);

	sh.rx_ssrc        = ss.ssrc;
	sh.rx_ext_seq     = ss.ext_seq;
	sh.rx_expected    = ss.expected;
	sh.expected_prior = rtcp->expected_prior;
	sh.lost_prior     = rtcp->lost_prior;
	sh.lsr            = rtcp->lsr;
	sh.lsr_at         = rtcp->lsr_at;

	snap_write(&part->shown, &sh, sizeof(sh));
}


/**
 * Publish a participant's numbers for main; in the worker
 *
 * @param part Participant
 */
void wpart_publish(struct wpart *part)
{
	wpart_show(part, part->conf->w->now);
}
