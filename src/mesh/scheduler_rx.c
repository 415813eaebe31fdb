/**
 * @file mesh/scheduler_rx.c  Sequence numbers and time stamps (RFC 3550)
 *
 * Time stamps of all clocks are laid onto one time line per stream, in
 * microseconds, such that the first packet's transit is zero. After a jump
 * the line goes on where it was.
 */
#include <string.h>
#include <re.h>
#include "mesh/mesh.h"
#include "mesh/codec.h"
#include "mesh/level.h"
#include "mesh/opus_level.h"
#include "mesh/talk.h"
#include "mesh/dtmf.h"
#include "mesh/resample.h"
#include "mesh/scheduler.h"
#include "mesh/scheduler_priv.h"


enum {
	DROPOUT_MAX   = 3000, /* packets: RFC 3550 A.1                      */
	REORDER_MAX   = 100,
	JUMP_US       = 1500000,  /* change of transit that is no delay     */
	DRIFT_US      = 1000000000,  /* what fits the statistics            */
	SSRC_QUIET_US = 100000,   /* the old SSRC may be gone after         */
};


static void rx_begin(struct sched_rx *rx, const struct scheduler_packet *pkt)
{
	const uint32_t jitter = rx->jitter;

	memset(rx, 0, sizeof(*rx));
	rx->any      = true;
	rx->ssrc     = pkt->ssrc;
	rx->seq_max  = pkt->seq;
	rx->seq_base = pkt->seq;
	rx->seen     = 1;
	rx->received = 1;
	rx->jitter   = jitter;
}


/**
 * Go on counting where another server was
 *
 * @param rx State, fresh
 * @param st What was counted there
 */
void sched_rx_resume(struct sched_rx *rx, const struct scheduler_stats *st)
{
	if (!st->ssrc)
		return;

	rx->any      = rx->resumed = true;
	rx->ssrc     = st->ssrc;
	rx->seq_max  = (uint16_t)st->ext_seq;
	rx->cycles   = st->ext_seq & 0xffff0000u;
	rx->seq_base = st->ext_seq - st->expected + 1;
	rx->received = st->expected - st->lost;
	rx->jitter   = st->jitter << 4;
}


/* The first packet here: those between went to the other server, and are
   not lost */
static void rx_take_over(struct sched_rx *rx,
			 const struct scheduler_packet *pkt)
{
	rx->resumed = false;

	if (pkt->ssrc != rx->ssrc) {
		rx_begin(rx, pkt);
		return;
	}

	if (pkt->seq < rx->seq_max)
		rx->cycles += 1u << 16;
	rx->received += (uint16_t)(pkt->seq - rx->seq_max);
	rx->seq_max = pkt->seq;
	rx->seen    = 1;
}


/* One packet of a new SSRC may be a stray; two in order are a stream */
static bool ssrc_accept(struct sched_rx *rx,
			const struct scheduler_packet *pkt, uint64_t now)
{
	if (now - rx->last > SSRC_QUIET_US)
		return true;

	if (rx->ssrc_new == pkt->ssrc && rx->seq_new == pkt->seq)
		return true;

	rx->ssrc_new = pkt->ssrc;
	rx->seq_new  = (uint16_t)(pkt->seq + 1);

	return false;
}


static enum sched_verdict rx_jump(struct scheduler *s,
				  const struct scheduler_packet *pkt)
{
	struct sched_rx *rx = &s->rx;

	if (!rx->bad || rx->seq_bad != pkt->seq) {
		rx->bad     = true;
		rx->seq_bad = (uint16_t)(pkt->seq + 1);
		return SCHED_DROP;
	}

	rx_begin(rx, pkt);
	++s->st.resyncs;

	return SCHED_RESYNC;
}


/**
 * Account for a packet's SSRC and sequence number
 *
 * @param s    Scheduler
 * @param pkt  Packet
 * @param now  [us]
 *
 * @return SCHED_OK, SCHED_DROP, or SCHED_RESYNC if a new stream begins with
 *         this packet
 */
enum sched_verdict sched_rx_seq(struct scheduler *s,
				const struct scheduler_packet *pkt,
				uint64_t now)
{
	struct sched_rx *rx = &s->rx;
	uint16_t delta;

	if (!rx->any) {
		rx_begin(rx, pkt);
		return SCHED_RESYNC;
	}

	if (rx->resumed) {
		rx_take_over(rx, pkt);
		return SCHED_RESYNC;
	}

	if (pkt->ssrc != rx->ssrc) {
		if (!ssrc_accept(rx, pkt, now))
			return SCHED_DROP;

		rx_begin(rx, pkt);
		++s->st.resyncs;
		return SCHED_RESYNC;
	}

	delta = (uint16_t)(pkt->seq - rx->seq_max);

	if (delta == 0) {
		++s->st.dup;
		return SCHED_DROP;
	}
	else if (delta < DROPOUT_MAX) {

		if (pkt->seq < rx->seq_max)
			rx->cycles += 1u << 16;
		rx->seq_max = pkt->seq;
		rx->seen    = delta < 64 ? rx->seen << delta | 1 : 1;
	}
	else if ((uint16_t)-delta <= REORDER_MAX) {

		const unsigned back = (uint16_t)-delta;

		if (back < 64) {
			if (rx->seen >> back & 1) {
				++s->st.dup;
				return SCHED_DROP;
			}
			rx->seen |= 1ull << back;
		}
	}
	else {
		return rx_jump(s, pkt);
	}

	rx->bad = false;
	++rx->received;

	return SCHED_OK;
}


/**
 * Lay a packet's time stamp onto the stream's time line; also the
 * inter-arrival jitter of RFC 3550 6.4.1
 *
 * @param s      Scheduler
 * @param clock  RTP clock of the packet's payload type [Hz]
 * @param ts     Time stamp
 * @param now    When it came [us]
 *
 * @return Media time [us]
 */
int64_t sched_rx_time(struct scheduler *s, uint32_t clock, uint32_t ts,
		      uint64_t now)
{
	struct sched_rx *rx = &s->rx;
	int64_t media, transit, d;

	if (rx->clock != clock) {

		/* A first packet, or another clock: go on from where the
		   transit was */
		rx->clock      = clock;
		rx->ts_last    = ts;
		rx->ts_ext     = 0;
		rx->media_base = (int64_t)now - rx->transit;
		return rx->media_base;
	}

	rx->ts_ext += (int32_t)(ts - rx->ts_last);
	rx->ts_last = ts;

	/* 125 us or 125/6 us, the two clocks there are */
	media = rx->media_base + (clock == 8000 ? rx->ts_ext * 125
				  : rx->ts_ext * 125 / 6);
	transit = (int64_t)now - media;
	d = transit - rx->transit;

	/* A clock that is far off drifts away without a jump */
	if (d > JUMP_US || d < -JUMP_US || transit > DRIFT_US ||
	    transit < -DRIFT_US) {

		rx->ts_ext     = 0;
		rx->transit    = 0;
		rx->media_base = (int64_t)now;
		sched_slot_flush(s);
		sched_depth_init(&s->depth);
		++s->st.resyncs;
		return rx->media_base;
	}

	rx->transit = transit;
	d = d < 0 ? -d : d;
	rx->jitter = (uint32_t)((int32_t)rx->jitter + (int32_t)d -
				(int32_t)((rx->jitter + 8) >> 4));

	return media;
}
