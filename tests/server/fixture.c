/**
 * @file fixture.c  Services that tell what is done to them, and a server
 */
#include <string.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "server/log.h"
#include "fixture.h"


enum { LOOP_MAX = 60000 };         /* [ms]                                  */

struct server_fixture fix;


void fixture_append(char *buf, const char *fmt, ...)
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

	fixture_append(fix.told, "%s.%s ", service_name(svc), what);
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

const struct setting fixture_settings[] = {
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
	SERVICE_API_VERSION, "a", .needs = needs_b,
	.settings = fixture_settings, HANDLERS};
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

const struct service_export *const fixture_builtinv[] = {
	&a, &b, &up, &g1, &g2, &logg, &x, &y, &clash, &bare, NULL
};


void fixture_error(const struct config_error *ce, void *arg)
{
	(void)arg;
	fixture_append(fix.errors, "%s: %s: %s\n", ce->where, ce->key,
		       ce->reason);
}


static void log_h(const struct log_record *rec, void *arg)
{
	(void)arg;
	fixture_append(fix.logged, "%s\n", rec->text);
}


char *fixture_path(const char *name)
{
	static char path[128];

	re_snprintf(path, sizeof(path), "%s/%s", fix.dir, name);

	return path;
}


void fixture_setup(void)
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


void fixture_teardown(void)
{
	tmr_cancel(&fix.limit);
	tmr_cancel(&fix.act);
	fix.sink = mem_deref(fix.sink);
	libre_close();
	(void)unlink(fixture_path("conf"));
	ck_assert_int_eq(0, rmdir(fix.dir));
}


void fixture_conf(const char *text)
{
	FILE *f = fopen(fixture_path("conf"), "w");

	ck_assert_ptr_nonnull(f);
	(void)fprintf(f, "%s\nserver.dir %s\nserver.name srv\n", text,
		      fix.dir);
	fclose(f);
}


int fixture_make_set(struct server **srvp, const char *text,
		    const char *const *setv, size_t setc)
{
	static char path[128];
	const struct server_opts opts = {
		.file = path, .setv = setv, .setc = setc,
		.module_path = "tests/server:/nonexistent",
		.builtinv = fixture_builtinv, .errh = fixture_error,
	};

	fixture_conf(text);
	re_snprintf(path, sizeof(path), "%s/conf", fix.dir);

	return server_alloc(srvp, &opts);
}


int fixture_make(struct server **srvp, const char *text)
{
	return fixture_make_set(srvp, text, NULL, 0);
}


static void limit_h(void *arg)
{
	(void)arg;
	ck_abort_msg("the main loop never ended");
}


int fixture_run(struct server *srv, tmr_h *act)
{
	tmr_start(&fix.limit, LOOP_MAX, limit_h, NULL);
	if (act)
		tmr_start(&fix.act, 1, act, srv);

	return server_run(srv);
}


void fixture_stop(void *srv)
{
	server_stop(srv, false);
}
