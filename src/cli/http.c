/**
 * @file cli/http.c  One HTTP request to the server of a NOC, and its answer
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <re.h>
#include "cli/cli.h"

enum {
	ANSWER_S   = 40,             /* longest wait for an answer [s]       */
	ANSWER_MAX = 64 << 20,       /* largest answer [bytes]               */
	PIECE      = 16384,          /* read at once [bytes]                 */
};

struct http_cli_conn {
	int fd;
	char token[320];
	char addr[80];
	struct mbuf *mb;             /* received, from pos on                */
};

static void conn_destructor(void *arg)
{
	struct http_cli_conn *conn = arg;

	if (conn->fd >= 0)
		(void)close(conn->fd);
	mem_deref(conn->mb);
}

/* First line of DIR/name */
static int line_read(char *buf, size_t sz, const char *dir, const char *name)
{
	char path[1024];
	FILE *f;
	int err = 0;

	if (re_snprintf(path, sizeof(path), "%s/%s", dir, name) < 0)
		return ENAMETOOLONG;

	f = fopen(path, "r");
	if (!f)
		return errno;

	if (!fgets(buf, (int)sz, f))
		err = EBADMSG;
	else
		buf[strcspn(buf, "\r\n")] = '\0';

	(void)fclose(f);
	return err;
}

static int conn_connect(struct http_cli_conn *conn)
{
	const struct timeval tv = {.tv_sec = ANSWER_S};
	struct sa sa;

	if (sa_decode(&sa, conn->addr, strlen(conn->addr)))
		return EBADMSG;

	conn->fd = socket(sa_af(&sa), SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (conn->fd < 0)
		return errno;

	(void)setsockopt(conn->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	(void)setsockopt(conn->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));

	return connect(conn->fd, &sa.u.sa, sa.len) ? errno : 0;
}

/**
 * Connect to the server of a NOC; says what is wrong if it cannot
 *
 * @param connp Returned connection, to be dereferenced by the caller
 * @param dir   Directory of the NOC
 *
 * @return 0 or an exit code
 */
int http_open(struct http_cli_conn **connp, const char *dir)
{
	struct http_cli_conn *conn;
	int err;

	conn = mem_zalloc(sizeof(*conn), conn_destructor);
	if (!conn)
		return CLI_FAILED;

	conn->fd = -1;
	conn->mb = mbuf_alloc(PIECE);
	if (!conn->mb) {
		mem_deref(conn);
		return CLI_FAILED;
	}

	err = line_read(conn->addr, sizeof(conn->addr), dir, "remote.addr");
	if (err == EACCES) {
		cli_error("cannot read %s/remote.addr: %s", dir,
			  strerror(err));
		mem_deref(conn);
		return CLI_DENIED;
	}
	if (err) {
		cli_error("no server runs in '%s' (%s/remote.addr: %s); "
			  "say where with --dir", dir, dir, strerror(err));
		mem_deref(conn);
		return CLI_NOSERVER;
	}

	err = line_read(conn->token, sizeof(conn->token), dir, "token");
	if (err) {
		cli_error("cannot read the token %s/token: %s", dir,
			  strerror(err));
		mem_deref(conn);
		return CLI_DENIED;
	}

	err = conn_connect(conn);
	if (err) {
		cli_error("no server answers at %s (%s/remote.addr): %s",
			  conn->addr, dir, strerror(err));
		mem_deref(conn);
		return CLI_NOSERVER;
	}

	*connp = conn;
	return CLI_OK;
}

static int request_send(struct http_cli_conn *conn, const char *method,
			const char *path, const char *body, size_t len)
{
	struct mbuf *mb = mbuf_alloc(512 + len);
	int err;

	if (!mb)
		return ENOMEM;

	err = mbuf_printf(mb, "%s %s HTTP/1.1\r\n"
			  "Host: %s\r\n"
			  "Authorization: Bearer %s\r\n"
			  "Connection: close\r\n",
			  method, path, conn->addr, conn->token);
	if (body)
		err |= mbuf_printf(mb, "Content-Type: application/json\r\n"
				   "Content-Length: %zu\r\n", len);
	err |= mbuf_printf(mb, "\r\n%b", body, body ? len : (size_t)0);
	mb->pos = 0;

	while (!err && mbuf_get_left(mb)) {

		const ssize_t n = send(conn->fd, mbuf_buf(mb),
				       mbuf_get_left(mb), MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			err = errno;
		else if (n > 0)
			mbuf_advance(mb, n);
	}

	mem_deref(mb);
	return err;
}

/* One read; ENODATA at the end of the connection. */
static int piece_read(struct http_cli_conn *conn)
{
	struct mbuf *mb = conn->mb;
	ssize_t n;
	int err;

	if (mbuf_get_left(mb) > ANSWER_MAX)
		return EOVERFLOW;

	if (mb->pos) {
		memmove(mb->buf, mbuf_buf(mb), mbuf_get_left(mb));
		mb->end -= mb->pos;
		mb->pos = 0;
	}

	if (mb->size - mb->end < PIECE) {
		err = mbuf_resize(mb, 2 * mb->size + PIECE);
		if (err)
			return err;
	}

	do
		n = recv(conn->fd, mb->buf + mb->end, mb->size - mb->end, 0);
	while (n < 0 && errno == EINTR);

	if (n < 0)
		return errno == EAGAIN ? ETIMEDOUT : errno;
	if (!n)
		return ENODATA;

	mb->end += (size_t)n;
	return 0;
}

static int head_read(struct http_cli_conn *conn, struct http_msg **msgp)
{
	for (;;) {
		int err;

		if (mbuf_get_left(conn->mb)) {
			err = http_msg_decode(msgp, conn->mb, false);
			if (err != ENODATA)
				return err;
		}

		err = piece_read(conn);
		if (err)
			return err == ENODATA ? ECONNRESET : err;
	}
}

static int body_read(struct http_cli_conn *conn, struct mbuf **bodyp,
		     size_t len)
{
	struct mbuf *body;
	int err = 0;

	while (!err && mbuf_get_left(conn->mb) < len)
		err = piece_read(conn);
	if (err)
		return err == ENODATA ? ECONNRESET : err;

	body = mbuf_alloc(len + 1);
	if (!body)
		return ENOMEM;

	err = mbuf_write_mem(body, mbuf_buf(conn->mb), len);
	body->pos = 0;
	if (err)
		mem_deref(body);
	else
		*bodyp = body;

	return err;
}

static int failed(const struct http_cli_conn *conn, int err)
{
	cli_error("the server at %s gave no answer: %s", conn->addr,
		  err == EBADMSG ? "it does not speak HTTP" : strerror(err));

	return err == ENOMEM || err == EOVERFLOW ? CLI_FAILED : CLI_NOSERVER;
}

/**
 * Send a request and wait for the answer
 *
 * @param conn   Connection, good for this one request
 * @param scode  Returned HTTP status code
 * @param bodyp  Returned body
 * @param method GET or POST
 * @param path   Path and query, encoded
 * @param body   Body, or NULL for none
 * @param len    Its length [bytes]
 *
 * @return 0 or an exit code
 */
int http_exchange(struct http_cli_conn *conn, unsigned *scode,
		  struct mbuf **bodyp, const char *method,
		  const char *path, const char *body, size_t len)
{
	struct http_msg *msg = NULL;
	int err;

	err = request_send(conn, method, path, body, len);
	/* A server that refused may have closed before it had all: what it
	   said is still there to be read. */
	if (!err || err == EPIPE || err == ECONNRESET)
		err = head_read(conn, &msg);
	if (!err) {
		*scode = msg->scode;
		err = msg->clen > ANSWER_MAX ? EOVERFLOW
			: body_read(conn, bodyp, msg->clen);
	}

	mem_deref(msg);
	return err ? failed(conn, err) : CLI_OK;
}

static int lines_emit(struct mbuf *text, http_line_h *h, void *arg)
{
	const uint8_t *lf;
	int err = 0;

	while (!err && mbuf_get_left(text) &&
	       (lf = memchr(mbuf_buf(text), '\n', mbuf_get_left(text)))) {

		const size_t len = (size_t)(lf - mbuf_buf(text));

		err = h((const char *)mbuf_buf(text), len, arg);
		mbuf_advance(text, (ssize_t)len + 1);
	}

	if (text->pos) {
		memmove(text->buf, mbuf_buf(text), mbuf_get_left(text));
		text->end -= text->pos;
		text->pos = 0;
	}

	return err;
}

/* One chunk (RFC 9112 7.1) into text; *last at the final one. */
static int chunk_read(struct http_cli_conn *conn, struct mbuf *text,
		      bool *last)
{
	struct mbuf *mb = conn->mb;
	const uint8_t *lf;
	struct pl hex;
	size_t head, len;
	int err;

	while (!mbuf_get_left(mb) ||
	       !(lf = memchr(mbuf_buf(mb), '\n', mbuf_get_left(mb)))) {
		err = piece_read(conn);
		if (err)
			return err;
	}

	head = (size_t)(lf - mbuf_buf(mb)) + 1;
	if (re_regex((char *)mbuf_buf(mb), head, "[0-9a-f]+[^\n]*\n", &hex,
		     NULL) || hex.l > 7)
		return EBADMSG;
	len = pl_x32(&hex);

	while (mbuf_get_left(mb) < head + len + 2) {
		err = piece_read(conn);
		if (err)
			return err;
	}

	mbuf_advance(mb, (ssize_t)head);
	text->pos = text->end;
	err = len ? mbuf_write_mem(text, mbuf_buf(mb), len) : 0;
	text->pos = 0;
	mbuf_advance(mb, (ssize_t)len + 2);

	*last = !len;
	return err;
}

/**
 * Read an answer that has no end, line by line
 *
 * @param conn  Connection, good for this one request
 * @param scode Returned HTTP status code
 * @param bodyp Returned body if the status code is not 200
 * @param path  Path and query, encoded
 * @param h     Called for every line; what it returns other than 0 ends it
 * @param arg   Handler argument
 *
 * @return 0 or an exit code
 */
int http_stream(struct http_cli_conn *conn, unsigned *scode,
		struct mbuf **bodyp, const char *path,
		http_line_h *h, void *arg)
{
	const struct timeval forever = {0};
	struct http_msg *msg = NULL;
	struct mbuf *text = mbuf_alloc(PIECE);
	bool last = false;
	int err, ret = CLI_OK;

	err = text ? request_send(conn, "GET", path, NULL, 0) : ENOMEM;
	if (!err)
		err = head_read(conn, &msg);
	if (err)
		goto out;

	*scode = msg->scode;
	if (msg->scode != 200) {
		err = body_read(conn, bodyp, msg->clen);
		goto out;
	}

	(void)setsockopt(conn->fd, SOL_SOCKET, SO_RCVTIMEO, &forever,
			 sizeof(forever));

	while (!err && !last) {
		err = chunk_read(conn, text, &last);
		if (!err)
			err = lines_emit(text, h, arg);
	}

	if (err == ENODATA || err == ECONNRESET) {
		cli_error("the stream broke off: the server is gone, or "
			  "this end reads too slowly");
		err = 0;
		ret = CLI_NOSERVER;
	}

 out:
	mem_deref(text);
	mem_deref(msg);
	if (err == ECANCELED)
		return CLI_OK;

	return err ? failed(conn, err) : ret;
}
