/**
 * @file guest.c  Who is in: counts, and what is published of it
 */
#include <string.h>
#include <sys/time.h>
#include <re.h>
#include "server/event.h"
#include "server/log.h"
#include "bus/bus.h"
#include "noc/client.h"
#include "connect/connect.h"
#include "dispatchee/dispatchee.h"


struct guest {
	struct le he;
	unsigned id;
	unsigned media;            /* it joined with                        */
};


static void guest_destructor(void *arg)
{
	struct guest *g = arg;

	hash_unlink(&g->he);
}


static bool guest_cmp(struct le *le, void *arg)
{
	const struct guest *g = le->data;

	return g->id == *(const unsigned *)arg;
}


static struct guest *guest_find(const struct dispatchee *d, unsigned id)
{
	return list_ledata(hash_lookup(d->guesth, id, guest_cmp, &id));
}


static void media_count(struct dispatchee *d, unsigned media, int n)
{
	unsigned i;

	for (i=0; i<ESTIMATOR_MEDIA; i++) {
		if (media & 1u << i)
			d->mediav[i] += n;
	}
}


static int guest_add(struct dispatchee *d, unsigned id, unsigned media)
{
	struct guest *g;

	g = mem_zalloc(sizeof(*g), guest_destructor);
	if (!g)
		return ENOMEM;

	g->id = id;
	g->media = media ? media : MEDIA_AUDIO;
	hash_append(d->guesth, id, &g->he, g);
	media_count(d, g->media, 1);
	++d->participants;

	return 0;
}


static void tell(struct dispatchee *d, enum wire_what what,
		 const struct connect_event *ce, uint64_t usec)
{
	struct wire_user u = {
		.what = what, .participants = ce->participants, .usec = usec,
	};
	uint8_t buf[WIRE_SMALL_MAX];
	size_t n;
	int err;

	str_ncpy(u.conference, ce->conference, sizeof(u.conference));
	str_ncpy(u.server, d->report.name, sizeof(u.server));
	if (ce->account)
		str_ncpy(u.account, ce->account, sizeof(u.account));
	if (ce->user)
		str_ncpy(u.user, ce->user, sizeof(u.user));

	err = wire_user_encode(buf, sizeof(buf), &n, &u);
	if (!err)
		err = bus_publish(d->bus, what == WIRE_DELETED ?
				  "noc.conference" : "noc.user", buf, n);
	/* the next one that can be told has the number of them all */
	if (err && err != ENOTCONN)
		log_event(LOG_WARN, "dispatchee", ce->callid,
			  "cannot tell who is in %s: %s", ce->conference,
			  strerror(err));
}


/**
 * "connect.joined"
 *
 * @param ev  Event
 * @param arg Dispatchee
 *
 * @return False
 */
bool joined_handler(const struct event *ev, void *arg)
{
	const struct connect_event *ce = ev->data;
	struct dispatchee *d = arg;
	struct willcall_join j;
	unsigned media;

	if (!ce || guest_find(d, ce->id))
		return false;

	j = (struct willcall_join){
		ce->conference, str_len(ce->conference),
		ce->user, str_len(ce->user), NULL, 0, 0
	};
	media = willcall_joined(d->willcall, &j);

	if (guest_add(d, ce->id, media))
		return false;

	if (ce->moved)
		local_moved_in(d, ce->conference);
	local_participants(d, ce->conference, ce->participants);
	tell(d, ce->moved ? WIRE_MOVED : WIRE_JOINED, ce, ce->joined_usec);
	report_changed(d);

	return false;
}


static bool guest_remove(struct dispatchee *d, const struct connect_event *ce)
{
	struct guest *g = ce ? guest_find(d, ce->id) : NULL;

	if (!g)
		return false;

	media_count(d, g->media, -1);
	--d->participants;
	mem_deref(g);
	local_participants(d, ce->conference, ce->participants);
	report_changed(d);

	return true;
}


/**
 * "connect.left"
 *
 * @param ev  Event
 * @param arg Dispatchee
 *
 * @return False
 */
bool left_handler(const struct event *ev, void *arg)
{
	const struct connect_event *ce = ev->data;

	if (guest_remove(arg, ce))
		tell(arg, WIRE_LEFT, ce, ce->left_usec);

	return false;
}


/**
 * "connect.moved", "connect.lost": in at another server, which tells of it
 *
 * @param ev  Event
 * @param arg Dispatchee
 *
 * @return False
 */
bool moved_handler(const struct event *ev, void *arg)
{
	(void)guest_remove(arg, ev->data);

	return false;
}


/* It may have begun at another server, by a clock that differs. */
static uint64_t age_of(const struct connect_event *ce)
{
	struct timeval tv;
	uint64_t now;

	if (!ce->moved || !ce->created_usec)
		return 0;

	(void)gettimeofday(&tv, NULL);
	now = (uint64_t)tv.tv_sec * 1000000 + (uint64_t)tv.tv_usec;

	return now > ce->created_usec ? (now - ce->created_usec) / 1000 : 0;
}


/**
 * "connect.created"
 *
 * @param ev  Event
 * @param arg Dispatchee
 *
 * @return False
 */
bool created_handler(const struct event *ev, void *arg)
{
	const struct connect_event *ce = ev->data;
	struct dispatchee *d = arg;

	if (ce) {
		local_created(d, ce->conference, age_of(ce));
		report_changed(d);
	}

	return false;
}


/**
 * "connect.deleted"
 *
 * @param ev  Event
 * @param arg Dispatchee
 *
 * @return False
 */
bool deleted_handler(const struct event *ev, void *arg)
{
	const struct connect_event *ce = ev->data;
	struct dispatchee *d = arg;
	struct timeval tv;

	if (!ce)
		return false;

	(void)gettimeofday(&tv, NULL);
	local_deleted(d, ce->conference);
	if (!ce->moved)
		tell(d, WIRE_DELETED, ce, (uint64_t)tv.tv_sec * 1000000 +
		     (uint64_t)tv.tv_usec);
	report_changed(d);

	return false;
}
