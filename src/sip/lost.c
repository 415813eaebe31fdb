/**
 * @file lost.c  Requests of dialogs that are not known here
 *
 *   phone          signalling            main
 *     |--re-INVITE-->|-------LOST------->|  does somebody know it?
 *     |              |<------ADOPT-------|  yes: it becomes ours
 *     |              |<-----LOST_NO------|  no
 *     |<--481--------|  or after 300 ms
 *
 * When a server dies, a phone may speak to the one that takes its dialogs
 * over before that one knows of it (a front door sends it there).
 */
#include <stdlib.h>
#include <string.h>
#include "sip/leg.h"


static bool same(const char *a, const char *b)
{
	return !strcmp(a ? a : "", b ? b : "");
}


static void answer(struct leg *lg)
{
	reply_send(lg->ag, lg, lg->irq, &(struct reply){.scode = 481});
	leg_free(lg);
}


static void too_late(struct agent *ag, su_timer_t *t, struct leg *lg)
{
	(void)ag;
	(void)t;

	answer(lg);
}


static bool waits(const struct agent *ag, const char *callid)
{
	for (unsigned i = 0; i < ag->lostc; i++) {
		if (!strcmp(ag->lostv[i]->callid, callid))
			return true;
	}

	return false;
}


/**
 * A request of a dialog that is not known
 *
 * @param ag  Agent
 * @param irq Server transaction, taken over
 * @param sip Request with a To tag, not an ACK
 */
void lost_recv(struct agent *ag, nta_incoming_t *irq, sip_t const *sip)
{
	const char *callid = sip->sip_call_id->i_id;
	const bool bye = sip->sip_request->rq_method == sip_method_bye;
	const char *strv[WIRE_STRC] = {[WIRE_CALLID] = callid};
	struct leg *lg;
	bool told;

	if (bye && recent_had(ag->released, callid, sip->sip_from->a_tag,
			      agent_now())) {
		reply_end(ag, NULL, irq, SIP_200_OK, NULL);
		return;
	}

	if (bye || ag->lostc >= LEG_LOST_MAX || recent_had(ag->released,
			callid, sip->sip_from->a_tag, agent_now())) {
		reply_end(ag, NULL, irq, SIP_481_NO_TRANSACTION, NULL);
		return;
	}

	if (!receive_check(ag, irq, sip))
		return;

	told = waits(ag, callid);

	lg = leg_new(ag, LEG_LOST, callid);
	if (!lg) {
		reply_end(ag, NULL, irq, SIP_481_NO_TRANSACTION, NULL);
		return;
	}

	lg->irq = irq;
	lg->freeze_timer = su_timer_create(su_root_task(ag->root),
					   ag->sh->lost_ms ? ag->sh->lost_ms :
					   LEG_LOST_MS);
	if (!lg->freeze_timer ||
	    su_timer_set(lg->freeze_timer, too_late, lg) < 0) {
		answer(lg);
		return;
	}

	if (!told)
		wireq_push(ag->out, wire_alloc(WIRE_LOST, lg->id, strv,
					       NULL));
}


/* Returns true if the request that waits is of this dialog. */
static bool belongs(const struct leg *lost, const struct leg *lg,
		    sip_t const *sip)
{
	return !strcmp(lost->callid, lg->callid) &&
		same(sip->sip_to->a_tag, nta_leg_get_tag(lg->nl)) &&
		same(sip->sip_from->a_tag, nta_leg_get_rtag(lg->nl));
}


/**
 * A dialog was adopted: what waited for it goes on
 *
 * @param lg Leg of the dialog; may be gone when this returns
 */
void lost_adopted(struct leg *lg)
{
	struct agent *ag = lg->ag;
	const uint64_t id = lg->id;
	unsigned i = 0;

	while (i < ag->lostc && leg_find(ag, id)) {

		struct leg *lost = ag->lostv[i];
		nta_incoming_t *irq = lost->irq;
		msg_t *msg = nta_incoming_getrequest(irq);
		sip_t const *sip = sip_object(msg);

		if (belongs(lost, lg, sip)) {
			lost->irq = NULL;
			leg_free(lost);
			(void)leg_request(lg, lg->nl, irq, sip);
		}
		else {
			++i;
		}

		msg_destroy(msg);
	}
}


/**
 * Nobody knows a dialog: answer everything that waits for it
 *
 * @param lg Leg of kind LEG_LOST
 */
void lost_refused(struct leg *lg)
{
	struct agent *ag = lg->ag;
	char *callid;
	unsigned i = 0;

	if (lg->kind != LEG_LOST)
		return;

	callid = strdup(lg->callid);
	if (!callid)
		return;

	while (i < ag->lostc) {
		if (!strcmp(ag->lostv[i]->callid, callid))
			answer(ag->lostv[i]);
		else
			++i;
	}

	free(callid);
}
