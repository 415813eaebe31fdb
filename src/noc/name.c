/**
 * @file name.c  Names of conferences and servers: bounds and escaping
 */
#include <string.h>
#include <re.h>
#include "noc/base64url.h"
#include "noc/name.h"


enum { KEY_READABLE = 64 };    /* longer ones are coded as a whole     */

static const char hexdigits[] = "0123456789ABCDEF";


static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c >= '0' && c <= '9');
}


/* what RFC 3261 section 25.1 lets stand in the user part as it is */
static bool is_uri_user(char c)
{
	switch (c) {

	case '-': case '_': case '.': case '!': case '~': case '*':
	case '\'': case '(': case ')': case '&': case '=': case '+':
	case '$': case ',':
		return true;

	default:
		return is_alnum(c);
	}
}


/**
 * Check a name that came from a stranger, unescaped
 *
 * @param name Name, need not be zero-terminated
 * @param len  Its length [bytes]
 * @param max  Most it may take with a final zero [bytes]
 *
 * @return True if it is not empty, not too long and without control characters
 */
bool name_valid(const char *name, size_t len, size_t max)
{
	size_t i;

	if (!name || !len || len >= max)
		return false;

	for (i=0; i<len; i++) {
		if ((uint8_t)name[i] < ' ' || name[i] == 0x7f)
			return false;
	}

	return true;
}


/**
 * Check where a server says it can be reached: it becomes part of a URI
 *
 * @param contact host:port, perhaps with URI parameters
 * @param len     Its length [bytes]
 *
 * @return True if nothing in it could end the URI
 */
bool name_contact_valid(const char *contact, size_t len)
{
	size_t i;

	if (!contact || !len || len >= NAME_CONTACT_MAX)
		return false;

	for (i=0; i<len; i++) {
		if (!is_alnum(contact[i]) &&
		    !(contact[i] && strchr("-._:[];=", contact[i])))
			return false;
	}

	return true;
}


static int hexdigit(char c)
{
	const char *p = c ? strchr(hexdigits, c) : NULL;

	return p ? (int)(p - hexdigits) : -1;
}


static int key_long(char *key, size_t sz, const char *name, size_t len)
{
	size_t n;

	if (sz < 3 + (4 * len + 2) / 3)
		return EOVERFLOW;

	key[0] = '=';
	key[1] = 'x';       /* no escape begins like that */
	n = base64url_encode(key + 2, (const uint8_t *)name, len);
	key[2 + n] = '\0';

	return 0;
}


static int name_from_long(char *name, size_t sz, const char *key)
{
	size_t n;
	int err;

	err = base64url_decode((uint8_t *)name, sz - 1, &n, key,
			       strlen(key));
	if (err || !n)
		return EBADMSG;

	name[n] = '\0';

	return 0;
}


/**
 * Make a key for the bus out of any name, readable if possible. Different
 * names make different keys.
 *
 * @param key  Buffer for the key
 * @param sz   Its size, NAME_KEY_MAX is enough for conferences [bytes]
 * @param name Name
 * @param len  Its length, at least 1 [bytes]
 *
 * @return 0 if success; EINVAL; EOVERFLOW
 */
int name_key(char *key, size_t sz, const char *name, size_t len)
{
	size_t i, n = 0;

	if (!key || !name || !len)
		return EINVAL;

	for (i=0; i<len; i++) {
		const char c = name[i];

		if (n + 4 > KEY_READABLE || n + 4 > sz)
			return key_long(key, sz, name, len);

		if (is_alnum(c) || c == '-' || c == '_') {
			key[n++] = c;
			continue;
		}

		key[n++] = '=';
		key[n++] = hexdigits[(uint8_t)c >> 4];
		key[n++] = hexdigits[(uint8_t)c & 15];
	}

	key[n] = '\0';

	return 0;
}


/**
 * The name that a key was made of
 *
 * @param name Buffer for the name, zero-terminated
 * @param sz   Its size [bytes]
 * @param key  Key
 *
 * @return 0 if success; EBADMSG if name_key makes no such key; EOVERFLOW
 */
int name_from_key(char *name, size_t sz, const char *key)
{
	size_t n = 0;

	if (!name || !sz || !key)
		return EINVAL;

	if (key[0] == '=' && key[1] == 'x')
		return name_from_long(name, sz, key + 2);

	while (*key) {

		if (n + 1 >= sz)
			return EOVERFLOW;

		if (*key == '=') {
			const int hi = hexdigit(key[1]);
			const int lo = hi < 0 ? -1 : hexdigit(key[2]);

			if (lo < 0)
				return EBADMSG;

			name[n++] = (char)(hi << 4 | lo);
			key += 3;
		}
		else {
			name[n++] = *key++;
		}
	}

	name[n] = '\0';

	return n ? 0 : EBADMSG;
}


/**
 * Write the URI of a conference on a server:
 * sip:CONFERENCE@CONTACT;ticket=TICKET
 *
 * @param uri        Buffer, not zero-terminated
 * @param sz         Its size [bytes]
 * @param len        Length of what was written [bytes]
 * @param conf       Conference, unescaped
 * @param conflen    Its length [bytes]
 * @param contact    See name_contact_valid
 * @param contactlen Its length [bytes]
 * @param ticket     Characters that a URI parameter may have
 * @param ticketlen  Its length, 0: none [bytes]
 *
 * @return 0 if success; EINVAL; EOVERFLOW
 */
int name_uri(char *uri, size_t sz, size_t *len, const char *conf,
	     size_t conflen, const char *contact, size_t contactlen,
	     const char *ticket, size_t ticketlen)
{
	size_t i, n = 0;

	if (!uri || !len || !conf || !contact || (ticketlen && !ticket))
		return EINVAL;

	for (i=0; i<conflen; i++)
		n += is_uri_user(conf[i]) ? 1 : 3;

	if (sz < 4 + n + 1 + contactlen + 8 + ticketlen)
		return EOVERFLOW;

	memcpy(uri, "sip:", 4);
	n = 4;

	for (i=0; i<conflen; i++) {
		const char c = conf[i];

		if (is_uri_user(c)) {
			uri[n++] = c;
			continue;
		}

		uri[n++] = '%';
		uri[n++] = hexdigits[(uint8_t)c >> 4];
		uri[n++] = hexdigits[(uint8_t)c & 15];
	}

	uri[n++] = '@';
	memcpy(uri + n, contact, contactlen);
	n += contactlen;

	if (ticketlen) {
		memcpy(uri + n, ";ticket=", 8);
		n += 8;
		memcpy(uri + n, ticket, ticketlen);
		n += ticketlen;
	}

	*len = n;

	return 0;
}
