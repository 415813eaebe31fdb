/**
 * @file sofiacmp.c  What sofia reads in a message that our pre-parser took
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <re.h>             /* first: sofia has macros with its names */
#include <sofia-sip/msg.h>
#include <sofia-sip/msg_addr.h>
#include <sofia-sip/sip.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_parser.h>
#include <sofia-sip/sip_util.h>
#include "sip/preparse.h"
#include "sofiacmp.h"


static bool same(const struct pl *pl, const char *str)
{
	return str ? !pl_strcmp(pl, str) : !pl->l;
}


static const char *vias(const struct preparse *pp, const sip_via_t *v)
{
	unsigned n = 0;

	if (!v || strcmp(v->v_protocol, "SIP/2.0/UDP"))
		return "via transport";
	if (!same(&pp->branch, v->v_branch))
		return "via branch";
	if (!same(&pp->via_host, v->v_host))
		return "via host";
	if (pp->via_port != (v->v_port ? strtoul(v->v_port, NULL, 10) : 0))
		return "via port";
	if (!v->v_rport != !pp->rport.l || (v->v_rport && *v->v_rport))
		return "via rport";
	if (v->v_received || v->v_maddr || v->v_comp || v->v_ttl)
		return "via parameters";

	for (; v; v=v->v_next)
		++n;

	return n == pp->viac ? NULL : "number of vias";
}


static const char *compare(const struct preparse *pp, const char *method,
			   const sip_t *sip)
{
	const sip_request_t *rq = sip->sip_request;
	const url_t *from;
	char user[512];

	if (!rq || strcmp(rq->rq_method_name, method))
		return "method";
	if (sip->sip_error)
		return "a header that sofia calls bad";
	if (rq->rq_url->url_type != url_sip || !same(&pp->conf,
						     rq->rq_url->url_user))
		return "request URI user";
	if (rq->rq_url->url_password || rq->rq_url->url_params ||
	    rq->rq_url->url_headers)
		return "request URI parameters";
	if (!sip->sip_from || !sip->sip_from->a_tag || !sip->sip_to ||
	    !sip->sip_call_id || !sip->sip_cseq)
		return "missing headers";

	from = sip->sip_from->a_url;
	(void)snprintf(user, sizeof(user), "%s@%s",
		       from->url_user ? from->url_user : "", from->url_host);
	if (!same(&pp->user, user))
		return "From user";
	if (!same(&pp->to_tag, sip->sip_to->a_tag))
		return "To tag";
	if (!same(&pp->callid, sip->sip_call_id->i_id))
		return "Call-ID";
	if (sip->sip_cseq->cs_seq != pp->cseq_num ||
	    strcmp(sip->sip_cseq->cs_method_name, method))
		return "CSeq";
	if (sip->sip_route || sip->sip_require || sip->sip_proxy_require ||
	    sip->sip_record_route)
		return "a header to look at";
	if (sip->sip_unknown && strncasecmp(sip->sip_unknown->un_name, "x-",
					    2))
		return "a header that sofia does not know";
	if (sip->sip_max_forwards && !sip->sip_max_forwards->mf_count)
		return "Max-Forwards";
	if (!strcmp(method, "INVITE") &&
	    (!sip->sip_contact || sip->sip_contact->m_next))
		return "Contact";
	if (sip->sip_content_length && sip->sip_content_length->l_length !=
	    (sip->sip_payload ? sip->sip_payload->pl_len : 0))
		return "Content-Length";

	return vias(pp, sip->sip_via);
}


/**
 * Compare
 *
 * @param pp     What the pre-parser said
 * @param method Method expected
 * @param buf    Message
 * @param len    Its length [bytes]
 *
 * @return What differs, NULL if nothing does
 */
const char *sofiacmp(const struct preparse *pp, const char *method,
		     const char *buf, size_t len)
{
	msg_t *msg = msg_make(sip_default_mclass(), 0, buf, (ssize_t)len);
	const sip_t *sip = msg ? sip_object(msg) : NULL;
	const char *diff = "sofia takes it for no message";

	if (sip && sip->sip_request && !(sip->sip_flags & MSG_FLG_ERROR))
		diff = compare(pp, method, sip);

	msg_destroy(msg);

	return diff;
}
