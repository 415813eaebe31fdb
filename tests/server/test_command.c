/**
 * @file test_command.c  Commands and metrics: registries and their answers
 */
#include <string.h>
#include <stdlib.h>
#include <math.h>
#include <check.h>
#include <re.h>
#include "server/command.h"
#include "server/metrics.h"


struct answer {
	unsigned n;
	int err;
	char reason[64];
	int64_t value;
};


static void resp_h(int err, const char *reason, const struct odict *result,
		   void *arg)
{
	struct answer *a = arg;
	uint64_t v = 0;

	++a->n;
	a->err = err;
	str_ncpy(a->reason, reason ? reason : "", sizeof(a->reason));
	if (result && odict_get_number(result, &v, "v"))
		a->value = (int64_t)v;
}


static void echo(struct command_req *req, const struct odict *args,
		 void *arg)
{
	uint64_t v = 0;
	(void)arg;

	/* no arguments are an empty object, never NULL */
	ck_assert_ptr_nonnull(args);
	if (!odict_get_number(args, &v, "v"))
		command_fail(req, EINVAL, "v %s", "needed");
	else
		command_ok(req, args);
}


static void later(struct command_req *req, const struct odict *args,
		  void *arg)
{
	struct command_req **reqp = arg;
	(void)args;

	*reqp = req;
}


static void suicide(struct command_req *req, const struct odict *args,
		    void *arg)
{
	struct command **cp = arg;
	(void)args;

	*cp = mem_deref(*cp);
	command_ok(req, NULL);
}


START_TEST(test_run)
{
	struct commands *cs;
	struct command *c;
	struct answer a = {.n = 0};
	struct odict *od;

	ck_assert_int_eq(0, commands_alloc(&cs));
	ck_assert_int_eq(0, command_add(&c, cs, "echo", COMMAND_READ, "h",
					echo, NULL));
	ck_assert_int_eq(0, odict_alloc(&od, 4));
	ck_assert_int_eq(0, odict_entry_add(od, "v", ODICT_INT,
					    (int64_t)42));

	ck_assert_int_eq(0, command_run(cs, "echo", od, resp_h, &a));
	ck_assert_uint_eq(1, a.n);
	ck_assert_int_eq(0, a.err);
	ck_assert_int_eq(42, a.value);

	ck_assert_int_eq(0, command_run(cs, "echo", NULL, resp_h, &a));
	ck_assert_uint_eq(2, a.n);
	ck_assert_int_eq(EINVAL, a.err);
	ck_assert_str_eq("v needed", a.reason);

	ck_assert_int_eq(ENOENT, command_run(cs, "nope", od, resp_h, &a));
	mem_deref(c);
	ck_assert_int_eq(ENOENT, command_run(cs, "echo", od, resp_h, &a));
	ck_assert_uint_eq(2, a.n);

	mem_deref(od);
	mem_deref(cs);
}
END_TEST


START_TEST(test_later)
{
	struct command_req *req = NULL;
	struct commands *cs;
	struct command *c;
	struct answer a = {.n = 0};

	ck_assert_int_eq(0, commands_alloc(&cs));
	ck_assert_int_eq(0, command_add(&c, cs, "later", COMMAND_CHANGE, "h",
					later, &req));

	/* the request outlives its command and the registry */
	ck_assert_int_eq(0, command_run(cs, "later", NULL, resp_h, &a));
	ck_assert_uint_eq(0, a.n);
	mem_deref(c);
	mem_deref(cs);
	command_ok(req, NULL);
	ck_assert_uint_eq(1, a.n);
	ck_assert_int_eq(0, a.err);
}
END_TEST


START_TEST(test_dropped)
{
	struct command_req *req = NULL;
	struct commands *cs;
	struct command *c;
	struct answer a = {.n = 0};

	ck_assert_int_eq(0, commands_alloc(&cs));
	ck_assert_int_eq(0, command_add(&c, cs, "later", COMMAND_CHANGE, "h",
					later, &req));
	ck_assert_int_eq(0, command_run(cs, "later", NULL, resp_h, &a));
	mem_deref(req);
	ck_assert_uint_eq(1, a.n);
	ck_assert_int_eq(ECONNRESET, a.err);

	mem_deref(c);
	mem_deref(cs);
}
END_TEST


START_TEST(test_suicide)
{
	struct commands *cs;
	struct command *c;
	struct answer a = {.n = 0};

	ck_assert_int_eq(0, commands_alloc(&cs));
	ck_assert_int_eq(0, command_add(&c, cs, "x", COMMAND_CHANGE, "h",
					suicide, &c));
	ck_assert_int_eq(0, command_run(cs, "x", NULL, resp_h, &a));
	ck_assert_uint_eq(1, a.n);
	ck_assert_ptr_null(c);

	mem_deref(cs);
}
END_TEST


static void names_h(const char *name, enum command_kind kind,
		    const char *help, void *arg)
{
	char *buf = arg;
	const size_t n = strlen(buf);

	re_snprintf(buf + n, 64 - n, "%s/%d/%s ", name, kind, help);
}


START_TEST(test_names)
{
	struct commands *cs;
	struct command *cv[3], *none = NULL;
	char buf[64] = "";

	ck_assert_int_eq(0, commands_alloc(&cs));
	ck_assert_int_eq(0, command_add(&cv[0], cs, "m", COMMAND_READ, "1",
					echo, NULL));
	ck_assert_int_eq(0, command_add(&cv[1], cs, "z", COMMAND_CHANGE, "2",
					echo, NULL));
	ck_assert_int_eq(0, command_add(&cv[2], cs, "a", COMMAND_READ, NULL,
					echo, NULL));
	ck_assert_int_eq(EEXIST, command_add(&none, cs, "z", COMMAND_READ,
					     "", echo, NULL));
	ck_assert_int_eq(EINVAL, command_add(&none, cs, "", COMMAND_READ,
					     "", echo, NULL));
	ck_assert_int_eq(EINVAL, command_add(&none, cs, "q", COMMAND_READ,
					     "", NULL, NULL));
	ck_assert_ptr_null(none);

	command_apply(cs, names_h, buf);
	ck_assert_str_eq("a/0/ m/0/1 z/1/2 ", buf);

	/* the registry may go before its commands */
	mem_deref(cs);
	mem_deref(cv[0]);
	mem_deref(cv[1]);
	mem_deref(cv[2]);
}
END_TEST


static double number(void *arg)
{
	return *(const double *)arg;
}


START_TEST(test_metrics)
{
	double v[] = {3, 0.25, 1e18, INFINITY, NAN, -4};
	struct metrics *ms;
	struct metric *mv[6], *none = NULL;
	char *text;

	ck_assert_int_eq(0, metrics_alloc(&ms));
	ck_assert_int_eq(0, metric_add(&mv[0], ms, METRIC_COUNTER, "a_total",
				       "k=\"1\"", "A", number, &v[0]));
	ck_assert_int_eq(0, metric_add(&mv[1], ms, METRIC_GAUGE, "b", NULL,
				       "B", number, &v[1]));
	ck_assert_int_eq(0, metric_add(&mv[2], ms, METRIC_COUNTER, "a_total",
				       "k=\"2\"", "A", number, &v[2]));
	ck_assert_int_eq(0, metric_add(&mv[3], ms, METRIC_GAUGE, "c", "",
				       "C", number, &v[3]));
	ck_assert_int_eq(0, metric_add(&mv[4], ms, METRIC_GAUGE, "d", NULL,
				       "D", number, &v[4]));
	ck_assert_int_eq(0, metric_add(&mv[5], ms, METRIC_GAUGE, "e", NULL,
				       "E", number, &v[5]));

	ck_assert_int_eq(EEXIST, metric_add(&none, ms, METRIC_GAUGE,
					    "a_total", NULL, "A", number,
					    v));
	ck_assert_int_eq(EINVAL, metric_add(&none, ms, METRIC_GAUGE, "9a",
					    NULL, "A", number, v));
	ck_assert_int_eq(EINVAL, metric_add(&none, ms, METRIC_GAUGE, "a b",
					    NULL, "A", number, v));

	/* one family stands together, whoever came between */
	ck_assert_int_eq(0, re_sdprintf(&text, "%H", metrics_print, ms));
	ck_assert_str_eq("# HELP a_total A\n# TYPE a_total counter\n"
			 "a_total{k=\"1\"} 3\n"
			 "a_total{k=\"2\"} 1e+18\n"
			 "# HELP b B\n# TYPE b gauge\nb 0.25\n"
			 "# HELP c C\n# TYPE c gauge\nc +Inf\n"
			 "# HELP d D\n# TYPE d gauge\nd NaN\n"
			 "# HELP e E\n# TYPE e gauge\ne -4\n", text);
	mem_deref(text);

	mem_deref(mv[1]);
	mem_deref(mv[3]);
	mem_deref(mv[4]);
	mem_deref(mv[0]);
	ck_assert_int_eq(0, re_sdprintf(&text, "%H", metrics_print, ms));
	ck_assert_str_eq("# HELP a_total A\n# TYPE a_total counter\n"
			 "a_total{k=\"2\"} 1e+18\n"
			 "# HELP e E\n# TYPE e gauge\ne -4\n", text);
	mem_deref(text);

	mem_deref(ms);
	mem_deref(mv[2]);
	mem_deref(mv[5]);
}
END_TEST


int main(void)
{
	Suite *s = suite_create("command");
	TCase *tc = tcase_create("command");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, test_run);
	tcase_add_test(tc, test_later);
	tcase_add_test(tc, test_dropped);
	tcase_add_test(tc, test_suicide);
	tcase_add_test(tc, test_names);
	tcase_add_test(tc, test_metrics);
	suite_add_tcase(s, tc);

	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
