/**
 * @file calls.c  What happens to calls, told to the services above
 *
 *   INVITE  -> client.connect, client.join
 *   ACK     -> (client.media, if the offer was ours) client.established
 *   offer   -> client.media
 *   MESSAGE -> client.text
 *   INFO    -> client.dtmf
 *   what came of an offer, REFER or OPTIONS of ours
 *           -> client.media or client.refused; client.referred; client.dead
 *   unknown dialog -> client.lost
 *   end     -> client.leave, if the join had not been refused before
 */
#include <string.h>
#include <re.h>
#include "server/event.h"
#include "server/log.h"
#include "server/server.h"
#include "server/service.h"
#include "noc/client.h"
#include "sip/call.h"
#include "sip/sdp.h"
#include "sip/stack.h"
#include "siphost/host.h"


enum { LOST_RATE = 200 };              /* "client.lost" told per second     */


static bool fire(struct siphost *sh, const struct event *ev)
{
	return event_fire(server_events(service_server(sh->svc)), ev);
}


static bool fire_event(struct peer *p, const char *name,
		       struct client_event *ce)
{
	ce->client = p->client;
	ce->callid = client_join(p->client)->callid;

	log_trace("siphost", ce->callid, "%s of %s in %s: %u %s", name,
		  client_join(p->client)->user,
		  client_join(p->client)->conference, ce->cause,
		  ce->reason ? ce->reason : "");

	return fire(p->sh, &(struct event){.name = name,
					   .callid = ce->callid, .data = ce,
					   .detail = details_event});
}


static int offer_decode(struct media_desc **mdp,
			const struct sipcall_event *ev)
{
	struct media_desc *md;
	int err;

	*mdp = NULL;

	if (!ev->body)
		return 0;

	md = mem_zalloc(sizeof(*md), NULL);
	if (!md)
		return ENOMEM;

	err = sdp_desc_decode(md, (const uint8_t *)ev->body, ev->bodylen);
	if (err)
		mem_deref(md);
	else
		*mdp = md;

	return err;
}


static void offer_refuse(struct sipcall *call, int err)
{
	if (err == EBADMSG)
		(void)sipcall_reject(call, 400, "Bad SDP");
	else if (err == ENOMEM)
		(void)sipcall_reject(call, 503, NULL);
	else
		(void)sipcall_reject(call, 488, NULL);
}


static bool takes_new(const struct siphost *sh)
{
	return !sh->closing && service_state(sh->svc) == SERVICE_RUNNING;
}


/* What replaces something is let in like that, or not at all: a service that
 * does not know what is replaced must not take it for a join. */
static bool replace_fire(struct peer *p, struct join *join)
{
	join->replaces = p->replaced;

	/* to know of a dialog opens the conference that it is in, no other */
	if (join->replaces) {
		join->admitted = !strcmp(join->conference, client_join(
						 p->replaced)->conference);
		return join->admitted;
	}

	return !str_isset(join->replacing) ||
		fire(p->sh, &(struct event){.name = "client.replaces",
					    .callid = join->callid,
					    .data = join,
					    .fieldv = details_join});
}


static void join_fire(struct peer *p, const char *name, bool told)
{
	struct join join = *client_join(p->client);
	struct event ev = {
		.name   = "client.connect",
		.callid = join.callid,
		.data   = &join,
		.fieldv = details_join,
	};

	/* whoever answers may end the client, and with it the peer */
	mem_ref(p);

	log_trace("siphost", join.callid, "%s of %s to %s", name, join.user,
		  join.conference);

	if (!told)
		(void)fire(p->sh, &ev);

	if (!replace_fire(p, &join)) {
		(void)client_reject(p->client, 481, NULL);
		goto out;
	}

	ev.name = name;
	if (!fire(p->sh, &ev))
		(void)client_reject(p->client, 404, "No Such Conference");

 out:
	mem_deref(p);
}


static struct client *replaced_get(struct sipcall *call)
{
	const struct peer *p = sipcall_data(call);

	return p ? p->client : NULL;
}


static void join_handle(struct siphost *sh, struct sipcall *call,
			const struct sipcall_event *ev)
{
	struct media_desc *offer = NULL;
	struct join join;
	struct peer *p;
	bool told;
	int err;

	if (!takes_new(sh)) {
		(void)sipcall_reject(call, 503, NULL);
		return;
	}

	if (!ev->conference[0]) {
		(void)sipcall_reject(call, 404, "No Conference Named");
		return;
	}

	if (ev->what == SIPCALL_JOIN) {
		err = offer_decode(&offer, ev);
		if (err) {
			offer_refuse(call, err);
			return;
		}
		++sh->joins;
	}

	memset(&join, 0, sizeof(join));
	join.callid     = ev->callid;
	join.conference = ev->conference;
	join.account    = ev->account;
	join.user       = ev->user;
	join.name       = ev->name;
	join.info       = ev->info;
	join.ticket     = ev->ticket;
	join.src        = ev->src;
	join.media      = offer ? offer->media : MEDIA_AUDIO;
	join.offer      = offer;
	join.replacing  = ev->replaces;
	join.replaces   = replaced_get(ev->replaced);
	told = lights_passed(sh, ev->callid, &join.admitted);

	err = peer_alloc(&p, sh, call, ev->what == SIPCALL_SUBSCRIBE, &join);
	mem_deref(offer);

	if (err) {
		(void)sipcall_reject(call, err == ENOMEM ? 503 : 400, NULL);
		return;
	}

	join_fire(p, ev->what == SIPCALL_JOIN ? "client.join"
		  : "client.subscribe", told);
}


static void media_fire(struct peer *p, const struct media_desc *md,
		       bool answered)
{
	struct client_event ce = {.media = md, .answered = answered};

	if (fire_event(p, "client.media", &ce) || answered)
		return;

	/* nobody minds a request for an offer: repeat ours */
	if (md)
		(void)client_reject(p->client, 488, NULL);
	else
		(void)client_accept(p->client, NULL);
}


static void answer_handle(struct peer *p, const struct sipcall_event *ev)
{
	struct media_desc *md = NULL;
	int err;

	if (!ev->body)
		return;

	err = offer_decode(&md, ev);
	if (err) {
		(void)client_bye(p->client, 488, "Bad SDP In Answer");
		return;
	}

	media_fire(p, md, true);
	mem_deref(md);
}


static void offer_handle(struct peer *p, const struct sipcall_event *ev)
{
	struct media_desc *md = NULL;
	int err;

	err = offer_decode(&md, ev);
	if (err) {
		offer_refuse(p->call, err);
		return;
	}

	media_fire(p, md, false);
	mem_deref(md);
}


static void peer_end(struct peer *p, uint16_t scode, const char *reason)
{
	struct client_event ce = {.cause = scode, .reason = reason};
	const bool tell = !p->refused;

	/* no operation reaches us from here on */
	client_gone(p->client);
	move_dialog(p, ENOTCONN, NULL, 0);
	move_peeked(p, ENOTCONN, NULL, 0);

	if (tell)
		(void)fire_event(p, "client.leave", &ce);

	mem_deref(p);
}


static void text_out_handle(struct siphost *sh, struct sipcall *call,
			    const struct sipcall_event *ev)
{
	struct client_event ce = {.text = ev->body, .type = ev->ctype};
	struct peer *p;

	p = peer_find(sh, ev->user, ev->conference);
	if (!p) {
		(void)sipcall_reject(call, 403, "Only Participants May Write");
		return;
	}

	if (!ev->body || fire_event(p, "client.text", &ce))
		(void)sipcall_accept(call, NULL, 0);
	else
		(void)sipcall_reject(call, 404, NULL);
}


static void outcome_fire(struct peer *p, const struct sipcall_event *ev)
{
	struct client_event ce = {.cause = ev->scode, .err = ev->err};

	(void)fire_event(p, ev->what == SIPCALL_REFUSED ? "client.refused"
			 : ev->what == SIPCALL_REFERRED ? "client.referred"
			 : "client.dead", &ce);
}


/* Anybody can make up dialogs, and to look for one costs more than that. */
static bool lost_often(struct siphost *sh)
{
	const uint64_t now = tmr_jiffies();

	if (now - sh->lost_when >= 1000) {
		sh->lost_when = now;
		sh->lostc     = 0;
	}

	return ++sh->lostc > LOST_RATE;
}


static void lost_handle(struct siphost *sh, const struct sipcall_event *ev)
{
	struct client_lost lost = {.callid = ev->callid};

	if (lost_often(sh) ||
	    !fire(sh, &(struct event){.name = "client.lost",
				      .callid = ev->callid, .data = &lost}))
		(void)sipstack_lost_no(sh->stack, ev->id);
}


static void peer_handle(struct peer *p, const struct sipcall_event *ev)
{
	struct client_event ce = {0};

	switch (ev->what) {

	case SIPCALL_ESTABLISHED:
		answer_handle(p, ev);
		(void)fire_event(p, "client.established", &ce);
		break;

	case SIPCALL_OFFER:
		offer_handle(p, ev);
		break;

	case SIPCALL_ANSWER:
		answer_handle(p, ev);
		break;

	case SIPCALL_REFUSED:
	case SIPCALL_REFERRED:
	case SIPCALL_DEAD:
		outcome_fire(p, ev);
		break;

	case SIPCALL_DIALOG:
		if (ev->sent)
			move_peeked(p, ev->err, ev->body, ev->bodylen);
		else
			move_dialog(p, ev->err, ev->body, ev->bodylen);
		break;

	case SIPCALL_TEXT:
		ce.text = ev->body;
		ce.type = ev->ctype;
		(void)fire_event(p, "client.text", &ce);
		break;

	case SIPCALL_DTMF:
		ce.digit    = ev->digit;
		ce.duration = ev->duration;
		(void)fire_event(p, "client.dtmf", &ce);
		break;

	case SIPCALL_REFRESHED:
		(void)fire_event(p, "client.refresh", &ce);
		break;

	case SIPCALL_END:
		peer_end(p, ev->scode, ev->reason);
		break;

	default:
		break;
	}
}


static bool end_h(struct le *le, void *arg)
{
	(void)arg;
	peer_end(le->data, 503, "signalling stopped");

	return false;
}


/**
 * Tell the services that everybody is gone, since the signalling stack is
 *
 * @param sh Host
 */
void calls_end(struct siphost *sh)
{
	(void)hash_apply(sh->peers, end_h, NULL);
}


/**
 * Handle what the signalling stack tells
 *
 * @param call Call, or NULL
 * @param ev   What happened
 * @param arg  struct siphost
 */
void calls_handle(struct sipcall *call, const struct sipcall_event *ev,
		  void *arg)
{
	struct siphost *sh = arg;
	struct peer *p = sipcall_data(call);

	switch (ev->what) {

	case SIPCALL_JOIN:
	case SIPCALL_SUBSCRIBE:
		join_handle(sh, call, ev);
		break;

	case SIPCALL_TEXT_OUT:
		text_out_handle(sh, call, ev);
		break;

	case SIPCALL_TRACED:
		trace_handle(ev);
		break;

	case SIPCALL_LOST:
		lost_handle(sh, ev);
		break;

	default:
		if (!p)
			break;

		mem_ref(p);
		peer_handle(p, ev);
		mem_deref(p);
		break;
	}
}
