/**
 * @file test_builtin.c  The commands and metrics of the server itself
 */
#include <string.h>
#include <stdlib.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "server/settings.h"
#include "server/command.h"
#include "server/metrics.h"
#include "fixture.h"


struct answer {
	unsigned n;
	int err;
	char *text;
};


static void resp_h(int err, const char *reason, const struct odict *result,
		   void *arg)
{
	struct answer *an = arg;

	++an->n;
	an->err = err;
	an->text = mem_deref(an->text);
	if (result)
		re_sdprintf(&an->text, "%H", json_encode_odict, result);
	else
		re_sdprintf(&an->text, "%s", reason ? reason : "");
}


static void command(struct server *srv, const char *name, const char *args,
		    int err, const char *want)
{
	struct answer an = {.n = 0};
	struct odict *od;

	ck_assert_int_eq(0, json_decode_odict(&od, 8, args, strlen(args),
					      2));
	ck_assert_int_eq(0, command_run(server_commands(srv), name, od,
					resp_h, &an));
	ck_assert_uint_eq(1, an.n);
	ck_assert_int_eq(err, an.err);
	if (!strstr(an.text, want))
		ck_abort_msg("%s: '%s' lacks '%s'", name, an.text, want);

	mem_deref(an.text);
	mem_deref(od);
}


static void commands_act(void *arg)
{
	struct server *srv = arg;

	command(srv, "version", "{}", 0, "\"version\":\"");
	command(srv, "status", "{}", 0, "\"name\":\"srv\"");
	command(srv, "status", "{}", 0, "\"state\":\"running\",\"pid\":");
	command(srv, "status", "{}", 0, "\"services\":[{\"name\":\"b\","
		"\"state\":\"running\"},{\"name\":\"a\",\"state\":"
		"\"running\"}]}");

	command(srv, "get", "{\"key\":\"a.num\"}", 0, "{\"a.num\":\"1\"}");
	command(srv, "get", "{\"key\":\"a.pass\"}", 0,
		"{\"a.pass\":\"***\"}");
	command(srv, "get", "{\"key\":\"server.name\"}", 0,
		"{\"server.name\":\"srv\"}");
	command(srv, "get", "{\"key\":\"service\"}", 0,
		"{\"service\":\"a\\nb\"}");
	command(srv, "get", "{\"key\":\"events.publish\"}", 0,
		"{\"events.publish\":null}");
	command(srv, "get", "{\"key\":\"no.such\"}", ENOENT, "no such");
	command(srv, "get", "{}", 0, "\"a.cold\":\"c\"");

	command(srv, "set", "{\"key\":\"a.num\",\"value\":\"9\"}", 0,
		"{\"a.num\":\"9\"}");
	ck_assert_uint_eq(9, config_u32(server_config(srv), "a.num"));
	command(srv, "set", "{\"key\":\"a.num\",\"value\":\"10\"}", EINVAL,
		"a.num: must be 1 to 9");
	command(srv, "set", "{\"key\":\"a.cold\",\"value\":\"x\"}", EACCES,
		"needs a restart");
	command(srv, "set", "{\"key\":\"a.pass\",\"value\":\"geheim\"}", 0,
		"{\"a.pass\":\"***\"}");
	ck_assert_ptr_null(strstr(fix.logged, "geheim"));
	command(srv, "set", "{\"key\":\"a.num\"}", EINVAL, "needed");
	command(srv, "set", "{\"key\":1,\"value\":2}", EINVAL, "needed");

	command(srv, "settings", "{}", 0, "{\"key\":\"a.num\",\"type\":"
		"\"number\",\"value\":\"9\",\"default\":\"1\",\"runtime\":"
		"true,\"list\":false,\"help\":\"a number\"}");

	command(srv, "trace", "{\"service\":\"mesh\"}", ENOENT, "tracelog");
	command(srv, "trace", "{}", EINVAL, "needed");
	command(srv, "log.level", "{\"level\":\"debug\"}", ENOENT,
		"log.level: no such setting");
	command(srv, "log.level", "{}", EINVAL, "needed");

	command(srv, "pause", "{\"service\":\"a\"}", 0,
		"{\"a\":\"paused\"}");
	command(srv, "status", "{}", 0, "\"state\":\"paused\",\"pid\":");
	command(srv, "resume", "{\"service\":\"a\"}", 0,
		"{\"a\":\"running\"}");
	command(srv, "pause", "{\"service\":\"q\"}", ENOENT, "no such");
	command(srv, "pause", "{}", EINVAL, "needed");
	command(srv, "stop", "{\"service\":\"b\"}", EBUSY, "needs it");
	command(srv, "stop", "{\"service\":\"a\"}", 0,
		"{\"a\":\"stopped\"}");
	command(srv, "start", "{\"service\":\"a\"}", 0,
		"{\"a\":\"running\"}");
	command(srv, "reload", "{}", 0, "");

	command(srv, "restart", "{}", 0, "");
	command(srv, "status", "{}", 0, "\"state\":\"stopping\"");
}


START_TEST(test_commands)
{
	struct server *srv;

	ck_assert_int_eq(0, fixture_make(&srv, "service a\nservice b"));
	ck_assert_int_eq(0, fixture_run(srv, commands_act));
	ck_assert(server_restarting(srv));
	mem_deref(srv);
}
END_TEST


START_TEST(test_metrics)
{
	static const char *const wantv[] = {
		"\nprocess_cpu_seconds_total ",
		"\nprocess_resident_memory_bytes ",
		"\nprocess_threads 1\n", "\nprocess_open_fds ",
		"\nprocess_start_time_seconds 1", "\njunctor_stopping 0\n",
	};
	struct server *srv;
	char *text;
	size_t i;

	ck_assert_int_eq(0, fixture_make(&srv, "service b"));
	ck_assert_int_eq(0, re_sdprintf(&text, "%H", metrics_print,
					server_metrics(srv)));
	for (i = 0; i < ARRAY_SIZE(wantv); i++) {
		if (!strstr(text, wantv[i]))
			ck_abort_msg("%s lacks %s", text, wantv[i]);
	}
	mem_deref(text);
	mem_deref(srv);
}
END_TEST


int main(void)
{
	Suite *s = suite_create("builtin");
	TCase *tc = tcase_create("builtin");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, fixture_setup, fixture_teardown);
	tcase_set_timeout(tc, 20);
	tcase_add_test(tc, test_commands);
	tcase_add_test(tc, test_metrics);
	suite_add_tcase(s, tc);

	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
