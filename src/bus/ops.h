/**
 * @file ops.h  What a kind of bus implements
 *
 * bus.c checks the arguments once for all kinds. An implementation puts
 * `struct bus` first in its own struct, `struct bus_reply` first in what it
 * hands to listeners, and gives the other handles whatever shape it likes;
 * mem_deref of a handle cancels it. Its destructor calls bus_close first.
 */
#ifndef JUNCTOR_BUS_OPS_H
#define JUNCTOR_BUS_OPS_H

struct bus_ops;

struct bus {
	const struct bus_ops *ops;
	enum bus_state state;
	bool unstored;                /* nothing stored is confirmed        */
	struct list listenl;          /* struct bus_listener                */
	struct le *listen_next;       /* next one to tell, while telling    */
};

struct bus_reply {
	int (*respond)(struct bus_reply *reply, const uint8_t *buf,
		       size_t len);           /* does not release reply     */
};

enum bus_kvcmd { BUS_KV_CREATE, BUS_KV_UPDATE, BUS_KV_PUT };

struct bus_put {
	enum bus_kvcmd cmd;
	const char *bucket;
	const char *key;
	uint64_t rev;                 /* BUS_KV_UPDATE only                 */
	const uint8_t *buf;
	size_t len;
	uint32_t ttl_ms;              /* 0: for ever                        */
};

struct bus_ops {
	int (*publish)(struct bus *bus, const char *subject,
		       const uint8_t *buf, size_t len);
	int (*subscribe)(struct bus_sub **subp, struct bus *bus,
			 const char *pattern, bus_msg_h *h, void *arg);
	int (*request)(struct bus_req **reqp, struct bus *bus,
		       const char *subject, const uint8_t *buf, size_t len,
		       uint32_t timeout_ms, bus_resp_h *h, void *arg);
	int (*kv_put)(struct bus_kvop **opp, struct bus *bus,
		      const struct bus_put *put, bus_kv_h *h, void *arg);
	int (*kv_delete)(struct bus_kvop **opp, struct bus *bus,
			 const char *bucket, const char *key, uint64_t rev,
			 bus_kv_h *h, void *arg);
	int (*kv_get)(struct bus_kvop **opp, struct bus *bus,
		      const char *bucket, const char *key,
		      bus_kv_h *h, void *arg);
	int (*kv_watch)(struct bus_watch **wp, struct bus *bus,
			const char *bucket, const char *pattern,
			bus_watch_h *h, void *arg);
	void (*stats)(const struct bus *bus, struct bus_stats *stats);
};

void bus_state_set(struct bus *bus, enum bus_state state);
void bus_store_set(struct bus *bus, bool stores);
void bus_close(struct bus *bus);

#endif
