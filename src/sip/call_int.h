/**
 * @file call_int.h  Shared by call.c and calltable.c only
 */
#ifndef JUNCTOR_SIP_CALL_INT_H
#define JUNCTOR_SIP_CALL_INT_H

struct sipcall {
	struct le he;                  /* in calls.idh                      */
	struct le ce;                  /* in calls.callidh                  */
	struct agent *ag;              /* NULL: it has ended                */
	uint64_t id;
	char *callid;
	char *ltag, *rtag;             /* NULL until established            */
	enum wire_type type;           /* WIRE_JOIN, _SUBSCRIBE, _TEXT_OUT  */
	bool answered;
	bool adopting;                 /* it has no id yet                  */
	bool released;                 /* nobody wants it any more          */
	struct wire *waitl;            /* told meanwhile, oldest first      */
	void *data;
};

#endif
