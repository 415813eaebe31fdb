/**
 * @file test_recount.c  A dispatcher that has missed who came and went
 *
 * The media server "m1" is real, "m2" is made up. The dispatcher, a part of
 * the test, sits behind a bus that loses messages when it is told to.
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "bus/bus.h"
#include "bus/ops.h"
#include "noc/client.h"
#include "noc/name.h"
#include "noc/willcall.h"
#include "noc/wire.h"
#include "noc/ticket.h"
#include "noc/tables.h"
#include "dispatch/dispatch.h"
#include "calm.h"
#include "noc.h"
#include "../suite.h"


#define MEDIA "service dispatchee\ncapacity.heartbeat 500\n"
#define TWO two_begin, two_ready, two_join, two_wait

enum { MANY = 1500 };

/* What "m2" answers who asks for its participants */
enum says {
	SAYS_NOTHING, SAYS_RUBBISH, SAYS_OTHER_NAME, SAYS_OTHER_PART,
	SAYS_LOOP, SAYS_TRUTH, SAYS
};

struct lossy_sub {
	struct bus_sub *sub;
	bus_msg_h *h;
	void *arg;
};

static struct {
	struct bus *bus;           /* that loses messages                   */
	bool away;
	unsigned lost;
	struct dispatch *d;
	struct bus_sub *sub;       /* m2 answers                            */
	struct tmr tmr;            /* m2 reports                            */
	struct wire_server m2;
	enum says says;
	unsigned askedv[SAYS];
	unsigned pages;
	int err;                   /* what a question came to               */
	bool answered;
} t;


/* a bus that loses messages */

static void lossy_handler(const char *subject, const uint8_t *buf, size_t len,
			  struct bus_reply *reply, void *arg)
{
	struct lossy_sub *ls = arg;

	if (t.away) {
		++t.lost;
		mem_deref(reply);
		return;
	}

	ls->h(subject, buf, len, reply, ls->arg);
}


static void lossy_sub_destructor(void *arg)
{
	mem_deref(((struct lossy_sub *)arg)->sub);
}


static int lossy_subscribe(struct bus_sub **subp, struct bus *bus,
			   const char *pattern, bus_msg_h *h, void *arg)
{
	struct lossy_sub *ls = mem_zalloc(sizeof(*ls), lossy_sub_destructor);
	(void)bus;

	ck_assert_ptr_nonnull(ls);
	ls->h = h;
	ls->arg = arg;
	*subp = (struct bus_sub *)ls;

	return bus_subscribe(&ls->sub, server_bus(noc.srv), pattern,
			     lossy_handler, ls);
}


static int lossy_publish(struct bus *bus, const char *subject,
			 const uint8_t *buf, size_t len)
{
	(void)bus;
	return bus_publish(server_bus(noc.srv), subject, buf, len);
}


static int lossy_request(struct bus_req **reqp, struct bus *bus,
			 const char *subject, const uint8_t *buf, size_t len,
			 uint32_t ms, bus_resp_h *h, void *arg)
{
	(void)bus;
	return t.away ? ENOTCONN :
		bus_request(reqp, server_bus(noc.srv), subject, buf, len,
			    ms, h, arg);
}


static int lossy_watch(struct bus_watch **wp, struct bus *bus,
		       const char *bucket, const char *pattern,
		       bus_watch_h *h, void *arg)
{
	(void)bus;
	return bus_kv_watch(wp, server_bus(noc.srv), bucket, pattern, h, arg);
}


static const struct bus_ops lossy_ops = {
	.publish   = lossy_publish,
	.subscribe = lossy_subscribe,
	.request   = lossy_request,
	.kv_watch  = lossy_watch,
};


/* the fixture */

static void dispatcher_start(void)
{
	static const struct tables_config tc = { 8, 10000, 2000, 3000 };
	struct dispatch_params prm = {
		.name = "d", .tables = &tc, .bus = t.bus,
	};
	const uint8_t secret[32] = "test";

	ck_assert_int_eq(0, ticket_key_alloc(&prm.key, secret,
					     sizeof(secret)));
	ck_assert_int_eq(0, dispatch_alloc(&t.d));
	t.d->conf = (struct dispatch_conf){
		.claim_ms = 30000, .reserve_ms = 1000, .waiting_max = 100,
		.orphan_ms = 500, .load_ms = 1000, .ticket_s = 30,
	};
	ck_assert_int_eq(0, dispatch_open(t.d, &prm));
	mem_deref(prm.key);
}


static void begin(void)
{
	memset(&t, 0, sizeof(t));
	t.bus = mem_zalloc(sizeof(*t.bus), NULL);
	ck_assert_ptr_nonnull(t.bus);
	t.bus->ops = &lossy_ops;
	t.bus->state = BUS_UP;
	dispatcher_start();
}


static void end(void)
{
	tmr_cancel(&t.tmr);
	t.sub = mem_deref(t.sub);
	t.d = mem_deref(t.d);
	t.bus = mem_deref(t.bus);
}


struct row {
	const char *name;
	uint32_t n;
	bool found;
};


static void row_handler(const char *name, size_t namelen, const char *server,
			const char *contact, uint32_t participants, void *arg)
{
	struct row *row = arg;
	(void)server;
	(void)contact;

	if (strlen(row->name) == namelen &&
	    !memcmp(name, row->name, namelen)) {
		row->n = participants;
		row->found = true;
	}
}


/* As the dispatcher knows it */
static bool has(const char *conf, uint32_t n)
{
	struct row row = { .name = conf };

	tables_confs(t.d->tables, row_handler, &row);

	return row.found && row.n == n;
}


static void join(const char *conf, unsigned participants)
{
	connect_say("connect.joined", conf, "u@h", ++noc.id, participants);
}


static void two_begin(void)
{
	begin();
	claim_put("a", "m1", 0);
	claim_put("b", "m1", 0);
}


static bool two_claimed(void)
{
	return has("a", 0) && has("b", 0);
}


static void two_ready(void)
{
	noc_until(two_claimed);
}


static void two_join(void)
{
	connect_say("connect.created", "a", NULL, 0, 0);
	connect_say("connect.joined", "a", "u@h", 1, 1);
	connect_say("connect.joined", "a", "v@h", 2, 2);
	connect_say("connect.created", "b", NULL, 0, 0);
	connect_say("connect.joined", "b", "w@h", 3, 1);
	noc.id = 3;
}


static bool two_known(void)
{
	return has("a", 2) && has("b", 1);
}


static bool not_asked(void)
{
	return two_known() && !t.d->countv[COUNT_RECOUNTED] &&
		list_isempty(&t.d->recountl);
}


static void two_wait(void)
{
	noc_until(two_known);
}


/* As many as before, but elsewhere */
static void swapped(void)
{
	t.away = true;
	connect_say("connect.left", "a", "v@h", 2, 1);
	join("b", 2);
	join("b", 3);
	connect_say("connect.left", "b", "w@h", 3, 2);
	noc.delay = 5000;
}


static void back(void)
{
	/* of what was published nothing came in, but what is stored did */
	ck_assert_uint_ge(t.lost, 4);
	ck_assert(!has("a", 1));
	t.away = false;
	noc.delay = 1;
}


static bool swap_known(void)
{
	return has("a", 1) && has("b", 2) && list_isempty(&t.d->recountl);
}


static void swap_wait(void)
{
	noc_until(swap_known);
}


static void again(void)
{
	t.d = mem_deref(t.d);
	dispatcher_start();
}


static void nothing_asked(void)
{
	const uint64_t n = t.d->countv[COUNT_RECOUNTED];

	ck_assert_uint_ge(n, 1);

	/* when all is known nobody is asked any more */
	t.d->countv[COUNT_RECOUNTED] = 0;
	noc.delay = 20000;
}


static void over(void)
{
	ck_assert_uint_eq(0, t.d->countv[COUNT_RECOUNTED]);
	end();
}


/* Somebody has missed who came and went, or has just begun */
START_TEST(test_missed)
{
	RUN(MEDIA, TWO, swapped, back, swap_wait,
	    nothing_asked, again, swap_wait, nothing_asked, over);
}
END_TEST


static void calm_wait(void)
{
	noc_until(not_asked);
	noc.delay = 20000;
}


static void calm_end(void)
{
	ck_assert(not_asked());
	end();
}


/* Who hears everything asks nobody */
START_TEST(test_heard)
{
	RUN(MEDIA, TWO, calm_wait, calm_end);
}
END_TEST


static void taken_away(void)
{
	/* another server has it now; here it runs on for a while */
	claim_put("a", "m2", 0);
	noc.delay = 2000;
}


static bool taken_known(void)
{
	return has("b", 1) && !strcmp("m2", tables_conf_server(t.d->tables,
							       "a", 1));
}


static void taken_wait(void)
{
	t.d->countv[COUNT_RECOUNTED] = 0;
	noc_until(taken_known);
	noc.delay = 20000;
}


static void other_there(void)
{
	other_start(10, OTHER_GRANTS);
}


/* What runs here and is another's is not in the sum */
START_TEST(test_moved)
{
	RUN(MEDIA, TWO, other_there, taken_away, taken_wait,
	    over);
}
END_TEST


static void many_name(char *name, size_t sz, unsigned i)
{
	re_snprintf(name, sz, "%0110u", i);
}


static void many_begin(void)
{
	char name[128];
	unsigned i;

	begin();
	for (i=0; i<MANY; i++) {
		many_name(name, sizeof(name), i);
		connect_say("connect.created", name, NULL, 0, 0);
		join(name, i + 1);
	}
}


static bool many_known(void)
{
	char name[128];

	many_name(name, sizeof(name), MANY - 1);

	return tables_conf_count(t.d->tables) == MANY &&
		list_isempty(&t.d->recountl) && has(name, MANY) &&
		tables_tally_same(t.d->tables, "m1");
}


static void many_wait(void)
{
	noc_until(many_known);
}


static void many_right(void)
{
	char name[128];
	unsigned i;

	for (i=0; i<MANY; i++) {
		many_name(name, sizeof(name), i);
		ck_assert(has(name, i + 1));
	}

	/* one question, however many parts the answer has */
	ck_assert_uint_eq(1, t.d->countv[COUNT_RECOUNTED]);
	end();
}


/* More than fit into one answer */
START_TEST(test_many)
{
	RUN(MEDIA, many_begin, many_wait, again, many_wait, many_right);
}
END_TEST


/* the second media server: "x" has 7, "y" 8, of "old" it says nothing */

static void page_send(struct bus_reply *reply, const char *server,
		      uint32_t from, uint32_t next, const char *conf,
		      uint32_t n)
{
	struct wire_counts c = { .from = from, .next = next };
	uint8_t buf[WIRE_SMALL_MAX];
	size_t len, more = 0;

	str_ncpy(c.server, server, sizeof(c.server));
	ck_assert_int_eq(0, wire_counts_encode(buf, sizeof(buf), &len, &c));
	if (conf)
		ck_assert_int_eq(0, wire_count_encode(buf + len,
						      sizeof(buf) - len,
						      &more, conf, n));
	(void)bus_respond(reply, buf, len + more);
}


static void truth_send(struct bus_reply *reply, uint32_t from)
{
	/* the first is not its own, and the second nobody has */
	static const struct { const char *conf; uint32_t n; } pagev[] = {
		{"a", 99}, {"nowhere", 5}, {"x", 7}, {NULL, 0}, {"y", 8},
	};

	ck_assert_uint_lt(from, ARRAY_SIZE(pagev));
	++t.pages;
	page_send(reply, "m2", from,
		  from + 1 < ARRAY_SIZE(pagev) ? from + 1 : 0,
		  pagev[from].conf, pagev[from].n);
}


static void counts_handler(const char *subject, const uint8_t *buf,
			   size_t len, struct bus_reply *reply, void *arg)
{
	struct wire_counts c;
	(void)subject;
	(void)arg;

	ck_assert_int_eq(0, wire_counts_decode(&c, buf, len, NULL, NULL));
	ck_assert_str_eq("m2", c.server);
	++t.askedv[t.says];

	switch (t.says) {

	case SAYS_RUBBISH:
		(void)bus_respond(reply, (const uint8_t *)"x", 1);
		break;
	case SAYS_OTHER_NAME:
		page_send(reply, "m1", c.from, 0, "x", 1);
		break;
	case SAYS_OTHER_PART:
		page_send(reply, "m2", c.from + 1, 0, "x", 2);
		break;
	case SAYS_LOOP:
		page_send(reply, "m2", c.from, c.from ? c.from : 1, "x", 3);
		break;
	case SAYS_TRUTH:
		truth_send(reply, c.from);
		break;
	default:
		mem_deref(reply);
		break;
	}
}


static void m2_report(void *arg)
{
	uint8_t buf[WIRE_SMALL_MAX];
	size_t n;
	(void)arg;

	++t.m2.seq;
	ck_assert_int_eq(0, wire_server_encode(buf, sizeof(buf), &n, &t.m2));
	ck_assert_int_eq(0, bus_kv_put(NULL, server_bus(noc.srv), "servers",
				       "m2", buf, n, 0, NULL, NULL));
	tmr_start(&t.tmr, 500, m2_report, NULL);
}


static void user_say(const char *conf, uint32_t n)
{
	struct wire_user u = { .what = WIRE_JOINED, .participants = n };
	uint8_t buf[WIRE_SMALL_MAX];
	size_t len;

	str_ncpy(u.conference, conf, sizeof(u.conference));
	str_ncpy(u.server, "m2", sizeof(u.server));
	ck_assert_int_eq(0, wire_user_encode(buf, sizeof(buf), &len, &u));
	ck_assert_int_eq(0, bus_publish(server_bus(noc.srv), "noc.user", buf,
					len));
}


static void m2_start(void)
{
	t.m2 = (struct wire_server){
		.name = "m2", .contact = "127.0.0.2:5070",
		.state = CAPACITY_IN_SERVICE, .media = MEDIA_AUDIO,
		.capacity = 100, .unused = 100,
	};
	ck_assert_int_eq(0, bus_subscribe(&t.sub, server_bus(noc.srv),
					  "server.m2.counts", counts_handler,
					  NULL));
	m2_report(NULL);
}


static void m2_claims(void)
{
	claim_put("x", "m2", 0);
	claim_put("y", "m2", 0);
	claim_put("old", "m2", 0);
}


static bool m2_known(void)
{
	return has("x", 0) && has("y", 0) && has("old", 0);
}


static void m2_wait(void)
{
	noc_until(m2_known);
}


static void m2_differs(void)
{
	user_say("old", 4);
	t.m2.tally = WIRE_TALLY_NONE + wire_tally("x", 1, 7) +
		wire_tally("y", 1, 8);
	noc_until(not_asked);
}


static bool asked(void)
{
	return t.askedv[t.says] > 0;
}


static void m2_next(void)
{
	/* of what was wrong nothing was believed, and it was asked again */
	ck_assert(has("x", 0) && has("y", 0) && has("old", 4));
	++t.says;
	noc_until(asked);
}


static bool m2_right(void)
{
	return has("x", 7) && has("y", 8) && has("old", 0) && has("a", 2) &&
		list_isempty(&t.d->recountl);
}


static void m2_truth(void)
{
	/* the first part was good */
	ck_assert(has("x", 3) && has("y", 0) && has("old", 4));
	++t.says;
	ck_assert_int_eq(SAYS_TRUTH, t.says);
	noc_until(m2_right);
}


static void m2_end(void)
{
	ck_assert_uint_eq(5, t.pages);
	end();
}


static void m2_wrong(void)
{
	t.says = SAYS_NOTHING;
	noc_until(asked);
}


/* Answers that are not believed, and servers that are asked again */
START_TEST(test_rejects)
{
	RUN(MEDIA, TWO, m2_start, m2_claims, m2_wait,
	    m2_differs, m2_wrong, m2_next, m2_next, m2_next, m2_next,
	    m2_truth, m2_end);
}
END_TEST


static void question_handler(int err, const uint8_t *buf, size_t len,
			     void *arg)
{
	struct wire_counts c;
	(void)arg;

	t.err = err;
	t.answered = true;
	if (!err)
		ck_assert_int_eq(0, wire_counts_decode(&c, buf, len, NULL,
						       NULL));
}


static bool answered(void)
{
	return t.answered;
}


static void question(const char *server, uint32_t from, size_t cut)
{
	struct wire_counts c = { .from = from };
	uint8_t buf[WIRE_SMALL_MAX];
	size_t n;

	str_ncpy(c.server, server, sizeof(c.server));
	ck_assert_int_eq(0, wire_counts_encode(buf, sizeof(buf), &n, &c));
	t.answered = false;
	ck_assert_int_eq(0, bus_request(NULL, server_bus(noc.srv),
					"server.m1.counts", buf, n - cut,
					2000, question_handler, NULL));
	noc_until(answered);
}


static void question_cut(void)
{
	question("m1", 0, 1);
}


static void question_other(void)
{
	ck_assert_int_eq(ETIMEDOUT, t.err);
	question("m2", 0, 0);
}


static void question_far(void)
{
	ck_assert_int_eq(ETIMEDOUT, t.err);
	question("m1", UINT32_MAX, 0);
}


static void question_end(void)
{
	/* nothing is there */
	ck_assert_int_eq(0, t.err);
	end();
}


/* Questions that a media server does not answer */
START_TEST(test_questions)
{
	RUN(MEDIA, TWO, question_cut, question_other, question_far,
	    question_end);
}
END_TEST


int main(void)
{
	TCase *tc = tcase_create("recount");

	calm_speed(0);
	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, test_missed);
	tcase_add_test(tc, test_heard);
	tcase_add_test(tc, test_moved);
	tcase_add_test(tc, test_many);
	tcase_add_test(tc, test_rejects);
	tcase_add_test(tc, test_questions);

	return suite_run("recount", tc);
}
