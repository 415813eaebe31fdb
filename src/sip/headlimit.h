/**
 * @file headlimit.h  No message may have more header fields than this
 */
#ifndef JUNCTOR_SIP_HEADLIMIT_H
#define JUNCTOR_SIP_HEADLIMIT_H

enum { HEADLIMIT_LINES = 256 };

bool headlimit_exceeded(const char *buf, size_t len);
int  headlimit_refuse(char *reply, size_t sz, size_t *replylen,
		      const char *buf, size_t len);

#endif
