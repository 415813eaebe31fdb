/**
 * @file drain.c  A server is emptied: by an operator, by SIGTERM, by plan
 *
 * Conferences go a few at a time, the largest first, each to whoever has most
 * room then. What cannot go now is tried again; what never can goes when its
 * participants hang up.
 */
#include <string.h>
#include <time.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "server/offers.h"
#include "server/log.h"
#include "move/mover.h"


enum {
	LOOK_TIME  = 50,           /* between two looks [ms]                */
	HURRY      = 4,            /* times as many at once for SIGTERM     */
	REST_TIME  = 2000,         /* after a move that failed [ms]         */
	PLAN_TIME  = 1000,         /* between two looks at the plan [ms]    */
	RESTS_MAX  = 4096,
};

/* A conference that could not be moved a moment ago */
struct rest {
	struct le le;
	struct tmr tmr;
	char conference[CLIENT_CONFERENCE_MAX];
};

struct choice {
	struct move *mv;
	char conference[CLIENT_CONFERENCE_MAX];
	uint32_t participants;
	unsigned n;                /* conferences that run here             */
};

static void look(struct move *mv);


static void rest_destructor(void *arg)
{
	struct rest *r = arg;

	tmr_cancel(&r->tmr);
	list_unlink(&r->le);
}


static void rest_handler(void *arg)
{
	mem_deref(arg);
}


static void rest_add(struct move *mv, const char *conference)
{
	struct rest *r;

	if (list_count(&mv->drain.restl) >= RESTS_MAX)
		return;

	r = mem_zalloc(sizeof(*r), rest_destructor);
	if (!r)
		return;

	str_ncpy(r->conference, conference, sizeof(r->conference));
	list_append(&mv->drain.restl, &r->le, r);
	tmr_start(&r->tmr, REST_TIME, rest_handler, r);
}


static bool rests(const struct move *mv, const char *conference)
{
	struct le *le;

	LIST_FOREACH(&mv->drain.restl, le) {
		const struct rest *r = le->data;

		if (!strcmp(r->conference, conference))
			return true;
	}

	return false;
}


static void choice_handler(const char *conference, uint32_t participants,
			   void *arg)
{
	struct choice *ch = arg;

	++ch->n;
	if (!participants || out_find(ch->mv, conference) ||
	    in_any(ch->mv, conference) || rests(ch->mv, conference) ||
	    participants <= ch->participants)
		return;

	ch->participants = participants;
	str_ncpy(ch->conference, conference, sizeof(ch->conference));
}


static unsigned moving(const struct move *mv)
{
	unsigned n = 0;
	struct le *le;

	LIST_FOREACH(&mv->outl, le) {
		const struct out *out = le->data;

		if (out->state != OUT_TAIL)
			++n;
	}

	return n;
}


static void done_handler(int err, const struct move_event *me, void *arg)
{
	struct move *mv = arg;

	if (err && err != EAGAIN)
		rest_add(mv, me->conference);
}


/* Who drains the last server should not have to guess why nothing happens. */
static void stuck(struct move *mv, const char *conference, int err)
{
	struct drain *dr = &mv->drain;
	const char *why = !err ? NULL : err == ENOSPC
		? "no server has so much room"
		: "no other server takes conferences";

	if (why && why != dr->stuck)
		log_event(LOG_WARN, "move", NULL, "%s stays for now: %s",
			  conference, why);

	dr->stuck = why;
}


/* false: nothing more can be begun now */
static bool begin_one(struct move *mv, struct choice *ch)
{
	const uint32_t most = config_u32(move_config(mv), "move.parallel") *
		(mv->drain.deadline ? HURRY : 1);
	char to[NAME_SERVER_MAX];
	int err;

	memset(ch, 0, sizeof(*ch));
	ch->mv = mv;
	mv->disp->claims(mv->disp->d, mv->name, choice_handler, ch);
	if (!ch->participants || moving(mv) >= most)
		return false;

	err = target_pick(mv, ch->participants, to, sizeof(to));
	stuck(mv, ch->conference, err);
	if (!err)
		err = out_start(mv, ch->conference, to,
				mv->drain.deadline ? "the server stops"
				: "the server is drained", done_handler, mv);
	if (err) {
		log_trace("move", NULL, "%s cannot go now: %s",
			  ch->conference, strerror(err));
		rest_add(mv, ch->conference);
	}

	return true;
}


static void empty(struct move *mv)
{
	const struct move_event me = { .from = mv->name };
	struct drain *dr = &mv->drain;

	if (!dr->told) {
		dr->told = true;
		log_event(LOG_NOTICE, "move", NULL, "drained: nobody is here"
			  " any more");
		move_fire(mv, "move.drained", &me);
	}

	if (dr->exit)
		server_stop(service_server(mv->svc), false);
}


static void look_handler(void *arg)
{
	look(arg);
}


static void look(struct move *mv)
{
	struct drain *dr = &mv->drain;
	struct choice ch;

	if (!dr->on)
		return;

	while (begin_one(mv, &ch))
		;

	if (!ch.n)
		dr->stuck = NULL;

	if (!ch.n && list_isempty(&mv->outl) && list_isempty(&mv->inl) &&
	    list_isempty(&mv->adoptl))
		empty(mv);
	else
		dr->told = false;

	if (dr->deadline && (tmr_jiffies() >= dr->deadline ||
			     (!target_exists(mv) && !moving(mv)))) {
		log_event(LOG_NOTICE, "move", NULL, "%u conferences could not"
			  " be given away", ch.n);
		server_stop(service_server(mv->svc), false);
		return;
	}

	tmr_start(&dr->tmr, LOOK_TIME, look_handler, mv);
}


/**
 * Empty the server, or no longer
 *
 * @param mv   Service
 * @param on   True to begin; false: what is on its way goes on
 * @param exit Stop the server when it is empty
 */
void drain_set(struct move *mv, bool on, bool exit)
{
	struct drain *dr = &mv->drain;

	if (on && !dr->on)
		dr->told = false;
	dr->stuck = NULL;

	dr->on = on;
	dr->exit = on && exit;
	if (!on)
		dr->deadline = 0;

	mv->disp->drain(mv->disp->d, on);
	if (on)
		tmr_start(&dr->tmr, 0, look_handler, mv);
	else
		list_flush(&dr->restl);
}


static bool drain_event(const struct event *ev, void *arg)
{
	struct dispatchee_drain *dd = ev->data;
	struct move *mv = arg;

	if (dd) {
		dd->taken = true;
		mv->drain.planned = false;
		drain_set(mv, dd->on, dd->exit);
	}

	return false;
}


/* SIGTERM. True: the server stops later, when it is empty. */
static bool terminate_event(const struct event *ev, void *arg)
{
	struct move *mv = arg;
	const uint32_t s = config_u32(move_config(mv),
				      "server.drain_seconds");
	struct connect_totals tot;
	(void)ev;

	/* a second one means it */
	if (!s || mv->drain.deadline)
		return false;

	mv->connect->totals(mv->connect->c, &tot);
	if (!tot.participants || !target_exists(mv))
		return false;

	log_event(LOG_NOTICE, "move", NULL, "asked to stop: %u conferences"
		  " are given away first, for at most %u s",
		  tot.conferences, s);
	mv->drain.deadline = tmr_jiffies() + 1000ULL * s;
	mv->drain.planned = false;
	drain_set(mv, true, true);

	return true;
}


static void plan_look_handler(void *arg)
{
	struct move *mv = arg;
	struct drain *dr = &mv->drain;
	const uint64_t now = (uint64_t)time(NULL);
	const uint32_t lead = config_u32(move_config(mv), "move.plan_lead");
	const bool near = dr->to > now && dr->from <= now + lead;

	if (near && !dr->on) {
		log_event(LOG_NOTICE, "move", NULL, "planned out of service:"
			  " begins to give its conferences away");
		dr->planned = true;
		drain_set(mv, true, false);
	}
	else if (!near && dr->on && dr->planned) {
		dr->planned = false;
		drain_set(mv, false, false);
	}

	if (dr->to > now)
		tmr_start(&dr->plan_tmr, PLAN_TIME, plan_look_handler, mv);
}


/**
 * This server is planned to be out of service
 *
 * @param mv   Service
 * @param from Begin, UTC [s]
 * @param to   End, UTC [s]; 0: no plan
 */
void drain_plan(struct move *mv, uint64_t from, uint64_t to)
{
	mv->drain.from = from;
	mv->drain.to = to;
	tmr_start(&mv->drain.plan_tmr, 0, plan_look_handler, mv);
}


/**
 * Begin to hear who wants the server to be emptied
 *
 * @param mv Service
 *
 * @return 0 if success
 */
int drain_start(struct move *mv)
{
	static const struct offer_listener listenerv[] = {
		{"dispatchee.drain", EVENT_PRIO_NORMAL, drain_event, false},
		{"server.terminate", EVENT_PRIO_NORMAL, terminate_event,
		 false},
	};

	return offers_listen(mv->offers, listenerv, ARRAY_SIZE(listenerv),
			     mv);
}


/**
 * Empty the server no longer
 *
 * @param mv Service
 */
void drain_stop(struct move *mv)
{
	tmr_cancel(&mv->drain.tmr);
	tmr_cancel(&mv->drain.plan_tmr);
	list_flush(&mv->drain.restl);
	memset(&mv->drain, 0, sizeof(mv->drain));
}
