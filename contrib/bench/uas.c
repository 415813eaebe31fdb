/* What a caller answers when the server asks: in its dialog BYE, re-INVITE,
 * UPDATE and REFER, and at any time OPTIONS, NOTIFY, MESSAGE and INFO.
 *
 * The server may be another one than the call began with: who can continue
 * the dialog is the server. Its requests lead to a new target, its offer to
 * new media (RFC 3261 section 12.2.1.2). */
#include <string.h>
#include "calls.h"


struct request {
	struct calls *cs;
	struct call *c;         /* the call it is about, may be NULL */
	struct dialog *d;       /* its dialog */
	uint32_t i;             /* its number */
	const struct msg *m;
	const struct sockaddr_in *src;
};


static void reply(const struct request *r, int code, const char *reason,
		  const char *contact, const char *body)
{
	struct wbuf w = {calls_buf(r->cs), 0, DGRAM_MAX, false};

	reply_write(&w, r->m, code, reason, contact, body);
	if (!w.full)
		calls_push(r->cs, r->c, w.n, r->src);
}


static void none(const struct request *r)
{
	reply(r, 481, "Call Does Not Exist", NULL, NULL);
}


/* Requests of a dialog are numbered upwards (RFC 3261 section 12.2.2); a
 * copy of the last one is answered again. */
static bool in_order(const struct request *r)
{
	if (r->m->cseq < r->d->rcseq) {
		++r->c->disorder;
		reply(r, 500, "CSeq Out of Order", NULL, NULL);
		return false;
	}

	r->d->rcseq = r->m->cseq;

	return true;
}


/* The server moves the media, refreshes the session, or is another server
 * from now on: it gets the same description again. */
static void reinvite(const struct request *r)
{
	char sdp[600] = "", contact[64];
	struct wbuf b = {sdp, 0, sizeof(sdp), false};
	struct str uri;

	if (!r->c || r->d != &r->c->d || r->c->state != CALL_UP) {
		none(r);
		return;
	}

	if (str_is(&r->m->method, "INVITE") &&
	    r->i * 37 % 100 < r->cs->o->stubborn) {
		reply(r, 488, "Not Acceptable Here", NULL, NULL);
		return;
	}

	if (!str_uri(&uri, &r->m->contact))
		target_set(r->cs, r->d, &uri);
	if (r->m->body.l)
		call_media(r->cs, r->c, &r->m->body);
	call_contact(r->cs, r->i, contact, sizeof(contact));
	if (r->m->body.l || str_is(&r->m->method, "INVITE"))
		call_sdp(r->cs, r->i, &b);

	reply(r, 200, "OK", contact, b.n ? sdp : NULL);
}


static void refer(const struct request *r)
{
	char contact[64];

	if (!r->c || r->c->state == CALL_BYE || r->c->state == CALL_DONE) {
		none(r);
		return;
	}

	/* what it asks for happens after it was promised */
	call_contact(r->cs, r->i, contact, sizeof(contact));
	reply(r, 202, "Accepted", contact, NULL);
	if (r->d == &r->c->d && call_refer(r->cs, r->i, &r->m->referto))
		++r->c->disorder;
}


static void bye(const struct request *r)
{
	if (!r->c || r->c->state == CALL_IDLE) {
		none(r);
		return;
	}

	reply(r, 200, "OK", NULL, NULL);
	if (r->d == r->c->old)
		old_ended(r->cs, r->c);
	else if (r->c->state == CALL_UP)
		call_ended(r->cs, r->c, 3);
	else if (r->c->state == CALL_BYE)
		call_ended(r->cs, r->c, 0);
}


/**
 * Answer a request of the server
 *
 * @param cs  Callers
 * @param m   The request
 * @param src Where it came from
 */
void calls_request(struct calls *cs, const struct msg *m,
		   const struct sockaddr_in *src)
{
	struct request r = {cs, NULL, NULL, 0, m, src};

	if (str_is(&m->method, "ACK"))
		return;

	r.c = calls_find(cs, &m->callid, &r.i, &r.d);
	if (r.c && !in_order(&r))
		return;

	if (str_is(&m->method, "BYE"))
		bye(&r);
	else if (str_is(&m->method, "INVITE") ||
		 str_is(&m->method, "UPDATE"))
		reinvite(&r);
	else if (str_is(&m->method, "REFER"))
		refer(&r);
	else if (str_is(&m->method, "OPTIONS") ||
		 str_is(&m->method, "NOTIFY") ||
		 str_is(&m->method, "MESSAGE") ||
		 str_is(&m->method, "INFO"))
		reply(&r, 200, "OK", NULL, NULL);
	else
		reply(&r, 405, "Method Not Allowed", NULL, NULL);
}
