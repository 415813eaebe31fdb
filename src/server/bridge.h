/**
 * @file bridge.h  Events from and to other servers, over the bus
 */
#ifndef JUNCTOR_SERVER_BRIDGE_H
#define JUNCTOR_SERVER_BRIDGE_H

struct bridge;
struct bus;
struct events;

int bridge_alloc(struct bridge **bp, struct events *evs, struct bus *bus,
		 const char *server, const char *publish,
		 const char *subscribe);

#endif
