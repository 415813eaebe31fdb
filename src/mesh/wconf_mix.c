/**
 * @file mesh/wconf_mix.c  A conference in its worker: the mix of one tick
 *
 *   talkers, links, sounds ----> who is heard
 *   their audio --+-- sum ----> what all hear
 *                 |
 *                 `-- left out while one talks alone, and all who listen are
 *                     sent the frames as they came: nobody needs it decoded
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


/* Will it be louder or softer in the course of this tick? */
static bool fade(const struct wconf *conf, const struct sorter_entry *e,
		 bool *in, bool *out)
{
	/* a word that begins does so softly enough by itself */
	*in = conf->fade_in || (e->entering && !e->onset);
	*out = conf->rate != conf->rate_next || e->leaving;

	return *in || *out;
}


static void talker_fade(const struct wconf *conf, struct filter_talker *t,
			const struct sorter_entry *e)
{
	const size_t tick = conf->rate / 50;
	bool in, out;

	(void)fade(conf, e, &in, &out);
	if (in)
		codec_fade_in(t->sampv, tick);
	if (out)
		codec_fade_out(t->sampv, tick);
}


/* What the audio was made of, for those who hear nothing else */
static void frame_fetch(const struct wconf *conf, struct filter_talker *t,
			struct scheduler_frame *frame, struct wpart *part)
{
	/* of three, everybody hears at least two */
	if (!conf->env.pass_through || conf->sorter.seatc > 2)
		return;

	switch (scheduler_frame(part->sched, frame)) {

	case 0:
		t->frame = frame;
		break;

	case ENODATA:
		memset(frame, 0, sizeof(*frame));
		t->frame = frame;
		break;

	default:
		break;
	}
}


/* One who is mixed, without his audio */
static void talker_set(struct wconf *conf, unsigned ix,
		       const struct sorter_entry *e)
{
	struct worker_scratch *sc = &conf->w->scratch;
	struct filter_talker *t = &sc->talkv[ix];
	struct wpart *part = e->who;
	bool in, out;

	memset(t, 0, sizeof(*t));
	t->who   = part;
	t->sampv = sc->seatv[ix];
	t->ssrc  = part->tx.ssrc;
	t->level = part->level;

	frame_fetch(conf, t, &sc->framev[ix], part);

	if (part->rules) {
		t->to = part->rules->whisper;
		if (part->rules->talk_gain)
			t->frame = NULL;
	}
	if (fade(conf, e, &in, &out))
		t->frame = NULL;
}


static void past_give(struct sender *s, const struct wconf *conf,
		      const int16_t *sampv)
{
	if (s->pass == conf->unheard && s->rate == conf->rate &&
	    s->tick + 1 == conf->env.tick)
		memcpy(s->prev, sampv, conf->rate / 50 * sizeof(*sampv));
}


/* Encoders that take over from frames have to know what was heard last, of
   which nobody needed the audio then */
static void past_tell(struct wconf *conf, const struct wpart *part)
{
	int16_t sampv[CODEC_TICK_MAX];
	struct le *le;

	if (conf->unheard != part)
		return;

	if (!scheduler_past(part->sched, sampv, conf->rate)) {

		for (le = conf->groupl.head; le; le = le->next) {
			const struct sender_group *group = le->data;

			past_give(group->sender, conf, sampv);
		}
		for (le = conf->ownl.head; le; le = le->next) {
			const struct wpart *p = le->data;

			past_give(p->own, conf, sampv);
		}
	}

	conf->unheard = NULL;
}


/* Audio of one who is mixed */
static void talker_fetch(struct wconf *conf, struct filter_talker *t,
			 const struct sorter_entry *e)
{
	struct wpart *part = e->who;
	const size_t tick = conf->rate / 50;

	if (scheduler_pcm(part->sched, t->sampv, conf->rate)) {
		memset(t->sampv, 0, tick * sizeof(*t->sampv));
		return;
	}

	past_tell(conf, part);

	if (part->rules)
		filter_gain(t->sampv, tick, part->rules->talk_gain);
	talker_fade(conf, t, e);
}


/* Other servers are heard beside the talkers, not instead of them */
static void links_fetch(struct wconf *conf)
{
	static const struct sorter_entry plain;
	struct worker_scratch *sc = &conf->w->scratch;
	struct le *le;

	for (le = conf->linkl.head; le; le = le->next) {

		struct wpart *part = le->data;
		struct filter_talker *t = &sc->talkv[sc->talkc];

		if (!part->link.heard || part->entry.silenced)
			continue;

		memset(t, 0, sizeof(*t));
		t->sampv = sc->seatv[sc->talkc];
		if (wlink_fetch(part, t)) {
			talker_fade(conf, t, &plain);
			++sc->talkc;
		}
	}
}


/* A sound for everybody is a talker whom nobody is */
static void chime(struct wconf *conf)
{
	struct worker_scratch *sc = &conf->w->scratch;
	struct filter_talker *t = &sc->talkv[sc->talkc];

	if (!tone_playing(&conf->tone))
		return;

	memset(t, 0, sizeof(*t));
	t->sampv = sc->seatv[sc->talkc];
	memset(t->sampv, 0, conf->rate / 50 * sizeof(int16_t));
	(void)tone_mix(&conf->tone, t->sampv, conf->rate / 50);
	++sc->talkc;
}


/**
 * Who is heard in this tick; talkers come without their audio
 *
 * @param conf Conference; those who are mixed are known
 */
void wconf_voices(struct wconf *conf)
{
	struct worker_scratch *sc = &conf->w->scratch;

	for (unsigned i = 0; i < conf->sorter.seatc; i++)
		talker_set(conf, i, conf->sorter.seatv[i]);
	sc->talkc = conf->sorter.seatc;

	links_fetch(conf);
	chime(conf);

	sc->quiet = true;
	for (unsigned i = 0; i < sc->talkc; i++)
		sc->quiet &= sc->talkv[i].level >= SENDER_QUIET;
}


/* One that has not run in the tick before begins with its encoder */
static bool passes(const struct sender *s, const struct sender_key *key,
		   const struct filter_mix *mix, const struct wconf *conf)
{
	return s->tick + 1 == conf->env.tick &&
		sender_passes(s, key, mix, &conf->env);
}


/* Does somebody hear the only talker by another way than frames? */
static bool decoded_for(const struct wconf *conf,
			const struct filter_talker *t)
{
	const struct filter_mix mix = {.lone = t};
	struct le *le;

	for (le = conf->groupl.head; le; le = le->next) {
		const struct sender_group *group = le->data;

		if (group->listeners && !passes(group->sender, &group->key,
						&mix, conf))
			return true;
	}

	for (le = conf->ownl.head; le; le = le->next) {
		const struct wpart *part = le->data;

		/* silence is what he hears of himself */
		if (part == t->who || (part->deaf && !part->link.on))
			continue;
		if (part->apart || !passes(part->own, &part->group->key,
					   &mix, conf))
			return true;
	}

	return false;
}


/* Is there one talker, whose frames are all that anybody needs? To decode
   G.711 costs less than to find out. */
static bool lone(const struct wconf *conf)
{
	const struct worker_scratch *sc = &conf->w->scratch;
	const struct filter_talker *t = &sc->talkv[0];

	if (sc->talkc != 1 || conf->sorter.seatc != 1 || !t->frame || t->to)
		return false;

	if (t->frame->len && t->frame->fmt->codec != MESH_OPUS)
		return false;

	return !decoded_for(conf, t);
}


/**
 * Mix those who are heard
 *
 * @param conf Conference; it is known what listeners hear apart
 */
void wconf_mix(struct wconf *conf)
{
	struct worker_scratch *sc = &conf->w->scratch;
	const size_t tick = conf->rate / 50;

	if (lone(conf)) {
		/* whoever needs it after all hears silence */
		memset(sc->seatv[0], 0, tick * sizeof(sc->seatv[0][0]));
		conf->unheard = sc->talkv[0].who;
	}
	else {
		for (unsigned i = 0; i < conf->sorter.seatc; i++)
			talker_fetch(conf, &sc->talkv[i],
				     conf->sorter.seatv[i]);
		conf->unheard = NULL;
	}

	filter_sum(sc->sumv, tick, sc->talkv, sc->talkc);
	filter_all(&sc->all, sc->allv, sc->sumv, tick, sc->talkv, sc->talkc);
}
