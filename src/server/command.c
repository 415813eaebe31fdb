/**
 * @file command.c  Commands: a registry, and requests that are answered once
 */
#include <string.h>
#include <stdio.h>
#include <re.h>
#include "server/command.h"


enum {
	REASON_MAX = 512,          /* [bytes]                               */
};

struct commands {
	struct list cmdl;          /* sorted by name                        */
};

struct command {
	struct le le;
	enum command_kind kind;
	const char *help;
	command_h *h;
	void *arg;
	char name[];
};

struct command_req {
	command_resp_h *rh;        /* NULL: answered                        */
	void *arg;
};


static void commands_destructor(void *data)
{
	struct commands *cs = data;

	/* the commands belong to those who added them */
	list_clear(&cs->cmdl);
}


static void command_destructor(void *data)
{
	struct command *c = data;

	list_unlink(&c->le);
}


/* Whoever drops a request without an answer still answers it: somebody
 * waits at the other end. */
static void req_destructor(void *data)
{
	struct command_req *req = data;

	if (req->rh)
		req->rh(ECONNRESET, "given up", NULL, req->arg);
}


/**
 * Allocate a registry of commands
 *
 * @param csp Pointer to the new registry
 *
 * @return 0 if success, otherwise errorcode
 */
int commands_alloc(struct commands **csp)
{
	struct commands *cs;

	if (!csp)
		return EINVAL;

	cs = mem_zalloc(sizeof(*cs), commands_destructor);
	if (!cs)
		return ENOMEM;

	*csp = cs;

	return 0;
}


static struct command *command_find(const struct commands *cs,
				    const char *name)
{
	struct le *le;

	LIST_FOREACH(&cs->cmdl, le) {
		struct command *c = le->data;

		if (!strcmp(c->name, name))
			return c;
	}

	return NULL;
}


static bool name_sort(struct le *le1, struct le *le2, void *arg)
{
	const struct command *a = le1->data, *b = le2->data;
	(void)arg;

	return strcmp(a->name, b->name) <= 0;
}


/**
 * Add a command
 *
 * @param cp   Pointer to the new command; mem_deref takes it out
 * @param cs   Registry
 * @param name Name, unique
 * @param kind What it does to the server
 * @param help One line for operators: "ARG [ARG]: what it does"; must live
 *             as long as the command
 * @param h    Called when somebody gives the command
 * @param arg  Handler argument
 *
 * @return 0 if success, EEXIST if the name is taken, otherwise errorcode
 */
int command_add(struct command **cp, struct commands *cs, const char *name,
		enum command_kind kind, const char *help,
		command_h *h, void *arg)
{
	struct command *c;
	size_t sz;

	if (!cp || !cs || !str_isset(name) || !h)
		return EINVAL;

	if (command_find(cs, name))
		return EEXIST;

	sz = strlen(name) + 1;
	c = mem_zalloc(sizeof(*c) + sz, command_destructor);
	if (!c)
		return ENOMEM;

	memcpy(c->name, name, sz);
	c->kind = kind;
	c->help = help ? help : "";
	c->h    = h;
	c->arg  = arg;

	list_append(&cs->cmdl, &c->le, c);
	list_sort(&cs->cmdl, name_sort, NULL);

	*cp = c;

	return 0;
}


/**
 * Give a command
 *
 * @param cs   Registry
 * @param name Name of the command
 * @param args Arguments, or NULL for none; used during this call only
 * @param rh   Called exactly once with the answer, during this call or later
 * @param arg  Handler argument
 *
 * @return 0 if rh was or will be called, otherwise errorcode: ENOENT if
 *         there is no such command
 */
int command_run(struct commands *cs, const char *name,
		const struct odict *args, command_resp_h *rh, void *arg)
{
	struct odict *none = NULL;
	struct command_req *req;
	struct command *c;
	int err;

	if (!cs || !name || !rh)
		return EINVAL;

	c = command_find(cs, name);
	if (!c)
		return ENOENT;

	if (!args) {
		err = odict_alloc(&none, 1);
		if (err)
			return err;
	}

	req = mem_zalloc(sizeof(*req), req_destructor);
	if (!req) {
		mem_deref(none);
		return ENOMEM;
	}

	req->rh  = rh;
	req->arg = arg;

	/* the command may take itself out */
	mem_ref(c);
	c->h(req, args ? args : none, c->arg);
	mem_deref(c);
	mem_deref(none);

	return 0;
}


static void req_answer(struct command_req *req, int err, const char *reason,
		       const struct odict *result)
{
	command_resp_h *rh = req->rh;

	req->rh = NULL;
	if (rh)
		rh(err, reason, result, req->arg);

	mem_deref(req);
}


/**
 * Answer a command: it is done
 *
 * @param req    Request, gone afterwards
 * @param result Result, or NULL; stays with the caller
 */
void command_ok(struct command_req *req, const struct odict *result)
{
	if (req)
		req_answer(req, 0, NULL, result);
}


/**
 * Answer a command: it failed
 *
 * @param req Request, gone afterwards
 * @param err Positive errno
 * @param fmt Reason in libre's format, for people
 * @param ... Its arguments
 */
void command_fail(struct command_req *req, int err, const char *fmt, ...)
{
	char reason[REASON_MAX];
	va_list ap;

	if (!req)
		return;

	va_start(ap, fmt);
	(void)re_vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);

	req_answer(req, err ? err : EINVAL, reason, NULL);
}


/**
 * Call a handler for every command, in the order of their names
 *
 * @param cs  Registry
 * @param h   Handler
 * @param arg Handler argument
 */
void command_apply(const struct commands *cs, command_apply_h *h, void *arg)
{
	struct le *le;

	if (!cs || !h)
		return;

	LIST_FOREACH(&cs->cmdl, le) {
		const struct command *c = le->data;

		h(c->name, c->kind, c->help, arg);
	}
}
