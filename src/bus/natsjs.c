/**
 * @file natsjs.c  What JetStream says
 *
 * The formats are those of nats-server: the reply subject of a message that a
 * consumer is sent, JSON replies, and headers as on the wire.
 */
#define _GNU_SOURCE 1
#include <string.h>
#include <stdlib.h>
#include <time.h>
#include <re.h>
#include "bus/natsjs.h"


enum {
	JSON_DEPTH = 8,
	REPLY_MAX  = 1 << 20,      /* a value of 512 kB in base64 [bytes]   */
	DIGITS_MAX = 20,
};


static int number_decode(uint64_t *n, const char *p, size_t len)
{
	uint64_t v = 0;

	if (!len || len > DIGITS_MAX)
		return EBADMSG;

	while (len--) {
		const unsigned digit = (unsigned char)*p++ - '0';

		if (digit > 9 || v > (UINT64_MAX - digit) / 10)
			return EBADMSG;
		v = v * 10 + digit;
	}

	*n = v;

	return 0;
}


/**
 * Decode where a message stands:
 * $JS.ACK.STREAM.CONSUMER.DELIVERED.SEQ.NTH.STAMP.PENDING, in servers to come
 * with DOMAIN.ACCOUNT before STREAM and something random at the end
 *
 * @param p     Filled in
 * @param reply Reply subject, or NULL
 *
 * @return 0 if success; EBADMSG
 */
int natsjs_push_decode(struct natspush *p, const char *reply)
{
	const char *tokv[16];
	size_t lenv[16], n = 0, first;
	int err;

	if (!p || !reply || strncmp(reply, "$JS.ACK.", 8))
		return EBADMSG;

	for (;;) {
		if (n == ARRAY_SIZE(tokv))
			return EBADMSG;

		tokv[n] = reply;
		lenv[n] = strcspn(reply, ".");
		reply += lenv[n++];
		if (!*reply++)
			break;
	}

	if (n != 9 && n < 11)
		return EBADMSG;

	first = n == 9 ? 5 : 7;
	err  = number_decode(&p->seq, tokv[first], lenv[first]);
	err |= number_decode(&p->nth, tokv[first + 1], lenv[first + 1]);
	err |= number_decode(&p->stamp, tokv[first + 2], lenv[first + 2]);
	err |= number_decode(&p->pending, tokv[first + 3], lenv[first + 3]);

	return err ? EBADMSG : 0;
}


/**
 * Decode a time of RFC 3339 in UTC, as Go prints it
 *
 * @param ns Set to the time since the epoch [ns]
 * @param s  "2006-01-02T15:04:05.999999999Z", the fraction may be shorter
 *
 * @return 0 if success; EBADMSG
 */
int natsjs_time_decode(uint64_t *ns, const char *s)
{
	struct tm tm;
	const char *p;
	uint64_t frac = 0;
	unsigned digits = 0;
	time_t t;

	if (!ns || !s)
		return EBADMSG;

	memset(&tm, 0, sizeof(tm));
	p = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!p)
		return EBADMSG;

	if (*p == '.') {
		for (++p; *p >= '0' && *p <= '9' && digits < 9; p++) {
			frac = frac * 10 + (uint64_t)(*p - '0');
			++digits;
		}
		if (!digits)
			return EBADMSG;
		while (digits++ < 9)
			frac *= 10;
	}

	if (strcmp(p, "Z"))
		return EBADMSG;

	t = timegm(&tm);
	if (t < 0)
		return EBADMSG;

	*ns = (uint64_t)t * 1000000000 + frac;

	return 0;
}


static void header_set(struct natsval *val, const struct pl *name,
		       const struct pl *v)
{
	uint64_t n;

	if (!pl_strcasecmp(name, NATSJS_HDR_KVOP))
		val->deleted = !pl_strcasecmp(v, "DEL") ||
			!pl_strcasecmp(v, "PURGE");
	else if (!pl_strcasecmp(name, NATSJS_HDR_TTL) &&
		 !number_decode(&n, v->p, v->l) && n <= UINT32_MAX)
		val->ttl = (uint32_t)n;
	else if (!pl_strcasecmp(name, NATSJS_HDR_WRITE) &&
		 v->l && v->l <= 16)
		val->write = pl_x64(v);
}


/**
 * Decode a block of headers: what we know of is set, the rest is passed over
 *
 * @param val Value
 * @param buf "NATS/1.0", lines, an empty one
 * @param len [bytes]
 *
 * @return 0 if success; EBADMSG
 */
int natsjs_headers_decode(struct natsval *val, const char *buf, size_t len)
{
	const char *end = buf + len;
	bool first = true;

	if (!val || !buf || len < 8 || memcmp(buf, "NATS/1.0", 8))
		return EBADMSG;

	while (buf < end) {
		const char *eol = memchr(buf, '\n', (size_t)(end - buf));
		const char *colon;
		struct pl name, v;
		size_t n;

		if (!eol)
			return EBADMSG;

		n = (size_t)(eol - buf);
		if (n && buf[n - 1] == '\r')
			--n;

		colon = memchr(buf, ':', n);
		if (!first && !n)
			return 0;
		if (!first && !colon)
			return EBADMSG;

		if (!first) {
			name.p = buf;
			name.l = (size_t)(colon - buf);
			v.p = colon + 1;
			v.l = n - name.l - 1;
			while (v.l && *v.p == ' ') {
				++v.p;
				--v.l;
			}
			header_set(val, &name, &v);
		}

		first = false;
		buf = eol + 1;
	}

	return 0;
}


/**
 * Decode a reply of JetStream
 *
 * @param odp   Set to the reply, owned by the caller
 * @param codep Set to the code of the error that it tells, 0: none
 * @param buf   JSON
 * @param len   [bytes]
 *
 * @return 0 if success; EBADMSG; ENOMEM
 */
int natsjs_reply_decode(struct odict **odp, unsigned *codep,
			const char *buf, size_t len)
{
	const struct odict_entry *e;
	struct odict *od = NULL;
	uint64_t code = 0;
	int err;

	if (!odp || !codep || !buf || !len || len > REPLY_MAX ||
	    buf[0] != '{')
		return EBADMSG;

	err = json_decode_odict(&od, 16, buf, len, JSON_DEPTH);
	if (err)
		return err == ENOMEM ? ENOMEM : EBADMSG;

	e = odict_lookup(od, "error");
	if (e && e->type == ODICT_OBJECT) {
		if (!odict_get_number(e->u.odict, &code, "err_code") || !code)
			(void)odict_get_number(e->u.odict, &code, "code");
		*codep = code && code < UINT32_MAX ? (unsigned)code : 1;
	}
	else {
		*codep = 0;
	}

	*odp = od;

	return 0;
}


static int base64_alloc(uint8_t **bufp, size_t *lenp, const char *s)
{
	const size_t n = strlen(s);
	size_t len = n / 4 * 3 + 3;
	uint8_t *buf = mem_alloc(len, NULL);
	int err = 0;

	if (!buf)
		return ENOMEM;

	if (n)
		err = base64_decode(s, n, buf, &len);
	else
		len = 0;

	if (err) {
		mem_deref(buf);
		return EBADMSG;
	}

	*bufp = buf;
	*lenp = len;

	return 0;
}


/**
 * Decode what stands under a key, from the reply to STREAM.MSG.GET
 *
 * @param val Value, to be reset by the caller
 * @param od  Reply
 *
 * @return 0 if success; EBADMSG; ENOMEM
 */
int natsjs_value_decode(struct natsval *val, const struct odict *od)
{
	const struct odict_entry *e = odict_lookup(od, "message");
	const char *hdrs, *data;
	uint8_t *buf = NULL;
	size_t len;
	int err;

	memset(val, 0, sizeof(*val));
	if (!e || e->type != ODICT_OBJECT)
		return EBADMSG;

	od = e->u.odict;
	if (!odict_get_number(od, &val->seq, "seq") || !val->seq ||
	    natsjs_time_decode(&val->stamp, odict_string(od, "time")))
		return EBADMSG;

	hdrs = odict_string(od, "hdrs");
	if (hdrs) {
		err = base64_alloc(&buf, &len, hdrs);
		if (!err)
			err = natsjs_headers_decode(val, (char *)buf, len);
		mem_deref(buf);
		if (err)
			return err;
	}

	/* what is empty is left out */
	data = odict_string(od, "data");

	return base64_alloc(&val->buf, &val->len, data ? data : "");
}


/**
 * Release what a value carries
 *
 * @param val Value, empty afterwards
 */
void natsjs_value_reset(struct natsval *val)
{
	mem_deref(val->buf);
	memset(val, 0, sizeof(*val));
}
