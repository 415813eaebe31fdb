/**
 * @file module.h  Plug-ins as files, and what a configuration asks for
 */
#ifndef JUNCTOR_SERVER_MODULE_H
#define JUNCTOR_SERVER_MODULE_H

struct config;
struct config_error;
struct server_opts;
struct service_export;

enum {
	MODULE_NAME_MAX   = 32,       /* [bytes] with the final zero        */
	MODULE_REASON_MAX = 512,      /* [bytes] with the final zero        */
	MODULES_MAX       = 64,
};

struct module {
	struct le le;
	void *handle;                 /* of dlopen; NULL: built in          */
	const struct service_export *exp;
	bool placed;                  /* has its place in the start order   */
	char name[MODULE_NAME_MAX];
	char where[512];              /* line of the configuration          */
};

/* A configuration that was read, with the plug-ins it names. */
struct setup {
	struct list modl;             /* in the order in which they start   */
	struct config *cfg;
};

typedef void (setup_error_h)(const struct config_error *err, void *arg);

int  module_load(struct module **modp, const char *name, const char *path,
		 const struct service_export *const *builtinv,
		 char *reason, size_t sz);
bool module_plays(const struct module *mod, const char *name_or_role);

int  setup_alloc(struct setup **sp, const struct server_opts *opts,
		 setup_error_h *eh, void *arg);
int  setup_order(struct setup *setup, setup_error_h *eh, void *arg);

#endif
