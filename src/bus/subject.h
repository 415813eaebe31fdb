/**
 * @file subject.h  Subjects, keys and patterns
 */
#ifndef JUNCTOR_BUS_SUBJECT_H
#define JUNCTOR_BUS_SUBJECT_H

bool subject_valid(const char *subject);
bool subject_pattern_valid(const char *pattern);
bool subject_key_valid(const char *key);
bool subject_bucket_valid(const char *bucket);
bool subject_match(const char *pattern, const char *subject);

#endif
