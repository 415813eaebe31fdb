/**
 * @file bus.h  Publish, request, key-value: in memory or NATS
 *
 * Main thread only, and no call blocks. Every handler is called from the main
 * loop, never from inside the call that caused it. Subjects and keys are
 * dot-separated words; in patterns `*` stands for one word and a final `>` for
 * one or more.
 *
 * Order: one publisher's messages arrive as they were sent; the operations of
 * one process on one key happen as they were called; a watch tells the changes
 * of its bucket by growing revision. Between these (the result of an operation
 * and what a watch tells of it, a message and a change) there is no order on a
 * bus of several machines: compare revisions.
 *
 * While the bus is down, publications are refused (ENOTCONN) and requests fail
 * at once (ENOTCONN). Operations on keys wait for it, up to bus_nats_conf's
 * kv_timeout, then fail (ENOTCONN). Watches tell nothing; when the bus is up
 * again they tell what was missed, deletions too, and then key NULL once more.
 * A key with a time to live that could not be renewed because of that gets all
 * of its time anew. So does one while the bus is up and nothing that is stored
 * is confirmed (bus_stores: a cluster without a quorum): messages go on then,
 * and operations on keys fail (ETIMEDOUT, ENOTCONN) after kv_timeout.
 */
#ifndef JUNCTOR_BUS_BUS_H
#define JUNCTOR_BUS_BUS_H

struct bus;
struct bus_sub;
struct bus_req;       /* a request that waits for its reply             */
struct bus_reply;     /* where to send the reply to a request           */
struct bus_watch;
struct bus_kvop;
struct bus_listener;  /* to the state of the bus, or of what it stores  */

enum bus_state { BUS_DOWN, BUS_UP };

enum {
	BUS_SUBJECT_MAX = 255,         /* [bytes]                       */
	BUS_PAYLOAD_MAX = 512 * 1024,  /* [bytes]                       */
};

/* `reply` is NULL for a publication; else the handler takes it over and
   must end it with bus_respond or mem_deref. */
typedef void (bus_msg_h)(const char *subject, const uint8_t *buf, size_t len,
			 struct bus_reply *reply, void *arg);
/* err: 0, ETIMEDOUT, ENOENT (nobody listens), ENOTCONN (not sent: the bus is
   down), ECONNRESET (sent, and then the bus went down) */
typedef void (bus_resp_h)(int err, const uint8_t *buf, size_t len,
			  void *arg);
/* err: 0, EEXIST (create), ESTALE (update, wrong revision), ENOENT,
   ENOTCONN (was not sent), ETIMEDOUT (may have happened or not); rev: revision
   now stored, of a deletion: its own; buf: the value now stored for
   bus_kv_get, and for EEXIST and ESTALE what stands in the way */
typedef void (bus_kv_h)(int err, uint64_t rev, const uint8_t *buf,
			size_t len, void *arg);
/* buf NULL: deleted or expired, no value of rev or older is there any more.
   key NULL: everything that was stored when the watch began (or the bus came
   up again) has been told */
typedef void (bus_watch_h)(const char *key, uint64_t rev,
			   const uint8_t *buf, size_t len, void *arg);
typedef void (bus_state_h)(enum bus_state state, void *arg);
typedef void (bus_store_h)(bool stores, void *arg);

/* How to reach NATS; what is NULL or 0 is not used */
struct bus_nats_conf {
	const char *url;           /* nats://host:port,... or tls://        */
	const char *name;          /* of this client, for operators of NATS */
	const char *credentials;   /* file                                  */
	const char *user;
	const char *password;
	const char *tls_ca;        /* file                                  */
	const char *tls_cert;      /* file                                  */
	const char *tls_key;       /* file                                  */
	uint32_t replicas;         /* of buckets, 0: 1                      */
	uint32_t kv_timeout;       /* of operations on keys, 0: 5000 [ms]   */
	uint32_t mark_life;        /* deletions can be heard of for, for who
				      was away; 0: 60000 [ms]               */
};

struct bus_stats {
	uint64_t sent, received;   /* messages                              */
	uint64_t refused;          /* publications: full, or bus is down    */
	uint64_t lost;             /* times a watch had to catch up         */
	uint64_t connects;
	uint32_t waiting;          /* to be sent, or for a reply            */
};

int  bus_alloc_memory(struct bus **busp);
int  bus_alloc_nats(struct bus **busp, const struct bus_nats_conf *conf,
		    const char **wrongp);
int  bus_nats_check(const struct bus_nats_conf *conf, const char **wrongp);
int  bus_alloc_space(struct bus **busp, struct bus *up, const char *name);
bool bus_space_valid(const char *name, size_t len);
struct bus *bus_space_up(struct bus *bus);
enum bus_state bus_state(const struct bus *bus);
int  bus_state_listen(struct bus_listener **lp, struct bus *bus,
		      bus_state_h *h, void *arg);
uint32_t bus_turn(uint32_t interval);
bool bus_stores(const struct bus *bus);
int  bus_store_listen(struct bus_listener **lp, struct bus *bus,
		      bus_store_h *h, void *arg);
void bus_stats_get(const struct bus *bus, struct bus_stats *stats);
int  bus_publish(struct bus *bus, const char *subject,
		 const uint8_t *buf, size_t len);
int  bus_subscribe(struct bus_sub **subp, struct bus *bus,
		   const char *pattern, bus_msg_h *h, void *arg);
int  bus_request(struct bus_req **reqp, struct bus *bus,
		 const char *subject, const uint8_t *buf, size_t len,
		 uint32_t timeout_ms, bus_resp_h *h, void *arg);
int  bus_respond(struct bus_reply *reply, const uint8_t *buf, size_t len);

int  bus_kv_create(struct bus_kvop **opp, struct bus *bus,
		   const char *bucket, const char *key,
		   const uint8_t *buf, size_t len, uint32_t ttl_ms,
		   bus_kv_h *h, void *arg);
int  bus_kv_update(struct bus_kvop **opp, struct bus *bus,
		   const char *bucket, const char *key, uint64_t rev,
		   const uint8_t *buf, size_t len, uint32_t ttl_ms,
		   bus_kv_h *h, void *arg);
int  bus_kv_put(struct bus_kvop **opp, struct bus *bus,
		const char *bucket, const char *key,
		const uint8_t *buf, size_t len, uint32_t ttl_ms,
		bus_kv_h *h, void *arg);
int  bus_kv_delete(struct bus_kvop **opp, struct bus *bus,
		   const char *bucket, const char *key, uint64_t rev,
		   bus_kv_h *h, void *arg);
int  bus_kv_get(struct bus_kvop **opp, struct bus *bus,
		const char *bucket, const char *key,
		bus_kv_h *h, void *arg);
int  bus_kv_watch(struct bus_watch **wp, struct bus *bus,
		  const char *bucket, const char *pattern,
		  bus_watch_h *h, void *arg);

#endif
