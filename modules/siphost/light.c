/**
 * @file light.c  Joins that have no transaction: plain INVITEs that the fast
 *                path could not answer by a look-up
 *
 *   redirect_join -> client.connect, client.join -> 302, or 4xx, without sofia
 *                                          |
 *                                          +-> nobody sends it elsewhere: to
 *                                              sofia, and it comes as a call
 *
 * To be sent elsewhere or refused is all that can happen to such a client. A
 * join that dispatch leaves to the services above it, to be let in here, has
 * to become a call first: so we listen between the two.
 */
#include <string.h>
#include <re.h>
#include "server/event.h"
#include "server/log.h"
#include "server/server.h"
#include "server/service.h"
#include "noc/client.h"
#include "sip/preparse.h"
#include "sip/redirect.h"
#include "sip/redirjoin.h"
#include "sip/sdp.h"
#include "siphost/host.h"

enum {
	PRIO       = EVENT_PRIO_DISPATCH + 1,
	PASSED_MAX = 256,              /* calls on their way through sofia  */
	PASSED_MS  = 5000,             /* that it may take                  */
};

/* A join that became a call, of which services were told already. */
struct passed {
	struct le le;
	uint64_t until;                /* [ms]                              */
	bool admitted;                 /* it may come in                    */
	char callid[CLIENT_CALLID_MAX];
};

struct light {
	struct le le;
	struct siphost *sh;
	struct redirect_join *rj;
	struct client *client;         /* referenced                        */
	struct media_desc *offer;      /* or NULL                           */
	bool passed;                   /* sofia has it                      */
};


static void destructor(void *arg)
{
	struct light *l = arg;

	if (l->sh->lightnow == l)
		l->sh->lightnow = NULL;

	list_unlink(&l->le);
	client_gone(l->client);
	mem_deref(l->client);
	mem_deref(l->offer);
	mem_deref(l->rj);
}


static int reject_h(struct client *cl, uint16_t scode, const char *reason)
{
	struct light *l = client_arg(cl);
	char status[128];
	int n, err;

	if (scode < 300 || scode > 699)
		return EINVAL;

	n = re_snprintf(status, sizeof(status), "%u %s", scode,
			str_isset(reason) ? reason : "Refused");
	if (n < 0)
		return EOVERFLOW;

	err = redirect_join_answer(l->rj, status, NULL);
	if (err)
		return err;

	++l->sh->refused;
	log_event(LOG_INFO, "siphost", client_join(cl)->callid,
		  "%s refused: %s", client_join(cl)->user, status);
	mem_deref(l);

	return 0;
}


static int dispatch_h(struct client *cl, const char *contact)
{
	struct light *l = client_arg(cl);
	int err;

	err = redirect_join_answer(l->rj, "302 Moved Temporarily", contact);
	if (err)
		return err;

	++l->sh->redirects;
	mem_deref(l);

	return 0;
}


/* The others answer ENOSYS. */
static const struct client_ops ops = {
	.reject   = reject_h,
	.dispatch = dispatch_h,
};


static void passed_destructor(void *arg)
{
	struct passed *pa = arg;

	list_unlink(&pa->le);
}


/* What admits may do so only once, a place on the will-call list for one. */
static void passed_add(struct siphost *sh, const struct join *join)
{
	struct passed *pa;

	pa = mem_zalloc(sizeof(*pa), passed_destructor);
	if (!pa)
		return;

	pa->until    = tmr_jiffies() + PASSED_MS;
	pa->admitted = join->admitted;
	str_ncpy(pa->callid, join->callid, sizeof(pa->callid));

	if (list_count(&sh->passedl) >= PASSED_MAX)
		mem_deref(list_ledata(sh->passedl.head));

	list_append(&sh->passedl, &pa->le, pa);
}


/**
 * Did a call begin as a join without a transaction? Told once.
 *
 * @param sh       Host
 * @param callid   Its Call-ID
 * @param admitted Set if it did: whether it may come in
 *
 * @return true if it did; "client.connect" was fired then
 */
bool lights_passed(struct siphost *sh, const char *callid, bool *admitted)
{
	const uint64_t now = tmr_jiffies();
	struct le *le = sh->passedl.head;

	while (le) {

		struct passed *pa = le->data;
		const bool found = pa->until > now &&
			!strcmp(pa->callid, callid);

		if (found)
			*admitted = pa->admitted;

		le = le->next;

		if (found || pa->until <= now)
			mem_deref(pa);
		if (found)
			return true;
	}

	return false;
}


static bool join_h(const struct event *ev, void *arg)
{
	struct siphost *sh = arg;
	const struct join *join = ev->data;

	/* any other join is a call already, or not ours */
	if (!join || !sh->lightnow || sh->lightnow->client != join->client)
		return false;

	sh->lightnow->passed = true;
	passed_add(sh, join);

	return true;
}


static int offer_decode(struct media_desc **mdp, const struct pl *body)
{
	struct media_desc *md;
	int err;

	*mdp = NULL;

	if (!body->l)
		return 0;

	md = mem_alloc(sizeof(*md), NULL);
	if (!md)
		return ENOMEM;

	err = sdp_desc_decode(md, (const uint8_t *)body->p, body->l);
	if (err)
		mem_deref(md);
	else
		*mdp = md;

	return err;
}


static int client_make(struct light *l)
{
	const struct preparse *pp = redirect_join_get(l->rj);
	char conf[PREPARSE_CONF_MAX + 1], user[PREPARSE_USER_MAX + 1];
	char callid[PREPARSE_CALLID_MAX + 1];
	char name[CLIENT_USER_MAX], info[CLIENT_INFO_MAX];
	struct join join;
	struct pl pl;
	int err;

	memset(&join, 0, sizeof(join));

	err = sa_set_sa(&join.src, redirect_join_src(l->rj));
	if (err)
		return err;

	/* without a display name, the user part of From */
	pl = pp->name;
	if (!pl.l) {
		pl   = pp->user;
		pl.l = (size_t)(pl_strchr(&pl, '@') - pl.p);
	}
	pl.l = min(pl.l, sizeof(name) - 1);
	err  = pl_strcpy(&pl, name, sizeof(name));

	info[0] = '\0';
	pl   = pp->agent;
	pl.l = min(pl.l, sizeof(info) - 1);
	if (pl.l)
		err |= pl_strcpy(&pl, info, sizeof(info));

	err |= pl_strcpy(&pp->conf, conf, sizeof(conf));
	err |= pl_strcpy(&pp->user, user, sizeof(user));
	err |= pl_strcpy(&pp->callid, callid, sizeof(callid));
	if (err)
		return EOVERFLOW;

	join.callid     = callid;
	join.conference = conf;
	join.user       = user;
	join.name       = name;
	join.info       = info;
	join.media      = l->offer ? l->offer->media : MEDIA_AUDIO;
	join.offer      = l->offer;

	return client_alloc(&l->client, &ops, &join, l);
}


static void join_fire(struct light *l)
{
	struct siphost *sh = l->sh;
	struct client *cl = mem_ref(l->client);
	struct join join = *client_join(cl);
	struct event ev = {
		.name   = "client.connect",
		.callid = join.callid,
		.data   = &join,
		.fieldv = details_join,
	};
	struct events *evs = server_events(service_server(sh->svc));

	(void)event_fire(evs, &ev);

	/* a client that is answered is gone, and so is its join */
	sh->lightnow = client_arg(cl);
	ev.name = "client.join";
	(void)event_fire(evs, &ev);
	sh->lightnow = NULL;

	l = client_arg(cl);
	if (l && l->passed) {
		--sh->joins;
		(void)redirect_join_pass(l->rj);
		mem_deref(l);
	}

	mem_deref(cl);
}


static void join_take(struct siphost *sh, struct redirect_join *rj)
{
	struct light *l;

	l = mem_zalloc(sizeof(*l), destructor);
	if (!l) {
		mem_deref(rj);
		return;
	}

	l->sh = sh;
	l->rj = rj;
	list_append(&sh->lightl, &l->le, l);

	/* what is refused for itself is refused as any call is */
	if (sh->closing || service_state(sh->svc) != SERVICE_RUNNING ||
	    offer_decode(&l->offer, &redirect_join_get(rj)->body) ||
	    client_make(l)) {
		(void)redirect_join_pass(rj);
		mem_deref(l);
		return;
	}

	++sh->joins;
	join_fire(l);
}


static void mqueue_handler(int id, void *data, void *arg)
{
	struct siphost *sh = arg;
	struct redirect_join *rj;
	(void)id;
	(void)data;

	while ((rj = redirect_join_next(sh->redirect)))
		join_take(sh, rj);
}


/* In a signalling thread */
static void wake_h(void *arg)
{
	struct siphost *sh = arg;

	(void)mqueue_push(sh->lightq, 0, NULL);
}


/**
 * Take joins from the fast path
 *
 * @param sh Host
 *
 * @return 0 for success, otherwise errorcode
 */
int lights_start(struct siphost *sh)
{
	int err;

	err = mqueue_alloc(&sh->lightq, mqueue_handler, sh);
	if (err)
		return err;

	err = event_listen(&sh->lightlis,
			   server_events(service_server(sh->svc)),
			   "client.join", (enum event_prio)PRIO, join_h, sh);
	if (err)
		return err;

	redirect_defer_handler(sh->redirect, wake_h, sh);

	return 0;
}


/**
 * Take no more, and forget those that wait: their clients are gone
 *
 * @param sh Host
 */
void lights_stop(struct siphost *sh)
{
	struct redirect_join *rj;

	redirect_defer_handler(sh->redirect, NULL, NULL);

	while ((rj = redirect_join_next(sh->redirect)))
		mem_deref(rj);

	list_flush(&sh->lightl);
	list_flush(&sh->passedl);
	sh->lightlis = mem_deref(sh->lightlis);
	sh->lightq   = mem_deref(sh->lightq);
}
