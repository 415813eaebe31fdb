/**
 * @file dispatch.h  Events of the service `dispatch`, and its inside
 */
#ifndef JUNCTOR_DISPATCH_DISPATCH_H
#define JUNCTOR_DISPATCH_DISPATCH_H

#include "server/siphash.h"

struct bus;
struct bus_kvop;
struct bus_req;
struct bus_sub;
struct bus_watch;
struct client;
struct command;
struct conf_route;
struct config;
struct events;
struct join;
struct listener;
struct metric;
struct mqueue;
struct pending;
struct route;
struct service;
struct siphost_api;
struct tables;
struct ticket_key;

/* "dispatch.created":  a conference was given to a server
 * "dispatch.rejected": a client was turned away: user, reason, scode
 * Redirections are counted and traced: signalling threads, which make most of
 * them, fire no events. */
struct dispatch_event {
	const char *conference;
	const char *user;          /* NULL for created                      */
	const char *server;        /* NULL for rejected                     */
	const char *reason;        /* NULL but for rejected                 */
	uint16_t scode;            /* SIP status, rejected only             */
};

enum dispatch_count {
	COUNT_JOINS,               /* "client.join" heard                   */
	COUNT_CREATED,             /* conferences given to a server         */
	COUNT_REDIRECTED,          /* without the fast ones                 */
	COUNT_REJECTED,            /* all of them                           */
	COUNT_NO_CAPACITY,         /* of these: no room                     */
	COUNT_NO_SERVER,           /* of these: no server in service        */
	COUNT_RETRIED,             /* a server refused, the next was asked  */
	COUNTS,
};

/* Settings that every new conference needs */
struct dispatch_conf {
	uint32_t claim_ms, reserve_ms, waiting_max;
};

enum { DISPATCH_COMMANDS = 3, DISPATCH_METRICS = 12 };

struct dispatch {
	struct service *svc;
	struct bus *bus;
	struct tables *tables;
	struct ticket_key *key;
	struct route *route;       /* NULL unless started                   */
	const struct siphost_api *host;
	struct dispatch_conf conf;

	struct mqueue *mq;         /* joins wait to be handed over          */
	struct tmr handover;

	struct bus_watch *watchv[3];
	struct bus_sub *subv[3];
	struct listener *listenerv[3];
	struct command *commandv[DISPATCH_COMMANDS];
	struct metric *metricv[DISPATCH_METRICS];

	struct hash *pendingh;     /* struct pending, by conference         */
	struct siphash_key hkey;
	unsigned waiting;          /* clients, of all of them               */

	uint64_t countv[COUNTS];
	uint64_t fast;             /* redirects of signalling threads       */
};

/* join.c */
bool dispatch_join(struct dispatch *d, const struct join *join);
void dispatch_reject(struct dispatch *d, struct client *cl, uint16_t scode,
		     const char *reason);
void join_answer(struct dispatch *d, const struct join *join);
void join_reject(struct dispatch *d, struct client *cl, int err);
void join_send(struct dispatch *d, struct client *cl,
	       const struct conf_route *cr);
struct willcall_join join_willcall(const struct join *join);

/* pending.c */
void pending_join(struct dispatch *d, const struct join *join, bool known);
void dispatch_flush(struct dispatch *d);

/* handover.c */
int  dispatch_handover_start(struct dispatch *d);
void dispatch_handover_stop(struct dispatch *d);
int  dispatch_fast(struct dispatch *d, bool on);

/* follow.c */
int  dispatch_follow(struct dispatch *d);

/* commands.c */
int  dispatch_commands(struct dispatch *d);
int  dispatch_metrics(struct dispatch *d);

/* dispatch.c */
struct config *dispatch_config(const struct dispatch *d);
void dispatch_fire(struct dispatch *d, const char *name, const char *callid,
		   const struct dispatch_event *de);

#endif
