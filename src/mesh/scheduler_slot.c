/**
 * @file mesh/scheduler_slot.c  The packets kept
 *
 * A ring by sequence number; every slot comes from the worker's pool, so
 * that only those who may be talking hold any.
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


static void slot_free(struct scheduler *s, struct sched_slot **slotp)
{
	*slotp = codec_pool_put(s->pool, CODEC_OBJ_SLOT, *slotp);
	--s->kept;
}


/**
 * Keep a packet
 *
 * @param s      Scheduler
 * @param pkt    Packet; its payload is copied
 * @param fmt    Index of its format
 * @param media  Its place on the time line [us]
 * @param level  Its level [-dBov]
 * @param now    [us]
 *
 * @return 0 if success or too late, EBADMSG if malformed, ENOMEM if the pool
 *         is empty
 */
int sched_slot_keep(struct scheduler *s, const struct scheduler_packet *pkt,
		     uint8_t fmt, int64_t media, uint8_t level, uint64_t now)
{
	struct sched_slot **sp = &s->ring[pkt->seq % SCHED_RING], *slot;
	uint32_t dur;

	dur = codec_duration(&s->fmtv[fmt], pkt->p, pkt->len);
	if (!dur || dur > 60000) {
		++s->st.malformed;
		return EBADMSG;
	}

	s->dur = dur;

	if (s->kept && seq_diff(pkt->seq, s->newest) <= -SCHED_RING) {
		++s->st.late;
		return 0;
	}
	if (s->kept && seq_diff(pkt->seq, s->newest) > 0)
		sched_slot_drop_before(s, (uint16_t)
				       (pkt->seq - SCHED_RING + 1));
	if (*sp)
		slot_free(s, sp);

	slot = codec_pool_get(s->pool, CODEC_OBJ_SLOT);
	if (!slot)
		return ENOMEM;

	slot->media   = media;
	slot->arrival = now;
	slot->dur     = dur;
	slot->seq     = pkt->seq;
	slot->len     = (uint16_t)pkt->len;
	slot->fmt     = fmt;
	slot->level   = level;
	memcpy(slot->data, pkt->p, pkt->len);

	if (!s->kept || seq_diff(pkt->seq, s->newest) > 0)
		s->newest = pkt->seq;

	*sp = slot;
	++s->kept;

	return 0;
}


/**
 * Find a packet
 *
 * @param s    Scheduler
 * @param seq  Its sequence number
 *
 * @return The packet, or NULL
 */
struct sched_slot *sched_slot_at(const struct scheduler *s, uint16_t seq)
{
	struct sched_slot *slot = s->ring[seq % SCHED_RING];

	return slot && slot->seq == seq ? slot : NULL;
}


/**
 * Find the first packet after one that is missing
 *
 * @param s    Scheduler
 * @param seq  The sequence number of that one
 *
 * @return The packet, or NULL
 */
struct sched_slot *sched_slot_after(const struct scheduler *s, uint16_t seq)
{
	struct sched_slot *slot = NULL;

	if (!s->kept)
		return NULL;

	if (seq_diff(s->newest, seq) > SCHED_RING)
		seq = (uint16_t)(s->newest - SCHED_RING);

	while (!slot && seq_diff(s->newest, seq) > 0)
		slot = sched_slot_at(s, ++seq);

	return slot;
}


/**
 * Let go of all packets before one
 *
 * @param s    Scheduler
 * @param seq  The first to keep
 */
void sched_slot_drop_before(struct scheduler *s, uint16_t seq)
{
	unsigned i;

	if (!s->kept)
		return;

	/* Mostly it is just the one before; walk down from there */
	for (i = 1; i <= SCHED_RING && s->kept; i++) {
		struct sched_slot **sp;

		sp = &s->ring[(uint16_t)(seq - i) % SCHED_RING];
		if (!*sp)
			continue;
		if (seq_diff((*sp)->seq, seq) >= 0)
			break;
		slot_free(s, sp);
	}
}


/**
 * Let go of all packets
 *
 * @param s  Scheduler
 */
void sched_slot_flush(struct scheduler *s)
{
	unsigned i;

	for (i = 0; i < SCHED_RING && s->kept; i++) {
		if (s->ring[i])
			slot_free(s, &s->ring[i]);
	}

	s->ready = false;
}
