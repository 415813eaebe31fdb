/**
 * @file seat_key.c  Where on the bus a seat is kept
 */
#include <string.h>
#include <openssl/sha.h>
#include <re.h>
#include "noc/base64url.h"
#include "noc/name.h"
#include "noc/seat.h"


enum {
	LEG_READABLE = 48,         /* longer Call-IDs are hashed [bytes]    */
	LEG_HASH_LEN = 24,         /* of SHA-256 [bytes]                    */
};


static int leg_key(char *key, size_t sz, const char *callid)
{
	uint8_t hash[SHA256_DIGEST_LENGTH];
	const size_t len = strlen(callid);
	size_t n;

	if (len <= LEG_READABLE && !name_key(key, sz, callid, len) &&
	    strncmp(key, "=x", 2))
		return 0;

	if (sz < 3 + LEG_HASH_LEN * 4 / 3)
		return EOVERFLOW;

	(void)SHA256((const uint8_t *)callid, len, hash);
	key[0] = '=';
	key[1] = 'h';              /* no escape begins like that          */
	n = base64url_encode(key + 2, hash, LEG_HASH_LEN);
	key[2 + n] = '\0';

	return 0;
}


/**
 * The key of a seat in the bucket `seats`: CONFERENCE.LEG
 *
 * @param key        Buffer for the key
 * @param sz         Its size, SEAT_KEY_MAX is enough [bytes]
 * @param conference Conference
 * @param callid     Call-ID of the leg; one that is long, or would be long
 *                   when escaped, is hashed
 *
 * @return 0 if success; EINVAL; EOVERFLOW
 */
int seat_key(char *key, size_t sz, const char *conference,
	     const char *callid)
{
	size_t n;
	int err;

	if (!key || !str_isset(conference) || !str_isset(callid))
		return EINVAL;

	err = name_key(key, sz, conference, strlen(conference));
	if (err)
		return err;

	n = strlen(key);
	if (n + 2 > sz)
		return EOVERFLOW;

	key[n++] = '.';

	return leg_key(key + n, sz - n, callid);
}
