/**
 * @file loop.h  The main loop, for a while or until something is so
 */
#ifndef JUNCTOR_TESTS_BUS_LOOP_H
#define JUNCTOR_TESTS_BUS_LOOP_H

void loop_run(uint64_t ms);
bool loop_until(bool (*done)(void), uint64_t ms);

#endif
