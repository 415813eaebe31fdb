/**
 * @file builtin.h  The commands of the server itself, for src/server only
 */
#ifndef JUNCTOR_SERVER_BUILTIN_H
#define JUNCTOR_SERVER_BUILTIN_H

struct command;
struct command_req;
struct odict;
struct server;

enum { BUILTINS_MAX = 16 };

struct builtin {
	struct server *srv;
	struct command *cmdv[BUILTINS_MAX];
	size_t cmdc;
};

void builtin_answer(struct command_req *req, int err, struct odict *od);
void builtin_settings(struct command_req *req, const struct odict *args,
		      void *arg);
void builtin_get(struct command_req *req, const struct odict *args,
		 void *arg);
void builtin_set(struct command_req *req, const struct odict *args,
		 void *arg);
void builtin_log_level(struct command_req *req, const struct odict *args,
		       void *arg);
void builtin_trace(struct command_req *req, const struct odict *args,
		   void *arg);

#endif
