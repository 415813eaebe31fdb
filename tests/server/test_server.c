/**
 * @file test_server.c  Plug-ins and services: what is refused, in which order
 *                      they start, what fails. Runs in the build folder.
 */
#include <string.h>
#include <stdlib.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "server/event.h"
#include "fixture.h"


START_TEST(test_order)
{
	static const struct {
		const char *conf, *told;
	} casev[] = {
		{"service b\nservice a", "b.init a.init b.start a.start "
		 "a.stop b.stop a.close b.close "},
		{"service a\nservice b", "b.init a.init b.start a.start "
		 "a.stop b.stop a.close b.close "},
		{"service b\nservice logg\n", "logg.init b.init logg.start"
		 " b.start b.stop logg.stop b.close logg.close "},
		{"service up\nservice b\nservice g1", "b.init g1.init"
		 " up.init b.start g1.start up.start up.stop g1.stop b.stop"
		 " up.close g1.close b.close "},
		/* two of a role are fine as long as nobody has to choose */
		{"service g1\nservice g2", "g1.init g2.init g1.start"
		 " g2.start g2.stop g1.stop g2.close g1.close "},
		{"service bare", ""},
	};
	struct server *srv;

	ck_assert_int_eq(0, fixture_make(&srv, casev[_i].conf));
	ck_assert_int_eq(0, fixture_run(srv, fixture_stop));
	ck_assert(server_stopping(srv));
	ck_assert(!server_restarting(srv));
	mem_deref(srv);
	ck_assert_str_eq("", fix.errors);
	ck_assert_str_eq(casev[_i].told, fix.told);
}
END_TEST


START_TEST(test_reject)
{
	static const struct {
		const char *conf, *errors;
	} casev[] = {
		{"", "%s/conf: service: required, but not set\n"},
		{"service a", "%s/conf:1: service: 'a' needs 'b', which no"
		 " service line names\n"},
		{"service up\nservice g1\nservice g2", "%s/conf:1: service:"
		 " 'up' needs one 'connect', but 'g1' and 'g2' both are\n"},
		{"service x\nservice b\nservice y",
		 "%s/conf:1: service: 'x' needs services that need it in"
		 " turn\n"
		 "%s/conf:3: service: 'y' needs services that need it in"
		 " turn\n"},
		{"service b\nservice b", "%s/conf:2: service: 'b' is named"
		 " twice\n"},
		{"service nosuch", "%s/conf:1: service: no plug-in 'nosuch'"
		 " in tests/server:/nonexistent\n"},
		{"service ../life", "%s/conf:1: service: '../life' is not a"
		 " service's name\n"},
		{"service oldapi", "%s/conf:1: service: plug-in speaks API"
		 " version 42, this server version 1\n"},
		{"service misnamed", "%s/conf:1: service: plug-in calls"
		 " itself 'original'\n"},
		{"service noexport", "%s/conf:1: service:"
		 " tests/server/noexport/.libs/noexport.so has no"
		 " service_export\n"},
		{"service b\nservice a\nservice clash", "%s/conf:3: service:"
		 " plug-in 'clash' declares a setting that has another"
		 " meaning already\n"},
		{"service b\nservice a\na.num 10\nserver.stop_timeout x\n"
		 "b.x 1\nservice nosuch", "%s/conf:6: service: no plug-in"
		 " 'nosuch' in tests/server:/nonexistent\n"
		 "%s/conf:3: a.num: must be 1 to 9\n"
		 "%s/conf:4: server.stop_timeout: 'x' is not a whole"
		 " number\n"
		 "%s/conf:5: b.x: no such setting in any of the services"
		 " named\n"},
	};
	char want[TOLD_MAX];
	struct server *srv = NULL;

	re_snprintf(want, sizeof(want), casev[_i].errors, fix.dir, fix.dir,
		    fix.dir, fix.dir);
	ck_assert_int_eq(EBADMSG, fixture_make(&srv, casev[_i].conf));
	ck_assert_ptr_null(srv);
	ck_assert_str_eq(want, fix.errors);

	/* nothing of any service ran */
	ck_assert_str_eq("", fix.told);
}
END_TEST


START_TEST(test_bad_name)
{
	static const char *const setv[] = {"server.name=a.b"};
	struct server *srv = NULL;

	ck_assert_int_eq(EBADMSG, fixture_make_set(&srv, "service b", setv,
						   1));
	ck_assert_ptr_nonnull(strstr(fix.errors, "server.name: must be"));
}
END_TEST


START_TEST(test_fail)
{
	static const struct {
		const char *fail, *told;
	} casev[] = {
		{"b.init", "b.init "},
		{"a.init", "b.init a.init b.close "},
		{"b.start", "b.init a.init b.start a.close b.close "},
		{"a.start", "b.init a.init b.start a.start b.stop"
		 " a.close b.close "},
	};
	struct server *srv = NULL;
	int err;

	fix.fail = casev[_i].fail;
	err = fixture_make(&srv, "service a\nservice b");
	if (!err)
		err = fixture_run(srv, NULL);
	mem_deref(srv);
	ck_assert_int_eq(EPERM, err);
	ck_assert_str_eq(casev[_i].told, fix.told);
	ck_assert_ptr_nonnull(strstr(fix.logged, "Operation not permitted"));
}
END_TEST


static bool told_event(const struct event *ev, void *arg)
{
	(void)arg;
	fixture_append(fix.told, "%s%s%s ", ev->name, ev->data ? ":" : "",
	       ev->data ? ((struct config_change *)ev->data)->val : "");

	return false;
}


static void plugin_act(void *arg)
{
	struct server *srv = arg;
	struct service *svc = service_find(srv, "life");

	ck_assert_ptr_nonnull(svc);
	ck_assert_int_eq(SERVICE_RUNNING, service_state(svc));
	ck_assert_int_eq(0, service_resume(svc));        /* runs already */
	ck_assert_int_eq(0, service_pause(svc));
	ck_assert_int_eq(0, service_pause(svc));
	ck_assert_int_eq(SERVICE_PAUSED, service_state(svc));
	ck_assert_int_eq(0, service_resume(svc));
	ck_assert_int_eq(0, service_stop(svc));
	ck_assert_int_eq(ENOTCONN, service_pause(svc));
	ck_assert_int_eq(ENOTCONN, service_resume(svc));
	ck_assert_int_eq(0, service_start(svc));
	ck_assert_int_eq(0, service_pause(svc));
	server_stop(srv, true);
}


START_TEST(test_plugin)
{
	struct listener *l;
	struct server *srv;

	ck_assert_int_eq(0, fixture_make(&srv, "service life\nlife.num 3"));
	ck_assert_uint_eq(3, config_u32(server_config(srv), "life.num"));
	ck_assert_int_eq(0, event_listen(&l, server_events(srv), "*",
					 EVENT_PRIO_LOG, told_event, NULL));
	ck_assert_int_eq(0, fixture_run(srv, plugin_act));
	ck_assert(server_restarting(srv));
	mem_deref(l);
	mem_deref(srv);
	ck_assert_str_eq("life.start server.running life.pause life.resume"
			 " life.stop life.start life.pause server.stopping"
			 " life.stop ", fix.told);
}
END_TEST


static void needs_act(void *arg)
{
	struct server *srv = arg;
	struct service *sa = service_find(srv, "a");
	struct service *sb = service_find(srv, "b");

	ck_assert_int_eq(EBUSY, service_stop(sb));
	ck_assert_int_eq(0, service_stop(sa));
	ck_assert_int_eq(0, service_stop(sb));
	ck_assert_int_eq(ENOTCONN, service_start(sa));
	ck_assert_int_eq(0, service_start(sb));
	ck_assert_int_eq(0, service_start(sa));

	ck_assert_int_eq(ENOSYS, service_pause(service_find(srv, "bare")));
	ck_assert_ptr_null(service_find(srv, "none"));
	ck_assert_ptr_eq(service_find(srv, "g1"),
			 service_find(srv, "connect"));
	server_stop(srv, false);
}


START_TEST(test_needs_at_run_time)
{
	struct server *srv;

	ck_assert_int_eq(0, fixture_make(&srv, "service a\nservice b\n"
				 "service g1\nservice bare"));
	ck_assert_int_eq(0, fixture_run(srv, needs_act));
	mem_deref(srv);
}
END_TEST


START_TEST(test_check)
{
	char path[128];
	const struct server_opts opts = {
		.file = path, .module_path = "tests/server",
		.builtinv = fixture_builtinv, .errh = fixture_error,
	};

	re_snprintf(path, sizeof(path), "%s/conf", fix.dir);
	fixture_conf("service a\nservice b");
	ck_assert_int_eq(0, server_check(&opts));
	fixture_conf("service a\nservice c");
	ck_assert_int_eq(EBADMSG, server_check(&opts));
	ck_assert_str_eq("", fix.told);
}
END_TEST


int main(void)
{
	Suite *s = suite_create("server");
	TCase *tc = tcase_create("server");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, fixture_setup, fixture_teardown);
	tcase_set_timeout(tc, 20);
	tcase_add_loop_test(tc, test_order, 0, 6);
	tcase_add_loop_test(tc, test_reject, 0, 12);
	tcase_add_test(tc, test_bad_name);
	tcase_add_loop_test(tc, test_fail, 0, 4);
	tcase_add_test(tc, test_plugin);
	tcase_add_test(tc, test_needs_at_run_time);
	tcase_add_test(tc, test_check);
	suite_add_tcase(s, tc);

	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
