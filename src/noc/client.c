/**
 * @file client.c  A client as every service sees it
 *
 * Life of a client:
 *
 *  1. the client host allocates it with the operations of its protocol;
 *  2. services answer it and keep it with a reference of their own;
 *  3. the client host calls client_gone when the protocol has nothing more to
 *     say about it, and gives up its own reference. From then on no operation
 *     reaches the client host, so that what `arg` points to may be released
 *     although services still hold the client.
 */
#include <string.h>
#include <re.h>
#include "noc/client.h"


struct client {
	struct join join;              /* strings point into `text`         */
	const struct client_ops *ops;  /* NULL once the client is gone      */
	void *arg;
	char text[];
};


static size_t text_size(const char *s)
{
	return str_len(s) + 1;
}


/* Text that only describes is cut, and not within a UTF-8 character. */
static const char *text_put(char **pp, const char *s, size_t max)
{
	char *p = *pp;
	size_t n = str_len(s);

	if (n >= max) {
		n = max - 1;
		while (n && (s[n] & 0xc0) == 0x80)
			--n;
	}

	if (n)
		memcpy(p, s, n);

	p[n] = '\0';
	*pp = p + n + 1;

	return p;
}


static bool join_valid(const struct join *join)
{
	return text_size(join->callid) <= CLIENT_CALLID_MAX &&
		text_size(join->conference) <= CLIENT_CONFERENCE_MAX &&
		text_size(join->account) <= CLIENT_ACCOUNT_MAX &&
		text_size(join->user) <= CLIENT_USER_MAX &&
		text_size(join->ticket) <= CLIENT_TICKET_MAX &&
		text_size(join->replacing) <= CLIENT_CALLID_MAX;
}


/**
 * Make a client. Called by client hosts only.
 *
 * @param clp  Pointer to the new client, owned by the caller
 * @param ops  Operations of the client host; those that are NULL answer
 *             ENOSYS. Must outlive the client
 * @param join Its wish. All strings are copied (NULL is taken as ""); the
 *             offer is not and must live until client_gone. A name or info
 *             that is longer than client.h allows is cut
 * @param arg  What the operations find with client_arg, not referenced
 *
 * @return 0 if success; EINVAL; EOVERFLOW if another string of the join is
 *         longer than client.h allows; ENOMEM
 */
int client_alloc(struct client **clp, const struct client_ops *ops,
		 const struct join *join, void *arg)
{
	struct client *cl;
	char *p;
	size_t sz;

	if (!clp || !ops || !join)
		return EINVAL;

	if (!join_valid(join))
		return EOVERFLOW;

	sz = text_size(join->callid) + text_size(join->conference) +
		text_size(join->account) + text_size(join->user) +
		text_size(join->name) + text_size(join->info) +
		text_size(join->ticket) + text_size(join->replacing);

	cl = mem_zalloc(sizeof(*cl) + sz, NULL);
	if (!cl)
		return ENOMEM;

	p = cl->text;
	cl->ops  = ops;
	cl->arg  = arg;
	cl->join = *join;
	cl->join.client     = cl;
	cl->join.callid     = text_put(&p, join->callid,
				       CLIENT_CALLID_MAX);
	cl->join.conference = text_put(&p, join->conference,
				       CLIENT_CONFERENCE_MAX);
	cl->join.account    = text_put(&p, join->account,
				       CLIENT_ACCOUNT_MAX);
	cl->join.user       = text_put(&p, join->user,
				       CLIENT_USER_MAX);
	cl->join.name       = text_put(&p, join->name,
				       CLIENT_USER_MAX);
	cl->join.info       = text_put(&p, join->info,
				       CLIENT_INFO_MAX);
	cl->join.ticket     = text_put(&p, join->ticket,
				       CLIENT_TICKET_MAX);
	cl->join.replacing  = text_put(&p, join->replacing,
				       CLIENT_CALLID_MAX);

	/* what it replaces is told with the event, and not kept */
	cl->join.replaces   = NULL;

	*clp = cl;

	return 0;
}


/**
 * What the client host gave to client_alloc
 *
 * @param cl Client
 *
 * @return The argument, NULL once the client is gone
 */
void *client_arg(const struct client *cl)
{
	return cl ? cl->arg : NULL;
}


/**
 * The wish that the client came with
 *
 * @param cl Client
 *
 * @return Its join, which lives as long as the client. `admitted` is as it was
 *         at client_alloc; the copy that travels with the event is the one to
 *         be marked
 */
const struct join *client_join(const struct client *cl)
{
	return cl ? &cl->join : NULL;
}


/**
 * The client is no longer there: cut the way back to the client host. Called
 * by client hosts only.
 *
 * @param cl Client
 */
void client_gone(struct client *cl)
{
	if (!cl)
		return;

	cl->ops = NULL;
	cl->arg = NULL;
	cl->join.offer = NULL;
}


/**
 * Let a client in, or answer its new offer
 *
 * @param cl     Client
 * @param answer Media that was agreed on, not kept; NULL for a subscription
 *
 * @return 0 if success; ENOTCONN if the client is gone; ENOSYS if its client
 *         host cannot; else what the client host answers
 */
int client_accept(struct client *cl, const struct media_desc *answer)
{
	if (!cl)
		return EINVAL;
	if (!cl->ops)
		return ENOTCONN;

	return cl->ops->accept ? cl->ops->accept(cl, answer) : ENOSYS;
}


/**
 * Send a client away
 *
 * @param cl     Client
 * @param scode  SIP status 300..699
 * @param reason Reason phrase, or NULL for the usual one
 *
 * @return as client_accept
 */
int client_reject(struct client *cl, uint16_t scode, const char *reason)
{
	if (!cl || scode < 300 || scode > 699)
		return EINVAL;
	if (!cl->ops)
		return ENOTCONN;

	return cl->ops->reject ? cl->ops->reject(cl, scode, reason) : ENOSYS;
}


/**
 * Send a client to another server (302)
 *
 * @param cl      Client
 * @param contact URI, escaped, without angle brackets
 *
 * @return as client_accept
 */
int client_dispatch(struct client *cl, const char *contact)
{
	if (!cl || !str_isset(contact))
		return EINVAL;
	if (!cl->ops)
		return ENOTCONN;

	return cl->ops->dispatch ? cl->ops->dispatch(cl, contact) : ENOSYS;
}


/**
 * Send a text message to a client
 *
 * @param cl   Client
 * @param from Who says it, or NULL for the conference itself
 * @param type MIME type
 * @param text The message, shorter than CLIENT_TEXT_MAX
 *
 * @return as client_accept; EOVERFLOW if the text is too long
 */
int client_text(struct client *cl, const char *from, const char *type,
		const char *text)
{
	if (!cl || !type || !text)
		return EINVAL;
	if (text_size(text) > CLIENT_TEXT_MAX)
		return EOVERFLOW;
	if (!cl->ops)
		return ENOTCONN;

	return cl->ops->text ? cl->ops->text(cl, from, type, text) : ENOSYS;
}


/**
 * Tell a client who is in its conference (RFC 4575)
 *
 * @param cl   Client
 * @param xml  application/conference-info+xml (NULL with last: no body); "":
 *             nothing new, but the client learns where we are now
 * @param last Nothing follows: the subscription ends
 *
 * @return as client_accept
 */
int client_roster(struct client *cl, const char *xml, bool last)
{
	if (!cl || (!xml && !last))
		return EINVAL;
	if (!cl->ops)
		return ENOTCONN;

	return cl->ops->roster ? cl->ops->roster(cl, xml, last) : ENOSYS;
}


/**
 * Say goodbye to a client that is in
 *
 * @param cl     Client
 * @param scode  SIP status for the Reason header, 0: none
 * @param reason Its text, or NULL
 *
 * @return as client_accept
 */
int client_bye(struct client *cl, uint16_t scode, const char *reason)
{
	if (!cl)
		return EINVAL;
	if (!cl->ops)
		return ENOTCONN;

	return cl->ops->bye ? cl->ops->bye(cl, scode, reason) : ENOSYS;
}


/**
 * Trace the protocol of one client
 *
 * @param cl Client
 * @param on True to begin, false to end
 *
 * @return as client_accept
 */
int client_trace(struct client *cl, bool on)
{
	if (!cl)
		return EINVAL;
	if (!cl->ops)
		return ENOTCONN;

	return cl->ops->trace ? cl->ops->trace(cl, on) : ENOSYS;
}


/**
 * Have a client's dialog hold still, and get it as text for another server.
 * From then on nothing is sent in it but answers; an offer of the client gets
 * 491, its BYE is "client.leave" as ever. If neither client_thaw nor
 * client_release follows within a minute, it goes on by itself.
 *
 * @param cl  Client: a call that is established, or a subscription
 * @param h   Called once, later, with the text or an error (client.h); also if
 *            the client goes meanwhile
 * @param arg Its argument
 *
 * @return as client_accept; EALREADY if somebody waits for it already. The
 *         handler is called if 0 is returned only
 */
int client_dialog(struct client *cl, client_dialog_h *h, void *arg)
{
	if (!cl || !h)
		return EINVAL;
	if (!cl->ops)
		return ENOTCONN;

	return cl->ops->dialog ? cl->ops->dialog(cl, h, arg) : ENOSYS;
}


/**
 * Get a client's dialog as text, as it is now, in case another server has to
 * take it over without us. It goes on
 *
 * @param cl  Client: a call that is established, or a subscription
 * @param h   As for client_dialog; EBUSY is no error of this
 * @param arg Its argument
 *
 * @return as client_dialog
 */
int client_peek(struct client *cl, client_dialog_h *h, void *arg)
{
	if (!cl || !h)
		return EINVAL;
	if (!cl->ops)
		return ENOTCONN;

	return cl->ops->peek ? cl->ops->peek(cl, h, arg) : ENOSYS;
}


/**
 * A client was not moved after all: go on with it. If the other server may
 * have reached it with an offer, follow up with client_offer, for the client
 * may have taken that one's address.
 *
 * @param cl   Client
 * @param cseq Highest CSeq that the other server used, 0: it used none
 *
 * @return as client_accept
 */
int client_thaw(struct client *cl, uint32_t cseq)
{
	if (!cl)
		return EINVAL;
	if (!cl->ops)
		return ENOTCONN;

	return cl->ops->thaw ? cl->ops->thaw(cl, cseq) : ENOSYS;
}


/**
 * A client belongs to another server now: forget it. It hears nothing of
 * that, and no "client.leave" is fired; afterwards the client is gone. An
 * offer of ours that is not answered yet is cancelled.
 *
 * @param cl Client
 *
 * @return as client_accept
 */
int client_release(struct client *cl)
{
	if (!cl)
		return EINVAL;
	if (!cl->ops)
		return ENOTCONN;

	return cl->ops->release ? cl->ops->release(cl) : ENOSYS;
}


/**
 * Offer new media to a client that is in. "client.media" with `answered`, or
 * "client.refused" follows, or "client.leave" if the client does not know the
 * call any more (481) or does not answer at all (408). If both sides offer at
 * the same time, the client host tries again by itself.
 *
 * @param cl    Client
 * @param offer Our media, not kept
 *
 * @return as client_accept
 */
int client_offer(struct client *cl, const struct media_desc *offer)
{
	if (!cl || !offer)
		return EINVAL;
	if (!cl->ops)
		return ENOTCONN;

	return cl->ops->offer ? cl->ops->offer(cl, offer) : ENOSYS;
}


/**
 * Ask a client to call elsewhere, in place of the call it has here.
 * "client.referred" follows, or "client.leave".
 *
 * @param cl  Client
 * @param uri Where to, escaped, without angle brackets
 *
 * @return as client_accept
 */
int client_refer(struct client *cl, const char *uri)
{
	if (!cl || !str_isset(uri))
		return EINVAL;
	if (!cl->ops)
		return ENOTCONN;

	return cl->ops->refer ? cl->ops->refer(cl, uri) : ENOSYS;
}


/**
 * Ask a client whether it is still there. If it is not, "client.dead"
 * follows, else nothing.
 *
 * @param cl Client
 *
 * @return as client_accept
 */
int client_probe(struct client *cl)
{
	if (!cl)
		return EINVAL;
	if (!cl->ops)
		return ENOTCONN;

	return cl->ops->probe ? cl->ops->probe(cl) : ENOSYS;
}
