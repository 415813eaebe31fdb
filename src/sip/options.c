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
		       "Supported: timer, replaces\r\n"
		       "Allow-Events: conference", reply_allow());

	if (ag->limit)
		reply_end(ag, NULL, irq, ag->limit, NULL, NULL);
	else
		reply_end(ag, NULL, irq, SIP_200_OK, extra);
}


/* Who asked decides what is to be done. */
static void dead(struct leg *lg, unsigned scode)
{
	struct wire *w;

	if (!lg->probe_told) {
		leg_end(lg, scode, "does not answer");
		leg_free(lg);
		return;
	}

	lg->probe_told = false;

	w = wire_alloc(WIRE_DEAD, lg->id, NULL, NULL);
	if (w)
		w->scode = scode;
	wireq_push(lg->ag->out, w);

	if (!lg->se)
		timer_start(lg, agent_now());
	leg_quiet(lg);
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

	if (scode == 408 || scode == 481 || nta_sip_is_internal(sip)) {
		dead(lg, scode);
		return 0;
	}

	lg->probe_told = false;
	if (!lg->se)
		timer_start(lg, agent_now());

	leg_quiet(lg);

	return 0;
}


/**
 * Ask the other side whether it is still there; if not, the leg ends, or the
 * main thread is told if it was the one to ask
 *
 * @param lg Leg
 */
void options_send(struct leg *lg)
{
	struct request rq = {.method = sip_method_options, .name = "OPTIONS"};

	if (lg->state != LEG_CONFIRMED || lg->probe)
		return;

	if (lg->thaw || lg->freeze_wanted) {
		lg->due = agent_now() + 1;
		return;
	}

	lg->probe = request_send(lg, &rq, responded);
}
