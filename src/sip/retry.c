/**
 * @file retry.c  Our re-INVITE was refused: once more, or not?
 *
 *   491            both offered at once: after 0 to 2 s, in steps of 10 ms
 *                  (RFC 3261 section 14.1; the Call-ID is never ours)
 *   500, 503       the phone says when (Retry-After)
 *   422            at once, with the interval it wants (RFC 4028)
 *
 * A dialog that another server might still have is given up long before nta
 * gives up its transaction: that server has to know.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sofia-sip/su_uniqueid.h>
#include "sip/leg.h"

enum {
	GLARE_STEPS = 200,
	STEP_MS     = 10,
};


/**
 * Neither try again nor give up any more
 *
 * @param lg Leg
 */
void retry_cancel(struct leg *lg)
{
	su_timer_destroy(lg->offer_timer);
	lg->offer_timer = NULL;
}


/**
 * Tell the main thread that our offer came to nothing, if it waits for that
 *
 * @param lg    Leg
 * @param scode SIP status
 * @param err   ENOTCONN if the status is our own since the phone cannot be
 *              reached from here, ETIMEDOUT if it did not answer, else 0
 */
void retry_tell(struct leg *lg, uint16_t scode, int err)
{
	struct wire *w;

	if (!lg->offer_told)
		return;

	lg->offer_told = false;

	w = wire_alloc(WIRE_REFUSED, lg->id, NULL, NULL);
	if (w) {
		w->scode = scode;
		w->err   = err;
	}

	wireq_push(lg->ag->out, w);
}


static void strike(struct agent *ag, su_timer_t *t, struct leg *lg)
{
	(void)ag;
	(void)t;

	retry_cancel(lg);

	if (lg->offer_again) {
		reinvite_send(lg);
		return;
	}

	/* who asked decides: a late answer is still taken */
	if (lg->orq && lg->offered && lg->offer_asked)
		retry_tell(lg, 408, ETIMEDOUT);
}


static void strike_in(struct leg *lg, unsigned ms, bool again)
{
	retry_cancel(lg);

	lg->offer_again = again;
	lg->offer_timer = su_timer_create(su_root_task(lg->ag->root),
					  ms ? ms : 1);

	if (!lg->offer_timer || su_timer_set(lg->offer_timer, strike, lg) < 0)
		strike(lg->ag, NULL, lg);
}


/**
 * Our re-INVITE was sent: do not wait for ever if the dialog was another
 * server's
 *
 * @param lg Leg
 */
void retry_limit(struct leg *lg)
{
	if (lg->adopted && lg->ag->sh->move_ms)
		strike_in(lg, lg->ag->sh->move_ms, false);
}


/**
 * Decide whether our re-INVITE is sent once more, and if so, see to it
 *
 * @param lg    Leg
 * @param scode What the phone answered, 300 or more
 * @param sip   The response
 *
 * @return true if nobody has to be told yet
 */
bool retry_wanted(struct leg *lg, uint16_t scode, sip_t const *sip)
{
	const sip_retry_after_t *af = sip->sip_retry_after;
	const sip_min_se_t *ms = sip->sip_min_se;

	if (lg->tries >= LEG_TRIES)
		return false;

	if (scode == 491) {
		strike_in(lg, (unsigned)su_randint(0, GLARE_STEPS) * STEP_MS,
			  true);
		return true;
	}

	if ((scode == 500 || scode == 503) && af &&
	    af->af_delta <= LEG_RETRY_MAX) {
		strike_in(lg, (unsigned)af->af_delta * 1000, true);
		return true;
	}

	if (scode == 422 && lg->se && ms && ms->min_delta > lg->se &&
	    ms->min_delta <= 86400) {
		lg->se = (unsigned)ms->min_delta;
		strike_in(lg, 0, true);
		return true;
	}

	return false;
}
