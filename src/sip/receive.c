/**
 * @file receive.c  Requests outside of dialogs: the checks of RFC 3261
 *                  section 8.2, then one function per method
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "sip/leg.h"


/**
 * Sort a method for the counters
 *
 * @param method As nta knows it
 *
 * @return As the counters know it
 */
enum agent_method receive_method(sip_method_t method)
{
	switch (method) {

	case sip_method_invite:    return METHOD_INVITE;
	case sip_method_ack:       return METHOD_ACK;
	case sip_method_bye:       return METHOD_BYE;
	case sip_method_cancel:    return METHOD_CANCEL;
	case sip_method_options:   return METHOD_OPTIONS;
	case sip_method_update:    return METHOD_UPDATE;
	case sip_method_info:      return METHOD_INFO;
	case sip_method_message:   return METHOD_MESSAGE;
	case sip_method_subscribe: return METHOD_SUBSCRIBE;
	case sip_method_notify:    return METHOD_NOTIFY;
	case sip_method_refer:     return METHOD_REFER;
	default:                   return METHOD_OTHER;
	}
}


static bool chars_are(const char *s, const char *extra)
{
	for (; *s; s++) {
		if (!isalnum((unsigned char)*s) && !strchr(extra, *s))
			return false;
	}

	return true;
}


/* sofia takes much for a URI that is none. */
static bool uri_valid(const url_t *url)
{
	if (url->url_type == url_invalid ||
	    (url->url_scheme && !chars_are(url->url_scheme, "+-.")))
		return false;

	if (url->url_type != url_sip && url->url_type != url_sips)
		return url->url_scheme != NULL;

	return url->url_host && *url->url_host &&
		chars_are(url->url_host, ".-_[]:");
}


static const char *fault_find(sip_t const *sip)
{
	if (sip->sip_cseq->cs_method != sip->sip_request->rq_method ||
	    strcmp(sip->sip_cseq->cs_method_name,
		   sip->sip_request->rq_method_name))
		return "CSeq Names Another Method";

	if (!uri_valid(sip->sip_from->a_url))
		return "Bad From Header";

	if (!uri_valid(sip->sip_to->a_url))
		return "Bad To Header";

	if (sip->sip_contact && sip->sip_contact->m_url->url_type != url_any &&
	    !uri_valid(sip->sip_contact->m_url))
		return "Bad Contact Header";

	return NULL;
}


/**
 * Check what every request must satisfy; if it does not, answer it
 *
 * @param ag  Agent
 * @param irq Server transaction, gone if false is returned
 * @param sip Request
 *
 * @return true if the request may go on
 */
bool receive_check(struct agent *ag, nta_incoming_t *irq, sip_t const *sip)
{
	const url_t *url = sip->sip_request->rq_url;
	const sip_require_t *req = sip->sip_require;
	const char *fault;
	char extra[256] = "";
	size_t n = 0;

	fault = fault_find(sip);
	if (fault) {
		atomic_fetch_add(&ag->sh->malformed, 1);
		reply_end(ag, NULL, irq, 400, fault, NULL);
		return false;
	}

	if (url->url_type != url_sip && url->url_type != url_sips) {
		reply_end(ag, NULL, irq, SIP_416_UNSUPPORTED_URI, NULL);
		return false;
	}

	for (; req; req = req->k_next) {
		for (size_t i = 0; req->k_items && req->k_items[i]; i++) {

			const char *opt = req->k_items[i];

			if (!strcasecmp(opt, "timer") ||
			    !strcasecmp(opt, "replaces"))
				continue;

			if (n + strlen(opt) + 16 > sizeof(extra))
				break;

			n += snprintf(extra + n, sizeof(extra) - n, "%s%s",
				      n ? ", " : "Unsupported: ", opt);
		}
	}

	if (n) {
		reply_end(ag, NULL, irq, SIP_420_BAD_EXTENSION, extra);
		return false;
	}

	return true;
}


static bool type_is(const char *have, const char *want)
{
	size_t n = strlen(want);

	return !strncasecmp(have, want, n) && (!have[n] || have[n] == ';');
}


/**
 * Get the body of a request; if it is not acceptable, answer the request
 *
 * @param ag    Agent
 * @param irq   Server transaction, gone if false is returned
 * @param sip   Request
 * @param ctype MIME type it must have, or NULL: any
 * @param max   Most that is taken [bytes]
 * @param bodyp Set to the body, or to NULL if there is none
 * @param lenp  Set to its length [bytes]
 *
 * @return true if the body is acceptable, or not there
 */
bool receive_body(struct agent *ag, nta_incoming_t *irq, sip_t const *sip,
		  const char *ctype, size_t max, const char **bodyp,
		  size_t *lenp)
{
	const sip_payload_t *pl = sip->sip_payload;
	const sip_content_encoding_t *ce = sip->sip_content_encoding;
	char accept[96];

	*bodyp = NULL;
	*lenp  = 0;

	if (!pl || !pl->pl_len)
		return true;

	if (pl->pl_len > max) {
		reply_end(ag, NULL, irq, SIP_413_REQUEST_TOO_LARGE, NULL);
		return false;
	}

	if (ce && ce->k_items && ce->k_items[0] &&
	    strcasecmp(ce->k_items[0], "identity")) {
		reply_end(ag, NULL, irq, SIP_415_UNSUPPORTED_MEDIA,
			  "Accept-Encoding: identity");
		return false;
	}

	if (ctype && (!sip->sip_content_type ||
		      !type_is(sip->sip_content_type->c_type, ctype))) {

		(void)snprintf(accept, sizeof(accept), "Accept: %s", ctype);
		reply_end(ag, NULL, irq, SIP_415_UNSUPPORTED_MEDIA, accept);
		return false;
	}

	*bodyp = pl->pl_data;
	*lenp  = pl->pl_len;

	return true;
}


/**
 * Turn a request for something new away if there is too much already, or
 * if the server takes nothing new
 *
 * @param ag  Agent
 * @param irq Server transaction, gone if true is returned
 *
 * @return true if it was turned away
 */
bool receive_full(struct agent *ag, nta_incoming_t *irq)
{
	const struct agent_shared *sh = ag->sh;
	char extra[32];

	if (!ag->limit &&
	    atomic_load(&sh->calls) < sh->max_calls &&
	    atomic_load(&sh->pending) < sh->max_pending)
		return false;

	atomic_fetch_add(&ag->sh->overload, 1);
	(void)snprintf(extra, sizeof(extra), "Retry-After: %d",
		       LEG_RETRY_AFTER);
	reply_end(ag, NULL, irq, ag->limit ? ag->limit : 503,
		  ag->limit ? NULL : "Too Many Calls", extra);

	return true;
}


static void stray(struct agent *ag, nta_incoming_t *irq, sip_t const *sip)
{
	nta_leg_t *nl;
	struct leg *lg;

	/* some versions of nta do not look for the dialog of a SUBSCRIBE */
	nl = nta_leg_by_dialog(ag->nta, NULL, sip->sip_call_id,
			       sip->sip_from->a_tag, NULL,
			       sip->sip_to->a_tag, NULL);
	lg = nta_leg_magic(nl, leg_request);

	if (lg)
		(void)leg_request(lg, nl, irq, sip);
	else
		lost_recv(ag, irq, sip);
}


static void fresh(struct agent *ag, nta_incoming_t *irq, sip_t const *sip)
{
	switch (sip->sip_request->rq_method) {

	case sip_method_invite:    invite_recv(ag, irq, sip);      break;
	case sip_method_options:   options_recv(ag, irq, sip);     break;
	case sip_method_message:   message_recv_out(ag, irq, sip); break;
	case sip_method_subscribe: subscribe_recv(ag, irq, sip);   break;

	case sip_method_bye:
	case sip_method_cancel:
	case sip_method_info:
	case sip_method_update:
	case sip_method_notify:
		reply_end(ag, NULL, irq, SIP_481_NO_TRANSACTION, NULL);
		break;

	case sip_method_unknown:
		reply_end(ag, NULL, irq, SIP_501_NOT_IMPLEMENTED,
			  reply_allow());
		break;

	default:
		reply_end(ag, NULL, irq, SIP_405_METHOD_NOT_ALLOWED,
			  reply_allow());
		break;
	}
}


/**
 * A request that belongs to no dialog of this thread
 *
 * @param none Stands for the agent
 * @param nl   The default leg
 * @param irq  Server transaction
 * @param sip  Request
 *
 * @return 0: the transaction is taken care of
 */
int receive_request(struct leg *none, nta_leg_t *nl, nta_incoming_t *irq,
		    sip_t const *sip)
{
	struct agent *ag = none->ag;
	sip_method_t method = sip->sip_request->rq_method;

	(void)nl;

	if (method == sip_method_ack) {
		atomic_fetch_add(&ag->sh->reqv[METHOD_ACK], 1);
		nta_incoming_destroy(irq);
		return 0;
	}

	if (sip->sip_to->a_tag) {
		stray(ag, irq, sip);
		return 0;
	}

	atomic_fetch_add(&ag->sh->reqv[receive_method(method)], 1);

	if (receive_check(ag, irq, sip))
		fresh(ag, irq, sip);

	return 0;
}
