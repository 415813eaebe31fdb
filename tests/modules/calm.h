/**
 * @file calm.h  Time that a slow machine does not take from a test
 */
#ifndef JUNCTOR_TESTS_MODULES_CALM_H
#define JUNCTOR_TESTS_MODULES_CALM_H

void calm_speed(unsigned n);

#endif
