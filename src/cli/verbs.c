/**
 * @file verbs.c  The words of the command line
 *
 * A word with params and without a handler calls one command of the server
 * with those arguments and prints what comes back, so most words are a line
 * here.
 */
#include <stdio.h>
#include <string.h>
#include <re.h>
#include "cli/cli.h"

static const struct verb verbv[] = {
	{"status", "status", "", "status",
	 "how the server and its services are", cmd_farm},
	{"servers", "servers", "", "servers",
	 "the servers of the farm, as its registry sees them", NULL},
	{"nodes", "nodes", "", "nodes",
	 "the servers of the farm, as this one sees them", NULL},
	{"conferences", "conferences", "", "conferences",
	 "conferences of this server, or of the farm", cmd_farm},
	{"show", "participants", "conference", "show CONF",
	 "who is in a conference", NULL},
	{"capacity", "capacity", "", "capacity",
	 "media servers and what they have left", NULL},
	{"table", "conference-table", "", "table",
	 "which media server holds which conference", NULL},
	{"dispatch-servers", "dispatch-servers", "", "dispatch-servers",
	 "dispatch servers, and which of them a switch sends joins to", NULL},
	{"standby", "standby", "", "standby",
	 "who is active, and what this server does about it", NULL},
	{"drain", NULL, NULL, "drain [SERVER] [--exit|--off]",
	 "move all conferences away from a server", cmd_drain},
	{"move", "move", NULL, "move CONF [SERVER]",
	 "move a conference to another server", cmd_move},
	{"moves", "moves", "", "moves",
	 "what is moving", cmd_farm},
	{"plan", "plan-out", NULL, "plan SERVER FROM TO|off",
	 "no new conferences for a media server in that time", cmd_plan},
	{"plan-out", "plan-out", NULL, "plan-out SERVER FROM TO|off",
	 "the same as plan", cmd_plan},
	{"registry", NULL, NULL, "registry probe SERVER",
	 "ask a server at once whether it is well", cmd_registry},
	{"mute", "mute", NULL, "mute CONF WHO",
	 "nobody hears WHO: a user, a name, id=N or all", cmd_who},
	{"unmute", "unmute", NULL, "unmute CONF WHO",
	 "everybody hears WHO again", cmd_who},
	{"kick", "kick", NULL, "kick CONF WHO",
	 "remove WHO from a conference", cmd_who},
	{"lock", "lock", "conference", "lock CONF",
	 "nobody else comes into a conference", NULL},
	{"unlock", "unlock", "conference", "unlock CONF",
	 "open a conference again", NULL},
	{"get", "get", "key", "get KEY",
	 "show a setting", NULL},
	{"set", "set", NULL, "set KEY VALUE",
	 "change a setting", cmd_set},
	{"settings", "settings", NULL, "settings [PREFIX]",
	 "show all settings, or those that begin with PREFIX",
	 cmd_settings},
	{"pause", "pause", "service", "pause SERVICE",
	 "a service takes nothing new", NULL},
	{"resume", "resume", "service", "resume SERVICE",
	 "a service takes new work again", NULL},
	{"reload", "reload", "", "reload",
	 "read the configuration file again", NULL},
	{"restart", "restart", NULL, "restart",
	 "stop the server and start it again", cmd_restart},
	{"stop", "stop", NULL, "stop",
	 "end all calls and the server", cmd_stop},
	{"trace", NULL, NULL, "trace SERVICE|sip ... on|off",
	 "follow a service, or the SIP of one call", cmd_trace},
	{"log", NULL, NULL, "log [-n N] [--no-follow]",
	 "show and follow the log; 'log level LEVEL' sets what it has",
	 cmd_log},
	{"events", NULL, NULL, "events [NAME ...]",
	 "show events as they happen", cmd_events},
	{"top", NULL, NULL, "top [-n COUNT] [-d SECONDS]",
	 "CPU, conferences and participants, second by second", cmd_top},
	{"usage", "usage", NULL, "usage [--csv] [--from T] ...",
	 "usage records, one per leg", cmd_usage},
	{"version", NULL, NULL, "version",
	 "versions of this command and of the server", cmd_version},
	{"commands", NULL, NULL, "commands",
	 "all that the server offers", cmd_commands},
	{"run", NULL, NULL, "run NAME [K=V ...]",
	 "call any command of the server", cmd_run},
	/* for the shell's completion */
	{"complete", NULL, NULL, "complete WHAT", NULL, cmd_complete},
};

/**
 * All words
 *
 * @param n Returned number
 *
 * @return Array; those without a help are not for people
 */
const struct verb *verb_table(size_t *n)
{
	*n = ARRAY_SIZE(verbv);

	return verbv;
}

/**
 * Find a word
 *
 * @param name Word
 *
 * @return What is known about it, or NULL
 */
const struct verb *verb_find(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(verbv); i++)
		if (!strcmp(verbv[i].name, name))
			return &verbv[i];

	return NULL;
}

static const char *more_help(const char *name)
{
	static const struct {
		const char *name, *text;
	} morev[] = {
		{"mute", "WHO is a user (alice@example.net), a display "
		 "name, id=N as 'junctor show'\nprints it, or all."},
		{"plan", "What runs there then moves to other servers before "
		 "FROM.\nFROM and TO: YYYY-MM-DD, YYYY-MM-DDTHH:MM:SSZ "
		 "(UTC) or seconds since 1970;\noff takes the plan back."},
		{"drain", "It takes no new conferences, and those it has "
		 "move to other servers.\n"
		 "  --exit   it stops when it is empty\n"
		 "  --off    it takes new conferences again\n"
		 "Without SERVER: the server in DIR."},
		{"move", "Without SERVER to the one that has the most "
		 "room."},
		{"registry", "SIP OPTIONS and a question on the bus, now; "
		 "'junctor servers' shows\nwhat came of the last ones."},
		{"set", "Also KEY=VALUE. What can only change with a "
		 "restart says so."},
		{"trace", "  trace SERVICE on|off         trace events of "
		 "a service, or of all: '*'\n"
		 "  trace sip CALL-ID|USER on|off  SIP messages of a "
		 "call, or of a user's calls\n"
		 "They go to DIR/trace.log: junctor log --trace."},
		{"log", "  -n N          begin with the last N lines "
		 "(default 20)\n"
		 "  --no-follow   do not wait for more\n"
		 "  --trace       the trace, DIR/trace.log\n"
		 "  --file PATH   another file than DIR/junctord.log\n"
		 "  log level LEVEL  error, warn, notice, info or debug"},
		{"events", "NAME is an event such as connect.joined; "
		 "without one all are shown.\n"
		 "With --json one object a line; with --all of all "
		 "servers of the farm."},
		{"top", "  -n COUNT      leave after COUNT pictures\n"
		 "  -d SECONDS    between pictures (default 1)\n"
		 "q leaves."},
		{"usage", "  --csv         comma-separated values with a "
		 "header\n"
		 "  --from TIME   legs that joined at TIME or later\n"
		 "  --to TIME     and before TIME: YYYY-MM-DD, "
		 "YYYY-MM-DDTHH:MM:SSZ (UTC)\n"
		 "                or seconds since 1970\n"
		 "  --account A   of one account\n"
		 "  --conference C  of one conference\n"
		 "  --limit N     at most N"},
		{"run", "K=V gives a text, K:=V a number, true, false or "
		 "null."},
	};
	size_t i;

	if (!strcmp(name, "plan-out"))
		name = "plan";
	if (!strcmp(name, "unmute") || !strcmp(name, "kick"))
		name = "mute";

	for (i = 0; i < ARRAY_SIZE(morev); i++)
		if (!strcmp(morev[i].name, name))
			return morev[i].text;

	return NULL;
}

/**
 * Print the help of one word
 *
 * @param v Word
 */
void verb_help(const struct verb *v)
{
	const char *more = more_help(v->name);

	(void)printf("Usage: junctor [--dir DIR] [--json] %s\n\n%s\n",
		     v->usage, v->help ? v->help : "");
	if (v->h == cmd_farm)
		(void)puts("\nA server that looks after a farm (registry) "
			   "tells of all its servers;\n--here: only of "
			   "itself, --all: of all of them in any case.");
	if (more)
		(void)printf("\n%s\n", more);
}

/**
 * Set an argument
 *
 * @param args Arguments
 * @param key  Name
 * @param val  Text
 *
 * @return 0 or an exit code, already told
 */
int arg_set(struct odict *args, const char *key, const char *val)
{
	if (odict_lookup(args, key)) {
		cli_error("'%s' is given twice", key);
		return CLI_USAGE;
	}

	return odict_entry_add(args, key, ODICT_STRING, val)
		? CLI_FAILED : CLI_OK;
}

/* K:=V, V in JSON, but no object and no array */
static int raw_set(struct odict *args, const char *key, const char *val)
{
	struct odict *od = NULL;
	const struct odict_entry *e;
	char *text = NULL;
	int ret = CLI_OK;

	if (strpbrk(val, "{}[],:") ||
	    re_sdprintf(&text, "{\"v\":%s}", val) ||
	    json_decode_odict(&od, 4, text, strlen(text), 2) ||
	    !(e = odict_lookup(od, "v"))) {
		cli_error("'%s:=%s': not a number, true, false or null",
			  key, val);
		ret = CLI_USAGE;
	}
	else if (e->type == ODICT_INT)
		(void)odict_entry_add(args, key, e->type, e->u.integer);
	else if (e->type == ODICT_DOUBLE)
		(void)odict_entry_add(args, key, e->type, e->u.dbl);
	else if (e->type == ODICT_BOOL)
		(void)odict_entry_add(args, key, e->type,
				      (int)e->u.boolean);
	else if (e->type == ODICT_STRING)
		(void)odict_entry_add(args, key, e->type, e->u.str);
	else
		(void)odict_entry_add(args, key, ODICT_NULL);

	mem_deref(od);
	mem_deref(text);
	return ret;
}

/**
 * Set an argument written as K=V or K:=V
 *
 * @param args Arguments
 * @param pair Text
 *
 * @return 0 or an exit code, already told
 */
int pair_set(struct odict *args, const char *pair)
{
	const char *eq = strchr(pair, '=');
	char key[64];
	size_t n;
	bool raw;

	raw = eq && eq > pair && eq[-1] == ':';
	n = eq ? (size_t)(eq - pair) - raw : 0;
	if (!n || n >= sizeof(key)) {
		cli_error("'%s': write NAME=VALUE", pair);
		return CLI_USAGE;
	}

	memcpy(key, pair, n);
	key[n] = '\0';

	return raw ? raw_set(args, key, eq + 1) : arg_set(args, key, eq + 1);
}

static int params_set(struct odict *args, const struct verb *v, int argc,
		      char **argv)
{
	const char *p = v->params;
	int i = 0, ret = CLI_OK;

	while (*p && !ret) {

		const size_t n = strcspn(p, " ");
		char key[64];

		(void)re_snprintf(key, sizeof(key), "%b", p, n);
		p += n + strspn(p + n, " ");

		if (i >= argc) {
			cli_error("%s: %s is missing; usage: junctor %s",
				  v->name, key, v->usage);
			return CLI_USAGE;
		}

		ret = arg_set(args, key, argv[i++]);
	}

	if (!ret && i < argc) {
		cli_error("%s: '%s' is too much; usage: junctor %s",
			  v->name, argv[i], v->usage);
		ret = CLI_USAGE;
	}

	return ret;
}

/**
 * Call a command of the server and print its result
 *
 * @param cli  Options
 * @param name Command
 * @param args Arguments, or NULL
 *
 * @return Exit code
 */
int command_call(struct cli *cli, const char *name, const struct odict *args)
{
	struct odict *result = NULL;
	int ret;

	ret = client_ok(cli, &result, name, args);
	if (!ret)
		result_print(cli, result);

	mem_deref(result);
	return ret;
}

/**
 * Do what a word says
 *
 * @param cli  Options
 * @param v    Word
 * @param argc Number of arguments after it
 * @param argv Arguments
 *
 * @return Exit code
 */
int verb_run(struct cli *cli, const struct verb *v, int argc, char **argv)
{
	struct odict *args = NULL;
	int ret;

	if (v->h) {
		/* the handlers of several words want to know which it was */
		argv[-1] = (char *)v->name;
		return v->h(cli, argc, argv);
	}

	if (odict_alloc(&args, 8))
		return CLI_FAILED;

	ret = params_set(args, v, argc, argv);
	if (!ret)
		ret = command_call(cli, v->command, args);

	mem_deref(args);
	return ret;
}
