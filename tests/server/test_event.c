/**
 * @file test_event.c  Events: who hears what, in which order, and the bridge
 */
#include <string.h>
#include <stdlib.h>
#include <check.h>
#include <re.h>
#include "server/event.h"
#include "server/bridge.h"
#include "bus/bus.h"


enum { LISTENERS = 8 };

struct ear {
	struct listener *l;
	char tag;
	bool answer;
	struct ear *kills;         /* taken out when this one hears         */
	struct ear *adds;          /* put in when this one hears            */
	const char *fires;         /* fired when this one hears             */
};

/* What was heard, one letter per call. */
static struct {
	struct events *evs;
	char heard[256];
	struct ear earv[LISTENERS];
} fix;


static bool hear(const struct event *ev, void *arg);


static void ear_open(struct ear *ear, char tag, const char *name,
		   enum event_prio prio)
{
	ear->tag = tag;
	ck_assert_int_eq(0, event_listen(&ear->l, fix.evs, name, prio, hear,
					 ear));
}


static bool hear(const struct event *ev, void *arg)
{
	struct ear *ear = arg;
	const size_t n = strlen(fix.heard);
	(void)ev;

	ck_assert_uint_lt(n, sizeof(fix.heard) - 1);
	fix.heard[n] = ear->tag;

	if (ear->kills)
		ear->kills->l = mem_deref(ear->kills->l);
	if (ear->adds && !ear->adds->l)
		ear_open(ear->adds, 'n', "x", EVENT_PRIO_NORMAL);
	if (ear->fires) {
		const struct event next = {.name = ear->fires};

		ear->fires = NULL;
		(void)event_fire(fix.evs, &next);
	}

	return ear->answer;
}


static bool fire(const char *name)
{
	const struct event ev = {.name = name};

	memset(fix.heard, 0, sizeof(fix.heard));

	return event_fire(fix.evs, &ev);
}


static void setup(void)
{
	memset(&fix, 0, sizeof(fix));
	ck_assert_int_eq(0, libre_init());
	ck_assert_int_eq(0, events_alloc(&fix.evs));
}


static void teardown(void)
{
	size_t i;

	for (i = 0; i < LISTENERS; i++)
		fix.earv[i].l = mem_deref(fix.earv[i].l);
	fix.evs = mem_deref(fix.evs);
	libre_close();
}


START_TEST(test_order)
{
	ear_open(&fix.earv[0], 'n', "x", EVENT_PRIO_NORMAL);
	ear_open(&fix.earv[1], 'v', "x", EVENT_PRIO_VALIDATION);
	ear_open(&fix.earv[2], 'l', "*", EVENT_PRIO_LOG);
	ear_open(&fix.earv[3], 'c', "x", EVENT_PRIO_CONNECT);
	ear_open(&fix.earv[4], 'm', "x", EVENT_PRIO_NORMAL);
	ear_open(&fix.earv[5], 'a', "*", EVENT_PRIO_DISPATCH);
	ear_open(&fix.earv[6], 'o', "y", EVENT_PRIO_NORMAL);

	ck_assert(!fire("x"));
	ck_assert_str_eq("vacnml", fix.heard);
	ck_assert(!fire("y"));
	ck_assert_str_eq("aol", fix.heard);
	ck_assert(!fire("z"));
	ck_assert_str_eq("al", fix.heard);
}
END_TEST


START_TEST(test_answer)
{
	ear_open(&fix.earv[0], 'v', "x", EVENT_PRIO_VALIDATION);
	ear_open(&fix.earv[1], 'd', "x", EVENT_PRIO_DISPATCH);
	ear_open(&fix.earv[2], 'n', "x", EVENT_PRIO_NORMAL);
	ear_open(&fix.earv[3], 'l', "*", EVENT_PRIO_LOG);

	fix.earv[1].answer = true;
	ck_assert(fire("x"));
	ck_assert_str_eq("vdl", fix.heard);

	/* a log answers nothing */
	fix.earv[1].answer = false;
	fix.earv[3].answer = true;
	ck_assert(!fire("x"));
	ck_assert_str_eq("vdnl", fix.heard);
}
END_TEST


START_TEST(test_remove_while_firing)
{
	ear_open(&fix.earv[0], 'a', "x", EVENT_PRIO_NORMAL);
	ear_open(&fix.earv[1], 'b', "x", EVENT_PRIO_NORMAL);
	ear_open(&fix.earv[2], 'c', "x", EVENT_PRIO_NORMAL);
	ear_open(&fix.earv[3], 'd', "*", EVENT_PRIO_NORMAL);

	/* the next one, oneself, one that was */
	fix.earv[0].kills = &fix.earv[1];
	fix.earv[2].kills = &fix.earv[2];
	fix.earv[3].kills = &fix.earv[0];

	(void)fire("x");
	ck_assert_str_eq("acd", fix.heard);
	(void)fire("x");
	ck_assert_str_eq("d", fix.heard);
}
END_TEST


START_TEST(test_add_while_firing)
{
	ear_open(&fix.earv[0], 'a', "x", EVENT_PRIO_DISPATCH);
	ear_open(&fix.earv[2], 'z', "x", EVENT_PRIO_LOG);
	fix.earv[0].adds = &fix.earv[1];

	(void)fire("x");
	ck_assert_str_eq("az", fix.heard);
	(void)fire("x");
	ck_assert_str_eq("anz", fix.heard);
}
END_TEST


START_TEST(test_nested)
{
	ear_open(&fix.earv[0], 'a', "x", EVENT_PRIO_DISPATCH);
	ear_open(&fix.earv[1], 'b', "x", EVENT_PRIO_NORMAL);
	ear_open(&fix.earv[2], 'y', "y", EVENT_PRIO_NORMAL);
	fix.earv[0].fires = "y";
	fix.earv[2].kills = &fix.earv[1];

	/* taken out in the inner event, not heard in the outer */
	(void)fire("x");
	ck_assert_str_eq("ay", fix.heard);

	/* heard in an inner event of the same name */
	fix.earv[0].adds = &fix.earv[3];
	fix.earv[0].fires = "x";
	(void)fire("x");
	ck_assert_str_eq("aan", fix.heard);
}
END_TEST


static bool endless(const struct event *ev, void *arg)
{
	unsigned *n = arg;

	++*n;
	(void)event_fire(fix.evs, ev);

	return false;
}


START_TEST(test_depth)
{
	unsigned n = 0;

	ck_assert_int_eq(0, event_listen(&fix.earv[0].l, fix.evs, "x",
					 EVENT_PRIO_NORMAL, endless, &n));
	(void)fire("x");
	ck_assert_uint_eq(32, n);
}
END_TEST


START_TEST(test_events_go_first)
{
	ear_open(&fix.earv[0], 'a', "x", EVENT_PRIO_NORMAL);
	ear_open(&fix.earv[1], 'b', "*", EVENT_PRIO_NORMAL);
	fix.evs = mem_deref(fix.evs);
	ck_assert(!event_fire(fix.evs, NULL));
	/* teardown takes the listeners out of events that are gone */
}
END_TEST


static bool kill_events(const struct event *ev, void *arg)
{
	(void)ev;
	(void)arg;
	fix.evs = mem_deref(fix.evs);

	return false;
}


START_TEST(test_events_go_while_firing)
{
	struct events *evs = fix.evs;
	const struct event ev = {.name = "x"};

	ck_assert_int_eq(0, event_listen(&fix.earv[0].l, evs, "x",
					 EVENT_PRIO_DISPATCH, kill_events,
					 NULL));
	ear_open(&fix.earv[1], 'b', "x", EVENT_PRIO_NORMAL);
	ck_assert(!event_fire(evs, &ev));
	ck_assert_str_eq("b", fix.heard);
}
END_TEST


static int detail(struct odict *od, const void *data)
{
	return odict_entry_add(od, "n", ODICT_INT,
			       (int64_t)*(const int *)data);
}


static char *json(const struct event *ev)
{
	struct odict *od;
	char *str;

	ck_assert_int_eq(0, event_odict(&od, ev));
	ck_assert_int_eq(0, re_sdprintf(&str, "%H", json_encode_odict, od));
	mem_deref(od);

	return str;
}


START_TEST(test_odict)
{
	int n = 5;
	struct event ev = {.name = "a.b", .callid = "c\"1", .data = &n,
		.detail = detail};
	struct odict *remote;
	char *str;

	str = json(&ev);
	ck_assert_str_eq("{\"event\":\"a.b\",\"callid\":\"c\\\"1\","
			 "\"n\":5}", str);
	mem_deref(str);

	/* the frame cannot be forged by a remote event's details */
	ck_assert_int_eq(0, odict_alloc(&remote, 8));
	odict_entry_add(remote, "event", ODICT_STRING, "forged");
	odict_entry_add(remote, "origin", ODICT_STRING, "forged");
	odict_entry_add(remote, "k", ODICT_BOOL, true);
	ev = (struct event){.name = "a.b", .origin = "s2", .remote = remote};
	str = json(&ev);
	ck_assert_str_eq("{\"event\":\"a.b\",\"origin\":\"s2\",\"k\":true}",
			 str);
	mem_deref(str);
	mem_deref(remote);
}
END_TEST


struct fields {
	uint16_t zero, some;
	const char *text, *none;
	struct sa sa;
};

static const struct event_field fieldv[] = {
	{"zero", EVENT_U16,  offsetof(struct fields, zero)},
	{"some", EVENT_U16,  offsetof(struct fields, some)},
	{"text", EVENT_TEXT, offsetof(struct fields, text)},
	{"none", EVENT_TEXT, offsetof(struct fields, none)},
	{"addr", EVENT_ADDR, offsetof(struct fields, sa)},
	{NULL, EVENT_TEXT, 0}
};


START_TEST(test_fields)
{
	struct fields data = {.some = 65535, .text = "a\"b"};
	const struct event ev = {.name = "a.b", .data = &data,
		.fieldv = fieldv};
	char buf[EVENT_TEXT_MAX], *str;

	ck_assert_int_eq(0, sa_set_str(&data.sa, "fe80:1234:5678:9abc:def0:"
				       "1234:5678:9abc", 65535));
	str = json(&ev);
	ck_assert_str_eq("{\"event\":\"a.b\",\"some\":65535,"
			 "\"text\":\"a\\\"b\",\"addr\":\"[fe80:1234:5678:"
			 "9abc:def0:1234:5678:9abc]:65535\"}", str);
	mem_deref(str);

	ck_assert_ptr_null(event_text(&fieldv[0], &data, buf, sizeof(buf)));
	ck_assert_str_eq("65535", event_text(&fieldv[1], &data, buf,
					     sizeof(buf)));
	ck_assert_ptr_null(event_text(&fieldv[3], &data, buf, sizeof(buf)));
}
END_TEST


/* ---- the bridge: two servers on one bus ---- */

struct peer {
	struct events *evs;
	struct bridge *bridge;
	struct listener *own, *remote;
	char told[512];
};


static bool peer_hear(const struct event *ev, void *arg)
{
	struct peer *p = arg;
	char *str = json(ev);
	const size_t n = strlen(p->told);

	ck_assert(!ev->origin || !ev->data);
	re_snprintf(p->told + n, sizeof(p->told) - n, "%s%s\n",
		    ev->origin ? "remote " : "", str);
	mem_deref(str);

	return false;
}


static void peer_init(struct peer *p, struct bus *bus, const char *name,
		      const char *publish, const char *subscribe)
{
	memset(p, 0, sizeof(*p));
	ck_assert_int_eq(0, events_alloc(&p->evs));
	ck_assert_int_eq(0, event_listen(&p->own, p->evs, "*",
					 EVENT_PRIO_NORMAL, peer_hear, p));
	ck_assert_int_eq(0, event_listen_remote(&p->remote, p->evs, "*",
						EVENT_PRIO_NORMAL, peer_hear,
						p));
	ck_assert_int_eq(0, bridge_alloc(&p->bridge, p->evs, bus, name,
					 publish, subscribe));
}


static void peer_close(struct peer *p)
{
	mem_deref(p->bridge);
	mem_deref(p->own);
	mem_deref(p->remote);
	mem_deref(p->evs);
}


static void cancel(void *arg)
{
	(void)arg;
	re_cancel();
}


static void loop(uint32_t ms)
{
	struct tmr tmr;

	tmr_init(&tmr);
	tmr_start(&tmr, ms, cancel, NULL);
	ck_assert_int_eq(0, re_main(NULL));
	tmr_cancel(&tmr);
}


START_TEST(test_bridge)
{
	static const char junk[] = "no json";
	static const char want_a[] =
		"{\"event\":\"connect.joined\",\"callid\":\"c1\",\"n\":9}\n"
		"{\"event\":\"connect.other\"}\n"
		"remote {\"event\":\"connect.other\",\"origin\":\"b\"}\n";
	static const char want_b[] =
		"{\"event\":\"connect.other\"}\n"
		"remote {\"event\":\"connect.joined\",\"callid\":\"c1\","
		"\"origin\":\"a\",\"n\":9}\n";
	int n = 9, i;
	const struct event joined = {.name = "connect.joined",
		.callid = "c1", .data = &n, .detail = detail};
	const struct event other = {.name = "connect.other"};
	struct peer a, b;
	struct bus *bus;

	ck_assert_int_eq(0, bus_alloc_memory(&bus));
	peer_init(&a, bus, "a", "connect.joined, x.y", "*");
	peer_init(&b, bus, "b", "*", "connect.joined");

	(void)event_fire(a.evs, &joined);
	(void)event_fire(a.evs, &other);
	(void)event_fire(b.evs, &other);
	ck_assert_int_eq(0, bus_publish(bus, "event.c.connect.joined",
					(const uint8_t *)junk,
					sizeof(junk) - 1));
	for (i = 0; i < 300 && (strlen(a.told) < strlen(want_a) ||
				strlen(b.told) < strlen(want_b)); i++)
		loop(100);
	loop(100);

	/* each hears its own, and of the other what both ends want; nothing
	   comes back */
	ck_assert_str_eq(want_a, a.told);
	ck_assert_str_eq(want_b, b.told);

	peer_close(&a);
	peer_close(&b);
	mem_deref(bus);
}
END_TEST


int main(void)
{
	Suite *s = suite_create("event");
	TCase *tc = tcase_create("event");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_order);
	tcase_add_test(tc, test_answer);
	tcase_add_test(tc, test_remove_while_firing);
	tcase_add_test(tc, test_add_while_firing);
	tcase_add_test(tc, test_nested);
	tcase_add_test(tc, test_depth);
	tcase_add_test(tc, test_events_go_first);
	tcase_add_test(tc, test_events_go_while_firing);
	tcase_add_test(tc, test_odict);
	tcase_add_test(tc, test_fields);
	tcase_add_test(tc, test_bridge);
	suite_add_tcase(s, tc);

	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
