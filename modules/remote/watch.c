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
#include "remote/feed.h"
#include "remote/http.h"
#include "noc/json.h"
#include "remote/token.h"
#include "remote/remote.h"

struct watch {
	struct le le;
	struct httpd_req *req;
	struct listener *listener;
	struct feed *feed;       /* of other servers, or NULL              */
	const char *origin;      /* this server, if there are others       */
	struct event_filter filter;
};

static void watch_destructor(void *arg)
{
	struct watch *w = arg;

	list_unlink(&w->le);
	mem_deref(w->feed);
	mem_deref(w->listener);
	mem_deref(w->req);
}

static void gone_handler(void *arg)
{
	mem_deref(arg);
}

static void line_write(struct watch *w, const struct odict *od)
{
	struct mbuf *mb = mbuf_alloc(512);

	if (mb && !mbuf_printf(mb, "%H\n", json_print, od))
		(void)httpd_stream_write(w->req, (const char *)mb->buf,
					 mb->end);
	mem_deref(mb);
}

static bool event_handler(const struct event *ev, void *arg)
{
	struct watch *w = arg;
	struct odict *od = NULL;

	if (!event_filter_match(&w->filter, ev->name))
		return false;

	if (!event_odict(&od, ev)) {
		if (w->origin)
			(void)odict_entry_add(od, "origin", ODICT_STRING,
					      w->origin);
		line_write(w, od);
	}
	mem_deref(od);

	return false;
}

static void feed_handler(const struct odict *od, void *arg)
{
	line_write(arg, od);
}

/* Also what happens at the other servers of the farm */
static int farm_watch(struct watch *w, struct remote *r, const char *names)
{
	w->origin = server_name(r->srv);

	return r->forward ? feed_alloc(&w->feed, r->forward, names,
				       feed_handler, w) : ENOSYS;
}

/**
 * Hear no other servers any more: the way to them goes
 *
 * @param r Service
 */
void watch_alone(struct remote *r)
{
	struct le *le;

	LIST_FOREACH(&r->watchl, le) {
		struct watch *w = le->data;

		w->feed = mem_deref(w->feed);
	}
}

/**
 * Answer a request with the events that happen from now on
 *
 * @param r   Service
 * @param req Request
 * @param msg Its head: `names`, separated by commas, says which events;
 *            `all`: also those of other servers of the farm
 */
void watch_start(struct remote *r, struct httpd_req *req,
		 const struct http_msg *msg)
{
	struct odict *args = NULL;
	struct watch *w = NULL;
	const char *names;
	int err;

	err = args_decode(&args, &msg->prm);
	if (err)
		goto out;

	w = mem_zalloc(sizeof(*w), watch_destructor);
	if (!w) {
		err = ENOMEM;
		goto out;
	}

	names = odict_string(args, "names");
	err = event_filter_decode(&w->filter, names);
	if (err)
		goto out;

	if (odict_lookup(args, "all")) {
		err = farm_watch(w, r, names);
		if (err)
			goto out;
	}

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
			 ? "too many watchers" : err == ENOSYS
			 ? "this server is in no farm" : strerror(err));
	}
	mem_deref(args);
}
