/**
 * @file roster_move.c  Watchers of a roster that go on in another server
 *
 * The other server has its own roster of the same conference. A watcher
 * brings along what it knows, as one number over all who are there: if that
 * is also the number of the roster it comes to, it has nothing to be told but
 * who has begun or ceased to speak meanwhile; if not, it gets the full state
 * once. Either way its documents go on counting.
 *
 * While a conference arrives its roster is paused: a roster that is half full
 * would look as if many had left.
 */
#include <string.h>
#include <re.h>
#include "noc/client.h"
#include "noc/roster.h"
#include "noc/roster_int.h"
#include "noc/seat.h"


/* FNV-1a; it tells apart what differs by accident, not by intent. */
static uint64_t hash_add(uint64_t h, const void *buf, size_t len)
{
	const uint8_t *p = buf;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);

	return h;
}


static uint64_t entry_digest(const struct entry *e)
{
	const uint64_t numv[] = {
		e->id, e->u.joined_usec, e->u.ssrc, e->u.held, e->u.muted,
	};
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	/* by value, whatever the order of bytes */
	for (size_t i = 0; i < ARRAY_SIZE(numv); i++)
		for (unsigned bit = 0; bit < 64; bit += 8) {
			const uint8_t v = (uint8_t)(numv[i] >> bit);

			h = hash_add(h, &v, 1);
		}

	h = hash_add(h, e->u.user, strlen(e->u.user) + 1);

	return hash_add(h, e->u.name, strlen(e->u.name) + 1);
}


/* The same for equal rosters in whatever order: who speaks is left out,
   because that changes all the time. */
static void digest_make(char *text, size_t sz, const struct roster *r)
{
	uint64_t sum = r->count * 2 + r->locked;
	struct le *le;

	LIST_FOREACH(&r->entryl, le) {
		const struct entry *e = le->data;

		if (!e->gone)
			sum += entry_digest(e);
	}

	(void)re_snprintf(text, sz, "%016llx", (unsigned long long)sum);
}


static bool knows_speaking(const struct seat_watch *sw, unsigned id)
{
	for (unsigned i = 0; i < sw->speakingc; i++)
		if (sw->speakingv[i] == id)
			return true;

	return false;
}


/* Let a watcher go on from what it knows. */
static void compare(struct roster *r, struct watcher *w)
{
	struct seat_watch *sw = w->knows;
	char digest[sizeof sw->digest];
	struct le *le, *last = r->entryl.tail;
	bool same;

	digest_make(digest, sizeof digest, r);
	same = !strcmp(digest, sw->digest);

	w->knows = NULL;
	w->full = same;
	w->told = same ? r->change : 0;

	for (le = r->entryl.head; same && le; ) {
		struct entry *e = le->data;
		const bool end = le == last;

		le = le->next;

		if (!e->gone && e->u.speaking != knows_speaking(sw, e->id))
			roster_touch(r, e);

		if (end)
			break;
	}

	mem_deref(sw);
	roster_changed(r);
}


/**
 * Tell nobody anything, or begin to tell again. A new watcher is sent the
 * full state at once nevertheless
 *
 * @param r  Roster
 * @param on Whether to pause
 */
void roster_pause(struct roster *r, bool on)
{
	struct le *le;

	if (!r || r->paused == on)
		return;

	r->paused = on;
	if (on)
		return;

	LIST_FOREACH(&r->watcherl, le) {
		struct watcher *w = le->data;

		if (w->knows)
			compare(r, w);
	}

	roster_changed(r);
}


/**
 * Write down what a watcher knows; one that is behind gets the full state
 *
 * @param r  Roster
 * @param cl Its subscription
 * @param sw Filled in
 *
 * @return 0 if success; ENOENT if it does not watch; EINVAL
 */
int roster_watch_save(struct roster *r, const struct client *cl,
		      struct seat_watch *sw)
{
	struct watcher *w;
	bool all = true;
	struct le *le;

	if (!r || !cl || !sw)
		return EINVAL;

	w = roster_watcher(r, cl);
	if (!w)
		return ENOENT;

	memset(sw, 0, sizeof *sw);
	sw->version = w->version;

	if (!w->full || w->told < r->change)
		return 0;

	LIST_FOREACH(&r->entryl, le) {
		const struct entry *e = le->data;

		if (e->gone || !e->u.speaking)
			continue;

		if (sw->speakingc < SEAT_TALKERS_MAX)
			sw->speakingv[sw->speakingc++] = e->id;
		else
			all = false;
	}

	if (all)
		digest_make(sw->digest, sizeof sw->digest, r);

	return 0;
}


/**
 * Add a watcher that comes from another server's roster of this conference
 *
 * @param r  Roster
 * @param cl Its subscription (referenced)
 * @param sw What it knows
 *
 * @return 0 if success; EEXIST; EINVAL; ENOMEM
 */
int roster_watch_load(struct roster *r, struct client *cl,
		      const struct seat_watch *sw)
{
	struct watcher *w;
	int err;

	if (!r || !cl || !sw)
		return EINVAL;

	if (roster_watcher(r, cl))
		return EEXIST;

	err = roster_watcher_add(&w, r, cl);
	if (err)
		return err;

	w->version = sw->version;
	w->knows = mem_alloc(sizeof *w->knows, NULL);
	if (w->knows)
		*w->knows = *sw;

	if (w->knows && !r->paused)
		compare(r, w);
	else
		roster_changed(r);

	return 0;
}


/**
 * Tell a watcher what it does not know yet, now
 *
 * @param r  Roster
 * @param cl Its subscription
 */
void roster_watch_flush(struct roster *r, const struct client *cl)
{
	struct watcher *w = r && cl ? roster_watcher(r, cl) : NULL;

	for (unsigned i = 0; w && i < SEAT_TALKERS_MAX; i++)
		if ((w->full && w->told >= r->change) || roster_notify(r, w))
			break;
}
