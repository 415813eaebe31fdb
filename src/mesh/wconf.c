/**
 * @file mesh/wconf.c  A conference in its worker: one tick
 *
 *   schedulers: who talks?                       everybody
 *   sorter: who is mixed?                        those who talk
 *   wconf_mix.c: their audio; sum                those who are mixed
 *   senders that are shared                      one per format
 *   filter, own sender                           those who hear otherwise
 *   headers, into the batch                      everybody
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

enum { CAME = 50 };              /* who came is new for so long [ticks]   */


static void speak_handler(void *who, bool on, int level, void *arg)
{
	struct wpart *part = who;
	(void)on;
	(void)arg;

	wpart_publish(part);
	wpart_speak(part, level);
}


/* Keys pressed in the audio have to be heard even of those not mixed */
static void keys_hear(struct wconf *conf, struct wpart *part)
{
	(void)scheduler_pcm(part->sched, conf->w->scratch.onev, 8000);
}


/* Look at everybody: who talks, and whose turn is it for slow things */
static void listen_all(struct wconf *conf)
{
	struct worker *w = conf->w;
	const unsigned turn = conf->env.tick % WORKER_SLOW;
	struct le *le;

	for (le = conf->partl.head; le; le = le->next) {

		struct wpart *part = le->data;
		enum scheduler_state st;
		uint8_t level = 127;

		if (part->slow == turn)
			wpart_slow(part);
		else if (conf->phase.fresh)
			wpart_publish(part);

		if (part->link.on) {
			wlink_listen(part);
			continue;
		}

		st = scheduler_tick(part->sched, w->now, &level);
		if (st == SCHEDULER_TALKING) {
			part->level = level;
			wconf_talk(conf, part);
		}

		sorter_offer(&conf->sorter, &part->entry,
			     st == SCHEDULER_TALKING, level);

		if (part->rx.inband && part->entry.silenced &&
		    st == SCHEDULER_TALKING)
			keys_hear(conf, part);
	}
}


/* Give a listener a sender of its own that goes on where the group was */
static void own_take(struct wconf *conf, struct wpart *part)
{
	struct worker *w = conf->w;

	part->own = list_ledata(w->sparel.head);
	if (!part->own)
		return;

	list_unlink(&part->own->le);
	list_append(&conf->ownl, &part->own_le, part);
	if (part->group->sender->tick + 1 == conf->env.tick)
		sender_follow(part->own, part->group->sender);
	if (part->came && w->tick - part->came < CAME)
		part->own->wait = 0;
}


static void own_drop(struct wconf *conf, struct wpart *part)
{
	if (!part->own)
		return;

	/* its packets may be in the batch still */
	list_append(&conf->w->usedl, &part->own->le, part->own);
	list_unlink(&part->own_le);
	part->own = NULL;
}


/* Who hears what no other does in this tick? */
static void listeners_sort(struct wconf *conf)
{
	const struct worker_scratch *sc = &conf->w->scratch;
	struct le *le;

	for (le = conf->groupl.head; le; le = le->next) {
		struct sender_group *group = le->data;

		group->listeners = 0;
	}

	for (le = conf->partl.head; le; le = le->next) {

		struct wpart *part = le->data;

		part->apart = part->deaf || part->link.on ||
			tone_playing(&part->tone) ||
			((part->entry.seated || part->rules ||
			  part->entry.leaving) &&
			 filter_concerns(sc->talkv, sc->talkc, part,
					 part->rules));

		if (!part->apart) {
			++part->group->listeners;
			if (part->own)
				++part->hold;
			continue;
		}

		part->hold = 0;
		if (!part->own)
			own_take(conf, part);
	}
}


static void groups_run(struct wconf *conf)
{
	const struct worker_scratch *sc = &conf->w->scratch;
	struct le *le;

	for (le = conf->groupl.head; le; le = le->next) {
		struct sender_group *group = le->data;

		if (group->listeners)
			(void)sender_run(group->sender, &group->key,
					 &sc->all, &conf->env);
		if (group->listeners > 1 && group->sender->packetc &&
		    !group->sender->pass)
			++conf->w->stats.encodes_shared;
	}
}


/* Sounds for one listener lie over what it hears */
static void own_tone(struct wconf *conf, struct wpart *part,
		     struct filter_mix *m)
{
	int16_t *buf = conf->w->scratch.onev;
	const size_t tick = conf->rate / 50;

	if (!tone_playing(&part->tone))
		return;

	if (!m->sampv)
		memset(buf, 0, tick * sizeof(*buf));
	else if (m->sampv != buf)
		memcpy(buf, m->sampv, tick * sizeof(*buf));

	(void)tone_mix(&part->tone, buf, tick);
	m->sampv = buf;
	m->lone = NULL;
}


static void own_run(struct wconf *conf, struct wpart *part)
{
	struct worker_scratch *sc = &conf->w->scratch;
	struct filter_mix m;

	if (!part->apart)
		m = sc->all;
	else if (part->deaf)
		memset(&m, 0, sizeof(m));
	else
		filter_one(&m, sc->onev, sc->sumv, conf->rate / 50,
			   sc->talkv, sc->talkc, part, part->rules);

	own_tone(conf, part, &m);

	(void)sender_run(part->own, &part->group->key, &m, &conf->env);
}


static void part_send(struct wconf *conf, struct wpart *part)
{
	if (part->link.on) {
		wlink_send(conf, part);
	}
	else if (part->own) {
		own_run(conf, part);
		if (part->tx.on)
			wpart_send(part, part->own);
		if (!part->apart &&
		    sender_meets(part->own, part->group->sender,
				 &part->group->key, conf->w->scratch.quiet,
				 part->hold))
			own_drop(conf, part);
	}
	else if (part->tx.on && !part->apart) {
		wpart_send(part, part->group->sender);
	}
}


static void rate_apply(struct wconf *conf)
{
	conf->fade_in = conf->rate != conf->rate_next;
	conf->rate = conf->rate_next;
	conf->env.rate = conf->rate;
}


/* All coders of a worker are of one pool: what was counted there since is
   this conference's */
static void work_count(struct wconf *conf,
		       const struct codec_counts *before)
{
	struct meter_work *work = &conf->work;
	struct codec_counts now;

	codec_pool_counts(conf->w->pool, &now);
	work->decodes += now.decodes - before->decodes;
	work->encodes += now.encodes - before->encodes;
	work->opus_decodes += now.opus_decodes - before->opus_decodes;
	work->opus_encodes += now.opus_encodes - before->opus_encodes;
}


/**
 * One tick of a conference
 *
 * @param conf Conference
 */
void wconf_tick(struct wconf *conf)
{
	struct worker *w = conf->w;
	struct codec_counts before;
	struct le *le;

	if (!conf->partl.head)
		return;

	codec_pool_counts(w->pool, &before);
	/* as those of others, but on its own: its ticks are not theirs */
	conf->env.tick = conf->env.tick ? conf->env.tick + 1 : w->tick + 2;
	conf->env.encodes = conf->env.passed = 0;
	conf->env.complexity = w->effort.now;
	conf->env.haste = w->effort.full - w->effort.now;

	listen_all(conf);
	sorter_pick(&conf->sorter, speak_handler, conf);
	wconf_voices(conf);
	listeners_sort(conf);
	wconf_mix(conf);
	groups_run(conf);

	for (le = conf->partl.head; le; le = le->next)
		part_send(conf, le->data);

	w->stats.encodes += conf->env.encodes;
	w->stats.passed_through += conf->env.passed;
	work_count(conf, &before);

	rate_apply(conf);
	wconf_phase(conf);
}


/**
 * Tell main what a conference costs; once a second
 *
 * @param conf Conference
 */
void wconf_cost(struct wconf *conf)
{
	const uint64_t now = conf->w->ticked;
	struct mesh_conf_cost cost;

	meter_cost(&cost, &conf->work_was, &conf->work,
		   conf->work_at ? now - conf->work_at : 0);
	conf->work_was = conf->work;
	conf->work_at = now;

	snap_write(&conf->cost, &cost, sizeof(cost));
}


/**
 * Let ticks pass in which nothing is mixed or sent
 *
 * @param conf Conference
 * @param n    How many [ticks]
 */
void wconf_skip(struct wconf *conf, unsigned n)
{
	struct le *le;

	for (le = conf->partl.head; le; le = le->next) {

		struct wpart *part = le->data;
		uint8_t level;

		for (unsigned i = 0; i < n; i++)
			(void)scheduler_tick(part->sched, conf->w->now,
					     &level);

		/* what comes next is a talk spurt, RFC 3551, 4.1 */
		part->tx.ts += n * codec_clock(&part->group->key.fmt) / 50;
		part->tx.marker = true;
	}
}


/**
 * Set the rate of the mix; what is heard is faded out and in again
 *
 * @param conf Conference
 * @param rate New rate [Hz]
 */
void wconf_rate(struct wconf *conf, uint32_t rate)
{
	conf->rate_next = rate;

	/* nobody hears anything yet */
	if (!conf->env.tick)
		conf->rate = conf->env.rate = rate;
}


/**
 * Add a participant to its conference
 *
 * @param conf Conference
 * @param part Participant, with its group set
 */
void wconf_part_add(struct wconf *conf, struct wpart *part)
{
	part->conf = conf;
	part->slow = conf->w->stats.parts % WORKER_SLOW;
	list_append(&conf->partl, &part->le, part);
	if (part->link.on)
		list_append(&conf->linkl, &part->link_le, part);
	part->spoken = part->entry.speaking;
	if (part->spoken)
		sorter_resume(&conf->sorter, &part->entry);
	++conf->w->stats.parts;
}


/**
 * Set the rules of a participant
 *
 * @param conf  Its conference
 * @param part  Participant
 * @param rules Rules, owned by it from now on, or NULL; the caller takes the
 *              old ones
 */
void wconf_rules(struct wconf *conf, struct wpart *part,
		 struct filter_rules *rules)
{
	part->rules = rules;

	list_unlink(&part->rule_le);
	if (rules)
		list_append(&conf->rulel, &part->rule_le, part);
}


/**
 * Remove a participant from its conference
 *
 * @param conf Conference
 * @param part Participant
 */
void wconf_part_remove(struct wconf *conf, struct wpart *part)
{
	struct le *le;

	sorter_remove(&conf->sorter, &part->entry);
	own_drop(conf, part);
	list_unlink(&part->rule_le);
	list_unlink(&part->link_le);
	list_unlink(&part->le);
	--conf->w->stats.parts;

	for (le = conf->rulel.head; le; le = le->next) {
		struct wpart *p = le->data;

		filter_rules_forget(p->rules, p, part);
	}

	/* a later one may get the same address */
	if (conf->unheard == part)
		conf->unheard = NULL;

	for (le = conf->ownl.head; le; le = le->next) {
		struct wpart *p = le->data;

		if (p->own->pass == part)
			p->own->pass = NULL;
	}

	for (le = conf->groupl.head; le; le = le->next) {
		struct sender_group *group = le->data;

		if (group->sender->pass == part)
			group->sender->pass = NULL;
	}
}
