/**
 * @file dispatch.h  Events of the service `dispatch`, and its inside
 */
#ifndef JUNCTOR_DISPATCH_DISPATCH_H
#define JUNCTOR_DISPATCH_DISPATCH_H

#include "server/siphash.h"
#include "dispatch/dispatch_api.h"

struct bus;
struct bus_listener;
struct bus_sub;
struct bus_watch;
struct client;
struct conf_route;
struct config;
struct events;
struct join;
struct mqueue;
struct offers;
struct route;
struct service;
struct siphost_api;
struct tables;
struct ticket_key;
struct wire_place;

/* "dispatch.created":  a conference was given to a server
 * "dispatch.rejected": a client was turned away: user, reason, scode
 * "dispatch.conflict": a conference that was given to a server while the bus
 *                      was down is claimed by another one: server, reason
 * "dispatch.degraded": `on`: the bus is down, or stores nothing; known
 *                      conferences are answered from the tables, new ones
 *                      placed by them as they are
 * Redirections are counted and traced: signalling threads, which make most of
 * them, fire no events. */
struct dispatch_event {
	const char *conference;    /* NULL for degraded                     */
	const char *user;          /* NULL but for rejected                 */
	const char *server;        /* NULL for rejected and degraded        */
	const char *reason;        /* NULL but for rejected and conflict    */
	uint16_t scode;            /* SIP status, rejected only             */
	bool on;                   /* degraded only                         */
};

enum dispatch_count {
	COUNT_JOINS,               /* "client.join" heard                   */
	COUNT_CREATED,             /* conferences given to a server         */
	COUNT_REDIRECTED,          /* without the fast ones                 */
	COUNT_REJECTED,            /* all of them                           */
	COUNT_NO_CAPACITY,         /* of these: no room                     */
	COUNT_NO_SERVER,           /* of these: no server in service        */
	COUNT_RETRIED,             /* a server refused, the next was asked  */
	COUNT_HELD,                /* joins that waited for a take-over     */
	COUNT_BLIND,               /* conferences placed without the bus    */
	COUNT_ASKED,               /* banks asked where a conference is     */
	COUNT_RECOUNTED,           /* servers asked for their participants  */
	COUNTS,
};

/* Settings that every new conference needs */
struct redirect_query;

struct dispatch_conf {
	uint32_t claim_ms, reserve_ms, waiting_max;
	uint32_t orphan_ms;        /* joins wait for a take-over            */
	uint32_t load_ms;          /* ... for the tables to be loaded       */
	uint32_t ticket_s;
	bool paused;
};

typedef void (dispatch_fire_h)(const char *name, const char *callid,
			       const struct dispatch_event *de, void *arg);

/* What a dispatcher needs to be opened: no server, no sockets */
struct dispatch_params {
	const char *name;          /* of the server                         */
	struct bus *bus;
	struct ticket_key *key;
	const struct tables_config *tables;
	dispatch_fire_h *fireh;    /* or NULL                               */
	void *arg;

	bool banks;                /* knows only dispatch servers of banks  */
	const char *bank;          /* is one of a bank of that name, or NULL*/
	struct bus *upbus;         /* of those above, with bank             */
	const char *contact;       /* of this server, with bank             */
	uint32_t report_ms;        /* of the bank's capacity, 0: 1000       */
};

/* What a dispatcher of banks has beside its tables, in which are media servers
   and conferences that banks have told of */
struct banks {
	struct tables *tables;     /* of banks                              */
	struct hash *serverh;      /* struct banked: which bank has a server*/
	struct hash *askh;         /* struct ask, by conference             */
	struct list askl;          /* struct ask, all of them               */
	struct list learnedl;      /* struct learned, oldest first          */
	struct tmr tmr;            /* of the oldest                         */
	uint32_t where_ms, place_ms, ttl_ms;
	struct bus_watch *watch;
	struct bus_sub *subv[3];
};

/* What the head of a bank has beside */
struct head {
	struct dispatch *d;
	struct bus *bus;           /* of those above                        */
	char bank[64];
	char contact[128];
	uint32_t report_ms, reports;
	struct tmr tmr;
	struct bus_sub *subv[3];
	struct list askerl;        /* struct asker                          */
	struct list passedl;       /* struct passed                         */
};

enum {
	WATCH_SERVERS, WATCH_PLANS, WATCH_CONFERENCES, WATCH_MARKS, WATCHES
};

/* The dispatcher is opened and closed by core.c; what makes it a service of a
   server is dispatch.c's and commands.c's alone. Main thread only, but what
   `route` reads. */
struct dispatch {
	char name[64];             /* of the server                         */
	struct bus *bus;
	struct tables *tables;
	struct ticket_key *key;
	struct route *route;       /* NULL unless open                      */
	struct dispatch_conf conf;
	dispatch_fire_h *fireh;
	void *arg;

	struct mqueue *mq;         /* joins wait to be handed over          */
	struct tmr handover;

	struct bus_listener *buslis;
	struct bus_watch *watchv[WATCHES];
	struct bus_sub *subv[3];
	unsigned loading;          /* set of watches that have not told all */
	bool bus_down, bus_missing;   /* by its own word, by heartbeats'    */
	bool degraded;             /* either                                */
	bool by_beats;             /* servers are marked by heartbeats      */
	bool bus_seen;             /* it has been up                        */

	struct banks *banks;       /* or NULL                               */
	struct head *head;         /* or NULL                               */

	struct hash *pendingh;     /* struct pending, by conference         */
	struct list heldl;         /* struct held, oldest first             */
	struct list unclaimedl;    /* struct unclaimed, oldest first        */
	struct list recountl;      /* struct recount                        */
	struct tmr held, unclaimed;
	struct siphash_key hkey;
	unsigned waiting;          /* clients, pending and held             */

	uint64_t countv[COUNTS];
	uint64_t fast;             /* redirects of signalling threads       */

	/* of the service */
	struct dispatch_api api;
	struct service *svc;
	const struct siphost_api *host;
	struct tmr load_tmr;
	uint64_t joins_told;
	uint32_t load_told;
	struct offers *listeners;  /* end before what they use              */
	struct offers *offers;     /* commands and metrics                  */
};

/* core.c */
int  dispatch_alloc(struct dispatch **dp);
int  dispatch_open(struct dispatch *d, const struct dispatch_params *prm);
void dispatch_close(struct dispatch *d);
void dispatch_fire(struct dispatch *d, const char *name, const char *callid,
		   const struct dispatch_event *de);
void dispatch_bus_missing(struct dispatch *d, bool on);

/* join.c */
bool dispatch_join(struct dispatch *d, const struct join *join);
void dispatch_reject(struct dispatch *d, struct client *cl, uint16_t scode,
		     const char *reason);
void join_answer(struct dispatch *d, const struct join *join);
void join_find(struct dispatch *d, const struct join *join, bool full);
void join_reject(struct dispatch *d, struct client *cl, int err);
void join_send(struct dispatch *d, struct client *cl,
	       const struct conf_route *cr);
struct willcall_join join_willcall(const struct join *join);
bool join_ipv6(const struct join *join);

/* pending.c */
void pending_join(struct dispatch *d, const struct join *join, bool known);
void pending_flush(struct dispatch *d);

/* bank.c */
int  bank_open(struct dispatch *d, const struct tables_config *cfg);

/* ask.c */
void bank_join(struct dispatch *d, const struct join *join, bool only);
void bank_flush(struct dispatch *d);

/* learned.c */
int  bank_learn(struct dispatch *d, const char *name, size_t namelen,
		const char *bank, const struct wire_place *wp);
int  dispatch_subject(const struct dispatch *d, const char *server,
		      char *subject, size_t sz);

/* head.c */
int  head_open(struct dispatch *d, const struct dispatch_params *prm);
void head_gone(struct dispatch *d, const char *conference,
	       const char *server);
void head_down(struct dispatch *d, const char *server);

/* held.c */
bool held_orphan(const struct dispatch *d, const char *conference);
int  held_add(struct dispatch *d, const struct join *join);
void held_wake(struct dispatch *d, const char *conference);
void held_flush(struct dispatch *d);

/* unclaimed.c */
int  unclaimed_add(struct dispatch *d, const char *conference,
		   const char *server);
void unclaimed_claim(struct dispatch *d);
void unclaimed_forget(struct dispatch *d, const char *conference);

/* recount.c */
void recount_look(struct dispatch *d, const char *server);
void recount_forget(struct dispatch *d, const char *server);
void recount_flush(struct dispatch *d);

/* handover.c */
int  dispatch_handover_start(struct dispatch *d);
void dispatch_handover_stop(struct dispatch *d);
int  dispatch_lookup(const struct redirect_query *q, char *contact, size_t sz,
		     size_t *len, void *arg);

/* follow.c */
int  dispatch_follow(struct dispatch *d);
void dispatch_loaded(struct dispatch *d, unsigned bit);
void dispatch_gone(struct dispatch *d, const char *conference,
		   const char *server);
void dispatch_server_down(struct dispatch *d, const char *server);

/* commands.c */
int  dispatch_commands(struct dispatch *d);
int  dispatch_metrics(struct dispatch *d);

/* dispatch.c */
struct config *dispatch_config(const struct dispatch *d);

#endif
