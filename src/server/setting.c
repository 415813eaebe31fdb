/**
 * @file setting.c  One value against its declaration
 */
#include <string.h>
#include <strings.h>
#include <stdlib.h>
#include <stdio.h>
#include <re.h>
#include "server/settings.h"
#include "server/config.h"


/**
 * Name of a setting's type as people read it
 *
 * @param type Type
 *
 * @return Name
 */
const char *setting_type_name(enum setting_type type)
{
	switch (type) {

	case SETTING_STRING: return "text";
	case SETTING_U32:    return "number";
	case SETTING_BOOL:   return "yes|no";
	case SETTING_CHOICE: return "choice";
	case SETTING_SA:     return "addr:port";
	case SETTING_ADDR:   return "addr";
	}

	return "?";
}


static bool choice_has(const char *choices, const char *val, size_t len,
		       bool anycase)
{
	while (choices && *choices) {
		const size_t n = strcspn(choices, "|");

		if (n == len && !(anycase ? strncasecmp(choices, val, n)
				  : memcmp(choices, val, n)))
			return true;

		choices += n;
		if (*choices)
			++choices;
	}

	return false;
}


/* Words with commas or blanks between */
static int words_validate(const struct setting *s, const char *val,
			  char *reason, size_t sz)
{
	static const char gap[] = ", ";
	size_t n;

	for (val += strspn(val, gap); *val; val += strspn(val, gap)) {
		n = strcspn(val, gap);
		if (!choice_has(s->choices, val, n, true)) {
			(void)snprintf(reason, sz, "'%.*s' is none of %s",
				       n < 64 ? (int)n : 64, val, s->choices);
			return EINVAL;
		}
		val += n;
	}

	return 0;
}


static int string_validate(const struct setting *s, const char *val,
			   char *reason, size_t sz)
{
	const size_t len = strlen(val);

	if (len > CONFIG_LINE_MAX) {
		(void)snprintf(reason, sz, "too long");
		return EINVAL;
	}

	if (len < s->min || (s->max && len > s->max)) {
		if (s->max)
			(void)snprintf(reason, sz, "must have %u to %u"
				    " characters", s->min, s->max);
		else
			(void)snprintf(reason, sz, "must have at least %u"
				    " characters", s->min);
		return EINVAL;
	}

	return s->choices ? words_validate(s, val, reason, sz) : 0;
}


static int u32_validate(const struct setting *s, const char *val,
			char *reason, size_t sz)
{
	const uint32_t max = s->max ? s->max : UINT32_MAX;
	const size_t len = strlen(val);
	uint64_t n;

	/* 10 digits are the longest number of 32 bits */
	if (!len || len > 10 || strspn(val, "0123456789") != len) {
		(void)snprintf(reason, sz, "'%.64s' is not a whole"
			       " number", val);
		return EINVAL;
	}

	n = strtoull(val, NULL, 10);
	if (n < s->min || n > max) {
		(void)snprintf(reason, sz, "must be %u to %u", s->min, max);
		return EINVAL;
	}

	return 0;
}


static int address_validate(const struct setting *s, const char *val,
			    char *reason, size_t sz)
{
	struct sa sa;

	if (s->type == SETTING_ADDR) {
		if (!sa_set_str(&sa, val, 0))
			return 0;
		(void)snprintf(reason, sz, "'%.64s' is not an IP"
			       " address", val);
		return EINVAL;
	}

	/* libre's sa_decode does not mind what follows the port */
	if (!sa_decode(&sa, val, strlen(val))) {
		const char *port = strrchr(val, ':');

		if (port && port[1] && strlen(port + 1) <= 5
		    && strspn(port + 1, "0123456789") == strlen(port + 1)
		    && strtoul(port + 1, NULL, 10) <= 65535)
			return 0;
	}

	(void)snprintf(reason, sz, "'%.64s' is not ADDR:PORT or"
		       " [ADDR6]:PORT", val);
	return EINVAL;
}


/**
 * Check a value against its declaration
 *
 * @param s      Declaration
 * @param val    Value as text
 * @param reason Where to write why it is bad
 * @param sz     Size of reason [bytes]
 *
 * @return 0, or EINVAL with a reason
 */
int setting_validate(const struct setting *s, const char *val,
		     char *reason, size_t sz)
{
	if (!s || !val || !reason || !sz)
		return EINVAL;

	reason[0] = '\0';

	switch (s->type) {

	case SETTING_STRING:
		return string_validate(s, val, reason, sz);

	case SETTING_U32:
		return u32_validate(s, val, reason, sz);

	case SETTING_BOOL:
		if (!strcmp(val, "yes") || !strcmp(val, "no"))
			return 0;
		(void)snprintf(reason, sz, "'%.64s' is neither yes nor"
			       " no", val);
		return EINVAL;

	case SETTING_CHOICE:
		if (choice_has(s->choices, val, strlen(val), false))
			return 0;
		(void)snprintf(reason, sz, "'%.64s' is none of %s", val,
			    s->choices);
		return EINVAL;

	case SETTING_SA:
	case SETTING_ADDR:
		return address_validate(s, val, reason, sz);
	}

	(void)snprintf(reason, sz, "declared with an unknown type");
	return EINVAL;
}
