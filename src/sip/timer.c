/**
 * @file timer.c  Is the other side still there? Session timers (RFC 4028),
 *                and OPTIONS for phones without
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "sip/leg.h"

enum { EXPIRE_EARLY = 32 };            /* RFC 4028 section 10 [s]           */


static unsigned max(unsigned a, unsigned b)
{
	return a > b ? a : b;
}


static unsigned min(unsigned a, unsigned b)
{
	return a < b ? a : b;
}


/**
 * Look what a request wants of session timers, and settle what we do
 * (RFC 4028 section 9)
 *
 * @param lg  Leg
 * @param irq Server transaction; answered, but not let go, if false is
 *            returned
 * @param sip INVITE or UPDATE
 *
 * @return false if the interval is too short for us
 */
bool timer_offer(struct leg *lg, nta_incoming_t *irq, sip_t const *sip)
{
	const struct agent_shared *sh = lg->ag->sh;
	const sip_session_expires_t *x = sip->sip_session_expires;
	unsigned least = sip->sip_min_se ? sip->sip_min_se->min_delta : 0;
	char extra[48];

	lg->timer = sip->sip_supported &&
		sip_has_feature(sip->sip_supported, "timer");

	if (sip->sip_allow)
		lg->can_update = sip_is_allowed(sip->sip_allow,
						sip_method_update, "UPDATE");

	if (x && x->x_delta < sh->min_se) {

		(void)snprintf(extra, sizeof(extra), "Min-SE: %u",
			       sh->min_se);
		reply_send(lg->ag, lg, irq, &(struct reply){
				.scode  = 422,
				.phrase = "Session Interval Too Small",
				.extra  = extra,
			});
		return false;
	}

	least = max(least, sh->min_se);

	if (x) {
		lg->se = min(x->x_delta, max(sh->se, least));
		lg->refresher = x->x_refresher ?
			!strcasecmp(x->x_refresher, "uas") : !lg->timer;
	}
	else if (lg->timer && sh->se) {
		lg->se = max(sh->se, least);
		lg->refresher = false;
	}
	else {
		lg->se = 0;
	}

	return true;
}


/**
 * Print what our message says of session timers
 *
 * @param lg      Leg
 * @param request It is a request of ours, not a response
 * @param buf     Set to header lines, each with a line feed before it
 * @param sz      Room there [bytes]
 */
void timer_headers(const struct leg *lg, bool request, char *buf, size_t sz)
{
	buf[0] = '\0';

	if (!lg->se)
		return;

	if (request)
		(void)snprintf(buf, sz, "\r\nSession-Expires: %u;refresher="
			       "%s", lg->se, lg->refresher ? "uac" : "uas");
	else
		(void)snprintf(buf, sz, "\r\nSession-Expires: %u;refresher="
			       "%s%s", lg->se, lg->refresher ? "uas" : "uac",
			       lg->timer ? "\r\nRequire: timer" : "");
}


/**
 * Take over what the other side answered to our refresh
 *
 * @param lg  Leg
 * @param sip 2xx
 */
void timer_answer(struct leg *lg, sip_t const *sip)
{
	const sip_session_expires_t *x = sip->sip_session_expires;

	if (!x)
		return;

	lg->se = max(x->x_delta, lg->ag->sh->min_se);
	lg->refresher = !x->x_refresher ||
		!strcasecmp(x->x_refresher, "uac");
}


/**
 * The session was refreshed: wait for the next time
 *
 * @param lg  Leg
 * @param now As agent_now tells [s]
 */
void timer_start(struct leg *lg, unsigned now)
{
	const unsigned probe = lg->ag->sh->probe;

	if (lg->se && lg->refresher)
		lg->due = now + lg->se / 2;
	else if (lg->se)
		lg->due = now + lg->se - min(EXPIRE_EARLY, lg->se / 3);
	else
		lg->due = probe ? now + probe : 0;
}


static int refreshed(struct leg *lg, nta_outgoing_t *orq, sip_t const *sip)
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
		leg_end(lg, scode, "session refresh failed");
		leg_free(lg);
		return 0;
	}

	if (scode < 300) {
		timer_answer(lg, sip);
		timer_start(lg, agent_now());
	}
	else if (scode == 422 && sip->sip_min_se) {
		lg->se  = max(lg->se, sip->sip_min_se->min_delta);
		lg->due = agent_now() + 1;
	}
	else {
		lg->can_update = false;
		lg->due = agent_now() + 1;
	}

	leg_quiet(lg);

	return 0;
}


static void refresh(struct leg *lg, unsigned now)
{
	struct request rq = {.method = sip_method_update, .name = "UPDATE"};
	char extra[160], timer[128];

	if (lg->freeze_wanted) {
		lg->due = now + 1;
		return;
	}

	if (!lg->can_update) {
		/* due again, should the re-INVITE have to wait */
		lg->due = now + lg->se / 2;
		reinvite_send(lg);
		return;
	}

	if (lg->probe) {
		lg->due = now + 1;
		return;
	}

	timer_headers(lg, true, timer, sizeof(timer));
	(void)snprintf(extra, sizeof(extra), "Supported: timer%s", timer);
	rq.extra = extra;

	lg->probe = request_send(lg, &rq, refreshed);
}


/**
 * The time that timer_start set has come
 *
 * @param lg  Leg
 * @param now As agent_now tells [s]
 */
void timer_strike(struct leg *lg, unsigned now)
{
	if (lg->kind != LEG_CALL || lg->state != LEG_CONFIRMED)
		return;

	if (lg->se && lg->refresher)
		refresh(lg, now);
	else if (lg->se)
		bye_send(lg, 408, "Session expired");
	else
		options_send(lg);
}
