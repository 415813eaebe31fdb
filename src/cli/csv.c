/**
 * @file csv.c  usage, and arrays as comma-separated values (RFC 4180)
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
 * Print an array of objects as CSV with a header; nothing if it is empty
 *
 * @param array Array
 */
void csv_print(const struct odict *array)
{
	const char *keyv[COLUMNS_MAX];
	const size_t n = columns_find(keyv, array);
	const struct le *row;
	size_t i;

	for (i = 0; i < n; i++) {
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

static int options_read(struct odict *args, bool *csv, int argc, char **argv)
{
	static const char *const optv[] = {"--from", "--to", "--account",
		"--conference", "--limit"};
	int i, ret = CLI_OK;

	for (i = 0; i < argc && !ret; i++) {

		size_t k;

		if (!strcmp(argv[i], "--csv")) {
			*csv = true;
			continue;
		}

		for (k = 0; k < ARRAY_SIZE(optv); k++)
			if (!strcmp(argv[i], optv[k]))
				break;

		if (k == ARRAY_SIZE(optv)) {
			cli_error("usage: unknown option '%s'", argv[i]);
			return CLI_USAGE;
		}
		if (i + 1 >= argc) {
			cli_error("usage: %s needs a value", argv[i]);
			return CLI_USAGE;
		}

		ret = arg_set(args, optv[k] + 2, argv[++i]);
	}

	return ret;
}

/**
 * usage [--csv] [--from TIME] [--to TIME] [--account A]
 *
 * @param cli  Options
 * @param argc Number of arguments
 * @param argv Arguments
 *
 * @return Exit code
 */
int cmd_usage(struct cli *cli, int argc, char **argv)
{
	struct odict *args = NULL, *result = NULL;
	const struct odict_entry *records;
	bool csv = false;
	int ret;

	if (odict_alloc(&args, 8))
		return CLI_FAILED;

	ret = options_read(args, &csv, argc, argv);
	if (!ret)
		ret = client_ok(cli, &result, "usage", args);
	if (ret)
		goto out;

	records = odict_get_type(result, ODICT_ARRAY, "records");
	if (csv && records)
		csv_print(records->u.odict);
	else
		result_print(cli, result);

 out:
	mem_deref(result);
	mem_deref(args);
	return ret;
}
