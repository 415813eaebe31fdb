/**
 * @file fields.c  Plain structs as JSON objects, by a table of their members
 */
#include <string.h>
#include <re.h>
#include "noc/name.h"
#include "noc/fields.h"


enum { U64_BITS = 58 };          /* a JSON number has 18 digits            */


static int64_t number_read(const struct field *f, const void *base)
{
	const void *p = (const uint8_t *)base + f->offset;

	switch (f->type) {

	case FIELD_U8:  return *(const uint8_t *)p;
	case FIELD_U16: return *(const uint16_t *)p;
	case FIELD_U32: return *(const uint32_t *)p;
	case FIELD_U64: return (int64_t)*(const uint64_t *)p;
	case FIELD_INT: return *(const int *)p;
	default:        return 0;
	}
}


static void number_write(const struct field *f, void *base, int64_t v)
{
	void *p = (uint8_t *)base + f->offset;

	switch (f->type) {

	case FIELD_U8:  *(uint8_t *)p  = (uint8_t)v;  break;
	case FIELD_U16: *(uint16_t *)p = (uint16_t)v; break;
	case FIELD_U32: *(uint32_t *)p = (uint32_t)v; break;
	case FIELD_U64: *(uint64_t *)p = (uint64_t)v; break;
	case FIELD_INT: *(int *)p      = (int)v;      break;
	default:        break;
	}
}


static int sa_put(struct odict *od, const char *name, const struct sa *sa)
{
	char buf[64];

	if (!sa_isset(sa, SA_ADDR))
		return 0;

	if (re_snprintf(buf, sizeof(buf), "%J", sa) < 0)
		return EOVERFLOW;

	return odict_entry_add(od, name, ODICT_STRING, buf);
}


static int list_put(struct odict *od, const struct field *f,
		    const void *base)
{
	const uint32_t *v = (const void *)((const uint8_t *)base +
					   f->offset);
	const unsigned n = *(const unsigned *)(const void *)
		((const uint8_t *)base + f->min);
	struct odict *array;
	char key[16];
	int err;

	if (!n)
		return 0;

	err = odict_alloc(&array, 8);
	if (err)
		return err;

	for (unsigned i = 0; i < n && i < f->max; i++) {
		(void)re_snprintf(key, sizeof(key), "%u", i);
		err |= odict_entry_add(array, key, ODICT_INT, (int64_t)v[i]);
	}

	err |= odict_entry_add(od, f->name, ODICT_ARRAY, array);
	mem_deref(array);

	return err;
}


static int field_put(struct odict *od, const struct field *f,
		     const void *base)
{
	const void *p = (const uint8_t *)base + f->offset;
	int64_t v;

	switch (f->type) {

	case FIELD_BOOL:
		return *(const bool *)p ? odict_entry_add(od, f->name,
							  ODICT_BOOL, true)
			: 0;
	case FIELD_SA:
		return sa_put(od, f->name, p);

	case FIELD_TEXT:
		return *(const char *)p ? odict_entry_add(od, f->name,
							  ODICT_STRING, p)
			: 0;
	case FIELD_U32V:
		return list_put(od, f, base);

	default:
		v = number_read(f, base);
		return v ? odict_entry_add(od, f->name, ODICT_INT, v) : 0;
	}
}


/**
 * Write a struct into an object
 *
 * @param od     Object, to which its members are added
 * @param fieldv Table of its members
 * @param from   The struct
 *
 * @return 0 if success; EINVAL; ENOMEM
 */
int fields_put(struct odict *od, const struct field *fieldv,
	       const void *from)
{
	int err = 0;

	if (!od || !fieldv || !from)
		return EINVAL;

	for (; fieldv->name && !err; ++fieldv)
		err = field_put(od, fieldv, from);

	return err;
}


static int number_get(void *base, const struct field *f,
		      const struct odict_entry *e)
{
	const int64_t max = f->type == FIELD_U64 ? INT64_C(1) << U64_BITS
		: f->max;

	if (e->type != ODICT_INT || e->u.integer < f->min ||
	    e->u.integer > max)
		return EBADMSG;

	number_write(f, base, e->u.integer);

	return 0;
}


static int text_get(void *base, const struct field *f,
		    const struct odict_entry *e)
{
	if (e->type != ODICT_STRING ||
	    !name_valid(e->u.str, strlen(e->u.str), (size_t)f->max))
		return EBADMSG;

	str_ncpy((char *)base + f->offset, e->u.str, (size_t)f->max);

	return 0;
}


static int list_get(void *base, const struct field *f,
		    const struct odict_entry *e)
{
	uint32_t *v = (void *)((uint8_t *)base + f->offset);
	unsigned *n = (void *)((uint8_t *)base + f->min);
	struct le *le;

	if (e->type != ODICT_ARRAY)
		return EBADMSG;

	LIST_FOREACH(&e->u.odict->lst, le) {
		const struct odict_entry *num = le->data;

		if (*n >= f->max || num->type != ODICT_INT ||
		    num->u.integer < 1 || num->u.integer > UINT32_MAX)
			return EBADMSG;

		v[(*n)++] = (uint32_t)num->u.integer;
	}

	return 0;
}


static int sa_get(struct sa *sa, const struct odict_entry *e)
{
	if (e->type != ODICT_STRING || strlen(e->u.str) >= 64)
		return EBADMSG;

	return sa_decode(sa, e->u.str, strlen(e->u.str)) ? EBADMSG : 0;
}


static int field_get(void *base, const struct field *f,
		     const struct odict *od)
{
	const struct odict_entry *e = odict_lookup(od, f->name);
	void *p = (uint8_t *)base + f->offset;

	if (!e)
		return f->type < FIELD_BOOL && f->min > 0 ? EBADMSG : 0;

	switch (f->type) {

	case FIELD_BOOL:
		if (e->type != ODICT_BOOL)
			return EBADMSG;
		*(bool *)p = e->u.boolean;
		return 0;

	case FIELD_SA:   return sa_get(p, e);
	case FIELD_TEXT: return text_get(base, f, e);
	case FIELD_U32V: return list_get(base, f, e);
	default:         return number_get(base, f, e);
	}
}


/**
 * Read a struct from an object. Members of the object that the table does not
 * know are ignored
 *
 * @param to     The struct, all zero before
 * @param fieldv Table of its members
 * @param od     Object
 *
 * @return 0 if success; EBADMSG if a member is missing, of a wrong type or
 *         out of bounds; EINVAL
 */
int fields_get(void *to, const struct field *fieldv, const struct odict *od)
{
	int err = 0;

	if (!to || !fieldv || !od)
		return EINVAL;

	for (; fieldv->name && !err; ++fieldv)
		err = field_get(to, fieldv, od);

	return err;
}
