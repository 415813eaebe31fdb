/**
 * @file order.c  The order in which services start
 *
 * A service starts after everything it needs. Among those that could start
 * next, the order of the configuration holds, except that services of the
 * role "log" go first: they are to hear what the others say.
 */
#include <string.h>
#include <stdio.h>
#include <re.h>
#include "server/settings.h"
#include "server/service.h"
#include "server/config.h"
#include "server/module.h"


static void tell(const struct module *mod, setup_error_h *eh, void *arg,
		 const char *reason)
{
	const struct config_error ce = {
		.where = mod->where, .key = "service", .reason = reason
	};

	if (eh)
		eh(&ce, arg);
}


/* Number of modules that fit; the first of them in *fitp. */
static unsigned fitting(const struct list *modl, const char *need,
			struct module **fitp, struct module **otherp)
{
	struct le *le;
	unsigned n = 0;

	LIST_FOREACH(modl, le) {
		struct module *mod = le->data;

		/* a name is exact, whoever plays a role of that name */
		if (!strcmp(mod->exp->name, need)) {
			*fitp = mod;
			return 1;
		}

		if (!module_plays(mod, need))
			continue;

		if (!n++)
			*fitp = mod;
		else
			*otherp = mod;
	}

	return n;
}


static bool needs_check(const struct setup *setup, const struct module *mod,
			setup_error_h *eh, void *arg)
{
	const char *const *needv = mod->exp->needs;
	bool ok = true;

	for (; needv && *needv; needv++) {
		struct module *fit = NULL, *other = NULL;
		char reason[CONFIG_REASON_MAX];
		unsigned n = fitting(&setup->modl, *needv, &fit, &other);

		if (n == 1)
			continue;

		if (!n)
			(void)snprintf(reason, sizeof(reason), "'%s' needs"
				       " '%s', which no service line names",
				       mod->name, *needv);
		else
			(void)snprintf(reason, sizeof(reason), "'%s' needs"
				       " one '%s', but '%s' and '%s' both"
				       " are", mod->name, *needv, fit->name,
				       other->name);

		tell(mod, eh, arg, reason);
		ok = false;
	}

	return ok;
}


static bool is_ready(const struct setup *setup, const struct module *mod)
{
	const char *const *needv = mod->exp->needs;

	for (; needv && *needv; needv++) {
		struct module *fit = NULL, *other = NULL;

		if (fitting(&setup->modl, *needv, &fit, &other)
		    && !fit->placed)
			return false;
	}

	return true;
}


static struct module *next_ready(const struct setup *setup, bool log_only)
{
	struct le *le;

	LIST_FOREACH(&setup->modl, le) {
		struct module *mod = le->data;

		if (mod->placed)
			continue;
		if (log_only && str_cmp(mod->exp->role, "log"))
			continue;
		if (is_ready(setup, mod))
			return mod;
	}

	return NULL;
}


static void cycle_tell(const struct setup *setup, setup_error_h *eh,
		       void *arg)
{
	struct le *le;

	LIST_FOREACH(&setup->modl, le) {
		const struct module *mod = le->data;
		char reason[CONFIG_REASON_MAX];

		if (mod->placed)
			continue;

		(void)snprintf(reason, sizeof(reason), "'%s' needs services"
			       " that need it in turn", mod->name);
		tell(mod, eh, arg, reason);
	}
}


static bool order_sort(struct le *le1, struct le *le2, void *arg)
{
	struct module *const *orderv = arg;

	for (; *orderv; orderv++) {
		if (*orderv == le1->data)
			return true;
		if (*orderv == le2->data)
			return false;
	}

	return true;
}


/**
 * Put the modules of a setup into the order in which they start
 *
 * @param setup Setup, of MODULES_MAX modules at most
 * @param eh    Called for each need that cannot be met, or NULL
 * @param arg   Handler argument
 *
 * @return 0 if success, EBADMSG if eh was called
 */
int setup_order(struct setup *setup, setup_error_h *eh, void *arg)
{
	struct module *orderv[MODULES_MAX + 1] = {NULL}, *mod;
	unsigned n = 0;
	struct le *le;
	int err = 0;

	if (!setup || list_count(&setup->modl) > MODULES_MAX)
		return EINVAL;

	LIST_FOREACH(&setup->modl, le) {
		mod = le->data;
		mod->placed = false;
		if (!needs_check(setup, mod, eh, arg))
			err = EBADMSG;
	}
	if (err)
		return err;

	while ((mod = next_ready(setup, true))
	       || (mod = next_ready(setup, false))) {
		mod->placed = true;
		orderv[n++] = mod;
	}

	if (n < list_count(&setup->modl)) {
		cycle_tell(setup, eh, arg);
		return EBADMSG;
	}

	list_sort(&setup->modl, order_sort, orderv);

	return 0;
}
