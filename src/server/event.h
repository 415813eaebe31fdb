/**
 * @file event.h  Events: fired by services, heard by any number of listeners
 */
#ifndef JUNCTOR_SERVER_EVENT_H
#define JUNCTOR_SERVER_EVENT_H

struct events;
struct listener;
struct odict;

/* Lower runs first. A listener that answers a request ends its journey; only
   listeners at EVENT_PRIO_LOG hear every event, and answer none. */
enum event_prio {
	EVENT_PRIO_VALIDATION = 10,
	EVENT_PRIO_DISPATCHEE = 20,
	EVENT_PRIO_DISPATCH   = 30,
	EVENT_PRIO_CONNECT    = 40,
	EVENT_PRIO_NORMAL     = 50,
	EVENT_PRIO_LOG        = 90,
};

enum { EVENT_TEXT_MAX = 64 };      /* of a number or an address [bytes]      */

typedef int (event_detail_h)(struct odict *od, const void *data);

/* A member of an event's data, to be told under its key. What comes by the
   thousand has a list of these instead of a handler: then nobody has to fill
   a dictionary to print it. */
enum event_type {
	EVENT_TEXT,              /* const char *, left out if NULL           */
	EVENT_U16,               /* uint16_t, left out if 0                  */
	EVENT_ADDR,              /* struct sa, as ADDR:PORT                  */
};

struct event_field {
	const char *key;         /* a JSON string as it is; NULL ends a list */
	enum event_type type;
	size_t off;              /* in the data [bytes]                      */
};

struct event {
	const char *name;        /* "service.what", e.g. "siphost.join"      */
	const char *callid;      /* Call-ID or NULL                          */
	void *data;              /* struct named beside the event's name;
				    lives as long as the call of event_fire  */
	event_detail_h *detail;  /* data as flat JSON members, or NULL;
				    called only if somebody wants it         */
	const struct event_field *fieldv; /* the same as a list, or NULL     */
	const char *origin;      /* server name; NULL: this server           */
	const struct odict *remote; /* details of an event of another server,
				    data is NULL then; only listeners of
				    event_listen_remote see one              */
};

/* Returns true to end the event's journey: it has been answered. */
typedef bool (event_h)(const struct event *ev, void *arg);

int  events_alloc(struct events **evp);
int  event_listen(struct listener **lp, struct events *evs,
		  const char *name, enum event_prio prio,
		  event_h *h, void *arg);
int  event_listen_remote(struct listener **lp, struct events *evs,
			 const char *name, enum event_prio prio,
			 event_h *h, void *arg);
bool event_fire(struct events *evs, const struct event *ev);
const char *event_text(const struct event_field *f, const void *data,
		       char *buf, size_t sz);
int  event_odict(struct odict **odp, const struct event *ev);

#endif
