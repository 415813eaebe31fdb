/* Answers to INVITEs that were given up. Whoever gives up says so (CANCEL,
 * RFC 3261 section 9.1), and who is let in all the same says goodbye: else the
 * server would hold calls that nobody makes. All of it is made from the answer
 * alone; if it is lost, the server repeats its answer. */
#include "calls.h"


static void stray_send(struct calls *cs, const struct msg *m,
		       const struct sockaddr_in *dst, const char *method,
		       const struct str *ruri, uint32_t cseq,
		       const struct str *via)
{
	struct wbuf w = {calls_buf(cs), 0, DGRAM_MAX, false};

	wbuf_add(&w, "%s ", method);
	wbuf_str(&w, ruri);
	wbuf_add(&w, " SIP/2.0\r\nVia: ");
	wbuf_str(&w, via);
	/* a branch of its own, unless it is the INVITE's */
	wbuf_add(&w, "%s%s\r\nMax-Forwards: 70\r\nFrom: ",
		 via == &m->viav[0] ? "" : *method == 'A' ? "a" : "b",
		 via == &m->viav[0] ? "" : ";rport");
	wbuf_str(&w, &m->from);
	wbuf_add(&w, "\r\nTo: ");
	wbuf_str(&w, &m->to);
	wbuf_add(&w, "\r\nCall-ID: ");
	wbuf_str(&w, &m->callid);
	wbuf_add(&w, "\r\nCSeq: %u %s\r\nContent-Length: 0\r\n\r\n", cseq,
		 method);
	if (!w.full)
		calls_push(cs, NULL, w.n, dst);
}


/**
 * Go on with an answer that no call waits for
 *
 * @param cs  Callers
 * @param m   Final answer to an INVITE of this run
 * @param src Where it came from
 */
void stray_answer(struct calls *cs, const struct msg *m,
		  const struct sockaddr_in *src)
{
	struct sockaddr_in dst = *src;
	struct str uri, via = m->viav[0];

	if (m->code < 200 || !str_is(&m->method, "INVITE"))
		return;

	if (m->code >= 300) {
		if (!str_uri(&uri, &m->to))
			stray_send(cs, m, &dst, "ACK", &uri, m->cseq,
				   &m->viav[0]);
		return;
	}

	if (str_uri(&uri, &m->contact) || uri_addr(&dst, &uri) ||
	    addr_allowed(&dst, cs->o->foreign))
		return;

	/* our Vias end with the branch and rport; the server adds to those */
	for (size_t i = 0; i + 1 < via.l; i++) {
		if (via.p[i] == ';' && via.p[i + 1] == 'r')
			via.l = i;
	}
	stray_send(cs, m, &dst, "ACK", &uri, m->cseq, &via);
	stray_send(cs, m, &dst, "BYE", &uri, m->cseq + 1, &via);
}
