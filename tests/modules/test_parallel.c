/**
 * @file test_parallel.c  Several dispatchers on one bus, without a server
 */
#include <string.h>
#include <stdlib.h>
#include <check.h>
#include <re.h>
#include "bus/bus.h"
#include "bus/ops.h"
#include "noc/client.h"
#include "noc/name.h"
#include "noc/wire.h"
#include "noc/ticket.h"
#include "noc/tables.h"
#include "dispatch/dispatch.h"
#include "calm.h"
#include "../../contrib/bench/farm.h"


enum { DISPATCHERS = 3, MEDIA_MAX = 10 };

/* A bus that can be cut */
struct cut {
	struct bus bus;            /* first                                 */
	struct bus *inner;
	bool down;
	bool deaf;                 /* nobody confirms what is to be stored  */
};

static struct {
	struct bus *bus;
	struct cut *cut;
	struct farm *farm;
	struct dispatch *dv[DISPATCHERS];
	struct farm_media *mv[MEDIA_MAX];
	unsigned created, degraded, conflicts;
	const char *last;          /* server of the last one that got in    */
	unsigned mixed;            /* got in elsewhere than the last one    */
	struct tmr tmr, tick;
	unsigned n, max, per_tick, confs;
	bool random;
} t;


/* the bus that can be cut */

static int cut_publish(struct bus *bus, const char *subject,
		       const uint8_t *buf, size_t len)
{
	struct cut *c = (struct cut *)bus;

	return c->down ? ENOTCONN : bus_publish(c->inner, subject, buf, len);
}


static int cut_subscribe(struct bus_sub **subp, struct bus *bus,
			 const char *pattern, bus_msg_h *h, void *arg)
{
	return bus_subscribe(subp, ((struct cut *)bus)->inner, pattern, h,
			     arg);
}


static int cut_request(struct bus_req **reqp, struct bus *bus,
		       const char *subject, const uint8_t *buf, size_t len,
		       uint32_t ms, bus_resp_h *h, void *arg)
{
	struct cut *c = (struct cut *)bus;

	return c->down ? ENOTCONN : bus_request(reqp, c->inner, subject, buf,
						len, ms, h, arg);
}


static int cut_put(struct bus_kvop **opp, struct bus *bus,
		   const struct bus_put *put, bus_kv_h *h, void *arg)
{
	struct cut *c = (struct cut *)bus;

	if (c->deaf)
		return 0;

	return c->down ? ENOTCONN : c->inner->ops->kv_put(opp, c->inner, put,
							  h, arg);
}


static int cut_watch(struct bus_watch **wp, struct bus *bus,
		     const char *bucket, const char *pattern, bus_watch_h *h,
		     void *arg)
{
	return bus_kv_watch(wp, ((struct cut *)bus)->inner, bucket, pattern,
			    h, arg);
}


static const struct bus_ops cut_ops = {
	.publish   = cut_publish,
	.subscribe = cut_subscribe,
	.request   = cut_request,
	.kv_put    = cut_put,
	.kv_watch  = cut_watch,
};


static void cut_destructor(void *arg)
{
	struct cut *c = arg;

	bus_close(&c->bus);
	mem_deref(c->inner);
}


/* the fixture */

static void fire(const char *name, const char *callid,
		 const struct dispatch_event *de, void *arg)
{
	(void)callid;
	(void)arg;

	t.created   += !strcmp(name, "dispatch.created");
	t.degraded  += !strcmp(name, "dispatch.degraded") && de->on;
	t.conflicts += !strcmp(name, "dispatch.conflict");
}


static void in_handler(const char *conf, const char *user,
		       struct farm_media *m, void *arg)
{
	(void)conf;
	(void)user;
	(void)arg;

	t.mixed += t.last && strcmp(t.last, m->name);
	t.last = m->name;
}


static void dispatcher_open(unsigned i)
{
	static const struct tables_config tc = { 64, 10000, 2000, 3000 };
	char name[16];
	const struct dispatch_params prm = {
		.name = name, .bus = i ? t.bus : &t.cut->bus,
		.key = t.farm->key, .tables = &tc, .fireh = fire,
	};

	re_snprintf(name, sizeof(name), "d%u", i);
	ck_assert_int_eq(0, dispatch_alloc(&t.dv[i]));
	t.dv[i]->conf = (struct dispatch_conf){
		.claim_ms = 30000, .reserve_ms = 200, .waiting_max = 10000,
		.orphan_ms = 500, .load_ms = 1000, .ticket_s = 30,
	};
	ck_assert_int_eq(0, dispatch_open(t.dv[i], &prm));
}


static void stop_handler(void *arg)
{
	(void)arg;
	re_cancel();
}


static void run(unsigned ms)
{
	tmr_start(&t.tmr, ms, stop_handler, NULL);
	ck_assert_int_eq(0, re_main(NULL));
}


static void setup(unsigned mediac, uint32_t capacity)
{
	char name[16], contact[32];
	unsigned i;

	memset(&t, 0, sizeof(t));
	ck_assert_int_eq(0, libre_init());
	ck_assert_int_eq(0, bus_alloc_memory(&t.bus));
	t.cut = mem_zalloc(sizeof(*t.cut), cut_destructor);
	ck_assert_ptr_nonnull(t.cut);
	t.cut->bus.ops = &cut_ops;
	t.cut->bus.state = BUS_UP;
	t.cut->inner = mem_ref(t.bus);
	ck_assert_int_eq(0, farm_alloc(&t.farm));
	t.farm->inh = in_handler;

	for (i=0; i<mediac; i++) {
		re_snprintf(name, sizeof(name), "m%u", i);
		re_snprintf(contact, sizeof(contact), "127.0.1.%u:5060", i);
		ck_assert_int_eq(0, farm_media_add(&t.mv[i], t.farm, t.bus,
						   name, contact, capacity));
	}
	for (i=0; i<DISPATCHERS; i++)
		dispatcher_open(i);
	farm_start(t.farm);
	tmr_init(&t.tmr);
	tmr_init(&t.tick);
	run(20);
}


static void teardown(void)
{
	unsigned i;

	ck_assert_uint_eq(0, t.farm->st.unanswered);
	for (i=0; i<DISPATCHERS; i++)
		mem_deref(t.dv[i]);
	mem_deref(t.farm);
	mem_deref(t.cut);
	mem_deref(t.bus);
	tmr_cancel(&t.tmr);
	tmr_cancel(&t.tick);
	libre_close();
	tmr_debug();
}


static void call(unsigned d, const char *conf, unsigned user)
{
	char name[32];

	re_snprintf(name, sizeof(name), "u%u@h", user);
	ck_assert_int_eq(0, farm_call(t.farm, t.dv[d], conf, name, true));
}


static bool capacity_held(void)
{
	struct le *le;

	LIST_FOREACH(&t.farm->medial, le) {
		const struct farm_media *m = le->data;

		if (m->st.peak > m->capacity)
			return false;
	}

	return true;
}


/* Many for one new conference, through all dispatchers at once */
START_TEST(test_same)
{
	unsigned i;

	setup(MEDIA_MAX, 1000);
	for (i=0; i<300; i++)
		call(i % DISPATCHERS, "team a", i);
	run(300);

	ck_assert_uint_eq(300, t.farm->st.in);
	ck_assert_uint_eq(1, t.created);
	ck_assert_uint_eq(0, t.mixed);
	ck_assert_uint_eq(0, t.farm->st.rejected);
	teardown();
}
END_TEST


static void tick_handler(void *arg)
{
	char conf[16];
	unsigned i;
	(void)arg;

	for (i=0; i<t.per_tick && t.n < t.max; i++, t.n++) {
		const unsigned c = t.random ? (unsigned)rand_u32() : t.n;

		re_snprintf(conf, sizeof(conf), "c%u", c % t.confs);
		call(t.n % DISPATCHERS, conf, t.n);
	}

	if (t.n < t.max)
		tmr_start(&t.tick, 10, tick_handler, NULL);
}


static void storm(unsigned max, unsigned per_tick, unsigned confs)
{
	t.n = 0;
	t.max = max;
	t.per_tick = per_tick;
	t.confs = confs;
	tick_handler(NULL);
	run(max / per_tick * 10 + 300);
}


/* 500 joins in 1 s to 10 conferences on 10 servers: a server each */
START_TEST(test_fast)
{
	unsigned round;

	for (round=0; round<3; round++) {
		setup(MEDIA_MAX, 60);
		storm(500, 5, 10);

		ck_assert_uint_eq(500, t.farm->st.in);
		ck_assert_uint_eq(10, t.created);
		ck_assert_msg(farm_spread(t.farm) <= 1.2, "%f",
			      farm_spread(t.farm));
		ck_assert(capacity_held());
		teardown();
	}
}
END_TEST


/* ... all ten at the same moment, each through all dispatchers: every one is
   created once, and who was refused for it gives back what it had reserved */
START_TEST(test_burst)
{
	setup(MEDIA_MAX, 100);
	storm(500, 50, 10);
	ck_assert_uint_eq(500, t.farm->st.in);
	ck_assert_uint_eq(10, t.created);
	ck_assert_msg(farm_spread(t.farm) <= 2, "%f", farm_spread(t.farm));
	ck_assert(capacity_held());
	teardown();
}
END_TEST


/* 92 joins to 10 conferences, slowly; ten times as fast as in life */
START_TEST(test_slow)
{
	setup(MEDIA_MAX, 60);
	t.farm->report_ms = 100;
	t.per_tick = 1;
	t.confs = 10;
	for (t.max=1; t.max<=92; t.max++) {
		tick_handler(NULL);
		run(33);
	}

	ck_assert_uint_eq(92, t.farm->st.in);
	ck_assert_msg(farm_spread(t.farm) <= 1.2, "%f",
		      farm_spread(t.farm));
	teardown();
}
END_TEST


/* More than there is room for */
START_TEST(test_full)
{
	setup(MEDIA_MAX, 20);
	storm(300, 30, 300);

	ck_assert_uint_eq(200, t.farm->st.in);
	ck_assert_uint_eq(100, t.farm->st.rejected);
	ck_assert_uint_eq(480, t.farm->scode);
	ck_assert(capacity_held());
	teardown();
}
END_TEST


static void claim_put(const char *conf, const char *server)
{
	struct wire_claim c = { .running = true };
	uint8_t buf[WIRE_SMALL_MAX];
	size_t n;

	str_ncpy(c.conference, conf, sizeof(c.conference));
	str_ncpy(c.server, server, sizeof(c.server));
	ck_assert_int_eq(0, wire_claim_encode(buf, sizeof(buf), &n, &c));
	ck_assert_int_eq(0, bus_kv_put(NULL, t.bus, "conferences", conf, buf,
				       n, 0, NULL, NULL));
}


static struct farm_media *server_kill(void)
{
	unsigned i;

	ck_assert_ptr_nonnull(t.last);
	for (i=0; strcmp(t.mv[i]->name, t.last); i++)
		;
	farm_media_mute(t.mv[i], true);
	ck_assert_int_eq(0, bus_kv_delete(NULL, t.bus, "servers", t.last, 0,
					  NULL, NULL));

	return t.mv[i];
}


/* The server of a conference dies: joins wait for whoever takes over */
START_TEST(test_orphan)
{
	const struct farm_media *dead;
	unsigned i;

	setup(4, 100);
	call(0, "a", 0);
	run(50);
	ck_assert_uint_eq(1, t.farm->st.in);
	dead = server_kill();
	run(20);

	for (i=0; i<DISPATCHERS; i++)
		call(i, "a", 10 + i);
	run(200);
	ck_assert_uint_eq(DISPATCHERS, t.farm->st.unanswered);

	t.last = dead == t.mv[0] ? "m1" : "m0";
	claim_put("a", t.last);
	t.mixed = 0;
	run(100);
	ck_assert_uint_eq(1 + DISPATCHERS, t.farm->st.in);
	ck_assert_uint_eq(0, t.mixed);
	ck_assert_uint_eq(1, t.created);

	/* and if nobody does, it begins anew */
	dead = server_kill();
	run(20);
	for (i=0; i<DISPATCHERS; i++)
		call(i, "a", 20 + i);
	run(300);
	ck_assert_uint_eq(DISPATCHERS, t.farm->st.unanswered);
	t.last = NULL;
	run(500);
	ck_assert_uint_eq(1 + 2 * DISPATCHERS, t.farm->st.in);
	ck_assert_uint_eq(0, t.mixed);
	ck_assert_uint_eq(2, t.created);
	ck_assert_str_ne(t.last, dead->name);
	teardown();
}
END_TEST


/* Who waits when a dispatcher stops is answered; others go on */
START_TEST(test_die)
{
	unsigned i;

	setup(4, 100);
	for (i=0; i<60; i++)
		call(i % DISPATCHERS, i % 2 ? "a" : "b", i);
	t.dv[0] = mem_deref(t.dv[0]);
	ck_assert_uint_eq(20, t.farm->st.rejected);
	ck_assert_uint_eq(503, t.farm->scode);

	/* they try again, elsewhere: nothing of the first one is missing */
	for (i=0; i<60; i+=3)
		call(1 + i % 2, i % 2 ? "a" : "b", i);
	run(200);
	ck_assert_uint_eq(60, t.farm->st.in);
	ck_assert(capacity_held());
	teardown();
}
END_TEST


/* A dispatcher that has just started knows what there was before */
START_TEST(test_load)
{
	setup(4, 100);
	call(0, "a", 0);
	run(50);
	t.dv[0] = mem_deref(t.dv[0]);
	dispatcher_open(0);
	call(0, "a", 1);
	ck_assert_uint_eq(1, t.farm->st.unanswered);
	run(50);
	ck_assert_uint_eq(2, t.farm->st.in);
	ck_assert_uint_eq(0, t.mixed);
	ck_assert_uint_eq(1, t.created);
	ck_assert_uint_eq(1, t.dv[0]->countv[COUNT_HELD]);

	/* tables that cannot be loaded */
	t.dv[0]->loading = 1;
	call(0, "a", 2);
	run(900);
	ck_assert_uint_eq(1, t.farm->st.unanswered + t.farm->st.fast);
	teardown();
}
END_TEST


static void claim_handler(int err, uint64_t rev, const uint8_t *buf,
			  size_t len, void *arg)
{
	(void)rev;
	ck_assert_int_eq(0, err);
	ck_assert_int_eq(0, wire_claim_decode(arg, buf, len));
}


/* Without the bus: known ones are found, new ones placed, and claimed when it
   is back */
START_TEST(test_degraded)
{
	struct wire_claim c, c2;
	unsigned i;

	setup(4, 100);
	call(0, "known", 0);
	run(50);
	t.cut->down = true;
	bus_state_set(&t.cut->bus, BUS_DOWN);
	bus_state_set(&t.cut->bus, BUS_DOWN);
	ck_assert_uint_eq(1, t.degraded);

	call(0, "known", 1);
	for (i=0; i<40; i++)
		call(0, i % 2 ? "new" : "raced", 10 + i);
	run(100);
	ck_assert_uint_eq(42, t.farm->st.in);
	ck_assert_uint_eq(3, t.created);
	ck_assert_uint_eq(2, t.dv[0]->countv[COUNT_BLIND]);

	/* nobody tells that participants left: the server itself is asked by
	   whoever comes */
	tables_server_taken(t.dv[0]->tables,
			    tables_conf_server(t.dv[0]->tables, "known", 5),
			    100);
	for (i=0; i<5; i++)
		call(0, "known", 100 + i);
	run(50);
	for (i=0; i<4; i++)
		tables_server_taken(t.dv[0]->tables, t.mv[i]->name, 100);
	call(0, "newer", 200);
	run(50);
	ck_assert_uint_eq(48, t.farm->st.in);
	ck_assert_uint_eq(0, t.farm->st.rejected);

	/* one of them was claimed by somebody else meanwhile */
	claim_put("raced", "m9");
	run(20);
	t.cut->down = false;
	bus_state_set(&t.cut->bus, BUS_UP);
	run(100);
	ck_assert_uint_eq(1, t.conflicts);
	ck_assert(list_isempty(&t.dv[0]->unclaimedl));
	ck_assert_int_eq(0, bus_kv_get(NULL, t.bus, "conferences", "new",
				       claim_handler, &c));
	ck_assert_int_eq(0, bus_kv_get(NULL, t.bus, "conferences", "raced",
				       claim_handler, &c2));
	run(20);
	ck_assert_str_eq("new", c.conference);
	ck_assert_str_eq("m9", c2.server);
	teardown();
}
END_TEST


/* The bus goes while a claim is on its way, and nobody has said so */
START_TEST(test_cut_unnoticed)
{
	setup(4, 100);
	t.cut->down = true;
	call(0, "a", 0);
	run(100);
	ck_assert_uint_eq(1, t.farm->st.in);
	ck_assert_uint_eq(1, t.dv[0]->countv[COUNT_BLIND]);
	ck_assert(!list_isempty(&t.dv[0]->unclaimedl));
	t.cut->down = false;
	run(1200);
	ck_assert(list_isempty(&t.dv[0]->unclaimedl));
	teardown();
}
END_TEST


/* The bus is there, but for long nobody confirms a claim: who calls does not
   wait for that */
START_TEST(test_elects)
{
	unsigned n = 0;

	setup(4, 100);
	t.cut->deaf = true;
	call(0, "a", 0);
	call(0, "a", 1);
	while (!t.farm->st.in && n++ < 150)
		run(100);
	ck_assert_uint_eq(2, t.farm->st.in);
	ck_assert_uint_eq(0, t.mixed);
	ck_assert_uint_eq(1, t.dv[0]->countv[COUNT_BLIND]);
	ck_assert(!list_isempty(&t.dv[0]->unclaimedl));

	/* from now on it is a known one */
	call(0, "a", 2);
	run(50);
	ck_assert_uint_eq(3, t.farm->st.in);
	t.cut->deaf = false;
	for (n=0; !list_isempty(&t.dv[0]->unclaimedl) && n<150; n++)
		run(100);
	ck_assert(list_isempty(&t.dv[0]->unclaimedl));
	teardown();
}
END_TEST


int main(void)
{
	Suite *s = suite_create("parallel");
	TCase *tc = tcase_create("parallel");
	SRunner *sr;
	int failed;

	calm_speed(0);
	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, test_same);
	tcase_add_test(tc, test_fast);
	tcase_add_test(tc, test_burst);
	tcase_add_test(tc, test_slow);
	tcase_add_test(tc, test_full);
	tcase_add_test(tc, test_orphan);
	tcase_add_test(tc, test_die);
	tcase_add_test(tc, test_load);
	tcase_add_test(tc, test_degraded);
	tcase_add_test(tc, test_cut_unnoticed);
	tcase_add_test(tc, test_elects);
	suite_add_tcase(s, tc);

	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
