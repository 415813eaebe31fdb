/* What a stub does to its calls: has another server take them over, refers
 * them, forgets one. See stub.h. */
#include <string.h>
#include "stub_int.h"

static const int64_t ms = 1000000;


/**
 * Send a request to a caller, from the server that has it
 *
 * @param s      Stub
 * @param l      Its call
 * @param method Method
 * @param more   Headers and body, NULL for neither
 */
void stub_request(struct stub *s, const struct leg *l,
			 const char *method, const char *more)
{
	struct sockio *io = l->moved ? s->sip2 : s->sip;
	struct wbuf w = {sockio_buf(io), 0, DGRAM_MAX, false};

	++s->sent;
	wbuf_add(&w, "%s %s SIP/2.0\r\n"
		 "Via: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bKs%u\r\n"
		 "From: %s;tag=bench\r\nTo: %s\r\nCall-ID: %s\r\n"
		 "CSeq: %u %s\r\n%s", method,
		 l->contact, ntohs(sockio_addr(io)->sin_port), s->sent,
		 l->to, l->from, l->callid,
		 s->event == STUB_BACKWARDS && l->told && s->eventful ? 1 :
		 s->sent + 100, method,
		 more ? more : "Content-Length: 0\r\n\r\n");
	sockio_push(io, w.n, &l->sip);
	sockio_flush(io);
}


/** Write the SDP of a server's side */
void stub_sdp(char *buf, size_t n, const struct sockio *rtp)
{
	snprintf(buf, n, "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\n"
		 "s=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
		 "m=audio %u RTP/AVP 0\r\n",
		 ntohs(sockio_addr(rtp)->sin_port));
}


static void reinvite_send(struct stub *s, struct leg *l)
{
	char sdp[300], more[500];

	stub_sdp(sdp, sizeof(sdp), s->rtp2);
	snprintf(more, sizeof(more), "Contact: <sip:focus@127.0.0.1:%u>\r\n"
		 "Content-Type: application/sdp\r\n"
		 "Content-Length: %zu\r\n\r\n%s",
		 ntohs(sockio_addr(s->sip2)->sin_port), strlen(sdp), sdp);
	l->moved = true;
	stub_request(s, l, "INVITE", more);
}


static void refer_send(struct stub *s, struct leg *l)
{
	char more[400];

	snprintf(more, sizeof(more), "Refer-To: <sip:focus@127.0.0.1:%u;"
		 "ticket=4711?Replaces=%.8s%%3Bto-tag%%3Dbench%%3Bfrom-tag"
		 "%%3Dx>\r\nContent-Length: 0\r\n\r\n",
		 ntohs(sockio_addr(s->sip)->sin_port), l->callid);
	stub_request(s, l, "REFER", more);
}


/** See whether a call is old enough for what is to happen */
void stub_leg_event(struct stub *s, struct leg *l, int64_t now)
{
	const int64_t age = now - l->born;

	if (!s->eventful || age < s->at || l->told || l->gone)
		return;

	if (s->event == STUB_MOVE && age < s->at + s->gap) {
		l->silent = true;
		return;
	}
	l->told = true;
	if (s->event == STUB_REFER)
		refer_send(s, l);
	else if (s->event != STUB_VANISH)
		reinvite_send(s, l);
	else if (l == &s->legv[0])
		l->silent = true;
}


/** Note that who calls from the same place has followed our REFER */
void stub_replaced(struct stub *s, struct leg *l)
{
	if (!s->eventful || s->event != STUB_REFER)
		return;

	for (int i = 0; i < LEGS_MAX; i++) {
		struct leg *old = &s->legv[i];

		if (!old->used || old == l || old->gone ||
		    memcmp(&old->rtp, &l->rtp, sizeof(l->rtp)))
			continue;
		old->gone = l->told = true;
	}
}


/** Forget a call */
void stub_leg_end(struct stub *s, struct leg *l)
{
	l->used = false;
	__atomic_sub_fetch(&s->legs, 1, __ATOMIC_RELAXED);
}


/** Say goodbye to who was replaced */
void stub_gone_bye(struct stub *s)
{
	for (int i = 0; i < LEGS_MAX; i++) {
		struct leg *l = &s->legv[i];

		if (l->used && l->gone) {
			stub_request(s, l, "BYE", NULL);
			stub_leg_end(s, l);
		}
	}
}


/**
 * Have something happen to each call; before anybody calls
 *
 * @param s      Server
 * @param event  What
 * @param at_ms  When it is so old [ms]
 * @param gap_ms It hears nothing for so long (STUB_MOVE) [ms]
 */
void stub_event(struct stub *s, enum stub_event event, uint32_t at_ms,
		uint32_t gap_ms)
{
	s->event = event;
	s->at = at_ms * ms;
	s->gap = gap_ms * ms;
	s->eventful = true;
}
