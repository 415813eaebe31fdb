/**
 * @file mesh/wpart_source.c  Where the packets of a participant come from
 *
 * On the port that all share, packets are told apart by their source: the
 * address of the SDP, until told otherwise by what comes:
 *
 *   - some phones send from another port than they receive on: who has sent
 *     nothing for a while since it joined is taken to be the one from whose
 *     host, but from an unknown port, RTP comes - if it is the only one;
 *   - a NAT may forget a caller and give it another port. That is believed
 *     if the old one has been quiet, and the SSRC is the same.
 *
 * Another host is never believed there. A caller whose host is not known
 * beforehand has a port of its own, where the first RTP that makes sense
 * counts, and later another source only once the first has been quiet.
 */
#include <re.h>
#include <pthread.h>
#include <string.h>
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
	MOVE_QUIET  = 1000000,   /* before another source is believed [us]*/
	ADOPT_AFTER = 300000,    /* before it is looked for [us]          */
	HELD_HERE   = 10,        /* to judge first media, who spoke [ticks]*/
};


static int port_watch(struct wpart *part, struct worker *w)
{
	struct epoll_event ev = { .events = EPOLLIN };

	ev.data.u64 = worker_port_key(part, false);
	if (epoll_ctl(w->portfd, EPOLL_CTL_ADD, part->port->rtp, &ev))
		return errno;

	ev.data.u64 = worker_port_key(part, true);
	if (epoll_ctl(w->portfd, EPOLL_CTL_ADD, part->port->rtcp, &ev)) {
		(void)epoll_ctl(w->portfd, EPOLL_CTL_DEL, part->port->rtp,
				NULL);
		return errno;
	}

	++w->ports;

	return 0;
}


static void adopted_drop(struct wpart *part, struct worker *w)
{
	if (demux_find(w->rtp_from, &part->rx.adopted) == part)
		demux_remove(w->rtp_from, &part->rx.adopted);

	sa_init(&part->rx.adopted, AF_UNSPEC);
}


/**
 * Let packets find a participant
 *
 * @param part Participant; addresses set
 * @param w    Its worker
 *
 * @return 0, otherwise errorcode
 */
int wpart_attach(struct wpart *part, struct worker *w)
{
	struct wpart *other;
	int err;

	if (!part->rx.since)
		part->rx.since = part->rx.heard = w->now;

	if (part->port) {
		part->tx.rtp_fd = part->port->rtp;
		part->tx.rtcp_fd = part->port->rtcp;
		return port_watch(part, w);
	}

	part->tx.rtp_fd = w->ch->rtp;
	part->tx.rtcp_fd = w->ch->rtcp;

	/* an address that was agreed on counts more than one adopted */
	other = demux_find(w->rtp_from, &part->rx.agreed);
	if (other && other != part)
		adopted_drop(other, w);

	err = demux_add(w->rtp_from, &part->rx.agreed, part);
	if (!part->rx.mux)
		(void)demux_add(w->rtcp_from, &part->tx.rtcp, part);

	return err;
}


/**
 * Let packets no longer find a participant
 *
 * @param part Participant
 * @param w    Its worker
 */
void wpart_detach(struct wpart *part, struct worker *w)
{
	if (part->port) {
		(void)epoll_ctl(w->portfd, EPOLL_CTL_DEL, part->port->rtp,
				NULL);
		(void)epoll_ctl(w->portfd, EPOLL_CTL_DEL, part->port->rtcp,
				NULL);
		--w->ports;
		return;
	}

	adopted_drop(part, w);
	if (demux_find(w->rtp_from, &part->rx.agreed) == part)
		demux_remove(w->rtp_from, &part->rx.agreed);
	if (demux_find(w->rtcp_from, &part->tx.rtcp) == part)
		demux_remove(w->rtcp_from, &part->tx.rtcp);
}


/**
 * Is a packet from this source one of the participant's
 *
 * @param part Participant
 * @param src  Source of the packet, which was found by it or by its port
 *
 * @return True if so
 */
bool wpart_believes(const struct wpart *part, const struct sa *src)
{
	const struct wpart_rx *rx = &part->rx;

	if (!part->port || !rx->latched || sa_cmp(src, &rx->peer, SA_ALL))
		return true;

	return part->conf->w->now > rx->heard + MOVE_QUIET;
}


/**
 * Note where RTP that makes sense comes from
 *
 * @param part Participant
 * @param src  Source
 */
void wpart_latch(struct wpart *part, const struct sa *src)
{
	part->rx.latched = true;
	part->entry.held = min(part->entry.held, (uint16_t)HELD_HERE);
	part->rx.peer = *src;

	/* behind NAT, that is where it can be reached, too */
	if (part->port) {
		part->tx.rtp = *src;
		if (part->rx.mux)
			part->tx.rtcp = *src;
	}

	wpart_publish(part);
	part->rx.announced = worker_event(part->conf->w, part, MESH_LATCHED,
					  0);
}


static bool candidate(const struct wpart *part, const struct sa *src,
		      uint32_t ssrc, uint64_t now)
{
	struct scheduler_stats ss;

	if (part->port || !part->rx.on ||
	    !sa_cmp(src, &part->rx.agreed, SA_ADDR))
		return false;

	if (!part->rx.latched)
		return now > part->rx.since + ADOPT_AFTER;

	if (now < part->rx.heard + MOVE_QUIET)
		return false;

	scheduler_stats(part->sched, &ss);

	return ss.ssrc == ssrc;
}


/**
 * Find out whose RTP from an unknown source may be
 *
 * @param w    Worker
 * @param src  Source
 * @param ssrc SSRC of the packet
 *
 * @return The only participant it may be of, found by that source from now
 *         on, or NULL
 */
struct wpart *worker_adopt(struct worker *w, const struct sa *src,
			   uint32_t ssrc)
{
	struct wpart *found = NULL;
	struct le *lc, *lp;

	for (lc = w->confl.head; lc; lc = lc->next) {
		const struct wconf *conf = lc->data;

		for (lp = conf->partl.head; lp; lp = lp->next) {

			if (!candidate(lp->data, src, ssrc, w->now))
				continue;
			if (found)
				return NULL;
			found = lp->data;
		}
	}

	if (!found)
		return NULL;

	/* the agreed address stays known, in case it was right after all */
	adopted_drop(found, w);
	if (demux_add(w->rtp_from, src, found))
		return NULL;

	found->rx.adopted = *src;

	return found;
}
