/**
 * @file name.c  Names of conferences and servers: bounds and escaping
 */
#include <string.h>
#include <openssl/sha.h>
#include <re.h>
#include "noc/name.h"


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


static int key_digest(char *key, size_t sz, const char *name, size_t len)
{
	uint8_t md[SHA256_DIGEST_LENGTH];

	/* "=x" begins no escape below, so this meets no other key */
	(void)SHA256((const uint8_t *)name, len, md);

	return re_snprintf(key, sz, "=x%w", md, sizeof(md)) < 0 ?
		EOVERFLOW : 0;
}


/**
 * Make a key for the bus out of any name. Different names make different
 * keys; those that would be long are digested.
 *
 * @param key  Buffer for the key
 * @param sz   Its size, NAME_KEY_MAX is enough [bytes]
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

		if (n + 4 > sz || n + 4 > NAME_KEY_MAX)
			return key_digest(key, sz, name, len);

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

	/* the longest it can become */
	if (sz < 4 + 3 * conflen + 1 + contactlen + 8 + ticketlen)
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
