/**
 * @file forward_int.h  Internal to forward.c and farm.c
 */
#ifndef JUNCTOR_REMOTE_FORWARD_INT_H
#define JUNCTOR_REMOTE_FORWARD_INT_H

#include "remote/forward.h"

struct bus;
struct bus_sub;
struct offers;
struct seal_key;

enum {
	SEEN_MAX = 256,            /* requests that are remembered          */
	SEEN_S   = 60,             /* older ones are refused [s]            */
};

struct seen {
	char id[17];
	uint64_t time;             /* UTC [s]                               */
};

/* Main thread only */
struct forward {
	struct server *srv;
	struct bus *bus;
	struct seal_key *key;
	struct bus_sub *sub;       /* server.KEY.command                    */
	struct offers *offers;
	struct list callsl;        /* struct call, waiting for answers      */
	struct list ownerl;        /* struct owner, likewise                */
	struct list sourcel;       /* struct source, feed.c                 */
	struct seen seenv[SEEN_MAX];
	unsigned seenc;
};

#endif
