/**
 * @file leg.c  One leg on its way to another server
 *
 *   waiting -> ready -> saving -> sent ----> gone: the other has it
 *      ^                  |        | no
 *      +------ later -----+--------+----> referred -> stays
 *
 * Saving freezes the dialog: from then on the other server speaks in it, or,
 * when it could not adopt it, we again. As long as nobody knows which of the
 * two it is, the dialog stays frozen, and the question is repeated; asking
 * twice does no harm. Its media flow all the time.
 */
#include <string.h>
#include <re.h>
#include "server/settings.h"
#include "server/log.h"
#include "noc/seat.h"
#include "noc/willcall.h"
#include "move/mover.h"


enum {
	BUSY_TIME  = 100,          /* its dialog is busy: once more [ms]    */
	BUSY_MAX   = 100,          /* then seldom                           */
	BUSY_LONG  = 2000,         /* [ms]                                  */
	SEAT_TIME  = 36000,        /* longer than any transaction [ms]      */
	SLOW_TIME  = 1000,         /* then it frees its place [ms]          */
	ASK_AGAIN  = 300,          /* [ms]                                  */
	ASKS_MAX   = 200,          /* a minute                              */
	TRIES_MAX  = 4,            /* then it is referred                   */
	REFER_TIME = 10000,        /* to leave, once referred [ms]          */
	WATCH_TIME = 50,           /* a watcher looks whether it may [ms]   */
	WATCH_MAX  = 3000,         /* and goes anyway after [ms]            */
};

static void leg_send(struct leg *leg);
static void leg_ready(struct leg *leg);


static void leg_destructor(void *arg)
{
	struct leg *leg = arg;

	tmr_cancel(&leg->tmr);
	tmr_cancel(&leg->slow);
	list_unlink(&leg->le);
	list_unlink(&leg->ready);
	hash_unlink(&leg->he);
	mem_deref(leg->ask);
	mem_deref(leg->seat);
}


static struct move *mover(const struct leg *leg)
{
	return leg->mv;
}


/**
 * A leg is no longer to be moved, whatever becomes of it
 *
 * @param leg Leg; no longer valid
 */
void leg_drop(struct leg *leg)
{
	/* somebody may yet write its dialog down for us */
	pace_done(leg->mv, leg);
	list_unlink(&leg->le);
	hash_unlink(&leg->he);
	tmr_cancel(&leg->tmr);
	tmr_cancel(&leg->slow);
	leg->ask = mem_deref(leg->ask);
	leg->out = NULL;
	mem_deref(leg);
}


static void leg_fire(const struct leg *leg, int err, const char *reason)
{
	const struct out *out = leg->out;
	const struct move_event me = {
		.conference = out->conference, .from = out->mv->name,
		.to = out->to, .callid = leg->callid, .reason = reason,
		.legs = out->legs, .moved = out->moved, .failed = out->failed,
		.ms = (unsigned)(tmr_jiffies() - out->started), .err = err,
	};

	move_fire(out->mv, "move.leg", &me);
}


/* It is no longer frozen, and no longer on its way. */
static void leg_rest(struct leg *leg, enum leg_state state)
{
	leg->state = state;
	leg->asks = 0;
	leg->ask  = mem_deref(leg->ask);
	leg->seat = mem_deref(leg->seat);
	tmr_cancel(&leg->tmr);
	tmr_cancel(&leg->slow);
	pace_done(mover(leg), leg);
}


/* Watchers of the roster go last: then they have nothing to be told. */
static bool must_wait(const struct leg *leg)
{
	const struct le *le;

	if (!leg->watcher || tmr_jiffies() >= leg->added + WATCH_MAX)
		return false;

	LIST_FOREACH(&leg->out->legl, le) {
		const struct leg *other = le->data;

		if (!other->watcher && other->state != LEG_STAYS)
			return true;
	}

	return false;
}


static void ready_handler(void *arg)
{
	struct leg *leg = arg;

	if (must_wait(leg))
		tmr_start(&leg->tmr, WATCH_TIME, ready_handler, leg);
	else
		leg_ready(leg);
}


static void leg_later(struct leg *leg, uint32_t ms)
{
	leg_rest(leg, LEG_WAITING);
	tmr_start(&leg->tmr, ms, ready_handler, leg);
}


static void leg_ready(struct leg *leg)
{
	leg->state = LEG_READY;
	pace_add(mover(leg), leg);
}


static void stay_handler(void *arg)
{
	struct leg *leg = arg;
	struct out *out = leg->out;

	leg_rest(leg, LEG_STAYS);
	++out->mv->countv[COUNT_LEGS_STAYED];
	log_event(LOG_NOTICE, "move", leg->callid, "stays here while %s goes"
		  " to %s", out->conference, out->to);
	out_check(out);
}


static int refer(struct leg *leg)
{
	struct move *mv = mover(leg);
	char uri[NAME_URI_MAX + 1];
	struct willcall_join j;
	struct seat seat;
	int err;

	if (!mv->connect->leg_refer || leg->watcher)
		return ENOSYS;

	err = seat_decode(&seat, leg->seat);
	if (err)
		return err;

	j = (struct willcall_join){
		seat.conference, strlen(seat.conference),
		seat.user, str_len(seat.user),
		seat.account, str_len(seat.account), seat.types
	};
	err = mv->disp->uri(mv->disp->d, leg->out->to, &j, uri, sizeof(uri));
	if (err)
		return err;

	return mv->connect->leg_refer(mv->connect->c, leg->callid, uri);
}


/* The phone may be able to call the other server by itself. */
static void leg_refer(struct leg *leg)
{
	const int err = refer(leg);

	leg_rest(leg, LEG_REFERRED);
	if (err) {
		stay_handler(leg);
		return;
	}

	/* it leaves by a goodbye of its own, or it does not */
	++mover(leg)->countv[COUNT_LEGS_REFERRED];
	tmr_start(&leg->tmr, REFER_TIME, stay_handler, leg);
}


static void leg_moved(struct leg *leg)
{
	struct out *out = leg->out;
	struct move *mv = out->mv;
	struct odict *texts;

	leg_rest(leg, LEG_SENT);
	++out->moved;
	++mv->countv[COUNT_LEGS_OUT];

	texts = texts_take(mv, leg->callid);
	(void)mv->connect->leg_release(mv->connect->c, leg->callid, out->to);
	texts_send(mv, out->to, out->conference, leg->callid, texts);
	leg_fire(leg, 0, NULL);
	leg_drop(leg);
	out_check(out);
}


static void leg_failed(struct leg *leg, const struct move_reply *r)
{
	struct move *mv = mover(leg);

	/* thawed: it was frozen when its seat was written down */
	(void)mv->connect->leg_thaw(mv->connect->c, leg->callid, r->cseq);
	log_trace("move", leg->callid, "%s does not take it: %s %u %s",
		  leg->out->to, move_error_name(r->error), r->scode,
		  r->reason);

	++leg->out->failed;
	leg_fire(leg, r->error == MOVE_RETRY ? EAGAIN : EPROTO, r->reason);
	--leg->out->failed;

	if (r->error == MOVE_LEFT) {
		/* nobody answers there: it is found dead here in a while */
		stay_handler(leg);
	}
	else if (++leg->tries < TRIES_MAX) {
		++mv->countv[COUNT_LEGS_RETRIED];
		leg_later(leg, config_u32(move_config(mv), "move.retry") <<
			  (leg->tries - 1));
	}
	else {
		leg_refer(leg);
	}
}


static void again_handler(void *arg)
{
	leg_send(arg);
}


/* What was asked may have been heard or not. */
static void leg_again(struct leg *leg, int err)
{
	struct out *out = leg->out;

	if (out_given_up(out, err)) {
		out_lost(out);
		return;
	}

	if (++leg->asks < ASKS_MAX) {
		tmr_start(&leg->tmr, ASK_AGAIN, again_handler, leg);
		return;
	}

	leg_unsure(leg);
	out_check(out);
}


static void seat_handler(int err, const struct move_reply *r, void *arg)
{
	struct leg *leg = arg;
	struct out *out = leg->out;

	leg->ask = mem_deref(leg->ask);
	if (err) {
		leg_again(leg, err);
		return;
	}

	out->lost = 0;
	switch (r->error) {

	case MOVE_OK:
		leg_moved(leg);
		break;

	case MOVE_UNKNOWN:
		/* it has been started anew, or has given up */
		out_again(out);
		break;

	default:
		leg_failed(leg, r);
		break;
	}
}


static void slow_handler(void *arg)
{
	struct leg *leg = arg;

	pace_slow(mover(leg), leg);
}


static void leg_send(struct leg *leg)
{
	struct move_msg *msg;
	int err;

	/* too large for the stack of a handler */
	msg = mem_zalloc(sizeof(*msg), NULL);
	if (!msg) {
		leg_again(leg, ENOMEM);
		return;
	}

	leg->state = LEG_SENT;
	msg->op = MOVE_SEAT;
	msg->seat = leg->seat;
	str_ncpy(msg->conference, leg->out->conference,
		 sizeof(msg->conference));
	str_ncpy(msg->callid, leg->callid, sizeof(msg->callid));

	err = ask_send(&leg->ask, mover(leg), leg->out->to, msg, SEAT_TIME,
		       seat_handler, leg);
	mem_deref(msg);
	if (err)
		leg_again(leg, err);
}


/* Whether the other server waits for seats now */
static bool may_send(const struct out *out)
{
	return out->state == OUT_MOVING || out->state == OUT_TAIL;
}


static void saved(struct leg *leg, int err, const struct odict *seat)
{
	struct move *mv = mover(leg);
	struct out *out = leg->out;

	/* the other server was lost meanwhile */
	if (!err && !may_send(out)) {
		(void)mv->connect->leg_thaw(mv->connect->c, leg->callid, 0);
		leg_later(leg, BUSY_TIME);
		return;
	}

	if (!err) {
		leg->seat = mem_ref((void *)seat);
		tmr_start(&leg->slow, SLOW_TIME, slow_handler, leg);
		leg_send(leg);
		return;
	}

	switch (err) {

	/* not there any more: the event comes, or came */
	case ENOENT:
	case ENOTCONN:
		leg_drop(leg);
		out_check(out);
		return;

	case EILSEQ:
		stay_handler(leg);
		return;
	}

	/* still being answered, or amid an offer of its own */
	if (++leg->busy < BUSY_MAX)
		leg_later(leg, BUSY_TIME);
	else
		leg_later(leg, BUSY_LONG);

	log_trace("move", leg->callid, "%s: not now: %s", mv->name,
		  strerror(err));
}


/* The leg, or the whole move, may be gone when the dialog is frozen. */
static void save_handler(int err, const char *callid,
			 const struct odict *seat, void *arg)
{
	struct leg *leg = later_end(arg);
	const bool wanted = leg->out && leg->state == LEG_SAVING;
	(void)callid;

	if (wanted)
		saved(leg, err, seat);
	else if (!err && !leg->out)
		(void)leg->mv->connect->leg_thaw(leg->mv->connect->c,
						 leg->callid, 0);

	mem_deref(leg);
}


/**
 * It is a leg's turn
 *
 * @param leg Leg
 */
void leg_go(struct leg *leg)
{
	struct move *mv = mover(leg);
	struct later *later;
	int err;

	if (!may_send(leg->out)) {
		leg_later(leg, BUSY_TIME);
		return;
	}

	leg->state = LEG_SAVING;
	later = later_begin(mv, leg);
	err = later ? mv->connect->leg_save(mv->connect->c, leg->callid,
					    save_handler, later) : ENOMEM;
	if (err) {
		mem_deref(later);
		saved(leg, err, NULL);
	}
}


/**
 * Nobody can tell whether the other server has adopted the leg: it is made
 * ours anew, so that its phone knows in any case whom it speaks with
 *
 * @param leg Leg that is sent; no longer valid
 */
void leg_unsure(struct leg *leg)
{
	struct move *mv = mover(leg);
	struct out *out = leg->out;
	struct odict *seat = mem_ref(leg->seat), *texts;
	char callid[CLIENT_CALLID_MAX];

	str_ncpy(callid, leg->callid, sizeof(callid));
	leg_drop(leg);
	texts = texts_take(mv, callid);
	(void)mv->connect->leg_release(mv->connect->c, callid, out->to);
	adopt_seat(mv, out->conference, callid, seat, texts);
	mem_deref(texts);
	mem_deref(seat);
}


/**
 * The server stops: the other one is thought to have adopted the leg
 *
 * @param leg Leg that is sent
 */
void leg_give_up(struct leg *leg)
{
	struct move *mv = mover(leg);
	struct out *out = leg->out;
	struct odict *texts = texts_take(mv, leg->callid);

	(void)mv->connect->leg_release(mv->connect->c, leg->callid, out->to);
	texts_send(mv, out->to, out->conference, leg->callid, texts);
}


/**
 * A participant is to leave with its conference
 *
 * @param out     Conference
 * @param callid  Its Call-ID
 * @param id      Of the participant
 * @param watcher It only watches the roster
 *
 * @return 0 if success; EALREADY; ENOMEM
 */
int leg_add(struct out *out, const char *callid, unsigned id, bool watcher)
{
	struct leg *leg;

	if (leg_find(out->mv, callid))
		return EALREADY;

	leg = mem_zalloc(sizeof(*leg), leg_destructor);
	if (!leg)
		return ENOMEM;

	leg->mv  = out->mv;
	leg->out = out;
	leg->id  = id;
	leg->watcher = watcher;
	leg->added = tmr_jiffies();
	str_ncpy(leg->callid, callid, sizeof(leg->callid));
	list_append(&out->legl, &leg->le, leg);
	hash_append(out->mv->legh, hash_joaat_str(callid), &leg->he, leg);
	++out->legs;
	ready_handler(leg);

	return 0;
}


static bool callid_cmp(struct le *le, void *arg)
{
	const struct leg *leg = le->data;

	return !strcmp(leg->callid, arg);
}


/**
 * Find a participant that is to leave
 *
 * @param mv     Service
 * @param callid Its Call-ID
 *
 * @return Leg, or NULL
 */
struct leg *leg_find(const struct move *mv, const char *callid)
{
	if (!callid)
		return NULL;

	return list_ledata(hash_lookup(mv->legh, hash_joaat_str(callid),
				       callid_cmp, (void *)callid));
}
