/**
 * @file mesh/wpart.c  A participant in its worker: packets in and out
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
 * Set what was agreed with a participant, except its scheduler's part
 *
 * @param part  Participant, not attached
 * @param media What was agreed
 */
void wpart_media(struct wpart *part, const struct mesh_media *media)
{
	struct wpart_rx *rx = &part->rx;
	struct wpart_tx *tx = &part->tx;

	/* a new address has to be heard from first, an old one goes on with
	   what media has told since */
	if (!sa_cmp(&media->rtp, &rx->agreed, SA_ALL)) {
		rx->latched = false;
		rx->agreed = tx->rtp = media->rtp;
	}
	if (!part->port || !rx->latched || !media->rtcp_mux)
		tx->rtcp = media->rtcp_mux ? tx->rtp : media->rtcp;

	/* on hold, numbers stand still: where they were tells nothing */
	if (!tx->on)
		tx->at = 0;

	tx->pt = media->tx.pt;
	tx->on = media->send && sa_isset(&media->rtp, SA_ALL);
	tx->step = codec_clock(&media->tx) / 1000 * media->ptime;
	tx->ptime = (uint8_t)media->ptime;
	rx->ext_level = media->ext_level;
	rx->mux = media->rtcp_mux;
	rx->on = media->recv;
	rx->inband = !media->telev_rx;
}


static void rtp_rx(struct wpart *part, const uint8_t *buf, size_t len,
		   const struct sa *src, uint64_t came)
{
	struct worker *w = part->conf->w;
	struct wpart_rx *rx = &part->rx;
	struct scheduler_packet pkt;
	int err;

	if (rtp_packet_decode(&pkt, buf, len, rx->ext_level)) {
		++w->stats.rx_malformed;
		return;
	}

	if (!wpart_believes(part, src)) {
		++w->stats.rx_unknown;
		return;
	}

	if (!rx->on)
		return;

	/* for the scheduler, time never goes back, not even by the length of
	   a step of the system's clock */
	rx->came = max(came, max(rx->came, w->ticked));
	err = scheduler_put(part->sched, &pkt, rx->came);
	if (err == EBADMSG)
		++w->stats.rx_malformed;

	++rx->packets;
	rx->bytes += len;
	++part->conf->work.packets;
	if (part->link.on && !err)
		wlink_rx(part, buf, len);

	/* only what makes sense can say where a caller is */
	if (!err && (!rx->latched || !sa_cmp(src, &rx->peer, SA_ALL)))
		wpart_latch(part, src);
}


/**
 * Take a packet of a participant
 *
 * @param part Participant
 * @param buf  Packet
 * @param len  Its length [bytes]
 * @param src  Where it came from
 * @param came When [us]
 * @param rtcp Whether it is RTCP
 */
void wpart_rx(struct wpart *part, const uint8_t *buf, size_t len,
	      const struct sa *src, uint64_t came, bool rtcp)
{
	struct wpart_rx *rx = &part->rx;

	/* nobody but the other server is heard there */
	if (part->link.on && !sa_cmp(src, &rx->agreed, SA_ALL)) {
		++part->conf->w->stats.rx_unknown;
		return;
	}

	if (rtcp) {
		/* reports move nothing, they must come from where RTP does */
		if (part->port && rx->latched &&
		    !sa_cmp(src, &rx->peer, SA_ADDR))
			return;
		wpart_rtcp_rx(part, buf, len);
	}
	else {
		rtp_rx(part, buf, len, src, came);
	}

	rx->heard = part->conf->w->now;
	rx->silent = false;
}


static void packet_send(struct tx_batch *batch, struct wpart_tx *tx,
			const struct sender_packet *pkt, uint8_t first)
{
	uint8_t *hdr = tx_batch_add(batch, tx->rtp_fd, &tx->rtp, pkt->p,
				    pkt->len);

	rtp_fixed_encode(hdr, first, tx->pt, pkt->marker || tx->marker,
			 tx->seq, tx->ts, tx->ssrc);
	tx->marker = false;
	++tx->packets;
	tx->bytes += RTP_FIXED + pkt->len;
}


/**
 * Send what a sender has made in this tick to a participant; while another
 * server does, only count
 *
 * @param part Participant
 * @param s    Sender; its packets stay until the batch is flushed
 */
void wpart_send(struct wpart *part, const struct sender *s)
{
	struct worker *w = part->conf->w;
	struct wpart_tx *tx = &part->tx;
	struct tx_batch *batch = part->port ? w->tx_port : w->tx;

	if (!s->packetc)
		return;

	if (tx->resume.pending)
		wpart_resume_tx(tx, w->ticked);
	tx->at = w->ticked;
	part->conf->work.packets += s->packetc;

	for (unsigned i = 0; i < s->packetc; i++) {

		const struct sender_packet *pkt = &s->packetv[i];

		if (pkt->payload) {
			if (!tx->hush)
				packet_send(batch, tx, pkt, s->first);
			++tx->psent;
			tx->osent += (uint32_t)pkt->payload;
		}

		++tx->seq;
		tx->ts += tx->step;
	}
}


/**
 * Tell main that a participant speaks or no longer does, if it does not know
 *
 * @param part  Participant
 * @param level How loud it is [-dBov]
 */
void wpart_speak(struct wpart *part, int level)
{
	const bool on = part->entry.speaking;

	/* of whom another server tells, nothing is told here */
	if (on == part->spoken || part->tx.hush)
		return;

	/* tried again if main is busy: what counts is the latest */
	if (worker_event(part->conf->w, part, on ? MESH_SPEAKING_STARTED
			 : MESH_SPEAKING_STOPPED, level))
		part->spoken = on;
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
	wpart_speak(part, part->level);
	if (rx->latched && !rx->announced)
		rx->announced = worker_event(w, part, MESH_LATCHED, 0);

	if (limit && !rx->silent && w->now > rx->heard + limit) {
		/* tried again if main is busy: it must learn of this */
		rx->silent = worker_event(w, part, MESH_SILENT, 0);
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
