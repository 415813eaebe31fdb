/**
 * @file mesh/sorter.c  Who of a conference is mixed
 *
 * Everybody who talks is offered once a tick with the level of that tick.
 * The loudest by smoothed level get the seats; who has one keeps it until
 * somebody is clearly louder. Who loses a seat in the middle of a word is
 * mixed for one more tick, to be faded out. Cost grows with those who talk,
 * not with those who listen.
 */
#include <re.h>
#include "mesh/mesh.h"
#include "mesh/sorter.h"

enum {
	HYSTERESIS = 4 * 256,    /* louder by this to take a seat [dB/256]*/
	START      = 5,          /* talk before it is called so [ticks]   */
	STOP       = 25,         /* silence before it is called so [ticks]*/
	HELD       = 250,        /* for its first media to come [ticks]   */
};


static int level_to_loud(uint8_t level)
{
	return (127 - min((int)level, 127)) * 256;
}


/* Fast up, so that a first word counts; slow down, over pauses in words */
static void smooth(struct sorter_entry *e, int loud)
{
	if (loud > e->loud)
		e->loud += (loud - e->loud) / 2;
	else
		e->loud += (loud - e->loud) / 16;
}


/**
 * Offer a participant for this tick
 *
 * @param s       Sorter
 * @param e       The participant's entry
 * @param talking Whether there is something to hear
 * @param level   How loud [-dBov], 0..127; of no meaning unless talking
 */
void sorter_offer(struct sorter *s, struct sorter_entry *e, bool talking,
		  uint8_t level)
{
	if (!talking && !e->le.list)
		return;

	if (talking && !e->le.list) {
		e->loud = level_to_loud(level);
		e->voice = 0;
		e->talking = false;
		list_append(&s->activel, &e->le, e);
	}
	else {
		smooth(e, level_to_loud(talking ? level : 127));
	}

	e->onset = talking && !e->talking;
	e->talking = talking;
	if (talking) {
		e->idle = e->held = 0;
		if (e->voice < START)
			++e->voice;
	}
	else if (e->held) {
		--e->held;
	}
	else {
		++e->idle;
		e->voice = 0;
	}
}


/* Tell the listeners above, and forget who has been silent for long */
static void speak(struct sorter *s, struct sorter_entry *e,
		  sorter_speak_h *h, void *arg)
{
	const bool on = e->speaking ? e->idle < STOP && !e->silenced
		: e->voice >= START && !e->silenced;

	if (on != e->speaking) {
		e->speaking = on;
		h(e->who, on, 127 - e->loud / 256, arg);
	}

	if (e->idle >= STOP && !e->seated)
		list_unlink(&e->le);
}


static int rank(const struct sorter_entry *e)
{
	return e->loud + (e->seated && !e->leaving ? HYSTERESIS : 0) +
		(e->dominant ? 1 << 20 : 0);
}


/* Insert by rank into the best so far, at most `max` */
static unsigned best_insert(struct sorter_entry **bestv, unsigned n,
			    unsigned max, struct sorter_entry *e)
{
	const int r = rank(e);
	unsigned i;

	if (n == max && r <= rank(bestv[n - 1]))
		return n;

	if (n < max)
		++n;

	for (i = n - 1; i && r > rank(bestv[i - 1]); i--)
		bestv[i] = bestv[i - 1];
	bestv[i] = e;

	return n;
}


static bool among(struct sorter_entry *const *v, unsigned n,
		  const struct sorter_entry *e)
{
	for (unsigned i = 0; i < n; i++)
		if (v[i] == e)
			return true;

	return false;
}


/* Those who were mixed and are not among the best */
static struct sorter_entry *unseat(struct sorter *s,
				   struct sorter_entry *const *bestv,
				   unsigned n)
{
	struct sorter_entry *last = NULL;

	for (unsigned i = 0; i < s->seatc; i++) {
		struct sorter_entry *e = s->seatv[i];

		if (among(bestv, n, e))
			continue;

		if (e->talking && !e->leaving && !last) {
			e->leaving = true;
			last = e;
		}
		else {
			e->seated = e->leaving = false;
		}
	}

	return last;
}


/**
 * Give the seats of this tick to the loudest
 *
 * @param s   Sorter; its `seatv` is set
 * @param h   Called for everybody who started or stopped speaking
 * @param arg Handler argument
 */
void sorter_pick(struct sorter *s, sorter_speak_h *h, void *arg)
{
	struct sorter_entry *bestv[MESH_TALKERS_MAX], *last;
	const unsigned max = min(max(s->seats, 1u),
				 (unsigned)MESH_TALKERS_MAX);
	struct le *le;
	unsigned n = 0;

	for (le = list_head(&s->activel); le; ) {
		struct sorter_entry *e = le->data;

		le = le->next;
		if (e->talking && !e->silenced)
			n = best_insert(bestv, n, max, e);
	}

	last = unseat(s, bestv, n);

	for (unsigned i = 0; i < n; i++) {
		bestv[i]->entering = !bestv[i]->seated || bestv[i]->leaving;
		bestv[i]->seated = true;
		bestv[i]->leaving = false;
		s->seatv[i] = bestv[i];
	}
	if (last) {
		last->entering = false;
		s->seatv[n++] = last;
	}
	s->seatc = n;

	for (le = list_head(&s->activel); le; ) {
		struct sorter_entry *e = le->data;

		le = le->next;
		speak(s, e, h, arg);
	}
}


/**
 * Go on with somebody who was speaking elsewhere: nobody is told that he
 * stopped, unless he does so here too
 *
 * @param s Sorter
 * @param e The participant's entry, fresh
 */
void sorter_resume(struct sorter *s, struct sorter_entry *e)
{
	e->speaking = true;
	e->held = HELD;
	list_append(&s->activel, &e->le, e);
}


/**
 * Forget a participant
 *
 * @param s Sorter
 * @param e The participant's entry, usable again
 */
void sorter_remove(struct sorter *s, struct sorter_entry *e)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->seatc; i++)
		if (s->seatv[i] != e)
			s->seatv[n++] = s->seatv[i];

	s->seatc = n;
	list_unlink(&e->le);
	e->seated = e->leaving = e->talking = e->speaking = false;
}
