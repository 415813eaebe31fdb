/**
 * @file farm.c  Commands at one other server, or at all of them
 *
 * server.run {server, command, args}  -> what that server answers
 * farm.run {command, args, auto}      -> what all servers answer, as one: an
 *       array of all their rows, or of one row for each. Only commands that
 *       change nothing; a server that does not have the command is left out.
 *       auto: only if this server is one that looks after the farm, else here.
 */
#include <string.h>
#include <re.h>
#include "server/log.h"
#include "server/offers.h"
#include "server/server.h"
#include "server/service.h"
#include "heartbeat/heartbeat.h"
#include "noc/client.h"
#include "noc/name.h"
#include "remote/forward_int.h"


enum { ALL_MS = 3000 };            /* longest wait for one of many      */

/* One question to all */
struct poll {
	struct forward *f;
	struct command_req *req;
	struct odict *args;
	struct odict *rows, *errors;
	char command[64];
	char array[64];            /* name of the array, "" until known     */
	struct list polledl;       /* struct polled, by name                */
	unsigned waiting;          /* answers to come, and one while asking */
};

struct polled {
	struct le le;
	struct poll *p;            /* referenced until answered             */
	struct odict *result;      /* referenced, or NULL                   */
	char server[NAME_SERVER_MAX];
	char reason[256];          /* if there is no result; "": left out   */
};


static void poll_destructor(void *arg)
{
	struct poll *p = arg;

	list_flush(&p->polledl);
	mem_deref(p->args);
	mem_deref(p->rows);
	mem_deref(p->errors);
	if (p->req)
		command_fail(p->req, ESHUTDOWN, "given up");
}


static void polled_destructor(void *arg)
{
	struct polled *pd = arg;

	list_unlink(&pd->le);
	mem_deref(pd->result);
}


static void pass_handler(int err, const char *reason,
			 const struct odict *result, void *arg)
{
	if (err)
		command_fail(arg, err, "%s", reason ? reason : strerror(err));
	else
		command_ok(arg, result);
}


static const struct odict *args_of(const struct odict *args)
{
	const struct odict_entry *e = odict_get_type(args, ODICT_OBJECT,
						     "args");

	return e ? e->u.odict : NULL;
}


static bool name_fits(const char *name)
{
	return str_isset(name) && strlen(name) < sizeof(((struct poll *)0)
							->command);
}


static void here(struct forward *f, struct command_req *req,
		 const char *command, const struct odict *args, bool read)
{
	enum command_kind kind;
	int err;

	if (!command_kind_get(f->srv, command, &kind)) {
		command_fail(req, ENOSYS, "no such command on this server");
		return;
	}
	if (read && kind != COMMAND_READ) {
		command_fail(req, EPERM, "this command changes something");
		return;
	}
	if (kind == COMMAND_CHANGE)
		log_event(LOG_NOTICE, "remote", NULL, "command %s", command);

	err = command_run(server_commands(f->srv), command, args,
			  pass_handler, req);
	if (err)
		command_fail(req, err, "%m", err);
}


static void run_command(struct command_req *req, const struct odict *args,
			void *arg)
{
	const char *command = odict_string(args, "command");
	const char *server = odict_string(args, "server");
	struct forward *f = arg;
	int err;

	if (!name_fits(command) || !str_isset(server)) {
		command_fail(req, EINVAL, "server, command: which?");
		return;
	}

	if (!strcmp(server, server_name(f->srv))) {
		here(f, req, command, args_of(args), false);
		return;
	}

	log_event(LOG_NOTICE, "remote", NULL, "command %s for %s", command,
		  server);
	err = forward_run(f, server, command, args_of(args), false,
			  FORWARD_MS, pass_handler, req);
	if (err)
		command_fail(req, err, "%s: %s", server,
			     err == EINVAL ? "no name of a server"
			     : strerror(err));
}


/* The one array of objects that a result consists of */
static const struct odict_entry *rows_of(const struct odict *result)
{
	const struct odict_entry *e = list_ledata(list_head(&result->lst));

	return odict_count(result, false) == 1 && e->type == ODICT_ARRAY
		? e : NULL;
}


/* Words, as one text; a table within a row has no place */
static int words_copy(struct odict *to, const struct odict_entry *e)
{
	char text[256] = "";
	struct le *le;
	size_t n = 0;

	for (le = e->u.odict->lst.head; le; le = le->next) {
		const struct odict_entry *word = le->data;

		if (word->type != ODICT_STRING)
			return 0;

		if (re_snprintf(text + n, sizeof(text) - n, "%s%s",
				n ? "," : "", word->u.str) < 0)
			break;
		n = strlen(text);
	}

	return n ? odict_entry_add(to, e->key, ODICT_STRING, text) : 0;
}


static int entry_copy(struct odict *to, const struct odict_entry *e)
{
	switch (e->type) {

	case ODICT_STRING:
		return odict_entry_add(to, e->key, e->type, e->u.str);
	case ODICT_INT:
		return odict_entry_add(to, e->key, e->type, e->u.integer);
	case ODICT_DOUBLE:
		return odict_entry_add(to, e->key, e->type, e->u.dbl);
	case ODICT_BOOL:
		return odict_entry_add(to, e->key, e->type,
				       (int)e->u.boolean);
	case ODICT_ARRAY:
		return words_copy(to, e);
	default:
		return 0;
	}
}


static int row_add(struct odict *rows, const char *server,
		   const struct odict *od)
{
	struct odict *row = NULL;
	const struct le *le;
	char key[16];
	int err;

	err = odict_alloc(&row, 16);
	if (err)
		return err;

	err = odict_entry_add(row, "server", ODICT_STRING, server);
	for (le = od->lst.head; le && !err; le = le->next) {
		const struct odict_entry *e = le->data;

		if (strcmp(e->key, "server"))
			err = entry_copy(row, e);
	}

	(void)re_snprintf(key, sizeof(key), "%zu", odict_count(rows, false));
	if (!err)
		err = odict_entry_add(rows, key, ODICT_OBJECT, row);
	mem_deref(row);

	return err;
}


static void result_add(struct poll *p, const char *server,
		       const struct odict *result)
{
	const struct odict_entry *array = rows_of(result);
	const struct le *le;

	if (!array) {
		(void)row_add(p->rows, server, result);
		return;
	}

	if (!p->array[0])
		str_ncpy(p->array, array->key, sizeof(p->array));

	for (le = array->u.odict->lst.head; le; le = le->next) {
		const struct odict_entry *e = le->data;

		if (e->type == ODICT_OBJECT)
			(void)row_add(p->rows, server, e->u.odict);
	}
}


static void error_add(struct poll *p, const char *server, const char *reason)
{
	struct odict *od = NULL;

	if (odict_alloc(&od, 2))
		return;

	(void)odict_entry_add(od, "error", ODICT_STRING, reason);
	(void)row_add(p->errors, server, od);
	mem_deref(od);
}


static void poll_answer(struct poll *p)
{
	struct command_req *req = p->req;
	const char *reason = NULL;
	struct odict *od = NULL;
	unsigned results = 0;
	struct le *le;
	int err;

	LIST_FOREACH(&p->polledl, le) {
		const struct polled *pd = le->data;

		if (pd->result) {
			++results;
			result_add(p, pd->server, pd->result);
		}
		else if (pd->reason[0]) {
			reason = pd->reason;
			error_add(p, pd->server, pd->reason);
		}
	}

	p->req = NULL;
	if (!results) {
		command_fail(req, reason ? EREMOTEIO : ENOSYS, "%s",
			     reason ? reason : "no server has such a command");
		return;
	}

	err = odict_alloc(&od, 4);
	if (!err)
		err = odict_entry_add(od, p->array[0] ? p->array : "servers",
				      ODICT_ARRAY, p->rows);
	if (!err && odict_count(p->errors, false))
		err = odict_entry_add(od, "errors", ODICT_ARRAY, p->errors);

	if (err)
		command_fail(req, err, "%m", err);
	else
		command_ok(req, od);
	mem_deref(od);
}


static void poll_done(struct poll *p)
{
	if (!--p->waiting)
		poll_answer(p);
}


static void polled_handler(int err, const char *reason,
			   const struct odict *result, void *arg)
{
	struct polled *pd = arg;
	struct poll *p = pd->p;

	if (!err)
		pd->result = mem_ref((void *)result);
	else if (err != ENOSYS)
		str_ncpy(pd->reason, str_isset(reason) ? reason
			 : strerror(err), sizeof(pd->reason));

	pd->p = NULL;
	poll_done(p);
	mem_deref(p);
}


static bool before(struct le *le1, struct le *le2, void *arg)
{
	const struct polled *a = le1->data, *b = le2->data;
	(void)arg;

	return strcmp(a->server, b->server) <= 0;
}


static void node_ask(const struct node_info *ni, void *arg)
{
	struct poll *p = arg;
	struct forward *f = p->f;
	enum command_kind kind;
	struct polled *pd;
	int err;

	if (ni->state != NODE_UP)
		return;

	pd = mem_zalloc(sizeof(*pd), polled_destructor);
	if (!pd)
		return;

	pd->p = mem_ref(p);
	++p->waiting;
	str_ncpy(pd->server, ni->record->name, sizeof(pd->server));
	list_append(&p->polledl, &pd->le, pd);
	list_sort(&p->polledl, before, NULL);

	if (!ni->self)
		err = forward_run(f, pd->server, p->command, p->args, true,
				  ALL_MS, polled_handler, pd);
	else if (!command_kind_get(f->srv, p->command, &kind))
		err = ENOSYS;
	else if (kind != COMMAND_READ)
		err = EPERM;
	else
		err = command_run(server_commands(f->srv), p->command,
				  p->args, polled_handler, pd);

	if (err)
		polled_handler(err, NULL, NULL, pd);
}


static int poll_alloc(struct poll **pp, struct forward *f,
		      const char *command, const struct odict *args)
{
	const struct le *le;
	struct poll *p;
	int err;

	p = mem_zalloc(sizeof(*p), poll_destructor);
	if (!p)
		return ENOMEM;

	p->f = f;
	str_ncpy(p->command, command, sizeof(p->command));
	err  = odict_alloc(&p->args, 8);
	err |= odict_alloc(&p->rows, 64);
	err |= odict_alloc(&p->errors, 8);
	for (le = args ? args->lst.head : NULL; le && !err; le = le->next)
		err = entry_copy(p->args, le->data);

	if (err)
		mem_deref(p);
	else
		*pp = p;

	return err;
}


/* Looks this server after others? */
static bool is_head(struct forward *f)
{
	return service_find(f->srv, "registry") != NULL;
}


static void all_command(struct command_req *req, const struct odict *args,
			void *arg)
{
	const char *command = odict_string(args, "command");
	const struct heartbeat_api *hb;
	struct forward *f = arg;
	bool automatic = false;
	struct poll *p;
	int err;

	hb = service_api(f->srv, "heartbeat");
	(void)odict_get_boolean(args, &automatic, "auto");
	if (!name_fits(command)) {
		command_fail(req, EINVAL, "command: which?");
		return;
	}
	if (!hb || (automatic && !is_head(f))) {
		here(f, req, command, args_of(args), true);
		return;
	}

	err = poll_alloc(&p, f, command, args_of(args));
	if (err) {
		command_fail(req, err, "%m", err);
		return;
	}

	p->req = req;
	p->waiting = 1;
	hb->apply(hb->hb, node_ask, p);
	poll_done(p);
	mem_deref(p);
}


/**
 * Offer the commands
 *
 * @param f Forward
 *
 * @return 0 if success
 */
int farm_commands(struct forward *f)
{
	static const struct offer_command commandv[] = {
		{"server.run", COMMAND_CHANGE, "server command args: give"
		 " another server a command", run_command},
		{"farm.run", COMMAND_READ, "command args: what all servers"
		 " answer to a command that changes nothing", all_command},
	};

	return offers_commands(f->offers, commandv, ARRAY_SIZE(commandv), f);
}
