/**
 * @file prescan.c  Words, numbers and addresses in a line of a SIP message,
 *                  for the pre-parser only
 *
 * All of them take what is certainly right and nothing else: false does not
 * say that something is wrong.
 */
#include <ctype.h>
#include <string.h>
#include <re.h>
#include "sip/prescan.h"


#define DIGIT (C_TOKEN|C_USER|C_HOST|C_WORD|C_DIGIT|C_PARAM|C_QUOTE|C_TEXT)
#define ALPHA (C_TOKEN|C_USER|C_HOST|C_WORD|C_PARAM|C_QUOTE|C_TEXT)
#define PRINT (C_QUOTE|C_TEXT)

const uint8_t scan_classv[256] = {
	['0' ... '9'] = DIGIT,
	['A' ... 'Z'] = ALPHA,
	['a' ... 'z'] = ALPHA,
	['-'] = ALPHA,
	['.'] = ALPHA,
	['_'] = C_TOKEN|C_USER|C_WORD|C_PARAM|PRINT,
	['!'] = C_TOKEN|C_USER|C_WORD|C_PARAM|PRINT,
	['~'] = C_TOKEN|C_USER|C_WORD|C_PARAM|PRINT,
	['*'] = C_TOKEN|C_USER|C_WORD|C_PARAM|PRINT,
	['+'] = C_TOKEN|C_USER|C_WORD|C_PARAM|PRINT,
	['%'] = C_TOKEN|C_WORD|PRINT,
	['`'] = C_TOKEN|C_WORD|PRINT,
	['\''] = C_TOKEN|C_WORD|PRINT,
	['@'] = C_WORD|PRINT, ['('] = C_WORD|PRINT, [')'] = C_WORD|PRINT,
	['<'] = C_WORD|PRINT, ['>'] = C_WORD|PRINT, [':'] = C_WORD|PRINT,
	['/'] = C_WORD|PRINT, ['['] = C_WORD|PRINT, [']'] = C_WORD|PRINT,
	['?'] = C_WORD|PRINT, ['{'] = C_WORD|PRINT, ['}'] = C_WORD|PRINT,
	[' '] = PRINT, ['#'] = PRINT, ['$'] = PRINT, ['&'] = PRINT,
	[','] = PRINT, [';'] = PRINT, ['='] = PRINT, ['^'] = PRINT,
	['|'] = PRINT,
	['"'] = C_TEXT, ['\\'] = C_TEXT,
	[0x80 ... 0xff] = PRINT,
};


bool scan_take(struct pl *pl, struct scan *s, uint8_t class)
{
	pl->p = s->p;
	pl->l = scan_span(s, class);

	return pl->l > 0;
}


/* Digits, at most max, at least one. */
bool scan_number(uint32_t *num, struct scan *s, uint32_t max)
{
	uint64_t n = 0;
	struct pl pl;
	size_t i;

	if (!scan_take(&pl, s, C_DIGIT) || pl.l > 10)
		return false;

	for (i=0; i<pl.l; i++)
		n = n*10 + (uint64_t)(pl.p[i] - '0');

	*num = (uint32_t)n;

	return n <= max;
}


/* Is a word, whatever its case, this one in small letters? Of the characters
 * of a token only letters become others by the bit. */
bool scan_is_word(const struct pl *pl, const char *small)
{
	size_t i;

	for (i=0; i<pl->l; i++) {
		if ((pl->p[i] | 0x20) != small[i])
			return false;
	}

	return true;
}


/* "[2001:db8::1]"; no scopes: what they mean is not known here */
static bool ipv6(struct pl *host, struct scan *s)
{
	struct pl addr;
	struct sa sa;

	host->p = s->p++;
	addr.p  = s->p;

	while (s->p < s->end && (isxdigit((unsigned char)*s->p) ||
				 *s->p == ':' || *s->p == '.'))
		++s->p;

	addr.l  = (size_t)(s->p - addr.p);
	host->l = addr.l + 2;

	return scan_ch(s, ']') && addr.l < INET6_ADDRSTRLEN &&
		!sa_set(&sa, &addr, 0) && sa_af(&sa) == AF_INET6;
}


/* Letters and digits with single dots, or dashes, between; what else may be
 * a name is left to sofia's judgement. */
static bool hostname(struct pl *host, struct scan *s)
{
	const char *p = s->p;
	char last = '.';

	while (p < s->end && scan_classv[(uint8_t)*p] & C_HOST) {

		const char c = *p++;

		if (c < '0' && (last == '.' || (last == '-' && c == '.')))
			return false;

		last = c;
	}

	host->p = s->p;
	host->l = (size_t)(p - s->p);
	s->p    = p;

	return last >= '0' && host->l <= 255;
}


/* A name, an address, or an IPv6 address in brackets; and a port. */
bool scan_hostport(struct pl *host, uint16_t *port, struct scan *s)
{
	uint32_t n = 0;

	if (s->p < s->end && *s->p == '[' ? !ipv6(host, s)
					  : !hostname(host, s))
		return false;

	if (scan_ch(s, ':') && (!scan_number(&n, s, 65535) || !n))
		return false;

	*port = (uint16_t)n;

	return true;
}


/* ";name" or ";name=value", quoted values where they may stand */
bool scan_param(struct pl *name, struct pl *val, struct scan *s,
		uint8_t class, bool quoted)
{
	*val = pl_null;

	if (!scan_ch(s, ';') || !scan_take(name, s, class))
		return false;

	if (!scan_ch(s, '='))
		return true;

	if (quoted && scan_ch(s, '"'))
		return scan_take(val, s, C_QUOTE) && scan_ch(s, '"');

	return scan_take(val, s, class);
}


bool scan_uri(struct scan_uri *u, struct scan *s, bool params)
{
	struct pl name, val;
	struct scan at;

	memset(u, 0, sizeof(*u));

	if (!scan_str(s, "sip:", 4))
		return false;

	at = *s;
	if (scan_take(&u->user, &at, C_USER) && scan_ch(&at, '@'))
		*s = at;
	else
		u->user.l = 0;

	if (!scan_hostport(&u->host, &u->port, s))
		return false;

	while (params && s->p < s->end && *s->p == ';') {

		if (!scan_param(&name, &val, s, C_PARAM, false))
			return false;

		u->params = true;
	}

	return true;
}


/* From, To, Contact: a name and a URI in brackets, or the URI alone; then
 * parameters to the end of the line, of which the tag is told. */
bool scan_name_addr(struct scan_uri *u, struct pl *tag, struct pl *display,
		    struct scan s)
{
	struct pl name, val;
	bool bracket;

	*tag = *display = pl_null;

	if (scan_ch(&s, '"')) {
		(void)scan_take(display, &s, C_QUOTE);
		if (!scan_ch(&s, '"'))
			return false;
		(void)scan_ch(&s, ' ');
		bracket = true;
	}
	else {
		struct scan at = s;

		bracket = scan_take(display, &at, C_TOKEN) &&
			scan_ch(&at, ' ');
		if (bracket) {
			s = at;
		}
		else {
			*display = pl_null;
			bracket  = s.p < s.end && *s.p == '<';
		}
	}

	if (bracket && !scan_ch(&s, '<'))
		return false;
	if (!scan_uri(u, &s, bracket))
		return false;
	if (bracket && !scan_ch(&s, '>'))
		return false;

	while (s.p < s.end) {

		if (!scan_param(&name, &val, &s, C_TOKEN, true))
			return false;

		if (!scan_is_name(&name, "tag", 3))
			continue;

		if (tag->l || !val.l || val.p[-1] == '"')
			return false;

		*tag = val;
	}

	return true;
}
