/**
 * @file test_heartbeat.c  Who is there, and who is not any more
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "bus/bus.h"
#include "ghost.h"


START_TEST(test_meet)
{
	farm_open(&farm);
	start(0, "a");
	start(1, "b");
	start(2, "c");
	ck_assert(farm_wait(two_up, NULL, LIMIT_MS));
	ck_assert_int_eq(NODE_UP, state(0, "a"));
	ck_assert_int_eq(NODE_UP, state(0, "b"));
	ck_assert_int_eq(NODE_UP, state(2, "b"));
	ck_assert_int_eq(NODE_UNKNOWN, state(0, "d"));
	ck_assert(!api(0)->isolated(api(0)->hb));

	/* a goodbye is no crash */
	stop(1);
	ck_assert(farm_wait(one_left, NULL, LIMIT_MS));
	farm_nap(800);
	ck_assert_uint_eq(1, ears[0].left);
	ck_assert_uint_eq(1, ears[2].left);
	ck_assert_uint_eq(0, ears[0].down + ears[2].down);
	ck_assert_int_eq(NODE_LEFT, state(0, "b"));

	/* and back */
	start(1, "b");
	ears[0].up = 0;
	ck_assert(farm_wait(one_up, NULL, LIMIT_MS));
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
	start_timeout(0, "a", 2000);
	ghost_start(&g, "g", 7);
	ck_assert(farm_wait(one_up, NULL, LIMIT_MS));
	ck_assert_int_eq(NODE_UP, state(0, "g"));
	farm_nap(500);
	ck_assert_uint_eq(0, ears[0].down);

	t = farm_clock();
	ghost_die(&g);
	ck_assert(farm_wait(one_down, NULL, LIMIT_MS));
	ck_assert_str_eq("g", ears[0].last);
	/* not before it is silent for so long, less than a beat */
	ck_assert_uint_ge(ears[0].down_at - t, 1000000);
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

	farm_open(&farm);
	start(0, "a");
	ghost_start(&g, "g", 7);
	ck_assert(farm_wait(one_up, NULL, LIMIT_MS));

	ghost_die(&g);
	farm_silence(&farm, &g.sub, "server.g.ping");
	ck_assert(farm_wait(one_down, NULL, LIMIT_MS));
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
	ck_assert(farm_wait(one_up, NULL, LIMIT_MS));

	g.beater = mem_deref(g.beater);
	farm_nap(1200);
	ck_assert_uint_eq(0, ears[0].down);
	ck_assert_int_eq(NODE_UP, state(0, "g"));

	g.sub = mem_deref(g.sub);
	ck_assert(farm_wait(one_down, NULL, LIMIT_MS));
	all_end();
}
END_TEST


START_TEST(test_only_beats)
{
	struct ghost g;

	farm_open(&farm);
	start_timeout(0, "a", 3000);
	ghost_start(&g, "g", 7);
	ck_assert(farm_wait(one_up, NULL, LIMIT_MS));

	/* its lease ends, the bus says that nobody is there */
	g.sub = mem_deref(g.sub);
	ck_assert_int_eq(0, bus_kv_delete(NULL, farm.inner, "nodes", "g", 0,
					  NULL, NULL));
	farm_nap(1200);
	ck_assert_uint_eq(0, ears[0].down + ears[0].left);
	ghost_die(&g);
	ck_assert(farm_wait(one_down, NULL, LIMIT_MS));
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
	ck_assert(farm_wait(one_up, NULL, LIMIT_MS));
	ghost_die(&g);
	ck_assert(farm_wait(one_down, NULL, LIMIT_MS));

	ears[0].up = 0;
	ghost_start(&g, "g", 7);
	ck_assert(farm_wait(one_up, NULL, LIMIT_MS));
	ck_assert_int_eq(NODE_UP, state(0, "g"));
	ck_assert_uint_eq(1, ears[0].down);

	/* dies and is started again before anybody finds out */
	ears[0].up = 0;
	ghost_die(&g);
	farm_nap(250);
	ghost_start(&g, "g", 8);
	ck_assert(farm_wait(one_up, NULL, LIMIT_MS));
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
	start_timeout(0, "a", 4000);
	ghost_start(&g, "g", 7);
	ck_assert(farm_wait(one_up, NULL, LIMIT_MS));
	ghost_start(&twin, "g", 8);
	farm_nap(800);
	ck_assert_uint_eq(0, ears[0].down);
	ck_assert_uint_eq(1, ears[0].up);
	ghost_die(&twin);
	ghost_die(&g);
	all_end();
}
END_TEST


static void forge(const char *subject)
{
	uint8_t buf[32];
	size_t len;

	for (len=0; len<=sizeof(buf); len++) {
		rand_bytes(buf, sizeof(buf));

		/* as if it was sent at the beginning of time, or later */
		if (len & 1)
			memset(buf + 8, 0, 8);
		ck_assert_int_eq(0, bus_publish(farm.inner, subject, buf,
						len));
	}
}


/* We are cut off: nobody is judged, also not while it heals. */
START_TEST(test_isolated)
{
	struct ghost g, h;

	farm_open(&farm);
	start(0, "a");
	ghost_start(&g, "g", 7);
	ghost_start(&h, "h", 9);
	ck_assert(farm_wait(one_up, NULL, LIMIT_MS));
	farm_nap(300);

	/* as the hole in the network looks from inside: first with a bus
	   that says so, then with one that says nothing */
	farm_down(&farm, _i == 0);
	farm.mute = _i == 1;
	beater_peer_del(g.beater, g.ix);
	beater_peer_del(h.beater, h.ix);
	ck_assert(farm_wait(is_cut, NULL, LIMIT_MS));
	ck_assert_uint_eq(0, ears[0].down);
	farm_nap(1500);
	ck_assert_uint_eq(0, ears[0].down);
	ck_assert(api(0)->isolated(api(0)->hb));

	/* what a server sends to itself proves that its bus works, what others
	   send there does not */
	forge("server.a.ping");
	farm_nap(300);
	ck_assert(api(0)->isolated(api(0)->hb));

	farm_down(&farm, false);
	farm.mute = false;
	g.beater = mem_deref(g.beater);
	h.beater = mem_deref(h.beater);
	ck_assert(farm_wait(not_cut, NULL, LIMIT_MS));
	ck_assert_uint_eq(0, ears[0].down);

	/* they still answer on the bus; now one does not */
	farm_nap(500);
	ck_assert_uint_eq(0, ears[0].down);
	ghost_die(&g);
	ck_assert(farm_wait(one_down, NULL, LIMIT_MS));
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
	start_timeout(0, "a", 2000);
	ghost_start(&g, "g", 7);
	ghost_start(&h, "h", 9);
	ck_assert(farm_wait(one_up, NULL, LIMIT_MS));
	farm_nap(300);

	farm_down(&farm, true);
	ghost_die(&g);
	farm_nap(3000);
	ck_assert_uint_eq(0, ears[0].down);
	ck_assert(!ears[0].cut);
	ck_assert_str_eq("bus", ears[0].missing);
	ck_assert(is_degraded(0));

	farm_down(&farm, false);
	ck_assert(farm_wait(one_down, NULL, LIMIT_MS));
	ck_assert_str_eq("g", ears[0].last);
	ck_assert_str_eq("", ears[0].missing);
	ck_assert(!is_degraded(0));
	ghost_die(&h);
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
	ck_assert(farm_wait(one_up, NULL, LIMIT_MS));
	ck_assert(!is_degraded(0));
	ghost_die(&g);
	ck_assert(farm_wait(one_down, NULL, LIMIT_MS));
	ck_assert_str_eq("registry", ears[0].missing);

	ears[0].up = 0;
	ghost_start(&g, "g", 8);
	str_ncpy(g.rec.services, "registry", sizeof(g.rec.services));
	record_put(&g.rec, 0);
	ck_assert(farm_wait(one_up, NULL, LIMIT_MS));
	ck_assert_str_eq("", ears[0].missing);
	g.rec.left = true;
	record_put(&g.rec, 0);
	ck_assert(farm_wait(one_left, NULL, LIMIT_MS));
	ghost_die(&g);
	farm_nap(600);
	ck_assert_str_eq("", ears[0].missing);
	all_end();
}
END_TEST


int main(void)
{
	Suite *s = suite_create("heartbeat");
	TCase *tc = tcase_create("all");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, test_meet);
	tcase_add_test(tc, test_crash);
	tcase_add_test(tc, test_hang);
	tcase_add_test(tc, test_only_bus);
	tcase_add_test(tc, test_only_beats);
	tcase_add_test(tc, test_again);
	tcase_add_test(tc, test_name_twice);
	tcase_add_loop_test(tc, test_isolated, 0, 2);
	tcase_add_test(tc, test_no_bus);
	tcase_add_test(tc, test_missing);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? 1 : 0;
}
