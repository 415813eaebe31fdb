/**
 * @file movers.h  Several media servers of one farm in the test's process
 *
 * dispatchee and move are real, the bus is one and in memory; client host and
 * connect service are made up, and so are the phones: each knows which server
 * it speaks with, and can be made to refuse, to be slow, or to be busy.
 */
#ifndef JUNCTOR_TESTS_MODULES_MOVERS_H
#define JUNCTOR_TESTS_MODULES_MOVERS_H

#include "noc/client.h"

struct server;
struct bus;

enum { MEDIA_MAX = 4, MPHONES_MAX = 512, MROOMS_MAX = 64 };

/* A phone, and what it does when it is moved */
struct mphone {
	char callid[32];
	char conference[32];
	unsigned id;
	bool watcher;
	bool there;                /* has not hung up                       */
	int at;                    /* server it speaks with                 */
	bool frozen;               /* its dialog, at that server            */
	unsigned busy;             /* times its dialog cannot be frozen     */
	unsigned refuses;          /* re-INVITEs that it refuses ...        */
	uint16_t scode;            /* ... with this                         */
	unsigned slow;             /* before it answers [ms]                */
	bool mute;                 /* never answers                         */
	unsigned adoptions;        /* that it has seen                      */
	unsigned moves;            /* servers that released it              */
	unsigned thaws;
	unsigned referred;
	int adopter;               /* server + 1 that is adopting it        */
	unsigned order;            /* in which it was adopted               */
	unsigned texts;            /* that wait for it while it is frozen   */
	unsigned texts_got;
	uint64_t texts_id;         /* of those that came last               */
};

struct mroom {
	char name[32];
	bool here;
	bool leaving;              /* somebody has moved away               */
	unsigned holds;
	bool linked;
	char peer[64];
	unsigned members;
	bool locked;
	bool going;                /* orders are refused                    */
	char said[128];            /* in other halves, in order             */
	uint64_t created_usec;     /* UTC [us]                              */
};

struct media {
	int ix;
	unsigned life;             /* counts its starts                     */
	struct server *srv;
	struct bus *way;           /* its way to the bus                    */
	bool dead;
	struct mroom roomv[MROOMS_MAX];
	unsigned created, deleted, joined, left, moved;  /* events          */
	struct listener *drained;
};

struct movers {
	struct bus *bus;
	struct media mediav[MEDIA_MAX];
	int mediac;
	struct mphone phonev[MPHONES_MAX];
	unsigned phonec;
	char dir[64];
	char ticket[CLIENT_TICKET_MAX];
	struct tmr tmr, limit;
	void (*const *stepv)(void);
	unsigned stepc, step;
	bool (*until)(void);       /* before the next step; NULL: 30 ms     */
	uint64_t since;
	bool timed_out;
	unsigned speed;            /* of phones to answer [ms]              */
	int resv[64];              /* of commands                           */
	unsigned resc;
	char owner[64];
	unsigned drained;          /* "move.drained" fired                  */
	unsigned adopted;
	bool hush;                 /* who is started now is not heard of    */
};

typedef void (mstep_h)(void);

extern struct movers movers;

void movers_run(int servers, const char *conf, mstep_h *const *stepv,
		unsigned stepc);
void movers_until(bool (*h)(void));
void movers_start(int ix, const char *conf);
void movers_kill(int ix);
void movers_down(int ix);
void movers_down_seen(int ix, int by);
void movers_plan(int ix, unsigned from, unsigned to);
void movers_say(const char *subject, const char *text);
bool movers_terminate(int ix);
bool movers_lost(int ix, const char *callid);
bool movers_moving(int ix);
void movers_isolate(int ix, bool on);
void movers_text(int ix, const char *conference, const char *text);
const char *movers_said(int ix, const char *conference);

struct mphone *mphone_join(int ix, const char *conference);
struct mphone *mphone_watch(int ix, const char *conference);
void mphones_join(int ix, const char *conference, unsigned n);
void mphone_hangup(struct mphone *p);
unsigned mphones_at(int ix, const char *conference);
int  *movers_command(int ix, const char *command, const char *key1,
		     const char *val1, const char *key2, const char *val2);
const char *movers_owner(const char *conference);
void movers_clean(void);

/* a join with a ticket; true: it was admitted; contact: where it was sent */
bool mjoin_ask(int ix, const char *conference, const char *user,
	       const char *ticket, char *contact, size_t sz);
const char *mjoin_ticket(const char *conference, const char *user,
			 const char *server);

/* movers_bus.c */
struct bus *way_alloc(struct bus *inner);
void way_cut(struct bus *bus, bool on);
void way_up(struct bus *bus);
void way_unanswered(struct bus *bus, bool on);

/* movers_connect.c */
extern const struct service_export movers_connect_export;
struct media *movers_media(const struct server *srv);
struct mroom *mroom_find(struct media *m, const char *name);
void mroom_put(struct media *m, struct mroom *r);
void mroom_gone(struct media *m, struct mroom *r, bool moved);
void mphone_enter(struct mphone *p, int ix, bool moved);
void mphone_leave(struct mphone *p, const char *event, const char *to);
void mseat_put(const struct mphone *p);
void mseat_delete(const struct mphone *p);

/* A run of its steps, one after the other */
#define RUN(n, conf, ...) do { \
	mstep_h *const stepv_[] = { __VA_ARGS__ }; \
	movers_run(n, conf, stepv_, ARRAY_SIZE(stepv_)); \
} while (0)

#endif
