/**
 * @file settings.c  Settings: declarations, lines of text, and their meeting
 *
 *   config_load, config_override -> entries: what the operator wrote
 *   config_declare               -> decls:   what services understand
 *   config_check                    every entry has a decl that accepts it
 *
 * Reading comes before judging, because only the file tells which services
 * there are, and only these know which keys there are.
 */
#include <string.h>
#include <re.h>
#include "server/settings.h"
#include "server/config.h"


enum { HASH_SIZE = 256 };


static void config_destructor(void *data)
{
	struct config *cfg = data;

	hash_clear(cfg->declh);
	mem_deref(cfg->declh);
	list_flush(&cfg->decll);
	list_flush(&cfg->entryl);
	mem_deref(cfg->name);
}


static void decl_destructor(void *data)
{
	struct config_decl *d = data;

	hash_unlink(&d->he);
	list_unlink(&d->le);
	mem_deref(d->val);
}


static bool decl_cmp(struct le *le, void *arg)
{
	const struct config_decl *d = le->data;

	return !strcmp(d->s->key, arg);
}


/**
 * Find what is known of a key
 *
 * @param cfg Configuration
 * @param key Key
 *
 * @return Declaration with its value, or NULL if nobody declared the key
 */
struct config_decl *config_decl_find(const struct config *cfg, const char *key)
{
	if (!cfg || !key)
		return NULL;

	return list_ledata(hash_lookup(cfg->declh, hash_joaat_str(key),
				       decl_cmp, (void *)key));
}


/**
 * Let a line of text set a value
 *
 * The last line wins: overrides come after the file, and of two lines in the
 * file the second is an error anyway.
 *
 * @param d Declaration of the line's key
 * @param e The line
 *
 * @return 0 if success, otherwise errorcode
 */
int config_decl_take(struct config_decl *d, const struct config_entry *e)
{
	char *val = NULL;
	int err;

	if (!d->first && !e->override)
		d->first = e;

	err = str_dup(&val, e->val);
	if (err)
		return err;

	mem_deref(d->val);
	d->val = val;

	return 0;
}


/**
 * Allocate an empty configuration
 *
 * @param cfgp Pointer to the new configuration
 *
 * @return 0 if success, otherwise errorcode
 */
int config_alloc(struct config **cfgp)
{
	struct config *cfg;
	int err;

	if (!cfgp)
		return EINVAL;

	cfg = mem_zalloc(sizeof(*cfg), config_destructor);
	if (!cfg)
		return ENOMEM;

	err = hash_alloc(&cfg->declh, HASH_SIZE);
	if (err)
		mem_deref(cfg);
	else
		*cfgp = cfg;

	return err;
}


static int decl_add(struct config *cfg, const struct setting *s)
{
	struct config_decl *d;
	struct le *le;
	int err = 0;

	d = mem_zalloc(sizeof(*d), decl_destructor);
	if (!d)
		return ENOMEM;

	d->s = s;
	if (s->def)
		err = str_dup(&d->val, s->def);

	LIST_FOREACH(&cfg->entryl, le) {
		const struct config_entry *e = le->data;

		if (!err && !strcmp(e->key, s->key))
			err = config_decl_take(d, e);
	}

	if (err) {
		mem_deref(d);
		return err;
	}

	hash_append(cfg->declh, hash_joaat_str(s->key), &d->he, d);
	list_append(&cfg->decll, &d->le, d);

	return 0;
}


/**
 * Declare settings
 *
 * Services that share code may declare the same setting; it must then be the
 * same in type and default.
 *
 * @param cfg      Configuration
 * @param settings Table that ends with key NULL; lives as long as cfg
 *
 * @return 0 if success, EEXIST if a key has another meaning already, EINVAL
 *         if a declaration is wrong (bad key, default its own type refuses)
 */
int config_declare(struct config *cfg, const struct setting *settings)
{
	const struct setting *s;

	if (!cfg || !settings)
		return EINVAL;

	for (s = settings; s->key; s++) {
		char reason[CONFIG_REASON_MAX];
		struct pl key;
		const struct config_decl *d;
		int err;

		pl_set_str(&key, s->key);
		if (!config_key_valid(&key))
			return EINVAL;
		if (s->def && setting_validate(s, s->def, reason,
					       sizeof(reason)))
			return EINVAL;

		d = config_decl_find(cfg, s->key);
		if (d) {
			if (d->s->type != s->type
			    || str_cmp(d->s->def ? d->s->def : "",
				       s->def ? s->def : ""))
				return EEXIST;
			continue;
		}

		err = decl_add(cfg, s);
		if (err)
			return err;
	}

	return 0;
}


/**
 * Tell an error to who asked for it
 *
 * @param eh    Error handler, or NULL
 * @param arg   Handler argument
 * @param where Where the error stands
 * @param key   Key it is about
 * @param reason What is wrong
 */
void config_tell(config_error_h *eh, void *arg, const char *where,
		 const char *key, const char *reason)
{
	const struct config_error ce = {
		.where = where, .key = key, .reason = reason
	};

	if (eh)
		eh(&ce, arg);
}


static bool entry_check(const struct config *cfg, const struct config_entry *e,
			config_error_h *eh, void *arg)
{
	const struct config_decl *d = config_decl_find(cfg, e->key);
	char reason[CONFIG_REASON_MAX];

	if (!d) {
		re_snprintf(reason, sizeof(reason), "no such setting in any"
			    " of the services named");
	}
	else if (!(d->s->flags & SETTING_MULTI) && !e->override
		 && d->first != e) {
		re_snprintf(reason, sizeof(reason), "already set at %s",
			    d->first ? d->first->where : "?");
	}
	else if (!setting_validate(d->s, e->val, reason, sizeof(reason))) {
		return true;
	}
	else if (d->s->flags & SETTING_SECRET) {
		/* reasons quote the value, which must not reach a log */
		re_snprintf(reason, sizeof(reason), "bad value");
	}

	config_tell(eh, arg, e->where, e->key, reason);

	return false;
}


/**
 * Judge everything that was loaded against everything that was declared
 *
 * @param cfg Configuration
 * @param eh  Called for each error, or NULL
 * @param arg Handler argument
 *
 * @return 0 if all is well, EBADMSG if eh was called
 */
int config_check(const struct config *cfg, config_error_h *eh, void *arg)
{
	struct le *le;
	int err = 0;

	if (!cfg)
		return EINVAL;

	LIST_FOREACH(&cfg->entryl, le) {
		if (!entry_check(cfg, le->data, eh, arg))
			err = EBADMSG;
	}

	LIST_FOREACH(&cfg->decll, le) {
		const struct config_decl *d = le->data;

		if ((d->s->flags & SETTING_REQUIRED) && !d->val) {
			config_tell(eh, arg, cfg->name ? cfg->name : "--set",
				   d->s->key, "required, but not set");
			err = EBADMSG;
		}
	}

	return err;
}


/**
 * Find the declaration of a setting
 *
 * @param cfg Configuration
 * @param key Key
 *
 * @return Declaration, or NULL if there is none
 */
const struct setting *config_setting(const struct config *cfg,
				     const char *key)
{
	const struct config_decl *d = config_decl_find(cfg, key);

	return d ? d->s : NULL;
}
