/**
 * @file commands.c  What operators can ask of `move`, and its metrics
 *
 *   move {conference, server}   -> {to, legs, moved, left, ms}; server may be
 *                                  left out: wherever there is most room
 *   moves                       -> {moves: [...], draining, punting, stuck}
 *
 * A conference that runs at another server is moved by that one, which is told
 * over the bus.
 */
#include <string.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/offers.h"
#include "server/log.h"
#include "move/mover.h"


enum {
	WAIT_TIME  = 8000,         /* for a move, before an answer [ms]     */
	ORDER_TIME = 10000,        /* for another server's answer [ms]      */
};

/* An operator, or another server's, who waits for a move. */
struct waiter {
	struct le le;              /* in move.waitl                         */
	struct move *mv;
	struct command_req *req;   /* either of these, until answered       */
	struct answerer *an;
	struct ask *ask;
	struct tmr tmr;
	char conference[CLIENT_CONFERENCE_MAX];
	char to[NAME_SERVER_MAX];
};


static void waiter_destructor(void *arg)
{
	struct waiter *w = arg;

	tmr_cancel(&w->tmr);
	list_unlink(&w->le);
	mem_deref(w->ask);
	mem_deref(w->an);
	if (w->req)
		command_fail(w->req, ESHUTDOWN, "the server stops");
}


static void result_answer(struct waiter *w, const struct move_event *me,
			  bool done)
{
	struct odict *od;
	int err;

	err = odict_alloc(&od, 8);
	if (err) {
		command_fail(w->req, err, "too much to tell");
		w->req = NULL;
		return;
	}

	err |= odict_entry_add(od, "conference", ODICT_STRING,
			       w->conference);
	if (w->to[0])
		err |= odict_entry_add(od, "to", ODICT_STRING, w->to);
	err |= odict_entry_add(od, "done", ODICT_BOOL, done);
	if (me) {
		err |= odict_entry_add(od, "legs", ODICT_INT,
				       (int64_t)me->legs);
		err |= odict_entry_add(od, "moved", ODICT_INT,
				       (int64_t)me->moved);
		err |= odict_entry_add(od, "left", ODICT_INT,
				       (int64_t)me->left);
		err |= odict_entry_add(od, "ms", ODICT_INT, (int64_t)me->ms);
	}

	command_ok(w->req, err ? NULL : od);
	w->req = NULL;
	mem_deref(od);
}


static void tell(struct waiter *w, int err, const struct move_event *me,
		 bool done)
{
	const bool good = !err || err == EAGAIN;

	if (w->an) {
		answer_error(w->mv, w->an, good ? MOVE_OK : MOVE_REFUSED,
			     good ? "" : me && me->reason ? me->reason
			     : strerror(err));
		w->an = NULL;
	}
	else if (w->req && good) {
		result_answer(w, me, done);
	}
	else if (w->req) {
		command_fail(w->req, err, "%s stays here: %s", w->conference,
			     me && me->reason ? me->reason : strerror(err));
		w->req = NULL;
	}

	mem_deref(w);
}


/* It goes on; whoever asked has waited long enough. */
static void wait_handler(void *arg)
{
	tell(arg, 0, NULL, false);
}


static void done_handler(int err, const struct move_event *me, void *arg)
{
	struct move *mv = arg;
	struct le *le = list_head(&mv->waitl);

	while (le) {
		struct waiter *w = le->data;

		le = le->next;
		if (!w->ask && !strcmp(w->conference, me->conference))
			tell(w, err, me, true);
	}
}


static int waiter_alloc(struct waiter **wp, struct move *mv,
			const char *conference, const char *to)
{
	struct waiter *w;

	w = mem_zalloc(sizeof(*w), waiter_destructor);
	if (!w)
		return ENOMEM;

	w->mv = mv;
	str_ncpy(w->conference, conference, sizeof(w->conference));
	str_ncpy(w->to, to ? to : "", sizeof(w->to));
	list_append(&mv->waitl, &w->le, w);
	*wp = w;

	return 0;
}


/* From here: 0, or why not */
static int order(struct waiter *w)
{
	struct move *mv = w->mv;
	uint32_t n;
	int err = 0;

	n = mv->connect->participants(mv->connect->c, w->conference);
	if (!n)
		return ENOENT;

	if (!strcmp(w->to, mv->name))
		return EALREADY;

	if (!w->to[0])
		err = target_pick(mv, n, w->to, sizeof(w->to));
	if (!err)
		err = out_start(mv, w->conference, w->to, "an operator's wish",
				done_handler, mv);
	if (!err)
		tmr_start(&w->tmr, WAIT_TIME, wait_handler, w);

	return err;
}


static void order_handler(int err, const struct move_reply *r, void *arg)
{
	struct waiter *w = arg;

	if (!err && r->error) {
		command_fail(w->req, EPROTO, "%s: %s", w->conference,
			     r->reason);
		w->req = NULL;
	}
	else if (err) {
		command_fail(w->req, err, "its server does not answer");
		w->req = NULL;
	}
	else {
		result_answer(w, NULL, true);
	}

	mem_deref(w);
}


/* It runs at another server. */
static int order_send(struct waiter *w, const char *owner)
{
	struct move_msg *msg;
	int err;

	msg = mem_zalloc(sizeof(*msg), NULL);
	if (!msg)
		return ENOMEM;

	msg->op = MOVE_ORDER;
	str_ncpy(msg->conference, w->conference, sizeof(msg->conference));
	str_ncpy(msg->to, w->to, sizeof(msg->to));
	err = ask_send(&w->ask, w->mv, owner, msg, ORDER_TIME, order_handler,
		       w);
	mem_deref(msg);

	return err;
}


static const char *why_not(int err)
{
	switch (err) {

	case ENOENT:       return "no such conference here";
	case EALREADY:     return "it is there already";
	case EBUSY:        return "it is moving already";
	case EHOSTUNREACH: return "no other server takes conferences";
	case ENOSPC:       return "no server has so much room";
	default:           return strerror(err);
	}
}


static void move_command(struct command_req *req, const struct odict *args,
			 void *arg)
{
	struct move *mv = arg;
	const char *conference = odict_string(args, "conference");
	const char *to = odict_string(args, "server");
	const char *owner;
	struct waiter *w;
	int err;

	if (!name_valid(conference, str_len(conference),
			CLIENT_CONFERENCE_MAX) ||
	    (str_isset(to) && !name_valid(to, strlen(to), NAME_SERVER_MAX))) {
		command_fail(req, EINVAL, "conference, server: which?");
		return;
	}

	err = waiter_alloc(&w, mv, conference, to);
	if (err) {
		command_fail(req, err, "cannot be moved");
		return;
	}

	w->req = req;
	owner = mv->disp->owner(mv->disp->d, conference);
	if (!mv->connect->participants(mv->connect->c, conference) && owner &&
	    strcmp(owner, mv->name))
		err = order_send(w, owner);
	else
		err = order(w);

	if (err) {
		command_fail(req, err, "%s: %s", conference, why_not(err));
		w->req = NULL;
		mem_deref(w);
	}
}


/**
 * Another server's operator wants a conference of ours to be moved
 *
 * @param mv  Service
 * @param msg What is wanted
 * @param an  Who waits for the answer
 */
void order_take(struct move *mv, const struct move_msg *msg,
		struct answerer *an)
{
	struct waiter *w;
	int err;

	err = waiter_alloc(&w, mv, msg->conference, msg->to);
	if (err) {
		answer_error(mv, an, MOVE_RETRY, strerror(err));
		return;
	}

	w->an = an;
	err = order(w);
	if (err) {
		answer_error(mv, an, MOVE_REFUSED, why_not(err));
		w->an = NULL;
		mem_deref(w);
	}
}


static int row_add(struct odict *array, const struct out *out)
{
	static const char *const statev[] = {
		[OUT_ASKING] = "asking", [OUT_CLAIMING] = "claiming",
		[OUT_MOVING] = "moving", [OUT_TAIL] = "some stay",
		[OUT_TAKING] = "taking back",
	};
	struct odict *od;
	char key[16];
	int err;

	err = odict_alloc(&od, 8);
	if (err)
		return err;

	err |= odict_entry_add(od, "conference", ODICT_STRING,
			       out->conference);
	err |= odict_entry_add(od, "to", ODICT_STRING, out->to);
	err |= odict_entry_add(od, "state", ODICT_STRING,
			       statev[out->state]);
	err |= odict_entry_add(od, "legs", ODICT_INT, (int64_t)out->legs);
	err |= odict_entry_add(od, "moved", ODICT_INT, (int64_t)out->moved);
	err |= odict_entry_add(od, "left", ODICT_INT,
			       (int64_t)list_count(&out->legl));
	err |= odict_entry_add(od, "reason", ODICT_STRING, out->why);

	(void)re_snprintf(key, sizeof(key), "%zu", odict_count(array, false));
	err |= odict_entry_add(array, key, ODICT_OBJECT, od);
	mem_deref(od);

	return err;
}


static void moves_command(struct command_req *req, const struct odict *args,
			  void *arg)
{
	struct move *mv = arg;
	struct odict *od = NULL, *array = NULL;
	struct le *le;
	int err;
	(void)args;

	err  = odict_alloc(&od, 4);
	err |= odict_alloc(&array, 64);
	for (le = list_head(&mv->outl); le && !err; le = le->next)
		err = row_add(array, le->data);
	if (!err)
		err = odict_entry_add(od, "moves", ODICT_ARRAY, array);
	if (!err)
		err = odict_entry_add(od, "draining", ODICT_BOOL,
				      mv->drain.on);
	if (!err)
		err = odict_entry_add(od, "punting", ODICT_BOOL, mv->punt.on);
	if (!err && mv->drain.stuck)
		err = odict_entry_add(od, "stuck", ODICT_STRING,
				      mv->drain.stuck);

	if (err)
		command_fail(req, err, "too much to tell");
	else
		command_ok(req, od);

	mem_deref(array);
	mem_deref(od);
}


static double gauge_out(void *arg)
{
	const struct move *mv = arg;

	return (double)list_count(&mv->outl);
}


static double gauge_in(void *arg)
{
	const struct move *mv = arg;

	return (double)list_count(&mv->inl);
}


static int counters(struct move *mv)
{
	static const char *const labelv[MOVE_COUNTS] = {
		[COUNT_OUT]           = "what=\"out\"",
		[COUNT_OUT_FAILED]    = "what=\"out_failed\"",
		[COUNT_IN]            = "what=\"in\"",
		[COUNT_LEGS_OUT]      = "what=\"legs_out\"",
		[COUNT_LEGS_RETRIED]  = "what=\"legs_retried\"",
		[COUNT_LEGS_REFERRED] = "what=\"legs_referred\"",
		[COUNT_LEGS_STAYED]   = "what=\"legs_stayed\"",
		[COUNT_LEGS_IN]       = "what=\"legs_in\"",
		[COUNT_LEGS_REFUSED]  = "what=\"legs_refused\"",
		[COUNT_TAKEN]         = "what=\"taken\"",
		[COUNT_LEGS_TAKEN]    = "what=\"legs_taken\"",
		[COUNT_LEGS_LOST]     = "what=\"legs_lost\"",
		[COUNT_PUNTED]        = "what=\"punted\"",
	};
	size_t i;
	int err = 0;

	for (i=0; i<ARRAY_SIZE(labelv) && !err; i++) {
		const struct offer_metric om = {
			METRIC_COUNTER, "junctor_moves_total", labelv[i],
			"Conferences and legs that changed their server",
			offers_counter, &mv->countv[i]
		};

		err = offers_metrics(mv->offers, &om, 1, NULL);
	}

	return err;
}


/**
 * Offer commands and metrics
 *
 * @param mv Service
 *
 * @return 0 if success
 */
int move_commands(struct move *mv)
{
	static const struct offer_command commandv[] = {
		{"move", COMMAND_CHANGE, "move a conference to another server:"
		 " conference, server", move_command},
		{"moves", COMMAND_READ, "what is moving", moves_command},
	};
	static const struct offer_metric metricv[] = {
		{METRIC_GAUGE, "junctor_moves_out", NULL,
		 "Conferences that leave now", gauge_out, NULL},
		{METRIC_GAUGE, "junctor_moves_in", NULL,
		 "Conferences that come now", gauge_in, NULL},
	};
	int err;

	err = offers_commands(mv->offers, commandv, ARRAY_SIZE(commandv), mv);
	if (!err)
		err = offers_metrics(mv->offers, metricv, ARRAY_SIZE(metricv),
				     mv);

	return err ? err : counters(mv);
}
