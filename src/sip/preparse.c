/**
 * @file preparse.c  The strict pre-parser in front of sofia (RFC 3261)
 *
 * It accepts the INVITE that nearly every phone sends and nothing else. What
 * is legal but rare (folded lines, lists of Vias in one line, escapes,
 * parameters of the request URI, Route, Require, a To tag, bodies other than
 * one SDP, headers we do not know) is left to sofia, and so is everything
 * that is wrong: sofia then says so. A line is looked at once; the cost of a
 * datagram is that of its length.
 */
#include <string.h>
#include <re.h>
#include "sip/preparse.h"
#include "sip/prescan.h"


enum { SE_MIN = 90 };      /* shortest session there may be [s]         */

enum header {
	H_VIA, H_FROM, H_TO, H_CALLID, H_CSEQ, H_MAXFWD, H_LENGTH, H_CONTACT,
	H_TYPE, H_AGENT, H_SUBJECT, H_EXPIRES, H_SESSION, H_MINSE,
	H_ONCE,            /* those above stand at most once, but Via       */
	H_LIST = H_ONCE,   /* tokens with commas                            */
	H_FREE,            /* X-...: nobody looks at it                     */
	H_UNKNOWN,
};

/* By length of the name, so that few are compared; in small letters */
static const struct {
	const char *name;
	uint8_t header;
} headerv[] = {
	{"v", H_VIA}, {"f", H_FROM}, {"t", H_TO}, {"i", H_CALLID},
	{"l", H_LENGTH}, {"m", H_CONTACT}, {"c", H_TYPE}, {"s", H_SUBJECT},
	{"k", H_LIST}, {"u", H_LIST}, {"x", H_SESSION},
	{"to", H_TO},
	{"via", H_VIA},
	{"from", H_FROM}, {"cseq", H_CSEQ},
	{"allow", H_LIST},
	{"min-se", H_MINSE},
	{"call-id", H_CALLID}, {"contact", H_CONTACT},
	{"subject", H_SUBJECT}, {"expires", H_EXPIRES},
	{"supported", H_LIST},
	{"user-agent", H_AGENT},
	{"max-forwards", H_MAXFWD}, {"content-type", H_TYPE},
	{"allow-events", H_LIST},
	{"content-length", H_LENGTH},
	{"session-expires", H_SESSION},
};

/* Where the names of a length begin in headerv */
static const uint8_t lenv[] = {
	0, 0, 11, 12, 13, 15, 16, 17, 21, 21, 22, 23, 23, 26, 26, 27, 28,
};


/* One Via. The topmost has to be one that we can answer by RFC 3581. */
static bool via(struct preparse *pp, struct scan s)
{
	const bool top = !pp->viac;
	struct pl transp, host, name, val;
	uint16_t port;

	if (pp->viac >= PREPARSE_VIAS_MAX)
		return false;

	pp->viav[pp->viac].p   = s.p;
	pp->viav[pp->viac++].l = (size_t)(s.end - s.p);

	if (!scan_str(&s, "SIP/2.0/", 8) || !scan_take(&transp, &s, C_TOKEN) ||
	    !scan_ch(&s, ' ') || !scan_hostport(&host, &port, &s))
		return false;

	if (top && (transp.l != 3 || memcmp(transp.p, "UDP", 3)))
		return false;

	if (top) {
		pp->via_host = host;
		pp->via_port = port;
	}

	while (s.p < s.end) {

		if (!scan_param(&name, &val, &s, C_TOKEN, false))
			return false;

		if (!top)
			continue;

		if (scan_is_name(&name, "branch", 6)) {
			if (pp->branch.l || val.l < 8 ||
			    memcmp(val.p, "z9hG4bK", 7))
				return false;
			pp->branch = val;
		}
		else if (scan_is_name(&name, "rport", 5)) {
			if (pp->rport.l || val.p)
				return false;
			pp->rport = name;
		}
		else if (scan_is_name(&name, "received", 8) ||
			 scan_is_name(&name, "maddr", 5) ||
			 scan_is_name(&name, "comp", 4) ||
			 scan_is_name(&name, "ttl", 3))
			return false;
	}

	return !top || pp->branch.l;
}


static bool cseq(struct preparse *pp, struct scan s)
{
	pp->cseq.p = s.p;
	pp->cseq.l = (size_t)(s.end - s.p);

	return scan_number(&pp->cseq_num, &s, 0x7fffffff) &&
		scan_str(&s, " INVITE", 7) && s.p == s.end;
}


/* Names with commas between, or none at all */
static bool tokens(struct scan s)
{
	if (s.p == s.end)
		return true;

	do {
		(void)scan_ch(&s, ' ');
		if (!scan_span(&s, C_TOKEN))
			return false;
	}
	while (scan_ch(&s, ','));

	return s.p == s.end;
}


/* RFC 4028. One that is too short is to be answered otherwise. */
static bool timer(struct scan s)
{
	struct pl name, val;
	uint32_t n;

	if (!scan_number(&n, &s, INT32_MAX) || n < SE_MIN)
		return false;

	while (s.p < s.end) {
		if (!scan_param(&name, &val, &s, C_TOKEN, false))
			return false;
	}

	return true;
}


static bool from(struct preparse *pp, struct scan s)
{
	struct scan_uri u;
	struct pl tag;

	pp->from.p = s.p;
	pp->from.l = (size_t)(s.end - s.p);

	if (!scan_name_addr(&u, &tag, &pp->name, s) || !tag.l || !u.user.l)
		return false;

	/* user and host stand side by side */
	pp->user.p = u.user.p;
	pp->user.l = (size_t)(u.host.p - u.user.p) + u.host.l;

	return u.host.p == u.user.p + u.user.l + 1 &&
		pp->user.l <= PREPARSE_USER_MAX;
}


static bool to(struct preparse *pp, struct scan s)
{
	struct scan_uri u;
	struct pl name;

	pp->to.p = s.p;
	pp->to.l = (size_t)(s.end - s.p);

	return scan_name_addr(&u, &pp->to_tag, &name, s);
}


static bool callid(struct preparse *pp, struct scan s)
{
	return scan_take(&pp->callid, &s, C_WORD) && s.p == s.end &&
		pp->callid.l <= PREPARSE_CALLID_MAX;
}


static enum header header_find(const struct pl *name)
{
	unsigned i;

	if (name->l + 1 < ARRAY_SIZE(lenv)) {

		for (i=lenv[name->l]; i<lenv[name->l + 1]; i++) {

			if ((*name->p | 0x20) == *headerv[i].name &&
			    scan_is_word(name, headerv[i].name))
				return headerv[i].header;
		}
	}

	return name->l > 2 && scan_is_word(&(struct pl){name->p, 2}, "x-")
		? H_FREE : H_UNKNOWN;
}


/* One header line, the line end already taken off */
static bool line(struct preparse *pp, unsigned *seen, uint32_t *length,
		 struct scan s)
{
	enum header h;
	struct pl name, tag;
	struct scan_uri u;
	uint32_t n;

	if (!scan_take(&name, &s, C_TOKEN) || !scan_ch(&s, ':'))
		return false;

	h = header_find(&name);

	if (h < H_ONCE) {
		if (h != H_VIA && *seen & 1u << h)
			return false;
		*seen |= 1u << h;
	}

	while (scan_ch(&s, ' '))
		;

	switch (h) {

	case H_VIA:     return via(pp, s);
	case H_FROM:    return from(pp, s);
	case H_TO:      return to(pp, s) && !pp->to_tag.l;
	case H_CALLID:  return callid(pp, s);
	case H_CSEQ:    return cseq(pp, s);
	case H_LIST:    return tokens(s);
	case H_SESSION:
	case H_MINSE:   return timer(s);
	case H_CONTACT: return scan_name_addr(&u, &tag, &name, s);

	case H_LENGTH:  return scan_number(length, &s, 65535) && s.p == s.end;

	case H_MAXFWD:  return scan_number(&n, &s, 255) && n && s.p == s.end;
	case H_EXPIRES: return scan_number(&n, &s, INT32_MAX) && s.p == s.end;

	case H_TYPE:
		return scan_take(&name, &s, C_TEXT) && s.p == s.end &&
			scan_is_name(&name, "application/sdp", 15);

	case H_AGENT:
		return scan_take(&pp->agent, &s, C_TEXT) && s.p == s.end;

	case H_SUBJECT:
	case H_FREE:
		return scan_span(&s, C_TEXT) && s.p == s.end;

	default:
		return false;
	}
}


/* The next header line without its end; false if there is none, or one that
 * does not end as it should. The empty line is the last one. */
static bool line_next(struct scan *one, struct scan *s)
{
	const char *lf = memchr(s->p, '\n', (size_t)(s->end - s->p));

	if (!lf || lf == s->p || lf[-1] != '\r')
		return false;

	one->p   = s->p;
	one->end = lf - 1;
	s->p     = lf + 1;

	return true;
}


/**
 * Look at a datagram that may be a plain initial INVITE
 *
 * @param pp  Filled; points into buf
 * @param buf Datagram, as it came
 * @param len Its length [bytes]
 *
 * @return 0 if it is one (RFC 3261 section 13), EBADMSG for anything else
 */
int preparse_invite(struct preparse *pp, const char *buf, size_t len)
{
	const unsigned needed = 1u << H_VIA | 1u << H_FROM | 1u << H_TO |
		1u << H_CALLID | 1u << H_CSEQ | 1u << H_MAXFWD |
		1u << H_LENGTH | 1u << H_CONTACT;
	struct scan s = {buf, buf + len}, one;
	uint32_t length = 0;
	unsigned seen = 0;
	struct scan_uri u;

	if (!pp || !buf)
		return EINVAL;

	memset(pp, 0, sizeof(*pp));

	if (!scan_str(&s, "INVITE ", 7) || !scan_uri(&u, &s, false) ||
	    !scan_str(&s, " SIP/2.0\r\n", 10))
		return EBADMSG;

	if (!u.user.l || u.user.l > PREPARSE_CONF_MAX)
		return EBADMSG;

	pp->conf = u.user;

	for (;;) {
		if (!line_next(&one, &s))
			return EBADMSG;

		if (one.p == one.end)
			break;

		if (!line(pp, &seen, &length, one))
			return EBADMSG;
	}

	if ((seen & needed) != needed || length != (size_t)(s.end - s.p))
		return EBADMSG;

	pp->body.p = s.p;
	pp->body.l = length;

	/* a body without a type, or a type without a body */
	return !length == !(seen & 1u << H_TYPE) ? 0 : EBADMSG;
}


/**
 * Find in an ACK what tells whose it is: topmost Via, To tag, Call-ID
 *
 * Nothing else is looked at. A To tag that hashes as ours was made by us for
 * that branch and Call-ID, so whatever else the ACK says, it ends there.
 *
 * @param pp  Filled, only branch, to_tag and callid; points into buf
 * @param buf Datagram, as it came
 * @param len Its length [bytes]
 *
 * @return 0 if all three are there (RFC 3261 section 17.1.1.3), EBADMSG for
 *         anything else
 */
int preparse_ack(struct preparse *pp, const char *buf, size_t len)
{
	struct scan s = {buf, buf + len}, one;

	if (!pp || !buf)
		return EINVAL;

	memset(pp, 0, sizeof(*pp));

	if (!scan_str(&s, "ACK ", 4) || !line_next(&one, &s))
		return EBADMSG;

	while (line_next(&one, &s) && one.p < one.end) {

		struct pl name;
		enum header h;
		bool ok = true;

		/* none of the three begins with anything else */
		if (!strchr("VvTtCcIi", *one.p))
			continue;

		if (!scan_take(&name, &one, C_TOKEN) || !scan_ch(&one, ':'))
			return EBADMSG;

		while (scan_ch(&one, ' '))
			;

		h = header_find(&name);

		if (h == H_VIA && !pp->viac)
			ok = via(pp, one);
		else if (h == H_TO)
			ok = !pp->to.p && to(pp, one);
		else if (h == H_CALLID)
			ok = !pp->callid.p && callid(pp, one);

		if (!ok)
			return EBADMSG;
	}

	return pp->branch.l && pp->to_tag.l && pp->callid.l ? 0 : EBADMSG;
}


/**
 * Find the Call-ID of any SIP message
 *
 * @param pl  Set to its value, within buf
 * @param buf Datagram, as it came
 * @param len Its length [bytes]
 *
 * @return 0 for success, ENOENT if there is none or it is folded
 */
int preparse_callid(struct pl *pl, const char *buf, size_t len)
{
	const char *p = buf, *end = buf + len, *lf;

	if (!pl || !buf)
		return EINVAL;

	while ((lf = memchr(p, '\n', (size_t)(end - p))) != NULL) {

		struct scan s = {p, lf};
		struct pl name;

		p = lf + 1;

		while (s.end > s.p && strchr("\r \t", s.end[-1]))
			--s.end;
		if (s.p == s.end)
			return ENOENT;

		if (!scan_take(&name, &s, C_TOKEN))
			continue;
		while (scan_ch(&s, ' ') || scan_ch(&s, '\t'))
			;
		if (!scan_ch(&s, ':') || header_find(&name) != H_CALLID)
			continue;
		while (scan_ch(&s, ' ') || scan_ch(&s, '\t'))
			;

		pl->p = s.p;
		pl->l = (size_t)(s.end - s.p);

		return pl->l ? 0 : ENOENT;
	}

	return ENOENT;
}
