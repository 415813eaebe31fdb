/**
 * @file streamlimit.h  No message of a connection may have more header fields
 *                      than one of a datagram
 */
#ifndef JUNCTOR_SIP_STREAMLIMIT_H
#define JUNCTOR_SIP_STREAMLIMIT_H

enum { STREAMLIMIT_LINE = 32 };

/* Where in its messages a connection is; all zero: at the beginning of one */
struct streamlimit {
	uint32_t body;             /* of it, to come [bytes]                */
	uint32_t length;           /* what this message says of its body    */
	uint16_t lines;            /* of this message                       */
	uint8_t linelen;           /* of this line, not more than the room  */
	bool on;                   /* there is a connection                 */
	char line[STREAMLIMIT_LINE];
};

bool streamlimit_take(struct streamlimit *sl, const char *p, size_t len);

void streamlimit_close(void);
bool streamlimit_open(int fd);
bool streamlimit_read(int fd, const struct iovec *iov, size_t iovc,
		      size_t len);

#endif
