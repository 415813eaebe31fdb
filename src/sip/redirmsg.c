/**
 * @file redirmsg.c  The final answer to an INVITE that the pre-parser accepted
 */
#include <string.h>
#include <re.h>
#include "sip/preparse.h"
#include "sip/redirmsg.h"


struct out {
	char *p, *end;
	bool full;
};


static void put(struct out *o, const void *p, size_t n)
{
	if (o->full || (size_t)(o->end - o->p) < n) {
		o->full = true;
		return;
	}

	memcpy(o->p, p, n);
	o->p += n;
}


static void put_pl(struct out *o, const struct pl *pl)
{
	put(o, pl->p, pl->l);
}


#define put_lit(o, s) put(o, s, sizeof(s) - 1)


static void put_num(struct out *o, uint32_t n)
{
	char buf[10], *p = buf + sizeof(buf);

	do {
		*--p = (char)('0' + n % 10);
		n /= 10;
	}
	while (n);

	put(o, p, (size_t)(buf + sizeof(buf) - p));
}


static void put_tag(struct out *o, uint64_t tag)
{
	static const char hex[] = "0123456789abcdef";
	char buf[REDIRMSG_TAG_LEN];
	unsigned i;

	for (i=0; i<sizeof(buf); i++)
		buf[i] = hex[tag >> (60 - 4*i) & 0xf];

	put(o, buf, sizeof(buf));
}


static uint16_t src_port(const struct sockaddr *src)
{
	const void *p = src;

	return src->sa_family == AF_INET6
		? ntohs(((const struct sockaddr_in6 *)p)->sin6_port)
		: ntohs(((const struct sockaddr_in *)p)->sin_port);
}


/* An address as text; IPv4 the short way, as nearly all of them are */
static void put_addr(struct out *o, const struct sockaddr *src)
{
	const void *p = src;
	const uint8_t *a;
	char buf[INET6_ADDRSTRLEN];
	unsigned i;

	if (src->sa_family == AF_INET6) {

		const struct in6_addr *in6 =
			&((const struct sockaddr_in6 *)p)->sin6_addr;

		if (!IN6_IS_ADDR_V4MAPPED(in6)) {
			if (inet_ntop(AF_INET6, in6, buf, sizeof(buf)))
				put(o, buf, strlen(buf));
			return;
		}

		a = in6->s6_addr + 12;
	}
	else {
		a = (const uint8_t *)
			&((const struct sockaddr_in *)p)->sin_addr;
	}

	for (i=0; i<4; i++) {
		if (i)
			put_lit(o, ".");
		put_num(o, a[i]);
	}
}


/* RFC 3581 section 4: with rport both are told. RFC 3261 section 18.2.1:
 * without it, the address is told when it is not the one in the Via. */
static void put_via_top(struct out *o, const struct preparse *pp,
			const struct sockaddr *src)
{
	const struct pl *via = &pp->viav[0];
	char buf[INET6_ADDRSTRLEN];
	struct out a = {buf, buf + sizeof(buf), false};
	struct pl host = pp->via_host;
	size_t n = via->l;

	put_addr(&a, src);

	if (host.l && host.p[0] == '[') {
		++host.p;
		host.l -= 2;
	}

	if (pp->rport.l) {
		n = (size_t)(pp->rport.p + pp->rport.l - via->p);
		put(o, via->p, n);
		put_lit(o, "=");
		put_num(o, src_port(src));
	}
	else {
		put(o, via->p, n);
	}

	if (pp->rport.l || host.l != (size_t)(a.p - buf) ||
	    memcmp(host.p, buf, host.l)) {
		put_lit(o, ";received=");
		put(o, buf, (size_t)(a.p - buf));
	}

	put(o, via->p + n, via->l - n);
}


/**
 * Write a final answer
 *
 * @param buf Written to
 * @param sz  Its size [bytes]
 * @param len Set to what was written [bytes]
 * @param pp  The INVITE
 * @param src Where it came from
 * @param rm  What to answer
 *
 * @return 0 for success, EOVERFLOW if it does not fit
 */
int redirmsg_encode(char *buf, size_t sz, size_t *len,
		    const struct preparse *pp, const struct sockaddr *src,
		    const struct redirmsg *rm)
{
	struct out o = {buf, buf + sz, false};
	unsigned i;

	put_lit(&o, "SIP/2.0 ");
	put(&o, rm->status, strlen(rm->status));
	put_lit(&o, "\r\nVia: ");
	put_via_top(&o, pp, src);

	for (i=1; i<pp->viac; i++) {
		put_lit(&o, "\r\nVia: ");
		put_pl(&o, &pp->viav[i]);
	}

	put_lit(&o, "\r\nFrom: ");
	put_pl(&o, &pp->from);
	put_lit(&o, "\r\nTo: ");
	put_pl(&o, &pp->to);
	put_lit(&o, ";tag=");
	put_tag(&o, rm->tag);
	put_lit(&o, "\r\nCall-ID: ");
	put_pl(&o, &pp->callid);
	put_lit(&o, "\r\nCSeq: ");
	put_pl(&o, &pp->cseq);

	if (rm->contact.l) {
		put_lit(&o, "\r\nContact: <");
		put_pl(&o, &rm->contact);
		put_lit(&o, ">");
	}

	/* RFC 3261 section 20.33: this passes */
	if (!strncmp(rm->status, "480", 3) || !strncmp(rm->status, "503", 3))
		put_lit(&o, "\r\nRetry-After: 5");

	put_lit(&o, "\r\nContent-Length: 0\r\n\r\n");

	*len = (size_t)(o.p - buf);

	return o.full ? EOVERFLOW : 0;
}


/**
 * Is this our To tag?
 *
 * @param pl  Tag, as it came
 * @param tag What ours would be
 *
 * @return true if it is
 */
bool redirmsg_tag_is(const struct pl *pl, uint64_t tag)
{
	char buf[REDIRMSG_TAG_LEN];
	struct out o = {buf, buf + sizeof(buf), false};

	put_tag(&o, tag);

	return pl->l == sizeof(buf) && !memcmp(pl->p, buf, sizeof(buf));
}


/**
 * Find the port that a reply goes to (RFC 3261 section 18.2.2, RFC 3581)
 *
 * @param src Where the request came from; changed to where the reply goes
 * @param pp  The request
 */
void redirmsg_reply_port(struct sockaddr *src, const struct preparse *pp)
{
	const uint16_t port = htons(pp->via_port ? pp->via_port : 5060);
	void *p = src;

	if (pp->rport.l)
		return;

	if (src->sa_family == AF_INET6)
		((struct sockaddr_in6 *)p)->sin6_port = port;
	else
		((struct sockaddr_in *)p)->sin_port = port;
}
