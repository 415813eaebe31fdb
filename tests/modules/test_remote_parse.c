/**
 * @file test_remote_parse.c  What `remote` reads: JSON, queries, tokens
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>
#include <check.h>
#include <re.h>
#include "noc/json.h"
#include "remote/token.h"
#include "remote/remote.h"

static const struct {
	const char *text;
	int err;
} jsonv[] = {
	{"{}", 0},
	{" \t\r\n{ } ", 0},
	{"[]", 0},
	{"1", 0},
	{"-0.5e-3", 0},
	{"{\"a\":[1,2,{\"b\":null}],\"c\":true,\"d\":false}", 0},
	{"\"\\u00e4\\ud83d\\ude00\\n\\/\"", 0},
	{"\"\xc3\xa4\xf0\x9f\x98\x80\"", 0},
	{"{\"a\":1e99}", 0},
	{"123456789012345678", 0},

	{"", EBADMSG},
	{"  ", EBADMSG},
	{"{", EBADMSG},
	{"}", EBADMSG},
	{"{\"a\"}", EBADMSG},
	{"{\"a\":}", EBADMSG},
	{"{\"a\":1,}", EBADMSG},
	{"{,}", EBADMSG},
	{"{a:1}", EBADMSG},
	{"{'a':1}", EBADMSG},
	{"{\"a\":1 2}", EBADMSG},
	{"{\"a\" 1}", EBADMSG},
	{"{} x", EBADMSG},
	{"{}{}", EBADMSG},
	{"[1,]", EBADMSG},
	{"[1", EBADMSG},
	{"[1}", EBADMSG},
	{"01", EBADMSG},
	{"+1", EBADMSG},
	{".5", EBADMSG},
	{"1.", EBADMSG},
	{"1e", EBADMSG},
	{"1e+", EBADMSG},
	{"-", EBADMSG},
	{"nan", EBADMSG},
	{"True", EBADMSG},
	{"nul", EBADMSG},
	{"\"a", EBADMSG},
	{"\"\\\"", EBADMSG},
	{"\"\\x41\"", EBADMSG},
	{"\"\\u12\"", EBADMSG},
	{"\"\\u0000\"", EBADMSG},
	{"\"\\ud800\"", EBADMSG},
	{"\"\\ud800\\u0041\"", EBADMSG},
	{"\"\\udc00\"", EBADMSG},
	{"\"\n\"", EBADMSG},
	{"\"\xff\"", EBADMSG},
	{"\"\xc0\x80\"", EBADMSG},
	{"\"\xed\xa0\x80\"", EBADMSG},
	{"\"\xf4\x90\x80\x80\"", EBADMSG},
	{"\"\xc3\"", EBADMSG},

	{"[[[[[]]]]]", EOVERFLOW},
	{"1234567890123456789", EOVERFLOW},
	/* infinity, and nothing, to libre's decoder */
	{"{\"a\":1e9999999999}", EOVERFLOW},
	{"{\"a\":1e-9999999999}", EOVERFLOW},
	{"1e100", EOVERFLOW},
};

START_TEST(json_texts)
{
	const size_t len = strlen(jsonv[_i].text);
	/* of exactly this size, so that a sanitizer sees a step beyond */
	char *text = malloc(len ? len : 1);

	memcpy(text, jsonv[_i].text, len);
	ck_assert_int_eq(json_check(text, len), jsonv[_i].err);
	free(text);
}
END_TEST

START_TEST(json_many)
{
	char *text = malloc(4 * JSON_VALUES_MAX);
	size_t i, n = 0;

	text[n++] = '[';
	for (i = 1; i < JSON_VALUES_MAX; i++) {
		text[n++] = '1';
		text[n++] = ',';
	}
	text[n - 1] = ']';
	ck_assert_int_eq(json_check(text, n), 0);

	text[n - 1] = ',';
	text[n++] = '1';
	text[n++] = ']';
	ck_assert_int_eq(json_check(text, n), EOVERFLOW);
	free(text);
}
END_TEST

START_TEST(json_objects)
{
	static const struct {
		const char *text;
		int err;
	} objv[] = {
		{"", 0},
		{"{\"a\":\"b\"}", 0},
		{"  {}", 0},
		{"[]", EINVAL},
		{"7", EINVAL},
		{"\"a\"", EINVAL},
		{"{\"a\":1,\"a\":2}", EINVAL},
		{"{\"a\":1", EBADMSG},
	};
	struct odict *od = NULL;

	ck_assert_int_eq(json_object_decode(&od, objv[_i].text,
					    strlen(objv[_i].text)),
			 objv[_i].err);
	ck_assert_int_eq(!od, !!objv[_i].err);
	mem_deref(od);
}
END_TEST

START_TEST(json_prints)
{
	struct odict *od = NULL, *array = NULL;
	char *text = NULL;

	ck_assert_int_eq(odict_alloc(&od, 8), 0);
	ck_assert_int_eq(odict_alloc(&array, 8), 0);
	(void)odict_entry_add(array, "0", ODICT_INT, (int64_t)-1);
	(void)odict_entry_add(array, "1", ODICT_NULL);
	(void)odict_entry_add(od, "s\"", ODICT_STRING,
			      "a\n\x7f\\\"\xff\xc3\xa4/");
	(void)odict_entry_add(od, "d", ODICT_DOUBLE, 0.1234567891);
	(void)odict_entry_add(od, "i", ODICT_DOUBLE, 48000.0);
	(void)odict_entry_add(od, "n", ODICT_DOUBLE, 0.0 / 0.0);
	(void)odict_entry_add(od, "b", ODICT_BOOL, 1);
	(void)odict_entry_add(od, "a", ODICT_ARRAY, array);

	ck_assert_int_eq(re_sdprintf(&text, "%H", json_print, od), 0);
	ck_assert_str_eq(text, "{\"s\\\"\":\"a\\u000a\\u007f\\\\\\\""
			 "\xef\xbf\xbd\xc3\xa4/\",\"d\":0.1234567891,"
			 "\"i\":48000.0,"
			 "\"n\":null,\"b\":true,\"a\":[-1,null]}");
	ck_assert_int_eq(json_check(text, strlen(text)), 0);

	mem_deref(text);
	mem_deref(array);
	mem_deref(od);
}
END_TEST

START_TEST(queries)
{
	static const struct {
		const char *query;
		int err;
		const char *key, *val;
	} queryv[] = {
		{"", 0, NULL, NULL},
		{"?", 0, NULL, NULL},
		{"?a=b", 0, "a", "b"},
		{"a=b&c=d", 0, "c", "d"},
		{"?&&a=b&", 0, "a", "b"},
		{"?a", 0, "a", ""},
		{"?a=%41%c3%a4+z", 0, "a", "A\xc3\xa4 z"},
		{"?a=b=c", 0, "a", "b=c"},
		{"?a=%4", EBADMSG, NULL, NULL},
		{"?a=%", EBADMSG, NULL, NULL},
		{"?a=%zz", EBADMSG, NULL, NULL},
		{"?a=%00", EBADMSG, NULL, NULL},
		{"?=b", EINVAL, NULL, NULL},
		{"?a=1&a=2", EINVAL, NULL, NULL},
		{"?a=1&%61=2", EINVAL, NULL, NULL},
	};
	struct odict *od = NULL;
	struct pl pl;

	pl_set_str(&pl, queryv[_i].query);
	ck_assert_int_eq(args_decode(&od, &pl), queryv[_i].err);
	if (queryv[_i].key)
		ck_assert_str_eq(odict_string(od, queryv[_i].key),
				 queryv[_i].val);
	mem_deref(od);
}
END_TEST

START_TEST(query_long)
{
	char text[8 * (ARGS_MAX + 2)];
	struct odict *od = NULL;
	struct pl pl = {.p = text, .l = 0};
	unsigned i;

	for (i = 0; i < ARGS_MAX; i++)
		pl.l += (size_t)re_snprintf(text + pl.l, sizeof(text) - pl.l,
					    "a%u=1&", i);
	ck_assert_int_eq(args_decode(&od, &pl), 0);
	od = mem_deref(od);

	text[pl.l++] = 'z';
	ck_assert_int_eq(args_decode(&od, &pl), EOVERFLOW);
	ck_assert_ptr_null(od);
}
END_TEST

static bool match(const struct token *tok, const char *val)
{
	struct pl pl;

	pl_set_str(&pl, val);
	return token_match(tok, &pl);
}

START_TEST(token_matches)
{
	struct token tok = {.str = "0123456789abcdef"};
	const struct token none = {.str = ""};
	char longer[400];

	ck_assert(match(&tok, "Bearer 0123456789abcdef"));
	ck_assert(match(&tok, "bearer   0123456789abcdef"));
	ck_assert(!match(&tok, ""));
	ck_assert(!match(&tok, "Bearer"));
	ck_assert(!match(&tok, "Bearer "));
	ck_assert(!match(&tok, "Bearer0123456789abcdef"));
	ck_assert(!match(&tok, "Basic 0123456789abcdef"));
	ck_assert(!match(&tok, "0123456789abcdef"));
	ck_assert(!match(&tok, "Bearer 0123456789abcde"));
	ck_assert(!match(&tok, "Bearer 0123456789abcdeF"));
	ck_assert(!match(&tok, "Bearer 0123456789abcdef0"));
	ck_assert(!match(&none, "Bearer "));

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	memcpy(longer, "Bearer ", 7);
	ck_assert(!match(&tok, longer));
}
END_TEST

static void file_write(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)),
			 (ssize_t)strlen(text));
	ck_assert_int_eq(fchmod(fd, mode), 0);
	(void)close(fd);
}

START_TEST(token_files)
{
	char dir[] = "/tmp/junctor-token-XXXXXX", path[64], text[400];
	struct token a = {.str = ""}, b = {.str = ""};
	struct stat st;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)re_snprintf(path, sizeof(path), "%s/token", dir);

	/* made once, then kept; for nobody else's eyes */
	(void)umask(0);
	ck_assert_int_eq(token_load(&a, path), 0);
	ck_assert_uint_eq(strlen(a.str), 2 * TOKEN_BYTES);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert_int_eq(token_load(&b, path), 0);
	ck_assert_str_eq(a.str, b.str);

	(void)unlink(path);
	ck_assert_int_eq(token_load(&b, path), 0);
	ck_assert_str_ne(a.str, b.str);

	file_write(path, "mine-and-only-mine\r\n", 0600);
	ck_assert_int_eq(token_load(&a, path), 0);
	ck_assert_str_eq(a.str, "mine-and-only-mine");

	file_write(path, "mine-and-only-mine\n", 0640);
	ck_assert_int_eq(token_load(&a, path), EACCES);
	file_write(path, "short\n", 0600);
	ck_assert_int_eq(token_load(&a, path), EBADMSG);
	file_write(path, "", 0600);
	ck_assert_int_eq(token_load(&a, path), EBADMSG);
	file_write(path, "two words are too many\n", 0600);
	ck_assert_int_eq(token_load(&a, path), EBADMSG);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	file_write(path, text, 0600);
	ck_assert_int_eq(token_load(&a, path), EBADMSG);

	(void)unlink(path);
	ck_assert_int_eq(symlink("/dev/zero", path), 0);
	ck_assert_int_ne(token_load(&a, path), 0);
	(void)unlink(path);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_ne(token_load(&a, path), 0);
	(void)rmdir(path);
	(void)rmdir(dir);
	ck_assert_int_ne(token_load(&a, path), 0);
}
END_TEST

static Suite *parse_suite(void)
{
	Suite *s = suite_create("remote parse");
	TCase *tc = tcase_create("parse");

	tcase_add_loop_test(tc, json_texts, 0, ARRAY_SIZE(jsonv));
	tcase_add_test(tc, json_many);
	tcase_add_loop_test(tc, json_objects, 0, 8);
	tcase_add_test(tc, json_prints);
	tcase_add_loop_test(tc, queries, 0, 15);
	tcase_add_test(tc, query_long);
	tcase_add_test(tc, token_matches);
	tcase_add_test(tc, token_files);
	suite_add_tcase(s, tc);

	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(parse_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
