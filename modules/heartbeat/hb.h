/**
 * @file hb.h  Inside the service `heartbeat`
 */
#ifndef JUNCTOR_HEARTBEAT_HB_H
#define JUNCTOR_HEARTBEAT_HB_H

#include "heartbeat/beater.h"
#include "heartbeat/heartbeat.h"
#include "noc/name.h"

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
	NODES_MAX   = BEATER_PEERS,
	NO_SLOT     = BEATER_PEERS,
	SUBJECT_MAX = NAME_KEY_MAX + 32,
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
	uint32_t lease, timeout, ping, interval, stuck;   /* settings [ms]  */

	struct list nodel;         /* struct node, others only              */
	struct bus_watch *watch;   /* of the bucket nodes                   */
	struct bus_sub *sub;       /* server.KEY.ping                       */
	struct bus_listener *bl;
	struct bus_kvop *op;       /* of our record                         */
	struct tmr announce, tick;
	uint64_t told;             /* of a second one of our name [ms]      */

	/* messages to ourselves */
	char ping_subject[SUBJECT_MAX];
	uint64_t nonce;            /* in each of them                       */
	uint64_t sent;             /* the last one [ms]                     */
	uint64_t back;             /* the last that came back, was sent [ms]*/
	uint64_t unproven;         /* first that somebody needs and that has
				      not come back; 0: none [ms]           */
	struct tmr late;           /* it should have                        */
	uint32_t pace;             /* there and back, twice [ms]            */

	bool bus_bad;              /* it did not work the last time         */
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
	uint32_t limit;            /* for the answer [ms]                   */
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
void judge_bus(struct heartbeat *hb, bool works);
void judge_proof(struct heartbeat *hb, uint64_t sent, uint64_t back);
enum beater_state judge_state(const struct node *n);

/* echo.c */
void echo_start(struct heartbeat *hb);
void echo_stop(struct heartbeat *hb);
void echo_measure(struct heartbeat *hb);
void echo_prove(struct heartbeat *hb);
bool echo_proves(uint64_t sent, uint64_t back, uint64_t asked,
		 uint32_t limit);
void echo_recv(struct heartbeat *hb, const uint8_t *buf, size_t len);
uint32_t echo_limit(const struct heartbeat *hb);

#endif
