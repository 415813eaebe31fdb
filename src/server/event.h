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

typedef int (event_detail_h)(struct odict *od, const void *data);

struct event {
	const char *name;        /* "service.what", e.g. "siphost.join"      */
	const char *callid;      /* Call-ID or NULL                          */
	void *data;              /* struct named beside the event's name;
				    lives as long as the call of event_fire  */
	event_detail_h *detail;  /* data as flat JSON members, or NULL;
				    called only if somebody wants it         */
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
int  event_odict(struct odict **odp, const struct event *ev);

#endif
