/**
 * @file wire.h  Messages and values on the bus
 *
 * Subjects and buckets:
 *
 *  bucket "servers"            key of a server: wire_server, lives for some
 *                              heartbeats
 *  bucket "conferences"        key of a conference: wire_claim
 *  bucket "plans"              key of a server: wire_plan
 *  noc.capacity                wire_server, whenever capacity has changed
 *  server.KEY.reserve          wire_reserve, answered with wire_granted
 *  server.KEY.counts           wire_counts, answered with the same and, for
 *                              each conference, the number of participants
 *  noc.user                    wire_user, joined, left and moved
 *  noc.conference              wire_user, deleted
 *
 * Of a dispatch server that only knows banks, each with its dispatch servers:
 *
 *  bucket "banks"              key of a bank: wire_server, its sums
 *  bank.capacity               the same
 *  bank.KEY.where              wire_reserve of one join, answered with
 *                              wire_place: is its conference there?
 *  bank.KEY.place              the same: may it be?
 *  bank.KEY.reserve.SERVER     wire_reserve, for a server of the bank
 *  bank.conference             wire_user, deleted: it is not there any more
 *  bank.down                   name of a server that is gone
 */
#ifndef JUNCTOR_NOC_WIRE_H
#define JUNCTOR_NOC_WIRE_H

enum wire_type {
	WIRE_SERVER = 1,
	WIRE_CLAIM,
	WIRE_RESERVE,
	WIRE_GRANTED,
	WIRE_USER,
	WIRE_PLAN,
	WIRE_PLACE,
	WIRE_COUNTS,
};

enum {
	WIRE_JOIN_MAX  = 3 + 3 + 128 + 128 + 64,  /* one join [bytes]       */
	WIRE_SMALL_MAX = 1024,     /* every message but wire_reserve [bytes]*/
	WIRE_JOINS_MAX = 4096,     /* in one wire_reserve                   */
	WIRE_COUNT_MAX = 3 + 4 + 128,    /* one conference [bytes]          */
	WIRE_TALLY_NONE = 1,       /* tally of who has no participants      */
};

enum capacity_state {
	CAPACITY_IN_SERVICE = 1,
	CAPACITY_DRAINING,         /* takes no new conferences              */
	CAPACITY_OUT,              /* takes nobody                          */
};

struct wire_server {
	char name[64];             /* of the server                         */
	char contact[128];         /* host:port for URIs                    */
	enum capacity_state state;
	unsigned media;            /* set of enum media_type                */
	uint32_t capacity;         /* audio participants when empty         */
	uint32_t unused;           /* now, leases taken off                 */
	uint32_t participants;
	uint32_t conferences;
	uint64_t seq;              /* grows with every report of a server   */
	char other[128];           /* contact of the other family of
				      addresses, or ""                      */
	uint64_t tally;            /* WIRE_TALLY_NONE + wire_tally of its
				      conferences; 0: does not say          */
};

struct wire_claim {
	char conference[128];
	char server[64];
	bool running;              /* false: the first caller is on its way */
};

struct wire_reserve {
	bool create;               /* the first join of a new conference    */
	unsigned media;            /* asked for, by each join               */
	uint32_t least;            /* create: only if so much is unused,
				      else another server is the better one */
	bool release;              /* give back the places of these joins:
				      nobody will come                      */
};

enum wire_verdict {
	WIRE_GRANT = 1,
	WIRE_FULL,
	WIRE_OUT,                  /* not in service, or draining           */
	WIRE_REFUSED,              /* not understood                        */
	WIRE_LESS,                 /* there is room, but less than `least`  */
	WIRE_HERE,                 /* the conference is here, where is not
				      known in a moment                     */
};

struct wire_granted {
	enum wire_verdict verdict;
	uint32_t granted;          /* joins, all or none                    */
	uint32_t unused;
	uint64_t seq;              /* as in wire_server                     */
};

enum wire_what {
	WIRE_JOINED = 1,
	WIRE_LEFT,
	WIRE_DELETED,
	WIRE_MOVED,                /* from another server: nobody is new    */
};

struct wire_user {
	enum wire_what what;
	char conference[128];
	char server[64];
	char account[64];          /* "" for deleted                        */
	char user[128];            /* likewise                              */
	uint32_t participants;     /* in the conference after it            */
	uint64_t usec;             /* UTC since the epoch [us]              */
};

struct wire_plan {
	char server[64];
	uint64_t from, to;         /* out of service, UTC [s]; 0, 0: never  */
};

/* What the dispatch server of a bank answers */
struct wire_place {
	enum wire_verdict verdict;
	char server[64];           /* media server, "" but for granted      */
	char contact[128];         /* host:port, likewise                   */
	uint32_t room;             /* what that one has left                */
	uint64_t roomseq;          /* of its report                         */
	uint32_t unused;           /* of the whole bank                     */
	uint64_t seq;              /* as in the wire_server of the bank     */
	char other[128];           /* as in wire_server                     */
};

/* How many are in the conferences that a server has claimed and runs; of many
   only some at a time */
struct wire_counts {
	char server[64];           /* media server                          */
	uint32_t from;             /* where it goes on, 0: begins           */
	uint32_t next;             /* answer: ... with the next ones; 0:
				      that was all                          */
};

struct willcall_join;

typedef void (wire_join_h)(const struct willcall_join *j, void *arg);
typedef void (wire_count_h)(const char *name, size_t namelen, uint32_t n,
			    void *arg);

int wire_server_encode(uint8_t *buf, size_t sz, size_t *len,
		       const struct wire_server *s);
int wire_server_decode(struct wire_server *s, const uint8_t *buf, size_t len);
int wire_claim_encode(uint8_t *buf, size_t sz, size_t *len,
		      const struct wire_claim *c);
int wire_claim_decode(struct wire_claim *c, const uint8_t *buf, size_t len);
int wire_reserve_encode(uint8_t *buf, size_t sz, size_t *len,
			const struct wire_reserve *r);
int wire_join_encode(uint8_t *buf, size_t sz, size_t *len,
		     const struct willcall_join *j);
int wire_reserve_decode(struct wire_reserve *r, unsigned *joinc,
			const uint8_t *buf, size_t len,
			wire_join_h *jh, void *arg);
int wire_granted_encode(uint8_t *buf, size_t sz, size_t *len,
			const struct wire_granted *g);
int wire_granted_decode(struct wire_granted *g, const uint8_t *buf,
			size_t len);
int wire_user_encode(uint8_t *buf, size_t sz, size_t *len,
		     const struct wire_user *u);
int wire_user_decode(struct wire_user *u, const uint8_t *buf, size_t len);
int wire_place_encode(uint8_t *buf, size_t sz, size_t *len,
		      const struct wire_place *p);
int wire_place_decode(struct wire_place *p, const uint8_t *buf, size_t len);
int wire_plan_encode(uint8_t *buf, size_t sz, size_t *len,
		     const struct wire_plan *p);
int wire_plan_decode(struct wire_plan *p, const uint8_t *buf, size_t len);

uint64_t wire_tally(const char *name, size_t namelen, uint32_t n);
int wire_counts_encode(uint8_t *buf, size_t sz, size_t *len,
		       const struct wire_counts *c);
int wire_count_encode(uint8_t *buf, size_t sz, size_t *len, const char *name,
		      uint32_t n);
int wire_counts_decode(struct wire_counts *c, const uint8_t *buf, size_t len,
		       wire_count_h *h, void *arg);

#endif
