/**
 * @file noc/hmac.h  HMAC-SHA256 (RFC 2104) with a key that is prepared once
 */
#ifndef JUNCTOR_NOC_HMAC_H
#define JUNCTOR_NOC_HMAC_H

struct hmac_key;

enum {
	HMAC_KEY_MIN  = 16,    /* [bytes]                               */
	HMAC_KEY_MAX  = 64,
	HMAC_CODE_LEN = 32,
};

int  hmac_key_alloc(struct hmac_key **kp, const uint8_t *secret, size_t len,
		    const char *label);
void hmac_code(const struct hmac_key *key, uint8_t code[HMAC_CODE_LEN],
	       const void *buf, size_t len);
bool hmac_match(const struct hmac_key *key, const uint8_t *code, size_t n,
		const void *buf, size_t len);

#endif
