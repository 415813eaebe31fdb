/**
 * @file test_standby.c  standby: who is active, and how that changes
 */
#include <string.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/stat.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/event.h"
#include "bus/bus.h"
#include "standby/hook.h"
#include "noc.h"


#define FAST "service standby\nstandby.lease 300\nstandby.renew 60\n" \
	"standby.interval 20\nstandby.timeout 150\nstandby.grace 200\n" \
	"standby.drain 300\n"

enum { HOOK_MS = 20000 };          /* for a hook that does its work         */

/* The other server of the role, made up */
static struct {
	struct udp_sock *us;
	struct sa sa;
	bool answers;
	struct tmr renew;
	struct listener *lv[3];
	char holder[256];          /* what the bus says                     */
	uint64_t rev;
	struct bus_watch *watch;
	unsigned active, passive, failed;
	int answer;                /* to a request, -1: none                */
} t;

static char hook[64], trail[64];


/* hooks */

static void hook_end(int err, void *arg)
{
	*(int *)arg = err;
	re_cancel();
}


static int hook_try(const char *script, uint32_t timeout)
{
	const char *const argv[] = {
		"/bin/sh", "-c", script, "sh", "up", "1.2.3.4", NULL
	};
	struct hook *hk = NULL;
	int err = -1;

	ck_assert_int_eq(0, libre_init());
	ck_assert_int_eq(0, hook_run(&hk, argv, timeout, hook_end, &err));
	ck_assert_int_eq(0, re_main(NULL));
	mem_deref(hk);
	libre_close();

	return err;
}


START_TEST(test_hook)
{
	static const char *const missing[] = {"/no/such/file", NULL};
	static const char *const none[] = {NULL};
	struct hook *hk = NULL;
	int err;

	(void)setenv("SECRET", "x", 1);
	ck_assert_int_eq(0, hook_try("test $1 = up -a $2 = 1.2.3.4", HOOK_MS));
	ck_assert_int_eq(ECANCELED, hook_try("exit 3", HOOK_MS));
	ck_assert_int_eq(ECANCELED, hook_try("kill -9 $$", HOOK_MS));
	ck_assert_int_eq(ETIMEDOUT, hook_try("sleep 30 & sleep 30", 50));
	/* nothing of ours is in its environment, no descriptor open */
	ck_assert_int_eq(0, hook_try("test -z \"$SECRET\" -a -n \"$PATH\"",
				     HOOK_MS));
	ck_assert_int_eq(0, hook_try("test ! -e /proc/self/fd/5", HOOK_MS));

	ck_assert_int_eq(0, libre_init());
	ck_assert_int_eq(ENOENT, hook_run(&hk, missing, 100, hook_end, &err));
	ck_assert_int_eq(EINVAL, hook_run(&hk, none, 100, hook_end, &err));
	libre_close();
}
END_TEST


static void hook_write(const char *script)
{
	FILE *f;

	str_ncpy(hook, "/tmp/junctor-hook-XXXXXX", sizeof(hook));
	close(mkstemp(hook));
	re_snprintf(trail, sizeof(trail), "%s.trail", hook);
	f = fopen(hook, "w");
	ck_assert_ptr_nonnull(f);
	fprintf(f, "#!/bin/sh\necho \"$*\" >> %s\n%s\n", trail, script);
	fclose(f);
	ck_assert_int_eq(0, chmod(hook, 0700));
}


static void trail_read(char *buf, size_t sz)
{
	FILE *f = fopen(trail, "r");
	size_t n = f ? fread(buf, 1, sz - 1, f) : 0;

	buf[n] = '\0';
	if (f)
		fclose(f);
}


static void trail_is(const char *want)
{
	char buf[256];

	trail_read(buf, sizeof(buf));
	ck_assert_str_eq(want, buf);
}


static const char trail_up[] = "up 127.0.0.50 5060 main\n";
static const char trail_down[] = "up 127.0.0.50 5060 main\n"
	"down 127.0.0.50 5060 main\n";


static void hook_remove(void)
{
	(void)unlink(hook);
	(void)unlink(trail);
}


/* the bus */

static bool event_handler(const struct event *ev, void *arg)
{
	++*(unsigned *)arg;
	(void)ev;

	return false;
}


static void watch_handler(const char *key, uint64_t rev, const uint8_t *buf,
			  size_t len, void *arg)
{
	(void)arg;
	if (!key)
		return;

	ck_assert_str_eq("dispatch-main", key);
	t.rev = rev;
	re_snprintf(t.holder, sizeof(t.holder), "%b", buf, len);
}


static void role_put(const char *json)
{
	ck_assert_int_eq(0, bus_kv_put(NULL, server_bus(noc.srv), "roles",
				       "dispatch-main",
				       (const uint8_t *)json, strlen(json),
				       0, NULL, NULL));
}


static void other_has(bool ready)
{
	char json[128];

	re_snprintf(json, sizeof(json), "{\"server\":\"other\",\"sip\":"
		    "\"%J\",\"ready\":%s}", &t.sa, ready ? "true" : "false");
	role_put(json);
}


static void renew_handler(void *arg)
{
	(void)arg;
	other_has(true);
	tmr_start(&t.renew, 60, renew_handler, NULL);
}


static void options_handler(const struct sa *src, struct mbuf *mb, void *arg)
{
	struct mbuf *resp;
	struct pl callid;
	(void)arg;

	if (!t.answers)
		return;

	ck_assert(!re_regex((char *)mbuf_buf(mb), mbuf_get_left(mb),
			    "\nCall-ID: [^\r]+", &callid));
	resp = mbuf_alloc(512);
	ck_assert_int_eq(0, mbuf_printf(resp, "SIP/2.0 200 OK\r\n"
					"Call-ID: %r\r\n\r\n", &callid));
	resp->pos = 0;
	(void)udp_send(t.us, src, resp);
	mem_deref(resp);
}


static void begin(void)
{
	struct events *evs = server_events(noc.srv);

	memset(&t, 0, sizeof(t));
	tmr_init(&t.renew);
	ck_assert_int_eq(0, sa_set_str(&t.sa, "127.0.0.1", 0));
	ck_assert_int_eq(0, udp_listen(&t.us, &t.sa, options_handler, NULL));
	ck_assert_int_eq(0, udp_local_get(t.us, &t.sa));
	t.answers = true;
	ck_assert_int_eq(0, bus_kv_watch(&t.watch, server_bus(noc.srv),
					 "roles", ">", watch_handler, NULL));
	ck_assert_int_eq(0, event_listen(&t.lv[0], evs, "standby.active",
					 EVENT_PRIO_NORMAL, event_handler,
					 &t.active));
	ck_assert_int_eq(0, event_listen(&t.lv[1], evs, "standby.passive",
					 EVENT_PRIO_NORMAL, event_handler,
					 &t.passive));
	ck_assert_int_eq(0, event_listen(&t.lv[2], evs, "standby.failed",
					 EVENT_PRIO_NORMAL, event_handler,
					 &t.failed));
}


static void end(void)
{
	size_t i;

	tmr_cancel(&t.renew);
	t.us = mem_deref(t.us);
	t.watch = mem_deref(t.watch);
	for (i=0; i<ARRAY_SIZE(t.lv); i++)
		t.lv[i] = mem_deref(t.lv[i]);
}


static void holder_is(const char *server)
{
	char want[128];

	re_snprintf(want, sizeof(want), "{\"server\":\"%s\",", server);
	ck_assert_msg(!strncmp(t.holder, want, strlen(want)), "%s",
		      t.holder);
}


/* What hooks bring about takes as long as processes take. */

static bool is_active(void)
{
	return t.active > 0 && strstr(t.holder, "\"m1\"") &&
		strstr(t.holder, "\"ready\":true");
}


static bool is_passive(void)
{
	char buf[256];

	trail_read(buf, sizeof(buf));

	return t.passive > 0 && !strcmp(buf, trail_down);
}


static bool has_failed(void)
{
	return t.failed > 0 && strstr(t.holder, "\"server\":\"\"");
}


static bool is_down(void)
{
	char buf[256];

	trail_read(buf, sizeof(buf));

	return !strcmp(buf, trail_down);
}


/* A free role: who is preferred takes it at once, the others later */
static void free_begin(void)
{
	begin();
	noc.delay = 80;
}


static void free_taken(void)
{
	holder_is("m1");
	ck_assert_str_eq("{\"server\":\"m1\",\"sip\":\"127.0.0.1:5070\","
			 "\"ready\":true}", t.holder);
	end();
}


static void free_left(void)
{
	ck_assert_str_eq("", t.holder);
	noc.delay = 300;
}


static void free_taken_late(void)
{
	ck_assert_uint_eq(1, t.active);
	holder_is("m1");
	end();
}


START_TEST(test_free)
{
	RUN(FAST "standby.prefer yes\n", free_begin, free_taken);
	RUN(FAST, free_begin, free_left, free_taken_late);
}
END_TEST


/* Both signs of life must be missing. */
static void watch_begin(void)
{
	begin();
	renew_handler(NULL);
	noc.delay = 600;
}


static void watch_mute(void)
{
	holder_is("other");
	t.answers = false;         /* but its role is renewed               */
	noc.delay = 600;
}


static void watch_stuck(void)
{
	holder_is("other");
	t.answers = true;
	tmr_cancel(&t.renew);      /* but it answers OPTIONS                */
	noc.delay = 600;
}


static void watch_die(void)
{
	holder_is("other");
	ck_assert_uint_eq(0, t.active);
	t.answers = false;
	noc.delay = 600;
}


static void watch_taken(void)
{
	holder_is("m1");
	ck_assert_uint_eq(1, t.active);

	/* the other one is back, and has not heard: it may not write */
	other_has(true);
	noc.delay = 100;
}


static void watch_lost(void)
{
	/* who has the role by the bus is obeyed */
	holder_is("other");
	ck_assert_uint_eq(1, t.passive);

	/* it gives up: at once */
	t.answers = true;
	role_put("{\"server\":\"\",\"sip\":\"\",\"ready\":false}");
	noc.delay = 100;
}


static void watch_again(void)
{
	holder_is("m1");
	ck_assert_uint_eq(2, t.active);
	end();
}


START_TEST(test_watch)
{
	RUN(FAST, watch_begin, watch_mute, watch_stuck, watch_die,
	    watch_taken, watch_lost, watch_again);
}
END_TEST


static void resp_handler(int err, const uint8_t *buf, size_t len, void *arg)
{
	(void)arg;
	ck_assert_int_eq(0, err);
	t.answer = len == 11 && !memcmp(buf, "{\"ok\":true}", len);
}


static void ask(const char *json)
{
	t.answer = -1;
	ck_assert_int_eq(0, bus_request(NULL, server_bus(noc.srv),
					"server.m1.standby",
					(const uint8_t *)json, strlen(json),
					500, resp_handler, NULL));
}


/* Handed over: the new one is ready before the address goes */
static void yield_begin(void)
{
	begin();
	noc_until(is_active);
}


static void yield_bad(void)
{
	trail_is(trail_up);
	ask("{\"op\":\"yield\",\"role\":\"other\",\"to\":\"x\","
	    "\"sip\":\"127.0.0.1:1\"}");
}


static void yield_bad2(void)
{
	ck_assert_int_eq(0, t.answer);
	ask("{\"op\":\"yield\",\"role\":\"main\",\"to\":\"a\\\"b\","
	    "\"sip\":\"127.0.0.1:1\"}");
}


static void yield_bad3(void)
{
	ck_assert_int_eq(0, t.answer);
	ask("rubbish");
}


static void yield_good(void)
{
	char json[128];

	ck_assert_int_eq(0, t.answer);
	holder_is("m1");
	re_snprintf(json, sizeof(json), "{\"op\":\"yield\",\"role\":\"main\","
		    "\"to\":\"other\",\"sip\":\"%J\"}", &t.sa);
	ask(json);
	noc.delay = 100;
}


static void yield_given(void)
{
	ck_assert_int_eq(1, t.answer);
	holder_is("other");
	ck_assert_uint_eq(0, t.passive);
	trail_is(trail_up);
	other_has(true);
	noc_until(is_passive);
}


static void yield_left(void)
{
	ck_assert_uint_eq(1, t.passive);
	trail_is(trail_down);
	end();
}


static char conf_hook[512];


static const char *with_hook(const char *more)
{
	re_snprintf(conf_hook, sizeof(conf_hook), FAST
		    "standby.address 127.0.0.50:5060\n"
		    "standby.takeover %s\n%s%s", hook,
		    strstr(more, "takeover_timeout") ? "" :
		    "standby.takeover_timeout 20000\n", more);

	return conf_hook;
}


START_TEST(test_yield)
{
	hook_write("exit 0");
	RUN(with_hook("standby.prefer yes\nstandby.failback 0\n"),
	    yield_begin, yield_bad, yield_bad2, yield_bad3, yield_good,
	    yield_given, yield_left);
	hook_remove();
}
END_TEST


/* A hook that fails: somebody else may try */
static void fail_begin(void)
{
	begin();
	noc_until(has_failed);
}


static void fail_given_up(void)
{
	holder_is("");
	ck_assert_uint_eq(0, t.active);
	ck_assert_uint_eq(1, t.failed);
	trail_is(trail_up);
	end();
}


START_TEST(test_hook_fails)
{
	hook_write("exit 1");
	RUN(with_hook("standby.prefer yes\n"), fail_begin, fail_given_up);
	hook_remove();

	hook_write("sleep 10");
	RUN(with_hook("standby.prefer yes\nstandby.takeover_timeout 100\n"),
	    fail_begin, fail_given_up);
	hook_remove();
}
END_TEST


/* Who is preferred asks for its role */
static void back_request(const char *subject, const uint8_t *buf, size_t len,
			 struct bus_reply *reply, void *arg)
{
	(void)subject;
	(void)arg;
	ck_assert(!re_regex((const char *)buf, len, "\"to\":\"m1\""));
	++t.answer;
	tmr_cancel(&t.renew);
	role_put("{\"server\":\"m1\",\"sip\":\"127.0.0.1:5070\","
		 "\"ready\":false}");
	(void)bus_respond(reply, (const uint8_t *)"{\"ok\":true}", 11);
}


static struct bus_sub *back_sub;


static void back_begin(void)
{
	begin();
	renew_handler(NULL);
	ck_assert_int_eq(0, bus_subscribe(&back_sub, server_bus(noc.srv),
					  "server.other.standby",
					  back_request, NULL));
	noc.delay = 100;
}


static void back_not_yet(void)
{
	/* it was free for a moment, before the other one had it */
	holder_is("other");
	noc.delay = 500;
}


static void back_done(void)
{
	ck_assert_int_eq(1, t.answer);
	holder_is("m1");
	ck_assert_str_eq("{\"server\":\"m1\",\"sip\":\"127.0.0.1:5070\","
			 "\"ready\":true}", t.holder);
	back_sub = mem_deref(back_sub);
	end();
}


START_TEST(test_failback)
{
	RUN(FAST "standby.prefer yes\nstandby.failback 300\n",
	    back_begin, back_not_yet, back_done);
}
END_TEST


static void rubbish(void)
{
	begin();
	role_put("{\"server\":");
	noc.delay = 300;
}


static void rubbish_replaced(void)
{
	holder_is("m1");
	end();
}


START_TEST(test_rubbish)
{
	RUN(FAST, rubbish, rubbish_replaced);
}
END_TEST


/* Gone in order: the role is free at once, and the address goes */
static void stop_begin(void)
{
	begin();
	noc_until(is_active);
}


static void stop_stop(void)
{
	struct service *svc = service_find(noc.srv, "standby");

	holder_is("m1");
	ck_assert_int_eq(0, service_stop(svc));
	t.active = 0;
	noc_until(is_down);
}


static void stop_stopped(void)
{
	holder_is("");
	trail_is(trail_down);
	ck_assert_int_eq(0, service_start(service_find(noc.srv, "standby")));
	noc_until(is_active);
}


static void stop_again(void)
{
	holder_is("m1");
	end();
}


START_TEST(test_stop)
{
	hook_write("exit 0");
	RUN(with_hook("standby.prefer yes\n"), stop_begin, stop_stop,
	    stop_stopped, stop_again);
	hook_remove();
}
END_TEST


int main(void)
{
	Suite *s = suite_create("standby");
	TCase *tc = tcase_create("standby");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, test_hook);
	tcase_add_test(tc, test_free);
	tcase_add_test(tc, test_watch);
	tcase_add_test(tc, test_yield);
	tcase_add_test(tc, test_hook_fails);
	tcase_add_test(tc, test_failback);
	tcase_add_test(tc, test_rubbish);
	tcase_add_test(tc, test_stop);
	suite_add_tcase(s, tc);

	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
