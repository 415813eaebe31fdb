/**
 * @file siphost_server.c  A server with the SIP client host, and what it tells
 */
#include <stdlib.h>
#include <string.h>
#include <check.h>
#include <re.h>
#include "server/event.h"
#include "server/server.h"
#include "server/service.h"
#include "sip/sdp.h"
#include "sip/redirect.h"
#include "siphost/siphost.h"
#include "siphost_server.h"


struct host host;


void host_told(const char *fmt, ...)
{
	va_list ap;
	size_t n;

	pthread_mutex_lock(&host.mutex);
	n = strlen(host.log);
	if (n)
		host.log[n++] = ' ';
	va_start(ap, fmt);
	(void)re_vsnprintf(host.log + n, sizeof(host.log) - n, fmt, ap);
	va_end(ap);
	pthread_mutex_unlock(&host.mutex);
}


static bool log_says(const char *want)
{
	bool yes;

	pthread_mutex_lock(&host.mutex);
	yes = !strcmp(host.log, want);
	pthread_mutex_unlock(&host.mutex);

	return yes;
}


/* Time for these events, which a busy machine may need */
void log_wait(const char *want)
{
	for (int i = 0; i < 500 && !log_says(want); i++)
		loop_run(40);
}


void log_is(const char *want)
{
	char have[sizeof(host.log)];

	log_wait(want);

	/* and for more */
	loop_run(40);
	pthread_mutex_lock(&host.mutex);
	str_ncpy(have, host.log, sizeof(have));
	host.log[0] = '\0';
	pthread_mutex_unlock(&host.mutex);
	ck_assert_str_eq(have, want);
}


static void answer(struct client *cl, const struct media_desc *offer)
{
	struct media_desc md;
	struct sa sa;

	ck_assert(!sa_set_str(&sa, "127.0.0.1", 20000));

	if (offer) {
		ck_assert(!sdp_answer_init(&md, offer, &sa, 1));
	}
	else {
		ck_assert(!sdp_desc_decode(&md, (const uint8_t *)phone_sdp,
					   strlen(phone_sdp)));
	}

	ck_assert_int_eq(client_accept(cl, &md), 0);
}


static bool join_h(const struct event *ev, void *arg)
{
	const struct join *j = ev->data;
	const char *what = strchr(ev->name, '.') + 1;

	(void)arg;
	ck_assert_str_eq(ev->callid, j->callid);
	if (j->replaces && strcmp(what, "connect")) {
		ck_assert(j->admitted);
		ck_assert_ptr_eq(j->replaces, host.client);
		ck_assert_str_eq(j->replacing,
				 client_join(host.client)->callid);
		host_told("instead");
	}

	host_told("%s:%s", what, j->conference);

	if (!strcmp(what, "connect"))
		return false;

	if (!strcmp(what, "replaces")) {
		ck_assert(!j->admitted);
		host_told("%s", j->replacing);
		return !strcmp(j->replacing, "moved");
	}

	if (!strcmp(j->conference, "nobody"))
		return false;

	if (!strcmp(what, "subscribe")) {
		mem_deref(host.watcher);
		host.watcher = mem_ref(j->client);
		ck_assert_int_eq(client_accept(j->client, NULL), 0);
		return true;
	}

	mem_deref(host.client);
	host.client = mem_ref(j->client);

	if (!strcmp(j->conference, "elsewhere"))
		ck_assert_int_eq(client_dispatch(j->client, "sip:elsewhere@"
						 "127.0.0.1:9;ticket=t"), 0);
	else if (!strcmp(j->conference, "refuse"))
		ck_assert_int_eq(client_reject(j->client, 403, "No"), 0);
	else if (strcmp(j->conference, "wait"))
		answer(j->client, j->offer);

	return true;
}


static bool client_h(const struct event *ev, void *arg)
{
	const struct client_event *ce = ev->data;
	const char *what = strchr(ev->name, '.') + 1;
	struct odict *od = NULL;

	(void)arg;
	ck_assert_str_eq(ev->callid, client_join(ce->client)->callid);

	if (!strcmp(what, "leave")) {
		host_told("leave:%d", ce->cause);
		ck_assert_int_eq(client_bye(ce->client, 0, NULL), ENOTCONN);
	}
	else if (!strcmp(what, "refused") || !strcmp(what, "referred") ||
		 !strcmp(what, "dead"))
		host_told("%s:%d", what, ce->cause);
	else if (!strcmp(what, "text"))
		host_told("text:%s", ce->text);
	else if (!strcmp(what, "dtmf"))
		host_told("dtmf:%c", ce->digit);
	else if (!strcmp(what, "media")) {
		host_told("media:%s", ce->answered ? "answer" :
			  ce->media ? "offer" : "wanted");
		if (!ce->answered)
			answer(ce->client, ce->media);
	}
	else
		host_told("%s", what);

	ck_assert_int_eq(event_odict(&od, ev), 0);
	mem_deref(od);

	return true;
}


static bool lost_h(const struct event *ev, void *arg)
{
	const struct client_lost *lost = ev->data;

	(void)arg;
	ck_assert_str_eq(ev->callid, lost->callid);
	host_told("lost");

	return host.expects;
}


static void *phones_run(void *arg)
{
	struct phone p;

	(void)arg;
	ck_assert(!re_thread_init());
	phone_open(&p, &host.laddr, false, "room");
	p.plain = host.light;
	host.script(&p);
	phone_close(&p);
	re_thread_close();

	return NULL;
}


/* In the signalling thread */
static int lookup_h(const struct redirect_query *q, char *contact, size_t sz,
		    size_t *len, void *arg)
{
	(void)arg;

	if (q->conflen != 5 || memcmp(q->conf, "known", 5))
		return ENOENT;

	*len = (size_t)re_snprintf(contact, sz, "sip:known@127.0.0.1:9");

	return 0;
}


/* What a dispatch service does */
static bool dispatch_h(const struct event *ev, void *arg)
{
	struct join *j = ev->data;

	(void)arg;

	if (!host.light)
		return false;

	host_told("%s:%s", j->admitted ? "admitted" : "ask", j->conference);

	if (!strcmp(j->conference, "elsewhere")) {
		ck_assert_int_eq(client_accept(j->client, NULL), ENOSYS);
		ck_assert_int_eq(client_dispatch(j->client, "sip:elsewhere@"
						 "127.0.0.1:9;ticket=t"), 0);
		ck_assert_int_eq(client_reject(j->client, 403, "No"),
				 ENOTCONN);
		return true;
	}

	if (!strcmp(j->conference, "refuse")) {
		ck_assert_str_eq(j->name, "Alice");
		ck_assert_str_eq(j->user, "alice@home");
		ck_assert_int_eq(client_reject(j->client, 480, "No room"), 0);
		return true;
	}

	if (!strcmp(j->conference, "later")) {
		mem_deref(host.client);
		host.client = mem_ref(j->client);
		return true;
	}

	if (!strcmp(j->conference, "vip"))
		j->admitted = true;

	return false;
}


static bool running_h(const struct event *ev, void *arg)
{
	const struct siphost_api *api = service_api(host.srv, "siphost");
	struct sa any;

	(void)ev;
	(void)arg;
	ck_assert_ptr_nonnull(api);
	ck_assert_int_eq(api->laddr(api->sh, &host.laddr), 0);
	ck_assert_int_eq(api->laddr_af(api->sh, AF_INET, &any), 0);
	ck_assert(sa_cmp(&any, &host.laddr, SA_ALL));
	ck_assert_int_eq(api->laddr_af(api->sh, AF_INET6, &any), ENOENT);
	if (host.light)
		ck_assert_int_eq(api->redirect_set(api->sh, lookup_h, NULL),
				 0);
	ck_assert(!pthread_create(&host.tid, NULL, phones_run, NULL));

	return false;
}


static void listen_to(const char *name, enum event_prio prio, event_h *h)
{
	ck_assert_int_eq(event_listen(&host.lv[host.lc++],
				      server_events(host.srv), name, prio, h,
				      NULL), 0);
}


static void listen_to_all(void)
{
	static const struct {
		const char *name;
		event_h *h;
	} v[] = {
		{"server.running", running_h},
		{"client.connect", join_h},
		{"client.join", join_h},
		{"client.replaces", join_h},
		{"client.lost", lost_h},
		{"client.refused", client_h},
		{"client.referred", client_h},
		{"client.dead", client_h},
		{"client.subscribe", join_h},
		{"client.established", client_h},
		{"client.media", client_h},
		{"client.text", client_h},
		{"client.dtmf", client_h},
		{"client.refresh", client_h},
		{"client.leave", client_h},
	};

	listen_to("client.join", EVENT_PRIO_DISPATCH, dispatch_h);
	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		listen_to(v[i].name, EVENT_PRIO_CONNECT, v[i].h);
}


static void server_make(const char *dir)
{
	char dirv[128];
	const char *const setv[] = {
		"service=siphost", "sip.listen=127.0.0.1:0", dirv,
		"sip.server=Junctor test", "server.stop_timeout=20000",
	};
	struct server_opts opts = {
		.module_path = "modules/siphost/.libs:modules",
		.setv = setv,
		.setc = ARRAY_SIZE(setv),
	};

	(void)re_snprintf(dirv, sizeof(dirv), "server.dir=%s", dir);
	ck_assert_int_eq(server_alloc(&host.srv, &opts), 0);
}


static void run(script_h *script, bool light)
{
	char dir[] = "/tmp/test_siphost.XXXXXX";
	char cmd[128];

	ck_assert_ptr_nonnull(mkdtemp(dir));
	memset(&host, 0, sizeof(host));
	pthread_mutex_init(&host.mutex, NULL);
	pthread_cond_init(&host.cond, NULL);
	host.script = script;
	host.light  = light;

	ck_assert_int_eq(libre_init(), 0);
	ck_assert_int_eq(mqueue_alloc(&host.mq, host_ask_handler, NULL), 0);
	server_make(dir);
	listen_to_all();

	ck_assert_int_eq(server_run(host.srv), 0);
	ck_assert(!pthread_join(host.tid, NULL));

	for (unsigned i = 0; i < host.lc; i++)
		mem_deref(host.lv[i]);
	mem_deref(host.client);
	mem_deref(host.watcher);
	mem_deref(host.srv);
	mem_deref(host.mq);
	libre_close();

	(void)re_snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	ck_assert_int_eq(system(cmd), 0);
}


void host_run(script_h *script)
{
	run(script, false);
}


/* With a dispatch service there */
void host_run_light(script_h *script)
{
	run(script, true);
}

/* Into "room" */
void phone_join(struct phone *p)
{
	phone_send(p, "INVITE", NULL, phone_sdp);
	ck_assert_uint_eq(phone_status(p), 200);
	phone_send(p, "ACK", NULL, NULL);
	log_is("connect:room join:room established");
}


void ask(enum ask what)
{
	pthread_mutex_lock(&host.mutex);
	host.done = false;
	pthread_mutex_unlock(&host.mutex);

	ck_assert(!mqueue_push(host.mq, what, NULL));

	pthread_mutex_lock(&host.mutex);
	while (!host.done)
		pthread_cond_wait(&host.cond, &host.mutex);
	pthread_mutex_unlock(&host.mutex);
}
