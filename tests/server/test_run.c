/**
 * @file test_run.c  The life of a running server: stop, signals, reload
 */
#include <string.h>
#include <stdlib.h>
#include <unistd.h>
#include <signal.h>
#include <time.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "server/event.h"
#include "fixture.h"


static int tell_fd;               /* of the child, to the test             */


static bool told_event(const struct event *ev, void *arg)
{
	(void)arg;
	fixture_append(fix.told, "%s%s%s ", ev->name, ev->data ? ":" : "",
	       ev->data ? ((struct config_change *)ev->data)->val : "");

	return false;
}


static void clock_nothing(void *arg)
{
	(void)arg;
}


/* Nobody sets the clock that libre's timers go by. */
START_TEST(test_clock)
{
	struct timespec ts;
	struct tmr tmr;
	uint64_t now;

	ck_assert_int_eq(0, libre_init());
	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = tmr_jiffies();
	ck_assert_uint_le((uint64_t)ts.tv_sec, now % 1000000000000 / 1000);
	ck_assert_uint_ge((uint64_t)ts.tv_sec + 60,
			  now % 1000000000000 / 1000);
	tmr_init(&tmr);
	tmr_start(&tmr, 1000, clock_nothing, NULL);
	ck_assert_uint_ge(tmr.jfs, now + 1000);
	ck_assert_uint_le(tmr.jfs, tmr_jiffies() + 1000);
	tmr_cancel(&tmr);
	libre_close();
}
END_TEST


START_TEST(test_busy)
{
	struct server *srv;

	/* b is asked until it has nothing left to do */
	ck_assert_int_eq(0, fixture_make(&srv, "service b"));
	fix.busy = 5;
	ck_assert_int_eq(0, fixture_run(srv, fixture_stop));
	ck_assert_uint_eq(0, fix.busy);
	mem_deref(srv);
}
END_TEST


START_TEST(test_busy_for_ever)
{
	struct server *srv;
	uint64_t start;

	ck_assert_int_eq(0, fixture_make(&srv, "service b\n"
				 "server.stop_timeout 200"));
	fix.busy = 1000000;
	start = tmr_jiffies();
	ck_assert_int_eq(0, fixture_run(srv, fixture_stop));
	ck_assert_uint_ge(tmr_jiffies() - start, 200);
	ck_assert_ptr_nonnull(strstr(fix.logged, "still busy"));
	mem_deref(srv);
}
END_TEST


static void term_act(void *arg)
{
	(void)arg;
	(void)kill(getpid(), SIGTERM);
}


START_TEST(test_signal)
{
	struct server *srv;

	ck_assert_int_eq(0, fixture_make(&srv, "service b"));
	ck_assert_int_eq(0, fixture_run(srv, term_act));
	mem_deref(srv);
}
END_TEST


/* Tells the test what the server does: 'r' runs, 's' is stopping */
static void tell_act(void *arg)
{
	static bool running;
	struct server *srv = arg;

	if (!running)
		ck_assert_int_eq(1, write(tell_fd, "r", 1));
	running = true;
	if (server_stopping(srv))
		ck_assert_int_eq(1, write(tell_fd, "s", 1));
	else
		tmr_start(&fix.act, 5, tell_act, srv);
}


static char told_by(int fd)
{
	char c = 0;

	ck_assert_int_eq(1, read(fd, &c, 1));

	return c;
}


START_TEST(test_second_interrupt)
{
	int status = 0, fdv[2];
	pid_t pid;

	ck_assert_int_eq(0, pipe(fdv));
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		struct server *srv;

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)close(fdv[0]);
		tell_fd = fdv[1];
		fix.busy = 1000000;
		if (!fixture_make(&srv, "service b\n"
				  "server.stop_timeout 60000")) {
			tmr_start(&fix.act, 1, tell_act, srv);
			(void)server_run(srv);
		}
		_exit(0);
	}

	(void)close(fdv[1]);
	ck_assert_int_eq('r', told_by(fdv[0]));
	ck_assert_int_eq(0, kill(pid, SIGINT));
	ck_assert_int_eq('s', told_by(fdv[0]));
	ck_assert_int_eq(0, waitpid(pid, &status, WNOHANG));
	ck_assert_int_eq(0, kill(pid, SIGINT));
	ck_assert_int_eq(pid, waitpid(pid, &status, 0));
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(SIGINT, WTERMSIG(status));
	(void)close(fdv[0]);

	(void)unlink(fixture_path("junctord.pid"));
}
END_TEST


static void reload_act(void *arg)
{
	struct server *srv = arg;
	struct config *cfg = server_config(srv);

	/* a broken file changes nothing, and every error is logged */
	fixture_conf("service b\nservice a\na.num 5\na.cold x\na.no 1\n"
		   "server.stop_timeout x");
	ck_assert_int_eq(EBADMSG, server_reload(srv));
	ck_assert_uint_eq(1, config_u32(cfg, "a.num"));
	ck_assert_ptr_nonnull(strstr(fix.logged, "conf:5: a.no: "));
	ck_assert_ptr_nonnull(strstr(fix.logged, "conf:6: server."));
	ck_assert_str_eq("server.running server.hup ", fix.told);

	/* the command line stands above the file */
	fix.told[0] = '\0';
	fixture_conf("service b\nservice a\nservice life\na.num 5\na.cold x\n"
		   "server.stop_timeout 100\nlife.num 2");
	ck_assert_int_eq(0, server_reload(srv));
	ck_assert_uint_eq(5, config_u32(cfg, "a.num"));
	ck_assert_str_eq("c", config_str(cfg, "a.cold"));
	ck_assert_uint_eq(777, config_u32(cfg, "server.stop_timeout"));
	ck_assert_str_eq("server.hup config.changed:5 ", fix.told);
	ck_assert_ptr_nonnull(strstr(fix.logged, "service changed in the"
				     " file, but needs a restart"));
	ck_assert_ptr_nonnull(strstr(fix.logged, "a.cold changed in the"
				     " file, but needs a restart"));

	/* a file that is gone */
	(void)unlink(fixture_path("conf"));
	ck_assert_int_eq(EBADMSG, server_reload(srv));
	ck_assert_uint_eq(5, config_u32(cfg, "a.num"));

	server_stop(srv, false);
}


START_TEST(test_reload)
{
	static const char *const setv[] = {"server.stop_timeout=777"};
	static const struct service_export quiet_a = {
		SERVICE_API_VERSION, "a", .settings = fixture_settings};
	static const struct service_export quiet_b = {
		SERVICE_API_VERSION, "b", .role = NULL};
	static const struct service_export *const quiet[] = {
		&quiet_a, &quiet_b, NULL
	};
	char path[128];
	const struct server_opts opts = {
		.file = path, .setv = setv, .setc = 1, .builtinv = quiet,
		.module_path = "tests/server",
	};
	struct listener *l;
	struct server *srv;

	re_snprintf(path, sizeof(path), "%s/conf", fix.dir);
	fixture_conf("service b\nservice a");
	ck_assert_int_eq(0, server_alloc(&srv, &opts));
	ck_assert_int_eq(0, event_listen(&l, server_events(srv), "*",
					 EVENT_PRIO_LOG, told_event, NULL));
	ck_assert_int_eq(0, fixture_run(srv, reload_act));
	mem_deref(l);
	mem_deref(srv);
}
END_TEST


static void second_act(void *arg)
{
	struct server *srv = arg, *other;

	ck_assert_int_eq(0, fixture_make(&other, "service g1"));
	ck_assert_int_eq(EBUSY, server_run(other));
	ck_assert_ptr_nonnull(strstr(fix.logged, "another server runs"));
	mem_deref(other);
	ck_assert_int_eq(0, access(fixture_path("junctord.pid"), R_OK));
	server_stop(srv, false);
}


START_TEST(test_one_per_folder)
{
	struct server *srv;

	ck_assert_int_eq(0, fixture_make(&srv, "service b"));
	ck_assert_int_eq(0, fixture_run(srv, second_act));
	mem_deref(srv);
	ck_assert_int_ne(0, access(fixture_path("junctord.pid"), R_OK));
}
END_TEST


START_TEST(test_bad_dir)
{
	static const char *const setv[] = {"server.dir=/nonexistent/x"};
	static const char *const setv2[] = {"server.dir=/dev/null"};
	struct server *srv;

	ck_assert_int_eq(0, fixture_make_set(&srv, "service b", setv, 1));
	ck_assert_int_eq(ENOENT, fixture_run(srv, NULL));
	mem_deref(srv);
	ck_assert_int_eq(0, fixture_make_set(&srv, "service b", setv2, 1));
	ck_assert_int_eq(ENOTDIR, fixture_run(srv, NULL));
	mem_deref(srv);
}
END_TEST


int main(void)
{
	Suite *s = suite_create("run");
	TCase *tc = tcase_create("run");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, fixture_setup, fixture_teardown);
	tcase_set_timeout(tc, 20);
	tcase_add_test(tc, test_clock);
	tcase_add_test(tc, test_busy);
	tcase_add_test(tc, test_busy_for_ever);
	tcase_add_test(tc, test_signal);
	tcase_add_test(tc, test_second_interrupt);
	tcase_add_test(tc, test_reload);
	tcase_add_test(tc, test_one_per_folder);
	tcase_add_test(tc, test_bad_dir);
	suite_add_tcase(s, tc);

	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
