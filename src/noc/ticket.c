/**
 * @file ticket.c  Proof that a dispatch server sent a client here
 *
 * Text: base64url without padding (RFC 4648 section 5) of
 *
 *   version (1) | expires (4) | code (16) | account (0..63)
 *
 * The code is HMAC-SHA256 (RFC 2104), cut to 128 bits, over
 *
 *   "junctor ticket" | version | expires | then length (2) and bytes of each
 *   of conference, account, user, server
 *
 * so that no two different tickets are the same bytes.
 */
#include <string.h>
#include <openssl/crypto.h>
#include <re.h>
#include "noc/client.h"
#include "noc/base64url.h"
#include "noc/hmac.h"
#include "noc/key.h"
#include "noc/name.h"
#include "noc/ticket.h"


enum {
	TICKET_VERSION    = 1,
	CODE_LEN   = 16,                     /* [bytes]                     */
	HEAD_LEN   = 1 + 4 + CODE_LEN,
	RAW_MAX    = HEAD_LEN + CLIENT_ACCOUNT_MAX - 1,
};

/* Read-only once made, so any thread may use it. */
struct ticket_key {
	struct hmac_key *hmac;
};

static void key_destructor(void *arg)
{
	struct ticket_key *key = arg;

	mem_deref(key->hmac);
}


/**
 * Make a key from a secret
 *
 * @param kp     Pointer to the key, owned by the caller
 * @param secret Secret bytes
 * @param len    Their number, 16..64
 *
 * @return 0 if success; EINVAL; ENOMEM
 */
int ticket_key_alloc(struct ticket_key **kp, const uint8_t *secret,
		     size_t len)
{
	struct ticket_key *key;
	int err;

	if (!kp)
		return EINVAL;

	key = mem_zalloc(sizeof(*key), key_destructor);
	if (!key)
		return ENOMEM;

	err = hmac_key_alloc(&key->hmac, secret, len, NULL);
	if (err)
		mem_deref(key);
	else
		*kp = key;

	return err;
}


/**
 * Read the key of the NOC, or make one if there is none. All servers of a NOC
 * have the same.
 *
 * @param kp   Pointer to the key, owned by the caller
 * @param file File of 32 bytes that nobody else may read
 *
 * @return 0 if success; as noc_key_read
 */
int ticket_key_load(struct ticket_key **kp, const char *file)
{
	uint8_t secret[NOC_KEY_LEN];
	int err;

	if (!kp)
		return EINVAL;

	err = noc_key_read(secret, file);
	if (!err)
		err = ticket_key_alloc(kp, secret, sizeof(secret));
	OPENSSL_cleanse(secret, sizeof(secret));

	return err;
}


static void put_be32(uint8_t *p, uint32_t v)
{
	p[0] = v >> 24;
	p[1] = v >> 16;
	p[2] = v >> 8;
	p[3] = v;
}


static uint32_t get_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
		(uint32_t)p[2] << 8 | p[3];
}


static void put_field(uint8_t **pp, const char *s, size_t len)
{
	uint8_t *p = *pp;

	p[0] = len >> 8;
	p[1] = len;
	if (len)
		memcpy(p + 2, s, len);

	*pp = p + 2 + len;
}


static bool ticket_valid(const struct ticket *t)
{
	return t->conference && t->conferencelen &&
		t->conferencelen < CLIENT_CONFERENCE_MAX &&
		t->accountlen < CLIENT_ACCOUNT_MAX &&
		t->userlen < CLIENT_USER_MAX &&
		t->server && t->serverlen &&
		t->serverlen < NAME_SERVER_MAX &&
		(t->account || !t->accountlen) && (t->user || !t->userlen);
}


static void code_make(uint8_t code[HMAC_CODE_LEN],
		      const struct ticket_key *key, const struct ticket *t)
{
	static const char what[] = "junctor ticket";
	uint8_t buf[sizeof(what) + 5 + 8 + CLIENT_CONFERENCE_MAX +
		    CLIENT_ACCOUNT_MAX + CLIENT_USER_MAX + NAME_SERVER_MAX];
	uint8_t *p = buf;

	memcpy(p, what, sizeof(what) - 1);
	p += sizeof(what) - 1;
	*p++ = TICKET_VERSION;
	put_be32(p, t->expires);
	p += 4;
	put_field(&p, t->conference, t->conferencelen);
	put_field(&p, t->account, t->accountlen);
	put_field(&p, t->user, t->userlen);
	put_field(&p, t->server, t->serverlen);

	hmac_code(key->hmac, code, buf, (size_t)(p - buf));
}


/**
 * Make a ticket. Safe in any thread.
 *
 * @param key  Key of the NOC
 * @param t    What it says: all strings within the bounds of noc/client.h and
 *             noc/name.h; account and user may be empty
 * @param text Buffer for its text, not zero-terminated; the characters need no
 *             escaping in a URI parameter
 * @param sz   Its size, CLIENT_TICKET_MAX is enough [bytes]
 * @param len  Length of the text [bytes]
 *
 * @return 0 if success; EINVAL; EOVERFLOW
 */
int ticket_make(const struct ticket_key *key, const struct ticket *t,
		char *text, size_t sz, size_t *len)
{
	uint8_t raw[RAW_MAX], code[HMAC_CODE_LEN];

	if (!key || !t || !text || !len || !ticket_valid(t))
		return EINVAL;

	if (sz < ((HEAD_LEN + t->accountlen) * 4 + 2) / 3)
		return EOVERFLOW;

	code_make(code, key, t);

	raw[0] = TICKET_VERSION;
	put_be32(raw + 1, t->expires);
	memcpy(raw + 5, code, CODE_LEN);
	if (t->accountlen)
		memcpy(raw + HEAD_LEN, t->account, t->accountlen);

	*len = base64url_encode(text, raw, HEAD_LEN + t->accountlen);

	return 0;
}


/**
 * Check a ticket. Safe in any thread.
 *
 * @param key     Key of the NOC
 * @param text    Its text
 * @param len     Length of the text [bytes]
 * @param t       What it must say: conference, user and server are given;
 *                account and expires are set to what it says, account pointing
 *                into the next parameter
 * @param account Buffer for the account, zero-terminated
 * @param sz      Its size, CLIENT_ACCOUNT_MAX is enough [bytes]
 * @param now     UTC since the epoch [s]
 *
 * @return 0 if success; EBADMSG if it is no ticket; EACCES if it is forged or
 *         for somebody, somewhere or something else; ETIMEDOUT if it has
 *         expired; EINVAL; EOVERFLOW
 */
int ticket_check(const struct ticket_key *key, const char *text, size_t len,
		 struct ticket *t, char *account, size_t sz, uint32_t now)
{
	uint8_t raw[RAW_MAX], code[HMAC_CODE_LEN];
	size_t n;

	if (!key || !text || !t || !account)
		return EINVAL;

	if (base64url_decode(raw, sizeof(raw), &n, text, len) ||
	    n < HEAD_LEN || raw[0] != TICKET_VERSION)
		return EBADMSG;

	t->accountlen = n - HEAD_LEN;
	if (t->accountlen >= sz)
		return EOVERFLOW;

	memcpy(account, raw + HEAD_LEN, t->accountlen);
	account[t->accountlen] = '\0';
	t->account = account;
	t->expires = get_be32(raw + 1);

	if (!ticket_valid(t))
		return EACCES;

	code_make(code, key, t);
	if (CRYPTO_memcmp(code, raw + 5, CODE_LEN))
		return EACCES;

	return now < t->expires ? 0 : ETIMEDOUT;
}
