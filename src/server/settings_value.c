/**
 * @file settings_value.c  Settings in force: reading and changing them
 */
#include <string.h>
#include <stdlib.h>
#include <stdio.h>
#include <re.h>
#include "server/settings.h"
#include "server/config.h"


static const char *value(const struct config *cfg, const char *key)
{
	const struct config_decl *d = config_decl_find(cfg, key);

	return d ? d->val : NULL;
}


/**
 * Get a setting as text
 *
 * @param cfg Configuration
 * @param key Key of a setting of any type
 *
 * @return Text, valid until the setting changes; NULL if unset or unknown
 */
const char *config_str(const struct config *cfg, const char *key)
{
	return value(cfg, key);
}


/**
 * Get a number
 *
 * @param cfg Configuration
 * @param key Key of a SETTING_U32
 *
 * @return The number; 0 if unset or unknown
 */
uint32_t config_u32(const struct config *cfg, const char *key)
{
	const char *val = value(cfg, key);

	return val ? (uint32_t)strtoul(val, NULL, 10) : 0;
}


/**
 * Get a yes or no
 *
 * @param cfg Configuration
 * @param key Key of a SETTING_BOOL
 *
 * @return true if yes; false if no, unset or unknown
 */
bool config_bool(const struct config *cfg, const char *key)
{
	const char *val = value(cfg, key);

	return val && !strcmp(val, "yes");
}


static bool first_handler(const char *val, void *arg)
{
	*(const char **)arg = val;

	return true;
}


/**
 * Get an address, of a list the first: a server's own, when others may be
 * virtual
 *
 * @param cfg Configuration
 * @param key Key of a SETTING_SA or SETTING_ADDR
 * @param sa  Filled in; port 0 for SETTING_ADDR
 *
 * @return 0 if success, ENOENT if unset or unknown, EINVAL if no address
 */
int config_sa(const struct config *cfg, const char *key, struct sa *sa)
{
	const struct config_decl *d = config_decl_find(cfg, key);
	const char *val;

	if (!sa)
		return EINVAL;
	if (!d || !d->val)
		return ENOENT;

	val = d->val;
	if (d->s->flags & SETTING_MULTI)
		config_multi(cfg, key, first_handler, &val);

	switch (d->s->type) {

	case SETTING_SA:
		return sa_decode(sa, val, strlen(val)) ? EINVAL : 0;

	case SETTING_ADDR:
		return sa_set_str(sa, val, 0) ? EINVAL : 0;

	default:
		return EINVAL;
	}
}


/**
 * Call a handler for every line of a list, and tell where it stands
 *
 * @param cfg Configuration
 * @param key Key of a SETTING_MULTI
 * @param h   Handler
 * @param arg Handler argument
 */
void config_where(const struct config *cfg, const char *key,
		  config_where_h *h, void *arg)
{
	const struct config_decl *d = config_decl_find(cfg, key);
	bool any = false;
	struct le *le;

	if (!d || !h)
		return;

	LIST_FOREACH(&cfg->entryl, le) {
		const struct config_entry *e = le->data;

		if (strcmp(e->key, key))
			continue;

		any = true;
		h(e->val, e->where, arg);
	}

	if (!any && d->s->def)
		h(d->s->def, "default", arg);
}


/**
 * Call a handler for every line of a list
 *
 * @param cfg Configuration
 * @param key Key of a SETTING_MULTI
 * @param h   Handler; returns true to stop
 * @param arg Handler argument
 */
void config_multi(const struct config *cfg, const char *key,
		  config_multi_h *h, void *arg)
{
	const struct config_decl *d = config_decl_find(cfg, key);
	bool any = false;
	struct le *le;

	if (!d || !h)
		return;

	LIST_FOREACH(&cfg->entryl, le) {
		const struct config_entry *e = le->data;

		if (strcmp(e->key, key))
			continue;

		any = true;
		if (h(e->val, arg))
			return;
	}

	if (!any && d->s->def)
		(void)h(d->s->def, arg);
}


/**
 * Call a handler for every setting declared, lists once per line
 *
 * @param cfg Configuration
 * @param h   Handler; its val is NULL where unset, "***" for secrets
 * @param arg Handler argument
 */
void config_apply(const struct config *cfg, config_setting_h *h, void *arg)
{
	struct le *le, *ee;

	if (!cfg || !h)
		return;

	LIST_FOREACH(&cfg->decll, le) {
		const struct config_decl *d = le->data;
		const bool secret = d->s->flags & SETTING_SECRET;
		bool any = false;

		if (!(d->s->flags & SETTING_MULTI)) {
			h(d->s, secret && d->val ? "***" : d->val, arg);
			continue;
		}

		LIST_FOREACH(&cfg->entryl, ee) {
			const struct config_entry *e = ee->data;

			if (strcmp(e->key, d->s->key))
				continue;
			any = true;
			h(d->s, secret ? "***" : e->val, arg);
		}

		if (!any)
			h(d->s, d->s->def, arg);
	}
}


/**
 * Say who wants to know of changes
 *
 * @param cfg Configuration
 * @param h   Called after a change, or NULL
 * @param arg Handler argument
 */
void config_changed_set(struct config *cfg, config_changed_h *h, void *arg)
{
	if (!cfg)
		return;

	cfg->ch = h;
	cfg->ch_arg = arg;
}


static int value_replace(struct config *cfg, struct config_decl *d,
			 const char *val)
{
	char *old = d->val, *new = NULL;
	int err;

	if (!str_cmp(old ? old : "", val ? val : "") && !old == !val)
		return 0;

	if (val) {
		err = str_dup(&new, val);
		if (err)
			return err;
	}

	d->val = new;

	/* the listener may compare; only then the old value goes */
	if (cfg->ch)
		cfg->ch(d->s, old, d->val, cfg->ch_arg);

	mem_deref(old);

	return 0;
}


/**
 * Change a setting of a running server
 *
 * @param cfg    Configuration
 * @param key    Key
 * @param val    New value as text
 * @param reason Where to write why not, or NULL
 * @param sz     Size of reason [bytes]
 *
 * @return 0 if success (also if it had this value), ENOENT if there is no
 *         such setting, EACCES if it cannot change without a restart, EINVAL
 *         if the value is bad
 */
int config_set(struct config *cfg, const char *key, const char *val,
	       char *reason, size_t sz)
{
	struct config_decl *d = config_decl_find(cfg, key);
	char buf[CONFIG_REASON_MAX] = "";
	int err = 0;

	if (!cfg || !key || !val)
		return EINVAL;

	if (!d) {
		(void)snprintf(buf, sizeof(buf), "no such setting");
		err = ENOENT;
	}
	else if (setting_validate(d->s, val, buf, sizeof(buf))) {
		err = EINVAL;
	}
	else if (d->s->flags & SETTING_MULTI) {
		(void)snprintf(buf, sizeof(buf), "a list: change the file"
			       " and %s", d->s->flags & SETTING_RUNTIME
			       ? "reload" : "restart");
		err = EACCES;
	}
	else if (!(d->s->flags & SETTING_RUNTIME)) {
		(void)snprintf(buf, sizeof(buf), "needs a restart: change"
			       " the file, then restart");
		err = EACCES;
	}
	else {
		err = value_replace(cfg, d, val);
	}

	if (reason && sz)
		str_ncpy(reason, buf, sz);

	return err;
}


static const struct config_entry *entry_next(const struct le *le,
					     const char *key)
{
	for (; le; le = le->next) {
		const struct config_entry *e = le->data;

		if (!strcmp(e->key, key))
			return e;
	}

	return NULL;
}


static bool list_equal(const struct config *a, const struct config *b,
		       const char *key)
{
	const struct config_entry *ea = entry_next(a->entryl.head, key);
	const struct config_entry *eb = entry_next(b->entryl.head, key);

	while (ea && eb) {
		if (strcmp(ea->val, eb->val))
			return false;

		ea = entry_next(ea->le.next, key);
		eb = entry_next(eb->le.next, key);
	}

	return !ea && !eb;
}


static int list_replace(struct config *cfg, const struct config *next,
			struct config_decl *d)
{
	struct le *le = cfg->entryl.head;
	int err = 0;

	d->first = NULL;
	d->val = mem_deref(d->val);
	if (d->s->def)
		err = str_dup(&d->val, d->s->def);

	while (le) {
		struct config_entry *e = le->data;

		le = le->next;
		if (!strcmp(e->key, d->s->key))
			mem_deref(e);
	}

	LIST_FOREACH(&next->entryl, le) {
		const struct config_entry *e = le->data;
		struct pl key, val;

		if (strcmp(e->key, d->s->key))
			continue;

		pl_set_str(&key, e->key);
		pl_set_str(&val, e->val);
		err |= config_entry_add(cfg, &key, &val, e->where,
					e->override);
	}

	if (cfg->ch)
		cfg->ch(d->s, NULL, NULL, cfg->ch_arg);

	return err;
}


/**
 * Take over what a reread file says
 *
 * Settings that can change at run time do, whatever config_set made of them
 * since; the others stay as they are.
 *
 * @param cfg  Configuration in force
 * @param next Configuration that passed config_check
 * @param fh   Called for each setting that differs and cannot change
 * @param arg  Handler argument
 *
 * @return 0 if success, otherwise errorcode
 */
int config_adopt(struct config *cfg, const struct config *next,
		 config_frozen_h *fh, void *arg)
{
	struct le *le;
	int err = 0;

	if (!cfg || !next)
		return EINVAL;

	LIST_FOREACH(&cfg->decll, le) {
		struct config_decl *d = le->data;
		const struct config_decl *nd;
		const bool multi = d->s->flags & SETTING_MULTI;
		const char *key = d->s->key;

		nd = config_decl_find(next, key);
		if (!nd)
			continue;

		if (multi ? list_equal(cfg, next, key)
		    : !str_cmp(d->val ? d->val : "", nd->val ? nd->val : "")
		      && !d->val == !nd->val)
			continue;

		if (!(d->s->flags & SETTING_RUNTIME)) {
			if (fh)
				fh(key, arg);
		}
		else if (multi) {
			err |= list_replace(cfg, next, d);
		}
		else {
			err |= value_replace(cfg, d, nd->val);
		}
	}

	return err ? ENOMEM : 0;
}
