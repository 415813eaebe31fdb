/**
 * @file tests/modules/ghost.c  Servers with the heartbeat, and made-up ones
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/command.h"
#include "server/degraded.h"
#include "server/event.h"
#include "bus/bus.h"
#include "ghost.h"


struct farm farm;
struct ears ears[FARM_MAX];


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


void start(unsigned ix, const char *name)
{
	start_conf(ix, name, CONF);
}


/**
 * Start a server that waits longer than others for heartbeats, so that none is
 * missed by a thread which is not let run
 *
 * @param ix   Its place
 * @param name Its name
 * @param ms   heartbeat.timeout
 */
void start_timeout(unsigned ix, const char *name, unsigned ms)
{
	char conf[128];

	re_snprintf(conf, sizeof(conf), CONF "heartbeat.timeout %u\n", ms);
	start_conf(ix, name, conf);
}


void stop(unsigned ix)
{
	unsigned i;

	for (i=0; i<5; i++)
		ears[ix].lv[i] = mem_deref(ears[ix].lv[i]);
	farm_stop(&farm, ix);
}


void all_end(void)
{
	unsigned i;

	for (i=0; i<FARM_MAX; i++) {
		if (farm.srvv[i])
			stop(i);
	}
	farm_close(&farm);
}


const struct heartbeat_api *api(unsigned ix)
{
	const struct heartbeat_api *a = service_api(farm.srvv[ix],
						    "heartbeat");
	ck_assert_ptr_nonnull(a);

	return a;
}


enum node_state state(unsigned ix, const char *name)
{
	return api(ix)->state(api(ix)->hb, name);
}


/* conditions */

bool two_up(void *arg)
{
	(void)arg;

	return ears[0].up >= 2 && ears[1].up >= 2 && ears[2].up >= 2;
}


bool one_up(void *arg)
{
	(void)arg;

	return ears[0].up >= 1;
}


bool one_left(void *arg)
{
	(void)arg;

	return ears[0].left >= 1;
}


bool one_down(void *arg)
{
	(void)arg;

	return ears[0].down >= 1;
}


bool is_cut(void *arg)
{
	(void)arg;

	return ears[0].cut;
}


bool not_cut(void *arg)
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


bool is_degraded(unsigned ix)
{
	bool on = false;

	ck_assert_int_eq(0, command_run(server_commands(farm.srvv[ix]),
					"status", NULL, status_handler, &on));

	return on;
}


/* made-up servers */

void ghost_beats(unsigned ix, uint64_t instance, enum beater_state st,
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


void record_put(const struct node_record *rec, uint32_t ttl)
{
	struct mbuf *mb = mbuf_alloc(512);

	ck_assert_int_eq(0, node_record_encode(mb, rec));
	ck_assert_int_eq(0, bus_kv_put(NULL, farm.inner, "nodes", rec->name,
				       mb->buf, mb->end, ttl, NULL, NULL));
	mem_deref(mb);
}


void self_found(const struct node_info *ni, void *arg)
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


void ghost_start(struct ghost *g, const char *name, uint64_t instance)
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


void ghost_die(struct ghost *g)
{
	g->sub = mem_deref(g->sub);
	g->beater = mem_deref(g->beater);
}
