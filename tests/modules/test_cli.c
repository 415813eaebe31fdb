/**
 * @file test_cli.c  The operator's command, and a server with `remote`
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
	{"mute tea eve", 0, "user        eve\n"},
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
	{"top -n 1 --json", 0, "{\"status\":{\"name\":"},
	{"complete services", 0, "remote\n"},
	{"--help", 0, "Commands:"},
	{"help mute", 0, "Usage: junctor [--dir DIR] [--json] mute"},
	{"mute --help", 0, "Usage: junctor [--dir DIR] [--json] mute"},

	{"conferences", 1, "no command 'conferences'"},
	{"run statu", 1, "did you mean 'status'?"},
	{"get no.such", 1, "no such setting"},
	{"set remote.metrics_open maybe", 1, "remote.metrics_open"},
	{"run test.fail", 1, "test.fail: as \"asked\""},
	{"run stop service=remote", 1, "nobody could start it again"},
	{"log --no-follow", 1, "writes no such file (log.file)"},
	{"--server x status", 1, "is in no farm"},
	{"status --all", 1, "is in no farm"},
	{"status --here", 0, "\nstate    running\n"},
	{"drain x", 1, "is in no farm"},
	{"", 2, "say what to do"},
	{"--server", 2, "a name is missing"},
	{"--server x --here status", 2, "only one of them"},
	{"drain x y", 2, "what is 'y'"},
	{"drain --exit --off", 2, "do not go together"},
	{"drain --all", 2, "one server at a time"},
	{"move", 2, "usage: junctor move CONF [SERVER]"},
	{"move a b c", 2, "usage: junctor move CONF [SERVER]"},
	{"registry", 2, "usage: junctor registry probe SERVER"},
	{"registry x y", 2, "usage: junctor registry probe SERVER"},
	{"conferences x", 2, "'x' is too much"},
	{"log --server x", 2, "only of the server in --dir"},
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
	{"events -n", 2, "cannot be the name"},
	{"log -n x", 2, "-n needs a number of lines"},
	{"log -n", 2, "-n needs a number of lines"},
	{"version x", 2, "'x' is too much"},
	{"mute a b c", 2, "'c' is too much"},
	{"mute a", 2, "something is missing"},
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
	for (i = 0; i < 200 && run(sc, out, sizeof(out), "status") != 3; i++)
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

int main(void)
{
	Suite *s = suite_create("cli");
	TCase *tc = tcase_create("server");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, runs);
	tcase_add_test(tc, stops);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
