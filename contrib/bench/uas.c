/* What a caller answers when the server asks: in its dialog BYE, re-INVITE
 * and UPDATE, and at any time OPTIONS, NOTIFY, MESSAGE and INFO. */
#include <string.h>
#include "bench.h"


static void reply(struct calls *cs, const struct msg *m, int code,
		  const char *reason, const char *contact, const char *body,
		  const struct sockaddr_in *src)
{
	struct sockio *io = calls_io(cs);
	struct wbuf w = {sockio_buf(io), 0, DGRAM_MAX, false};

	reply_write(&w, m, code, reason, contact, body);
	if (!w.full)
		sockio_push(io, w.n, src);
}


/* The server moves the media or refreshes the session (RFC 3261 section 14,
 * RFC 4028): it gets the same description again. */
static void reinvite(struct calls *cs, uint32_t i, struct call *c,
		     const struct msg *m, const struct sockaddr_in *src)
{
	char sdp[600] = "", contact[64];
	struct wbuf b = {sdp, 0, sizeof(sdp), false};

	if (m->body.l)
		call_media(cs, c, &m->body);
	call_contact(cs, i, contact, sizeof(contact));
	if (m->body.l || str_is(&m->method, "INVITE"))
		call_sdp(cs, i, &b);

	reply(cs, m, 200, "OK", contact, b.n ? sdp : NULL, src);
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
	struct call *c;
	uint32_t i;

	if (str_is(&m->method, "ACK"))
		return;

	c = calls_find(cs, &m->callid, &i);

	if (str_is(&m->method, "BYE")) {
		if (!c || c->state == CALL_IDLE) {
			reply(cs, m, 481, "Call Does Not Exist", NULL, NULL,
			      src);
			return;
		}
		reply(cs, m, 200, "OK", NULL, NULL, src);
		if (c->state == CALL_UP)
			call_ended(cs, c, 3);
		else if (c->state == CALL_BYE)
			call_ended(cs, c, 0);
	}
	else if (str_is(&m->method, "INVITE") ||
		 str_is(&m->method, "UPDATE")) {
		if (c && c->state == CALL_UP)
			reinvite(cs, i, c, m, src);
		else
			reply(cs, m, 481, "Call Does Not Exist", NULL, NULL,
			      src);
	}
	else if (str_is(&m->method, "OPTIONS") ||
		 str_is(&m->method, "NOTIFY") ||
		 str_is(&m->method, "MESSAGE") ||
		 str_is(&m->method, "INFO"))
		reply(cs, m, 200, "OK", NULL, NULL, src);
	else
		reply(cs, m, 405, "Method Not Allowed", NULL, NULL, src);
}
