/**
 * @file config.h  The inside of settings.h, for src/server only
 */
#ifndef JUNCTOR_SERVER_CONFIG_H
#define JUNCTOR_SERVER_CONFIG_H

enum {
	CONFIG_LINE_MAX   = 4096,          /* [bytes] without the line feed */
	CONFIG_FILE_MAX   = 1024 * 1024,   /* [bytes]                       */
	CONFIG_KEY_MAX    = 64,            /* [bytes]                       */
	CONFIG_LINES_MAX  = 10000,         /* lines that hold a setting     */
	CONFIG_REASON_MAX = 256,           /* [bytes] with the final zero   */
};

typedef void (config_line_h)(unsigned line, const struct pl *key,
			     const struct pl *val, void *arg);
typedef void (config_scan_error_h)(unsigned line, const struct pl *key,
				   const char *reason, void *arg);
/* old and val are NULL where unset or a list */
typedef void (config_changed_h)(const struct setting *s, const char *old,
				const char *val, void *arg);
typedef void (config_frozen_h)(const char *key, void *arg);
typedef void (config_where_h)(const char *val, const char *where, void *arg);

struct config {
	struct list entryl;        /* entries, file before overrides        */
	struct list decll;         /* decls in order of declaration         */
	struct hash *declh;        /* decls by key                          */
	char *name;                /* of what was loaded, or NULL           */
	config_changed_h *ch;
	void *ch_arg;
};

/* what the operator wrote */
struct config_entry {
	struct le le;
	char *key;
	char *val;
	char *where;               /* "file:line" or "--set"                */
	bool override;             /* from --set: stands above the file     */
};

/* what a service understands */
struct config_decl {
	struct le le;
	struct le he;
	const struct setting *s;
	char *val;                 /* in force, NULL: unset; of a list: last*/
	const struct config_entry *first; /* in the file, NULL: none        */
};

int  config_scan(const char *buf, size_t len, config_line_h *lh,
		 config_scan_error_h *eh, void *arg);
int  config_entry_add(struct config *cfg, const struct pl *key,
		      const struct pl *val, const char *where,
		      bool override);
int  config_decl_take(struct config_decl *d, const struct config_entry *e);
struct config_decl *config_decl_find(const struct config *cfg,
				     const char *key);
void config_tell(config_error_h *eh, void *arg, const char *where,
		 const char *key, const char *reason);
int  setting_validate(const struct setting *s, const char *val,
		      char *reason, size_t sz);
const char *setting_type_name(enum setting_type type);
bool config_key_valid(const struct pl *key);

const struct setting *config_setting(const struct config *cfg,
				     const char *key);
void config_changed_set(struct config *cfg, config_changed_h *h, void *arg);
void config_where(const struct config *cfg, const char *key,
		  config_where_h *h, void *arg);
int  config_adopt(struct config *cfg, const struct config *next,
		  config_frozen_h *fh, void *arg);

#endif
