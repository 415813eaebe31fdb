/**
 * @file test_registry.c  Two registries and a server that answers, or does not
 */
#include <string.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/command.h"
#include "server/event.h"
#include "bus/bus.h"
#include "heartbeat/heartbeat.h"
#include "registry/registry.h"
#include "siphost/siphost.h"
#include "noc/client.h"
#include "noc/mark.h"
#include "noc/wire.h"
#include "calm.h"
#include "farm.h"


#define REG "service heartbeat\nservice registry\n" \
	"heartbeat.listen 127.0.0.1:0\n" \
	"registry.interval 800\nregistry.timeout 400\n"
#define MEDIA "service siphost\nservice heartbeat\n" \
	"heartbeat.listen 127.0.0.1:0\n"

enum sip_mode { SIP_ANSWERS, SIP_SILENT, SIP_FIRST_ONLY, SIP_BUSY };

static struct farm farm;


/* a server's SIP: answers OPTIONS */

static struct {
	struct siphost_api api;
	struct udp_sock *us;
	struct sa laddr;
	struct sa first;           /* who asked first ...                   */
	struct sa other;           /* ... and who else                      */
	enum sip_mode mode;
	unsigned asked;
	unsigned others;           /* of these not by the first             */
} sip;


static int sip_laddr(const struct siphost *sh, struct sa *sa)
{
	(void)sh;
	*sa = sip.laddr;

	return 0;
}


static void sip_recv(const struct sa *src, struct mbuf *mb, void *arg)
{
	struct sip_msg *msg = NULL;
	const struct sip_hdr *via, *from, *to;
	struct mbuf *resp;
	(void)arg;

	++sip.asked;
	if (!sa_isset(&sip.first, SA_ALL))
		sip.first = *src;
	if (!sa_cmp(src, &sip.first, SA_ALL)) {
		sip.other = *src;
		++sip.others;
	}
	if (sip.mode == SIP_SILENT ||
	    (sip.mode == SIP_FIRST_ONLY && !sa_cmp(src, &sip.first, SA_ALL)))
		return;

	/* what we send is understood by another stack */
	ck_assert_int_eq(0, sip_msg_decode(&msg, mb));
	ck_assert(!pl_strcmp(&msg->met, "OPTIONS"));
	ck_assert(pl_isset(&msg->via.branch));
	via  = sip_msg_hdr(msg, SIP_HDR_VIA);
	from = sip_msg_hdr(msg, SIP_HDR_FROM);
	to   = sip_msg_hdr(msg, SIP_HDR_TO);
	resp = mbuf_alloc(1024);
	ck_assert_int_eq(0, mbuf_printf(resp, "SIP/2.0 %s\r\nVia: %r;received="
					"127.0.0.1\r\nFrom: %r\r\nTo: %r;tag=x"
					"\r\nCall-ID: %r\r\nCSeq: 1 OPTIONS"
					"\r\nContent-Length: 0\r\n\r\n",
					sip.mode == SIP_BUSY ?
					"503 Later" : "200 OK", &via->val,
					&from->val, &to->val, &msg->callid));
	resp->pos = 0;
	ck_assert_int_eq(0, udp_send(sip.us, src, resp));
	mem_deref(resp);
	mem_deref(msg);
}


static int sip_init(struct service *svc)
{
	sip.api.laddr = sip_laddr;
	service_api_set(svc, &sip.api);

	return 0;
}


static const struct service_export sip_export = {
	.api_version = SERVICE_API_VERSION,
	.name = "siphost",
	.init = sip_init,
};

static const struct service_export *const builtinv[] = {&sip_export, NULL};


/* what came of it */

static struct {
	struct mark mark;          /* of "m", as stored                     */
	bool there;
	unsigned writes;
	unsigned gone;
	unsigned events;
	enum mark_state told;
	struct bus_watch *watch;
	struct listener *listener;
} seen;


static void watch_handler(const char *key, uint64_t rev, const uint8_t *buf,
			  size_t len, void *arg)
{
	(void)rev;
	(void)arg;
	if (!key || strcmp(key, "m"))
		return;

	seen.there = buf != NULL;
	++*(buf ? &seen.writes : &seen.gone);
	if (buf)
		ck_assert_int_eq(0, mark_decode(&seen.mark, buf, len));
}


static bool marked_handler(const struct event *ev, void *arg)
{
	const struct registry_event *re = ev->data;
	(void)arg;

	if (!strcmp(re->mark->name, "m")) {
		++seen.events;
		seen.told = re->mark->state;
	}

	return false;
}


static bool mark_is(void *arg)
{
	const enum mark_state *state = arg;

	return *state == MARK_NONE ? !seen.there
		: seen.there && seen.mark.state == *state;
}


enum { LIMIT_MS = 15000 };

static void wait_mark(enum mark_state state)
{
	ck_assert_msg(farm_wait(mark_is, &state, LIMIT_MS), "%s instead of %s",
		      seen.there ? mark_state_name(seen.mark.state) : "none",
		      mark_state_name(state));
}


static bool was_told(void *arg)
{
	return seen.told == *(enum mark_state *)arg;
}


static void wait_told(enum mark_state state)
{
	ck_assert(farm_wait(was_told, &state, LIMIT_MS));
}


static bool was_asked(void *arg)
{
	return sip.asked >= *(unsigned *)arg;
}


/* So many OPTIONS more, whoever sends them */
static void wait_asked(unsigned n)
{
	n += sip.asked;
	ck_assert(farm_wait(was_asked, &n, LIMIT_MS));
}


static bool others_asked(void *arg)
{
	return sip.others >= *(unsigned *)arg;
}


static void setup(unsigned registries)
{
	struct sa sa;

	memset(&seen, 0, sizeof(seen));
	memset(&sip, 0, sizeof(sip));
	farm_open(&farm);
	ck_assert_int_eq(0, sa_set_str(&sa, "127.0.0.1", 0));
	ck_assert_int_eq(0, udp_listen(&sip.us, &sa, sip_recv, NULL));
	ck_assert_int_eq(0, udp_local_get(sip.us, &sip.laddr));
	ck_assert_int_eq(0, bus_kv_watch(&seen.watch, farm.inner, "marks",
					 ">", watch_handler, NULL));

	farm_start(&farm, 0, "r1", REG, NULL);
	ck_assert_int_eq(0, event_listen(&seen.listener,
					 server_events(farm.srvv[0]),
					 "registry.marked", EVENT_PRIO_NORMAL,
					 marked_handler, NULL));
	if (registries > 1)
		farm_start(&farm, 1, "r2", REG, NULL);
	farm_start(&farm, 2, "m", MEDIA, builtinv);
	wait_mark(MARK_IN_CONTACT);
}


static void teardown(void)
{
	mem_deref(seen.listener);
	mem_deref(seen.watch);
	mem_deref(sip.us);
	farm_close(&farm);
}


START_TEST(test_sip)
{
	setup(2);
	wait_asked(4);
	ck_assert_uint_eq(1, seen.events);
	ck_assert_int_eq(MARK_IN_CONTACT, seen.mark.state);

	/* heartbeats and bus are well, but no client could call it */
	sip.mode = SIP_SILENT;
	wait_mark(MARK_OUT_OF_CONTACT);
	ck_assert_str_eq("no answer to OPTIONS", seen.mark.reason);
	wait_told(MARK_OUT_OF_CONTACT);

	/* one that says that it is busy is there */
	sip.mode = SIP_BUSY;
	wait_mark(MARK_IN_CONTACT);
	wait_asked(6);
	ck_assert_int_eq(MARK_IN_CONTACT, seen.mark.state);
	teardown();
}
END_TEST


/* Who reaches it is right, be it who has marked it so far or not; and one of
   them keeps the mark fresh, not both all the time. */
START_TEST(test_agree)
{
	enum { PROBES = 7, OPTIONS = 3 };    /* it is out after three       */
	struct sa sa;
	unsigned n;

	setup(2);
	wait_asked(2);
	seen.writes = 0;
	wait_asked(2 * PROBES);
	ck_assert_uint_gt(sip.others, 0);
	ck_assert_uint_le(seen.writes, PROBES + 2);

	sip.mode = SIP_FIRST_ONLY;
	if (_i) {
		sa = sip.first;
		sip.first = sip.other;
		sip.other = sa;
	}
	n = sip.others + PROBES * OPTIONS;
	seen.writes = 0;
	ck_assert(farm_wait(others_asked, &n, 2 * LIMIT_MS));
	ck_assert(seen.there);
	ck_assert_int_eq(MARK_IN_CONTACT, seen.mark.state);
	ck_assert_uint_eq(1, seen.events);
	ck_assert_uint_eq(0, seen.gone);
	ck_assert_uint_le(seen.writes, PROBES + 3);
	teardown();
}
END_TEST


/* The registry is gone: so is what it said, some time later. */
START_TEST(test_lapse)
{
	setup(1);
	seen.listener = mem_deref(seen.listener);
	farm_stop(&farm, 0);
	wait_mark(MARK_NONE);
	teardown();
}
END_TEST


/* A goodbye: nobody says anything any more. */
START_TEST(test_leave)
{
	setup(2);
	farm_stop(&farm, 2);
	wait_mark(MARK_NONE);
	seen.writes = 0;
	farm_nap(2000);
	ck_assert(!seen.there);
	ck_assert_uint_eq(0, seen.writes);
	teardown();
}
END_TEST


static void plan_put(uint64_t from, uint64_t to)
{
	struct wire_plan plan = {.from = from, .to = to};
	uint8_t buf[WIRE_SMALL_MAX];
	size_t n;

	str_ncpy(plan.server, "m", sizeof(plan.server));
	ck_assert_int_eq(0, wire_plan_encode(buf, sizeof(buf), &n, &plan));
	ck_assert_int_eq(0, bus_kv_put(NULL, farm.inner, "plans", "m", buf,
				       n, 0, NULL, NULL));
}


static void report_put(enum capacity_state state)
{
	struct wire_server ws = {
		.name = "m", .contact = "127.0.0.1:5060", .state = state,
		.media = MEDIA_AUDIO, .capacity = 10, .unused = 7,
		.participants = 3, .conferences = 1, .seq = 1,
	};
	uint8_t buf[WIRE_SMALL_MAX];
	size_t n;

	ck_assert_int_eq(0, wire_server_encode(buf, sizeof(buf), &n, &ws));
	ck_assert_int_eq(0, bus_kv_put(NULL, farm.inner, "servers", "m", buf,
				       n, 0, NULL, NULL));
}


START_TEST(test_states)
{
	const uint64_t now = (uint64_t)time(NULL);

	setup(1);
	report_put(CAPACITY_DRAINING);
	wait_mark(MARK_DRAINING);
	plan_put(now - 10, now + 1000);
	wait_mark(MARK_PLANNED);
	report_put(CAPACITY_OUT);
	wait_mark(MARK_OUT_OF_SERVICE);
	report_put(CAPACITY_IN_SERVICE);
	wait_mark(MARK_PLANNED);
	ck_assert_int_eq(0, bus_kv_delete(NULL, farm.inner, "plans", "m", 0,
					  NULL, NULL));
	wait_mark(MARK_IN_CONTACT);
	plan_put(now + 5000, now + 6000);
	wait_asked(3);
	ck_assert_int_eq(MARK_IN_CONTACT, seen.mark.state);
	teardown();
}
END_TEST


static struct {
	int err;
	bool done;
	char text[4096];
} reply;


static void reply_handler(int err, const char *reason,
			  const struct odict *result, void *arg)
{
	(void)arg;
	reply.err = err;
	reply.done = true;
	if (err)
		str_ncpy(reply.text, reason, sizeof(reply.text));
	else
		re_snprintf(reply.text, sizeof(reply.text), "%H",
			    json_encode_odict, result);
}


static bool replied(void *arg)
{
	(void)arg;

	return reply.done;
}


static const char *ask(const char *command, const char *server)
{
	struct odict *args;

	memset(&reply, 0, sizeof(reply));
	ck_assert_int_eq(0, odict_alloc(&args, 4));
	if (server)
		odict_entry_add(args, "server", ODICT_STRING, server);
	ck_assert_int_eq(0, command_run(server_commands(farm.srvv[0]),
					command, args, reply_handler, NULL));
	mem_deref(args);
	ck_assert(farm_wait(replied, NULL, LIMIT_MS));

	return reply.text;
}


static void has(const char *text, const char *want)
{
	ck_assert_msg(strstr(text, want) != NULL, "no %s in %s", want, text);
}


START_TEST(test_commands)
{
	const char *t;

	setup(2);
	report_put(CAPACITY_IN_SERVICE);
	farm_nap(100);
	t = ask("servers", NULL);
	has(t, "\"name\":\"r1\"");
	has(t, "\"name\":\"r2\"");
	has(t, "\"name\":\"m\"");
	has(t, "\"unused\":7");
	has(t, "\"state\":\"in contact\"");
	has(t, "heartbeat");

	t = ask("registry.probe", "m");
	ck_assert_int_eq(0, reply.err);
	has(t, "\"well\":true");
	has(t, "\"status\":200");
	has(t, "\"bus\":\"answers after ");

	/* a server without SIP has only the bus */
	t = ask("registry.probe", "r2");
	has(t, "\"well\":true");
	has(t, "\"sip\":\"not asked\"");
	has(t, "\"bus\":\"answers after ");

	/* and we ourselves not even that */
	t = ask("registry.probe", "r1");
	has(t, "\"well\":true");
	has(t, "\"sip\":\"not asked\"");
	has(t, "\"bus\":\"not asked\"");

	sip.mode = SIP_SILENT;
	farm_nap(300);
	t = ask("registry.probe", "m");
	has(t, "\"well\":false");
	has(t, "\"sip\":\"no answer\"");

	(void)ask("registry.probe", "nobody");
	ck_assert_int_eq(ENOENT, reply.err);
	(void)ask("registry.probe", NULL);
	ck_assert_int_eq(EINVAL, reply.err);
	teardown();
}
END_TEST


/* While the bus is down nothing is known, and nobody is blamed. */
START_TEST(test_no_bus)
{
	setup(2);
	farm_down(&farm, true);
	wait_asked(2 * 4);
	farm_down(&farm, false);
	wait_asked(2 * 4);
	ck_assert(seen.there);
	ck_assert_int_eq(MARK_IN_CONTACT, seen.mark.state);
	ck_assert_uint_le(seen.events, 2);
	teardown();
}
END_TEST


START_TEST(test_bad_marks)
{
	static const char *const badv[] = {
		"", "{}", "[]", "x", "{\"name\":\"m\"}",
		"{\"name\":\"m\",\"by\":\"r\",\"state\":\"none\"}",
		"{\"name\":\"m\",\"by\":\"\",\"state\":\"planned\"}",
		"{\"name\":\"\",\"by\":\"r\",\"state\":\"planned\"}",
		"{\"name\":1,\"by\":\"r\",\"state\":\"planned\"}",
	};
	struct mark m;
	size_t i;

	for (i=0; i<ARRAY_SIZE(badv); i++)
		ck_assert_msg(mark_decode(&m, (uint8_t *)badv[i],
					  strlen(badv[i])), "%s", badv[i]);

	setup(1);
	for (i=0; i<ARRAY_SIZE(badv); i++)
		ck_assert_int_eq(0, bus_kv_put(NULL, farm.inner, "marks", "x",
					       (uint8_t *)badv[i],
					       strlen(badv[i]), 0, NULL,
					       NULL));
	farm_nap(300);
	ck_assert_int_eq(MARK_IN_CONTACT, seen.mark.state);
	teardown();
}
END_TEST


int main(void)
{
	Suite *s = suite_create("registry");
	TCase *tc = tcase_create("all");
	SRunner *sr;
	int failed;

	calm_speed(4);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, test_sip);
	tcase_add_loop_test(tc, test_agree, 0, 2);
	tcase_add_test(tc, test_lapse);
	tcase_add_test(tc, test_leave);
	tcase_add_test(tc, test_states);
	tcase_add_test(tc, test_commands);
	tcase_add_test(tc, test_no_bus);
	tcase_add_test(tc, test_bad_marks);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? 1 : 0;
}
