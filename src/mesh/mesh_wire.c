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


/* The old rules go back with the message */
static void rules_apply(struct msg *msg, void *arg)
{
	struct order *ord = (struct order *)msg;
	struct filter_rules *old = ord->part->rules;
	(void)arg;

	wconf_rules(ord->conf, ord->part, ord->rules);
	ord->rules = old;
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


static bool rules_any(const struct filter_rules *r)
{
	return r->ignorec || r->hear_only || r->talk_gain || r->hear_gain ||
		r->whisper;
}


/* Who has rules, or is whispered to, may need a sender of its own */
static int sender_own(struct mesh_part *part)
{
	int err;

	if (part->own_sender)
		return 0;

	err = mesh_senders_need(part->conf, 1);
	if (!err)
		part->own_sender = true;

	return err;
}


static int rules_set(struct mesh_part *part, const struct filter_rules *rules)
{
	struct order *ord;
	int err;

	err = sender_own(part);
	if (err)
		return err;

	err = order_alloc(&ord, part->conf->conf, part->part, rules_apply);
	if (err)
		return err;

	if (rules_any(rules)) {
		ord->rules = mem_zalloc(sizeof(*rules), NULL);
		if (!ord->rules) {
			mem_deref(ord);
			return ENOMEM;
		}
		*ord->rules = *rules;
	}

	part->rules = *rules;
	list_unlink(&part->rule_le);
	if (rules_any(rules))
		list_append(&part->conf->rulel, &part->rule_le, part);
	worker_post(part->conf->w, &ord->msg);

	return 0;
}


/**
 * Forget, in the rules of a participant, another one that is gone
 *
 * @param part Participant
 * @param gone The other; the worker forgets it by itself
 */
void mesh_part_forget(struct mesh_part *part, const struct mesh_part *gone)
{
	filter_rules_forget(&part->rules, part->part, gone->part);
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
	return order_value(part, on, mute_apply);
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

	err = sender_own(part);
	if (err)
		return err;

	return order_value(part, on, deaf_apply);
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
	return order_value(part, on, dominant_apply);
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
	struct filter_rules rules;

	if (!part || talk_db < -60 || talk_db > 20 ||
	    hear_db < -60 || hear_db > 20)
		return EINVAL;

	rules = part->rules;
	rules.talk_gain = filter_gain_db(talk_db);
	rules.hear_gain = filter_gain_db(hear_db);

	return rules_set(part, &rules);
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
	struct filter_rules rules;
	unsigned i;

	if (!part || !talker || !same_conf(part, talker))
		return EINVAL;

	rules = part->rules;
	for (i = 0; i < rules.ignorec; i++)
		if (rules.ignorev[i] == talker->part)
			break;

	if (on == (i < rules.ignorec))
		return 0;

	if (!on)
		rules.ignorev[i] = rules.ignorev[--rules.ignorec];
	else if (rules.ignorec == FILTER_IGNORE_MAX)
		return ENOSPC;
	else
		rules.ignorev[rules.ignorec++] = talker->part;

	return rules_set(part, &rules);
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
	struct filter_rules rules;

	if (!part || (talker && !same_conf(part, talker)))
		return EINVAL;

	rules = part->rules;
	rules.hear_only = talker ? talker->part : NULL;

	return rules_set(part, &rules);
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
	struct filter_rules rules;
	int err;

	if (!part || (to && !same_conf(part, to)))
		return EINVAL;

	rules = part->rules;
	rules.whisper = to ? to->part : NULL;

	err = to ? sender_own(to) : 0;

	return err ? err : rules_set(part, &rules);
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

	err = sender_own(part);
	if (err)
		return err;

	return order_value(part, (int)tone, tone_apply);
}
