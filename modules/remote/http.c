/**
 * @file http.c  A bounded HTTP/1.1 server
 *
 * On libre's TCP and HTTP parser, but not on its http_listen: that takes any
 * number of connections, buffers half a megabyte for each, waits ten minutes
 * for the rest of a request, cannot say why it refuses one, and has no way
 * to close a connection once the answer has been taken.
 *
 * Life of a connection:
 *
 *   READ -> ANSWER -> SEND -> READ ...            kept open
 *                  -> SEND -> DRAIN               closed: our end first, so
 *                                                 that a refused sender gets
 *                                                 the answer, not a reset
 *                  -> STREAM                      until either side leaves
 *
 * A request outlives its connection if somebody still works on the answer;
 * the answer is then dropped.
 */
#include <string.h>
#include <sys/socket.h>
#include <re.h>
#include "remote/http.h"
#include "remote/httpd.h"

enum {
	BACKLOG   = 16,            /* connections the kernel holds for us    */
	DRAIN_MS  = 1000,          /* how long a refused sender may go on    */
	DRAIN_MAX = 1 << 20,       /* [bytes]                                */
};

static void read_done(struct httpd_conn *conn);

static void httpd_destructor(void *arg)
{
	struct httpd *h = arg;
	struct le *le;

	while ((le = h->connl.head)) {
		struct httpd_conn *conn = le->data;

		httpd_stream_end(conn->req);
		httpd_conn_close(conn);
	}

	mem_deref(h->ts);
}

static void conn_destructor(void *arg)
{
	struct httpd_conn *conn = arg;

	list_unlink(&conn->le);
	tmr_cancel(&conn->tmr);
	mem_deref(conn->tc);
	mem_deref(conn->mb);
	mem_deref(conn->req);
}

/**
 * Close a connection at once; whoever works on its request is on his own
 *
 * @param conn Connection, not to be used any more
 */
void httpd_conn_close(struct httpd_conn *conn)
{
	struct httpd_req *req;

	if (!conn->httpd)
		return;

	list_unlink(&conn->le);
	--conn->httpd->connc;
	if (conn->state == CONN_STREAM)
		--conn->httpd->streamc;
	conn->httpd = NULL;

	tmr_cancel(&conn->tmr);
	conn->tc = mem_deref(conn->tc);

	req = conn->req;
	conn->req = NULL;
	if (req) {
		req->conn = NULL;
		if (req->goneh)
			req->goneh(req->arg);
		mem_deref(req);
	}

	mem_deref(conn);
}

static void timeout_handler(void *arg)
{
	struct httpd_conn *conn = arg;

	switch (conn->state) {

	case CONN_READ:
		if (mbuf_get_left(conn->mb) || conn->req)
			httpd_conn_refuse(conn, 408);
		else
			httpd_conn_close(conn);
		break;

	case CONN_ANSWER:
		httpd_conn_refuse(conn, 504);
		break;

	default:
		httpd_conn_close(conn);
		break;
	}
}

/* Our side is said; wait a little for the other side to hear it. */
static void conn_drain(struct httpd_conn *conn)
{
	conn->state = CONN_DRAIN;
	conn->drained = 0;
	(void)shutdown(tcp_conn_fd(conn->tc), SHUT_WR);
	tmr_start(&conn->tmr, DRAIN_MS, timeout_handler, conn);
}

static void sent(struct httpd_conn *conn)
{
	if (conn->last) {
		conn_drain(conn);
		return;
	}

	conn->state = CONN_READ;
	tmr_start(&conn->tmr, mbuf_get_left(conn->mb)
		  ? conn->httpd->lim.request_ms : conn->httpd->lim.idle_ms,
		  timeout_handler, conn);
	read_done(conn);
}

static void send_handler(void *arg)
{
	struct httpd_conn *conn = arg;

	(void)tcp_set_send(conn->tc, NULL);
	sent(conn);
}

/**
 * Send the answer that ends a request
 *
 * @param conn Connection
 * @param mb   Whole answer, from its position on
 */
void httpd_conn_send(struct httpd_conn *conn, struct mbuf *mb)
{
	struct httpd_req *req = conn->req;
	int err;

	if (req)
		req->conn = NULL;
	conn->req = mem_deref(req);
	conn->state = CONN_SEND;

	/* The answer is in memory already: libre's bound on what it queues
	   would only cut it in two. */
	tcp_conn_txqsz_set(conn->tc, mbuf_get_left(mb) + 64);

	err = tcp_send(conn->tc, mb);
	if (!err && tcp_conn_txqsz(conn->tc)) {
		tmr_start(&conn->tmr, conn->httpd->lim.send_ms,
			  timeout_handler, conn);
		err = tcp_set_send(conn->tc, send_handler);
		if (!err)
			return;
	}

	if (err)
		httpd_conn_close(conn);
	else
		sent(conn);
}

/**
 * Answer whatever is wrong with a request and close its connection
 *
 * @param conn  Connection
 * @param scode HTTP status code
 */
void httpd_conn_refuse(struct httpd_conn *conn, uint16_t scode)
{
	struct mbuf *mb = mbuf_alloc(256);
	int err;

	conn->last = true;
	if (!mb) {
		httpd_conn_close(conn);
		return;
	}

	err = mbuf_printf(mb, "HTTP/1.1 %u %s\r\n"
			  "Connection: close\r\n"
			  "Content-Type: application/json\r\n"
			  "Content-Length: %zu\r\n\r\n"
			  "{\"error\":\"%s\",\"code\":\"EPROTO\"}\n",
			  scode, httpd_reason(scode),
			  strlen(httpd_reason(scode)) + 30,
			  httpd_reason(scode));
	mb->pos = 0;

	if (err)
		httpd_conn_close(conn);
	else
		httpd_conn_send(conn, mb);

	mem_deref(mb);
}

/* Hand out the requests that are complete, one after the other: the next
   only when the one before has been answered. */
static void read_done(struct httpd_conn *conn)
{
	if (conn->reading)
		return;

	mem_ref(conn);
	conn->reading = true;

	while (conn->httpd && conn->state == CONN_READ) {

		struct httpd *h = conn->httpd;
		struct httpd_req *req;
		uint16_t scode = httpd_read(conn);

		if (scode == HTTPD_MORE)
			break;

		if (scode) {
			httpd_conn_refuse(conn, scode);
			break;
		}

		conn->state = CONN_ANSWER;
		tmr_start(&conn->tmr, h->lim.answer_ms, timeout_handler,
			  conn);
		req = mem_ref(conn->req);
		h->reqh(req, req->msg, h->arg);
		mem_deref(req);
	}

	conn->reading = false;
	mem_deref(conn);
}

/* What has been read already makes room for what comes. */
static int input_append(struct mbuf *in, struct mbuf *mb)
{
	const size_t left = mbuf_get_left(in);
	int err;

	if (in->pos) {
		memmove(in->buf, mbuf_buf(in), left);
		in->pos = 0;
		in->end = left;
	}

	in->pos = in->end;
	err = mbuf_write_mem(in, mbuf_buf(mb), mbuf_get_left(mb));
	in->pos = 0;

	return err;
}

static void recv_handler(struct mbuf *mb, void *arg)
{
	struct httpd_conn *conn = arg;
	const struct httpd_limits *lim = &conn->httpd->lim;
	const size_t len = mbuf_get_left(mb);

	switch (conn->state) {

	case CONN_DRAIN:
		conn->drained += len;
		if (conn->drained > DRAIN_MAX)
			httpd_conn_close(conn);
		return;

	case CONN_STREAM:
		return;            /* there is nothing left to say           */

	case CONN_READ:
		if (!conn->req && !mbuf_get_left(conn->mb))
			tmr_start(&conn->tmr, lim->request_ms,
				  timeout_handler, conn);
		break;

	default:
		break;
	}

	/* More than the largest request and what one read returns on top:
	   somebody sends requests without reading answers. */
	if (mbuf_get_left(conn->mb) + len > lim->header + lim->body + 8192) {
		httpd_conn_close(conn);
		return;
	}

	if (input_append(conn->mb, mb))
		httpd_conn_close(conn);
	else
		read_done(conn);
}

static void close_handler(int err, void *arg)
{
	(void)err;

	httpd_conn_close(arg);
}

static void connect_handler(const struct sa *peer, void *arg)
{
	struct httpd *h = arg;
	struct httpd_conn *conn;
	int err;
	(void)peer;

	if (h->connc >= h->lim.conns) {
		tcp_reject(h->ts);
		return;
	}

	conn = mem_zalloc(sizeof(*conn), conn_destructor);
	if (!conn) {
		tcp_reject(h->ts);
		return;
	}

	err = tcp_accept(&conn->tc, h->ts, NULL, recv_handler, close_handler,
			 conn);
	conn->mb = mbuf_alloc(1024);
	if (err || !conn->mb) {
		tcp_reject(h->ts);
		mem_deref(conn);
		return;
	}

	conn->httpd = h;
	list_append(&h->connl, &conn->le, conn);
	++h->connc;
	tmr_start(&conn->tmr, h->lim.request_ms, timeout_handler, conn);
}

/**
 * Listen for HTTP/1.1 requests
 *
 * @param hp     Returned server; dereferencing it closes every connection
 * @param laddr  TCP address to listen on; port 0: any that is free
 * @param limits Bounds, all of them set
 * @param reqh   Called for every complete request
 * @param arg    Handler argument
 *
 * @return 0, EINVAL, ENOMEM, EADDRINUSE, EADDRNOTAVAIL
 */
int httpd_listen(struct httpd **hp, const struct sa *laddr,
		 const struct httpd_limits *limits,
		 httpd_req_h *reqh, void *arg)
{
	struct tcp_sock *ts = NULL;
	struct httpd *h;
	int err;

	if (!hp || !laddr || !limits || !reqh)
		return EINVAL;

	h = mem_zalloc(sizeof(*h), httpd_destructor);
	if (!h)
		return ENOMEM;

	h->lim  = *limits;
	h->reqh = reqh;
	h->arg  = arg;

	err = tcp_sock_alloc(&ts, laddr, connect_handler, h);
	if (err)
		goto out;
	h->ts = ts;

	err = tcp_sock_bind(ts, laddr);
	if (err)
		goto out;

	err = tcp_sock_listen(ts, BACKLOG);

 out:
	if (err)
		mem_deref(h);
	else
		*hp = h;

	return err;
}

/**
 * The address a server listens on, with its port
 *
 * @param h  Server
 * @param sa Returned address
 *
 * @return 0 or an errno
 */
int httpd_addr(const struct httpd *h, struct sa *sa)
{
	if (!h || !sa)
		return EINVAL;

	return tcp_sock_local_get(h->ts, sa);
}

/**
 * Connections now
 *
 * @param h Server, or NULL
 *
 * @return Number of them
 */
uint32_t httpd_conns(const struct httpd *h)
{
	return h ? h->connc : 0;
}
