/**
 * @file bridge.c  Events from and to other servers, over the bus
 *
 *   event_fire -> listener here -> bus: event.SERVER.NAME, JSON
 *   bus: event.*.NAME -> event_fire with origin and remote set
 *
 * Nobody can tell a bus who listens, so both ends say which events they mean:
 * events.publish and events.subscribe. What came from elsewhere is not sent
 * on, so servers that hear one another do not echo.
 */
#include <string.h>
#include <re.h>
#include "server/event.h"
#include "server/log.h"
#include "server/bridge.h"
#include "bus/bus.h"


enum {
	NAMES_MAX = 64,            /* events in either list                 */
	NAME_LEN = 64,             /* of an event [bytes]                   */
	SERVER_LEN = 64,           /* name of a server [bytes]              */
	JSON_MAX = 64 * 1024,      /* of an event [bytes]                   */
	JSON_DEPTH = 2,
};

struct bridge {
	struct events *evs;
	struct bus *bus;
	char *server;
	struct listener *listenerv[NAMES_MAX];
	size_t listenerc;
	struct bus_sub *subv[NAMES_MAX];
	size_t subc;
};

typedef int (name_h)(struct bridge *b, const char *name);


static void bridge_destructor(void *data)
{
	struct bridge *b = data;

	while (b->listenerc)
		mem_deref(b->listenerv[--b->listenerc]);
	while (b->subc)
		mem_deref(b->subv[--b->subc]);

	mem_deref(b->server);
	mem_deref(b->bus);
	mem_deref(b->evs);
}


static int event_publish(struct bridge *b, const struct event *ev)
{
	char subject[BUS_SUBJECT_MAX + 1];
	struct odict *od = NULL;
	char *json = NULL;
	int err;

	if (re_snprintf(subject, sizeof(subject), "event.%s.%s", b->server,
			ev->name) < 0)
		return EOVERFLOW;

	err = event_odict(&od, ev);
	if (err)
		return err;

	err = re_sdprintf(&json, "%H", json_encode_odict, od);
	if (!err)
		err = str_len(json) > JSON_MAX ? EOVERFLOW
			: bus_publish(b->bus, subject, (uint8_t *)json,
				      str_len(json));

	mem_deref(json);
	mem_deref(od);

	return err;
}


static bool fired(const struct event *ev, void *arg)
{
	struct bridge *b = arg;
	int err;

	err = event_publish(b, ev);
	if (err && err != ENOTCONN)
		log_event(LOG_WARN, "server", ev->callid, "event %s was not"
			  " published: %s", ev->name, strerror(err));

	return false;
}


/* "event.SERVER.NAME", and NAME has dots of its own. */
static int subject_split(char *server, char *name, const char *subject)
{
	struct pl pls, pln;

	if (re_regex(subject, strlen(subject), "event.[^.]+.[^]+", &pls,
		     &pln))
		return EBADMSG;

	if (pl_strcpy(&pls, server, SERVER_LEN)
	    || pl_strcpy(&pln, name, NAME_LEN))
		return EBADMSG;

	return 0;
}


static void heard(const char *subject, const uint8_t *buf, size_t len,
		  struct bus_reply *reply, void *arg)
{
	struct bridge *b = arg;
	char server[SERVER_LEN], name[NAME_LEN];
	struct event ev = {.name = name, .origin = server};
	struct odict *od = NULL;

	/* an event answers nobody */
	mem_deref(reply);

	if (subject_split(server, name, subject)
	    || !strcmp(server, b->server))
		return;

	/* libre decodes what is no JSON at all to an empty object */
	if (len > JSON_MAX || json_decode_odict(&od, 16, (const char *)buf,
						len, JSON_DEPTH)
	    || str_cmp(odict_string(od, "event"), name)) {
		log_event(LOG_WARN, "server", NULL, "what %s published as"
			  " %s is none", server, name);
		goto out;
	}

	ev.callid = odict_string(od, "callid");
	ev.remote = od;
	(void)event_fire(b->evs, &ev);

 out:
	mem_deref(od);
}


static int publish_add(struct bridge *b, const char *name)
{
	int err;

	if (b->listenerc >= NAMES_MAX)
		return EOVERFLOW;

	/* as a log does: hear it even if somebody answered it */
	err = event_listen(&b->listenerv[b->listenerc], b->evs, name,
			   EVENT_PRIO_LOG, fired, b);
	if (!err)
		++b->listenerc;

	return err;
}


static int subscribe_add(struct bridge *b, const char *name)
{
	char pattern[BUS_SUBJECT_MAX + 1];
	int err;

	if (b->subc >= NAMES_MAX)
		return EOVERFLOW;

	if (re_snprintf(pattern, sizeof(pattern), "event.*.%s",
			strcmp(name, "*") ? name : ">") < 0)
		return EOVERFLOW;

	err = bus_subscribe(&b->subv[b->subc], b->bus, pattern, heard, b);
	if (!err)
		++b->subc;

	return err;
}


static int names_apply(struct bridge *b, const char *list, name_h *h)
{
	while (str_isset(list)) {
		char name[NAME_LEN];
		struct pl pl;
		int err;

		list += strspn(list, " \t,");
		pl.p = list;
		pl.l = strcspn(list, " \t,");
		list += pl.l;

		if (!pl.l)
			continue;
		if (pl_strcpy(&pl, name, sizeof(name)))
			return EOVERFLOW;

		err = h(b, name);
		if (err)
			return err;
	}

	return 0;
}


/**
 * Join the events of a server to the bus
 *
 * @param bp        Pointer to the new bridge
 * @param evs       Events of this server
 * @param bus       Bus
 * @param server    Name of this server: one word
 * @param publish   Events that others can hear, names with blanks between,
 *                  `*` for all; or NULL
 * @param subscribe Events of others to fire here, likewise; or NULL
 *
 * @return 0 if success, otherwise errorcode
 */
int bridge_alloc(struct bridge **bp, struct events *evs, struct bus *bus,
		 const char *server, const char *publish,
		 const char *subscribe)
{
	struct bridge *b;
	int err;

	if (!bp || !evs || !bus || !str_isset(server)
	    || strlen(server) >= SERVER_LEN)
		return EINVAL;

	b = mem_zalloc(sizeof(*b), bridge_destructor);
	if (!b)
		return ENOMEM;

	b->evs = mem_ref(evs);
	b->bus = mem_ref(bus);

	err = str_dup(&b->server, server);
	if (!err)
		err = names_apply(b, publish, publish_add);
	if (!err)
		err = names_apply(b, subscribe, subscribe_add);

	if (err)
		mem_deref(b);
	else
		*bp = b;

	return err;
}
