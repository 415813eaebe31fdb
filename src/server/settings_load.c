/**
 * @file settings_load.c  Settings from a file, from text, from the command
 *                        line
 */
#include <string.h>
#include <stdio.h>
#include <re.h>
#include "server/settings.h"
#include "server/config.h"


struct loader {
	struct config *cfg;
	const char *name;
	config_error_h *eh;
	void *arg;
	int err;
};


static void entry_destructor(void *data)
{
	struct config_entry *e = data;

	list_unlink(&e->le);
	mem_deref(e->key);
	mem_deref(e->val);
	mem_deref(e->where);
}


/**
 * Add a line of text
 *
 * @param cfg      Configuration
 * @param key      Key
 * @param val      Value
 * @param where    Where it stands, for errors
 * @param override Stands above the file
 *
 * @return 0 if success, otherwise errorcode
 */
int config_entry_add(struct config *cfg, const struct pl *key,
		     const struct pl *val, const char *where, bool override)
{
	struct config_entry *e;
	struct config_decl *d;
	int err;

	e = mem_zalloc(sizeof(*e), entry_destructor);
	if (!e)
		return ENOMEM;

	err  = pl_strdup(&e->key, key);
	err |= pl_strdup(&e->val, val);
	err |= str_dup(&e->where, where);
	if (err) {
		mem_deref(e);
		return ENOMEM;
	}

	e->override = override;
	list_append(&cfg->entryl, &e->le, e);

	d = config_decl_find(cfg, e->key);

	return d ? config_decl_take(d, e) : 0;
}


static void load_error(unsigned line, const struct pl *key,
		       const char *reason, void *arg)
{
	struct loader *ld = arg;
	char where[512], k[CONFIG_KEY_MAX + 1];

	if (line)
		re_snprintf(where, sizeof(where), "%s:%u", ld->name, line);
	else
		re_snprintf(where, sizeof(where), "%s", ld->name);

	if (pl_strcpy(key, k, sizeof(k)))
		k[0] = '\0';

	config_tell(ld->eh, ld->arg, where, k[0] ? k : "?", reason);
}


static void load_line(unsigned line, const struct pl *key,
		      const struct pl *val, void *arg)
{
	struct loader *ld = arg;
	char where[512];

	re_snprintf(where, sizeof(where), "%s:%u", ld->name, line);
	ld->err |= config_entry_add(ld->cfg, key, val, where, false);
}


/**
 * Load settings from text
 *
 * Only the form of the lines is judged here; see config_check.
 *
 * @param cfg  Configuration
 * @param name What errors call the text: a file's name
 * @param buf  Text
 * @param len  Length of buf [bytes]
 * @param eh   Called for each error, or NULL
 * @param arg  Handler argument
 *
 * @return 0 if success, EBADMSG if eh was called, otherwise errorcode
 */
int config_load_buf(struct config *cfg, const char *name,
		    const char *buf, size_t len,
		    config_error_h *eh, void *arg)
{
	struct loader ld = {.cfg = cfg, .name = name, .eh = eh, .arg = arg};
	int err;

	if (!cfg || !name || (!buf && len))
		return EINVAL;

	mem_deref(cfg->name);
	cfg->name = NULL;
	err = str_dup(&cfg->name, name);
	if (err)
		return err;

	err = config_scan(buf, len, load_line, load_error, &ld);

	return ld.err ? ENOMEM : err;
}


static int file_read(char **bufp, size_t *lenp, const char *file)
{
	FILE *f = fopen(file, "re");
	char *buf;
	int err = 0;

	if (!f)
		return errno;

	/* one byte more than allowed tells "too large" from "just fits" */
	buf = mem_alloc(CONFIG_FILE_MAX + 1, NULL);
	if (!buf) {
		err = ENOMEM;
		goto out;
	}

	*lenp = fread(buf, 1, CONFIG_FILE_MAX + 1, f);
	if (ferror(f))
		err = errno ? errno : EIO;

 out:
	(void)fclose(f);
	if (err)
		mem_deref(buf);
	else
		*bufp = buf;

	return err;
}


/**
 * Load settings from a file
 *
 * @param cfg  Configuration
 * @param file Name of the file
 * @param eh   Called for each error, or NULL
 * @param arg  Handler argument
 *
 * @return 0 if success, EBADMSG if a line was bad, otherwise errorcode; eh
 *         was called in every case
 */
int config_load(struct config *cfg, const char *file,
		config_error_h *eh, void *arg)
{
	char *buf = NULL;
	size_t len = 0;
	int err;

	if (!cfg || !file)
		return EINVAL;

	err = file_read(&buf, &len, file);
	if (err) {
		config_tell(eh, arg, file, "-f", strerror(err));
		return err;
	}

	err = config_load_buf(cfg, file, buf, len, eh, arg);
	mem_deref(buf);

	return err;
}


/**
 * Add one setting above those of the file
 *
 * A key that stands for a list gets one more line, any other is replaced.
 *
 * @param cfg          Configuration
 * @param key_eq_value "key=value"
 * @param eh           Called if the form is wrong, or NULL
 * @param arg          Handler argument
 *
 * @return 0 if success, EBADMSG if eh was called, otherwise errorcode
 */
int config_override(struct config *cfg, const char *key_eq_value,
		    config_error_h *eh, void *arg)
{
	const char *eq;
	struct pl key, val;
	size_t i;

	if (!cfg || !key_eq_value)
		return EINVAL;

	eq = strchr(key_eq_value, '=');
	if (!eq) {
		config_tell(eh, arg, "--set", key_eq_value, "not KEY=VALUE");
		return EBADMSG;
	}

	key.p = key_eq_value;
	key.l = eq - key_eq_value;
	pl_set_str(&val, eq + 1);

	for (i = 0; i < val.l; i++) {
		if ((unsigned char)val.p[i] < 0x20)
			break;
	}

	if (!config_key_valid(&key) || i < val.l || val.l > CONFIG_LINE_MAX) {
		config_tell(eh, arg, "--set", key_eq_value,
			   "not KEY=VALUE of printable characters");
		return EBADMSG;
	}

	return config_entry_add(cfg, &key, &val, "--set", true);
}
