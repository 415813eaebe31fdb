/**
 * @file csv.c  Arrays as comma-separated values (RFC 4180)
 */
#include <stdio.h>
#include <string.h>
#include <re.h>
#include "cli/cli.h"

enum { COLUMNS_MAX = 64 };

static void field_print(const char *str)
{
	if (!str[strcspn(str, ",\"\r\n")]) {
		(void)fputs(str, stdout);
		return;
	}

	(void)putchar('"');
	for (; *str; str++) {
		if (*str == '"')
			(void)putchar('"');
		(void)putchar(*str);
	}
	(void)putchar('"');
}

static void value_print(const struct odict_entry *e)
{
	char when[40];

	if (instant_text(when, sizeof(when), e)) {
		(void)fputs(when, stdout);
		return;
	}

	switch (e->type) {

	case ODICT_STRING: field_print(e->u.str);                     break;
	case ODICT_INT:    (void)re_printf("%lld", e->u.integer);     break;
	case ODICT_DOUBLE: (void)printf("%.15g", e->u.dbl);           break;
	case ODICT_BOOL:   (void)printf("%d", e->u.boolean);          break;
	default:                                                      break;
	}
}

static size_t columns_find(const char **keyv, const struct odict *array)
{
	const struct le *row, *le;
	size_t n = 0, i;

	for (row = array->lst.head; row; row = row->next) {

		const struct odict_entry *r = row->data;

		if (r->type != ODICT_OBJECT)
			continue;

		for (le = r->u.odict->lst.head; le; le = le->next) {

			const struct odict_entry *e = le->data;

			for (i = 0; i < n && strcmp(keyv[i], e->key); i++)
				;
			if (i == n && n < COLUMNS_MAX)
				keyv[n++] = e->key;
		}
	}

	return n;
}

/**
 * Print an array of objects as CSV
 *
 * @param array  Array
 * @param header Print the names of the columns first
 */
void csv_print(const struct odict *array, bool header)
{
	const char *keyv[COLUMNS_MAX];
	const size_t n = columns_find(keyv, array);
	const struct le *row;
	size_t i;

	for (i = 0; header && i < n; i++) {
		field_print(keyv[i]);
		(void)fputs(i + 1 < n ? "," : "\r\n", stdout);
	}

	for (row = array->lst.head; row; row = row->next) {

		const struct odict_entry *r = row->data;

		for (i = 0; r->type == ODICT_OBJECT && i < n; i++) {

			const struct odict_entry *e =
				odict_lookup(r->u.odict, keyv[i]);

			if (e)
				value_print(e);
			(void)fputs(i + 1 < n ? "," : "\r\n", stdout);
		}
	}
}
