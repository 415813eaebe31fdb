/**
 * @file tests/modules/scene.c  A server with the service `remote`
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

void nap(unsigned ms)
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

/* commands, of which remote knows nothing */

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

/* the scene */

static void *script_thread(void *arg)
{
	struct scene *sc = arg;
	char line[80];
	unsigned i;

	for (i = 0; !line_read(line, sizeof(line), sc->dir, "remote.addr");
	     i++) {
		ck_assert_uint_lt(i, 6000);
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

void scene_play(void (*script)(struct scene *sc), const char *set)
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

/* by HTTP */

void ask_raw(struct scene *sc, struct talk *t, const char *text)
{
	memset(t, 0, sizeof(*t));
	t->addr = sc->addr;
	t->say  = text;
	talk_do(t);
}

unsigned ask(struct scene *sc, struct talk *t, const char *method,
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

void stop(struct scene *sc)
{
	struct talk t;

	ck_assert_uint_eq(ask(sc, &t, "POST", "/v1/stop", "{}"), 200);
	talk_reset(&t);
}
