/**
 * @file test_punt.c  When a server gives conferences away, and which
 *
 * punt.c alone; the rest of the service is made up.
 */
#include <string.h>
#include <stdlib.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "mesh/mesh.h"
#include "move/mover.h"


enum { CONFS = 5 };

static const struct setting settings[] = {
	{"move.punt_above", SETTING_U32, "850", 0, 100000, NULL, 0, ""},
	{"move.punt_below", SETTING_U32, "650", 0, 100000, NULL, 0, ""},
	{"move.punt_after", SETTING_U32, "1000", 0, 600000, NULL, 0, ""},
	{"move.punt_settle", SETTING_U32, "0", 0, 600000, NULL, 0, ""},
	{"move.punt_rest", SETTING_U32, "60", 0, 86400, NULL, 0, ""},
	{NULL, SETTING_STRING, NULL, 0, 0, NULL, 0, NULL}
};

static struct fixture {
	struct move mv;
	struct dispatchee_api disp;
	struct config *cfg;
	struct connect_api connect;
	struct {
		const char *name;
		uint32_t n;
		bool here;
		uint32_t usec;             /* that it costs, 0: not measured*/
		unsigned worker;
	} confv[CONFS];
	bool full;
	uint32_t room;             /* of the other server                   */
	unsigned started;
	char last[CLIENT_CONFERENCE_MAX];
	struct out out;
	move_done_h *h;
} f;


struct config *move_config(const struct move *mv)
{
	(void)mv;

	return f.cfg;
}


struct out *out_find(const struct move *mv, const char *conference)
{
	(void)mv;
	(void)conference;

	return NULL;
}


bool in_any(const struct move *mv, const char *conference)
{
	(void)mv;
	(void)conference;

	return false;
}


int target_pick(struct move *mv, uint32_t participants, char *server,
		size_t sz)
{
	(void)mv;
	if (participants > f.room)
		return ENOSPC;

	str_ncpy(server, "m2", sz);

	return 0;
}


int out_start(struct move *mv, const char *conference, const char *to,
	      const char *why, move_done_h *h, void *arg)
{
	ck_assert_ptr_eq(&f.mv, arg);
	ck_assert_str_eq("m2", to);
	ck_assert_ptr_nonnull(why);
	++f.started;
	f.h = h;
	str_ncpy(f.last, conference, sizeof(f.last));
	list_append(&mv->outl, &f.out.le, &f.out);

	return 0;
}


/* what was begun has ended */
static void ended(int err)
{
	const struct move_event me = { .conference = f.last };

	list_unlink(&f.out.le);
	for (size_t i = 0; i < CONFS && !err; i++) {
		if (f.confv[i].name && !strcmp(f.confv[i].name, f.last))
			f.confv[i].here = false;
	}
	f.h(err, &me, &f.mv);
}


static void full(struct dispatchee *d, bool on)
{
	(void)d;
	f.full = on;
}


static void claims(const struct dispatchee *d, const char *server,
		   claim_each_h *h, void *arg)
{
	(void)d;
	ck_assert_str_eq("m1", server);
	for (size_t i = 0; i < CONFS; i++) {
		if (f.confv[i].here)
			h(f.confv[i].name, f.confv[i].n, arg);
	}
}


static int cost(const struct connect *c, const char *conference,
		struct mesh_conf_cost *mc)
{
	(void)c;
	for (size_t i = 0; i < CONFS; i++) {
		if (!f.confv[i].name || strcmp(f.confv[i].name, conference))
			continue;

		memset(mc, 0, sizeof(*mc));
		mc->usec   = f.confv[i].usec;
		mc->worker = f.confv[i].worker;

		return 0;
	}

	return ENOENT;
}


static void setup(void)
{
	ck_assert_int_eq(0, libre_init());
	memset(&f, 0, sizeof(f));
	ck_assert_int_eq(0, config_alloc(&f.cfg));
	ck_assert_int_eq(0, config_declare(f.cfg, settings));
	f.disp.full = full;
	f.disp.claims = claims;
	f.mv.disp = &f.disp;
	f.connect.cost = cost;
	f.mv.connect = &f.connect;
	str_ncpy(f.mv.name, "m1", sizeof(f.mv.name));
	f.room = 1000;
	f.confv[0].name = "large";
	f.confv[0].n = 100;
	f.confv[1].name = "small";
	f.confv[1].n = 3;
	f.confv[2].name = "middle";
	f.confv[2].n = 20;
	f.confv[3].name = "empty";
	for (size_t i = 0; i < 4; i++)
		f.confv[i].here = true;
}


static void teardown(void)
{
	list_unlink(&f.out.le);
	list_flush(&f.mv.camel);
	mem_deref(f.cfg);
	libre_close();
}


static void look(unsigned load, unsigned times)
{
	while (times--)
		punt_look(&f.mv, load, 1);
}


START_TEST(test_calm)
{
	look(849, 100);
	ck_assert_uint_eq(0, f.started);
	ck_assert(!f.full);

	/* for a moment only */
	look(2000, 1);
	look(500, 1);
	look(2000, 1);
	ck_assert_uint_eq(0, f.started);
	ck_assert(!f.full);
}
END_TEST


START_TEST(test_cheapest_first)
{
	look(900, 2);
	ck_assert(f.full);
	ck_assert_uint_eq(1, f.started);
	ck_assert_str_eq("small", f.last);

	/* one after the other */
	look(900, 5);
	ck_assert_uint_eq(1, f.started);
	ended(0);
	ck_assert_uint_eq(1, f.mv.countv[COUNT_PUNTED]);
	look(900, 1);
	ck_assert_uint_eq(2, f.started);
	ck_assert_str_eq("middle", f.last);
	ended(0);

	/* between the marks: goes on; below: it is over */
	f.confv[1].here = true;
	look(700, 1);
	ck_assert_uint_eq(3, f.started);
	ended(0);
	look(649, 1);
	ck_assert(!f.full);
	look(800, 10);
	ck_assert_uint_eq(3, f.started);
	ck_assert(!f.full);
}
END_TEST


static void costs(uint32_t large, uint32_t small, uint32_t middle,
		  unsigned worker)
{
	f.confv[0].usec = large;
	f.confv[1].usec = small;
	f.confv[2].usec = middle;
	for (size_t i = 0; i < CONFS; i++)
		f.confv[i].worker = worker;
}


/* A large one in which many talk relieves more per participant. */
START_TEST(test_most_relief)
{
	costs(100 * 900, 3 * 200, 20 * 500, 1);
	look(900, 2);
	ck_assert_str_eq("large", f.last);
	ended(0);
	look(900, 1);
	ck_assert_str_eq("middle", f.last);
}
END_TEST


/* Of those that are nearly alike the smaller one is felt less. */
START_TEST(test_alike)
{
	costs(100 * 211, 3 * 200, 20 * 205, 1);
	look(900, 2);
	ck_assert_str_eq("small", f.last);
	ended(0);
	look(900, 1);
	ck_assert_str_eq("middle", f.last);
	ended(ENOSPC);

	/* the other way round, too */
	costs(100 * 200, 3 * 211, 20 * 205, 1);
	f.confv[1].here = true;
	look(900, 1);
	ck_assert_str_eq("small", f.last);
}
END_TEST


/* Whatever goes from another worker is no relief. */
START_TEST(test_worst_worker)
{
	costs(100 * 200, 3 * 900, 20 * 500, 1);
	f.confv[1].worker = 0;
	look(900, 2);
	ck_assert_str_eq("middle", f.last);
	ended(0);
	f.confv[0].worker = 0;
	look(900, 10);
	ck_assert_uint_eq(1, f.started);
}
END_TEST


/* Who costs nothing is no relief, unless nothing is known. */
START_TEST(test_costs_nothing)
{
	costs(100 * 200, 0, 20 * 500, 1);
	look(900, 2);
	ck_assert_str_eq("middle", f.last);
	ended(ENOSPC);
	f.confv[0].here = false;
	look(900, 10);
	ck_assert_uint_eq(1, f.started);
	costs(0, 0, 0, 0);
	look(900, 1);
	ck_assert_uint_eq(2, f.started);
	ck_assert_str_eq("small", f.last);
}
END_TEST


START_TEST(test_never_the_last)
{
	f.confv[1].here = f.confv[2].here = f.confv[3].here = false;
	look(5000, 10);
	ck_assert(f.full);
	ck_assert_uint_eq(0, f.started);
}
END_TEST


START_TEST(test_no_ping_pong)
{
	punt_came(&f.mv, "small");
	look(900, 2);
	ck_assert_str_eq("middle", f.last);

	/* what could not go is not tried again at once */
	ended(ENOSPC);
	ck_assert_uint_eq(0, f.mv.countv[COUNT_PUNTED]);
	look(900, 1);
	ck_assert_str_eq("large", f.last);
	ended(ENOSPC);
	look(900, 10);
	ck_assert_uint_eq(2, f.started);
}
END_TEST


START_TEST(test_room_for_twice_as_many)
{
	f.room = 5;
	look(900, 10);
	ck_assert_uint_eq(0, f.started);
	f.room = 6;
	look(900, 1);
	ck_assert_uint_eq(1, f.started);
}
END_TEST


START_TEST(test_not_while_drained)
{
	f.mv.drain.on = true;
	look(900, 10);
	ck_assert_uint_eq(0, f.started);
	f.mv.drain.on = false;
	f.mv.stopping = true;
	look(900, 10);
	ck_assert_uint_eq(0, f.started);
}
END_TEST


START_TEST(test_off)
{

	look(900, 2);
	ck_assert(f.full);
	ended(0);
	ck_assert_int_eq(0, config_override(f.cfg, "move.punt_above=0", NULL,
					    NULL));
	look(9000, 10);
	ck_assert(!f.full);
	ck_assert_uint_eq(1, f.started);
}
END_TEST


int main(void)
{
	Suite *s = suite_create("punt");
	TCase *tc = tcase_create("punt");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_calm);
	tcase_add_test(tc, test_cheapest_first);
	tcase_add_test(tc, test_most_relief);
	tcase_add_test(tc, test_alike);
	tcase_add_test(tc, test_worst_worker);
	tcase_add_test(tc, test_costs_nothing);
	tcase_add_test(tc, test_never_the_last);
	tcase_add_test(tc, test_no_ping_pong);
	tcase_add_test(tc, test_room_for_twice_as_many);
	tcase_add_test(tc, test_not_while_drained);
	tcase_add_test(tc, test_off);
	suite_add_tcase(s, tc);

	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
