/**
 * @file headlimit.c  No message may have more header fields than this
 *
 * sofia walks to the end of a list for each field that it does not know, so
 * what a message costs grows with the square of their number: one datagram of
 * 30 kB can keep a thread busy for 20 ms. Such a message is refused before
 * sofia sees it.
 */
#include <string.h>
#include <re.h>
#include "sip/headlimit.h"


/* The line that begins at p, without its end; NULL if nothing is left. */
static const char *line_end(const char *p, const char *end, size_t *len)
{
	const char *lf = memchr(p, '\n', (size_t)(end - p));

	if (!lf)
		return NULL;

	*len = (size_t)(lf - p);
	if (*len && lf[-1] == '\r')
		--*len;

	return lf + 1;
}


/**
 * Does a message have too many lines before its body?
 *
 * @param buf Datagram, as it came
 * @param len Its length [bytes]
 *
 * @return true if there are more than HEADLIMIT_LINES
 */
bool headlimit_exceeded(const char *buf, size_t len)
{
	const char *p = buf, *end = buf + len;
	unsigned n = 0;
	size_t l = 1;

	while (p && p < end && l && n <= HEADLIMIT_LINES) {
		p = line_end(p, end, &l);
		++n;
	}

	return n > HEADLIMIT_LINES;
}


/* Which lines of a request its answer repeats (RFC 3261 section 8.2.6.2). */
static bool repeated(const struct pl *line)
{
	static const char *const namev[] = {
		"via", "v", "from", "f", "to", "t", "call-id", "i", "cseq",
	};
	struct pl name = {line->p, 0};

	while (name.l < line->l && !strchr(" \t:", name.p[name.l]))
		++name.l;

	for (size_t i = 0; i < ARRAY_SIZE(namev); i++)
		if (!pl_strcasecmp(&name, namev[i]))
			return true;

	return false;
}


/**
 * Write the answer to a request that has too many header fields
 *
 * @param reply    Written to
 * @param sz       Its size [bytes]
 * @param replylen Set to what was written [bytes]
 * @param buf      Datagram, as it came
 * @param len      Its length [bytes]
 *
 * @return 0, EBADMSG if it is nothing that can be answered (RFC 3261 section
 *         17: an ACK, a response, no SIP at all), EOVERFLOW if the answer
 *         does not fit
 */
int headlimit_refuse(char *reply, size_t sz, size_t *replylen,
		     const char *buf, size_t len)
{
	static const char status[] = "SIP/2.0 400 Too Many Header Fields\r\n";
	static const char tail[] = "Content-Length: 0\r\n\r\n";
	const char *p = buf, *next, *end = buf + len;
	size_t o = sizeof status - 1, l;

	next = line_end(p, end, &l);
	if (!next || l < 8 || memcmp(p + l - 8, " SIP/2.0", 8) ||
	    !memcmp(p, "ACK ", 4) || sz < o)
		return EBADMSG;

	memcpy(reply, status, o);

	for (unsigned n = 1; n < HEADLIMIT_LINES; n++) {
		struct pl line;

		line.p = next;
		next = line_end(line.p, end, &line.l);
		if (!next || !line.l)
			break;
		if (!repeated(&line))
			continue;
		if (o + line.l + 2 > sz)
			return EOVERFLOW;

		memcpy(reply + o, line.p, line.l);
		memcpy(reply + o + line.l, "\r\n", 2);
		o += line.l + 2;
	}

	if (o == sizeof status - 1)
		return EBADMSG;
	if (o + sizeof tail - 1 > sz)
		return EOVERFLOW;

	memcpy(reply + o, tail, sizeof tail - 1);
	*replylen = o + sizeof tail - 1;

	return 0;
}
