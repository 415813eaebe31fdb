/**
 * @file replace.h  Joins that replace another call, as the main thread sees
 *                  them
 *
 * Internal to src/sip.
 */
#ifndef JUNCTOR_SIP_REPLACE_H
#define JUNCTOR_SIP_REPLACE_H

enum { REPLACE_ENDED = 256 };

/* Calls that ended a while ago */
struct replace {
	struct {
		uint32_t hash;         /* of the Call-ID                    */
		uint64_t when;         /* [ms], 0: never                    */
	} endv[REPLACE_ENDED];
};

void replace_ended(struct replace *rep, const struct sipcall *call);
int  replace_find(struct replace *rep, const struct calls *calls,
		  struct sipcall_event *ev, const struct wire *w);

#endif
