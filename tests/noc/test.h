/**
 * @file test.h  The test cases of src/noc
 */
#ifndef JUNCTOR_TESTS_NOC_TEST_H
#define JUNCTOR_TESTS_NOC_TEST_H

TCase *case_capacity(void);
TCase *case_client(void);
TCase *case_conftable(void);
TCase *case_estimator(void);
TCase *case_name(void);
TCase *case_node(void);
TCase *case_route(void);
TCase *case_seal(void);
TCase *case_seat(void);
TCase *case_select(void);
TCase *case_ticket(void);
TCase *case_willcall(void);
TCase *case_wire(void);

#endif
