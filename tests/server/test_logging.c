/**
 * @file test_logging.c  The log services in a server of their own
 *
 * Runs in the build folder; the plug-in tests/server/life is what logs.
 */
#include <errno.h>
#include <string.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "server/command.h"
#include "server/metrics.h"
#include "server/log.h"


enum { TEXT_MAX = 65536 };

static struct {
	char dir[64];
	char conf[128];
	struct server *srv;
	struct tmr act, limit;
} fix;


static void setup(void)
{
	FILE *f;

	memset(&fix, 0, sizeof(fix));
	re_snprintf(fix.dir, sizeof(fix.dir), "/tmp/junctor-lgn-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(fix.dir));
	re_snprintf(fix.conf, sizeof(fix.conf), "%s/conf", fix.dir);
	f = fopen(fix.conf, "w");
	ck_assert_ptr_nonnull(f);
	(void)fprintf(f, "server.dir %s\nserver.name s\nservice life\n"
		      "service logger\nservice tracelog\n"
		      "service eventlog\n", fix.dir);
	fclose(f);
	ck_assert_int_eq(0, libre_init());
	tmr_init(&fix.act);
	tmr_init(&fix.limit);
}


static void teardown(void)
{
	static const char *const namev[] = {
		"conf", "junctord.log", "trace.log", "other.log"
	};
	char path[128];
	size_t i;

	tmr_cancel(&fix.limit);
	tmr_cancel(&fix.act);
	libre_close();
	for (i = 0; i < ARRAY_SIZE(namev); i++) {
		re_snprintf(path, sizeof(path), "%s/%s", fix.dir, namev[i]);
		(void)unlink(path);
	}
	ck_assert_int_eq(0, rmdir(fix.dir));
}


static void limit_h(void *arg)
{
	(void)arg;
	ck_abort_msg("the main loop never ended");
}


static void run(tmr_h *act, const char *const *setv, size_t setc)
{
	const struct server_opts opts = {
		.file = fix.conf, .setv = setv, .setc = setc,
		.module_path = "modules:tests/server",
	};

	ck_assert_int_eq(0, server_alloc(&fix.srv, &opts));
	tmr_start(&fix.act, 1, act, NULL);
	tmr_start(&fix.limit, 60000, limit_h, NULL);
	ck_assert_int_eq(0, server_run(fix.srv));
	fix.srv = mem_deref(fix.srv);
}


/* Read after the server has stopped, when all is written. */
static bool has(const char *name, const char *want)
{
	static char text[TEXT_MAX];
	char path[128];
	size_t n = 0;
	FILE *f;

	re_snprintf(path, sizeof(path), "%s/%s", fix.dir, name);
	f = fopen(path, "r");
	if (f) {
		n = fread(text, 1, sizeof(text) - 1, f);
		fclose(f);
	}
	text[n] = '\0';

	return strstr(text, want) != NULL;
}


static void resp_h(int err, const char *reason, const struct odict *result,
		   void *arg)
{
	(void)reason;
	(void)result;
	*(int *)arg = err;
}


static int trace(const char *service, bool on)
{
	struct odict *od;
	int err = -1;

	ck_assert_int_eq(0, odict_alloc(&od, 4));
	odict_entry_add(od, "service", ODICT_STRING, service);
	odict_entry_add(od, "on", ODICT_BOOL, on);
	ck_assert_int_eq(0, command_run(server_commands(fix.srv), "trace",
					od, resp_h, &err));
	mem_deref(od);

	return err;
}


static void life_log(const char *mark)
{
	struct service *svc = service_find(fix.srv, "life");

	log_event(LOG_ERROR, "test", NULL, "%s", mark);
	log_trace("life", NULL, "%s", mark);
	log_trace("tracelog", NULL, "%s", mark);
	ck_assert_int_eq(0, service_pause(svc));
	ck_assert_int_eq(0, service_resume(svc));
}


static void set(const char *key, const char *val)
{
	ck_assert_int_eq(0, config_set(server_config(fix.srv), key, val,
				       NULL, 0));
}


static void trace_act(void *arg)
{
	(void)arg;

	life_log("one");
	ck_assert_int_eq(0, trace("life", true));
	ck_assert_int_eq(0, trace("life", true));
	life_log("two");
	ck_assert_int_eq(ENOENT, trace("other", true));
	ck_assert_int_eq(0, trace("tracelog", true));
	ck_assert_str_eq("life tracelog", config_str(server_config(fix.srv),
						  "trace.services"));
	ck_assert_int_eq(0, trace("life", false));
	life_log("three");
	ck_assert_int_eq(0, trace("tracelog", false));
	life_log("four");
	ck_assert_int_eq(0, trace("*", true));
	life_log("five");
	server_stop(fix.srv, false);
}


START_TEST(test_trace)
{
	run(trace_act, NULL, 0);

	ck_assert(!has("trace.log", "one"));
	ck_assert(has("trace.log", "Z trace life - two\n"));
	ck_assert(has("trace.log", "Z trace life c@h pauses\n"));
	ck_assert(!has("trace.log", "tracelog - two"));
	ck_assert(has("trace.log", "Z trace tracelog - three\n"));
	ck_assert(!has("trace.log", "life - three"));
	ck_assert(!has("trace.log", "four"));
	ck_assert(has("trace.log", "Z trace life - five\n"));
	ck_assert(has("trace.log", "Z trace tracelog - five\n"));

	/* nothing of it in the general log, and the other way round */
	ck_assert(!has("junctord.log", "Z trace "));
	ck_assert(!has("trace.log", " error test "));
	ck_assert(!log_trace_wanted("life"));
}
END_TEST


static void once_act(void *arg)
{
	(void)arg;

	life_log("one");
	server_stop(fix.srv, false);
}


START_TEST(test_trace_at_start)
{
	static const char *const setv[] = {"trace.services=life, tracelog"};

	run(once_act, setv, 1);
	ck_assert(has("trace.log", "Z trace life - one\n"));
	ck_assert(has("trace.log", "Z trace tracelog - one\n"));
}
END_TEST


static void level_act(void *arg)
{
	(void)arg;

	life_log("one");
	set("log.level", "debug");
	life_log("two");
	set("log.level", "error");
	life_log("three");
	log_event(LOG_WARN, "test", NULL, "four");
	ck_assert(!log_event_wanted(LOG_WARN));
	set("log.level", "info");
	set("log.file", "other.log");
	life_log("five");
	set("log.file", "");                 /* neither file nor console */
	life_log("six");
	ck_assert_int_eq(0, config_set(server_config(fix.srv), "log.file",
				       "/nonexistent/x", NULL, 0));
	life_log("seven");
	server_stop(fix.srv, false);
}


START_TEST(test_level)
{
	run(level_act, NULL, 0);

	ck_assert(has("junctord.log", " error test - one\n"));
	ck_assert(has("junctord.log", " debug life c@h pauses\n"));
	ck_assert(has("junctord.log", " error test - three\n"));
	ck_assert(!has("junctord.log", "four"));
	ck_assert(!has("junctord.log", "five"));
	ck_assert(has("other.log", " error test - five\n"));
	ck_assert(!has("other.log", "six"));
	ck_assert(!has("junctord.log", "seven"));
}
END_TEST


static void events_act(void *arg)
{
	(void)arg;

	life_log("one");
	set("life.num", "5");
	ck_assert_int_eq(0, service_pause(service_find(fix.srv,
						       "eventlog")));
	set("life.num", "6");
	ck_assert_int_eq(0, service_resume(service_find(fix.srv,
							"eventlog")));
	set("life.num", "7");
	set("eventlog.omit", "other config.changed life.more");
	set("life.num", "9");
	set("eventlog.omit", "config.change config.changed.not");
	set("eventlog.level", "debug");
	set("life.num", "8");
	server_stop(fix.srv, false);
}


START_TEST(test_events)
{
	run(events_act, NULL, 0);

	ck_assert(has("junctord.log", " info eventlog - life.pause\n"));
	ck_assert(has("junctord.log", " info eventlog - config.changed"
		      " {\"key\":\"life.num\",\"old\":\"1\",\"val\":\"5\"}"
		      "\n"));
	ck_assert(!has("junctord.log", "\"val\":\"6\""));
	ck_assert(has("junctord.log", "\"val\":\"7\""));
	ck_assert(!has("junctord.log", "\"val\":\"9\""));
	ck_assert(has("junctord.log", "config.changed.not"));
	ck_assert(!has("junctord.log", "\"val\":\"8\""));
}
END_TEST


static void metrics_act(void *arg)
{
	char *text;
	(void)arg;

	ck_assert_int_eq(0, re_sdprintf(&text, "%H", metrics_print,
					server_metrics(fix.srv)));
	ck_assert_ptr_nonnull(strstr(text, "\njunctor_log_dropped_total 0"));
	ck_assert_ptr_nonnull(strstr(text,
				     "\njunctor_trace_dropped_total 0"));
	mem_deref(text);

	/* the log is the last to stop, and comes back */
	ck_assert_int_eq(0, service_stop(service_find(fix.srv, "logger")));
	ck_assert_int_eq(0, service_start(service_find(fix.srv, "logger")));
	life_log("again");
	server_stop(fix.srv, false);
}


START_TEST(test_metrics)
{
	run(metrics_act, NULL, 0);
	ck_assert(has("junctord.log", " error test - again\n"));
}
END_TEST


START_TEST(test_no_file)
{
	static const char *const setv[] = {"log.file=/nonexistent/x"};
	const struct server_opts opts = {
		.file = fix.conf, .setv = setv, .setc = 1,
		.module_path = "modules:tests/server",
	};

	ck_assert_int_eq(0, server_alloc(&fix.srv, &opts));
	ck_assert_int_eq(ENOENT, server_run(fix.srv));
	fix.srv = mem_deref(fix.srv);
}
END_TEST


int main(void)
{
	Suite *s = suite_create("logging");
	TCase *tc = tcase_create("logging");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 20);
	tcase_add_test(tc, test_trace);
	tcase_add_test(tc, test_trace_at_start);
	tcase_add_test(tc, test_level);
	tcase_add_test(tc, test_events);
	tcase_add_test(tc, test_metrics);
	tcase_add_test(tc, test_no_file);
	suite_add_tcase(s, tc);

	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
