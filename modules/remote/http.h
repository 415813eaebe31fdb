/**
 * @file http.h  A bounded HTTP/1.1 server
 */
#ifndef JUNCTOR_REMOTE_HTTP_H
#define JUNCTOR_REMOTE_HTTP_H

struct httpd;
struct httpd_req;
struct http_msg;
struct mbuf;
struct sa;

struct httpd_limits {
	uint32_t conns;          /* connections at a time                  */
	uint32_t streams;        /* of them: answers without an end        */
	size_t line;             /* request line [bytes]                   */
	size_t header;           /* request line and header [bytes]        */
	size_t body;             /* [bytes]                                */
	size_t backlog;          /* what a stream's reader may be behind
				    [bytes]                                */
	uint32_t request_ms;     /* first to last byte of a request [ms]   */
	uint32_t idle_ms;        /* between requests [ms]                  */
	uint32_t answer_ms;      /* until the handler has answered [ms]    */
	uint32_t send_ms;        /* until the answer has been taken [ms]   */
};

/* Answers now or, having taken a reference, later: with exactly one of
 * httpd_reply and httpd_stream. */
typedef void (httpd_req_h)(struct httpd_req *req, const struct http_msg *msg,
			   void *arg);
typedef void (httpd_gone_h)(void *arg);

int  httpd_listen(struct httpd **hp, const struct sa *laddr,
		  const struct httpd_limits *limits,
		  httpd_req_h *reqh, void *arg);
uint32_t httpd_conns(const struct httpd *h);
int  httpd_addr(const struct httpd *h, struct sa *sa);
void httpd_reply(struct httpd_req *req, uint16_t scode, const char *hdrs,
		 const char *ctype, struct mbuf *body);
int  httpd_stream(struct httpd_req *req, const char *ctype,
		  httpd_gone_h *goneh, void *arg);
int  httpd_stream_write(struct httpd_req *req, const char *buf, size_t len);
const char *httpd_reason(uint16_t scode);

#endif
