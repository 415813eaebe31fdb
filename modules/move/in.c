/**
 * @file in.c  A conference comes from another server
 *
 * Places are kept for all of it, the room stands before anybody is in, and a
 * link carries the mix of the other server. Each participant is adopted when
 * its seat comes; the answer waits for the phone's. A seat that comes twice
 * gets the same answer, so the other server may ask as often as it likes.
 *
 * When the other server falls silent, its move is over here; when it is gone,
 * whom it still had is read from the bus.
 */
#include <string.h>
#include <re.h>
#include "server/event.h"
#include "server/service.h"
#include "server/log.h"
#include "bus/bus.h"
#include "heartbeat/heartbeat.h"
#include "noc/wire.h"
#include "move/mover.h"


enum {
	LEASE_TIME = 15000,        /* without a word of the other [ms]      */
	EXCUSES_MAX = 4,           /* leases, if it is there nevertheless   */
	INS_MAX    = 4096,
};

struct in {
	struct le le;              /* in move.inl                           */
	struct move *mv;
	struct room_hold *hold;
	struct half *half;         /* what is there still, or NULL          */
	struct list guestl;        /* struct guest                          */
	struct hash *guesth;       /* the same by Call-ID                   */
	struct tmr tmr;            /* the other is silent                   */
	uint64_t started;          /* [ms]                                  */
	unsigned moved, failed;
	unsigned excused;          /* times in a row                        */
	bool linked;
	bool dead;                 /* the other is gone                     */
	char link[MOVE_LINK_MAX];  /* ours                                  */
	char conference[CLIENT_CONFERENCE_MAX];
	char from[NAME_SERVER_MAX];
};

/* One participant that comes, or came. */
struct guest {
	struct le le;              /* in in.guestl                          */
	struct le he;
	struct in *in;             /* NULL: the move is over                */
	struct move *mv;
	struct answerer *an;       /* who asked last, or NULL               */
	bool done;                 /* adopted                               */
	bool gone;                 /* hung up at the other end meanwhile    */
	char callid[CLIENT_CALLID_MAX];
};


static void guest_destructor(void *arg)
{
	struct guest *g = arg;

	list_unlink(&g->le);
	hash_unlink(&g->he);
	mem_deref(g->an);
}


/* It may still be adopted, for all we know: then it stays without us. */
static void guest_drop(struct guest *g)
{
	list_unlink(&g->le);
	hash_unlink(&g->he);
	g->in = NULL;
	mem_deref(g);
}


static void in_destructor(void *arg)
{
	struct in *in = arg;
	struct le *le;

	tmr_cancel(&in->tmr);
	list_unlink(&in->le);
	(void)half_close(in->half);
	while ((le = list_head(&in->guestl)))
		guest_drop(le->data);
	mem_deref(in->guesth);
	mem_deref(in->hold);
}


static void in_fire(const struct in *in, const char *event,
		    const char *callid, int err, const char *reason)
{
	const struct move_event me = {
		.conference = in->conference, .from = in->from,
		.to = in->mv->name, .callid = callid, .reason = reason,
		.legs = list_count(&in->guestl), .moved = in->moved,
		.failed = in->failed,
		.ms = (unsigned)(tmr_jiffies() - in->started), .err = err,
	};

	move_fire(in->mv, event, &me);
}


/* What was kept for the move is given up; who is in stays. */
static void in_over(struct in *in, int err, const char *reason)
{
	struct move *mv = in->mv;
	const struct connect_api *c = mv->connect;
	char conference[CLIENT_CONFERENCE_MAX];

	str_ncpy(conference, in->conference, sizeof(conference));
	if (in->linked)
		(void)c->unlink(c->c, conference);
	in->linked = false;

	if (in->moved) {
		++mv->countv[COUNT_IN];
		punt_came(mv, conference);
	}
	in_fire(in, "move.arrived", NULL, err, reason);
	mem_deref(in);

	(void)mv->disp->expect(mv->disp->d, conference, 0);
	mv->disp->settle(mv->disp->d, conference);
}


static void adopted_handler(int err, unsigned back, unsigned lost, void *arg)
{
	struct in *in = arg;

	in->moved  += back;
	in->failed += lost;
	in_over(in, err, "the other server is gone");
}


/* Nobody tells where the rest of it is: the bus knows. */
static void in_inherit(struct in *in)
{
	const struct connect_api *c = in->mv->connect;

	if (in->dead)
		return;

	in->dead = true;
	in->half = half_close(in->half);
	tmr_cancel(&in->tmr);
	if (in->linked)
		(void)c->unlink(c->c, in->conference);
	in->linked = false;

	if (adopt_run(in->mv, in->conference, in->from, adopted_handler, in))
		in_over(in, EHOSTDOWN, "the other server is gone");
}


/* Not it, but the bus may be what is silent. */
static bool excused(struct in *in)
{
	const struct heartbeat_api *hb =
		service_api(service_server(in->mv->svc), "heartbeat");

	if (bus_state(in->mv->bus) == BUS_DOWN)
		return true;

	return hb && hb->state(hb->hb, in->from) == NODE_UP &&
		++in->excused < EXCUSES_MAX;
}


static void silent_handler(void *arg)
{
	struct in *in = arg;

	if (excused(in)) {
		tmr_start(&in->tmr, LEASE_TIME, silent_handler, in);
		return;
	}

	log_event(LOG_WARN, "move", NULL, "nothing is heard of %s from %s any"
		  " more", in->conference, in->from);
	in_over(in, ETIMEDOUT, "the other server is silent");
}


static void heard(struct in *in)
{
	in->excused = 0;
	if (!in->dead)
		tmr_start(&in->tmr, LEASE_TIME, silent_handler, in);
}


/**
 * Find a conference that comes
 *
 * @param mv         Service
 * @param conference Conference
 * @param from       Server that it comes from
 *
 * @return Conference, or NULL
 */
struct in *in_find(const struct move *mv, const char *conference,
		   const char *from)
{
	struct le *le;

	LIST_FOREACH(&mv->inl, le) {
		struct in *in = le->data;

		if (!strcmp(in->conference, conference) &&
		    (!from || !strcmp(in->from, from)))
			return in;
	}

	return NULL;
}


/**
 * Tell if a conference comes from anywhere
 *
 * @param mv         Service
 * @param conference Conference
 *
 * @return True if so
 */
bool in_any(const struct move *mv, const char *conference)
{
	return in_find(mv, conference, NULL) != NULL;
}


static void begin_answer(struct in *in, struct answerer *an)
{
	const struct dispatchee_api *d = in->mv->disp;
	struct move_reply r = { .error = MOVE_OK };

	str_ncpy(r.link, in->link, sizeof(r.link));
	if (d->contact)
		str_ncpy(r.contact, d->contact(d->d), sizeof(r.contact));
	answer(in->mv, an, &r);
}


/* 0, or why it is not taken */
static enum move_error may_come(const struct move *mv,
				const struct move_msg *msg)
{
	const char *owner = mv->disp->owner(mv->disp->d, msg->conference);

	if (mv->stopping || mv->drain.on ||
	    mv->disp->state(mv->disp->d) != CAPACITY_IN_SERVICE)
		return MOVE_OUT;

	/* it gives away itself; but who has to leave has to go somewhere, and
	   there was nowhere better */
	if (mv->punt.on && msg->punt)
		return MOVE_FULL;

	if (mv->isolated || list_count(&mv->inl) >= INS_MAX ||
	    out_find(mv, msg->conference))
		return MOVE_RETRY;

	/* what comes is the other's, or both know that it is ours */
	if (owner && !strcmp(owner, mv->name) && !msg->merge)
		return MOVE_REFUSED;

	return MOVE_OK;
}


static int in_open(struct in *in, const struct move_msg *msg)
{
	struct move *mv = in->mv;
	const struct connect_api *c = mv->connect;
	int err;

	err = mv->disp->expect(mv->disp->d, in->conference,
			       max(msg->participants, 1u));
	if (err)
		return err;

	err = c->room_load(c->c, msg->room, &in->hold);
	if (err) {
		(void)mv->disp->expect(mv->disp->d, in->conference, 0);
		return err;
	}

	if (msg->link[0] && !c->link(c->c, in->conference, msg->link,
				     in->link, sizeof(in->link)))
		in->linked = true;

	return 0;
}


static int in_alloc(struct in **inp, struct move *mv,
		    const struct move_msg *msg)
{
	struct in *in;
	int err;

	in = mem_zalloc(sizeof(*in), in_destructor);
	if (!in)
		return ENOMEM;

	in->mv = mv;
	in->started = tmr_jiffies();
	str_ncpy(in->conference, msg->conference, sizeof(in->conference));
	str_ncpy(in->from, msg->from, sizeof(in->from));

	err = hash_alloc(&in->guesth, 256);
	if (!err)
		err = in_open(in, msg);
	if (err) {
		mem_deref(in);
		return err;
	}

	list_append(&mv->inl, &in->le, in);
	in->half = half_open(mv, in->conference, in->from, NULL, NULL);
	*inp = in;

	return 0;
}


/* In words for the other server's operator, who need not have named us */
static void refuse(struct move *mv, struct answerer *an,
		   enum move_error error, const char *what)
{
	char reason[MOVE_REASON_MAX];

	(void)re_snprintf(reason, sizeof(reason), "%s %s", mv->name, what);
	answer_error(mv, an, error, reason);
}


/**
 * Another server asks whether we take a conference of its
 *
 * @param mv  Service
 * @param msg Its request
 * @param an  Who waits for the answer
 */
void in_begin(struct move *mv, const struct move_msg *msg,
	      struct answerer *an)
{
	struct in *in = in_find(mv, msg->conference, msg->from);
	enum move_error error;
	int err;

	/* asked twice */
	if (in && !in->dead) {
		heard(in);
		begin_answer(in, an);
		return;
	}

	error = in ? MOVE_RETRY : may_come(mv, msg);
	if (error) {
		refuse(mv, an, error, "does not take conferences now");
		return;
	}

	err = in_alloc(&in, mv, msg);
	if (err == ENOSPC) {
		refuse(mv, an, MOVE_FULL, "has no room for it");
		return;
	}
	if (err) {
		answer_error(mv, an, MOVE_RETRY, strerror(err));
		return;
	}

	heard(in);
	in_fire(in, "move.arriving", NULL, 0, NULL);
	begin_answer(in, an);
}


static bool guest_cmp(struct le *le, void *arg)
{
	const struct guest *g = le->data;

	return !strcmp(g->callid, arg);
}


static struct guest *guest_find(const struct in *in, const char *callid)
{
	return list_ledata(hash_lookup(in->guesth, hash_joaat_str(callid),
				       guest_cmp, (void *)callid));
}


static enum move_error refusal(int err, uint32_t scode)
{
	switch (scode) {

	case 404: case 410: case 408: case 481:
		return MOVE_LEFT;
	case 488: case 606:
		return MOVE_REFUSED;
	default:
		return err == ENOTSUP || err == EBADMSG ? MOVE_REFUSED
							: MOVE_RETRY;
	}
}


static void guest_failed(struct guest *g, int err, uint32_t scode,
			 uint32_t cseq)
{
	struct in *in = g->in;
	struct move_reply r = { .scode = scode, .cseq = cseq };

	r.error = refusal(err, scode);
	(void)re_snprintf(r.reason, sizeof(r.reason), "%s", strerror(err));
	++in->failed;
	++in->mv->countv[COUNT_LEGS_REFUSED];
	in_fire(in, "move.leg", g->callid, err, r.reason);
	answer(in->mv, g->an, &r);
	g->an = NULL;

	/* asked again, it is tried again */
	guest_drop(g);
}


static void guest_in(struct guest *g)
{
	struct in *in = g->in;

	g->done = true;
	++in->moved;
	++in->mv->countv[COUNT_LEGS_IN];
	in_fire(in, "move.leg", g->callid, 0, NULL);
	answer_error(in->mv, g->an, MOVE_OK, NULL);
	g->an = NULL;
}


static void leg_adopt_handler(int err, uint16_t scode, uint32_t cseq,
			      const char *callid, void *arg)
{
	struct guest *g = later_end(arg);
	(void)callid;

	if (!g->in)
		;
	else if (err && err != EEXIST)
		guest_failed(g, err, scode, cseq);
	else
		guest_in(g);

	mem_deref(g);
}


static void guest_adopt(struct guest *g, const struct odict *seat)
{
	const struct connect_api *c = g->mv->connect;
	struct later *later = later_begin(g->mv, g);
	int err;

	if (!later) {
		guest_failed(g, ENOMEM, 0, 0);
		return;
	}

	err = c->leg_adopt(c->c, seat, false, leg_adopt_handler, later);
	if (err)
		leg_adopt_handler(err, 0, 0, NULL, later);
}


static struct guest *guest_alloc(struct in *in, const char *callid,
				 struct answerer *an)
{
	struct guest *g;

	g = mem_zalloc(sizeof(*g), guest_destructor);
	if (!g)
		return NULL;

	g->in = in;
	g->mv = in->mv;
	g->an = an;
	str_ncpy(g->callid, callid, sizeof(g->callid));
	list_append(&in->guestl, &g->le, g);
	hash_append(in->guesth, hash_joaat_str(callid), &g->he, g);

	return g;
}


/**
 * A participant comes
 *
 * @param mv  Service
 * @param msg Its seat
 * @param an  Who waits for the answer
 */
void in_seat(struct move *mv, const struct move_msg *msg, struct answerer *an)
{
	struct in *in = in_find(mv, msg->conference, msg->from);
	struct guest *g;

	if (!in || in->dead) {
		answer_error(mv, an, MOVE_UNKNOWN, NULL);
		return;
	}

	heard(in);
	g = guest_find(in, msg->callid);
	if (g && g->done) {
		answer_error(mv, an, MOVE_OK, NULL);
		return;
	}

	/* under way: the last one who asked is told */
	if (g) {
		mem_deref(g->an);
		g->an = an;
		return;
	}

	g = guest_alloc(in, msg->callid, an);
	if (!g) {
		answer_error(mv, an, MOVE_RETRY, strerror(ENOMEM));
		return;
	}

	guest_adopt(g, msg->seat);
}


/**
 * A participant that was coming has hung up at the other end
 *
 * @param mv  Service
 * @param msg Who
 * @param an  Who waits for the answer
 */
void in_gone(struct move *mv, const struct move_msg *msg, struct answerer *an)
{
	struct in *in = in_find(mv, msg->conference, msg->from);
	const struct connect_api *c = mv->connect;

	if (in) {
		heard(in);
		c->leg_gone(c->c, msg->conference, msg->id);
	}

	answer_error(mv, an, in ? MOVE_OK : MOVE_UNKNOWN, NULL);
}


/**
 * The other server is still there
 *
 * @param mv  Service
 * @param msg Its request
 * @param an  Who waits for the answer
 */
void in_keep(struct move *mv, const struct move_msg *msg, struct answerer *an)
{
	struct in *in = in_find(mv, msg->conference, msg->from);

	if (in)
		heard(in);

	answer_error(mv, an, in ? MOVE_OK : MOVE_UNKNOWN, NULL);
}


/**
 * All have come, or will not
 *
 * @param mv  Service
 * @param msg Its request
 * @param an  Who waits for the answer
 */
void in_end(struct move *mv, const struct move_msg *msg, struct answerer *an)
{
	struct in *in = in_find(mv, msg->conference, msg->from);

	answer_error(mv, an, in ? MOVE_OK : MOVE_UNKNOWN, NULL);
	if (in && !in->dead)
		in_over(in, msg->abort ? ECANCELED : 0,
			msg->abort ? "it stays where it was" : NULL);
}


/**
 * "client.replaces": who could not be moved was asked to call here
 *
 * @param ev  Event
 * @param arg Service
 *
 * @return True if its conference is coming; its ticket says the rest
 */
bool in_replaces_handler(const struct event *ev, void *arg)
{
	const struct join *join = ev->data;

	return join && in_any(arg, join->conference);
}


/**
 * A server is gone: whom it still had of a conference that was coming is
 * taken over
 *
 * @param mv     Service
 * @param server Its name
 */
void in_node_down(struct move *mv, const char *server)
{
	struct le *le = list_head(&mv->inl);

	while (le) {
		struct in *in = le->data;
		const char *owner;

		le = le->next;
		if (strcmp(in->from, server))
			continue;

		/* not ours yet: it is everybody's, as any other of that
		   server's (crash.c) */
		owner = mv->disp->owner(mv->disp->d, in->conference);
		if (owner && !strcmp(owner, mv->name))
			in_inherit(in);
		else
			in_over(in, EHOSTDOWN, "the other server is gone");
	}
}


/**
 * Give up all moves that come
 *
 * @param mv Service
 */
void ins_stop(struct move *mv)
{
	struct le *le;

	while ((le = list_head(&mv->inl)))
		in_over(le->data, ESHUTDOWN, "the server stops");
}
