/**
 * @file test_farm.c  Operators of a farm: commands that go to other servers
 *
 * Two servers on one bus with a made-up connect service, which has one
 * conference, and the operator's command as a process.
 */
#define _GNU_SOURCE 1
#include <string.h>
#include <stdio.h>
#include <stdlib.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <sys/wait.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/offers.h"
#include "bus/bus.h"
#include "heartbeat/heartbeat.h"
#include "noc/name.h"
#include "noc/seal.h"
#include "noc/wire.h"
#include "farm.h"


#define CONF "service rooms\nservice heartbeat\nservice remote\n" \
	"heartbeat.listen 127.0.0.1:0\n"
#define HEAD "service registry\nservice heartbeat\nservice remote\n" \
	"heartbeat.listen 127.0.0.1:0\n"

/* For whatever has to happen, on a machine with much else to do [ms] */
enum { LIMIT_MS = 30000 };

static struct farm farm;


/* the connect service: the conference is named as its server */

struct rooms {
	struct offers *offers;
	struct server *srv;
	unsigned asked;            /* for the conference that is in between */
};


static void list_command(struct command_req *req, const struct odict *args,
			 void *arg)
{
	struct odict *od, *array, *row;
	struct rooms *r = arg;
	(void)args;

	ck_assert_int_eq(0, odict_alloc(&od, 4));
	ck_assert_int_eq(0, odict_alloc(&array, 4));
	ck_assert_int_eq(0, odict_alloc(&row, 4));
	odict_entry_add(row, "name", ODICT_STRING, server_name(r->srv));
	odict_entry_add(row, "participants", ODICT_INT, (int64_t)3);
	odict_entry_add(array, "0", ODICT_OBJECT, row);
	odict_entry_add(od, "conferences", ODICT_ARRAY, array);
	command_ok(req, od);
	mem_deref(row);
	mem_deref(array);
	mem_deref(od);
}


static void lock_command(struct command_req *req, const struct odict *args,
			 void *arg)
{
	const char *conf = odict_string(args, "conference");
	struct rooms *r = arg;
	struct odict *od;

	/* on its way from a to b, or between the two */
	if (conf && ((!strcmp(conf, "moving") &&
		      !strcmp(server_name(r->srv), "a")) ||
		     (!strcmp(conf, "between") && r->asked++ < 3) ||
		     !strcmp(conf, "stuck"))) {
		command_fail(req, EAGAIN, "%s is moving to b", conf);
		return;
	}

	if (!conf || (strcmp(conf, server_name(r->srv)) &&
		      strcmp(conf, "moving") && strcmp(conf, "between"))) {
		command_fail(req, ENOENT, "no such conference here");
		return;
	}

	ck_assert_int_eq(0, odict_alloc(&od, 4));
	odict_entry_add(od, "locked", ODICT_STRING, server_name(r->srv));
	command_ok(req, od);
	mem_deref(od);
}


static void big_command(struct command_req *req, const struct odict *args,
			void *arg)
{
	char *text = mem_zalloc(600000, NULL);
	struct odict *od;
	(void)args;
	(void)arg;

	memset(text, 'x', 599999);
	ck_assert_int_eq(0, odict_alloc(&od, 4));
	odict_entry_add(od, "big", ODICT_STRING, text);
	command_ok(req, od);
	mem_deref(od);
	mem_deref(text);
}


static void never_command(struct command_req *req, const struct odict *args,
			  void *arg)
{
	struct rooms *r = arg;
	(void)args;

	/* whoever drops a request answers it by that */
	(void)r;
	mem_deref(req);
}


static int rooms_start(struct service *svc)
{
	static const struct offer_command commandv[] = {
		{"conferences", COMMAND_READ, "", list_command},
		{"lock", COMMAND_CHANGE, "", lock_command},
		{"big", COMMAND_READ, "", big_command},
		{"never", COMMAND_READ, "", never_command},
	};
	struct rooms *r = mem_zalloc(sizeof(*r), NULL);

	r->srv = service_server(svc);
	service_data_set(svc, r);
	ck_assert_int_eq(0, offers_alloc(&r->offers, r->srv));

	return offers_commands(r->offers, commandv, ARRAY_SIZE(commandv), r);
}


static void rooms_stop(struct service *svc)
{
	struct rooms *r = service_data(svc);

	mem_deref(r->offers);
	mem_deref(r);
	service_data_set(svc, NULL);
}


static const struct service_export rooms_export = {
	.api_version = SERVICE_API_VERSION,
	.name = "rooms",
	.start = rooms_start,
	.stop = rooms_stop,
};

static int no_start(struct service *svc)
{
	(void)svc;

	return 0;
}

/* what makes a server look after others is that it has such a service */
static const struct service_export registry_export = {
	.api_version = SERVICE_API_VERSION,
	.name = "registry",
	.start = no_start,
};

static const struct service_export *const builtinv[] = {
	&rooms_export, &registry_export, NULL
};


/* the operator's command, as a process */

struct job {
	pid_t pid;
	int status;
	bool done;
};


static bool job_done(void *arg)
{
	struct job *j = arg;

	if (!j->done)
		j->done = waitpid(j->pid, &j->status, WNOHANG) == j->pid;

	return j->done;
}


static void ask(const char *server, const char *args, int code,
		const char *want)
{
	struct job job = {0};
	char cmd[512], out[128], text[16384];
	ssize_t n;
	int fd;

	re_snprintf(out, sizeof(out), "%s/out", farm.dir);
	re_snprintf(cmd, sizeof(cmd),
		    "exec src/junctor --dir %s/%s %s >%s 2>&1 </dev/null",
		    farm.dir, server, args, out);
	job.pid = fork();
	ck_assert_int_ge(job.pid, 0);
	if (!job.pid) {
		execl("/bin/sh", "sh", "-c", cmd, (char *)NULL);
		_exit(127);
	}

	ck_assert(farm_wait(job_done, &job, LIMIT_MS));
	fd = open(out, O_RDONLY);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n < 0 ? 0 : n] = '\0';
	ck_assert_msg(WIFEXITED(job.status) &&
		      WEXITSTATUS(job.status) == code && strstr(text, want),
		      "junctor %s at %s: %d\n%s", args, server, job.status,
		      text);
}


static bool b_seen(void *arg)
{
	const struct heartbeat_api *a = service_api(farm.srvv[0],
						    "heartbeat");
	const struct heartbeat_api *h = farm.srvv[2] ?
		service_api(farm.srvv[2], "heartbeat") : NULL;
	(void)arg;

	return a->state(a->hb, "b") == NODE_UP &&
		(!h || (h->state(h->hb, "b") == NODE_UP &&
			h->state(h->hb, "a") == NODE_UP));
}


static void claim_put(const char *conf, const char *server)
{
	struct wire_claim c = { .running = true };
	uint8_t buf[WIRE_SMALL_MAX];
	char key[NAME_KEY_MAX];
	size_t n;

	str_ncpy(c.conference, conf, sizeof(c.conference));
	str_ncpy(c.server, server, sizeof(c.server));
	ck_assert_int_eq(0, wire_claim_encode(buf, sizeof(buf), &n, &c));
	ck_assert_int_eq(0, name_key(key, sizeof(key), conf, strlen(conf)));
	ck_assert_int_eq(0, bus_kv_put(NULL, farm.inner, "conferences", key,
				       buf, n, 0, NULL, NULL));
}


static void farm_make(void)
{
	farm_open(&farm);
	farm_start(&farm, 0, "a", CONF, builtinv);
	farm_start(&farm, 1, "b", CONF, builtinv);
	farm_start(&farm, 2, "head", HEAD, builtinv);
	ck_assert(farm_wait(b_seen, NULL, LIMIT_MS));
	claim_put("a", "a");
	claim_put("b", "b");
	claim_put("gone", "nobody");
	claim_put("moving", "b");
	claim_put("between", "a");
	claim_put("stuck", "a");
}


START_TEST(test_server)
{
	static const struct {
		const char *server, *args;
		int code;
		const char *want;
	} askv[] = {
		{"a", "--server b version --json", 0, "\"version\""},
		{"a", "--server=b get server.name", 0, "server.name  b"},
		{"a", "--server a get server.name", 0, "server.name  a"},
		{"head", "--server b --json run conferences", 0,
		 "\"name\":\"b\""},
		{"a", "--server b set log.level=debug", 1, "log.level"},
		{"a", "--server b lock b", 0, "locked  b"},
		{"a", "--server b lock a", 1, "no such conference here"},
		{"a", "--server b run nothing", 1, "no such command"},
		{"a", "--server c status", 1, "no such server is there"},
		{"a", "--server b run big", 1, "too large for the bus"},
		{"a", "--server b run never", 1, "given up"},
		{"a", "--server '' status", 2, "needs a name"},
		{"a", "--server b --all status", 2, "only one of"},
		{"a", "--server b events", 2, "only of the server in --dir"},
	};
	size_t i;

	farm_make();
	for (i=0; i<ARRAY_SIZE(askv); i++)
		ask(askv[i].server, askv[i].args, askv[i].code, askv[i].want);
	farm_close(&farm);
}
END_TEST


/* What names a conference finds the server where it is. */
START_TEST(test_route)
{
	static const struct {
		const char *server, *args;
		int code;
		const char *want;
	} askv[] = {
		{"a", "lock a", 0, "locked  a"},
		{"a", "lock b", 0, "locked  b"},
		{"b", "lock a", 0, "locked  a"},
		{"head", "lock b", 0, "locked  b"},
		{"a", "lock c", 1, "no such conference here"},
		{"head", "lock c", 1, "lock: c: no such conference"},
		{"head", "show c", 1, "c: no such conference"},
		{"head", "lock gone", 1, "no such server is there"},
		{"a", "lock moving", 0, "locked  b"},
		{"a", "lock between", 0, "locked  a"},
		{"a", "lock stuck", 1, "stuck is moving to b"},
	};
	size_t i;

	farm_make();
	for (i=0; i<ARRAY_SIZE(askv); i++)
		ask(askv[i].server, askv[i].args, askv[i].code, askv[i].want);
	farm_close(&farm);
}
END_TEST


START_TEST(test_all)
{
	farm_make();
	ask("head", "conferences", 0, "SERVER  NAME  PARTICIPANTS\n"
	    "a       a                3\nb       b                3\n");
	ask("a", "conferences", 0, "NAME  PARTICIPANTS\na                3\n");
	ask("a", "conferences --all --json", 0, "\"server\":\"b\"");
	ask("head", "conferences --here", 1, "no command 'conferences'");
	ask("head", "status", 0, "running");
	ask("head", "status --json", 0, "\"server\":\"head\"");
	ask("a", "--all get server.name", 0, "head");
	ask("a", "--all run lock conference=a", 1, "");
	ask("a", "nodes", 0, "head");
	farm_close(&farm);
}
END_TEST


static void hello_fire(unsigned ix, const char *name)
{
	const struct event ev = {.name = name};

	(void)event_fire(server_events(farm.srvv[ix]), &ev);
}


static bool heard_all(void *arg)
{
	const char *file = arg;
	char text[8192];
	ssize_t n;
	int fd;

	/* whoever watches has to be known at the others first */
	hello_fire(0, "test.hello");
	hello_fire(1, "test.hello");
	hello_fire(1, "other.hello");

	fd = open(file, O_RDONLY);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n < 0 ? 0 : n] = '\0';
	ck_assert(!strstr(text, "other.hello"));

	return strstr(text, "\"origin\":\"a\"") &&
		strstr(text, "\"origin\":\"b\"");
}


/* Events of all servers, as long as somebody watches. */
START_TEST(test_events)
{
	struct job job = {0};
	char out[128], dir[128];
	int fd;

	farm_make();
	re_snprintf(out, sizeof(out), "%s/events", farm.dir);
	re_snprintf(dir, sizeof(dir), "%s/a", farm.dir);
	job.pid = fork();
	ck_assert_int_ge(job.pid, 0);
	if (!job.pid) {
		fd = open(out, O_WRONLY | O_CREAT, 0600);
		dup2(fd, 1);
		execl("src/junctor", "junctor", "--dir", dir, "--all",
		      "--json", "events", "test.*", (char *)NULL);
		_exit(127);
	}

	ck_assert(farm_wait(heard_all, out, LIMIT_MS));
	ck_assert_int_eq(0, kill(job.pid, SIGTERM));
	ck_assert(farm_wait(job_done, &job, LIMIT_MS));

	ask("a", "run events.feed subject=x", 1, "for other servers only");
	ask("a", "events --server b", 2, "only of the server in --dir");
	farm_close(&farm);
}
END_TEST


static bool is_raw(void *arg)
{
	struct termios tio;

	return !tcgetattr(*(int *)arg, &tio) && !(tio.c_lflag & ICANON);
}


static bool has_table(void *arg)
{
	static char text[8192];
	static size_t n;
	const int fd = *(int *)arg;
	ssize_t k;

	if (fd < 0) {
		n = 0;
		return false;
	}

	k = read(fd, text + n, sizeof(text) - 1 - n);
	if (k > 0)
		n += (size_t)k;
	text[n] = '\0';

	return strstr(text, "SERVER") && strstr(text, "head") &&
		strstr(text, "CONFERENCES");
}


/* Whatever ends it, the terminal is as it was. */
START_TEST(test_top)
{
	static const int sigv[] = {SIGTERM, SIGHUP, SIGINT};
	struct job job = {0};
	struct termios tio;
	char dir[128];
	int fd, none = -1;

	farm_make();
	re_snprintf(dir, sizeof(dir), "%s/head", farm.dir);
	job.pid = forkpty(&fd, NULL, NULL, NULL);
	ck_assert_int_ge(job.pid, 0);
	if (!job.pid) {
		/* whoever runs the tests by nohup(1) ignores one of them */
		(void)signal(sigv[_i], SIG_DFL);
		execl("src/junctor", "junctor", "--dir", dir, "top",
		      (char *)NULL);
		_exit(127);
	}

	ck_assert_int_eq(0, fcntl(fd, F_SETFL, O_NONBLOCK));
	ck_assert(farm_wait(is_raw, &fd, LIMIT_MS));
	(void)has_table(&none);
	ck_assert(farm_wait(has_table, &fd, LIMIT_MS));
	ck_assert_int_eq(0, kill(job.pid, sigv[_i]));
	ck_assert(farm_wait(job_done, &job, LIMIT_MS));
	ck_assert(WIFSIGNALED(job.status));
	ck_assert_int_eq(sigv[_i], WTERMSIG(job.status));
	ck_assert_int_eq(0, tcgetattr(fd, &tio));
	ck_assert(tio.c_lflag & ICANON);
	ck_assert(tio.c_lflag & ECHO);
	close(fd);
	farm_close(&farm);
}
END_TEST


static void answer_handler(int err, const uint8_t *buf, size_t len, void *arg)
{
	int *got = arg;
	(void)buf;
	(void)len;

	*got = err ? err : -1;
}


static bool answered(void *arg)
{
	return *(int *)arg != 0;
}


static int send_raw(const uint8_t *buf, size_t len)
{
	int got = 0;

	ck_assert_int_eq(0, bus_request(NULL, farm.inner, "server.b.command",
					buf, len, 300, answer_handler, &got));
	ck_assert(farm_wait(answered, &got, LIMIT_MS));

	return got;
}


static void sealed(uint8_t **bufp, size_t *lenp, const uint8_t *secret,
		   const char *place, int64_t when, const char *id)
{
	struct odict *od, *args;
	struct seal_key *key;

	ck_assert_int_eq(0, seal_key_alloc(&key, secret, 32));
	ck_assert_int_eq(0, odict_alloc(&od, 8));
	ck_assert_int_eq(0, odict_alloc(&args, 8));
	odict_entry_add(od, "id", ODICT_STRING, id);
	odict_entry_add(od, "time", ODICT_INT, when);
	odict_entry_add(od, "from", ODICT_STRING, "a");
	odict_entry_add(od, "command", ODICT_STRING, "version");
	odict_entry_add(od, "args", ODICT_OBJECT, args);
	ck_assert_int_eq(0, seal_odict(bufp, lenp, key, place, od));
	mem_deref(args);
	mem_deref(od);
	mem_deref(key);
}


/* Whoever is on the bus without the key, or only repeats what was said, can
   do nothing. */
START_TEST(test_forged)
{
	static const uint8_t wrong[32] = {1};
	const int64_t now = time(NULL);
	uint8_t *buf;
	size_t n;

	farm_make();
	sealed(&buf, &n, farm.key, "server.b.command", now,
	       "0123456789abcdef");
	ck_assert_int_eq(-1, send_raw(buf, n));
	ck_assert_int_eq(ETIMEDOUT, send_raw(buf, n));       /* replayed */
	buf[n - 1] ^= 1;
	ck_assert_int_eq(ETIMEDOUT, send_raw(buf, n));       /* changed */
	ck_assert_int_eq(ETIMEDOUT, send_raw(buf, n / 2));
	ck_assert_int_eq(ETIMEDOUT, send_raw((uint8_t *)"{}", 2));
	mem_deref(buf);

	sealed(&buf, &n, farm.key, "server.a.command", now,
	       "0123456789abcde0");
	ck_assert_int_eq(ETIMEDOUT, send_raw(buf, n));       /* for another */
	mem_deref(buf);
	sealed(&buf, &n, wrong, "server.b.command", now, "0123456789abcde1");
	ck_assert_int_eq(ETIMEDOUT, send_raw(buf, n));
	mem_deref(buf);
	sealed(&buf, &n, farm.key, "server.b.command", now - 100,
	       "0123456789abcde2");
	ck_assert_int_eq(ETIMEDOUT, send_raw(buf, n));       /* old */
	mem_deref(buf);
	sealed(&buf, &n, farm.key, "server.b.command", now + 100,
	       "0123456789abcde3");
	ck_assert_int_eq(ETIMEDOUT, send_raw(buf, n));
	mem_deref(buf);
	sealed(&buf, &n, farm.key, "server.b.command", now, "");
	ck_assert_int_eq(ETIMEDOUT, send_raw(buf, n));
	mem_deref(buf);

	/* clocks may differ a little */
	sealed(&buf, &n, farm.key, "server.b.command", now - 5,
	       "0123456789abcde4");
	ck_assert_int_eq(-1, send_raw(buf, n));
	mem_deref(buf);
	farm_close(&farm);
}
END_TEST


int main(void)
{
	Suite *s = suite_create("farm");
	TCase *tc = tcase_create("all");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, test_server);
	tcase_add_test(tc, test_route);
	tcase_add_test(tc, test_all);
	tcase_add_test(tc, test_events);
	tcase_add_loop_test(tc, test_top, 0, 3);
	tcase_add_test(tc, test_forged);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? 1 : 0;
}
