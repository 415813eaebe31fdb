/**
 * @file fields.h  Plain structs as JSON objects, by a table of their members
 *
 * One table writes and reads, so that both agree. A member with its usual
 * value (zero, false, empty) is left out, and is that when it is missing; one
 * whose least value is above zero must be there.
 */
#ifndef JUNCTOR_NOC_FIELDS_H
#define JUNCTOR_NOC_FIELDS_H

struct odict;

enum field_type {
	FIELD_U8, FIELD_U16, FIELD_U32, FIELD_U64, FIELD_INT,
	FIELD_BOOL,
	FIELD_SA,                /* struct sa                               */
	FIELD_TEXT,              /* char[max]: without control characters   */
	FIELD_U32V,              /* uint32_t[max], each 1.. UINT32_MAX, and
				    before it, at `min`, their number       */
};

struct field {
	const char *name;        /* NULL ends a table                       */
	enum field_type type;
	size_t offset;
	int64_t min, max;        /* of numbers; max of an U64 is 2^58       */
};

int fields_put(struct odict *od, const struct field *fieldv,
	       const void *from);
int fields_get(void *to, const struct field *fieldv, const struct odict *od);

#endif
