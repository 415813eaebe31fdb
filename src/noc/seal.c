/**
 * @file seal.c  What nobody but the farm may read or write: sealed messages
 *
 * version (1) | salt (16) | nonce (12) | text, encrypted | tag (16)
 *
 * AES-256-GCM (NIST SP 800-38D). The place a message is for and its version
 * are authenticated with it. Every message has a key of its own:
 *
 *   seal key    = derived from the farm's (noc/hmac.h), label "seal"
 *   message key = HMAC-SHA256(seal key, salt)
 *
 * so that random nonces do not run out however much a farm writes.
 */
#include <string.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <re.h>
#include "noc/hmac.h"
#include "noc/json.h"
#include "noc/key.h"
#include "noc/seal.h"


enum {
	SEAL_VERSION = 1,
	SALT_LEN  = 16,              /* [bytes] of each                     */
	NONCE_LEN = 12,
	TAG_LEN   = 16,
	HEAD_LEN  = 1 + SALT_LEN + NONCE_LEN,
	PLACE_MAX = 512,
	VALUES_MAX = 16384,          /* of a JSON text                      */
	DEPTH_MAX  = 8,
};

struct seal_key {
	struct hmac_key *hmac;
	EVP_CIPHER_CTX *ctx;
};


static void key_destructor(void *arg)
{
	struct seal_key *key = arg;

	EVP_CIPHER_CTX_free(key->ctx);
	mem_deref(key->hmac);
}


/**
 * Make the key that a farm seals with
 *
 * @param kp     Pointer to the key, owned by the caller
 * @param secret Secret of the farm
 * @param len    Its length, 16..64 [bytes]
 *
 * @return 0 if success; EINVAL; ENOMEM
 */
int seal_key_alloc(struct seal_key **kp, const uint8_t *secret, size_t len)
{
	struct seal_key *key;
	int err;

	if (!kp || !secret)
		return EINVAL;

	key = mem_zalloc(sizeof(*key), key_destructor);
	if (!key)
		return ENOMEM;

	err = hmac_key_alloc(&key->hmac, secret, len, "seal");
	if (err)
		goto out;

	key->ctx = EVP_CIPHER_CTX_new();
	if (!key->ctx)
		err = ENOMEM;

 out:
	if (err)
		mem_deref(key);
	else
		*kp = key;

	return err;
}


/**
 * Make the key that a farm seals with, for a service
 *
 * @param kp      Pointer to the key, owned by the caller
 * @param srv     Server
 * @param service Name of the service, for the log
 *
 * @return 0 if success; else as noc_key_load
 */
int seal_key_load(struct seal_key **kp, struct server *srv,
		  const char *service)
{
	uint8_t secret[NOC_KEY_LEN];
	int err;

	if (!kp || !srv || !service)
		return EINVAL;

	err = noc_key_load(secret, srv, service);
	if (!err)
		err = seal_key_alloc(kp, secret, sizeof(secret));

	OPENSSL_cleanse(secret, sizeof(secret));

	return err;
}


/* Begin one message: its own key, and what is authenticated beside its
   text. */
static bool begin(struct seal_key *key, const uint8_t *head,
		  const char *place, bool encrypt)
{
	uint8_t msgkey[HMAC_CODE_LEN];
	bool ok;
	int n;

	hmac_code(key->hmac, msgkey, head + 1, SALT_LEN);

	ok = EVP_CipherInit_ex(key->ctx, EVP_aes_256_gcm(), NULL, msgkey,
				  head + 1 + SALT_LEN, encrypt) &&
		EVP_CipherUpdate(key->ctx, NULL, &n, head, 1) &&
		EVP_CipherUpdate(key->ctx, NULL, &n, (const uint8_t *)place,
				 (int)strlen(place));
	OPENSSL_cleanse(msgkey, sizeof(msgkey));

	return ok;
}


static bool place_valid(const char *place)
{
	return place && *place && strlen(place) <= PLACE_MAX;
}


/**
 * Seal a message
 *
 * @param buf   Set to the sealed message
 * @param sz    Room there, len + SEAL_OVERHEAD is needed [bytes]
 * @param np    Set to its length [bytes]
 * @param key   Key of the farm
 * @param place What it is for: subject, or "BUCKET/KEY"
 * @param text  The message
 * @param len   Its length, at most SEAL_TEXT_MAX [bytes]
 *
 * @return 0 if success; EINVAL; EOVERFLOW; EIO if there is no randomness
 */
int seal_encode(uint8_t *buf, size_t sz, size_t *np, struct seal_key *key,
		const char *place, const uint8_t *text, size_t len)
{
	uint8_t *p = buf;
	int n = 0, m = 0;

	if (!buf || !np || !key || !place_valid(place) || (!text && len))
		return EINVAL;

	if (len > SEAL_TEXT_MAX || sz < len + SEAL_OVERHEAD)
		return EOVERFLOW;

	p[0] = SEAL_VERSION;
	if (RAND_bytes(p + 1, SALT_LEN + NONCE_LEN) != 1)
		return EIO;

	/* without text there is nothing to update: to OpenSSL, no input means
	   the end */
	if (!begin(key, buf, place, true) ||
	    (len && !EVP_CipherUpdate(key->ctx, p + HEAD_LEN, &n, text,
				      (int)len)) ||
	    !EVP_CipherFinal_ex(key->ctx, p + HEAD_LEN + n, &m) ||
	    !EVP_CIPHER_CTX_ctrl(key->ctx, EVP_CTRL_GCM_GET_TAG, TAG_LEN,
				 p + HEAD_LEN + len))
		return EIO;

	*np = len + SEAL_OVERHEAD;

	return 0;
}


/**
 * Open a sealed message
 *
 * @param text  Set to the message; undefined if it is forged
 * @param sz    Room there, len - SEAL_OVERHEAD is needed [bytes]
 * @param np    Set to its length [bytes]
 * @param key   Key of the farm
 * @param place What it must be for
 * @param buf   What came
 * @param len   Its length [bytes]
 *
 * @return 0 if success; EBADMSG if it is too short, of another version,
 *         changed, of another farm or for another place; EINVAL; EOVERFLOW
 */
int seal_decode(uint8_t *text, size_t sz, size_t *np, struct seal_key *key,
		const char *place, const uint8_t *buf, size_t len)
{
	size_t textlen;
	int n = 0, m = 0;

	if (!text || !np || !key || !place_valid(place) || (!buf && len))
		return EINVAL;

	if (len < SEAL_OVERHEAD || buf[0] != SEAL_VERSION)
		return EBADMSG;

	textlen = len - SEAL_OVERHEAD;
	if (textlen > SEAL_TEXT_MAX || textlen > sz)
		return EOVERFLOW;

	if (!begin(key, buf, place, false) ||
	    (textlen && !EVP_CipherUpdate(key->ctx, text, &n, buf + HEAD_LEN,
					  (int)textlen)) ||
	    !EVP_CIPHER_CTX_ctrl(key->ctx, EVP_CTRL_GCM_SET_TAG, TAG_LEN,
				 (void *)(buf + HEAD_LEN + textlen)) ||
	    EVP_CipherFinal_ex(key->ctx, text + n, &m) != 1)
		return EBADMSG;

	*np = textlen;

	return 0;
}


/**
 * Seal an object as JSON
 *
 * @param bufp  Set to the sealed message, owned by the caller
 * @param lenp  Set to its length [bytes]
 * @param key   Key of the farm
 * @param place What it is for: subject, or "BUCKET/KEY"
 * @param od    Object
 *
 * @return 0 if success; EOVERFLOW if it is longer than SEAL_TEXT_MAX; else as
 *         seal_encode
 */
int seal_odict(uint8_t **bufp, size_t *lenp, struct seal_key *key,
	       const char *place, const struct odict *od)
{
	struct mbuf *mb;
	uint8_t *buf = NULL;
	int err;

	if (!bufp || !lenp || !key || !place || !od)
		return EINVAL;

	mb = mbuf_alloc(2048);
	if (!mb)
		return ENOMEM;

	err = mbuf_printf(mb, "%H", json_print, od);
	if (err)
		goto out;

	if (mb->end > SEAL_TEXT_MAX) {
		err = EOVERFLOW;
		goto out;
	}

	buf = mem_alloc(mb->end + SEAL_OVERHEAD, NULL);
	if (!buf) {
		err = ENOMEM;
		goto out;
	}

	err = seal_encode(buf, mb->end + SEAL_OVERHEAD, lenp, key, place,
			  mb->buf, mb->end);

 out:
	mem_deref(mb);
	if (err)
		mem_deref(buf);
	else
		*bufp = buf;

	return err;
}


/**
 * Open a sealed object
 *
 * @param odp   Set to the object, owned by the caller
 * @param key   Key of the farm
 * @param place What it must be for
 * @param buf   What came
 * @param len   Its length [bytes]
 *
 * @return 0 if success; EBADMSG if it is forged (see seal_decode) or no JSON
 *         object; EOVERFLOW if it is too large or too deep; ENOMEM
 */
int seal_open(struct odict **odp, struct seal_key *key, const char *place,
	      const uint8_t *buf, size_t len)
{
	static const struct json_limits max = {DEPTH_MAX, VALUES_MAX};
	uint8_t *text;
	size_t n;
	int err;

	if (!odp || !key || !place || !buf)
		return EINVAL;

	if (len <= SEAL_OVERHEAD)
		return EBADMSG;

	if (len > SEAL_TEXT_MAX + SEAL_OVERHEAD)
		return EOVERFLOW;

	text = mem_alloc(len - SEAL_OVERHEAD, NULL);
	if (!text)
		return ENOMEM;

	err = seal_decode(text, len - SEAL_OVERHEAD, &n, key, place, buf,
			  len);
	if (!err)
		err = json_object_within(odp, (const char *)text, n, &max);

	mem_deref(text);

	return err == EINVAL ? EBADMSG : err;
}
