/**
 * @file mesh/mesh_wire.c  Who hears whom, how, and what else
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


static void mute_apply(struct msg *msg, void *arg)
{
	struct order *ord = (struct order *)msg;
	(void)arg;

	ord->part->entry.silenced = ord->value;
}


static void deaf_apply(struct msg *msg, void *arg)
{
	struct order *ord = (struct order *)msg;
	(void)arg;

	ord->part->deaf = ord->value;
}


static void dominant_apply(struct msg *msg, void *arg)
{
	struct order *ord = (struct order *)msg;
	(void)arg;

	ord->part->entry.dominant = ord->value;
}


static void tone_apply(struct msg *msg, void *arg)
{
	struct order *ord = (struct order *)msg;
	(void)arg;

	(void)tone_start(&ord->part->tone, ord->value, ord->conf->rate);
}


static int order_value(struct mesh_part *part, int value,
		       void (*apply_h)(struct msg *msg, void *arg))
{
	struct order *ord;
	int err;

	if (!part)
		return EINVAL;

	err = order_alloc(&ord, part->conf->conf, part->part, apply_h);
	if (err)
		return err;

	ord->value = value;
	worker_post(part->conf->w, &ord->msg);

	return 0;
}


/* Nothing has changed if this fails */
static int state_set(struct mesh_part *part,
		     const struct mesh_part_state *state)
{
	const struct mesh_part_state old = part->state;
	int err;

	if (!mesh_part_state_valid(state))
		return EINVAL;

	err = mesh_part_own_sender(part);
	if (err)
		return err;

	part->state = *state;
	err = mesh_rules_post(part);
	if (err)
		part->state = old;

	return err;
}


/**
 * Take a participant's voice out of the mix, or let it in again
 *
 * @param part Participant
 * @param on   Whether it is muted; its keys are still heard
 *
 * @return 0, EINVAL or ENOMEM
 */
int mesh_part_mute(struct mesh_part *part, bool on)
{
	const int err = order_value(part, on, mute_apply);

	if (!err)
		part->state.muted = on;

	return err;
}


/**
 * Let a participant hear nothing
 *
 * @param part Participant
 * @param on   Whether it hears nothing, e.g. is on hold
 *
 * @return 0, EINVAL or ENOMEM
 */
int mesh_part_deaf(struct mesh_part *part, bool on)
{
	int err;

	if (!part)
		return EINVAL;

	err = mesh_part_own_sender(part);
	if (!err)
		err = order_value(part, on, deaf_apply);
	if (!err)
		part->state.deaf = on;

	return err;
}


/**
 * Give a participant a seat before anybody louder
 *
 * @param part Participant
 * @param on   Whether it has that right
 *
 * @return 0, EINVAL or ENOMEM
 */
int mesh_part_dominant(struct mesh_part *part, bool on)
{
	const int err = order_value(part, on, dominant_apply);

	if (!err)
		part->state.dominant = on;

	return err;
}


/**
 * Make a participant louder or softer
 *
 * @param part    Participant
 * @param talk_db As others hear it, -60..20 [dB]
 * @param hear_db As it hears others, -60..20 [dB]
 *
 * @return 0, EINVAL or ENOMEM
 */
int mesh_part_gain(struct mesh_part *part, int talk_db, int hear_db)
{
	struct mesh_part_state state;

	if (!part)
		return EINVAL;

	state = part->state;
	state.talk_db = talk_db;
	state.hear_db = hear_db;

	return state_set(part, &state);
}


static bool same_conf(const struct mesh_part *a, const struct mesh_part *b)
{
	return a != b && a->conf == b->conf;
}


/**
 * Let a participant not hear another one
 *
 * @param part   Participant
 * @param talker The other, of the same conference
 * @param on     Whether it does not hear it
 *
 * @return 0, EINVAL, ENOMEM, ENOSPC if it ignores too many
 */
int mesh_part_ignore(struct mesh_part *part, struct mesh_part *talker,
		     bool on)
{
	struct mesh_part_state state;
	unsigned i;

	if (!part || !talker || !same_conf(part, talker))
		return EINVAL;

	state = part->state;
	for (i = 0; i < state.ignorec; i++)
		if (state.ignorev[i] == talker->ssrc)
			break;

	if (on == (i < state.ignorec))
		return 0;

	if (!on)
		state.ignorev[i] = state.ignorev[--state.ignorec];
	else if (state.ignorec == MESH_IGNORE_MAX)
		return ENOSPC;
	else
		state.ignorev[state.ignorec++] = talker->ssrc;

	return state_set(part, &state);
}


/**
 * Let a participant hear one other only
 *
 * @param part   Participant
 * @param talker The other, of the same conference, or NULL: hear all
 *
 * @return 0, EINVAL or ENOMEM
 */
int mesh_part_hear_only(struct mesh_part *part, struct mesh_part *talker)
{
	struct mesh_part_state state;

	if (!part || (talker && !same_conf(part, talker)))
		return EINVAL;

	state = part->state;
	state.hear_only = talker ? talker->ssrc : 0;

	return state_set(part, &state);
}


/**
 * Let a participant be heard by one other only
 *
 * @param part Participant
 * @param to   The other, of the same conference, or NULL: by all. If it
 *             leaves, nobody hears the participant until told otherwise.
 *
 * @return 0, EINVAL or ENOMEM
 */
int mesh_part_whisper(struct mesh_part *part, struct mesh_part *to)
{
	struct mesh_part_state state;
	int err;

	if (!part || (to && !same_conf(part, to)))
		return EINVAL;

	state = part->state;
	state.whisper = to ? to->ssrc : 0;

	err = to ? mesh_part_own_sender(to) : 0;

	return err ? err : state_set(part, &state);
}


/**
 * Play a sound to one participant
 *
 * @param part Participant
 * @param tone Which one
 *
 * @return 0, EINVAL or ENOMEM
 */
int mesh_part_tone(struct mesh_part *part, enum mesh_tone tone)
{
	int err;

	if (!part || tone > MESH_TONE_LEAVE)
		return EINVAL;

	err = mesh_part_own_sender(part);
	if (err)
		return err;

	return order_value(part, (int)tone, tone_apply);
}
