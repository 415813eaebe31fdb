/* What a caller answers when the server asks: in its dialog BYE, re-INVITE
 * and UPDATE, and at any time OPTIONS, NOTIFY, MESSAGE and INFO. */
#include <string.h>
#include "bench.h"


struct request {
	struct calls *cs;
	struct call *c;         /* the call it is about, may be NULL */
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


/* The server moves the media or refreshes the session (RFC 3261 section 14,
 * RFC 4028): it gets the same description again. */
static void reinvite(const struct request *r)
{
	char sdp[600] = "", contact[64];
	struct wbuf b = {sdp, 0, sizeof(sdp), false};

	if (r->m->body.l)
		call_media(r->cs, r->c, &r->m->body);
	call_contact(r->cs, r->i, contact, sizeof(contact));
	if (r->m->body.l || str_is(&r->m->method, "INVITE"))
		call_sdp(r->cs, r->i, &b);

	reply(r, 200, "OK", contact, b.n ? sdp : NULL);
}


static void bye(const struct request *r)
{
	if (!r->c || r->c->state == CALL_IDLE) {
		reply(r, 481, "Call Does Not Exist", NULL, NULL);
		return;
	}

	reply(r, 200, "OK", NULL, NULL);
	if (r->c->state == CALL_UP)
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
	struct request r = {cs, NULL, 0, m, src};

	if (str_is(&m->method, "ACK"))
		return;

	r.c = calls_find(cs, &m->callid, &r.i);

	if (str_is(&m->method, "BYE"))
		bye(&r);
	else if (str_is(&m->method, "INVITE") ||
		 str_is(&m->method, "UPDATE")) {
		if (r.c && r.c->state == CALL_UP)
			reinvite(&r);
		else
			reply(&r, 481, "Call Does Not Exist", NULL, NULL);
	}
	else if (str_is(&m->method, "OPTIONS") ||
		 str_is(&m->method, "NOTIFY") ||
		 str_is(&m->method, "MESSAGE") ||
		 str_is(&m->method, "INFO"))
		reply(&r, 200, "OK", NULL, NULL);
	else
		reply(&r, 405, "Method Not Allowed", NULL, NULL);
}
