/**
 * @file httpread.c  Reading an HTTP/1.1 request (RFC 9112)
 *
 * libre's parser sees a head only once it is complete, within bounds, and
 * its first line has the right shape: it searches a request line anywhere
 * in what it gets, and it changes what it reads (`+` in the query).
 */
#include <string.h>
#include <re.h>
#include "remote/http.h"
#include "remote/httpd.h"

static void req_destructor(void *arg)
{
	struct httpd_req *req = arg;

	mem_deref(req->msg);
	mem_deref(req->mb);
}

/* Length of the head with its empty line, 0 if that has not come yet. */
static size_t head_len(const char *p, size_t len)
{
	const char *lf = p, *end = p + len;

	while ((lf = memchr(lf, '\n', end - lf))) {

		++lf;
		if (lf < end && *lf == '\n')
			return lf + 1 - p;
		if (lf + 1 < end && lf[0] == '\r' && lf[1] == '\n')
			return lf + 2 - p;
	}

	return 0;
}

static bool is_text(const char *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		const uint8_t ch = (uint8_t)p[i];

		if ((ch < 0x20 && ch != '\t' && ch != '\r' && ch != '\n') ||
		    ch == 0x7f)
			return false;
	}

	return true;
}

static bool prefix(struct pl *pl, const char *str)
{
	const size_t len = strlen(str);

	if (pl->l < len || memcmp(pl->p, str, len))
		return false;

	pl_advance(pl, (ssize_t)len);
	return true;
}

/* METHOD /path?query HTTP/1.x, with single spaces */
static uint16_t line_check(struct httpd_req *req, const char *p, size_t len)
{
	struct pl pl = {p, len};
	size_t n;

	if (pl.l && pl.p[pl.l - 1] == '\r')
		--pl.l;

	for (n = 0; n < pl.l && pl.p[n] >= 'A' && pl.p[n] <= 'Z'; n++)
		;
	if (!n || n > 16)
		return 400;

	req->head = n == 4 && !memcmp(pl.p, "HEAD", 4);
	pl_advance(&pl, (ssize_t)n);
	if (!prefix(&pl, " ") || !pl.l || *pl.p != '/')
		return 400;

	while (pl.l && *pl.p > 0x20 && *pl.p < 0x7f)
		pl_advance(&pl, 1);
	if (!prefix(&pl, " HTTP/"))
		return 400;

	if (!pl_strcmp(&pl, "1.0"))
		req->http10 = true;
	else if (pl_strcmp(&pl, "1.1"))
		return 505;

	return 0;
}

static uint16_t length_check(struct httpd_req *req, size_t max)
{
	const struct http_hdr *hdr;
	size_t i, len = 0;

	hdr = http_msg_hdr(req->msg, HTTP_HDR_CONTENT_LENGTH);
	if (!hdr)
		return 0;

	if (http_msg_hdr_count(req->msg, HTTP_HDR_CONTENT_LENGTH) > 1 ||
	    !hdr->val.l)
		return 400;

	for (i = 0; i < hdr->val.l; i++) {

		if (hdr->val.p[i] < '0' || hdr->val.p[i] > '9')
			return 400;
		if (len <= max)
			len = len * 10 + (size_t)(hdr->val.p[i] - '0');
	}

	req->clen = len;
	return len > max ? 413 : 0;
}

static int continue_send(struct httpd_conn *conn)
{
	struct mbuf *mb = mbuf_alloc(32);
	int err;

	if (!mb)
		return ENOMEM;

	err = mbuf_write_str(mb, "HTTP/1.1 100 Continue\r\n\r\n");
	mb->pos = 0;
	if (!err)
		err = tcp_send(conn->tc, mb);

	mem_deref(mb);
	return err;
}

static uint16_t headers_check(struct httpd_conn *conn, struct httpd_req *req)
{
	const struct http_msg *msg = req->msg;
	uint16_t scode;

	if (http_msg_hdr(msg, HTTP_HDR_TRANSFER_ENCODING))
		return 501;

	scode = length_check(req, conn->httpd->lim.body);
	if (scode)
		return scode;

	if (http_msg_hdr(msg, HTTP_HDR_EXPECT)) {

		if (!http_msg_hdr_has_value(msg, HTTP_HDR_EXPECT,
					    "100-continue"))
			return 417;
		if (mbuf_get_left(conn->mb) < req->clen &&
		    continue_send(conn))
			return 500;
	}

	conn->last = req->http10 ||
		http_msg_hdr_has_value(msg, HTTP_HDR_CONNECTION, "close");

	return 0;
}

static uint16_t head_decode(struct httpd_req **reqp, struct httpd_conn *conn,
			    size_t line, size_t len)
{
	const char *p = (const char *)mbuf_buf(conn->mb);
	struct httpd_req *req;
	uint16_t scode;
	int err;

	req = mem_zalloc(sizeof(*req), req_destructor);
	if (!req)
		return 503;

	req->conn = conn;
	scode = is_text(p, len) ? line_check(req, p, line) : 400;
	if (scode)
		goto out;

	req->mb = mbuf_alloc(len);
	if (!req->mb) {
		scode = 503;
		goto out;
	}

	err = mbuf_write_mem(req->mb, (const uint8_t *)p, len);
	req->mb->pos = 0;
	if (!err)
		err = http_msg_decode(&req->msg, req->mb, true);
	if (err) {
		scode = err == ENOMEM ? 503 : 400;
		goto out;
	}

	mbuf_advance(conn->mb, (ssize_t)len);
	scode = headers_check(conn, req);

 out:
	if (scode)
		mem_deref(req);
	else
		*reqp = req;

	return scode;
}

static uint16_t head_read(struct httpd_conn *conn)
{
	const struct httpd_limits *lim = &conn->httpd->lim;
	struct mbuf *mb = conn->mb;
	const char *p, *lf;
	size_t left, line, len;

	while (mbuf_get_left(mb) &&
	       (*mbuf_buf(mb) == '\r' || *mbuf_buf(mb) == '\n'))
		mbuf_advance(mb, 1);

	left = mbuf_get_left(mb);
	if (!left)
		return HTTPD_MORE;

	p    = (const char *)mbuf_buf(mb);
	lf   = memchr(p, '\n', left);
	line = lf ? (size_t)(lf - p) : left;
	if (line > lim->line)
		return 414;
	if (!lf)
		return HTTPD_MORE;

	len = head_len(lf, left - line);
	if (line + (len ? len : left - line) > lim->header)
		return 431;
	if (!len)
		return HTTPD_MORE;

	return head_decode(&conn->req, conn, line, line + len);
}

static uint16_t body_read(struct httpd_conn *conn)
{
	struct httpd_req *req = conn->req;
	struct mbuf *body;

	if (mbuf_get_left(conn->mb) < req->clen)
		return HTTPD_MORE;

	body = mbuf_alloc(req->clen ? req->clen : 1);
	if (!body)
		return 503;

	if (mbuf_write_mem(body, mbuf_buf(conn->mb), req->clen)) {
		mem_deref(body);
		return 503;
	}
	body->pos = 0;
	mbuf_advance(conn->mb, (ssize_t)req->clen);

	mem_deref(req->msg->mb);
	req->msg->mb = body;

	return 0;
}

/**
 * Read a request from what has been received
 *
 * @param conn Connection in state CONN_READ
 *
 * @return 0 if a request is complete (conn->req, its body in msg->mb),
 *         HTTPD_MORE if not yet, or the HTTP status code to refuse it with
 */
uint16_t httpd_read(struct httpd_conn *conn)
{
	if (!conn->req) {

		const uint16_t scode = head_read(conn);

		if (scode)
			return scode;
	}

	return body_read(conn);
}
