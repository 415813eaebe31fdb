/**
 * @file suite.h  How a test program runs
 */
#ifndef JUNCTOR_TESTS_SUITE_H
#define JUNCTOR_TESTS_SUITE_H

#include <stdlib.h>
#include <check.h>

/* Runs a case, which belongs to it; returns what main() has to return. */
static inline int suite_run(const char *name, TCase *tc)
{
	Suite *s = suite_create(name);
	SRunner *sr;
	int failed;

	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
