/**
 * @file noc/options.c  A SIP OPTIONS request (RFC 3261 section 11) that asks
 *                      whether a server is well
 */
#include <string.h>
#include <re.h>
#include "noc/options.h"


enum { RESPONSE_MAX = 4096 };      /* [bytes]                               */

#define BRANCH "z9hG4bKjnctr"


static bool token_valid(const char *s)
{
	return strlen(s) == OPTIONS_TOKEN &&
		!s[strspn(s, "0123456789abcdef")];
}


/**
 * Write a request
 *
 * @param mb      Buffer, written from its position on
 * @param contact host:port of the server
 * @param laddr   Where the response shall be sent to
 * @param token   OPTIONS_TOKEN hex digits, drawn for this request
 *
 * @return 0 if success; EINVAL; ENOMEM
 */
int options_encode(struct mbuf *mb, const char *contact,
		   const struct sa *laddr, const char *token)
{
	if (!mb || !str_isset(contact) || !laddr || !token ||
	    !token_valid(token))
		return EINVAL;

	return mbuf_printf(mb,
			   "OPTIONS sip:%s SIP/2.0\r\n"
			   "Via: SIP/2.0/UDP %J;branch=" BRANCH "%s;rport\r\n"
			   "Max-Forwards: 1\r\n"
			   "From: <sip:registry@%J>;tag=%s\r\n"
			   "To: <sip:%s>\r\n"
			   "Call-ID: %s@registry\r\n"
			   "CSeq: 1 OPTIONS\r\n"
			   "User-Agent: junctor registry\r\n"
			   "Content-Length: 0\r\n\r\n",
			   contact, laddr, token, laddr, token, contact,
			   token);
}


/* The next line without its end, false if there is none that ends */
static bool line_next(struct pl *line, struct pl *rest)
{
	const char *p = memchr(rest->p, '\n', rest->l);

	if (!p || p == rest->p || p[-1] != '\r')
		return false;

	line->p = rest->p;
	line->l = (size_t)(p - rest->p) - 1;
	rest->l -= line->l + 2;
	rest->p  = p + 1;

	return true;
}


static int status_decode(uint16_t *scode, const struct pl *line)
{
	const char *p = line->p;
	unsigned i, code = 0;

	if (line->l < 12 || memcmp(p, "SIP/2.0 ", 8))
		return EBADMSG;

	for (i=8; i<11; i++) {
		if (p[i] < '0' || p[i] > '9')
			return EBADMSG;
		code = 10 * code + (unsigned)(p[i] - '0');
	}
	if (p[11] != ' ' || code < 100 || code > 699)
		return EBADMSG;

	*scode = (uint16_t)code;

	return 0;
}


/* Value of the line if it is that header, in its long or short form */
static bool header_is(struct pl *val, const struct pl *line,
		      const char *name, char brief)
{
	const char *colon = memchr(line->p, ':', line->l);
	struct pl key;

	if (!colon)
		return false;

	key.p = line->p;
	key.l = (size_t)(colon - line->p);
	while (key.l && (key.p[key.l - 1] == ' ' || key.p[key.l - 1] == '\t'))
		--key.l;
	if (pl_strcasecmp(&key, name) &&
	    !(brief && key.l == 1 && (key.p[0] | 0x20) == brief))
		return false;

	val->p = colon + 1;
	val->l = line->l - (size_t)(colon + 1 - line->p);
	while (val->l && (*val->p == ' ' || *val->p == '\t')) {
		++val->p;
		--val->l;
	}

	return true;
}


static bool token_get(char token[OPTIONS_TOKEN + 1], const struct pl *val)
{
	if (val->l != OPTIONS_TOKEN + 9 ||
	    memcmp(val->p + OPTIONS_TOKEN, "@registry", 9))
		return false;

	memcpy(token, val->p, OPTIONS_TOKEN);
	token[OPTIONS_TOKEN] = '\0';

	return token_valid(token);
}


static bool has_branch(const struct pl *via, const char *token)
{
	char want[sizeof(";branch=" BRANCH) + OPTIONS_TOKEN];
	size_t n, i;

	if (re_snprintf(want, sizeof(want), ";branch=" BRANCH "%s",
			token) < 0)
		return false;

	n = strlen(want);
	for (i=0; i + n <= via->l; i++) {
		if (!memcmp(via->p + i, want, n))
			return i + n == via->l || via->p[i + n] == ';';
	}

	return false;
}


/**
 * Read what came: a final response to a request of ours?
 *
 * @param scode Set to the status code, 200..699
 * @param token Set to the token of the request
 * @param buf   Datagram
 * @param len   Its length [bytes]
 *
 * @return 0 if success; EAGAIN if it is provisional; EBADMSG if it is not a
 *         response, or not one to such a request
 */
int options_response(uint16_t *scode, char token[OPTIONS_TOKEN + 1],
		     const uint8_t *buf, size_t len)
{
	struct pl rest = {(const char *)buf, len}, line, val, via = PL_INIT;
	bool callid = false, cseq = false;
	int err;

	if (!scode || !token || !buf)
		return EINVAL;
	if (len > RESPONSE_MAX || memchr(buf, 0, len) ||
	    !line_next(&line, &rest))
		return EBADMSG;

	err = status_decode(scode, &line);
	if (err)
		return err;

	/* an empty line ends the head */
	while (line_next(&line, &rest)) {

		if (!line.l) {
			if (!callid || !cseq || !via.p ||
			    !has_branch(&via, token))
				return EBADMSG;

			return *scode < 200 ? EAGAIN : 0;
		}

		if (header_is(&val, &line, "Call-ID", 'i')) {
			if (callid || !token_get(token, &val))
				return EBADMSG;
			callid = true;
		}
		else if (header_is(&val, &line, "CSeq", 0)) {
			if (cseq || pl_strcmp(&val, "1 OPTIONS"))
				return EBADMSG;
			cseq = true;
		}
		else if (header_is(&val, &line, "Via", 'v')) {
			/* ours is the only one */
			if (via.p)
				return EBADMSG;
			via = val;
		}
	}

	return EBADMSG;
}
