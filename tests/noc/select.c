/**
 * @file tests/noc/select.c  Which server a new conference is given to
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "noc/client.h"
#include "noc/willcall.h"
#include "tables.h"
#include "test.h"


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

	ck_assert_int_eq(0, tables_alloc(&t, &tables_config));
	for (i=0; i<3; i++) {
		const char name[2] = { (char)('a' + i), '\0' };
		struct wire_server s = tables_report(name,
						row->serverv[i].media,
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

	ck_assert_int_eq(0, tables_alloc(&t, &tables_config));
	tables_add(t, "a", A, 5);
	tables_add(t, "b", A, 9);
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

	ck_assert_int_eq(0, tables_alloc(&t, &tables_config));
	for (i=0; i<4; i++)
		tables_add(t, serverv[i].name, A, serverv[i].unused);

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


/* A server that registries cannot reach is the last choice. */
START_TEST(test_marked)
{
	struct select_req req = { .conf = "new", .conflen = 3,
		.media = MEDIA_AUDIO };
	struct conf_route cr;
	struct tables *t;

	ck_assert_int_eq(0, tables_alloc(&t, &tables_config));
	tables_add(t, "a", MEDIA_AUDIO, 9);
	tables_add(t, "b", MEDIA_AUDIO, 1);
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


/* Who is asked for the same conference by the same tables agrees; different
   conferences like different servers. */
START_TEST(test_agree)
{
	struct select_req req = { .media = MEDIA_AUDIO };
	unsigned countv[8] = {0}, i, k;
	struct conf_route cr, cr2;
	struct tables *t, *t2;
	char name[16];

	ck_assert_int_eq(0, tables_alloc(&t, &tables_config));
	ck_assert_int_eq(0, tables_alloc(&t2, &tables_config));
	for (i=0; i<8; i++) {
		re_snprintf(name, sizeof(name), "s%u", i);
		tables_add(t, name, MEDIA_AUDIO, 1000);
		re_snprintf(name, sizeof(name), "s%u", 7 - i);
		tables_add(t2, name, MEDIA_AUDIO, 1000);
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


TCase *case_select(void)
{
	TCase *tc = tcase_create("select");

	tcase_add_loop_test(tc, test_select, 0, ARRAY_SIZE(rowv));
	tcase_add_test(tc, test_select_next_best);
	tcase_add_test(tc, test_spread);
	tcase_add_test(tc, test_marked);
	tcase_add_test(tc, test_agree);

	return tc;
}
