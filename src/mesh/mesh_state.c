/**
 * @file mesh/mesh_state.c  What is set for a participant, and its rules
 *
 * Others are named by their SSRC here, and rules for the worker are made of
 * that. Somebody who is named and not there, because he has left or comes
 * with a later message of a move, is nobody: whoever whispers to him is heard
 * by no one, whoever hears only him hears no one. When he comes, it is him.
 */
#include <re.h>
#include <pthread.h>
#include <string.h>
#include "mesh/mesh.h"
#include "mesh/codec.h"
#include "mesh/scheduler.h"
#include "mesh/tone.h"
#include "mesh/rtp.h"
#include "mesh/rtcp.h"
#include "mesh/demux.h"
#include "mesh/queue.h"
#include "mesh/snap.h"
#include "mesh/channel.h"
#include "mesh/sorter.h"
#include "mesh/filter.h"
#include "mesh/sender.h"
#include "mesh/effort.h"
#include "mesh/meter.h"
#include "mesh/worker.h"
#include "mesh/mesh_priv.h"

enum { GAIN_MIN = -60, GAIN_MAX = 20 };          /* [dB]                  */


/* The old rules go back with the message */
static void rules_apply(struct msg *msg, void *arg)
{
	struct order *ord = (struct order *)msg;
	struct filter_rules *old = ord->part->rules;
	(void)arg;

	wconf_rules(ord->conf, ord->part, ord->rules);
	ord->rules = old;
}


static bool gain_valid(int db)
{
	return db >= GAIN_MIN && db <= GAIN_MAX;
}


/**
 * Is this what a participant can be set to
 *
 * @param state State, of anybody
 *
 * @return True if so
 */
bool mesh_part_state_valid(const struct mesh_part_state *state)
{
	return gain_valid(state->talk_db) && gain_valid(state->hear_db) &&
		state->ignorec <= MESH_IGNORE_MAX;
}


static bool rules_any(const struct mesh_part *part)
{
	const struct mesh_part_state *state = &part->state;

	return part->link || state->ignorec || state->hear_only ||
		state->whisper || state->talk_db || state->hear_db;
}


static struct mesh_part *find(const struct mesh_conf *conf, uint32_t ssrc)
{
	struct le *le;

	LIST_FOREACH(&conf->partl, le) {
		struct mesh_part *part = le->data;

		if (part->ssrc == ssrc)
			return part;
	}

	return NULL;
}


/* Whoever is not there is the participant itself, whom it never hears */
static const void *whom(const struct mesh_part *part, uint32_t ssrc)
{
	const struct mesh_part *other;

	if (!ssrc)
		return NULL;

	other = find(part->conf, ssrc);

	return other ? other->part : part->part;
}


static int rules_make(struct filter_rules **rp, const struct mesh_part *part)
{
	const struct mesh_part_state *state = &part->state;
	struct filter_rules *rules;

	_Static_assert((int)MESH_IGNORE_MAX == (int)FILTER_IGNORE_MAX,
		       "all who are ignored have room");

	if (!rules_any(part))
		return 0;

	rules = mem_zalloc(sizeof(*rules), NULL);
	if (!rules)
		return ENOMEM;

	for (unsigned i = 0; i < state->ignorec; i++) {
		const struct mesh_part *p = find(part->conf,
						 state->ignorev[i]);

		if (p)
			rules->ignorev[rules->ignorec++] = p->part;
	}

	rules->link      = part->link;
	rules->talk_gain = filter_gain_db(state->talk_db);
	rules->hear_gain = filter_gain_db(state->hear_db);
	rules->hear_only = whom(part, state->hear_only);
	rules->whisper   = whom(part, state->whisper);
	*rp = rules;

	return 0;
}


/**
 * See to it that there is a sender for a participant that may hear what no
 * other does, for as long as it is there
 *
 * @param part Participant
 *
 * @return 0, or ENOMEM
 */
int mesh_part_own_sender(struct mesh_part *part)
{
	int err;

	if (part->own_sender)
		return 0;

	err = mesh_senders_need(part->conf, 1);
	if (!err)
		part->own_sender = true;

	return err;
}


static void rule_list(struct mesh_part *part)
{
	if (!rules_any(part))
		list_unlink(&part->rule_le);
	else if (!part->rule_le.list)
		list_append(&part->conf->rulel, &part->rule_le, part);
}


/**
 * Give the worker the rules that follow from a participant's state
 *
 * @param part Participant
 *
 * @return 0, or ENOMEM
 */
int mesh_rules_post(struct mesh_part *part)
{
	struct order *ord;
	int err;

	err = order_alloc(&ord, part->conf->conf, part->part, rules_apply);
	if (err)
		return err;

	err = rules_make(&ord->rules, part);
	if (err) {
		mem_deref(ord);
		return err;
	}

	rule_list(part);
	worker_post(part->conf->w, &ord->msg);

	return 0;
}


static bool names(const struct mesh_part_state *state, uint32_t ssrc)
{
	for (unsigned i = 0; i < state->ignorec; i++)
		if (state->ignorev[i] == ssrc)
			return true;

	return state->hear_only == ssrc || state->whisper == ssrc;
}


/**
 * Let others' rules know somebody who was named before being there
 *
 * @param part Participant, the worker knows it already
 *
 * @return 0, or ENOMEM
 */
int mesh_rules_know(struct mesh_part *part)
{
	struct le *le;
	int err = 0;

	LIST_FOREACH(&part->conf->rulel, le) {
		struct mesh_part *p = le->data;

		if (p == part || !names(&p->state, part->ssrc))
			continue;

		if (p->state.whisper == part->ssrc)
			err = mesh_part_own_sender(part);
		err |= mesh_rules_post(p);
		if (err)
			return err;
	}

	return 0;
}


/**
 * Forget, in the state of a participant, another one that is gone
 *
 * @param part Participant
 * @param gone The other; the worker forgets it by itself
 */
void mesh_part_forget(struct mesh_part *part, const struct mesh_part *gone)
{
	struct mesh_part_state *state = &part->state;
	unsigned n = 0;

	for (unsigned i = 0; i < state->ignorec; i++)
		if (state->ignorev[i] != gone->ssrc)
			state->ignorev[n++] = state->ignorev[i];

	state->ignorec = n;
}


/**
 * Set what a participant begins with; before the worker gets it
 *
 * @param part  Participant
 * @param state State
 *
 * @return 0, or ENOMEM
 */
int mesh_part_state_begin(struct mesh_part *part,
			  const struct mesh_part_state *state)
{
	struct wpart *wp = part->part;
	int err;

	part->state = *state;

	wp->deaf = state->deaf;
	wp->entry.silenced = state->muted;
	wp->entry.dominant = state->dominant;
	wp->entry.speaking = state->speaking && !state->muted;

	if (!rules_any(part) && !state->deaf)
		return 0;

	err = mesh_part_own_sender(part);
	if (!err && state->whisper && find(part->conf, state->whisper))
		err = mesh_part_own_sender(find(part->conf, state->whisper));
	if (!err)
		err = rules_make(&wp->rules, part);
	if (!err)
		rule_list(part);

	return err;
}


/**
 * What is set for a participant
 *
 * @param part  Participant
 * @param state Filled in
 *
 * @return 0 or EINVAL
 */
int mesh_part_state(const struct mesh_part *part,
		    struct mesh_part_state *state)
{
	struct wpart_shown sh;

	if (!part || !state)
		return EINVAL;

	snap_read(&part->part->shown, &sh, sizeof(sh));
	*state = part->state;
	state->speaking = sh.st.speaking;

	return 0;
}
