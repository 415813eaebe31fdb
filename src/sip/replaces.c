/**
 * @file replaces.c  INVITEs that replace another dialog (RFC 3891): what can
 *                   be said of them without knowing that dialog
 */
#include <stdlib.h>
#include <string.h>
#include "sip/leg.h"
#include "sip/dialogtext.h"


static bool fits(const char *s, size_t max)
{
	return s && *s && strlen(s) < max;
}


/**
 * Look at the Replaces header of an INVITE; if it is not as it should be,
 * answer the INVITE
 *
 * @param ag  Agent
 * @param irq Server transaction, gone if false is returned
 * @param sip INVITE outside of dialogs
 *
 * @return true if there is none, or one that names a dialog
 */
bool replaces_check(struct agent *ag, nta_incoming_t *irq, sip_t const *sip)
{
	const sip_replaces_t *rp = sip->sip_replaces;

	if (!rp)
		return true;

	if (!rp->rp_next && fits(rp->rp_call_id, DIALOGTEXT_CALLID_MAX) &&
	    fits(rp->rp_to_tag, DIALOGTEXT_TAG_MAX) &&
	    fits(rp->rp_from_tag, DIALOGTEXT_TAG_MAX))
		return true;

	atomic_fetch_add(&ag->sh->malformed, 1);
	reply_end(ag, NULL, irq, 400, "Bad Replaces Header", NULL);

	return false;
}
