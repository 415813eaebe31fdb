/**
 * @file move.c  Clients that move from one server to another
 *
 *   old server                       new server
 *   client_dialog: frozen, text ---> adopt: a client, nothing is sent
 *                                    client_offer: re-INVITE
 *   client_release <-------------- "client.media"
 *   client_thaw    <-------------- "client.refused", "client.leave"
 */
#include <string.h>
#include <re.h>
#include "noc/client.h"
#include "sip/dialogtext.h"
#include "sip/stack.h"
#include "siphost/host.h"


/**
 * Tell who waits for a client's dialog
 *
 * @param p      Peer; nothing happens if nobody waits
 * @param err    0 or errno
 * @param dialog Text, or NULL
 * @param len    Its length [bytes]
 */
void move_dialog(struct peer *p, int err, const char *dialog, size_t len)
{
	client_dialog_h *h = p->dialogh;

	p->dialogh = NULL;

	if (h)
		h(err, dialog, len, p->dialogarg);
}


int move_dialog_h(struct client *cl, client_dialog_h *h, void *arg)
{
	struct peer *p = client_arg(cl);
	int err;

	if (p->dialogh)
		return EALREADY;

	err = sipcall_freeze(p->call);
	if (err)
		return err;

	p->dialogh   = h;
	p->dialogarg = arg;

	return 0;
}


/**
 * Tell who wanted to see a client's dialog
 *
 * @param p      Peer; nothing happens if nobody waits
 * @param err    0 or errno
 * @param dialog Text, or NULL
 * @param len    Its length [bytes]
 */
void move_peeked(struct peer *p, int err, const char *dialog, size_t len)
{
	client_dialog_h *h = p->peekh;

	p->peekh = NULL;

	if (h)
		h(err, dialog, len, p->peekarg);
}


int move_peek_h(struct client *cl, client_dialog_h *h, void *arg)
{
	struct peer *p = client_arg(cl);
	int err;

	if (p->peekh)
		return EALREADY;

	err = sipcall_peek(p->call);
	if (err)
		return err;

	p->peekh   = h;
	p->peekarg = arg;

	return 0;
}


int move_thaw_h(struct client *cl, uint32_t cseq)
{
	struct peer *p = client_arg(cl);

	return sipcall_thaw(p->call, cseq);
}


int move_release_h(struct client *cl)
{
	struct peer *p = client_arg(cl);
	int err;

	err = sipcall_release(p->call);
	if (err)
		return err;

	++p->sh->released;
	client_gone(cl);
	move_dialog(p, ENOTCONN, NULL, 0);
	move_peeked(p, ENOTCONN, NULL, 0);
	mem_deref(p);

	return 0;
}


int move_refer_h(struct client *cl, const char *uri)
{
	struct peer *p = client_arg(cl);

	return p->subscriber ? EPROTO : sipcall_refer(p->call, uri);
}


/* What is on its way may have used more than was written down. */
static int skip_add(struct dialogtext *d, unsigned skip)
{
	if (skip > DIALOGTEXT_CSEQ_MAX - d->local_cseq)
		return EBADMSG;

	d->local_cseq  += skip;
	d->sdp_version += skip;

	return 0;
}


static int peer_make(struct siphost *sh, struct client **clp,
		     const struct join *join, const struct dialogtext *d)
{
	struct join own = *join;
	struct sipcall *call;
	struct peer *p;
	int err;

	err = sipstack_adopt(sh->stack, &call, d);
	if (err)
		return err;

	own.callid    = d->callid;
	own.offer     = NULL;
	own.admitted  = true;
	own.replaces  = NULL;
	own.replacing = NULL;

	err = peer_alloc(&p, sh, call, !dialogtext_is_call(d), &own);
	if (err) {
		(void)sipcall_release(call);
		return err;
	}

	p->answered    = true;
	p->adopted     = true;
	p->sdp_id      = d->sdp_id;
	p->sdp_version = d->sdp_version;
	++sh->adopted;
	*clp = p->client;

	return 0;
}


/**
 * Take a client of another server over
 *
 * @param sh     Host
 * @param clp    Set to the client, not a reference
 * @param join   Who it is
 * @param dialog Its dialog as text
 * @param len    Length of that [bytes]
 * @param skip   Numbers that may have been used since the text was written
 *
 * @return 0 or errno, as siphost.h tells
 */
int move_adopt(struct siphost *sh, struct client **clp,
	       const struct join *join, const char *dialog, size_t len,
	       unsigned skip)
{
	struct dialogtext *d;
	int err;

	if (!sh || !clp || !join || !dialog)
		return EINVAL;

	if (!sh->stack || sh->closing)
		return ENOTCONN;

	d = mem_alloc(sizeof(*d), NULL);
	if (!d)
		return ENOMEM;

	err = dialogtext_decode(d, dialog, len);
	if (!err)
		err = skip_add(d, skip);
	if (!err)
		err = peer_make(sh, clp, join, d);

	mem_deref(d);

	return err;
}
