/**
 * @file watch.c  Events as they happen, one JSON object a line
 *
 * What a watcher has not read waits in its connection, up to the backlog of
 * the HTTP server; a watcher that falls further behind is cut off, so that a
 * sleeping one costs the server a bounded amount of memory and no time.
 */
#include <string.h>
#include <re.h>
#include "server/event.h"
#include "server/server.h"
#include "remote/http.h"
#include "noc/json.h"
#include "remote/token.h"
#include "remote/remote.h"

enum {
	NAMES_MAX = 16,          /* events that one watcher names          */
	NAME_SIZE = 64,          /* [bytes]                                */
};

struct watch {
	struct le le;
	struct httpd_req *req;
	struct listener *listener;
	char namev[NAMES_MAX][NAME_SIZE];
	size_t namec;            /* 0: all events                          */
};

static void watch_destructor(void *arg)
{
	struct watch *w = arg;

	list_unlink(&w->le);
	mem_deref(w->listener);
	mem_deref(w->req);
}

static void gone_handler(void *arg)
{
	mem_deref(arg);
}

static bool wanted(const struct watch *w, const char *name)
{
	size_t i;

	for (i = 0; i < w->namec; i++) {
		const size_t len = strlen(w->namev[i]);

		if (len && w->namev[i][len - 1] == '*'
		    ? !strncmp(w->namev[i], name, len - 1)
		    : !strcmp(w->namev[i], name))
			return true;
	}

	return !w->namec;
}

static bool event_handler(const struct event *ev, void *arg)
{
	struct watch *w = arg;
	struct odict *od = NULL;
	struct mbuf *mb;

	if (!wanted(w, ev->name))
		return false;

	mb = mbuf_alloc(512);
	if (!mb)
		return false;

	if (!event_odict(&od, ev) &&
	    !mbuf_printf(mb, "%H\n", json_print, od))
		(void)httpd_stream_write(w->req, (const char *)mb->buf,
					 mb->end);

	mem_deref(od);
	mem_deref(mb);
	return false;
}

/* names=a,b; a name may end in `*`; none: all events */
static int names_decode(struct watch *w, const char *names)
{
	struct pl rest;
	int err = 0;

	pl_set_str(&rest, names ? names : "");

	while (!err && rest.l) {

		const char *comma = memchr(rest.p, ',', rest.l);
		struct pl pl = rest;

		if (comma)
			pl.l = (size_t)(comma - rest.p);
		pl_advance(&rest, (ssize_t)pl.l + (comma ? 1 : 0));
		if (!pl.l)
			continue;

		if (w->namec >= NAMES_MAX || pl.l >= NAME_SIZE)
			return EOVERFLOW;

		err = pl_strcpy(&pl, w->namev[w->namec++], NAME_SIZE);
	}

	return err;
}

/**
 * Answer a request with the events that happen from now on
 *
 * @param r   Service
 * @param req Request
 * @param msg Its head: `names`, separated by commas, says which events
 */
void watch_start(struct remote *r, struct httpd_req *req,
		 const struct http_msg *msg)
{
	struct odict *args = NULL;
	struct watch *w = NULL;
	int err;

	err = args_decode(&args, &msg->prm);
	if (err)
		goto out;

	w = mem_zalloc(sizeof(*w), watch_destructor);
	if (!w) {
		err = ENOMEM;
		goto out;
	}

	err = names_decode(w, odict_string(args, "names"));
	if (err)
		goto out;

	/* One listener and our own look at the names: the server keeps what
	   it is asked to listen to, and these are a stranger's words. */
	err = event_listen(&w->listener, server_events(r->srv), "*",
			   EVENT_PRIO_LOG, event_handler, w);
	if (err)
		goto out;

	err = httpd_stream(req, "application/x-ndjson", gone_handler, w);
	if (err)
		goto out;

	w->req = mem_ref(req);
	list_append(&r->watchl, &w->le, w);

 out:
	if (err) {
		mem_deref(w);
		api_fail(req, err, "events: %s", err == EAGAIN
			 ? "too many watchers" : strerror(err));
	}
	mem_deref(args);
}
