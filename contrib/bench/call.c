/* One call: the INVITE client over UDP (RFC 3261 section 17.1.1), redirection
 * (8.1.3.4), the dialog it makes, and BYE.
 *
 *	IDLE -> INVITE -> UP -> BYE -> DONE
 *	          |  ^302              ^
 *	          |--+                 |
 *	          +--- failed ---------+
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "calls.h"

enum { HOPS_MAX = 5 };

static const int64_t ms = 1000000, second = 1000000000;
#define T1 (500 * ms)
#define T2 (4 * second)


/* The own ADDR:PORT of a caller */
static void own_addr(const struct calls *cs, uint32_t i, char *buf, size_t n)
{
	const struct in_addr a = {htonl(cs->callv[i].addr)};
	char ip[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &a, ip, sizeof(ip));
	snprintf(buf, n, "%s:%u", ip, ntohs(sockio_addr(cs->io)->sin_port));
}


/** Write the own Contact URI of a caller */
void call_contact(const struct calls *cs, uint32_t i, char *buf, size_t n)
{
	char me[32];

	own_addr(cs, i, me, sizeof(me));
	snprintf(buf, n, "sip:b%u@%s", i, me);
}


/** Write the SDP of a caller */
void call_sdp(const struct calls *cs, uint32_t i, struct wbuf *w)
{
	const struct call *c = &cs->callv[i];
	struct sockaddr_in media = *sockio_addr(cs->io);

	if (c->part) {
		media.sin_addr.s_addr = htonl(c->part->addr);
		media.sin_port = htons(c->part->port);
	}
	else
		media.sin_port = htons(9);      /* discard */

	sdp_write(w, cs->o, &media, i + 1);
}


/* A request of call i within or before its dialog. The branch follows from
 * the CSeq, so that a retransmission and the ACK of a refusal have it too. */
static void request_begin(struct calls *cs, uint32_t i, struct wbuf *w,
			  const char *method, const char *ruri,
			  const char *branch, uint32_t cseq)
{
	const struct call *c = &cs->callv[i];
	char me[32];

	own_addr(cs, i, me, sizeof(me));
	wbuf_add(w, "%s %s SIP/2.0\r\n"
		 "Via: SIP/2.0/UDP %s;branch=z9hG4bK%08x-%u-%u-%s%u;rport\r\n"
		 "Max-Forwards: 70\r\n"
		 "From: \"b%u\" <sip:b%u@%s>;tag=%08x%x\r\n",
		 method, ruri, me, cs->run, i, c->gen, branch, cseq,
		 i, i, me, cs->run, i);
}


static void request_end(struct calls *cs, uint32_t i, struct wbuf *w,
			const char *method, uint32_t cseq)
{
	wbuf_add(w, "Call-ID: %08x-%u-%u@bench\r\n"
		 "CSeq: %u %s\r\n",
		 cs->run, i, cs->callv[i].gen, cseq, method);
}


static void invite_send(struct calls *cs, uint32_t i)
{
	struct call *c = &cs->callv[i];
	struct wbuf w = {calls_buf(cs), 0, DGRAM_MAX, false};
	char sdp[600], contact[64];
	struct wbuf b = {sdp, 0, sizeof(sdp), false};

	call_sdp(cs, i, &b);
	call_contact(cs, i, contact, sizeof(contact));

	request_begin(cs, i, &w, "INVITE", c->ruri, "i", c->cseq);
	wbuf_add(&w, "To: <%s>\r\n", c->conf);
	request_end(cs, i, &w, "INVITE", c->cseq);
	wbuf_add(&w, "Contact: <%s>\r\n"
		 "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, NOTIFY, MESSAGE, "
		 "UPDATE, INFO\r\n"
		 "Content-Type: application/sdp\r\n"
		 "Content-Length: %zu\r\n\r\n%s", contact, b.n, sdp);
	if (!w.full)
		calls_push(cs, c, w.n, &c->dst);
}


/* The ACK of a refusal belongs to the INVITE's transaction; it can come
 * late, when the call has followed a redirection already. */
static void ack_refusal(struct calls *cs, uint32_t i, const struct msg *m,
			const struct sockaddr_in *src)
{
	const struct call *c = &cs->callv[i];
	struct wbuf w = {calls_buf(cs), 0, DGRAM_MAX, false};
	const bool current = m->cseq == c->cseq;

	request_begin(cs, i, &w, "ACK", current ? c->ruri : c->conf, "i",
		      m->cseq);
	wbuf_add(&w, "To: ");
	wbuf_str(&w, &m->to);
	wbuf_add(&w, "\r\n");
	request_end(cs, i, &w, "ACK", m->cseq);
	wbuf_add(&w, "Content-Length: 0\r\n\r\n");
	if (!w.full)
		calls_push(cs, c, w.n, current ? &c->dst : src);
}


/* ACK of a 200, and BYE: requests of the dialog. */
static void dialog_send(struct calls *cs, uint32_t i, const char *method,
			uint32_t cseq)
{
	const struct call *c = &cs->callv[i];
	struct wbuf w = {calls_buf(cs), 0, DGRAM_MAX, false};

	request_begin(cs, i, &w, method, c->ruri,
		      *method == 'A' ? "a" : "b", cseq);
	wbuf_add(&w, "%sTo: <%s>;tag=%s\r\n", c->route, c->conf, c->totag);
	request_end(cs, i, &w, method, cseq);
	wbuf_add(&w, "Content-Length: 0\r\n\r\n");
	if (!w.full)
		calls_push(cs, c, w.n, &c->dst);
}


/**
 * A call is over
 *
 * @param cs   Callers
 * @param c    The call
 * @param code 0 if as wanted, a SIP code, or 1 for no answer, 2 for an
 *             answer that makes no sense
 */
void call_ended(struct calls *cs, struct call *c, int code)
{
	if (c->part)
		part_disconnect(c->part);

	c->state = CALL_DONE;
	c->next = 0;
	c->code = code;
	if (code) {
		calls_failure(cs, code);
	}
}


/**
 * Call a conference
 *
 * @param cs   Callers
 * @param i    Which of them
 * @param conf Conference URI
 * @param part Its media, NULL for none
 *
 * @return 0 if success, EBUSY if it is in a call, EINVAL if the URI is long
 */
int call_start(struct calls *cs, uint32_t i, const char *conf,
	       struct part *part)
{
	struct call *c = &cs->callv[i];
	const uint32_t gen = c->gen + 1;
	const int64_t now = now_ns();

	if (c->state != CALL_IDLE && c->state != CALL_DONE)
		return EBUSY;

	memset(c, 0, sizeof(*c));
	c->gen = gen;
	c->part = part;
	c->addr = part ? part->addr :
		ntohl(sockio_addr(cs->io)->sin_addr.s_addr);
	if (snprintf(c->conf, sizeof(c->conf), "%s", conf) >=
	    (int)sizeof(c->conf))
		return EINVAL;

	memcpy(c->ruri, c->conf, sizeof(c->conf));
	c->first = c->dst = cs->o->to;
	c->state = CALL_INVITE;
	c->cseq = 1;
	c->started = now;
	c->ival = T1;
	c->next = now + c->ival;
	c->limit = now + cs->o->timeout * second;
	invite_send(cs, i);

	return 0;
}


/**
 * Hang up: at once, or when the call is answered
 *
 * @param cs Callers
 * @param i  Which of them
 */
void call_bye(struct calls *cs, uint32_t i)
{
	struct call *c = &cs->callv[i];
	const int64_t now = now_ns();

	if (c->state == CALL_INVITE)
		c->hangup = true;
	if (c->state != CALL_UP)
		return;

	if (c->part)
		part_disconnect(c->part);
	c->state = CALL_BYE;
	c->ival = T1;
	c->next = now + c->ival;
	c->limit = now + cs->o->timeout * second;
	dialog_send(cs, i, "BYE", ++c->cseq);
}


/* 3xx: go on at the Contact (RFC 3261 section 8.1.3.4). */
static void redirect_follow(struct calls *cs, uint32_t i,
			    const struct msg *m)
{
	struct call *c = &cs->callv[i];
	struct sockaddr_in dst;
	const int64_t now = now_ns();
	struct str uri;

	if (++c->hops > HOPS_MAX || str_uri(&uri, &m->contact) ||
	    uri.l >= sizeof(c->ruri) || uri_addr(&dst, &uri) ||
	    addr_allowed(&dst, cs->o->foreign)) {
		call_ended(cs, c, 2);
		return;
	}

	memcpy(c->ruri, uri.p, uri.l);
	c->ruri[uri.l] = '\0';
	c->dst = dst;
	++c->cseq;
	c->ival = T1;
	c->next = now + c->ival;
	invite_send(cs, i);
}


/* The route set is the Record-Route of the answer, last one first
 * (RFC 3261 section 12.1.2); loose routers only. */
static int routes_take(struct calls *cs, struct call *c,
		       const struct msg *m)
{
	struct wbuf w = {c->route, 0, sizeof(c->route), false};
	struct str uri;

	c->route[0] = '\0';
	for (size_t k = m->routec; k-- > 0;) {
		wbuf_add(&w, "Route: ");
		wbuf_str(&w, &m->routev[k]);
		wbuf_add(&w, "\r\n");
	}
	if (m->routec && !str_uri(&uri, &m->routev[m->routec - 1])) {
		struct sockaddr_in hop;

		if (!uri_addr(&hop, &uri) &&
		    !addr_allowed(&hop, cs->o->foreign))
			c->dst = hop;
	}

	return w.full ? EOVERFLOW : 0;
}


/** Take the server's media address from its SDP, if it makes sense */
void call_media(struct calls *cs, struct call *c, const struct str *body)
{
	struct sdp_answer a;

	if (c->part && !sdp_parse(&a, body, cs->o->codec) &&
	    !addr_allowed(&a.media, cs->o->foreign))
		part_connect(c->part, &a.media, a.pt);
}


static void call_answered(struct calls *cs, uint32_t i, const struct msg *m)
{
	struct call *c = &cs->callv[i];
	struct sockaddr_in dst;
	struct sdp_answer a;
	struct str uri, tag;
	int err;

	c->setup = (double)(now_ns() - c->started) / 1e9;
	if (str_param(&tag, &m->to, "tag") || tag.l >= sizeof(c->totag)) {
		call_ended(cs, c, 2);
		return;
	}
	memcpy(c->totag, tag.p, tag.l);

	if (!str_uri(&uri, &m->contact) && uri.l < sizeof(c->ruri) &&
	    !uri_addr(&dst, &uri) && !addr_allowed(&dst, cs->o->foreign)) {
		memcpy(c->ruri, uri.p, uri.l);
		c->ruri[uri.l] = '\0';
		c->dst = dst;
	}
	err = routes_take(cs, c, m);

	c->state = CALL_UP;
	c->next = 0;
	dialog_send(cs, i, "ACK", c->cseq);

	err |= sdp_parse(&a, &m->body, cs->o->codec);
	if (err || addr_allowed(&a.media, cs->o->foreign)) {
		calls_failure(cs, 2);
		call_bye(cs, i);
		return;
	}
	if (c->part)
		part_connect(c->part, &a.media, a.pt);
	if (c->hangup)
		call_bye(cs, i);
}


/**
 * Go on with an answer to an INVITE
 *
 * @param cs  Callers
 * @param i   Which of them
 * @param m   The answer
 * @param src Where it came from
 */
void call_answer(struct calls *cs, uint32_t i, const struct msg *m,
		 const struct sockaddr_in *src)
{
	struct call *c = &cs->callv[i];
	const bool current = m->cseq == c->cseq && c->state == CALL_INVITE;

	if (m->code < 200) {
		if (current)
			c->next = 0;    /* stops timer A */
		return;
	}
	if (m->code < 300) {
		if (current)
			call_answered(cs, i, m);
		else if (c->state == CALL_UP && m->cseq == c->cseq)
			dialog_send(cs, i, "ACK", m->cseq);
		return;
	}

	ack_refusal(cs, i, m, src);
	if (!current)
		return;
	if (m->code < 400 && m->contact.l)
		redirect_follow(cs, i, m);
	else
		call_ended(cs, c, m->code);
}


/**
 * Retransmit what is due, give up what takes too long. Timers A and E double;
 * E stays at T2 (RFC 3261 section 17.1).
 *
 * @param cs  Callers
 * @param i   Which of them
 * @param now Monotonic time [ns]
 */
void call_timer(struct calls *cs, uint32_t i, int64_t now)
{
	struct call *c = &cs->callv[i];

	if (c->state != CALL_INVITE && c->state != CALL_BYE)
		return;
	if (now >= c->limit) {
		call_ended(cs, c, 1);
		return;
	}
	if (!c->next || now < c->next)
		return;

	c->ival *= 2;
	if (c->state == CALL_BYE && c->ival > T2)
		c->ival = T2;
	c->next = now + c->ival;
	++cs->retrans;
	if (c->state == CALL_INVITE)
		invite_send(cs, i);
	else
		dialog_send(cs, i, "BYE", c->cseq);
}
