/**
 * @file feed.h  Events of other servers of the farm, for those who watch
 */
#ifndef JUNCTOR_REMOTE_FEED_H
#define JUNCTOR_REMOTE_FEED_H

struct event;
struct feed;
struct forward;
struct odict;

enum {
	FILTER_NAMES = 16,       /* events that one watcher names          */
	FILTER_NAME_SIZE = 64,   /* [bytes]                                */
};

/* Names of events, with commas between; one may end in `*`; none: all */
struct event_filter {
	char namev[FILTER_NAMES][FILTER_NAME_SIZE];
	size_t namec;
};

typedef void (feed_h)(const struct odict *od, void *arg);

int  event_filter_decode(struct event_filter *ef, const char *names);
bool event_filter_match(const struct event_filter *ef, const char *name);

int  feed_alloc(struct feed **fp, struct forward *f, const char *names,
		feed_h *h, void *arg);
int  feeds_offer(struct forward *f);
void feeds_stop(struct forward *f);

#endif
