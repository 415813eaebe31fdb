/**
 * @file tell.c  What the services above, and the roster, are told
 */
#include <string.h>
#include <sys/time.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/event.h"
#include "server/log.h"
#include "noc/roster.h"
#include "connect/connect.h"
#include "connect/room.h"
#include "connect/seatwriter.h"


/**
 * Details of a "connect." event for logs and other servers
 *
 * @param od   Object to add to
 * @param data struct connect_event
 *
 * @return 0 if success, otherwise errorcode
 */
int connect_event_detail(struct odict *od, const void *data)
{
	static const char *const causev[] = {
		"bye", "kicked", "timeout", "error", "shutdown",
	};
	const struct connect_event *ce = data;
	int err = 0;

	err |= odict_entry_add(od, "conference", ODICT_STRING,
			       ce->conference);
	err |= odict_entry_add(od, "participants", ODICT_INT,
			       (int64_t)ce->participants);
	if (ce->moved)
		err |= odict_entry_add(od, "moved", ODICT_BOOL, true);
	if (str_isset(ce->to))
		err |= odict_entry_add(od, "to", ODICT_STRING, ce->to);
	if (!ce->user)
		return err;

	err |= odict_entry_add(od, "id", ODICT_INT, (int64_t)ce->id);
	err |= odict_entry_add(od, "user", ODICT_STRING, ce->user);
	err |= odict_entry_add(od, "name", ODICT_STRING, ce->name);
	err |= odict_entry_add(od, "account", ODICT_STRING, ce->account);
	err |= odict_entry_add(od, "codec", ODICT_STRING, ce->codec);
	err |= odict_entry_add(od, "on", ODICT_BOOL, ce->on);

	if (ce->left_usec) {
		err |= odict_entry_add(od, "cause", ODICT_STRING,
				       causev[ce->cause]);
		err |= odict_entry_add(od, "seconds", ODICT_DOUBLE,
			(double)(ce->left_usec - ce->joined_usec) / 1e6);
	}

	return err;
}


static struct connect_event event_make(const struct member *m)
{
	const struct join *j = client_join(m->client);
	struct connect_event ce = {
		.conference = m->room->name,
		.callid = j->callid,
		.account = j->account,
		.user = j->user,
		.name = j->name,
		.info = j->info,
		.id = m->id,
		.participants = m->room->memberc,
		.joined_usec = m->joined_usec,
	};

	str_ncpy(ce.codec, m->codec, sizeof ce.codec);

	return ce;
}


static void fire(const struct room *room, const char *event,
		 struct connect_event *ce)
{
	log_trace(room->c->rule->name, ce->callid,
		  "%s: %s in %s, %u participants%s", event,
		  ce->user ? ce->user : "-", ce->conference,
		  ce->participants, ce->on ? ", on" : "");
	event_fire(server_events(service_server(room->c->svc)),
		   &(struct event){.name = event, .callid = ce->callid,
				   .data = ce,
				   .detail = connect_event_detail});
}


/**
 * Fire an event about a member
 *
 * @param m     Member
 * @param event Name of the event
 * @param on    What it says of the member: speaking, muted
 */
void member_fire(struct member *m, const char *event, bool on)
{
	struct connect_event ce = event_make(m);

	ce.on = on;
	ce.moved = m->adoption != NULL;
	fire(m->room, event, &ce);
}


/**
 * Tell that a member has left
 *
 * @param m      Member
 * @param cause  Why
 * @param reason The same in words, or NULL
 */
void member_fire_left(struct member *m, enum leave_cause cause,
		      const char *reason)
{
	struct connect_event ce = event_make(m);
	struct mesh_stats st;

	ce.left_usec = connect_now();
	ce.cause = cause;
	ce.reason = reason;
	if (!mesh_part_stats(m->part, &st))
		ce.stats = &st;

	fire(m->room, "connect.left", &ce);
}


/**
 * Tell that a member goes on at another server
 *
 * @param m     Member
 * @param event "connect.moved" or "connect.lost"
 * @param to    The server
 */
void member_fire_moved(struct member *m, const char *event, const char *to)
{
	struct connect_event ce = event_make(m);
	struct mesh_stats st;

	ce.moved = true;
	ce.to = to;
	if (!mesh_part_stats(m->part, &st))
		ce.stats = &st;

	fire(m->room, event, &ce);
}


/**
 * Fire an event about a room
 *
 * @param room  Room
 * @param event Name of the event
 */
void room_fire(const struct room *room, const char *event)
{
	struct connect_event ce = {
		.conference = room->name,
		.participants = room->memberc,
		.moved = room->moved,
		.to = room->to,
		.created_usec = room->created_usec,
	};

	fire(room, event, &ce);
}


/**
 * Tell the roster how a member is now
 *
 * @param m Member
 */
void member_tell(const struct member *m)
{
	const struct join *j = client_join(m->client);

	if (!m->joined_usec)
		return;

	(void)roster_user_set(m->room->roster, m->id, &(struct roster_user){
		.user = j->user, .name = j->name,
		.joined_usec = m->joined_usec,
		.ssrc = mesh_part_ssrc(m->part),
		.held = m->held, .muted = m->muted,
		.speaking = m->speaking,
	});
}


/**
 * Something of a member has changed that must not be lost with this server
 *
 * @param m Member
 */
void member_changed(struct member *m)
{
	member_tell(m);

	if (m->joined_usec && !m->frozen)
		seatwriter_member(m);
}
