/**
 * @file dialogsave.c  A leg as a dialog to be written down
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "sip/leg.h"
#include "sip/dialogtext.h"


static bool str_set(char *dst, size_t sz, const char *src)
{
	const size_t n = src ? strlen(src) : 0;

	if (n >= sz)
		return false;

	if (n)
		memcpy(dst, src, n);
	dst[n] = '\0';

	return true;
}


static bool url_set(char *dst, size_t sz, const url_t *url)
{
	const int n = snprintf(dst, sz, URL_PRINT_FORMAT,
			       URL_PRINT_ARGS(url));

	return n >= 0 && (size_t)n < sz;
}


/* "<sip:user@host>;isfocus" */
static bool user_set(char *dst, size_t sz, const char *contact)
{
	const char *at = contact ? strchr(contact, '@') : NULL;
	const size_t skip = strlen("<sip:");
	size_t n;

	dst[0] = '\0';

	if (!at)
		return true;

	n = (size_t)(at - contact) - skip;
	if (n >= sz)
		return false;

	memcpy(dst, contact + skip, n);
	dst[n] = '\0';

	return true;
}


static bool route_set(char *dst, size_t sz, const sip_route_t *r)
{
	size_t n;

	dst[0] = '<';
	if (!url_set(dst + 1, sz - 2, r->r_url))
		return false;

	n = strlen(dst);
	dst[n++] = '>';
	dst[n]   = '\0';

	for (size_t i = 0; r->r_params && r->r_params[i]; i++) {

		const int c = snprintf(dst + n, sz - n, ";%s",
				       r->r_params[i]);

		if (c < 0 || (size_t)c >= sz - n)
			return false;
		n += (size_t)c;
	}

	return true;
}


static bool routes_set(struct dialogtext *d, const sip_route_t *r)
{
	for (; r; r = r->r_next) {

		if (d->routec >= DIALOGTEXT_ROUTES ||
		    !route_set(d->routev[d->routec++], DIALOGTEXT_URI_MAX, r))
			return false;
	}

	return true;
}


/* o=<who> <id> <version> ... */
static void origin_get(struct dialogtext *d, const char *sdp)
{
	const char *p = sdp ? strstr(sdp, "\no=") : NULL;
	char *end;

	if (!p)
		return;

	p += 3 + strcspn(p + 3, " \n");
	d->sdp_id = strtoull(p, &end, 10);
	d->sdp_version = strtoull(end, NULL, 10);
}


static unsigned left(const struct leg *lg)
{
	const unsigned now = agent_now();

	if (!lg->due)
		return 0;

	return (int)(lg->due - now) > 0 ? lg->due - now : 1;
}


static void states_set(struct dialogtext *d, const struct leg *lg)
{
	const tp_name_t *tpn = lg->tport ? tport_name(lg->tport) : NULL;
	const bool tcp = lg->conn || (tpn && !strcasecmp(tpn->tpn_proto,
							 "tcp"));

	(void)str_set(d->kind, sizeof(d->kind), lg->kind == LEG_CALL
		      ? "call" : "subscription");
	(void)str_set(d->transport, sizeof(d->transport),
		      tcp ? "tcp" : "udp");

	d->local_cseq  = nta_leg_get_seq(lg->nl);
	d->remote_cseq = nta_leg_get_rseq(lg->nl);
	d->interval    = lg->se;
	d->left        = left(lg);
	d->refresher   = lg->refresher;
	d->timer       = lg->timer;
	d->update      = lg->can_update;
	d->replaces    = lg->replaces;
	d->nat         = lg->nat;
	origin_get(d, lg->sdp);
}


/**
 * Write down what a dialog is
 *
 * @param d  Filled
 * @param lg Leg with a dialog
 *
 * @return 0; ENOTCONN if there is no dialog; EOVERFLOW if it is beyond the
 *         bounds of dialogtext.h
 */
int dialog_save(struct dialogtext *d, const struct leg *lg)
{
	const sip_contact_t *target = NULL;
	const sip_route_t *route = NULL;
	bool ok;

	memset(d, 0, sizeof(*d));

	if (!lg->nl)
		return ENOTCONN;

	states_set(d, lg);
	nta_leg_get_route(lg->nl, &route, &target);

#define SET(field, value) str_set(d->field, sizeof(d->field), value)
	ok = SET(callid, lg->callid) &&
		SET(local_tag, nta_leg_get_tag(lg->nl)) &&
		SET(remote_tag, nta_leg_get_rtag(lg->nl)) &&
		SET(local_uri, lg->local) &&
		SET(remote_uri, lg->remote) &&
		SET(local_name, lg->local_name) &&
		SET(remote_name, lg->remote_name) &&
		SET(hop, d->transport[0] == 'u' ? lg->hop : NULL) &&
		SET(privacy, lg->privacy) &&
		SET(event_id, lg->event_id) &&
		user_set(d->user, sizeof(d->user), lg->contact) &&
		routes_set(d, route);
#undef SET

	if (ok && target)
		ok = url_set(d->target, sizeof(d->target), target->m_url);

	return ok ? 0 : EOVERFLOW;
}


static char *name_dup(const char *display)
{
	char buf[DIALOGTEXT_NAME_MAX];

	identity_display(buf, sizeof(buf), display);

	return buf[0] ? strdup(buf) : NULL;
}


/* RFC 3323 section 4.2: a list of words */
static char *privacy_dup(const sip_privacy_t *pr)
{
	char buf[DIALOGTEXT_WORD_MAX] = "";
	size_t n = 0;

	for (size_t i = 0; pr && pr->priv_values && pr->priv_values[i]; i++) {

		const int c = snprintf(buf + n, sizeof(buf) - n, "%s%s",
				       n ? ";" : "", pr->priv_values[i]);

		if (c < 0 || (size_t)c >= sizeof(buf) - n)
			return NULL;
		n += (size_t)c;
	}

	return n ? strdup(buf) : NULL;
}


/**
 * Keep of a dialog's first request what nobody can be asked for later
 *
 * @param lg  Leg
 * @param sip INVITE or SUBSCRIBE
 */
void dialog_names(struct leg *lg, sip_t const *sip)
{
	const sip_event_t *ev = sip->sip_event;

	lg->local_name  = name_dup(sip->sip_to->a_display);
	lg->remote_name = name_dup(sip->sip_from->a_display);
	lg->privacy     = privacy_dup(sip->sip_privacy);

	if (lg->kind == LEG_SUBSCRIPTION && ev && ev->o_id &&
	    strlen(ev->o_id) < DIALOGTEXT_WORD_MAX)
		lg->event_id = strdup(ev->o_id);

	lg->replaces = sip->sip_supported &&
		sip_has_feature(sip->sip_supported, "replaces");
}
