/**
 * @file message.c  Messages about a conference that moves, as JSON objects
 */
#include <string.h>
#include <re.h>
#include "noc/client.h"
#include "noc/name.h"
#include "move/message.h"


static const char *const opv[] = {
	[MOVE_BEGIN] = "begin", [MOVE_SEAT] = "seat", [MOVE_GONE] = "gone",
	[MOVE_KEEP] = "keep", [MOVE_END] = "end", [MOVE_ORDER] = "order",
	[MOVE_TEXT] = "text", [MOVE_SHARE] = "share",
};

static const char *const errorv[] = {
	[MOVE_OK] = "ok", [MOVE_RETRY] = "retry", [MOVE_REFUSED] = "refused",
	[MOVE_LEFT] = "gone", [MOVE_UNKNOWN] = "unknown",
	[MOVE_FULL] = "full", [MOVE_OUT] = "out",
};


static int text_add(struct odict *od, const char *key, const char *val)
{
	return str_isset(val) ? odict_entry_add(od, key, ODICT_STRING, val)
			      : 0;
}


static int number_add(struct odict *od, const char *key, uint32_t val)
{
	return val ? odict_entry_add(od, key, ODICT_INT, (int64_t)val) : 0;
}


static int object_add(struct odict *od, const char *key,
		      const struct odict *val)
{
	return val ? odict_entry_add(od, key, ODICT_OBJECT, val) : 0;
}


/* A text that is not there is empty; one that is longer than it may be, or no
   text at all, makes the message bad. */
static int text_get(char *buf, size_t sz, const struct odict *od,
		    const char *key)
{
	const struct odict_entry *e = odict_lookup(od, key);

	buf[0] = '\0';
	if (!e)
		return 0;

	if (e->type != ODICT_STRING || strlen(e->u.str) >= sz)
		return EBADMSG;

	str_ncpy(buf, e->u.str, sz);

	return 0;
}


static int number_get(uint32_t *val, const struct odict *od, const char *key)
{
	const struct odict_entry *e = odict_lookup(od, key);

	*val = 0;
	if (!e)
		return 0;

	if (e->type != ODICT_INT || e->u.integer < 0 ||
	    e->u.integer > UINT32_MAX)
		return EBADMSG;

	*val = (uint32_t)e->u.integer;

	return 0;
}


static int flag_get(bool *val, const struct odict *od, const char *key)
{
	const struct odict_entry *e = odict_lookup(od, key);

	*val = false;
	if (!e)
		return 0;

	if (e->type != ODICT_BOOL)
		return EBADMSG;

	*val = e->u.boolean;

	return 0;
}


static int object_get(const struct odict **val, const struct odict *od,
		      const char *key)
{
	const struct odict_entry *e = odict_lookup(od, key);

	*val = NULL;
	if (!e)
		return 0;

	if (e->type != ODICT_OBJECT)
		return EBADMSG;

	*val = e->u.odict;

	return 0;
}


static int word_get(unsigned *ix, const struct odict *od, const char *key,
		    const char *const *wordv, size_t wordc)
{
	const char *word = odict_string(od, key);
	size_t i;

	for (i=0; word && i<wordc; i++) {
		if (wordv[i] && !strcmp(wordv[i], word)) {
			*ix = (unsigned)i;
			return 0;
		}
	}

	return EBADMSG;
}


/**
 * Write a request
 *
 * @param odp Set to the object, owned by the caller
 * @param msg Request
 *
 * @return 0 if success; EINVAL; ENOMEM
 */
int move_msg_encode(struct odict **odp, const struct move_msg *msg)
{
	struct odict *od;
	int err;

	if (!odp || !msg || msg->op < MOVE_BEGIN || msg->op > MOVE_SHARE)
		return EINVAL;

	err = odict_alloc(&od, 16);
	if (err)
		return err;

	err  = text_add(od, "op", opv[msg->op]);
	err |= text_add(od, "conference", msg->conference);
	err |= text_add(od, "from", msg->from);
	err |= text_add(od, "to", msg->to);
	err |= text_add(od, "link", msg->link);
	err |= text_add(od, "callid", msg->callid);
	err |= number_add(od, "id", msg->id);
	err |= number_add(od, "participants", msg->participants);
	if (msg->abort)
		err |= odict_entry_add(od, "abort", ODICT_BOOL, true);
	if (msg->merge)
		err |= odict_entry_add(od, "merge", ODICT_BOOL, true);
	if (msg->punt)
		err |= odict_entry_add(od, "punt", ODICT_BOOL, true);
	err |= object_add(od, "room", msg->room);
	err |= object_add(od, "seat", msg->seat);
	err |= object_add(od, "texts", msg->texts);
	err |= object_add(od, "users", msg->users);

	if (err) {
		mem_deref(od);
		return ENOMEM;
	}

	*odp = od;

	return 0;
}


/**
 * Read a request
 *
 * @param msg Request; points into the object
 * @param od  Object
 *
 * @return 0 if success; EBADMSG if it makes no sense
 */
int move_msg_decode(struct move_msg *msg, const struct odict *od)
{
	unsigned op;
	int err;

	if (!msg || !od)
		return EINVAL;

	memset(msg, 0, sizeof(*msg));

	err = word_get(&op, od, "op", opv, ARRAY_SIZE(opv));
	if (err)
		return err;

	msg->op = (enum move_op)op;
	err |= text_get(msg->conference, sizeof(msg->conference), od,
			"conference");
	err |= text_get(msg->from, sizeof(msg->from), od, "from");
	err |= text_get(msg->to, sizeof(msg->to), od, "to");
	err |= text_get(msg->link, sizeof(msg->link), od, "link");
	err |= text_get(msg->callid, sizeof(msg->callid), od, "callid");
	err |= number_get(&msg->id, od, "id");
	err |= number_get(&msg->participants, od, "participants");
	err |= flag_get(&msg->abort, od, "abort");
	err |= flag_get(&msg->merge, od, "merge");
	err |= flag_get(&msg->punt, od, "punt");
	err |= object_get(&msg->room, od, "room");
	err |= object_get(&msg->seat, od, "seat");
	err |= object_get(&msg->texts, od, "texts");
	err |= object_get(&msg->users, od, "users");
	if (err)
		return EBADMSG;

	if (!name_valid(msg->conference, strlen(msg->conference),
			sizeof(msg->conference)) ||
	    !name_valid(msg->from, strlen(msg->from), sizeof(msg->from)))
		return EBADMSG;

	switch (msg->op) {

	case MOVE_BEGIN: return msg->room ? 0 : EBADMSG;
	case MOVE_SEAT:  return msg->seat && msg->callid[0] ? 0 : EBADMSG;
	case MOVE_GONE:  return msg->callid[0] ? 0 : EBADMSG;
	case MOVE_TEXT:  return msg->texts && msg->callid[0] ? 0 : EBADMSG;
	case MOVE_SHARE: return msg->texts || msg->users ? 0 : EBADMSG;
	default:         return 0;
	}
}


/**
 * Write a reply
 *
 * @param odp Set to the object, owned by the caller
 * @param r   Reply
 *
 * @return 0 if success; EINVAL; ENOMEM
 */
int move_reply_encode(struct odict **odp, const struct move_reply *r)
{
	struct odict *od;
	int err;

	if (!odp || !r || r->error > MOVE_OUT)
		return EINVAL;

	err = odict_alloc(&od, 8);
	if (err)
		return err;

	err  = text_add(od, "error", errorv[r->error]);
	err |= text_add(od, "reason", r->reason);
	err |= text_add(od, "link", r->link);
	err |= text_add(od, "contact", r->contact);
	err |= number_add(od, "scode", r->scode);
	err |= number_add(od, "cseq", r->cseq);

	if (err) {
		mem_deref(od);
		return ENOMEM;
	}

	*odp = od;

	return 0;
}


/**
 * Read a reply
 *
 * @param r  Reply
 * @param od Object
 *
 * @return 0 if success; EBADMSG if it makes no sense
 */
int move_reply_decode(struct move_reply *r, const struct odict *od)
{
	unsigned error;
	int err;

	if (!r || !od)
		return EINVAL;

	memset(r, 0, sizeof(*r));

	err = word_get(&error, od, "error", errorv, ARRAY_SIZE(errorv));
	if (err)
		return err;

	r->error = (enum move_error)error;
	err |= text_get(r->reason, sizeof(r->reason), od, "reason");
	err |= text_get(r->link, sizeof(r->link), od, "link");
	err |= text_get(r->contact, sizeof(r->contact), od, "contact");
	err |= number_get(&r->scode, od, "scode");
	err |= number_get(&r->cseq, od, "cseq");

	return err ? EBADMSG : 0;
}


/**
 * What a reply says, in a word
 *
 * @param error Error
 *
 * @return Word
 */
const char *move_error_name(enum move_error error)
{
	return error <= MOVE_OUT ? errorv[error] : "?";
}
