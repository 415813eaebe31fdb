/**
 * @file noc/hmac.c  HMAC-SHA256 (RFC 2104) with a key that is prepared once
 *
 * Codes are made for every redirect and every heartbeat: what the key
 * contributes to the digest is computed once, and OpenSSL's plain SHA-256 is
 * used because its general interface would allocate for each.
 */
#define OPENSSL_SUPPRESS_DEPRECATED 1
#include <string.h>
#include <openssl/sha.h>
#include <openssl/crypto.h>
#include <re.h>
#include "noc/hmac.h"


enum { BLOCK_LEN = 64 };             /* of SHA-256 [bytes]               */

/* Read-only once made, so any thread may use it. */
struct hmac_key {
	SHA256_CTX inner, outer;     /* after the key's pads             */
};


static void key_destructor(void *arg)
{
	struct hmac_key *key = arg;

	OPENSSL_cleanse(key, sizeof(*key));
}


static void pads_set(struct hmac_key *key, const uint8_t *secret, size_t len)
{
	uint8_t pad[BLOCK_LEN];
	size_t i;

	for (i=0; i<BLOCK_LEN; i++)
		pad[i] = (i < len ? secret[i] : 0) ^ 0x36;
	SHA256_Init(&key->inner);
	SHA256_Update(&key->inner, pad, sizeof(pad));

	for (i=0; i<BLOCK_LEN; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	SHA256_Init(&key->outer);
	SHA256_Update(&key->outer, pad, sizeof(pad));

	OPENSSL_cleanse(pad, sizeof(pad));
}


/**
 * Make a key
 *
 * @param kp     Pointer to the key, owned by the caller
 * @param secret Secret
 * @param len    HMAC_KEY_MIN..HMAC_KEY_MAX [bytes]
 * @param label  What it is for: the key is then the code of the label under
 *               the secret, so that no two purposes share one; NULL: the
 *               secret itself
 *
 * @return 0 if success; EINVAL; ENOMEM
 */
int hmac_key_alloc(struct hmac_key **kp, const uint8_t *secret, size_t len,
		   const char *label)
{
	struct hmac_key *key;

	if (!kp || !secret || len < HMAC_KEY_MIN || len > HMAC_KEY_MAX)
		return EINVAL;

	key = mem_zalloc(sizeof(*key), key_destructor);
	if (!key)
		return ENOMEM;

	pads_set(key, secret, len);
	if (label) {
		uint8_t own[HMAC_CODE_LEN];

		hmac_code(key, own, label, strlen(label));
		pads_set(key, own, sizeof(own));
		OPENSSL_cleanse(own, sizeof(own));
	}

	*kp = key;

	return 0;
}


/**
 * Authenticate a message. Safe in any thread.
 *
 * @param key  Key
 * @param code Set to the code
 * @param buf  Message
 * @param len  Its length [bytes]
 */
void hmac_code(const struct hmac_key *key, uint8_t code[HMAC_CODE_LEN],
	       const void *buf, size_t len)
{
	SHA256_CTX ctx = key->inner;

	SHA256_Update(&ctx, buf, len);
	SHA256_Final(code, &ctx);

	ctx = key->outer;
	SHA256_Update(&ctx, code, HMAC_CODE_LEN);
	SHA256_Final(code, &ctx);
}


/**
 * Check a code, which may have been cut; takes the same time wherever it is
 * wrong. Safe in any thread.
 *
 * @param key  Key
 * @param code Its first bytes
 * @param n    Their number, 8..HMAC_CODE_LEN
 * @param buf  Message
 * @param len  Its length [bytes]
 *
 * @return True if it is the message's
 */
bool hmac_match(const struct hmac_key *key, const uint8_t *code, size_t n,
		const void *buf, size_t len)
{
	uint8_t own[HMAC_CODE_LEN];

	if (n < 8 || n > sizeof(own))
		return false;

	hmac_code(key, own, buf, len);

	return !CRYPTO_memcmp(own, code, n);
}
