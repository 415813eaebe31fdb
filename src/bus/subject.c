/**
 * @file subject.c  Subjects, keys and patterns
 *
 * The rules are those of NATS, so that what works on the memory bus works on
 * several machines: words separated by single dots; in keys only letters,
 * digits and -/_=
 */
#include <string.h>
#include <re.h>
#include "bus/bus.h"
#include "bus/subject.h"


typedef bool (char_h)(char c);


static bool char_subject(char c)
{
	return c > ' ' && c < 0x7f && c != '*' && c != '>';
}


static bool char_key(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c >= '0' && c <= '9') || (c && strchr("-/_=", c));
}


static bool words_valid(const char *s, bool wildcards, char_h *char_valid)
{
	size_t len = 0, word = 0;

	if (!s)
		return false;

	for (; *s; s++) {

		if (++len > BUS_SUBJECT_MAX)
			return false;

		if (*s == '.') {
			if (!word)
				return false;
			word = 0;
			continue;
		}

		if (wildcards && (*s == '*' || *s == '>')) {

			/* a wildcard is a whole word; > is the last one */
			if (word || (s[1] && (*s == '>' || s[1] != '.')))
				return false;
		}
		else if (!char_valid(*s)) {
			return false;
		}

		++word;
	}

	return word > 0;
}


/**
 * Check a subject
 *
 * @param subject Subject
 *
 * @return True if it can be published to
 */
bool subject_valid(const char *subject)
{
	return words_valid(subject, false, char_subject);
}


/**
 * Check a pattern for subjects or keys
 *
 * @param pattern Words, of which some may be `*` and the last `>`
 *
 * @return True if it can be listened to
 */
bool subject_pattern_valid(const char *pattern)
{
	return words_valid(pattern, true, char_subject);
}


/**
 * Check a key
 *
 * @param key Key
 *
 * @return True if a value can be stored under it
 */
bool subject_key_valid(const char *key)
{
	return words_valid(key, false, char_key);
}


/**
 * Check the name of a bucket: one word
 *
 * @param bucket Name
 *
 * @return True if it can be the name of a bucket
 */
bool subject_bucket_valid(const char *bucket)
{
	return words_valid(bucket, false, char_key) &&
		!strpbrk(bucket, "./=") && strlen(bucket) <= 64;
}


/**
 * Match a subject or key
 *
 * @param pattern Valid pattern
 * @param subject Valid subject
 *
 * @return True if the subject is one that the pattern stands for
 */
bool subject_match(const char *pattern, const char *subject)
{
	if (!pattern || !subject)
		return false;

	while (*pattern && *subject) {

		if (*pattern == '>')
			return true;

		if (*pattern == '*') {
			++pattern;
			while (*subject && *subject != '.')
				++subject;
			continue;
		}

		if (*pattern++ != *subject++)
			return false;
	}

	return *pattern == *subject;
}
