/**
 * @file bus.h  Publish, request, key-value: in memory or NATS
 *
 * Main thread only. Every handler is called from the main loop, never from
 * inside the call that caused it, in the order in which things happened.
 * Subjects and keys are dot-separated words; in patterns `*` stands for one
 * word and a final `>` for one or more.
 */
#ifndef JUNCTOR_BUS_BUS_H
#define JUNCTOR_BUS_BUS_H

struct bus;
struct bus_sub;
struct bus_req;       /* a request that waits for its reply             */
struct bus_reply;     /* where to send the reply to a request           */
struct bus_watch;
struct bus_kvop;

enum {
	BUS_SUBJECT_MAX = 255,         /* [bytes]                       */
	BUS_PAYLOAD_MAX = 512 * 1024,  /* [bytes]                       */
};

/* `reply` is NULL for a publication; else the handler takes it over and
   must end it with bus_respond or mem_deref. */
typedef void (bus_msg_h)(const char *subject, const uint8_t *buf, size_t len,
			 struct bus_reply *reply, void *arg);
/* err: 0, ETIMEDOUT, ENOENT (nobody listens), ECONNRESET */
typedef void (bus_resp_h)(int err, const uint8_t *buf, size_t len,
			  void *arg);
/* err: 0, EEXIST (create), ESTALE (update, wrong revision), ENOENT,
   ETIMEDOUT; rev: revision now stored; buf: the value now stored for
   bus_kv_get, and for EEXIST and ESTALE what stands in the way */
typedef void (bus_kv_h)(int err, uint64_t rev, const uint8_t *buf,
			size_t len, void *arg);
/* buf NULL: deleted or expired. key NULL: everything that was stored when
   the watch began has been told */
typedef void (bus_watch_h)(const char *key, uint64_t rev,
			   const uint8_t *buf, size_t len, void *arg);

int  bus_alloc_memory(struct bus **busp);
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
