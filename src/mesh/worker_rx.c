/**
 * @file mesh/worker_rx.c  Packets come in: whose are they
 */
#include <re.h>
#include <pthread.h>
#include <sys/epoll.h>
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
	BATCHES_MAX = 64,        /* a flood must not hold up the tick     */
	PORTS_MAX   = 64,        /* looked at per system call             */
	REPORTS     = 5,         /* how often they are read [ticks]       */
};


static bool whole(struct worker *w, const uint8_t *buf, size_t len,
		  bool *rtcp)
{
	switch (packet_classify(buf, len)) {

	case PACKET_RTP:
		*rtcp = false;
		return true;

	case PACKET_RTCP:
		*rtcp = true;
		return true;

	default:
		++w->stats.rx_malformed;
		return false;
	}
}


/* RTP from an unknown source: at most one search per tick */
static struct wpart *unknown(struct worker *w, unsigned ix)
{
	struct scheduler_packet pkt;
	const uint8_t *buf;
	size_t len;

	++w->stats.rx_unknown;

	buf = rx_batch_packet(w->rx, ix, &len);
	if (w->searched == w->tick ||
	    packet_classify(buf, len) != PACKET_RTP ||
	    rtp_packet_decode(&pkt, buf, len, 0))
		return NULL;

	w->searched = w->tick;

	return worker_adopt(w, rx_batch_src(w->rx, ix), pkt.ssrc);
}


static void batch_shared(struct worker *w, unsigned n,
			 const struct demux *from)
{
	struct wpart *partv[CHANNEL_RX_BATCH];

	/* finding all first gives the memory time to come */
	for (unsigned i = 0; i < n; i++) {
		partv[i] = demux_find(from, rx_batch_src(w->rx, i));
		if (partv[i]) {
			__builtin_prefetch(&partv[i]->rx, 1);
			__builtin_prefetch(partv[i]->sched, 1);
		}
	}

	w->stats.rx_packets += n;

	for (unsigned i = 0; i < n; i++) {
		const uint8_t *buf;
		bool rtcp;
		size_t len;

		if (!partv[i] && from == w->rtp_from)
			partv[i] = unknown(w, i);
		if (!partv[i])
			continue;

		buf = rx_batch_packet(w->rx, i, &len);
		if (whole(w, buf, len, &rtcp))
			wpart_rx(partv[i], buf, len, rx_batch_src(w->rx, i),
				 rx_batch_time(w->rx, i, w->now), rtcp);
	}
}


static void socket_shared(struct worker *w, int fd, const struct demux *from)
{
	unsigned n = CHANNEL_RX_BATCH;

	for (unsigned i = 0; n == CHANNEL_RX_BATCH && i < BATCHES_MAX; i++) {
		n = rx_batch_recv(w->rx, fd);
		if (fd == w->ch->rtp)
			meter_packets(&w->meter, n,
				      rx_batch_drops(w->rx, &w->ch->drops));
		batch_shared(w, n, from);
	}
}


static void socket_port(struct worker *w, struct wpart *part, int fd)
{
	const unsigned n = rx_batch_recv(w->rx, fd);

	if (fd == part->port->rtp)
		meter_packets(&w->meter, n,
			      rx_batch_drops(w->rx, &part->port->drops));
	w->stats.rx_packets += n;

	for (unsigned i = 0; i < n; i++) {
		const uint8_t *buf;
		bool rtcp;
		size_t len;

		buf = rx_batch_packet(w->rx, i, &len);
		if (whole(w, buf, len, &rtcp))
			wpart_rx(part, buf, len, rx_batch_src(w->rx, i),
				 rx_batch_time(w->rx, i, w->now), rtcp);
	}
}


/**
 * What epoll says when a port of a single caller has something
 *
 * @param part Participant, whose address is even
 * @param rtcp Whether it is the RTCP port
 *
 * @return Value for epoll
 */
uint64_t worker_port_key(struct wpart *part, bool rtcp)
{
	return (uint64_t)(uintptr_t)part | rtcp;
}


/* Ports of single callers: only those that have something */
static void ports_read(struct worker *w)
{
	struct epoll_event evv[PORTS_MAX];
	unsigned left = 2 * w->ports;
	int n;

	/* the ready ones take turns, so this sees each of them */
	do {
		n = epoll_wait(w->portfd, evv, PORTS_MAX, 0);

		for (int i = 0; i < n; i++) {
			const uint64_t key = evv[i].data.u64;
			struct wpart *part;

			part = (void *)(uintptr_t)(key & ~(uint64_t)1);
			socket_port(w, part, key & 1 ? part->port->rtcp
				    : part->port->rtp);
		}

		left -= min(left, (unsigned)max(n, 0));

	} while (n == PORTS_MAX && left);
}


/**
 * Receive all that has come
 *
 * @param w Worker
 */
void worker_rx(struct worker *w)
{
	socket_shared(w, w->ch->rtp, w->rtp_from);

	/* reports are few and not urgent */
	if (w->tick - w->reports >= REPORTS) {
		w->reports = w->tick;
		socket_shared(w, w->ch->rtcp, w->rtcp_from);
	}

	if (w->ports)
		ports_read(w);
}
