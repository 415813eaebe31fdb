/**
 * @file dispatchee.h  Inside the service `dispatchee`
 */
#ifndef JUNCTOR_DISPATCHEE_DISPATCHEE_H
#define JUNCTOR_DISPATCHEE_DISPATCHEE_H

#include "server/siphash.h"
#include "noc/name.h"
#include "noc/wire.h"
#include "noc/willcall.h"
#include "noc/estimator.h"
#include "dispatchee/dispatchee_api.h"

struct bus;
struct bus_kvop;
struct bus_reply;
struct bus_sub;
struct bus_watch;
struct config;
struct connect_event;
struct event;
struct join;
struct offers;
struct service;
struct ticket_key;

enum dispatchee_count {
	ADMITTED_TICKET,
	ADMITTED_WILLCALL,
	ADMITTED_OPEN,
	REFUSED_TICKET,            /* none, forged, expired, of another one */
	REFUSED_FULL,
	GRANTED,                   /* joins that a place was reserved for   */
	NOT_GRANTED,
	CONFLICTS,                 /* conferences that run elsewhere too    */
	SENT_ON,                   /* joins whose conference was moved      */
	DISPATCHEE_COUNTS,
};

/* A media server that claims name. */
struct owner {
	struct le le;
	char name[NAME_SERVER_MAX];
	char contact[NAME_CONTACT_MAX];    /* "": not known                 */
	char other[NAME_CONTACT_MAX];      /* for the other family, or ""   */
};

struct dispatchee {
	struct dispatchee_api api;
	struct service *svc;
	struct bus *bus;
	struct ticket_key *key;
	struct willcall *willcall;
	struct wire_server report; /* name, contact, state, media           */
	bool draining;             /* by command                            */
	bool paused;
	bool stopping;
	bool unsure;               /* the bus did not do something          */
	bool full;                 /* or nearly, whatever is left           */

	uint32_t lease_ms, report_ms;      /* settings                       */
	const struct estimator *est;
	struct estimator_config est_cfg;
	uint32_t participants;
	uint32_t mediav[ESTIMATOR_MEDIA];  /* of them                       */
	uint32_t running;          /* conferences                           */
	uint32_t contracted;       /* sum of what they take                 */
	uint32_t incoming;         /* places kept for who is moved here     */
	uint32_t cpu;              /* measured [1/1000 of the machine]      */
	uint64_t cpu_usec, cpu_at; /* of the last look                      */
	uint32_t strain;           /* of the media engine, smoothed [1/1000]*/
	uint32_t strain_max;       /* setting                               */
	uint64_t tally;            /* of what is ours, as in wire_server    */
	uint64_t seq;              /* of the last report                    */
	uint64_t reported;         /* when [ms]                             */
	bool scheduled;            /* a report is due                       */
	struct tmr report_tmr, heartbeat;

	struct hash *confh;        /* struct conf, by name                  */
	struct list expectl;       /* of these, expected, oldest first      */
	struct hash *guesth;       /* struct guest, by id                   */
	struct list ownerl;        /* struct owner; they stay               */
	struct owner *self;
	struct siphash_key hkey;
	claim_each_h *orphan_h;
	void *orphan_arg;

	struct bus_sub *sub, *about, *counts;
	struct bus_watch *watch, *server_watch;
	struct offers *offers;
	uint64_t countv[DISPATCHEE_COUNTS];
};

/* A conference that runs here, is expected here, or is claimed by anybody. */
struct conf {
	struct le he;
	struct le expect;          /* in expectl while expected             */
	struct dispatchee *d;
	uint64_t expires;          /* of the expectation [ms]               */
	uint64_t since;            /* running, or last [ms]                 */
	uint64_t older;            /* it was, when it came here [ms]        */
	bool running;
	bool foreign;              /* claimed by another server             */
	bool live;                 /* the claim says that it runs           */
	bool held;                 /* and that it runs here                 */
	bool given;                /* by us to the server that has it       */
	bool taken;                /* ours; who is in has yet to come       */
	bool orphan;               /* of an earlier life, told already      */
	bool conflict;             /* told already                          */
	uint32_t participants;
	uint32_t incoming;         /* places kept for who is moved here     */
	uint32_t share;            /* its part of dispatchee.contracted     */
	uint64_t tally;            /* its part of dispatchee.tally          */
	uint64_t rev;              /* of the claim, 0: none known           */
	struct owner *owner;       /* whose claim, NULL: not known          */
	struct owner *wanted;      /* whose it becomes by `op`              */
	struct bus_kvop *op;
	struct claim_op *cop;      /* who waits for it, or NULL             */
	char name[];
};

/* dispatchee.c */
struct config *dispatchee_config(const struct dispatchee *d);

/* admit.c */
bool admit_handler(const struct event *ev, void *arg);
bool uninvited_handler(const struct event *ev, void *arg);

/* claim.c */
void claim_op_end(struct conf *c, int err);
int  claim_give(struct claim_op **opp, struct dispatchee *d, const char *name,
		const char *to, claim_h *h, void *arg);
int  claim_take(struct claim_op **opp, struct dispatchee *d, const char *name,
		const char *from, claim_h *h, void *arg);
void claim_settle(struct dispatchee *d, const char *name);
const char *claim_owner(const struct dispatchee *d, const char *name);
void claim_each(const struct dispatchee *d, const char *server,
		claim_each_h *h, void *arg);

/* conf.c */
struct conf *local_find(const struct dispatchee *d, const char *name);
void local_sync(struct conf *c);
void local_tally(struct conf *c);
void local_claim_set(struct conf *c, uint64_t rev, const uint8_t *buf,
		     size_t len);
void local_claim_none(struct conf *c);
int  local_claim_encode(const struct conf *c, const char *server,
			uint8_t *buf, size_t sz, size_t *len, char *key);
int  local_incoming(struct dispatchee *d, const char *name, uint32_t n);
void local_moved_in(struct dispatchee *d, const char *name);
int  local_expect(struct dispatchee *d, const char *name);
void local_purge(struct dispatchee *d);
void local_created(struct dispatchee *d, const char *name, uint64_t age);
void local_sync_all(struct dispatchee *d);
void local_deleted(struct dispatchee *d, const char *name);
void local_participants(struct dispatchee *d, const char *name, uint32_t n);
void local_recount(struct dispatchee *d);
int  local_watch(struct dispatchee *d);

/* counts.c */
void counts_handler(const char *subject, const uint8_t *buf, size_t len,
		    struct bus_reply *reply, void *arg);

/* guest.c */
bool joined_handler(const struct event *ev, void *arg);
bool left_handler(const struct event *ev, void *arg);
bool created_handler(const struct event *ev, void *arg);
bool moved_handler(const struct event *ev, void *arg);
bool deleted_handler(const struct event *ev, void *arg);

/* owner.c */
int  owner_get(struct owner **op, struct dispatchee *d, const char *name);
int  owner_watch(struct dispatchee *d);
void owner_each(const struct dispatchee *d, owner_each_h *h, void *arg);
const char *owner_contact(const struct dispatchee *d);
void owner_met(struct dispatchee *d, const char *server,
	       const char *contact);
int  owner_uri(struct dispatchee *d, const char *server,
	       const struct willcall_join *j, char *uri, size_t sz);
int  owner_redirect(struct dispatchee *d, const struct owner *o,
		    const struct join *join, const char *account);

/* report.c */
int  report_settings(struct dispatchee *d);
uint32_t report_unused(struct dispatchee *d);
enum capacity_state report_state(const struct dispatchee *d);
void report_changed(struct dispatchee *d);
void report_now(struct dispatchee *d);
void report_stop(struct dispatchee *d);

/* about.c */
void about_handler(const char *subject, const uint8_t *buf, size_t len,
		   struct bus_reply *reply, void *arg);
void about_conflict(struct dispatchee *d, const char *conference,
		    const char *server);

/* reserve.c */
void reserve_handler(const char *subject, const uint8_t *buf, size_t len,
		     struct bus_reply *reply, void *arg);

#endif
