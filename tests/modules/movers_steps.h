/**
 * @file movers_steps.h  Steps that runs of movers have in common
 *
 * Conference "a" is at m1, server 0, and goes to m2, server 1.
 */
#ifndef JUNCTOR_TESTS_MODULES_MOVERS_STEPS_H
#define JUNCTOR_TESTS_MODULES_MOVERS_STEPS_H

extern int *res;              /* of the order given last, -1: none yet */

bool answered(void);
bool idle(void);
bool empty_1(void);

void join_20(void);
void join_slow(void);
void join_10(void);
void move_to_2(void);
void move_in_part(void);
void moved_20(void);
void all_at_2_now(void);
void wait_idle(void);
void settle(void);

#endif
