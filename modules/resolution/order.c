/**
 * @file order.c  Tell a media server to give a conference to another one
 *
 * The request is the one of an operator's `move`, sealed as modules/move seals
 * it: for its subject, and the reply for the subject and the request's number.
 */
#include <string.h>
#include <re.h>
#include "bus/bus.h"
#include "noc/client.h"
#include "noc/name.h"
#include "noc/seal.h"
#include "move/message.h"
#include "resolution/resolution.h"


enum {
	PLACE_MAX  = NAME_KEY_MAX + 64,
	ORDER_TIME = 10000,        /* a move of many takes its time [ms]    */
};

struct order {
	struct bus_req *req;
	struct seal_key *seal;
	order_h *h;
	void *arg;
	char place[PLACE_MAX];     /* of the reply                          */
};


static void destructor(void *arg)
{
	struct order *o = arg;

	mem_deref(o->req);
	mem_deref(o->seal);
}


static void resp_handler(int err, const uint8_t *buf, size_t len, void *arg)
{
	struct order *o = arg;
	struct move_reply r = { .error = MOVE_OK };
	struct odict *od = NULL;

	if (!err)
		err = seal_open(&od, o->seal, o->place, buf, len);
	if (!err)
		err = move_reply_decode(&r, od);
	mem_deref(od);

	if (err)
		o->h(err, strerror(err), o->arg);
	else if (r.error)
		o->h(r.error == MOVE_RETRY ? EAGAIN : EPROTO,
		     r.reason[0] ? r.reason : move_error_name(r.error),
		     o->arg);
	else
		o->h(0, NULL, o->arg);
}


/**
 * Send an order
 *
 * @param op         Set to the order, owned by the caller; released, its
 *                   answer is not awaited any more
 * @param bus        Bus
 * @param seal       Key of the NOC, referenced
 * @param self       Name of this server
 * @param server     Who has the conference
 * @param conference Conference
 * @param to         Who is to have it
 * @param h          Called once; may release the order
 * @param arg        Its argument
 *
 * @return 0 if success
 */
int order_send(struct order **op, struct bus *bus, struct seal_key *seal,
	       const char *self, const char *server, const char *conference,
	       const char *to, order_h *h, void *arg)
{
	char subject[PLACE_MAX], key[NAME_KEY_MAX], id[17];
	struct move_msg *msg = NULL;
	struct odict *od = NULL;
	struct order *o = NULL;
	uint8_t *buf = NULL;
	size_t len;
	int err;

	err = name_key(key, sizeof(key), server, strlen(server));
	if (err)
		return err;

	(void)re_snprintf(subject, sizeof(subject), "server.%s.move", key);
	msg = mem_zalloc(sizeof(*msg), NULL);
	o = mem_zalloc(sizeof(*o), destructor);
	if (!msg || !o) {
		err = ENOMEM;
		goto out;
	}

	msg->op = MOVE_ORDER;
	str_ncpy(msg->conference, conference, sizeof(msg->conference));
	str_ncpy(msg->from, self, sizeof(msg->from));
	str_ncpy(msg->to, to, sizeof(msg->to));
	rand_str(id, sizeof(id));

	err = move_msg_encode(&od, msg);
	if (!err)
		err = odict_entry_add(od, "nonce", ODICT_STRING, id);
	if (!err)
		err = seal_odict(&buf, &len, seal, subject, od);
	if (err)
		goto out;

	o->seal = mem_ref(seal);
	o->h    = h;
	o->arg  = arg;
	(void)re_snprintf(o->place, sizeof(o->place), "%s/%s", subject, id);
	err = bus_request(&o->req, bus, subject, buf, len, ORDER_TIME,
			  resp_handler, o);

 out:
	mem_deref(buf);
	mem_deref(od);
	mem_deref(msg);
	if (err)
		mem_deref(o);
	else
		*op = o;

	return err;
}
