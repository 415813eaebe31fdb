/**
 * @file cli/usage.c  Usage records
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <re.h>
#include "cli/cli.h"

enum { PAGE = 1000 };            /* records asked for at a time            */

struct options {
	const char *account, *conference;
	int64_t from, to;        /* UTC since the epoch [s], -1: open      */
	uint64_t limit;          /* most records                           */
	bool csv;
};

static int option_set(struct options *o, const char *opt, const char *val)
{
	const size_t len = strlen(val);

	if (!strcmp(opt, "--account")) {
		o->account = val;
		return CLI_OK;
	}

	if (!strcmp(opt, "--conference")) {
		o->conference = val;
		return CLI_OK;
	}

	if (!strcmp(opt, "--limit")) {
		if (len && len < 10 && strspn(val, "0123456789") == len) {
			o->limit = strtoull(val, NULL, 10);
			return CLI_OK;
		}
		cli_error("usage: --limit needs a number");
		return CLI_USAGE;
	}

	if (strcmp(opt, "--from") && strcmp(opt, "--to")) {
		cli_error("usage: unknown option '%s'", opt);
		return CLI_USAGE;
	}

	return time_decode(strcmp(opt, "--to") ? &o->from : &o->to, val);
}

static int options_read(struct options *o, int argc, char **argv)
{
	int i, ret = CLI_OK;

	for (i = 0; i < argc && !ret; i++) {

		if (!strcmp(argv[i], "--csv")) {
			o->csv = true;
		}
		else if (i + 1 >= argc) {
			cli_error("usage: %s: unknown, or a value is missing",
				  argv[i]);
			ret = CLI_USAGE;
		}
		else {
			ret = option_set(o, argv[i], argv[i + 1]);
			++i;
		}
	}

	return ret;
}

static int page_get(struct cli *cli, struct odict **resultp,
		    const struct options *o, uint64_t after, uint64_t limit)
{
	struct odict *args = NULL;
	int err, ret = CLI_FAILED;

	err = odict_alloc(&args, 8);
	if (!err && o->account)
		err = odict_entry_add(args, "account", ODICT_STRING,
				      o->account);
	if (!err && o->conference)
		err = odict_entry_add(args, "conference", ODICT_STRING,
				      o->conference);
	if (!err && o->from >= 0)
		err = odict_entry_add(args, "from", ODICT_INT, o->from);
	if (!err && o->to >= 0)
		err = odict_entry_add(args, "to", ODICT_INT, o->to);
	if (!err && after)
		err = odict_entry_add(args, "after", ODICT_INT,
				      (int64_t)after);
	if (!err)
		err = odict_entry_add(args, "limit", ODICT_INT,
				      (int64_t)limit);
	if (!err)
		ret = client_ok(cli, resultp, "usage", args);

	mem_deref(args);
	return ret;
}

/* The number of the last record, by which the next page is asked for. */
static uint64_t last_seq(const struct odict *records)
{
	const struct odict_entry *e = list_ledata(list_tail(&records->lst));
	uint64_t seq = 0;

	if (e && e->type == ODICT_OBJECT)
		(void)odict_get_number(e->u.odict, &seq, "seq");

	return seq;
}

static void page_print(const struct cli *cli, const struct options *o,
		       const struct odict *records, bool first)
{
	const struct le *le;

	if (o->csv) {
		csv_print(records, first);
		return;
	}

	if (!cli->json) {
		table_print(records);
		return;
	}

	for (le = records->lst.head; le; le = le->next)
		(void)re_printf("%s%H", first && !le->prev ? "[" : ",\n ",
				json_text, le->data);
}

/**
 * usage [--csv] [--from TIME] [--to TIME] [--account A] [--conference C]
 *
 * @param cli  Options
 * @param argc Number of arguments
 * @param argv Arguments
 *
 * @return Exit code
 */
int cmd_usage(struct cli *cli, int argc, char **argv)
{
	struct options o = {.from = -1, .to = -1, .limit = UINT64_MAX};
	uint64_t after = 0, total = 0;
	int ret;

	ret = options_read(&o, argc, argv);
	if (ret)
		return ret;

	while (total < o.limit) {

		const uint64_t want = o.limit - total < PAGE
			? o.limit - total : PAGE;
		struct odict *result = NULL;
		const struct odict_entry *e;
		size_t n;

		ret = page_get(cli, &result, &o, after, want);
		if (ret)
			break;

		e = odict_get_type(result, ODICT_ARRAY, "records");
		n = e ? odict_count(e->u.odict, false) : 0;
		if (n)
			page_print(cli, &o, e->u.odict, !total);
		after = n ? last_seq(e->u.odict) : 0;
		total += n;
		mem_deref(result);

		if (n < want || !after)
			break;
	}

	if (cli->json && !o.csv) {
		if (!ret || total)
			(void)puts(total ? "]" : "[]");
	}
	else if (!ret && !total && !o.csv)
		(void)puts("no records");

	return ret;
}
