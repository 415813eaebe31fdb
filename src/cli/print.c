/**
 * @file print.c  Results for people and for programs
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <re.h>
#include "cli/cli.h"

/**
 * Make a text safe for a terminal: names come from callers. Several values of
 * one setting, a line each, are put into one line.
 *
 * @param str Text, changed in place
 */
void text_clean(char *str)
{
	for (; *str; str++) {
		const uint8_t ch = (uint8_t)*str;

		/* 0xc2 0x80..0x9f are control characters as well */
		if (ch < 0x20 || ch == 0x7f)
			*str = ch == '\n' ? ' ' : '?';
		else if (ch == 0xc2 && (uint8_t)str[1] < 0xa0 && str[1]) {
			str[0] = '?';
			str[1] = '?';
		}
	}
}

/**
 * Width of a text on a terminal, one column per character
 *
 * @param str Text in UTF-8
 *
 * @return Width [columns]
 */
size_t text_width(const char *str)
{
	size_t n = 0;

	for (; *str; str++)
		if (((uint8_t)*str & 0xc0) != 0x80)
			++n;

	return n;
}

/**
 * Print a duration for people: 12s, 3m05s, 2h07m, 4d03h
 *
 * @param pf  Print function
 * @param sec Duration [s]
 *
 * @return 0 or an errno
 */
int duration_print(struct re_printf *pf, const uint64_t *sec)
{
	const uint64_t s = *sec;

	if (s < 60)
		return re_hprintf(pf, "%llus", s);
	if (s < 3600)
		return re_hprintf(pf, "%llum%02llus", s / 60, s % 60);
	if (s < 86400)
		return re_hprintf(pf, "%lluh%02llum", s / 3600,
				  s / 60 % 60);

	return re_hprintf(pf, "%llud%02lluh", s / 86400, s / 3600 % 24);
}

static bool key_is(const char *key, const char *const *wordv)
{
	for (; *wordv; wordv++)
		if (!strcmp(key, *wordv))
			return true;

	return false;
}

/* A point in time in s, ms or us since the epoch: what else is so big? */
static uint64_t epoch_sec(uint64_t v)
{
	if (v > 100000000000000ULL)
		return v / 1000000;
	if (v > 100000000000ULL)
		return v / 1000;

	return v;
}

/* Seconds, except that keys ending in _time have microseconds. */
static bool instant_sec(const struct odict_entry *e, int64_t *sec, int *ms)
{
	static const char *const planv[] = {"from", "to", "out_from",
		"out_to", NULL};
	const size_t len = strlen(e->key);

	if (e->type != ODICT_INT || e->u.integer <= 0)
		return false;

	if (len > 5 && !strcmp(e->key + len - 5, "_time")) {
		*sec = e->u.integer / 1000000;
		*ms  = (int)(e->u.integer / 1000 % 1000);
		return true;
	}

	*sec = e->u.integer;
	*ms  = -1;

	return key_is(e->key, planv) && *sec > 1000000000;
}

/**
 * A point in time as ISO 8601
 *
 * @param buf Returned text
 * @param sz  Its size [bytes]
 * @param e   Value
 *
 * @return False if the value is none, as its key tells
 */
bool instant_text(char *buf, size_t sz, const struct odict_entry *e)
{
	int64_t sec;
	struct tm tm;
	time_t t;
	size_t n;
	int ms;

	if (!instant_sec(e, &sec, &ms))
		return false;

	t = (time_t)sec;
	if (!gmtime_r(&t, &tm))
		return false;

	n = strftime(buf, sz, "%Y-%m-%dT%H:%M:%S", &tm);
	if (ms >= 0)
		(void)snprintf(buf + n, sz - n, ".%03dZ", ms);
	else
		(void)snprintf(buf + n, sz - n, "Z");

	return true;
}

static bool number_text(char *buf, size_t sz, const char *key, double v)
{
	static const char *const since[] = {"created", "joined", "started",
		"since", NULL};
	static const char *const span[] = {"uptime", "age", NULL};
	static const char *const bytes[] = {"rss", "memory", "bytes", NULL};
	uint64_t sec;

	if (v < 0)
		return false;

	if (key_is(key, since) && v > 1e9) {
		const uint64_t now = (uint64_t)time(NULL);

		sec = epoch_sec((uint64_t)v);
		sec = now > sec ? now - sec : 0;
		(void)re_snprintf(buf, sz, "%H ago", duration_print, &sec);
		return true;
	}

	if (key_is(key, span)) {
		sec = (uint64_t)v;
		(void)re_snprintf(buf, sz, "%H", duration_print, &sec);
		return true;
	}

	if (key_is(key, bytes) && v >= 10240) {
		if (v < 10485760)
			(void)snprintf(buf, sz, "%.0f kB", v / 1024);
		else
			(void)snprintf(buf, sz, "%.1f MB", v / 1048576);
		return true;
	}

	return false;
}

static void list_text(char *buf, size_t sz, const struct odict *array)
{
	const struct le *le;
	size_t n = 0;

	buf[0] = '\0';
	for (le = array->lst.head; le && n + 8 < sz; le = le->next) {

		if (le->prev)
			buf[n++] = ',';
		value_text(buf + n, sz - n, le->data);
		n += strlen(buf + n);
	}

	if (!buf[0])
		(void)re_snprintf(buf, sz, "-");
}

/* Cut in the middle of a character would upset the terminal. */
static void copy_text(char *buf, size_t sz, const char *str)
{
	size_t n = strlen(str);

	if (n >= sz) {
		n = sz - 1;
		while (n && ((uint8_t)str[n] & 0xc0) == 0x80)
			--n;
	}

	memcpy(buf, str, n);
	buf[n] = '\0';
}

/**
 * A value as people want to see it
 *
 * @param buf Returned text, clean for a terminal
 * @param sz  Its size [bytes]
 * @param e   Value; its key says in which unit numbers are
 */
void value_text(char *buf, size_t sz, const struct odict_entry *e)
{
	if (instant_text(buf, sz, e))
		return;

	switch (e->type) {

	case ODICT_STRING:
		copy_text(buf, sz, e->u.str[0] ? e->u.str : "-");
		break;

	case ODICT_INT:
		if (!number_text(buf, sz, e->key, (double)e->u.integer))
			(void)re_snprintf(buf, sz, "%lld", e->u.integer);
		break;

	case ODICT_DOUBLE:
		if (!number_text(buf, sz, e->key, e->u.dbl))
			(void)snprintf(buf, sz, "%.1f", e->u.dbl);
		break;

	case ODICT_BOOL:
		(void)re_snprintf(buf, sz, e->u.boolean ? "yes" : "no");
		break;

	case ODICT_OBJECT:
	case ODICT_ARRAY:
		list_text(buf, sz, e->u.odict);
		break;

	default:
		(void)re_snprintf(buf, sz, "-");
		break;
	}

	text_clean(buf);
}

/**
 * Print a value as JSON
 *
 * @param pf Print function
 * @param e  Value
 *
 * @return 0 or an errno
 */
int json_text(struct re_printf *pf, const struct odict_entry *e)
{
	const struct le *le;
	int err;

	switch (e->type) {

	case ODICT_OBJECT:
		return json_encode_odict(pf, e->u.odict);

	case ODICT_ARRAY:
		err = re_hprintf(pf, "[");
		for (le = e->u.odict->lst.head; le && !err; le = le->next)
			err = re_hprintf(pf, "%s%H", le->prev ? ",\n " : "",
					 json_text, le->data);
		return err | re_hprintf(pf, "]");

	case ODICT_STRING:
		return re_hprintf(pf, "\"%H\"", utf8_encode, e->u.str);
	case ODICT_INT:
		return re_hprintf(pf, "%lld", e->u.integer);
	case ODICT_DOUBLE:
		return re_hprintf(pf, "%f", e->u.dbl);
	case ODICT_BOOL:
		return re_hprintf(pf, e->u.boolean ? "true" : "false");
	default:
		return re_hprintf(pf, "null");
	}
}

static const struct odict_entry *only_array(const struct odict *od)
{
	const struct odict_entry *e = list_ledata(list_head(&od->lst));

	return odict_count(od, false) == 1 && e->type == ODICT_ARRAY
		? e : NULL;
}

/**
 * The one array that a result consists of
 *
 * @param result Result of a command
 * @param keyp   Returned name, or NULL
 *
 * @return Array, or NULL if the result is something else
 */
const struct odict *result_array(const struct odict *result,
				 const char **keyp)
{
	const struct odict_entry *e = only_array(result);

	if (e && keyp)
		*keyp = e->key;

	return e ? e->u.odict : NULL;
}

static bool is_table(const struct odict_entry *e)
{
	const struct odict_entry *first;

	if (e->type != ODICT_ARRAY)
		return false;

	first = list_ledata(list_head(&e->u.odict->lst));

	return !first || first->type == ODICT_OBJECT;
}

static void members_print(const struct odict *od)
{
	const struct le *le;
	size_t width = 0;

	for (le = od->lst.head; le; le = le->next) {
		const struct odict_entry *e = le->data;

		if (!is_table(e) && text_width(e->key) > width)
			width = text_width(e->key);
	}

	for (le = od->lst.head; le; le = le->next) {
		const struct odict_entry *e = le->data;
		char buf[1024], key[64];

		if (is_table(e))
			continue;

		copy_text(key, sizeof(key), e->key);
		text_clean(key);
		value_text(buf, sizeof(buf), e);
		(void)printf("%s%*s  %s\n", key,
			     (int)(width - text_width(e->key)), "", buf);
	}

	for (le = od->lst.head; le; le = le->next) {
		const struct odict_entry *e = le->data;

		if (!is_table(e) || !odict_count(e->u.odict, false))
			continue;

		(void)printf("\n%s:\n", e->key);
		table_print(e->u.odict);
	}
}

/**
 * Print the result of a command
 *
 * For people a result that is one array becomes a table, any other a list of
 * its members with tables below. For programs the array alone is printed, or
 * the object.
 *
 * @param cli    Options
 * @param result Result
 */
void result_print(const struct cli *cli, const struct odict *result)
{
	const struct odict_entry *array = only_array(result);

	if (cli->json) {
		if (array)
			(void)re_printf("%H\n", json_text, array);
		else
			(void)re_printf("%H\n", json_encode_odict, result);
		return;
	}

	if (!odict_count(result, false))
		(void)printf("done\n");
	else if (!array || !is_table(array))
		members_print(result);
	else if (!odict_count(array->u.odict, false))
		(void)printf("no %s\n", array->key);
	else
		table_print(array->u.odict);
}
