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
static void request_begin(struct calls *cs, uint32_t i, uint32_t gen,
			  struct wbuf *w, const char *method,
			  const char *ruri, const char *branch, uint32_t cseq)
{
	char me[32];

	own_addr(cs, i, me, sizeof(me));
	wbuf_add(w, "%s %s SIP/2.0\r\n"
		 "Via: SIP/2.0/UDP %s;branch=z9hG4bK%08x-%u-%u-%s%u;rport\r\n"
		 "Max-Forwards: 70\r\n"
		 "From: \"b%u\" <sip:b%u@%s>;tag=%08x%x\r\n",
		 method, ruri, me, cs->run, i, gen, branch, cseq,
		 i, i, me, cs->run, i);
}


static void request_end(const struct calls *cs, uint32_t i, uint32_t gen,
			struct wbuf *w, const char *method, uint32_t cseq)
{
	wbuf_add(w, "Call-ID: %08x-%u-%u@bench\r\n"
		 "CSeq: %u %s\r\n",
		 cs->run, i, gen, cseq, method);
}


/** Send the INVITE of a call, or send it again */
void invite_send(struct calls *cs, uint32_t i)
{
	struct call *c = &cs->callv[i];
	const struct dialog *d = &c->d;
	struct wbuf w = {calls_buf(cs), 0, DGRAM_MAX, false};
	char sdp[600], contact[64];
	struct wbuf b = {sdp, 0, sizeof(sdp), false};

	call_sdp(cs, i, &b);
	call_contact(cs, i, contact, sizeof(contact));

	request_begin(cs, i, d->gen, &w, "INVITE", d->ruri, "i", d->cseq);
	wbuf_add(&w, "To: <%s>\r\n", c->conf);
	request_end(cs, i, d->gen, &w, "INVITE", d->cseq);
	wbuf_add(&w, "%sContact: <%s>\r\n"
		 "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, NOTIFY, MESSAGE, "
		 "UPDATE, INFO, REFER\r\n"
		 "Supported: replaces\r\n"
		 "Content-Type: application/sdp\r\n"
		 "Content-Length: %zu\r\n\r\n%s", c->replaces, contact,
		 b.n, sdp);
	if (!w.full)
		calls_push(cs, c, w.n, &d->dst);
}


/* The ACK of a refusal belongs to the INVITE's transaction; it can come
 * late, when the call has followed a redirection already. */
static void ack_refusal(struct calls *cs, uint32_t i, const struct msg *m,
			const struct sockaddr_in *src)
{
	const struct call *c = &cs->callv[i];
	const struct dialog *d = &c->d;
	struct wbuf w = {calls_buf(cs), 0, DGRAM_MAX, false};
	const bool current = m->cseq == d->cseq;

	request_begin(cs, i, d->gen, &w, "ACK", current ? d->ruri : c->conf,
		      "i", m->cseq);
	wbuf_add(&w, "To: ");
	wbuf_str(&w, &m->to);
	wbuf_add(&w, "\r\n");
	request_end(cs, i, d->gen, &w, "ACK", m->cseq);
	wbuf_add(&w, "Content-Length: 0\r\n\r\n");
	if (!w.full)
		calls_push(cs, c, w.n, current ? &d->dst : src);
}


static void cancel_send(struct calls *cs, uint32_t i)
{
	const struct call *c = &cs->callv[i];
	const struct dialog *d = &c->d;
	struct wbuf w = {calls_buf(cs), 0, DGRAM_MAX, false};

	request_begin(cs, i, d->gen, &w, "CANCEL", d->ruri, "i", d->cseq);
	wbuf_add(&w, "To: <%s>\r\n", c->conf);
	request_end(cs, i, d->gen, &w, "CANCEL", d->cseq);
	wbuf_add(&w, "Content-Length: 0\r\n\r\n");
	if (!w.full)
		calls_push(cs, c, w.n, &d->dst);
}


/**
 * Send a request of a dialog: the ACK of a 200, BYE, NOTIFY
 *
 * @param cs     Callers
 * @param i      Whose it is
 * @param d      Its dialog
 * @param method Method
 * @param cseq   Its number
 * @param more   Headers of its own, and the body; NULL for neither
 */
void dialog_send(struct calls *cs, uint32_t i, const struct dialog *d,
		 const char *method, uint32_t cseq, const char *more)
{
	const struct call *c = &cs->callv[i];
	struct wbuf w = {calls_buf(cs), 0, DGRAM_MAX, false};

	request_begin(cs, i, d->gen, &w, method, d->ruri,
		      *method == 'A' ? "a" : "b", cseq);
	wbuf_add(&w, "%sTo: <%s>;tag=%s\r\n", d->route, c->conf, d->totag);
	request_end(cs, i, d->gen, &w, method, cseq);
	wbuf_add(&w, "%s", more ? more : "Content-Length: 0\r\n\r\n");
	if (!w.full)
		calls_push(cs, c, w.n, &d->dst);
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
	if (refer_ended(cs, c, code))
		return;

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
 * @param to   Server that is asked first
 * @param part Its media, NULL for none
 *
 * @return 0 if success, EBUSY if it is in a call, EINVAL if the URI is long
 */
int call_start(struct calls *cs, uint32_t i, const char *conf,
	       const struct sockaddr_in *to, struct part *part)
{
	struct call *c = &cs->callv[i];
	const uint32_t gen = c->gens + 1;
	const int64_t now = now_ns();

	if (c->state != CALL_IDLE && c->state != CALL_DONE)
		return EBUSY;

	free(c->old);
	memset(c, 0, sizeof(*c));
	c->gens = c->d.gen = gen;
	c->part = part;
	c->addr = part ? part->addr :
		ntohl(sockio_addr(cs->io)->sin_addr.s_addr);
	if (snprintf(c->conf, sizeof(c->conf), "%s", conf) >=
	    (int)sizeof(c->conf))
		return EINVAL;

	memcpy(c->d.ruri, c->conf, sizeof(c->conf));
	c->d.dst = *to;
	c->state = CALL_INVITE;
	c->d.cseq = 1;
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
	dialog_send(cs, i, &c->d, "BYE", ++c->d.cseq, NULL);
}


/**
 * Go on with another target, if it is a place we may talk to
 *
 * @param cs  Callers
 * @param d   Dialog
 * @param uri Where to: a Contact
 */
void target_set(const struct calls *cs, struct dialog *d,
		const struct str *uri)
{
	struct sockaddr_in dst;

	if (uri->l >= sizeof(d->ruri) || uri_addr(&dst, uri) ||
	    addr_allowed(&dst, cs->o->foreign))
		return;

	memcpy(d->ruri, uri->p, uri->l);
	d->ruri[uri->l] = '\0';
	if (!d->route[0])
		d->dst = dst;
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
	    uri.l >= sizeof(c->d.ruri) || uri_addr(&dst, &uri) ||
	    addr_allowed(&dst, cs->o->foreign)) {
		call_ended(cs, c, 2);
		return;
	}

	target_set(cs, &c->d, &uri);
	++c->d.cseq;
	c->ival = T1;
	c->next = now + c->ival;
	invite_send(cs, i);
}


/* The route set is the Record-Route of the answer, last one first
 * (RFC 3261 section 12.1.2); loose routers only. */
static int routes_take(struct calls *cs, struct dialog *d,
		       const struct msg *m)
{
	struct wbuf w = {d->route, 0, sizeof(d->route), false};
	struct str uri;

	d->route[0] = '\0';
	for (size_t k = m->routec; k-- > 0;) {
		wbuf_add(&w, "Route: ");
		wbuf_str(&w, &m->routev[k]);
		wbuf_add(&w, "\r\n");
	}
	if (m->routec && !str_uri(&uri, &m->routev[m->routec - 1])) {
		struct sockaddr_in hop;

		if (!uri_addr(&hop, &uri) &&
		    !addr_allowed(&hop, cs->o->foreign))
			d->dst = hop;
	}

	return w.full ? EOVERFLOW : 0;
}


/** Take the server's media address from its SDP, if it makes sense */
void call_media(struct calls *cs, struct call *c, const struct str *body)
{
	struct sdp_answer a;

	if (sdp_parse(&a, body, cs->o->codec) ||
	    addr_allowed(&a.media, cs->o->foreign))
		return;

	if (c->media.sin_port &&
	    (c->media.sin_port != a.media.sin_port ||
	     c->media.sin_addr.s_addr != a.media.sin_addr.s_addr))
		++c->moves;
	c->media = a.media;
	if (c->part)
		part_connect(c->part, &a.media, a.pt);
}


static void call_answered(struct calls *cs, uint32_t i, const struct msg *m)
{
	struct call *c = &cs->callv[i];
	struct dialog *d = &c->d;
	struct sdp_answer a;
	struct str uri, tag;
	int err;

	if (!c->old)
		c->setup = (double)(now_ns() - c->started) / 1e9;
	if (str_param(&tag, &m->to, "tag") || tag.l >= sizeof(d->totag)) {
		call_ended(cs, c, 2);
		return;
	}
	memcpy(d->totag, tag.p, tag.l);
	d->totag[tag.l] = '\0';

	if (!str_uri(&uri, &m->contact))
		target_set(cs, d, &uri);
	err = routes_take(cs, d, m);

	c->state = CALL_UP;
	c->next = 0;
	dialog_send(cs, i, d, "ACK", d->cseq, NULL);

	err |= sdp_parse(&a, &m->body, cs->o->codec);
	if (err || addr_allowed(&a.media, cs->o->foreign)) {
		calls_failure(cs, 2);
		call_bye(cs, i);
		return;
	}
	call_media(cs, c, &m->body);
	c->referred |= c->old != NULL;
	refer_notify(cs, i, 200);
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
	const bool current = m->cseq == c->d.cseq && c->state == CALL_INVITE;

	if (m->code < 200) {
		if (current)
			c->next = 0;    /* stops timer A */
		return;
	}
	if (m->code < 300) {
		if (current)
			call_answered(cs, i, m);
		else if (c->state == CALL_UP && m->cseq == c->d.cseq)
			dialog_send(cs, i, &c->d, "ACK", m->cseq, NULL);
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
		/* a server that has said something is told */
		if (c->state == CALL_INVITE && !c->next)
			cancel_send(cs, i);
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
		dialog_send(cs, i, &c->d, "BYE", c->d.cseq, NULL);
}
