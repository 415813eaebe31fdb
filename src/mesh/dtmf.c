/**
 * @file mesh/dtmf.c  Keys pressed, as telephone events (RFC 4733)
 *
 * All packets of one key press carry one time stamp, however often they or
 * its end are repeated; a press is told at its first packet.
 */
#include <re.h>
#include "mesh/dtmf.h"


enum {
	EVENT_SIZE = 4,
	EVENT_MAX  = 15,
	BURST_MAX  = 20,      /* presses in one second; nobody is faster    */
};


/* A press too long for one duration field goes on in another segment, whose
   time stamp follows the first's end: RFC 4733 2.5.1.3 */
static bool is_segment(const struct dtmf *d, uint32_t ts, uint8_t event)
{
	return !d->ended && event == d->event && d->duration >= 0xff00 &&
		ts - d->ts <= 0x10000;
}


/**
 * Receive a telephone event
 *
 * @param d      State
 * @param ssrc   SSRC of the packet
 * @param ts     RTP time stamp of the packet
 * @param p      Payload; what follows its first event is redundancy
 * @param len    Its length [bytes]
 * @param now    [us]
 * @param digit  Set to '0'..'9' '*' '#' 'A'..'D' if a key was pressed
 *
 * @return 0 if a key was pressed, EALREADY if this only continues a press,
 *         ENOTSUP for events that are no keys, EBADMSG if malformed,
 *         EOVERFLOW if there are more presses than anybody can make
 */
int dtmf_recv(struct dtmf *d, uint32_t ssrc, uint32_t ts, const uint8_t *p,
	      size_t len, uint64_t now, char *digit)
{
	uint16_t duration;
	bool end, old;

	if (!d || !p || !digit)
		return EINVAL;
	if (len < EVENT_SIZE)
		return EBADMSG;
	if (p[0] > EVENT_MAX)
		return ENOTSUP;

	end      = p[1] & 0x80;
	duration = (uint16_t)(p[2] << 8 | p[3]);

	old = d->any && ssrc == d->ssrc &&
		(ts == d->ts || is_segment(d, ts, p[0]) ||
		 (int32_t)(ts - d->ts) < 0);

	if (old && (int32_t)(ts - d->ts) < 0 && d->ts - ts > 8000 * 10)
		old = false;     /* the sender's clock jumped back          */

	if (old) {
		if ((int32_t)(ts - d->ts) >= 0) {
			d->ts        = ts;
			d->duration  = duration;
			d->ended    |= end;
		}
		return EALREADY;
	}

	d->any      = true;
	d->ssrc     = ssrc;
	d->ts       = ts;
	d->event    = p[0];
	d->ended    = end;
	d->duration = duration;

	if (now - d->turn > 1000000) {
		d->turn  = now;
		d->burst = 0;
	}
	if (d->burst >= BURST_MAX)
		return EOVERFLOW;
	++d->burst;

	*digit = "0123456789*#ABCD"[p[0]];

	return 0;
}
