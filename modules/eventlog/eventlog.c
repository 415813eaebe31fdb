/**
 * @file eventlog.c  Every event of the server as one line of the log
 *
 * The line has the event's name and its details as JSON; with the Call-ID in
 * the column where every line has it.
 *
 * Settings:
 *
 *   eventlog.level  level of these lines in the general log
 *   eventlog.omit   events that are not logged: those that tell nothing that
 *                   the next one does not tell again
 */
#include <string.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "server/event.h"
#include "server/log.h"


enum { DETAIL_MAX = 4096 };        /* [bytes]                               */

struct eventlog {
	struct server *srv;
	struct listener *own;
	struct listener *remote;   /* events of other servers               */
	struct mbuf *mb;           /* a line's details                      */
	char *omit;                /* names with blanks between, or NULL    */
	enum log_level level;
	bool paused;
};

static const struct setting settings[] = {
	{"eventlog.level", SETTING_CHOICE, "info", 0, 0,
	 "notice|info|debug", SETTING_RUNTIME,
	 "level at which events are logged"},
	{"eventlog.omit", SETTING_STRING, "client.connect seat.save", 0, 0,
	 NULL, SETTING_RUNTIME,
	 "events that are not logged: names with blanks between"},
	{NULL, SETTING_STRING, NULL, 0, 0, NULL, 0, NULL}
};


static void settings_take(struct eventlog *el)
{
	const struct config *cfg = server_config(el->srv);
	const char *omit = config_str(cfg, "eventlog.omit");

	(void)log_level_decode(&el->level,
			       config_str(cfg, "eventlog.level"));

	el->omit = mem_deref(el->omit);
	if (str_isset(omit))
		(void)str_dup(&el->omit, omit);
}


static bool omitted(const struct eventlog *el, const char *name)
{
	const size_t len = strlen(name);

	for (const char *p = el->omit; p && *p; ) {
		const size_t n = strcspn(p, " ");

		if (n == len && !memcmp(p, name, n))
			return true;

		p += n + strspn(p + n, " ");
	}

	return false;
}


/* A JSON string (RFC 8259 section 7). By far most characters stand for
 * themselves, and calls come by the thousand: so no printing one by one. */
static int string_write(struct mbuf *mb, const char *s)
{
	int err = mbuf_write_u8(mb, '"');

	while (!err && *s) {
		size_t n = 0;

		while ((uint8_t)s[n] >= 0x20 && s[n] != '"' && s[n] != '\\')
			++n;
		err = n ? mbuf_write_mem(mb, (const uint8_t *)s, n) : 0;
		s += n;
		if (!err && *s)
			err = mbuf_printf(mb, "\\u%04x", (uint8_t)*s++);
	}

	return err | mbuf_write_u8(mb, '"');
}


static int member_write(struct mbuf *mb, const char *key, bool first)
{
	int err = first ? mbuf_write_str(mb, " {") : mbuf_write_u8(mb, ',');

	return err | string_write(mb, key) | mbuf_write_u8(mb, ':');
}


static int entry_write(struct mbuf *mb, const struct odict_entry *e)
{
	switch (e->type) {

	case ODICT_STRING:
		return string_write(mb, e->u.str);

	case ODICT_INT:
		return mbuf_printf(mb, "%lld", (long long)e->u.integer);

	case ODICT_DOUBLE:
		return mbuf_printf(mb, "%f", e->u.dbl);

	case ODICT_BOOL:
		return mbuf_write_str(mb, e->u.boolean ? "true" : "false");

	default:
		return mbuf_write_str(mb, "null");
	}
}


static int fields_write(struct mbuf *mb, const struct event_field *fieldv,
			const void *data, size_t start)
{
	char buf[EVENT_TEXT_MAX];
	int err = 0;

	for (const struct event_field *f = fieldv; f->key && !err; f++) {
		const char *text = event_text(f, data, buf, sizeof(buf));

		if (!text)
			continue;

		err = member_write(mb, f->key, mb->pos == start);
		if (f->type == EVENT_U16)
			err |= mbuf_write_str(mb, text);
		else
			err |= string_write(mb, text);
	}

	return err;
}


/* Events of other servers bring these as members */
static bool has_column(const char *key)
{
	return !strcmp(key, "event") || !strcmp(key, "callid") ||
		!strcmp(key, "origin");
}


/* " {members}", or nothing if there are none */
static int details_write(struct mbuf *mb, const struct event *ev,
			 const struct odict *od)
{
	const size_t start = mb->pos;
	const struct le *le;
	int err = 0;

	if (ev->origin)
		err = member_write(mb, "origin", true) |
			string_write(mb, ev->origin);

	if (ev->fieldv && ev->data)
		err |= fields_write(mb, ev->fieldv, ev->data, start);

	for (le = od ? od->lst.head : NULL; le && !err; le = le->next) {
		const struct odict_entry *e = le->data;

		if (ev->remote && has_column(e->key))
			continue;
		err = member_write(mb, e->key, mb->pos == start) |
			entry_write(mb, e);
	}

	if (mb->pos != start)
		err |= mbuf_write_u8(mb, '}');
	if (mb->pos > DETAIL_MAX) {
		mb->pos = mb->end = start;
		err |= mbuf_write_str(mb, " (details too long)");
	}

	return err | mbuf_write_u8(mb, '\0');
}


static bool event_handler(const struct event *ev, void *arg)
{
	struct eventlog *el = arg;
	struct odict *own = NULL;

	if (!strcmp(ev->name, "config.changed"))
		settings_take(el);
	if (el->paused || !log_event_wanted(el->level) ||
	    omitted(el, ev->name))
		return false;

	if (ev->detail && ev->data &&
	    (odict_alloc(&own, 8) || ev->detail(own, ev->data)))
		goto out;

	mbuf_rewind(el->mb);
	if (!details_write(el->mb, ev, own ? own : ev->remote))
		log_event(el->level, "eventlog", ev->callid, "%s%s",
			  ev->name, (const char *)el->mb->buf);

 out:
	mem_deref(own);

	return false;
}


static void eventlog_destructor(void *data)
{
	struct eventlog *el = data;

	mem_deref(el->own);
	mem_deref(el->remote);
	mem_deref(el->mb);
	mem_deref(el->omit);
}


static int eventlog_start(struct service *svc)
{
	struct eventlog *el;
	int err;

	el = mem_zalloc(sizeof(*el), eventlog_destructor);
	if (!el)
		return ENOMEM;

	el->srv = service_server(svc);
	el->level = LOG_INFO;
	settings_take(el);
	el->mb = mbuf_alloc(DETAIL_MAX);

	err  = el->mb ? 0 : ENOMEM;
	err |= event_listen(&el->own, server_events(el->srv), "*",
			    EVENT_PRIO_LOG, event_handler, el);
	err |= event_listen_remote(&el->remote, server_events(el->srv), "*",
				   EVENT_PRIO_LOG, event_handler, el);
	if (err)
		mem_deref(el);
	else
		service_data_set(svc, el);

	return err;
}


static void eventlog_stop(struct service *svc)
{
	mem_deref(service_data(svc));
	service_data_set(svc, NULL);
}


static int eventlog_pause(struct service *svc)
{
	struct eventlog *el = service_data(svc);

	el->paused = true;

	return 0;
}


static int eventlog_resume(struct service *svc)
{
	struct eventlog *el = service_data(svc);

	el->paused = false;

	return 0;
}


extern const struct service_export service_export;

const struct service_export service_export = {
	.api_version = SERVICE_API_VERSION,
	.name        = "eventlog",
	.role        = "log",
	.settings    = settings,
	.start       = eventlog_start,
	.stop        = eventlog_stop,
	.pause       = eventlog_pause,
	.resume      = eventlog_resume,
};
