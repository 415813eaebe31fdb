/**
 * @file remote.h  Inside of the service `remote`
 */
#ifndef JUNCTOR_REMOTE_REMOTE_H
#define JUNCTOR_REMOTE_REMOTE_H

struct httpd;
struct httpd_req;
struct http_msg;
struct metric;
struct odict;
struct pl;
struct server;
struct service;

enum {
	ARGS_MAX       = 32,     /* members of a query                     */
	REMOTE_METRICS = 3,
};

struct remote {
	struct service *svc;
	struct server *srv;
	struct httpd *httpd;
	struct token token;
	struct list watchl;          /* struct watch                       */
	char *addr_file;             /* DIR/remote.addr                    */
	struct metric *metricv[REMOTE_METRICS];
	uint64_t requests, denied;   /* of all times                       */
	uint64_t denied_log;         /* when one was last logged [ms]      */
};

int  args_decode(struct odict **argsp, const struct pl *query);

void api_request(struct httpd_req *req, const struct http_msg *msg,
		 void *arg);
void api_fail(struct httpd_req *req, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
uint16_t api_status(int err);

void watch_start(struct remote *r, struct httpd_req *req,
		 const struct http_msg *msg);

#endif
