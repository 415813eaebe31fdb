/**
 * @file wire.c  Messages and values on the bus
 *
 * Every message is: version (1), type (1), then fields of tag (1), length (2)
 * and value; numbers are big-endian, as short as they can be. Each field
 * stands at most once, in the order of its tag, except joins, which come last.
 * Tags that are not known are skipped, so that a newer server can say more.
 */
#include <stddef.h>
#include <string.h>
#include <re.h>
#include "noc/client.h"
#include "noc/name.h"
#include "noc/willcall.h"
#include "noc/wire.h"


enum { WIRE_VERSION = 1, TAG_JOIN = 255 };

struct writer {
	uint8_t *buf;
	size_t sz, n;
	bool overflow;
};

struct reader {
	const uint8_t *p, *end;
	unsigned tag;              /* of the field before                   */
};

struct field {
	unsigned tag;
	const uint8_t *p;
	size_t len;
};

enum kind { STR, STR_EMPTY, U32, U64, FLAG };

/* One member of a struct on the wire; its tag is its place in the table,
   counted from 1. */
struct member {
	enum kind kind;
	size_t off;                /* in the struct [bytes]                 */
	size_t sz;                 /* of a string [bytes]                   */
	uint64_t min, max;         /* of a number                           */
};

struct layout {
	enum wire_type type;
	unsigned memberc;          /* at most 31, all of them needed        */
	struct member memberv[9];
};

#define MEMBER_STR(s, m) {STR, offsetof(s, m), sizeof(((s *)0)->m), 0, 0}
#define MEMBER_STR_EMPTY(s, m) \
	{STR_EMPTY, offsetof(s, m), sizeof(((s *)0)->m), 0, 0}
#define MEMBER_U32(s, m, min, max) {U32, offsetof(s, m), 0, min, max}
#define MEMBER_U64(s, m) {U64, offsetof(s, m), 0, 0, UINT64_MAX}
#define MEMBER_FLAG(s, m) {FLAG, offsetof(s, m), 0, 0, 1}

static const struct layout server_layout = {
	WIRE_SERVER, 9, {
		MEMBER_STR(struct wire_server, name),
		MEMBER_STR(struct wire_server, contact),
		MEMBER_U32(struct wire_server, state, 1, CAPACITY_OUT),
		MEMBER_U32(struct wire_server, media, 0, UINT32_MAX),
		MEMBER_U32(struct wire_server, capacity, 0, UINT32_MAX),
		MEMBER_U32(struct wire_server, unused, 0, UINT32_MAX),
		MEMBER_U32(struct wire_server, participants, 0, UINT32_MAX),
		MEMBER_U32(struct wire_server, conferences, 0, UINT32_MAX),
		MEMBER_U64(struct wire_server, seq),
	}
};

static const struct layout claim_layout = {
	WIRE_CLAIM, 3, {
		MEMBER_STR(struct wire_claim, conference),
		MEMBER_STR(struct wire_claim, server),
		MEMBER_FLAG(struct wire_claim, running),
	}
};

static const struct layout reserve_layout = {
	WIRE_RESERVE, 2, {
		MEMBER_FLAG(struct wire_reserve, create),
		MEMBER_U32(struct wire_reserve, media, 0, UINT32_MAX),
	}
};

static const struct layout granted_layout = {
	WIRE_GRANTED, 4, {
		MEMBER_U32(struct wire_granted, verdict, 1, WIRE_REFUSED),
		MEMBER_U32(struct wire_granted, granted, 0, WIRE_JOINS_MAX),
		MEMBER_U32(struct wire_granted, unused, 0, UINT32_MAX),
		MEMBER_U64(struct wire_granted, seq),
	}
};

static const struct layout user_layout = {
	WIRE_USER, 7, {
		MEMBER_U32(struct wire_user, what, 1, WIRE_DELETED),
		MEMBER_STR(struct wire_user, conference),
		MEMBER_STR(struct wire_user, server),
		MEMBER_STR_EMPTY(struct wire_user, account),
		MEMBER_STR_EMPTY(struct wire_user, user),
		MEMBER_U32(struct wire_user, participants, 0, UINT32_MAX),
		MEMBER_U64(struct wire_user, usec),
	}
};

static const struct layout plan_layout = {
	WIRE_PLAN, 3, {
		MEMBER_STR(struct wire_plan, server),
		MEMBER_U64(struct wire_plan, from),
		MEMBER_U64(struct wire_plan, to),
	}
};


static void put(struct writer *w, const void *p, size_t len)
{
	if (w->overflow || w->sz - w->n < len) {
		w->overflow = true;
		return;
	}

	if (len)
		memcpy(w->buf + w->n, p, len);
	w->n += len;
}


static void begin(struct writer *w, uint8_t *buf, size_t sz,
		  enum wire_type type)
{
	const uint8_t head[2] = { WIRE_VERSION, (uint8_t)type };

	w->buf = buf;
	w->sz  = sz;
	w->n   = 0;
	w->overflow = false;
	put(w, head, sizeof(head));
}


static void put_field(struct writer *w, unsigned tag, const void *p,
		      size_t len)
{
	const uint8_t head[3] = {
		(uint8_t)tag, (uint8_t)(len >> 8), (uint8_t)len
	};

	put(w, head, sizeof(head));
	put(w, p, len);
}


static void put_num(struct writer *w, unsigned tag, uint64_t v)
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


static int finish(const struct writer *w, size_t *len)
{
	if (w->overflow)
		return EOVERFLOW;

	*len = w->n;

	return 0;
}


static void put_member(struct writer *w, unsigned tag,
		       const struct member *m, const void *data)
{
	const char *p = (const char *)data + m->off;

	switch (m->kind) {

	case STR:
	case STR_EMPTY:
		put_field(w, tag, p, strnlen(p, m->sz));
		break;
	case U32:
		put_num(w, tag, *(const uint32_t *)(const void *)p);
		break;
	case U64:
		put_num(w, tag, *(const uint64_t *)(const void *)p);
		break;
	case FLAG:
		put_num(w, tag, *(const bool *)(const void *)p);
		break;
	}
}


static int encode(const struct layout *lay, uint8_t *buf, size_t sz,
		  size_t *len, const void *data)
{
	struct writer w;
	unsigned i;

	if (!buf || !len || !data)
		return EINVAL;

	begin(&w, buf, sz, lay->type);
	for (i=0; i<lay->memberc; i++)
		put_member(&w, i + 1, &lay->memberv[i], data);

	return finish(&w, len);
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
static int next(struct reader *r, struct field *f)
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

	if (f->tag <= r->tag && !(f->tag == TAG_JOIN && r->tag == TAG_JOIN))
		return EBADMSG;

	r->tag = f->tag;
	r->p   = f->p + f->len;

	return 0;
}


static int get_str(char *s, size_t sz, const struct field *f, bool empty)
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


static int get_num(uint64_t *v, const struct field *f,
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


static int get_member(void *data, const struct member *m,
		      const struct field *f)
{
	char *p = (char *)data + m->off;
	uint64_t v = 0;
	int err;

	if (m->kind == STR || m->kind == STR_EMPTY)
		return get_str(p, m->sz, f, m->kind == STR_EMPTY);

	err = get_num(&v, f, m->min, m->max);
	if (err)
		return err;

	if (m->kind == U32)
		*(uint32_t *)(void *)p = (uint32_t)v;
	else if (m->kind == U64)
		*(uint64_t *)(void *)p = v;
	else
		*(bool *)(void *)p = v != 0;

	return 0;
}


typedef int (extra_h)(const struct field *f, void *arg);

static int decode(const struct layout *lay, void *data, size_t datasz,
		  const uint8_t *buf, size_t len, extra_h *eh, void *arg)
{
	struct reader r;
	struct field f;
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
			++seen;
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
	return seen == lay->memberc ? 0 : EBADMSG;
}


/**
 * Encode what a server says about itself
 *
 * @param buf Buffer
 * @param sz  Its size, WIRE_SMALL_MAX is enough [bytes]
 * @param len Length of the message [bytes]
 * @param s   Server
 *
 * @return 0 if success; EINVAL; EOVERFLOW
 */
int wire_server_encode(uint8_t *buf, size_t sz, size_t *len,
		       const struct wire_server *s)
{
	return encode(&server_layout, buf, sz, len, s);
}


/**
 * Decode what a server says about itself
 *
 * @param s   Server, all of it set if success
 * @param buf Message
 * @param len Its length [bytes]
 *
 * @return 0 if success; EBADMSG; EPROTO if its version is not known
 */
int wire_server_decode(struct wire_server *s, const uint8_t *buf, size_t len)
{
	const int err = decode(&server_layout, s, sizeof(*s), buf, len,
			       NULL, NULL);

	if (err)
		return err;

	/* it becomes part of URIs */
	return name_contact_valid(s->contact, strlen(s->contact)) ? 0
								   : EBADMSG;
}


/**
 * Encode a claim of a conference
 *
 * @param buf Buffer
 * @param sz  Its size, WIRE_SMALL_MAX is enough [bytes]
 * @param len Length of the message [bytes]
 * @param c   Claim
 *
 * @return 0 if success; EINVAL; EOVERFLOW
 */
int wire_claim_encode(uint8_t *buf, size_t sz, size_t *len,
		      const struct wire_claim *c)
{
	return encode(&claim_layout, buf, sz, len, c);
}


/**
 * Decode a claim of a conference
 *
 * @param c   Claim, all of it set if success
 * @param buf Message
 * @param len Its length [bytes]
 *
 * @return 0 if success; EBADMSG; EPROTO if its version is not known
 */
int wire_claim_decode(struct wire_claim *c, const uint8_t *buf, size_t len)
{
	return decode(&claim_layout, c, sizeof(*c), buf, len, NULL, NULL);
}


/**
 * Encode the answer to a reservation
 *
 * @param buf Buffer
 * @param sz  Its size, WIRE_SMALL_MAX is enough [bytes]
 * @param len Length of the message [bytes]
 * @param g   Answer
 *
 * @return 0 if success; EINVAL; EOVERFLOW
 */
int wire_granted_encode(uint8_t *buf, size_t sz, size_t *len,
		        const struct wire_granted *g)
{
	return encode(&granted_layout, buf, sz, len, g);
}


/**
 * Decode the answer to a reservation
 *
 * @param g   Answer, all of it set if success
 * @param buf Message
 * @param len Its length [bytes]
 *
 * @return 0 if success; EBADMSG; EPROTO if its version is not known
 */
int wire_granted_decode(struct wire_granted *g, const uint8_t *buf, size_t len)
{
	return decode(&granted_layout, g, sizeof(*g), buf, len, NULL, NULL);
}


/**
 * Encode that a user joined or left, or a conference was deleted
 *
 * @param buf Buffer
 * @param sz  Its size, WIRE_SMALL_MAX is enough [bytes]
 * @param len Length of the message [bytes]
 * @param u   What happened
 *
 * @return 0 if success; EINVAL; EOVERFLOW
 */
int wire_user_encode(uint8_t *buf, size_t sz, size_t *len,
		     const struct wire_user *u)
{
	return encode(&user_layout, buf, sz, len, u);
}


/**
 * Decode that a user joined or left, or a conference was deleted
 *
 * @param u   What happened, all of it set if success
 * @param buf Message
 * @param len Its length [bytes]
 *
 * @return 0 if success; EBADMSG; EPROTO if its version is not known
 */
int wire_user_decode(struct wire_user *u, const uint8_t *buf, size_t len)
{
	return decode(&user_layout, u, sizeof(*u), buf, len, NULL, NULL);
}


/**
 * Encode a planned out-of-service period
 *
 * @param buf Buffer
 * @param sz  Its size, WIRE_SMALL_MAX is enough [bytes]
 * @param len Length of the message [bytes]
 * @param p   Plan
 *
 * @return 0 if success; EINVAL; EOVERFLOW
 */
int wire_plan_encode(uint8_t *buf, size_t sz, size_t *len,
		     const struct wire_plan *p)
{
	return encode(&plan_layout, buf, sz, len, p);
}


/**
 * Decode a planned out-of-service period
 *
 * @param p   Plan, all of it set if success
 * @param buf Message
 * @param len Its length [bytes]
 *
 * @return 0 if success; EBADMSG; EPROTO if its version is not known
 */
int wire_plan_decode(struct wire_plan *p, const uint8_t *buf, size_t len)
{
	return decode(&plan_layout, p, sizeof(*p), buf, len, NULL, NULL);
}


/**
 * Encode the head of a reservation; wire_join_encode adds joins
 *
 * @param buf Buffer
 * @param sz  Its size, WIRE_SMALL_MAX is enough [bytes]
 * @param len Length of the message [bytes]
 * @param r   Reservation
 *
 * @return 0 if success; EINVAL; EOVERFLOW
 */
int wire_reserve_encode(uint8_t *buf, size_t sz, size_t *len,
		        const struct wire_reserve *r)
{
	return encode(&reserve_layout, buf, sz, len, r);
}


static void put_short(struct writer *w, const char *s, size_t len)
{
	const uint8_t n = (uint8_t)len;

	put(w, &n, 1);
	put(w, s, len);
}


/**
 * Encode one join of a reservation. Safe in any thread.
 *
 * @param buf Where it goes
 * @param sz  Room there; WIRE_JOIN_MAX is always enough [bytes]
 * @param len Length of the join [bytes]
 * @param j   Join, within the bounds of noc/client.h
 *
 * @return 0 if success; EINVAL; EOVERFLOW
 */
int wire_join_encode(uint8_t *buf, size_t sz, size_t *len,
		     const struct willcall_join *j)
{
	struct writer w = { .buf = buf, .sz = sz };
	uint8_t head[3] = { TAG_JOIN, 0, 0 };
	size_t n;

	if (!buf || !len || !j || !j->conferencelen ||
	    j->conferencelen >= CLIENT_CONFERENCE_MAX ||
	    j->userlen >= CLIENT_USER_MAX ||
	    j->accountlen >= CLIENT_ACCOUNT_MAX)
		return EINVAL;

	n = 3 + j->conferencelen + j->userlen + j->accountlen;
	head[1] = (uint8_t)(n >> 8);
	head[2] = (uint8_t)n;
	put(&w, head, sizeof(head));
	put_short(&w, j->conference, j->conferencelen);
	put_short(&w, j->user, j->userlen);
	put_short(&w, j->account, j->accountlen);

	return finish(&w, len);
}


static int get_short(const char **sp, size_t *lenp, struct field *f,
		     size_t max, bool empty)
{
	size_t n;

	if (!f->len)
		return EBADMSG;

	n = f->p[0];
	if (n > f->len - 1)
		return EBADMSG;

	*sp   = (const char *)f->p + 1;
	*lenp = n;
	f->p   += 1 + n;
	f->len -= 1 + n;

	return (!n && empty) || name_valid(*sp, n, max) ? 0 : EBADMSG;
}


static int get_join(struct willcall_join *j, struct field f)
{
	int err;

	j->media = 0;
	err = get_short(&j->conference, &j->conferencelen, &f,
			CLIENT_CONFERENCE_MAX, false);
	if (!err)
		err = get_short(&j->user, &j->userlen, &f,
				CLIENT_USER_MAX, true);
	if (!err)
		err = get_short(&j->account, &j->accountlen, &f,
				CLIENT_ACCOUNT_MAX, true);

	return err ? err : f.len ? EBADMSG : 0;
}


struct joins {
	unsigned n;
	wire_join_h *h;
	void *arg;
};


static int join_field(const struct field *f, void *arg)
{
	struct joins *js = arg;
	struct willcall_join j;
	int err;

	if (f->tag != TAG_JOIN)
		return 0;

	if (js->n++ >= WIRE_JOINS_MAX)
		return EBADMSG;

	err = get_join(&j, *f);
	if (!err && js->h)
		js->h(&j, js->arg);

	return err;
}


/**
 * Decode a reservation
 *
 * @param r     Head of the reservation, set if success
 * @param joinc Number of its joins
 * @param buf   Message
 * @param len   Its length [bytes]
 * @param jh    Called for each join, whose strings point into the message; may
 *              have been called for the first ones of a message that turns out
 *              to be bad. NULL: only check and count
 * @param arg   Handler argument
 *
 * @return 0 if success; EBADMSG; EPROTO
 */
int wire_reserve_decode(struct wire_reserve *r, unsigned *joinc,
			const uint8_t *buf, size_t len,
			wire_join_h *jh, void *arg)
{
	struct joins js = { .h = jh, .arg = arg };
	int err;

	if (!joinc)
		return EINVAL;

	err = decode(&reserve_layout, r, sizeof(*r), buf, len,
		     join_field, &js);
	*joinc = js.n;

	return err;
}
