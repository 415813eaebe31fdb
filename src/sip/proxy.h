/**
 * @file proxy.h  Between stack.c and call.c
 */
#ifndef JUNCTOR_SIP_PROXY_H
#define JUNCTOR_SIP_PROXY_H

#include "sip/agent.h"

struct hash;
struct sipcall;

int  sipcall_alloc(struct sipcall **callp, struct hash *calls,
		   struct agent *ag, uint64_t id, const char *callid,
		   enum wire_type type);
void sipcall_detach(struct sipcall *call);
uint64_t sipcall_id(const struct sipcall *call);
const char *sipcall_callid(const struct sipcall *call);

#endif
