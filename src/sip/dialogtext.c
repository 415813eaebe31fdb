/**
 * @file dialogtext.c  The state of a dialog as text
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "sip/leg.h"


static void line_add(char **pp, const char *end, const char *key,
		     const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));


static void line_add(char **pp, const char *end, const char *key,
		     const char *fmt, ...)
{
	size_t left = end - *pp;
	va_list ap;
	int n, m;

	n = snprintf(*pp, left, "%s: ", key);
	if (n < 0 || (size_t)n >= left)
		return;

	va_start(ap, fmt);
	m = vsnprintf(*pp + n, left - n, fmt, ap);
	va_end(ap);

	/* a line that does not fit is left out as a whole */
	if (m < 0 || (size_t)(n + m) + 2 > left)
		**pp = '\0';
	else
		*pp += n + m + snprintf(*pp + n + m, left - n - m, "\n");
}


/**
 * The state of a dialog as text, one "key: value" per line: all that
 * another server needs to take the dialog over
 *
 * @param lg Leg with a dialog
 *
 * @return Message for the main thread, or NULL
 */
struct wire *leg_dialog_wire(const struct leg *lg)
{
	const char *strv[WIRE_STRC] = {[WIRE_CALLID] = lg->callid};
	const sip_contact_t *target = NULL;
	const sip_route_t *r = NULL;
	char buf[4096] = "", *p = buf;
	const char *end = buf + sizeof(buf);

	if (!lg->nl)
		return NULL;

	nta_leg_get_route(lg->nl, &r, &target);

	line_add(&p, end, "call-id", "%s", lg->callid);
	line_add(&p, end, "local-tag", "%s", nta_leg_get_tag(lg->nl));
	line_add(&p, end, "remote-tag", "%s",
		 nta_leg_get_rtag(lg->nl) ? nta_leg_get_rtag(lg->nl) : "");
	line_add(&p, end, "local-uri", "%s", lg->local ? lg->local : "");
	line_add(&p, end, "remote-uri", "%s", lg->remote ? lg->remote : "");
	line_add(&p, end, "local-cseq", "%u", nta_leg_get_seq(lg->nl));
	line_add(&p, end, "remote-cseq", "%u", nta_leg_get_rseq(lg->nl));
	line_add(&p, end, "contact", "%s", lg->contact ? lg->contact : "");

	if (target)
		line_add(&p, end, "remote-target", URL_PRINT_FORMAT,
			 URL_PRINT_ARGS(target->m_url));

	for (; r; r = r->r_next)
		line_add(&p, end, "route", URL_PRINT_FORMAT,
			 URL_PRINT_ARGS(r->r_url));

	strv[WIRE_BODY] = buf;

	return wire_alloc(WIRE_DIALOG, lg->id, strv, NULL);
}
