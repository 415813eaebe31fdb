/**
 * @file redirmsg.h  The 302 for an INVITE that the pre-parser accepted
 */
#ifndef JUNCTOR_SIP_REDIRMSG_H
#define JUNCTOR_SIP_REDIRMSG_H

struct preparse;

enum { REDIRMSG_TAG_LEN = 16 };

int  redirmsg_encode(char *buf, size_t sz, size_t *len,
		     const struct preparse *pp, const struct sockaddr *src,
		     uint64_t tag, const char *contact, size_t contactlen);
bool redirmsg_tag_is(const struct pl *pl, uint64_t tag);
void redirmsg_reply_port(struct sockaddr *src, const struct preparse *pp);

#endif
