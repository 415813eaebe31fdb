/**
 * @file freeze.c  A dialog holds still while another server takes it over
 *
 *   main: DIALOG_GET --> quiet? --> frozen --> RELEASE: forgotten
 *                          |          |
 *                       1.5 s, no     +------> THAW: as before
 *                          v
 *                        EBUSY
 *
 * A frozen dialog sends nothing by itself. The phone's offers get 491, so
 * that it repeats them, to whoever has the dialog then. If nobody says what
 * became of the move, the dialog goes on here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "sip/leg.h"
#include "sip/dialogtext.h"


static void tell(struct leg *lg, bool peek, int err, const char *text,
		 size_t len)
{
	const char *strv[WIRE_STRC] = {[WIRE_BODY] = text};
	const size_t lenv[WIRE_STRC] = {[WIRE_BODY] = len};
	struct wire *w = wire_alloc(WIRE_DIALOG, lg->id, strv, lenv);

	if (w) {
		w->err  = err;
		w->flag = peek;
	}

	wireq_push(lg->ag->out, w);
}


static void tell_dialog(struct leg *lg, bool peek)
{
	struct dialogtext *d = malloc(sizeof(*d));
	char *buf = malloc(DIALOGTEXT_MAX);
	size_t len = 0;
	int err = ENOMEM;

	if (d && buf) {
		err = dialog_save(d, lg);
		if (!err)
			err = dialogtext_encode(buf, DIALOGTEXT_MAX, &len, d);
	}

	if (!err && !peek)
		lg->thaw = agent_now() + LEG_FROZEN_MAX;

	tell(lg, peek, err, err ? NULL : buf, len);
	free(buf);
	free(d);
}


static void timer_stop(struct leg *lg)
{
	su_timer_destroy(lg->freeze_timer);
	lg->freeze_timer = NULL;
}


/* Do what waited. */
static void go_on(struct leg *lg)
{
	if (lg->kind == LEG_SUBSCRIPTION) {
		notify_push(lg, NULL);
		return;
	}

	message_flush(lg);
	if (lg->offer_wanted)
		reinvite_send(lg);
}


static void too_late(struct agent *ag, su_timer_t *t, struct leg *lg)
{
	(void)ag;
	(void)t;

	lg->freeze_wanted = false;
	timer_stop(lg);
	tell(lg, false, EBUSY, NULL, 0);
	go_on(lg);
}


/**
 * Freeze a leg if that is wanted and nothing is under way in its dialog any
 * more. To be called where something ended.
 *
 * @param lg Leg
 */
void freeze_try(struct leg *lg)
{
	if (!lg->freeze_wanted || lg->orq || lg->probe || lg->irq ||
	    lg->state != LEG_CONFIRMED)
		return;

	lg->freeze_wanted = false;
	timer_stop(lg);

	/* a re-INVITE that was to be tried again is for afterwards */
	if (lg->offer_timer) {
		retry_cancel(lg);
		lg->offer_wanted = true;
	}

	tell_dialog(lg, false);
}


/**
 * The main thread wants a dialog, and wants it to hold still from then on. It
 * is told the dialog as text, or why not: EAGAIN as long as the call is being
 * answered, EBUSY if something of ours or the phone's is under way for too
 * long
 *
 * @param lg   Leg
 * @param peek It only wants to see the dialog as it is now, which goes on
 */
void freeze_ask(struct leg *lg, bool peek)
{
	if (lg->state != LEG_CONFIRMED ||
	    (lg->kind != LEG_CALL && lg->kind != LEG_SUBSCRIPTION)) {
		tell(lg, peek, EAGAIN, NULL, 0);
		return;
	}

	if (peek) {
		tell_dialog(lg, true);
		return;
	}

	if (lg->freeze_wanted)
		return;

	lg->freeze_wanted = true;
	freeze_try(lg);

	if (!lg->freeze_wanted)
		return;

	lg->freeze_timer = su_timer_create(su_root_task(lg->ag->root),
					   LEG_FREEZE_MS);
	if (!lg->freeze_timer ||
	    su_timer_set(lg->freeze_timer, too_late, lg) < 0)
		too_late(lg->ag, NULL, lg);
}


/**
 * Look whether a leg is frozen for too long; called every second
 *
 * @param lg  Leg
 * @param now As agent_now tells [s]
 */
void freeze_tick(struct leg *lg, unsigned now)
{
	if (lg->thaw && (int)(now - lg->thaw) >= 0)
		freeze_thaw(lg, 0);
}


/* nta gives out its own numbers, so the dialog is made anew with ours. */
static void cseq_raise(struct leg *lg, uint32_t cseq)
{
	struct dialogtext *d = malloc(sizeof(*d));

	if (d && !dialog_save(d, lg) && d->local_cseq < cseq) {
		d->local_cseq = cseq;
		(void)adopt_leg(lg, d);
	}

	free(d);
}


/**
 * The dialog was not moved: go on with it
 *
 * @param lg   Leg
 * @param cseq Highest CSeq that another server used in it, 0: none
 */
void freeze_thaw(struct leg *lg, uint32_t cseq)
{
	lg->freeze_wanted = false;
	timer_stop(lg);

	if (lg->state != LEG_CONFIRMED)
		return;

	if (cseq <= DIALOGTEXT_CSEQ_MAX)
		cseq_raise(lg, cseq);

	lg->thaw = 0;
	go_on(lg);
}


/**
 * The dialog belongs to another server now: forget it without a word to the
 * phone. A re-INVITE of ours that is still out is cancelled, and acknowledged
 * if the phone takes it nevertheless
 *
 * @param lg Leg
 */
void freeze_release(struct leg *lg)
{
	if (lg->nl)
		recent_put(lg->ag->released, lg->callid,
			   nta_leg_get_rtag(lg->nl), agent_now());

	retry_cancel(lg);
	timer_stop(lg);
	lg->freeze_wanted = false;

	if (lg->state == LEG_CONFIRMED && lg->orq && lg->offered) {
		leg_answered(lg);
		lg->state = LEG_DYING;
		lg->due   = 0;
		nta_outgoing_cancel(lg->orq);
		return;
	}

	leg_free(lg);
}
