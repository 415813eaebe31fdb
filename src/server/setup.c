/**
 * @file setup.c  What a configuration asks for: read, judged, not yet started
 *
 * All errors are told, not only the first: an operator wants to mend a file
 * once. The same walk serves the start, `--check-config` and SIGHUP.
 */
#include <string.h>
#include <stdio.h>
#include <re.h>
#include "server/server.h"
#include "server/settings.h"
#include "server/service.h"
#include "server/config.h"
#include "server/module.h"
#include "server/core.h"
#include "server/netbus.h"


struct walk {
	struct setup *setup;
	const struct server_opts *opts;
	const char *path;
	setup_error_h *eh;
	void *arg;
	unsigned errors;
	int err;                   /* other than of the operator's making   */
};


static void setup_destructor(void *data)
{
	struct setup *setup = data;

	/* the configuration points into the plug-ins */
	mem_deref(setup->cfg);
	list_flush(&setup->modl);
}


static void walk_error(const struct config_error *ce, void *arg)
{
	struct walk *w = arg;

	++w->errors;
	if (w->eh)
		w->eh(ce, w->arg);
}


static void walk_tell(struct walk *w, const char *where, const char *key,
		      const char *reason)
{
	config_tell(walk_error, w, where, key, reason);
}


static bool is_listed(const struct setup *setup, const char *name)
{
	struct le *le;

	LIST_FOREACH(&setup->modl, le) {
		const struct module *mod = le->data;

		if (!strcmp(mod->name, name))
			return true;
	}

	return false;
}


static void service_line(const char *val, const char *where, void *arg)
{
	struct walk *w = arg;
	char reason[MODULE_REASON_MAX];
	struct module *mod;
	int err;

	if (is_listed(w->setup, val)) {
		(void)snprintf(reason, sizeof(reason), "'%s' is named twice",
			       val);
		walk_tell(w, where, "service", reason);
		return;
	}

	if (list_count(&w->setup->modl) >= MODULES_MAX) {
		walk_tell(w, where, "service", "too many services");
		return;
	}

	err = module_load(&mod, val, w->path, w->opts->builtinv,
			  reason, sizeof(reason));
	if (err) {
		walk_tell(w, where, "service",
			  reason[0] ? reason : strerror(err));
		return;
	}

	str_ncpy(mod->where, where, sizeof(mod->where));
	list_append(&w->setup->modl, &mod->le, mod);
}


static void settings_declare(struct walk *w)
{
	struct le *le;

	LIST_FOREACH(&w->setup->modl, le) {
		const struct module *mod = le->data;
		char reason[CONFIG_REASON_MAX];
		int err;

		if (!mod->exp->settings)
			continue;

		err = config_declare(w->setup->cfg, mod->exp->settings);
		if (!err)
			continue;

		(void)snprintf(reason, sizeof(reason), "plug-in '%s' %s",
			       mod->name, err == EEXIST
			       ? "declares a setting that has another meaning"
			       " already" : "declares a bad setting");
		walk_tell(w, mod->where, "service", reason);
	}
}


/* The name becomes a word of the bus's subjects. */
static void name_check(struct walk *w)
{
	const char *name = config_str(w->setup->cfg, "server.name");
	size_t i;

	if (!name)
		return;

	for (i = 0; name[i]; i++) {
		const char ch = name[i];

		if ((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
		    || (ch >= '0' && ch <= '9') || ch == '-' || ch == '_')
			continue;

		walk_tell(w, w->opts->file ? w->opts->file : "--set",
			  "server.name",
			  "must be letters, digits, - and _ only");
		return;
	}
}


static int setup_walk(struct walk *w)
{
	struct setup *setup = w->setup;
	const struct server_opts *opts = w->opts;
	size_t i;
	int err;

	err = config_declare(setup->cfg, server_settings());
	if (!err)
		err = config_declare(setup->cfg, netbus_settings());
	if (err)
		return err;

	/* what the loader cannot do it tells, and the walk goes on */
	if (opts->file)
		(void)config_load(setup->cfg, opts->file, walk_error, w);
	for (i = 0; i < opts->setc; i++)
		(void)config_override(setup->cfg, opts->setv[i], walk_error,
				      w);

	w->path = opts->module_path;
	if (!w->path)
		w->path = config_str(setup->cfg, "module.path");
	if (!w->path)
		w->path = MODULE_DIR;

	config_where(setup->cfg, "service", service_line, w);
	settings_declare(w);

	(void)config_check(setup->cfg, walk_error, w);
	name_check(w);
	netbus_check(setup->cfg, walk_error, w);

	/* a plug-in that is missing would be missed here once more */
	if (!w->errors)
		(void)setup_order(setup, walk_error, w);

	return w->errors ? EBADMSG : 0;
}


/**
 * Read and judge a configuration, and load the plug-ins it names
 *
 * @param sp   Pointer to the new setup; also set with EBADMSG, for those who
 *             only want to look at it
 * @param opts Where to read
 * @param eh   Called for each error, or NULL
 * @param arg  Handler argument
 *
 * @return 0 if success, EBADMSG if eh was called, otherwise errorcode
 */
int setup_alloc(struct setup **sp, const struct server_opts *opts,
		setup_error_h *eh, void *arg)
{
	struct walk w = {.opts = opts, .eh = eh, .arg = arg};
	struct setup *setup;
	int err;

	if (!sp || !opts)
		return EINVAL;

	setup = mem_zalloc(sizeof(*setup), setup_destructor);
	if (!setup)
		return ENOMEM;

	w.setup = setup;
	err = config_alloc(&setup->cfg);
	if (!err)
		err = setup_walk(&w);

	if (err && err != EBADMSG)
		mem_deref(setup);
	else
		*sp = setup;

	return err;
}
