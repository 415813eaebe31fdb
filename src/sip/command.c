/**
 * @file command.c  What the main thread tells a signalling thread
 */
#include <errno.h>
#include <stdlib.h>
#include "sip/leg.h"


static void accept_any(struct leg *lg, const struct wire *w)
{
	if (lg->kind == LEG_SUBSCRIPTION) {
		if (lg->state == LEG_INCOMING)
			subscribe_accept(lg);
	}
	else if (lg->kind == LEG_MESSAGE) {
		reply_send(lg->ag, lg, lg->irq, &(struct reply){.scode =200});
		leg_free(lg);
	}
	else if (lg->state == LEG_INCOMING) {
		invite_accept(lg, w);
	}
	else {
		reinvite_accept(lg, w);
	}
}


static void refuse_any(struct leg *lg, const struct wire *w)
{
	if (lg->kind == LEG_MESSAGE) {
		reply_send(lg->ag, lg, lg->irq, &(struct reply){
				.scode  = w->scode,
				.phrase = w->strv[WIRE_REASON],
			});
		leg_free(lg);
	}
	else if (lg->state == LEG_INCOMING) {
		invite_refuse(lg, w);
	}
	else {
		reinvite_refuse(lg, w);
	}
}


static void offer(struct leg *lg, const struct wire *w)
{
	if (lg->kind != LEG_CALL)
		return;

	if (lg->orq && lg->offered && lg->offer_asked)
		lg->offer_next = true;
	else
		lg->offer_told = true;

	if (!offer_propose(lg, w)) {
		if (!lg->offer_next)
			retry_tell(lg, 500, ENOMEM);
		lg->offer_next = false;
		return;
	}

	lg->tries      = 0;
	reinvite_send(lg);
}


static void probe(struct leg *lg)
{
	lg->probe_told = true;
	options_send(lg);
}


/* Returns true if w was taken over. */
static bool leg_command(struct leg *lg, struct wire *w)
{
	switch (w->type) {

	case WIRE_ACCEPT:     accept_any(lg, w);                     break;
	case WIRE_REJECT:
	case WIRE_REDIRECT:   refuse_any(lg, w);                     break;
	case WIRE_OFFER:      offer(lg, w);                          break;
	case WIRE_PROBE:      probe(lg);                             break;
	case WIRE_TRACE:      lg->trace = w->flag;                   break;
	case WIRE_DIALOG_GET: freeze_ask(lg, w->flag);               break;
	case WIRE_THAW:       freeze_thaw(lg, w->num);               break;
	case WIRE_RELEASE:    freeze_release(lg);                    break;
	case WIRE_REFER:      refer_send(lg, w->strv[WIRE_CONTACT]); break;
	case WIRE_LOST_NO:    lost_refused(lg);                      break;
	case WIRE_SENDTEXT:   return message_send(lg, w);
	case WIRE_NOTIFY:     notify_push(lg, w);             return true;

	case WIRE_BYE:
		bye_want(lg, w->scode, w->strv[WIRE_REASON]);
		break;

	default:
		break;
	}

	return false;
}


static bool agent_command(struct agent *ag, struct wire *w)
{
	struct leg *lg;

	switch (w->type) {

	case WIRE_QUIT:
		su_root_break(ag->root);
		return false;

	case WIRE_LIMIT:
		ag->limit = w->scode;
		return false;

	case WIRE_TRACE_MATCH:
		trace_match_set(ag, w->strv[WIRE_USER], w->flag);
		return false;

	case WIRE_ADOPT:
		adopt_recv(ag, w);
		return false;

	default:
		lg = leg_find(ag, w->id);
		return lg && lg->state != LEG_DYING && leg_command(lg, w);
	}
}


/**
 * Do everything that the main thread has told so far
 *
 * @param ag Agent
 */
void command_drain(struct agent *ag)
{
	struct wire *w = wireq_take(ag->in);

	while (w) {
		struct wire *next = w->next;

		if (!agent_command(ag, w))
			wire_free(w);

		w = next;
	}
}
