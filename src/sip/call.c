/**
 * @file call.c  Calls and subscriptions: the main thread's stand-ins for
 *               dialogs of the signalling threads
 */
#include <string.h>
#include <re.h>
#include "sip/call.h"
#include "sip/proxy.h"
#include "sip/call_int.h"


/**
 * Attach something to a call
 *
 * @param call Call
 * @param data Whatever, remains the caller's
 */
void sipcall_data_set(struct sipcall *call, void *data)
{
	if (call)
		call->data = data;
}


/**
 * What is attached to a call
 *
 * @param call Call
 *
 * @return As given to sipcall_data_set, or NULL
 */
void *sipcall_data(const struct sipcall *call)
{
	return call ? call->data : NULL;
}


/* What goes into a header must not end its line, nor a quoted string. */
static void header_safe(struct wire *w, enum wire_str ix, bool quote)
{
	char *p = (char *)w->strv[ix];

	for (; p && *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = ' ';
		else if (quote && (*p == '"' || *p == '\\'))
			*p = '\'';
	}
}


static void push(struct sipcall *call, struct wire *w)
{
	struct wire **tail = &call->waitl;

	if (!call->adopting) {
		agent_push(call->ag, w);
		return;
	}

	while (*tail)
		tail = &(*tail)->next;

	*tail = w;
}


static int tell_num(struct sipcall *call, enum wire_type type, uint32_t num,
		    uint16_t scode, bool flag,
		    const char *const strv[WIRE_STRC],
		    const size_t lenv[WIRE_STRC])
{
	struct wire *w;

	if (!call)
		return EINVAL;

	if (!call->ag || call->released)
		return ENOTCONN;

	w = wire_alloc(type, call->id, strv, lenv);
	if (!w)
		return ENOMEM;

	header_safe(w, WIRE_REASON, true);
	header_safe(w, WIRE_CONTACT, false);
	header_safe(w, WIRE_CTYPE, false);
	w->num   = num;
	w->scode = scode;
	w->flag  = flag;
	push(call, w);

	return 0;
}


static int tell(struct sipcall *call, enum wire_type type, uint16_t scode,
		bool flag, const char *const strv[WIRE_STRC],
		const size_t lenv[WIRE_STRC])
{
	return tell_num(call, type, 0, scode, flag, strv, lenv);
}


/* A MESSAGE outside a dialog ends with its answer. */
static void answer_done(struct sipcall *call)
{
	call->answered = true;

	if (call->type == WIRE_TEXT_OUT)
		sipcall_detach(call);
}


/**
 * Accept a join (200 with our SDP), a new offer (likewise), a subscription
 * or a text (without SDP)
 *
 * @param call Call
 * @param sdp  Our SDP; NULL for what has none, or to repeat our last one
 * @param len  Its length [bytes]
 *
 * @return 0 or errno
 */
int sipcall_accept(struct sipcall *call, const char *sdp, size_t len)
{
	const char *strv[WIRE_STRC] = {[WIRE_BODY] = sdp};
	const size_t lenv[WIRE_STRC] = {[WIRE_BODY] = len};
	int err;

	if (call && call->type == WIRE_JOIN && !call->answered && !sdp)
		return EINVAL;

	err = tell(call, WIRE_ACCEPT, 0, false, strv, lenv);
	if (!err)
		answer_done(call);

	return err;
}


/**
 * Refuse a join, a new offer, a subscription or a text
 *
 * @param call   Call
 * @param scode  SIP status, 400 to 699
 * @param reason Reason phrase, or NULL for the usual one
 *
 * @return 0 or errno
 */
int sipcall_reject(struct sipcall *call, uint16_t scode, const char *reason)
{
	const char *strv[WIRE_STRC] = {[WIRE_REASON] = reason};
	int err;

	if (scode < 400 || scode > 699)
		return EINVAL;

	err = tell(call, WIRE_REJECT, scode, false, strv, NULL);
	if (!err)
		answer_done(call);

	return err;
}


/**
 * Send a join elsewhere (302)
 *
 * @param call    Call
 * @param contact Contact header value: where to
 *
 * @return 0 or errno
 */
int sipcall_redirect(struct sipcall *call, const char *contact)
{
	const char *strv[WIRE_STRC] = {[WIRE_CONTACT] = contact};
	int err;

	if (!contact)
		return EINVAL;

	err = tell(call, WIRE_REDIRECT, 302, false, strv, NULL);
	if (!err)
		call->answered = true;

	return err;
}


/**
 * Hang up, or refuse what was not accepted yet; SIPCALL_END follows
 *
 * @param call   Call
 * @param scode  Why: SIP status, or 0
 * @param reason Why, or NULL
 *
 * @return 0 or errno
 */
int sipcall_bye(struct sipcall *call, uint16_t scode, const char *reason)
{
	const char *strv[WIRE_STRC] = {[WIRE_REASON] = reason};

	if (call && !call->answered)
		return sipcall_reject(call, scode >= 400 ? scode : 480,
				      reason);

	return tell(call, WIRE_BYE, scode, false, strv, NULL);
}


/**
 * Offer new media to the other side of a call (re-INVITE); SIPCALL_ANSWER or
 * SIPCALL_REFUSED follows
 *
 * @param call Call
 * @param sdp  Our SDP
 * @param len  Its length [bytes]
 *
 * @return 0 or errno
 */
int sipcall_offer(struct sipcall *call, const char *sdp, size_t len)
{
	const char *strv[WIRE_STRC] = {[WIRE_BODY] = sdp};
	const size_t lenv[WIRE_STRC] = {[WIRE_BODY] = len};

	if (!sdp)
		return EINVAL;

	return tell(call, WIRE_OFFER, 0, false, strv, lenv);
}


/**
 * Send text to the other side of a call (MESSAGE)
 *
 * @param call  Call
 * @param ctype MIME type
 * @param text  Text
 * @param len   Its length [bytes]
 *
 * @return 0 or errno
 */
int sipcall_text(struct sipcall *call, const char *ctype,
		 const char *text, size_t len)
{
	const char *strv[WIRE_STRC] = {
		[WIRE_CTYPE] = ctype,
		[WIRE_BODY]  = text,
	};
	const size_t lenv[WIRE_STRC] = {
		[WIRE_CTYPE] = ctype ? strlen(ctype) : 0,
		[WIRE_BODY]  = len,
	};

	if (!ctype || !text)
		return EINVAL;

	return tell(call, WIRE_SENDTEXT, 0, false, strv, lenv);
}


/**
 * Tell a subscriber who is there (NOTIFY)
 *
 * @param call Subscription that was accepted
 * @param xml  RFC 4575 document, or NULL
 * @param len  Its length [bytes]
 * @param last The subscription ends with it
 *
 * @return 0 or errno
 */
int sipcall_notify(struct sipcall *call, const char *xml, size_t len,
		   bool last)
{
	const char *strv[WIRE_STRC] = {[WIRE_BODY] = xml};
	const size_t lenv[WIRE_STRC] = {[WIRE_BODY] = xml ? len : 0};

	return tell(call, WIRE_NOTIFY, 0, last, strv, lenv);
}


/**
 * Ask the other side whether it is still there (OPTIONS); if it is not,
 * SIPCALL_DEAD follows, else nothing
 *
 * @param call Call
 *
 * @return 0 or errno
 */
int sipcall_probe(struct sipcall *call)
{
	return tell(call, WIRE_PROBE, 0, false, NULL, NULL);
}


/**
 * Trace a call: every message comes as SIPCALL_TRACED
 *
 * @param call Call
 * @param on   Start or stop
 *
 * @return 0 or errno
 */
int sipcall_trace(struct sipcall *call, bool on)
{
	return tell(call, WIRE_TRACE, 0, on, NULL, NULL);
}


/**
 * Have the dialog hold still, and ask for it as text (dialogtext.h). What
 * comes of it is told by SIPCALL_DIALOG: the text, or EAGAIN while the call
 * is being answered, EBUSY if an offer or another request is under way for
 * too long; or SIPCALL_END comes before it.
 *
 * Once it is frozen, a dialog sends nothing by itself. Offers of the phone
 * are answered 491, its other requests as ever. After a minute, or with
 * sipcall_thaw, it goes on.
 *
 * @param call Call or subscription
 *
 * @return 0 or errno
 */
int sipcall_freeze(struct sipcall *call)
{
	return tell(call, WIRE_DIALOG_GET, 0, false, NULL, NULL);
}


/**
 * Ask for the dialog as text, as it is now; it goes on. SIPCALL_DIALOG
 * follows with `sent` set, or SIPCALL_END comes before it
 *
 * @param call Call or subscription
 *
 * @return 0 or errno
 */
int sipcall_peek(struct sipcall *call)
{
	return tell(call, WIRE_DIALOG_GET, 0, true, NULL, NULL);
}


/**
 * Go on with a dialog that was frozen
 *
 * @param call Call or subscription
 * @param cseq Highest CSeq that another server has used in it, 0: none
 *
 * @return 0 or errno
 */
int sipcall_thaw(struct sipcall *call, uint32_t cseq)
{
	return tell_num(call, WIRE_THAW, cseq, 0, false, NULL, NULL);
}


/**
 * Another server has the dialog: forget it, without a word to the phone. No
 * event follows. A re-INVITE of ours that is out is cancelled
 *
 * @param call Call or subscription, ended afterwards
 *
 * @return 0 or errno
 */
int sipcall_release(struct sipcall *call)
{
	int err = tell(call, WIRE_RELEASE, 0, false, NULL, NULL);
	if (err)
		return err;

	/* what has no id yet is released when it gets one */
	if (call->adopting)
		call->released = true;
	else
		sipcall_detach(call);

	return 0;
}


/**
 * Ask the phone to call elsewhere in place of this call (REFER);
 * SIPCALL_REFERRED follows
 *
 * @param call Call
 * @param uri  SIP URI, escaped, without brackets
 *
 * @return 0 or errno
 */
int sipcall_refer(struct sipcall *call, const char *uri)
{
	const char *strv[WIRE_STRC] = {[WIRE_CONTACT] = uri};

	if (!uri)
		return EINVAL;

	return tell(call, WIRE_REFER, 0, false, strv, NULL);
}
