/**
 * @file test_remote.c  A server with the service `remote`, asked by HTTP
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <check.h>
#include <re.h>
#include "server/command.h"
#include "server/event.h"
#include "server/server.h"
#include "scene.h"

static bool heard(const struct talk *t, const char *text)
{
	return strstr(t->heard, text) != NULL;
}

static void token_script(struct scene *sc)
{
	static const char *const authv[] = {
		"",
		"Authorization: Bearer\r\n",
		"Authorization: Bearer 0123456789abcdef0123456789abcdef\r\n",
		"Authorization: Basic YTpi\r\n",
		"X-Authorization: Bearer\r\n",
	};
	static const char *const pathv[] = {"/v1/", "/v1/status", "/metrics",
		"/v1/events", "/nothing", "/"};
	char text[512];
	struct talk t;
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(authv); i++) {
		for (k = 0; k < ARRAY_SIZE(pathv); k++) {
			(void)re_snprintf(text, sizeof(text), "GET %s "
					  "HTTP/1.0\r\n%s\r\n", pathv[k],
					  authv[i]);
			ask_raw(sc, &t, text);
			ck_assert_uint_eq(talk_status(&t), 401);
			talk_reset(&t);
		}
	}

	/* nothing is done for a stranger */
	ask_raw(sc, &t, "POST /v1/test.change HTTP/1.0\r\n\r\n");
	ck_assert_uint_eq(talk_status(&t), 401);
	talk_reset(&t);
	ck_assert_uint_eq(sc->calls, 0);

	stop(sc);
}

START_TEST(token_is_needed)
{
	scene_play(token_script, NULL);
}
END_TEST

static void metrics_script(struct scene *sc)
{
	struct talk t;

	ask_raw(sc, &t, "GET /metrics HTTP/1.0\r\n\r\n");
	ck_assert_uint_eq(talk_status(&t), 200);
	ck_assert(heard(&t, "# TYPE "));
	talk_reset(&t);

	ask_raw(sc, &t, "GET /v1/status HTTP/1.0\r\n\r\n");
	ck_assert_uint_eq(talk_status(&t), 401);
	talk_reset(&t);
	stop(sc);
}

START_TEST(metrics_open)
{
	scene_play(metrics_script, "remote.metrics_open=yes");
}
END_TEST

static const struct {
	const char *method, *path, *body;
	unsigned status;
	const char *hear;
} askv[] = {
	{"GET", "/v1/", NULL, 200, "\"name\":\"test.echo\",\"kind\":\"read\""},
	{"GET", "/v1/test.echo", NULL, 200, "\r\n{}\n"},
	{"GET", "/v1/test.echo?a=b%22&c=1", NULL, 200,
	 "{\"a\":\"b\\\"\",\"c\":\"1\"}"},
	{"POST", "/v1/test.echo", "{\"a\":[1,{\"b\":null}],\"c\":true}", 200,
	 "{\"a\":[1,{\"b\":null}],\"c\":true}"},
	{"POST", "/v1/test.echo", NULL, 200, "\r\n{}\n"},
	{"POST", "/v1/test.change", "{}", 200, "\r\n{}\n"},
	{"GET", "/v1/test.late", NULL, 200, "{\"late\":true}"},
	{"HEAD", "/v1/test.echo", NULL, 200, "Content-Length: 3"},
	{"GET", "/metrics", NULL, 200, "text/plain; version=0.0.4"},
	{"GET", "/metrics", NULL, 200, "\njunctor_remote_connections 1\n"},

	{"GET", "/v1/test.change", NULL, 405, "Allow: POST"},
	{"PUT", "/v1/test.change", "{}", 405, "Allow: "},
	{"DELETE", "/v1/", NULL, 405, "Allow: "},
	{"GET", "/v1/nothing", NULL, 404, "\"code\":\"ENOSYS\""},
	{"POST", "/v1/nothing", "{}", 404, "\"code\":\"ENOSYS\""},
	{"GET", "/", NULL, 404, "\"code\":\"ENOENT\""},
	{"GET", "/v2/status", NULL, 404, "\"code\":\"ENOENT\""},
	{"GET", "/v1/../token", NULL, 404, "\"code\":\"ENOENT\""},
	{"GET", "/v1/a%00b", NULL, 404, "\"code\":\"ENOENT\""},
	{"GET", "/v1/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL, 404,
	 "\"code\":\"ENOENT\""},
	{"POST", "/v1/", "{}", 404, "\"code\""},
	{"POST", "/metrics", "{}", 404, "\"code\""},
	{"GET", "/v1/test.echo?a=%zz", NULL, 400, "\"code\":\"EBADMSG\""},
	{"GET", "/v1/test.echo?a=1&a=2", NULL, 400, "\"code\":\"EINVAL\""},
	{"POST", "/v1/test.echo?a=1", "{}", 400, "\"code\":\"EPROTO\""},
	{"POST", "/v1/test.echo", "{\"a\":", 400, "\"code\":\"EBADMSG\""},
	{"POST", "/v1/test.echo", "[]", 400, "\"code\":\"EINVAL\""},
	{"POST", "/v1/test.echo", "{\"a\":1,\"a\":2}", 400,
	 "\"code\":\"EINVAL\""},
	{"POST", "/v1/test.echo", "{\"a\":[[[[[1]]]]]}", 413,
	 "\"code\":\"EOVERFLOW\""},
	{"POST", "/v1/test.fail", "{\"err\":2}", 404,
	 "{\"error\":\"as \\\"asked\\\"\",\"code\":\"ENOENT\"}"},
	{"POST", "/v1/test.fail", "{\"err\":13}", 403, "\"EACCES\""},
	{"POST", "/v1/test.fail", "{\"err\":17}", 409, "\"EEXIST\""},
	{"POST", "/v1/test.fail", "{\"err\":38}", 501, "\"ENOSYS\""},
	{"POST", "/v1/test.fail", "{\"err\":110}", 504, "\"ETIMEDOUT\""},
	{"POST", "/v1/test.fail", "{\"err\":5}", 500, "\"EIO\""},
	{"POST", "/v1/test.fail", "{\"err\":99999}", 500, "\"code\""},
	{"GET", "/v1/events?names=a&names=b", NULL, 400, "\"EINVAL\""},
	{"GET", "/v1/events?names=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	 "aaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL, 413, "\"EOVERFLOW\""},
	{"GET", "/v1/events?names=a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", NULL,
	 413, "\"EOVERFLOW\""},
};

static void ask_script(struct scene *sc)
{
	struct talk t;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(askv); i++) {
		const unsigned status = ask(sc, &t, askv[i].method,
					    askv[i].path, askv[i].body);

		ck_assert_msg(status == askv[i].status &&
			      heard(&t, askv[i].hear), "%s %s %s: %u\n%s",
			      askv[i].method, askv[i].path, askv[i].body
			      ? askv[i].body : "", status, t.heard);
		talk_reset(&t);
	}

	stop(sc);
}

START_TEST(asks)
{
	scene_play(ask_script, NULL);
}
END_TEST

/* What a stranger may say without knowing anything. */
static void junk_script(struct scene *sc)
{
	static const char *const junkv[] = {
		"", "\r\n\r\n", "junk\r\n\r\n", "GET /v1/ HTTP/1.1\r\n",
		"POST /v1/test.change HTTP/1.1\r\nContent-Length: 70000\r\n"
		"\r\n{}",
		"\x16\x03\x01\x02", "INVITE sip:a@b SIP/2.0\r\n\r\n",
	};
	struct talk t;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(junkv); i++) {
		memset(&t, 0, sizeof(t));
		t.addr  = sc->addr;
		t.say   = junkv[i];
		t.half  = true;
		talk_do(&t);
		ck_assert_uint_ne(talk_status(&t), 200);
		talk_reset(&t);
	}

	ck_assert_uint_eq(ask(sc, &t, "GET", "/v1/status", NULL), 200);
	talk_reset(&t);
	stop(sc);
}

START_TEST(junk)
{
	scene_play(junk_script, NULL);
}
END_TEST

static void *watch_thread(void *arg)
{
	talk_do(arg);
	return NULL;
}

static unsigned requests(struct scene *sc)
{
	static const char name[] = "\njunctor_remote_requests_total ";
	const char *found;
	struct talk t;
	unsigned n;

	ck_assert_uint_eq(ask(sc, &t, "GET", "/metrics", NULL), 200);
	found = strstr(t.heard, name);
	ck_assert_ptr_nonnull(found);
	n = (unsigned)strtoul(found + sizeof(name) - 1, NULL, 10);
	talk_reset(&t);

	return n;
}

/* Begin to watch; the server knows of it on return */
static void watch_start(struct scene *sc, pthread_t *tid, struct talk *t,
			char *text, size_t sz, const char *path)
{
	unsigned before, asked = 0;

	(void)re_snprintf(text, sz, "GET %s HTTP/1.0\r\n"
			  "Authorization: Bearer %s\r\n\r\n", path,
			  sc->token);
	t->addr = sc->addr;
	t->say  = text;
	before = requests(sc);
	(void)pthread_create(tid, NULL, watch_thread, t);

	/* whoever counts is a request, too */
	while (requests(sc) < before + ++asked + 1) {
		ck_assert_uint_lt(asked, 2000);
		nap(10);
	}
}

static void watch_script(struct scene *sc)
{
	struct talk t, all = {0}, some = {0}, prefix = {0};
	char text[3][512];
	pthread_t tidv[3];
	size_t i;

	watch_start(sc, &tidv[0], &all, text[0], 512, "/v1/events");
	watch_start(sc, &tidv[1], &some, text[1], 512,
		    "/v1/events?names=test.b,test.c");
	watch_start(sc, &tidv[2], &prefix, text[2], 512,
		    "/v1/events?names=te*");

	ck_assert_uint_eq(ask(sc, &t, "POST", "/v1/test.fire",
			      "{\"name\":\"test.a\"}"), 200);
	talk_reset(&t);
	ck_assert_uint_eq(ask(sc, &t, "POST", "/v1/test.fire",
			      "{\"name\":\"test.b\"}"), 200);
	talk_reset(&t);
	stop(sc);

	for (i = 0; i < 3; i++)
		(void)pthread_join(tidv[i], NULL);

	ck_assert(heard(&all, "{\"event\":\"test.a\",\"callid\":\"c@1\","
			"\"what\":\"a\\u000ab\"}\n"));
	ck_assert(heard(&all, "\"test.b\""));
	ck_assert(heard(&all, "\"server.stopping\""));
	ck_assert(!heard(&some, "test.a"));
	ck_assert(heard(&some, "\"test.b\""));
	ck_assert(!heard(&some, "server"));
	ck_assert(heard(&prefix, "\"test.a\""));
	ck_assert(!heard(&prefix, "server"));
	talk_reset(&all);
	talk_reset(&some);
	talk_reset(&prefix);
}

START_TEST(watches)
{
	scene_play(watch_script, NULL);
}
END_TEST

/* One watcher sleeps: the others and the server do not notice. */
static void sleeper_script(struct scene *sc)
{
	atomic_bool fired = false;
	struct talk t, sleeper = {.until = &fired};
	char text[512];
	pthread_t tid;

	watch_start(sc, &tid, &sleeper, text, sizeof(text), "/v1/events");
	ck_assert_uint_eq(ask(sc, &t, "POST", "/v1/test.fire",
			      "{\"name\":\"test.a\",\"n\":2000}"), 200);
	talk_reset(&t);
	fired = true;
	(void)pthread_join(tid, NULL);

	/* 2000 events are 8 MB; what the kernel and we hold is less */
	ck_assert_uint_gt(sleeper.heardc, 100000);
	ck_assert_uint_lt(sleeper.heardc, 7000000);
	talk_reset(&sleeper);
	stop(sc);
}

START_TEST(sleeping_watcher_is_cut)
{
	scene_play(sleeper_script, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("remote");
	TCase *tc = tcase_create("server");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, token_is_needed);
	tcase_add_test(tc, metrics_open);
	tcase_add_test(tc, asks);
	tcase_add_test(tc, junk);
	tcase_add_test(tc, watches);
	tcase_add_test(tc, sleeping_watcher_is_cut);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
