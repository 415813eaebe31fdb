/**
 * @file heartbeat.h  Service `heartbeat`: which servers of the farm live
 *
 * Every server of a farm runs it. What is told is what this server believes;
 * others may believe otherwise for a moment.
 */
#ifndef JUNCTOR_HEARTBEAT_HEARTBEAT_H
#define JUNCTOR_HEARTBEAT_HEARTBEAT_H

#include "noc/node.h"

struct heartbeat;

/* "node.up":   a server is there, for the first time or again
 * "node.down": a server died, by neither beats nor an answer on the bus, or
 *              because its name has started anew without a goodbye
 * "node.left": a server said goodbye
 * They are never fired for this server itself, and not heard by others. */
struct node_event {
	const char *name;      /* of the server                         */
	uint64_t instance;     /* drawn at every start of a server      */
	const char *services;  /* with commas between                   */
	const char *reason;    /* for people                            */
};

/* "node.isolated": {on}: this server hears nobody and has no bus. It judges
 * nobody as long as that lasts. */
struct node_isolated_event {
	bool on;
};

struct node_info {
	const struct node_record *record;  /* valid during the call     */
	enum node_state state;
	bool self;             /* this server                           */
	bool beats;            /* its beats come                        */
	uint64_t since;        /* in this state, UTC [s]                */
};

typedef void (node_info_h)(const struct node_info *ni, void *arg);

struct heartbeat_api {
	struct heartbeat *hb;
	enum node_state (*state)(const struct heartbeat *hb,
				 const char *name);
	/* ENOENT; else h is called once, before it returns */
	int (*get)(const struct heartbeat *hb, const char *name,
		   node_info_h *h, void *arg);
	/* h is called for every server, this one first */
	void (*apply)(const struct heartbeat *hb, node_info_h *h, void *arg);
	bool (*isolated)(const struct heartbeat *hb);
	/* of this server, since its start */
	uint64_t (*instance)(const struct heartbeat *hb);
};

#endif
