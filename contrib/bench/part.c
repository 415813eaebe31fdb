/* A participant's media: where it sends, and what of its packets is kept to be
 * looked at afterwards. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "bench.h"

/* of a packet in the row; times stay aligned */
#define HEARD_SIZE(n) ((sizeof(struct heard_packet) + (size_t)(n) + 7) & ~7ul)


/**
 * Begin to send, or go on to another address
 *
 * @param p      Participant; its loop is set
 * @param remote Where to
 * @param pt     Payload type
 */
void part_connect(struct part *p, const struct sockaddr_in *remote,
		  uint8_t pt)
{
	pthread_mutex_lock(p->lock);
	p->remote = *remote;
	p->pt = pt;
	p->active = true;
	pthread_mutex_unlock(p->lock);
}


/** Stop sending */
void part_disconnect(struct part *p)
{
	pthread_mutex_lock(p->lock);
	p->active = false;
	pthread_mutex_unlock(p->lock);
}


/**
 * Remember when a participant's frames left; before media_start()
 *
 * @param p      Participant
 * @param frames At most so many frames
 *
 * @return 0 if success, otherwise errorcode
 */
int part_logsent(struct part *p, uint32_t frames)
{
	p->sentv = calloc(frames, sizeof(*p->sentv));
	p->sentmax = frames;

	return p->sentv ? 0 : ENOMEM;
}


/**
 * Keep what a participant receives; before media_start()
 *
 * @param p       Participant
 * @param packets At most about so many
 *
 * @return 0 if success, otherwise errorcode
 */
int part_record(struct part *p, uint32_t packets)
{
	/* pages that are not needed are never touched */
	p->heardmax = packets * HEARD_SIZE(FRAME_MAX);
	p->heard = calloc(1, p->heardmax);

	return p->heard ? 0 : ENOMEM;
}


/**
 * Keep a packet, if there is room
 *
 * @param p   Participant
 * @param at  Arrival [ns, wall clock]
 * @param ts  RTP time
 * @param b   Payload
 * @param len Its length [bytes], at most FRAME_MAX
 */
void part_keep(struct part *p, int64_t at, uint32_t ts, const uint8_t *b,
	       size_t len)
{
	struct heard_packet *h;

	if (p->heardlen + HEARD_SIZE(len) > p->heardmax)
		return;

	h = (void *)(p->heard + p->heardlen);
	h->at = at;
	h->ts = ts;
	h->len = (uint16_t)len;
	memcpy(h->data, b, len);
	p->heardlen += HEARD_SIZE(len);
	++p->heardc;
}


/**
 * Walk along the packets that were kept
 *
 * @param p    Participant
 * @param prev The one before, NULL for the first
 *
 * @return The next one, NULL if there is none
 */
const struct heard_packet *part_heard(const struct part *p,
				      const struct heard_packet *prev)
{
	const uint8_t *next = prev ? (const uint8_t *)prev +
		HEARD_SIZE(prev->len) : p->heard;

	return next && next < p->heard + p->heardlen ?
		(const void *)next : NULL;
}
