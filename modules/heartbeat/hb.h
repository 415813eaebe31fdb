/**
 * @file hb.h  Inside the service `heartbeat`
 */
#ifndef JUNCTOR_HEARTBEAT_HB_H
#define JUNCTOR_HEARTBEAT_HB_H

#include "heartbeat/beater.h"
#include "heartbeat/heartbeat.h"

struct bus;
struct bus_kvop;
struct bus_listener;
struct bus_req;
struct bus_sub;
struct bus_watch;
struct mbuf;
struct offers;
struct server;
struct service;

enum {
	NODES_MAX = BEATER_PEERS,
	NO_SLOT   = BEATER_PEERS,
};

/* Main thread only, as is all but the beater's inside. */
struct heartbeat {
	struct heartbeat_api api;
	struct service *svc;
	struct server *srv;
	struct bus *bus;
	struct beater *beater;     /* NULL unless started                   */
	struct offers *offers;
	struct node_record self;
	uint32_t lease, timeout, ping, interval;  /* settings [ms]          */

	struct list nodel;         /* struct node, others only              */
	struct bus_watch *watch;   /* of the bucket nodes                   */
	struct bus_sub *sub;       /* server.KEY.ping                       */
	struct bus_listener *bl;
	struct bus_kvop *op;       /* of our record                         */
	struct tmr announce, tick;
	uint64_t told;             /* of a second one of our name [ms]      */

	struct bus_req *proof_req; /* to ourselves: does the bus work?      */
	uint64_t proof_asked;      /* [ms]                                  */
	uint64_t unproven;         /* first one without an answer, or 0     */
	bool bus_bad;              /* it did not the last time              */
	struct bus_req *pace_req;  /* to ourselves: how slow is it?         */
	uint64_t pace_asked;       /* [ms]                                  */
	uint32_t pace;             /* so slow [ms]                          */
	bool isolated;

	uint64_t downs;            /* servers that died, of all times       */
};

struct node {
	struct le le;
	struct heartbeat *hb;
	struct node_record rec;
	enum node_state state;
	uint64_t since;            /* UTC [s]                               */
	unsigned slot;             /* at the beater, or NO_SLOT             */
	bool announced;            /* its record lives                      */
	bool only_bus;             /* told: it answers, but no beats come   */

	struct bus_req *req;       /* "are you there?"                      */
	uint64_t asked;            /* [ms]                                  */
	bool unanswered;           /* the last one                          */
	bool proven;               /* the bus worked then                   */
	struct tmr again;
};

/* heartbeat.c */
void heartbeat_up(struct node *n, const char *reason);
void heartbeat_down(struct node *n, const char *reason);
void heartbeat_left(struct node *n);
void heartbeat_isolated(struct heartbeat *hb, bool on);
void heartbeat_missing(struct heartbeat *hb);
void heartbeat_bus(struct heartbeat *hb, bool works);

/* api.c */
void heartbeat_api(struct heartbeat *hb);
int  heartbeat_offers(struct heartbeat *hb);

/* nodes.c */
int  nodes_start(struct heartbeat *hb);
void nodes_stop(struct heartbeat *hb);
void nodes_announce(struct heartbeat *hb);
struct node *node_find(const struct heartbeat *hb, const char *name);

/* judge.c */
int  judge_start(struct heartbeat *hb);
void judge_ask(struct node *n);
void judge_beats(struct node *n, enum beater_state state);
void judge_isolation(struct heartbeat *hb);
void judge_tick(struct heartbeat *hb);
void judge_stop(struct heartbeat *hb);
int  judge_ping(struct bus_req **reqp, struct heartbeat *hb,
		const char *name, uint32_t ms, bus_resp_h *h, void *arg);
enum beater_state judge_state(const struct node *n);

/* pace.c */
void pace_tick(struct heartbeat *hb);
uint32_t pace_limit(const struct heartbeat *hb);
void pace_stop(struct heartbeat *hb);

#endif
