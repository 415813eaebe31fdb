/* SIP messages and SDP answers as far as a caller needs them (RFC 3261, 4566).
 * Nothing is copied: the pieces point into the datagram. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "bench.h"


/** Tell whether a piece is this text, in any case */
bool str_is(const struct str *s, const char *z)
{
	return s->l == strlen(z) && !strncasecmp(s->p, z, s->l);
}


static struct str trimmed(const char *p, const char *end)
{
	struct str s;

	while (p < end && isspace((unsigned char)*p))
		++p;
	while (end > p && isspace((unsigned char)end[-1]))
		--end;

	s.p = p;
	s.l = (size_t)(end - p);

	return s;
}


/* The end of a header line, over its continuation lines. */
static const char *line_end(const char *p, const char *end)
{
	for (; p < end; p++) {
		if (*p == '\n' &&
		    !(p + 1 < end && (p[1] == ' ' || p[1] == '\t')))
			return p;
	}

	return end;
}


static uint32_t number(const struct str *s)
{
	uint32_t v = 0;

	for (size_t i = 0; i < s->l && isdigit((unsigned char)s->p[i]); i++) {
		if (v > 400000000)
			return 0;
		v = v * 10 + (uint32_t)(s->p[i] - '0');
	}

	return v;
}


/* "SIP/2.0 302 Moved" or "BYE sip:me@here SIP/2.0" */
static int first_line(struct msg *m, const struct str *line)
{
	const char *end = line->p + line->l, *sp, *sp2;

	sp = memchr(line->p, ' ', line->l);
	if (!sp)
		return EBADMSG;

	if (line->l > 11 && !strncasecmp(line->p, "SIP/2.0 ", 8)) {
		const struct str code = {sp + 1, 3};

		m->code = (int)number(&code);
		return m->code >= 100 && m->code < 700 ? 0 : EBADMSG;
	}

	sp2 = memchr(sp + 1, ' ', (size_t)(end - sp - 1));
	if (!sp2 || end - sp2 != 8 || strncasecmp(sp2, " SIP/2.0", 8))
		return EBADMSG;

	m->request = true;
	m->method = trimmed(line->p, sp);
	m->ruri = trimmed(sp + 1, sp2);

	return 0;
}


static void cseq_set(struct msg *m, const struct str *val)
{
	const char *sp = memchr(val->p, ' ', val->l);

	m->cseq = number(val);
	if (sp)
		m->method = trimmed(sp, val->p + val->l);
}


static void header_set(struct msg *m, const struct str *name,
		       const struct str *val)
{
	if (str_is(name, "Via") || str_is(name, "v")) {
		if (m->viac < MSG_VIAS)
			m->viav[m->viac++] = *val;
	}
	else if (str_is(name, "Record-Route")) {
		if (m->routec < MSG_ROUTES)
			m->routev[m->routec++] = *val;
	}
	else if (str_is(name, "From") || str_is(name, "f"))
		m->from = *val;
	else if (str_is(name, "To") || str_is(name, "t"))
		m->to = *val;
	else if (str_is(name, "Call-ID") || str_is(name, "i"))
		m->callid = *val;
	else if (str_is(name, "CSeq"))
		cseq_set(m, val);
	else if (str_is(name, "Refer-To") || str_is(name, "r"))
		m->referto = *val;
	else if (!m->contact.l && (str_is(name, "Contact") ||
				   str_is(name, "m")))
		m->contact = *val;
}


/**
 * Take a SIP message apart
 *
 * @param m   Filled in; points into buf
 * @param buf Datagram
 * @param len Its length [bytes]
 *
 * @return 0 if success, EBADMSG if it is none
 */
int msg_parse(struct msg *m, const char *buf, size_t len)
{
	const char *p = buf, *end = buf + len;
	struct str line;

	memset(m, 0, sizeof(*m));

	for (bool first = true; p < end; first = false) {
		const char *nl = line_end(p, end), *colon;
		struct str name, val;

		line = trimmed(p, nl);
		p = nl < end ? nl + 1 : end;

		if (first) {
			if (first_line(m, &line))
				return EBADMSG;
			continue;
		}
		if (!line.l)
			break;

		colon = memchr(line.p, ':', line.l);
		if (!colon)
			return EBADMSG;

		name = trimmed(line.p, colon);
		val = trimmed(colon + 1, line.p + line.l);
		header_set(m, &name, &val);
	}

	m->body.p = p;
	m->body.l = (size_t)(end - p);

	return m->from.l && m->to.l && m->callid.l && m->cseq &&
		m->viac && m->method.l ? 0 : EBADMSG;
}


/**
 * Find a header parameter, after the address if there is one in brackets
 *
 * @param val  Its value
 * @param hdr  Header value
 * @param name Parameter name
 *
 * @return 0 if success, ENOENT if it is not there
 */
int str_param(struct str *val, const struct str *hdr, const char *name)
{
	const char *p = hdr->p, *end = hdr->p + hdr->l;
	const char *gt = memchr(p, '>', hdr->l);
	const size_t nl = strlen(name);

	for (p = gt ? gt : p; p < end; p++) {
		const char *e;

		if (*p != ';')
			continue;

		for (++p; p < end && isspace((unsigned char)*p);)
			++p;
		if ((size_t)(end - p) <= nl || strncasecmp(p, name, nl) ||
		    p[nl] != '=') {
			--p;
			continue;
		}

		p += nl + 1;
		for (e = p; e < end && !strchr(";, \t\r\n", *e);)
			++e;
		*val = trimmed(p, e);
		return 0;
	}

	return ENOENT;
}


/**
 * Find the URI of a Contact, From or Record-Route value
 *
 * @param uri The URI with its own parameters
 * @param hdr Header value; of several the first is taken
 *
 * @return 0 if success, EBADMSG if there is none
 */
int str_uri(struct str *uri, const struct str *hdr)
{
	const char *end = hdr->p + hdr->l, *p, *e;

	p = memchr(hdr->p, '<', hdr->l);
	if (p) {
		e = memchr(p, '>', (size_t)(end - p));
		if (!e)
			return EBADMSG;
		*uri = trimmed(p + 1, e);
	}
	else {
		/* without brackets the parameters are the header's */
		for (e = hdr->p; e < end && !strchr(";, \t", *e);)
			++e;
		*uri = trimmed(hdr->p, e);
	}

	return uri->l > 4 && !strncasecmp(uri->p, "sip:", 4) ? 0 : EBADMSG;
}


/**
 * Where a SIP URI leads: IPv4 over UDP only
 *
 * @param sin Filled in
 * @param uri URI
 *
 * @return 0 if success, EPROTONOSUPPORT for another transport, EINVAL if
 *         the host is not an IPv4 address
 */
int uri_addr(struct sockaddr_in *sin, const struct str *uri)
{
	const char *p = uri->p, *end = p + uri->l, *e, *at;
	struct str transport;

	if (!str_param(&transport, uri, "transport") &&
	    !str_is(&transport, "udp"))
		return EPROTONOSUPPORT;

	if (uri->l <= 4 || strncasecmp(p, "sip:", 4))
		return EINVAL;

	p += 4;
	at = memchr(p, '@', (size_t)(end - p));
	if (at)
		p = at + 1;
	for (e = p; e < end && !strchr(";?>", *e);)
		++e;

	return addr_parse(sin, p, (size_t)(e - p));
}


static const char *const encodingv[] = {"PCMU/8000", "PCMA/8000",
	"G722/8000", "opus/48000"};
static const int staticv[] = {0, 8, 9, -1};


/* "RTP/AVP 0 101" of the m= line: is this payload type in it? */
static bool mline_has(const struct str *m, int pt)
{
	char buf[128], *save = NULL, *tok;

	if (m->l >= sizeof(buf))
		return false;

	memcpy(buf, m->p, m->l);
	buf[m->l] = '\0';

	tok = strtok_r(buf, " ", &save);
	for (int i = 0; tok; i++, tok = strtok_r(NULL, " ", &save)) {
		/* audio PORT RTP/AVP PT.. */
		if (i >= 3 && strtol(tok, NULL, 10) == pt)
			return true;
	}

	return false;
}


/**
 * Read an SDP answer (RFC 4566, 3264)
 *
 * @param a     Filled in
 * @param body  SDP
 * @param codec The codec that was offered
 *
 * @return 0 if success, EBADMSG if it is not readable or the media is
 *         refused, EPROTO if it does not take the codec
 */
int sdp_parse(struct sdp_answer *a, const struct str *body,
	      enum codec codec)
{
	const char *p = body->p, *end = p + body->l;
	struct str m = {NULL, 0};
	int pt = staticv[codec];
	bool addr = false;

	memset(a, 0, sizeof(*a));
	a->media.sin_family = AF_INET;

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		struct str l = trimmed(p, nl ? nl : end), v;
		char ip[16];

		p = nl ? nl + 1 : end;
		v.p = l.p + (l.l > 2 ? 2 : l.l);
		v.l = l.l > 2 ? l.l - 2 : 0;

		if (l.l > 9 && !strncmp(l.p, "c=IN IP4 ", 9) &&
		    l.l - 9 < sizeof(ip)) {
			memcpy(ip, l.p + 9, l.l - 9);
			ip[l.l - 9] = '\0';
			addr = inet_pton(AF_INET, ip,
					 &a->media.sin_addr) == 1;
		}
		else if (l.l > 8 && !strncmp(l.p, "m=audio ", 8) && !m.p) {
			const struct str port = {l.p + 8, l.l - 8};

			m = v;
			a->media.sin_port = htons((uint16_t)number(&port));
		}
		else if (l.l > 2 && !strncmp(l.p, "m=", 2))
			break;
		else if (l.l > 9 && !strncmp(l.p, "a=rtpmap:", 9)) {
			const char *sp = memchr(l.p, ' ', l.l);
			const size_t n = strlen(encodingv[codec]);
			const struct str num = {l.p + 9, l.l - 9};

			if (sp && (size_t)(l.p + l.l - sp - 1) >= n &&
			    !strncasecmp(sp + 1, encodingv[codec], n))
				pt = (int)number(&num);
		}
		else if (l.l > 8 && !strncmp(l.p, "a=ptime:", 8)) {
			const struct str num = {l.p + 8, l.l - 8};

			a->ptime = number(&num);
		}
	}

	if (!m.p || !addr || !a->media.sin_port)
		return EBADMSG;
	if (pt < 0 || pt > 127 || !mline_has(&m, pt))
		return EPROTO;

	a->pt = (uint8_t)pt;

	return 0;
}
