/**
 * @file preparse.h  A quick look at a datagram: is it an INVITE so plain that
 *                   it can be redirected without a transaction?
 */
#ifndef JUNCTOR_SIP_PREPARSE_H
#define JUNCTOR_SIP_PREPARSE_H

enum {
	PREPARSE_VIAS_MAX   = 8,
	PREPARSE_CALLID_MAX = 255,      /* bytes */
	PREPARSE_USER_MAX   = 127,
	PREPARSE_CONF_MAX   = 127,
};

/* Everything points into the datagram. */
struct preparse {
	struct pl conf;              /* user part of the request URI         */
	struct pl user;              /* user@host of From                    */
	struct pl viav[PREPARSE_VIAS_MAX]; /* values, topmost first          */
	unsigned viac;
	struct pl via_host;          /* of the topmost; IPv6 in brackets     */
	uint16_t via_port;           /* 0: not told                          */
	struct pl branch;
	struct pl rport;             /* "rport" in the topmost, l 0: none    */
	struct pl from, to;          /* values                               */
	struct pl name;              /* display name of From, no quotes      */
	struct pl agent;             /* User-Agent                           */
	struct pl body;
	struct pl to_tag;            /* of an ACK                            */
	struct pl callid;
	struct pl cseq;              /* value                                */
	uint32_t cseq_num;
};

int preparse_invite(struct preparse *pp, const char *buf, size_t len);
int preparse_ack(struct preparse *pp, const char *buf, size_t len);
int preparse_callid(struct pl *callid, const char *buf, size_t len);

#endif
