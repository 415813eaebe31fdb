/**
 * @file text.c  Text goes after a participant who has moved
 *
 * What was to be sent to somebody while its dialog was frozen waits in the
 * connect service; it must not come from here any more when the other server
 * has the dialog.
 */
#include <string.h>
#include <re.h>
#include "server/log.h"
#include "move/mover.h"


enum {
	TEXT_TIME  = 2000,         /* to answer [ms]                        */
	TEXT_AGAIN = 300,          /* [ms]                                  */
	TEXT_TRIES = 20,
	PARCELS_MAX = 1024,
};

struct parcel {
	struct le le;              /* in move.parcell                       */
	struct move *mv;
	struct ask *ask;
	struct tmr tmr;
	struct odict *texts;
	unsigned tries;
	char to[NAME_SERVER_MAX];
	char conference[CLIENT_CONFERENCE_MAX];
	char callid[CLIENT_CALLID_MAX];
};

static void parcel_send(void *arg);


static void parcel_destructor(void *arg)
{
	struct parcel *p = arg;

	tmr_cancel(&p->tmr);
	list_unlink(&p->le);
	mem_deref(p->ask);
	mem_deref(p->texts);
}


static void parcel_again(struct parcel *p, int err)
{
	if (++p->tries < TEXT_TRIES) {
		tmr_start(&p->tmr, TEXT_AGAIN, parcel_send, p);
		return;
	}

	log_event(LOG_NOTICE, "move", p->callid, "text does not reach %s: %s",
		  p->to, strerror(err));
	mem_deref(p);
}


static void parcel_handler(int err, const struct move_reply *r, void *arg)
{
	struct parcel *p = arg;

	p->ask = mem_deref(p->ask);
	if (err) {
		parcel_again(p, err);
		return;
	}

	/* or it has left there meanwhile */
	if (r->error)
		log_trace("move", p->callid, "%s has no use for its text: %s",
			  p->to, move_error_name(r->error));
	mem_deref(p);
}


static void parcel_send(void *arg)
{
	struct parcel *p = arg;
	struct move_msg *msg;
	int err = ENOMEM;

	msg = mem_zalloc(sizeof(*msg), NULL);
	if (msg) {
		msg->op = MOVE_TEXT;
		msg->texts = p->texts;
		str_ncpy(msg->conference, p->conference,
			 sizeof(msg->conference));
		str_ncpy(msg->callid, p->callid, sizeof(msg->callid));
		err = ask_send(&p->ask, p->mv, p->to, msg, TEXT_TIME,
			       parcel_handler, p);
	}

	mem_deref(msg);
	if (err)
		parcel_again(p, err);
}


/**
 * Take the text that waits for a participant; to be called before it is
 * released
 *
 * @param mv     Service
 * @param callid Its Call-ID
 *
 * @return Texts, owned by the caller; NULL: none
 */
struct odict *texts_take(struct move *mv, const char *callid)
{
	const struct connect_api *c = mv->connect;
	struct odict *od = NULL;

	return c->leg_texts && !c->leg_texts(c->c, callid, &od) ? od : NULL;
}


/**
 * Send texts after somebody who has moved, until the other server has them
 *
 * @param mv         Service
 * @param to         The other server
 * @param conference Conference
 * @param callid     Its Call-ID
 * @param texts      What texts_take returned, given up; NULL: nothing to do
 */
void texts_send(struct move *mv, const char *to, const char *conference,
		const char *callid, struct odict *texts)
{
	struct parcel *p;

	if (!texts)
		return;

	p = list_count(&mv->parcell) < PARCELS_MAX ?
		mem_zalloc(sizeof(*p), parcel_destructor) : NULL;
	if (!p) {
		mem_deref(texts);
		return;
	}

	p->mv = mv;
	p->texts = texts;
	str_ncpy(p->to, to, sizeof(p->to));
	str_ncpy(p->conference, conference, sizeof(p->conference));
	str_ncpy(p->callid, callid, sizeof(p->callid));
	list_append(&mv->parcell, &p->le, p);
	parcel_send(p);
}


/**
 * Give somebody who is here the text that waited for it
 *
 * @param mv     Service
 * @param callid Its Call-ID
 * @param texts  What texts_take returned, here or at another server; NULL:
 *               nothing to do
 *
 * @return 0 if success; ENOENT if it is not here; EBADMSG; ENOSYS
 */
int texts_give(struct move *mv, const char *callid, const struct odict *texts)
{
	const struct connect_api *c = mv->connect;

	if (!texts)
		return 0;

	return c->leg_text ? c->leg_text(c->c, callid, texts) : ENOSYS;
}


/**
 * Another server has text for somebody who has moved here
 *
 * @param mv  Service
 * @param msg Its request
 * @param an  Who waits for the answer
 */
void text_take(struct move *mv, const struct move_msg *msg,
	       struct answerer *an)
{
	const int err = texts_give(mv, msg->callid, msg->texts);

	answer_error(mv, an, !err ? MOVE_OK : err == ENOENT ? MOVE_LEFT
		     : MOVE_REFUSED, err ? strerror(err) : NULL);
}
