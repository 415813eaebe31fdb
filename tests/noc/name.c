/**
 * @file tests/noc/name.c  Names: bounds and escaping
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "noc/name.h"
#include "bus/bus.h"
#include "bus/subject.h"
#include "test.h"


START_TEST(test_name_valid)
{
	ck_assert(name_valid("a", 1, 4));
	ck_assert(name_valid("abc", 3, 4));
	ck_assert(name_valid("a b", 3, 4));
	ck_assert(name_valid("\xc3\xa4", 2, 4));
	ck_assert(!name_valid("abcd", 4, 4));
	ck_assert(!name_valid("", 0, 4));
	ck_assert(!name_valid(NULL, 1, 4));
	ck_assert(!name_valid("a\n", 2, 4));
	ck_assert(!name_valid("\0a", 2, 4));
	ck_assert(!name_valid("\x7f", 1, 4));
}
END_TEST


START_TEST(test_name_contact)
{
	static const char *const goodv[] = {
		"127.0.0.1:5060", "[::1]:5060", "media-1.example.org",
		"h:1;transport=tcp",
	};
	static const char *const badv[] = {
		"", "a b", "a>b", "a\r\nb", "a,b", "a?b", "u@h", "a\"",
	};
	size_t i;

	for (i=0; i<ARRAY_SIZE(goodv); i++)
		ck_assert(name_contact_valid(goodv[i], strlen(goodv[i])));
	for (i=0; i<ARRAY_SIZE(badv); i++)
		ck_assert(!name_contact_valid(badv[i], strlen(badv[i])));
	ck_assert(!name_contact_valid("a\0b", 3));
}
END_TEST


static void key_is(const char *name, const char *expected)
{
	char key[NAME_KEY_MAX], back[128];

	ck_assert_int_eq(0, name_key(key, sizeof(key), name, strlen(name)));
	ck_assert_str_eq(expected, key);
	ck_assert(subject_key_valid(key));
	ck_assert_int_eq(0, name_from_key(back, sizeof(back), key));
	ck_assert_str_eq(name, back);
}


START_TEST(test_name_key)
{
	char key[NAME_KEY_MAX], back[128], name[128];
	size_t i;

	key_is("standup", "standup");
	key_is("a-b_C9", "a-b_C9");
	key_is("a.b", "a=2Eb");
	key_is("a=2Eb", "a=3D2Eb");
	key_is("=x", "=3Dx");
	key_is("*> /\xff", "=2A=3E=20=2F=FF");

	/* the longest and most awkward still come back */
	for (i=0; i<127; i++)
		name[i] = (char)(i + 100);
	name[127] = '\0';
	ck_assert_int_eq(0, name_key(key, sizeof(key), name, 127));
	ck_assert(subject_key_valid(key));
	ck_assert(!strncmp(key, "=x", 2));
	ck_assert_int_eq(0, name_from_key(back, sizeof(back), key));
	ck_assert_str_eq(name, back);
	ck_assert_int_eq(EBADMSG, name_from_key(back, 127, key));

	ck_assert_int_eq(EBADMSG, name_from_key(back, sizeof(back), ""));
	ck_assert_int_eq(EBADMSG, name_from_key(back, sizeof(back), "=x"));
	ck_assert_int_eq(EBADMSG, name_from_key(back, sizeof(back), "=x."));
	ck_assert_int_eq(EBADMSG, name_from_key(back, sizeof(back), "a="));
	ck_assert_int_eq(EBADMSG, name_from_key(back, sizeof(back), "a=2"));
	ck_assert_int_eq(EBADMSG, name_from_key(back, sizeof(back), "a=2g"));
	ck_assert_int_eq(EOVERFLOW, name_from_key(back, 3, "abc"));

	ck_assert_int_eq(EINVAL, name_key(key, sizeof(key), "", 0));
	ck_assert_int_eq(EOVERFLOW, name_key(key, 8, "abcdefghij", 10));
}
END_TEST


START_TEST(test_name_uri)
{
	char uri[NAME_URI_MAX];
	size_t n = 0;

	ck_assert_int_eq(0, name_uri(uri, sizeof(uri), &n, "team", 4,
				     "h:1", 3, "T", 1));
	ck_assert_uint_eq(21, n);
	ck_assert(!memcmp(uri, "sip:team@h:1;ticket=T", n));
	ck_assert_int_eq(0, name_uri(uri, sizeof(uri), &n, "a b@c;d>%\xc3",
				     10, "h", 1, NULL, 0));
	uri[n] = '\0';
	ck_assert_str_eq("sip:a%20b%40c%3Bd%3E%25%C3@h", uri);

	ck_assert_int_eq(EOVERFLOW, name_uri(uri, 16, &n, "team", 4, "h", 1,
					     NULL, 0));
	ck_assert_int_eq(EINVAL, name_uri(uri, sizeof(uri), &n, NULL, 4,
					  "h", 1, NULL, 0));
}
END_TEST


TCase *case_name(void)
{
	TCase *tc = tcase_create("name");

	tcase_add_test(tc, test_name_valid);
	tcase_add_test(tc, test_name_contact);
	tcase_add_test(tc, test_name_key);
	tcase_add_test(tc, test_name_uri);

	return tc;
}
