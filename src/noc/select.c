/**
 * @file select.c  Which media server gets a new conference
 */
#include <string.h>
#include <pthread.h>
#include <re.h>
#include "server/siphash.h"
#include "noc/wire.h"
#include "noc/tables.h"
#include "noc/tables_int.h"


static bool tried(const struct noc_server *s, const struct select_req *req)
{
	size_t i;

	for (i=0; i<req->notc; i++) {
		if (!strcmp(s->report.name, req->notv[i]))
			return true;
	}

	return false;
}


static bool planned_out(const struct noc_server *s, uint64_t utc)
{
	return s->out_from <= utc && utc < s->out_to;
}


static bool in_service(const struct tables *t, const struct noc_server *s,
		       const struct select_req *req)
{
	return s->report.state == CAPACITY_IN_SERVICE && !s->dead &&
		server_in_contact(t, s, req->now) &&
		!planned_out(s, req->utc) && !tried(s, req);
}


/* The best server so far */
struct choice {
	struct noc_server *s;
	uint32_t left;
	uint32_t next;             /* what the next best of its kind has    */
	uint64_t weight;           /* decides among equals                  */
	bool only;                 /* has no types that nobody asked for    */
};


/* How much a conference likes a server: any order that is another one for
   each conference, and the same in every dispatcher (rendezvous hashing) */
static uint64_t liking(const struct noc_server *s, uint64_t conf)
{
	const uint64_t v[2] = { s->hash, conf };

	return tables_hash(v, sizeof(v));
}


/* Servers without types that nobody asked for go first, because the others
   are rare; then what is left decides, and among equals what the conference
   likes: dispatchers that are asked for different ones spread them, those that
   are asked for the same one agree. */
static void choice_offer(struct choice *ch, struct noc_server *s,
			 uint32_t left, unsigned media, uint64_t conf)
{
	const bool only = !(s->report.media & ~media);
	uint64_t weight;

	if (ch->s && ch->only && !only)
		return;

	weight = liking(s, conf);

	if (!ch->s || only != ch->only || left > ch->left) {
		ch->next = ch->s && only == ch->only ? ch->left : 0;
		ch->s    = s;
		ch->left = left;
		ch->only = only;
		ch->weight = weight;
		return;
	}

	ch->next = max(ch->next, left);
	if (left == ch->left && weight > ch->weight) {
		ch->s = s;
		ch->weight = weight;
	}
}


/* The best of those that registries can reach, or of the others; under the
   lock */
static int select_among(struct tables *t, const struct select_req *req,
			struct choice *ch, bool marked)
{
	const uint64_t conf = tables_hash(req->conf, req->conflen);
	int err = ENOENT;
	struct le *le;

	LIST_FOREACH(&t->serverl, le) {
		struct noc_server *s = le->data;
		uint32_t left;

		if (s->marked != marked || !in_service(t, s, req))
			continue;

		if (req->media & ~s->report.media) {
			if (err == ENOENT)
				err = ENOTSUP;
			continue;
		}

		left = server_left(t, s, req->now);
		/* blind, nobody tells of those who left: it may have room */
		if (!left && !t->blind) {
			err = ENOSPC;
			continue;
		}

		choice_offer(ch, s, left, req->media, conf);
	}

	return err;
}


/**
 * Select the server for a new conference, and reserve a place there.
 * Candidates are in service, have the media asked for, are in contact, are not
 * draining and not within a planned out-of-service period; those that support
 * only what is asked are preferred; then the one with the most unused capacity
 * less live reservations, of several the one that the conference likes best.
 *
 * @param t     Tables
 * @param req   What is asked for
 * @param route Set if success
 *
 * @return 0 if success, tables_release ends the reservation; ENOENT if no
 *         server is in service; ENOTSUP if none has the media types; ENOSPC if
 *         none has room
 */
int tables_select(struct tables *t, const struct select_req *req,
		  struct conf_route *route)
{
	struct choice ch = { .s = NULL };
	int err;

	if (!t || !req || !route)
		return EINVAL;

	pthread_mutex_lock(t->lock);

	/* better one that a registry cannot reach than none */
	err = select_among(t, req, &ch, false);
	if (!ch.s) {
		const int e = select_among(t, req, &ch, true);

		if (err == ENOENT)
			err = e;
	}

	if (ch.s) {
		leases_add(&ch.s->leases, t, req->now);
		server_route(ch.s, route);
		route->next = ch.next;
		err = 0;
	}

	pthread_mutex_unlock(t->lock);

	return err;
}
