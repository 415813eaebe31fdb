/**
 * @file test_turn.c  dispatchswitch: whose turn it is
 */
#include <string.h>
#include <stdlib.h>
#include <pthread.h>
#include <check.h>
#include <re.h>
#include "dispatchswitch/turn.h"


static const struct turn_member memberv[] = {
	{1, 0, "127.0.0.1:1"}, {2, 0, "127.0.0.1:2"}, {7, 0, "127.0.0.1:7"},
};


/* Number of the port that is next */
static unsigned next(struct turn *t, uint64_t tag)
{
	char contact[128];
	size_t n;

	if (turn_next(t, tag, contact, sizeof(contact), &n))
		return 0;

	ck_assert_uint_eq(11, n);

	return (unsigned)(contact[10] - '0');
}


START_TEST(test_turn)
{
	unsigned countv[8] = {0}, i, first;
	struct turn *t;
	char contact[4];
	size_t n;

	ck_assert_int_eq(0, turn_alloc(&t, TURN_ROUND_ROBIN));
	ck_assert_uint_eq(0, next(t, 1));
	ck_assert_int_eq(EINVAL, turn_set(t, memberv, TURN_MAX + 1));
	ck_assert_int_eq(0, turn_set(t, memberv, 3));
	ck_assert_int_eq(EOVERFLOW, turn_next(t, 5, contact, sizeof(contact),
					      &n));

	for (i=0; i<300; i++)
		++countv[next(t, 0x123400000000u + ((uint64_t)i << 16) + i)];
	ck_assert_uint_eq(100, countv[1]);
	ck_assert_uint_eq(100, countv[2]);
	ck_assert_uint_eq(100, countv[7]);

	/* a copy goes where the first one went, also when others have come */
	first = next(t, 0xabc0000000000001);
	for (i=0; i<50; i++) {
		(void)next(t, 0xdef0000000000000 + 2 * i);
		ck_assert_uint_eq(first, next(t, 0xabc0000000000001));
	}

	/* ... as long as that one lives */
	ck_assert_int_eq(0, turn_set(t, &memberv[first == 1 ? 1 : 0], 1));
	ck_assert_uint_ne(first, next(t, 0xabc0000000000001));
	ck_assert_int_eq(0, turn_set(t, NULL, 0));
	ck_assert_uint_eq(0, next(t, 0xabc0000000000001));
	mem_deref(t);
}
END_TEST


START_TEST(test_turn_load)
{
	unsigned countv[8] = {0}, i;
	struct turn *t;

	ck_assert_int_eq(0, turn_alloc(&t, TURN_LOAD));
	ck_assert_int_eq(0, turn_set(t, memberv, 3));
	turn_load(t, 1, 100);
	turn_load(t, 2, 40);
	turn_load(t, 7, 0);
	turn_load(t, 9, 0);

	/* up to the same for all: 100 = 40 + 60 = 100 */
	for (i=0; i<160; i++)
		++countv[next(t, (uint64_t)(i + 1) * 0x10003)];
	ck_assert_uint_eq(0, countv[1]);
	ck_assert_uint_eq(60, countv[2]);
	ck_assert_uint_eq(100, countv[7]);
	mem_deref(t);
}
END_TEST


enum { ASKERS = 3, QUESTIONS = 20000 };

static struct turn *shared;


/* Copies that come to the same thread go where the first one went. */
static void *ask_thread(void *arg)
{
	const uint64_t seed = (uint64_t)(uintptr_t)arg << 48;
	char contact[128];
	uintptr_t bad = 0;
	size_t n;

	for (uint64_t i = 1; i <= QUESTIONS; i++) {
		const uint64_t tag = (seed | i) * 0x9e3779b97f4a7c15;

		if (turn_next(shared, tag, contact, sizeof(contact), &n))
			continue;
		bad += n != 11 || memcmp(contact, "127.0.0.1:", 10);
	}

	return (void *)bad;
}


START_TEST(test_threads)
{
	pthread_t tidv[ASKERS];
	void *bad;
	unsigned i;

	ck_assert_int_eq(0, turn_alloc(&shared, TURN_LOAD));
	for (i=0; i<ASKERS; i++)
		ck_assert_int_eq(0, pthread_create(&tidv[i], NULL, ask_thread,
						   (void *)(uintptr_t)i));

	/* members come, go, and tell their load meanwhile */
	for (i=0; i<2000; i++) {
		ck_assert_int_eq(0, turn_set(shared, memberv, i % 4));
		turn_load(shared, 2, i % 7);
	}

	for (i=0; i<ASKERS; i++) {
		ck_assert_int_eq(0, pthread_join(tidv[i], &bad));
		ck_assert_ptr_null(bad);
	}
	shared = mem_deref(shared);
}
END_TEST


int main(void)
{
	Suite *s = suite_create("turn");
	TCase *tc = tcase_create("turn");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, test_turn);
	tcase_add_test(tc, test_turn_load);
	tcase_add_test(tc, test_threads);
	suite_add_tcase(s, tc);

	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
