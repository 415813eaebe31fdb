/**
 * @file tests/noc/main.c  Runs the test cases of src/noc
 */
#include <stdlib.h>
#include <check.h>
#include <re.h>
#include "test.h"


int main(void)
{
	Suite *s = suite_create("noc");
	SRunner *sr;
	int failed;

	suite_add_tcase(s, case_capacity());
	suite_add_tcase(s, case_client());
	suite_add_tcase(s, case_conftable());
	suite_add_tcase(s, case_estimator());
	suite_add_tcase(s, case_name());
	suite_add_tcase(s, case_node());
	suite_add_tcase(s, case_route());
	suite_add_tcase(s, case_seal());
	suite_add_tcase(s, case_seat());
	suite_add_tcase(s, case_select());
	suite_add_tcase(s, case_ticket());
	suite_add_tcase(s, case_willcall());
	suite_add_tcase(s, case_wire());

	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
