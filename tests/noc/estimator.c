/**
 * @file tests/noc/estimator.c  Capacity estimators
 */
#include <check.h>
#include <re.h>
#include "noc/estimator.h"
#include "test.h"


static const struct estimator_config config = {
	.users = 100,
	.bandwidth = 1000, .unitv = {2, 50, 1},
	.cpu = 800, .cpuv = {500, 20000, 50},
	.conferences = 10, .contracted = 8,
};

static const struct row {
	const char *name;
	struct estimator_load load;
	uint32_t capacity, unused;
} rowv[] = {
	{"users", {0}, 100, 100},
	{"users", {.participants = 60, .leased = 15}, 100, 25},
	{"users", {.participants = 99, .leased = 1}, 100, 0},
	{"users", {.participants = 150}, 100, 0},
	{"users", {.participants = UINT32_MAX, .leased = UINT32_MAX}, 100, 0},

	{"bandwidth", {0}, 500, 500},
	{"bandwidth", {.mediav = {100}}, 500, 400},
	{"bandwidth", {.mediav = {100, 10}, .leasev = {50}}, 500, 100},
	{"bandwidth", {.mediav = {0, 19}, .leasev = {0, 1}}, 500, 0},
	{"bandwidth", {.mediav = {0, 0, 1}}, 500, 499},
	{"bandwidth", {.mediav = {UINT32_MAX, UINT32_MAX}}, 500, 0},

	/* idle: 800,000 / 500 */
	{"cpu", {0}, 1600, 1600},
	{"cpu", {.cpu = 400, .participants = 100}, 900, 800},
	{"cpu", {.cpu = 400, .leased = 10, .leasev = {10}}, 800, 790},
	{"cpu", {.cpu = 1000, .participants = 7}, 7, 0},

	{"conferences", {0}, 80, 80},
	{"conferences", {.contracted = 16, .participants = 1}, 80, 64},
	{"conferences", {.contracted = 90}, 80, 0},
};


START_TEST(test_estimator)
{
	const struct row *row = &rowv[_i];
	const struct estimator *est = estimator_find(row->name);

	ck_assert_ptr_nonnull(est);
	ck_assert_str_eq(row->name, est->name);
	ck_assert_uint_eq(row->capacity, est->capacity(&config, &row->load));
	ck_assert_uint_eq(row->unused, est->unused(&config, &row->load));
}
END_TEST


START_TEST(test_estimator_find)
{
	/* nothing configured is no capacity, not a division by zero */
	const struct estimator_config none = { .users = 0 };
	const struct estimator_load load = { .participants = 1 };
	size_t i;

	for (i=0; i<ARRAY_SIZE(rowv); i++) {
		const struct estimator *e = estimator_find(rowv[i].name);

		ck_assert_uint_eq(0, e->unused(&none, &load));
	}

	ck_assert_uint_eq(1, estimator_find("users")->need(&config, 0));
	ck_assert_uint_eq(1, estimator_find("users")->need(&config, 5));
	ck_assert_uint_eq(8, estimator_find("conferences")->need(&config, 0));
	ck_assert_uint_eq(0, estimator_find("conferences")->need(&config, 7));
	ck_assert_uint_eq(1, estimator_find("conferences")->need(&config, 8));

	ck_assert_ptr_null(estimator_find("guess"));
	ck_assert_ptr_null(estimator_find(""));
	ck_assert_ptr_null(estimator_find(NULL));
}
END_TEST


TCase *case_estimator(void)
{
	TCase *tc = tcase_create("estimator");

	tcase_add_loop_test(tc, test_estimator, 0, ARRAY_SIZE(rowv));
	tcase_add_test(tc, test_estimator_find);

	return tc;
}
