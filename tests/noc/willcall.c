/**
 * @file tests/noc/willcall.c  Who was sent here and has not come yet
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "noc/client.h"
#include "noc/willcall.h"
#include "test.h"


static struct willcall_join join(const char *conf, const char *user)
{
	return (struct willcall_join){
		conf, strlen(conf), user, strlen(user), "acme", 4,
		MEDIA_AUDIO | MEDIA_TEXT
	};
}


START_TEST(test_willcall)
{
	struct willcall_join ab = join("a", "b"), a_ = join("a", "");
	struct willcall_join ax = join("a", "x"), ba = join("b", "a");
	char account[CLIENT_ACCOUNT_MAX];
	uint32_t mediav[WILLCALL_MEDIA];
	struct willcall *w;

	ck_assert_int_eq(0, willcall_alloc(&w, 10, 1000));
	ck_assert_int_eq(ENOENT, willcall_admit(w, &ab, 0, NULL, 0));

	ck_assert_int_eq(0, willcall_add(w, &ab, 0));
	ck_assert_int_eq(0, willcall_add(w, &a_, 0));
	ck_assert_uint_eq(2, willcall_count(w, 0));
	ck_assert_int_eq(ENOENT, willcall_admit(w, &ax, 1, NULL, 0));
	ck_assert_int_eq(ENOENT, willcall_admit(w, &ba, 1, NULL, 0));

	/* once, and the place is kept until it is taken */
	ck_assert_int_eq(0, willcall_admit(w, &ab, 1, account,
					   sizeof(account)));
	ck_assert_str_eq("acme", account);
	ck_assert_int_eq(ENOENT, willcall_admit(w, &ab, 1, NULL, 0));
	ck_assert_uint_eq(2, willcall_count(w, 1));
	ck_assert(willcall_has(w, &ab, 1));
	willcall_media(w, 1, mediav);
	ck_assert_uint_eq(2, mediav[0]);
	ck_assert_uint_eq(0, mediav[1]);
	ck_assert_uint_eq(2, mediav[2]);
	ck_assert_uint_eq(MEDIA_AUDIO | MEDIA_TEXT, willcall_joined(w, &ab));
	ck_assert_uint_eq(0, willcall_joined(w, &ab));
	willcall_media(w, 1, mediav);
	ck_assert_uint_eq(1, mediav[0]);
	ck_assert_uint_eq(1, willcall_count(w, 1));
	ck_assert(!willcall_has(w, &ab, 1));

	/* without an admission nobody is in */
	willcall_joined(w, &a_);
	ck_assert_uint_eq(1, willcall_count(w, 1));
	mem_deref(w);
}
END_TEST


START_TEST(test_willcall_expiry)
{
	struct willcall_join ab = join("a", "b"), ac = join("a", "c");
	struct willcall *w;

	ck_assert_int_eq(0, willcall_alloc(&w, 10, 1000));
	ck_assert_int_eq(0, willcall_add(w, &ab, 0));
	ck_assert_int_eq(0, willcall_add(w, &ac, 500));
	ck_assert_uint_eq(2, willcall_count(w, 999));
	ck_assert_int_eq(EALREADY, willcall_add(w, &ab, 999));  /* renewed */
	ck_assert_uint_eq(2, willcall_count(w, 1499));
	ck_assert_int_eq(ENOENT, willcall_admit(w, &ac, 1500, NULL, 0));
	ck_assert_uint_eq(1, willcall_count(w, 1998));

	/* sent twice: may come twice, took one place */
	ck_assert_int_eq(0, willcall_admit(w, &ab, 1998, NULL, 0));
	ck_assert_int_eq(0, willcall_admit(w, &ab, 1998, NULL, 0));
	ck_assert_int_eq(ENOENT, willcall_admit(w, &ab, 1998, NULL, 0));
	ck_assert_uint_eq(0, willcall_count(w, 1999));
	mem_deref(w);
}
END_TEST


/* With a ticket here before the list is told */
START_TEST(test_willcall_early)
{
	struct willcall_join ab = join("a", "b"), ac = join("a", "c");
	uint32_t mediav[WILLCALL_MEDIA];
	struct willcall *w;

	ck_assert_int_eq(0, willcall_alloc(&w, 10, 1000));

	/* came, told, in */
	ck_assert_int_eq(0, willcall_early(w, &ab, 0));
	ck_assert(willcall_has(w, &ab, 0));
	ck_assert_int_eq(ENOENT, willcall_admit(w, &ab, 0, NULL, 0));
	ck_assert_int_eq(EALREADY, willcall_add(w, &ab, 1));
	ck_assert_uint_eq(1, willcall_count(w, 1));
	ck_assert_int_eq(ENOENT, willcall_admit(w, &ab, 1, NULL, 0));
	willcall_joined(w, &ab);
	ck_assert_uint_eq(0, willcall_count(w, 1));
	ck_assert(willcall_is_new(w, &ab, 1));

	/* came, in, told */
	ck_assert_int_eq(0, willcall_early(w, &ac, 0));
	ck_assert_uint_eq(MEDIA_AUDIO | MEDIA_TEXT, willcall_joined(w, &ac));
	ck_assert_uint_eq(0, willcall_count(w, 0));
	willcall_media(w, 0, mediav);
	ck_assert_uint_eq(0, mediav[0]);
	ck_assert(!willcall_has(w, &ac, 0));
	ck_assert(!willcall_is_new(w, &ac, 0));
	ck_assert_int_eq(EALREADY, willcall_add(w, &ac, 1));
	ck_assert_uint_eq(0, willcall_count(w, 1));
	ck_assert(willcall_is_new(w, &ac, 1));

	/* the next time is a new one */
	ck_assert_int_eq(0, willcall_add(w, &ac, 2));
	ck_assert_uint_eq(1, willcall_count(w, 2));
	ck_assert_int_eq(0, willcall_admit(w, &ac, 2, NULL, 0));

	/* never told: forgotten */
	ck_assert_int_eq(0, willcall_early(w, &ab, 10));
	willcall_joined(w, &ab);
	ck_assert(!willcall_is_new(w, &ab, 1009));
	ck_assert(willcall_is_new(w, &ab, 1010));
	mem_deref(w);
}
END_TEST


START_TEST(test_willcall_bounds)
{
	char s[CLIENT_CONFERENCE_MAX + 1], user[16];
	struct willcall_join j;
	struct willcall *w;
	unsigned i;

	ck_assert_int_eq(EINVAL, willcall_alloc(&w, 0, 1000));
	ck_assert_int_eq(EINVAL, willcall_alloc(&w, 1, 0));
	ck_assert_int_eq(EINVAL, willcall_alloc(NULL, 1, 1));

	ck_assert_int_eq(0, willcall_alloc(&w, 100, 1000));
	for (i=0; i<1000; i++) {
		re_snprintf(user, sizeof(user), "u%u", i);
		j = join("c", user);
		ck_assert_int_eq(0, willcall_add(w, &j, i / 10));
	}
	ck_assert_uint_eq(100, willcall_count(w, 100));
	j = join("c", "u899");
	ck_assert_int_eq(ENOENT, willcall_admit(w, &j, 100, NULL, 0));
	j = join("c", "u900");
	ck_assert_int_eq(0, willcall_admit(w, &j, 100, NULL, 0));

	memset(s, 'a', sizeof(s));
	s[CLIENT_CONFERENCE_MAX] = '\0';
	j = join(s, "u");
	ck_assert_int_eq(EINVAL, willcall_add(w, &j, 100));
	j = join("", "u");
	ck_assert_int_eq(EINVAL, willcall_add(w, &j, 100));
	j = join("c", s);
	ck_assert_int_eq(EINVAL, willcall_add(w, &j, 100));
	j = join("c", "u");
	j.account = s;
	j.accountlen = CLIENT_ACCOUNT_MAX;
	ck_assert_int_eq(EINVAL, willcall_add(w, &j, 100));
	ck_assert_uint_eq(100, willcall_count(w, 100));
	mem_deref(w);
}
END_TEST


TCase *case_willcall(void)
{
	TCase *tc = tcase_create("willcall");

	tcase_add_test(tc, test_willcall);
	tcase_add_test(tc, test_willcall_expiry);
	tcase_add_test(tc, test_willcall_early);
	tcase_add_test(tc, test_willcall_bounds);

	return tc;
}
