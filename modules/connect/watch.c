/**
 * @file watch.c  Subscriptions to rosters
 */
#include <string.h>
#include <re.h>
#include "noc/roster.h"
#include "connect/connect.h"
#include "connect/room.h"
#include "connect/seatwriter.h"


static void watch_destructor(void *data)
{
	struct watch *w = data;

	list_unlink(&w->le);
	hash_unlink(&w->he);
	hash_unlink(&w->hc);
	seatwriter_watch_left(w);
	(void)roster_unwatch(w->room->roster, w->client);
	mem_deref(w->client);
}


static uint32_t client_key(const struct client *cl)
{
	return hash_joaat((const uint8_t *)&cl, sizeof cl);
}


/**
 * Note that a client watches the roster of a room. It is not told anything
 * by that
 *
 * @param wp     Pointer to the new watch; the room's list holds it, the
 *               caller has no reference. mem_deref ends it without a word
 * @param room   Room
 * @param client Accepted subscription (referenced)
 *
 * @return 0 if success; ENOMEM
 */
int watch_alloc(struct watch **wp, struct room *room, struct client *client)
{
	struct watch *w = mem_zalloc(sizeof *w, watch_destructor);

	if (!w)
		return ENOMEM;

	w->room = room;
	w->client = mem_ref(client);
	list_append(&room->watchl, &w->le, w);
	hash_append(room->c->watchh, client_key(client), &w->he, w);
	hash_append(room->c->watchidh,
		    hash_joaat_str(client_join(client)->callid), &w->hc, w);

	*wp = w;

	return 0;
}


static bool client_cmp_h(struct le *le, void *arg)
{
	const struct watch *w = le->data;

	return w->client == arg;
}


/**
 * Find the watch that a client is
 *
 * @param c      Connect service
 * @param client Client
 *
 * @return The watch (borrowed), or NULL
 */
struct watch *watch_find(const struct connect *c,
			 const struct client *client)
{
	return list_ledata(hash_lookup(c->watchh, client_key(client),
				       client_cmp_h, (void *)client));
}


static bool callid_cmp_h(struct le *le, void *arg)
{
	const struct watch *w = le->data;

	return !strcmp(client_join(w->client)->callid, arg);
}


/**
 * Find a watch by its subscription's Call-ID
 *
 * @param c      Connect service
 * @param callid Call-ID
 *
 * @return The watch (borrowed), or NULL
 */
struct watch *watch_callid(const struct connect *c, const char *callid)
{
	return list_ledata(hash_lookup(c->watchidh, hash_joaat_str(callid),
				       callid_cmp_h, (void *)callid));
}
