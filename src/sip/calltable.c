/**
 * @file calltable.c  Which calls there are: by the id of their dialog, and by
 *                    Call-ID
 */
#include <string.h>
#include <re.h>
#include "sip/call.h"
#include "sip/proxy.h"
#include "sip/call_int.h"


static void destructor(void *arg)
{
	struct sipcall *call = arg;

	while (call->waitl) {
		struct wire *w = call->waitl;

		call->waitl = w->next;
		wire_free(w);
	}

	hash_unlink(&call->he);
	hash_unlink(&call->ce);
	mem_deref(call->callid);
	mem_deref(call->ltag);
	mem_deref(call->rtag);
}


/**
 * Make a stand-in for a dialog; the table holds the reference
 *
 * @param callp  Set to the call, not a reference
 * @param calls  Tables
 * @param ag     Agent that has the dialog
 * @param id     Of the dialog
 * @param callid Call-ID
 * @param type   What it began with
 *
 * @return 0 or errno
 */
int sipcall_alloc(struct sipcall **callp, struct calls *calls,
		  struct agent *ag, uint64_t id, const char *callid,
		  enum wire_type type)
{
	struct sipcall *call;
	int err;

	call = mem_zalloc(sizeof(*call), destructor);
	if (!call)
		return ENOMEM;

	err = str_dup(&call->callid, callid);
	if (err) {
		mem_deref(call);
		return err;
	}

	call->ag   = ag;
	call->id   = id;
	call->type = type;
	hash_append(calls->idh, (uint32_t)id, &call->he, call);
	hash_append(calls->callidh, hash_joaat_str(callid), &call->ce, call);

	*callp = call;

	return 0;
}


static bool id_h(struct le *le, void *arg)
{
	const struct sipcall *call = le->data;
	const uint64_t *id = arg;

	return call->id == *id;
}


/**
 * Find a call
 *
 * @param calls Tables
 * @param id    Of its dialog
 *
 * @return Call, or NULL
 */
struct sipcall *sipcall_find(const struct calls *calls, uint64_t id)
{
	return list_ledata(hash_lookup(calls->idh, (uint32_t)id, id_h, &id));
}


struct find {
	const char *callid;
	const char *ltag;
	bool subscription;
};


static bool callid_h(struct le *le, void *arg)
{
	const struct sipcall *call = le->data;
	const struct find *f = arg;

	return !strcmp(call->callid, f->callid) &&
		(call->type == WIRE_SUBSCRIBE) == f->subscription &&
		(!f->ltag || !call->ltag ||
		 !str_casecmp(call->ltag, f->ltag)) &&
		call->type != WIRE_TEXT_OUT;
}


/**
 * Find a call
 *
 * @param calls        Tables
 * @param callid       Call-ID
 * @param ltag         Local tag, or NULL: any; that of a call may not be known
 * @param subscription A subscription, not a call
 *
 * @return Call, or NULL
 */
struct sipcall *sipcall_find_callid(const struct calls *calls,
				    const char *callid, const char *ltag,
				    bool subscription)
{
	struct find f = {callid, ltag, subscription};

	return list_ledata(hash_lookup(calls->callidh,
				       hash_joaat_str(callid), callid_h, &f));
}


/**
 * The dialog of a call is on its way to the signalling thread: what is asked
 * of it waits until the thread has it
 *
 * @param call Call, its id is a token
 */
void sipcall_adopting(struct sipcall *call)
{
	call->adopting = true;
	call->answered = true;
}


/**
 * The signalling thread has the dialog of a call
 *
 * @param call  Call, or NULL
 * @param calls Tables
 * @param id    Of the dialog
 */
void sipcall_adopted(struct sipcall *call, struct calls *calls, uint64_t id)
{
	if (!call)
		return;

	call->adopting = false;
	call->id       = id;
	hash_unlink(&call->he);
	hash_append(calls->idh, (uint32_t)id, &call->he, call);

	while (call->waitl) {
		struct wire *w = call->waitl;

		call->waitl = w->next;
		w->id = id;
		agent_push(call->ag, w);
	}

	if (call->released)
		sipcall_detach(call);
}


/**
 * Remember the tags of the dialog: it is established
 *
 * @param call Call
 * @param ltag Local tag
 * @param rtag Remote tag, or NULL
 *
 * @return 0 or errno
 */
int sipcall_tags_set(struct sipcall *call, const char *ltag, const char *rtag)
{
	call->ltag = mem_deref(call->ltag);
	call->rtag = mem_deref(call->rtag);

	return str_dup(&call->ltag, ltag ? ltag : "") |
		str_dup(&call->rtag, rtag ? rtag : "");
}


/**
 * Are these the tags of the dialog?
 *
 * @param call Call
 * @param ltag Local tag
 * @param rtag Remote tag
 *
 * @return true if so; false while they are not known
 */
bool sipcall_tags_are(const struct sipcall *call, const char *ltag,
		      const char *rtag)
{
	return call->ltag && call->rtag && !str_casecmp(call->ltag, ltag) &&
		!str_casecmp(call->rtag, str_isset(call->rtag) ? rtag : "");
}


/**
 * The dialog is gone: forget the way to it, and drop the table's reference
 *
 * @param call Call
 */
void sipcall_detach(struct sipcall *call)
{
	if (!call->ag)
		return;

	call->ag = NULL;
	hash_unlink(&call->he);
	hash_unlink(&call->ce);
	mem_deref(call);
}


/**
 * Id of the dialog
 *
 * @param call Call
 *
 * @return Id
 */
uint64_t sipcall_id(const struct sipcall *call)
{
	return call->id;
}


/**
 * Call-ID of the dialog
 *
 * @param call Call
 *
 * @return Call-ID, which lives as long as the call
 */
const char *sipcall_callid(const struct sipcall *call)
{
	return call->callid;
}
