/**
 * @file test_siphost.c  The SIP client host in a server: phones on one side,
 *                       a service that listens to its events on the other
 *
 * The server runs in the test's thread, the phones in a thread of their own
 * with a loop of their own.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <check.h>
#include <re.h>
#include "server/command.h"
#include "server/event.h"
#include "server/log.h"
#include "server/metrics.h"
#include "server/server.h"
#include "server/service.h"
#include "noc/client.h"
#include "sip/sdp.h"
#include "sip/redirect.h"
#include "siphost/siphost.h"
#include "../sip/phone.h"

typedef void (script_h)(struct phone *p);

static struct {
	struct server *srv;
	struct listener *lv[16];
	unsigned lc;
	struct client *client;     /* of the last join, referenced          */
	struct client *watcher;    /* of the last subscription, referenced  */
	struct mqueue *mq;
	struct sa laddr;
	script_h *script;
	pthread_t tid;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	char log[2048];            /* under the mutex                       */
	bool done;                 /* what was asked for, under the mutex   */
	bool light;                /* somebody dispatches                   */
	bool expects;              /* somebody is about to adopt            */
	int err;                   /* of what was asked for last            */
	char dialog[CLIENT_DIALOG_MAX];
	size_t dialoglen;
	char result[16384];
} t;

/* asked of the server's thread by the phones' */
enum ask { ASK_BYE, ASK_TEXT, ASK_ROSTER, ASK_STOP, ASK_TRACE, ASK_METRICS,
	   ASK_PAUSE, ASK_RESUME, ASK_SERVICE_STOP, ASK_DISPATCH,
	   ASK_DIALOG, ASK_THAW, ASK_RELEASE, ASK_ADOPT, ASK_ADOPT_BAD,
	   ASK_OFFER, ASK_REFER, ASK_PROBE, ASK_DIALOG_WATCHER };


static void told(const char *fmt, ...)
{
	va_list ap;
	size_t n;

	pthread_mutex_lock(&t.mutex);
	n = strlen(t.log);
	if (n)
		t.log[n++] = ' ';
	va_start(ap, fmt);
	(void)re_vsnprintf(t.log + n, sizeof(t.log) - n, fmt, ap);
	va_end(ap);
	pthread_mutex_unlock(&t.mutex);
}


static bool log_says(const char *want)
{
	bool yes;

	pthread_mutex_lock(&t.mutex);
	yes = !strcmp(t.log, want);
	pthread_mutex_unlock(&t.mutex);

	return yes;
}


/* Time for these events, which a busy machine may need */
static void log_wait(const char *want)
{
	for (int i = 0; i < 500 && !log_says(want); i++)
		loop_run(40);
}


static void log_is(const char *want)
{
	char have[sizeof(t.log)];

	log_wait(want);

	/* and for more */
	loop_run(40);
	pthread_mutex_lock(&t.mutex);
	str_ncpy(have, t.log, sizeof(have));
	t.log[0] = '\0';
	pthread_mutex_unlock(&t.mutex);
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
		ck_assert_ptr_eq(j->replaces, t.client);
		ck_assert_str_eq(j->replacing,
				 client_join(t.client)->callid);
		told("instead");
	}

	told("%s:%s", what, j->conference);

	if (!strcmp(what, "connect"))
		return false;

	if (!strcmp(what, "replaces")) {
		ck_assert(!j->admitted);
		told("%s", j->replacing);
		return !strcmp(j->replacing, "moved");
	}

	if (!strcmp(j->conference, "nobody"))
		return false;

	if (!strcmp(what, "subscribe")) {
		mem_deref(t.watcher);
		t.watcher = mem_ref(j->client);
		ck_assert_int_eq(client_accept(j->client, NULL), 0);
		return true;
	}

	mem_deref(t.client);
	t.client = mem_ref(j->client);

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
		told("leave:%d", ce->cause);
		ck_assert_int_eq(client_bye(ce->client, 0, NULL), ENOTCONN);
	}
	else if (!strcmp(what, "refused") || !strcmp(what, "referred") ||
		 !strcmp(what, "dead"))
		told("%s:%d", what, ce->cause);
	else if (!strcmp(what, "text"))
		told("text:%s", ce->text);
	else if (!strcmp(what, "dtmf"))
		told("dtmf:%c", ce->digit);
	else if (!strcmp(what, "media")) {
		told("media:%s", ce->answered ? "answer" :
		     ce->media ? "offer" : "wanted");
		if (!ce->answered)
			answer(ce->client, ce->media);
	}
	else
		told("%s", what);

	ck_assert_int_eq(event_odict(&od, ev), 0);
	mem_deref(od);

	return true;
}


static bool lost_h(const struct event *ev, void *arg)
{
	const struct client_lost *lost = ev->data;

	(void)arg;
	ck_assert_str_eq(ev->callid, lost->callid);
	told("lost");

	return t.expects;
}


static void dialog_h(int err, const char *dialog, size_t len, void *arg)
{
	ck_assert_ptr_eq(arg, &t);
	told("dialog:%d", err);
	ck_assert(!err == (dialog != NULL));
	if (err)
		return;

	ck_assert_uint_lt(len, sizeof(t.dialog));
	memcpy(t.dialog, dialog, len);
	t.dialoglen = len;
}


static int adopt(const char *dialog, size_t len)
{
	const struct siphost_api *api = service_api(t.srv, "siphost");
	struct join join = {
		.conference = "room", .user = "alice@home", .name = "Alice",
		.info = "test phone", .media = MEDIA_AUDIO,
	};
	struct client *cl;
	int err;

	err = api->adopt(api->sh, &cl, &join, dialog, len, 100);
	if (err)
		return err;

	mem_deref(t.client);
	t.client = mem_ref(cl);
	ck_assert_str_eq(client_join(cl)->conference, "room");
	ck_assert(client_join(cl)->admitted);

	return 0;
}


/* Nothing that is no dialog becomes one. */
static void adopt_bad(void)
{
	ck_assert_int_eq(adopt("", 0), EBADMSG);
	ck_assert_int_eq(adopt("dialog: 1\n", 10), EBADMSG);

	for (size_t i = 0; i < t.dialoglen; i += 7)
		ck_assert_int_eq(adopt(t.dialog, i + (t.dialog[i - !!i] ==
						      '\n')), EBADMSG);
}


static int offer(void)
{
	struct media_desc md;

	ck_assert(!sdp_desc_decode(&md, (const uint8_t *)phone_sdp,
				   strlen(phone_sdp)));

	return client_offer(t.client, &md);
}


static void move_ask(enum ask what)
{
	switch (what) {

	case ASK_DIALOG:
		t.err = client_dialog(t.client, dialog_h, &t);
		if (!t.err)
			ck_assert_int_eq(client_dialog(t.client, dialog_h,
						       &t), EALREADY);
		break;

	case ASK_DIALOG_WATCHER:
		t.err = client_dialog(t.watcher, dialog_h, &t);
		break;

	case ASK_THAW:    t.err = client_thaw(t.client, 0x20000); break;
	case ASK_ADOPT:   t.err = adopt(t.dialog, t.dialoglen);   break;
	case ASK_OFFER:   t.err = offer();                        break;
	case ASK_PROBE:   t.err = client_probe(t.client);         break;
	case ASK_ADOPT_BAD: adopt_bad();                          break;

	case ASK_RELEASE:
		t.err = client_release(t.client);
		ck_assert_int_eq(client_release(t.client), ENOTCONN);
		break;

	case ASK_REFER:
		t.err = client_refer(t.client, "sip:room@127.0.0.1:9");
		break;

	default:
		ck_abort();
	}
}


static void result_h(int err, const char *reason, const struct odict *result,
		     void *arg)
{
	(void)result;
	(void)arg;
	(void)re_snprintf(t.result, sizeof(t.result), "%d %s", err,
			  reason ? reason : "");
}


static int print_h(const char *p, size_t size, void *arg)
{
	size_t *n = arg;

	if (*n + size < sizeof(t.result)) {
		memcpy(t.result + *n, p, size);
		*n += size;
		t.result[*n] = '\0';
	}

	return 0;
}


static void trace_ask(void)
{
	struct odict *args;

	ck_assert(!odict_alloc(&args, 8));
	ck_assert(!odict_entry_add(args, "user", ODICT_STRING, "alice"));
	ck_assert(!odict_entry_add(args, "on", ODICT_BOOL, true));
	ck_assert(!command_run(server_commands(t.srv), "sip.trace", args,
			       result_h, NULL));
	mem_deref(args);
}


static void ask_h(int id, void *data, void *arg)
{
	struct re_printf pf;
	size_t n = 0;

	(void)data;
	(void)arg;

	switch ((enum ask)id) {

	case ASK_BYE:
		ck_assert_int_eq(client_bye(t.client, 480, "Enough"), 0);
		break;

	case ASK_TEXT:
		ck_assert_int_eq(client_text(t.client, "Bob", "text/plain",
					     "hi"), 0);
		break;

	case ASK_ROSTER:
		ck_assert_int_eq(client_roster(t.watcher, "<x/>", false), 0);
		break;

	case ASK_DISPATCH:
		ck_assert_int_eq(client_dispatch(t.client, "sip:later@"
						 "127.0.0.1:9"), 0);
		break;

	case ASK_STOP:
		server_stop(t.srv, false);
		break;

	case ASK_TRACE:
		trace_ask();
		break;

	case ASK_METRICS:
		pf.vph = print_h;
		pf.arg = &n;
		ck_assert_int_eq(metrics_print(&pf, server_metrics(t.srv)),
				 0);
		break;

	case ASK_PAUSE:
		ck_assert_int_eq(service_pause(service_find(t.srv,
							    "siphost")), 0);
		break;

	case ASK_RESUME:
		ck_assert_int_eq(service_resume(service_find(t.srv,
							     "siphost")), 0);
		break;

	default:
		move_ask((enum ask)id);
		break;

	case ASK_SERVICE_STOP:
		ck_assert_int_eq(service_stop(service_find(t.srv,
							   "siphost")), 0);
		break;
	}

	pthread_mutex_lock(&t.mutex);
	t.done = true;
	pthread_cond_signal(&t.cond);
	pthread_mutex_unlock(&t.mutex);
}


static void ask(enum ask what)
{
	pthread_mutex_lock(&t.mutex);
	t.done = false;
	pthread_mutex_unlock(&t.mutex);

	ck_assert(!mqueue_push(t.mq, what, NULL));

	pthread_mutex_lock(&t.mutex);
	while (!t.done)
		pthread_cond_wait(&t.cond, &t.mutex);
	pthread_mutex_unlock(&t.mutex);
}


static void *phones_run(void *arg)
{
	struct phone p;

	(void)arg;
	ck_assert(!re_thread_init());
	phone_open(&p, &t.laddr, false, "room");
	p.plain = t.light;
	t.script(&p);
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

	if (!t.light)
		return false;

	told("%s:%s", j->admitted ? "admitted" : "ask", j->conference);

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
		mem_deref(t.client);
		t.client = mem_ref(j->client);
		return true;
	}

	if (!strcmp(j->conference, "vip"))
		j->admitted = true;

	return false;
}


static bool running_h(const struct event *ev, void *arg)
{
	const struct siphost_api *api = service_api(t.srv, "siphost");
	struct sa any;

	(void)ev;
	(void)arg;
	ck_assert_ptr_nonnull(api);
	ck_assert_int_eq(api->laddr(api->sh, &t.laddr), 0);
	ck_assert_int_eq(api->laddr_af(api->sh, AF_INET, &any), 0);
	ck_assert(sa_cmp(&any, &t.laddr, SA_ALL));
	ck_assert_int_eq(api->laddr_af(api->sh, AF_INET6, &any), ENOENT);
	if (t.light)
		ck_assert_int_eq(api->redirect_set(api->sh, lookup_h, NULL),
				 0);
	ck_assert(!pthread_create(&t.tid, NULL, phones_run, NULL));

	return false;
}


static void listen_to(const char *name, event_h *h)
{
	ck_assert_int_eq(event_listen(&t.lv[t.lc++], server_events(t.srv),
				      name, EVENT_PRIO_CONNECT, h, NULL), 0);
}


/* The script has to end with ASK_STOP. */
static void run_as(script_h *script, const char *extra, bool light)
{
	char dir[] = "/tmp/test_siphost.XXXXXX";
	char dirv[128];
	const char *const setv[] = {
		"service=siphost", "sip.listen=127.0.0.1:0", dirv,
		"sip.server=Junctor test", "server.stop_timeout=20000", extra,
	};
	struct server_opts opts = {
		.module_path = "modules/siphost/.libs:modules",
		.setv = setv,
		.setc = extra ? 6 : 5,
	};
	char cmd[128];

	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)re_snprintf(dirv, sizeof(dirv), "server.dir=%s", dir);

	memset(&t, 0, sizeof(t));
	pthread_mutex_init(&t.mutex, NULL);
	pthread_cond_init(&t.cond, NULL);
	t.script = script;
	t.light  = light;

	ck_assert_int_eq(libre_init(), 0);
	ck_assert_int_eq(mqueue_alloc(&t.mq, ask_h, NULL), 0);
	ck_assert_int_eq(server_alloc(&t.srv, &opts), 0);

	ck_assert_int_eq(event_listen(&t.lv[t.lc++], server_events(t.srv),
				      "client.join", EVENT_PRIO_DISPATCH,
				      dispatch_h, NULL), 0);
	listen_to("server.running", running_h);
	listen_to("client.connect", join_h);
	listen_to("client.join", join_h);
	listen_to("client.replaces", join_h);
	listen_to("client.lost", lost_h);
	listen_to("client.refused", client_h);
	listen_to("client.referred", client_h);
	listen_to("client.dead", client_h);
	listen_to("client.subscribe", join_h);
	listen_to("client.established", client_h);
	listen_to("client.media", client_h);
	listen_to("client.text", client_h);
	listen_to("client.dtmf", client_h);
	listen_to("client.refresh", client_h);
	listen_to("client.leave", client_h);

	ck_assert_int_eq(server_run(t.srv), 0);
	ck_assert(!pthread_join(t.tid, NULL));

	for (unsigned i = 0; i < t.lc; i++)
		mem_deref(t.lv[i]);
	mem_deref(t.client);
	mem_deref(t.watcher);
	mem_deref(t.srv);
	mem_deref(t.mq);
	libre_close();

	(void)re_snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	ck_assert_int_eq(system(cmd), 0);
}


static void run(script_h *script, const char *extra)
{
	run_as(script, extra, false);
}


static void in(struct phone *p)
{
	phone_send(p, "INVITE", NULL, phone_sdp);
	ck_assert_uint_eq(phone_status(p), 200);
	phone_send(p, "ACK", NULL, NULL);
	log_is("connect:room join:room established");
}


static void basic(struct phone *p)
{
	in(p);

	phone_send(p, "INFO", "Content-Type: application/dtmf-relay\r\n",
		   "Signal=6\r\n");
	ck_assert_uint_eq(phone_status(p), 200);
	log_is("dtmf:6");

	phone_send(p, "MESSAGE", "Content-Type: text/plain\r\n", "hello");
	ck_assert_uint_eq(phone_status(p), 200);
	log_is("text:hello");

	ask(ASK_TEXT);
	ck_assert(phone_request(p, "MESSAGE"));
	ck_assert(phone_says(p, "Bob: hi"));
	phone_answer(p, 200, NULL, NULL);

	phone_send(p, "BYE", NULL, NULL);
	ck_assert_uint_eq(phone_status(p), 200);
	log_is("leave:0");

	/* text from outside: only of who is in */
	phone_new(p);
	phone_send(p, "MESSAGE", "Content-Type: text/plain\r\n", "hello");
	ck_assert_uint_eq(phone_status(p), 403);
	phone_new(p);
	in(p);
	phone_new(p);
	phone_send(p, "MESSAGE", "Content-Type: text/plain\r\n", "hello");
	ck_assert_uint_eq(phone_status(p), 200);
	log_is("text:hello");

	ask(ASK_BYE);
	ck_assert(phone_request(p, "BYE"));
	ck_assert(phone_has(p, "Reason", "480"));
	phone_answer(p, 200, NULL, NULL);
	log_is("leave:480");
	ask(ASK_STOP);
}


START_TEST(siphost_basic)
{
	run(basic, NULL);
}
END_TEST


static void refusals(struct phone *p)
{
	static const struct {
		const char *conf;
		unsigned scode;
		const char *log;
	} v[] = {
		{"elsewhere", 302, "connect:elsewhere join:elsewhere"},
		{"refuse", 403, "connect:refuse join:refuse"},
		{"nobody", 404, "connect:nobody join:nobody"},
		{"", 404, ""},
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		str_ncpy(p->conf, v[i].conf, sizeof(p->conf));
		phone_new(p);
		phone_send(p, "INVITE", NULL, phone_sdp);
		ck_assert_uint_eq(phone_status(p), v[i].scode);
		if (v[i].scode == 302)
			ck_assert(phone_has(p, "Contact", "<sip:elsewhere@"
					    "127.0.0.1:9;ticket=t>"));
		phone_send(p, "ACK", NULL, NULL);
		log_is(v[i].log);
	}

	str_ncpy(p->conf, "room", sizeof(p->conf));
	phone_new(p);
	phone_send(p, "INVITE", NULL, "v=1\r\nthis is no SDP\r\n");
	ck_assert_uint_eq(phone_status(p), 400);
	phone_send(p, "ACK", NULL, NULL);
	log_is("");

	/* cancelled while a service thinks about it */
	str_ncpy(p->conf, "wait", sizeof(p->conf));
	phone_new(p);
	phone_send(p, "INVITE", NULL, phone_sdp);
	log_wait("connect:wait join:wait");
	phone_send(p, "CANCEL", NULL, NULL);
	ck_assert_uint_ne(phone_status(p), 0);
	ck_assert_uint_ne(phone_status(p), 0);
	phone_send(p, "ACK", NULL, NULL);
	log_is("connect:wait join:wait leave:487");
	ask(ASK_STOP);
}


START_TEST(siphost_refusals)
{
	run(refusals, NULL);
}
END_TEST


/* With a dispatch service there: what it sends on or refuses never becomes a
 * call, what it lets through does, and is told once. */
static void lights(struct phone *p)
{
	static const struct {
		const char *conf;
		unsigned scode;
		const char *log;
	} v[] = {
		{"known", 302, ""},
		{"elsewhere", 302, "connect:elsewhere ask:elsewhere"},
		{"refuse", 480, "connect:refuse ask:refuse"},
		{"nobody", 404, "connect:nobody ask:nobody ask:nobody "
				"join:nobody"},
		{"room", 200, "connect:room ask:room ask:room join:room "
			      "established"},
		{"vip", 200, "connect:vip ask:vip admitted:vip join:vip "
			     "established"},
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		str_ncpy(p->conf, v[i].conf, sizeof(p->conf));
		phone_new(p);
		phone_send(p, "INVITE", NULL, phone_sdp);
		ck_assert_uint_eq(phone_status(p), v[i].scode);
		phone_send(p, "ACK", NULL, NULL);
		log_is(v[i].log);
	}

	/* no session description at all is for sofia to answer */
	str_ncpy(p->conf, "elsewhere", sizeof(p->conf));
	phone_new(p);
	phone_send(p, "INVITE", NULL, "v=1\r\nthis is no SDP\r\n");
	ck_assert_uint_eq(phone_status(p), 400);
	phone_send(p, "ACK", NULL, NULL);
	log_is("");

	/* found after a while, meanwhile told again by the phone */
	str_ncpy(p->conf, "later", sizeof(p->conf));
	phone_new(p);
	phone_send(p, "INVITE", NULL, phone_sdp);
	log_is("connect:later ask:later");
	ask(ASK_DISPATCH);
	ck_assert_uint_eq(phone_status(p), 302);
	ck_assert(phone_has(p, "Contact", "<sip:later@127.0.0.1:9>"));
	phone_send(p, "ACK", NULL, NULL);
	log_is("");

	/* nobody answers before the end */
	phone_new(p);
	phone_send(p, "INVITE", NULL, phone_sdp);
	log_is("connect:later ask:later");
	ask(ASK_STOP);
}


START_TEST(siphost_lights)
{
	run_as(lights, NULL, true);
}
END_TEST


static void media(struct phone *p)
{
	/* our offer in the 200 */
	phone_send(p, "INVITE", NULL, NULL);
	ck_assert_uint_eq(phone_status(p), 200);
	phone_send(p, "ACK", NULL, phone_sdp);
	log_is("connect:room join:room media:answer established");

	phone_send(p, "INVITE", NULL, phone_sdp);
	ck_assert_uint_eq(phone_status(p), 200);
	phone_send(p, "ACK", NULL, NULL);
	log_is("media:offer");

	phone_send(p, "INVITE", NULL, NULL);
	ck_assert_uint_eq(phone_status(p), 200);
	phone_send(p, "ACK", NULL, phone_sdp);
	log_is("media:wanted media:answer");

	phone_send(p, "INVITE", NULL, "junk\r\n");
	ck_assert_uint_eq(phone_status(p), 400);
	phone_send(p, "ACK", NULL, NULL);
	log_is("");

	/* a service is stopped: everybody is told */
	ask(ASK_SERVICE_STOP);
	log_is("leave:503");
	ask(ASK_STOP);
}


START_TEST(siphost_media)
{
	run(media, NULL);
}
END_TEST


static void watch(struct phone *p)
{
	static const char event[] = "Event: conference\r\n";

	phone_send(p, "SUBSCRIBE", event, NULL);
	ck_assert_uint_eq(phone_status(p), 200);
	log_is("connect:room subscribe:room");
	ask(ASK_ROSTER);
	ck_assert(phone_request(p, "NOTIFY"));
	ck_assert(phone_says(p, "<x/>"));
	phone_answer(p, 200, NULL, NULL);

	phone_send(p, "SUBSCRIBE", event, NULL);
	ck_assert_uint_eq(phone_status(p), 200);
	log_is("refresh");

	phone_send(p, "SUBSCRIBE", "Event: conference\r\nExpires: 0\r\n",
		   NULL);
	ck_assert_uint_eq(phone_status(p), 200);
	ck_assert(phone_request(p, "NOTIFY"));
	phone_answer(p, 200, NULL, NULL);
	log_is("leave:0");

	str_ncpy(p->conf, "nobody", sizeof(p->conf));
	phone_new(p);
	phone_send(p, "SUBSCRIBE", event, NULL);
	ck_assert_uint_eq(phone_status(p), 404);
	log_is("connect:nobody subscribe:nobody");
	ask(ASK_STOP);
}


START_TEST(siphost_watch)
{
	run(watch, NULL);
}
END_TEST


/* The server stops: who is in is hung up on, who comes is refused. */
static void stopping(struct phone *p)
{
	struct phone q;

	in(p);
	ask(ASK_STOP);

	phone_open(&q, &t.laddr, false, "room");
	phone_send(&q, "INVITE", NULL, phone_sdp);
	ck_assert_uint_eq(phone_status(&q), 503);
	phone_send(&q, "ACK", NULL, NULL);

	ck_assert(phone_request(p, "BYE"));
	phone_answer(p, 200, NULL, NULL);
	phone_close(&q);
}


START_TEST(siphost_stopping)
{
	run(stopping, NULL);
	ck_assert_str_eq(t.log, "leave:503");
}
END_TEST


static void sip_traced(const struct log_record *rec, void *arg)
{
	atomic_uint *byes = arg;

	if (!strcmp(rec->service, "sip") && rec->callid &&
	    !strncmp(rec->text, "> BYE ", 6))
		atomic_fetch_add(byes, 1);
}


/* Pauses, then somebody follows alice, whose call is up already. */
static void pausing(struct phone *p)
{
	struct log_sink *sink;
	atomic_uint byes = 0;

	ck_assert(!log_sink_add(&sink, LOG_KIND_TRACE, sip_traced, &byes));
	ask(ASK_PAUSE);
	phone_send(p, "INVITE", NULL, phone_sdp);
	ck_assert_uint_eq(phone_status(p), 503);
	phone_send(p, "ACK", NULL, NULL);
	log_is("");

	ask(ASK_RESUME);
	phone_new(p);
	in(p);

	ask(ASK_METRICS);
	ck_assert_ptr_nonnull(strstr(t.result, "junctor_sip_calls 1"));
	ck_assert_ptr_nonnull(strstr(t.result,
			"junctor_sip_requests_total{method=\"INVITE\"} 2"));
	ck_assert_ptr_nonnull(strstr(t.result,
			"junctor_sip_responses_total{class=\"2xx\"} 1"));
	ck_assert_ptr_nonnull(strstr(t.result, "junctor_sip_joins_total 1"));

	ask(ASK_TRACE);
	ck_assert_str_eq(t.result, "0 ");
	ask(ASK_BYE);
	ck_assert(phone_request(p, "BYE"));
	phone_answer(p, 200, NULL, NULL);
	for (unsigned i = 0; !atomic_load(&byes) && i < 3000; i++)
		sys_msleep(10);
	ck_assert_uint_eq(atomic_load(&byes), 1);
	mem_deref(sink);

	ask(ASK_STOP);
}


START_TEST(siphost_pausing)
{
	run(pausing, NULL);
}
END_TEST


/* A client leaves this server and comes back, as it would at another one. */
static void moving(struct phone *p)
{
	in(p);
	ask(ASK_DIALOG);
	ck_assert_int_eq(t.err, 0);
	log_is("dialog:0");
	ask(ASK_ADOPT_BAD);
	ask(ASK_ADOPT);
	ck_assert_int_eq(t.err, EEXIST);

	/* it stays after all */
	ask(ASK_THAW);
	ask(ASK_OFFER);
	ck_assert_int_eq(t.err, 0);
	ck_assert(phone_request(p, "INVITE"));
	ck_assert_uint_eq(p->msg->cseq.num, 0x20001);
	phone_answer(p, 488, NULL, NULL);
	ck_assert(phone_request(p, "ACK"));
	log_is("refused:488");

	/* it goes, and nobody hears of it */
	ask(ASK_DIALOG);
	log_is("dialog:0");
	ask(ASK_RELEASE);
	ck_assert_int_eq(t.err, 0);
	log_is("");
	phone_send(p, "OPTIONS", NULL, NULL);
	ck_assert_uint_eq(phone_status(p), 481);

	ask(ASK_ADOPT);
	ck_assert_int_eq(t.err, 0);
	ask(ASK_OFFER);
	ck_assert_int_eq(t.err, 0);
	ck_assert(phone_request(p, "INVITE"));
	ck_assert_uint_eq(p->msg->cseq.num, 0x20001 + 101);

	/* the session that the first offer began, 100 versions later */
	ck_assert(phone_says(p, "o=- 1 102 IN"));
	phone_answer(p, 200, NULL, phone_sdp);
	ck_assert(phone_request(p, "ACK"));
	log_is("media:answer");

	ask(ASK_PROBE);
	ck_assert(phone_request(p, "OPTIONS"));
	phone_answer(p, 200, NULL, NULL);
	log_is("");
	ask(ASK_PROBE);
	ck_assert(phone_request(p, "OPTIONS"));
	phone_answer(p, 481, NULL, NULL);
	log_is("dead:481");

	ask(ASK_REFER);
	ck_assert_int_eq(t.err, 0);
	ck_assert(phone_request(p, "REFER"));
	phone_answer(p, 603, NULL, NULL);
	log_is("referred:603");

	ask(ASK_METRICS);
	ck_assert_ptr_nonnull(strstr(t.result,
				     "junctor_sip_adopted_total 1"));
	ck_assert_ptr_nonnull(strstr(t.result,
				     "junctor_sip_released_total 1"));

	/* it hangs up while somebody waits for its dialog */
	ask(ASK_OFFER);
	ck_assert(phone_request(p, "INVITE"));
	ask(ASK_DIALOG);
	log_is("");
	phone_send(p, "BYE", NULL, NULL);
	ck_assert_uint_eq(phone_status(p), 200);
	log_is("dialog:107 leave:0");
	ask(ASK_DIALOG);
	ck_assert_int_eq(t.err, ENOTCONN);
	ask(ASK_STOP);
}


START_TEST(siphost_moving)
{
	ck_assert_int_eq(ENOTCONN, 107);
	run(moving, NULL);
}
END_TEST


/* Somebody who is about to adopt a client hears that it speaks already. */
static void losing(struct phone *p)
{
	in(p);
	ask(ASK_DIALOG);
	log_is("dialog:0");
	ask(ASK_RELEASE);

	str_ncpy(p->ttag, "unknown", sizeof(p->ttag));
	phone_send(p, "INFO", "Content-Type: application/dtmf\r\n", "6");
	ck_assert_uint_eq(phone_status(p), 481);
	log_is("");

	phone_new(p);
	str_ncpy(p->ttag, "unknown", sizeof(p->ttag));
	phone_send(p, "INFO", "Content-Type: application/dtmf\r\n", "6");
	ck_assert_uint_eq(phone_status(p), 481);
	log_is("lost");
	ask(ASK_STOP);
}


START_TEST(siphost_losing)
{
	run(losing, NULL);
}
END_TEST


static void replace_send(struct phone *q, const char *callid,
			 const char *totag, const char *fromtag)
{
	char hdrs[512];

	(void)re_snprintf(hdrs, sizeof(hdrs), "Replaces: %s;to-tag=%s;"
			  "from-tag=%s\r\n", callid, totag, fromtag);
	phone_new(q);
	phone_send(q, "INVITE", hdrs, phone_sdp);
}


static void replacing(struct phone *p)
{
	struct phone q;

	in(p);
	phone_open(&q, &t.laddr, false, "room");

	replace_send(&q, "unknown", "a", "b");
	ck_assert_uint_eq(phone_status(&q), 481);
	phone_send(&q, "ACK", NULL, NULL);
	log_is("connect:room replaces:room unknown");

	str_ncpy(q.conf, "other", sizeof(q.conf));
	replace_send(&q, p->callid, p->ttag, p->ftag);
	ck_assert_uint_eq(phone_status(&q), 481);
	phone_send(&q, "ACK", NULL, NULL);
	log_is("connect:other");
	str_ncpy(q.conf, "room", sizeof(q.conf));

	replace_send(&q, p->callid, p->ttag, p->ftag);
	ck_assert_uint_eq(phone_status(&q), 200);
	phone_send(&q, "ACK", NULL, NULL);
	ck_assert(phone_request(p, "BYE"));
	phone_answer(p, 200, NULL, NULL);
	log_is("connect:room instead join:room leave:0 established");

	replace_send(&q, "moved", "a", "b");
	ck_assert_uint_eq(phone_status(&q), 200);
	phone_send(&q, "ACK", NULL, NULL);
	log_is("connect:room replaces:room moved join:room established");
	phone_close(&q);
	ask(ASK_STOP);
}


START_TEST(siphost_replacing)
{
	run(replacing, NULL);
}
END_TEST


static Suite *siphost_suite(void)
{
	Suite *s = suite_create("siphost");
	TCase *tc = tcase_create("siphost");

	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, siphost_basic);
	tcase_add_test(tc, siphost_refusals);
	tcase_add_test(tc, siphost_lights);
	tcase_add_test(tc, siphost_media);
	tcase_add_test(tc, siphost_watch);
	tcase_add_test(tc, siphost_stopping);
	tcase_add_test(tc, siphost_pausing);
	tcase_add_test(tc, siphost_moving);
	tcase_add_test(tc, siphost_losing);
	tcase_add_test(tc, siphost_replacing);
	suite_add_tcase(s, tc);

	return s;
}


int main(void)
{
	SRunner *sr = srunner_create(siphost_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? 1 : 0;
}
