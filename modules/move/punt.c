/**
 * @file punt.c  A server with too much to do gives conferences away before
 *               anybody hears it
 *
 * The media engine says how near it is to being late. Above one mark, for a
 * while, the conference goes that takes most work along for each participant
 * to be moved; then the next, when that has had its effect, until the load is
 * below another, lower mark. Only those of the worker that has most to do are
 * of any help. Whatever came here lately stays, or two servers would play
 * ball; the last one stays, too.
 * Meanwhile little is said to be left, so that nobody sends more who has a
 * choice; who has none is better let in than turned away.
 */
#include <string.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "server/log.h"
#include "mesh/mesh.h"
#include "mesh/mesh_service.h"
#include "move/mover.h"


enum {
	LOOK_TIME = 500,           /* between two looks [ms]                */
	CAME_MAX  = 4096,
	ALIKE     = 10,            /* reliefs that differ by less [%]       */
};

/* A conference that was moved here lately */
struct came {
	struct le le;              /* in move.camel                         */
	struct tmr tmr;
	char conference[CLIENT_CONFERENCE_MAX];
};

struct choice {
	struct move *mv;
	unsigned worst;            /* worker with most to do                */
	char conference[CLIENT_CONFERENCE_MAX];
	uint32_t participants;     /* of it, 0: none yet                    */
	uint32_t usec;             /* that it costs [us/s], 0: not measured */
	unsigned n;                /* conferences that run here             */
	unsigned measured;
};


static void came_destructor(void *arg)
{
	struct came *c = arg;

	tmr_cancel(&c->tmr);
	list_unlink(&c->le);
}


static void came_handler(void *arg)
{
	mem_deref(arg);
}


/**
 * A conference was moved here: it is not given away again at once
 *
 * @param mv         Service
 * @param conference Conference
 */
void punt_came(struct move *mv, const char *conference)
{
	const uint32_t rest = config_u32(move_config(mv), "move.punt_rest");
	struct came *c;

	if (!rest || list_count(&mv->camel) >= CAME_MAX)
		return;

	c = mem_zalloc(sizeof(*c), came_destructor);
	if (!c)
		return;

	str_ncpy(c->conference, conference, sizeof(c->conference));
	list_append(&mv->camel, &c->le, c);
	tmr_start(&c->tmr, 1000ULL * rest, came_handler, c);
}


static bool came_lately(const struct move *mv, const char *conference)
{
	struct le *le;

	LIST_FOREACH(&mv->camel, le) {
		const struct came *c = le->data;

		if (!strcmp(c->conference, conference))
			return true;
	}

	return false;
}


static bool may_go(const struct move *mv, const char *conference,
		   uint32_t participants)
{
	return participants && !out_find(mv, conference) &&
		!in_any(mv, conference) && !came_lately(mv, conference);
}


/* Is it better to give away this one than the choice so far: does it take more
   work along per participant? If that is nearly the same, the smaller one */
static bool is_better(const struct choice *ch, uint32_t usec,
		      uint32_t participants)
{
	const uint64_t it = (uint64_t)usec * ch->participants;
	const uint64_t best = (uint64_t)ch->usec * participants;

	if (!ch->participants)
		return true;

	if (100 * it > (100 + ALIKE) * best)
		return true;

	return 100 * best <= (100 + ALIKE) * it &&
		participants < ch->participants;
}


static void choice_handler(const char *conference, uint32_t participants,
			   void *arg)
{
	struct choice *ch = arg;
	const struct connect_api *c = ch->mv->connect;
	struct mesh_conf_cost cost;
	uint32_t usec = 0;

	++ch->n;
	if (c->cost && !c->cost(c->c, conference, &cost) && cost.usec) {
		++ch->measured;
		/* no relief for who needs it */
		if (cost.worker != ch->worst)
			return;
		usec = cost.usec;
	}

	if (!may_go(ch->mv, conference, participants) ||
	    !is_better(ch, usec, participants))
		return;

	ch->participants = participants;
	ch->usec = usec;
	str_ncpy(ch->conference, conference, sizeof(ch->conference));
}


static void done_handler(int err, const struct move_event *me, void *arg)
{
	struct move *mv = arg;

	if (!err || err == EAGAIN)
		++mv->countv[COUNT_PUNTED];
	else
		punt_came(mv, me->conference);

	/* its effect shows in the next second's load */
	mv->punt.last = tmr_jiffies();
}


static void give_one(struct move *mv, unsigned worst)
{
	const uint32_t settle = config_u32(move_config(mv),
					   "move.punt_settle");
	struct choice ch = { .mv = mv, .worst = worst };
	char to[NAME_SERVER_MAX];
	struct out *out;

	/* one after the other, each with time to be felt */
	if (!list_isempty(&mv->outl) || !list_isempty(&mv->inl) ||
	    tmr_jiffies() < mv->punt.last + settle)
		return;

	/* who costs nothing is of no help, unless nothing was measured yet */
	mv->disp->claims(mv->disp->d, mv->name, choice_handler, &ch);
	if (ch.n < 2 || !ch.participants || (ch.measured && !ch.usec))
		return;

	/* room for twice as many: it is not to be in the same trouble */
	if (target_pick(mv, 2 * ch.participants, to, sizeof(to)) ||
	    out_start(mv, ch.conference, to, "too much to do",
		      done_handler, mv)) {
		mv->punt.last = tmr_jiffies();
		return;
	}

	out = out_find(mv, ch.conference);
	if (out)
		out->punt = true;
}


static void punt_set(struct move *mv, bool on, unsigned load)
{
	mv->punt.on = on;
	mv->disp->full(mv->disp->d, on);
	log_event(LOG_NOTICE, "move", NULL, on ?
		  "too much to do (%u of 1000): gives conferences away" :
		  "no longer too much to do (%u of 1000)", load);
}


/**
 * Judge a load
 *
 * @param mv    Service
 * @param load  How near the media engine is to being late [1/1000]
 * @param worst Its worker of which that is true
 */
void punt_look(struct move *mv, unsigned load, unsigned worst)
{
	const struct config *cfg = move_config(mv);
	const uint32_t above = config_u32(cfg, "move.punt_above");
	struct punt *p = &mv->punt;

	if (!above) {
		if (p->on)
			punt_set(mv, false, load);
		return;
	}

	p->above = load > above ? p->above + 1 : 0;
	if (!p->on && p->above * LOOK_TIME >= config_u32(cfg,
							 "move.punt_after"))
		punt_set(mv, true, load);
	else if (p->on && load < config_u32(cfg, "move.punt_below"))
		punt_set(mv, false, load);

	if (p->on && !mv->drain.on && !mv->stopping)
		give_one(mv, worst);
}


static void look_handler(void *arg)
{
	struct move *mv = arg;
	const struct mesh_api *api =
		service_api(service_server(mv->svc), "mesh");
	struct mesh_load load;

	tmr_start(&mv->punt.tmr, LOOK_TIME, look_handler, mv);
	if (api && api->mesh && !mesh_load(api->mesh, &load))
		punt_look(mv, load.load, load.worst);
}


/**
 * Begin to look at the load
 *
 * @param mv Service
 */
void punt_start(struct move *mv)
{
	tmr_start(&mv->punt.tmr, LOOK_TIME, look_handler, mv);
}


/**
 * Give nothing away any more
 *
 * @param mv Service
 */
void punt_stop(struct move *mv)
{
	tmr_cancel(&mv->punt.tmr);
	list_flush(&mv->camel);
	memset(&mv->punt, 0, sizeof(mv->punt));
}
