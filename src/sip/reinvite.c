/**
 * @file reinvite.c  Offers inside a dialog: re-INVITE and UPDATE
 *                   (RFC 3261 section 14, RFC 3311), from both sides
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sip/leg.h"

static const char sdp_type[] = "application/sdp";


/**
 * Tell offers apart: a refresh repeats the last one
 *
 * @param p   SDP
 * @param len Its length [bytes]
 *
 * @return Hash, never 0
 */
uint64_t offer_hash(const char *p, size_t len)
{
	uint64_t h = 0xcbf29ce484222325ull;

	while (len--)
		h = (h ^ (uint8_t)*p++) * 0x100000001b3ull;

	return h ? h : 1;
}


/**
 * Keep our SDP, which refreshes and requests without an offer need again
 *
 * @param lg Leg
 * @param w  Message whose body it is
 *
 * @return true if kept
 */
bool offer_keep(struct leg *lg, const struct wire *w)
{
	char *sdp;

	if (!w->strv[WIRE_BODY] || w->lenv[WIRE_BODY] > LEG_SDP_MAX)
		return false;

	sdp = malloc(w->lenv[WIRE_BODY] + 1);
	if (!sdp)
		return false;

	memcpy(sdp, w->strv[WIRE_BODY], w->lenv[WIRE_BODY] + 1);
	free(lg->sdp);
	lg->sdp    = sdp;
	lg->sdplen = w->lenv[WIRE_BODY];

	return true;
}


/**
 * Keep our SDP that is to be offered; what is in force remains known until it
 * is answered
 *
 * @param lg Leg
 * @param w  Message whose body it is
 *
 * @return true if kept
 */
bool offer_propose(struct leg *lg, const struct wire *w)
{
	char **to = lg->sdp_before ? lg->offer_next && !lg->sdp_out
		? &lg->sdp_out : NULL : &lg->sdp_before;
	char *sdp = lg->sdp;

	if (!to)
		return offer_keep(lg, w);

	lg->sdp = NULL;
	if (!offer_keep(lg, w)) {
		lg->sdp = sdp;
		return false;
	}

	*to = sdp;

	return true;
}


/* What is in force now: what was offered, or what was before. */
static void offer_settle(struct leg *lg, bool taken)
{
	if (lg->sdp_out) {
		free(taken ? lg->sdp_before : lg->sdp_out);
		if (taken)
			lg->sdp_before = lg->sdp_out;
		lg->sdp_out = NULL;
		return;
	}

	if (!taken && lg->sdp_before) {
		free(lg->sdp);
		lg->sdp    = lg->sdp_before;
		lg->sdplen = strlen(lg->sdp);
	}
	else {
		free(lg->sdp_before);
	}

	lg->sdp_before = NULL;
}


/**
 * Print what offers and answers of ours say besides
 *
 * @param lg      Leg
 * @param request It is a request of ours, not a response
 * @param buf     Set to header lines
 * @param sz      Room there [bytes], 384 are enough
 */
void reinvite_headers(const struct leg *lg, bool request, char *buf,
		      size_t sz)
{
	char timer[128];

	timer_headers(lg, request, timer, sizeof(timer));
	(void)snprintf(buf, sz, "%s\r\nSupported: timer, replaces%s",
		       reply_allow(), timer);
}


static void answer_send(struct leg *lg, bool body)
{
	char extra[384];

	reinvite_headers(lg, false, extra, sizeof(extra));
	reply_send(lg->ag, lg, lg->irq, &(struct reply){
			.scode   = 200,
			.contact = lg->contact,
			.ctype   = body ? sdp_type : NULL,
			.body    = body ? lg->sdp : NULL,
			.bodylen = body ? lg->sdplen : 0,
			.extra   = extra,
		});

	/* an INVITE waits for its ACK, an UPDATE is over */
	if (nta_incoming_method(lg->irq) != sip_method_invite) {
		leg_answered(lg);
		timer_start(lg, agent_now());
		leg_quiet(lg);
	}
}


/* RFC 3261 section 14.2, RFC 3311 section 5.2 */
static bool busy(struct leg *lg, nta_incoming_t *irq, sip_t const *sip)
{
	const bool offers = sip->sip_request->rq_method == sip_method_invite ||
		sip->sip_payload;

	if (lg->kind != LEG_CALL) {
		reply_end(lg->ag, lg, irq, SIP_481_NO_TRANSACTION, NULL);
		return true;
	}

	if (offers && (lg->thaw || (lg->orq && lg->offered))) {
		reply_end(lg->ag, lg, irq, SIP_491_REQUEST_PENDING, NULL);
		return true;
	}

	if (lg->irq) {
		reply_end(lg->ag, lg, irq, 500, "Earlier Request Pending",
			  "Retry-After: 1");
		return true;
	}

	return false;
}


/**
 * The other side changes or refreshes its session
 *
 * @param lg  Leg
 * @param irq Server transaction, taken over
 * @param sip INVITE or UPDATE
 */
void reinvite_recv(struct leg *lg, nta_incoming_t *irq, sip_t const *sip)
{
	const bool invite = sip->sip_request->rq_method == sip_method_invite;
	const char *body;
	size_t len;
	uint64_t h;

	if (busy(lg, irq, sip))
		return;

	if (!receive_body(lg->ag, irq, sip, sdp_type, LEG_SDP_MAX,
			  &body, &len))
		return;

	if (!timer_offer(lg, irq, sip)) {
		nta_incoming_destroy(irq);
		return;
	}

	if (sip->sip_contact)
		nta_leg_server_route(lg->nl, sip->sip_record_route,
				     sip->sip_contact);

	lg->irq = irq;
	if (invite)
		invite_bind(lg);

	h = body ? offer_hash(body, len) : 0;

	if (!body && invite) {
		lg->offered = true;
		leg_tell(lg, WIRE_REOFFER, NULL, NULL, 0);
	}
	else if (!body) {
		answer_send(lg, false);
	}
	else if (h == lg->offer_hash) {
		answer_send(lg, true);
	}
	else {
		lg->offer_hash = h;
		leg_tell(lg, WIRE_REOFFER, sdp_type, body, len);
	}
}


/**
 * Answer the other side's offer
 *
 * @param lg Leg
 * @param w  The main thread's word: our SDP, or nothing to repeat the last
 */
void reinvite_accept(struct leg *lg, const struct wire *w)
{
	if (!lg->irq || nta_incoming_status(lg->irq) >= 200)
		return;

	if (!w->strv[WIRE_BODY] || offer_keep(lg, w)) {
		offer_settle(lg, true);
		answer_send(lg, true);
	}
	else {
		reinvite_refuse(lg, w);
	}
}


/**
 * Do not take the other side's offer; the session remains as it was
 *
 * @param lg Leg
 * @param w  The main thread's word: status and reason
 */
void reinvite_refuse(struct leg *lg, const struct wire *w)
{
	if (!lg->irq || nta_incoming_status(lg->irq) >= 200)
		return;

	lg->offer_hash = 0;

	nta_incoming_bind(lg->irq, NULL, NULL);
	reply_send(lg->ag, lg, lg->irq, &(struct reply){
			.scode  = w->scode >= 300 ? w->scode : 488,
			.phrase = w->strv[WIRE_REASON],
		});
	leg_answered(lg);
	leg_quiet(lg);
}


static void ack_send(struct leg *lg, nta_outgoing_t *orq)
{
	struct request rq = {
		.method = sip_method_ack,
		.name   = "ACK",
		.cseq   = nta_outgoing_cseq(orq),
	};

	nta_outgoing_destroy(request_send(lg, &rq, NULL));
}


static void gone(struct leg *lg, uint16_t scode)
{
	leg_end(lg, scode, "re-INVITE was not answered");
	leg_free(lg);
}


/* The main thread knows what became of its offer. */
static void asked_end(struct leg *lg, bool taken)
{
	if (!lg->offer_asked)
		return;

	offer_settle(lg, taken);

	lg->offer_told  = lg->offer_next;
	lg->offer_asked = false;
	lg->offer_next  = false;
}


/* The phone took our offer. */
static void accepted(struct leg *lg, sip_t const *sip)
{
	const sip_payload_t *pl = sip->sip_payload;

	lg->offered = false;
	lg->adopted = false;
	lg->tries   = 0;
	retry_cancel(lg);
	timer_answer(lg, sip);

	if (sip->sip_contact)
		nta_leg_client_reroute(lg->nl, NULL, sip->sip_contact, 0);

	/* what answers a refresh changes nothing */
	if (lg->offer_asked && pl && pl->pl_len && pl->pl_len <= LEG_SDP_MAX)
		leg_tell(lg, WIRE_ANSWER, sdp_type, pl->pl_data, pl->pl_len);
	else if (lg->offer_asked)
		retry_tell(lg, 488, 0);

	asked_end(lg, true);
	nta_outgoing_destroy(lg->orq);
	lg->orq = NULL;
	timer_start(lg, agent_now());
}


static void refused(struct leg *lg, uint16_t scode, sip_t const *sip)
{
	const bool here = !sip || nta_sip_is_internal(sip);

	lg->offered = false;
	nta_outgoing_destroy(lg->orq);
	lg->orq = NULL;
	retry_cancel(lg);

	if (scode == 408 || scode == 481) {
		gone(lg, scode);
		return;
	}

	if (!here && retry_wanted(lg, scode, sip)) {
		leg_quiet(lg);
		return;
	}

	lg->tries = 0;
	if (lg->offer_asked)
		retry_tell(lg, scode, here ? ENOTCONN : 0);
	asked_end(lg, false);
	timer_start(lg, agent_now());
	leg_quiet(lg);
}


static int responded(struct leg *lg, nta_outgoing_t *orq, sip_t const *sip)
{
	uint16_t scode = sip ? sip->sip_status->st_status : 408;

	if (scode < 200)
		return 0;

	if (scode < 300)
		ack_send(lg, orq);

	/* it was another server's dialog before we knew the answer */
	if (lg->state == LEG_DYING) {
		leg_free(lg);
		return 0;
	}

	if (scode >= 300) {
		refused(lg, scode, sip);
		return 0;
	}

	/* nta brings repeated 200s here as well */
	if (!lg->offered)
		return 0;

	accepted(lg, sip);

	leg_quiet(lg);

	return 0;
}


/**
 * Offer our kept SDP to the other side, now or as soon as nothing else is
 * going on
 *
 * @param lg Leg
 */
void reinvite_send(struct leg *lg)
{
	struct request rq = {
		.method  = sip_method_invite,
		.name    = "INVITE",
		.ctype   = sdp_type,
		.body    = lg->sdp,
		.bodylen = lg->sdplen,
	};
	char extra[384];

	if (lg->kind != LEG_CALL || !lg->sdp || lg->state == LEG_DYING)
		return;

	if (lg->state != LEG_CONFIRMED || lg->orq || lg->irq || lg->thaw ||
	    lg->freeze_wanted) {
		lg->offer_wanted = true;
		return;
	}

	reinvite_headers(lg, true, extra, sizeof(extra));
	rq.extra = extra;

	retry_cancel(lg);
	lg->offer_wanted = false;
	lg->offered = true;
	lg->offer_asked = lg->offer_told;
	++lg->tries;
	lg->orq = request_send(lg, &rq, responded);
	if (!lg->orq) {
		lg->offered = false;
		gone(lg, 500);
		return;
	}

	retry_limit(lg);
}
