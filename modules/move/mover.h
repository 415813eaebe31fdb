/**
 * @file mover.h  Inside the service `move`
 */
#ifndef JUNCTOR_MOVE_MOVER_H
#define JUNCTOR_MOVE_MOVER_H

#include "noc/client.h"
#include "noc/name.h"
#include "connect/connect.h"
#include "dispatchee/dispatchee_api.h"
#include "move/move.h"
#include "move/message.h"

struct adopt;
struct answerer;
struct ask;
struct bus;
struct bus_reply;
struct bus_sub;
struct bus_watch;
struct config;
struct event;
struct half;
struct in;
struct later;
struct leg;
struct odict;
struct offers;
struct out;
struct room_hold;
struct seal_key;
struct service;
struct tables;

enum move_count {
	COUNT_OUT,                 /* conferences that left                 */
	COUNT_OUT_FAILED,          /* that were to leave and did not        */
	COUNT_IN,                  /* that came                             */
	COUNT_LEGS_OUT,
	COUNT_LEGS_RETRIED,
	COUNT_LEGS_REFERRED,
	COUNT_LEGS_STAYED,
	COUNT_LEGS_IN,
	COUNT_LEGS_REFUSED,        /* that could not be adopted             */
	COUNT_TAKEN,               /* conferences of servers that died      */
	COUNT_LEGS_TAKEN,
	COUNT_LEGS_LOST,           /* of these, that did not come back      */
	COUNT_PUNTED,
	MOVE_COUNTS,
};

/* Legs leave one after the other, not all at once. */
struct pace {
	struct tmr tmr;
	struct list readyl;        /* struct leg, in the order of turns     */
	unsigned flying;           /* on their way, and not slow            */
	uint32_t window, rate;     /* settings; [1/s]                       */
	uint64_t credit;           /* legs that may go now [1/1000]         */
	uint64_t at;               /* of the last look [ms]                 */
};

struct drain {
	struct tmr tmr, plan_tmr;
	struct list restl;         /* struct rest                           */
	bool on;                   /* by command, signal or plan            */
	bool exit;                 /* stop the server when it is empty      */
	bool planned;              /* by plan: ends with it                 */
	bool told;                 /* that it is empty                      */
	const char *stuck;         /* why the last one could not begin      */
	uint64_t deadline;         /* of SIGTERM [ms], 0: none              */
	uint64_t from, to;         /* plan, UTC [s]; 0: none                */
};

struct unheard {
	struct tmr tmr;
	unsigned looks;            /* in a row with the bus at work         */
};

struct punt {
	struct tmr tmr;
	bool on;
	unsigned above;            /* times in a row                        */
	uint64_t last;             /* one was given away [ms]               */
};

struct move {
	struct move_api api;
	struct service *svc;
	struct bus *bus;
	const struct connect_api *connect;
	const struct dispatchee_api *disp;
	struct seal_key *seal;
	char name[NAME_SERVER_MAX];
	struct tables *tables;     /* of servers                            */

	struct list outl;          /* struct out                            */
	struct hash *legh;         /* struct leg, of all of these           */
	struct list laterl;        /* struct later                          */
	struct list wordl;         /* said without waiting for an answer    */
	struct list parcell;       /* struct parcel: text for who has moved */
	struct list halfl;         /* struct half                           */
	struct list inl;           /* struct in                             */
	struct list adoptl;        /* struct adopt                          */
	struct list turnl;         /* of these, wait to be read             */
	unsigned reading;          /* of these, are read from the bus       */
	unsigned adopting;         /* legs of these, on their way           */
	struct list orphanl;       /* struct orphan                         */
	struct list camel;         /* struct came: arrived lately           */
	struct list lostl;         /* struct lost                           */
	struct list waitl;         /* struct waiter                         */
	bool isolated;             /* cut off: nothing is claimed           */
	bool stopping;

	struct pace pace;
	struct drain drain;
	struct punt punt;
	struct unheard unheard;

	struct bus_sub *subv[2];
	struct bus_watch *watchv[2];
	struct offers *offers;
	uint64_t countv[MOVE_COUNTS];
};

enum leg_state {
	LEG_WAITING,               /* for its time                          */
	LEG_READY,                 /* for its turn                          */
	LEG_SAVING,                /* its dialog is being frozen            */
	LEG_SENT,                  /* the other server adopts it            */
	LEG_REFERRED,              /* asked to call the other server        */
	LEG_STAYS,                 /* until it hangs up                     */
};

/* One participant, or watcher, that is to leave. */
struct leg {
	struct le le;              /* in out.legl                           */
	struct le ready;           /* in pace.readyl                        */
	struct le he;              /* in move.legh, by Call-ID              */
	struct move *mv;
	struct out *out;           /* NULL: no longer wanted                */
	enum leg_state state;
	unsigned tries;            /* that the other server refused         */
	unsigned busy;             /* times its dialog could not be frozen  */
	unsigned asks;             /* times the seat was sent in this try   */
	bool flying;               /* counted in pace.flying                */
	bool watcher;              /* of the roster: goes last              */
	unsigned id;               /* of the participant                    */
	uint64_t added;            /* [ms]                                  */
	struct odict *seat;        /* while sent                            */
	struct ask *ask;
	struct tmr tmr, slow;
	char callid[CLIENT_CALLID_MAX];
};

enum out_state {
	OUT_ASKING,                /* whether the other server takes it     */
	OUT_CLAIMING,              /* the claim becomes the other's         */
	OUT_MOVING,
	OUT_TAIL,                  /* only those who cannot move are left   */
	OUT_TAKING,                /* the other died: it becomes ours again */
};

enum {
	OUT_CLAIM_AGAIN = 100,     /* [ms]                                  */
	OUT_CLAIM_TIME  = 10000,   /* for the claim to change hands [ms]    */
	OUT_AGAIN_TIME  = 20000,   /* to begin a second time [ms]           */
};

/* A conference that leaves. */
struct out {
	struct le le;              /* in move.outl                          */
	struct move *mv;
	enum out_state state;
	struct list legl;          /* struct leg                            */
	struct ask *ask;
	struct claim_op *claim;
	struct half *half;         /* what is there already, or NULL        */
	struct tmr tmr;            /* next try, next look                   */
	struct tmr keep;
	uint64_t started;          /* [ms]                                  */
	uint64_t deadline;         /* of this state [ms], 0: none           */
	unsigned legs, moved, failed;
	unsigned lost;             /* times in a row that nobody listened   */
	uint64_t lost_at;          /* the first of these [ms]               */
	bool linked;
	bool begun;                /* the other may have, for all we know   */
	bool had;                  /* the claim is the other's              */
	bool told;                 /* the handler was called                */
	bool merge;                /* the other has claimed it before       */
	move_done_h *h;
	void *arg;
	char conference[CLIENT_CONFERENCE_MAX];
	char to[NAME_SERVER_MAX];
	bool punt;                 /* given away, not sent away            */
	char why[MOVE_REASON_MAX];
};

typedef void (ask_h)(int err, const struct move_reply *r, void *arg);
typedef void (half_synced_h)(void *arg);
typedef void (adopt_h)(int err, unsigned back, unsigned lost, void *arg);

/* move.c */
struct config *move_config(const struct move *mv);
void move_fire(struct move *mv, const char *name,
	       const struct move_event *me);

/* ask.c */
int  ask_send(struct ask **ap, struct move *mv, const char *server,
	      const struct move_msg *msg, uint32_t timeout_ms,
	      ask_h *h, void *arg);
void word_send(struct move *mv, const char *server, enum move_op op,
	       const char *conference, const struct leg *leg, bool abort);
int  ask_listen(struct move *mv);
void answer(struct move *mv, struct answerer *an,
	    const struct move_reply *r);
void answer_error(struct move *mv, struct answerer *an,
		  enum move_error error, const char *reason);

/* later.c */
struct later *later_begin(struct move *mv, void *obj);
void *later_end(struct later *l);

/* target.c */
int  target_follow(struct move *mv);
int  target_pick(struct move *mv, uint32_t participants, char *server,
		 size_t sz);
bool target_exists(struct move *mv);

/* pace.c */
void pace_settings(struct move *mv);
void pace_add(struct move *mv, struct leg *leg);
void pace_done(struct move *mv, struct leg *leg);
void pace_slow(struct move *mv, struct leg *leg);

/* out.c */
int  out_start(struct move *mv, const char *conference, const char *to,
	       const char *why, move_done_h *h, void *arg);
struct out *out_find(const struct move *mv, const char *conference);
void out_begin(struct out *out);
void out_check(struct out *out);
void out_fail(struct out *out, int err, const char *reason);
void out_legs_unsure(struct out *out);
bool out_given_up(struct out *out, int err);
void out_again(struct out *out);
void outs_stop(struct move *mv);
bool out_joined_handler(const struct event *ev, void *arg);
bool out_left_handler(const struct event *ev, void *arg);

/* out_lost.c */
void out_lost(struct out *out);
void out_node_down(struct move *mv, const char *server);

/* leg.c */
int  leg_add(struct out *out, const char *callid, unsigned id,
	      bool watcher);
struct leg *leg_find(const struct move *mv, const char *callid);
void leg_drop(struct leg *leg);
void leg_go(struct leg *leg);
void leg_unsure(struct leg *leg);
void leg_give_up(struct leg *leg);

/* in.c */
void in_begin(struct move *mv, const struct move_msg *msg,
	      struct answerer *an);
void in_seat(struct move *mv, const struct move_msg *msg,
	     struct answerer *an);
void in_gone(struct move *mv, const struct move_msg *msg,
	     struct answerer *an);
void in_keep(struct move *mv, const struct move_msg *msg,
	     struct answerer *an);
void in_end(struct move *mv, const struct move_msg *msg,
	    struct answerer *an);
struct in *in_find(const struct move *mv, const char *conference,
		   const char *from);
bool in_any(const struct move *mv, const char *conference);
void in_node_down(struct move *mv, const char *server);
void ins_stop(struct move *mv);
bool in_replaces_handler(const struct event *ev, void *arg);

/* adopt.c */
int  adopt_run(struct move *mv, const char *conference, const char *from,
	       adopt_h *h, void *arg);
void adopt_seat(struct move *mv, const char *conference, const char *callid,
		struct odict *seat, struct odict *texts);
bool adopt_running(const struct move *mv, const char *conference);

void adopts_stop(struct move *mv);

/* text.c */
struct odict *texts_take(struct move *mv, const char *callid);
void texts_send(struct move *mv, const char *to, const char *conference,
		const char *callid, struct odict *texts);
int  texts_give(struct move *mv, const char *callid,
		const struct odict *texts);
void text_take(struct move *mv, const struct move_msg *msg,
	       struct answerer *an);

/* half.c */
struct half *half_open(struct move *mv, const char *conference,
		       const char *to, half_synced_h *sh, void *arg);
struct half *half_close(struct half *h);
void half_take(struct move *mv, const struct move_msg *msg,
	       struct answerer *an);
bool half_text_handler(const struct event *ev, void *arg);

/* crash.c */
int  crash_start(struct move *mv);
void crash_unheard(struct move *mv, const char *server);
void crash_stop(struct move *mv);

/* unheard.c */
void unheard_start(struct move *mv);
void unheard_stop(struct move *mv);

/* drain.c */
void drain_set(struct move *mv, bool on, bool exit);
void drain_plan(struct move *mv, uint64_t from, uint64_t to);
int  drain_start(struct move *mv);
void drain_stop(struct move *mv);

/* punt.c */
void punt_start(struct move *mv);
void punt_stop(struct move *mv);
void punt_came(struct move *mv, const char *conference);
void punt_look(struct move *mv, unsigned load, unsigned worst);

/* commands.c */
int  move_commands(struct move *mv);
void order_take(struct move *mv, const struct move_msg *msg,
		struct answerer *an);

#endif
