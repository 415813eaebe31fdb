/**
 * @file roster.c  Who is in a conference, told to those who watch (RFC 4575)
 *
 * Every change gives the user it is about the next number of the roster's
 * change count; a watcher remembers up to which number it was told. So a
 * notification holds what changed since the watcher's last one, however many
 * changes that were, and watchers that are equally far share one text:
 *
 *   users      A(7)  B(3)  C(9)  D(12, gone)
 *   watcher 1  told up to 9   -> D deleted
 *   watcher 2  told up to 3   -> A, C; D deleted
 *   watcher 3  new            -> full state A, B, C
 *
 * What does not fit one message goes on in further partial ones.
 */
#include <string.h>
#include <re.h>
#include "noc/client.h"
#include "noc/roster.h"
#include "noc/roster_int.h"
#include "noc/roster_xml.h"


enum { DOC_MAX = 24 * 1024 };       /* of one notification [bytes]        */


static void watcher_destructor(void *data)
{
	struct watcher *w = data;

	list_unlink(&w->le);
	mem_deref(w->client);
	mem_deref(w->knows);
}


static void roster_destructor(void *data)
{
	struct roster *r = data;

	tmr_cancel(&r->tmr);
	roster_mirrors_end(r);
	list_flush(&r->watcherl);
	list_flush(&r->entryl);
	mem_deref(r->entryh);
}


/**
 * Find what is new
 *
 * @param r    Roster
 * @param told Change that is known
 *
 * @return Its place in entryl, from which on all are new but perhaps the
 *         first; NULL if there is nothing at all
 */
const struct le *roster_since(const struct roster *r, uint64_t told)
{
	const struct le *le;

	/* The list is ordered by change: what is new stands at its end. */
	for (le = r->entryl.tail; le && le->prev; le = le->prev) {
		const struct entry *before = le->prev->data;

		if (before->change <= told)
			break;
	}

	return le;
}


/* The users after `told`, up to DOC_MAX bytes; *told: up to where it goes. */
static int doc_users(struct mbuf *mb, const struct roster *r, bool full,
		     uint64_t *told)
{
	const struct le *le;
	int err = 0;

	for (le = roster_since(r, *told); le && !err; le = le->next) {
		const struct entry *e = le->data;

		if (e->change <= *told)
			continue;

		/* came and went between two notifications */
		if (e->gone && (full || e->first > *told))
			continue;

		if (mb->end > DOC_MAX)
			return 0;

		err = roster_xml_user(mb, e->id, e->gone ? NULL : &e->u,
				      e->u.user);
		*told = e->change;
	}

	*told = r->change;

	return err;
}


/**
 * Tell a watcher what it does not know yet
 *
 * @param r Roster
 * @param w Watcher
 *
 * @return 0 if success, otherwise errorcode
 */
int roster_notify(struct roster *r, struct watcher *w)
{
	const bool full = !w->full;
	struct mbuf *mb = mbuf_alloc(2048);
	uint64_t told = full ? 0 : w->told;
	char *str = NULL;
	int err;

	if (!mb)
		return ENOMEM;

	err = roster_xml_head(mb, &(struct roster_head){
			.conference = r->conference, .full = full,
			.version = w->version + 1, .count = r->count,
			.locked = r->locked});
	if (!err)
		err = doc_users(mb, r, full, &told);
	if (!err)
		err = roster_xml_tail(mb);
	if (err)
		goto out;

	mb->pos = 0;
	err = mbuf_strdup(mb, &str, mb->end);
	if (err)
		goto out;

	err = client_roster(w->client, str, false);
	if (err)
		goto out;

	w->full = true;
	w->told = told;
	++w->version;

 out:
	mem_deref(str);
	mem_deref(mb);
	return err;
}


/**
 * Those who are gone can be forgotten once everybody was told
 *
 * @param r Roster
 */
void roster_forget(struct roster *r)
{
	uint64_t told = roster_mirrors_told(r, r->change);
	struct le *le;

	LIST_FOREACH(&r->watcherl, le) {
		const struct watcher *w = le->data;

		if (w->full && w->told < told)
			told = w->told;
	}

	for (le = r->entryl.head; le; ) {
		struct entry *e = le->data;

		le = le->next;

		if (e->change > told)
			break;
		if (e->gone)
			mem_deref(e);
	}
}


static void notify_h(void *arg)
{
	struct roster *r = arg;
	bool more = false;
	struct le *le;

	if (r->paused)
		return;

	LIST_FOREACH(&r->watcherl, le) {
		struct watcher *w = le->data;

		if (w->full && w->told >= r->change)
			continue;

		if (!roster_notify(r, w))
			more |= w->told < r->change;
	}

	roster_forget(r);

	if (more)
		tmr_start(&r->tmr, r->interval, notify_h, r);
}


/**
 * Gather what changes now into one notification per interval
 *
 * @param r Roster
 */
void roster_changed(struct roster *r)
{
	roster_mirrors_tell(r);

	if (!r->paused && !list_isempty(&r->watcherl) &&
	    !tmr_isrunning(&r->tmr))
		tmr_start(&r->tmr, r->interval, notify_h, r);
}


/**
 * An entry is to be told to everybody
 *
 * @param r Roster
 * @param e Entry
 */
void roster_touch(struct roster *r, struct entry *e)
{
	e->change = ++r->change;
	list_unlink(&e->le);
	list_append(&r->entryl, &e->le, e);
	roster_changed(r);
}


/**
 * Allocate the roster of a conference
 *
 * @param rp          Pointer to the new roster
 * @param conference  Its address without scheme: "XYZ@host", or "XYZ"
 * @param interval_ms Least time between two notifications to one watcher
 *                    [ms]
 *
 * @return 0 if success, otherwise errorcode
 */
int roster_alloc(struct roster **rp, const char *conference,
		 uint32_t interval_ms)
{
	struct roster *r;
	int err;

	if (!rp || !conference)
		return EINVAL;

	r = mem_zalloc(sizeof *r, roster_destructor);
	if (!r)
		return ENOMEM;

	str_ncpy(r->conference, conference, sizeof r->conference);
	r->interval = interval_ms;

	err = hash_alloc(&r->entryh, 64);
	if (err)
		mem_deref(r);
	else
		*rp = r;

	return err;
}


/**
 * Tell that the conference was locked or unlocked
 *
 * @param r      Roster
 * @param locked Nobody else may come in
 */
void roster_lock(struct roster *r, bool locked)
{
	if (!r || r->locked == locked)
		return;

	r->locked = locked;
	++r->change;
	roster_changed(r);
}


/**
 * Find a watcher
 *
 * @param r  Roster
 * @param cl Its subscription
 *
 * @return The watcher (borrowed), or NULL
 */
struct watcher *roster_watcher(const struct roster *r,
			       const struct client *cl)
{
	struct le *le;

	LIST_FOREACH(&r->watcherl, le) {
		struct watcher *w = le->data;

		if (w->client == cl)
			return w;
	}

	return NULL;
}


/**
 * Does a client watch this roster?
 *
 * @param r  Roster
 * @param cl Subscription
 *
 * @return true if it does
 */
bool roster_watches(const struct roster *r, const struct client *cl)
{
	return r && roster_watcher(r, cl);
}


/**
 * Add a watcher that is not told anything by that
 *
 * @param wp Set to the watcher (borrowed)
 * @param r  Roster
 * @param cl Its subscription (referenced)
 *
 * @return 0 if success; ENOMEM
 */
int roster_watcher_add(struct watcher **wp, struct roster *r,
		       struct client *cl)
{
	struct watcher *w = mem_zalloc(sizeof *w, watcher_destructor);

	if (!w)
		return ENOMEM;

	w->client = mem_ref(cl);
	list_append(&r->watcherl, &w->le, w);
	*wp = w;

	return 0;
}


/**
 * Add a watcher; it is sent the full state at once. One that watches already
 * is sent the full state again
 *
 * @param r  Roster
 * @param cl Accepted subscription (referenced)
 *
 * @return 0 if success, otherwise errorcode
 */
int roster_watch(struct roster *r, struct client *cl)
{
	struct watcher *w;
	int err;

	if (!r || !cl)
		return EINVAL;

	/* One that is refreshed gets the full state again, and its documents
	   go on counting (RFC 6665 section 4.2.1.2, RFC 4575 section 4). */
	w = roster_watcher(r, cl);
	if (w) {
		w->full = false;
		w->knows = mem_deref(w->knows);
	}
	else {
		err = roster_watcher_add(&w, r, cl);
		if (err)
			return err;
	}

	if (roster_notify(r, w) || w->told < r->change)
		roster_changed(r);

	return 0;
}


/**
 * Remove a watcher
 *
 * @param r  Roster
 * @param cl Its subscription
 *
 * @return true if it was one
 */
bool roster_unwatch(struct roster *r, const struct client *cl)
{
	struct le *le;

	if (!r)
		return false;

	LIST_FOREACH(&r->watcherl, le) {
		struct watcher *w = le->data;

		if (w->client == cl) {
			mem_deref(w);
			return true;
		}
	}

	return false;
}


/**
 * Tell every watcher that the conference is over, and forget them
 *
 * @param r Roster
 */
void roster_end(struct roster *r)
{
	struct le *le;

	if (!r)
		return;

	LIST_FOREACH(&r->watcherl, le) {
		const struct watcher *w = le->data;

		(void)client_roster(w->client, NULL, true);
	}

	list_flush(&r->watcherl);
}


/**
 * How many watch
 *
 * @param r Roster
 *
 * @return Number of watchers
 */
unsigned roster_watchers(const struct roster *r)
{
	return r ? list_count(&r->watcherl) : 0;
}
