/**
 * @file stack.h  The signalling threads, as the main thread sees them
 *
 * One handler hears everything that happens to calls. Main thread only.
 */
#ifndef JUNCTOR_SIP_STACK_H
#define JUNCTOR_SIP_STACK_H

#include "sip/call.h"

struct sipstack;
struct redirect;
struct dialogtext;

enum {
	SIPSTACK_LISTEN_MAX  = 8,
	SIPSTACK_THREADS_MAX = 16,
};

struct sipstack_conf {
	struct sa laddrv[SIPSTACK_LISTEN_MAX];  /* port 0: any              */
	unsigned laddrc;
	unsigned threads;          /* 1 to SIPSTACK_THREADS_MAX             */
	unsigned max_calls;        /* dialogs                               */
	unsigned max_pending;      /* requests the main thread has to answer*/
	unsigned max_msg;          /* longest message taken [bytes]         */
	unsigned se, min_se;       /* session timer, RFC 4028 [s]           */
	unsigned probe;            /* OPTIONS, if no session timer [s]      */
	unsigned t1;               /* RFC 3261 T1 [ms]                      */
	unsigned move_ms;          /* to answer the re-INVITE of a server
				      that took the call over, 0: as any
				      other [ms]                            */
	unsigned lost_ms;          /* requests of unknown dialogs wait, 0: as
				      long as phones do well with [ms]      */
	bool trust_asserted;       /* believe P-Asserted-Identity           */
	bool freebind;             /* listen on addresses that may come     */
	const char *server;        /* Server and User-Agent                 */
	struct redirect *redirect; /* fast path, or NULL                    */
};

enum sipstack_stat {
	SIPSTACK_CALLS,            /* dialogs that exist                    */
	SIPSTACK_PENDING,
	SIPSTACK_MALFORMED,
	SIPSTACK_OVERLOAD,
	SIPSTACK_REQUESTS,         /* received; index: method               */
	SIPSTACK_RESPONSES,        /* sent; index: class, 1 to 6            */
	SIPSTACK_SENT,             /* requests sent; index: method          */
};

int  sipstack_alloc(struct sipstack **stp, const struct sipstack_conf *conf,
		    sipcall_h *h, void *arg);
int  sipstack_laddr(const struct sipstack *st, unsigned ix, struct sa *sa);
int  sipstack_adopt(struct sipstack *st, struct sipcall **callp,
		    const struct dialogtext *d);
int  sipstack_lost_no(struct sipstack *st, uint64_t id);
int  sipstack_refuse(struct sipstack *st, uint16_t scode);
int  sipstack_trace(struct sipstack *st, const char *what, bool on);
double sipstack_stat(const struct sipstack *st, enum sipstack_stat stat,
		     unsigned ix);
const char *sipstack_method(unsigned ix);

#endif
