/**
 * @file test_names.c  Names of subjects, keys and spaces
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "bus/bus.h"
#include "bus/subject.h"
#include "loop.h"
#include "told.h"
#include "kinds.h"
#include "../suite.h"


static void subjects_rejected(void)
{
	static const char *const subjectv[] = {
		"", ".", "a.", ".a", "a..b", "a b", "a\n", "*", "a.>", "a.*",
		"\xc3\xa4", "a\x7f",
	};
	static const char *const patternv[] = {
		"", "a.", ">.a", "a*", "*a", "a>", "a.>b", "**", ".*",
	};
	size_t i;

	for (i=0; i<ARRAY_SIZE(subjectv); i++) {
		ck_assert_int_eq(EINVAL, bus_publish(fix.bus, subjectv[i],
						     NULL, 0));
		ck_assert_int_eq(EINVAL, bus_request(NULL, fix.bus,
						     subjectv[i], NULL, 0, 1,
						     answer_handler, NULL));
	}
	for (i=0; i<ARRAY_SIZE(patternv); i++) {
		ck_assert_int_eq(EINVAL, bus_subscribe(&fix.sub, fix.bus,
						       patternv[i],
						       msg_handler, NULL));
		ck_assert_int_eq(EINVAL, bus_kv_watch(&fix.watch, fix.bus,
						      "b", patternv[i],
						      watch_handler, NULL));
	}
}


static void keys_rejected(void)
{
	static const char *const keyv[] = {
		"", "a%b", "a+b", "a..b", "*", ">", "a$", "a:b",
	};
	static const char *const bucketv[] = { "", "a.b", "a b", "*", "a/b" };
	size_t i;

	for (i=0; i<ARRAY_SIZE(keyv); i++) {
		ck_assert_int_eq(EINVAL, bus_kv_put(NULL, fix.bus, "b",
						    keyv[i], NULL, 0, 0,
						    NULL, NULL));
		ck_assert_int_eq(EINVAL, bus_kv_get(NULL, fix.bus, "b",
						    keyv[i], kv_handler,
						    NULL));
	}
	for (i=0; i<ARRAY_SIZE(bucketv); i++)
		ck_assert_int_eq(EINVAL, bus_kv_delete(NULL, fix.bus,
						       bucketv[i], "k", 0,
						       NULL, NULL));
}


static void long_subject(void)
{
	char subject[BUS_SUBJECT_MAX + 2];

	memset(subject, 'a', sizeof(subject));
	subject[BUS_SUBJECT_MAX + 1] = '\0';
	ck_assert_int_eq(EINVAL, bus_publish(fix.bus, subject, NULL, 0));
	/* spaces take some of it */
	subject[BUS_SUBJECT_MAX -
		(bus_space_up(fix.bus) ? sizeof("in.b1.in.x-2.") - 1 : 0)] =
		'\0';
	ck_assert_int_eq(0, bus_publish(fix.bus, subject, NULL, 0));
}


START_TEST(test_rejects)
{
	kind_open(_i);
	subjects_rejected();
	keys_rejected();
	long_subject();

	ck_assert_int_eq(EINVAL, bus_publish(fix.bus, "a", NULL, 1));
	ck_assert_int_eq(EINVAL, bus_publish(fix.bus, "a", bytes("x"),
					     BUS_PAYLOAD_MAX + 1));
	ck_assert_int_eq(EINVAL, bus_publish(NULL, "a", NULL, 0));
	ck_assert_int_eq(EINVAL, bus_request(NULL, fix.bus, "a", NULL, 0, 0,
					     answer_handler, NULL));
	ck_assert_int_eq(EINVAL, bus_respond(NULL, NULL, 0));
	loop_run(10);
	told("");
}
END_TEST


static void subject_handler(const char *subject, const uint8_t *buf,
			    size_t len, struct bus_reply *reply, void *arg)
{
	struct pl pl = told_text(buf, len);
	(void)arg;

	tell("%s %r", subject, &pl);
	mem_deref(reply);
}


/* Who is in different spaces does not hear one another. */
START_TEST(test_spaces)
{
	static const char *const badv[] = {
		"", "a.b", "a_b", "a b", "*", ">",
		"a-name-that-is-too-long-for-a-space",
	};
	struct bus *mem, *b1, *b2, *x = NULL;
	struct bus_sub *subv[3];
	size_t i;

	ck_assert_int_eq(0, bus_alloc_memory(&mem));
	ck_assert_int_eq(0, bus_alloc_space(&b1, mem, "b1"));
	ck_assert_int_eq(0, bus_alloc_space(&b2, mem, "b2"));
	ck_assert_ptr_eq(mem, bus_space_up(b1));
	ck_assert_ptr_null(bus_space_up(mem));
	for (i=0; i<ARRAY_SIZE(badv); i++)
		ck_assert_int_eq(EINVAL, bus_alloc_space(&x, mem, badv[i]));
	ck_assert_ptr_null(x);

	ck_assert_int_eq(0, bus_subscribe(&subv[0], mem, "noc.*",
					  subject_handler, NULL));
	ck_assert_int_eq(0, bus_subscribe(&subv[1], b1, "noc.*",
					  subject_handler, NULL));
	ck_assert_int_eq(0, bus_subscribe(&subv[2], b2, "noc.*",
					  subject_handler, NULL));
	ck_assert_int_eq(0, bus_publish(b1, "noc.user", bytes("1"), 1));
	ck_assert_int_eq(0, bus_publish(b2, "noc.user", bytes("2"), 1));
	ck_assert_int_eq(0, bus_publish(mem, "noc.user", bytes("0"), 1));
	ck_assert_int_eq(0, bus_kv_put(NULL, b1, "b", "k", bytes("v"), 1, 0,
				       NULL, NULL));
	ck_assert_int_eq(0, bus_kv_get(NULL, b2, "b", "k", kv_handler,
				       "get"));
	await("noc.user 1\nnoc.user 2\nnoc.user 0\nget ENOENT -\n");

	for (i=0; i<ARRAY_SIZE(subv); i++)
		mem_deref(subv[i]);
	mem_deref(b2);
	mem_deref(b1);
	mem_deref(mem);
}
END_TEST


START_TEST(test_subject_match)
{
	static const struct { const char *pattern, *subject; bool match; }
	v[] = {
		{"a", "a", true}, {"a", "b", false}, {"a", "a.b", false},
		{"a.b", "a", false}, {"a.b", "a.b", true},
		{"a.b", "a.bc", false}, {"a.bc", "a.b", false},
		{"*", "a", true}, {"*", "a.b", false}, {"*.b", "a.b", true},
		{"a.*", "a.b", true}, {"a.*", "a", false},
		{"a.*", "a.b.c", false}, {"a.*.c", "a.b.c", true},
		{"a.*.c", "a.b.d", false}, {"*.*", "a.b", true},
		{">", "a", true}, {">", "a.b.c", true}, {"a.>", "a.b", true},
		{"a.>", "a.b.c", true}, {"a.>", "a", false},
		{"a.>", "b.c", false}, {"*.b.>", "a.b.c", true},
		{"*.b.>", "a.b", false},
	};
	size_t i;

	for (i=0; i<ARRAY_SIZE(v); i++)
		ck_assert_msg(v[i].match == subject_match(v[i].pattern,
							  v[i].subject),
			      "%s %s", v[i].pattern, v[i].subject);
}
END_TEST


int main(void)
{
	TCase *tc = kinds_case("names");
	const int n = kinds_count();

	tcase_add_loop_test(tc, test_rejects, 0, n);
	tcase_add_test(tc, test_spaces);
	tcase_add_test(tc, test_subject_match);

	return suite_run("names", tc);
}
