/**
 * @file noc/options.h  A SIP OPTIONS request: is a server well?
 *
 * For those who send a datagram and need no SIP stack for it.
 */
#ifndef JUNCTOR_NOC_OPTIONS_H
#define JUNCTOR_NOC_OPTIONS_H

struct mbuf;
struct sa;

enum { OPTIONS_TOKEN = 16 };       /* hex digits that tell one from another */

int options_encode(struct mbuf *mb, const char *contact,
		   const struct sa *laddr, const char *token);
int options_response(uint16_t *scode, char token[OPTIONS_TOKEN + 1],
		     const uint8_t *buf, size_t len);

#endif
