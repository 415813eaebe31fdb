/**
 * @file held.c  Joins that are kept for a moment
 *
 *  the tables are being loaded    until they are, at most load_ms
 *  the conference is orphaned     until another server has claimed it, at most
 *                                 orphan_ms; then it is created anew
 *
 * An orphan is a conference of the table whose server was not heard of lately
 * while others were: one of those is taking it over right now.
 */
#include <string.h>
#include <re.h>
#include "server/log.h"
#include "noc/client.h"
#include "noc/wire.h"
#include "noc/tables.h"
#include "dispatch/dispatch.h"


struct held {
	struct le le;
	struct dispatch *d;
	struct client *client;     /* referenced                            */
	uint64_t until;            /* [ms]                                  */
	bool loading;              /* waits for the tables                  */
};

static void timer_handler(void *arg);


static void held_destructor(void *arg)
{
	struct held *h = arg;

	if (h->le.list)
		--h->d->waiting;
	list_unlink(&h->le);
	mem_deref(h->client);
}


/**
 * Is the server of a conference gone, and may another one take it over?
 *
 * @param d          Dispatcher
 * @param conference Its name
 *
 * @return True if so
 */
bool held_orphan(const struct dispatch *d, const char *conference)
{
	return d->conf.orphan_ms &&
		tables_conf_orphan(d->tables, conference, strlen(conference),
				   tmr_jiffies());
}


static void timer_start(struct dispatch *d)
{
	const uint64_t now = tmr_jiffies();
	uint64_t first = UINT64_MAX;
	struct le *le;

	LIST_FOREACH(&d->heldl, le) {
		const struct held *h = le->data;

		first = min(first, h->until);
	}

	if (first == UINT64_MAX)
		tmr_cancel(&d->held);
	else
		tmr_start(&d->held, first > now ? first - now : 0,
			  timer_handler, d);
}


/**
 * Keep a join until held_wake, or until its time is over
 *
 * @param d    Dispatcher
 * @param join Join, whose client is referenced
 *
 * @return 0 if success; ENOMEM; EOVERFLOW if too many wait
 */
int held_add(struct dispatch *d, const struct join *join)
{
	const bool loading = d->loading != 0;
	struct held *h;

	if (d->waiting >= d->conf.waiting_max)
		return EOVERFLOW;

	h = mem_zalloc(sizeof(*h), held_destructor);
	if (!h)
		return ENOMEM;

	h->d       = d;
	h->client  = mem_ref(join->client);
	h->loading = loading;
	h->until   = tmr_jiffies() +
		(loading ? d->conf.load_ms : d->conf.orphan_ms);
	list_append(&d->heldl, &h->le, h);
	++d->waiting;
	++d->countv[COUNT_HELD];

	if (!tmr_isrunning(&d->held))
		timer_start(d);
	else if (tmr_get_expire(&d->held) > h->until - tmr_jiffies())
		timer_start(d);

	return 0;
}


static void held_over(struct held *h)
{
	struct dispatch *d = h->d;
	struct client *cl = mem_ref(h->client);
	const bool loading = h->loading;

	mem_deref(h);

	if (loading && d->loading)
		dispatch_reject(d, cl, 503, "Not ready yet, try again later");
	else if (loading)
		join_answer(d, client_join(cl));
	else
		join_find(d, client_join(cl), false);

	mem_deref(cl);
}


static void timer_handler(void *arg)
{
	const uint64_t now = tmr_jiffies();
	struct dispatch *d = arg;
	struct list overl = LIST_INIT;
	struct le *le = list_head(&d->heldl);

	/* to answer one may hold it again: first take them all out */
	while (le) {
		struct held *h = le->data;

		le = le->next;
		if (h->until > now)
			continue;

		list_unlink(&h->le);
		list_append(&overl, &h->le, h);
	}

	while ((le = list_head(&overl)))
		held_over(le->data);

	timer_start(d);
}


/**
 * Something that joins wait for has happened
 *
 * @param d          Dispatcher
 * @param conference Has another server now; NULL: the tables are loaded
 */
void held_wake(struct dispatch *d, const char *conference)
{
	struct list wokenl = LIST_INIT;
	struct le *le = list_head(&d->heldl);

	if (!le)
		return;

	while (le) {
		struct held *h = le->data;

		le = le->next;
		if (conference ? h->loading ||
		    strcmp(client_join(h->client)->conference, conference)
		    : !h->loading)
			continue;

		list_unlink(&h->le);
		list_append(&wokenl, &h->le, h);
	}

	while ((le = list_head(&wokenl))) {
		struct held *h = le->data;
		struct client *cl = mem_ref(h->client);

		mem_deref(h);
		join_answer(d, client_join(cl));
		mem_deref(cl);
	}
}


/**
 * Turn away everybody who is held
 *
 * @param d Dispatcher
 */
void held_flush(struct dispatch *d)
{
	struct le *le;

	tmr_cancel(&d->held);
	while ((le = list_head(&d->heldl))) {
		struct held *h = le->data;

		dispatch_reject(d, h->client, 503, "Dispatch stops");
		mem_deref(h);
	}
}
