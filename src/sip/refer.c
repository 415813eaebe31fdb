/**
 * @file refer.c  Asking a phone to call elsewhere (RFC 3515)
 *
 *     |<--REFER--------|  Refer-To: <sip:...?Replaces=this dialog>
 *     |--202---------->|
 *     |--NOTIFY------->|  message/sipfrag: SIP/2.0 100
 *     |--NOTIFY------->|  message/sipfrag: SIP/2.0 200 --> REFERRED
 *
 * The call that the phone makes then says which one it replaces (RFC 3891). A
 * phone that does not tell how it went (RFC 4488) is taken at its word.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sofia-sip/sip_extra.h>
#include "sip/leg.h"

enum {
	TARGET_MAX = 512,              /* [bytes]                           */
	VALUE_MAX  = 512,              /* Call-ID and tags [bytes]          */
	FRAG_MAX   = 4096,             /* [bytes]                           */
};


/* What may stand in a header of a URI (RFC 3261 section 25.1) */
static bool escape(char *dst, size_t sz, const char *src)
{
	static const char hex[] = "0123456789ABCDEF";
	static const char plain[] = "-_.!~*'()";
	size_t n = 0;

	for (; *src; src++) {

		const unsigned char c = (unsigned char)*src;
		const bool keep = (c >= 'a' && c <= 'z') ||
			(c >= 'A' && c <= 'Z') ||
			(c >= '0' && c <= '9') || strchr(plain, c);

		if (n + 4 > sz)
			return false;

		if (keep) {
			dst[n++] = (char)c;
			continue;
		}

		dst[n++] = '%';
		dst[n++] = hex[c >> 4];
		dst[n++] = hex[c & 15];
	}

	dst[n] = '\0';

	return true;
}


static bool target_valid(const char *uri)
{
	return uri && (!strncasecmp(uri, "sip:", 4) ||
		       !strncasecmp(uri, "sips:", 5)) &&
		strlen(uri) < TARGET_MAX && !strpbrk(uri, "<>\"\\, \t\r\n");
}


/* To-tag is the one of who gets the INVITE: ours. */
static bool headers_print(char *buf, size_t sz, const struct leg *lg,
			  const char *uri)
{
	const char *ltag = nta_leg_get_tag(lg->nl);
	const char *rtag = nta_leg_get_rtag(lg->nl);
	char value[VALUE_MAX], escaped[3 * VALUE_MAX];
	int n;

	n = snprintf(value, sizeof(value), "%s;to-tag=%s;from-tag=%s",
		     lg->callid, ltag ? ltag : "0", rtag ? rtag : "0");
	if (n < 0 || (size_t)n >= sizeof(value) ||
	    !escape(escaped, sizeof(escaped), value))
		return false;

	n = snprintf(buf, sz, "Refer-To: <%s%cReplaces=%s>\r\n"
		     "Referred-By: <%s>\r\nSupported: timer, replaces",
		     uri, strchr(uri, '?') ? '&' : '?', escaped,
		     lg->local ? lg->local : uri);

	return n >= 0 && (size_t)n < sz;
}


static void tell(const struct leg *lg, uint16_t scode)
{
	struct wire *w = wire_alloc(WIRE_REFERRED, lg->id, NULL, NULL);

	if (w)
		w->scode = scode;

	wireq_push(lg->ag->out, w);
}


/**
 * It is known what came of a REFER
 *
 * @param lg    Leg
 * @param scode Status that the phone got where it called, or why it did not
 */
void refer_end(struct leg *lg, uint16_t scode)
{
	if (!lg->refer_until)
		return;

	lg->refer_until = 0;
	tell(lg, scode);
}


static bool says_nothing(sip_t const *sip)
{
	const sip_refer_sub_t *rs = sip_refer_sub(sip);

	return rs && rs->rs_value && !strcasecmp(rs->rs_value, "false");
}


static int responded(struct leg *lg, nta_outgoing_t *orq, sip_t const *sip)
{
	uint16_t scode = sip ? sip->sip_status->st_status : 408;

	(void)orq;

	if (scode < 200)
		return 0;

	nta_outgoing_destroy(lg->orq);
	lg->orq = NULL;

	if (lg->state == LEG_DYING) {
		leg_free(lg);
		return 0;
	}

	if (scode >= 300)
		refer_end(lg, scode);
	else if (says_nothing(sip))
		refer_end(lg, 202);

	if (scode == 408 || scode == 481) {
		leg_end(lg, scode, "REFER was not answered");
		leg_free(lg);
		return 0;
	}

	leg_quiet(lg);

	return 0;
}


/**
 * Ask the phone to call elsewhere, in place of this call; WIRE_REFERRED
 * follows
 *
 * @param lg  Leg
 * @param uri SIP URI, escaped, without brackets
 */
void refer_send(struct leg *lg, const char *uri)
{
	struct request rq = {.method = sip_method_refer, .name = "REFER"};
	char extra[3 * VALUE_MAX + 2 * TARGET_MAX + 128];

	if (lg->kind != LEG_CALL || lg->state != LEG_CONFIRMED || lg->orq ||
	    lg->thaw || lg->freeze_wanted || lg->refer_until) {
		tell(lg, 491);
		return;
	}

	if (!target_valid(uri) ||
	    !headers_print(extra, sizeof(extra), lg, uri)) {
		tell(lg, 400);
		return;
	}

	rq.extra = extra;
	lg->refer_until = agent_now() + LEG_REFER_MAX;
	lg->orq = request_send(lg, &rq, responded);
	if (!lg->orq)
		refer_end(lg, 500);
}


/* "SIP/2.0 200 OK": 200; 0 if it is something else */
static uint16_t status_decode(const char *p, size_t len)
{
	static const char version[] = "SIP/2.0 ";
	const size_t n = sizeof(version) - 1;

	if (len < n + 3 || strncasecmp(p, version, n))
		return 0;

	p += n;

	if (p[0] < '1' || p[0] > '6' || p[1] < '0' || p[1] > '9' ||
	    p[2] < '0' || p[2] > '9' || (len > n + 3 && p[3] >= '0'))
		return 0;

	return (uint16_t)(100 * (p[0] - '0') + 10 * (p[1] - '0') +
			  (p[2] - '0'));
}


/**
 * NOTIFY in a call: how the phone fares where it was referred to
 *
 * @param lg  Leg
 * @param irq Server transaction, taken over
 * @param sip NOTIFY
 */
void refer_notified(struct leg *lg, nta_incoming_t *irq, sip_t const *sip)
{
	const sip_subscription_state_t *ss = sip->sip_subscription_state;
	const char *body;
	uint16_t scode = 0;
	size_t len;

	if (!sip->sip_event || !sip->sip_event->o_type ||
	    strcasecmp(sip->sip_event->o_type, "refer")) {
		reply_end(lg->ag, lg, irq, SIP_489_BAD_EVENT,
			  "Allow-Events: conference");
		return;
	}

	if (!lg->refer_until) {
		reply_end(lg->ag, lg, irq, 481,
			  "Subscription Does Not Exist", NULL);
		return;
	}

	if (!receive_body(lg->ag, irq, sip, "message/sipfrag", FRAG_MAX,
			  &body, &len))
		return;

	reply_end(lg->ag, lg, irq, SIP_200_OK, NULL);

	if (body)
		scode = status_decode(body, len);

	if (scode >= 200)
		refer_end(lg, scode);
	else if (ss && ss->ss_substate &&
		 !strcasecmp(ss->ss_substate, "terminated"))
		refer_end(lg, 487);
}


/**
 * Somebody wants us to call elsewhere: a conference does not
 *
 * @param lg  Leg
 * @param irq Server transaction, taken over
 * @param sip REFER
 */
void refer_recv(struct leg *lg, nta_incoming_t *irq, sip_t const *sip)
{
	(void)sip;

	reply_end(lg->ag, lg, irq, SIP_603_DECLINE, NULL);
}
