/**
 * @file mesh/wlink.c  A link to another server that has the same conference
 *
 *     own talkers ---- sum ----------------------------> listeners
 *                        \ - other links                 ^
 *                         `--> link ==== L16 ==== link --'
 *
 * What comes is the mix of all who are at the other server, judged and mixed
 * there: here it is one more voice, outside of the limit of talkers. What
 * goes is the same of ours. Two packets of 10 ms go out per tick, since 20
 * ms at 48 kHz would not fit into a datagram; the payload type says which
 * rate they have. With nothing to say, the stream ends with a packet of
 * comfort noise (RFC 3389), which is repeated now and then.
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

enum {
	TAIL      = 2,           /* silence sent before the end [ticks]   */
	COMFORT   = 50,          /* between packets that say nothing
				    [ticks]                               */
	PT_CN     = 13,
	PT_FIRST  = 96,
	TICK_TS   = 960,         /* of the time stamp, whatever the rate  */
};


/**
 * The payload type of a rate
 *
 * @param rate 8000, 16000, 24000 or 48000 [Hz]
 *
 * @return Payload type
 */
uint8_t wlink_pt(uint32_t rate)
{
	return (uint8_t)(PT_FIRST + (rate > 24000 ? 3 : rate > 16000 ? 2
				     : rate > 8000));
}


/**
 * Note who is in what has come
 *
 * @param part Link
 * @param buf  RTP packet
 * @param len  Its length [bytes]
 */
void wlink_rx(struct wpart *part, const uint8_t *buf, size_t len)
{
	struct wpart_link *link = &part->link;

	link->csrcc = rtp_mixer_decode(link->csrcv, link->levelv, buf, len,
				       WLINK_EXT_MIXER);
}


/**
 * Begin a tick: is there something to hear?
 *
 * @param part Link
 */
void wlink_listen(struct wpart *part)
{
	uint8_t level = 127;

	part->link.heard = scheduler_tick(part->sched, part->conf->w->now,
					  &level) == SCHEDULER_TALKING;
	part->level = level;
}


/**
 * Get the audio of a tick
 *
 * @param part Link that is heard
 * @param t    Set; `sampv` is where the audio goes
 *
 * @return False if there is none
 */
bool wlink_fetch(struct wpart *part, struct filter_talker *t)
{
	t->who    = part;
	t->link   = true;
	t->ssrc   = part->tx.ssrc;
	t->level  = part->level;
	t->csrcv  = part->link.csrcv;
	t->levelv = part->link.levelv;
	t->csrcc  = part->link.csrcc;

	return !scheduler_pcm(part->sched, t->sampv, part->conf->rate);
}


/* Nothing to say, and the other side shall know */
static void comfort_send(struct wpart *part)
{
	static const uint8_t noise[] = {127};
	struct wpart_tx *tx = &part->tx;
	uint8_t *hdr;

	hdr = tx_batch_add(part->conf->w->tx_port, tx->rtp_fd, &tx->rtp,
			   noise, sizeof(noise));
	rtp_fixed_encode(hdr, 0x80, PT_CN, false, tx->seq++, tx->ts,
			 tx->ssrc);
	++tx->psent;
	++tx->osent;
	++tx->packets;
	tx->bytes += RTP_FIXED + sizeof(noise);
}


/**
 * Send what others than links say
 *
 * @param conf Conference
 * @param part Link
 */
void wlink_send(struct wconf *conf, struct wpart *part)
{
	struct worker_scratch *sc = &conf->w->scratch;
	struct wpart_link *link = &part->link;
	struct wpart_tx *tx = &part->tx;
	struct filter_mix m;

	if (!part->own || !tx->on)
		return;

	if (part->deaf)
		memset(&m, 0, sizeof(m));
	else
		filter_one(&m, sc->onev, sc->sumv, conf->rate / 50,
			   sc->talkv, sc->talkc, part, part->rules);

	link->quiet = m.sampv ? 0 : link->quiet + 1;

	if (link->quiet > TAIL) {
		if ((link->quiet - TAIL) % COMFORT == 1)
			comfort_send(part);
		tx->ts += TICK_TS;
		tx->marker = true;
		return;
	}

	tx->pt = wlink_pt(conf->rate);
	(void)sender_run(part->own, &part->group->key, &m, &conf->env);
	wpart_send(part, part->own);
}
