/**
 * @file mesh/wpart.c  A participant in its worker: packets in and out
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
#include "mesh/worker.h"

enum {
	MOVE_QUIET = 1000000,    /* before another source is believed [us]*/
};


static int port_watch(struct wpart *part, struct worker *w)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = part };

	if (epoll_ctl(w->portfd, EPOLL_CTL_ADD, part->port->rtp, &ev))
		return errno;
	if (epoll_ctl(w->portfd, EPOLL_CTL_ADD, part->port->rtcp, &ev)) {
		(void)epoll_ctl(w->portfd, EPOLL_CTL_DEL, part->port->rtp,
				NULL);
		return errno;
	}

	++w->ports;

	return 0;
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
	int err;

	part->rx.heard = w->now;

	if (part->port) {
		part->tx.rtp_fd = part->port->rtp;
		part->tx.rtcp_fd = part->port->rtcp;
		return port_watch(part, w);
	}

	part->tx.rtp_fd = w->ch->rtp;
	part->tx.rtcp_fd = w->ch->rtcp;

	err = demux_add(w->rtp_from, &part->tx.rtp, part);
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

	if (demux_find(w->rtp_from, &part->tx.rtp) == part)
		demux_remove(w->rtp_from, &part->tx.rtp);
	if (demux_find(w->rtcp_from, &part->tx.rtcp) == part)
		demux_remove(w->rtcp_from, &part->tx.rtcp);
}


/**
 * Set what was agreed with a participant, except its scheduler's part
 *
 * @param part  Participant, not attached
 * @param media What was agreed
 */
void wpart_media(struct wpart *part, const struct mesh_media *media)
{
	struct wpart_rx *rx = &part->rx;
	struct wpart_tx *tx = &part->tx;

	/* a port of its own goes on sending to where media comes from */
	if (!part->port || !rx->latched) {
		tx->rtp = media->rtp;
		tx->rtcp = media->rtcp_mux ? media->rtp : media->rtcp;
	}

	tx->pt = media->tx.pt;
	tx->on = media->send && sa_isset(&media->rtp, SA_ALL);
	tx->step = codec_clock(&media->tx) / 1000 * media->ptime;
	rx->ext_level = media->ext_level;
	rx->mux = media->rtcp_mux;
	rx->on = media->recv;
	rx->inband = !media->telev_rx;
}


/* The latched source moves only if it has been quiet for a while, and only
   on a port that is for this participant alone */
static bool source_believed(struct wpart *part, const struct sa *src,
			    uint64_t now)
{
	struct wpart_rx *rx = &part->rx;

	if (!part->port || (rx->latched && sa_cmp(src, &rx->peer, SA_ALL)))
		return true;

	return !rx->latched || now > rx->heard + MOVE_QUIET;
}


static void latch(struct wpart *part, const struct sa *src)
{
	part->rx.latched = true;
	part->rx.peer = *src;

	if (part->port) {
		part->tx.rtp = *src;
		if (part->rx.mux)
			part->tx.rtcp = *src;
	}

	wpart_publish(part);
	worker_event(part->conf->w, part, MESH_LATCHED, 0);
}


static void rtp_rx(struct wpart *part, const uint8_t *buf, size_t len,
		   const struct sa *src)
{
	struct worker *w = part->conf->w;
	struct wpart_rx *rx = &part->rx;
	struct scheduler_packet pkt;
	int err;

	if (rtp_packet_decode(&pkt, buf, len, rx->ext_level)) {
		++w->stats.rx_malformed;
		return;
	}

	if (!source_believed(part, src, w->now)) {
		++w->stats.rx_unknown;
		return;
	}

	if (!rx->on)
		return;

	err = scheduler_put(part->sched, &pkt, w->now);
	if (err == EBADMSG)
		++w->stats.rx_malformed;

	++rx->packets;
	rx->bytes += len;

	/* only what makes sense can say where a caller is */
	if (!err && (!rx->latched || !sa_cmp(src, &rx->peer, SA_ALL)))
		latch(part, src);
}


/**
 * Take a packet of a participant
 *
 * @param part Participant
 * @param buf  Packet
 * @param len  Its length [bytes]
 * @param src  Where it came from
 * @param rtcp Whether it is RTCP
 */
void wpart_rx(struct wpart *part, const uint8_t *buf, size_t len,
	      const struct sa *src, bool rtcp)
{
	struct wpart_rx *rx = &part->rx;

	if (rtcp) {
		/* reports move nothing, they must come from where RTP does */
		if (part->port && rx->latched &&
		    !sa_cmp(src, &rx->peer, SA_ADDR))
			return;
		wpart_rtcp_rx(part, buf, len);
	}
	else {
		rtp_rx(part, buf, len, src);
	}

	rx->heard = part->conf->w->now;
	rx->silent = false;
}


/**
 * Send what a sender has made in this tick to a participant
 *
 * @param part Participant
 * @param s    Sender; its packets stay until the batch is flushed
 */
void wpart_send(struct wpart *part, const struct sender *s)
{
	struct worker *w = part->conf->w;
	struct wpart_tx *tx = &part->tx;
	struct tx_batch *batch = part->port ? w->tx_port : w->tx;

	for (unsigned i = 0; i < s->packetc; i++) {

		const struct sender_packet *pkt = &s->packetv[i];

		if (pkt->payload) {
			uint8_t *hdr = tx_batch_add(batch, tx->rtp_fd,
						    &tx->rtp, pkt->p,
						    pkt->len);

			rtp_fixed_encode(hdr, s->first, tx->pt,
					 pkt->marker || tx->marker, tx->seq,
					 tx->ts, tx->ssrc);
			tx->marker = false;
			++tx->psent;
			++tx->packets;
			tx->osent += (uint32_t)pkt->payload;
			tx->bytes += RTP_FIXED + pkt->len;
		}

		++tx->seq;
		tx->ts += tx->step;
	}
}


/**
 * Publish a participant's numbers for main
 *
 * @param part Participant
 */
void wpart_publish(struct wpart *part)
{
	struct scheduler_stats ss;
	struct mesh_stats st;
	const uint64_t now = part->conf->w->now;

	memset(&st, 0, sizeof(st));
	scheduler_stats(part->sched, &ss);

	st.rx_packets = part->rx.packets;
	st.rx_bytes   = part->rx.bytes;
	st.tx_packets = part->tx.packets;
	st.tx_bytes   = part->tx.bytes;
	st.rx_lost    = ss.lost;
	st.rx_late    = ss.late;
	st.rx_dup     = ss.dup;
	st.rx_jitter  = ss.jitter;
	st.tx_lost    = part->rtcp.tx_lost;
	st.rtt        = part->rtcp.rtt;
	st.depth      = ss.depth;
	st.concealed  = ss.concealed;
	st.level      = part->entry.talking ? part->level : 127;
	st.speaking   = part->entry.speaking;
	st.peer       = part->rx.latched ? part->rx.peer : part->tx.rtp;
	st.quiet_ms   = now > part->rx.heard
		? (now - part->rx.heard) / 1000 : 0;

	snap_write(&part->stats, &st, sizeof(st));
}


/**
 * What has to be done for a participant a few times a second
 *
 * @param part Participant
 */
void wpart_slow(struct wpart *part)
{
	struct worker *w = part->conf->w;
	struct wpart_rx *rx = &part->rx;
	const uint64_t limit = (uint64_t)w->cfg.silence_timeout * 1000000;

	if (w->now >= part->rtcp.due)
		wpart_rtcp_send(part, false);

	wpart_publish(part);

	if (limit && !rx->silent && w->now > rx->heard + limit) {
		rx->silent = true;
		worker_event(w, part, MESH_SILENT, 0);
	}
}


/**
 * Hear of a key that was pressed
 *
 * @param digit    Which one
 * @param duration How long [ms]
 * @param arg      Participant
 */
void wpart_dtmf(char digit, unsigned duration, void *arg)
{
	struct wpart *part = arg;
	(void)duration;

	worker_event(part->conf->w, part, MESH_DTMF, digit);
}
