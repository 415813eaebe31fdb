/**
 * @file invite.c  Joins: INVITE outside of dialogs, RFC 3261 section 13.3
 *
 *   phone        signalling            main
 *     |--INVITE----->|                   |
 *     |              |------JOIN-------->|
 *     |   (100 after 200 ms)             |
 *     |              |<-----ACCEPT-------|
 *     |<--200 OK-----|  nta repeats it   |
 *     |--ACK-------->|---ESTABLISHED---->|
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "sip/leg.h"

static const char sdp_type[] = "application/sdp";


static void established(struct leg *lg, const char *body, size_t len)
{
	const char *strv[WIRE_STRC] = {
		[WIRE_BODY] = body,
		[WIRE_LTAG] = nta_leg_get_tag(lg->nl),
		[WIRE_RTAG] = nta_leg_get_rtag(lg->nl),
	};
	const size_t lenv[WIRE_STRC] = {
		[WIRE_BODY] = len,
		[WIRE_LTAG] = strv[WIRE_LTAG] ? strlen(strv[WIRE_LTAG]) : 0,
		[WIRE_RTAG] = strv[WIRE_RTAG] ? strlen(strv[WIRE_RTAG]) : 0,
	};

	wireq_push(lg->ag->out, wire_alloc(WIRE_ESTABLISHED, lg->id, strv,
					   lenv));
}


static void acked(struct leg *lg, sip_t const *sip)
{
	const sip_payload_t *pl = sip->sip_payload;
	const char *body = pl && pl->pl_len ? pl->pl_data : NULL;
	size_t len = body && pl->pl_len <= LEG_SDP_MAX ? pl->pl_len : 0;
	bool first = lg->state == LEG_ACCEPTED;

	atomic_fetch_add(&lg->ag->sh->reqv[METHOD_ACK], 1);
	leg_answered(lg);

	lg->state = LEG_CONFIRMED;

	if (lg->bye_wanted) {
		bye_send(lg, lg->bye_scode, NULL);
		return;
	}

	if (lg->offered && !len) {
		bye_send(lg, 400, "No answer in ACK");
		return;
	}

	lg->offered = false;

	if (first)
		established(lg, len ? body : NULL, len);
	else if (len)
		leg_tell(lg, WIRE_ANSWER, NULL, body, len);

	timer_start(lg, agent_now());
	leg_quiet(lg);
}


static int acked_or_cancelled(struct leg *lg, nta_incoming_t *irq,
			      sip_t const *sip)
{
	if (!sip) {
		/* nta gave up repeating the 200 */
		lg->state = LEG_CONFIRMED;
		leg_answered(lg);
		bye_send(lg, 408, "No ACK");
		return 0;
	}

	if (lg->trace) {
		msg_t *msg = nta_incoming_getrequest_ackcancel(irq);

		if (msg) {
			trace_msg(lg, msg, false);
			msg_destroy(msg);
		}
	}

	if (sip->sip_request->rq_method == sip_method_ack) {
		acked(lg, sip);
		return 0;
	}

	atomic_fetch_add(&lg->ag->sh->reqv[METHOD_CANCEL], 1);

	if (lg->state == LEG_INCOMING) {
		nta_incoming_bind(irq, NULL, NULL);
		reply_send(lg->ag, lg, irq, &(struct reply){.scode = 487});
		leg_end(lg, 487, "cancelled");
		leg_free(lg);
	}
	else if (nta_incoming_status(irq) < 200) {
		reply_send(lg->ag, lg, irq, &(struct reply){.scode = 487});
		leg_answered(lg);
		leg_quiet(lg);
	}

	return 0;
}


/**
 * Have the ACK and CANCEL of a leg's INVITE brought to the leg
 *
 * @param lg Leg
 *
 * @return 0
 */
int invite_bind(struct leg *lg)
{
	nta_incoming_bind(lg->irq, acked_or_cancelled, lg);

	return 0;
}


static bool acceptable(struct agent *ag, nta_incoming_t *irq,
		       sip_t const *sip)
{
	const sip_content_disposition_t *cd = sip->sip_content_disposition;
	const char *body;
	size_t len;

	if (!sip->sip_contact || sip->sip_contact->m_url->url_type ==
	    url_any) {
		atomic_fetch_add(&ag->sh->malformed, 1);
		reply_end(ag, NULL, irq, 400, "Missing Contact Header", NULL);
		return false;
	}

	if (!receive_body(ag, irq, sip, sdp_type, LEG_SDP_MAX, &body, &len))
		return false;

	if (body && cd && cd->cd_type && cd->cd_required &&
	    strcasecmp(cd->cd_type, "session")) {
		reply_end(ag, NULL, irq, SIP_415_UNSUPPORTED_MEDIA,
			  "Accept: application/sdp");
		return false;
	}

	return true;
}


/**
 * Somebody wants to join
 *
 * @param ag  Agent
 * @param irq Server transaction, taken over
 * @param sip INVITE outside of a dialog
 */
void invite_recv(struct agent *ag, nta_incoming_t *irq, sip_t const *sip)
{
	struct reply bad = {.scode = 503};
	struct leg *lg = NULL;
	struct wire *w;

	if (recent_has(ag->recent, sip, agent_now())) {
		reply_end(ag, NULL, irq, 482, "Answered Before", NULL);
		return;
	}

	if (receive_full(ag, irq) || !acceptable(ag, irq, sip) ||
	    !replaces_check(ag, irq, sip))
		return;

	if (leg_alloc(&lg, ag, LEG_CALL, irq, sip)) {
		reply_end(ag, NULL, irq, 503, NULL, NULL);
		return;
	}

	if (!timer_offer(lg, irq, sip)) {
		leg_free(lg);
		return;
	}

	w = identity_wire(ag, WIRE_JOIN, lg->id, irq, sip, &bad);
	if (!w) {
		reply_send(ag, lg, irq, &bad);
		leg_free(lg);
		return;
	}

	if (w->strv[WIRE_BODY])
		lg->offer_hash = offer_hash(w->strv[WIRE_BODY],
					    w->lenv[WIRE_BODY]);
	else
		lg->offered = true;

	invite_bind(lg);
	trace_start(lg, w);
	wireq_push(ag->out, w);
}


/**
 * Let somebody in
 *
 * @param lg Leg in state LEG_INCOMING
 * @param w  The main thread's word: our SDP
 */
void invite_accept(struct leg *lg, const struct wire *w)
{
	struct agent *ag = lg->ag;
	msg_t *msg = nta_incoming_getrequest(lg->irq);
	char extra[512], common[384];

	lg->contact = identity_contact(lg, sip_object(msg)->sip_request->
				       rq_url->url_user);
	recent_add(ag->recent, sip_object(msg), agent_now());
	msg_destroy(msg);

	if (!lg->contact || !offer_keep(lg, w) ||
	    leg_dialog(lg)) {

		reply_send(ag, lg, lg->irq, &(struct reply){.scode = 500});
		leg_end(lg, 500, "cannot make a dialog");
		leg_free(lg);
		return;
	}

	reinvite_headers(lg, false, common, sizeof(common));
	(void)snprintf(extra, sizeof(extra), "%s\r\n"
		       "Allow-Events: conference", common);

	atomic_fetch_sub(&ag->sh->pending, 1);
	lg->state = LEG_ACCEPTED;
	lg->due   = 0;

	reply_send(ag, lg, lg->irq, &(struct reply){
			.scode   = 200,
			.contact = lg->contact,
			.ctype   = sdp_type,
			.body    = lg->sdp,
			.bodylen = lg->sdplen,
			.extra   = extra,
		});
}


/* Who came by TCP may reach nothing else (or is too large for UDP), and a URI
   that does not say so means UDP. Servers listen on both. */
static char *contact_tcp(const char *contact)
{
	const size_t n = contact ? strlen(contact) : 0;
	char *p;

	if (n < 2 || contact[n - 1] != '>' || strchr(contact, ',') ||
	    strstr(contact, ";transport="))
		return NULL;

	p = malloc(n + 16);
	if (p)
		(void)snprintf(p, n + 16, "%.*s;transport=tcp>", (int)n - 1,
			       contact);

	return p;
}


/**
 * Do not let somebody in: 3xx with a Contact, 4xx to 6xx
 *
 * @param lg Leg in state LEG_INCOMING
 * @param w  The main thread's word
 */
void invite_refuse(struct leg *lg, const struct wire *w)
{
	struct reply r = {
		.scode   = w->scode,
		.phrase  = w->strv[WIRE_REASON],
		.contact = w->strv[WIRE_CONTACT],
	};
	char extra[32], *tcp = NULL;

	if (lg->conn)
		tcp = contact_tcp(r.contact);
	if (tcp)
		r.contact = tcp;

	/* RFC 3261 section 20.33: this passes */
	if (w->scode == 480 || w->scode == 503) {
		(void)snprintf(extra, sizeof(extra), "Retry-After: %d",
			       LEG_RETRY_AFTER);
		r.extra = extra;
	}

	if (r.phrase && !*r.phrase)
		r.phrase = NULL;

	nta_incoming_bind(lg->irq, NULL, NULL);
	reply_send(lg->ag, lg, lg->irq, &r);
	free(tcp);
	leg_end(lg, w->scode, w->strv[WIRE_REASON]);
	leg_free(lg);
}
