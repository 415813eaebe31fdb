/**
 * @file out.c  A conference leaves for another server
 *
 *   here                                  there
 *    |-- begin: room, our link, how many -->|  places kept, room made, link
 *    |<-- yes, its link --------------------|
 *    |-- who is here (half.c) ------------->|  shown in its roster
 *    |   the claim becomes the other's (compare and set): whoever is sent
 *    |   here from now on is sent there
 *    |-- seat, seat, ... (leg.c, pace.c) -->|  adopted, one by one
 *    |-- end ------------------------------>|
 *
 * Both mix what they have and send it to one another until the last one has
 * moved. Who cannot be moved stays here, and so does the link, until it hangs
 * up. Each step has a time limit; before the claim is given nothing has
 * happened, after it the other server is the one to ask, or, if it dies, to
 * inherit from.
 */
#include <string.h>
#include <re.h>
#include "server/event.h"
#include "server/service.h"
#include "server/log.h"
#include "heartbeat/heartbeat.h"
#include "move/mover.h"


enum {
	BEGIN_TIME = 2000,         /* to answer a begin [ms]                */
	LOOK_TIME  = 250,          /* between two looks at who is here [ms] */
	KEEP_TIME  = 3000,         /* between two signs of life [ms]        */
	REFUSED_AGAIN = 2000,      /* [ms]                                  */
	OUTS_MAX   = 4096,
	LOST_LEAST = 3,            /* times that nobody listened ...        */
	LOST_TIME  = 500,          /* ... in at least [ms]                  */
	LOST_MAX   = 20000,        /* though it is said to be there [ms]    */
};

static void out_claim(struct out *out);


static void out_destructor(void *arg)
{
	struct out *out = arg;
	struct le *le;

	tmr_cancel(&out->tmr);
	tmr_cancel(&out->keep);
	list_unlink(&out->le);
	(void)half_close(out->half);
	mem_deref(out->ask);
	mem_deref(out->claim);
	while ((le = list_head(&out->legl)))
		leg_drop(le->data);
}


static void event_get(const struct out *out, struct move_event *me, int err,
		      const char *reason)
{
	*me = (struct move_event){
		.conference = out->conference, .from = out->mv->name,
		.to = out->to, .reason = reason, .legs = out->legs,
		.moved = out->moved, .failed = out->failed,
		.left = list_count(&out->legl),
		.ms = (unsigned)(tmr_jiffies() - out->started), .err = err,
	};
}


static void out_tell(struct out *out, const char *event, int err,
		     const char *reason)
{
	struct move_event me;

	event_get(out, &me, err, reason);
	move_fire(out->mv, event, &me);
}


/* Whoever asked for the move hears once how it ended. */
static void out_result(struct out *out, int err, const char *reason)
{
	move_done_h *h = out->h;
	struct move_event me;

	if (out->told)
		return;

	out->told = true;
	event_get(out, &me, err, reason);
	move_fire(out->mv, err && err != EAGAIN ? "move.failed" : "move.done",
		  &me);
	if (h)
		h(err, &me, out->arg);
}


static void unlink_here(struct out *out)
{
	const struct connect_api *c = out->mv->connect;

	if (out->linked)
		(void)c->unlink(c->c, out->conference);
	out->linked = false;
}


/**
 * It is not known any more which of those on their way are there
 *
 * @param out Conference
 */
void out_legs_unsure(struct out *out)
{
	struct le *le = list_head(&out->legl);

	while (le) {
		struct leg *leg = le->data;

		le = le->next;
		if (leg->state == LEG_SENT && leg->seat)
			leg_unsure(leg);
	}
}


/**
 * It stays here, as if nothing had been
 *
 * @param out    Conference, gone after this
 * @param err    Why, as errno
 * @param reason Why, in words
 */
void out_fail(struct out *out, int err, const char *reason)
{
	struct move *mv = out->mv;

	log_event(LOG_NOTICE, "move", NULL, "%s does not go to %s: %s",
		  out->conference, out->to, reason);
	++mv->countv[COUNT_OUT_FAILED];

	out_legs_unsure(out);
	if (out->begun)
		word_send(mv, out->to, MOVE_END, out->conference, NULL, true);
	unlink_here(out);
	(void)mv->connect->room_drop(mv->connect->c, out->conference, NULL);
	mem_ref(out);
	list_unlink(&out->le);
	out_result(out, err, reason);
	mem_deref(out);
	mem_deref(out);
}


static void out_finish(struct out *out)
{
	struct move *mv = out->mv;

	unlink_here(out);
	word_send(mv, out->to, MOVE_END, out->conference, NULL, false);
	++mv->countv[COUNT_OUT];

	mem_ref(out);
	list_unlink(&out->le);
	out_result(out, 0, out->why);
	mem_deref(out);
	mem_deref(out);
}


static void list_handler(const char *callid, unsigned id, bool watcher,
			 void *arg)
{
	(void)leg_add(arg, callid, id, watcher);
}


static bool some_moves(const struct out *out)
{
	struct le *le;

	LIST_FOREACH(&out->legl, le) {
		const struct leg *leg = le->data;

		if (leg->state != LEG_STAYS)
			return true;
	}

	return false;
}


static void check_handler(void *arg)
{
	struct out *out = arg;
	const struct connect_api *c = out->mv->connect;

	/* those who were being answered when the claim was given */
	(void)c->legs(c->c, out->conference, list_handler, out);

	/* else somebody is still being answered */
	if (list_isempty(&out->legl) &&
	    c->room_drop(c->c, out->conference, out->to) != EBUSY) {
		out_finish(out);
		return;
	}

	if (!list_isempty(&out->legl) && !some_moves(out)) {
		out->state = OUT_TAIL;
		out_result(out, EAGAIN, "some stay until they hang up");
	}
	else if (out->state == OUT_TAIL) {
		out->state = OUT_MOVING;
	}

	tmr_start(&out->tmr, LOOK_TIME, check_handler, out);
}


/**
 * Somebody has moved or left: is that all?
 *
 * @param out Conference
 */
void out_check(struct out *out)
{
	if (out->state != OUT_MOVING && out->state != OUT_TAIL)
		return;

	/* the look every now and then does the rest */
	if (!some_moves(out))
		tmr_start(&out->tmr, 0, check_handler, out);
}


static void keep_handler(void *arg)
{
	struct out *out = arg;

	word_send(out->mv, out->to, MOVE_KEEP, out->conference, NULL, false);
	tmr_start(&out->keep, KEEP_TIME, keep_handler, out);
}


static void out_go(struct out *out)
{
	out->state = OUT_MOVING;
	out->had = true;
	out->claim = mem_deref(out->claim);
	tmr_start(&out->keep, KEEP_TIME, keep_handler, out);
	check_handler(out);
}


static void claim_again_handler(void *arg)
{
	out_claim(arg);
}


static void claim_later(struct out *out, int err)
{
	if (tmr_jiffies() >= out->deadline)
		out_fail(out, err, "its claim cannot be given away");
	else
		tmr_start(&out->tmr, OUT_CLAIM_AGAIN, claim_again_handler,
			  out);
}


static void claim_handler(int err, const char *server, void *arg)
{
	struct out *out = arg;
	(void)server;

	out->claim = mem_deref(out->claim);

	if (!err)
		out_go(out);
	else if (err == ESTALE)
		out_fail(out, err, "it is claimed by a third server");
	else
		claim_later(out, err);
}


static void out_claim(struct out *out)
{
	const struct dispatchee_api *d = out->mv->disp;
	int err;

	err = d->give(&out->claim, d->d, out->conference, out->to,
		      claim_handler, out);
	switch (err) {

	case 0:
		break;

	case EALREADY:
		out_go(out);
		break;

	case ESTALE:
		out_fail(out, err, "it is claimed by a third server");
		break;

	case ENOENT:
		out_fail(out, err, "it is over");
		break;

	default:
		claim_later(out, err);
		break;
	}
}


static void synced_handler(void *arg)
{
	struct out *out = arg;

	if (out->state == OUT_CLAIMING)
		out_claim(out);
}


static void begun(struct out *out, const struct move_reply *r)
{
	const struct dispatchee_api *d = out->mv->disp;
	const struct connect_api *c = out->mv->connect;
	char laddr[MOVE_LINK_MAX];

	out->lost = 0;

	/* a backup may be one that is not heard of otherwise */
	if (r->contact[0] && d->met)
		d->met(d->d, out->to, r->contact);

	/* without a link it moves all the same; some may miss a second */
	if (r->link[0] && out->linked)
		(void)c->link(c->c, out->conference, r->link, laddr,
			      sizeof(laddr));

	/* its claim is the other's already when it is asked a second time;
	   whoever is sent there then is to see in the roster who is here */
	out->state = OUT_CLAIMING;
	out->deadline = tmr_jiffies() + OUT_CLAIM_TIME;
	(void)half_close(out->half);
	out->half = half_open(out->mv, out->conference, out->to,
			      synced_handler, out);
	if (!out->half)
		out_claim(out);
}


/**
 * The other server could not be asked: is it gone? Nobody may listen because
 * the bus was away and the other has not found back yet; as long as its
 * heartbeats come, it is there
 *
 * @param out Conference
 * @param err Why it could not be asked
 *
 * @return True if it is not to be asked again
 */
bool out_given_up(struct out *out, int err)
{
	const struct heartbeat_api *hb =
		service_api(service_server(out->mv->svc), "heartbeat");

	const uint64_t now = tmr_jiffies();

	if (err != ENOENT)
		return false;

	if (!out->lost++)
		out->lost_at = now;

	if (hb && hb->state(hb->hb, out->to) == NODE_UP)
		return now >= out->lost_at + LOST_MAX;

	return out->lost >= LOST_LEAST && now >= out->lost_at + LOST_TIME;
}


static void begin_later_handler(void *arg)
{
	out_begin(arg);
}


/* It has the claim, but knows nothing of the move any more: it is asked until
   it is willing, or gone. */
static void begin_failed(struct out *out, int err)
{
	if (err && (out_given_up(out, err) || tmr_jiffies() >= out->deadline))
		out_lost(out);
	else
		tmr_start(&out->tmr, err ? OUT_CLAIM_AGAIN : REFUSED_AGAIN,
			  begin_later_handler, out);
}


static void begin_handler(int err, const struct move_reply *r, void *arg)
{
	struct out *out = arg;

	out->ask = mem_deref(out->ask);

	if (!err && r->error)
		out->begun = false;

	if (!err && r->error == MOVE_OK)
		begun(out, r);
	else if (out->had)
		begin_failed(out, err);
	else if (err)
		out_fail(out, err, err == ENOENT
			 ? "no media server of that name is there"
			 : "the other server does not answer");
	else
		out_fail(out, r->error == MOVE_FULL ? ENOSPC : ECONNREFUSED,
			 r->reason[0] ? r->reason
			 : move_error_name(r->error));
}


static int begin_send(struct out *out, struct move_msg *msg)
{
	const struct connect_api *c = out->mv->connect;
	struct odict *room = NULL;
	int err;

	err = c->room_save(c->c, out->conference, &room);
	if (err)
		return err;

	/* what is ordered here after that would not get there */
	if (c->room_going)
		(void)c->room_going(c->c, out->conference, out->to);

	if (!c->link(c->c, out->conference, NULL, msg->link,
		     sizeof(msg->link)))
		out->linked = true;

	msg->op = MOVE_BEGIN;
	msg->room = room;
	msg->merge = out->merge || out->had;
	msg->punt = out->punt;
	msg->participants = c->participants(c->c, out->conference);
	str_ncpy(msg->conference, out->conference, sizeof(msg->conference));
	err = ask_send(&out->ask, out->mv, out->to, msg, BEGIN_TIME,
		       begin_handler, out);
	mem_deref(room);

	/* it may hear this later than we wait for its answer */
	if (!err)
		out->begun = true;

	return err;
}


/**
 * Ask the other server to take it
 *
 * @param out Conference
 */
void out_begin(struct out *out)
{
	struct move_msg *msg;
	int err = ENOMEM;

	out->state = OUT_ASKING;
	msg = mem_zalloc(sizeof(*msg), NULL);
	if (msg)
		err = begin_send(out, msg);
	mem_deref(msg);
	if (err && out->had && err != ENOENT)
		begin_failed(out, err);
	else if (err)
		out_fail(out, err, "it cannot be offered");
}


static int check_args(struct move *mv, const char *conference, const char *to)
{
	const struct connect_api *c = mv->connect;

	if (!name_valid(conference, str_len(conference),
			CLIENT_CONFERENCE_MAX) ||
	    !name_valid(to, str_len(to), NAME_SERVER_MAX) ||
	    !strcmp(to, mv->name))
		return EINVAL;

	if (!c->participants(c->c, conference))
		return ENOENT;

	if (mv->stopping || out_find(mv, conference) ||
	    in_any(mv, conference) || adopt_running(mv, conference) ||
	    list_count(&mv->outl) >= OUTS_MAX)
		return EBUSY;

	return 0;
}


/**
 * Move a conference that runs here to another server
 *
 * @param mv         Service
 * @param conference Conference
 * @param to         Server
 * @param why        Reason, for those who read logs
 * @param h          Called when all is done that can be done, or NULL
 * @param arg        Handler argument
 *
 * @return 0 if it begins; ENOENT if it does not run here; EBUSY if it is
 *         moving; EINVAL; ENOMEM
 */
int out_start(struct move *mv, const char *conference, const char *to,
	      const char *why, move_done_h *h, void *arg)
{
	const char *owner;
	struct out *out;
	int err;

	err = check_args(mv, conference, to);
	if (err)
		return err;

	out = mem_zalloc(sizeof(*out), out_destructor);
	if (!out)
		return ENOMEM;

	owner = mv->disp->owner(mv->disp->d, conference);
	out->mv  = mv;
	out->h   = h;
	out->arg = arg;
	out->started = tmr_jiffies();
	out->merge = owner && !strcmp(owner, to);
	str_ncpy(out->conference, conference, sizeof(out->conference));
	str_ncpy(out->to, to, sizeof(out->to));
	str_ncpy(out->why, why ? why : "", sizeof(out->why));
	list_append(&mv->outl, &out->le, out);

	out_tell(out, "move.started", 0, out->why);

	/* from the main loop: it may fail at once */
	tmr_start(&out->tmr, 0, begin_later_handler, out);

	return 0;
}


/**
 * Find a conference that leaves
 *
 * @param mv         Service
 * @param conference Conference
 *
 * @return Conference, or NULL
 */
struct out *out_find(const struct move *mv, const char *conference)
{
	struct le *le;

	LIST_FOREACH(&mv->outl, le) {
		struct out *out = le->data;

		if (!strcmp(out->conference, conference))
			return out;
	}

	return NULL;
}


/**
 * The other server knows nothing of the move: it was started anew. Begin
 * again; what has moved already it brings back by itself
 *
 * @param out Conference
 */
void out_again(struct out *out)
{
	if (out->state != OUT_MOVING && out->state != OUT_TAIL)
		return;

	out_legs_unsure(out);
	tmr_cancel(&out->keep);
	out->begun = false;
	out->state = OUT_ASKING;
	out->deadline = tmr_jiffies() + OUT_AGAIN_TIME;
	tmr_start(&out->tmr, 0, begin_later_handler, out);
}


/**
 * "connect.joined": somebody who was being answered is in
 *
 * @param ev  Event
 * @param arg Service
 *
 * @return False
 */
bool out_joined_handler(const struct event *ev, void *arg)
{
	const struct connect_event *ce = ev->data;
	struct move *mv = arg;
	struct out *out = ce ? out_find(mv, ce->conference) : NULL;

	if (out && (out->state == OUT_MOVING || out->state == OUT_TAIL))
		(void)leg_add(out, ce->callid, ce->id, false);

	return false;
}


/**
 * "connect.left", "connect.lost": one leg less to move
 *
 * @param ev  Event
 * @param arg Service
 *
 * @return False
 */
bool out_left_handler(const struct event *ev, void *arg)
{
	const struct connect_event *ce = ev->data;
	struct move *mv = arg;
	struct leg *leg = ce ? leg_find(mv, ce->callid) : NULL;
	struct out *out;

	if (!leg)
		return false;

	out = leg->out;
	if (leg->state == LEG_SENT)
		word_send(mv, out->to, MOVE_GONE, out->conference, leg,
			  false);

	leg_drop(leg);
	out_check(out);

	return false;
}


/**
 * The server stops: whoever is on its way is the other server's now, the
 * others are told goodbye by the services below
 *
 * @param mv Service
 */
void outs_stop(struct move *mv)
{
	struct le *le;

	while ((le = list_head(&mv->outl))) {
		struct out *out = le->data;
		struct le *legle = list_head(&out->legl);

		while (legle) {
			struct leg *leg = legle->data;

			legle = legle->next;
			if (leg->state == LEG_SENT)
				leg_give_up(leg);
		}

		word_send(mv, out->to, MOVE_END, out->conference, NULL,
			  false);
		mem_deref(out);
	}
}
