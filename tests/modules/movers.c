/**
 * @file movers.c  Several media servers of one farm in the test's process
 */
#include <string.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <sys/stat.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/event.h"
#include "server/command.h"
#include "bus/bus.h"
#include "noc/client.h"
#include "noc/key.h"
#include "noc/name.h"
#include "noc/ticket.h"
#include "noc/wire.h"
#include "heartbeat/heartbeat.h"
#include "connect/connect.h"
#include "move/move.h"
#include "movers.h"


enum { STEP_MS = 30, LIMIT_MS = 12000 };

struct movers movers;


static int host_init(struct service *svc)
{
	(void)svc;

	return 0;
}


static const struct service_export host_export = {
	.api_version = SERVICE_API_VERSION,
	.name = "siphost",
	.init = host_init,
};


/* For a configuration with `service heartbeat`: who runs is heard of. */
static enum node_state hb_state(const struct heartbeat *hb, const char *name)
{
	(void)hb;

	return movers.mediav[name[1] - '1'].srv ? NODE_UP : NODE_UNKNOWN;
}


static int hb_init(struct service *svc)
{
	static const struct heartbeat_api api = { .state = hb_state };

	service_api_set(svc, &api);

	return 0;
}


static const struct service_export hb_export = {
	.api_version = SERVICE_API_VERSION,
	.name = "heartbeat",
	.init = hb_init,
};


struct media *movers_media(const struct server *srv)
{
	return &movers.mediav[server_name(srv)[1] - '1'];
}


static void media_end(struct media *m)
{
	m->drained = mem_deref(m->drained);
	server_end(m->srv);
	m->srv = mem_deref(m->srv);
	m->way = mem_deref(m->way);
}


static void conf_write(char *file, size_t sz, int ix, const char *conf)
{
	FILE *f;

	(void)re_snprintf(file, sz, "%s/m%d.conf", movers.dir, ix + 1);
	f = fopen(file, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_gt(fprintf(f, "service siphost\nservice groups\n"
				 "service dispatchee\nservice move\n"
				 "server.name m%d\nserver.dir %s/m%d\n"
				 "capacity.heartbeat 100\n"
				 "dispatchee.contact 127.0.0.%d:5070\n"
				 "capacity.report_interval 5\n%s",
				 ix + 1, movers.dir, ix + 1, ix + 1, conf),
			 0);
	ck_assert_int_eq(0, fclose(f));
}


static bool drained_handler(const struct event *ev, void *arg)
{
	(void)ev;
	(void)arg;
	++movers.drained;

	return false;
}


/* The same for all */
static void key_write(int ix)
{
	static const uint8_t secret[NOC_KEY_LEN] = "not really secret";
	char dir[128], file[144];
	FILE *f;

	(void)re_snprintf(dir, sizeof(dir), "%s/m%d", movers.dir, ix + 1);
	(void)mkdir(dir, 0700);
	(void)re_snprintf(file, sizeof(file), "%s/noc.key", dir);
	f = fopen(file, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(0, fchmod(fileno(f), 0600));
	ck_assert_uint_eq(1, fwrite(secret, sizeof(secret), 1, f));
	ck_assert_int_eq(0, fclose(f));
}


/**
 * Start a media server
 *
 * @param ix   Which, from 0
 * @param conf Lines of its configuration
 */
void movers_start(int ix, const char *conf)
{
	const struct service_export *const builtinv[] = {
		&host_export, &hb_export, &movers_connect_export, NULL
	};
	struct server_opts opts = {
		.module_path = "modules", .builtinv = builtinv,
	};
	struct media *m = &movers.mediav[ix];
	unsigned life;
	char file[128];

	conf_write(file, sizeof(file), ix, conf);
	key_write(ix);
	opts.file = file;
	life = m->life + 1;
	memset(m, 0, sizeof(*m));
	m->ix = ix;
	m->life = life;
	opts.bus = m->way = way_alloc(movers.bus);
	ck_assert_int_eq(0, server_alloc(&m->srv, &opts));
	ck_assert_int_eq(0, event_listen(&m->drained, server_events(m->srv),
					 "move.drained", EVENT_PRIO_NORMAL,
					 drained_handler, NULL));
	ck_assert_int_eq(0, server_start(m->srv));
}


/**
 * A media server dies: it does and says nothing more
 *
 * @param ix Which
 */
void movers_kill(int ix)
{
	struct media *m = &movers.mediav[ix];

	m->dead = true;
	way_cut(m->way, true);
	media_end(m);
	memset(m->roomv, 0, sizeof(m->roomv));
	for (unsigned i = 0; i < movers.phonec; i++) {
		struct mphone *p = &movers.phonev[i];

		if (p->at == ix) {
			p->at = -1;
			p->frozen = false;
		}
	}
}


static void node_event(struct media *m, const char *event, int ix)
{
	char name[8];
	struct node_event ne = { .name = name, .reason = "test" };
	const struct event ev = { .name = event, .data = &ne };

	(void)re_snprintf(name, sizeof(name), "m%d", ix + 1);
	(void)event_fire(server_events(m->srv), &ev);
}


/**
 * All others notice that a media server is gone
 *
 * @param ix Which
 */
void movers_down(int ix)
{
	for (int i = 0; i < movers.mediac; i++) {
		if (i != ix && movers.mediav[i].srv)
			node_event(&movers.mediav[i], "node.down", ix);
	}
}


void movers_down_seen(int ix, int by)
{
	node_event(&movers.mediav[by], "node.down", ix);
}


static bool fire(int ix, const char *name, const char *callid, void *data)
{
	const struct event ev = {
		.name = name, .callid = callid, .data = data,
	};

	return event_fire(server_events(movers.mediav[ix].srv), &ev);
}


bool movers_terminate(int ix)
{
	return fire(ix, "server.terminate", NULL, NULL);
}


bool movers_lost(int ix, const char *callid)
{
	struct client_lost cl = { .callid = callid };

	return fire(ix, "client.lost", callid, &cl);
}


/* Whether anything moves there, or is taken over */
bool movers_moving(int ix)
{
	const struct move_api *api = service_api(movers.mediav[ix].srv,
						 "move");

	return api->busy(api->mv);
}


/**
 * Plan a time out of service
 *
 * @param ix   Server
 * @param from Begin, from now [s]
 * @param to   End, from now [s]; 0: no plan
 */
void movers_plan(int ix, unsigned from, unsigned to)
{
	struct wire_plan p = { .from = 0 };
	const uint64_t now = (uint64_t)time(NULL);
	uint8_t buf[WIRE_SMALL_MAX];
	size_t n;

	(void)re_snprintf(p.server, sizeof(p.server), "m%d", ix + 1);
	if (to) {
		p.from = now + from;
		p.to = now + to;
	}
	ck_assert_int_eq(0, wire_plan_encode(buf, sizeof(buf), &n, &p));
	ck_assert_int_eq(0, bus_kv_put(NULL, movers.bus, "plans", p.server,
				       buf, n, 0, NULL, NULL));
}


static void say_handler(int err, const uint8_t *buf, size_t len, void *arg)
{
	(void)buf;
	(void)len;
	(void)arg;
	ck_assert_int_ne(0, err);
}


/**
 * Say something that nobody answers
 *
 * @param subject Subject
 * @param text    Text
 */
void movers_say(const char *subject, const char *text)
{
	ck_assert_int_eq(0, bus_request(NULL, movers.bus, subject,
					(const uint8_t *)text, strlen(text),
					50, say_handler, NULL));
	(void)bus_publish(movers.bus, subject, (const uint8_t *)text,
			  strlen(text));
}


void movers_isolate(int ix, bool on)
{
	struct node_isolated_event ni = { .on = on };
	const struct event ev = { .name = "node.isolated", .data = &ni };

	(void)event_fire(server_events(movers.mediav[ix].srv), &ev);
}


/**
 * Something is said in a half of a conference, as the connect service tells
 *
 * @param ix         Server
 * @param conference Conference
 * @param text       Text
 */
void movers_text(int ix, const char *conference, const char *text)
{
	struct connect_text ct = { .conference = conference };
	struct odict *od;

	ck_assert_int_eq(0, odict_alloc(&od, 1));
	ck_assert_int_eq(0, odict_entry_add(od, "text", ODICT_STRING, text));
	ct.texts = od;
	(void)fire(ix, "connect.text", NULL, &ct);
	mem_deref(od);
}


/**
 * What a half of a conference was told by others
 *
 * @param ix         Server
 * @param conference Conference
 *
 * @return Texts, in order; "": none
 */
const char *movers_said(int ix, const char *conference)
{
	const struct mroom *r = mroom_find(&movers.mediav[ix], conference);

	return r ? r->said : "";
}


static struct mphone *phone_add(int ix, const char *conference, bool watcher)
{
	struct mphone *p = &movers.phonev[movers.phonec];

	ck_assert_uint_lt(movers.phonec, MPHONES_MAX);
	memset(p, 0, sizeof(*p));
	p->id = ++movers.phonec;
	p->watcher = watcher;
	(void)re_snprintf(p->callid, sizeof(p->callid), "call-%u", p->id);
	str_ncpy(p->conference, conference, sizeof(p->conference));
	mphone_enter(p, ix, false);

	return p;
}


/**
 * A phone joins a conference
 *
 * @param ix         Server
 * @param conference Conference
 *
 * @return The phone
 */
struct mphone *mphone_join(int ix, const char *conference)
{
	return phone_add(ix, conference, false);
}


struct mphone *mphone_watch(int ix, const char *conference)
{
	return phone_add(ix, conference, true);
}


static int contact_set(struct client *cl, const char *contact)
{
	str_ncpy(client_arg(cl), contact, 1024);

	return 0;
}


static int rejected(struct client *cl, uint16_t scode, const char *reason)
{
	(void)re_snprintf(client_arg(cl), 1024, "%u %s", scode, reason);

	return 0;
}


bool mjoin_ask(int ix, const char *conference, const char *user,
	       const char *ticket, char *contact, size_t sz)
{
	static const struct client_ops ops = {
		.dispatch = contact_set, .reject = rejected,
	};
	struct join join = {
		.callid = user, .conference = conference, .account = "",
		.user = user, .name = user, .info = "test", .ticket = ticket,
		.media = MEDIA_AUDIO,
	};
	struct client *cl;

	ck_assert_uint_ge(sz, 1024);
	contact[0] = '\0';
	ck_assert_int_eq(0, client_alloc(&cl, &ops, &join, contact));
	join = *client_join(cl);
	(void)fire(ix, "client.join", user, &join);
	client_gone(cl);
	mem_deref(cl);

	return join.admitted;
}


const char *mjoin_ticket(const char *conference, const char *user,
			 const char *server)
{
	const struct ticket t = {
		.conference = conference, .conferencelen = strlen(conference),
		.user = user, .userlen = strlen(user), .account = "",
		.server = server, .serverlen = strlen(server),
		.expires = (uint32_t)time(NULL) + 10,
	};
	struct ticket_key *key;
	char file[128];
	size_t n;

	(void)re_snprintf(file, sizeof(file), "%s/m1/noc.key", movers.dir);
	ck_assert_int_eq(0, ticket_key_load(&key, file));
	ck_assert_int_eq(0, ticket_make(key, &t, movers.ticket,
					sizeof(movers.ticket) - 1, &n));
	movers.ticket[n] = '\0';
	mem_deref(key);

	return movers.ticket;
}


void mphones_join(int ix, const char *conference, unsigned n)
{
	while (n--)
		(void)mphone_join(ix, conference);
}


void mphone_hangup(struct mphone *p)
{
	p->there = false;
	mseat_delete(p);
	if (p->at >= 0)
		mphone_leave(p, "connect.left", NULL);
}


unsigned mphones_at(int ix, const char *conference)
{
	unsigned n = 0;

	for (unsigned i = 0; i < movers.phonec; i++) {
		const struct mphone *p = &movers.phonev[i];

		n += p->there && p->at == ix &&
			(!conference || !strcmp(p->conference, conference));
	}

	return n;
}


static void resp_handler(int err, const char *reason,
			 const struct odict *result, void *arg)
{
	int *res = arg;
	(void)reason;
	(void)result;
	*res = err;
}


/**
 * Run a command with two arguments
 *
 * @param ix      Server
 * @param command Command
 * @param key1    Argument or NULL
 * @param val1    Its value
 * @param key2    Argument or NULL
 * @param val2    Its value
 *
 * @return Becomes 0 or an error when it is answered; -1: not yet
 */
int *movers_command(int ix, const char *command, const char *key1,
		    const char *val1, const char *key2, const char *val2)
{
	int *res = &movers.resv[movers.resc++ % ARRAY_SIZE(movers.resv)];
	struct odict *args;

	ck_assert_int_eq(0, odict_alloc(&args, 4));
	if (key1)
		(void)odict_entry_add(args, key1, ODICT_STRING, val1);
	if (key2)
		(void)odict_entry_add(args, key2, ODICT_STRING, val2);
	*res = -1;
	ck_assert_int_eq(0, command_run(server_commands(
					movers.mediav[ix].srv), command,
					args, resp_handler, res));
	mem_deref(args);

	return res;
}


static void owner_handler(int err, uint64_t rev, const uint8_t *buf,
			  size_t len, void *arg)
{
	struct wire_claim c;
	(void)rev;
	(void)arg;

	if (!err && !wire_claim_decode(&c, buf, len))
		str_ncpy(movers.owner, c.server, sizeof(movers.owner));
	re_cancel();
}


/**
 * Tell who has the claim of a conference; for the end of a test, when the loop
 * does not run
 *
 * @param conference Conference
 *
 * @return Name of a server, "": nobody
 */
const char *movers_owner(const char *conference)
{
	struct bus_kvop *op;
	char key[NAME_KEY_MAX];

	movers.owner[0] = '\0';
	ck_assert_int_eq(0, name_key(key, sizeof(key), conference,
				     strlen(conference)));
	ck_assert_int_eq(0, bus_kv_get(&op, movers.bus, "conferences", key,
				       owner_handler, NULL));
	(void)re_main(NULL);

	return movers.owner;
}


static void seen_handler(const char *key, uint64_t rev, const uint8_t *buf,
			 size_t len, void *arg)
{
	unsigned *n = arg;
	(void)rev;
	(void)len;

	if (!key)
		re_cancel();
	else if (buf)
		++*n;
}


static unsigned kv_count(const char *bucket)
{
	struct bus_watch *w;
	unsigned n = 0;

	ck_assert_int_eq(0, bus_kv_watch(&w, movers.bus, bucket, ">",
					 seen_handler, &n));
	(void)re_main(NULL);
	mem_deref(w);

	return n;
}


/**
 * Nothing is left behind: every phone speaks with one server and is not
 * frozen, rooms are where phones are, no link, hold, claim or seat too many
 */
void movers_clean(void)
{
	unsigned rooms = 0, there = 0;

	for (unsigned i = 0; i < movers.phonec; i++) {
		const struct mphone *p = &movers.phonev[i];

		if (!p->there)
			continue;
		++there;
		ck_assert_msg(p->at >= 0 && movers.mediav[p->at].srv,
			      "%s speaks with nobody", p->callid);
		ck_assert_msg(!p->frozen, "%s is frozen", p->callid);
	}

	for (int i = 0; i < movers.mediac; i++) {
		const struct media *m = &movers.mediav[i];

		if (!m->srv)
			continue;
		for (size_t j = 0; j < MROOMS_MAX; j++) {
			const struct mroom *r = &m->roomv[j];
			unsigned n = 0;

			if (!r->here)
				continue;
			++rooms;
			for (unsigned k = 0; k < movers.phonec; k++) {
				const struct mphone *p = &movers.phonev[k];

				n += p->there && p->at == i && !p->watcher &&
					!strcmp(p->conference, r->name);
			}
			ck_assert_uint_eq(n, r->members);
			ck_assert_msg(!r->holds, "%s is held", r->name);
			ck_assert_msg(!r->linked, "%s is linked", r->name);
			ck_assert_msg(!r->going, "%s is going", r->name);
			ck_assert_str_eq(server_name(m->srv),
					 movers_owner(r->name));
		}
	}

	ck_assert_uint_eq(rooms, kv_count("conferences"));
	ck_assert_uint_eq(there, kv_count("seats"));
}


void movers_until(bool (*h)(void))
{
	movers.until = h;
}


static void step_handler(void *arg)
{
	(void)arg;

	if (movers.until && !movers.until()) {
		tmr_start(&movers.tmr, 10, step_handler, NULL);
		return;
	}

	movers.until = NULL;
	if (movers.step == movers.stepc) {
		re_cancel();
		return;
	}

	movers.stepv[movers.step++]();
	tmr_start(&movers.tmr, STEP_MS, step_handler, NULL);
}


static void limit_handler(void *arg)
{
	(void)arg;
	movers.timed_out = true;
	re_cancel();
}


static void cleanup(void)
{
	char cmd[160];

	(void)re_snprintf(cmd, sizeof(cmd), "rm -rf '%s'", movers.dir);
	ck_assert_int_eq(0, system(cmd));
}


/**
 * Run a farm, and in it the steps of a test; each may say what is to be true
 * before the next one
 *
 * @param servers Number of media servers
 * @param conf    Lines of their configuration
 * @param stepv   Steps
 * @param stepc   Their number
 */
void movers_run(int servers, const char *conf, mstep_h *const *stepv,
		unsigned stepc)
{
	memset(&movers, 0, sizeof(movers));
	ck_assert_int_eq(0, libre_init());
	str_ncpy(movers.dir, "/tmp/junctor-test-XXXXXX", sizeof(movers.dir));
	ck_assert_ptr_nonnull(mkdtemp(movers.dir));
	ck_assert_int_eq(0, bus_alloc_memory(&movers.bus));
	movers.speed = 2;
	movers.mediac = servers;
	for (int i = 0; i < servers; i++)
		movers_start(i, conf);

	movers.stepv = stepv;
	movers.stepc = stepc;
	tmr_start(&movers.tmr, STEP_MS, step_handler, NULL);
	tmr_start(&movers.limit, LIMIT_MS, limit_handler, NULL);
	ck_assert_int_eq(0, re_main(NULL));
	tmr_cancel(&movers.tmr);
	tmr_cancel(&movers.limit);
	ck_assert_msg(!movers.timed_out, "step %u does not end",
		      movers.step);

	movers_clean();
	for (int i = 0; i < movers.mediac; i++)
		media_end(&movers.mediav[i]);
	mem_deref(movers.bus);
	cleanup();
	libre_close();
}
