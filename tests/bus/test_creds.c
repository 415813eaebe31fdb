/**
 * @file test_creds.c  A bus that lets in who has credentials
 *
 * An operator vouches for an account, the account for its users; nats-server
 * knows the operator alone.
 */
#include <string.h>
#include <stdio.h>
#include <signal.h>
#include <time.h>
#include <pthread.h>
#include <check.h>
#include <re.h>
#include "server/log.h"
#include "bus/bus.h"
#include "natsd.h"
#include "loop.h"
#include "creds.h"


enum { LIMIT_MS = 90000, JWT_MAX = 4096 };

#define UNLIMITED "\"subs\":-1,\"data\":-1,\"payload\":-1"

static struct fixture {
	struct natsd nd;
	struct creds_key operator, account, system, stranger, user;
	struct bus *bus;
	struct log_sink *sink;
	pthread_mutex_t lock;
	char logged[512];          /* what was logged last; locked          */
	const char *awaited;
	bool stored;
} fix;


/* The helper thread of the bus logs, too. */
static void log_handler(const struct log_record *rec, void *arg)
{
	(void)arg;
	pthread_mutex_lock(&fix.lock);
	str_ncpy(fix.logged, rec->text, sizeof(fix.logged));
	pthread_mutex_unlock(&fix.lock);
}


static bool was_logged(void)
{
	bool was;

	pthread_mutex_lock(&fix.lock);
	was = strstr(fix.logged, fix.awaited) != NULL;
	pthread_mutex_unlock(&fix.lock);

	return was;
}


static bool is_up(void)
{
	return bus_state(fix.bus) == BUS_UP;
}


static bool is_stored(void)
{
	return fix.stored;
}


static const char *path(const char *name)
{
	static char pathv[4][128];
	static unsigned n;
	char *p = pathv[n++ % ARRAY_SIZE(pathv)];

	(void)re_snprintf(p, sizeof(pathv[0]), "%s/%s", fix.nd.dir, name);

	return p;
}


static void config_write(void)
{
	static const char account[] =
		"\"limits\":{" UNLIMITED ",\"imports\":-1,\"exports\":-1,"
		"\"wildcards\":true,\"conn\":-1,\"leaf\":-1,"
		"\"mem_storage\":-1,\"disk_storage\":-1,\"streams\":-1,"
		"\"consumer\":-1},\"type\":\"account\"";
	static const char system[] =
		"\"limits\":{" UNLIMITED ",\"imports\":-1,\"exports\":-1,"
		"\"wildcards\":true,\"conn\":-1,\"leaf\":-1},"
		"\"type\":\"account\"";
	char jwt[JWT_MAX];
	FILE *f = fopen(path("server.conf"), "w");

	ck_assert_ptr_nonnull(f);
	creds_jwt(jwt, sizeof(jwt), &fix.operator, &fix.operator,
		  "\"type\":\"operator\"", 0);
	(void)fprintf(f, "operator: %s\nsystem_account: %s\n"
		      "resolver: MEMORY\nresolver_preload: {\n", jwt,
		      fix.system.name);
	creds_jwt(jwt, sizeof(jwt), &fix.operator, &fix.account, account, 0);
	(void)fprintf(f, "%s: %s\n", fix.account.name, jwt);
	creds_jwt(jwt, sizeof(jwt), &fix.operator, &fix.system, system, 0);
	(void)fprintf(f, "%s: %s\n}\n", fix.system.name, jwt);
	ck_assert_int_eq(0, fclose(f));
}


static void user_write(const char *name, const struct creds_key *issuer,
		       const struct creds_key *key, int64_t expires)
{
	char jwt[JWT_MAX];

	creds_jwt(jwt, sizeof(jwt), issuer, &fix.user,
		  "\"pub\":{},\"sub\":{}," UNLIMITED ",\"type\":\"user\"",
		  expires);
	creds_file(path(name), jwt, key);
}


static void setup(void)
{
	memset(&fix, 0, sizeof(fix));
	pthread_mutex_init(&fix.lock, NULL);
	ck_assert_int_eq(0, libre_init());
	ck_assert_int_eq(0, log_sink_add(&fix.sink, LOG_KIND_EVENT,
					 log_handler, NULL));
	creds_key_make(&fix.operator, CREDS_OPERATOR);
	creds_key_make(&fix.account, CREDS_ACCOUNT);
	creds_key_make(&fix.system, CREDS_ACCOUNT);
	creds_key_make(&fix.stranger, CREDS_ACCOUNT);
	creds_key_make(&fix.user, CREDS_USER);

	/* its folder is made by its first start */
	natsd_start(&fix.nd);
	natsd_stop(&fix.nd, SIGKILL);
	config_write();
	fix.nd.argv[0] = "-c";
	fix.nd.argv[1] = path("server.conf");
	natsd_start(&fix.nd);
}


static void teardown(void)
{
	mem_deref(fix.bus);
	natsd_close(&fix.nd);
	creds_key_reset(&fix.operator);
	creds_key_reset(&fix.account);
	creds_key_reset(&fix.system);
	creds_key_reset(&fix.stranger);
	creds_key_reset(&fix.user);
	mem_deref(fix.sink);
	libre_close();
	pthread_mutex_destroy(&fix.lock);
}


static void bus_make(const char *credentials)
{
	const struct bus_nats_conf conf = {
		.url = fix.nd.url, .credentials = credentials,
		.kv_timeout = LIMIT_MS,
	};
	const char *wrong = NULL;

	ck_assert_int_eq(0, bus_alloc_nats(&fix.bus, &conf, &wrong));
}


static void kv_handler(int err, uint64_t rev, const uint8_t *buf, size_t len,
		       void *arg)
{
	(void)rev;
	(void)buf;
	(void)len;
	(void)arg;
	ck_assert_int_eq(0, err);
	fix.stored = true;
}


START_TEST(test_accepted)
{
	user_write("user.creds", &fix.account, &fix.user, time(NULL) + 3600);
	bus_make(path("user.creds"));
	ck_assert(loop_until(is_up, LIMIT_MS));

	/* and it has a store there */
	ck_assert_int_eq(0, bus_kv_put(NULL, fix.bus, "b", "k",
				       (const uint8_t *)"v", 1, 0,
				       kv_handler, NULL));
	ck_assert(loop_until(is_stored, LIMIT_MS));
}
END_TEST


/* It stays down, and the log says what to look at. */
static void refused(const char *credentials, const char *text)
{
	fix.logged[0] = '\0';
	fix.awaited = text;
	bus_make(credentials);
	ck_assert_msg(loop_until(was_logged, LIMIT_MS), "%s: logged: %s",
		      credentials, fix.logged);
	ck_assert_int_eq(BUS_DOWN, bus_state(fix.bus));
	ck_assert_ptr_null(strstr(fix.logged, fix.user.seed));
	fix.bus = mem_deref(fix.bus);
}


START_TEST(test_refused)
{
	FILE *f;

	/* none; an account that the operator does not vouch for; too old; the
	   seed is somebody else's */
	refused(NULL, "bus.credentials");
	user_write("a.creds", &fix.stranger, &fix.user, 0);
	refused(path("a.creds"), "bus.credentials");
	user_write("b.creds", &fix.account, &fix.user, time(NULL) - 60);
	refused(path("b.creds"), "bus.credentials");
	user_write("c.creds", &fix.account, &fix.account, 0);
	refused(path("c.creds"), "bus.credentials");

	/* none in the file, no file */
	f = fopen(path("d.creds"), "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(0, fclose(f));
	refused(path("d.creds"), "bus.credentials");
	refused(path("none.creds"), "none.creds");
}
END_TEST


int main(void)
{
	TCase *tc = tcase_create("creds");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 200);
	tcase_add_test(tc, test_accepted);
	tcase_add_test(tc, test_refused);

	return natsd_run("creds", tc);
}
