/**
 * @file redirect_int.h  Shared by redirect.c and redirjoin.c only
 */
#ifndef JUNCTOR_SIP_REDIRECT_INT_H
#define JUNCTOR_SIP_REDIRECT_INT_H

enum {
	RECENT      = 8192,     /* power of two                             */
	RECENT_LIFE = 32,       /* [s], 64*T1                               */
	DEFER_LIFE  = 2,        /* [s] that an INVITE repeated is ignored   */
	DEFER_MAX   = 4096,     /* joins that wait for their answer         */
};

/* The last redirect of the Call-IDs that fall here */
struct recent {
	uint64_t callid;        /* keyed hashes                             */
	uint64_t tag;
	uint32_t conf;
	uint32_t cseq;
	uint32_t sec;           /* when, 0: never                           */
	bool deferred;          /* was given to the main thread             */
};

struct rthread {
	struct redirect *r;
	unsigned ix;
	struct udpsock *us;     /* NULL: not entered; under the lock        */
	pthread_t tid;          /* who entered                              */

	/* of the signalling thread; the counters are read by all */
	struct redirect_stats st;
	uint32_t now;           /* [s], of this batch                       */
	bool wake;              /* the main thread is to be told            */
	struct recent recentv[RECENT];
};

struct redirect {
	unsigned threads;       /* that are there, set before they enter    */
	unsigned threadc;       /* room for                                 */
	bool freebind;          /* set before they enter                    */
	struct siphash_key key;
	struct rthread *threadv[REDIRECT_THREADS_MAX]; /* see rthread_get   */

	/* read-locked for each batch and each datagram handed across */
	pthread_rwlock_t lock;
	redirect_lookup_h *lookuph;
	void *arg;
	unsigned hold;          /* set of enum redirect_hold                */
	redirect_wake_h *wakeh; /* NULL: nothing is deferred                */
	void *wakearg;

	/* joins on their way to the main thread */
	pthread_mutex_t join_lock;
	struct list joinl;      /* struct redirect_join, oldest first       */
	unsigned joinc;         /* that exist, atomic                       */
};

int  redirect_defer(struct rthread *t, const struct udpsock_msg *msg,
		    uint64_t tag);
void redirect_defer_wake(struct rthread *t);

#endif
