/**
 * @file options.c  OPTIONS: what can you do, and: are you there?
 */
#include <stdio.h>
#include <stdlib.h>
#include "sip/leg.h"


/**
 * Tell what this server can do (RFC 3261 section 11.2)
 *
 * @param ag  Agent
 * @param irq Server transaction, taken over
 * @param sip OPTIONS
 */
void options_recv(struct agent *ag, nta_incoming_t *irq, sip_t const *sip)
{
	char extra[384];

	(void)sip;

	(void)snprintf(extra, sizeof(extra), "%s\r\n"
		       "Accept: application/sdp, application/dtmf-relay, "
		       "text/plain\r\n"
		       "Accept-Encoding: identity\r\n"
		       "Accept-Language: en\r\n"
		       "Supported: timer\r\n"
		       "Allow-Events: conference", reply_allow());

	if (ag->limit)
		reply_end(ag, NULL, irq, ag->limit, NULL, NULL);
	else
		reply_end(ag, NULL, irq, SIP_200_OK, extra);
}


static int responded(struct leg *lg, nta_outgoing_t *orq, sip_t const *sip)
{
	unsigned scode = sip ? sip->sip_status->st_status : 408;

	(void)orq;

	if (scode < 200)
		return 0;

	nta_outgoing_destroy(lg->probe);
	lg->probe = NULL;

	if (lg->state == LEG_DYING)
		return 0;

	if (scode == 408 || scode == 481) {
		leg_end(lg, scode, "does not answer");
		leg_free(lg);
		return 0;
	}

	if (!lg->se)
		timer_start(lg, agent_now());

	return 0;
}


/**
 * Ask the other side whether it is still there; if not, the leg ends
 *
 * @param lg Leg
 */
void options_send(struct leg *lg)
{
	struct request rq = {.method = sip_method_options, .name = "OPTIONS"};

	if (lg->state == LEG_CONFIRMED && !lg->probe)
		lg->probe = request_send(lg, &rq, responded);
}
