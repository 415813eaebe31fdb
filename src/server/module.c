/**
 * @file module.c  Finding and loading one plug-in
 *
 * libre's mod_load would do but for two things: it knows one name per file
 * where we look in several places, and it calls the plug-in's init at once,
 * while ours waits until the whole configuration is known to be good.
 */
#include <string.h>
#include <stdio.h>
#include <unistd.h>
#include <dlfcn.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/module.h"


enum {
	PATH_LEN = 1024,           /* [bytes] with the final zero           */

	/* leak reports of the sanitizer need the plug-in's symbols at exit */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	DLOPEN_FLAGS = RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE,
#else
	DLOPEN_FLAGS = RTLD_NOW | RTLD_LOCAL,
#endif
};


static void module_destructor(void *data)
{
	struct module *mod = data;

	list_unlink(&mod->le);
	if (mod->handle)
		(void)dlclose(mod->handle);
}


static bool name_valid(const char *name)
{
	const size_t len = strlen(name);

	return len && len < MODULE_NAME_MAX
		&& strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-")
		== len;
}


/* The layouts: installed, and the build tree as libtool leaves it. */
static bool dir_find(char *file, size_t sz, const struct pl *dir,
		     const char *name)
{
	static const char *const layoutv[] = {
		"%.*s/%s.so", "%.*s/%s/.libs/%s.so", "%.*s/%s/%s.so"
	};
	size_t i;

	if (!dir->l || dir->l > PATH_LEN / 2)
		return false;

	for (i = 0; i < ARRAY_SIZE(layoutv); i++) {
		int n;

		/* the first layout leaves the last argument unused */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
		n = snprintf(file, sz, layoutv[i], (int)dir->l, dir->p,
			     name, name);
#pragma GCC diagnostic pop
		if (n > 0 && (size_t)n < sz && !access(file, R_OK))
			return true;
	}

	return false;
}


static bool file_find(char *file, size_t sz, const char *path,
		      const char *name)
{
	while (str_isset(path)) {
		struct pl dir = {.p = path, .l = strcspn(path, ":")};

		if (dir_find(file, sz, &dir, name))
			return true;

		path += dir.l;
		if (*path)
			++path;
	}

	return false;
}


static int export_check(const struct service_export *exp, const char *name,
			char *reason, size_t sz)
{
	if (exp->api_version != SERVICE_API_VERSION) {
		(void)snprintf(reason, sz, "plug-in speaks API version %u,"
			       " this server version %u",
			       (unsigned)exp->api_version,
			       (unsigned)SERVICE_API_VERSION);
		return EPROTO;
	}

	if (str_cmp(exp->name, name)) {
		(void)snprintf(reason, sz, "plug-in calls itself '%s'",
			       exp->name ? exp->name : "");
		return EPROTO;
	}

	return 0;
}


static int builtin_find(struct module *mod,
			const struct service_export *const *builtinv)
{
	size_t i;

	for (i = 0; builtinv && builtinv[i]; i++) {
		if (!str_cmp(builtinv[i]->name, mod->name)) {
			mod->exp = builtinv[i];
			return 0;
		}
	}

	return ENOENT;
}


static int file_load(struct module *mod, const char *path,
		     char *reason, size_t sz)
{
	char file[PATH_LEN];
	const char *why;

	if (!file_find(file, sizeof(file), path, mod->name)) {
		(void)snprintf(reason, sz, "no plug-in '%s' in %s",
			       mod->name, path);
		return ENOENT;
	}

	mod->handle = dlopen(file, DLOPEN_FLAGS);
	if (!mod->handle) {
		why = dlerror();
		(void)snprintf(reason, sz, "%s", why ? why : file);
		return ENOENT;
	}

	mod->exp = dlsym(mod->handle, "service_export");
	if (!mod->exp) {
		(void)snprintf(reason, sz, "%s has no service_export", file);
		return EPROTO;
	}

	return 0;
}


/**
 * Load a plug-in; nothing of it runs yet
 *
 * @param modp     Pointer to the new module
 * @param name     Name of the service
 * @param path     Folders to look in, separated by colons
 * @param builtinv Services that are no files, NULL-terminated, or NULL
 * @param reason   Where to write why not
 * @param sz       Size of reason [bytes]
 *
 * @return 0 if success, EINVAL if that is no name, ENOENT if it is not there
 *         or cannot be loaded, EPROTO if it is not made for this server
 */
int module_load(struct module **modp, const char *name, const char *path,
		const struct service_export *const *builtinv,
		char *reason, size_t sz)
{
	struct module *mod;
	int err;

	if (!modp || !name || !path || !reason || !sz)
		return EINVAL;

	reason[0] = '\0';

	if (!name_valid(name)) {
		(void)snprintf(reason, sz, "'%.64s' is not a service's name",
			       name);
		return EINVAL;
	}

	mod = mem_zalloc(sizeof(*mod), module_destructor);
	if (!mod)
		return ENOMEM;

	str_ncpy(mod->name, name, sizeof(mod->name));

	err = builtin_find(mod, builtinv);
	if (err)
		err = file_load(mod, path, reason, sz);
	if (!err)
		err = export_check(mod->exp, name, reason, sz);

	if (err)
		mem_deref(mod);
	else
		*modp = mod;

	return err;
}


/**
 * Tell whether a module is what somebody needs
 *
 * @param mod          Module
 * @param name_or_role Name of a service, or of a role
 *
 * @return true if it is
 */
bool module_plays(const struct module *mod, const char *name_or_role)
{
	if (!mod || !name_or_role)
		return false;

	return !strcmp(mod->exp->name, name_or_role)
		|| (mod->exp->role && !strcmp(mod->exp->role, name_or_role));
}
