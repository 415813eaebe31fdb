/**
 * @file agent.h  One signalling thread, as the main thread sees it
 *
 * Internal to src/sip; needs neither libre nor sofia-sip.
 */
#ifndef JUNCTOR_SIP_AGENT_H
#define JUNCTOR_SIP_AGENT_H

#include <stdatomic.h>
#include "sip/wire.h"

struct agent;
struct redirect;

enum { AGENT_TRACE_MAX = 64 };         /* calls and users                   */

enum agent_method {
	METHOD_INVITE, METHOD_ACK, METHOD_BYE, METHOD_CANCEL,
	METHOD_OPTIONS, METHOD_UPDATE, METHOD_INFO, METHOD_MESSAGE,
	METHOD_SUBSCRIBE, METHOD_NOTIFY, METHOD_REFER, METHOD_OTHER,
	METHOD_C
};

/* What all signalling threads of one stack share. */
struct agent_shared {
	/* counters, written by the signalling threads, read by anybody */
	atomic_uint calls;             /* dialogs that exist                */
	atomic_uint pending;           /* not answered by the main thread   */
	atomic_ullong reqv[METHOD_C];  /* requests received                 */
	atomic_ullong respv[7];        /* responses sent, by class          */
	atomic_ullong sentv[METHOD_C]; /* requests sent                     */
	atomic_ullong malformed;       /* messages answered 400 or dropped  */
	atomic_ullong overload;        /* requests answered 503             */

	/* constant while the threads run */
	unsigned max_calls;
	unsigned max_pending;
	unsigned max_msg;              /* longest message [bytes]           */
	unsigned se, min_se;           /* session timer, RFC 4028 [s]       */
	unsigned probe;                /* OPTIONS to peers without session
					  timer, every so many [s]; 0: none */
	unsigned t1;                   /* RFC 3261 T1 [ms]                  */
	unsigned move_ms;              /* a phone has so long to answer the
					  re-INVITE of a server that took it
					  over; 0: as any other [ms]        */
	unsigned lost_ms;              /* requests of unknown dialogs wait  */
	bool trust_asserted;           /* believe P-Asserted-Identity       */
	char server[64];               /* Server and User-Agent             */
	struct redirect *redirect;     /* or NULL                           */
};

struct agent_conf {
	unsigned index;                /* of this thread                    */
	unsigned threads;              /* in all                            */
	const char *const *urlv;       /* what to listen on, as sofia URLs  */
	unsigned urlc;
	struct agent_shared *shared;   /* lives longer than the agent       */
	struct wireq *out;             /* to the main thread                */
};

int  agent_alloc(struct agent **agp, const struct agent_conf *conf);
struct agent *agent_free(struct agent *ag);
void agent_push(struct agent *ag, struct wire *w);
unsigned agent_addrs(const struct agent *ag, union wire_addr *av,
		     unsigned ac);

#endif
