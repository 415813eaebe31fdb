/**
 * @file prescan.h  Words, numbers and addresses in a line of a SIP message,
 *                  for the pre-parser only
 */
#ifndef JUNCTOR_SIP_PRESCAN_H
#define JUNCTOR_SIP_PRESCAN_H

/* Classes of characters, sets */
enum {
	C_TOKEN = 1 << 0,     /* RFC 3261 token                             */
	C_USER  = 1 << 1,     /* of a URI's user part, those without doubt  */
	C_HOST  = 1 << 2,
	C_WORD  = 1 << 3,     /* Call-ID, without quote and backslash       */
	C_DIGIT = 1 << 4,
	C_PARAM = 1 << 5,     /* of a URI parameter                         */
	C_QUOTE = 1 << 6,     /* of a quoted string, without escapes        */
	C_TEXT  = 1 << 7,     /* anything printable, UTF-8                  */
};

/* What a URI is made of; empty parts have l 0 */
struct scan_uri {
	struct pl user, host;
	uint16_t port;
	bool params;
};

struct scan {
	const char *p, *end;
};

extern const uint8_t scan_classv[256];

bool scan_take(struct pl *pl, struct scan *s, uint8_t class);
bool scan_number(uint32_t *num, struct scan *s, uint32_t max);
bool scan_is_word(const struct pl *pl, const char *small);
bool scan_hostport(struct pl *host, uint16_t *port, struct scan *s);
bool scan_param(struct pl *name, struct pl *val, struct scan *s,
		uint8_t class, bool quoted);
bool scan_uri(struct scan_uri *u, struct scan *s, bool params);
bool scan_name_addr(struct scan_uri *u, struct pl *tag, struct pl *display,
		    struct scan s);


/* Skip characters of a class; how many. */
static inline size_t scan_span(struct scan *s, uint8_t class)
{
	const char *p = s->p;

	while (s->p < s->end && scan_classv[(uint8_t)*s->p] & class)
		++s->p;

	return (size_t)(s->p - p);
}


static inline bool scan_ch(struct scan *s, char c)
{
	if (s->p >= s->end || *s->p != c)
		return false;

	++s->p;

	return true;
}


static inline bool scan_str(struct scan *s, const char *str, size_t n)
{
	if ((size_t)(s->end - s->p) < n || memcmp(s->p, str, n))
		return false;

	s->p += n;

	return true;
}


static inline bool scan_is_name(const struct pl *pl, const char *small,
				size_t len)
{
	return pl->l == len && scan_is_word(pl, small);
}

#endif
