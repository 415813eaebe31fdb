/**
 * @file fixture.h  A server whose services are built into the test
 *
 * a needs b; up needs the role connect, which g1 and g2 play; logg plays the
 * role log; x and y need each other; clash declares a setting of a's in
 * another way; bare has no handlers at all.
 */
#ifndef JUNCTOR_TESTS_SERVER_FIXTURE_H
#define JUNCTOR_TESTS_SERVER_FIXTURE_H

struct config_error;
struct server;
struct service_export;
struct setting;

enum { TOLD_MAX = 4096 };          /* [bytes]                               */

struct server_fixture {
	char dir[64];
	char told[TOLD_MAX];       /* what was done to whom, in order       */
	char errors[TOLD_MAX];
	char logged[TOLD_MAX];
	const char *fail;          /* "service.handler" that is to fail     */
	unsigned busy;
	struct log_sink *sink;
	struct tmr limit, act;
};

extern struct server_fixture fix;
extern const struct service_export *const fixture_builtinv[];
extern const struct setting fixture_settings[];

void  fixture_setup(void);
void  fixture_teardown(void);
void  fixture_append(char *buf, const char *fmt, ...);
void  fixture_error(const struct config_error *ce, void *arg);
char *fixture_path(const char *name);
void  fixture_conf(const char *text);
int   fixture_make_set(struct server **srvp, const char *text,
		       const char *const *setv, size_t setc);
int   fixture_make(struct server **srvp, const char *text);
int   fixture_run(struct server *srv, tmr_h *act);
void  fixture_stop(void *srv);

#endif
