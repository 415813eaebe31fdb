/**
 * @file resolution.h  Events of the service `resolution`, and its inside
 */
#ifndef JUNCTOR_RESOLUTION_RESOLUTION_H
#define JUNCTOR_RESOLUTION_RESOLUTION_H

struct bus;
struct bus_kvop;
struct bus_req;
struct bus_sub;
struct bus_watch;
struct offers;
struct order;
struct resolution;
struct seal_key;
struct service;

/* "resolution.merging": a conference runs on two servers; the younger one's
 *                       participants are to go to the older one
 * "resolution.merged":  they have
 * "resolution.failed":  reason: they have not, or not all of them */
struct resolution_event {
	const char *conference;
	const char *from, *to;     /* servers                               */
	const char *reason;        /* NULL but for failed                   */
};

/* order.c: err 0: done; EAGAIN: not now; else not at all */
typedef void (order_h)(int err, const char *reason, void *arg);

int order_send(struct order **op, struct bus *bus, struct seal_key *seal,
	       const char *self, const char *server, const char *conference,
	       const char *to, order_h *h, void *arg);

#endif
