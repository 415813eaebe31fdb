/**
 * @file info.c  DTMF by INFO: application/dtmf-relay and application/dtmf
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "sip/leg.h"

enum {
	BODY_MAX         = 512,
	DURATION_DEFAULT = 250,        /* [ms]                              */
	DURATION_MAX     = 10000,      /* [ms]                              */
};


static char digit_decode(const char *p, size_t len)
{
	static const char events[] = "0123456789*#ABCD";
	unsigned n = 0;
	size_t i;

	while (len && (*p == ' ' || *p == '\t')) {
		++p;
		--len;
	}

	for (i = 0; i < len && p[i] > ' '; i++)
		;

	/* "10" and "11" are * and #, as the events of RFC 4733 count */
	if (i == 2 && p[0] == '1' && p[1] >= '0' && p[1] <= '5') {
		n = 10 + (p[1] - '0');
		return events[n];
	}

	if (i != 1 || !p[0])
		return '\0';

	if (p[0] >= 'a' && p[0] <= 'd')
		return p[0] - 'a' + 'A';

	return strchr(events, p[0]) ? p[0] : '\0';
}


static unsigned duration_decode(const char *p, size_t len)
{
	unsigned ms = 0;

	while (len && (*p == ' ' || *p == '\t')) {
		++p;
		--len;
	}

	for (; len && *p >= '0' && *p <= '9' && ms <= DURATION_MAX; p++, len--)
		ms = 10 * ms + (*p - '0');

	return ms && ms <= DURATION_MAX ? ms : DURATION_DEFAULT;
}


static char relay_decode(const char *p, size_t len, unsigned *ms)
{
	char digit = '\0';

	*ms = DURATION_DEFAULT;

	while (len) {
		const char *eol = memchr(p, '\n', len);
		size_t n = eol ? (size_t)(eol - p) : len;
		const char *eq = memchr(p, '=', n);
		size_t klen = eq ? (size_t)(eq - p) : 0;

		if (klen == 6 && !strncasecmp(p, "Signal", klen))
			digit = digit_decode(eq + 1, n - klen - 1);
		else if (klen == 8 && !strncasecmp(p, "Duration", klen))
			*ms = duration_decode(eq + 1, n - klen - 1);

		p   += n + (eol != NULL);
		len -= n + (eol != NULL);
	}

	return digit;
}


/**
 * INFO in a call
 *
 * @param lg  Leg
 * @param irq Server transaction, taken over
 * @param sip INFO
 */
void info_recv(struct leg *lg, nta_incoming_t *irq, sip_t const *sip)
{
	const char *type = sip->sip_content_type ?
		sip->sip_content_type->c_type : "";
	const char *body;
	struct wire *w;
	size_t len;
	char digit;
	unsigned ms = DURATION_DEFAULT;

	if (!receive_body(lg->ag, irq, sip, NULL, BODY_MAX, &body, &len))
		return;

	/* an INFO without a body asks whether the call still exists */
	if (!body) {
		reply_end(lg->ag, lg, irq, SIP_200_OK, NULL);
		return;
	}

	if (!strcasecmp(type, "application/dtmf-relay")) {
		digit = relay_decode(body, len, &ms);
	}
	else if (!strcasecmp(type, "application/dtmf")) {
		digit = digit_decode(body, len);
	}
	else {
		reply_end(lg->ag, lg, irq, SIP_415_UNSUPPORTED_MEDIA,
			  "Accept: application/dtmf-relay, application/dtmf");
		return;
	}

	if (!digit) {
		reply_end(lg->ag, lg, irq, 400, "Not A DTMF Digit", NULL);
		return;
	}

	reply_end(lg->ag, lg, irq, SIP_200_OK, NULL);

	w = wire_alloc(WIRE_DTMF, lg->id, NULL, NULL);
	if (w) {
		w->digit    = digit;
		w->duration = ms;
	}
	wireq_push(lg->ag->out, w);
}
