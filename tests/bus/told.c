/**
 * @file told.c  What a bus tells, one line per call of a handler
 *
 * Lines are compared as a whole: what happened, in which order, and nothing
 * more.
 */
#include <string.h>
#include <stdlib.h>
#include <check.h>
#include <re.h>
#include "bus/bus.h"
#include "loop.h"
#include "told.h"


static struct {
	struct mbuf *mb;           /* what was told                         */
	const char *expected;
	const char *const *linev;  /* NULL-terminated                       */
	uint64_t rev;              /* of the last operation on a key        */
} t;


void told_begin(void)
{
	memset(&t, 0, sizeof(t));
	t.mb = mbuf_alloc(1024);
}


void told_end(void)
{
	t.mb = mem_deref(t.mb);
}


void tell(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)mbuf_vprintf(t.mb, fmt, ap);
	va_end(ap);
	(void)mbuf_write_u8(t.mb, '\n');
}


void told(const char *expected)
{
	t.mb->pos = t.mb->end;
	(void)mbuf_write_u8(t.mb, 0);
	ck_assert_str_eq(expected, (char *)t.mb->buf);
	t.mb->pos = t.mb->end = 0;
}


bool told_has(const char *line)
{
	bool has;

	t.mb->pos = t.mb->end;
	(void)mbuf_write_u8(t.mb, 0);
	has = strstr((char *)t.mb->buf, line) != NULL;
	t.mb->pos = --t.mb->end;

	return has;
}


void told_forget(void)
{
	t.mb->pos = t.mb->end = 0;
}


/* Runs the main loop until something is so; time is up after LIMIT_MS */
void until(bool (*done)(void))
{
	ck_assert(loop_until(done, LIMIT_MS));
}


static bool told_length(void)
{
	return t.mb->end >= strlen(t.expected);
}


/* Waits for that much to be told, and a little for what must not come */
void await(const char *expected)
{
	t.expected = expected;
	(void)loop_until(told_length, LIMIT_MS);
	loop_run(50);
	told(expected);
}


static int line_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}


/* The same, whatever the order of the lines: expected is sorted */
void await_sorted(const char *expected)
{
	char *linev[64], *buf, *p;
	size_t n = 0, i;

	t.expected = expected;
	(void)loop_until(told_length, LIMIT_MS);
	loop_run(50);

	buf = mem_zalloc(t.mb->end + 1, NULL);
	memcpy(buf, t.mb->buf, t.mb->end);
	t.mb->pos = t.mb->end = 0;
	for (p = buf; *p && n < ARRAY_SIZE(linev); n++) {
		char *lf = strchr(p, '\n');

		*lf = '\0';
		linev[n] = p;
		p = lf + 1;
	}
	qsort(linev, n, sizeof(*linev), line_cmp);
	for (i=0; i<n; i++)
		tell("%s", linev[i]);
	mem_deref(buf);
	told(expected);
}


static bool told_wanted(void)
{
	size_t i;

	for (i=0; t.linev[i]; i++) {
		if (!told_has(t.linev[i]))
			return false;
	}

	return true;
}


/* Waits for these lines, in any order and among others, and forgets them;
   ends with NULL */
void await_all(const char *const *linev)
{
	t.linev = linev;
	until(told_wanted);
	told_forget();
}


/* A payload to print; "-" is none */
struct pl told_text(const uint8_t *buf, size_t len)
{
	struct pl pl = { buf ? (const char *)buf : "-", buf ? len : 1 };

	return pl;
}


void msg_handler(const char *subject, const uint8_t *buf, size_t len,
		 struct bus_reply *reply, void *arg)
{
	struct pl pl = told_text(buf, len);

	tell("%s %s %r%s", arg, subject, &pl, reply ? " ?" : "");
	mem_deref(reply);
}


static const char *err_name(int err)
{
	switch (err) {

	case 0:          return "0";
	case EEXIST:     return "EEXIST";
	case ESTALE:     return "ESTALE";
	case ENOENT:     return "ENOENT";
	case ETIMEDOUT:  return "ETIMEDOUT";
	case ENOTCONN:   return "ENOTCONN";
	case ECONNRESET: return "ECONNRESET";
	default:         return "?";
	}
}


void resp_handler(int err, const uint8_t *buf, size_t len, void *arg)
{
	struct pl pl = told_text(buf, len);

	tell("%s %s %r", arg, err_name(err), &pl);
}


void kv_handler(int err, uint64_t rev, const uint8_t *buf, size_t len,
		void *arg)
{
	struct pl pl = told_text(buf, len);

	t.rev = rev;
	tell("%s %s %r", arg, err_name(err), &pl);
}


/* The revision that kv_handler was told last */
uint64_t kv_rev(void)
{
	return t.rev;
}


void watch_handler(const char *key, uint64_t rev, const uint8_t *buf,
		   size_t len, void *arg)
{
	struct pl pl = told_text(buf, len);

	ck_assert_int_eq(key != NULL, rev != 0);
	tell("%s %s %r", arg, key ? key : "(all)", &pl);
}


const uint8_t *bytes(const char *s)
{
	return (const uint8_t *)s;
}
