/**
 * @file dialog.c  Legs: dialogs of one signalling thread
 *
 * A leg has an id that the main thread knows it by: thread, generation and
 * slot. An id that is no longer good finds nothing, so a message of the main
 * thread that crosses the end of a dialog is harmless.
 *
 *        INVITE       200         ACK
 *   (-) --------> I -------> A --------> C
 *                 |          |           |
 *                 | 3xx-6xx, | no ACK:   | BYE
 *                 | CANCEL   | BYE       v
 *                 +----------+---------> D --(BYE answered)--> (-)
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sofia-sip/su_uniqueid.h>
#include "sip/leg.h"

enum {
	SLOT_BITS = 24,
	GEN_BITS  = 32,
	GROW      = 64,                /* slots                             */
	CSEQ_FIRST_MAX = 0xffff,
};


static uint64_t id_make(unsigned index, uint32_t gen, uint32_t slot)
{
	return (uint64_t)(index + 1) << (SLOT_BITS + GEN_BITS) |
		(uint64_t)gen << SLOT_BITS | slot;
}


static uint32_t id_slot(uint64_t id)
{
	return id & ((1u << SLOT_BITS) - 1);
}


static void lost_forget(const struct leg *lg)
{
	struct agent *ag = lg->ag;

	for (unsigned i = 0; i < ag->lostc; i++) {
		if (ag->lostv[i] == lg) {
			ag->lostv[i] = ag->lostv[--ag->lostc];
			return;
		}
	}
}


static int slots_grow(struct agent *ag)
{
	uint32_t n = ag->legc + ag->legc / 2 + GROW;
	struct leg **legv;
	uint32_t *genv, *freev;

	if (n >= 1u << SLOT_BITS)
		return ENOMEM;

	legv = realloc(ag->legv, n * sizeof(*legv));
	if (!legv)
		return ENOMEM;
	ag->legv = legv;

	genv = realloc(ag->genv, n * sizeof(*genv));
	if (!genv)
		return ENOMEM;
	ag->genv = genv;

	freev = realloc(ag->freev, n * sizeof(*freev));
	if (!freev)
		return ENOMEM;
	ag->freev = freev;

	for (uint32_t i = n; i-- > ag->legc; ) {
		legv[i] = NULL;
		genv[i] = 0;
		freev[ag->freec++] = i;
	}

	ag->legc = n;

	return 0;
}


/**
 * Make a leg
 *
 * @param ag     Agent
 * @param kind   What it is
 * @param callid Call-ID
 *
 * @return Leg in state LEG_INCOMING, or NULL
 */
struct leg *leg_new(struct agent *ag, enum leg_kind kind, const char *callid)
{
	struct leg *lg;
	uint32_t slot;

	if (!ag->freec && slots_grow(ag))
		return NULL;

	lg = calloc(1, sizeof(*lg));
	if (!lg)
		return NULL;

	lg->callid = strdup(callid);
	if (!lg->callid) {
		free(lg);
		return NULL;
	}

	slot = ag->freev[--ag->freec];

	lg->ag   = ag;
	lg->kind = kind;
	lg->id   = id_make(ag->index, ++ag->genv[slot], slot);

	ag->legv[slot] = lg;
	if (kind == LEG_LOST)
		ag->lostv[ag->lostc++] = lg;
	else
		atomic_fetch_add(&ag->sh->calls, 1);

	return lg;
}


/**
 * Make a leg for a request that the main thread has to answer
 *
 * @param lgp  Set to the leg
 * @param ag   Agent
 * @param kind What it will be
 * @param irq  Server transaction, which belongs to the leg from now on
 * @param sip  The request
 *
 * @return 0 or errno
 */
int leg_alloc(struct leg **lgp, struct agent *ag, enum leg_kind kind,
	      nta_incoming_t *irq, sip_t const *sip)
{
	struct leg *lg;

	lg = leg_new(ag, kind, sip->sip_call_id->i_id);
	if (!lg)
		return ENOMEM;

	lg->due = agent_now() + LEG_ANSWER_MAX;
	lg->irq = irq;

	leg_conn(lg, irq);
	if (kind != LEG_MESSAGE)
		dialog_names(lg, sip);
	atomic_fetch_add(&ag->sh->pending, 1);

	*lgp = lg;

	return 0;
}


/**
 * Forget a leg and everything it holds, without a word to anybody
 *
 * @param lg Leg or NULL
 */
void leg_free(struct leg *lg)
{
	struct agent *ag;
	uint32_t slot;

	if (!lg)
		return;

	ag   = lg->ag;
	slot = id_slot(lg->id);

	leg_answered(lg);

	nta_outgoing_destroy(lg->orq);
	nta_outgoing_destroy(lg->probe);
	nta_leg_destroy(lg->nl);
	if (lg->conn)
		tport_unref(lg->conn);

	while (lg->waitl) {
		struct wire *w = lg->waitl;

		lg->waitl = w->next;
		wire_free(w);
	}

	su_timer_destroy(lg->offer_timer);
	su_timer_destroy(lg->freeze_timer);

	ag->legv[slot] = NULL;
	ag->freev[ag->freec++] = slot;
	if (lg->kind == LEG_LOST)
		lost_forget(lg);
	else
		atomic_fetch_sub(&ag->sh->calls, 1);

	free(lg->callid);
	free(lg->contact);
	free(lg->hop);
	free(lg->local_name);
	free(lg->remote_name);
	free(lg->privacy);
	free(lg->event_id);
	su_free(NULL, lg->local);
	su_free(NULL, lg->remote);
	free(lg->sdp);
	free(lg->sdp_before);
	free(lg->sdp_out);
	free(lg);
}


/**
 * The leg lets go of the request that it had to answer
 *
 * @param lg Leg
 */
void leg_answered(struct leg *lg)
{
	nta_incoming_t *irq = lg->irq;

	if (!irq)
		return;

	lg->irq = NULL;
	nta_incoming_destroy(irq);

	if (lg->state == LEG_INCOMING && lg->kind != LEG_LOST)
		atomic_fetch_sub(&lg->ag->sh->pending, 1);
}


/**
 * Something in the dialog of a leg has ended: do what waited for that
 *
 * @param lg Leg
 */
void leg_quiet(struct leg *lg)
{
	freeze_try(lg);

	if (lg->offer_wanted)
		reinvite_send(lg);
}


/**
 * Find a leg by its id
 *
 * @param ag Agent
 * @param id As the leg was told to the main thread
 *
 * @return Leg, or NULL if it is gone
 */
struct leg *leg_find(const struct agent *ag, uint64_t id)
{
	uint32_t slot = id_slot(id);

	if (slot >= ag->legc || !ag->legv[slot] || ag->legv[slot]->id != id)
		return NULL;

	return ag->legv[slot];
}


/**
 * Make the dialog of a leg out of the request that it is about to accept
 * (RFC 3261 section 12.1.1)
 *
 * @param lg Leg
 *
 * @return 0 or errno
 */
int leg_dialog(struct leg *lg)
{
	struct agent *ag = lg->ag;
	msg_t *msg = nta_incoming_getrequest(lg->irq);
	const sip_t *sip = sip_object(msg);
	sip_to_t *to;
	sip_cseq_t cs[1];
	uint64_t rnd[1];
	char tag[32];
	int err = ENOMEM;

	if (!sip)
		goto out;

	su_randmem(rnd, sizeof(rnd));
	(void)snprintf(tag, sizeof(tag), "%016" PRIx64, rnd[0]);

	/* tagged before the leg is made: a leg that is tagged later would
	   also match requests without a To tag */
	to = sip_to_dup(msg_home(msg), sip->sip_to);
	if (!to || sip_to_tag(msg_home(msg), to, tag) < 0 ||
	    !nta_incoming_tag(lg->irq, tag))
		goto out;

	/* ours from the beginning on, so that another server that goes on
	   after a crash knows where we began */
	sip_cseq_init(cs);
	cs->cs_seq         = (uint32_t)su_randint(1, CSEQ_FIRST_MAX);
	cs->cs_method      = sip_method_invite;
	cs->cs_method_name = "INVITE";

	lg->nl = nta_leg_tcreate(ag->nta, leg_request, lg,
				 SIPTAG_CALL_ID(sip->sip_call_id),
				 SIPTAG_FROM(to),
				 SIPTAG_TO(sip->sip_from),
				 SIPTAG_CSEQ(cs),
				 NTATAG_REMOTE_CSEQ(sip->sip_cseq->cs_seq),
				 TAG_END());
	if (!lg->nl)
		goto out;

	lg->local  = url_as_string(NULL, to->a_url);
	lg->remote = url_as_string(NULL, sip->sip_from->a_url);

	if (nta_leg_server_route(lg->nl, sip->sip_record_route,
				 sip->sip_contact) < 0)
		goto out;

	err = 0;

 out:
	if (msg)
		msg_destroy(msg);

	return err;
}


/**
 * Tell the main thread that a leg is gone; it knows nothing of it afterwards
 *
 * @param lg     Leg
 * @param scode  SIP status, or 0 for a normal goodbye
 * @param reason Why, or NULL
 */
void leg_end(struct leg *lg, uint16_t scode, const char *reason)
{
	const char *strv[WIRE_STRC] = {[WIRE_REASON] = reason};
	struct wire *w;

	if (lg->state == LEG_DYING)
		return;

	w = wire_alloc(WIRE_END, lg->id, strv, NULL);
	if (w) {
		w->scode = scode;
		wireq_push(lg->ag->out, w);
	}

	leg_answered(lg);
	retry_cancel(lg);
	lg->freeze_wanted = false;
	lg->offer_told    = false;
	lg->state = LEG_DYING;
	lg->due   = 0;
	lg->thaw  = 0;
}


/**
 * Tell the main thread something of a leg
 *
 * @param lg    Leg
 * @param type  What
 * @param ctype MIME type of body, or NULL
 * @param body  Body, or NULL
 * @param len   Its length [bytes]
 */
void leg_tell(const struct leg *lg, enum wire_type type, const char *ctype,
	      const char *body, size_t len)
{
	const char *strv[WIRE_STRC] = {
		[WIRE_CTYPE] = ctype,
		[WIRE_BODY]  = body,
	};
	size_t lenv[WIRE_STRC] = {
		[WIRE_CTYPE] = ctype ? strlen(ctype) : 0,
		[WIRE_BODY]  = len,
	};

	wireq_push(lg->ag->out, wire_alloc(type, lg->id, strv, lenv));
}


static void dying_request(struct leg *lg, nta_incoming_t *irq,
			  sip_t const *sip)
{
	/* both said BYE at the same time */
	if (sip->sip_request->rq_method == sip_method_bye)
		reply_end(lg->ag, lg, irq, SIP_200_OK, NULL);
	else
		reply_end(lg->ag, lg, irq, SIP_481_NO_TRANSACTION, NULL);
}


/**
 * A request in a dialog
 *
 * @param lg  Leg
 * @param nl  nta's leg
 * @param irq Server transaction
 * @param sip Request
 *
 * @return 0: the transaction is taken care of
 */
int leg_request(struct leg *lg, nta_leg_t *nl, nta_incoming_t *irq,
		sip_t const *sip)
{
	struct agent *ag = lg->ag;
	sip_method_t method = sip->sip_request->rq_method;

	(void)nl;

	atomic_fetch_add(&ag->sh->reqv[receive_method(method)], 1);

	if (method == sip_method_ack) {
		nta_incoming_destroy(irq);
		return 0;
	}

	trace_request(lg, irq);
	leg_conn(lg, irq);

	if (lg->state == LEG_DYING) {
		dying_request(lg, irq, sip);
		return 0;
	}

	if (!receive_check(ag, irq, sip))
		return 0;

	switch (method) {

	case sip_method_bye:       bye_recv(lg, irq, sip);         break;
	case sip_method_info:      info_recv(lg, irq, sip);        break;
	case sip_method_message:   message_recv(lg, irq, sip);     break;
	case sip_method_options:   options_recv(ag, irq, sip);     break;
	case sip_method_subscribe: subscribe_recv_in(lg, irq, sip); break;

	case sip_method_invite:
	case sip_method_update:
		reinvite_recv(lg, irq, sip);
		break;

	case sip_method_notify:    refer_notified(lg, irq, sip);   break;
	case sip_method_refer:     refer_recv(lg, irq, sip);       break;

	default:
		reply_end(ag, lg, irq, SIP_405_METHOD_NOT_ALLOWED,
			  reply_allow());
		break;
	}

	return 0;
}


/* A service forgot to answer: the caller shall not wait for ever. */
static void unanswered(struct leg *lg)
{
	nta_incoming_bind(lg->irq, NULL, NULL);
	reply_send(lg->ag, lg, lg->irq, &(struct reply){
			.scode  = 500,
			.phrase = "No Answer From Service",
		});
	leg_end(lg, 500, "no service answered");
	leg_free(lg);
}


/**
 * Look which legs have to do something now; called every second
 *
 * @param ag  Agent
 * @param now As agent_now tells [s]
 */
void leg_tick(struct agent *ag, unsigned now)
{
	for (uint32_t i = 0; i < ag->legc; i++) {

		struct leg *lg = ag->legv[i];

		if (!lg)
			continue;

		if (lg->refer_until && (int)(now - lg->refer_until) >= 0)
			refer_end(lg, 408);

		/* what is due is done afterwards */
		if (lg->thaw) {
			freeze_tick(lg, now);
			continue;
		}

		if (!lg->due || (int)(now - lg->due) < 0)
			continue;

		lg->due = 0;

		if (lg->state == LEG_INCOMING)
			unanswered(lg);
		else if (lg->kind == LEG_SUBSCRIPTION)
			subscribe_expired(lg);
		else
			timer_strike(lg, now);
	}
}
