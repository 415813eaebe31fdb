/**
 * @file natsbus.h  Internal to the NATS bus, main thread
 *
 *   nats.c        subjects: publish, subscribe, request
 *   natskv.c      operations on keys; natsjob.c: what becomes of them
 *   natsbucket.c  buckets: made, found again, and what time it is there
 *   natswatch.c   watches; natstold.c: what they have told
 *   natsreap.c    what nobody needs any more is really removed
 *   natsstore.c   does it store anything at all?
 *   natssweep.c   what was left behind is found
 *   natsjs.c      what JetStream says
 */
#ifndef JUNCTOR_BUS_NATSBUS_H
#define JUNCTOR_BUS_NATSBUS_H

struct natslink;
struct kvbucket;
struct kvjob;
struct natsbus;
struct natssweep;
struct target;
struct natshdr;

enum {
	NATS_INBOX_MAX = 64,
	NATS_SUBJECT_MAX = BUS_SUBJECT_MAX + 128,
	NATS_WAITING_MAX = 65536,  /* requests and operations               */
	NATS_WAITING_BYTES = 64 << 20,   /* values of the latter            */
	NATS_RETRY_MS = 200,       /* what failed for a moment is tried anew */
	NATS_API_MS = 5000,        /* then a question to JetStream is lost  */
};

/* Called with a message for a target; the message is released afterwards. */
typedef void (target_h)(struct target *t, natsMsg *msg);

/* Whoever expects messages under a number */
struct target {
	struct le he;
	uint64_t id;               /* 0: expects none                       */
	target_h *h;
};

struct natsbus {
	struct bus bus;            /* first                                 */
	struct natslink *link;
	uint32_t replicas;
	uint32_t kv_ms;
	uint32_t mark_ms;          /* deletions can be heard of for         */
	char inbox[NATS_INBOX_MAX];      /* of this connection              */
	char name[17];             /* random, of this bus                   */
	uint64_t id;               /* given last                            */
	struct hash *targeth;
	struct due due;
	struct list subl;
	struct list reql;
	struct list replyl;
	struct list bucketl;
	struct list jobl;
	struct hash *keyh;         /* struct keyq                           */
	struct siphash_key hkey;
	uint32_t waiting;          /* requests and operations               */
	size_t waiting_bytes;      /* values of the latter                  */
	struct list reapl;
	uint32_t reapc;
	uint64_t refused, lost;

	struct heap_node look;     /* who waits for too long?               */
	uint64_t looked_at;        /* [ms]                                  */
	uint64_t up_at;            /* nobody has waited for longer [ms]     */
	uint64_t doubt_at;         /* whether it stores, last; 0: never [ms]*/
	uint32_t badc;             /* buckets that do not                   */
};

/* nats.c */
void target_start(struct natsbus *nb, struct target *t, target_h *h);
void target_stop(struct target *t);
int  natsbus_ask(struct natsbus *nb, struct target *t, const char *subject,
		 const struct natshdr *hdrv, const uint8_t *buf, size_t len);
bool natsbus_nobody(natsMsg *msg);

/* natskv.c */
int  natskv_put(struct bus_kvop **opp, struct bus *bus,
		const struct bus_put *put, bus_kv_h *h, void *arg);
int  natskv_delete(struct bus_kvop **opp, struct bus *bus,
		   const char *bucket, const char *key, uint64_t rev,
		   bus_kv_h *h, void *arg);
int  natskv_get(struct bus_kvop **opp, struct bus *bus, const char *bucket,
		const char *key, bus_kv_h *h, void *arg);

/* natsjob.c */
void natskv_down(struct natsbus *nb);
void natskv_ready(struct kvbucket *b);
void natskv_close(struct natsbus *nb);

/* natswatch.c */
int  natskv_watch(struct bus_watch **wp, struct bus *bus, const char *bucket,
		  const char *pattern, bus_watch_h *h, void *arg);
void natswatch_down(struct kvbucket *b);
void natswatch_ready(struct kvbucket *b);
void natswatch_close(struct kvbucket *b);

/* natsreap.c */
void natsreap_add(struct kvbucket *b, uint64_t seq, uint32_t delay);
void natsreap_flush(struct natsbus *nb);

/* natsstore.c */
void natsstore_init(struct natsbus *nb);
void natsstore_up(struct natsbus *nb);
void natsstore_begun(struct natsbus *nb);
void natsstore_done(struct kvbucket *b);
void natsstore_close(struct kvbucket *b);
uint64_t natsstore_grace(struct natsbus *nb, uint64_t ttl);

/* natssweep.c */
int  natssweep_alloc(struct natssweep **swp, struct kvbucket *b);
void natssweep_ready(struct natssweep *sw);
void natssweep_down(struct natssweep *sw);

#endif
