/**
 * @file scan.c  Lines of a configuration file
 *
 * The format is that of libre's conf: one `key value` per line, `#` begins a
 * comment. libre's reader looks keys up by regular expression; it can neither
 * tell which keys a file holds nor on which line one stands, and an error
 * without its line is not much of an error. Hence a scanner of our own.
 */
#include <string.h>
#include <re.h>
#include "server/settings.h"
#include "server/config.h"


static bool is_blank(char ch)
{
	return ch == ' ' || ch == '\t';
}


/* A `#` inside a word belongs to the value: only a blank before it, or the
 * start of the line, makes it a comment. */
static size_t comment_start(const char *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (p[i] == '#' && (!i || is_blank(p[i - 1])))
			return i;
	}

	return len;
}


static bool is_printable(const char *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		const unsigned char ch = (unsigned char)p[i];

		if ((ch < 0x20 && ch != '\t') || ch == 0x7f)
			return false;
	}

	return true;
}


/**
 * Tell whether text has the form of a setting's key
 *
 * @param key 1 to CONFIG_KEY_MAX of a-z, 0-9, `.`, `_`, `-`, a letter first
 *
 * @return true if it has
 */
bool config_key_valid(const struct pl *key)
{
	size_t i;

	if (!key || !key->l || key->l > CONFIG_KEY_MAX)
		return false;

	if (key->p[0] < 'a' || key->p[0] > 'z')
		return false;

	for (i = 0; i < key->l; i++) {
		const char ch = key->p[i];

		if (!((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9')
		      || ch == '.' || ch == '_' || ch == '-'))
			return false;
	}

	return true;
}


/* Returns the reason why the line is bad, or NULL. An empty key means that
 * there is nothing on the line. */
static const char *line_split(const char *p, size_t len,
			      struct pl *key, struct pl *val)
{
	*key = pl_null;
	*val = pl_null;

	if (len && p[len - 1] == '\r')
		--len;
	if (len > CONFIG_LINE_MAX)
		return "the line is too long (4096 bytes at most)";

	len = comment_start(p, len);
	while (len && is_blank(p[len - 1]))
		--len;
	while (len && is_blank(*p)) {
		++p;
		--len;
	}
	if (!len)
		return NULL;

	key->p = p;
	while (key->l < len && !is_blank(p[key->l]))
		++key->l;

	val->p = p + key->l;
	val->l = len - key->l;
	while (val->l && is_blank(*val->p))
		pl_advance(val, 1);

	if (!is_printable(p, len)) {
		if (!config_key_valid(key))
			*key = pl_null;
		return "control characters";
	}
	if (!config_key_valid(key)) {
		if (key->l > CONFIG_KEY_MAX)
			key->l = CONFIG_KEY_MAX;
		return "not a key (lower-case words joined by dots)";
	}
	if (!val->l)
		return "the value is missing";
	if (val->l == 2 && !memcmp(val->p, "\"\"", 2))
		val->l = 0;

	return NULL;
}


/**
 * Take configuration text apart
 *
 * @param buf Text, need not end with a zero
 * @param len Length of buf [bytes], up to CONFIG_FILE_MAX
 * @param lh  Called for each line that holds a setting, in order
 * @param eh  Called for each line that is bad, or NULL; line 0: the whole
 * @param arg Handler argument
 *
 * @return 0, or EBADMSG if any line was bad
 */
int config_scan(const char *buf, size_t len, config_line_h *lh,
		config_scan_error_h *eh, void *arg)
{
	unsigned line = 0, settings = 0;
	size_t pos = 0;
	int err = 0;

	if ((!buf && len) || !lh)
		return EINVAL;

	if (len > CONFIG_FILE_MAX) {
		if (eh)
			eh(0, &pl_null, "the file is larger than 1 MB", arg);
		return EBADMSG;
	}

	while (pos < len) {
		const char *p = buf + pos;
		const char *end = memchr(p, '\n', len - pos);
		const size_t n = end ? (size_t)(end - p) : len - pos;
		struct pl key, val;
		const char *reason;

		++line;
		pos += n + 1;

		reason = line_split(p, n, &key, &val);
		if (!reason && key.l && ++settings > CONFIG_LINES_MAX)
			reason = "more than 10000 settings";

		if (reason) {
			err = EBADMSG;
			if (eh)
				eh(line, &key, reason, arg);
			if (settings > CONFIG_LINES_MAX)
				break;
		}
		else if (key.l) {
			lh(line, &key, &val, arg);
		}
	}

	return err;
}
