/**
 * @file tests/modules/callers.c  Client hosts that are made up, and callers
 */
#include <string.h>
#include <stdlib.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/event.h"
#include "callers.h"
#include "../mesh/phone.h"


struct callers callers;


static void fire(const struct side *s, const char *name,
		 struct client_event *ce)
{
	ce->client = s->client;
	ce->callid = s->caller->callid;
	(void)event_fire(server_events(callers.srvv[s->host]),
			 &(struct event){.name = name, .data = ce,
					 .callid = ce->callid});
}


struct caller *caller_find(const char *callid)
{
	for (unsigned i = 0; i < callers.callerc; i++)
		if (!strcmp(callers.callerv[i]->callid, callid))
			return callers.callerv[i];

	return NULL;
}


static void side_end(struct side *s)
{
	client_dialog_h *h = s->dialogh;

	tmr_cancel(&s->tmr);
	client_gone(s->client);
	s->dialogh = NULL;
	if (h)
		h(ENOTCONN, NULL, 0, s->dialogarg);
	s->client = mem_deref(s->client);
}


static int accept_op(struct client *cl, const struct media_desc *answer)
{
	struct side *s = client_arg(cl);

	if (answer)
		s->caller->answer = *answer;

	return 0;
}


static int reject_op(struct client *cl, uint16_t scode, const char *reason)
{
	struct side *s = client_arg(cl);

	(void)reason;
	s->caller->rejected = scode;

	return 0;
}


static int roster_op(struct client *cl, const char *xml, bool last)
{
	struct side *s = client_arg(cl);
	struct caller *c = s->caller;

	ck_assert_msg(!s->frozen, "frozen, but told the roster");
	c->over |= last;
	if (xml && !*xml)
		++c->where;
	else if (xml && c->docc < DOCS_MAX)
		c->docv[c->docc++] = strdup(xml);

	return 0;
}


static int text_op(struct client *cl, const char *from, const char *type,
		   const char *text)
{
	struct side *s = client_arg(cl);
	const size_t n = strlen(s->said);

	ck_assert_msg(!s->frozen, "frozen, but told a text");
	ck_assert_msg(s->host == s->caller->host, "told by the wrong server");
	ck_assert(str_isset(from));
	ck_assert_str_eq("text/plain", type);
	ck_assert_uint_lt(n + strlen(text), sizeof s->said);
	str_ncpy(s->said + n, text, sizeof s->said - n);

	return 0;
}


static int bye_op(struct client *cl, uint16_t scode, const char *reason)
{
	struct side *s = client_arg(cl);

	(void)scode;
	(void)reason;
	s->bye = true;

	return 0;
}


static void text_make(char *text, size_t sz, const struct caller *c)
{
	(void)re_snprintf(text, sz, "call-id: %s\nlocal-cseq: 7\n",
			  c->callid);
}


static void dialog_tell(void *arg)
{
	struct side *s = arg;
	client_dialog_h *h = s->dialogh;
	char text[128];

	s->dialogh = NULL;
	text_make(text, sizeof text, s->caller);
	h(0, text, strlen(text), s->dialogarg);
}


static int dialog_op(struct client *cl, client_dialog_h *h, void *arg)
{
	struct side *s = client_arg(cl);

	ck_assert(!s->frozen);
	s->frozen = true;
	s->dialogh = h;
	s->dialogarg = arg;
	tmr_start(&s->tmr, 0, dialog_tell, s);

	return 0;
}


/* Not later, as a real one would: that must be borne, too. */
static int peek_op(struct client *cl, client_dialog_h *h, void *arg)
{
	struct side *s = client_arg(cl);
	char text[128];

	++s->peeks;
	text_make(text, sizeof text, s->caller);
	h(0, text, strlen(text), arg);

	return 0;
}


static int thaw_op(struct client *cl, uint32_t cseq)
{
	struct side *s = client_arg(cl);

	ck_assert(s->frozen);
	s->frozen = false;
	s->thawed = cseq;

	return 0;
}


static int release_op(struct client *cl)
{
	struct side *s = client_arg(cl);

	s->released = true;
	side_end(s);

	return 0;
}


static void answer_make(struct media_desc *md, const struct caller *c)
{
	unsigned n = 0;

	*md = c->offer;
	for (unsigned i = 0; i < c->offer.codecc; i++)
		if (!strcmp(md->codecv[i].name, "PCMU") ||
		    !strcmp(md->codecv[i].name, "telephone-event"))
			md->codecv[n++] = md->codecv[i];
	md->codecc = n;
	phone_laddr(c->phone, &md->rtp);
	sa_init(&md->rtcp, AF_UNSPEC);
	md->dir = c->held ? SDP_SENDONLY : SDP_SENDRECV;
	md->dir &= (c->offer.dir & SDP_SENDONLY ? SDP_RECVONLY : 0) |
		(c->offer.dir & SDP_RECVONLY ? SDP_SENDONLY : 0);
}


static void answer_h(void *arg)
{
	struct side *s = arg;
	struct caller *c = s->caller;
	struct client_event ce = {0};
	struct media_desc md;

	switch (c->mode) {

	case ANSWERS:
		answer_make(&md, c);
		phone_peer(c->phone, &c->offer.rtp);
		c->host = s->host;
		ce.media = &md;
		ce.answered = true;
		fire(s, "client.media", &ce);
		break;

	case REFUSES_ONCE:
		c->mode = ANSWERS;
		/*@fallthrough@*/
	case REFUSES:
		ce.cause = c->scode;
		fire(s, "client.refused", &ce);
		break;

	case HANGS_UP:
		client_gone(s->client);
		fire(s, "client.leave", &ce);
		break;

	default:
		break;
	}
}


static int offer_op(struct client *cl, const struct media_desc *offer)
{
	struct side *s = client_arg(cl);

	++s->offers;
	s->caller->offer = *offer;
	tmr_start(&s->tmr, s->caller->delay, answer_h, s);

	return 0;
}


static int probe_op(struct client *cl)
{
	struct side *s = client_arg(cl);

	++s->probes;

	return 0;
}


static const struct client_ops ops = {
	.accept = accept_op, .reject = reject_op, .roster = roster_op,
	.text = text_op, .bye = bye_op, .dialog = dialog_op, .peek = peek_op,
	.thaw = thaw_op, .release = release_op, .offer = offer_op,
	.probe = probe_op,
};


static int adopt(struct siphost *sh, struct client **clp,
		 const struct join *join, const char *dialog, size_t len,
		 unsigned skip)
{
	const unsigned host = (unsigned)((struct siphost_api *)(void *)sh -
					 callers.apiv);
	struct caller *c = caller_find(join->callid);
	struct side *s = &c->sidev[host];
	char text[128];

	(void)skip;
	ck_assert_ptr_nonnull(c);
	text_make(text, sizeof text, c);
	ck_assert_uint_eq(len, strlen(text));
	ck_assert_mem_eq(dialog, text, len);
	if (s->client)
		return EEXIST;

	s->frozen = s->released = false;
	ck_assert_int_eq(0, client_alloc(&s->client, &ops, join, s));
	*clp = s->client;
	if (c->watcher)
		c->host = host;

	return 0;
}


/* Whoever is made now is the one that is said to be starting. */
static int host_init(struct service *svc)
{
	struct siphost_api *api = &callers.apiv[callers.starting];

	api->sh = (struct siphost *)(void *)api;
	api->adopt = adopt;
	service_api_set(svc, api);

	return 0;
}


static const struct service_export host_export = {
	.api_version = SERVICE_API_VERSION, .name = "siphost",
	.init = host_init, .start = host_init,
};

const struct service_export *const callers_builtin[] = {
	&host_export, NULL
};


void callers_open(void)
{
	memset(&callers, 0, sizeof callers);
}


void callers_close(void)
{
	for (unsigned i = 0; i < callers.callerc; i++) {
		struct caller *c = callers.callerv[i];

		for (unsigned h = 0; h < HOSTS_MAX; h++)
			side_end(&c->sidev[h]);
		for (unsigned d = 0; d < c->docc; d++)
			free(c->docv[d]);
		mem_deref(c->phone);
		mem_deref(c);
	}
}


static struct caller *caller_make(unsigned host, const char *callid,
				  const char *user)
{
	struct caller *c = mem_zalloc(sizeof *c, NULL);

	ck_assert_ptr_nonnull(c);
	ck_assert_uint_lt(callers.callerc, CALLERS_MAX);
	callers.callerv[callers.callerc++] = c;
	str_ncpy(c->callid, callid, sizeof c->callid);
	str_ncpy(c->user, user, sizeof c->user);
	c->host = host;
	for (unsigned i = 0; i < HOSTS_MAX; i++) {
		c->sidev[i].caller = c;
		c->sidev[i].host = i;
		tmr_init(&c->sidev[i].tmr);
	}

	return c;
}


static void offer_make(struct media_desc *md, const struct caller *c)
{
	memset(md, 0, sizeof *md);
	md->media = MEDIA_AUDIO;
	md->mediac = 1;
	str_ncpy(md->medialinev[0], "audio RTP/AVP 0", 64);
	md->has_audio = true;
	phone_laddr(c->phone, &md->rtp);
	md->dir = c->held ? SDP_SENDONLY : SDP_SENDRECV;
	md->codecc = 2;
	str_ncpy(md->codecv[0].name, "PCMU", 16);
	md->codecv[0].srate = 8000;
	md->codecv[0].ch = 1;
	str_ncpy(md->codecv[1].name, "telephone-event", 16);
	md->codecv[1].pt = 97;
	md->codecv[1].srate = 8000;
	md->codecv[1].ch = 1;
}


unsigned caller_freq(unsigned n)
{
	return 500 + 300 * n;
}


/**
 * Somebody calls
 *
 * @param host       Server that it calls
 * @param conference Conference
 * @param n          Number of the caller, which is also its tone
 * @param media      It sends and listens; else it has a port only
 *
 * @return The caller
 */
struct caller *caller_join(unsigned host, const char *conference,
			   unsigned n, bool media)
{
	struct side *s;
	struct caller *c;
	struct media_desc offer;
	struct join jn;
	char callid[32], user[32];

	(void)re_snprintf(callid, sizeof callid, "call-%u@test", n);
	(void)re_snprintf(user, sizeof user, "u%u@test", n);
	c = caller_make(host, callid, user);
	s = &c->sidev[host];
	ck_assert_int_eq(0, phone_alloc(&c->phone, MESH_PCMU, 20,
					"127.0.0.1"));
	offer_make(&offer, c);

	jn = (struct join){
		.callid = c->callid, .conference = conference,
		.account = "acme", .user = c->user, .name = c->user,
		.info = "test", .ticket = "", .src = offer.rtp,
		.media = MEDIA_AUDIO, .admitted = true,
	};
	ck_assert_int_eq(0, client_alloc(&s->client, &ops, &jn, s));
	jn.client = s->client;
	jn.offer  = &offer;
	ck_assert(event_fire(server_events(callers.srvv[host]),
			     &(struct event){.name = "client.join",
					     .data = &jn,
					     .callid = c->callid}));
	if (c->rejected)
		return c;

	phone_peer(c->phone, &c->answer.rtp);
	if (media) {
		phone_talk(c->phone, caller_freq(n), 8000);
		phone_start(c->phone);
	}
	fire(s, "client.established", &(struct client_event){0});

	return c;
}


struct caller *caller_watch(unsigned host, const char *conference,
			    const char *user)
{
	struct side *s;
	struct caller *c;
	struct join jn;
	char callid[64];

	(void)re_snprintf(callid, sizeof callid, "watch-%s-%u", user,
			  callers.callerc);
	c = caller_make(host, callid, user);
	c->watcher = true;
	s = &c->sidev[host];
	jn = (struct join){
		.callid = c->callid, .conference = conference,
		.account = "", .user = c->user, .name = c->user,
		.info = "", .ticket = "",
	};
	ck_assert_int_eq(0, client_alloc(&s->client, &ops, &jn, s));
	jn.client = s->client;
	ck_assert(event_fire(server_events(callers.srvv[host]),
			     &(struct event){.name = "client.subscribe",
					     .data = &jn,
					     .callid = c->callid}));

	return c;
}


void caller_leave(struct caller *c)
{
	struct side *s = &c->sidev[c->host];

	client_gone(s->client);
	fire(s, "client.leave", &(struct client_event){0});
	if (c->phone)
		phone_stop(c->phone);
}


void caller_hold(struct caller *c, bool on)
{
	struct side *s = &c->sidev[c->host];
	struct media_desc offer;

	c->held = on;
	offer_make(&offer, c);
	fire(s, "client.media", &(struct client_event){.media = &offer});
}


void caller_dead(struct caller *c)
{
	fire(&c->sidev[c->host], "client.dead", &(struct client_event){0});
}


void caller_key(struct caller *c, char digit)
{
	fire(&c->sidev[c->host], "client.dtmf",
	     &(struct client_event){.digit = digit});
}


void caller_say(struct caller *c, const char *text)
{
	fire(&c->sidev[c->host], "client.text",
	     &(struct client_event){.text = text, .type = "text/plain"});
}


bool caller_hears(const struct caller *c, unsigned n)
{
	return phone_level(c->phone, caller_freq(n), 400) > 2000;
}
