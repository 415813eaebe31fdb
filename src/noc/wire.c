/**
 * @file wire.c  Messages and values on the bus
 */
#include <stddef.h>
#include <string.h>
#include <re.h>
#include "noc/client.h"
#include "noc/name.h"
#include "noc/willcall.h"
#include "noc/wire.h"
#include "noc/wirecode.h"


#define MEMBER_STR(s, m) {WIRE_STR, offsetof(s, m), sizeof(((s *)0)->m), 0, 0}
#define MEMBER_STR_EMPTY(s, m) \
	{WIRE_STR_EMPTY, offsetof(s, m), sizeof(((s *)0)->m), 0, 0}
#define MEMBER_U32(s, m, min, max) {WIRE_U32, offsetof(s, m), 0, min, max}
#define MEMBER_U64(s, m) {WIRE_U64, offsetof(s, m), 0, 0, UINT64_MAX}
#define MEMBER_FLAG(s, m) {WIRE_FLAG, offsetof(s, m), 0, 0, 1}

static const struct wire_layout server_layout = {
	WIRE_SERVER, 11, 2, {
		MEMBER_STR(struct wire_server, name),
		MEMBER_STR(struct wire_server, contact),
		MEMBER_U32(struct wire_server, state, 1, CAPACITY_OUT),
		MEMBER_U32(struct wire_server, media, 0, UINT32_MAX),
		MEMBER_U32(struct wire_server, capacity, 0, UINT32_MAX),
		MEMBER_U32(struct wire_server, unused, 0, UINT32_MAX),
		MEMBER_U32(struct wire_server, participants, 0, UINT32_MAX),
		MEMBER_U32(struct wire_server, conferences, 0, UINT32_MAX),
		MEMBER_U64(struct wire_server, seq),
		MEMBER_STR_EMPTY(struct wire_server, other),
		MEMBER_U64(struct wire_server, tally),
	}
};

static const struct wire_layout claim_layout = {
	WIRE_CLAIM, 3, 0, {
		MEMBER_STR(struct wire_claim, conference),
		MEMBER_STR(struct wire_claim, server),
		MEMBER_FLAG(struct wire_claim, running),
	}
};

static const struct wire_layout reserve_layout = {
	WIRE_RESERVE, 4, 0, {
		MEMBER_FLAG(struct wire_reserve, create),
		MEMBER_U32(struct wire_reserve, media, 0, UINT32_MAX),
		MEMBER_U32(struct wire_reserve, least, 0, UINT32_MAX),
		MEMBER_FLAG(struct wire_reserve, release),
	}
};

static const struct wire_layout granted_layout = {
	WIRE_GRANTED, 4, 0, {
		MEMBER_U32(struct wire_granted, verdict, 1, WIRE_HERE),
		MEMBER_U32(struct wire_granted, granted, 0, WIRE_JOINS_MAX),
		MEMBER_U32(struct wire_granted, unused, 0, UINT32_MAX),
		MEMBER_U64(struct wire_granted, seq),
	}
};

static const struct wire_layout user_layout = {
	WIRE_USER, 7, 0, {
		MEMBER_U32(struct wire_user, what, 1, WIRE_MOVED),
		MEMBER_STR(struct wire_user, conference),
		MEMBER_STR(struct wire_user, server),
		MEMBER_STR_EMPTY(struct wire_user, account),
		MEMBER_STR_EMPTY(struct wire_user, user),
		MEMBER_U32(struct wire_user, participants, 0, UINT32_MAX),
		MEMBER_U64(struct wire_user, usec),
	}
};

static const struct wire_layout place_layout = {
	WIRE_PLACE, 8, 1, {
		MEMBER_U32(struct wire_place, verdict, 1, WIRE_HERE),
		MEMBER_STR_EMPTY(struct wire_place, server),
		MEMBER_STR_EMPTY(struct wire_place, contact),
		MEMBER_U32(struct wire_place, room, 0, UINT32_MAX),
		MEMBER_U64(struct wire_place, roomseq),
		MEMBER_U32(struct wire_place, unused, 0, UINT32_MAX),
		MEMBER_U64(struct wire_place, seq),
		MEMBER_STR_EMPTY(struct wire_place, other),
	}
};

static const struct wire_layout plan_layout = {
	WIRE_PLAN, 3, 0, {
		MEMBER_STR(struct wire_plan, server),
		MEMBER_U64(struct wire_plan, from),
		MEMBER_U64(struct wire_plan, to),
	}
};


/* They become part of URIs */
static bool contacts_valid(const char *contact, const char *other)
{
	return name_contact_valid(contact, strlen(contact)) &&
		(!*other || name_contact_valid(other, strlen(other)));
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
	return wire_encode(&server_layout, buf, sz, len, s);
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
	const int err = wire_decode(&server_layout, s, sizeof(*s), buf, len,
				    NULL, NULL);

	if (err)
		return err;

	return contacts_valid(s->contact, s->other) ? 0 : EBADMSG;
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
	return wire_encode(&claim_layout, buf, sz, len, c);
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
	return wire_decode(&claim_layout, c, sizeof(*c), buf, len, NULL, NULL);
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
	return wire_encode(&granted_layout, buf, sz, len, g);
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
	return wire_decode(&granted_layout, g, sizeof(*g), buf, len, NULL,
			   NULL);
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
	return wire_encode(&user_layout, buf, sz, len, u);
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
	return wire_decode(&user_layout, u, sizeof(*u), buf, len, NULL, NULL);
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
	return wire_encode(&plan_layout, buf, sz, len, p);
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
	return wire_decode(&plan_layout, p, sizeof(*p), buf, len, NULL, NULL);
}


/**
 * Encode what the dispatch server of a bank answers
 *
 * @param buf Buffer
 * @param sz  Its size, WIRE_SMALL_MAX is enough [bytes]
 * @param len Length of the message [bytes]
 * @param p   Answer
 *
 * @return 0 if success; EINVAL; EOVERFLOW
 */
int wire_place_encode(uint8_t *buf, size_t sz, size_t *len,
		      const struct wire_place *p)
{
	return wire_encode(&place_layout, buf, sz, len, p);
}


/**
 * Decode what the dispatch server of a bank answers
 *
 * @param p   Answer, all of it set if success
 * @param buf Message
 * @param len Its length [bytes]
 *
 * @return 0 if success; EBADMSG, also if it was granted and says not where;
 *         EPROTO if its version is not known
 */
int wire_place_decode(struct wire_place *p, const uint8_t *buf, size_t len)
{
	const int err = wire_decode(&place_layout, p, sizeof(*p), buf, len,
				    NULL, NULL);

	if (err || p->verdict != WIRE_GRANT)
		return err;

	return p->server[0] && contacts_valid(p->contact, p->other) ? 0
								     : EBADMSG;
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
	return wire_encode(&reserve_layout, buf, sz, len, r);
}


static void put_short(struct wire_writer *w, const char *s, size_t len)
{
	const uint8_t n = (uint8_t)len;

	wire_put(w, &n, 1);
	wire_put(w, s, len);
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
	struct wire_writer w = { .buf = buf, .sz = sz };
	uint8_t head[3] = { WIRE_TAG_JOIN, 0, 0 };
	size_t n;

	if (!buf || !len || !j || !j->conferencelen ||
	    j->conferencelen >= CLIENT_CONFERENCE_MAX ||
	    j->userlen >= CLIENT_USER_MAX ||
	    j->accountlen >= CLIENT_ACCOUNT_MAX)
		return EINVAL;

	n = 3 + j->conferencelen + j->userlen + j->accountlen;
	head[1] = (uint8_t)(n >> 8);
	head[2] = (uint8_t)n;
	wire_put(&w, head, sizeof(head));
	put_short(&w, j->conference, j->conferencelen);
	put_short(&w, j->user, j->userlen);
	put_short(&w, j->account, j->accountlen);

	return wire_finish(&w, len);
}


static int get_short(const char **sp, size_t *lenp, struct wire_field *f,
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


static int get_join(struct willcall_join *j, struct wire_field f)
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


static int join_field(const struct wire_field *f, void *arg)
{
	struct joins *js = arg;
	struct willcall_join j;
	int err;

	if (f->tag != WIRE_TAG_JOIN)
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

	err = wire_decode(&reserve_layout, r, sizeof(*r), buf, len,
		     join_field, &js);
	*joinc = js.n;

	return err;
}
