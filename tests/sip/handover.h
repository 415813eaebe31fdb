/**
 * @file handover.h  Two servers, and a phone whose dialog goes from one to
 *                   the other
 */
#ifndef JUNCTOR_TESTS_SIP_HANDOVER_H
#define JUNCTOR_TESTS_SIP_HANDOVER_H

#include "sip/dialogtext.h"
#include "fixture.h"

struct handover {
	struct fix a, b;           /* the old server, the new one           */
	struct phone p;
	struct dialogtext d;
	struct sipcall *call;      /* at b, referenced                      */
};

extern const char new_sdp[];

void handover_conf(struct handover *f, struct sipstack_conf *conf, bool tcp);
void handover_open(struct handover *f);
void handover_close(struct handover *f);
void handover_freeze(struct handover *f);
void handover_adopt(struct handover *f);
void handover_reinvite(struct handover *f);
void handover_finish(struct handover *f);

#endif
