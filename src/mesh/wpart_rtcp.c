/**
 * @file mesh/wpart_rtcp.c  A participant in its worker: RTCP
 */
#include <re.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
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
	INTERVAL   = 5000000,    /* RFC 3550, 6.2 [us]                    */
	NTP_UNIX   = 2208988800u,/* from 1900 to 1970 [s]                 */
	RTT_MAX    = 60,         /* [s]                                   */
};


static uint64_t ntp_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);

	return ((uint64_t)ts.tv_sec + NTP_UNIX) << 32 |
		((uint64_t)ts.tv_nsec << 32) / 1000000000u;
}


static uint32_t ntp_middle(uint64_t ntp)
{
	return (uint32_t)(ntp >> 16);
}


static uint8_t fraction_lost(struct wpart_rtcp *rtcp,
			     const struct scheduler_stats *ss)
{
	const uint32_t expected = ss->expected - rtcp->expected_prior;
	const uint32_t lost = ss->lost - rtcp->lost_prior;

	rtcp->expected_prior = ss->expected;
	rtcp->lost_prior = ss->lost;

	if (!expected || (int32_t)lost <= 0)
		return 0;

	return (uint8_t)min((uint64_t)lost * 256 / expected, 255u);
}


static void block_fill(struct rtcp_block *b, struct wpart *part)
{
	struct wpart_rtcp *rtcp = &part->rtcp;
	const uint64_t now = part->conf->w->now;
	struct scheduler_stats ss;

	scheduler_stats(part->sched, &ss);

	b->ssrc     = ss.ssrc;
	b->fraction = fraction_lost(rtcp, &ss);
	b->lost     = (int32_t)ss.lost;
	b->ext_seq  = ss.ext_seq;
	b->jitter   = ss.jitter_ts;
	b->lsr      = rtcp->lsr;
	b->dlsr     = rtcp->lsr_at
		? (uint32_t)((now - rtcp->lsr_at) * 65536 / 1000000) : 0;
}


/**
 * Send a report, and set when the next is due
 *
 * @param part Participant
 * @param bye  Whether it is the last
 */
void wpart_rtcp_send(struct wpart *part, bool bye)
{
	struct wpart_rtcp *rtcp = &part->rtcp;
	const struct wpart_tx *tx = &part->tx;
	const bool first = !rtcp->due;
	uint8_t buf[RTCP_SIZE_MAX];
	struct rtcp_report rep;
	size_t len;

	/* RFC 3550, 6.2: 0.5 to 1.5 of the interval */
	rtcp->due = part->conf->w->now + INTERVAL / 2 +
		worker_random(part->conf->w) % INTERVAL;

	if (!tx->on || tx->hush || (first && !bye) ||
	    !sa_isset(&tx->rtcp, SA_ALL))
		return;

	memset(&rep, 0, sizeof(rep));
	rep.ssrc      = tx->ssrc;
	rep.sender    = tx->psent != 0;
	rep.ntp       = ntp_now();
	rep.rtp_ts    = tx->ts;
	rep.packets   = tx->psent;
	rep.bytes     = tx->osent;
	rep.has_block = part->rx.packets != 0;
	rep.cname     = rtcp->cname;
	rep.bye       = bye;
	if (rep.has_block)
		block_fill(&rep.block, part);

	len = rtcp_compound_encode(buf, &rep);
	(void)sendto(part->rx.mux ? tx->rtp_fd : tx->rtcp_fd, buf, len,
		     MSG_DONTWAIT, &tx->rtcp.u.sa, tx->rtcp.len);
}


static void block_take(struct wpart *part, const struct rtcp_block *b)
{
	struct wpart_rtcp *rtcp = &part->rtcp;
	uint32_t rtt;

	rtcp->tx_lost = b->lost > 0 ? (uint32_t)b->lost : 0;

	if (!b->lsr)
		return;

	/* RFC 3550, 6.4.1: A - LSR - DLSR */
	rtt = ntp_middle(ntp_now()) - b->lsr - b->dlsr;
	if (rtt < RTT_MAX << 16)
		rtcp->rtt = (uint32_t)((uint64_t)rtt * 1000000 / 65536);
}


/**
 * Take a report from a participant
 *
 * @param part Participant
 * @param buf  Compound packet
 * @param len  Its length [bytes]
 */
void wpart_rtcp_rx(struct wpart *part, const uint8_t *buf, size_t len)
{
	struct worker *w = part->conf->w;
	struct rtcp_seen seen;

	if (rtcp_compound_decode(&seen, buf, len, part->tx.ssrc)) {
		++w->stats.rx_malformed;
		return;
	}

	if (seen.has_sr) {
		part->rtcp.lsr = seen.sr_ntp;
		part->rtcp.lsr_at = w->now;
	}
	if (seen.has_block)
		block_take(part, &seen.block);
}
