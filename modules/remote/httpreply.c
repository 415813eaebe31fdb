/**
 * @file httpreply.c  Answers: whole ones, and streams without an end
 */
#include <string.h>
#include <re.h>
#include "remote/http.h"
#include "remote/httpd.h"

/**
 * The reason phrase of a status code (RFC 9110)
 *
 * @param scode HTTP status code
 *
 * @return Phrase, never NULL
 */
const char *httpd_reason(uint16_t scode)
{
	switch (scode) {

	case 200: return "OK";
	case 400: return "Bad Request";
	case 401: return "Unauthorized";
	case 403: return "Forbidden";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 408: return "Request Timeout";
	case 409: return "Conflict";
	case 413: return "Content Too Large";
	case 414: return "URI Too Long";
	case 417: return "Expectation Failed";
	case 431: return "Request Header Fields Too Large";
	case 500: return "Internal Server Error";
	case 501: return "Not Implemented";
	case 503: return "Service Unavailable";
	case 504: return "Gateway Timeout";
	case 505: return "HTTP Version Not Supported";
	case 507: return "Insufficient Storage";
	default:  return "Unknown";
	}
}

/**
 * Answer a request
 *
 * @param req   Request; an answer to one whose client is gone is dropped
 * @param scode HTTP status code
 * @param hdrs  More header lines, each with CR LF, or NULL
 * @param ctype Content type
 * @param body  Body from its position on, or NULL for none
 */
void httpd_reply(struct httpd_req *req, uint16_t scode, const char *hdrs,
		 const char *ctype, struct mbuf *body)
{
	const size_t len = body ? mbuf_get_left(body) : 0;
	struct httpd_conn *conn;
	struct mbuf *mb;
	int err;

	if (!req || !req->conn || req->conn->state != CONN_ANSWER)
		return;

	conn = req->conn;
	mb = mbuf_alloc(len + 256);
	if (!mb) {
		httpd_conn_close(conn);
		return;
	}

	err = mbuf_printf(mb, "HTTP/1.1 %u %s\r\n"
			  "Content-Type: %s\r\n"
			  "Content-Length: %zu\r\n"
			  "Cache-Control: no-store\r\n"
			  "%s%s\r\n",
			  scode, httpd_reason(scode), ctype, len,
			  conn->last ? "Connection: close\r\n" : "",
			  hdrs ? hdrs : "");
	if (len && !req->head)
		err |= mbuf_write_mem(mb, mbuf_buf(body), len);
	mb->pos = 0;

	if (err)
		httpd_conn_close(conn);
	else
		httpd_conn_send(conn, mb);

	mem_deref(mb);
}

/**
 * Answer a request with a stream that ends when either side leaves
 *
 * @param req   Request; the caller holds a reference until `goneh` is called
 * @param ctype Content type
 * @param goneh Called once when the client is gone, or cut off
 * @param arg   Handler argument
 *
 * @return 0, ENOTCONN if the client is gone, EAGAIN if there are too many
 *         streams (the request is to be answered otherwise)
 */
int httpd_stream(struct httpd_req *req, const char *ctype,
		 httpd_gone_h *goneh, void *arg)
{
	struct httpd_conn *conn;
	struct mbuf *mb;
	int err;

	if (!req || !ctype)
		return EINVAL;
	if (!req->conn || req->conn->state != CONN_ANSWER)
		return ENOTCONN;

	conn = req->conn;
	if (conn->httpd->streamc >= conn->httpd->lim.streams)
		return EAGAIN;

	mb = mbuf_alloc(256);
	if (!mb)
		return ENOMEM;

	req->chunked = !req->http10;
	err = mbuf_printf(mb, "HTTP/1.1 200 OK\r\n"
			  "Content-Type: %s\r\n"
			  "Cache-Control: no-store\r\n"
			  "Connection: close\r\n"
			  "%s\r\n", ctype,
			  req->chunked ? "Transfer-Encoding: chunked\r\n"
				       : "");
	mb->pos = 0;
	if (!err)
		err = tcp_send(conn->tc, mb);
	mem_deref(mb);
	if (err)
		return err;

	tcp_conn_txqsz_set(conn->tc, conn->httpd->lim.backlog);
	tmr_cancel(&conn->tmr);
	conn->state = CONN_STREAM;
	++conn->httpd->streamc;
	req->goneh = goneh;
	req->arg   = arg;

	return 0;
}

static void cut_handler(void *arg)
{
	httpd_conn_close(arg);
}

/**
 * Send a piece of a stream
 *
 * A client that reads too slowly is cut off: not here, but from the main
 * loop, so that the caller's `goneh` is never called from inside.
 *
 * @param req Request that httpd_stream answered
 * @param buf Piece
 * @param len Its length [bytes], not 0: that would end a chunked body
 *
 * @return 0, ENOTCONN if the client is gone or about to be cut off
 */
int httpd_stream_write(struct httpd_req *req, const char *buf, size_t len)
{
	struct httpd_conn *conn;
	struct mbuf *mb;
	int err;

	if (!req || !buf || !len)
		return EINVAL;

	conn = req->conn;
	if (!conn || conn->state != CONN_STREAM || conn->cut)
		return ENOTCONN;

	mb = mbuf_alloc(len + 32);
	if (!mb)
		return ENOMEM;

	if (req->chunked)
		err = mbuf_printf(mb, "%zx\r\n%b\r\n", len, buf, len);
	else
		err = mbuf_write_mem(mb, (const uint8_t *)buf, len);
	mb->pos = 0;

	if (!err)
		err = tcp_send(conn->tc, mb);
	mem_deref(mb);

	if (err) {
		conn->cut = true;
		tmr_start(&conn->tmr, 0, cut_handler, conn);
	}

	return err ? ENOTCONN : 0;
}

/**
 * End a stream in order, as far as its reader has kept up
 *
 * @param req Request, or NULL; anything but a stream is left alone
 */
void httpd_stream_end(struct httpd_req *req)
{
	struct mbuf *mb;

	if (!req || !req->conn || req->conn->state != CONN_STREAM ||
	    !req->chunked)
		return;

	mb = mbuf_alloc(8);
	if (!mb)
		return;

	if (!mbuf_write_str(mb, "0\r\n\r\n")) {
		mb->pos = 0;
		(void)tcp_send(req->conn->tc, mb);
	}
	mem_deref(mb);
}
