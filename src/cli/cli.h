/**
 * @file cli.h  Inside of the operator's command
 */
#ifndef JUNCTOR_CLI_CLI_H
#define JUNCTOR_CLI_CLI_H

struct mbuf;
struct odict;
struct odict_entry;
struct re_printf;

/* Exit codes, documented in junctor(1) */
enum {
	CLI_OK       = 0,
	CLI_FAILED   = 1,        /* the server could not do it             */
	CLI_USAGE    = 2,        /* the command line makes no sense        */
	CLI_NOSERVER = 3,        /* nobody answers                         */
	CLI_DENIED   = 4,        /* token missing or wrong                 */
};

struct cli {
	const char *dir;         /* of the NOC                             */
	const char *server;      /* which server of the farm is meant, or
				    NULL: the one in dir                   */
	bool all;                /* all servers of the farm                */
	bool here;               /* not what the others have               */
	bool json;
	bool help;
};

/* what a server answered */
struct answer {
	unsigned scode;          /* HTTP status code                       */
	struct odict *od;        /* body                                   */
};

typedef int (verb_h)(struct cli *cli, int argc, char **argv);

struct verb {
	const char *name;
	const char *command;     /* of the server, or NULL                 */
	const char *params;      /* names of arguments; [in brackets]: may
				    be left out                            */
	const char *usage;       /* as shown to people                     */
	const char *help;
	verb_h *h;               /* NULL: call `command` with `params`     */
};

/* client.c */
int  client_call(struct cli *cli, struct answer *ans, const char *name,
		 const struct odict *args);
int  client_ok(struct cli *cli, struct odict **resultp, const char *name,
	       const struct odict *args);
int  client_farm(struct cli *cli, struct answer *ans, const char *name,
		 const struct odict *args);
int  farm_call(struct cli *cli, const char *name,
	       const struct odict *args);
int  client_list(struct cli *cli, struct odict **resultp);
void answer_reset(struct answer *ans);

/* http.c */
struct http_cli_conn;
typedef int (http_line_h)(const char *line, size_t len, void *arg);

int  http_open(struct http_cli_conn **connp, const char *dir);
int  http_exchange(struct http_cli_conn *conn, unsigned *scode,
		   struct mbuf **bodyp, const char *method,
		   const char *path, const char *body, size_t len);
int  http_stream(struct http_cli_conn *conn, unsigned *scode,
		 struct mbuf **bodyp, const char *path,
		 http_line_h *h, void *arg);

/* print.c, table.c, csv.c */
void result_print(const struct cli *cli, const struct odict *result);
int  json_text(struct re_printf *pf, const struct odict_entry *e);
void value_text(char *buf, size_t sz, const struct odict_entry *e);
void text_clean(char *str);
size_t text_width(const char *str);
void table_print(const struct odict *array);
void csv_print(const struct odict *array, bool header);
bool instant_text(char *buf, size_t sz, const struct odict_entry *e);
const struct odict *result_array(const struct odict *result,
				 const char **keyp);
int  duration_print(struct re_printf *pf, const uint64_t *sec);

/* verbs.c, suggest.c */
const struct verb *verb_find(const char *name);
const struct verb *verb_table(size_t *n);
void verb_help(const struct verb *v);
int  verb_run(struct cli *cli, const struct verb *v, int argc, char **argv);
const char *suggest(const char *word, const char *const *wordv,
		    size_t wordc);
int  command_call(struct cli *cli, const char *name,
		  const struct odict *args);
int  only_here(const struct cli *cli, const char *verb);
int  arg_set(struct odict *args, const char *key, const char *val);
int  pair_set(struct odict *args, const char *pair);

void cli_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* time.c */
int  time_decode(int64_t *sec, const char *str);

/* one file each */
verb_h cmd_who, cmd_set, cmd_settings, cmd_trace, cmd_log, cmd_events,
	cmd_top, cmd_usage, cmd_version, cmd_commands, cmd_run, cmd_stop,
	cmd_restart, cmd_complete, cmd_plan, cmd_drain, cmd_move,
	cmd_registry, cmd_farm;

#endif
