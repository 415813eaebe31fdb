/**
 * @file settings.h  Settings: declared in tables, read from a file
 */
#ifndef JUNCTOR_SERVER_SETTINGS_H
#define JUNCTOR_SERVER_SETTINGS_H

struct config;
struct re_printf;

enum setting_type {
	SETTING_STRING,      /* min, max: length                            */
	SETTING_U32,         /* min, max: value                             */
	SETTING_BOOL,        /* yes, no                                     */
	SETTING_CHOICE,      /* one word of `choices`                       */
	SETTING_SA,          /* ADDR:PORT, [ADDR6]:PORT                     */
	SETTING_ADDR,        /* ADDR without a port                         */
};

enum setting_flags {
	SETTING_RUNTIME = 1 << 0,  /* can change without a restart          */
	SETTING_MULTI   = 1 << 1,  /* may stand on several lines            */
	SETTING_SECRET  = 1 << 2,  /* shown as ***                          */
	SETTING_REQUIRED= 1 << 3,
};

struct setting {
	const char *key;           /* "area.name"                           */
	enum setting_type type;
	const char *def;           /* default as text, or NULL: unset       */
	uint32_t min, max;         /* 0, 0: no limit                        */
	const char *choices;       /* "a|b|c" for SETTING_CHOICE; of a
				      SETTING_STRING the words that it may
				      list, NULL: any text                  */
	unsigned flags;
	const char *help;          /* one line: meaning, unit in brackets   */
};

/* "config.changed": a setting got another value at run time */
struct config_change {
	const char *key;
	const char *old;           /* NULL: was unset, or a list            */
	const char *val;           /* NULL: is unset, or a list             */
};

struct config_error {
	const char *where;         /* "file:line" or "--set"                */
	const char *key;
	const char *reason;
};
typedef void (config_error_h)(const struct config_error *err, void *arg);
typedef bool (config_multi_h)(const char *val, void *arg);
typedef void (config_setting_h)(const struct setting *s, const char *val,
				void *arg);

int  config_alloc(struct config **cfgp);
int  config_declare(struct config *cfg, const struct setting *settings);
int  config_load(struct config *cfg, const char *file,
		 config_error_h *eh, void *arg);
int  config_load_buf(struct config *cfg, const char *name,
		     const char *buf, size_t len,
		     config_error_h *eh, void *arg);
int  config_override(struct config *cfg, const char *key_eq_value,
		     config_error_h *eh, void *arg);
int  config_check(const struct config *cfg, config_error_h *eh, void *arg);

const char *config_str(const struct config *cfg, const char *key);
uint32_t    config_u32(const struct config *cfg, const char *key);
bool        config_bool(const struct config *cfg, const char *key);
int         config_sa(const struct config *cfg, const char *key,
		      struct sa *sa);
void        config_multi(const struct config *cfg, const char *key,
			 config_multi_h *h, void *arg);

int  config_set(struct config *cfg, const char *key, const char *val,
		char *reason, size_t sz);
void config_apply(const struct config *cfg, config_setting_h *h, void *arg);

#endif
