/**
 * @file redirmsg.h  The final answer to an INVITE that the pre-parser accepted
 */
#ifndef JUNCTOR_SIP_REDIRMSG_H
#define JUNCTOR_SIP_REDIRMSG_H

struct preparse;

enum { REDIRMSG_TAG_LEN = 16 };

struct redirmsg {
	const char *status;          /* "302 Moved Temporarily"             */
	uint64_t tag;                /* for our To tag                      */
	struct pl contact;           /* URI, without brackets, or l 0: none */
};

int  redirmsg_encode(char *buf, size_t sz, size_t *len,
		     const struct preparse *pp, const struct sockaddr *src,
		     const struct redirmsg *rm);
bool redirmsg_tag_is(const struct pl *pl, uint64_t tag);
void redirmsg_reply_port(struct sockaddr *src, const struct preparse *pp);

#endif
