/**
 * @file mesh/scheduler.c  Adaptive jitter buffer: life, packets in, figures
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
	DEPTH_DEFAULT = 400,  /* [ms]                                       */
	PT_CN         = 13,
	PAIR_US       = 5000, /* two that come this close were sent at once */
};


static void destructor(void *data)
{
	struct scheduler *s = data;

	sched_talk_end(s);
}


static int media_set(struct scheduler *s, const struct mesh_media *media)
{
	unsigned i;

	if (media->rxc > MESH_FORMATS_MAX)
		return EINVAL;

	memset(s->ptv, SCHED_PT_NONE, sizeof(s->ptv));
	s->ptv[PT_CN] = SCHED_PT_CN;

	if (media->telev_rx && media->telev_rx < 128)
		s->ptv[media->telev_rx] = SCHED_PT_TELEV;
	s->telev = media->telev_rx != 0;

	for (i = 0; i < media->rxc; i++) {
		s->fmtv[i] = media->rxv[i];
		if (media->rxv[i].pt < 128)
			s->ptv[media->rxv[i].pt] = (uint8_t)i;
	}
	s->fmtc = (uint8_t)media->rxc;

	return 0;
}


/**
 * Make a scheduler
 *
 * @param sp     Where it goes
 * @param pool   The worker's pool; must outlive the scheduler
 * @param cfg    Settings, copied; NULL for the defaults
 * @param media  What may come: rxv and telev_rx are used
 * @param dtmfh  Called for keys pressed, may be NULL
 * @param arg    Handed to dtmfh
 *
 * @return 0 if success, otherwise errorcode
 */
int scheduler_alloc(struct scheduler **sp, struct codec_pool *pool,
		    const struct scheduler_config *cfg,
		    const struct mesh_media *media,
		    scheduler_dtmf_h *dtmfh, void *arg)
{
	struct scheduler *s;
	int err;

	if (!sp || !pool || !media)
		return EINVAL;
	if (cfg && cfg->depth_max &&
	    (cfg->depth_max < 20 || cfg->depth_max > 1000))
		return EINVAL;

	s = mem_zalloc(sizeof(*s), destructor);
	if (!s)
		return ENOMEM;

	s->pool  = pool;
	s->dtmfh = dtmfh;
	s->arg   = arg;
	if (cfg)
		s->cfg = *cfg;
	if (!s->cfg.depth_max)
		s->cfg.depth_max = DEPTH_DEFAULT;

	err = media_set(s, media);
	if (err) {
		mem_deref(s);
		return err;
	}

	scheduler_reset(s);
	*sp = s;

	return 0;
}


static bool media_same(const struct scheduler *s,
		       const struct mesh_media *media)
{
	unsigned i;

	if (media->rxc != s->fmtc)
		return false;

	for (i = 0; i < media->rxc; i++) {
		if (media->rxv[i].codec != s->fmtv[i].codec ||
		    media->rxv[i].pt != s->fmtv[i].pt)
			return false;
	}

	return true;
}


/**
 * Take over another agreement about what may come
 *
 * @param s      Scheduler
 * @param media  Agreement
 *
 * @return 0 if success, otherwise errorcode
 */
int scheduler_update(struct scheduler *s, const struct mesh_media *media)
{
	if (!s || !media)
		return EINVAL;

	/* Kept packets name their format by its index. A refresh of the
	   session changes nothing, and must not be heard. */
	if (!media_same(s, media))
		sched_talk_end(s);

	return media_set(s, media);
}


/**
 * Forget the stream; its figures remain. For a talker who is put on hold,
 * or whose stream goes on elsewhere.
 *
 * @param s  Scheduler
 */
void scheduler_reset(struct scheduler *s)
{
	if (!s)
		return;

	sched_talk_end(s);
	sched_depth_init(&s->depth);
	talk_init(&s->talk);
	memset(&s->g722, 0, sizeof(s->g722));
	memset(&s->rx, 0, sizeof(s->rx));
	memset(&s->opus, 0, sizeof(s->opus));
	s->over = s->paired = false;
	s->midway = LEVEL_SILENCE;
	s->gain = s->gain_ref = OPUS_LEVEL_NONE;
	s->verdict = LEVEL_SILENCE;
}


/**
 * Go on with a stream that another server received until now
 *
 * @param s     Scheduler, fresh
 * @param st    Its figures there, as scheduler_stats() tells them
 * @param level Of the talk that is going on, LEVEL_SILENCE if there is none
 *              [-dBov]
 */
void scheduler_resume(struct scheduler *s, const struct scheduler_stats *st,
		      uint8_t level)
{
	if (!s || !st)
		return;

	s->st.packets = st->packets;
	s->st.bytes   = st->bytes;
	s->st.late    = st->late;
	s->st.dup     = st->dup;
	s->made_all   = st->concealed * 1000ull;
	s->midway     = level;
	sched_rx_resume(&s->rx, st);
}


/* The same participant with a new SSRC, or his clock jumped */
static void stream_begin(struct scheduler *s)
{
	sched_slot_flush(s);
	sched_depth_init(&s->depth);
	s->rx.clock   = 0;
	s->rx.transit = 0;
}


static int put_telev(struct scheduler *s, const struct scheduler_packet *pkt,
		     uint64_t now)
{
	char digit;
	int err;

	err = dtmf_recv(&s->dtmf, pkt->ssrc, pkt->ts, pkt->p, pkt->len, now,
			&digit);
	if (err == EBADMSG)
		++s->st.malformed;
	else if (!err && s->dtmfh)
		s->dtmfh(digit, 0, s->arg);

	return err == EBADMSG ? err : 0;
}


/* Tell whether a packet is worth keeping, and how loud it is */
static bool hear(struct scheduler *s, const struct mesh_format *fmt,
		 const struct scheduler_packet *pkt, uint64_t now,
		 uint8_t *level)
{
	s->talk_pcm = pkt->level < 0 && (fmt->codec == MESH_G722 ||
					 fmt->codec == MESH_OPUS);

	if (pkt->level >= 0) {
		*level = (uint8_t)pkt->level;
	}
	else switch (fmt->codec) {

	case MESH_PCMU:
	case MESH_PCMA:
		*level = level_g711(fmt->codec == MESH_PCMA, pkt->p,
				    pkt->len);
		break;

	case MESH_G722:
		*level = level_g722(&s->g722, pkt->p, pkt->len);
		break;

	case MESH_L16:
		*level = level_l16(pkt->p, pkt->len);
		break;

	default:
		*level = LEVEL_SILENCE;
		return sched_judge_hear(s, pkt, now, level);
	}

	/* It was judged where it was mixed */
	if (s->cfg.link) {
		s->over = false;
		talk_say(&s->talk, *level, now);
		return true;
	}

	/* What is played is heard then, and better */
	if (s->tk && s->pcm_heard && s->talk_pcm)
		return true;

	return talk_hear(&s->talk, *level, now);
}


/* Of a pair that was sent at once, the first seems to be late by its length;
   it is the second that has to be in time */
static void transit_note(struct scheduler *s, uint64_t now)
{
	if (!s->cfg.link) {
		sched_depth_transit(&s->depth, s->rx.transit, now);
		return;
	}

	if (s->paired && now - s->pair_at < PAIR_US) {
		s->paired = false;
		sched_depth_transit(&s->depth, s->rx.transit, now);
		return;
	}

	if (s->paired)
		sched_depth_transit(&s->depth, s->pair_transit, now);
	s->paired       = true;
	s->pair_at      = now;
	s->pair_transit = s->rx.transit;
}


/**
 * A packet has come
 *
 * @param s    Scheduler
 * @param pkt  Packet; its payload is copied if it is needed
 * @param now  When it came [us], never less than before
 *
 * @return 0 if success (also if the packet was dropped as late or double),
 *         EPROTO if its payload type was not agreed, EBADMSG if malformed
 */
int scheduler_put(struct scheduler *s, const struct scheduler_packet *pkt,
		  uint64_t now)
{
	const struct mesh_format *fmt;
	enum sched_verdict verdict;
	uint8_t ix, level;
	int64_t media;
	bool keep;

	if (!s || !pkt)
		return EINVAL;

	++s->st.packets;
	s->st.bytes += pkt->len;

	ix = s->ptv[pkt->pt & 127];
	if (ix == SCHED_PT_NONE || !pkt->len || !pkt->p ||
	    pkt->len > CODEC_PAYLOAD_MAX) {
		++s->st.malformed;
		return ix == SCHED_PT_NONE ? EPROTO : EBADMSG;
	}

	verdict = sched_rx_seq(s, pkt, now);
	if (verdict == SCHED_DROP)
		return 0;
	if (verdict == SCHED_RESYNC)
		stream_begin(s);
	s->rx.last = now;

	if (ix >= SCHED_PT_TELEV && s->ready &&
	    seq_diff(pkt->seq, s->next) >= 0 && s->others < 250)
		++s->others;

	if (ix == SCHED_PT_TELEV)
		return put_telev(s, pkt, now);

	if (ix == SCHED_PT_CN) {
		s->over = s->cfg.link;
		talk_hear(&s->talk, LEVEL_SILENCE, now);
		return 0;
	}

	fmt   = &s->fmtv[ix];
	media = sched_rx_time(s, codec_clock(fmt), pkt->ts, now);
	transit_note(s, now);

	keep = hear(s, fmt, pkt, now, &level);
	if (!keep && !s->tk)
		return 0;

	if (s->ready && seq_diff(pkt->seq, s->next) < 0) {
		++s->st.late;
		return 0;
	}

	if (!s->tk)
		sched_slot_drop_before(s, (uint16_t)(pkt->seq - SCHED_HIST));

	return sched_slot_keep(s, pkt, ix, media, level, now);
}


/**
 * The figures of the stream
 *
 * @param s   Scheduler
 * @param st  Where they go
 */
void scheduler_stats(const struct scheduler *s, struct scheduler_stats *st)
{
	const struct sched_rx *rx = &s->rx;

	*st = s->st;
	st->jitter    = rx->jitter >> 4;
	st->jitter_ts = (uint32_t)((uint64_t)st->jitter * rx->clock
				   / 1000000);
	st->ssrc      = rx->ssrc;
	st->stretched = (uint32_t)(s->stretched / 1000);
	st->concealed = (uint32_t)(s->made_all / 1000);
	st->depth     = s->tk ? s->depth.now_us / 1000 : 0;

	if (rx->any) {
		st->ext_seq  = rx->cycles + rx->seq_max;
		st->expected = st->ext_seq - rx->seq_base + 1;
		st->lost     = st->expected > rx->received
			? st->expected - rx->received : 0;
	}
}
