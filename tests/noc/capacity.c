/**
 * @file tests/noc/capacity.c  Capacity table: what is known of servers
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "noc/client.h"
#include "noc/willcall.h"
#include "tables.h"
#include "test.h"


START_TEST(test_lease_expiry)
{
	struct select_req req = { .media = MEDIA_AUDIO };
	struct wire_server s = tables_report("a", MEDIA_AUDIO, 10);
	struct conf_route cr;
	struct tables *t;
	int i;

	ck_assert_int_eq(0, tables_alloc(&t, &tables_config));
	tables_add(t, "a", MEDIA_AUDIO, 10);
	for (i=0; i<10; i++) {
		req.now = i < 5 ? 0 : 1000;
		ck_assert_int_eq(0, tables_select(t, &req, &cr));
	}
	ck_assert_int_eq(ENOSPC, tables_select(t, &req, &cr));

	/* half of them end by themselves, then the others */
	req.now = LEASE - 150;
	ck_assert_int_eq(0, tables_server_report(t, &s, req.now));
	ck_assert_int_eq(ENOSPC, tables_select(t, &req, &cr));
	req.now = LEASE + 150;
	for (i=0; i<5; i++)
		ck_assert_int_eq(0, tables_select(t, &req, &cr));
	ck_assert_int_eq(ENOSPC, tables_select(t, &req, &cr));
	req.now = 1000 + LEASE + 150;
	for (i=0; i<5; i++)
		ck_assert_int_eq(0, tables_select(t, &req, &cr));
	ck_assert_int_eq(ENOSPC, tables_select(t, &req, &cr));

	/* releasing more than there are is not an overdraft */
	tables_release(t, "a", 1000, req.now);
	for (i=0; i<10; i++)
		ck_assert_int_eq(0, tables_select(t, &req, &cr));
	ck_assert_int_eq(ENOSPC, tables_select(t, &req, &cr));

	/* after a long silence nothing is left over */
	req.now += 1000000;
	ck_assert_int_eq(0, tables_server_report(t, &s, req.now));
	for (i=0; i<10; i++)
		ck_assert_int_eq(0, tables_select(t, &req, &cr));
	ck_assert_int_eq(ENOSPC, tables_select(t, &req, &cr));
	mem_deref(t);
}
END_TEST


START_TEST(test_report)
{
	struct wire_server s = tables_report("a", MEDIA_AUDIO, 10);
	struct conf_route cr;
	struct tables *t;

	ck_assert_int_eq(0, tables_alloc(&t, &tables_config));
	s.seq = 5;
	ck_assert_int_eq(0, tables_server_report(t, &s, 0));
	s.seq = 4;
	s.unused = 99;
	ck_assert_int_eq(ESTALE, tables_server_report(t, &s, 1));
	ck_assert_int_eq(ESTALE, tables_server_granted(t, "a", 99, 4, 1));
	ck_assert_int_eq(0, tables_server_route(t, "a", 1, &cr));
	ck_assert_int_eq(ENOENT, tables_server_route(t, "b", 1, &cr));
	ck_assert_int_eq(ENOENT, tables_server_granted(t, "b", 1, 9, 1));

	/* gone, and started anew */
	tables_server_lost(t, "a");
	ck_assert_int_eq(ENOENT, tables_server_route(t, "a", 2, &cr));
	ck_assert_int_eq(0, tables_server_report(t, &s, 3));
	ck_assert_int_eq(0, tables_server_route(t, "a", 3, &cr));

	s.name[0] = '\0';
	ck_assert_int_eq(EINVAL, tables_server_report(t, &s, 3));
	ck_assert_int_eq(EINVAL, tables_server_plan(t, "\n", 1, 2));
	mem_deref(t);
}
END_TEST


static void server_handler(const struct server_info *si, void *arg)
{
	struct mbuf *mb = arg;

	(void)mbuf_printf(mb, "%s %s %u;", si->report->name,
			  tables_state_name(si, 150), si->reserved);
}


static void conf_handler(const char *name, size_t namelen, const char *server,
			 const char *contact, uint32_t participants,
			 void *arg)
{
	struct mbuf *mb = arg;

	(void)contact;
	(void)mbuf_printf(mb, "%b %s %u;", name, namelen, server,
			  participants);
}


START_TEST(test_rows)
{
	struct select_req req = { .media = MEDIA_AUDIO };
	struct mbuf *mb = mbuf_alloc(256);
	struct wire_server s;
	struct conf_route cr;
	struct tables *t;

	ck_assert_int_eq(0, tables_alloc(&t, &tables_config));
	tables_add(t, "a", MEDIA_AUDIO, 10);
	s = tables_report("b", MEDIA_AUDIO, 1);
	s.state = CAPACITY_DRAINING;
	ck_assert_int_eq(0, tables_server_report(t, &s, 0));
	s = tables_report("c", MEDIA_AUDIO, 1);
	s.state = CAPACITY_OUT;
	ck_assert_int_eq(0, tables_server_report(t, &s, 0));
	tables_add(t, "d", MEDIA_AUDIO, 1);
	tables_server_lost(t, "d");
	ck_assert_int_eq(0, tables_server_plan(t, "e", 100, 200));
	tables_add(t, "e", MEDIA_AUDIO, 1);
	ck_assert_int_eq(0, tables_select(t, &req, &cr));

	tables_servers(t, 1, server_handler, mb);
	printed(mb, "a in service 1;b draining 0;c out of service 0;"
		"d out of contact 0;e planned out 0;");

	ck_assert_int_eq(0, tables_conf_set(t, "x", 1, "a"));
	ck_assert_int_eq(0, tables_conf_participants(t, "x", 1, "a", 7));
	ck_assert_int_eq(ENOENT, tables_conf_participants(t, "x", 1, "b", 8));
	ck_assert_int_eq(ENOENT, tables_conf_participants(t, "y", 1, "a", 8));
	tables_confs(t, conf_handler, mb);
	printed(mb, "x a 7;");
	mem_deref(mb);
	mem_deref(t);
}
END_TEST


/* What ran on a server that has died is not found there, even if another one
   of its name is up; but if it was no death after all. */
START_TEST(test_instances)
{
	const struct wire_server a = tables_report("a", MEDIA_AUDIO, 9);
	struct select_req req = { .conf = "new", .conflen = 3,
		.media = MEDIA_AUDIO };
	struct conf_route cr;
	struct tables *t;

	ck_assert_int_eq(0, tables_alloc(&t, &tables_config));
	tables_add(t, "a", MEDIA_AUDIO, 9);
	tables_server_alive(t, "a", 7);
	ck_assert_int_eq(0, tables_conf_set(t, "c", 1, "a"));
	ck_assert_int_eq(0, tables_lookup(t, "c", 1, NULL, 0, &cr));
	ck_assert(!tables_conf_orphan(t, "c", 1, 0));

	/* a report that was on its way does not bring it back */
	tables_server_dead(t, "a", 7);
	ck_assert_int_eq(0, tables_server_report(t, &a, 1));
	ck_assert_int_eq(ENOENT, tables_lookup(t, "c", 1, NULL, 1, &cr));
	ck_assert(tables_conf_orphan(t, "c", 1, 1));
	ck_assert_int_eq(ENOENT, tables_select(t, &req, &cr));

	/* it was only out of reach */
	tables_server_alive(t, "a", 7);
	ck_assert_int_eq(0, tables_lookup(t, "c", 1, NULL, 1, &cr));
	ck_assert_int_eq(0, tables_select(t, &req, &cr));

	/* a new one of that name; that it runs there has to be told again */
	tables_server_dead(t, "a", 7);
	ck_assert_int_eq(0, tables_server_report(t, &a, 2));
	tables_server_alive(t, "a", 8);
	ck_assert_int_eq(ENOENT, tables_lookup(t, "c", 1, NULL, 2, &cr));
	ck_assert(tables_conf_orphan(t, "c", 1, 2));
	ck_assert_int_eq(0, tables_conf_set(t, "c", 1, "a"));
	ck_assert_int_eq(0, tables_lookup(t, "c", 1, NULL, 2, &cr));

	/* started anew before anybody found out */
	tables_server_alive(t, "a", 9);
	ck_assert_int_eq(ENOENT, tables_lookup(t, "c", 1, NULL, 2, &cr));

	/* who is not known does no harm */
	tables_server_dead(t, "x", 1);
	tables_server_alive(t, "x", 1);
	tables_server_mark(t, "x", true);
	mem_deref(t);
}
END_TEST


START_TEST(test_bounds)
{
	const struct tables_config small = { 2, 100, LEASE, CONTACT };
	struct tables_config bad = small;
	struct wire_server s;
	char name[CLIENT_CONFERENCE_MAX + 1];
	struct conf_route cr;
	struct tables *t;
	int i;

	bad.lease_ms = 0;
	ck_assert_int_eq(EINVAL, tables_alloc(&t, &bad));
	ck_assert_int_eq(EINVAL, tables_alloc(NULL, &small));

	ck_assert_int_eq(0, tables_alloc(&t, &small));
	tables_add(t, "a", MEDIA_AUDIO, 10);
	tables_add(t, "b", MEDIA_AUDIO, 10);
	ck_assert_int_eq(0, tables_conf_set(t, "x", 1, "a"));
	s = tables_report("c", MEDIA_AUDIO, 10);
	ck_assert_int_eq(ENOSPC, tables_server_report(t, &s, 0));
	/* b has no conference: it can be forgotten once it is gone; a not */
	tables_server_lost(t, "a");
	ck_assert_int_eq(ENOSPC, tables_server_report(t, &s, 0));
	tables_server_lost(t, "b");
	ck_assert_int_eq(0, tables_server_report(t, &s, 0));
	ck_assert_int_eq(ENOENT, tables_conf_set(t, "z", 1, "b"));

	for (i=1; i<100; i++) {
		re_snprintf(name, sizeof(name), "c%d", i);
		ck_assert_int_eq(0, tables_conf_set(t, name, strlen(name),
						    "c"));
	}
	ck_assert_int_eq(ENOSPC, tables_conf_set(t, "more", 4, "c"));
	for (i=1; i<100; i++) {
		re_snprintf(name, sizeof(name), "c%d", i);
		ck_assert_int_eq(0, tables_lookup(t, name, strlen(name), NULL,
						  0, &cr));
	}

	memset(name, 'a', sizeof(name));
	ck_assert_int_eq(EINVAL, tables_conf_set(t, name,
						 CLIENT_CONFERENCE_MAX, "c"));
	ck_assert_int_eq(EINVAL, tables_conf_set(t, "", 0, "c"));
	ck_assert_int_eq(EINVAL, tables_conf_set(t, "\n", 1, "c"));
	mem_deref(t);
}
END_TEST


/* What nobody can be heard of stays as it is. */
START_TEST(test_blind)
{
	struct select_req req = {
		.conf = "new", .conflen = 3, .media = MEDIA_AUDIO,
		.now = 10 * CONTACT,
	};
	struct tables *t;
	struct conf_route cr;
	uint32_t room;
	uint64_t seq;

	ck_assert_int_eq(0, tables_alloc(&t, &tables_config));
	tables_add(t, "a", MEDIA_AUDIO, 10);
	tables_add(t, "b", MEDIA_AUDIO, 5);
	ck_assert_int_eq(0, tables_conf_set(t, "c", 1, "a"));
	ck_assert_int_eq(ENOENT, tables_select(t, &req, &cr));

	tables_blind(t, true, req.now);
	ck_assert_int_eq(0, tables_select(t, &req, &cr));
	ck_assert_str_eq("a", cr.server);
	ck_assert_uint_eq(5, cr.next);
	tables_release(t, "a", 1, req.now);

	tables_server_taken(t, "a", 7);
	ck_assert_int_eq(0, tables_server_room(t, "a", req.now, &room, &seq));
	ck_assert_uint_eq(3, room);
	ck_assert_int_eq(ENOENT, tables_server_room(t, "x", req.now, &room,
						    &seq));
	tables_server_taken(t, "a", 100);
	tables_server_taken(t, "b", 100);
	tables_server_taken(t, "x", 1);
	ck_assert_int_eq(0, tables_select(t, &req, &cr));

	/* one that said goodbye is gone all the same */
	tables_server_lost(t, "b");
	ck_assert_int_eq(0, tables_select(t, &req, &cr));
	ck_assert_str_eq("a", cr.server);

	/* then everybody has the usual time to be heard of */
	tables_blind(t, false, req.now);
	ck_assert_int_eq(ENOSPC, tables_select(t, &req, &cr));
	ck_assert(!tables_conf_orphan(t, "c", 1, req.now + CONTACT - 1));
	mem_deref(t);
}
END_TEST


TCase *case_capacity(void)
{
	TCase *tc = tcase_create("capacity");

	tcase_add_test(tc, test_lease_expiry);
	tcase_add_test(tc, test_report);
	tcase_add_test(tc, test_rows);
	tcase_add_test(tc, test_instances);
	tcase_add_test(tc, test_bounds);
	tcase_add_test(tc, test_blind);

	return tc;
}
