/**
 * @file httpd.h  Inside of the HTTP server
 */
#ifndef JUNCTOR_REMOTE_HTTPD_H
#define JUNCTOR_REMOTE_HTTPD_H

enum conn_state {
	CONN_READ,           /* a request, or waiting for one              */
	CONN_ANSWER,         /* the handler works on the answer            */
	CONN_SEND,           /* the peer takes the answer                  */
	CONN_STREAM,
	CONN_DRAIN,          /* answered; what still comes is thrown away  */
};

enum { HTTPD_MORE = 1 };     /* httpd_read: the request is not complete    */

struct httpd {
	struct list connl;
	struct tcp_sock *ts;
	struct httpd_limits lim;
	uint32_t connc, streamc; /* connections, and those that stream     */
	httpd_req_h *reqh;
	void *arg;
};

struct httpd_conn {
	struct le le;
	struct httpd *httpd;     /* NULL once closed                       */
	struct tcp_conn *tc;
	struct tmr tmr;          /* limit of the state it is in            */
	struct mbuf *mb;         /* received, from pos on                  */
	struct httpd_req *req;   /* being read, answered or streamed       */
	enum conn_state state;
	size_t drained;          /* [bytes]                                */
	bool cut;                /* a stream whose reader is too slow      */
	bool last;               /* close after this answer                */
	bool reading;            /* inside read_done                       */
};

struct httpd_req {
	struct httpd_conn *conn; /* NULL: gone, or answered                */
	struct http_msg *msg;
	struct mbuf *mb;         /* head of the request                    */
	size_t clen;             /* of the body [bytes]                    */
	bool http10, head;
	bool chunked;            /* stream framing                         */
	httpd_gone_h *goneh;
	void *arg;
};

uint16_t httpd_read(struct httpd_conn *conn);
void httpd_conn_send(struct httpd_conn *conn, struct mbuf *mb);
void httpd_conn_refuse(struct httpd_conn *conn, uint16_t scode);
void httpd_conn_close(struct httpd_conn *conn);
void httpd_stream_end(struct httpd_req *req);

#endif
