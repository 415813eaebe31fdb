/* REFER with Replaces (RFC 3515, 3891): the server sends a caller to another
 * one. The caller calls there with a dialog of its own while the old one goes
 * on, tells the old server what came of it, and lets it say BYE.
 *
 *	old server		caller			new server
 *	   |-- REFER ------------>|                        |
 *	   |<------- 202, NOTIFY -|                        |
 *	   |                      |-- INVITE, Replaces --->|
 *	   |                      |<---------------- 200 --|
 *	   |<-------- NOTIFY 200 -|-- ACK ---------------->|
 *	   |-- BYE (either) ----->|<---------------- BYE --|
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "calls.h"

static const int64_t ms = 1000000, second = 1000000000;
#define T1 (500 * ms)


static int hex(char ch)
{
	if (isdigit((unsigned char)ch))
		return ch - '0';

	return isxdigit((unsigned char)ch) ?
		tolower((unsigned char)ch) - 'a' + 10 : -1;
}


/* "?Replaces=..." of a URI: its characters are escaped, and nothing that
 * could begin another header may come out. */
static int replaces_get(char *out, size_t n, const struct str *headers)
{
	static const char name[] = "Replaces=";
	const char *p = headers->p, *end = p + headers->l;
	size_t k;

	while (p < end && strncasecmp(p, name, sizeof(name) - 1)) {
		p = memchr(p, '&', (size_t)(end - p));
		p = p ? p + 1 : end;
	}
	if (p >= end)
		return ENOENT;

	k = (size_t)snprintf(out, n, "Replaces: ");
	for (p += sizeof(name) - 1; p < end && *p != '&'; p++) {
		char ch = *p;

		if (ch == '%' && end - p > 2 && hex(p[1]) >= 0 &&
		    hex(p[2]) >= 0) {
			ch = (char)(hex(p[1]) << 4 | hex(p[2]));
			p += 2;
		}
		if (!isprint((unsigned char)ch) || k + 3 >= n)
			return EBADMSG;
		out[k++] = ch;
	}
	memcpy(out + k, "\r\n", 3);

	return 0;
}


/**
 * Do as the server wishes: call somebody else in place of this call
 *
 * @param cs      Callers
 * @param i       Who
 * @param referto Refer-To header
 *
 * @return 0 if it is on its way, otherwise errorcode and nothing changed
 */
int call_refer(struct calls *cs, uint32_t i, const struct str *referto)
{
	struct call *c = &cs->callv[i];
	const int64_t now = now_ns();
	struct str uri, headers;
	struct sockaddr_in dst;
	const char *q;

	if (c->state != CALL_UP || c->old)
		return EBUSY;
	if (str_uri(&uri, referto))
		return EBADMSG;

	q = memchr(uri.p, '?', uri.l);
	if (!q)
		return ENOTSUP;
	headers = (struct str){q + 1, (size_t)(uri.p + uri.l - q - 1)};
	uri.l = (size_t)(q - uri.p);
	if (uri.l >= sizeof(c->d.ruri) || uri_addr(&dst, &uri) ||
	    addr_allowed(&dst, cs->o->foreign) ||
	    replaces_get(c->replaces, sizeof(c->replaces), &headers))
		return EBADMSG;

	c->old = malloc(sizeof(*c->old));
	if (!c->old)
		return ENOMEM;

	*c->old = c->d;
	memset(&c->d, 0, sizeof(c->d));
	c->d.gen = ++c->gens;
	c->d.cseq = 1;
	target_set(cs, &c->d, &uri);
	c->state = CALL_INVITE;
	c->hops = 0;
	c->ival = T1;
	c->next = now + c->ival;
	c->limit = now + cs->o->timeout * second;
	refer_notify(cs, i, 100);
	invite_send(cs, i);

	return 0;
}


/**
 * Tell the old server how the new call goes (RFC 3515 section 2.4.5)
 *
 * @param cs   Callers
 * @param i    Who
 * @param code Status of the new call
 */
void refer_notify(struct calls *cs, uint32_t i, int code)
{
	struct dialog *d = cs->callv[i].old;
	char more[360], frag[64], contact[64];
	const int n = snprintf(frag, sizeof(frag), "SIP/2.0 %d %s\r\n", code,
			       code < 200 ? "Trying" : code < 300 ? "OK" :
			       "Failed");

	if (!d)
		return;

	call_contact(cs, i, contact, sizeof(contact));
	snprintf(more, sizeof(more), "Contact: <%s>\r\n"
		 "Event: refer\r\nSubscription-State: %s\r\n"
		 "Content-Type: message/sipfrag;version=2.0\r\n"
		 "Content-Length: %d\r\n\r\n%s", contact,
		 code < 200 ? "active;expires=60" :
		 "terminated;reason=noresource", n, frag);
	dialog_send(cs, i, d, "NOTIFY", ++d->cseq, more);
}


/**
 * A call that was to replace another one is over
 *
 * @param cs   Callers
 * @param c    The call
 * @param code Why
 *
 * @return True if the old one goes on in its place
 */
bool refer_ended(struct calls *cs, struct call *c, int code)
{
	const bool pending = c->old && c->state == CALL_INVITE;

	if (pending) {
		refer_notify(cs, (uint32_t)(c - cs->callv),
			     code >= 300 ? code : 487);
		c->d = *c->old;
		c->replaces[0] = '\0';
		c->state = CALL_UP;
		c->next = 0;
	}
	free(c->old);
	c->old = NULL;

	return pending;
}


/**
 * The server has said BYE to the call that is or was to be replaced
 *
 * @param cs Callers
 * @param c  The call
 */
void old_ended(struct calls *cs, struct call *c)
{
	const bool pending = c->state == CALL_INVITE;

	free(c->old);
	c->old = NULL;

	/* the new one has to do without */
	if (pending)
		c->limit = now_ns() + cs->o->timeout * second;
}
