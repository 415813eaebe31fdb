/**
 * @file remote.h  Inside of the service `remote`
 */
#ifndef JUNCTOR_REMOTE_REMOTE_H
#define JUNCTOR_REMOTE_REMOTE_H

struct forward;
struct httpd;
struct httpd_req;
struct http_msg;
struct odict;
struct offers;
struct pl;
struct server;
struct service;

enum {
	ARGS_MAX       = 32,     /* members of a query                     */
};

struct remote {
	struct service *svc;
	struct server *srv;
	struct httpd *httpd;
	struct token token;
	struct list watchl;          /* struct watch                       */
	char *addr_file;             /* DIR/remote.addr                    */
	struct offers *offers;
	struct forward *forward;     /* to other servers, NULL: no farm    */
	uint64_t requests, denied;   /* of all times                       */
	uint64_t denied_log;         /* when one was last logged [ms]      */
};

int  args_decode(struct odict **argsp, const struct pl *query);

void api_request(struct httpd_req *req, const struct http_msg *msg,
		 void *arg);
void api_fail(struct httpd_req *req, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void api_missing(struct httpd_req *req);
uint16_t api_status(int err);
void api_answer(int err, const char *reason, const struct odict *result,
		void *arg);

bool route_command(struct remote *r, struct httpd_req *req, const char *name,
		   const struct odict *args, bool found, bool read);

void watch_alone(struct remote *r);
void watch_start(struct remote *r, struct httpd_req *req,
		 const struct http_msg *msg);

#endif
