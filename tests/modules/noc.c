/**
 * @file tests/modules/noc.c  A whole NOC in the test's process
 */
#include <string.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "server/event.h"
#include "server/command.h"
#include "bus/bus.h"
#include "noc/name.h"
#include "sip/redirect.h"
#include "connect/connect.h"
#include "noc.h"


enum { UNTIL_MS = 20000 };

struct noc noc;


/* the client host */

static int redirect_set(struct siphost *sh, siphost_redirect_h *h, void *arg)
{
	(void)sh;
	noc.redirect = h;
	noc.redirect_arg = arg;

	return 0;
}


static int laddr(const struct siphost *sh, struct sa *sa)
{
	(void)sh;

	return sa_set_str(sa, "127.0.0.1", 5070);
}


static int host_init(struct service *svc)
{
	noc.host.redirect_set = redirect_set;
	noc.host.laddr = laddr;
	service_api_set(svc, &noc.host);

	return 0;
}


static const struct service_export host_export = {
	.api_version = SERVICE_API_VERSION,
	.name = "siphost",
	.init = host_init,
};


static int phone_reject(struct client *cl, uint16_t scode, const char *reason)
{
	struct phone *p = client_arg(cl);

	++p->answers;
	p->scode = scode;
	str_ncpy(p->reason, reason, sizeof(p->reason));

	return 0;
}


static int phone_dispatch(struct client *cl, const char *contact)
{
	struct phone *p = client_arg(cl);

	++p->answers;
	p->scode = 302;
	str_ncpy(p->contact, contact, sizeof(p->contact));

	return 0;
}


static const struct client_ops phone_ops = {
	.reject = phone_reject,
	.dispatch = phone_dispatch,
};


static void phone_hangup(struct phone *p)
{
	client_gone(p->client);
	mem_deref(p->client);
	memset(p, 0, sizeof(*p));
}


/**
 * Call a conference; what is answered shows after the next step
 *
 * @param ix     Phone
 * @param conf   Conference
 * @param user   user@host
 * @param ticket Ticket or ""
 * @param media  Set of media types
 *
 * @return The phone
 */
struct phone *phone_call_media(unsigned ix, const char *conf,
			       const char *user, const char *ticket,
			       unsigned media)
{
	return phone_ask(ix, "client.join", conf, user, ticket, media);
}


/**
 * Ask for something
 *
 * @param ix     Phone
 * @param what   "client.join" or "client.subscribe"
 * @param conf   Conference
 * @param user   user@host
 * @param ticket Ticket or ""
 * @param media  Set of media types
 *
 * @return The phone
 */
struct phone *phone_ask(unsigned ix, const char *what, const char *conf,
			const char *user, const char *ticket, unsigned media)
{
	struct phone *p = &noc.phonev[ix];
	struct join join = {
		.callid = user, .conference = conf, .account = "",
		.user = user, .name = user, .info = "test", .ticket = ticket,
		.media = media,
	};
	struct event ev = { .name = what, .data = &join };

	phone_hangup(p);
	ck_assert_int_eq(0, client_alloc(&p->client, &phone_ops, &join, p));
	join = *client_join(p->client);
	p->taken = event_fire(server_events(noc.srv), &ev);
	p->admitted = join.admitted;

	return p;
}


struct phone *phone_call(unsigned ix, const char *conf, const char *user,
			 const char *ticket)
{
	return phone_call_media(ix, conf, user, ticket, MEDIA_AUDIO);
}


/**
 * The ticket that a phone was redirected with
 *
 * @param p Phone
 *
 * @return Ticket
 */
const char *phone_ticket(const struct phone *p)
{
	const char *t = strstr(p->contact, ";ticket=");

	ck_assert_msg(t != NULL, "no ticket in '%s'", p->contact);

	return t + 8;
}


/**
 * Check what a phone was answered
 *
 * @param ix    Phone
 * @param scode SIP status
 * @param host  host:port that it was sent to, or NULL
 */
void phone_is(unsigned ix, uint16_t scode, const char *host)
{
	const struct phone *p = &noc.phonev[ix];

	ck_assert_msg(p->scode == scode, "phone %u: %u %s", ix, p->scode,
		      p->reason);
	ck_assert_uint_eq(1, p->answers);
	ck_assert(p->taken);
	if (host)
		ck_assert_msg(strstr(p->contact, host) != NULL, "%s not at %s",
			      p->contact, host);
}


/* the connect service */

void connect_say(const char *event, const char *conf, const char *user,
		 unsigned id, unsigned participants)
{
	struct connect_event ce = {
		.conference = conf, .user = user, .account = "", .id = id,
		.participants = participants,
	};
	const struct event ev = { .name = event, .data = &ce };

	(void)event_fire(server_events(noc.srv), &ev);
}


/* the second media server */

static void other_handler(const char *subject, const uint8_t *buf, size_t len,
			  struct bus_reply *reply, void *arg)
{
	struct other *o = &noc.other;
	struct wire_granted g = { .verdict = WIRE_FULL };
	struct wire_reserve r;
	uint8_t resp[WIRE_SMALL_MAX];
	unsigned joinc;
	size_t n;
	(void)subject;
	(void)arg;

	ck_assert_int_eq(0, wire_reserve_decode(&r, &joinc, buf, len, NULL,
						NULL));
	if (r.release) {
		o->report.unused += joinc;
		++o->released;
		return;
	}
	++o->reserves;

	if (o->mode == OTHER_SILENT) {
		mem_deref(reply);
		return;
	}

	/* another dispatch server is faster */
	if (o->mode == OTHER_CLAIMS)
		claim_put("raced", "m1", 0);

	if (o->mode != OTHER_FULL && joinc <= o->report.unused) {
		o->report.unused -= joinc;
		o->granted += joinc;
		g.verdict = WIRE_GRANT;
		g.granted = joinc;
	}
	g.unused = o->report.unused;
	g.seq = ++o->report.seq;
	ck_assert_int_eq(0, wire_granted_encode(resp, sizeof(resp), &n, &g));
	(void)bus_respond(reply, resp, n);
}


void other_report(void)
{
	uint8_t buf[WIRE_SMALL_MAX];
	size_t n;

	++noc.other.report.seq;
	ck_assert_int_eq(0, wire_server_encode(buf, sizeof(buf), &n,
					       &noc.other.report));
	ck_assert_int_eq(0, bus_kv_put(NULL, server_bus(noc.srv), "servers",
				       "m2", buf, n, 0, NULL, NULL));
}


/**
 * Start the second media server
 *
 * @param unused What it says it has left
 * @param mode   What it does with reservations
 */
void other_start(uint32_t unused, enum other_mode mode)
{
	struct other *o = &noc.other;

	o->mode = mode;
	o->report = (struct wire_server){
		.name = "m2", .contact = "127.0.0.2:5070",
		.state = CAPACITY_IN_SERVICE, .media = MEDIA_AUDIO,
		.capacity = unused, .unused = unused,
	};
	other_report();
	ck_assert_int_eq(0, bus_subscribe(&o->sub, server_bus(noc.srv),
					  "server.m2.reserve", other_handler,
					  NULL));
}


void claim_put(const char *conf, const char *server, uint32_t ttl_ms)
{
	struct wire_claim c = { .running = strcmp(server, "m1") != 0 };
	char key[NAME_KEY_MAX];
	uint8_t buf[WIRE_SMALL_MAX];
	size_t n;

	str_ncpy(c.conference, conf, sizeof(c.conference));
	str_ncpy(c.server, server, sizeof(c.server));
	ck_assert_int_eq(0, wire_claim_encode(buf, sizeof(buf), &n, &c));
	ck_assert_int_eq(0, name_key(key, sizeof(key), conf, strlen(conf)));
	ck_assert_int_eq(0, bus_kv_put(NULL, server_bus(noc.srv),
				       "conferences", key, buf, n, ttl_ms,
				       NULL, NULL));
}


static void resp_handler(int err, const char *reason,
			 const struct odict *result, void *arg)
{
	unsigned *n = arg;
	const struct odict_entry *e;

	ck_assert_msg(!err, "%s", reason ? reason : "?");
	e = odict_get_type(result, ODICT_ARRAY, "servers");
	if (!e)
		e = odict_get_type(result, ODICT_ARRAY, "conferences");
	ck_assert_ptr_nonnull(e);
	*n = (unsigned)odict_count(e->u.odict, false);
}


/**
 * Rows of a table
 *
 * @param command "capacity" or "conference-table"
 * @param array   Not used but to read better
 *
 * @return Number of rows
 */
unsigned table_count(const char *command, const char *array)
{
	struct odict *args;
	unsigned n = 0;
	(void)array;

	ck_assert_int_eq(0, odict_alloc(&args, 4));
	ck_assert_int_eq(0, command_run(server_commands(noc.srv), command,
					args, resp_handler, &n));
	mem_deref(args);

	return n;
}


/**
 * Redirect a join as signalling threads do
 *
 * @param conf Conference
 * @param user user@host
 * @param uri  Set to the contact
 * @param sz   Its size [bytes]
 *
 * @return What dispatch says
 */
int fast(const char *conf, const char *user, char *uri, size_t sz)
{
	const struct redirect_query q = {
		conf, strlen(conf), user, strlen(user), 0, false
	};
	size_t n;
	int err;

	ck_assert_ptr_nonnull(noc.redirect);
	err = noc.redirect(&q, uri, sz - 1, &n, noc.redirect_arg);
	if (!err)
		uri[n] = '\0';

	return err;
}


/* Steps that many tests have */

void call_one(void)
{
	phone_call(0, "a", "u@h", "");
	noc.delay = 200;
}


void sent_here(void)
{
	phone_is(0, 302, HERE);
}


/* the test's life */

static bool created_handler(const struct event *ev, void *arg)
{
	(void)ev;
	(void)arg;
	++noc.created;

	return false;
}


/**
 * Say what is to be true before the next step, be it that it takes long
 *
 * @param h Returns true when it is
 */
void noc_until(bool (*h)(void))
{
	noc.until = h;
	noc.waited = 0;
}


static void step_handler(void *arg)
{
	(void)arg;

	if (noc.until && !noc.until()) {
		noc.waited += 10;
		ck_assert_msg(noc.waited < UNTIL_MS, "step %u does not end",
			      noc.step);
		tmr_start(&noc.tmr, 10, step_handler, NULL);
		return;
	}

	noc.until = NULL;
	if (noc.step == noc.stepc) {
		server_stop(noc.srv, false);
		return;
	}

	noc.delay = 30;
	noc.stepv[noc.step++]();
	tmr_start(&noc.tmr, noc.delay, step_handler, NULL);
}


/* However long the start has taken, what it has put on the bus comes first. */
static bool running_handler(const struct event *ev, void *arg)
{
	(void)ev;
	(void)arg;
	tmr_start(&noc.tmr, 30, step_handler, NULL);

	return false;
}


static void cleanup(void)
{
	static const char *const filev[] = {
		"c.conf", "noc.key", "junctord.pid",
	};
	char file[128];
	size_t i;

	for (i=0; i<ARRAY_SIZE(filev); i++) {
		re_snprintf(file, sizeof(file), "%s/%s", noc.dir, filev[i]);
		(void)unlink(file);
	}
	ck_assert_int_eq(0, rmdir(noc.dir));
}


static void conf_write(char *file, size_t sz, const char *conf)
{
	FILE *f;

	re_snprintf(file, sz, "%s/c.conf", noc.dir);
	f = fopen(file, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_gt(fprintf(f, "service siphost\nserver.name m1\n"
				 "server.dir %s\n%s", noc.dir, conf), 0);
	ck_assert_int_eq(0, fclose(f));
}


/**
 * Run a NOC, and in it the steps of a test, with time for everything to settle
 * between two of them
 *
 * @param conf  Lines of its configuration
 * @param stepv Steps
 * @param stepc Their number
 */
void noc_run(const char *conf, step_h *const *stepv, unsigned stepc)
{
	const struct service_export *const builtinv[] = {
		&host_export, NULL
	};
	struct server_opts opts = {
		.module_path = "modules", .builtinv = builtinv,
	};
	struct listener *created, *running;
	char file[128];
	unsigned i;

	memset(&noc, 0, sizeof(noc));
	ck_assert_int_eq(0, libre_init());
	str_ncpy(noc.dir, "/tmp/junctor-test-XXXXXX", sizeof(noc.dir));
	ck_assert_ptr_nonnull(mkdtemp(noc.dir));
	conf_write(file, sizeof(file), conf);
	opts.file = file;

	noc.stepv = stepv;
	noc.stepc = stepc;
	ck_assert_int_eq(0, server_alloc(&noc.srv, &opts));
	ck_assert_int_eq(0, event_listen(&created, server_events(noc.srv),
					 "dispatch.created", EVENT_PRIO_NORMAL,
					 created_handler, NULL));

	ck_assert_int_eq(0, event_listen(&running, server_events(noc.srv),
					 "server.running", EVENT_PRIO_NORMAL,
					 running_handler, NULL));

	tmr_init(&noc.tmr);
	ck_assert_int_eq(0, server_run(noc.srv));
	ck_assert_uint_eq(stepc, noc.step);
	ck_assert_msg(!noc.redirect, "dispatch stopped, but still redirects");

	/* whatever happens, a call that somebody took is answered */
	for (i=0; i<PHONES_MAX; i++) {
		ck_assert_uint_eq(noc.phonev[i].taken ? 1 : 0,
				  noc.phonev[i].answers);
		phone_hangup(&noc.phonev[i]);
	}
	mem_deref(created);
	mem_deref(running);
	mem_deref(noc.other.sub);
	mem_deref(noc.srv);
	cleanup();
	libre_close();
}
