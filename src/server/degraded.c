/**
 * @file degraded.c  What a server has to do without at the moment
 *
 * Any service may say so; operators see it in the log, by the command status
 * and as metric junctor_degraded. That the bus stores nothing is seen here: it
 * is missing then, even if messages go on.
 */
#include <string.h>
#include <re.h>
#include "server/server.h"
#include "server/event.h"
#include "server/log.h"
#include "server/metrics.h"
#include "server/service.h"
#include "server/core.h"
#include "server/degraded.h"
#include "bus/bus.h"


/* Who says that something is missing */
enum cause {
	CAUSE_SERVICE = 1,
	CAUSE_STORE   = 2,         /* of the bus                            */
};

struct degraded {
	struct server *srv;
	struct bus_listener *lis;
	struct list iteml;         /* struct item, as they came             */
};

struct item {
	struct le le;
	struct metric *metric;
	unsigned causes;           /* set of enum cause, 0: there           */
	char what[32];
};


static void item_destructor(void *arg)
{
	struct item *it = arg;

	list_unlink(&it->le);
	mem_deref(it->metric);
}


static void degraded_destructor(void *arg)
{
	struct degraded *d = arg;

	mem_deref(d->lis);
	list_flush(&d->iteml);
}


/**
 * Make the list of a server
 *
 * @param dp  Pointer to the list, owned by the caller
 * @param srv Server, which lives longer
 *
 * @return 0 if success; EINVAL; ENOMEM
 */
int degraded_alloc(struct degraded **dp, struct server *srv)
{
	struct degraded *d;

	if (!dp || !srv)
		return EINVAL;

	d = mem_zalloc(sizeof(*d), degraded_destructor);
	if (!d)
		return ENOMEM;

	d->srv = srv;
	*dp = d;

	return 0;
}


static double item_metric(void *arg)
{
	return ((const struct item *)arg)->causes != 0;
}


static struct item *item_get(struct degraded *d, const char *what)
{
	char labels[64];
	struct item *it;
	struct le *le;

	LIST_FOREACH(&d->iteml, le) {
		it = le->data;
		if (!strcmp(it->what, what))
			return it;
	}

	it = mem_zalloc(sizeof(*it), item_destructor);
	if (!it)
		return NULL;

	str_ncpy(it->what, what, sizeof(it->what));
	list_append(&d->iteml, &it->le, it);
	(void)re_snprintf(labels, sizeof(labels), "what=\"%s\"", it->what);
	(void)metric_add(&it->metric, server_metrics(d->srv), METRIC_GAUGE,
			 "junctor_degraded", labels,
			 "1 while the server has to do without", item_metric,
			 it);

	return it;
}


static int event_detail(struct odict *od, const void *data)
{
	const struct degraded_event *de = data;
	int err;

	err  = odict_entry_add(od, "what", ODICT_STRING, de->what);
	err |= odict_entry_add(od, "on", ODICT_BOOL, (int)de->on);
	err |= odict_entry_add(od, "text", ODICT_STRING, de->text);

	return err;
}


static void cause_set(struct degraded *d, const char *what, enum cause cause,
		      bool on, const char *text)
{
	struct degraded_event de = {.what = what, .on = on, .text = text};
	const struct event ev = {
		.name = "noc.degraded", .data = &de, .detail = event_detail,
	};
	struct item *it = item_get(d, what);
	bool was;

	if (!it)
		return;

	was = it->causes != 0;
	it->causes = on ? it->causes | cause : it->causes & ~cause;
	if (was == (it->causes != 0))
		return;

	log_event(on ? LOG_WARN : LOG_NOTICE, "server", NULL,
		  "%s: %s: %s", on ? "degraded" : "no longer degraded", what,
		  text);
	(void)event_fire(server_events(d->srv), &ev);
}


/**
 * Something is missing, or there again; said once, however often it is set
 *
 * @param srv  Server
 * @param what One word: "bus", "registry", "dispatch"
 * @param on   True if it is missing
 * @param text What that means, for people
 */
void degraded_set(struct server *srv, const char *what, bool on,
		  const char *text)
{
	if (srv && srv->degraded && what && text)
		cause_set(srv->degraded, what, CAUSE_SERVICE, on, text);
}


static void store_handler(bool stores, void *arg)
{
	cause_set(arg, "bus", CAUSE_STORE, !stores, stores ?
		  "it stores again" : "it stores nothing (NATS without a"
		  " quorum?): calls go on, nothing can be claimed or moved");
}


/**
 * The bus is missing while it stores nothing, too
 *
 * @param d   List of a server
 * @param bus Its bus
 *
 * @return 0 if success; EINVAL; ENOMEM
 */
int degraded_bus(struct degraded *d, struct bus *bus)
{
	int err;

	if (!d)
		return EINVAL;

	err = bus_store_listen(&d->lis, bus, store_handler, d);
	if (!err && !bus_stores(bus))
		store_handler(false, d);

	return err;
}


/**
 * List what is missing
 *
 * @param array JSON array
 * @param d     List of a server
 *
 * @return 0 if success, otherwise errorcode
 */
int degraded_list(struct odict *array, const struct degraded *d)
{
	struct le *le;
	int err = 0;

	if (!array || !d)
		return EINVAL;

	for (le = d->iteml.head; le && !err; le = le->next) {
		const struct item *it = le->data;

		if (it->causes)
			err = odict_entry_add(array, it->what, ODICT_STRING,
					      it->what);
	}

	return err;
}
