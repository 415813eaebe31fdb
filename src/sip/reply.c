/**
 * @file reply.c  Responses: the only place that hands tags to nta for them
 */
#include <stdlib.h>
#include <string.h>
#include "sip/leg.h"


/**
 * What this server can do
 *
 * @return Allow header line
 */
const char *reply_allow(void)
{
	return "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO, "
		"MESSAGE, SUBSCRIBE, NOTIFY, REFER";
}


/**
 * Answer a request
 *
 * @param ag  Agent
 * @param lg  Leg whose trace the response belongs to, or NULL
 * @param irq Server transaction; remains the caller's
 * @param r   What to say
 */
void reply_send(struct agent *ag, const struct leg *lg, nta_incoming_t *irq,
		const struct reply *r)
{
	sip_payload_t pl[1];
	msg_t *msg;

	sip_payload_init(pl);
	pl->pl_data = (char *)r->body;
	pl->pl_len  = r->bodylen;

	nta_incoming_treply(irq, r->scode, r->phrase,
		TAG_IF(r->contact, SIPTAG_CONTACT_STR(r->contact)),
		SIPTAG_SERVER_STR(ag->sh->server),
		TAG_IF(r->extra, SIPTAG_HEADER_STR(r->extra)),
		TAG_IF(r->ctype, SIPTAG_CONTENT_TYPE_STR(r->ctype)),
		TAG_IF(r->body, SIPTAG_PAYLOAD(pl)),
		TAG_END());

	atomic_fetch_add(&ag->sh->respv[r->scode / 100 % 7], 1);

	if (!lg || !lg->trace)
		return;

	msg = nta_incoming_getresponse(irq);
	if (msg) {
		trace_msg(lg, msg, true);
		msg_destroy(msg);
	}
}


/**
 * Answer a request finally, and let go of its transaction
 *
 * @param ag     Agent
 * @param lg     Leg whose trace the response belongs to, or NULL
 * @param irq    Server transaction, gone afterwards
 * @param scode  SIP status
 * @param phrase Reason phrase, or NULL for the usual one
 * @param extra  Header lines, or NULL
 */
void reply_end(struct agent *ag, const struct leg *lg, nta_incoming_t *irq,
	       uint16_t scode, const char *phrase, const char *extra)
{
	struct reply r = {
		.scode  = scode,
		.phrase = phrase,
		.extra  = extra,
	};

	reply_send(ag, lg, irq, &r);
	nta_incoming_destroy(irq);
}
