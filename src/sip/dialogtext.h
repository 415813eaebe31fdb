/**
 * @file dialogtext.h  A dialog written down, and read again
 *
 * Needs neither libre nor sofia-sip, so that both sides can include it.
 */
#ifndef JUNCTOR_SIP_DIALOGTEXT_H
#define JUNCTOR_SIP_DIALOGTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	DIALOGTEXT_MAX        = 12288, /* text, with the final zero [bytes] */

	/* bytes of each, with the final zero */
	DIALOGTEXT_CALLID_MAX = 256,
	DIALOGTEXT_TAG_MAX    = 128,
	DIALOGTEXT_URI_MAX    = 512,
	DIALOGTEXT_NAME_MAX   = 128,
	DIALOGTEXT_USER_MAX   = 384,   /* 128, escaped                      */
	DIALOGTEXT_HOP_MAX    = 96,
	DIALOGTEXT_WORD_MAX   = 64,

	DIALOGTEXT_ROUTES     = 8,
	DIALOGTEXT_CSEQ_MAX   = 0x7fffffff, /* RFC 3261 section 8.1.1.5     */
	DIALOGTEXT_SECS_MAX   = 86400 * 7,  /* of intervals [s]             */
};

/* Strings are "" when there is nothing to tell. */
struct dialogtext {
	char kind[DIALOGTEXT_WORD_MAX];          /* "call", "subscription"  */
	char transport[DIALOGTEXT_WORD_MAX];     /* "udp", "tcp"            */
	char callid[DIALOGTEXT_CALLID_MAX];
	char local_tag[DIALOGTEXT_TAG_MAX];
	char remote_tag[DIALOGTEXT_TAG_MAX];     /* RFC 2543 peers: ""      */
	char local_uri[DIALOGTEXT_URI_MAX];
	char remote_uri[DIALOGTEXT_URI_MAX];
	char local_name[DIALOGTEXT_NAME_MAX];    /* display names, unquoted */
	char remote_name[DIALOGTEXT_NAME_MAX];
	char user[DIALOGTEXT_USER_MAX];          /* of our Contact, escaped */
	char target[DIALOGTEXT_URI_MAX];         /* the peer's Contact      */
	char routev[DIALOGTEXT_ROUTES][DIALOGTEXT_URI_MAX]; /* "<uri>;..."  */
	unsigned routec;
	char hop[DIALOGTEXT_HOP_MAX];   /* peer behind NAT: "sip:addr:port" */
	char privacy[DIALOGTEXT_WORD_MAX];       /* RFC 3323, as asked for  */
	char event_id[DIALOGTEXT_WORD_MAX];      /* subscriptions           */
	uint64_t local_cseq;                     /* last one used           */
	uint64_t remote_cseq;                    /* 0: unknown              */
	uint64_t interval;       /* of session or subscription, 0: none [s] */
	uint64_t left;           /* until something is due, 0: nothing [s]  */
	uint64_t refresher;      /* 1: we refresh the session               */
	uint64_t timer;          /* 1: the peer supports session timers     */
	uint64_t update;         /* 1: the peer allows UPDATE               */
	uint64_t replaces;       /* 1: the peer supports Replaces           */
	uint64_t nat;            /* 1: its Contact cannot be connected to   */
	uint64_t sdp_id, sdp_version;            /* o= of our last SDP      */
};

int dialogtext_encode(char *buf, size_t sz, size_t *lenp,
		      const struct dialogtext *d);
int dialogtext_decode(struct dialogtext *d, const char *text, size_t len);
bool dialogtext_is_call(const struct dialogtext *d);

#endif
