/**
 * @file noc/json.c  JSON from and to strangers
 *
 * libre's decoder takes half a text for a whole one and whatever follows it,
 * makes infinity of 1e400 and a negative number of a long one, prints what it
 * does not know, and pays a hash table for every `{}`. So a text is checked
 * here, strictly after RFC 8259 and within bounds, before libre decodes it.
 * libre's encoder passes bytes that are no UTF-8, which no other program
 * would read; json_print does not.
 */
#include <math.h>
#include <string.h>
#include <re.h>
#include "noc/json.h"

enum {
	DIGITS_MAX = 18,           /* of a number: fits an int64_t           */
	EXP_MAX    = 99,           /* largest exponent                       */
};

struct scan {
	const uint8_t *p, *end;
	struct json_limits max;
	unsigned values;
};

static const struct json_limits limits_default = {
	JSON_DEPTH_MAX, JSON_VALUES_MAX
};

static int value_scan(struct scan *s, unsigned depth);

static bool is_digit(const struct scan *s)
{
	return s->p < s->end && *s->p >= '0' && *s->p <= '9';
}

static bool take(struct scan *s, char ch)
{
	if (s->p >= s->end || *s->p != (uint8_t)ch)
		return false;

	++s->p;
	return true;
}

static void space_skip(struct scan *s)
{
	while (s->p < s->end && memchr(" \t\r\n", *s->p, 4))
		++s->p;
}

/* Length of the UTF-8 sequence at p (RFC 3629), 0 if it is none. */
static size_t utf8_len(const uint8_t *p, const uint8_t *end)
{
	uint8_t lo = 0x80, hi = 0xbf;
	size_t len, i;

	if (p >= end)
		return 0;
	if (p[0] < 0x80)
		return 1;

	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		len = 2;
	else if ((p[0] & 0xf0) == 0xe0)
		len = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		len = 4;
	else
		return 0;

	/* overlong forms, surrogates, beyond U+10FFFF */
	switch (p[0]) {

	case 0xe0: lo = 0xa0; break;
	case 0xed: hi = 0x9f; break;
	case 0xf0: lo = 0x90; break;
	case 0xf4: hi = 0x8f; break;
	}

	if ((size_t)(end - p) < len || p[1] < lo || p[1] > hi)
		return 0;

	for (i = 2; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;

	return len;
}

static bool hex4(struct scan *s, uint32_t *v)
{
	unsigned i;

	if (s->end - s->p < 4)
		return false;

	for (*v = 0, i = 0; i < 4; i++) {
		const uint8_t ch = *s->p++;

		if (!ch || !strchr("0123456789abcdefABCDEF", ch))
			return false;
		*v = *v << 4 | ch_hex((char)ch);
	}

	return true;
}

/* U+0000 is refused: it would end a C string early. */
static int escape_scan(struct scan *s)
{
	uint32_t v, low;

	if (s->p >= s->end || !*s->p)
		return EBADMSG;
	if (!take(s, 'u'))
		return strchr("\"\\/bfnrt", *s->p++) ? 0 : EBADMSG;

	if (!hex4(s, &v) || !v || (v >= 0xdc00 && v <= 0xdfff))
		return EBADMSG;
	if (v < 0xd800 || v > 0xdbff)
		return 0;

	if (!take(s, '\\') || !take(s, 'u') || !hex4(s, &low))
		return EBADMSG;

	return low >= 0xdc00 && low <= 0xdfff ? 0 : EBADMSG;
}

static int string_scan(struct scan *s)
{
	if (!take(s, '"'))
		return EBADMSG;

	while (s->p < s->end) {

		size_t n;

		if (take(s, '"'))
			return 0;

		if (take(s, '\\')) {
			if (escape_scan(s))
				return EBADMSG;
			continue;
		}

		n = utf8_len(s->p, s->end);
		if (!n || *s->p < 0x20)
			return EBADMSG;
		s->p += n;
	}

	return EBADMSG;
}

static unsigned digits_scan(struct scan *s)
{
	unsigned n = 0;

	while (is_digit(s)) {
		++s->p;
		++n;
	}

	return n;
}

static int number_scan(struct scan *s)
{
	unsigned n, e = 0;

	(void)take(s, '-');

	if (take(s, '0'))
		n = 1;
	else if (!(n = digits_scan(s)))
		return EBADMSG;

	if (take(s, '.')) {
		const unsigned frac = digits_scan(s);

		if (!frac)
			return EBADMSG;
		n += frac;
	}

	if (take(s, 'e') || take(s, 'E')) {

		if (!take(s, '-'))
			(void)take(s, '+');
		if (!is_digit(s))
			return EBADMSG;

		for (; is_digit(s) && e <= EXP_MAX; s->p++)
			e = e * 10 + (*s->p - '0');
	}

	return n > DIGITS_MAX || e > EXP_MAX ? EOVERFLOW : 0;
}

static int word_scan(struct scan *s, const char *word)
{
	const size_t len = strlen(word);

	if ((size_t)(s->end - s->p) < len || memcmp(s->p, word, len))
		return EBADMSG;

	s->p += len;
	return 0;
}

static int container_scan(struct scan *s, unsigned depth, bool object)
{
	const char close = object ? '}' : ']';
	int err;

	if (depth >= s->max.depth)
		return EOVERFLOW;

	++s->p;
	space_skip(s);
	if (take(s, close))
		return 0;

	do {
		if (object) {
			space_skip(s);
			err = string_scan(s);
			if (err)
				return err;
			space_skip(s);
			if (!take(s, ':'))
				return EBADMSG;
		}

		err = value_scan(s, depth + 1);
		if (err)
			return err;
	}
	while (take(s, ','));

	return take(s, close) ? 0 : EBADMSG;
}

static int value_scan(struct scan *s, unsigned depth)
{
	int err;

	if (++s->values > s->max.values)
		return EOVERFLOW;

	space_skip(s);
	if (s->p >= s->end)
		return EBADMSG;

	switch (*s->p) {

	case '{': err = container_scan(s, depth, true);  break;
	case '[': err = container_scan(s, depth, false); break;
	case '"': err = string_scan(s);                  break;
	case 't': err = word_scan(s, "true");            break;
	case 'f': err = word_scan(s, "false");           break;
	case 'n': err = word_scan(s, "null");            break;
	default:  err = number_scan(s);                  break;
	}

	space_skip(s);
	return err;
}

static int text_check(const char *buf, size_t len,
		      const struct json_limits *max)
{
	struct scan s = {
		.p = (const uint8_t *)buf, .end = (const uint8_t *)buf + len,
		.max = *max,
	};
	const int err = value_scan(&s, 0);

	if (err)
		return err;

	return s.p == s.end ? 0 : EBADMSG;
}

/**
 * Check that a text is one JSON value (RFC 8259) within our bounds
 *
 * @param buf Text; need not end with a zero byte
 * @param len Its length [bytes]
 *
 * @return 0, EBADMSG if it is not JSON, EOVERFLOW if it is too deep, has too
 *         many values, or a number of more than 18 digits
 */
int json_check(const char *buf, size_t len)
{
	return buf ? text_check(buf, len, &limits_default) : EINVAL;
}

static int duplicate_check(const struct odict *od)
{
	const struct le *le;

	for (le = od->lst.head; le; le = le->next) {
		const struct odict_entry *e = le->data;

		if (odict_lookup(od, e->key) != e)
			return EINVAL;
	}

	return 0;
}

/**
 * Decode an object that a stranger sent, within bounds of the caller's
 *
 * @param odp Returned object, to be dereferenced by the caller
 * @param buf Text
 * @param len Its length [bytes]
 * @param max How deep it may be, and how many values it may have
 *
 * @return 0, EBADMSG (not JSON), EOVERFLOW (beyond the bounds), EINVAL (not
 *         an object, or a member twice), ENOMEM
 */
int json_object_within(struct odict **odp, const char *buf, size_t len,
		       const struct json_limits *max)
{
	struct odict *od = NULL;
	struct pl pl = {buf, len};
	int err;

	if (!odp || !buf || !max)
		return EINVAL;

	err = text_check(buf, len, max);
	if (err)
		return err;
	if (re_regex(pl.p, pl.l, "[^ \t\r\n]1", &pl) || *pl.p != '{')
		return EINVAL;

	err = json_decode_odict(&od, 8, buf, len, max->depth);
	if (!err)
		err = duplicate_check(od);

	if (err)
		mem_deref(od);
	else
		*odp = od;

	return err;
}

/**
 * Decode an object that a stranger sent
 *
 * @param odp Returned object, to be dereferenced by the caller
 * @param buf Text
 * @param len Its length [bytes]; 0 gives an empty object
 *
 * @return 0, EBADMSG (not JSON), EOVERFLOW (beyond the bounds), EINVAL (not
 *         an object, or a member twice), ENOMEM
 */
int json_object_decode(struct odict **odp, const char *buf, size_t len)
{
	if (!odp || (!buf && len))
		return EINVAL;

	if (!len)
		return odict_alloc(odp, 8);

	return json_object_within(odp, buf, len, &limits_default);
}

/**
 * Would a text come through JSON as it is?
 *
 * @param str Text
 *
 * @return True if it is UTF-8 (RFC 3629)
 */
bool json_utf8(const char *str)
{
	const uint8_t *p = (const uint8_t *)str, *end;

	if (!str)
		return false;

	for (end = p + strlen(str); p < end; ) {
		const size_t n = utf8_len(p, end);

		if (!n)
			return false;
		p += n;
	}

	return true;
}

static bool is_plain(uint8_t ch)
{
	return ch >= 0x20 && ch != 0x7f && ch != '"' && ch != '\\';
}

static int string_print(struct re_printf *pf, const char *str)
{
	const uint8_t *p = (const uint8_t *)str, *end = p + strlen(str);
	int err = pf->vph("\"", 1, pf->arg);

	while (p < end && !err) {

		const uint8_t *run = p;
		size_t n;

		while ((n = utf8_len(p, end)) && is_plain(*p))
			p += n;

		if (p > run) {
			err = pf->vph((const char *)run, (size_t)(p - run),
				      pf->arg);
			continue;
		}

		if (!n)
			err = re_hprintf(pf, "\xef\xbf\xbd"); /* U+FFFD */
		else if (*p == '"' || *p == '\\')
			err = re_hprintf(pf, "\\%c", *p);
		else
			err = re_hprintf(pf, "\\u%04x", *p);

		p += n ? n : 1;
	}

	return err | pf->vph("\"", 1, pf->arg);
}

static int double_print(struct re_printf *pf, double v)
{
	char buf[32];

	if (!isfinite(v))
		return re_hprintf(pf, "null");

	/* stays a number with a fraction for those who read it */
	(void)snprintf(buf, sizeof(buf), "%.15g", v);
	return re_hprintf(pf, "%s%s", buf, strpbrk(buf, ".e") ? "" : ".0");
}

static int container_print(struct re_printf *pf, const struct odict *od,
			   bool object);

static int value_print(struct re_printf *pf, const struct odict_entry *e)
{
	switch (e->type) {

	case ODICT_OBJECT: return container_print(pf, e->u.odict, true);
	case ODICT_ARRAY:  return container_print(pf, e->u.odict, false);
	case ODICT_STRING: return string_print(pf, e->u.str);
	case ODICT_INT:    return re_hprintf(pf, "%lld", e->u.integer);
	case ODICT_DOUBLE: return double_print(pf, e->u.dbl);
	case ODICT_BOOL:   return re_hprintf(pf, e->u.boolean ? "true"
						      : "false");
	default:           return re_hprintf(pf, "null");
	}
}

static int container_print(struct re_printf *pf, const struct odict *od,
			   bool object)
{
	const struct le *le;
	int err = re_hprintf(pf, object ? "{" : "[");

	for (le = od->lst.head; le && !err; le = le->next) {
		const struct odict_entry *e = le->data;

		if (le->prev)
			err = re_hprintf(pf, ",");
		if (object) {
			err |= string_print(pf, e->key);
			err |= re_hprintf(pf, ":");
		}
		err |= value_print(pf, e);
	}

	return err | re_hprintf(pf, object ? "}" : "]");
}

/**
 * Print an object as JSON (RFC 8259) that every reader takes
 *
 * Bytes that are no UTF-8 become U+FFFD, numbers that are not finite null.
 *
 * @param pf Print function
 * @param od Object, or NULL for an empty one
 *
 * @return 0, or what the print function returned
 */
int json_print(struct re_printf *pf, const struct odict *od)
{
	return od ? container_print(pf, od, true) : re_hprintf(pf, "{}");
}
