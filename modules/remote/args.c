/**
 * @file args.c  The query of a URI as an object of strings
 */
#include <string.h>
#include <re.h>
#include "remote/token.h"
#include "remote/remote.h"

static int hex_value(char ch)
{
	if (ch >= '0' && ch <= '9')
		return ch - '0';
	if (ch >= 'a' && ch <= 'f')
		return ch - 'a' + 10;
	if (ch >= 'A' && ch <= 'F')
		return ch - 'A' + 10;

	return -1;
}

/* %XX and `+`; a zero byte is refused, it would end the string early. */
static int percent_decode(char **strp, const struct pl *pl)
{
	char *str = mem_zalloc(pl->l + 1, NULL);
	size_t i, n = 0;

	if (!str)
		return ENOMEM;

	for (i = 0; i < pl->l; i++) {

		char ch = pl->p[i];

		if (ch == '%') {
			int hi = -1, lo = -1;

			if (pl->l - i > 2) {
				hi = hex_value(pl->p[i + 1]);
				lo = hex_value(pl->p[i + 2]);
			}
			if (hi < 0 || lo < 0)
				goto bad;

			ch = (char)(hi << 4 | lo);
			i += 2;
		}
		else if (ch == '+') {
			ch = ' ';
		}

		if (!ch)
			goto bad;

		str[n++] = ch;
	}

	*strp = str;
	return 0;

 bad:
	mem_deref(str);
	return EBADMSG;
}

static int arg_add(struct odict *od, const struct pl *pl)
{
	const char *eq = memchr(pl->p, '=', pl->l);
	struct pl key, val = PL_INIT;
	char *k = NULL, *v = NULL;
	int err;

	key.p = pl->p;
	key.l = eq ? (size_t)(eq - pl->p) : pl->l;
	if (eq) {
		val.p = eq + 1;
		val.l = pl->l - key.l - 1;
	}

	err  = percent_decode(&k, &key);
	if (!err)
		err = percent_decode(&v, &val);
	if (!err && (!k[0] || odict_lookup(od, k)))
		err = EINVAL;
	if (!err)
		err = odict_entry_add(od, k, ODICT_STRING, v);

	mem_deref(k);
	mem_deref(v);
	return err;
}

/**
 * Decode a query (`?a=b&c=d`) into an object with string members
 *
 * @param argsp Returned object, to be dereferenced by the caller
 * @param query Query with or without its question mark; may be empty
 *
 * @return 0, EBADMSG (a broken %XX), EINVAL (a name missing or twice),
 *         EOVERFLOW (more than ARGS_MAX members), ENOMEM
 */
int args_decode(struct odict **argsp, const struct pl *query)
{
	struct odict *od = NULL;
	struct pl rest;
	unsigned n = 0;
	int err;

	if (!argsp || !query)
		return EINVAL;

	rest = *query;
	if (rest.l && *rest.p == '?')
		pl_advance(&rest, 1);

	err = odict_alloc(&od, 8);

	while (!err && rest.l) {

		const char *amp = memchr(rest.p, '&', rest.l);
		struct pl pl = rest;

		if (amp)
			pl.l = (size_t)(amp - rest.p);
		pl_advance(&rest, (ssize_t)pl.l + (amp ? 1 : 0));

		if (!pl.l)
			continue;

		err = ++n > ARGS_MAX ? EOVERFLOW : arg_add(od, &pl);
	}

	if (err)
		mem_deref(od);
	else
		*argsp = od;

	return err;
}
