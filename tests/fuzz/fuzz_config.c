/**
 * @file fuzz_config.c  Configuration text of any kind
 *
 * The first line is a command line's --set, the rest is the file. Whatever is
 * accepted must then read back within what was declared.
 */
#include <stdlib.h>
#include <string.h>
#include <re.h>
#include "server/settings.h"
#include "server/config.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static const struct setting settings[] = {
	{"a.text", SETTING_STRING, "abc", 2, 5, NULL, SETTING_RUNTIME, "t"},
	{"a.num", SETTING_U32, "7", 5, 10, NULL, SETTING_RUNTIME, "n"},
	{"a.bool", SETTING_BOOL, "no", 0, 0, NULL, SETTING_RUNTIME, "b"},
	{"a.pick", SETTING_CHOICE, "one", 0, 0, "one|two", 0, "c"},
	{"a.sa", SETTING_SA, NULL, 0, 0, NULL, 0, "s"},
	{"a.addr", SETTING_ADDR, NULL, 0, 0, NULL, 0, "s"},
	{"a.list", SETTING_STRING, NULL, 0, 0, NULL,
	 SETTING_MULTI | SETTING_RUNTIME, "l"},
	{NULL, SETTING_STRING, NULL, 0, 0, NULL, 0, NULL}
};


static void error_h(const struct config_error *ce, void *arg)
{
	unsigned *n = arg;

	if (!ce->where || !ce->key || !ce->reason || !ce->reason[0])
		abort();
	++*n;
}


static void values_check(const struct config *cfg)
{
	const size_t len = strlen(config_str(cfg, "a.text"));
	const char *pick = config_str(cfg, "a.pick");
	struct sa sa;

	if (len < 2 || len > 5)
		abort();
	if (config_u32(cfg, "a.num") < 5 || config_u32(cfg, "a.num") > 10)
		abort();
	if (strcmp(pick, "one") && strcmp(pick, "two"))
		abort();
	if (config_str(cfg, "a.sa") && config_sa(cfg, "a.sa", &sa))
		abort();
	if (config_str(cfg, "a.addr") && config_sa(cfg, "a.addr", &sa))
		abort();
}


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	const char *end = size ? memchr(text, '\n', size) : NULL;
	struct config *cfg = NULL, *other = NULL;
	unsigned errors = 0;
	char *set = NULL;
	struct pl pl;

	if (!end)
		return 0;

	pl.p = text;
	pl.l = end - text;
	if (pl_strdup(&set, &pl) || config_alloc(&cfg)
	    || config_alloc(&other))
		abort();

	if (config_declare(cfg, settings) || config_declare(other, settings))
		abort();

	++end;
	(void)config_load_buf(cfg, "f", end, size - (end - text), error_h,
			      &errors);
	(void)config_override(cfg, set, error_h, &errors);

	/* good means no error was told, and the other way round */
	if (!config_check(cfg, error_h, &errors)) {
		values_check(cfg);
		if (config_adopt(other, cfg, NULL, NULL))
			abort();
		values_check(other);
	}
	else if (!errors) {
		abort();
	}

	mem_deref(set);
	mem_deref(cfg);
	mem_deref(other);

	return 0;
}
