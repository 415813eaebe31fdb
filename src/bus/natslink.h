/**
 * @file natslink.h  Internal to the NATS bus: the connection and its threads
 *
 *   main --- tx, bounded ---> helper --- libnats ---> server
 *   main <-- rx, bounded ---- libnats's delivery thread
 *
 * The helper connects, sends and subscribes, because each of these may block.
 * libnats delivers all messages from one thread, in the order in which they
 * came. A connection that is lost is not mended but replaced; what was queued
 * for it is thrown away, and subscriptions are up to the main thread.
 */
#ifndef JUNCTOR_BUS_NATSLINK_H
#define JUNCTOR_BUS_NATSLINK_H

struct natslink;

struct natshdr {
	const char *name;
	const char *val;
};

enum { NATSHDR_MAX = 4 };

/* The message stays ours; sid is that of natslink_subscribe. */
typedef void (natslink_msg_h)(uint64_t sid, natsMsg *msg, void *arg);
typedef void (natslink_state_h)(bool up, void *arg);

int  natsopts_alloc(natsOptions **optsp, const struct bus_nats_conf *conf,
		    const char **wrongp);

int  natslink_alloc(struct natslink **lp, const struct bus_nats_conf *conf,
		    const char **wrongp, void *owner, natslink_msg_h *msgh,
		    natslink_state_h *stateh);
int  natslink_publish(struct natslink *nl, const char *subject,
		      const char *reply, const struct natshdr *hdrv,
		      const uint8_t *buf, size_t len);
int  natslink_subscribe(struct natslink *nl, uint64_t sid,
			const char *pattern);
int  natslink_unsubscribe(struct natslink *nl, uint64_t sid);
void natslink_stats(const struct natslink *nl, struct bus_stats *stats);

#endif
