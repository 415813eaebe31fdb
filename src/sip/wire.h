/**
 * @file wire.h  Messages between the main thread and the signalling threads
 *
 * Internal to src/sip. Needs neither libre nor sofia-sip, so that both sides
 * can include it. A message belongs to whoever holds it: pushing it gives it
 * away.
 */
#ifndef JUNCTOR_SIP_WIRE_H
#define JUNCTOR_SIP_WIRE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wire_type {
	/* main thread to signalling thread */
	WIRE_ACCEPT,         /* BODY: SDP, or none                          */
	WIRE_REJECT,         /* scode, REASON                               */
	WIRE_REDIRECT,       /* CONTACT                                     */
	WIRE_BYE,            /* scode, REASON: why                          */
	WIRE_OFFER,          /* BODY: SDP of a re-INVITE                    */
	WIRE_SENDTEXT,       /* USER: from, NAME, CTYPE, BODY               */
	WIRE_NOTIFY,         /* BODY, CTYPE; flag: the last one             */
	WIRE_PROBE,          /* OPTIONS in the dialog                       */
	WIRE_TRACE,          /* flag: on                                    */
	WIRE_TRACE_MATCH,    /* USER: Call-ID or user; flag: on             */
	WIRE_DIALOG_GET,     /* freeze, or flag: only look; answered with
				WIRE_DIALOG, with the same flag             */
	WIRE_THAW,           /* num: CSeq that was used elsewhere           */
	WIRE_RELEASE,        /* forget, without a word to the phone         */
	WIRE_REFER,          /* CONTACT: where to                           */
	WIRE_ADOPT,          /* BODY: dialog; id: a token, not yet an id    */
	WIRE_LOST_NO,        /* nobody knows the dialog of WIRE_LOST        */
	WIRE_LIMIT,          /* scode: refuse what is new with it, 0: don't */
	WIRE_QUIT,

	/* signalling thread to main thread */
	WIRE_JOIN,           /* INVITE outside a dialog                     */
	WIRE_SUBSCRIBE,      /* SUBSCRIBE outside a dialog                  */
	WIRE_ESTABLISHED,    /* ACK, BODY: answer to an offer in our 200    */
	WIRE_REOFFER,        /* BODY: SDP of a re-INVITE or UPDATE          */
	WIRE_ANSWER,         /* BODY: answer to our re-INVITE               */
	WIRE_REFUSED,        /* scode: our re-INVITE was not liked          */
	WIRE_TEXT,           /* BODY, CTYPE: MESSAGE in the dialog          */
	WIRE_TEXT_OUT,       /* the same outside a dialog; answer it        */
	WIRE_DTMF,           /* digit, duration                             */
	WIRE_REFRESHED,      /* SUBSCRIBE in the dialog: wants full state   */
	WIRE_DIALOG,         /* BODY: dialog as lines "key: value", or err  */
	WIRE_ADOPTED,        /* id: token; id2: of the dialog from now on   */
	WIRE_REFERRED,       /* scode: what became of a REFER               */
	WIRE_DEAD,           /* scode: the answer to WIRE_PROBE, if any     */
	WIRE_LOST,           /* CALLID: request of a dialog not known here  */
	WIRE_END,            /* scode: SIP status or 0, REASON              */
	WIRE_LOG,            /* BODY: a message; flag: sent                 */
};

enum wire_str {
	WIRE_CALLID,
	WIRE_CONF,           /* user part of the request URI, unescaped     */
	WIRE_ACCOUNT,
	WIRE_USER,
	WIRE_NAME,
	WIRE_INFO,
	WIRE_TICKET,
	WIRE_CONTACT,
	WIRE_REASON,
	WIRE_CTYPE,
	WIRE_BODY,
	WIRE_LTAG,           /* with WIRE_ESTABLISHED: the dialog's tags    */
	WIRE_RTAG,
	WIRE_REPLACES,       /* with WIRE_JOIN: Call-ID of another dialog,
				LTAG and RTAG are its tags then, flag:
				only if it is not established               */
	WIRE_STRC
};

union wire_addr {
	struct sockaddr s;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

struct wire {
	struct wire *next;
	enum wire_type type;
	uint64_t id;         /* of the dialog, see leg.h                    */
	uint64_t id2;
	uint32_t num;
	int err;             /* errno                                       */
	uint16_t scode;      /* SIP status, 0: none                         */
	bool flag;
	char digit;
	unsigned duration;   /* [ms]                                        */
	union wire_addr src; /* family AF_UNSPEC: none                      */
	const char *strv[WIRE_STRC];  /* zero-terminated; NULL: none        */
	size_t lenv[WIRE_STRC];       /* [bytes] without the final zero     */
};

struct wireq;

typedef void (wire_wake_h)(void *arg);

struct wire *wire_alloc(enum wire_type type, uint64_t id,
			const char *const strv[WIRE_STRC],
			const size_t lenv[WIRE_STRC]);
struct wire *wire_free(struct wire *w);

int  wireq_alloc(struct wireq **qp, wire_wake_h *wakeh, void *arg);
struct wireq *wireq_free(struct wireq *q);
void wireq_push(struct wireq *q, struct wire *w);
struct wire *wireq_take(struct wireq *q);

#endif
