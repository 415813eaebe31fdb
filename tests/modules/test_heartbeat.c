/**
 * @file test_heartbeat.c  Who is there: several servers, and made-up ones that
 *                         can die
 *
 * A made-up server is a record in the bucket "nodes", a beater and, if it
 * shall answer on the bus, a subscription; each can end without the others.
 */
#include <string.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/command.h"
#include "server/degraded.h"
#include "server/event.h"
#include "bus/bus.h"
#include "noc/beat.h"
#include "noc/hmac.h"
#include "noc/node.h"
#include "heartbeat/beater.h"
#include "heartbeat/heartbeat.h"
#include "farm.h"


#define CONF "service heartbeat\nheartbeat.listen 127.0.0.1:0\n"

/* What one server was told */
struct ears {
	struct server *srv;
	struct listener *lv[5];
	unsigned up, down, left, isolated;
	bool cut;
	char missing[32];          /* "noc.degraded", on                    */
	uint64_t down_at;          /* [us]                                  */
	char last[64];
};

struct ghost {
	struct farm *farm;
	struct beater *beater;
	struct bus_sub *sub;
	struct node_record rec;
	unsigned ix;
};

static struct farm farm;
static struct ears ears[FARM_MAX];


static bool up_handler(const struct event *ev, void *arg)
{
	const struct node_event *ne = ev->data;
	struct ears *e = arg;

	++e->up;
	str_ncpy(e->last, ne->name, sizeof(e->last));

	return false;
}


static bool down_handler(const struct event *ev, void *arg)
{
	const struct node_event *ne = ev->data;
	struct ears *e = arg;

	++e->down;
	e->down_at = farm_clock();
	str_ncpy(e->last, ne->name, sizeof(e->last));

	return false;
}


static bool left_handler(const struct event *ev, void *arg)
{
	const struct node_event *ne = ev->data;
	struct ears *e = arg;

	++e->left;
	str_ncpy(e->last, ne->name, sizeof(e->last));

	return false;
}


static bool isolated_handler(const struct event *ev, void *arg)
{
	const struct node_isolated_event *ie = ev->data;
	struct ears *e = arg;

	ck_assert_int_ne(e->cut, ie->on);
	++e->isolated;
	e->cut = ie->on;

	return false;
}


static bool degraded_handler(const struct event *ev, void *arg)
{
	const struct degraded_event *de = ev->data;
	struct ears *e = arg;

	str_ncpy(e->missing, de->on ? de->what : "", sizeof(e->missing));

	return false;
}


static void start_conf(unsigned ix, const char *name, const char *conf)
{
	struct ears *e = &ears[ix];
	struct events *evs;

	memset(e, 0, sizeof(*e));
	e->srv = farm_start(&farm, ix, name, conf, NULL);
	evs = server_events(e->srv);
	ck_assert_int_eq(0, event_listen(&e->lv[0], evs, "node.up",
					 EVENT_PRIO_NORMAL, up_handler, e));
	ck_assert_int_eq(0, event_listen(&e->lv[1], evs, "node.down",
					 EVENT_PRIO_NORMAL, down_handler, e));
	ck_assert_int_eq(0, event_listen(&e->lv[2], evs, "node.left",
					 EVENT_PRIO_NORMAL, left_handler, e));
	ck_assert_int_eq(0, event_listen(&e->lv[3], evs, "node.isolated",
					 EVENT_PRIO_NORMAL, isolated_handler,
					 e));
	ck_assert_int_eq(0, event_listen(&e->lv[4], evs, "noc.degraded",
					 EVENT_PRIO_NORMAL, degraded_handler,
					 e));
}


static void start(unsigned ix, const char *name)
{
	start_conf(ix, name, CONF);
}


static void stop(unsigned ix)
{
	unsigned i;

	for (i=0; i<5; i++)
		ears[ix].lv[i] = mem_deref(ears[ix].lv[i]);
	farm_stop(&farm, ix);
}


static void all_end(void)
{
	unsigned i;

	for (i=0; i<FARM_MAX; i++) {
		if (farm.srvv[i])
			stop(i);
	}
	farm_close(&farm);
}


static const struct heartbeat_api *api(unsigned ix)
{
	const struct heartbeat_api *a = service_api(farm.srvv[ix],
						    "heartbeat");
	ck_assert_ptr_nonnull(a);

	return a;
}


static enum node_state state(unsigned ix, const char *name)
{
	return api(ix)->state(api(ix)->hb, name);
}


/* conditions */

static bool two_up(void *arg)
{
	(void)arg;

	return ears[0].up >= 2 && ears[1].up >= 2 && ears[2].up >= 2;
}


static bool one_up(void *arg)
{
	(void)arg;

	return ears[0].up >= 1;
}


static bool one_left(void *arg)
{
	(void)arg;

	return ears[0].left >= 1;
}


static bool one_down(void *arg)
{
	(void)arg;

	return ears[0].down >= 1;
}


static bool is_cut(void *arg)
{
	(void)arg;

	return ears[0].cut;
}


static bool not_cut(void *arg)
{
	(void)arg;

	return !ears[0].cut;
}


static void status_handler(int err, const char *reason,
			   const struct odict *result, void *arg)
{
	(void)reason;
	ck_assert_int_eq(0, err);
	*(bool *)arg = odict_get_type(result, ODICT_ARRAY, "degraded") != NULL;
}


static bool is_degraded(unsigned ix)
{
	bool on = false;

	ck_assert_int_eq(0, command_run(server_commands(farm.srvv[ix]),
					"status", NULL, status_handler, &on));

	return on;
}


/* made-up servers */

static void ghost_beats(unsigned ix, uint64_t instance, enum beater_state st,
			bool bye, void *arg)
{
	(void)ix;
	(void)instance;
	(void)st;
	(void)bye;
	(void)arg;
}


static void ping_handler(const char *subject, const uint8_t *buf, size_t len,
			 struct bus_reply *reply, void *arg)
{
	struct ghost *g = arg;
	char text[64];
	(void)subject;
	(void)buf;
	(void)len;

	re_snprintf(text, sizeof(text), "{\"instance\":\"%016llx\"}",
		    g->rec.instance);
	(void)bus_respond(reply, (uint8_t *)text, strlen(text));
}


static void record_put(const struct node_record *rec, uint32_t ttl)
{
	struct mbuf *mb = mbuf_alloc(512);

	ck_assert_int_eq(0, node_record_encode(mb, rec));
	ck_assert_int_eq(0, bus_kv_put(NULL, farm.inner, "nodes", rec->name,
				       mb->buf, mb->end, ttl, NULL, NULL));
	mem_deref(mb);
}


static void self_found(const struct node_info *ni, void *arg)
{
	struct node_record *rec = arg;

	ck_assert(ni->self);
	*rec = *ni->record;
}


static void ghost_beat(struct ghost *g)
{
	struct beater_conf conf = {
		.secret = farm.key, .instance = g->rec.instance,
		.interval = 100, .timeout = 350, .stuck = 60000,
	};
	struct node_record self;
	struct sa sa;

	ck_assert_int_eq(0, sa_set_str(&conf.laddr, "127.0.0.1", 0));
	ck_assert_int_eq(0, beater_alloc(&g->beater, &conf, ghost_beats, g));
	ck_assert_int_eq(0, beater_laddr(g->beater, &sa));
	re_snprintf(g->rec.beat, sizeof(g->rec.beat), "%J", &sa);

	ck_assert_int_eq(0, api(0)->get(api(0)->hb, "a", self_found, &self));
	ck_assert_int_eq(0, sa_decode(&sa, self.beat, strlen(self.beat)));
	ck_assert_int_eq(0, beater_peer_add(g->beater, &g->ix, self.instance,
					    &sa));
}


static void ghost_start(struct ghost *g, const char *name, uint64_t instance)
{
	char subject[96];

	memset(g, 0, sizeof(*g));
	str_ncpy(g->rec.name, name, sizeof(g->rec.name));
	str_ncpy(g->rec.services, "dispatchee,mesh",
		 sizeof(g->rec.services));
	g->rec.instance = instance;
	ghost_beat(g);
	record_put(&g->rec, 0);
	re_snprintf(subject, sizeof(subject), "server.%s.ping", name);
	ck_assert_int_eq(0, bus_subscribe(&g->sub, farm.inner, subject,
					  ping_handler, g));
}


static void ghost_die(struct ghost *g)
{
	g->sub = mem_deref(g->sub);
	g->beater = mem_deref(g->beater);
}


/* tests */

START_TEST(test_meet)
{
	farm_open(&farm);
	start(0, "a");
	start(1, "b");
	start(2, "c");
	ck_assert(farm_wait(two_up, NULL, 3000));
	ck_assert_int_eq(NODE_UP, state(0, "a"));
	ck_assert_int_eq(NODE_UP, state(0, "b"));
	ck_assert_int_eq(NODE_UP, state(2, "b"));
	ck_assert_int_eq(NODE_UNKNOWN, state(0, "d"));
	ck_assert(!api(0)->isolated(api(0)->hb));

	/* a goodbye is no crash */
	stop(1);
	ck_assert(farm_wait(one_left, NULL, 200));
	farm_nap(800);
	ck_assert_uint_eq(1, ears[0].left);
	ck_assert_uint_eq(1, ears[2].left);
	ck_assert_uint_eq(0, ears[0].down + ears[2].down);
	ck_assert_int_eq(NODE_LEFT, state(0, "b"));

	/* and back */
	start(1, "b");
	ears[0].up = 0;
	ck_assert(farm_wait(one_up, NULL, 2000));
	ck_assert_str_eq("b", ears[0].last);
	ck_assert_int_eq(NODE_UP, state(0, "b"));
	ck_assert_uint_eq(0, ears[0].down);
	all_end();
}
END_TEST


/* Nobody listens on its subject: the bus itself knows at once. */
START_TEST(test_crash)
{
	struct ghost g;
	uint64_t t;

	farm_open(&farm);
	start(0, "a");
	ghost_start(&g, "g", 7);
	ck_assert(farm_wait(one_up, NULL, 2000));
	ck_assert_int_eq(NODE_UP, state(0, "g"));
	farm_nap(500);
	ck_assert_uint_eq(0, ears[0].down);

	t = farm_clock();
	ghost_die(&g);
	ck_assert(farm_wait(one_down, NULL, 2000));
	ck_assert_str_eq("g", ears[0].last);
	ck_assert_uint_ge(ears[0].down_at - t, 200000);
	ck_assert_uint_lt(ears[0].down_at - t, 600000);
	ck_assert_int_eq(NODE_DOWN, state(0, "g"));

	/* once, although its record lives on */
	farm_nap(700);
	ck_assert_uint_eq(1, ears[0].down);
	all_end();
}
END_TEST


/* It does not answer, but the bus cannot tell: the time limit counts. */
START_TEST(test_hang)
{
	struct ghost g;
	uint64_t t;

	farm_open(&farm);
	start(0, "a");
	ghost_start(&g, "g", 7);
	ck_assert(farm_wait(one_up, NULL, 2000));

	t = farm_clock();
	ghost_die(&g);
	farm_silence(&farm, &g.sub, "server.g.ping");
	ck_assert(farm_wait(one_down, NULL, 2000));
	ck_assert_uint_lt(ears[0].down_at - t, 700000);
	mem_deref(g.sub);
	all_end();
}
END_TEST


/* No beats alone are no proof, no record is none either. */
START_TEST(test_only_bus)
{
	struct ghost g;

	farm_open(&farm);
	start(0, "a");
	ghost_start(&g, "g", 7);
	ck_assert(farm_wait(one_up, NULL, 2000));

	g.beater = mem_deref(g.beater);
	farm_nap(1200);
	ck_assert_uint_eq(0, ears[0].down);
	ck_assert_int_eq(NODE_UP, state(0, "g"));

	g.sub = mem_deref(g.sub);
	ck_assert(farm_wait(one_down, NULL, 2000));
	all_end();
}
END_TEST


START_TEST(test_only_beats)
{
	struct ghost g;

	farm_open(&farm);
	start(0, "a");
	ghost_start(&g, "g", 7);
	ck_assert(farm_wait(one_up, NULL, 2000));

	/* its lease ends, the bus says that nobody is there */
	g.sub = mem_deref(g.sub);
	ck_assert_int_eq(0, bus_kv_delete(NULL, farm.inner, "nodes", "g", 0,
					  NULL, NULL));
	farm_nap(1200);
	ck_assert_uint_eq(0, ears[0].down + ears[0].left);
	ghost_die(&g);
	ck_assert(farm_wait(one_down, NULL, 2000));
	all_end();
}
END_TEST


/* A server is there again: the same one, or a new one of the same name. */
START_TEST(test_again)
{
	struct ghost g;

	farm_open(&farm);
	start(0, "a");
	ghost_start(&g, "g", 7);
	ck_assert(farm_wait(one_up, NULL, 2000));
	ghost_die(&g);
	ck_assert(farm_wait(one_down, NULL, 2000));

	ears[0].up = 0;
	ghost_start(&g, "g", 7);
	ck_assert(farm_wait(one_up, NULL, 2000));
	ck_assert_int_eq(NODE_UP, state(0, "g"));
	ck_assert_uint_eq(1, ears[0].down);

	/* dies and is started again before anybody finds out */
	ears[0].up = 0;
	ghost_die(&g);
	farm_nap(250);
	ghost_start(&g, "g", 8);
	ck_assert(farm_wait(one_up, NULL, 2000));
	ck_assert_uint_eq(2, ears[0].down);
	farm_nap(800);
	ck_assert_uint_eq(2, ears[0].down);
	ck_assert_int_eq(NODE_UP, state(0, "g"));
	ghost_die(&g);
	all_end();
}
END_TEST


/* While two live under one name, the first one stays. */
START_TEST(test_name_twice)
{
	struct ghost g, twin;

	farm_open(&farm);
	start(0, "a");
	ghost_start(&g, "g", 7);
	ck_assert(farm_wait(one_up, NULL, 2000));
	ghost_start(&twin, "g", 8);
	farm_nap(800);
	ck_assert_uint_eq(0, ears[0].down);
	ck_assert_uint_eq(1, ears[0].up);
	ghost_die(&twin);
	ghost_die(&g);
	all_end();
}
END_TEST


/* We are cut off: nobody is judged, also not while it heals. */
START_TEST(test_isolated)
{
	struct ghost g, h;

	farm_open(&farm);
	start(0, "a");
	ghost_start(&g, "g", 7);
	ghost_start(&h, "h", 9);
	ck_assert(farm_wait(one_up, NULL, 2000));
	farm_nap(300);

	/* as the hole in the network looks from inside: first with a bus
	   that says so, then with one that says nothing */
	farm_down(&farm, _i == 0);
	farm.mute = _i == 1;
	beater_peer_del(g.beater, g.ix);
	beater_peer_del(h.beater, h.ix);
	ck_assert(farm_wait(is_cut, NULL, 3000));
	ck_assert_uint_eq(0, ears[0].down);
	farm_nap(1500);
	ck_assert_uint_eq(0, ears[0].down);
	ck_assert(api(0)->isolated(api(0)->hb));

	farm_down(&farm, false);
	farm.mute = false;
	g.beater = mem_deref(g.beater);
	h.beater = mem_deref(h.beater);
	ck_assert(farm_wait(not_cut, NULL, 3000));
	ck_assert_uint_eq(0, ears[0].down);

	/* they still answer on the bus; now one does not */
	farm_nap(500);
	ck_assert_uint_eq(0, ears[0].down);
	ghost_die(&g);
	ck_assert(farm_wait(one_down, NULL, 2000));
	ck_assert_str_eq("g", ears[0].last);
	ghost_die(&h);
	all_end();
}
END_TEST


/* Without the bus nobody is called dead, but as soon as it is back. */
START_TEST(test_no_bus)
{
	struct ghost g, h;

	farm_open(&farm);
	start(0, "a");
	ghost_start(&g, "g", 7);
	ghost_start(&h, "h", 9);
	ck_assert(farm_wait(one_up, NULL, 2000));
	farm_nap(300);

	farm_down(&farm, true);
	ghost_die(&g);
	farm_nap(1000);
	ck_assert_uint_eq(0, ears[0].down);
	ck_assert(!ears[0].cut);
	ck_assert_str_eq("bus", ears[0].missing);
	ck_assert(is_degraded(0));

	farm_down(&farm, false);
	ck_assert(farm_wait(one_down, NULL, 1000));
	ck_assert_str_eq("g", ears[0].last);
	ck_assert_str_eq("", ears[0].missing);
	ck_assert(!is_degraded(0));
	ghost_die(&h);
	all_end();
}
END_TEST


static int forger_socket(void)
{
	struct sa sa;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(0, sa_set_str(&sa, "127.0.0.1", 0));
	ck_assert_int_eq(0, bind(fd, &sa.u.sa, sa.len));

	return fd;
}


/* Beats that are forged, replayed, held back or for somebody else keep
   nobody alive. */
START_TEST(test_forged)
{
	uint8_t secret[32] = {1}, buf[BEAT_LEN];
	struct hmac_key *key, *wrong;
	struct node_record self;
	struct beat beat;
	struct ghost g;
	struct sa sa;
	unsigned i;
	int fd;

	farm_open(&farm);
	start(0, "a");
	ghost_start(&g, "g", 7);
	ck_assert(farm_wait(one_up, NULL, 2000));
	ck_assert_int_eq(0, hmac_key_alloc(&key, farm.key, 32, BEAT_LABEL));
	ck_assert_int_eq(0, hmac_key_alloc(&wrong, secret, 32, BEAT_LABEL));
	ck_assert_int_eq(0, api(0)->get(api(0)->hb, "a", self_found, &self));
	ck_assert_int_eq(0, sa_decode(&sa, self.beat, strlen(self.beat)));
	fd = forger_socket();

	ghost_die(&g);
	for (i=0; i<80 && !ears[0].down; i++) {
		beat = (struct beat){
			.type = BEAT_ALIVE, .from = 7, .to = self.instance,
			.seq = 100000 + i, .echo = 5,
		};
		switch (_i) {

		case 0:                         /* forged */
			beat.echo = 1000;
			beat_encode(buf, &beat, wrong);
			break;
		case 1:                         /* held back for long */
			beat_encode(buf, &beat, key);
			break;
		case 2:                         /* to somebody else */
			beat.to = 99;
			beat_encode(buf, &beat, key);
			break;
		case 3:                         /* replayed */
			beat.seq = 1;
			beat_encode(buf, &beat, key);
			break;
		default:                        /* noise */
			rand_bytes(buf, sizeof(buf));
			break;
		}

		ck_assert_int_eq(BEAT_LEN, sendto(fd, buf, BEAT_LEN, 0,
						  &sa.u.sa, sa.len));
		farm_nap(50);
		if (i == 4 && _i == 1)
			ck_assert_uint_eq(0, ears[0].down);
	}
	ck_assert_uint_eq(1, ears[0].down);

	close(fd);
	mem_deref(key);
	mem_deref(wrong);
	all_end();
}
END_TEST


/* The last server of a kind is missed when it dies, not when it leaves. */
START_TEST(test_missing)
{
	struct ghost g;

	farm_open(&farm);
	start(0, "a");
	ghost_start(&g, "g", 7);
	str_ncpy(g.rec.services, "registry", sizeof(g.rec.services));
	record_put(&g.rec, 0);
	ck_assert(farm_wait(one_up, NULL, 2000));
	ck_assert(!is_degraded(0));
	ghost_die(&g);
	ck_assert(farm_wait(one_down, NULL, 2000));
	ck_assert_str_eq("registry", ears[0].missing);

	ears[0].up = 0;
	ghost_start(&g, "g", 8);
	str_ncpy(g.rec.services, "registry", sizeof(g.rec.services));
	record_put(&g.rec, 0);
	ck_assert(farm_wait(one_up, NULL, 2000));
	ck_assert_str_eq("", ears[0].missing);
	g.rec.left = true;
	record_put(&g.rec, 0);
	ck_assert(farm_wait(one_left, NULL, 2000));
	ghost_die(&g);
	farm_nap(600);
	ck_assert_str_eq("", ears[0].missing);
	all_end();
}
END_TEST


START_TEST(test_bad_records)
{
	static const char *const badv[] = {
		"", "{}", "x", "{\"name\":\"g\"}",
		"{\"name\":\"g\",\"instance\":\"0000000000000000\","
		"\"services\":[]}",
		"{\"name\":\"g\",\"instance\":\"1\",\"services\":[]}",
		"{\"name\":\"g\",\"instance\":\"000000000000000g\","
		"\"services\":[]}",
		"{\"name\":\"\",\"instance\":\"0000000000000007\","
		"\"services\":[]}",
		"{\"name\":\"g\",\"instance\":\"0000000000000007\"}",
		"{\"name\":\"g\",\"instance\":\"0000000000000007\","
		"\"services\":[\"A B\"]}",
		"{\"name\":\"g\",\"instance\":\"0000000000000007\","
		"\"services\":[1]}",
		"{\"name\":\"g\",\"instance\":\"0000000000000007\","
		"\"services\":[],\"beat\":\"127.0.0.1\"}",
		"{\"name\":\"g\",\"instance\":\"0000000000000007\","
		"\"services\":[],\"beat\":\"0.0.0.0:1\"}",
		"{\"name\":\"g\",\"instance\":\"0000000000000007\","
		"\"services\":[],\"sip\":\"a b\"}",
	};
	struct node_record rec;
	size_t i;

	for (i=0; i<ARRAY_SIZE(badv); i++) {
		ck_assert_msg(node_record_decode(&rec, (uint8_t *)badv[i],
						 strlen(badv[i])),
			      "taken: %s", badv[i]);
	}

	farm_open(&farm);
	start(0, "a");
	for (i=0; i<ARRAY_SIZE(badv); i++) {
		ck_assert_int_eq(0, bus_kv_put(NULL, farm.inner, "nodes", "g",
					       (uint8_t *)badv[i],
					       strlen(badv[i]), 0, NULL,
					       NULL));
		farm_nap(5);
	}
	farm_nap(50);
	ck_assert_int_eq(NODE_UNKNOWN, state(0, "g"));
	all_end();
}
END_TEST


static const uint8_t pause_key[32] = "the key of both of test_pause";


/* A server with the heartbeat in a process of its own, which is stopped for a
 * second: afterwards it does not call the others dead that lived on. */
static void paused_child(int fd, int from)
{
	struct ghost g;
	char beat[64];
	ssize_t n;

	farm_open(&farm);
	memcpy(farm.key, pause_key, sizeof(farm.key));
	start(0, "a");
	memset(&g, 0, sizeof(g));
	str_ncpy(g.rec.name, "g", sizeof(g.rec.name));
	g.rec.instance = 7;

	/* the address of the beater that runs in the parent */
	{
		struct node_record self;
		char line[128];

		ck_assert_int_eq(0, api(0)->get(api(0)->hb, "a", self_found,
						&self));
		re_snprintf(line, sizeof(line), "%016llx %s", self.instance,
			    self.beat);
		ck_assert_int_eq((ssize_t)sizeof(line),
				 write(fd, line, sizeof(line)));
	}
	n = read(from, beat, sizeof(beat));
	ck_assert_int_eq((ssize_t)sizeof(beat), n);
	str_ncpy(g.rec.beat, beat, sizeof(g.rec.beat));
	record_put(&g.rec, 0);
	farm_silence(&farm, &g.sub, "server.g.ping");

	ck_assert(farm_wait(one_up, NULL, 3000));
	ck_assert_int_eq(1, write(fd, "u", 1));

	/* the parent stops us in here */
	(void)farm_wait(one_down, NULL, 3000);
	ck_assert_int_eq(1, write(fd, ears[0].down ? "d" : "l", 1));
	(void)farm_wait(one_down, NULL, 3000);
	ck_assert_int_eq(1, write(fd, ears[0].down ? "d" : "l", 1));
	mem_deref(g.sub);
	all_end();
}


START_TEST(test_pause)
{
	struct beater_conf conf = {
		.instance = 7, .interval = 100, .timeout = 350,
		.stuck = 600000,
	};
	int to[2], from[2], status;
	struct beater *beater;
	char line[128], ch;
	uint64_t instance;
	unsigned ix;
	struct sa sa;
	char beat[64];
	pid_t pid;

	ck_assert_int_eq(0, pipe(to));
	ck_assert_int_eq(0, pipe(from));
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		close(to[1]);
		close(from[0]);
		paused_child(from[1], to[0]);
		_exit(0);
	}
	close(to[0]);
	close(from[1]);

	ck_assert_int_eq((ssize_t)sizeof(line),
			 read(from[0], line, sizeof(line)));
	line[16] = '\0';
	ck_assert_int_eq(0, node_instance_decode(&instance, line));
	ck_assert_int_eq(0, libre_init());
	conf.secret = pause_key;
	ck_assert_int_eq(0, sa_set_str(&conf.laddr, "127.0.0.1", 0));
	ck_assert_int_eq(0, beater_alloc(&beater, &conf, ghost_beats, NULL));
	ck_assert_int_eq(0, beater_laddr(beater, &sa));
	memset(beat, 0, sizeof(beat));
	re_snprintf(beat, sizeof(beat), "%J", &sa);
	ck_assert_int_eq(0, sa_decode(&sa, line + 17, strlen(line + 17)));
	ck_assert_int_eq(0, beater_peer_add(beater, &ix, instance, &sa));
	ck_assert_int_eq((ssize_t)sizeof(beat),
			 write(to[1], beat, sizeof(beat)));

	ck_assert_int_eq(1, read(from[0], &ch, 1));
	ck_assert_int_eq('u', ch);
	usleep(300000);
	ck_assert_int_eq(0, kill(pid, SIGSTOP));
	usleep(1200000);
	ck_assert_int_eq(0, kill(pid, SIGCONT));

	/* nobody was judged */
	ck_assert_int_eq(1, read(from[0], &ch, 1));
	ck_assert_int_eq('l', ch);

	/* and it still can */
	mem_deref(beater);
	ck_assert_int_eq(1, read(from[0], &ch, 1));
	ck_assert_int_eq('d', ch);

	ck_assert_int_eq(pid, waitpid(pid, &status, 0));
	ck_assert_int_eq(0, status);
	close(to[1]);
	close(from[0]);
	libre_close();
}
END_TEST


int main(void)
{
	Suite *s = suite_create("heartbeat");
	TCase *tc = tcase_create("all");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, test_meet);
	tcase_add_test(tc, test_crash);
	tcase_add_test(tc, test_hang);
	tcase_add_test(tc, test_only_bus);
	tcase_add_test(tc, test_only_beats);
	tcase_add_test(tc, test_again);
	tcase_add_test(tc, test_name_twice);
	tcase_add_loop_test(tc, test_isolated, 0, 2);
	tcase_add_test(tc, test_no_bus);
	tcase_add_loop_test(tc, test_forged, 0, 5);
	tcase_add_test(tc, test_missing);
	tcase_add_test(tc, test_bad_records);
	tcase_add_test(tc, test_pause);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? 1 : 0;
}
