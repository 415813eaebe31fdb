/**
 * @file stack_int.h  Shared by stack.c, stackadopt.c and stackwire.c only
 */
#ifndef JUNCTOR_SIP_STACK_INT_H
#define JUNCTOR_SIP_STACK_INT_H

#include "sip/replace.h"

struct sipstack {
	struct agent_shared sh;
	struct agent *agentv[SIPSTACK_THREADS_MAX];
	unsigned agentc;
	struct wireq *q;
	struct mqueue *mq;
	struct calls calls;
	uint64_t token;                /* of the last call to be adopted    */
	struct replace rep;
	struct sa laddrv[SIPSTACK_LISTEN_MAX];
	unsigned laddrc;
	char *tracev[AGENT_TRACE_MAX]; /* calls or users to be traced    */
	unsigned tracec;
	sipcall_h *h;
	void *arg;
};

void stack_wire(struct sipstack *st, const struct wire *w);

#endif
