/**
 * @file wirecode.h  Internal to wire.c: structs as tagged fields
 */
#ifndef JUNCTOR_NOC_WIRECODE_H
#define JUNCTOR_NOC_WIRECODE_H

enum { WIRE_TAG_JOIN = 255 };

struct wire_writer {
	uint8_t *buf;
	size_t sz, n;
	bool overflow;
};

struct wire_field {
	unsigned tag;
	const uint8_t *p;
	size_t len;
};

enum wire_kind {
	WIRE_STR, WIRE_STR_EMPTY, WIRE_U32, WIRE_U64, WIRE_FLAG
};

/* One member of a struct on the wire; its tag is its place in the table,
   counted from 1. */
struct wire_member {
	enum wire_kind kind;
	size_t off;                /* in the struct [bytes]                 */
	size_t sz;                 /* of a string [bytes]                   */
	uint64_t min, max;         /* of a number                           */
};

struct wire_layout {
	enum wire_type type;
	unsigned memberc;          /* at most 31                            */
	unsigned newc;             /* of these, the last ones, that older
				      servers do not say                    */
	struct wire_member memberv[11];
};

typedef int (wire_extra_h)(const struct wire_field *f, void *arg);

void wire_put(struct wire_writer *w, const void *p, size_t len);
int  wire_finish(const struct wire_writer *w, size_t *len);
int  wire_encode(const struct wire_layout *lay, uint8_t *buf, size_t sz,
		 size_t *len, const void *data);
int  wire_decode(const struct wire_layout *lay, void *data, size_t datasz,
		 const uint8_t *buf, size_t len, wire_extra_h *eh, void *arg);

#endif
