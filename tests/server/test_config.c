/**
 * @file test_config.c  Settings: what is read, what is refused, what changes
 */
#include <string.h>
#include <stdlib.h>
#include <check.h>
#include <re.h>
#include "server/settings.h"
#include "server/config.h"


enum { TOLD_MAX = 8192 };

static const struct setting settings[] = {
	{"a.text", SETTING_STRING, NULL, 2, 5, NULL, SETTING_RUNTIME, "t"},
	{"a.any", SETTING_STRING, "dflt", 0, 0, NULL, 0, "t"},
	{"a.words", SETTING_STRING, "x1", 1, 0, "x1|Y2", 0, "w"},
	{"a.num", SETTING_U32, "7", 5, 10, NULL, SETTING_RUNTIME, "n"},
	{"a.big", SETTING_U32, "1", 0, 0, NULL, 0, "n"},
	{"a.bool", SETTING_BOOL, "no", 0, 0, NULL, SETTING_RUNTIME, "b"},
	{"a.pick", SETTING_CHOICE, "one", 0, 0, "one|two|three", 0, "c"},
	{"a.sa", SETTING_SA, "127.0.0.1:5060", 0, 0, NULL, 0, "s"},
	{"a.addr", SETTING_ADDR, NULL, 0, 0, NULL, 0, "s"},
	{"a.list", SETTING_STRING, "none", 0, 0, NULL, SETTING_MULTI, "l"},
	{"a.sas", SETTING_SA, "127.0.0.1:5060", 0, 0, NULL, SETTING_MULTI,
	 "l"},
	{"a.hot", SETTING_STRING, NULL, 0, 0, NULL,
	 SETTING_MULTI | SETTING_RUNTIME, "l"},
	{"a.pass", SETTING_STRING, NULL, 4, 0, NULL,
	 SETTING_SECRET | SETTING_RUNTIME, "p"},
	{NULL, SETTING_STRING, NULL, 0, 0, NULL, 0, NULL}
};

static const struct setting required[] = {
	{"r.must", SETTING_STRING, NULL, 0, 0, NULL, SETTING_REQUIRED, "r"},
	{NULL, SETTING_STRING, NULL, 0, 0, NULL, 0, NULL}
};

struct told {
	char text[TOLD_MAX];
	size_t n;
};


static void tell(struct told *told, const char *a, const char *b,
		 const char *c)
{
	const int n = re_snprintf(told->text + told->n, TOLD_MAX - told->n,
				  "%s: %s: %s\n", a, b, c);

	ck_assert_int_ge(n, 0);
	told->n += (size_t)n;
}


static void error_h(const struct config_error *ce, void *arg)
{
	tell(arg, ce->where, ce->key, ce->reason);
}


static void changed_h(const struct setting *s, const char *old,
		      const char *val, void *arg)
{
	tell(arg, s->key, old ? old : "NULL", val ? val : "NULL");
}


static void frozen_h(const char *key, void *arg)
{
	tell(arg, "frozen", key, "");
}


static int load(struct config *cfg, const char *text, struct told *told)
{
	int err, err2;

	err = config_load_buf(cfg, "f", text, strlen(text), error_h, told);
	err2 = config_check(cfg, error_h, told);

	return err ? err : err2;
}


static struct config *made(const char *text)
{
	struct told told = {.n = 0};
	struct config *cfg;

	ck_assert_int_eq(0, config_alloc(&cfg));
	ck_assert_int_eq(0, config_declare(cfg, settings));
	ck_assert_int_eq(0, load(cfg, text, &told));
	ck_assert_str_eq("", told.text);

	return cfg;
}


static bool join_h(const char *val, void *arg)
{
	tell(arg, val, "", "");

	return !strcmp(val, "stop");
}


START_TEST(test_accept)
{
	struct config *cfg = made(
		"# a comment\n"
		"\n"
		"   \t \r\n"
		"a.text  ab cd  # the rest is a comment\r\n"
		"\ta.num\t10\n"
		"a.big 4294967295\n"
		"a.any a#b \"c\" \xc3\xa4\n"
		"a.words y2, x1\n"
		"a.bool yes\n"
		"a.pick three\n"
		"a.list x\n"
		"a.sa [::1]:0\n"
		"a.list y z\n"
		"a.addr 127.0.0.9\n"
		"a.sas 127.0.0.1:1\na.sas 127.0.0.2:2\n"
		"a.pass secret"); /* no line feed at the end */
	struct told told = {.n = 0};
	struct sa sa;

	ck_assert_str_eq("ab cd", config_str(cfg, "a.text"));
	ck_assert_str_eq("a#b \"c\" \xc3\xa4", config_str(cfg, "a.any"));
	ck_assert_uint_eq(10, config_u32(cfg, "a.num"));
	ck_assert_uint_eq(UINT32_MAX, config_u32(cfg, "a.big"));
	ck_assert(config_bool(cfg, "a.bool"));
	ck_assert_str_eq("three", config_str(cfg, "a.pick"));
	ck_assert_int_eq(0, config_sa(cfg, "a.sa", &sa));
	ck_assert_int_eq(AF_INET6, sa_af(&sa));
	ck_assert_uint_eq(0, sa_port(&sa));
	ck_assert_int_eq(0, config_sa(cfg, "a.addr", &sa));
	ck_assert_uint_eq(0x7f000009, sa_in(&sa));
	ck_assert_int_eq(0, config_sa(cfg, "a.sas", &sa));
	ck_assert_uint_eq(1, sa_port(&sa));
	config_multi(cfg, "a.list", join_h, &told);
	ck_assert_str_eq("x: : \ny z: : \n", told.text);

	mem_deref(cfg);

	cfg = made("a.any\t\"\" # nothing\n");
	ck_assert_str_eq("", config_str(cfg, "a.any"));
	mem_deref(cfg);
}
END_TEST


START_TEST(test_default)
{
	struct config *cfg = made("");
	struct told told = {.n = 0};
	struct sa sa;

	ck_assert_ptr_null(config_str(cfg, "a.text"));
	ck_assert_str_eq("dflt", config_str(cfg, "a.any"));
	ck_assert_uint_eq(7, config_u32(cfg, "a.num"));
	ck_assert(!config_bool(cfg, "a.bool"));
	ck_assert_int_eq(0, config_sa(cfg, "a.sa", &sa));
	ck_assert_uint_eq(5060, sa_port(&sa));
	ck_assert_int_eq(0, config_sa(cfg, "a.sas", &sa));
	ck_assert_uint_eq(5060, sa_port(&sa));
	ck_assert_int_eq(ENOENT, config_sa(cfg, "a.addr", &sa));
	ck_assert_int_eq(EINVAL, config_sa(cfg, "a.num", &sa));
	config_multi(cfg, "a.list", join_h, &told);
	ck_assert_str_eq("none: : \n", told.text);

	/* keys that nobody declared */
	ck_assert_ptr_null(config_str(cfg, "no.such"));
	ck_assert_uint_eq(0, config_u32(cfg, "no.such"));
	ck_assert(!config_bool(cfg, "no.such"));
	ck_assert_int_eq(ENOENT, config_sa(cfg, "no.such", &sa));
	config_multi(cfg, "no.such", join_h, &told);

	mem_deref(cfg);
}
END_TEST


START_TEST(test_multi_stops)
{
	struct config *cfg = made("a.list x\na.list stop\na.list z\n");
	struct told told = {.n = 0};

	config_multi(cfg, "a.list", join_h, &told);
	ck_assert_str_eq("x: : \nstop: : \n", told.text);

	mem_deref(cfg);
}
END_TEST


static const struct {
	const char *text, *told;
} rejectv[] = {
	{"no.such 1\n",
	 "f:1: no.such: no such setting in any of the services named\n"},
	{"\n# x\na.num\n", "f:3: a.num: the value is missing\n"},
	{"a.num # 7\n", "f:1: a.num: the value is missing\n"},
	{"a.num \"\"\n", "f:1: a.num: '' is not a whole number\n"},
	{"a.words x1,y\n", "f:1: a.words: 'y' is none of x1|Y2\n"},
	{"a.text \"\"\n", "f:1: a.text: must have 2 to 5 characters\n"},
	{"a.num 4\n", "f:1: a.num: must be 5 to 10\n"},
	{"a.num 11\n", "f:1: a.num: must be 5 to 10\n"},
	{"a.num -7\n", "f:1: a.num: '-7' is not a whole number\n"},
	{"a.num +7\n", "f:1: a.num: '+7' is not a whole number\n"},
	{"a.num 7 8\n", "f:1: a.num: '7 8' is not a whole number\n"},
	{"a.num 0x7\n", "f:1: a.num: '0x7' is not a whole number\n"},
	{"a.num 7.0\n", "f:1: a.num: '7.0' is not a whole number\n"},
	{"a.big 4294967296\n",
	 "f:1: a.big: must be 0 to 4294967295\n"},
	{"a.big 99999999999999999999\n",
	 "f:1: a.big: '99999999999999999999' is not a whole number\n"},
	{"a.text x\n", "f:1: a.text: must have 2 to 5 characters\n"},
	{"a.text toolong\n", "f:1: a.text: must have 2 to 5 characters\n"},
	{"a.bool true\n", "f:1: a.bool: 'true' is neither yes nor no\n"},
	{"a.bool Yes\n", "f:1: a.bool: 'Yes' is neither yes nor no\n"},
	{"a.pick four\n", "f:1: a.pick: 'four' is none of one|two|three\n"},
	{"a.pick tw\n", "f:1: a.pick: 'tw' is none of one|two|three\n"},
	{"a.pick one|two\n",
	 "f:1: a.pick: 'one|two' is none of one|two|three\n"},
	{"a.sa 127.0.0.1\n", "f:1: a.sa: '127.0.0.1' is not ADDR:PORT or"
	 " [ADDR6]:PORT\n"},
	{"a.sa 127.0.0.1:\n", "f:1: a.sa: '127.0.0.1:' is not ADDR:PORT or"
	 " [ADDR6]:PORT\n"},
	{"a.sa 127.0.0.1:70000\n", "f:1: a.sa: '127.0.0.1:70000' is not"
	 " ADDR:PORT or [ADDR6]:PORT\n"},
	{"a.sa 127.0.0.1:5060x\n", "f:1: a.sa: '127.0.0.1:5060x' is not"
	 " ADDR:PORT or [ADDR6]:PORT\n"},
	{"a.sa localhost:5060\n", "f:1: a.sa: 'localhost:5060' is not"
	 " ADDR:PORT or [ADDR6]:PORT\n"},
	{"a.addr 1.2.3\n", "f:1: a.addr: '1.2.3' is not an IP address\n"},
	{"a.addr 127.0.0.1:80\n",
	 "f:1: a.addr: '127.0.0.1:80' is not an IP address\n"},
	{"a.num 7\na.num 8\n", "f:2: a.num: already set at f:1\n"},
	{"a.pass abc\n", "f:1: a.pass: bad value\n"},
	{"A.num 7\n",
	 "f:1: A.num: not a key (lower-case words joined by dots)\n"},
	{"=a 7\n", "f:1: =a: not a key (lower-case words joined by dots)\n"},
	{"a.any x\x01y\n", "f:1: a.any: control characters\n"},
	{"\x7f\n", "f:1: ?: control characters\n"},
	/* all at once, form first */
	{"a.num x\nX y\na.bool 1\na.b\nz.z 1\n",
	 "f:2: X: not a key (lower-case words joined by dots)\n"
	 "f:4: a.b: the value is missing\n"
	 "f:1: a.num: 'x' is not a whole number\n"
	 "f:3: a.bool: '1' is neither yes nor no\n"
	 "f:5: z.z: no such setting in any of the services named\n"},
};


START_TEST(test_reject)
{
	struct told told = {.n = 0};
	struct config *cfg;

	ck_assert_int_eq(0, config_alloc(&cfg));
	ck_assert_int_eq(0, config_declare(cfg, settings));
	ck_assert_int_eq(EBADMSG, load(cfg, rejectv[_i].text, &told));
	ck_assert_str_eq(rejectv[_i].told, told.text);

	mem_deref(cfg);
}
END_TEST


START_TEST(test_reject_bytes)
{
	static const char nul[] = "a.any x\0y\n";
	struct told told = {.n = 0};
	struct config *cfg;

	ck_assert_int_eq(0, config_alloc(&cfg));
	ck_assert_int_eq(EBADMSG, config_load_buf(cfg, "f", nul,
						  sizeof(nul) - 1, error_h,
						  &told));
	ck_assert_str_eq("f:1: a.any: control characters\n", told.text);

	mem_deref(cfg);
}
END_TEST


START_TEST(test_reject_size)
{
	struct told told = {.n = 0};
	struct config *cfg;
	char *big;

	big = malloc(CONFIG_FILE_MAX + 1);
	memset(big, '\n', CONFIG_FILE_MAX + 1);
	ck_assert_int_eq(0, config_alloc(&cfg));
	ck_assert_int_eq(0, config_load_buf(cfg, "f", big, CONFIG_FILE_MAX,
					    error_h, &told));
	ck_assert_int_eq(EBADMSG, config_load_buf(cfg, "f", big,
						  CONFIG_FILE_MAX + 1,
						  error_h, &told));
	ck_assert_str_eq("f: ?: the file is larger than 1 MB\n", told.text);

	/* one line too long, the next one is read all the same */
	told.n = 0;
	memset(big, 'x', CONFIG_LINE_MAX + 1);
	ck_assert_int_eq(EBADMSG, config_load_buf(cfg, "f", big,
						  CONFIG_LINE_MAX + 2,
						  error_h, &told));
	ck_assert_str_eq("f:1: ?: the line is too long (4096 bytes at"
			 " most)\n", told.text);

	free(big);
	mem_deref(cfg);
}
END_TEST


START_TEST(test_reject_lines)
{
	const size_t n = CONFIG_LINES_MAX + 10;
	struct told told = {.n = 0};
	struct config *cfg;
	char *text;
	size_t i;

	text = malloc(n * 4);
	for (i = 0; i < n; i++)
		memcpy(text + 4 * i, "k v\n", 4);

	ck_assert_int_eq(0, config_alloc(&cfg));
	ck_assert_int_eq(EBADMSG, config_load_buf(cfg, "f", text, n * 4,
						  error_h, &told));
	ck_assert_str_eq("f:10001: k: more than 10000 settings\n",
			 told.text);

	free(text);
	mem_deref(cfg);
}
END_TEST


START_TEST(test_required)
{
	struct told told = {.n = 0};
	struct config *cfg;

	ck_assert_int_eq(0, config_alloc(&cfg));
	ck_assert_int_eq(0, config_declare(cfg, required));
	ck_assert_int_eq(EBADMSG, load(cfg, "", &told));
	ck_assert_str_eq("f: r.must: required, but not set\n", told.text);
	ck_assert_int_eq(0, config_override(cfg, "r.must=x", NULL, NULL));
	ck_assert_int_eq(0, config_check(cfg, NULL, NULL));

	mem_deref(cfg);
}
END_TEST


START_TEST(test_late_declaration)
{
	struct told told = {.n = 0};
	struct config *cfg;

	ck_assert_int_eq(0, config_alloc(&cfg));
	ck_assert_int_eq(EBADMSG, load(cfg, "a.num 8\n", &told));
	ck_assert_int_eq(0, config_declare(cfg, settings));
	ck_assert_int_eq(0, config_check(cfg, NULL, NULL));
	ck_assert_uint_eq(8, config_u32(cfg, "a.num"));

	mem_deref(cfg);
}
END_TEST


START_TEST(test_declare)
{
	static const struct setting badv[][2] = {
		{{"Bad key", SETTING_STRING, NULL, 0, 0, NULL, 0, ""}},
		{{"x.num", SETTING_U32, "11", 0, 10, NULL, 0, ""}},
		{{"x.bool", SETTING_BOOL, "maybe", 0, 0, NULL, 0, ""}},
	};
	static const struct setting same[] = {
		{"a.num", SETTING_U32, "7", 5, 10, NULL, 0, ""},
		{NULL, SETTING_STRING, NULL, 0, 0, NULL, 0, NULL}
	};
	static const struct setting other[] = {
		{"a.num", SETTING_STRING, "7", 0, 0, NULL, 0, ""},
		{NULL, SETTING_STRING, NULL, 0, 0, NULL, 0, NULL}
	};
	struct config *cfg;
	size_t i;

	ck_assert_int_eq(0, config_alloc(&cfg));
	ck_assert_int_eq(0, config_declare(cfg, settings));
	for (i = 0; i < ARRAY_SIZE(badv); i++)
		ck_assert_int_eq(EINVAL, config_declare(cfg, badv[i]));
	ck_assert_int_eq(0, config_declare(cfg, same));
	ck_assert_int_eq(EEXIST, config_declare(cfg, other));

	mem_deref(cfg);
}
END_TEST


START_TEST(test_override)
{
	static const char *const badv[] = {
		"", "a.num", "=7", "A=7", "a num=7", "a.text=a\nb",
	};
	struct config *cfg = made("a.num 7\na.list x\n");
	struct told told = {.n = 0};
	size_t i;

	ck_assert_int_eq(0, config_override(cfg, "a.num=9", NULL, NULL));
	ck_assert_int_eq(0, config_override(cfg, "a.num=10", NULL, NULL));
	ck_assert_int_eq(0, config_override(cfg, "a.any=", NULL, NULL));
	ck_assert_int_eq(0, config_override(cfg, "a.list=b=c", NULL, NULL));
	ck_assert_int_eq(0, config_check(cfg, error_h, &told));
	ck_assert_uint_eq(10, config_u32(cfg, "a.num"));
	ck_assert_str_eq("", config_str(cfg, "a.any"));
	config_multi(cfg, "a.list", join_h, &told);
	ck_assert_str_eq("x: : \nb=c: : \n", told.text);

	told.n = 0;
	ck_assert_int_eq(0, config_override(cfg, "a.num=1", NULL, NULL));
	ck_assert_int_eq(EBADMSG, config_check(cfg, error_h, &told));
	ck_assert_str_eq("--set: a.num: must be 5 to 10\n", told.text);

	for (i = 0; i < ARRAY_SIZE(badv); i++)
		ck_assert_int_eq(EBADMSG, config_override(cfg, badv[i],
							  NULL, NULL));
	mem_deref(cfg);
}
END_TEST


START_TEST(test_set)
{
	struct config *cfg = made("a.num 7\n");
	struct told told = {.n = 0};
	char reason[CONFIG_REASON_MAX];

	config_changed_set(cfg, changed_h, &told);

	ck_assert_int_eq(0, config_set(cfg, "a.num", "8", reason, 99));
	ck_assert_int_eq(0, config_set(cfg, "a.num", "8", NULL, 0));
	ck_assert_int_eq(0, config_set(cfg, "a.text", "abc", reason, 99));
	ck_assert_str_eq("", reason);
	ck_assert_str_eq("a.num: 7: 8\na.text: NULL: abc\n", told.text);
	ck_assert_uint_eq(8, config_u32(cfg, "a.num"));

	told.n = 0;
	told.text[0] = '\0';
	ck_assert_int_eq(EINVAL, config_set(cfg, "a.num", "99", reason, 99));
	ck_assert_str_eq("must be 5 to 10", reason);
	ck_assert_int_eq(ENOENT, config_set(cfg, "no.such", "9", reason,
					    99));
	ck_assert_str_eq("no such setting", reason);
	ck_assert_int_eq(EACCES, config_set(cfg, "a.big", "9", reason, 99));
	ck_assert_ptr_nonnull(strstr(reason, "needs a restart"));
	ck_assert_int_eq(EACCES, config_set(cfg, "a.list", "9", reason, 99));
	ck_assert_ptr_nonnull(strstr(reason, "restart"));
	ck_assert_int_eq(EACCES, config_set(cfg, "a.hot", "9", reason, 99));
	ck_assert_ptr_nonnull(strstr(reason, "reload"));
	ck_assert_str_eq("", told.text);
	ck_assert_uint_eq(8, config_u32(cfg, "a.num"));

	mem_deref(cfg);
}
END_TEST


START_TEST(test_adopt)
{
	struct config *cfg = made("a.num 7\na.text ab\na.big 3\n"
				  "a.list x\na.hot 1\na.hot 2\n");
	struct config *next = made("a.num 7\na.big 4\na.bool yes\n"
				   "a.list x\na.list y\na.hot 1\n"
				   "a.hot 3\n");
	struct told told = {.n = 0}, list = {.n = 0};

	/* what was set meanwhile gives way to the file */
	ck_assert_int_eq(0, config_set(cfg, "a.num", "9", NULL, 0));

	config_changed_set(cfg, changed_h, &told);
	ck_assert_int_eq(0, config_adopt(cfg, next, frozen_h, &told));
	mem_deref(next);

	ck_assert_str_eq("a.text: ab: NULL\n"
			 "a.num: 9: 7\n"
			 "frozen: a.big: \n"
			 "a.bool: no: yes\n"
			 "frozen: a.list: \n"
			 "a.hot: NULL: NULL\n", told.text);
	ck_assert_uint_eq(3, config_u32(cfg, "a.big"));
	ck_assert_ptr_null(config_str(cfg, "a.text"));
	config_multi(cfg, "a.hot", join_h, &list);
	ck_assert_str_eq("1: : \n3: : \n", list.text);

	mem_deref(cfg);
}
END_TEST


static void apply_h(const struct setting *s, const char *val, void *arg)
{
	if (!strcmp(s->key, "a.pass") || !strcmp(s->key, "a.list")
	    || !strcmp(s->key, "a.text"))
		tell(arg, s->key, val ? val : "NULL", "");
}


START_TEST(test_apply)
{
	struct config *cfg = made("a.pass geheim\na.list x\na.list y\n");
	struct told told = {.n = 0};

	config_apply(cfg, apply_h, &told);
	ck_assert_str_eq("a.text: NULL: \na.list: x: \na.list: y: \n"
			 "a.pass: ***: \n", told.text);

	mem_deref(cfg);
}
END_TEST


START_TEST(test_load_file)
{
	struct told told = {.n = 0};
	struct config *cfg;

	ck_assert_int_eq(0, config_alloc(&cfg));
	ck_assert_int_eq(ENOENT, config_load(cfg, "/nonexistent/c", error_h,
					     &told));
	ck_assert_str_eq("/nonexistent/c: -f: No such file or directory\n",
			 told.text);

	/* a folder opens, but does not read */
	ck_assert_int_ne(0, config_load(cfg, "/", error_h, &told));

	mem_deref(cfg);
}
END_TEST


int main(void)
{
	Suite *s = suite_create("config");
	TCase *tc = tcase_create("config");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, test_accept);
	tcase_add_test(tc, test_default);
	tcase_add_test(tc, test_multi_stops);
	tcase_add_loop_test(tc, test_reject, 0, ARRAY_SIZE(rejectv));
	tcase_add_test(tc, test_reject_bytes);
	tcase_add_test(tc, test_reject_size);
	tcase_add_test(tc, test_reject_lines);
	tcase_add_test(tc, test_required);
	tcase_add_test(tc, test_late_declaration);
	tcase_add_test(tc, test_declare);
	tcase_add_test(tc, test_override);
	tcase_add_test(tc, test_set);
	tcase_add_test(tc, test_adopt);
	tcase_add_test(tc, test_apply);
	tcase_add_test(tc, test_load_file);
	suite_add_tcase(s, tc);

	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
