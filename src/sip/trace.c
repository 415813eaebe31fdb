/**
 * @file trace.c  Full messages of the calls that somebody wants to follow
 */
#include <stdlib.h>
#include <string.h>
#include "sip/leg.h"

struct trace_match {
	char *what;                    /* Call-ID or user                   */
};


/**
 * Trace new calls of somebody, or no longer
 *
 * @param ag   Agent
 * @param what Call-ID, or user part or user@host of From; NULL: forget all
 * @param on   Start or stop
 */
void trace_match_set(struct agent *ag, const char *what, bool on)
{
	struct trace_match *tracev;

	for (unsigned i = ag->tracec; i-- > 0; ) {

		if (what && strcmp(ag->tracev[i].what, what))
			continue;

		free(ag->tracev[i].what);
		ag->tracev[i] = ag->tracev[--ag->tracec];
	}

	if (!what || !on) {
		if (!ag->tracec) {
			free(ag->tracev);
			ag->tracev = NULL;
		}
	}

	for (uint32_t i = 0; what && i < ag->legc; i++) {
		struct leg *lg = ag->legv[i];

		if (lg && !strcmp(lg->callid, what))
			lg->trace = on;
	}

	if (!what || !on || ag->tracec >= AGENT_TRACE_MAX)
		return;

	tracev = realloc(ag->tracev, (ag->tracec + 1) * sizeof(*tracev));
	if (!tracev)
		return;

	ag->tracev = tracev;
	tracev[ag->tracec].what = strdup(what);
	if (tracev[ag->tracec].what)
		++ag->tracec;
}


static bool user_matches(const char *user, const char *what)
{
	size_t n = strlen(what);

	return !strncmp(user, what, n) && (!user[n] || user[n] == '@');
}


/**
 * Start the trace of a leg if somebody asked for it
 *
 * @param lg  New leg
 * @param who What the main thread is told about it
 */
void trace_start(struct leg *lg, const struct wire *who)
{
	const struct agent *ag = lg->ag;

	for (unsigned i = 0; i < ag->tracec; i++) {

		const char *what = ag->tracev[i].what;

		if (!strcmp(lg->callid, what) ||
		    user_matches(who->strv[WIRE_USER], what)) {

			lg->trace = true;
			trace_request(lg, lg->irq);
			return;
		}
	}
}


/**
 * Trace a message
 *
 * @param lg   Leg that is traced
 * @param msg  Message
 * @param sent Ours
 */
void trace_msg(const struct leg *lg, msg_t *msg, bool sent)
{
	const char *strv[WIRE_STRC] = {[WIRE_CALLID] = lg->callid};
	size_t lenv[WIRE_STRC] = {[WIRE_CALLID] = strlen(lg->callid)};
	size_t len = 0;
	struct wire *w;
	char *text;

	text = msg_as_string(NULL, msg, NULL, 0, &len);
	if (!text)
		return;

	strv[WIRE_BODY] = text;
	lenv[WIRE_BODY] = len;

	w = wire_alloc(WIRE_LOG, lg->id, strv, lenv);
	if (w) {
		w->flag = sent;
		wireq_push(lg->ag->out, w);
	}

	su_free(NULL, text);
}


/**
 * Trace a request that came
 *
 * @param lg  Leg
 * @param irq Its server transaction
 */
void trace_request(const struct leg *lg, nta_incoming_t *irq)
{
	msg_t *msg;

	if (!lg->trace)
		return;

	msg = nta_incoming_getrequest(irq);
	if (!msg)
		return;

	trace_msg(lg, msg, false);
	msg_destroy(msg);
}
