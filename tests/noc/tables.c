/**
 * @file tests/noc/tables.c  Conference table and capacity table
 */
#include <string.h>
#include <pthread.h>
#include <check.h>
#include <re.h>
#include "noc/client.h"
#include "noc/name.h"
#include "noc/willcall.h"
#include "noc/wire.h"
#include "noc/ticket.h"
#include "noc/tables.h"
#include "noc/route.h"
#include "test.h"


enum { LEASE = 3100, CONTACT = 3000 };

static const struct tables_config config = { 16, 1000, LEASE, CONTACT };


static struct wire_server report(const char *name, unsigned media,
				 uint32_t unused)
{
	struct wire_server s = {
		.state = CAPACITY_IN_SERVICE, .media = media,
		.capacity = 1000, .unused = unused,
	};

	str_ncpy(s.name, name, sizeof(s.name));
	re_snprintf(s.contact, sizeof(s.contact), "%s.example:5060", name);

	return s;
}


static void add(struct tables *t, const char *name, unsigned media,
		uint32_t unused)
{
	const struct wire_server s = report(name, media, unused);

	ck_assert_int_eq(0, tables_server_report(t, &s, 0));
}


/* One row of the selection rule: servers a, b, c, and who is chosen. */
static const struct row {
	const char *what;
	struct {
		enum capacity_state state;
		unsigned media;
		uint32_t unused;
		uint64_t heard;
		uint64_t out_from, out_to;
	} serverv[3];
	unsigned asked;
	const char *chosen;    /* or NULL                                   */
	int err;
} rowv[] = {
#define A MEDIA_AUDIO
#define V MEDIA_VIDEO
#define T MEDIA_TEXT
#define IN CAPACITY_IN_SERVICE
	{"greatest unused", {{IN, A, 5, 0, 0, 0}, {IN, A, 9, 0, 0, 0},
		{IN, A, 7, 0, 0, 0}}, A, "b", 0},
	{"only what is asked is preferred", {{IN, A|V, 900, 0, 0, 0},
		{IN, A, 9, 0, 0, 0}, {IN, A|T, 99, 0, 0, 0}}, A, "b", 0},
	{"but a full one is none", {{IN, A|V, 900, 0, 0, 0},
		{IN, A, 0, 0, 0, 0}, {IN, A|T, 99, 0, 0, 0}}, A, "a", 0},
	{"all that is asked", {{IN, A, 900, 0, 0, 0}, {IN, A|V, 1, 0, 0, 0},
		{IN, V, 900, 0, 0, 0}}, A|V, "b", 0},
	{"nothing asked: the plainest", {{IN, A, 9, 0, 0, 0},
		{IN, 0, 1, 0, 0, 0}, {IN, A, 99, 0, 0, 0}}, 0, "b", 0},
	{"draining", {{CAPACITY_DRAINING, A, 900, 0, 0, 0},
		{IN, A, 9, 0, 0, 0}, {IN, A, 7, 0, 0, 0}}, A, "b", 0},
	{"out of service", {{CAPACITY_OUT, A, 900, 0, 0, 0},
		{IN, A, 9, 0, 0, 0}, {IN, A, 7, 0, 0, 0}}, A, "b", 0},
	{"out of contact", {{IN, A, 900, 1, 0, 0}, {IN, A, 9, 1000, 0, 0},
		{IN, A, 7, 1000, 0, 0}}, A, "b", 0},
	{"planned out", {{IN, A, 900, 0, 100, 301}, {IN, A, 9, 0, 0, 0},
		{IN, A, 7, 0, 0, 0}}, A, "b", 0},
	{"plan over", {{IN, A, 900, 0, 100, 300}, {IN, A, 9, 0, 0, 0},
		{IN, A, 7, 0, 0, 0}}, A, "a", 0},
	{"plan to come", {{IN, A, 900, 0, 301, 400}, {IN, A, 9, 0, 0, 0},
		{IN, A, 7, 0, 0, 0}}, A, "a", 0},
	{"equal: any, but one", {{IN, A, 9, 0, 0, 0}, {IN, A, 9, 0, 0, 0},
		{IN, A, 7, 0, 0, 0}}, A, "a", 0},
	{"all full", {{IN, A, 0, 0, 0, 0}, {IN, A, 0, 0, 0, 0},
		{IN, A|V, 0, 0, 0, 0}}, A, NULL, ENOSPC},
	{"nobody has it", {{IN, A, 9, 0, 0, 0}, {IN, A, 9, 0, 0, 0},
		{IN, A|T, 7, 0, 0, 0}}, A|V, NULL, ENOTSUP},
	{"one has it and is full", {{IN, A, 9, 0, 0, 0},
		{IN, A|V, 0, 0, 0, 0}, {IN, A|T, 7, 0, 0, 0}}, A|V, NULL,
		ENOSPC},
	{"none in service", {{CAPACITY_OUT, A, 9, 0, 0, 0},
		{CAPACITY_DRAINING, A, 9, 0, 0, 0}, {IN, A, 7, 1, 0, 0}},
		A, NULL, ENOENT},
};


START_TEST(test_select)
{
	const struct row *row = &rowv[_i];
	struct select_req req = { .media = row->asked, .utc = 300 };
	struct conf_route cr;
	struct tables *t;
	bool late = false;
	size_t i;

	ck_assert_int_eq(0, tables_alloc(&t, &config));
	for (i=0; i<3; i++) {
		const char name[2] = { (char)('a' + i), '\0' };
		struct wire_server s = report(name, row->serverv[i].media,
					      row->serverv[i].unused);

		s.state = row->serverv[i].state;
		late |= row->serverv[i].heard != 0;
		ck_assert_int_eq(0, tables_server_report(t, &s,
						row->serverv[i].heard));
		ck_assert_int_eq(0, tables_server_plan(t, name,
						row->serverv[i].out_from,
						row->serverv[i].out_to));
	}

	req.now = late ? CONTACT + 1 : CONTACT - 1;
	ck_assert_msg(row->err == tables_select(t, &req, &cr), "%s",
		      row->what);
	if (row->chosen)
		ck_assert_msg(!strcmp(row->chosen, cr.server), "%s: %s",
			      row->what, cr.server);
	mem_deref(t);
}
END_TEST


START_TEST(test_select_next_best)
{
	const char *notv[3];
	struct select_req req = { .media = A, .notv = notv };
	struct conf_route cr;
	struct tables *t;

	ck_assert_int_eq(0, tables_alloc(&t, &config));
	add(t, "a", A, 5);
	add(t, "b", A, 9);
	ck_assert_int_eq(0, tables_select(t, &req, &cr));
	ck_assert_str_eq("b", cr.server);
	ck_assert_str_eq("b.example:5060", cr.contact);
	ck_assert_uint_eq(1, cr.serverlen);
	ck_assert_uint_eq(14, cr.contactlen);
	notv[req.notc++] = "b";
	ck_assert_int_eq(0, tables_select(t, &req, &cr));
	ck_assert_str_eq("a", cr.server);
	notv[req.notc++] = "a";
	ck_assert_int_eq(ENOENT, tables_select(t, &req, &cr));
	mem_deref(t);
}
END_TEST


/* 100 joins within 100 ms while no report comes in: each sees what the ones
   before it have taken. */
START_TEST(test_spread)
{
	static const struct { const char *name; uint32_t unused, expected; }
	serverv[] = {
		{"a", 10, 0}, {"b", 20, 0}, {"c", 70, 36}, {"d", 98, 64},
	};
	struct select_req req = { .media = A };
	uint32_t n[4] = {0};
	struct conf_route cr;
	struct tables *t;
	size_t i;

	ck_assert_int_eq(0, tables_alloc(&t, &config));
	for (i=0; i<4; i++)
		add(t, serverv[i].name, A, serverv[i].unused);

	for (req.now = 0; req.now < 100; req.now++) {
		ck_assert_int_eq(0, tables_select(t, &req, &cr));
		++n[cr.server[0] - 'a'];
	}

	/* levels c and d down to the same 34 */
	for (i=0; i<4; i++)
		ck_assert_uint_eq(serverv[i].expected, n[i]);

	/* all the room there is and not one more: 198 in all */
	for (i=0; i<98; i++)
		ck_assert_int_eq(0, tables_select(t, &req, &cr));
	ck_assert_int_eq(ENOSPC, tables_select(t, &req, &cr));

	/* the servers know: what they report has it taken off */
	tables_release(t, "d", 98, 100);
	ck_assert_int_eq(0, tables_server_granted(t, "d", 1, 1, 100));
	ck_assert_int_eq(0, tables_select(t, &req, &cr));
	ck_assert_str_eq("d", cr.server);
	ck_assert_int_eq(ENOSPC, tables_select(t, &req, &cr));
	mem_deref(t);
}
END_TEST


START_TEST(test_lease_expiry)
{
	struct select_req req = { .media = A };
	struct wire_server s = report("a", A, 10);
	struct conf_route cr;
	struct tables *t;
	int i;

	ck_assert_int_eq(0, tables_alloc(&t, &config));
	add(t, "a", A, 10);
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
	struct wire_server s = report("a", A, 10);
	struct conf_route cr;
	struct tables *t;

	ck_assert_int_eq(0, tables_alloc(&t, &config));
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


static void is(struct mbuf *mb, const char *expected)
{
	(void)mbuf_write_u8(mb, 0);
	ck_assert_str_eq(expected, (char *)mb->buf);
	mb->pos = mb->end = 0;
}


START_TEST(test_rows)
{
	struct select_req req = { .media = A };
	struct mbuf *mb = mbuf_alloc(256);
	struct wire_server s;
	struct conf_route cr;
	struct tables *t;

	ck_assert_int_eq(0, tables_alloc(&t, &config));
	add(t, "a", A, 10);
	s = report("b", A, 1);
	s.state = CAPACITY_DRAINING;
	ck_assert_int_eq(0, tables_server_report(t, &s, 0));
	s = report("c", A, 1);
	s.state = CAPACITY_OUT;
	ck_assert_int_eq(0, tables_server_report(t, &s, 0));
	add(t, "d", A, 1);
	tables_server_lost(t, "d");
	ck_assert_int_eq(0, tables_server_plan(t, "e", 100, 200));
	add(t, "e", A, 1);
	ck_assert_int_eq(0, tables_select(t, &req, &cr));

	tables_servers(t, 1, server_handler, mb);
	is(mb, "a in service 1;b draining 0;c out of service 0;"
	   "d out of contact 0;e planned out 0;");

	ck_assert_int_eq(0, tables_conf_set(t, "x", 1, "a"));
	ck_assert_int_eq(0, tables_conf_participants(t, "x", 1, "a", 7));
	ck_assert_int_eq(ENOENT, tables_conf_participants(t, "x", 1, "b", 8));
	ck_assert_int_eq(ENOENT, tables_conf_participants(t, "y", 1, "a", 8));
	tables_confs(t, conf_handler, mb);
	is(mb, "x a 7;");
	mem_deref(mb);
	mem_deref(t);
}
END_TEST


static void handover_handler(const char *server, const uint8_t *buf,
			     size_t len, unsigned joinc, void *arg)
{
	struct mbuf *mb = arg;
	(void)buf;

	ck_assert_uint_gt(len, joinc * 6);
	(void)mbuf_printf(mb, "%s %u;", server, joinc);
}


START_TEST(test_lookup)
{
	const struct willcall_join j = { "x", 1, "u@h", 3, "", 0, 0 };
	struct mbuf *mb = mbuf_alloc(256);
	struct conf_route cr;
	struct wire_server s;
	struct tables *t;

	ck_assert_int_eq(0, tables_alloc(&t, &config));
	ck_assert_int_eq(ENOENT, tables_lookup(t, "x", 1, &j, 0, &cr));
	ck_assert_int_eq(ENOENT, tables_conf_set(t, "x", 1, "a"));
	add(t, "a", A, 3);
	add(t, "b", A, 1);
	ck_assert_int_eq(0, tables_conf_set(t, "x", 1, "a"));
	ck_assert_int_eq(0, tables_conf_set(t, "y", 1, "b"));
	ck_assert_int_eq(0, tables_conf_set(t, "x", 1, "a"));
	ck_assert_uint_eq(2, tables_conf_count(t));

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
	is(mb, "a 3;b 1;");
	tables_handover(t, handover_handler, mb);
	is(mb, "");
	tables_release(t, "a", 3, 0);
	ck_assert_int_eq(0, tables_lookup(t, "x", 1, &j, 0, &cr));
	ck_assert(cr.wake);

	/* draining still takes those who belong together, out takes nobody */
	s = report("a", A, 3);
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

	/* moved, and gone; an old server's word does not count */
	add(t, "a", A, 3);
	ck_assert_int_eq(0, tables_conf_set(t, "y", 1, "a"));
	ck_assert_int_eq(0, tables_lookup(t, "y", 1, NULL, 1, &cr));
	ck_assert_str_eq("a", cr.server);
	ck_assert(!tables_conf_del(t, "y", 1, "b"));
	ck_assert(tables_conf_del(t, "y", 1, "a"));
	ck_assert(!tables_conf_del(t, "y", 1, NULL));
	ck_assert(tables_conf_del(t, "x", 1, NULL));
	ck_assert_uint_eq(0, tables_conf_count(t));
	mem_deref(mb);
	mem_deref(t);
}
END_TEST


/* What ran on a server that has died is not found there, even if another one
   of its name is up; but if it was no death after all. */
START_TEST(test_instances)
{
	const struct wire_server a = report("a", MEDIA_AUDIO, 9);
	struct select_req req = { .conf = "new", .conflen = 3,
		.media = MEDIA_AUDIO };
	struct conf_route cr;
	struct tables *t;

	ck_assert_int_eq(0, tables_alloc(&t, &config));
	add(t, "a", MEDIA_AUDIO, 9);
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


/* A server that registries cannot reach is the last choice. */
START_TEST(test_marked)
{
	struct select_req req = { .conf = "new", .conflen = 3,
		.media = MEDIA_AUDIO };
	struct conf_route cr;
	struct tables *t;

	ck_assert_int_eq(0, tables_alloc(&t, &config));
	add(t, "a", MEDIA_AUDIO, 9);
	add(t, "b", MEDIA_AUDIO, 1);
	ck_assert_int_eq(0, tables_conf_set(t, "c", 1, "a"));
	tables_server_mark(t, "a", true);
	ck_assert_int_eq(0, tables_select(t, &req, &cr));
	ck_assert_str_eq("b", cr.server);
	ck_assert_int_eq(0, tables_select(t, &req, &cr));
	ck_assert_str_eq("a", cr.server);

	/* what runs there is found all the same */
	ck_assert_int_eq(0, tables_lookup(t, "c", 1, NULL, 0, &cr));
	tables_server_mark(t, "a", false);
	ck_assert_int_eq(0, tables_select(t, &req, &cr));
	ck_assert_str_eq("a", cr.server);

	/* no media type of those that can be reached does not matter */
	req.media = MEDIA_VIDEO;
	ck_assert_int_eq(ENOTSUP, tables_select(t, &req, &cr));
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
	add(t, "a", A, 10);
	add(t, "b", A, 10);
	ck_assert_int_eq(0, tables_conf_set(t, "x", 1, "a"));
	s = report("c", A, 10);
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


static void wake_handler(void *arg)
{
	unsigned *n = arg;

	++*n;
}


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

	ck_assert_int_eq(0, tables_alloc(&t, &config));
	add(t, "a", MEDIA_AUDIO, 10);
	add(t, "b", MEDIA_AUDIO, 5);
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


/* An orphan's server is silent while others are not. */
START_TEST(test_orphan)
{
	struct wire_server b = report("b", MEDIA_AUDIO, 5);
	struct tables *t;

	ck_assert_int_eq(0, tables_alloc(&t, &config));
	add(t, "a", MEDIA_AUDIO, 10);
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


/* Who is asked for the same conference by the same tables agrees; different
   conferences like different servers. */
START_TEST(test_agree)
{
	struct select_req req = { .media = MEDIA_AUDIO };
	unsigned countv[8] = {0}, i, k;
	struct conf_route cr, cr2;
	struct tables *t, *t2;
	char name[16];

	ck_assert_int_eq(0, tables_alloc(&t, &config));
	ck_assert_int_eq(0, tables_alloc(&t2, &config));
	for (i=0; i<8; i++) {
		re_snprintf(name, sizeof(name), "s%u", i);
		add(t, name, MEDIA_AUDIO, 1000);
		re_snprintf(name, sizeof(name), "s%u", 7 - i);
		add(t2, name, MEDIA_AUDIO, 1000);
	}

	for (i=0; i<400; i++) {
		req.conf = name;
		req.conflen = (size_t)re_snprintf(name, sizeof(name), "c%u",
						  i);
		ck_assert_int_eq(0, tables_select(t, &req, &cr));
		ck_assert_int_eq(0, tables_select(t2, &req, &cr2));
		ck_assert_str_eq(cr.server, cr2.server);
		tables_release(t, cr.server, 1, 0);
		tables_release(t2, cr2.server, 1, 0);
		k = (unsigned)(cr.server[1] - '0');
		++countv[k];
	}

	for (k=0; k<8; k++)
		ck_assert_msg(countv[k] > 25 && countv[k] < 80, "%u: %u", k,
			      countv[k]);
	mem_deref(t);
	mem_deref(t2);
}
END_TEST


static int lookup(struct route *r, const char *conf, const char *user,
		  const char *account, char *uri, size_t sz, size_t *len)
{
	const struct willcall_join j = {
		conf, strlen(conf), user, strlen(user), account,
		strlen(account), 0
	};

	return route_lookup(r, &j, false, uri, sz, len);
}


static void family(struct route *r, bool ipv6, const char *expected)
{
	const struct willcall_join j = { "a b", 3, "", 0, "", 0, 0 };
	char uri[NAME_URI_MAX];
	size_t len;

	ck_assert_int_eq(0, route_lookup(r, &j, ipv6, uri, sizeof(uri),
					 &len));
	ck_assert_msg(!strncmp(uri, expected, strlen(expected)), "%.*s",
		      (int)len, uri);
}


/* A client gets an address of the family that it came by, if there is one. */
static void families(struct route *r, struct tables *t)
{
	struct wire_server s = report("a", A, 100);

	s.seq = 1000;
	family(r, true, "sip:a%20b@a.example:5060;ticket=");
	str_ncpy(s.contact, "192.0.2.1:5060", sizeof(s.contact));
	str_ncpy(s.other, "[2001:db8::1]:5062", sizeof(s.other));
	ck_assert_int_eq(0, tables_server_report(t, &s, tmr_jiffies()));
	family(r, false, "sip:a%20b@192.0.2.1:5060;ticket=");
	family(r, true, "sip:a%20b@[2001:db8::1]:5062;ticket=");

	str_ncpy(s.other, "192.0.2.1:5060", sizeof(s.other));
	str_ncpy(s.contact, "[2001:db8::1]:5062", sizeof(s.contact));
	++s.seq;
	ck_assert_int_eq(0, tables_server_report(t, &s, tmr_jiffies()));
	family(r, false, "sip:a%20b@192.0.2.1:5060;ticket=");
	family(r, true, "sip:a%20b@[2001:db8::1]:5062;ticket=");
	tables_release(t, "a", 5, tmr_jiffies());
}


START_TEST(test_route)
{
	static const uint8_t secret[32] = "secret";
	struct ticket_key *key;
	char uri[NAME_URI_MAX], account[CLIENT_ACCOUNT_MAX];
	struct ticket tk;
	struct tables *t;
	struct route *r;
	unsigned woken = 0;
	size_t len;

	ck_assert_int_eq(0, ticket_key_alloc(&key, secret, sizeof(secret)));
	ck_assert_int_eq(0, tables_alloc(&t, &config));
	ck_assert_int_eq(0, route_alloc(&r, t, key, 30, wake_handler,
					&woken));
	ck_assert_int_eq(ENOENT, lookup(r, "a b", "u@h", "acme", uri,
					sizeof(uri), &len));
	{
		struct wire_server s = report("a", A, 2);

		ck_assert_int_eq(0, tables_server_report(t, &s,
							 tmr_jiffies()));
	}
	ck_assert_int_eq(0, tables_conf_set(t, "a b", 3, "a"));
	ck_assert_int_eq(0, lookup(r, "a b", "u@h", "acme", uri, sizeof(uri),
				   &len));
	ck_assert_uint_eq(1, woken);
	ck_assert(!strncmp(uri, "sip:a%20b@a.example:5060;ticket=", 32));

	tk = (struct ticket){ .conference = "a b", .conferencelen = 3,
			      .user = "u@h", .userlen = 3,
			      .server = "a", .serverlen = 1 };
	ck_assert_int_eq(0, ticket_check(key, uri + 32, len - 32, &tk, account,
					 sizeof(account), time(NULL)));
	ck_assert_str_eq("acme", account);
	ck_assert_int_eq(ETIMEDOUT,
			 ticket_check(key, uri + 32, len - 32, &tk, account,
				      sizeof(account), time(NULL) + 31));

	ck_assert_int_eq(0, lookup(r, "a b", "", "", uri, sizeof(uri), &len));
	ck_assert_uint_eq(1, woken);
	ck_assert_int_eq(ENOSPC, lookup(r, "a b", "", "", uri, sizeof(uri),
					&len));
	ck_assert_int_eq(EINVAL, lookup(r, "", "", "", uri, sizeof(uri),
					&len));
	tables_release(t, "a", 2, tmr_jiffies());
	families(r, t);
	ck_assert_int_eq(EOVERFLOW, lookup(r, "a b", "", "", uri, 10, &len));
	mem_deref(r);
	mem_deref(t);
	mem_deref(key);
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
	const struct willcall_join j = { "x", 1, "u@h", 3, "", 0, 0 };
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

	ck_assert_int_eq(0, tables_alloc(&t, &config));
	add(t, "a", A, 3000);
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
	struct wire_server s = report(name, A, 10);

	s.tally = WIRE_TALLY_NONE + tally;

	return s;
}


static void says(struct tables *t, const char *name, uint64_t tally)
{
	const struct wire_server s = summed(name, tally);

	ck_assert_int_eq(0, tables_server_report(t, &s, 0));
}


START_TEST(test_tally)
{
	const uint64_t x7 = wire_tally("x", 1, 7), y1 = wire_tally("y", 1, 1);
	struct tables *t;
	uint32_t round;

	/* it depends on all there is to know, and is the same everywhere */
	ck_assert(x7 == wire_tally("xy", 1, 7));
	ck_assert(x7 != wire_tally("x", 1, 6));
	ck_assert(x7 != wire_tally("y", 1, 7));
	ck_assert(wire_tally("", 0, 0) == 0 && wire_tally("x", 1, 0) == 0);
	ck_assert(x7 == 0x7cdfebdf49450847ULL);

	ck_assert_int_eq(0, tables_alloc(&t, &config));
	ck_assert(tables_tally_same(t, "a"));
	ck_assert(tables_tally_same(NULL, "a"));
	ck_assert(tables_tally_same(t, NULL));

	/* who does not say it has none of us ask */
	add(t, "a", A, 10);
	add(t, "b", A, 10);
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

	/* somewhere else nobody is in it so far */
	ck_assert_int_eq(0, tables_conf_set(t, "x", 1, "b"));
	says(t, "a", y1);
	says(t, "b", 0);
	ck_assert(tables_tally_same(t, "a") && tables_tally_same(t, "b"));
	ck_assert(tables_conf_del(t, "y", 1, "a"));
	ck_assert(!tables_tally_same(t, "a"));
	says(t, "a", 0);
	ck_assert(tables_tally_same(t, "a"));

	/* of whom nothing is said while they are counted, nobody is there */
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

	mem_deref(t);
}
END_TEST


TCase *case_tables(void)
{
	TCase *tc = tcase_create("tables");

	tcase_add_loop_test(tc, test_select, 0, ARRAY_SIZE(rowv));
	tcase_add_test(tc, test_select_next_best);
	tcase_add_test(tc, test_spread);
	tcase_add_test(tc, test_lease_expiry);
	tcase_add_test(tc, test_report);
	tcase_add_test(tc, test_rows);
	tcase_add_test(tc, test_tally);
	tcase_add_test(tc, test_lookup);
	tcase_add_test(tc, test_instances);
	tcase_add_test(tc, test_marked);
	tcase_add_test(tc, test_bounds);
	tcase_add_test(tc, test_blind);
	tcase_add_test(tc, test_orphan);
	tcase_add_test(tc, test_agree);
	tcase_add_test(tc, test_route);
	tcase_add_test(tc, test_threads);

	return tc;
}
