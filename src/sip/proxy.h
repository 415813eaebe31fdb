/**
 * @file proxy.h  Between stack.c and call.c
 */
#ifndef JUNCTOR_SIP_PROXY_H
#define JUNCTOR_SIP_PROXY_H

#include "sip/agent.h"

struct hash;
struct sipcall;

/* all calls of a stack */
struct calls {
	struct hash *idh;              /* struct sipcall, by id             */
	struct hash *callidh;          /* and by Call-ID                    */
};

int  sipcall_alloc(struct sipcall **callp, struct calls *calls,
		   struct agent *ag, uint64_t id, const char *callid,
		   enum wire_type type);
struct sipcall *sipcall_find(const struct calls *calls, uint64_t id);
struct sipcall *sipcall_find_callid(const struct calls *calls,
				    const char *callid, const char *ltag,
				    bool subscription);
void sipcall_adopting(struct sipcall *call);
void sipcall_adopted(struct sipcall *call, struct calls *calls, uint64_t id);
int  sipcall_tags_set(struct sipcall *call, const char *ltag,
		      const char *rtag);
bool sipcall_tags_are(const struct sipcall *call, const char *ltag,
		      const char *rtag);
void sipcall_detach(struct sipcall *call);
uint64_t sipcall_id(const struct sipcall *call);
const char *sipcall_callid(const struct sipcall *call);

#endif
