/**
 * @file builtin_settings.c  Commands that show and change settings
 */
#include <string.h>
#include <stdio.h>
#include <re.h>
#include "server/server.h"
#include "server/settings.h"
#include "server/command.h"
#include "server/config.h"
#include "server/service.h"
#include "server/builtin.h"


enum {
	TRACE_MAX = 512,           /* value of trace.services [bytes]       */
};

struct settings_walk {
	struct odict *od;
	unsigned n;                /* names of the array's members          */
	bool full;
	int err;
};


static int setting_odict(struct odict *od, const struct setting *s,
			 const char *val)
{
	int err;

	err  = odict_entry_add(od, "key", ODICT_STRING, s->key);
	err |= odict_entry_add(od, "type", ODICT_STRING,
			       s->type == SETTING_CHOICE && s->choices
			       ? s->choices : setting_type_name(s->type));
	if (val)
		err |= odict_entry_add(od, "value", ODICT_STRING, val);
	if (s->def)
		err |= odict_entry_add(od, "default", ODICT_STRING,
				       s->flags & SETTING_SECRET ? "***"
				       : s->def);
	err |= odict_entry_add(od, "runtime", ODICT_BOOL,
			       (s->flags & SETTING_RUNTIME) != 0);
	err |= odict_entry_add(od, "list", ODICT_BOOL,
			       (s->flags & SETTING_MULTI) != 0);
	err |= odict_entry_add(od, "help", ODICT_STRING,
			       s->help ? s->help : "");

	return err;
}


static void setting_list(const struct setting *s, const char *val, void *arg)
{
	struct settings_walk *sw = arg;
	struct odict *od;
	char name[16];
	int err;

	err = odict_alloc(&od, 8);
	if (err) {
		sw->err = err;
		return;
	}

	(void)snprintf(name, sizeof(name), "%u", sw->n++);
	err  = setting_odict(od, s, val);
	err |= odict_entry_add(sw->od, name, ODICT_OBJECT, od);
	mem_deref(od);

	sw->err |= err;
}


/* Lists come as several calls; JSON knows a key once, so they are joined. */
static void value_add(const struct setting *s, const char *val, void *arg)
{
	struct settings_walk *sw = arg;
	const char *have = odict_string(sw->od, s->key);
	char *both = NULL;

	if (!have) {
		sw->err |= odict_entry_add(sw->od, s->key,
					   val ? ODICT_STRING : ODICT_NULL,
					   val);
		return;
	}

	if (re_sdprintf(&both, "%s\n%s", have, val ? val : "")) {
		sw->err = ENOMEM;
		return;
	}

	odict_entry_del(sw->od, s->key);
	sw->err |= odict_entry_add(sw->od, s->key, ODICT_STRING, both);
	mem_deref(both);
}


/**
 * List every setting with all that is known of it
 *
 * @param req  Request to answer
 * @param args Arguments, see the command's help
 * @param arg  The server's builtin commands
 */
void builtin_settings(struct command_req *req, const struct odict *args,
		      void *arg)
{
	struct settings_walk sw = {.n = 0};
	struct builtin *b = arg;
	struct odict *od = NULL;
	int err;
	(void)args;

	err = odict_alloc(&od, 4);
	if (!err)
		err = odict_alloc(&sw.od, 64);
	if (!err) {
		config_apply(server_config(b->srv), setting_list, &sw);
		err = sw.err;
	}
	if (!err)
		err = odict_entry_add(od, "settings", ODICT_ARRAY, sw.od);

	mem_deref(sw.od);
	builtin_answer(req, err, od);
}


/**
 * Show the values of settings
 *
 * @param req  Request to answer
 * @param args Arguments, see the command's help
 * @param arg  The server's builtin commands
 */
void builtin_get(struct command_req *req, const struct odict *args,
		 void *arg)
{
	const char *key = odict_string(args, "key");
	struct settings_walk sw = {.n = 0};
	struct builtin *b = arg;
	const struct config *cfg = server_config(b->srv);
	const struct odict_entry *e;
	struct odict *od = NULL;
	int err;

	if (key && !config_setting(cfg, key)) {
		command_fail(req, ENOENT, "%s: no such setting", key);
		return;
	}

	err = odict_alloc(&sw.od, 64);
	if (err) {
		builtin_answer(req, err, NULL);
		return;
	}

	config_apply(cfg, value_add, &sw);
	err = sw.err;

	if (!err && key) {
		e = odict_lookup(sw.od, key);
		err = odict_alloc(&od, 4);
		if (!err && e)
			err = odict_entry_add(od, key, e->type,
					      e->type == ODICT_STRING
					      ? e->u.str : NULL);
		mem_deref(sw.od);
		sw.od = od;
	}

	builtin_answer(req, err, sw.od);
}


static void set(struct command_req *req, struct builtin *b,
		const char *key, const char *val)
{
	char reason[CONFIG_REASON_MAX];
	struct odict *od = NULL;
	const struct setting *s;
	int err;

	err = config_set(server_config(b->srv), key, val, reason,
			 sizeof(reason));
	if (err) {
		command_fail(req, err, "%s: %s", key,
			     reason[0] ? reason : strerror(err));
		return;
	}

	s = config_setting(server_config(b->srv), key);
	err = odict_alloc(&od, 4);
	if (!err)
		err = odict_entry_add(od, key, ODICT_STRING,
				      s && s->flags & SETTING_SECRET
				      ? "***" : val);
	builtin_answer(req, err, od);
}


/**
 * Change a setting
 *
 * @param req  Request to answer
 * @param args Arguments, see the command's help
 * @param arg  The server's builtin commands
 */
void builtin_set(struct command_req *req, const struct odict *args,
		 void *arg)
{
	const char *key = odict_string(args, "key");
	const char *val = odict_string(args, "value");

	if (!key || !val) {
		command_fail(req, EINVAL, "key and value are needed, as"
			     " text");
		return;
	}

	set(req, arg, key, val);
}


/**
 * Change log.level, a short way for a frequent wish
 *
 * @param req  Request to answer
 * @param args Arguments, see the command's help
 * @param arg  The server's builtin commands
 */
void builtin_log_level(struct command_req *req, const struct odict *args,
		       void *arg)
{
	const char *level = odict_string(args, "level");

	if (!level)
		command_fail(req, EINVAL, "level is needed");
	else
		set(req, arg, "log.level", level);
}


/* Writes `have` without, or with, one of its blank-separated words. */
static bool words_set(char *buf, size_t sz, const char *have,
		      const char *word, bool on)
{
	size_t n = 0;

	buf[0] = '\0';
	while (have && *have) {
		const size_t gap = strspn(have, " \t,");
		const size_t len = strcspn(have + gap, " \t,");
		const char *p = have + gap;

		have = p + len;
		if (!len || (len == strlen(word) && !memcmp(p, word, len)))
			continue;

		if (n + len + 2 > sz)
			return false;
		if (n)
			buf[n++] = ' ';
		memcpy(buf + n, p, len);
		n += len;
		buf[n] = '\0';
	}

	if (!on)
		return true;
	if (n + strlen(word) + 2 > sz)
		return false;
	if (n)
		buf[n++] = ' ';
	str_ncpy(buf + n, word, sz - n);

	return true;
}


/**
 * Change one service's place in trace.services
 *
 * @param req  Request to answer
 * @param args Arguments, see the command's help
 * @param arg  The server's builtin commands
 */
void builtin_trace(struct command_req *req, const struct odict *args,
		   void *arg)
{
	const char *service = odict_string(args, "service");
	struct builtin *b = arg;
	char val[TRACE_MAX];
	bool on = true;

	if (!str_isset(service)) {
		command_fail(req, EINVAL, "service is needed");
		return;
	}

	(void)odict_get_boolean(args, &on, "on");

	if (!config_setting(server_config(b->srv), "trace.services")) {
		command_fail(req, ENOENT, "tracelog is not a service here");
		return;
	}

	if (on && strcmp(service, "*") && !service_find(b->srv, service)) {
		command_fail(req, ENOENT, "%s: no such service", service);
		return;
	}

	if (!words_set(val, sizeof(val), config_str(server_config(b->srv),
						    "trace.services"),
		       service, on)) {
		command_fail(req, EOVERFLOW, "too many services");
		return;
	}

	set(req, b, "trace.services", val);
}
