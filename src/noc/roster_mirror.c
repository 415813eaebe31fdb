/**
 * @file roster_mirror.c  One conference in several servers: each has its
 *                        roster, and all of them show everybody
 *
 *   roster here -- mirror: next, next ... --> roster_take -- roster there
 *
 * A mirror is told what changes, as a watcher is, but for what came from the
 * server that it is for. Who is here is known best here, whatever others say;
 * who is on the way is shown as whoever spoke last says, and nobody but his
 * own server tells that he has left.
 */
#include <stddef.h>
#include <string.h>
#include <re.h>
#include "noc/client.h"
#include "noc/fields.h"
#include "noc/json.h"
#include "noc/name.h"
#include "noc/roster.h"
#include "noc/roster_int.h"
#include "noc/seat.h"


enum {
	PART_MAX  = 100,           /* users told of at once                 */
	USERS_MAX = 100000,        /* of a roster that others add to        */
};

struct roster_mirror {
	struct le le;              /* in roster.mirrorl                     */
	struct roster *r;          /* NULL: it is gone                      */
	uint32_t server;           /* that it is for                        */
	uint64_t told;             /* roster.change it knows                */
	bool locked;               /* as it was told last                   */
	roster_mirror_h *h;
	void *arg;
};

/* A user as it travels */
struct image {
	uint32_t id;
	char user[ROSTER_TEXT_MAX], name[ROSTER_TEXT_MAX];
	uint64_t joined;           /* UTC since the epoch [us]              */
	uint32_t ssrc;
	bool held, muted, speaking;
	bool gone;
};

#define F(name, type, min, max) \
	{#name, type, offsetof(struct image, name), min, max}

static const struct field image_fields[] = {
	F(id, FIELD_U32, 1, SEAT_ID_MAX),
	F(user, FIELD_TEXT, 0, ROSTER_TEXT_MAX),
	F(name, FIELD_TEXT, 0, ROSTER_TEXT_MAX),
	F(joined, FIELD_U64, 0, 0),
	F(ssrc, FIELD_U32, 0, UINT32_MAX),
	F(held, FIELD_BOOL, 0, 0),
	F(muted, FIELD_BOOL, 0, 0),
	F(speaking, FIELD_BOOL, 0, 0),
	F(gone, FIELD_BOOL, 0, 0),
	{NULL, 0, 0, 0, 0}
};


/* Never 0, which is us. */
static uint32_t server_key(const char *server)
{
	const uint32_t key = hash_joaat_str(server);

	return key ? key : 1;
}


static void mirror_destructor(void *data)
{
	struct roster_mirror *m = data;

	list_unlink(&m->le);
}


/**
 * Begin to tell another server who is in this roster; all that is known first
 *
 * @param mp     Pointer to the new mirror, owned by the caller
 * @param r      Roster, which may go before the mirror
 * @param server Name of the other server
 * @param h      Called when there is something for roster_mirror_next; it
 *               must not change the roster
 * @param arg    Its argument
 *
 * @return 0 if success; EINVAL; ENOMEM
 */
int roster_mirror_alloc(struct roster_mirror **mp, struct roster *r,
			const char *server, roster_mirror_h *h, void *arg)
{
	struct roster_mirror *m;

	if (!mp || !r || !str_isset(server) || !h)
		return EINVAL;

	m = mem_zalloc(sizeof *m, mirror_destructor);
	if (!m)
		return ENOMEM;

	m->r = r;
	m->server = server_key(server);
	m->h = h;
	m->arg = arg;
	list_append(&r->mirrorl, &m->le, m);
	*mp = m;

	return 0;
}


/* A text that JSON cannot carry, or that would not be taken there, is not
   told. */
static void text_set(char *buf, size_t sz, const char *text)
{
	if (json_utf8(text) && name_valid(text, strlen(text), sz))
		str_ncpy(buf, text, sz);
}


static int image_add(struct odict *array, unsigned n, const struct entry *e)
{
	struct image im = {
		.id = e->id, .gone = e->gone,
	};
	struct odict *od;
	char key[16];
	int err;

	if (!e->gone) {
		text_set(im.user, sizeof im.user, e->u.user);
		text_set(im.name, sizeof im.name, e->u.name);
		im.joined = e->u.joined_usec;
		im.ssrc = e->u.ssrc;
		im.held = e->u.held;
		im.muted = e->u.muted;
		im.speaking = e->u.speaking;
	}

	err = odict_alloc(&od, 16);
	if (err)
		return err;

	(void)re_snprintf(key, sizeof key, "%u", n);
	err = fields_put(od, image_fields, &im);
	if (!err)
		err = odict_entry_add(array, key, ODICT_OBJECT, od);
	mem_deref(od);

	return err;
}


/* The users after *told that are for that server; *told: up to where. */
static int images_add(struct odict *array, const struct roster_mirror *m,
		      uint64_t *told)
{
	const struct le *le;
	unsigned n = 0;
	int err = 0;

	for (le = roster_since(m->r, *told); le && !err; le = le->next) {
		const struct entry *e = le->data;

		if (e->change <= *told)
			continue;

		/* it has told us itself; or they came and went unseen */
		if (e->source == m->server ||
		    (e->gone && e->first > *told))
			continue;

		if (n == PART_MAX)
			return 0;

		err = image_add(array, n++, e);
		*told = e->change;
	}

	*told = m->r->change;

	return err;
}


/**
 * Tell if there is something for roster_mirror_next
 *
 * @param m Mirror
 *
 * @return True if there may be
 */
bool roster_mirror_news(const struct roster_mirror *m)
{
	return m && m->r && m->told < m->r->change;
}


/**
 * What the other server does not know yet, or a part of it
 *
 * @param m   Mirror
 * @param odp Set to what roster_take there is to be given, once or more
 *            often, but in order; owned by the caller
 *
 * @return 0 if success; ENOENT if there is nothing; ENOMEM
 */
int roster_mirror_next(struct roster_mirror *m, struct odict **odp)
{
	struct odict *od = NULL, *array = NULL;
	uint64_t told;
	int err;

	if (!m || !odp)
		return EINVAL;
	if (!roster_mirror_news(m))
		return ENOENT;

	told = m->told;
	err = odict_alloc(&od, 4);
	if (!err)
		err = odict_alloc(&array, 128);
	if (!err)
		err = images_add(array, m, &told);
	if (!err)
		err = odict_entry_add(od, "users", ODICT_ARRAY, array);
	if (!err)
		err = odict_entry_add(od, "locked", ODICT_BOOL, m->r->locked);

	if (!err) {
		m->told = told;
		if (list_isempty(&array->lst) && m->locked == m->r->locked)
			err = ENOENT;
		m->locked = m->r->locked;
		roster_forget(m->r);
	}

	mem_deref(array);
	if (err)
		mem_deref(od);
	else
		*odp = od;

	return err;
}


/**
 * Something of a roster has changed
 *
 * @param r Roster
 */
void roster_mirrors_tell(const struct roster *r)
{
	const struct le *le;

	LIST_FOREACH(&r->mirrorl, le) {
		const struct roster_mirror *m = le->data;

		m->h(m->arg);
	}
}


/**
 * Up to where all mirrors are
 *
 * @param r    Roster
 * @param told Number of a change
 *
 * @return That number, or the lowest one that a mirror was told
 */
uint64_t roster_mirrors_told(const struct roster *r, uint64_t told)
{
	const struct le *le;

	LIST_FOREACH(&r->mirrorl, le) {
		const struct roster_mirror *m = le->data;

		if (m->told < told)
			told = m->told;
	}

	return told;
}


/**
 * The roster ends: its mirrors have nothing to tell any more
 *
 * @param r Roster
 */
void roster_mirrors_end(struct roster *r)
{
	struct le *le;

	while ((le = r->mirrorl.head)) {
		struct roster_mirror *m = le->data;

		list_unlink(&m->le);
		m->r = NULL;
	}
}


static void image_take(struct roster *r, uint32_t server,
		       const struct image *im, enum roster_place place)
{
	const struct roster_user u = {
		.user = im->user, .name = im->name,
		.joined_usec = im->joined, .ssrc = im->ssrc,
		.held = im->held, .muted = im->muted,
		.speaking = im->speaking,
	};

	if (place == ROSTER_HERE)
		return;

	if (!im->gone && im->user[0] && r->count < USERS_MAX)
		(void)roster_user_put(r, im->id, &u, server);
	else if (im->gone && place == ROSTER_ELSEWHERE)
		roster_user_drop(r, im->id, server);
}


/**
 * Another server tells who is in its part of the conference
 *
 * @param r      Roster
 * @param server Its name
 * @param od     What roster_mirror_next made there
 * @param placeh Tells where a user is
 * @param arg    Its argument
 *
 * @return 0 if success; EBADMSG if some of it makes no sense; EINVAL
 */
int roster_take(struct roster *r, const char *server, const struct odict *od,
		roster_place_h *placeh, void *arg)
{
	const struct odict_entry *users;
	unsigned n = 0;
	struct le *le;
	int err = 0;

	if (!r || !str_isset(server) || !od || !placeh)
		return EINVAL;

	users = odict_lookup(od, "users");
	if (!users || users->type != ODICT_ARRAY)
		return EBADMSG;

	for (le = users->u.odict->lst.head; le && n < PART_MAX;
	     le = le->next, ++n) {
		const struct odict_entry *e = le->data;
		struct image im = {0};

		if (e->type == ODICT_OBJECT &&
		    !fields_get(&im, image_fields, e->u.odict))
			image_take(r, server_key(server), &im,
				   placeh(im.id, arg));
		else
			err = EBADMSG;
	}

	return err;
}


/**
 * A user goes on at another server, which tells of him from now on
 *
 * @param r      Roster
 * @param id     Number of the user's leg
 * @param server Name of the other server
 */
void roster_user_moved(struct roster *r, unsigned id, const char *server)
{
	struct entry *e = r ? roster_entry(r, id) : NULL;

	if (e && server)
		e->source = server_key(server);
}


/**
 * The conference is in one server again: who is not here is nowhere
 *
 * @param r      Roster
 * @param placeh Tells where a user is
 * @param arg    Its argument
 */
void roster_whole(struct roster *r, roster_place_h *placeh, void *arg)
{
	const uint64_t end = r ? r->change : 0;
	struct le *le;

	if (!r || !placeh)
		return;

	/* who is deleted goes to the end of the list */
	for (le = r->entryl.head; le; ) {
		const struct entry *e = le->data;

		le = le->next;
		if (e->change > end)
			break;
		if (!e->gone && placeh(e->id, arg) == ROSTER_ELSEWHERE)
			roster_user_del(r, e->id);
	}
}
