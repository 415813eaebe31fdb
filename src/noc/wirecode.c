/**
 * @file wirecode.c  Structs as tagged fields
 *
 * Every message is: version (1), type (1), then fields of tag (1), length (2)
 * and value; numbers are big-endian, as short as they can be. Each field
 * stands at most once, in the order of its tag, except joins, which come last.
 * Tags that are not known are skipped, so that a newer server can say more.
 */
#include <string.h>
#include <re.h>
#include "noc/name.h"
#include "noc/wire.h"
#include "noc/wirecode.h"


enum { WIRE_VERSION = 1 };

struct reader {
	const uint8_t *p, *end;
	unsigned tag;              /* of the field before                   */
};


/**
 * Append bytes
 *
 * @param w   Writer; once there is no room it only remembers that
 * @param p   Bytes
 * @param len Their number
 */
void wire_put(struct wire_writer *w, const void *p, size_t len)
{
	if (w->overflow || w->sz - w->n < len) {
		w->overflow = true;
		return;
	}

	if (len)
		memcpy(w->buf + w->n, p, len);
	w->n += len;
}


static void begin(struct wire_writer *w, uint8_t *buf, size_t sz,
		  enum wire_type type)
{
	const uint8_t head[2] = { WIRE_VERSION, (uint8_t)type };

	w->buf = buf;
	w->sz  = sz;
	w->n   = 0;
	w->overflow = false;
	wire_put(w, head, sizeof(head));
}


static void put_field(struct wire_writer *w, unsigned tag, const void *p,
		      size_t len)
{
	const uint8_t head[3] = {
		(uint8_t)tag, (uint8_t)(len >> 8), (uint8_t)len
	};

	wire_put(w, head, sizeof(head));
	wire_put(w, p, len);
}


static void put_num(struct wire_writer *w, unsigned tag, uint64_t v)
{
	uint8_t b[8];
	size_t n = 0;
	int i;

	for (i=7; i>=0; i--) {
		const uint8_t byte = v >> (8 * i);

		if (n || byte)
			b[n++] = byte;
	}

	put_field(w, tag, b, n);
}


/**
 * Tell how a message ended
 *
 * @param w   Writer
 * @param len Length of the message [bytes]
 *
 * @return 0 if success; EOVERFLOW
 */
int wire_finish(const struct wire_writer *w, size_t *len)
{
	if (w->overflow)
		return EOVERFLOW;

	*len = w->n;

	return 0;
}


static void put_member(struct wire_writer *w, unsigned tag,
		       const struct wire_member *m, const void *data)
{
	const char *p = (const char *)data + m->off;

	switch (m->kind) {

	case WIRE_STR:
	case WIRE_STR_EMPTY:
		put_field(w, tag, p, strnlen(p, m->sz));
		break;
	case WIRE_U32:
		put_num(w, tag, *(const uint32_t *)(const void *)p);
		break;
	case WIRE_U64:
		put_num(w, tag, *(const uint64_t *)(const void *)p);
		break;
	case WIRE_FLAG:
		put_num(w, tag, *(const bool *)(const void *)p);
		break;
	}
}


/**
 * Encode a struct
 *
 * @param lay  Its layout
 * @param buf  Buffer
 * @param sz   Its size [bytes]
 * @param len  Length of the message [bytes]
 * @param data The struct
 *
 * @return 0 if success; EINVAL; EOVERFLOW
 */
int wire_encode(const struct wire_layout *lay, uint8_t *buf, size_t sz,
		size_t *len, const void *data)
{
	struct wire_writer w;
	unsigned i;

	if (!buf || !len || !data)
		return EINVAL;

	begin(&w, buf, sz, lay->type);
	for (i=0; i<lay->memberc; i++)
		put_member(&w, i + 1, &lay->memberv[i], data);

	return wire_finish(&w, len);
}


static int open_message(struct reader *r, const uint8_t *buf, size_t len,
			enum wire_type type)
{
	if (!buf || len < 2)
		return EBADMSG;
	if (buf[0] != WIRE_VERSION)
		return EPROTO;
	if (buf[1] != (uint8_t)type)
		return EBADMSG;

	r->p   = buf + 2;
	r->end = buf + len;
	r->tag = 0;

	return 0;
}


/* ENOENT: no more fields */
static int next(struct reader *r, struct wire_field *f)
{
	if (r->p == r->end)
		return ENOENT;

	if (r->end - r->p < 3)
		return EBADMSG;

	f->tag = r->p[0];
	f->len = (size_t)r->p[1] << 8 | r->p[2];
	f->p   = r->p + 3;

	if ((size_t)(r->end - f->p) < f->len)
		return EBADMSG;

	if (f->tag < r->tag || (f->tag == r->tag && f->tag != WIRE_TAG_JOIN))
		return EBADMSG;

	r->tag = f->tag;
	r->p   = f->p + f->len;

	return 0;
}


static int get_str(char *s, size_t sz, const struct wire_field *f, bool empty)
{
	if (!f->len && empty) {
		s[0] = '\0';
		return 0;
	}

	if (!name_valid((const char *)f->p, f->len, sz))
		return EBADMSG;

	memcpy(s, f->p, f->len);
	s[f->len] = '\0';

	return 0;
}


static int get_num(uint64_t *v, const struct wire_field *f,
		   uint64_t min, uint64_t max)
{
	uint64_t n = 0;
	size_t i;

	if (f->len > 8 || (f->len && !f->p[0]))
		return EBADMSG;

	for (i=0; i<f->len; i++)
		n = n << 8 | f->p[i];

	if (n < min || n > max)
		return EBADMSG;

	*v = n;

	return 0;
}


static int get_member(void *data, const struct wire_member *m,
		      const struct wire_field *f)
{
	char *p = (char *)data + m->off;
	uint64_t v = 0;
	int err;

	if (m->kind == WIRE_STR || m->kind == WIRE_STR_EMPTY)
		return get_str(p, m->sz, f, m->kind == WIRE_STR_EMPTY);

	err = get_num(&v, f, m->min, m->max);
	if (err)
		return err;

	if (m->kind == WIRE_U32)
		*(uint32_t *)(void *)p = (uint32_t)v;
	else if (m->kind == WIRE_U64)
		*(uint64_t *)(void *)p = v;
	else
		*(bool *)(void *)p = v != 0;

	return 0;
}


/**
 * Decode a struct
 *
 * @param lay    Its layout
 * @param data   The struct, all of it set if success
 * @param datasz Its size [bytes]
 * @param buf    Message
 * @param len    Its length [bytes]
 * @param eh     Called for fields that the layout does not have, or NULL
 * @param arg    Handler argument
 *
 * @return 0 if success; EBADMSG; EPROTO; what eh returns
 */
int wire_decode(const struct wire_layout *lay, void *data, size_t datasz,
		const uint8_t *buf, size_t len, wire_extra_h *eh, void *arg)
{
	struct reader r;
	struct wire_field f;
	unsigned seen = 0;
	int err;

	if (!data)
		return EINVAL;

	memset(data, 0, datasz);
	err = open_message(&r, buf, len, lay->type);
	if (err)
		return err;

	while (!(err = next(&r, &f))) {

		if (f.tag >= 1 && f.tag <= lay->memberc) {
			err = get_member(data, &lay->memberv[f.tag - 1], &f);
			seen += f.tag <= lay->memberc - lay->newc;
		}
		else if (eh) {
			err = eh(&f, arg);
		}
		if (err)
			return err;
	}
	if (err != ENOENT)
		return err;

	/* tags ascend, so that many were that many different ones */
	return seen == lay->memberc - lay->newc ? 0 : EBADMSG;
}
