/**
 * @file request.c  Requests of ours: the only place that hands tags to nta
 *                  for them
 */
#include <stdlib.h>
#include <string.h>
#include <sofia-sip/tport_tag.h>
#include "sip/leg.h"


/**
 * Send a request in a dialog
 *
 * @param lg Leg
 * @param rq What to send
 * @param h  Called with each response (and with a 408 of nta's own when none
 *           comes), or NULL: nobody cares
 *
 * @return Client transaction, to be destroyed by the caller, or NULL
 */
nta_outgoing_t *request_send(struct leg *lg, const struct request *rq,
			     nta_response_f *h)
{
	struct agent *ag = lg->ag;
	const bool contact = rq->method != sip_method_bye &&
		rq->method != sip_method_info;
	bool hop;
	nta_outgoing_t *orq;
	sip_payload_t pl[1];
	sip_cseq_t cs[1];
	msg_t *msg;

	if (!lg->nl)
		return NULL;

	if (lg->conn && (tport_is_shutdown(lg->conn) ||
			 tport_is_closed(lg->conn))) {
		tport_unref(lg->conn);
		lg->conn = NULL;
	}

	hop = !lg->conn && lg->hop;

	sip_payload_init(pl);
	pl->pl_data = (char *)rq->body;
	pl->pl_len  = rq->bodylen;

	sip_cseq_init(cs);
	cs->cs_seq         = rq->cseq;
	cs->cs_method      = rq->method;
	cs->cs_method_name = rq->name;

	orq = nta_outgoing_tcreate(lg->nl, h, lg,
		hop ? URL_STRING_MAKE(lg->hop) : NULL,
		rq->method, rq->name, NULL,
		TAG_IF(lg->conn, NTATAG_TPORT(lg->conn)),
		/* what is long goes over a connection (RFC 3261 section
		   18.1.1), and nta tries to have one for 5 s: not to a peer
		   behind NAT, and not when a call hangs on it */
		TAG_IF(hop || lg->adopted, TPTAG_MTU(UINT16_MAX)),
		TAG_IF(rq->cseq, SIPTAG_CSEQ(cs)),
		TAG_IF(contact && lg->contact,
		       SIPTAG_CONTACT_STR(lg->contact)),
		SIPTAG_USER_AGENT_STR(ag->sh->server),
		TAG_IF(rq->extra, SIPTAG_HEADER_STR(rq->extra)),
		TAG_IF(rq->ctype, SIPTAG_CONTENT_TYPE_STR(rq->ctype)),
		TAG_IF(rq->body, SIPTAG_PAYLOAD(pl)),
		TAG_END());
	if (!orq)
		return NULL;

	atomic_fetch_add(&ag->sh->sentv[receive_method(rq->method)], 1);

	if (lg->trace) {
		msg = nta_outgoing_getrequest(orq);
		if (msg) {
			trace_msg(lg, msg, true);
			msg_destroy(msg);
		}
	}

	return orq;
}
