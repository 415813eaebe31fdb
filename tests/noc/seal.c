/**
 * @file tests/noc/seal.c  Sealed messages: good, forged, for others
 */
#include <string.h>
#include <stdlib.h>
#include <check.h>
#include <re.h>
#include "noc/seal.h"
#include "test.h"


static const uint8_t secret[32] = "0123456789abcdef0123456789abcde";
static const uint8_t text[] = "who sits where";

enum { LEN = sizeof(text), SEALED = LEN + SEAL_OVERHEAD };


static struct seal_key *key_make(const uint8_t *s, size_t len)
{
	struct seal_key *key = NULL;

	ck_assert_int_eq(0, seal_key_alloc(&key, s, len));

	return key;
}


static int open_at(struct seal_key *key, const char *place,
		   const uint8_t *buf, size_t len)
{
	uint8_t out[SEALED];
	size_t n = 0;
	int err;

	err = seal_decode(out, sizeof(out), &n, key, place, buf, len);
	if (!err) {
		ck_assert_uint_eq(LEN, n);
		ck_assert_mem_eq(text, out, n);
	}

	return err;
}


START_TEST(test_seal)
{
	struct seal_key *key = key_make(secret, sizeof(secret));
	uint8_t one[SEALED], two[SEALED];
	size_t n;

	ck_assert_int_eq(0, seal_encode(one, sizeof(one), &n, key, "seats/a",
					text, LEN));
	ck_assert_uint_eq(SEALED, n);
	ck_assert_int_eq(0, seal_encode(two, sizeof(two), &n, key, "seats/a",
					text, LEN));

	/* nobody sees that both say the same, or what */
	ck_assert_mem_ne(one + 1, two + 1, 16);
	ck_assert_mem_ne(one + 29, two + 29, LEN);
	for (size_t i = 0; i + 4 < sizeof(one); i++)
		ck_assert_mem_ne(one + i, text, 4);

	ck_assert_int_eq(0, open_at(key, "seats/a", one, n));
	ck_assert_int_eq(0, open_at(key, "seats/a", two, n));
	mem_deref(key);
}
END_TEST


START_TEST(test_seal_forged)
{
	struct seal_key *key = key_make(secret, sizeof(secret)), *other;
	uint8_t buf[SEALED + 1] = {0};
	size_t n;

	ck_assert_int_eq(0, seal_encode(buf, SEALED, &n, key, "seats/a",
					text, LEN));

	/* another place, another farm */
	ck_assert_int_eq(EBADMSG, open_at(key, "seats/b", buf, n));
	ck_assert_int_eq(EBADMSG, open_at(key, "rooms/a", buf, n));
	ck_assert_int_eq(EBADMSG, open_at(key, "seats/", buf, n));
	other = key_make((const uint8_t *)"another farm's key", 18);
	ck_assert_int_eq(EBADMSG, open_at(other, "seats/a", buf, n));
	mem_deref(other);

	for (size_t i = 0; i < n; i++) {
		for (unsigned bit = 1; bit < 256; bit <<= 1) {
			buf[i] ^= bit;
			ck_assert_int_eq(EBADMSG, open_at(key, "seats/a",
							  buf, n));
			buf[i] ^= bit;
		}
	}

	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(EBADMSG, open_at(key, "seats/a", buf, i));
	ck_assert_int_eq(EBADMSG, open_at(key, "seats/a", buf, n + 1));

	/* none of that has spoilt the key */
	ck_assert_int_eq(0, open_at(key, "seats/a", buf, n));
	mem_deref(key);
}
END_TEST


START_TEST(test_seal_bounds)
{
	struct seal_key *key = key_make(secret, sizeof(secret)), *none = NULL;
	uint8_t buf[SEALED], out[LEN];
	char place[600];
	size_t n;

	ck_assert_int_eq(EINVAL, seal_key_alloc(&none, secret, 15));
	ck_assert_int_eq(EINVAL, seal_key_alloc(&none, secret, 65));
	ck_assert_int_eq(EINVAL, seal_key_alloc(NULL, secret, 32));
	ck_assert_ptr_null(none);

	memset(place, 'x', sizeof(place));
	place[sizeof(place) - 1] = '\0';
	ck_assert_int_eq(EINVAL, seal_encode(buf, sizeof(buf), &n, key, place,
					     text, LEN));
	ck_assert_int_eq(EINVAL, seal_encode(buf, sizeof(buf), &n, key, "",
					     text, LEN));
	ck_assert_int_eq(EOVERFLOW, seal_encode(buf, SEALED - 1, &n, key, "a",
						text, LEN));
	ck_assert_int_eq(EOVERFLOW, seal_encode(buf, SIZE_MAX, &n, key, "a",
						text, SEAL_TEXT_MAX + 1));

	ck_assert_int_eq(0, seal_encode(buf, sizeof(buf), &n, key, "a",
					text, LEN));
	ck_assert_int_eq(EOVERFLOW, seal_decode(out, LEN - 1, &n, key, "a",
						buf, SEALED));

	/* a message may be empty */
	ck_assert_int_eq(0, seal_encode(buf, sizeof(buf), &n, key, "a", NULL,
					0));
	ck_assert_uint_eq(SEAL_OVERHEAD, n);
	ck_assert_int_eq(0, seal_decode(out, sizeof(out), &n, key, "a", buf,
					SEAL_OVERHEAD));
	ck_assert_uint_eq(0, n);
	buf[SEAL_OVERHEAD - 1] ^= 1;
	ck_assert_int_eq(EBADMSG, seal_decode(out, sizeof(out), &n, key, "a",
					      buf, SEAL_OVERHEAD));
	mem_deref(key);
}
END_TEST


static int json_at(struct seal_key *key, const char *json)
{
	uint8_t buf[512];
	struct odict *od = NULL;
	size_t n;
	int err;

	ck_assert_int_eq(0, seal_encode(buf, sizeof(buf), &n, key, "a",
					(const uint8_t *)json,
					strlen(json)));
	err = seal_open(&od, key, "a", buf, n);
	mem_deref(od);

	return err;
}


START_TEST(test_seal_object)
{
	struct seal_key *key = key_make(secret, sizeof(secret));
	struct odict *od, *back = NULL;
	uint8_t *buf;
	size_t n;

	ck_assert_int_eq(0, odict_alloc(&od, 4));
	ck_assert_int_eq(0, odict_entry_add(od, "name", ODICT_STRING,
					    "J\xc3\xb6rg \"the\nvoice\""));
	ck_assert_int_eq(0, seal_odict(&buf, &n, key, "seats/a", od));
	mem_deref(od);

	ck_assert_int_eq(EBADMSG, seal_open(&back, key, "seats/b", buf, n));
	ck_assert_int_eq(EBADMSG, seal_open(&back, key, "seats/a", buf, 10));
	ck_assert_ptr_null(back);
	ck_assert_int_eq(0, seal_open(&back, key, "seats/a", buf, n));
	ck_assert_str_eq("J\xc3\xb6rg \"the\nvoice\"",
			 odict_string(back, "name"));
	mem_deref(back);
	mem_deref(buf);

	/* sealed by one of us, but no object that we would read */
	ck_assert_int_eq(0, json_at(key, "{}"));
	ck_assert_int_eq(EBADMSG, json_at(key, "[]"));
	ck_assert_int_eq(EBADMSG, json_at(key, "{"));
	ck_assert_int_eq(EBADMSG, json_at(key, "{} x"));
	ck_assert_int_eq(EBADMSG, json_at(key, "{\"a\":1,\"a\":2}"));
	ck_assert_int_eq(EOVERFLOW, json_at(key, "{\"a\":1e400}"));
	ck_assert_int_eq(EOVERFLOW, json_at(key,
		"{\"a\":[[[[[[[[1]]]]]]]]}"));
	mem_deref(key);
}
END_TEST


TCase *case_seal(void)
{
	TCase *tc = tcase_create("seal");

	tcase_add_test(tc, test_seal);
	tcase_add_test(tc, test_seal_forged);
	tcase_add_test(tc, test_seal_bounds);
	tcase_add_test(tc, test_seal_object);

	return tc;
}
