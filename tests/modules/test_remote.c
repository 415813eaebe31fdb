/**
 * @file test_remote.c  A server with the service `remote`, asked by HTTP and
 *                      by the operator's command
 *
 * The server runs in the main thread; a script in a thread beside it asks
 * what is to be asked and then stops the server the way an operator does.
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
#include "talk.h"

enum { COMMANDS = 9 };

struct scene {
	struct server *srv;
	struct command *cmdv[COMMANDS];
	struct command_req *late;
	struct tmr tmr;
	char dir[64];
	char token[300];
	struct sa addr;
	void (*script)(struct scene *sc);
	unsigned calls;          /* of test.change                         */
};

static void nap(unsigned ms)
{
	const struct timespec ts = {.tv_sec = ms / 1000,
		.tv_nsec = (long)(ms % 1000) * 1000000};

	(void)nanosleep(&ts, NULL);
}

static bool line_read(char *buf, size_t sz, const char *dir,
		      const char *name)
{
	char path[256];
	FILE *f;
	bool ok;

	(void)re_snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r");
	if (!f)
		return false;

	ok = fgets(buf, (int)sz, f) != NULL;
	buf[strcspn(buf, "\n")] = '\0';
	(void)fclose(f);

	return ok;
}

/* ---- the server's side ---- */

static void echo_handler(struct command_req *req, const struct odict *args,
			 void *arg)
{
	(void)arg;
	command_ok(req, args);
}

static void fail_handler(struct command_req *req, const struct odict *args,
			 void *arg)
{
	uint64_t err = EIO;
	(void)arg;

	(void)odict_get_number(args, &err, "err");
	command_fail(req, (int)err, "as \"asked\"");
}

static void late_answer(void *arg)
{
	struct scene *sc = arg;
	struct odict *od = NULL;

	(void)odict_alloc(&od, 4);
	(void)odict_entry_add(od, "late", ODICT_BOOL, 1);
	command_ok(sc->late, od);
	sc->late = NULL;
	mem_deref(od);
}

static void late_handler(struct command_req *req, const struct odict *args,
			 void *arg)
{
	struct scene *sc = arg;
	(void)args;

	sc->late = req;
	tmr_start(&sc->tmr, 50, late_answer, sc);
}

static void change_handler(struct command_req *req, const struct odict *args,
			   void *arg)
{
	struct scene *sc = arg;
	(void)args;

	++sc->calls;
	command_ok(req, NULL);
}

static int detail(struct odict *od, const void *data)
{
	return odict_entry_add(od, "what", ODICT_STRING, data);
}

static void fire_handler(struct command_req *req, const struct odict *args,
			 void *arg)
{
	struct scene *sc = arg;
	const char *name = odict_string(args, "name");
	uint64_t n = 1;
	static char big[4000];

	memset(big, 'x', sizeof(big) - 1);
	(void)odict_get_number(args, &n, "n");
	while (n--) {
		const struct event ev = {.name = name, .callid = "c@1",
			.data = n ? big : "a\nb", .detail = detail};

		(void)event_fire(server_events(sc->srv), &ev);
	}

	command_ok(req, NULL);
}

static int object_add(struct odict *array, const char *key, const char *name,
		      int64_t n)
{
	struct odict *od = NULL;
	int err;

	err  = odict_alloc(&od, 4);
	err |= odict_entry_add(od, "name", ODICT_STRING, name);
	err |= odict_entry_add(od, "unused", ODICT_INT, n);
	err |= odict_entry_add(od, "rate_hz", ODICT_DOUBLE, 48000.0);
	err |= odict_entry_add(array, key, ODICT_OBJECT, od);
	mem_deref(od);

	return err;
}

/* Plays `capacity`, of which remote and the command know nothing. */
static void list_handler(struct command_req *req, const struct odict *args,
			 void *arg)
{
	struct odict *od = NULL, *array = NULL;
	(void)args;
	(void)arg;

	(void)odict_alloc(&od, 4);
	(void)odict_alloc(&array, 4);
	(void)object_add(array, "0", "media-1\x1b[31m", 7);
	(void)object_add(array, "1", "m", 1234);
	(void)odict_entry_add(od, "servers", ODICT_ARRAY, array);
	command_ok(req, od);
	mem_deref(array);
	mem_deref(od);
}

static void person_add(struct odict *array, int64_t id, const char *user,
		       const char *name)
{
	struct odict *od = NULL;
	char key[16];

	(void)re_snprintf(key, sizeof(key), "%lld", id);
	(void)odict_alloc(&od, 4);
	(void)odict_entry_add(od, "id", ODICT_INT, id);
	(void)odict_entry_add(od, "user", ODICT_STRING, user);
	(void)odict_entry_add(od, "name", ODICT_STRING, name);
	(void)odict_entry_add(array, key, ODICT_OBJECT, od);
	mem_deref(od);
}

static void people_handler(struct command_req *req, const struct odict *args,
			   void *arg)
{
	const char *conf = odict_string(args, "conference");
	struct odict *od = NULL, *array = NULL;
	(void)arg;

	if (!conf || strcmp(conf, "tea")) {
		command_fail(req, ENOENT, "no such conference");
		return;
	}

	(void)odict_alloc(&od, 4);
	(void)odict_alloc(&array, 4);
	person_add(array, 7, "alice@a.net", "Alice");
	person_add(array, 8, "bob@a.net", "Twin");
	person_add(array, 9, "1001@a.net", "Twin");
	(void)odict_entry_add(od, "participants", ODICT_ARRAY, array);
	command_ok(req, od);
	mem_deref(array);
	mem_deref(od);
}

/* ---- the scene ---- */

static void *script_thread(void *arg)
{
	struct scene *sc = arg;
	char line[80];
	unsigned i;

	for (i = 0; !line_read(line, sizeof(line), sc->dir, "remote.addr");
	     i++) {
		ck_assert_uint_lt(i, 1000);
		nap(5);
	}

	ck_assert_int_eq(sa_decode(&sc->addr, line, strlen(line)), 0);
	ck_assert(line_read(sc->token, sizeof(sc->token), sc->dir, "token"));
	sc->script(sc);

	return NULL;
}

static void scene_commands(struct scene *sc)
{
	static const struct {
		const char *name;
		enum command_kind kind;
		command_h *h;
	} cmdv[COMMANDS] = {
		{"test.echo", COMMAND_READ, echo_handler},
		{"test.fail", COMMAND_READ, fail_handler},
		{"test.late", COMMAND_READ, late_handler},
		{"test.change", COMMAND_CHANGE, change_handler},
		{"test.fire", COMMAND_CHANGE, fire_handler},
		{"capacity", COMMAND_READ, list_handler},
		{"participants", COMMAND_READ, people_handler},
		{"mute", COMMAND_CHANGE, echo_handler},
		{"plan-out", COMMAND_CHANGE, echo_handler},
	};
	size_t i;

	for (i = 0; i < COMMANDS; i++)
		ck_assert_int_eq(command_add(&sc->cmdv[i],
					     server_commands(sc->srv),
					     cmdv[i].name, cmdv[i].kind,
					     "for tests", cmdv[i].h, sc), 0);
}

static void scene_clean(const struct scene *sc)
{
	static const char *const namev[] = {"token", "remote.addr",
		"junctord.pid", "junctord.log"};
	char path[128];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(namev); i++) {
		(void)re_snprintf(path, sizeof(path), "%s/%s", sc->dir,
				  namev[i]);
		(void)unlink(path);
	}
	(void)rmdir(sc->dir);
}

static void scene_play(void (*script)(struct scene *sc), const char *set)
{
	char dirset[96];
	const char *setv[] = {"service=remote", dirset, set};
	const struct server_opts opts = {.setv = setv, .setc = set ? 3 : 2,
		.module_path = "modules"};
	struct scene sc = {.script = script,
		.dir = "/tmp/junctor-remote-XXXXXX"};
	pthread_t tid;
	size_t i;

	ck_assert_int_eq(libre_init(), 0);
	ck_assert_ptr_nonnull(mkdtemp(sc.dir));
	(void)re_snprintf(dirset, sizeof(dirset), "server.dir=%s", sc.dir);
	ck_assert_int_eq(server_alloc(&sc.srv, &opts), 0);
	scene_commands(&sc);

	ck_assert_int_eq(pthread_create(&tid, NULL, script_thread, &sc), 0);
	ck_assert_int_eq(server_run(sc.srv), 0);
	(void)pthread_join(tid, NULL);

	for (i = 0; i < COMMANDS; i++)
		mem_deref(sc.cmdv[i]);
	mem_deref(sc.srv);
	scene_clean(&sc);
	libre_close();
}

/* ---- by HTTP ---- */

static void ask_raw(struct scene *sc, struct talk *t, const char *text)
{
	memset(t, 0, sizeof(*t));
	t->addr = sc->addr;
	t->say  = text;
	talk_do(t);
}

static unsigned ask(struct scene *sc, struct talk *t, const char *method,
		    const char *path, const char *body)
{
	char text[2048];

	(void)re_snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\n"
			  "Authorization: Bearer %s\r\n"
			  "Connection: close\r\nContent-Length: %zu\r\n\r\n"
			  "%s", method, path, sc->token,
			  body ? strlen(body) : (size_t)0, body ? body : "");
	ask_raw(sc, t, text);

	return talk_status(t);
}

static bool heard(const struct talk *t, const char *text)
{
	return strstr(t->heard, text) != NULL;
}

static void stop(struct scene *sc)
{
	struct talk t;

	ck_assert_uint_eq(ask(sc, &t, "POST", "/v1/stop", "{}"), 200);
	talk_reset(&t);
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

static void watch_start(struct scene *sc, pthread_t *tid, struct talk *t,
			char *text, size_t sz, const char *path)
{
	(void)re_snprintf(text, sz, "GET %s HTTP/1.0\r\n"
			  "Authorization: Bearer %s\r\n\r\n", path,
			  sc->token);
	t->addr = sc->addr;
	t->say  = text;
	(void)pthread_create(tid, NULL, watch_thread, t);
	nap(200);
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
	struct talk t, sleeper = {.pause_ms = 1500};
	char text[512];
	pthread_t tid;

	watch_start(sc, &tid, &sleeper, text, sizeof(text), "/v1/events");
	ck_assert_uint_eq(ask(sc, &t, "POST", "/v1/test.fire",
			      "{\"name\":\"test.a\",\"n\":2000}"), 200);
	talk_reset(&t);
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

/* ---- by the operator's command ---- */

static int run(const struct scene *sc, char *out, size_t sz,
	       const char *args)
{
	char cmd[512];
	size_t n;
	FILE *p;
	int st;

	(void)re_snprintf(cmd, sizeof(cmd), "src/junctor --dir %s %s 2>&1",
			  sc->dir, args);
	p = popen(cmd, "r");
	ck_assert_ptr_nonnull(p);
	n = fread(out, 1, sz - 1, p);
	out[n] = '\0';
	st = pclose(p);
	ck_assert(WIFEXITED(st));

	return WEXITSTATUS(st);
}

static const struct {
	const char *args;
	int exit;
	const char *out;
} runv[] = {
	{"status", 0, "\nstate    running\n"},
	{"--json status", 0, "\"state\":\"running\""},
	{"status --json", 0, "\"state\":\"running\""},
	{"version", 0, "junctor "},
	{"commands", 0, "test.echo     read    for tests\n"},
	{"capacity", 0, "NAME          UNUSED  RATE [Hz]\n"
	 "media-1?[31m       7    48000.0\nm               1234"},
	{"capacity --json", 0, "[{\"name\":\"media-1\\u001B[31m\","
	 "\"unused\":7,\"rate_hz\":48000.000000},\n {\"name\""},
	{"run test.echo a=b c:=7 d:=true e=", 0,
	 "a  b\nc  7\nd  yes\ne  -\n"},
	{"run test.echo --json a=b c:=7", 0, "{\"a\":\"b\",\"c\":7}"},
	{"mute tea alice@a.net", 0, "conference  tea\nid          7\n"},
	{"mute tea Alice", 0, "id          7\n"},
	{"mute tea 1001@a.net --json", 0, "\"id\":9}"},
	{"mute tea id=12", 0, "id          12\n"},
	{"mute tea all", 0, "user        all\n"},
	{"mute tea user=eve", 0, "user        eve\n"},
	{"mute tea Twin", 1, "2 in 'tea' are 'Twin': say id=N"},
	{"mute tea eve", 1, "'eve' is not in 'tea'"},
	{"mute coffee eve", 1, "no such conference"},
	{"complete participants tea", 0,
	 "alice@a.net\nbob@a.net\n1001@a.net\n"},
	{"plan media-1 2026-01-01 2026-01-02T03:04:05Z", 0,
	 "server  media-1\nfrom    2026-01-01T00:00:00Z\n"
	 "to      2026-01-02T03:04:05Z\n"},
	{"plan --json media-1 0 1767225600", 0,
	 "{\"server\":\"media-1\",\"from\":0,\"to\":1767225600}"},
	{"plan media-1 off --json", 0, "\"to\":0}"},
	{"run test.change", 0, "done\n"},
	{"get server.name", 0, "server.name  "},
	{"settings remote", 0, "remote.listen"},
	{"set remote.metrics_open=yes", 0, "remote.metrics_open  yes"},
	{"set remote.metrics_open no", 0, "remote.metrics_open  no"},
	{"top -n 1", 0, "conferences 0  participants 0"},
	{"complete services", 0, "remote\n"},
	{"--help", 0, "Commands:"},
	{"help mute", 0, "Usage: junctor [--dir DIR] [--json] mute"},
	{"mute --help", 0, "Usage: junctor [--dir DIR] [--json] mute"},

	{"conferences", 1, "no command 'conferences'"},
	{"run statu", 1, "did you mean 'status'?"},
	{"get no.such", 1, "no such setting"},
	{"set remote.metrics_open maybe", 1, "remote.metrics_open"},
	{"run test.fail", 1, "test.fail: as \"asked\""},
	{"log --no-follow", 1, "writes no such file (log.file)"},
	{"", 2, "say what to do"},
	{"cpacity", 2, "did you mean 'capacity'?"},
	{"xyzzy", 2, "unknown command 'xyzzy'"},
	{"--frob status", 2, "unknown option"},
	{"get", 2, "key is missing"},
	{"get a b", 2, "'b' is too much"},
	{"mute", 2, "usage: junctor mute CONF WHO"},
	{"mute a id=x", 2, "an id is a number"},
	{"set a", 2, "usage: junctor set KEY VALUE"},
	{"run test.echo a", 2, "write NAME=VALUE"},
	{"run test.echo a=1 a=2", 2, "given twice"},
	{"run test.echo a:=x", 2, "not a number"},
	{"run ../x", 2, "cannot be the name"},
	{"usage --from yesterday", 2, "is no time"},
	{"usage --frob x", 2, "unknown option"},
	{"plan media-1", 2, "usage: junctor plan"},
	{"plan media-1 2026-01-02 2026-01-01", 2, "ends before it begins"},
	{"plan media-1 2026-01-02 2026-01-99", 2, "is no time"},
	{"top -n 0", 2, "number from 1"},
	{"trace remote maybe", 2, "say on or off"},
	{"events 'a b'", 2, "cannot be the name"},
};

/* The last lines of a file of 3000. */
static void log_check(const struct scene *sc)
{
	static const struct {
		const char *n, *out;
	} tailv[] = {
		{"0", ""}, {"1", "line 2999\n"},
		{"2", "line 2998\nline 2999\n"},
	};
	char out[65536], path[128], args[64];
	size_t i, lines = 0;
	FILE *f;

	(void)re_snprintf(path, sizeof(path), "%s/junctord.log", sc->dir);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	for (i = 0; i < 3000; i++)
		(void)fprintf(f, "line %zu\n", i);
	(void)fclose(f);

	for (i = 0; i < ARRAY_SIZE(tailv); i++) {
		(void)re_snprintf(args, sizeof(args),
				  "log --no-follow -n %s", tailv[i].n);
		ck_assert_int_eq(run(sc, out, sizeof(out), args), 0);
		ck_assert_str_eq(out, tailv[i].out);
	}

	ck_assert_int_eq(run(sc, out, sizeof(out), "log --no-follow"), 0);
	ck_assert(!strncmp(out, "line 2980\n", 10));
	ck_assert_int_eq(run(sc, out, sizeof(out),
			     "log --no-follow -n 9999"), 0);
	for (i = 0; out[i]; i++)
		lines += out[i] == '\n';
	ck_assert_uint_eq(lines, 3000);
	(void)unlink(path);
}

static void run_script(struct scene *sc)
{
	char out[16384], path[128];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(runv); i++) {
		const int ret = run(sc, out, sizeof(out), runv[i].args);

		ck_assert_msg(ret == runv[i].exit &&
			      strstr(out, runv[i].out), "junctor %s: %d\n%s",
			      runv[i].args, ret, out);
	}

	log_check(sc);

	/* a wrong token */
	(void)re_snprintf(path, sizeof(path), "%s/token", sc->dir);
	ck_assert_int_eq(truncate(path, 20), 0);
	ck_assert_int_eq(run(sc, out, sizeof(out), "status"), 4);
	ck_assert_int_eq(run(sc, out, sizeof(out), "events"), 4);
	(void)unlink(path);
	ck_assert_int_eq(run(sc, out, sizeof(out), "status"), 4);

	stop(sc);
	nap(100);
	ck_assert_int_eq(run(sc, out, sizeof(out), "status"), 3);
	ck_assert_int_eq(run(sc, out, sizeof(out), "stop"), 3);
}

START_TEST(runs)
{
	scene_play(run_script, NULL);
}
END_TEST

static void stop_script(struct scene *sc)
{
	char out[256];

	ck_assert_int_eq(run(sc, out, sizeof(out), "stop"), 0);
	ck_assert_str_eq(out, "stopped\n");
}

START_TEST(stops)
{
	scene_play(stop_script, NULL);
}
END_TEST

static Suite *remote_suite(void)
{
	Suite *s = suite_create("remote");
	TCase *tc = tcase_create("server");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, token_is_needed);
	tcase_add_test(tc, metrics_open);
	tcase_add_test(tc, asks);
	tcase_add_test(tc, junk);
	tcase_add_test(tc, watches);
	tcase_add_test(tc, sleeping_watcher_is_cut);
	tcase_add_test(tc, runs);
	tcase_add_test(tc, stops);
	suite_add_tcase(s, tc);

	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(remote_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
