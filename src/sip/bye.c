/**
 * @file bye.c  Goodbyes, from both sides (RFC 3261 section 15)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sip/leg.h"


/**
 * The other side hangs up
 *
 * @param lg  Leg
 * @param irq Server transaction, taken over
 * @param sip BYE
 */
void bye_recv(struct leg *lg, nta_incoming_t *irq, sip_t const *sip)
{
	(void)sip;

	if (lg->kind != LEG_CALL) {
		reply_end(lg->ag, lg, irq, SIP_481_NO_TRANSACTION, NULL);
		return;
	}

	reply_end(lg->ag, lg, irq, SIP_200_OK, NULL);

	/* what has not been answered in this dialog never will be */
	if (lg->irq && nta_incoming_status(lg->irq) < 200)
		reply_send(lg->ag, lg, lg->irq,
			   &(struct reply){.scode = 487});

	leg_end(lg, 0, NULL);
	leg_free(lg);
}


static int answered(struct leg *lg, nta_outgoing_t *orq, sip_t const *sip)
{
	if (sip && sip->sip_status->st_status < 200)
		return 0;

	(void)orq;
	leg_free(lg);

	return 0;
}


/**
 * Hang up now; the leg lives on until the BYE is answered or timed out, but
 * not for the main thread
 *
 * @param lg     Leg in state LEG_CONFIRMED
 * @param scode  Why: SIP status, or 0
 * @param reason Why, or NULL
 */
void bye_send(struct leg *lg, uint16_t scode, const char *reason)
{
	struct request rq = {.method = sip_method_bye, .name = "BYE"};
	char extra[160];

	if (scode) {
		(void)snprintf(extra, sizeof(extra), "Reason: SIP;cause=%u%s"
			       "%.96s%s", scode, reason ? ";text=\"" : "",
			       reason ? reason : "", reason ? "\"" : "");
		rq.extra = extra;
	}

	leg_end(lg, scode, reason);

	/* a re-INVITE of ours that is still out no longer matters */
	nta_outgoing_destroy(lg->orq);
	lg->orq = request_send(lg, &rq, answered);
	if (!lg->orq)
		leg_free(lg);
}


/**
 * Hang up as soon as the protocol allows it: a callee may not send BYE
 * before the ACK came (RFC 3261 section 15)
 *
 * @param lg     Leg
 * @param scode  Why: SIP status, or 0
 * @param reason Why, or NULL
 */
void bye_want(struct leg *lg, uint16_t scode, const char *reason)
{
	if (lg->state == LEG_CONFIRMED) {
		bye_send(lg, scode, reason);
	}
	else if (lg->state == LEG_ACCEPTED) {
		lg->bye_wanted = true;
		lg->bye_scode  = scode;
	}
}
