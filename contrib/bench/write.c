/* What the callers say: SDP offers and answers to requests. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include "bench.h"


/** Append formatted text; a full buffer stays full and says so */
void wbuf_add(struct wbuf *w, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(w->p + w->n, w->cap - w->n, fmt, ap);
	va_end(ap);

	if (n < 0 || (size_t)n >= w->cap - w->n)
		w->full = true;
	else
		w->n += (size_t)n;
}


/** Append a piece */
void wbuf_str(struct wbuf *w, const struct str *s)
{
	if (s->l >= w->cap - w->n) {
		w->full = true;
		return;
	}

	memcpy(w->p + w->n, s->p, s->l);
	w->n += s->l;
	w->p[w->n] = '\0';
}


/**
 * The URI of a conference
 *
 * @param buf Filled in
 * @param n   Its size
 * @param o   The name with %d for the number
 * @param to  Server
 * @param no  Number of the conference
 *
 * @return 0 if success, EOVERFLOW if it is too long
 */
int conf_uri(char *buf, size_t n, const struct opts *o,
	     const struct sockaddr_in *to, uint32_t no)
{
	struct wbuf w = {buf, 0, n, false};
	const char *pc = strstr(o->conf, "%d");
	char ip[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &to->sin_addr, ip, sizeof(ip));
	if (pc)
		wbuf_add(&w, "sip:%.*s%u%s", (int)(pc - o->conf), o->conf,
			 no, pc + 2);
	else if (no)
		wbuf_add(&w, "sip:%s-%u", o->conf, no);
	else
		wbuf_add(&w, "sip:%s", o->conf);
	wbuf_add(&w, "@%s:%u", ip, ntohs(to->sin_port));

	return w.full ? EOVERFLOW : 0;
}


/**
 * Write the SDP of a caller: one codec, to send and receive
 *
 * @param w     Appended to
 * @param o     Codec, bit rate and packet time
 * @param media Where the caller listens
 * @param id    Session number
 */
void sdp_write(struct wbuf *w, const struct opts *o,
	       const struct sockaddr_in *media, uint32_t id)
{
	static const char *const mapv[] = {"0 PCMU/8000", "8 PCMA/8000",
		"9 G722/8000", "111 opus/48000/2"};
	static const int ptv[] = {0, 8, 9, 111};
	char ip[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &media->sin_addr, ip, sizeof(ip));
	wbuf_add(w, "v=0\r\n"
		 "o=- %u 1 IN IP4 %s\r\n"
		 "s=-\r\n"
		 "c=IN IP4 %s\r\n"
		 "t=0 0\r\n"
		 "m=audio %u RTP/AVP %d\r\n"
		 "a=rtpmap:%s\r\n",
		 id, ip, ip, ntohs(media->sin_port), ptv[o->codec],
		 mapv[o->codec]);
	if (o->codec == CODEC_OPUS)
		wbuf_add(w, "a=fmtp:111 maxaveragebitrate=%u\r\n",
			 o->bitrate);
	wbuf_add(w, "a=ptime:%u\r\na=%s\r\n", o->ptime,
		 o->inactive ? "inactive" : "sendrecv");
}


/**
 * Answer a request (RFC 3261 section 8.2.6)
 *
 * @param w       Appended to
 * @param req     The request
 * @param code    Status code
 * @param reason  Its phrase
 * @param contact Contact URI, NULL for none
 * @param body    SDP, NULL for none
 */
void reply_write(struct wbuf *w, const struct msg *req, int code,
		 const char *reason, const char *contact, const char *body)
{
	struct str tag;

	wbuf_add(w, "SIP/2.0 %d %s\r\n", code, reason);
	for (size_t i = 0; i < req->viac; i++) {
		wbuf_add(w, "Via: ");
		wbuf_str(w, &req->viav[i]);
		wbuf_add(w, "\r\n");
	}
	for (size_t i = 0; i < req->routec; i++) {
		wbuf_add(w, "Record-Route: ");
		wbuf_str(w, &req->routev[i]);
		wbuf_add(w, "\r\n");
	}

	wbuf_add(w, "From: ");
	wbuf_str(w, &req->from);
	wbuf_add(w, "\r\nTo: ");
	wbuf_str(w, &req->to);
	if (str_param(&tag, &req->to, "tag"))
		wbuf_add(w, ";tag=bench");
	wbuf_add(w, "\r\nCall-ID: ");
	wbuf_str(w, &req->callid);
	wbuf_add(w, "\r\nCSeq: %u ", req->cseq);
	wbuf_str(w, &req->method);
	wbuf_add(w, "\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS, NOTIFY, "
		 "MESSAGE, UPDATE, INFO, REFER\r\n");
	if (contact)
		wbuf_add(w, "Contact: <%s>\r\n", contact);
	if (body)
		wbuf_add(w, "Content-Type: application/sdp\r\n");
	wbuf_add(w, "Content-Length: %zu\r\n\r\n%s",
		 body ? strlen(body) : 0, body ? body : "");
}
