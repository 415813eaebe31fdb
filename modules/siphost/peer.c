/**
 * @file peer.c  One SIP client: what the services above do with it
 */
#include <string.h>
#include <re.h>
#include "server/log.h"
#include "noc/client.h"
#include "sip/call.h"
#include "sip/sdp.h"
#include "siphost/host.h"

enum { SDP_SIZE = 1024 };              /* usual [bytes]                     */


/**
 * Print our session description for a client. What another server began is
 * continued: the same session, the next version (RFC 3264 section 8)
 *
 * @param mbp Set to the text
 * @param p   Peer
 * @param md  Our media
 *
 * @return 0 or errno
 */
int peer_sdp(struct mbuf **mbp, struct peer *p, const struct media_desc *md)
{
	struct media_desc own;
	struct mbuf *mb;
	int err;

	mb = mbuf_alloc(SDP_SIZE);
	if (!mb)
		return ENOMEM;

	if (p->adopted) {
		own = *md;
		own.sess_id  = p->sdp_id;
		own.sess_ver = ++p->sdp_version;
		md = &own;
	}

	err = sdp_desc_encode(mb, md);
	if (err)
		mem_deref(mb);
	else
		*mbp = mb;

	return err;
}


/* RFC 3891 section 3: when the new one is in, the old one goes */
static void replaced_bye(struct peer *p)
{
	struct client *cl = p->replaced;

	if (!cl)
		return;

	p->replaced = NULL;
	(void)client_bye(cl, 0, NULL);
	mem_deref(cl);
}


static int accept_h(struct client *cl, const struct media_desc *answer)
{
	struct peer *p = client_arg(cl);
	struct mbuf *mb;
	int err;

	if (p->refused)
		return EALREADY;

	if (p->subscriber || !answer) {
		if (!p->subscriber && !p->answered)
			return EINVAL;
		p->answered = true;
		return sipcall_accept(p->call, NULL, 0);
	}

	err = peer_sdp(&mb, p, answer);
	if (err)
		return err;

	err = sipcall_accept(p->call, (char *)mb->buf, mb->end);
	mem_deref(mb);
	if (err)
		return err;

	p->answered = true;
	replaced_bye(p);

	return 0;
}


static int offer_h(struct client *cl, const struct media_desc *offer)
{
	struct peer *p = client_arg(cl);
	struct mbuf *mb;
	int err;

	if (p->subscriber || !p->answered)
		return EPROTO;

	err = peer_sdp(&mb, p, offer);
	if (err)
		return err;

	err = sipcall_offer(p->call, (char *)mb->buf, mb->end);
	mem_deref(mb);

	return err;
}


static int probe_h(struct client *cl)
{
	struct peer *p = client_arg(cl);

	return sipcall_probe(p->call);
}


static int reject_h(struct client *cl, uint16_t scode, const char *reason)
{
	struct peer *p = client_arg(cl);
	int err;

	err = sipcall_reject(p->call, scode, reason);
	if (err)
		return err;

	/* a new offer is refused without harm to the call */
	if (!p->answered) {
		p->refused = true;
		++p->sh->refused;
		log_event(LOG_INFO, "siphost", client_join(cl)->callid,
			  "%s refused: %u %s", client_join(cl)->user, scode,
			  reason ? reason : "");
	}

	p->answered = true;

	return 0;
}


static int dispatch_h(struct client *cl, const char *contact)
{
	struct peer *p = client_arg(cl);
	char buf[1024];
	int n, err;

	if (p->answered)
		return EALREADY;

	/* parameters of a bare URI would be taken for those of Contact */
	n = re_snprintf(buf, sizeof(buf), strchr(contact, '<') ? "%s"
			: "<%s>", contact);
	if (n < 0)
		return EOVERFLOW;

	err = sipcall_redirect(p->call, buf);
	if (err)
		return err;

	p->answered = true;
	p->refused  = true;
	++p->sh->redirects;

	return 0;
}


static int text_h(struct client *cl, const char *from, const char *type,
		  const char *text)
{
	struct peer *p = client_arg(cl);
	char *line = NULL;
	int err;

	if (p->subscriber)
		return EPROTO;

	/* a dialog's From is the conference: the text itself has to say
	   whose it is */
	if (str_isset(from) && !strncmp(type, "text/plain", 10)) {
		err = re_sdprintf(&line, "%s: %s", from, text);
		if (err)
			return err;
		text = line;
	}

	err = sipcall_text(p->call, type, text, strlen(text));
	mem_deref(line);

	return err;
}


static int roster_h(struct client *cl, const char *xml, bool last)
{
	struct peer *p = client_arg(cl);

	if (!p->subscriber)
		return EPROTO;

	return sipcall_notify(p->call, xml, str_len(xml), last);
}


static int bye_h(struct client *cl, uint16_t scode, const char *reason)
{
	struct peer *p = client_arg(cl);

	if (p->subscriber && p->answered)
		return sipcall_notify(p->call, NULL, 0, true);

	return sipcall_bye(p->call, scode, reason);
}


static int trace_h(struct client *cl, bool on)
{
	struct peer *p = client_arg(cl);

	return sipcall_trace(p->call, on);
}


static const struct client_ops ops = {
	.accept   = accept_h,
	.reject   = reject_h,
	.dispatch = dispatch_h,
	.text     = text_h,
	.roster   = roster_h,
	.bye      = bye_h,
	.trace    = trace_h,
	.dialog   = move_dialog_h,
	.peek     = move_peek_h,
	.thaw     = move_thaw_h,
	.release  = move_release_h,
	.offer    = offer_h,
	.refer    = move_refer_h,
	.probe    = probe_h,
};


static void destructor(void *arg)
{
	struct peer *p = arg;

	if (p->he.list) {
		hash_unlink(&p->he);
		--p->sh->peerc;
	}

	sipcall_data_set(p->call, NULL);
	mem_deref(p->replaced);
	client_gone(p->client);
	mem_deref(p->client);
	mem_deref(p->call);
	mem_deref(p->offer);
}


/**
 * Make the client of a new call or subscription
 *
 * @param pp   Set to the peer
 * @param sh   Host
 * @param call Its call, which is referenced
 * @param ev   What it began with
 * @param join What services shall know of it; its offer is referenced
 *
 * @return 0 or errno, as client_alloc
 */
int peer_alloc(struct peer **pp, struct siphost *sh, struct sipcall *call,
	       bool subscriber, const struct join *join)
{
	struct peer *p;
	int err;

	p = mem_zalloc(sizeof(*p), destructor);
	if (!p)
		return ENOMEM;

	p->sh    = sh;
	p->call  = mem_ref(call);
	p->offer = mem_ref((void *)join->offer);
	p->subscriber = subscriber;
	p->replaced = mem_ref(join->replaces);

	err = client_alloc(&p->client, &ops, join, p);
	if (err) {
		mem_deref(p);
		return err;
	}

	sipcall_data_set(call, p);
	hash_append(sh->peers, hash_joaat_str(join->user), &p->he, p);
	++sh->peerc;

	*pp = p;

	return 0;
}


struct find_arg {
	const char *user;
	const char *conference;
};


static bool find_h(struct le *le, void *arg)
{
	const struct peer *p = le->data;
	const struct find_arg *fa = arg;
	const struct join *j = client_join(p->client);

	return !p->subscriber && p->answered && !p->refused &&
		!strcmp(j->user, fa->user) &&
		!strcmp(j->conference, fa->conference);
}


/**
 * Find a client that was let in
 *
 * @param sh         Host
 * @param user       user@host
 * @param conference Name of the conference
 *
 * @return Peer, or NULL
 */
struct peer *peer_find(struct siphost *sh, const char *user,
		       const char *conference)
{
	struct find_arg fa = {user, conference};

	return list_ledata(hash_lookup(sh->peers, hash_joaat_str(user),
				       find_h, &fa));
}


struct bye_arg {
	uint16_t scode;
	const char *reason;
};


static bool bye_all_h(struct le *le, void *arg)
{
	struct peer *p = le->data;
	const struct bye_arg *ba = arg;

	(void)client_bye(p->client, ba->scode, ba->reason);

	return false;
}


/**
 * Hang up on everybody
 *
 * @param sh     Host
 * @param scode  Why: SIP status
 * @param reason Why
 */
void peers_bye(struct siphost *sh, uint16_t scode, const char *reason)
{
	struct bye_arg ba = {scode, reason};

	(void)hash_apply(sh->peers, bye_all_h, &ba);
}
