/**
 * @file silent.c  Callers of whom nothing is heard any more
 *
 *   no RTP, no RTCP -> OPTIONS -> answered: it may be quiet, ask again later
 *                              -> not answered: it is dead, hang up
 *
 * Or it speaks with another server, which the bus knows: then it is let go.
 *
 * Who is on hold may be quiet for as long as it likes; the session timer, or
 * the client host's own probes, find out if it is dead.
 */
#include <string.h>
#include <re.h>
#include "server/settings.h"
#include "connect/connect.h"
#include "connect/room.h"
#include "connect/seatwriter.h"


enum { AGAIN = 30 };               /* ask a quiet caller again [s]         */


static void ask(struct member *m)
{
	m->asked_jfs = tmr_jiffies();
	seatwriter_look(m);

	/* a client host that cannot ask leaves us nothing but silence */
	if (client_probe(m->client) == ENOSYS)
		member_bye(m, LEAVE_TIMEOUT);
}


static void again_h(void *arg)
{
	struct connect *c = arg;
	struct le *le = c->silentl.head;
	struct mesh_stats st;

	while (le) {
		struct member *m = le->data;

		le = le->next;

		if (mesh_part_stats(m->part, &st) ||
		    st.quiet_ms < AGAIN * 1000 || m->held)
			list_unlink(&m->silent_le);
		else if (!m->frozen)
			ask(m);
	}

	if (!list_isempty(&c->silentl))
		tmr_start(&c->silent_tmr, AGAIN * 1000, again_h, c);
}


/**
 * Nothing was heard of a member for long
 *
 * @param m Member; perhaps no longer valid afterwards
 */
void member_silent(struct member *m)
{
	struct connect *c = m->room->c;

	if (m->held || m->frozen || m->adoption ||
	    !config_bool(connect_config(c), "connect.hangup_silent"))
		return;

	if (!m->silent_le.list)
		list_append(&c->silentl, &m->silent_le, m);
	if (!tmr_isrunning(&c->silent_tmr))
		tmr_start(&c->silent_tmr, AGAIN * 1000, again_h, c);

	ask(m);
}


/**
 * Nobody answers at a member's place. If something has been heard of it since
 * it was asked, it is not dead
 *
 * @param m Member; perhaps no longer valid afterwards
 */
void member_dead(struct member *m)
{
	struct mesh_stats st;

	if (m->frozen || m->adoption)
		return;

	if (!mesh_part_stats(m->part, &st) &&
	    st.quiet_ms < tmr_jiffies() - m->asked_jfs)
		return;

	member_bye(m, LEAVE_TIMEOUT);
}


/**
 * Ask nobody any more
 *
 * @param c Connect service
 */
void silents_stop(struct connect *c)
{
	tmr_cancel(&c->silent_tmr);
	list_clear(&c->silentl);
}
