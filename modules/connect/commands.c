/**
 * @file commands.c  What operators can do with conferences
 */
#include <string.h>
#include <re.h>
#include "server/offers.h"
#include "noc/roster.h"
#include "connect/connect.h"
#include "connect/room.h"


/* The commands need to know which of them was called. */
enum action { ACTION_MUTE, ACTION_UNMUTE, ACTION_KICK };


/* Adds `part` to the array `array`, or to the object `array` as `key`, and
   gives up our reference. */
static int add(struct odict *to, const char *key, enum odict_type type,
	       struct odict *part)
{
	const int err = odict_entry_add(to, key, type, part);

	mem_deref(part);

	return err;
}


static int count_speaking(const struct room *room)
{
	int n = 0;
	struct le *le;

	LIST_FOREACH(&room->memberl, le)
		n += ((const struct member *)le->data)->speaking;

	return n;
}


struct listing {
	struct odict *array;
	unsigned n;
	int err;
};


static bool room_list_h(struct le *le, void *arg)
{
	const struct room *room = le->data;
	struct listing *l = arg;
	struct odict *od;
	char key[16];
	int err;

	err = odict_alloc(&od, 8);
	if (err) {
		l->err = err;
		return true;
	}

	err |= odict_entry_add(od, "name", ODICT_STRING, room->name);
	err |= odict_entry_add(od, "participants", ODICT_INT,
			       (int64_t)room->memberc);
	err |= odict_entry_add(od, "talkers", ODICT_INT,
			       (int64_t)count_speaking(room));
	err |= odict_entry_add(od, "locked", ODICT_BOOL, room->locked);
	err |= odict_entry_add(od, "watchers", ODICT_INT,
			       (int64_t)roster_watchers(room->roster));
	err |= odict_entry_add(od, "created", ODICT_INT,
			       (int64_t)(room->created_usec / 1000000));

	(void)re_snprintf(key, sizeof key, "%u", l->n++);
	err |= add(l->array, key, ODICT_OBJECT, od);
	l->err = err;

	return err != 0;
}


/* Answer a request with one array, which is given up. */
static void answer_array(struct command_req *req, const char *name,
			 struct listing *l)
{
	struct odict *res = NULL;
	int err = l->err;

	if (!err)
		err = odict_alloc(&res, 4);
	if (!err)
		err = odict_entry_add(res, name, ODICT_ARRAY, l->array);

	if (err)
		command_fail(req, err, "%s", strerror(err));
	else
		command_ok(req, res);

	mem_deref(res);
	mem_deref(l->array);
}


static void conferences_h(struct command_req *req, const struct odict *args,
			  void *arg)
{
	struct connect *c = arg;
	struct listing l = {0};

	(void)args;

	l.err = odict_alloc(&l.array, 32);
	if (!l.err)
		hash_apply(c->roomh, room_list_h, &l);

	answer_array(req, "conferences", &l);
}


/* The room that a request names, or NULL after answering it. */
static struct room *room_arg(struct connect *c, struct command_req *req,
			     const struct odict *args)
{
	const char *name = odict_string(args, "conference");
	struct room *room;

	if (!name) {
		command_fail(req, EINVAL, "conference: missing");
		return NULL;
	}

	room = room_find(c, name);
	if (!room)
		command_fail(req, ENOENT, "no conference %s here", name);

	return room;
}


static int member_list(struct odict *od, const struct member *m)
{
	const struct join *j = client_join(m->client);
	struct mesh_stats st;
	char peer[64];
	int err;

	err = mesh_part_stats(m->part, &st);
	if (err)
		return err;

	(void)re_snprintf(peer, sizeof peer, "%J", &st.peer);

	err |= odict_entry_add(od, "id", ODICT_INT, (int64_t)m->id);
	err |= odict_entry_add(od, "user", ODICT_STRING, j->user);
	err |= odict_entry_add(od, "name", ODICT_STRING, j->name);
	err |= odict_entry_add(od, "codec", ODICT_STRING, m->codec);
	err |= odict_entry_add(od, "speaking", ODICT_BOOL, m->speaking);
	err |= odict_entry_add(od, "muted", ODICT_BOOL, m->muted);
	err |= odict_entry_add(od, "held", ODICT_BOOL, m->held);
	err |= odict_entry_add(od, "joined", ODICT_INT,
			       (int64_t)(m->joined_usec / 1000000));
	err |= odict_entry_add(od, "level", ODICT_INT, -(int64_t)st.level);
	err |= odict_entry_add(od, "packets_in", ODICT_INT,
			       (int64_t)st.rx_packets);
	err |= odict_entry_add(od, "packets_out", ODICT_INT,
			       (int64_t)st.tx_packets);
	err |= odict_entry_add(od, "lost", ODICT_INT, (int64_t)st.rx_lost);
	err |= odict_entry_add(od, "jitter_ms", ODICT_DOUBLE,
			       (double)st.rx_jitter / 1e3);
	err |= odict_entry_add(od, "depth_ms", ODICT_INT, (int64_t)st.depth);
	err |= odict_entry_add(od, "peer", ODICT_STRING, peer);
	err |= odict_entry_add(od, "callid", ODICT_STRING, j->callid);

	return err;
}


static void participants_h(struct command_req *req,
			   const struct odict *args, void *arg)
{
	struct room *room = room_arg(arg, req, args);
	struct listing l = {0};
	struct le *le;

	if (!room)
		return;

	l.err = odict_alloc(&l.array, 64);

	for (le = room->memberl.head; le && !l.err; le = le->next) {
		struct odict *od;
		char key[16];

		l.err = odict_alloc(&od, 16);
		if (l.err)
			break;

		l.err = member_list(od, le->data);
		(void)re_snprintf(key, sizeof key, "%u", l.n++);
		l.err |= add(l.array, key, ODICT_OBJECT, od);
	}

	answer_array(req, "participants", &l);
}


/* What would be done to somebody who is on its way to another server right
   now would be lost, and a goodbye not be understood; false: try again. */
static bool member_do(struct member *m, enum action action)
{
	if (m->frozen || (m->adoption && action != ACTION_KICK))
		return false;

	if (action == ACTION_KICK) {
		member_bye(m, LEAVE_KICKED);
		return true;
	}

	member_mute(m, action == ACTION_MUTE, true);
	m->muted_by_operator = m->muted;

	return true;
}


/* Whether an order to all reaches all: nobody is at another server, or on the
   way there or here. */
static bool is_whole(const struct room *room)
{
	const struct le *le;

	LIST_FOREACH(&room->memberl, le) {
		const struct member *m = le->data;

		if (m->frozen || m->adoption)
			return false;
	}

	return !room_parted(room);
}


/* The order is for the other server, or cannot be carried out right now.
   Whoever asked may go there, or come again. */
static void answer_parted(struct command_req *req, const struct room *room)
{
	if (room->going)
		command_fail(req, EAGAIN, "%s is moving to %s: try again",
			     room->name, room->to);
	else if (room->from[0])
		command_fail(req, EAGAIN, "%s is arriving from %s: try again",
			     room->name, room->from);
	else
		command_fail(req, EAGAIN, "%s is moving: try again",
			     room->name);
}


static void answer(struct command_req *req, const struct room *room, bool ok)
{
	if (ok)
		command_ok(req, NULL);
	else
		answer_parted(req, room);
}


/* Muting is for all or nobody: who is told to try again is not to wonder who
   was muted meanwhile. Those who are here can be sent away at once; whoever
   tries again sends away the others. */
static void all_do(struct command_req *req, struct room *room,
		   enum action action)
{
	bool ok = true;
	struct le *le;

	if (action != ACTION_KICK && !is_whole(room)) {
		answer_parted(req, room);
		return;
	}

	for (le = room->memberl.head; le; ) {
		struct member *m = le->data;

		le = le->next;
		ok &= member_do(m, action);
	}

	answer(req, room, ok && !room_parted(room));
}


/* mute, unmute, kick: one participant by id or user, or "all". */
static void member_cmd(struct command_req *req, const struct odict *args,
		       struct connect *c, enum action action)
{
	struct room *room = mem_ref(room_arg(c, req, args));
	const char *user;
	uint64_t id = 0;
	struct member *m;

	if (!room)
		return;

	user = odict_string(args, "user");
	(void)odict_get_number(args, &id, "id");

	if (user && !strcmp(user, "all")) {
		all_do(req, room, action);
		goto out;
	}

	m = room_member(room, (unsigned)id, user);
	if (m)
		answer(req, room, member_do(m, action));
	else if (!id && !user)
		command_fail(req, EINVAL, "user: say whom, by user or id");
	else if (room_parted(room))
		answer_parted(req, room);
	else
		command_fail(req, ENOENT, "nobody of that name there");

 out:
	mem_deref(room);
}


static void mute_h(struct command_req *req, const struct odict *args,
		   void *arg)
{
	member_cmd(req, args, arg, ACTION_MUTE);
}


static void unmute_h(struct command_req *req, const struct odict *args,
		     void *arg)
{
	member_cmd(req, args, arg, ACTION_UNMUTE);
}


static void kick_h(struct command_req *req, const struct odict *args,
		   void *arg)
{
	member_cmd(req, args, arg, ACTION_KICK);
}


static void lock_set(struct command_req *req, const struct odict *args,
		     struct connect *c, bool on)
{
	struct room *room = room_arg(c, req, args);

	if (!room)
		return;

	if (!room->going)
		room_lock(room, on);
	answer(req, room, !room->going);
}


static void lock_h(struct command_req *req, const struct odict *args,
		   void *arg)
{
	lock_set(req, args, arg, true);
}


static void unlock_h(struct command_req *req, const struct odict *args,
		     void *arg)
{
	lock_set(req, args, arg, false);
}


/**
 * Register the commands of a connect service
 *
 * @param c Connect service
 *
 * @return 0 if success, otherwise errorcode
 */
int connect_commands(struct connect *c)
{
	static const struct offer_command cmdv[] = {
		{"conferences", COMMAND_READ,
		 "conferences of this server", conferences_h},
		{"participants", COMMAND_READ,
		 "who is in CONFERENCE", participants_h},
		{"mute", COMMAND_CHANGE,
		 "nobody hears USER (or ID, or all) in CONFERENCE", mute_h},
		{"unmute", COMMAND_CHANGE,
		 "everybody hears USER again in CONFERENCE", unmute_h},
		{"kick", COMMAND_CHANGE,
		 "remove USER (or ID, or all) from CONFERENCE", kick_h},
		{"lock", COMMAND_CHANGE,
		 "nobody else comes into CONFERENCE", lock_h},
		{"unlock", COMMAND_CHANGE,
		 "CONFERENCE is open again", unlock_h},
	};

	return offers_commands(c->offers, cmdv, ARRAY_SIZE(cmdv), c);
}
