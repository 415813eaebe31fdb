/**
 * @file test_banks.c  Dispatchers of banks of media servers: two levels and
 *                     three
 *
 *   top 0, top 1 -- head of b0 -- media b0m0, b0m1, ...
 *                 - head of b1 -- ...
 */
#include <string.h>
#include <stdlib.h>
#include <check.h>
#include <re.h>
#include "bus/bus.h"
#include "noc/client.h"
#include "noc/name.h"
#include "noc/willcall.h"
#include "noc/wire.h"
#include "noc/ticket.h"
#include "noc/tables.h"
#include "dispatch/dispatch.h"
#include "calm.h"
#include "../../contrib/bench/farm.h"


enum { TOPS = 2, BANKS = 3, MEDIA = 4, MIDS = 2 };

static struct {
	struct bus *bus;               /* of the top                        */
	struct bus *bankbusv[MIDS][BANKS];
	struct bus *midbusv[MIDS];
	struct farm *farm;
	struct dispatch *topv[TOPS];
	struct dispatch *midv[MIDS];   /* three levels only                 */
	struct dispatch *headv[MIDS][BANKS];
	unsigned created;              /* by heads                          */
	char last[64];                 /* server of the last that got in    */
	unsigned mixed;
	struct tmr tmr;
} t;


static void fire(const char *name, const char *callid,
		 const struct dispatch_event *de, void *arg)
{
	(void)callid;
	(void)de;
	(void)arg;
	t.created += !strcmp(name, "dispatch.created");
}


static void in_handler(const char *conf, const char *user,
		       struct farm_media *m, void *arg)
{
	(void)conf;
	(void)user;
	(void)arg;
	t.mixed += t.last[0] && strcmp(t.last, m->name);
	str_ncpy(t.last, m->name, sizeof(t.last));
}


static void open_(struct dispatch **dp, struct dispatch_params *prm)
{
	static const struct tables_config tc = { 64, 10000, 2000, 3000 };

	prm->key = t.farm->key;
	prm->tables = &tc;
	prm->report_ms = 50;
	ck_assert_int_eq(0, dispatch_alloc(dp));
	(*dp)->conf = (struct dispatch_conf){
		.claim_ms = 30000, .reserve_ms = 200, .waiting_max = 10000,
		.orphan_ms = 500, .load_ms = 1000, .ticket_s = 30,
	};
	ck_assert_int_eq(0, dispatch_open(*dp, prm));
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


static void bank_make(unsigned mid, unsigned b, struct bus *up,
		      uint32_t capacity)
{
	char bank[16], name[32], contact[32];
	struct dispatch_params prm = {
		.name = name, .bank = bank, .upbus = up, .contact = contact,
		.fireh = fire,
	};
	unsigned i;

	re_snprintf(bank, sizeof(bank), "b%u", b);
	ck_assert_int_eq(0, bus_alloc_space(&t.bankbusv[mid][b], up, bank));

	for (i=0; i<MEDIA; i++) {
		re_snprintf(name, sizeof(name), "b%u-%um%u", mid, b, i);
		re_snprintf(contact, sizeof(contact), "127.%u.%u.%u:5060",
			    mid + 1, b, i);
		ck_assert_int_eq(0, farm_media_add(NULL, t.farm,
						   t.bankbusv[mid][b], name,
						   contact, capacity));
	}

	re_snprintf(name, sizeof(name), "head%u-%u", mid, b);
	re_snprintf(contact, sizeof(contact), "127.9.%u.%u:5060", mid, b);
	prm.bus = t.bankbusv[mid][b];
	open_(&t.headv[mid][b], &prm);
}


static void setup(bool three, uint32_t capacity)
{
	struct dispatch_params prm = { .name = "top", .banks = true };
	char name[16];
	unsigned i, b;

	memset(&t, 0, sizeof(t));
	ck_assert_int_eq(0, libre_init());
	ck_assert_int_eq(0, bus_alloc_memory(&t.bus));
	ck_assert_int_eq(0, farm_alloc(&t.farm));
	t.farm->inh = in_handler;
	tmr_init(&t.tmr);

	for (i=0; i<(three ? MIDS : 1); i++) {
		struct bus *up = t.bus;

		if (three) {
			struct dispatch_params mp = {
				.name = name, .bank = name, .banks = true,
				.upbus = t.bus, .contact = "127.8.0.1:5060",
			};

			re_snprintf(name, sizeof(name), "mid%u", i);
			ck_assert_int_eq(0, bus_alloc_space(&t.midbusv[i],
							    t.bus, name));
			up = mp.bus = t.midbusv[i];
			open_(&t.midv[i], &mp);
		}
		for (b=0; b<BANKS; b++)
			bank_make(i, b, up, capacity);
	}

	prm.bus = t.bus;
	for (i=0; i<TOPS; i++)
		open_(&t.topv[i], &prm);

	farm_start(t.farm);
	run(250);
}


static void teardown(void)
{
	unsigned i, b;

	ck_assert_uint_eq(0, t.farm->st.unanswered);
	for (i=0; i<TOPS; i++)
		mem_deref(t.topv[i]);
	for (i=0; i<MIDS; i++) {
		mem_deref(t.midv[i]);
		for (b=0; b<BANKS; b++)
			mem_deref(t.headv[i][b]);
	}
	mem_deref(t.farm);
	for (i=0; i<MIDS; i++) {
		for (b=0; b<BANKS; b++)
			mem_deref(t.bankbusv[i][b]);
		mem_deref(t.midbusv[i]);
	}
	mem_deref(t.bus);
	tmr_cancel(&t.tmr);
	libre_close();
}


static void call(struct dispatch *d, const char *conf, unsigned user)
{
	char name[32];

	re_snprintf(name, sizeof(name), "u%u@h", user);
	ck_assert_int_eq(0, farm_call(t.farm, d, conf, name, true));
}


static struct farm_media *last(void)
{
	struct le *le;

	LIST_FOREACH(&t.farm->medial, le) {
		struct farm_media *m = le->data;

		if (!strcmp(m->name, t.last))
			return m;
	}

	ck_abort_msg("nobody got in");
}


static void one_conference(bool three)
{
	unsigned i;

	setup(three, 100);

	/* through both at the same time: created once, and straight there */
	for (i=0; i<40; i++)
		call(t.topv[i % TOPS], "team a", i);
	run(300);
	ck_assert_uint_eq(40, t.farm->st.in);
	ck_assert_uint_eq(1, t.created);
	ck_assert_uint_eq(0, t.mixed);
	ck_assert_uint_eq(40, t.farm->st.redirects);

	/* known from now on: without the bus, but the server is told */
	t.farm->st.fast = 0;
	last()->st.reserves = 0;
	for (i=40; i<60; i++)
		call(t.topv[i % TOPS], "team a", i);
	ck_assert_uint_eq(20, t.farm->st.fast);
	run(100);
	ck_assert_uint_eq(60, t.farm->st.in);
	ck_assert_uint_gt(last()->st.reserves, 0);
	ck_assert_uint_eq(0, t.mixed);
	teardown();
}


START_TEST(test_one)
{
	one_conference(false);
}
END_TEST


START_TEST(test_three_levels)
{
	one_conference(true);
}
END_TEST


/* One that a bank has, and nobody above knows of */
START_TEST(test_where)
{
	setup(false, 100);
	call(t.headv[0][2], "here", 1);
	run(50);
	ck_assert_uint_eq(1, t.created);
	call(t.topv[0], "here", 2);
	run(100);
	ck_assert_uint_eq(2, t.farm->st.in);
	ck_assert_uint_eq(1, t.created);
	ck_assert_uint_eq(0, t.mixed);
	teardown();

	setup(true, 100);
	call(t.headv[1][2], "here", 1);
	run(50);
	call(t.topv[0], "here", 2);
	run(100);
	ck_assert_uint_eq(2, t.farm->st.in);
	ck_assert_uint_eq(1, t.created);
	ck_assert_uint_eq(0, t.mixed);
	teardown();
}
END_TEST


static void spread(bool three)
{
	const unsigned banks = three ? BANKS * MIDS : BANKS;
	const unsigned places = banks * MEDIA * 10;
	char conf[16];
	unsigned i;

	setup(three, 10);
	for (i=0; i<places + 20; i++) {
		re_snprintf(conf, sizeof(conf), "c%u", i);
		call(t.topv[i % TOPS], conf, i);
		if (i % 20 == 19)
			run(10);
	}
	run(300);

	/* every place is used, none twice */
	ck_assert_uint_eq(places, t.farm->st.in);
	ck_assert_uint_eq(20, t.farm->st.rejected);
	ck_assert_uint_eq(480, t.farm->scode);
	ck_assert(farm_spread(t.farm) <= 1.0);
	teardown();
}


START_TEST(test_full)
{
	spread(false);
	spread(true);
}
END_TEST


static void deleted_tell(struct bus *bus, const char *conf,
			 const char *server)
{
	struct wire_user u = { .what = WIRE_DELETED };
	uint8_t buf[WIRE_SMALL_MAX];
	size_t n;

	str_ncpy(u.conference, conf, sizeof(u.conference));
	str_ncpy(u.server, server, sizeof(u.server));
	ck_assert_int_eq(0, wire_user_encode(buf, sizeof(buf), &n, &u));
	ck_assert_int_eq(0, bus_publish(bus, "noc.conference", buf, n));
	ck_assert_int_eq(0, bus_kv_delete(NULL, bus, "conferences", conf, 0,
					  NULL, NULL));
}


/* Over in the bank: nobody above believes in it any more */
START_TEST(test_gone)
{
	struct conf_route cr;
	unsigned i;

	setup(true, 100);
	call(t.topv[0], "a", 1);
	run(100);
	call(t.topv[1], "a", 2);
	run(100);
	ck_assert_uint_eq(2, t.farm->st.in);
	for (i=0; i<TOPS; i++)
		ck_assert_int_eq(0, tables_lookup(t.topv[i]->tables, "a", 1,
						  NULL, tmr_jiffies(), &cr));
	deleted_tell(last()->bus, "a", t.last);
	run(50);
	for (i=0; i<TOPS; i++)
		ck_assert_int_eq(ENOENT, tables_lookup(t.topv[i]->tables, "a",
						       1, NULL, tmr_jiffies(),
						       &cr));
	call(t.topv[0], "a", 3);
	run(100);
	ck_assert_uint_eq(3, t.farm->st.in);
	ck_assert_uint_eq(2, t.created);
	teardown();
}
END_TEST


/* What banks have said is asked for again after a while */
START_TEST(test_forget)
{
	setup(false, 100);
	t.topv[0]->banks->ttl_ms = 100;
	call(t.topv[0], "a", 1);
	run(50);
	ck_assert_uint_eq(1, tables_conf_count(t.topv[0]->tables));
	run(150);
	ck_assert_uint_eq(0, tables_conf_count(t.topv[0]->tables));
	call(t.topv[0], "a", 2);
	run(50);
	ck_assert_uint_eq(2, t.farm->st.in);
	ck_assert_uint_eq(0, t.mixed);
	teardown();
}
END_TEST


/* A media server dies: those above wait for who takes over */
START_TEST(test_take_over)
{
	struct wire_claim c = { .conference = "a", .running = true };
	uint8_t buf[WIRE_SMALL_MAX];
	struct farm_media *dead;
	size_t n;

	setup(true, 100);
	call(t.topv[0], "a", 1);
	run(100);
	dead = last();
	farm_media_mute(dead, true);
	ck_assert_int_eq(0, bus_kv_delete(NULL, dead->bus, "servers",
					  dead->name, 0, NULL, NULL));
	run(20);
	call(t.topv[0], "a", 2);      /* knew it */
	call(t.topv[1], "a", 3);      /* did not */
	run(150);
	ck_assert_uint_eq(1, t.farm->st.in);

	/* another server of the same bank */
	str_ncpy(c.server, dead->name, sizeof(c.server));
	c.server[strlen(c.server) - 1] ^= 1;
	ck_assert_int_eq(0, wire_claim_encode(buf, sizeof(buf), &n, &c));
	ck_assert_int_eq(0, bus_kv_put(NULL, dead->bus, "conferences", "a",
				       buf, n, 0, NULL, NULL));
	t.last[0] = '\0';
	run(200);
	ck_assert_uint_eq(3, t.farm->st.in);
	ck_assert_str_eq(c.server, t.last);
	ck_assert_uint_eq(0, t.mixed);
	ck_assert_uint_eq(1, t.created);
	teardown();
}
END_TEST


/* A bank whose head is gone */
START_TEST(test_head_dies)
{
	unsigned i;
	char conf[16];

	setup(false, 100);
	t.headv[0][1] = mem_deref(t.headv[0][1]);
	for (i=0; i<60; i++) {
		re_snprintf(conf, sizeof(conf), "c%u", i);
		call(t.topv[i % TOPS], conf, i);
	}
	run(400);
	ck_assert_uint_eq(60, t.farm->st.in);
	teardown();
}
END_TEST


START_TEST(test_rubbish)
{
	static const uint8_t junk[] = "\x01\x03\xff\xff\xff junk";
	static const char *const subjectv[] = {
		"bank.capacity", "bank.conference", "bank.down",
		"bank.b0.where", "bank.b0.place", "bank.b0.reserve.x",
		"bank.b0.reserve.=", "bank.b0.reserve.b0-0m0",
	};
	size_t i;

	setup(false, 100);
	for (i=0; i<ARRAY_SIZE(subjectv); i++)
		ck_assert_int_eq(0, bus_publish(t.bus, subjectv[i], junk,
						sizeof(junk)));
	ck_assert_int_eq(0, bus_kv_put(NULL, t.bus, "banks", "x", junk,
				       sizeof(junk), 0, NULL, NULL));
	run(50);
	call(t.topv[0], "a", 1);
	run(100);
	ck_assert_uint_eq(1, t.farm->st.in);

	/* nobody above: a bank needs to know whom it answers */
	struct dispatch_params prm = {
		.name = "x", .bus = t.bus, .bank = "x", .key = t.farm->key,
		.tables = &(struct tables_config){ 1, 1, 1, 1 },
	};
	struct dispatch *d;

	ck_assert_int_eq(0, dispatch_alloc(&d));
	d->conf.ticket_s = 1;
	ck_assert_int_eq(EINVAL, dispatch_open(d, &prm));
	mem_deref(d);
	teardown();
}
END_TEST


int main(void)
{
	Suite *s = suite_create("banks");
	TCase *tc = tcase_create("banks");
	SRunner *sr;
	int failed;

	calm_speed(0);
	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, test_one);
	tcase_add_test(tc, test_three_levels);
	tcase_add_test(tc, test_where);
	tcase_add_test(tc, test_full);
	tcase_add_test(tc, test_gone);
	tcase_add_test(tc, test_forget);
	tcase_add_test(tc, test_take_over);
	tcase_add_test(tc, test_head_dies);
	tcase_add_test(tc, test_rubbish);
	suite_add_tcase(s, tc);

	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
