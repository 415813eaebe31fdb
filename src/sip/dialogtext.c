/**
 * @file dialogtext.c  A dialog written down, and read again
 *
 *     dialog: 1
 *     kind: call
 *     call-id: a84b4c76e66710
 *     ...
 *
 * One "key: value" per line. What is read has been on a bus, and much of it
 * comes from a phone before that, so both ways it is checked that a value is
 * what it claims to be: it ends up in headers of our requests. Keys that are
 * not known are passed over (a younger server wrote them); anything else that
 * is not as it should be spoils the whole.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "sip/dialogtext.h"

enum { KEY_MAX = 32 };

enum kind {
	KIND_KIND,                     /* one of two words                  */
	KIND_TRANSPORT,
	KIND_WORD,                     /* token characters and ';'          */
	KIND_ID,                       /* what may stand in a Call-ID       */
	KIND_TAG,
	KIND_URI,
	KIND_USER,
	KIND_NAME,
	KIND_ROUTE,                    /* may come again                    */
	KIND_NUM,
};

struct field {
	const char *key;
	size_t offset;
	size_t size;                   /* room for a string [bytes]         */
	uint64_t max;                  /* of a number                       */
	enum kind kind;
	bool must;                     /* has to be there, and not empty    */
};

#define STR(key, field, kind, must) \
	{key, offsetof(struct dialogtext, field), \
	 sizeof(((struct dialogtext *)0)->field), 0, kind, must}
#define NUM(key, field, max, must) \
	{key, offsetof(struct dialogtext, field), 0, max, KIND_NUM, must}

static const struct field fieldv[] = {
	STR("kind", kind, KIND_KIND, true),
	STR("transport", transport, KIND_TRANSPORT, true),
	STR("call-id", callid, KIND_ID, true),
	STR("local-tag", local_tag, KIND_TAG, true),
	STR("remote-tag", remote_tag, KIND_TAG, false),
	STR("local-uri", local_uri, KIND_URI, true),
	STR("remote-uri", remote_uri, KIND_URI, true),
	STR("local-name", local_name, KIND_NAME, false),
	STR("remote-name", remote_name, KIND_NAME, false),
	NUM("local-cseq", local_cseq, DIALOGTEXT_CSEQ_MAX, true),
	NUM("remote-cseq", remote_cseq, UINT32_MAX, false),
	STR("contact-user", user, KIND_USER, false),
	STR("remote-target", target, KIND_URI, true),
	STR("route", routev[0], KIND_ROUTE, false),
	STR("hop", hop, KIND_URI, false),
	STR("privacy", privacy, KIND_WORD, false),
	STR("event-id", event_id, KIND_WORD, false),
	NUM("interval", interval, DIALOGTEXT_SECS_MAX, false),
	NUM("left", left, DIALOGTEXT_SECS_MAX, false),
	NUM("refresher", refresher, 1, false),
	NUM("timer", timer, 1, false),
	NUM("update", update, 1, false),
	NUM("replaces", replaces, 1, false),
	NUM("nat", nat, 1, false),
	NUM("sdp-id", sdp_id, UINT64_MAX, false),
	NUM("sdp-version", sdp_version, UINT64_MAX, false),
};

enum { FIELDS = sizeof(fieldv) / sizeof(fieldv[0]) };

static const char head[] = "dialog: 1\n";


static bool alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c >= '0' && c <= '9');
}


/* No space, no control character, and none of `not` */
static bool chars_without(const char *s, const char *not)
{
	for (; *s; s++) {
		if ((unsigned char)*s <= ' ' || *s == 0x7f || strchr(not, *s))
			return false;
	}

	return true;
}


static bool chars_of(const char *s, const char *extra)
{
	for (; *s; s++) {
		if (!alnum(*s) && !strchr(extra, *s))
			return false;
	}

	return true;
}


/* Who is on the other side may have a URI of any scheme; where something is
 * sent to, adopt.c wants one that it can use. */
static bool uri_valid(const char *s)
{
	size_t n = 0;

	while (alnum(s[n]) || (n && strchr("+-.", s[n]) && s[n]))
		++n;

	return n && s[n] == ':' && s[n + 1] && chars_without(s, "<>\"\\");
}


static bool name_valid(const char *s)
{
	for (; *s; s++) {
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return false;
	}

	return true;
}


/* "<sip:...>" and perhaps parameters */
static bool route_valid(const char *s)
{
	const char *end = strchr(s, '>');
	char uri[DIALOGTEXT_URI_MAX];
	size_t n;

	if (s[0] != '<' || !end)
		return false;

	n = (size_t)(end - s) - 1;
	if (n >= sizeof(uri))
		return false;

	memcpy(uri, s + 1, n);
	uri[n] = '\0';

	return uri_valid(uri) && !strncmp(uri, "sip", 3) &&
		(!end[1] || end[1] == ';') &&
		chars_without(end + 1, "<>\"\\,");
}


static bool text_valid(enum kind kind, const char *s)
{
	switch (kind) {

	case KIND_KIND:
		return !strcmp(s, "call") || !strcmp(s, "subscription");

	case KIND_TRANSPORT:
		return !strcmp(s, "udp") || !strcmp(s, "tcp");

	case KIND_WORD:  return chars_of(s, "-.!%*_+`'~;");
	case KIND_ID:    return chars_without(s, ",;");
	case KIND_TAG:   return chars_without(s, "<>\"\\,;");
	case KIND_URI:   return uri_valid(s);
	case KIND_USER:  return chars_of(s, "-_.!~*'()%&=+$,;?/");
	case KIND_NAME:  return name_valid(s);
	case KIND_ROUTE: return route_valid(s);
	default:         return false;
	}
}


static const char *str_get(const struct dialogtext *d,
			   const struct field *f, unsigned ix)
{
	return (const char *)d + f->offset + ix * f->size;
}


static uint64_t num_get(const struct dialogtext *d, const struct field *f)
{
	uint64_t n;

	memcpy(&n, (const char *)d + f->offset, sizeof(n));

	return n;
}


static bool terminated(const char *s, size_t sz)
{
	return memchr(s, '\0', sz) != NULL;
}


static int line_add(char *buf, size_t sz, size_t *n, const char *key,
		    const char *value)
{
	const int c = snprintf(buf + *n, sz - *n, "%s: %s\n", key, value);

	if (c < 0 || (size_t)c >= sz - *n)
		return EOVERFLOW;

	*n += (size_t)c;

	return 0;
}


static int field_encode(char *buf, size_t sz, size_t *n,
			const struct dialogtext *d, const struct field *f)
{
	const unsigned c = f->kind == KIND_ROUTE ? d->routec : 1;
	char num[24];

	if (f->kind == KIND_NUM) {

		if (num_get(d, f) > f->max)
			return EBADMSG;
		if (!num_get(d, f) && !f->must)
			return 0;

		(void)snprintf(num, sizeof(num), "%" PRIu64, num_get(d, f));

		return line_add(buf, sz, n, f->key, num);
	}

	for (unsigned i = 0; i < c; i++) {

		const char *s = str_get(d, f, i);
		int err;

		if (!terminated(s, f->size) || (!*s && f->must))
			return EBADMSG;
		if (!*s)
			continue;
		if (!text_valid(f->kind, s))
			return EBADMSG;

		err = line_add(buf, sz, n, f->key, s);
		if (err)
			return err;
	}

	return 0;
}


/**
 * Write a dialog down
 *
 * @param buf  Written to, ends with a zero
 * @param sz   Its size [bytes]; DIALOGTEXT_MAX is always enough
 * @param lenp Set to the length without the zero [bytes]
 * @param d    Dialog
 *
 * @return 0; EINVAL; EBADMSG if something in it is not what it has to be, and
 *         could not be read again; EOVERFLOW if it does not fit
 */
int dialogtext_encode(char *buf, size_t sz, size_t *lenp,
		      const struct dialogtext *d)
{
	size_t n = sizeof(head) - 1;
	int err = 0;

	if (!buf || !lenp || !d || d->routec > DIALOGTEXT_ROUTES)
		return EINVAL;

	if (sz <= n)
		return EOVERFLOW;

	memcpy(buf, head, n + 1);

	for (unsigned i = 0; i < FIELDS && !err; i++)
		err = field_encode(buf, sz, &n, d, &fieldv[i]);

	*lenp = n;

	return err;
}


static int num_decode(uint64_t *num, const char *s, size_t len, uint64_t max)
{
	uint64_t n = 0;

	if (!len)
		return EBADMSG;

	for (size_t i = 0; i < len; i++) {

		const unsigned digit = (unsigned)(s[i] - '0');

		if (digit > 9 || n > (UINT64_MAX - digit) / 10)
			return EBADMSG;

		n = n * 10 + digit;
	}

	if (n > max)
		return EBADMSG;

	*num = n;

	return 0;
}


static int value_decode(struct dialogtext *d, const struct field *f,
			bool again, const char *s, size_t len)
{
	char *p = (char *)d + f->offset;
	uint64_t n;
	int err;

	if (again && f->kind != KIND_ROUTE)
		return EBADMSG;

	if (f->kind == KIND_NUM) {
		err = num_decode(&n, s, len, f->max);
		if (!err)
			memcpy(p, &n, sizeof(n));
		return err;
	}

	if (f->kind == KIND_ROUTE) {
		if (d->routec >= DIALOGTEXT_ROUTES)
			return EBADMSG;
		p += d->routec++ * f->size;
	}

	if (!len || len >= f->size || memchr(s, '\0', len))
		return EBADMSG;

	memcpy(p, s, len);
	p[len] = '\0';

	return text_valid(f->kind, p) ? 0 : EBADMSG;
}


/* A key of lower case letters and hyphens, ": ", a value without control
 * characters */
static int line_decode(struct dialogtext *d, uint64_t *seen, const char *s,
		       size_t len)
{
	size_t n = 0;

	while (n < len && ((s[n] >= 'a' && s[n] <= 'z') || s[n] == '-'))
		++n;

	if (!n || n > KEY_MAX || n + 2 > len || s[n] != ':' ||
	    s[n + 1] != ' ')
		return EBADMSG;

	for (size_t i = n + 2; i < len; i++) {
		if ((unsigned char)s[i] < ' ' || s[i] == 0x7f)
			return EBADMSG;
	}

	for (unsigned i = 0; i < FIELDS; i++) {

		const struct field *f = &fieldv[i];
		const uint64_t bit = (uint64_t)1 << i;
		bool again;

		if (strlen(f->key) != n || memcmp(f->key, s, n))
			continue;

		again  = (*seen & bit) != 0;
		*seen |= bit;

		return value_decode(d, f, again, s + n + 2, len - n - 2);
	}

	return 0;
}


/**
 * Read a dialog
 *
 * @param d    Filled; undefined after an error
 * @param text As dialogtext_encode wrote it, here or on another server; needs
 *             no final zero
 * @param len  Its length [bytes]
 *
 * @return 0; EINVAL; EBADMSG if this is no dialog, or one beyond our bounds
 */
int dialogtext_decode(struct dialogtext *d, const char *text, size_t len)
{
	uint64_t seen = 0;

	if (!d || !text)
		return EINVAL;

	memset(d, 0, sizeof(*d));

	if (len < sizeof(head) - 1 || len >= DIALOGTEXT_MAX ||
	    memcmp(text, head, sizeof(head) - 1))
		return EBADMSG;

	text += sizeof(head) - 1;
	len  -= sizeof(head) - 1;

	while (len) {

		const char *lf = memchr(text, '\n', len);
		size_t n;

		if (!lf)
			return EBADMSG;

		n = (size_t)(lf - text);
		if (line_decode(d, &seen, text, n))
			return EBADMSG;

		text += n + 1;
		len  -= n + 1;
	}

	for (unsigned i = 0; i < FIELDS; i++) {
		if (fieldv[i].must && !(seen & (uint64_t)1 << i))
			return EBADMSG;
	}

	return 0;
}


/**
 * What is it?
 *
 * @param d Dialog that was read
 *
 * @return true for a call, false for a subscription
 */
bool dialogtext_is_call(const struct dialogtext *d)
{
	return d && !strcmp(d->kind, "call");
}
