/**
 * @file roster_user.c  Who comes to, changes in and leaves a roster
 */
#include <string.h>
#include <re.h>
#include "noc/client.h"
#include "noc/roster.h"
#include "noc/roster_int.h"


static void entry_destructor(void *data)
{
	struct entry *e = data;

	list_unlink(&e->le);
	hash_unlink(&e->he);
}


static bool entry_cmp_h(struct le *le, void *arg)
{
	const struct entry *e = le->data;

	return e->id == *(const unsigned *)arg;
}


/**
 * Find who is there
 *
 * @param r  Roster
 * @param id Number of the user's leg
 *
 * @return Entry, or NULL
 */
struct entry *roster_entry(const struct roster *r, unsigned id)
{
	return list_ledata(hash_lookup(r->entryh, id, entry_cmp_h, &id));
}


static bool is_same(const struct roster_user *a, const struct roster_user *b)
{
	return a->joined_usec == b->joined_usec && a->ssrc == b->ssrc &&
		a->held == b->held && a->muted == b->muted &&
		a->speaking == b->speaking;
}


static bool is_text(const char *cut, const char *text)
{
	return !strncmp(cut, text, ROSTER_TEXT_MAX - 1);
}


/**
 * A user came, or changed, here or at another server
 *
 * @param r      Roster
 * @param id     Number of the user's leg
 * @param user   What is to be told about it; copied
 * @param source Who says so, 0: this server
 *
 * @return 0 if success; ENOMEM
 */
int roster_user_put(struct roster *r, unsigned id,
		    const struct roster_user *user, uint32_t source)
{
	struct entry *e = roster_entry(r, id);

	/* nothing that anybody could see, but who tells of it */
	if (e && is_same(&e->u, user) && is_text(e->user, user->user) &&
	    is_text(e->name, user->name)) {
		e->source = source;
		return 0;
	}

	if (!e) {
		e = mem_zalloc(sizeof *e, entry_destructor);
		if (!e)
			return ENOMEM;

		e->id = id;
		e->first = r->change + 1;
		hash_append(r->entryh, id, &e->he, e);
		++r->count;
	}

	str_ncpy(e->user, user->user, sizeof e->user);
	str_ncpy(e->name, user->name, sizeof e->name);
	e->u = *user;
	e->u.user = e->user;
	e->u.name = e->name;
	e->source = source;

	roster_touch(r, e);

	return 0;
}


/**
 * Tell that a user came, or changed
 *
 * @param r    Roster
 * @param id   Number of the user's leg, unique in the roster
 * @param user What is to be told about it; copied, texts are cut to 159
 *             bytes
 *
 * @return 0 if success, otherwise errorcode
 */
int roster_user_set(struct roster *r, unsigned id,
		    const struct roster_user *user)
{
	if (!r || !user || !user->user || !user->name)
		return EINVAL;

	return roster_user_put(r, id, user, 0);
}


/**
 * A user left, here or at another server
 *
 * @param r      Roster
 * @param id     Number of the user's leg
 * @param source Who says so, 0: this server
 */
void roster_user_drop(struct roster *r, unsigned id, uint32_t source)
{
	struct entry *e = roster_entry(r, id);

	if (!e)
		return;

	--r->count;
	hash_unlink(&e->he);

	if (list_isempty(&r->watcherl) && list_isempty(&r->mirrorl)) {
		mem_deref(e);
		return;
	}

	e->gone = true;
	e->source = source;
	roster_touch(r, e);
}


/**
 * Tell that a user left
 *
 * @param r  Roster
 * @param id Number of the user's leg
 */
void roster_user_del(struct roster *r, unsigned id)
{
	if (r)
		roster_user_drop(r, id, 0);
}


/**
 * Is somebody shown, wherever he is?
 *
 * @param r    Roster
 * @param user Address
 *
 * @return True if so
 */
bool roster_shows(const struct roster *r, const char *user)
{
	const struct le *le;

	if (!r || !str_isset(user))
		return false;

	LIST_FOREACH(&r->entryl, le) {
		const struct entry *e = le->data;

		if (!e->gone && !str_casecmp(e->user, user))
			return true;
	}

	return false;
}
