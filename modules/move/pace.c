/**
 * @file pace.c  Legs leave in turn: so many at once, so many a second
 *
 * A leg whose phone is slow to answer gives its place in the window to the
 * next one; it stays on its way.
 */
#include <string.h>
#include <re.h>
#include "server/settings.h"
#include "move/mover.h"


enum {
	TICK  = 10,                /* between two looks [ms]                */
	BURST = 20,                /* time whose legs may go together [ms]  */
};

static void pace_run(struct move *mv);


static void tick_handler(void *arg)
{
	pace_run(arg);
}


static void credit_add(struct pace *p)
{
	const uint64_t now = tmr_jiffies();
	const uint64_t most = (uint64_t)p->rate * BURST;

	p->credit += (now - p->at) * p->rate;
	p->credit = min(p->credit, max(most, 1000));
	p->at = now;
}


static void pace_run(struct move *mv)
{
	struct pace *p = &mv->pace;
	struct le *le;

	credit_add(p);

	while (p->credit >= 1000 && p->flying < p->window &&
	       (le = list_head(&p->readyl))) {
		struct leg *leg = le->data;

		list_unlink(&leg->ready);
		p->credit -= 1000;
		++p->flying;
		leg->flying = true;
		leg_go(leg);
	}

	if (!list_isempty(&p->readyl))
		tmr_start(&p->tmr, TICK, tick_handler, mv);
}


/**
 * Take over the settings
 *
 * @param mv Service
 */
void pace_settings(struct move *mv)
{
	mv->pace.window = config_u32(move_config(mv), "move.window");
	mv->pace.rate   = config_u32(move_config(mv), "move.rate");
}


/**
 * A leg is ready: it goes when its turn comes
 *
 * @param mv  Service
 * @param leg Leg
 */
void pace_add(struct move *mv, struct leg *leg)
{
	list_unlink(&leg->ready);
	list_append(&mv->pace.readyl, &leg->ready, leg);

	/* never from here: whoever adds is in the middle of something */
	if (!tmr_isrunning(&mv->pace.tmr))
		tmr_start(&mv->pace.tmr, 0, tick_handler, mv);
}


/**
 * A leg takes very long: another may go meanwhile
 *
 * @param mv  Service
 * @param leg Leg
 */
void pace_slow(struct move *mv, struct leg *leg)
{
	if (!leg->flying)
		return;

	leg->flying = false;
	--mv->pace.flying;
	if (!list_isempty(&mv->pace.readyl) &&
	    !tmr_isrunning(&mv->pace.tmr))
		tmr_start(&mv->pace.tmr, 0, tick_handler, mv);
}


/**
 * A leg is no longer on its way
 *
 * @param mv  Service
 * @param leg Leg
 */
void pace_done(struct move *mv, struct leg *leg)
{
	list_unlink(&leg->ready);
	pace_slow(mv, leg);
}
