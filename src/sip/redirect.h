/**
 * @file redirect.h  The fast path: plain INVITEs for known conferences are
 *                   answered with 302 before sofia sees them
 *
 * Needs <stdint.h>, <stddef.h> and <stdbool.h>; usable with <re.h> or with
 * sofia's headers.
 */
#ifndef JUNCTOR_SIP_REDIRECT_H
#define JUNCTOR_SIP_REDIRECT_H

struct redirect;
struct redirect_join;      /* sip/redirjoin.h                               */

enum {
	REDIRECT_THREADS_MAX = 64,
	REDIRECT_CONTACT_MAX = 512,   /* bytes written to contact at most    */
};

/* Why nothing is to be redirected for now, a set */
enum redirect_hold {
	REDIRECT_HOLD_REFUSING = 1 << 0,   /* new calls are refused          */
	REDIRECT_HOLD_TRACING  = 1 << 1,   /* somebody wants to see calls    */
};

/* An INVITE, by UDP */
struct redirect_query {
	const char *conf;         /* unescaped                              */
	size_t conflen;           /* [bytes]                                */
	const char *user;         /* user@host of From                      */
	size_t userlen;           /* [bytes]                                */
	uint64_t tag;             /* the same for every copy of it          */
	bool ipv6;                /* it came by IPv6                        */
};

/* Where does this conference run? Called in any signalling thread, with
 * `contact` to be filled with a URI (no brackets), not zero-terminated.
 * 0: answer 302 with this Contact; anything else: sofia gets the INVITE. */
typedef int (redirect_lookup_h)(const struct redirect_query *q, char *contact,
				size_t sz, size_t *len, void *arg);

typedef void (redirect_wake_h)(void *arg);

struct redirect_stats {
	uint64_t redirected;      /* 302 sent, retransmissions not counted   */
	uint64_t retransmitted;   /* 302 sent again                          */
	uint64_t acked;           /* ACKs for our 302 absorbed               */
	uint64_t deferred;        /* INVITEs given to the main thread        */
	uint64_t handed_over;     /* datagrams given to sofia                */
	uint64_t malformed;       /* of these: not even the start of SIP     */
	uint64_t unsent;          /* 302 that the kernel did not take        */
};

int  redirect_alloc(struct redirect **rp, unsigned threads);
void redirect_handler(struct redirect *r, redirect_lookup_h *h, void *arg);
void redirect_defer_handler(struct redirect *r, redirect_wake_h *h, void *arg);
void redirect_threads_set(struct redirect *r, unsigned threads);
void redirect_freebind(struct redirect *r, bool on);
void redirect_hold(struct redirect *r, enum redirect_hold why, bool on);
void redirect_stats(struct redirect *r, struct redirect_stats *st);
unsigned redirect_owner(const struct redirect *r, const char *callid,
			size_t len);

/* In the signalling thread, around nta_agent_create/nta_agent_add_tport ...
 * nta_agent_destroy: the UDP sockets bound in between are ours. */
int  redirect_thread_enter(struct redirect *r, unsigned ix);
void redirect_thread_leave(struct redirect *r);

#endif
