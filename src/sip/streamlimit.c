/**
 * @file streamlimit.c  No message of a connection may have more header fields
 *                      than one of a datagram
 *
 * What headlimit.c tells of sofia is true of connections, too. They are read
 * by sofia itself, so what it reads is looked at on its way (udplibc.c): the
 * lines of each header are counted, the bodies between them passed over. A
 * connection with too many is taken for one that was reset.
 *
 * Each connection has an entry in a table of the signalling thread that
 * accepted or began it, by its descriptor.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/uio.h>
#include "sip/headlimit.h"
#include "sip/streamlimit.h"

enum { BODY_MAX = 1 << 24 };           /* more is no body [bytes]           */

/* libsofia's calls have no argument for us, as in udplibc.c */
static __thread struct streamlimit *tablev;
static __thread size_t tablec;


static bool is_length(const char *line, size_t n)
{
	return (n == 14 && !strncasecmp(line, "Content-Length", n)) ||
		(n == 1 && (*line == 'l' || *line == 'L'));
}


/* "Content-Length: 123", or "l:123" */
static void length_read(struct streamlimit *sl)
{
	const char *end = sl->line + sl->linelen;
	const char *colon = memchr(sl->line, ':', sl->linelen);
	const char *p = colon;
	uint32_t n = 0;

	if (!colon)
		return;

	while (p > sl->line && (p[-1] == ' ' || p[-1] == '\t'))
		--p;

	if (!is_length(sl->line, (size_t)(p - sl->line)))
		return;

	for (p = colon + 1; p < end && (*p == ' ' || *p == '\t'); p++)
		;

	for (; p < end && *p >= '0' && *p <= '9' && n < BODY_MAX; p++)
		n = n * 10 + (uint32_t)(*p - '0');

	sl->length = n < BODY_MAX ? n : 0;
}


/* Returns false if there are too many. */
static bool line_end(struct streamlimit *sl)
{
	if (sl->linelen && sl->linelen < STREAMLIMIT_LINE &&
	    sl->line[sl->linelen - 1] == '\r')
		--sl->linelen;

	if (!sl->linelen) {
		/* an empty line before a message only keeps it alive */
		sl->body   = sl->lines ? sl->length : 0;
		sl->length = 0;
		sl->lines  = 0;
		return true;
	}

	length_read(sl);
	sl->linelen = 0;

	return ++sl->lines <= HEADLIMIT_LINES;
}


/**
 * Look at what came over a connection
 *
 * @param sl  Where the connection is; undefined if false is returned
 * @param p   What came
 * @param len Its length [bytes]
 *
 * @return false if a message has more than HEADLIMIT_LINES lines
 */
bool streamlimit_take(struct streamlimit *sl, const char *p, size_t len)
{
	const char *end = p + len;

	while (p < end) {

		const char *lf;
		size_t n;

		if (sl->body) {
			n = (size_t)(end - p);
			n = n < sl->body ? n : sl->body;
			sl->body -= (uint32_t)n;
			p += n;
			continue;
		}

		lf = memchr(p, '\n', (size_t)(end - p));
		n  = (size_t)((lf ? lf : end) - p);
		if (n > (size_t)(STREAMLIMIT_LINE - sl->linelen))
			n = STREAMLIMIT_LINE - sl->linelen;

		memcpy(sl->line + sl->linelen, p, n);
		sl->linelen = (uint8_t)(sl->linelen + n);

		if (lf && !line_end(sl))
			return false;

		p = lf ? lf + 1 : end;
	}

	return true;
}


/**
 * Forget all connections of this thread
 */
void streamlimit_close(void)
{
	free(tablev);
	tablev = NULL;
	tablec = 0;
}


/**
 * A connection was accepted or begun in this thread
 *
 * @param fd Its descriptor
 *
 * @return false without memory
 */
bool streamlimit_open(int fd)
{
	const size_t ix = (size_t)fd, n = ix + ix / 2 + 16;
	struct streamlimit *v;

	if (ix >= tablec) {
		v = realloc(tablev, n * sizeof(*v));
		if (!v)
			return false;

		memset(v + tablec, 0, (n - tablec) * sizeof(*v));
		tablev = v;
		tablec = n;
	}

	memset(&tablev[ix], 0, sizeof(tablev[ix]));
	tablev[ix].on = true;

	return true;
}


/**
 * Something was read from a descriptor in this thread
 *
 * @param fd   Descriptor, of a connection or something else
 * @param iov  Where it was read to
 * @param iovc Number of those
 * @param len  What was read in all [bytes]
 *
 * @return false if the connection has to go
 */
bool streamlimit_read(int fd, const struct iovec *iov, size_t iovc,
		      size_t len)
{
	if (fd < 0 || (size_t)fd >= tablec || !tablev[fd].on)
		return true;

	for (size_t i = 0; i < iovc && len; i++) {

		const size_t n = len < iov[i].iov_len ? len : iov[i].iov_len;

		if (!streamlimit_take(&tablev[fd], iov[i].iov_base, n))
			return false;

		len -= n;
	}

	return true;
}
