/**
 * @file mortal.h  Usage records of a process that dies when they are written
 */
#ifndef JUNCTOR_TESTS_MODULES_MORTAL_H
#define JUNCTOR_TESTS_MODULES_MORTAL_H

struct usage_db_ops;
struct usage_store;

void mortal_ops(struct usage_db_ops *ops);
void mortal_end(struct usage_store *s);

#endif
