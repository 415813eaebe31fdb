/**
 * @file half.c  While a conference moves, a part of it is at another server:
 *               what is said in one is told to the other
 *
 *   "connect.text" here --> half, half --> MOVE_SHARE --> room_text there
 *   roster here --> its mirror ----'                '--> users
 *
 * Each server has a half for each server that has another part: the old one
 * for the new one, and the new one for every old one, as several may come
 * together in it. So it is the new one that passes on what one of the old
 * ones says to the others.
 *
 * What is to be told goes in order, one message after the other, and is
 * repeated until it is answered; there it does no harm to hear it twice. Who
 * is there is told as often as watchers are told, or along with a text.
 */
#include <string.h>
#include <re.h>
#include "server/event.h"
#include "server/log.h"
#include "move/mover.h"


enum {
	SHARE_TIME  = 2000,        /* to answer [ms]                        */
	SHARE_AGAIN = 300,         /* [ms]                                  */
	SHARE_TRIES = 20,          /* then texts are given up               */
	ROSTER_TIME = 200,         /* between two looks at the roster [ms]  */
	TEXTS_MAX   = 256,         /* that wait                             */
	HALVES_MAX  = 8192,
};

struct half {
	struct le le;              /* in move.halfl                         */
	struct move *mv;
	struct ask *ask;           /* under way, or NULL                    */
	struct tmr tmr;
	struct list textl;         /* struct said; the first one goes       */
	struct said *said;         /* of those, is under way, or NULL       */
	struct roster_mirror *mirror;  /* what to tell of the roster        */
	struct odict *users;       /* of that, is under way, or NULL        */
	unsigned tries;
	bool synced;               /* it knows who is here                  */
	bool closed;               /* tells what it has, and ends           */
	half_synced_h *h;          /* NULL: was called                      */
	void *arg;
	char conference[CLIENT_CONFERENCE_MAX];
	char to[NAME_SERVER_MAX];
};

struct said {
	struct le le;              /* in half.textl                         */
	struct odict *texts;
};

static void half_send(void *arg);


static void said_destructor(void *arg)
{
	struct said *s = arg;

	list_unlink(&s->le);
	mem_deref(s->texts);
}


static void half_destructor(void *arg)
{
	struct half *h = arg;

	tmr_cancel(&h->tmr);
	list_unlink(&h->le);
	list_flush(&h->textl);
	mem_deref(h->mirror);
	mem_deref(h->users);
	mem_deref(h->ask);
}


/* Whoever waits until the other server knows who is here, waits no more: it
   does, or does not answer. */
static void half_synced(struct half *h)
{
	half_synced_h *synced = h->h;

	h->h = NULL;
	if (synced)
		synced(h->arg);
}


/* That is told, or cannot be: what comes next? */
static void half_next(struct half *h)
{
	h->tries = 0;
	h->said  = mem_deref(h->said);
	h->users = mem_deref(h->users);

	if (!list_isempty(&h->textl) || (!h->closed && !h->synced))
		half_send(h);
	else if (h->closed)
		mem_deref(h);
	else if (roster_mirror_news(h->mirror))
		tmr_start(&h->tmr, ROSTER_TIME, half_send, h);
}


static void half_again(struct half *h, int err)
{
	tmr_start(&h->tmr, SHARE_AGAIN, half_send, h);

	/* texts are of their time; who is there has to be told in any case,
	   as long as there is anybody */
	if (++h->tries >= SHARE_TRIES && h->said) {
		log_event(LOG_NOTICE, "move", NULL, "what was said in %s does"
			  " not reach %s: %s", h->conference, h->to,
			  strerror(err));
		h->tries = 1;
		h->said = mem_deref(h->said);
		if (h->closed)
			list_flush(&h->textl);
	}

	if (h->closed && list_isempty(&h->textl))
		mem_deref(h);
	else
		half_synced(h);
}


static void share_handler(int err, const struct move_reply *r, void *arg)
{
	struct half *h = arg;

	h->ask = mem_deref(h->ask);
	if (err) {
		half_again(h, err);
		return;
	}

	/* it has no part of it any more, or not yet */
	if (r->error)
		log_trace("move", NULL, "%s has no use for what is said in"
			  " %s: %s", h->to, h->conference,
			  move_error_name(r->error));
	half_next(h);
}


/* What is told next. False: nothing */
static bool half_pick(struct half *h)
{
	if (!h->said)
		h->said = list_ledata(list_head(&h->textl));

	if (h->closed)
		h->users = mem_deref(h->users);
	else if (!h->users && roster_mirror_next(h->mirror, &h->users))
		h->synced = true;

	return h->said || h->users;
}


static int half_ask(struct half *h)
{
	struct move_msg *msg;
	int err;

	msg = mem_zalloc(sizeof(*msg), NULL);
	if (!msg)
		return ENOMEM;

	msg->op = MOVE_SHARE;
	msg->texts = h->said ? h->said->texts : NULL;
	msg->users = h->users;
	str_ncpy(msg->conference, h->conference, sizeof(msg->conference));
	err = ask_send(&h->ask, h->mv, h->to, msg, SHARE_TIME, share_handler,
		       h);
	mem_deref(msg);

	return err;
}


static void half_send(void *arg)
{
	struct half *h = arg;
	int err;

	if (h->ask)
		return;

	if (!half_pick(h)) {
		half_synced(h);
		return;
	}

	tmr_cancel(&h->tmr);
	err = half_ask(h);
	if (err)
		half_again(h, err);
}


static void mirror_handler(void *arg)
{
	struct half *h = arg;

	if (!h->ask && !tmr_isrunning(&h->tmr))
		tmr_start(&h->tmr, ROSTER_TIME, half_send, h);
}


static void half_say(struct half *h, const struct odict *texts)
{
	struct said *s = NULL;

	if (list_count(&h->textl) < TEXTS_MAX)
		s = mem_zalloc(sizeof(*s), said_destructor);
	if (!s) {
		log_event(LOG_NOTICE, "move", NULL, "too much is said in %s"
			  " for %s to hear it", h->conference, h->to);
		return;
	}

	s->texts = mem_ref((void *)texts);
	list_append(&h->textl, &s->le, s);
	if (!h->tries)
		tmr_start(&h->tmr, 0, half_send, h);
}


static void halves_say(struct move *mv, const char *conference,
		       const char *but, const struct odict *texts)
{
	struct le *le = list_head(&mv->halfl);

	while (le) {
		struct half *h = le->data;

		le = le->next;
		if (!h->closed && !strcmp(h->conference, conference) &&
		    strcmp(h->to, but))
			half_say(h, texts);
	}
}


/**
 * A part of a conference is, or will be, at another server
 *
 * @param mv         Service
 * @param conference Conference
 * @param to         The other server
 * @param sh         Called once, later, when it knows who is here, or does
 *                   not answer; unless the half is closed before. Or NULL
 * @param arg        Handler argument
 *
 * @return The other half, for half_close (borrowed); NULL: no memory
 */
struct half *half_open(struct move *mv, const char *conference,
		       const char *to, half_synced_h *sh, void *arg)
{
	const struct connect_api *c = mv->connect;
	struct half *h;

	if (list_count(&mv->halfl) >= HALVES_MAX)
		return NULL;

	h = mem_zalloc(sizeof(*h), half_destructor);
	if (!h)
		return NULL;

	h->mv  = mv;
	h->h   = sh;
	h->arg = arg;
	str_ncpy(h->conference, conference, sizeof(h->conference));
	str_ncpy(h->to, to, sizeof(h->to));
	list_append(&mv->halfl, &h->le, h);

	/* without it texts are told all the same */
	if (!c->mirror || c->mirror(&h->mirror, c->c, conference, to,
				    mirror_handler, h))
		h->synced = true;
	tmr_start(&h->tmr, 0, half_send, h);

	return h;
}


/**
 * Nothing of the conference is at the other server any more, or here. What
 * was said until now is told
 *
 * @param h Half, no longer valid; may be NULL
 *
 * @return NULL
 */
struct half *half_close(struct half *h)
{
	if (!h)
		return NULL;

	h->closed = true;
	h->h = NULL;
	h->mirror = mem_deref(h->mirror);
	if (list_isempty(&h->textl))
		mem_deref(h);

	return NULL;
}


/**
 * Another server tells of its part of a conference
 *
 * @param mv  Service
 * @param msg Its request
 * @param an  Who waits for the answer
 */
void half_take(struct move *mv, const struct move_msg *msg,
	       struct answerer *an)
{
	const struct connect_api *c = mv->connect;
	int err = 0;

	if (msg->users)
		err = c->users ? c->users(c->c, msg->conference, msg->from,
					  msg->users) : ENOSYS;
	if (msg->texts) {
		err = c->room_text ? c->room_text(c->c, msg->conference,
						  msg->texts) : ENOSYS;
		if (!err)
			halves_say(mv, msg->conference, msg->from,
				   msg->texts);
	}

	answer_error(mv, an, !err ? MOVE_OK : err == ENOENT ? MOVE_LEFT
		     : MOVE_REFUSED, err ? strerror(err) : NULL);
}


/**
 * "connect.text": something was said in a conference of which a part is
 * elsewhere
 *
 * @param ev  Event
 * @param arg Service
 *
 * @return False
 */
bool half_text_handler(const struct event *ev, void *arg)
{
	const struct connect_text *ct = ev->data;

	if (ct)
		halves_say(arg, ct->conference, "", ct->texts);

	return false;
}
