/**
 * @file adopt.c  Dialogs of other servers become ours
 *
 * What comes here was read once before, in the main thread, so that who asks
 * is told at once what is wrong with it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sofia-sip/hostdomain.h>
#include "sip/leg.h"
#include "sip/dialogtext.h"

enum { ADDR_MAX = DIALOGTEXT_URI_MAX + DIALOGTEXT_NAME_MAX * 2 +
	       DIALOGTEXT_TAG_MAX + 16 };


/* "name" <uri>;tag=tag */
static void addr_print(char *buf, size_t sz, const char *name,
		       const char *uri, const char *tag)
{
	size_t n = 0;

	if (*name) {
		buf[n++] = '"';
		for (; *name && n + 4 < sz; name++) {
			if (*name == '"' || *name == '\\')
				buf[n++] = '\\';
			buf[n++] = *name;
		}
		buf[n++] = '"';
		buf[n++] = ' ';
	}

	(void)snprintf(buf + n, sz - n, "<%s>%s%s", uri,
		       *tag ? ";tag=" : "", tag);
}


static sip_route_t *route_make(su_home_t *home, const struct dialogtext *d)
{
	char buf[DIALOGTEXT_ROUTES * DIALOGTEXT_URI_MAX] = "";
	size_t n = 0;

	for (unsigned i = 0; i < d->routec; i++)
		n += (size_t)snprintf(buf + n, sizeof(buf) - n, "%s%s",
				      i ? "," : "", d->routev[i]);

	return sip_route_make(home, buf);
}


static nta_leg_t *nta_make(struct leg *lg, const struct dialogtext *d,
			   su_home_t *home)
{
	char local[ADDR_MAX], remote[ADDR_MAX];
	sip_contact_t *target;
	sip_route_t *route = NULL;
	sip_cseq_t cs[1];
	nta_leg_t *nl;

	addr_print(local, sizeof(local), d->local_name, d->local_uri,
		   d->local_tag);
	addr_print(remote, sizeof(remote), d->remote_name, d->remote_uri,
		   d->remote_tag);

	sip_cseq_init(cs);
	cs->cs_seq         = (uint32_t)d->local_cseq;
	cs->cs_method      = sip_method_invite;
	cs->cs_method_name = "INVITE";

	target = sip_contact_format(home, "<%s>", d->target);
	if (d->routec)
		route = route_make(home, d);

	if (!target || (d->routec && !route) ||
	    (target->m_url->url_type != url_sip &&
	     target->m_url->url_type != url_sips))
		return NULL;

	nl = nta_leg_tcreate(lg->ag->nta, leg_request, lg,
			     SIPTAG_CALL_ID_STR(d->callid),
			     SIPTAG_FROM_STR(local),
			     SIPTAG_TO_STR(remote),
			     TAG_IF(route, SIPTAG_ROUTE(route)),
			     SIPTAG_CSEQ(cs),
			     NTATAG_REMOTE_CSEQ((uint32_t)d->remote_cseq),
			     TAG_END());

	/* this also tells nta whether the route is a loose one */
	if (nl && nta_leg_server_route(nl, NULL, target) < 0) {
		nta_leg_destroy(nl);
		return NULL;
	}

	return nl;
}


/**
 * Give a leg a dialog that was written down, instead of the one that it has
 *
 * @param lg Leg
 * @param d  Dialog
 *
 * @return 0, EBADMSG if nta cannot make one of it
 */
int adopt_leg(struct leg *lg, const struct dialogtext *d)
{
	su_home_t home[1] = {SU_HOME_INIT(home)};
	nta_leg_t *nl;

	nl = nta_make(lg, d, home);
	su_home_deinit(home);

	if (!nl)
		return EBADMSG;

	nta_leg_destroy(lg->nl);
	lg->nl = nl;

	return 0;
}


/* Where the next request goes: "1.2.3.4" or "::1" of a URI; false if that is
 * a name, or too long */
static bool host_get(char *buf, size_t sz, const struct dialogtext *d)
{
	const char *uri = d->hop[0] ? d->hop : d->routec ? d->routev[0] + 1
		: d->target;
	const char *p = strchr(uri, '@');
	size_t n;

	p = p ? p + 1 : uri + strcspn(uri, ":") + 1;
	n = *p == '[' ? strcspn(++p, "]") : strcspn(p, ":;?>");
	if (n >= sz)
		return false;

	memcpy(buf, p, n);
	buf[n] = '\0';

	return true;
}


/* The address of ours from which packets go there */
static bool local_get(char *buf, size_t sz, const char *host)
{
	const bool six = strchr(host, ':') != NULL;
	const int af = six ? AF_INET6 : AF_INET;
	union wire_addr to = {.s = {.sa_family = (sa_family_t)af}};
	socklen_t len = six ? sizeof(to.in6) : sizeof(to.in);
	bool ok;
	int fd;

	to.in.sin_port = htons(9);
	if (inet_pton(af, host, six ? (void *)&to.in6.sin6_addr
		      : (void *)&to.in.sin_addr) != 1)
		return false;

	fd = socket(af, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;

	/* sends nothing */
	ok = !connect(fd, &to.s, len) && !getsockname(fd, &to.s, &len) &&
		inet_ntop(af, six ? (void *)&to.in6.sin6_addr
			  : (void *)&to.in.sin_addr, buf, (socklen_t)sz);
	(void)close(fd);

	return ok;
}


/* Ours that speaks the peer's transport and kind of address, best the one
 * that packets to the peer come from anyway */
static tport_t *tport_pick(const struct agent *ag,
			   const struct dialogtext *d)
{
	tport_t *tp = tport_primaries(nta_agent_tports(ag->nta)), *any = NULL;
	char host[DIALOGTEXT_URI_MAX] = "", local[INET6_ADDRSTRLEN] = "";
	bool six;

	if (!host_get(host, sizeof(host), d) ||
	    !local_get(local, sizeof(local), host))
		local[0] = '\0';

	six = strchr(host, ':') != NULL;

	for (; tp; tp = tport_next(tp)) {

		const tp_name_t *tpn = tport_name(tp);

		if (strcasecmp(tpn->tpn_proto, d->transport) ||
		    six != (strchr(tpn->tpn_canon, ':') != NULL))
			continue;

		if (!host_cmp(tpn->tpn_canon, local))
			return tp;

		any = any ? any : tp;
	}

	return any;
}


static char *str_keep(const char *s)
{
	return *s ? strdup(s) : NULL;
}


static int leg_fill(struct leg *lg, const struct dialogtext *d)
{
	lg->tport       = tport_pick(lg->ag, d);
	if (!lg->tport)
		return EADDRNOTAVAIL;

	lg->contact     = identity_contact(lg, d->user);
	lg->local       = su_strdup(NULL, d->local_uri);
	lg->remote      = su_strdup(NULL, d->remote_uri);
	lg->local_name  = str_keep(d->local_name);
	lg->remote_name = str_keep(d->remote_name);
	lg->privacy     = str_keep(d->privacy);
	lg->event_id    = str_keep(d->event_id);
	lg->hop         = str_keep(d->hop);
	lg->se          = (unsigned)d->interval;
	lg->refresher   = d->refresher;
	lg->timer       = d->timer;
	lg->can_update  = d->update;
	lg->replaces    = d->replaces;
	lg->nat         = d->nat;
	lg->state       = LEG_CONFIRMED;
	lg->adopted     = true;
	lg->due         = agent_now() + (unsigned)d->left;

	/* the other server may not care for what we do */
	if (!d->left && lg->kind == LEG_CALL)
		timer_start(lg, agent_now());

	if (!lg->contact || !lg->local || !lg->remote)
		return ENOMEM;

	return adopt_leg(lg, d);
}


static void told(struct agent *ag, uint64_t token, const struct leg *lg)
{
	struct wire *w = wire_alloc(lg ? WIRE_ADOPTED : WIRE_END, token,
				    NULL, NULL);

	if (w) {
		w->id2   = lg ? lg->id : 0;
		w->scode = lg ? 0 : 503;
	}

	wireq_push(ag->out, w);
}


/**
 * Take a dialog over; nothing is sent
 *
 * @param ag Agent
 * @param w  The main thread's word: the dialog as text
 */
void adopt_recv(struct agent *ag, const struct wire *w)
{
	struct dialogtext *d = malloc(sizeof(*d));
	struct leg *lg = NULL;

	if (!d || dialogtext_decode(d, w->strv[WIRE_BODY],
				    w->lenv[WIRE_BODY]))
		goto out;

	lg = leg_new(ag, dialogtext_is_call(d) ? LEG_CALL
		     : LEG_SUBSCRIPTION, d->callid);
	if (!lg)
		goto out;

	if (leg_fill(lg, d)) {
		leg_free(lg);
		lg = NULL;
	}

 out:
	free(d);
	told(ag, w->id, lg);
	if (lg)
		lost_adopted(lg);
}
