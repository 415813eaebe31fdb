/**
 * @file base64url.h  Bytes as letters that need no escaping
 */
#ifndef JUNCTOR_NOC_BASE64URL_H
#define JUNCTOR_NOC_BASE64URL_H

size_t base64url_encode(char *text, const uint8_t *p, size_t len);
int    base64url_decode(uint8_t *p, size_t sz, size_t *np,
			const char *text, size_t len);

#endif
