/**
 * @file creds.c  Credentials of a test's own, as `nsc` makes them
 *
 * A key is Ed25519, written in base32 with a letter for its role in front and
 * a CRC-16 behind; a JWT is signed with it.
 */
#include <string.h>
#include <stdio.h>
#include <time.h>
#include <openssl/evp.h>
#include <check.h>
#include <re.h>
#include "noc/base64url.h"
#include "creds.h"


enum {
	RAW_LEN  = 32,
	SIG_LEN  = 64,
	TEXT_MAX = 2048,
};


static uint16_t crc16(const uint8_t *p, size_t len)
{
	uint16_t crc = 0;
	unsigned i;

	while (len--) {
		crc ^= (uint16_t)(*p++ << 8);
		for (i=0; i<8; i++)
			crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021
					 : crc << 1);
	}

	return crc;
}


static void base32(char *text, const uint8_t *p, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	uint32_t acc = 0;
	unsigned bits = 0;

	while (len--) {
		acc = acc << 8 | *p++;
		for (bits += 8; bits >= 5; bits -= 5)
			*text++ = digits[acc >> (bits - 5) & 31];
	}
	if (bits)
		*text++ = digits[acc << (5 - bits) & 31];
	*text = '\0';
}


static void key_text(char *text, const uint8_t *head, size_t headlen,
		     const uint8_t raw[RAW_LEN])
{
	uint8_t buf[2 + RAW_LEN + 2];
	size_t n = headlen + RAW_LEN;
	uint16_t crc;

	memcpy(buf, head, headlen);
	memcpy(buf + headlen, raw, RAW_LEN);
	crc = crc16(buf, n);
	buf[n++] = (uint8_t)crc;
	buf[n++] = (uint8_t)(crc >> 8);
	base32(text, buf, n);
}


/**
 * Make a key
 *
 * @param key  Set; to be reset
 * @param role Of its owner
 */
void creds_key_make(struct creds_key *key, enum creds_role role)
{
	const uint8_t letter = (uint8_t)((role - 'A') << 3);
	const uint8_t seed[2] = {
		('S' - 'A') << 3 | letter >> 5, (uint8_t)(letter << 3)
	};
	uint8_t raw[RAW_LEN];
	size_t n = sizeof(raw);
	EVP_PKEY *pkey;

	rand_bytes(raw, sizeof(raw));
	key_text(key->seed, seed, sizeof(seed), raw);
	pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, raw, n);
	ck_assert_ptr_nonnull(pkey);
	ck_assert(EVP_PKEY_get_raw_public_key(pkey, raw, &n));
	key_text(key->name, &letter, 1, raw);
	key->pkey = pkey;
}


/**
 * Forget a key
 *
 * @param key Key, or zeroed
 */
void creds_key_reset(struct creds_key *key)
{
	EVP_PKEY_free(key->pkey);
	memset(key, 0, sizeof(*key));
}


/**
 * Write a JWT
 *
 * @param jwt     Set
 * @param sz      Its size [bytes]
 * @param issuer  Whose signature it bears
 * @param subject Whom it is about
 * @param nats    What it says, members of a JSON object
 * @param expires UTC [s], 0: never
 */
void creds_jwt(char *jwt, size_t sz, const struct creds_key *issuer,
	       const struct creds_key *subject, const char *nats,
	       int64_t expires)
{
	static const char head[] =
		"{\"typ\":\"JWT\",\"alg\":\"ed25519-nkey\"}";
	char body[TEXT_MAX], exp[32] = "";
	uint8_t sig[SIG_LEN];
	size_t n, siglen = sizeof(sig);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (expires)
		(void)re_snprintf(exp, sizeof(exp), "\"exp\":%lli,", expires);
	ck_assert_int_gt(re_snprintf(body, sizeof(body), "{%s\"jti\":\"%s\","
				     "\"iat\":%lli,\"iss\":\"%s\","
				     "\"name\":\"test\",\"sub\":\"%s\","
				     "\"nats\":{%s,\"version\":2}}", exp,
				     subject->name,
				     (long long)time(NULL) - 3600,
				     issuer->name, subject->name, nats), 0);

	ck_assert_uint_gt(sz, (strlen(head) + strlen(body)) * 4 / 3 + 100);
	n = base64url_encode(jwt, (const uint8_t *)head, strlen(head));
	jwt[n++] = '.';
	n += base64url_encode(jwt + n, (const uint8_t *)body, strlen(body));

	ck_assert(EVP_DigestSignInit(ctx, NULL, NULL, NULL, issuer->pkey));
	ck_assert(EVP_DigestSign(ctx, sig, &siglen, (uint8_t *)jwt, n));
	EVP_MD_CTX_free(ctx);
	jwt[n++] = '.';
	n += base64url_encode(jwt + n, sig, siglen);
	jwt[n] = '\0';
}


/**
 * Write a file with credentials
 *
 * @param path File
 * @param jwt  Of the user
 * @param user The user's key
 */
void creds_file(const char *path, const char *jwt,
		const struct creds_key *user)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	(void)fprintf(f, "-----BEGIN NATS USER JWT-----\n%s\n"
		      "------END NATS USER JWT------\n\n"
		      "-----BEGIN USER NKEY SEED-----\n%s\n"
		      "------END USER NKEY SEED------\n", jwt, user->seed);
	ck_assert_int_eq(0, fclose(f));
}
