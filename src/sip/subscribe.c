/**
 * @file subscribe.c  Who is there: event package "conference" (RFC 6665,
 *                    4575), the notifier's side
 *
 *   subscriber     signalling          main
 *     |--SUBSCRIBE-->|-----SUBSCRIBE---->|
 *     |              |<-----ACCEPT-------|
 *     |<--200--------|                   |
 *     |<--NOTIFY-----|<-----NOTIFY-------|   one at a time
 *     |--200-------->|                   |
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "sip/leg.h"

enum {
	EXPIRES_DEFAULT = 3600,        /* RFC 4575 section 3.4 [s]          */
	EXPIRES_MAX     = 3600,        /* [s]                               */
	EXPIRES_MIN     = 30,          /* [s]                               */
};

static const char roster_type[] = "application/conference-info+xml";


static bool accepts(sip_t const *sip)
{
	const sip_accept_t *ac = sip->sip_accept;

	if (!ac)
		return true;

	for (; ac; ac = ac->ac_next) {

		const char *t = ac->ac_type ? ac->ac_type : "";

		if (!strcasecmp(t, roster_type) || !strcmp(t, "*/*") ||
		    !strcasecmp(t, "application/*"))
			return true;
	}

	return false;
}


static bool acceptable(struct agent *ag, const struct leg *lg,
		       nta_incoming_t *irq, sip_t const *sip,
		       unsigned *expires)
{
	const sip_expires_t *ex = sip->sip_expires;

	if (!sip->sip_event || !sip->sip_event->o_type ||
	    strcasecmp(sip->sip_event->o_type, "conference")) {
		reply_end(ag, lg, irq, SIP_489_BAD_EVENT,
			  "Allow-Events: conference");
		return false;
	}

	if (!accepts(sip)) {
		reply_end(ag, lg, irq, SIP_406_NOT_ACCEPTABLE,
			  "Accept: application/conference-info+xml");
		return false;
	}

	*expires = EXPIRES_DEFAULT;
	if (ex && ex->ex_delta < EXPIRES_MAX)
		*expires = ex->ex_delta;

	if (*expires && *expires < EXPIRES_MIN) {
		reply_end(ag, lg, irq, SIP_423_INTERVAL_TOO_BRIEF,
			  "Min-Expires: 30");
		return false;
	}

	return true;
}


/**
 * Somebody wants to know who is in a conference
 *
 * @param ag  Agent
 * @param irq Server transaction, taken over
 * @param sip SUBSCRIBE outside of a dialog
 */
void subscribe_recv(struct agent *ag, nta_incoming_t *irq, sip_t const *sip)
{
	struct reply bad = {.scode = 503};
	struct leg *lg;
	struct wire *w;
	unsigned expires;

	if (receive_full(ag, irq) ||
	    !acceptable(ag, NULL, irq, sip, &expires))
		return;

	if (!sip->sip_contact) {
		atomic_fetch_add(&ag->sh->malformed, 1);
		reply_end(ag, NULL, irq, 400, "Missing Contact Header", NULL);
		return;
	}

	if (leg_alloc(&lg, ag, LEG_SUBSCRIPTION, irq, sip)) {
		reply_end(ag, NULL, irq, 503, NULL, NULL);
		return;
	}

	lg->se = expires;

	w = identity_wire(ag, WIRE_SUBSCRIBE, lg->id, irq, sip, &bad);
	if (!w) {
		reply_send(ag, lg, irq, &bad);
		leg_free(lg);
		return;
	}

	trace_start(lg, w);
	wireq_push(ag->out, w);
}


static void accept_send(struct leg *lg, nta_incoming_t *irq)
{
	char extra[32];

	(void)snprintf(extra, sizeof(extra), "Expires: %u", lg->se);
	reply_send(lg->ag, lg, irq, &(struct reply){
			.scode   = 200,
			.contact = lg->contact,
			.extra   = extra,
		});
}


/**
 * Let a subscriber in
 *
 * @param lg Leg of a SUBSCRIBE
 */
void subscribe_accept(struct leg *lg)
{
	msg_t *msg;

	if (!lg->irq)
		return;

	msg = nta_incoming_getrequest(lg->irq);
	lg->contact = identity_contact(lg, sip_object(msg)->sip_request->
				       rq_url->url_user);
	msg_destroy(msg);

	if (!lg->contact || leg_dialog(lg)) {
		reply_send(lg->ag, lg, lg->irq,
			   &(struct reply){.scode = 500});
		leg_end(lg, 500, "cannot make a dialog");
		leg_free(lg);
		return;
	}

	accept_send(lg, lg->irq);
	leg_answered(lg);

	lg->state = LEG_CONFIRMED;
	lg->due   = lg->se ? agent_now() + lg->se : 0;
}


static void final_notify(struct leg *lg, const char *reason)
{
	struct wire *w;
	const char *strv[WIRE_STRC] = {[WIRE_REASON] = reason};

	leg_end(lg, 0, reason);

	w = wire_alloc(WIRE_NOTIFY, lg->id, strv, NULL);
	if (!w) {
		leg_free(lg);
		return;
	}

	w->flag = true;
	notify_push(lg, w);
}


/**
 * SUBSCRIBE in a dialog: refresh or farewell
 *
 * @param lg  Leg
 * @param irq Server transaction, taken over
 * @param sip SUBSCRIBE
 */
void subscribe_recv_in(struct leg *lg, nta_incoming_t *irq, sip_t const *sip)
{
	unsigned expires;

	/* RFC 6665 section 4.5.2: a call's dialog is not shared */
	if (lg->kind != LEG_SUBSCRIPTION) {
		reply_end(lg->ag, lg, irq, SIP_403_FORBIDDEN, NULL);
		return;
	}

	if (!acceptable(lg->ag, lg, irq, sip, &expires))
		return;

	/* the server that takes it over would not know of the new time */
	if (expires && lg->thaw) {
		reply_end(lg->ag, lg, irq, 500, "Moving", "Retry-After: 1");
		return;
	}

	if (sip->sip_contact)
		nta_leg_server_route(lg->nl, sip->sip_record_route,
				     sip->sip_contact);

	lg->se = expires;
	accept_send(lg, irq);
	nta_incoming_destroy(irq);

	if (!expires) {
		final_notify(lg, "timeout");
		return;
	}

	lg->due = agent_now() + expires;
	leg_tell(lg, WIRE_REFRESHED, NULL, NULL, 0);
}


/**
 * A subscription was not refreshed in time
 *
 * @param lg Leg
 */
void subscribe_expired(struct leg *lg)
{
	if (lg->state == LEG_CONFIRMED)
		final_notify(lg, "timeout");
}


static void notify_next(struct leg *lg);


static int responded(struct leg *lg, nta_outgoing_t *orq, sip_t const *sip)
{
	unsigned scode = sip ? sip->sip_status->st_status : 408;

	(void)orq;

	if (scode < 200)
		return 0;

	nta_outgoing_destroy(lg->orq);
	lg->orq = NULL;

	if (lg->state == LEG_DYING && !lg->waitl) {
		leg_free(lg);
		return 0;
	}

	/* RFC 6665 section 4.2.2: the subscription is over */
	if (scode >= 300 && scode != 503) {
		leg_end(lg, scode, "NOTIFY was refused");
		leg_free(lg);
		return 0;
	}

	freeze_try(lg);
	notify_next(lg);

	return 0;
}


static void notify_next(struct leg *lg)
{
	struct request rq = {.method = sip_method_notify, .name = "NOTIFY"};
	struct wire *w = lg->waitl;
	unsigned now = agent_now();
	char extra[192], id[80] = "";

	if (!w || lg->orq || lg->thaw || lg->freeze_wanted)
		return;

	lg->waitl = w->next;
	--lg->waitc;

	if (lg->event_id)
		(void)snprintf(id, sizeof(id), ";id=%s", lg->event_id);

	if (w->flag || !lg->se)
		(void)snprintf(extra, sizeof(extra), "Event: conference%s\r\n"
			       "Subscription-State: terminated;reason=%.32s",
			       id,
			       w->strv[WIRE_REASON] ? w->strv[WIRE_REASON]
			       : lg->se ? "noresource" : "timeout");
	else
		(void)snprintf(extra, sizeof(extra), "Event: conference%s\r\n"
			       "Subscription-State: active;expires=%u", id,
			       lg->due > now ? lg->due - now : 0);

	rq.extra = extra;
	if (w->lenv[WIRE_BODY]) {
		rq.ctype   = roster_type;
		rq.body    = w->strv[WIRE_BODY];
		rq.bodylen = w->lenv[WIRE_BODY];
	}

	/* a fetch (Expires: 0) ends with its first NOTIFY */
	if (w->flag || !lg->se)
		leg_end(lg, 0, NULL);

	lg->orq = request_send(lg, &rq, responded);
	wire_free(w);

	if (!lg->orq) {
		leg_end(lg, 500, "cannot notify");
		leg_free(lg);
	}
}


/**
 * Notify a subscriber, after what waits before
 *
 * @param lg Leg
 * @param w  Roster, taken over; NULL: go on with what waits
 */
void notify_push(struct leg *lg, struct wire *w)
{
	struct wire **tail = &lg->waitl;

	if (!w) {
		notify_next(lg);
		return;
	}

	if (lg->kind != LEG_SUBSCRIPTION || !lg->nl) {
		wire_free(w);
		return;
	}

	/* somebody who does not answer shall not fill the memory */
	if (lg->waitc >= LEG_NOTIFY_MAX) {
		wire_free(w);
		leg_end(lg, 408, "NOTIFYs are not answered");
		leg_free(lg);
		return;
	}

	while (*tail)
		tail = &(*tail)->next;

	w->next = NULL;
	*tail = w;
	++lg->waitc;

	notify_next(lg);
}
