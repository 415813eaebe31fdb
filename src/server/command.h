/**
 * @file command.h  What operators can ask of a server
 *
 * A service registers commands by name; `remote` offers them all over HTTP
 * and `junctor` on the command line, knowing none of them. Arguments and
 * results are JSON objects. Main thread only.
 */
#ifndef JUNCTOR_SERVER_COMMAND_H
#define JUNCTOR_SERVER_COMMAND_H

struct command;
struct commands;
struct command_req;
struct odict;

enum command_kind {
	COMMAND_READ,         /* changes nothing                            */
	COMMAND_CHANGE,
};

/* Answers now or later, with exactly one command_ok or command_fail. */
typedef void (command_h)(struct command_req *req, const struct odict *args,
			 void *arg);
typedef void (command_resp_h)(int err, const char *reason,
			      const struct odict *result, void *arg);
typedef void (command_apply_h)(const char *name, enum command_kind kind,
			       const char *help, void *arg);

int  commands_alloc(struct commands **csp);
int  command_add(struct command **cp, struct commands *cs, const char *name,
		 enum command_kind kind, const char *help,
		 command_h *h, void *arg);
int  command_run(struct commands *cs, const char *name,
		 const struct odict *args, command_resp_h *rh, void *arg);
void command_ok(struct command_req *req, const struct odict *result);
void command_fail(struct command_req *req, int err, const char *fmt, ...);
void command_apply(const struct commands *cs, command_apply_h *h, void *arg);

#endif
