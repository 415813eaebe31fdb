/**
 * @file message.c  Text: MESSAGE (RFC 3428), in calls and to conferences
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sip/leg.h"


static bool text_get(struct agent *ag, nta_incoming_t *irq,
		     sip_t const *sip, const char **bodyp, size_t *lenp)
{
	if (!receive_body(ag, irq, sip, NULL, LEG_TEXT_MAX, bodyp, lenp))
		return false;

	if (*bodyp && memchr(*bodyp, '\0', *lenp)) {
		reply_end(ag, NULL, irq, 400, "Zero Byte In Text", NULL);
		return false;
	}

	return true;
}


/**
 * Text from somebody who is in a call with us
 *
 * @param lg  Leg
 * @param irq Server transaction, taken over
 * @param sip MESSAGE
 */
void message_recv(struct leg *lg, nta_incoming_t *irq, sip_t const *sip)
{
	const char *body;
	size_t len;

	if (!text_get(lg->ag, irq, sip, &body, &len))
		return;

	if (lg->kind != LEG_CALL) {
		reply_end(lg->ag, lg, irq, SIP_481_NO_TRANSACTION, NULL);
		return;
	}

	reply_end(lg->ag, lg, irq, SIP_200_OK, NULL);

	if (body)
		leg_tell(lg, WIRE_TEXT, sip->sip_content_type ?
			 sip->sip_content_type->c_type : "text/plain",
			 body, len);
}


/**
 * Text to a conference, outside of any dialog; the main thread answers
 *
 * @param ag  Agent
 * @param irq Server transaction, taken over
 * @param sip MESSAGE
 */
void message_recv_out(struct agent *ag, nta_incoming_t *irq,
		      sip_t const *sip)
{
	struct reply bad = {.scode = 503};
	struct leg *lg;
	struct wire *w;
	const char *body;
	size_t len;

	if (receive_full(ag, irq) || !text_get(ag, irq, sip, &body, &len))
		return;

	if (leg_alloc(&lg, ag, LEG_MESSAGE, irq, sip)) {
		reply_end(ag, NULL, irq, 503, NULL, NULL);
		return;
	}

	w = identity_wire(ag, WIRE_TEXT_OUT, lg->id, irq, sip, &bad);
	if (!w) {
		reply_send(ag, lg, irq, &bad);
		leg_free(lg);
		return;
	}

	trace_start(lg, w);
	wireq_push(ag->out, w);
}


static void text_send(struct leg *lg, const struct wire *w)
{
	struct request rq = {
		.method  = sip_method_message,
		.name    = "MESSAGE",
		.ctype   = w->strv[WIRE_CTYPE],
		.body    = w->strv[WIRE_BODY],
		.bodylen = w->lenv[WIRE_BODY],
	};

	/* whether it arrived interests nobody: nta repeats it by itself */
	nta_outgoing_destroy(request_send(lg, &rq, NULL));
}


/**
 * Send text to the other side of a call; while its dialog is frozen, text
 * waits for what comes of that
 *
 * @param lg Leg
 * @param w  Text and its type
 *
 * @return true if w was taken over
 */
bool message_send(struct leg *lg, struct wire *w)
{
	struct wire **tail = &lg->waitl;

	if (lg->state != LEG_CONFIRMED || lg->kind != LEG_CALL)
		return false;

	if (!lg->thaw && !lg->freeze_wanted) {
		text_send(lg, w);
		return false;
	}

	if (lg->waitc >= LEG_NOTIFY_MAX)
		return false;

	while (*tail)
		tail = &(*tail)->next;

	w->next = NULL;
	*tail = w;
	++lg->waitc;

	return true;
}


/**
 * Send the text that waited
 *
 * @param lg Leg of a call
 */
void message_flush(struct leg *lg)
{
	while (lg->waitl) {

		struct wire *w = lg->waitl;

		lg->waitl = w->next;
		--lg->waitc;
		text_send(lg, w);
		wire_free(w);
	}
}
