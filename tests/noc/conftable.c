/**
 * @file tests/noc/conftable.c  Conference table: where conferences run
 */
#include <string.h>
#include <pthread.h>
#include <check.h>
#include <re.h>
#include "noc/client.h"
#include "noc/willcall.h"
#include "tables.h"
#include "test.h"


static void handover_handler(const char *server, const uint8_t *buf,
			     size_t len, unsigned joinc, void *arg)
{
	struct mbuf *mb = arg;
	(void)buf;

	ck_assert_uint_gt(len, joinc * 6);
	(void)mbuf_printf(mb, "%s %u;", server, joinc);
}


static const struct willcall_join j = { "x", 1, "u@h", 3, "", 0, 0 };


/* Who is sent on takes a place until the server has been told of him. */
static void places_taken(struct tables *t)
{
	struct mbuf *mb = mbuf_alloc(256);
	struct conf_route cr;

	ck_assert_int_eq(0, tables_lookup(t, "x", 1, &j, 0, &cr));
	ck_assert_str_eq("a", cr.server);
	ck_assert(cr.wake);
	ck_assert_int_eq(0, tables_lookup(t, "x", 1, &j, 0, &cr));
	ck_assert(!cr.wake);                  /* told already */
	ck_assert_int_eq(0, tables_lookup(t, "y", 1, &j, 0, &cr));
	ck_assert_str_eq("b", cr.server);
	ck_assert(!cr.wake);
	ck_assert_int_eq(0, tables_lookup(t, "x", 1, NULL, 0, &cr));
	ck_assert_int_eq(0, tables_lookup(t, "x", 1, &j, 0, &cr));
	ck_assert_int_eq(ENOSPC, tables_lookup(t, "x", 1, &j, 0, &cr));
	ck_assert_int_eq(ENOSPC, tables_lookup(t, "y", 1, &j, 0, &cr));
	ck_assert_int_eq(0, tables_lookup(t, "y", 1, NULL, 0, &cr));

	tables_handover(t, handover_handler, mb);
	printed(mb, "a 3;b 1;");
	tables_handover(t, handover_handler, mb);
	printed(mb, "");
	tables_release(t, "a", 3, 0);
	ck_assert_int_eq(0, tables_lookup(t, "x", 1, &j, 0, &cr));
	ck_assert(cr.wake);
	mem_deref(mb);
}


/* Draining still takes those who belong together, out takes nobody. */
static void states_matter(struct tables *t)
{
	struct wire_server s = tables_report("a", MEDIA_AUDIO, 3);
	struct conf_route cr;

	s.state = CAPACITY_DRAINING;
	ck_assert_int_eq(0, tables_server_report(t, &s, 0));
	ck_assert_int_eq(0, tables_lookup(t, "x", 1, &j, 0, &cr));
	s.state = CAPACITY_OUT;
	ck_assert_int_eq(0, tables_server_report(t, &s, 0));
	ck_assert_int_eq(ENOENT, tables_lookup(t, "x", 1, &j, 0, &cr));

	/* nobody is heard of: trouble of ours; one is not: trouble of it */
	ck_assert_int_eq(0, tables_lookup(t, "y", 1, NULL, CONTACT, &cr));
	ck_assert_int_eq(0, tables_server_report(t, &s, CONTACT - 1));
	ck_assert_int_eq(0, tables_lookup(t, "y", 1, NULL, CONTACT - 1, &cr));
	ck_assert_int_eq(ENOENT, tables_lookup(t, "y", 1, NULL, CONTACT,
					       &cr));
}


START_TEST(test_lookup)
{
	struct conf_route cr;
	struct tables *t;

	ck_assert_int_eq(0, tables_alloc(&t, &tables_config));
	ck_assert_int_eq(ENOENT, tables_lookup(t, "x", 1, &j, 0, &cr));
	ck_assert_int_eq(ENOENT, tables_conf_set(t, "x", 1, "a"));
	tables_add(t, "a", MEDIA_AUDIO, 3);
	tables_add(t, "b", MEDIA_AUDIO, 1);
	ck_assert_int_eq(0, tables_conf_set(t, "x", 1, "a"));
	ck_assert_int_eq(0, tables_conf_set(t, "y", 1, "b"));
	ck_assert_int_eq(0, tables_conf_set(t, "x", 1, "a"));
	ck_assert_uint_eq(2, tables_conf_count(t));

	places_taken(t);
	states_matter(t);

	/* moved, and gone; an old server's word does not count */
	tables_add(t, "a", MEDIA_AUDIO, 3);
	ck_assert_int_eq(0, tables_conf_set(t, "y", 1, "a"));
	ck_assert_int_eq(0, tables_lookup(t, "y", 1, NULL, 1, &cr));
	ck_assert_str_eq("a", cr.server);
	ck_assert(!tables_conf_del(t, "y", 1, "b"));
	ck_assert(tables_conf_del(t, "y", 1, "a"));
	ck_assert(!tables_conf_del(t, "y", 1, NULL));
	ck_assert(tables_conf_del(t, "x", 1, NULL));
	ck_assert_uint_eq(0, tables_conf_count(t));
	mem_deref(t);
}
END_TEST


/* An orphan's server is silent while others are not. */
START_TEST(test_orphan)
{
	struct wire_server b = tables_report("b", MEDIA_AUDIO, 5);
	struct tables *t;

	ck_assert_int_eq(0, tables_alloc(&t, &tables_config));
	tables_add(t, "a", MEDIA_AUDIO, 10);
	ck_assert_int_eq(0, tables_server_report(t, &b, 0));
	ck_assert_int_eq(0, tables_conf_set(t, "c", 1, "a"));
	ck_assert_str_eq("a", tables_conf_server(t, "c", 1));
	ck_assert_ptr_null(tables_conf_server(t, "d", 1));
	ck_assert(!tables_conf_orphan(t, "c", 1, 0));
	ck_assert(!tables_conf_orphan(t, "d", 1, 0));

	/* nobody is heard of: the trouble is ours */
	ck_assert(!tables_conf_orphan(t, "c", 1, CONTACT));
	++b.seq;
	ck_assert_int_eq(0, tables_server_report(t, &b, CONTACT));
	ck_assert(tables_conf_orphan(t, "c", 1, CONTACT));
	tables_server_lost(t, "b");
	ck_assert_int_eq(0, tables_conf_set(t, "c", 1, "b"));
	ck_assert(tables_conf_orphan(t, "c", 1, CONTACT));
	mem_deref(t);
}
END_TEST


struct caller {
	pthread_t tid;
	struct tables *t;
	unsigned granted;
};


static void *caller_thread(void *arg)
{
	struct caller *c = arg;
	struct conf_route cr;
	int i;

	for (i=0; i<2000; i++) {
		if (!tables_lookup(c->t, "x", 1, &j, 0, &cr))
			++c->granted;
	}

	return NULL;
}


static void sum_handler(const char *server, const uint8_t *buf, size_t len,
			unsigned joinc, void *arg)
{
	struct wire_reserve r = { .create = false };
	unsigned *sum = arg, n;
	struct mbuf *mb = mbuf_alloc(len + 16);
	uint8_t head[16];
	size_t k;
	(void)server;

	ck_assert_int_eq(0, wire_reserve_encode(head, sizeof(head), &k, &r));
	(void)mbuf_write_mem(mb, head, k);
	(void)mbuf_write_mem(mb, buf, len);
	ck_assert_int_eq(0, wire_reserve_decode(&r, &n, mb->buf, mb->end,
						NULL, NULL));
	ck_assert_uint_eq(joinc, n);
	*sum += n;
	mem_deref(mb);
}


/* Lookups from several threads while main changes the tables: what is granted
   is what there was room for, and every join is handed over. */
START_TEST(test_threads)
{
	struct caller callerv[4];
	struct tables *t;
	unsigned i, granted = 0, handed = 0;
	char name[16];

	ck_assert_int_eq(0, tables_alloc(&t, &tables_config));
	tables_add(t, "a", MEDIA_AUDIO, 3000);
	ck_assert_int_eq(0, tables_conf_set(t, "x", 1, "a"));

	for (i=0; i<4; i++) {
		callerv[i].t = t;
		callerv[i].granted = 0;
		ck_assert_int_eq(0, pthread_create(&callerv[i].tid, NULL,
						   caller_thread,
						   &callerv[i]));
	}
	for (i=0; i<500; i++) {
		re_snprintf(name, sizeof(name), "c%u", i);
		ck_assert_int_eq(0, tables_conf_set(t, name, strlen(name),
						    "a"));
		tables_handover(t, sum_handler, &handed);
		ck_assert(tables_conf_del(t, name, strlen(name), NULL));
	}
	for (i=0; i<4; i++) {
		pthread_join(callerv[i].tid, NULL);
		granted += callerv[i].granted;
	}
	tables_handover(t, sum_handler, &handed);
	ck_assert_uint_eq(3000, granted);
	ck_assert_uint_eq(3000, handed);
	mem_deref(t);
}
END_TEST


static struct wire_server summed(const char *name, uint64_t tally)
{
	struct wire_server s = tables_report(name, MEDIA_AUDIO, 10);

	s.tally = WIRE_TALLY_NONE + tally;

	return s;
}


static void says(struct tables *t, const char *name, uint64_t tally)
{
	const struct wire_server s = summed(name, tally);

	ck_assert_int_eq(0, tables_server_report(t, &s, 0));
}


/* It depends on all there is to know, and is the same everywhere. */
static void tally_value(void)
{
	const uint64_t x7 = wire_tally("x", 1, 7);

	ck_assert(x7 == wire_tally("xy", 1, 7));
	ck_assert(x7 != wire_tally("x", 1, 6));
	ck_assert(x7 != wire_tally("y", 1, 7));
	ck_assert(wire_tally("", 0, 0) == 0 && wire_tally("x", 1, 0) == 0);
	ck_assert(x7 == 0x7cdfebdf49450847ULL);
}


/* Who does not say it has none of us ask. */
static void tally_compared(struct tables *t)
{
	const uint64_t x7 = wire_tally("x", 1, 7), y1 = wire_tally("y", 1, 1);

	tables_add(t, "a", MEDIA_AUDIO, 10);
	tables_add(t, "b", MEDIA_AUDIO, 10);
	ck_assert_int_eq(0, tables_conf_set(t, "x", 1, "a"));
	ck_assert_int_eq(0, tables_conf_set(t, "y", 1, "a"));
	ck_assert_int_eq(0, tables_conf_participants(t, "x", 1, "a", 7));
	ck_assert(tables_tally_same(t, "a"));

	says(t, "a", 0);
	ck_assert(!tables_tally_same(t, "a"));
	says(t, "a", x7);
	ck_assert(tables_tally_same(t, "a"));
	ck_assert_int_eq(0, tables_conf_participants(t, "y", 1, "a", 1));
	ck_assert(!tables_tally_same(t, "a"));
	says(t, "a", x7 + y1);
	ck_assert(tables_tally_same(t, "a"));
}


/* Somewhere else nobody is in it so far. */
static void tally_moved(struct tables *t)
{
	const uint64_t y1 = wire_tally("y", 1, 1);

	ck_assert_int_eq(0, tables_conf_set(t, "x", 1, "b"));
	says(t, "a", y1);
	says(t, "b", 0);
	ck_assert(tables_tally_same(t, "a") && tables_tally_same(t, "b"));
	ck_assert(tables_conf_del(t, "y", 1, "a"));
	ck_assert(!tables_tally_same(t, "a"));
	says(t, "a", 0);
	ck_assert(tables_tally_same(t, "a"));
}


/* Of whom nothing is said while they are counted, nobody is there. */
static void tally_recounted(struct tables *t)
{
	const uint64_t y1 = wire_tally("y", 1, 1);
	uint32_t round;

	ck_assert_int_eq(0, tables_conf_participants(t, "x", 1, "b", 3));
	ck_assert_int_eq(0, tables_conf_set(t, "y", 1, "b"));
	ck_assert_int_eq(0, tables_conf_set(t, "z", 1, "a"));
	ck_assert_int_eq(0, tables_conf_participants(t, "y", 1, "b", 9));
	ck_assert_int_eq(0, tables_conf_participants(t, "z", 1, "a", 9));
	round = tables_recount_begin(t);
	(void)tables_recount_begin(t);
	ck_assert_int_eq(0, tables_conf_participants(t, "y", 1, "b", 1));
	tables_recount_end(t, "b", round);
	tables_recount_end(t, "nobody", round);
	tables_recount_end(NULL, "b", round);
	says(t, "b", y1);
	says(t, "a", wire_tally("z", 1, 9));
	ck_assert(tables_tally_same(t, "a") && tables_tally_same(t, "b"));
}


START_TEST(test_tally)
{
	struct tables *t;

	tally_value();
	ck_assert_int_eq(0, tables_alloc(&t, &tables_config));
	ck_assert(tables_tally_same(t, "a"));
	ck_assert(tables_tally_same(NULL, "a"));
	ck_assert(tables_tally_same(t, NULL));
	tally_compared(t);
	tally_moved(t);
	tally_recounted(t);
	mem_deref(t);
}
END_TEST


TCase *case_conftable(void)
{
	TCase *tc = tcase_create("conftable");

	tcase_add_test(tc, test_lookup);
	tcase_add_test(tc, test_orphan);
	tcase_add_test(tc, test_threads);
	tcase_add_test(tc, test_tally);

	return tc;
}
