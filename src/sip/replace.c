/**
 * @file replace.c  Joins that replace another call (RFC 3891 section 3)
 *
 *   the call is ours and established      it is told with the join
 *   the same, but only an early one meant 486
 *   it has ended                          603
 *   it is not ours                        told by its Call-ID: another server
 *                                         may have sent the phone here
 *   other tags                            481
 */
#include <string.h>
#include <re.h>
#include "sip/call.h"
#include "sip/proxy.h"
#include "sip/replace.h"

enum { ENDED_MS = 64 * 500 };


/**
 * Remember that a call has ended
 *
 * @param rep  Memory
 * @param call Call
 */
void replace_ended(struct replace *rep, const struct sipcall *call)
{
	const uint32_t h = hash_joaat_str(sipcall_callid(call));

	rep->endv[h % REPLACE_ENDED].hash = h;
	rep->endv[h % REPLACE_ENDED].when = tmr_jiffies();
}


static bool has_ended(const struct replace *rep, const char *callid)
{
	const uint32_t h = hash_joaat_str(callid);
	const uint64_t when = rep->endv[h % REPLACE_ENDED].when;

	return when && rep->endv[h % REPLACE_ENDED].hash == h &&
		tmr_jiffies() - when < ENDED_MS;
}


/**
 * Find what a join replaces
 *
 * @param rep   Memory
 * @param calls Tables
 * @param ev    The join; `replaced` is set, or else `scode`
 * @param w     What the signalling thread told
 *
 * @return 0, or ENOENT if the join has to be refused with `scode`
 */
int replace_find(struct replace *rep, const struct calls *calls,
		 struct sipcall_event *ev, const struct wire *w)
{
	struct sipcall *call;

	call = sipcall_find_callid(calls, w->strv[WIRE_REPLACES],
				   w->strv[WIRE_LTAG], false);
	if (!call)
		call = sipcall_find_callid(calls, w->strv[WIRE_REPLACES],
					   NULL, false);

	if (!call) {
		ev->scode = has_ended(rep, w->strv[WIRE_REPLACES]) ? 603 : 0;
		return ev->scode ? ENOENT : 0;
	}

	ev->scode = !sipcall_tags_are(call, w->strv[WIRE_LTAG],
				      w->strv[WIRE_RTAG]) ? 481
		: w->flag ? 486 : 0;
	if (ev->scode)
		return ENOENT;

	ev->replaced = call;

	return 0;
}
