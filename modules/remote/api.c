/**
 * @file api.c  From requests to commands and back
 *
 *   GET  /v1/                  commands, with their help
 *   GET  /v1/NAME?arg=value    a command that changes nothing
 *   POST /v1/NAME              any command; arguments: a JSON object
 *   GET  /v1/events?names=a,b  events as they happen, a JSON object a line
 *   GET  /metrics              Prometheus text format 0.0.4
 *
 * Every request needs `Authorization: Bearer TOKEN`. Results are JSON
 * objects; an error is {"error": TEXT, "code": NAME OF THE ERRNO}.
 */
#define _GNU_SOURCE 1
#include <string.h>
#include <stdarg.h>
#include <re.h>
#include "server/command.h"
#include "server/log.h"
#include "server/metrics.h"
#include "server/server.h"
#include "server/settings.h"
#include "noc/json.h"
#include "remote/forward.h"
#include "remote/http.h"
#include "remote/token.h"
#include "remote/remote.h"

enum { NAME_MAX_LEN = 64 };      /* of a command [characters]              */

/**
 * The HTTP status code that an errno becomes
 *
 * @param err Errno
 *
 * @return Status code
 */
uint16_t api_status(int err)
{
	switch (err) {

	case EINVAL:
	case EBADMSG:
	case EPROTO:
	case ERANGE:
	case EDOM:         return 400;
	case EPERM:
	case EACCES:       return 403;
	case ENOENT:
	case ESRCH:
	case ENODEV:       return 404;
	case EEXIST:
	case EBUSY:
	case EALREADY:
	case ESTALE:       return 409;
	case EOVERFLOW:
	case EMSGSIZE:
	case E2BIG:        return 413;
	case ENOSYS:
	case ENOTSUP:      return 501;
	case ENOMEM:
	case EAGAIN:
	case ECANCELED:
	case ESHUTDOWN:
	case EHOSTUNREACH: return 503;
	case ETIMEDOUT:    return 504;
	case ENOSPC:       return 507;
	default:           return 500;
	}
}

static void reply_json(struct httpd_req *req, uint16_t scode,
		       const char *hdrs, const struct odict *od)
{
	struct mbuf *mb = mbuf_alloc(1024);

	if (mb) {
		(void)mbuf_printf(mb, "%H\n", json_print, od);
		mb->pos = 0;
	}

	httpd_reply(req, mb ? scode : 503, hdrs, "application/json", mb);
	mem_deref(mb);
}

static void reply_error(struct httpd_req *req, uint16_t scode,
			const char *hdrs, int err, const char *text)
{
	const char *code = strerrorname_np(err);
	struct odict *od = NULL;

	if (!odict_alloc(&od, 4)) {
		(void)odict_entry_add(od, "error", ODICT_STRING, text);
		(void)odict_entry_add(od, "code", ODICT_STRING,
				      code ? code : "EIO");
	}

	reply_json(req, scode, hdrs, od);
	mem_deref(od);
}

/**
 * Answer a request with an error
 *
 * @param req Request
 * @param err Errno; its name and its status code go into the answer
 * @param fmt What is wrong, for people
 */
void api_fail(struct httpd_req *req, int err, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);

	reply_error(req, api_status(err), NULL, err, text);
}

/**
 * Answer a request as a command was answered, now or later
 *
 * @param err    Errno
 * @param reason For people
 * @param result Result
 * @param arg    Request, one reference of which is given up
 */
void api_answer(int err, const char *reason, const struct odict *result,
		void *arg)
{
	struct httpd_req *req = arg;

	if (err)
		api_fail(req, err, "%s", reason && reason[0]
			 ? reason : strerror(err));
	else
		reply_json(req, 200, NULL, result);

	mem_deref(req);
}

static int args_get(struct odict **argsp, const struct http_msg *msg,
		    bool post)
{
	struct odict *args = NULL;
	int err;

	if (!post)
		return args_decode(argsp, &msg->prm);

	if (msg->prm.l)
		return EPROTO;

	err = json_object_decode(&args, (const char *)mbuf_buf(msg->mb),
				 mbuf_get_left(msg->mb));
	if (!err)
		*argsp = args;

	return err;
}

static const char *args_reason(int err, bool post)
{
	switch (err) {

	case EPROTO:    return "a POST takes its arguments in the body";
	case EBADMSG:   return post ? "the body is not JSON"
				    : "broken percent-encoding";
	case EOVERFLOW: return "too many, too long or too deep arguments";
	case EINVAL:    return post ? "the body is not one JSON object "
				      "with unique names"
				    : "an argument without a name, "
				      "or given twice";
	default:        return strerror(err);
	}
}

/**
 * Answer that this server has no such command: 404 with a code of its own,
 * which says that the command is missing, not what it looks for
 *
 * @param req Request
 */
void api_missing(struct httpd_req *req)
{
	reply_error(req, 404, NULL, ENOSYS, "no such command on this server");
}

/* What is missing here may be there where the conference is. */
static void missing(struct remote *r, struct httpd_req *req,
		    const struct http_msg *msg, const char *name, bool post)
{
	struct odict *args = NULL;

	if (args_get(&args, msg, post) ||
	    !route_command(r, req, name, args, false, !post))
		api_missing(req);

	mem_deref(args);
}

/* Without us nobody could start us again. */
static bool ends_us(const char *name, const struct odict *args)
{
	const char *service = odict_string(args, "service");

	return !strcmp(name, "stop") && service && !strcmp(service, "remote");
}

static void command_request(struct remote *r, struct httpd_req *req,
			    const struct http_msg *msg, const char *name,
			    bool post)
{
	struct odict *args = NULL;
	enum command_kind kind;
	int err;

	if (!command_kind_get(r->srv, name, &kind)) {
		missing(r, req, msg, name, post);
		return;
	}

	if (!post && kind != COMMAND_READ) {
		reply_error(req, 405, "Allow: POST\r\n", EPERM,
			    "this command changes something: use POST");
		return;
	}

	err = args_get(&args, msg, post);
	if (err) {
		api_fail(req, err, "%s", args_reason(err, post));
		return;
	}

	if (ends_us(name, args)) {
		api_fail(req, EBUSY, "remote: nobody could start it again");
		mem_deref(args);
		return;
	}

	/* without its arguments: one may be a secret */
	if (kind == COMMAND_CHANGE)
		log_event(LOG_NOTICE, "remote", NULL, "command %s", name);

	if (!route_command(r, req, name, args, true, !post)) {
		/* api_answer holds this reference */
		err = command_run(server_commands(r->srv), name, args,
				  api_answer, mem_ref(req));
		if (err) {
			api_fail(req, err, "%s: %s", name, strerror(err));
			mem_deref(req);
		}
	}

	mem_deref(args);
}

static void list_handler(const char *name, enum command_kind kind,
			 const char *help, void *arg)
{
	struct odict *array = arg, *od = NULL;
	char key[16];

	if (odict_alloc(&od, 4))
		return;

	(void)re_snprintf(key, sizeof(key), "%zu", odict_count(array, false));
	(void)odict_entry_add(od, "name", ODICT_STRING, name);
	(void)odict_entry_add(od, "kind", ODICT_STRING,
			      kind == COMMAND_READ ? "read" : "change");
	(void)odict_entry_add(od, "help", ODICT_STRING, help ? help : "");
	(void)odict_entry_add(array, key, ODICT_OBJECT, od);
	mem_deref(od);
}

static void list_request(struct remote *r, struct httpd_req *req)
{
	struct odict *od = NULL, *array = NULL;
	int err;

	err  = odict_alloc(&od, 4);
	err |= odict_alloc(&array, 64);
	if (!err) {
		command_apply(server_commands(r->srv), list_handler, array);
		err = odict_entry_add(od, "commands", ODICT_ARRAY, array);
	}

	if (err)
		api_fail(req, ENOMEM, "out of memory");
	else
		reply_json(req, 200, NULL, od);

	mem_deref(array);
	mem_deref(od);
}

static void metrics_request(struct remote *r, struct httpd_req *req)
{
	struct mbuf *mb = mbuf_alloc(8192);
	int err = ENOMEM;

	if (mb) {
		err = mbuf_printf(mb, "%H", metrics_print,
				  server_metrics(r->srv));
		mb->pos = 0;
	}

	if (err)
		api_fail(req, err, "%s", strerror(err));
	else
		httpd_reply(req, 200, NULL,
			    "text/plain; version=0.0.4; charset=utf-8", mb);

	mem_deref(mb);
}

/* Once a second at most: the log is not for strangers to fill. */
static void denied(struct remote *r, struct httpd_req *req)
{
	const uint64_t now = tmr_jiffies();

	++r->denied;
	if (!r->denied_log || now - r->denied_log >= 1000) {
		r->denied_log = now;
		log_event(LOG_WARN, "remote", NULL,
			  "a request without the right token");
	}

	reply_error(req, 401, "WWW-Authenticate: Bearer\r\n", EACCES,
		    "wrong or missing token");
}

static bool allowed(const struct remote *r, const struct http_msg *msg,
		    bool metrics)
{
	const struct http_hdr *hdr;

	if (metrics && config_bool(server_config(r->srv),
				   "remote.metrics_open"))
		return true;

	hdr = http_msg_hdr(msg, HTTP_HDR_AUTHORIZATION);

	return hdr && token_match(&r->token, &hdr->val);
}

static bool name_decode(char *name, size_t sz, const struct pl *path)
{
	struct pl pl = *path;
	size_t i;

	if (pl.l < 4 || memcmp(pl.p, "/v1/", 4))
		return false;

	pl_advance(&pl, 4);
	if (pl.l >= sz)
		return false;

	for (i = 0; i < pl.l; i++) {
		const char ch = pl.p[i];

		if (!(ch >= 'a' && ch <= 'z') && !(ch >= '0' && ch <= '9') &&
		    ch != '.' && ch != '-' && ch != '_')
			return false;
	}

	return !pl_strcpy(&pl, name, sz);
}

/**
 * Handle one request
 *
 * @param req Request
 * @param msg Its head and body
 * @param arg struct remote
 */
void api_request(struct httpd_req *req, const struct http_msg *msg,
		 void *arg)
{
	struct remote *r = arg;
	char name[NAME_MAX_LEN + 1];
	const bool metrics = !pl_strcmp(&msg->path, "/metrics");
	const bool post = !pl_strcmp(&msg->met, "POST");
	const bool get = !pl_strcmp(&msg->met, "GET") ||
		!pl_strcmp(&msg->met, "HEAD");

	++r->requests;
	if (!allowed(r, msg, metrics)) {
		denied(r, req);
		return;
	}

	log_trace("remote", NULL, "%.*s %.*s", (int)msg->met.l, msg->met.p,
		  (int)msg->path.l, msg->path.p);

	if (!get && !post)
		reply_error(req, 405, "Allow: GET, HEAD, POST\r\n", ENOTSUP,
			    "no such method");
	else if (metrics && get)
		metrics_request(r, req);
	else if (!name_decode(name, sizeof(name), &msg->path))
		api_fail(req, ENOENT, "no such path");
	else if (!name[0] && get)
		list_request(r, req);
	else if (!strcmp(name, "events") && get)
		watch_start(r, req, msg);
	else
		command_request(r, req, msg, name, post);
}
