/**
 * @file tests/mesh/call.c  A conference with up to four phones, for tests
 */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <check.h>
#include <re.h>
#include "mesh/mesh.h"
#include "phone.h"
#include "call.h"


void call_setup(void)
{
	ck_assert_int_eq(libre_init(), 0);
}


void call_teardown(void)
{
	libre_close();
}


void call_event(struct mesh_part *part, enum mesh_event ev, int value,
		void *arg)
{
	struct call *c = arg;
	unsigned i;

	for (i = 0; i < c->n; i++)
		if (c->partv[i] == part)
			break;
	ck_assert_uint_lt(i, c->n);

	switch (ev) {

	case MESH_SPEAKING_STARTED: ++c->started[i]; break;
	case MESH_SPEAKING_STOPPED: ++c->stopped[i]; break;
	case MESH_LATCHED:          ++c->latched[i]; break;
	case MESH_SILENT:           ++c->silent[i];  break;
	case MESH_DTMF:
		if (strlen(c->keys[i]) < sizeof(c->keys[i]) - 1)
			c->keys[i][strlen(c->keys[i])] = (char)value;
		break;
	}
}


void call_config(struct call *c)
{
	memset(c, 0, sizeof(*c));
	c->cfg.workers = 1;
	c->cfg.talkers_max = 3;
	c->cfg.private_max = 4;
	c->cfg.opus_complexity = 5;
	c->cfg.opus_bitrate = 24000;
	c->cfg.pass_through = true;
	(void)sa_set_str(&c->cfg.laddr, "127.0.0.1", 0);
}


void call_start(struct call *c)
{
	ck_assert_int_eq(mesh_alloc(&c->mesh, &c->cfg), 0);
	ck_assert_int_eq(mesh_start(c->mesh), 0);
	ck_assert_int_eq(mesh_conf_alloc(&c->conf, c->mesh, NULL), 0);
}


int call_part(struct mesh_part **pp, struct mesh_conf *conf,
	      const struct mesh_media *media, bool private_port,
	      mesh_event_h *h, void *arg)
{
	const struct mesh_part_params prm = {
		.media = media, .private_port = private_port,
		.cname = "phone@test", .h = h, .arg = arg,
	};

	return mesh_part_alloc(pp, conf, &prm);
}


unsigned call_join(struct call *c, enum mesh_codec codec, unsigned ptime,
		   double freq)
{
	struct mesh_media media;
	const unsigned i = c->n++;
	struct sa sa;

	ck_assert_int_eq(phone_alloc(&c->phonev[i], codec, ptime,
				     sa_af(&c->cfg.laddr) == AF_INET6
				     ? "::1" : "127.0.0.1"), 0);
	phone_media(c->phonev[i], &media);
	ck_assert_int_eq(call_part(&c->partv[i], c->conf, &media, false,
				   call_event, c), 0);
	ck_assert_int_eq(mesh_part_laddr(c->partv[i], &sa, NULL), 0);
	phone_peer(c->phonev[i], &sa);
	phone_talk(c->phonev[i], freq, freq > 0 ? AMP : 0);
	phone_start(c->phonev[i]);

	return i;
}


void call_leave(struct call *c, unsigned i)
{
	c->partv[i] = mem_deref(c->partv[i]);
	phone_stop(c->phonev[i]);
}


void call_stop(struct call *c)
{
	for (unsigned i = 0; i < c->n; i++) {
		c->partv[i] = mem_deref(c->partv[i]);
		c->phonev[i] = mem_deref(c->phonev[i]);
	}
	c->conf = mem_deref(c->conf);
	c->mesh = mem_deref(c->mesh);
}


void call_hears(struct call *c, unsigned i, double freq, bool on)
{
	const double a = phone_level(c->phonev[i], freq, 400);

	if (on)
		ck_assert_msg(a > AMP / 2.0 && a < AMP * 1.5,
			      "phone %u: %.0f Hz at %.0f", i, freq, a);
	else
		ck_assert_msg(a < AMP / 50.0,
			      "phone %u: %.0f Hz at %.0f", i, freq, a);
}


/* What tests are run in: one of them is this process's own, by its number */
static const char var[] = "CALL_TEST";

/* A machine that stands still for a moment makes a gap that is nobody's fault.
   What is wrong is wrong every time. */
enum { TRIES = 5, TRY_MAX = 300 /* [s] */ };

/* The thread sanitizer makes everything ten times slower: what can be heard
   then says nothing, and what counts are the races that it finds. */
#ifdef __SANITIZE_THREAD__
enum { JUDGES = false };
#else
enum { JUDGES = true };
#endif


static int test_one(const char *name, const TTest *test)
{
	Suite *s = suite_create(name);
	TCase *t = tcase_create(name);
	SRunner *sr;
	int failed;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	tcase_add_checked_fixture(t, call_setup, call_teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, test);
	suite_add_tcase(s, t);

	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}


/* Why it failed: what it said, but for the sums that we make ourselves */
static void told(FILE *f)
{
	char line[1024];

	rewind(f);
	while (fgets(line, sizeof(line), f)) {
		if (!strstr(line, "Checks: ") && !strstr(line, "Running su"))
			(void)fputs(line, stdout);
	}
	(void)fflush(stdout);
}


static bool try_passes(size_t i)
{
	FILE *f = tmpfile();
	int status = -1;
	char num[24];
	pid_t pid;

	if (!f)
		return false;

	(void)snprintf(num, sizeof(num), "%zu", i);
	(void)fflush(NULL);
	pid = fork();
	if (!pid) {
		(void)dup2(fileno(f), 1);
		(void)dup2(fileno(f), 2);
		(void)setenv(var, num, 1);
		/* a test that fails leaves its threads behind */
		if (!JUDGES)
			(void)setenv("TSAN_OPTIONS", "report_thread_leaks=0",
				     0);
		(void)alarm(TRY_MAX);
		(void)execl("/proc/self/exe", "test", (char *)NULL);
		_exit(127);
	}

	if (pid > 0)
		(void)waitpid(pid, &status, 0);
	if (status)
		told(f);
	(void)fclose(f);

	if (!JUDGES && WIFEXITED(status) && WEXITSTATUS(status) == 1)
		return true;

	return !status;
}


/* Run tests, each with libre up and in a process of its own. They play in real
   time: what fails is tried again. */
int call_main(const char *name, const TTest *const *testv, size_t testc)
{
	const char *own = getenv(var);
	unsigned failed = 0;

	if (own) {
		const size_t i = strtoul(own, NULL, 10);

		return i < testc ? test_one(name, testv[i]) : EXIT_FAILURE;
	}

	for (size_t i = 0; i < testc; i++) {
		bool ok = false;

		for (unsigned n = 1; !ok && n <= TRIES; n++) {
			ok = try_passes(i);
			if (!ok)
				(void)printf("%s: try %u failed\n",
					     testv[i]->name, n);
		}
		failed += !ok;
	}

	(void)printf("%u%%: Checks: %zu, Failures: %u, Errors: 0\n",
		     (unsigned)(100 * (testc - failed) / testc), testc,
		     failed);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
