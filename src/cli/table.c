/**
 * @file table.c  Arrays of flat objects as tables for people
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <re.h>
#include "cli/cli.h"

enum {
	COLUMNS_MAX = 32,
	CELL_SIZE   = 128,
};

struct column {
	const char *key;
	char title[48];
	size_t width;            /* [characters]                           */
	bool number;             /* all its cells are: align to the right  */
};

struct table {
	struct column colv[COLUMNS_MAX];
	size_t colc;
};

static bool is_number(const struct odict_entry *e)
{
	return e->type == ODICT_INT || e->type == ODICT_DOUBLE;
}

/* packets_in -> PACKETS IN; jitter_ms -> JITTER [ms] */
static void title_make(char *buf, size_t sz, const char *key)
{
	static const struct {
		const char *suffix, *unit;
	} unitv[] = {
		{"_ms", "ms"}, {"_us", "us"}, {"_s", "s"}, {"_hz", "Hz"},
		{"_kb", "kB"}, {"_percent", "%"},
	};
	size_t len = strlen(key), i, n;
	const char *unit = NULL;

	for (i = 0; i < ARRAY_SIZE(unitv); i++) {
		n = strlen(unitv[i].suffix);
		if (len > n && !strcmp(key + len - n, unitv[i].suffix)) {
			unit = unitv[i].unit;
			len -= n;
			break;
		}
	}

	for (i = 0; i < len && i + 1 < sz; i++)
		buf[i] = key[i] == '_' ? ' '
			: (char)(key[i] >= 'a' && key[i] <= 'z'
				 ? key[i] - 'a' + 'A' : key[i]);
	buf[i] = '\0';

	if (unit && i + strlen(unit) + 4 < sz)
		(void)re_snprintf(buf + i, sz - i, " [%s]", unit);

	text_clean(buf);
}

static struct column *column_get(struct table *t, const char *key)
{
	struct column *col;
	size_t i;

	for (i = 0; i < t->colc; i++)
		if (!strcmp(t->colv[i].key, key))
			return &t->colv[i];

	if (t->colc >= COLUMNS_MAX)
		return NULL;

	col = &t->colv[t->colc++];
	col->key    = key;
	col->number = true;
	title_make(col->title, sizeof(col->title), key);
	col->width  = text_width(col->title);

	return col;
}

static void row_measure(struct table *t, const struct odict *row)
{
	const struct le *le;

	for (le = row->lst.head; le; le = le->next) {

		const struct odict_entry *e = le->data;
		struct column *col = column_get(t, e->key);
		char cell[CELL_SIZE];
		size_t w;

		if (!col)
			continue;

		value_text(cell, sizeof(cell), e);
		w = text_width(cell);
		if (w > col->width)
			col->width = w;
		if (!is_number(e) && e->type != ODICT_NULL)
			col->number = false;
	}
}

/* No blanks after the last column. */
static void cell_print(const struct column *col, const char *text, bool last)
{
	const int pad = (int)(col->width - text_width(text));

	if (col->number)
		(void)printf("%*s%s", pad, "", text);
	else
		(void)printf("%s%*s", text, last ? 0 : pad, "");

	(void)fputs(last ? "\n" : "  ", stdout);
}

/* On a terminal only whole rows can be read: the columns that do not fit
   are left out, the last ones first. */
static size_t columns_fit(const struct table *t)
{
	struct winsize ws;
	size_t i, width = 0;

	if (!isatty(STDOUT_FILENO) ||
	    ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) || !ws.ws_col)
		return t->colc;

	for (i = 0; i < t->colc; i++) {
		width += t->colv[i].width + (i ? 2 : 0);
		if (i && width > ws.ws_col)
			break;
	}

	return i;
}

/**
 * Print an array of objects, one row each; members become columns
 *
 * @param array Array
 */
void table_print(const struct odict *array)
{
	struct table t = {.colc = 0};
	const struct le *le;
	size_t i, more;

	for (le = array->lst.head; le; le = le->next) {
		const struct odict_entry *e = le->data;

		if (e->type == ODICT_OBJECT)
			row_measure(&t, e->u.odict);
	}

	more = t.colc;
	t.colc = columns_fit(&t);
	more -= t.colc;

	for (i = 0; i < t.colc; i++)
		cell_print(&t.colv[i], t.colv[i].title, i + 1 == t.colc);

	for (le = array->lst.head; le; le = le->next) {

		const struct odict_entry *row = le->data;

		for (i = 0; row->type == ODICT_OBJECT && i < t.colc; i++) {

			const struct odict_entry *e =
				odict_lookup(row->u.odict, t.colv[i].key);
			char cell[CELL_SIZE] = "-";

			if (e)
				value_text(cell, sizeof(cell), e);
			cell_print(&t.colv[i], cell, i + 1 == t.colc);
		}
	}

	if (more)
		(void)printf("(%zu more columns: widen the terminal, or "
			     "--json)\n", more);
}
