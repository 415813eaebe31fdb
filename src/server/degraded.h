/**
 * @file degraded.h  What a server has to do without at the moment
 */
#ifndef JUNCTOR_SERVER_DEGRADED_H
#define JUNCTOR_SERVER_DEGRADED_H

struct bus;
struct degraded;
struct odict;
struct server;

/* "noc.degraded": something is missing, or there again */
struct degraded_event {
	const char *what;      /* "bus", "registry", "dispatch"         */
	bool on;               /* true: missing                         */
	const char *text;      /* what that means, for people           */
};

int  degraded_alloc(struct degraded **dp, struct server *srv);
void degraded_set(struct server *srv, const char *what, bool on,
		  const char *text);
int  degraded_bus(struct degraded *d, struct bus *bus);
int  degraded_list(struct odict *array, const struct degraded *d);

#endif
