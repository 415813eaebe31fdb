/**
 * @file base64url.c  Bytes as letters that need no escaping (RFC 4648 section
 *                    5, without padding)
 */
#include <re.h>
#include "noc/base64url.h"


static const char b64url[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";


/**
 * Write bytes as letters
 *
 * @param text Buffer, (4 * len + 2) / 3 bytes are written and no zero
 * @param p    Bytes
 * @param len  Their number
 *
 * @return Length of the text [bytes]
 */
size_t base64url_encode(char *text, const uint8_t *p, size_t len)
{
	size_t n = 0;

	for (; len >= 3; len -= 3, p += 3) {
		text[n++] = b64url[p[0] >> 2];
		text[n++] = b64url[(p[0] & 3) << 4 | p[1] >> 4];
		text[n++] = b64url[(p[1] & 15) << 2 | p[2] >> 6];
		text[n++] = b64url[p[2] & 63];
	}

	if (len) {
		text[n++] = b64url[p[0] >> 2];
		text[n++] = b64url[(p[0] & 3) << 4 |
				   (len > 1 ? p[1] >> 4 : 0)];
		if (len > 1)
			text[n++] = b64url[(p[1] & 15) << 2];
	}

	return n;
}


static int digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '-')
		return 62;

	return c == '_' ? 63 : -1;
}


/**
 * Read bytes from letters. Only the one text that base64url_encode makes of
 * the bytes is accepted.
 *
 * @param p    Buffer for the bytes
 * @param sz   Its size [bytes]
 * @param np   Number of bytes
 * @param text Text
 * @param len  Its length [bytes]
 *
 * @return 0 if success; EBADMSG, also if the bytes are too many
 */
int base64url_decode(uint8_t *p, size_t sz, size_t *np,
		     const char *text, size_t len)
{
	uint32_t acc = 0;
	unsigned bits = 0;
	size_t i, n = 0;

	for (i=0; i<len; i++) {
		const int d = digit(text[i]);

		if (d < 0)
			return EBADMSG;

		acc = acc << 6 | (unsigned)d;
		bits += 6;
		if (bits < 8)
			continue;

		if (n == sz)
			return EBADMSG;

		bits -= 8;
		p[n++] = acc >> bits;
		acc &= (1u << bits) - 1;
	}

	if (bits >= 6 || acc)
		return EBADMSG;

	*np = n;

	return 0;
}
