/**
 * @file test_server.c  The generic server: plug-ins, order, life, commands
 *
 * Services that are built into the test tell what is done to them; plug-ins
 * of tests/server/NAME prove that files load. Runs in the build folder.
 */
#include <string.h>
#include <stdio.h>
#include <stdlib.h>
#include <signal.h>
#include <unistd.h>
#include <sys/wait.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "server/event.h"
#include "server/command.h"
#include "server/metrics.h"
#include "server/log.h"


enum { TOLD_MAX = 4096, LOOP_MAX = 5000 };

static struct {
	char dir[64];
	char told[TOLD_MAX];       /* what was done to whom, in order       */
	char errors[TOLD_MAX];
	char logged[TOLD_MAX];
	const char *fail;          /* "service.handler" that is to fail     */
	unsigned busy;
	struct log_sink *sink;
	struct tmr limit, act;
} fix;


static void append(char *buf, const char *fmt, ...)
{
	const size_t n = strlen(buf);
	va_list ap;

	va_start(ap, fmt);
	ck_assert_int_ge(re_vsnprintf(buf + n, TOLD_MAX - n, fmt, ap), 0);
	va_end(ap);
}


static int done(const struct service *svc, const char *what)
{
	char name[64];

	append(fix.told, "%s.%s ", service_name(svc), what);
	re_snprintf(name, sizeof(name), "%s.%s", service_name(svc), what);

	return fix.fail && !strcmp(fix.fail, name) ? EPERM : 0;
}


static int h_init(struct service *svc)
{
	return done(svc, "init");
}


static int h_start(struct service *svc)
{
	return done(svc, "start");
}


static void h_stop(struct service *svc)
{
	(void)done(svc, "stop");
}


static int h_pause(struct service *svc)
{
	return done(svc, "pause");
}


static int h_resume(struct service *svc)
{
	return done(svc, "resume");
}


static void h_close(struct service *svc)
{
	(void)done(svc, "close");
}


static unsigned h_busy(const struct service *svc)
{
	(void)svc;

	return fix.busy ? fix.busy-- : 0;
}


static const char *const needs_b[] = {"b", NULL};
static const char *const needs_role[] = {"connect", NULL};
static const char *const needs_x[] = {"x", NULL};
static const char *const needs_y[] = {"y", NULL};

static const struct setting settings_a[] = {
	{"a.num", SETTING_U32, "1", 1, 9, NULL, SETTING_RUNTIME, "a number"},
	{"a.cold", SETTING_STRING, "c", 0, 0, NULL, 0, "a text"},
	{"a.pass", SETTING_STRING, "p", 0, 0, NULL,
	 SETTING_RUNTIME | SETTING_SECRET, "a secret"},
	{NULL, SETTING_STRING, NULL, 0, 0, NULL, 0, NULL}
};
static const struct setting settings_clash[] = {
	{"a.num", SETTING_BOOL, "no", 0, 0, NULL, 0, "no number"},
	{NULL, SETTING_STRING, NULL, 0, 0, NULL, 0, NULL}
};

#define HANDLERS .init = h_init, .start = h_start, .stop = h_stop, \
	.pause = h_pause, .resume = h_resume, .close = h_close

static const struct service_export a = {
	SERVICE_API_VERSION, "a", .needs = needs_b, .settings = settings_a,
	HANDLERS};
static const struct service_export b = {
	SERVICE_API_VERSION, "b", .busy = h_busy, HANDLERS};
static const struct service_export up = {
	SERVICE_API_VERSION, "up", .needs = needs_role, HANDLERS};
static const struct service_export g1 = {
	SERVICE_API_VERSION, "g1", .role = "connect", HANDLERS};
static const struct service_export g2 = {
	SERVICE_API_VERSION, "g2", .role = "connect", HANDLERS};
static const struct service_export logg = {
	SERVICE_API_VERSION, "logg", .role = "log", HANDLERS};
static const struct service_export x = {
	SERVICE_API_VERSION, "x", .needs = needs_y, HANDLERS};
static const struct service_export y = {
	SERVICE_API_VERSION, "y", .needs = needs_x, HANDLERS};
static const struct service_export clash = {
	SERVICE_API_VERSION, "clash", .settings = settings_clash, HANDLERS};
static const struct service_export bare = {SERVICE_API_VERSION, "bare",
	.role = NULL};

static const struct service_export *const builtinv[] = {
	&a, &b, &up, &g1, &g2, &logg, &x, &y, &clash, &bare, NULL
};


static void error_h(const struct config_error *ce, void *arg)
{
	(void)arg;
	append(fix.errors, "%s: %s: %s\n", ce->where, ce->key, ce->reason);
}


static void log_h(const struct log_record *rec, void *arg)
{
	(void)arg;
	append(fix.logged, "%s\n", rec->text);
}


static char *in_dir(const char *name)
{
	static char path[128];

	re_snprintf(path, sizeof(path), "%s/%s", fix.dir, name);

	return path;
}


static void setup(void)
{
	memset(&fix, 0, sizeof(fix));
	re_snprintf(fix.dir, sizeof(fix.dir), "/tmp/junctor-srv-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(fix.dir));
	ck_assert_int_eq(0, libre_init());
	ck_assert_int_eq(0, log_sink_add(&fix.sink, LOG_KIND_EVENT, log_h,
					 NULL));
	tmr_init(&fix.limit);
	tmr_init(&fix.act);
}


static void teardown(void)
{
	tmr_cancel(&fix.limit);
	tmr_cancel(&fix.act);
	fix.sink = mem_deref(fix.sink);
	libre_close();
	(void)unlink(in_dir("conf"));
	ck_assert_int_eq(0, rmdir(fix.dir));
}


static void conf_write(const char *text)
{
	FILE *f = fopen(in_dir("conf"), "w");

	ck_assert_ptr_nonnull(f);
	(void)fprintf(f, "%s\nserver.dir %s\nserver.name srv\n", text,
		      fix.dir);
	fclose(f);
}


static int make_set(struct server **srvp, const char *text,
		    const char *const *setv, size_t setc)
{
	static char path[128];
	const struct server_opts opts = {
		.file = path, .setv = setv, .setc = setc,
		.module_path = "tests/server:/nonexistent",
		.builtinv = builtinv, .errh = error_h,
	};

	conf_write(text);
	re_snprintf(path, sizeof(path), "%s/conf", fix.dir);

	return server_alloc(srvp, &opts);
}


static int make(struct server **srvp, const char *text)
{
	return make_set(srvp, text, NULL, 0);
}


static void limit_h(void *arg)
{
	(void)arg;
	ck_abort_msg("the main loop never ended");
}


static int run(struct server *srv, tmr_h *act)
{
	tmr_start(&fix.limit, LOOP_MAX, limit_h, NULL);
	if (act)
		tmr_start(&fix.act, 1, act, srv);

	return server_run(srv);
}


static void stop_h(void *arg)
{
	server_stop(arg, false);
}


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

	ck_assert_int_eq(0, make(&srv, casev[_i].conf));
	ck_assert_int_eq(0, run(srv, stop_h));
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
	ck_assert_int_eq(EBADMSG, make(&srv, casev[_i].conf));
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

	ck_assert_int_eq(EBADMSG, make_set(&srv, "service b", setv, 1));
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
	err = make(&srv, "service a\nservice b");
	if (!err)
		err = run(srv, NULL);
	mem_deref(srv);
	ck_assert_int_eq(EPERM, err);
	ck_assert_str_eq(casev[_i].told, fix.told);
	ck_assert_ptr_nonnull(strstr(fix.logged, "Operation not permitted"));
}
END_TEST


static bool told_event(const struct event *ev, void *arg)
{
	(void)arg;
	append(fix.told, "%s%s%s ", ev->name, ev->data ? ":" : "",
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

	ck_assert_int_eq(0, make(&srv, "service life\nlife.num 3"));
	ck_assert_uint_eq(3, config_u32(server_config(srv), "life.num"));
	ck_assert_int_eq(0, event_listen(&l, server_events(srv), "*",
					 EVENT_PRIO_LOG, told_event, NULL));
	ck_assert_int_eq(0, run(srv, plugin_act));
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

	ck_assert_int_eq(0, make(&srv, "service a\nservice b\n"
				 "service g1\nservice bare"));
	ck_assert_int_eq(0, run(srv, needs_act));
	mem_deref(srv);
}
END_TEST


START_TEST(test_busy)
{
	struct server *srv;

	/* b is asked until it has nothing left to do */
	ck_assert_int_eq(0, make(&srv, "service b"));
	fix.busy = 5;
	ck_assert_int_eq(0, run(srv, stop_h));
	ck_assert_uint_eq(0, fix.busy);
	mem_deref(srv);
}
END_TEST


START_TEST(test_busy_for_ever)
{
	struct server *srv;
	uint64_t start;

	ck_assert_int_eq(0, make(&srv, "service b\n"
				 "server.stop_timeout 200"));
	fix.busy = 1000000;
	start = tmr_jiffies();
	ck_assert_int_eq(0, run(srv, stop_h));
	ck_assert_uint_ge(tmr_jiffies() - start, 200);
	ck_assert_uint_lt(tmr_jiffies() - start, 1500);
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

	ck_assert_int_eq(0, make(&srv, "service b"));
	ck_assert_int_eq(0, run(srv, term_act));
	mem_deref(srv);
}
END_TEST


START_TEST(test_second_interrupt)
{
	int status = 0, i;
	pid_t pid;

	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		struct server *srv;

		fix.busy = 1000000;
		if (!make(&srv, "service b\nserver.stop_timeout 60000"))
			(void)server_run(srv);
		_exit(0);
	}

	for (i = 0; i < 2000 && access(in_dir("junctord.pid"), F_OK); i++)
		usleep(5000);
	usleep(100 * 1000);

	ck_assert_int_eq(0, kill(pid, SIGINT));
	usleep(200 * 1000);
	ck_assert_int_eq(0, waitpid(pid, &status, WNOHANG));
	ck_assert_int_eq(0, kill(pid, SIGINT));
	ck_assert_int_eq(pid, waitpid(pid, &status, 0));
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(SIGINT, WTERMSIG(status));

	(void)unlink(in_dir("junctord.pid"));
}
END_TEST


static void reload_act(void *arg)
{
	struct server *srv = arg;
	struct config *cfg = server_config(srv);

	/* a broken file changes nothing, and every error is logged */
	conf_write("service b\nservice a\na.num 5\na.cold x\na.no 1\n"
		   "server.stop_timeout x");
	ck_assert_int_eq(EBADMSG, server_reload(srv));
	ck_assert_uint_eq(1, config_u32(cfg, "a.num"));
	ck_assert_ptr_nonnull(strstr(fix.logged, "conf:5: a.no: "));
	ck_assert_ptr_nonnull(strstr(fix.logged, "conf:6: server."));
	ck_assert_str_eq("server.running server.hup ", fix.told);

	/* the command line stands above the file */
	fix.told[0] = '\0';
	conf_write("service b\nservice a\nservice life\na.num 5\na.cold x\n"
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
	(void)unlink(in_dir("conf"));
	ck_assert_int_eq(EBADMSG, server_reload(srv));
	ck_assert_uint_eq(5, config_u32(cfg, "a.num"));

	server_stop(srv, false);
}


START_TEST(test_reload)
{
	static const char *const setv[] = {"server.stop_timeout=777"};
	static const struct service_export quiet_a = {
		SERVICE_API_VERSION, "a", .settings = settings_a};
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
	conf_write("service b\nservice a");
	ck_assert_int_eq(0, server_alloc(&srv, &opts));
	ck_assert_int_eq(0, event_listen(&l, server_events(srv), "*",
					 EVENT_PRIO_LOG, told_event, NULL));
	ck_assert_int_eq(0, run(srv, reload_act));
	mem_deref(l);
	mem_deref(srv);
}
END_TEST


static void second_act(void *arg)
{
	struct server *srv = arg, *other;

	ck_assert_int_eq(0, make(&other, "service g1"));
	ck_assert_int_eq(EBUSY, server_run(other));
	ck_assert_ptr_nonnull(strstr(fix.logged, "another server runs"));
	mem_deref(other);
	ck_assert_int_eq(0, access(in_dir("junctord.pid"), R_OK));
	server_stop(srv, false);
}


START_TEST(test_one_per_folder)
{
	struct server *srv;

	ck_assert_int_eq(0, make(&srv, "service b"));
	ck_assert_int_eq(0, run(srv, second_act));
	mem_deref(srv);
	ck_assert_int_ne(0, access(in_dir("junctord.pid"), R_OK));
}
END_TEST


START_TEST(test_bad_dir)
{
	static const char *const setv[] = {"server.dir=/nonexistent/x"};
	static const char *const setv2[] = {"server.dir=/dev/null"};
	struct server *srv;

	ck_assert_int_eq(0, make_set(&srv, "service b", setv, 1));
	ck_assert_int_eq(ENOENT, run(srv, NULL));
	mem_deref(srv);
	ck_assert_int_eq(0, make_set(&srv, "service b", setv2, 1));
	ck_assert_int_eq(ENOTDIR, run(srv, NULL));
	mem_deref(srv);
}
END_TEST


/* ---- commands ---- */

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

	ck_assert_int_eq(0, make(&srv, "service a\nservice b"));
	ck_assert_int_eq(0, run(srv, commands_act));
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

	ck_assert_int_eq(0, make(&srv, "service b"));
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


START_TEST(test_check)
{
	char path[128];
	const struct server_opts opts = {
		.file = path, .builtinv = builtinv, .errh = error_h,
		.module_path = "tests/server",
	};

	re_snprintf(path, sizeof(path), "%s/conf", fix.dir);
	conf_write("service a\nservice b");
	ck_assert_int_eq(0, server_check(&opts));
	conf_write("service a\nservice c");
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

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 20);
	tcase_add_loop_test(tc, test_order, 0, 6);
	tcase_add_loop_test(tc, test_reject, 0, 12);
	tcase_add_test(tc, test_bad_name);
	tcase_add_loop_test(tc, test_fail, 0, 4);
	tcase_add_test(tc, test_plugin);
	tcase_add_test(tc, test_needs_at_run_time);
	tcase_add_test(tc, test_busy);
	tcase_add_test(tc, test_busy_for_ever);
	tcase_add_test(tc, test_signal);
	tcase_add_test(tc, test_second_interrupt);
	tcase_add_test(tc, test_reload);
	tcase_add_test(tc, test_one_per_folder);
	tcase_add_test(tc, test_bad_dir);
	tcase_add_test(tc, test_commands);
	tcase_add_test(tc, test_metrics);
	tcase_add_test(tc, test_check);
	suite_add_tcase(s, tc);

	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
