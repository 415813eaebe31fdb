/**
 * @file standby.h  Events of the service `standby`, and its inside
 *
 * bucket "roles", key dispatch-ROLE: JSON {server, sip, ready}: who is active.
 * It is written again and again by who has the role; whoever finds that it is
 * not may have it, by compare-and-set.
 */
#ifndef JUNCTOR_STANDBY_STANDBY_H
#define JUNCTOR_STANDBY_STANDBY_H

struct bus;
struct bus_kvop;
struct bus_req;
struct bus_sub;
struct bus_watch;
struct heartbeat_api;
struct hook;
struct offers;
struct ping;
struct service;

enum standby_state {
	STANDBY_PASSIVE,           /* watches over who is active            */
	STANDBY_TAKING,            /* has the role; the hook runs           */
	STANDBY_ACTIVE,
	STANDBY_LEAVING,           /* another one has the role; answers what
				      it has, then the hook runs            */
};

/* "standby.active", "standby.passive", "standby.failed" (the hook: the role
 * is given up again) */
struct standby_event {
	const char *role;
	const char *server;        /* who was active before, or is now      */
	const char *reason;
};

struct standby_conf {
	char role[64];
	bool prefer;               /* active whenever it can be             */
	uint32_t lease, renew;     /* [ms]                                  */
	uint32_t failback, grace;  /* [ms]                                  */
	uint32_t interval, timeout;/* of OPTIONS [ms]                       */
	uint32_t drain;            /* [ms]                                  */
	uint32_t hook_timeout;     /* [ms]                                  */
	char hook[256];            /* "": none                              */
	char host[64], port[8];    /* of the virtual address, or ""         */
};

/* What the bus says of the role */
struct holder {
	char server[64];           /* "": nobody has it                     */
	char sip[128];             /* where it answers OPTIONS, or ""       */
	bool ready;
	bool known;                /* the bus has told at all               */
	uint64_t rev;              /* 0: no such key                        */
	uint64_t changed;          /* when that was told [ms]               */
};

struct standby {
	struct service *svc;
	struct bus *bus;
	struct standby_conf conf;
	enum standby_state state;
	struct holder holder;
	const struct heartbeat_api *heartbeat; /* or NULL                   */
	struct offers *offers;
	struct bus_watch *watch;
	struct bus_sub *sub;       /* server.KEY.standby                    */
	struct bus_kvop *op;       /* one at a time                         */
	struct bus_req *req;       /* the holder is asked to yield          */
	struct ping *ping;         /* of the holder                         */
	struct hook *hook;
	struct tmr tmr;
	char key[192];
	char sip[128];             /* of this server                        */
	char was[64];              /* who was active before                 */
	char pinged[128];          /* where ping asks                       */
	char wrote[320];           /* as the role, last                     */
	uint64_t started;          /* [ms]                                  */
	uint64_t since;            /* in this state [ms]                    */
	uint64_t asked;            /* to yield, last [ms]                   */
	uint64_t failed;           /* the hook, last [ms], 0: never         */
	uint64_t takeovers;
	bool closing;
};

/* role.c */
int  role_start(struct standby *st);
void role_stop(struct standby *st);
int  role_take(struct standby *st);
int  role_write(struct standby *st, const char *server, const char *sip,
		bool ready);
void role_release(struct standby *st);
bool role_mine(const struct standby *st);

/* watch.c */
void watch_tick(void *arg);
void watch_ping(struct standby *st);
bool watch_barred(const struct standby *st);

/* standby.c */
void standby_told(struct standby *st);
void standby_fire(struct standby *st, const char *name, const char *reason);
unsigned standby_waiting(const struct standby *st);

#endif
