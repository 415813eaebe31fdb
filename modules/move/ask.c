/**
 * @file ask.c  Requests to other media servers, and theirs to us
 *
 * A request is sealed for its subject, with a number of its own; the reply is
 * sealed for the subject and that number, so that nobody can pass one reply
 * off as another.
 */
#include <string.h>
#include <re.h>
#include "server/log.h"
#include "bus/bus.h"
#include "noc/seal.h"
#include "move/mover.h"


enum {
	PLACE_MAX = NAME_KEY_MAX + 64,
	ID_MAX    = 17,
	WORD_TIME = 2000,          /* [ms]                                  */
};

struct ask {
	struct move *mv;
	struct bus_req *req;
	ask_h *h;
	void *arg;
	char place[PLACE_MAX];     /* of the reply                          */
};

/* Who is waiting for a reply of ours. */
struct answerer {
	struct bus_reply *reply;
	char place[PLACE_MAX];
};


static int subject_print(char *buf, size_t sz, const char *server)
{
	char key[NAME_KEY_MAX];
	int err;

	err = name_key(key, sizeof(key), server, strlen(server));
	if (err)
		return err;

	return re_snprintf(buf, sz, "server.%s.move", key) < 0 ? EOVERFLOW
							       : 0;
}


static void reply_place(char *buf, size_t sz, const char *subject,
			const char *id)
{
	(void)re_snprintf(buf, sz, "%s/%s", subject, id);
}


static void ask_destructor(void *arg)
{
	struct ask *ask = arg;

	mem_deref(ask->req);
}


static void resp_handler(int err, const uint8_t *buf, size_t len, void *arg)
{
	struct ask *ask = arg;
	struct move_reply r = { .error = MOVE_OK };
	struct odict *od = NULL;

	if (!err)
		err = seal_open(&od, ask->mv->seal, ask->place, buf, len);
	if (!err)
		err = move_reply_decode(&r, od);

	/* whoever asked releases `ask`, perhaps by this call */
	ask->h(err, &r, ask->arg);
	mem_deref(od);
}


/**
 * Ask another media server
 *
 * @param ap         Set to the request, owned by the caller; released, it is
 *                   no longer awaited
 * @param mv         Service
 * @param server     Name of the server
 * @param msg        What to ask; who asks is filled in
 * @param timeout_ms Longest wait [ms]
 * @param h          Called once: 0 and the reply; ENOENT: nobody is there;
 *                   ETIMEDOUT and others: it may have been heard or not
 * @param arg        Handler argument
 *
 * @return 0 if success
 */
int ask_send(struct ask **ap, struct move *mv, const char *server,
	     const struct move_msg *msg, uint32_t timeout_ms,
	     ask_h *h, void *arg)
{
	char subject[PLACE_MAX], id[ID_MAX];
	struct move_msg m = *msg;
	struct odict *od = NULL;
	struct ask *ask = NULL;
	uint8_t *buf = NULL;
	size_t len;
	int err;

	str_ncpy(m.from, mv->name, sizeof(m.from));
	err = subject_print(subject, sizeof(subject), server);
	if (err)
		return err;

	err = move_msg_encode(&od, &m);
	if (err)
		goto out;

	rand_str(id, sizeof(id));
	err = odict_entry_add(od, "nonce", ODICT_STRING, id);
	if (err)
		goto out;

	err = seal_odict(&buf, &len, mv->seal, subject, od);
	if (err)
		goto out;

	ask = mem_zalloc(sizeof(*ask), ask_destructor);
	if (!ask) {
		err = ENOMEM;
		goto out;
	}

	ask->mv  = mv;
	ask->h   = h;
	ask->arg = arg;
	reply_place(ask->place, sizeof(ask->place), subject, id);
	err = bus_request(&ask->req, mv->bus, subject, buf, len, timeout_ms,
			  resp_handler, ask);

 out:
	mem_deref(od);
	mem_deref(buf);
	if (err)
		mem_deref(ask);
	else
		*ap = ask;

	return err;
}


/* Whether these few words are heard or not, the other end has its own time
   limits. */
struct word {
	struct le le;              /* in move.wordl                         */
	struct ask *ask;
};


static void word_destructor(void *arg)
{
	struct word *w = arg;

	list_unlink(&w->le);
	mem_deref(w->ask);
}


static void word_handler(int err, const struct move_reply *r, void *arg)
{
	(void)err;
	(void)r;
	mem_deref(arg);
}


/**
 * Tell another media server something that is not waited for
 *
 * @param mv         Service; outlives the answer
 * @param server     Name of the server
 * @param op         What to say
 * @param conference Of which conference
 * @param leg        Of which participant, or NULL
 * @param abort      MOVE_END: it stays where it was
 */
void word_send(struct move *mv, const char *server, enum move_op op,
	       const char *conference, const struct leg *leg, bool abort)
{
	struct move_msg *msg;
	struct word *w;
	int err = ENOMEM;

	w = mem_zalloc(sizeof(*w), word_destructor);
	msg = mem_zalloc(sizeof(*msg), NULL);
	if (!w || !msg)
		goto out;

	msg->op = op;
	msg->abort = abort;
	str_ncpy(msg->conference, conference, sizeof(msg->conference));
	if (leg) {
		msg->id = leg->id;
		str_ncpy(msg->callid, leg->callid, sizeof(msg->callid));
	}
	err = ask_send(&w->ask, mv, server, msg, WORD_TIME, word_handler, w);

 out:
	mem_deref(msg);
	if (err)
		mem_deref(w);
	else
		list_append(&mv->wordl, &w->le, w);
}


static void answerer_destructor(void *arg)
{
	struct answerer *an = arg;

	mem_deref(an->reply);
}


/**
 * Answer a request
 *
 * @param mv Service
 * @param an Who waits for it; released
 * @param r  Reply
 */
void answer(struct move *mv, struct answerer *an, const struct move_reply *r)
{
	struct odict *od = NULL;
	uint8_t *buf = NULL;
	size_t len;
	int err;

	if (!an)
		return;

	err = move_reply_encode(&od, r);
	if (!err)
		err = seal_odict(&buf, &len, mv->seal, an->place, od);
	if (!err) {
		err = bus_respond(an->reply, buf, len);
		an->reply = NULL;
	}

	/* whoever asked will ask again */
	if (err)
		log_trace("move", NULL, "cannot answer: %s", strerror(err));

	mem_deref(od);
	mem_deref(buf);
	mem_deref(an);
}


/**
 * Answer a request in the negative, or by a plain yes
 *
 * @param mv     Service
 * @param an     Who waits for it; released
 * @param error  What to say
 * @param reason The same in words, or NULL
 */
void answer_error(struct move *mv, struct answerer *an,
		  enum move_error error, const char *reason)
{
	struct move_reply r = { .error = error };

	str_ncpy(r.reason, reason ? reason : "", sizeof(r.reason));
	answer(mv, an, &r);
}


static void serve(struct move *mv, const struct move_msg *msg,
		  struct answerer *an)
{
	switch (msg->op) {

	case MOVE_BEGIN: in_begin(mv, msg, an);   break;
	case MOVE_SEAT:  in_seat(mv, msg, an);    break;
	case MOVE_GONE:  in_gone(mv, msg, an);    break;
	case MOVE_KEEP:  in_keep(mv, msg, an);    break;
	case MOVE_END:   in_end(mv, msg, an);     break;
	case MOVE_ORDER: order_take(mv, msg, an); break;
	case MOVE_TEXT:  text_take(mv, msg, an);  break;
	case MOVE_SHARE: half_take(mv, msg, an);  break;
	}
}


static void msg_handler(const char *subject, const uint8_t *buf, size_t len,
			struct bus_reply *reply, void *arg)
{
	struct move *mv = arg;
	struct move_msg msg;
	struct odict *od = NULL;
	struct answerer *an;
	const char *id;
	int err;

	an = mem_zalloc(sizeof(*an), answerer_destructor);
	if (!an) {
		mem_deref(reply);
		return;
	}

	an->reply = reply;
	err = seal_open(&od, mv->seal, subject, buf, len);
	if (!err)
		err = move_msg_decode(&msg, od);
	id = err ? NULL : odict_string(od, "nonce");
	if (!err && (!id || strlen(id) != ID_MAX - 1 || !reply))
		err = EBADMSG;

	if (err) {
		/* whoever that was is told nothing */
		log_event(LOG_WARN, "move", NULL, "%s: %s", subject,
			  strerror(err));
		mem_deref(an);
	}
	else {
		reply_place(an->place, sizeof(an->place), subject, id);
		serve(mv, &msg, an);
	}

	mem_deref(od);
}


/**
 * Begin to hear what other media servers ask
 *
 * @param mv Service
 *
 * @return 0 if success
 */
int ask_listen(struct move *mv)
{
	char subject[PLACE_MAX];
	int err;

	err = subject_print(subject, sizeof(subject), mv->name);
	if (err)
		return err;

	return bus_subscribe(&mv->subv[0], mv->bus, subject, msg_handler,
			     mv);
}
