/**
 * @file punt.c  A server with too much to do gives conferences away before
 *               anybody hears it
 *
 * The media engine says how near it is to being late. Above one mark, for a
 * while, the cheapest conference to move goes; then the next, when that has
 * had its effect, until the load is below another, lower mark. Whatever came
 * here lately stays, or two servers would play ball; the last one stays, too.
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
};

/* A conference that was moved here lately */
struct came {
	struct le le;              /* in move.camel                         */
	struct tmr tmr;
	char conference[CLIENT_CONFERENCE_MAX];
};

struct cheapest {
	struct move *mv;
	char conference[CLIENT_CONFERENCE_MAX];
	uint32_t participants;
	unsigned n;                /* conferences that run here             */
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


static void cheapest_handler(const char *conference, uint32_t participants,
			     void *arg)
{
	struct cheapest *ch = arg;

	++ch->n;
	if (!participants || out_find(ch->mv, conference) ||
	    in_any(ch->mv, conference) || came_lately(ch->mv, conference) ||
	    (ch->participants && participants >= ch->participants))
		return;

	ch->participants = participants;
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


static void give_one(struct move *mv)
{
	const uint32_t settle = config_u32(move_config(mv),
					   "move.punt_settle");
	struct cheapest ch = { .mv = mv };
	char to[NAME_SERVER_MAX];
	struct out *out;

	/* one after the other, each with time to be felt */
	if (!list_isempty(&mv->outl) || !list_isempty(&mv->inl) ||
	    tmr_jiffies() < mv->punt.last + settle)
		return;

	mv->disp->claims(mv->disp->d, mv->name, cheapest_handler, &ch);
	if (ch.n < 2 || !ch.participants)
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
 * @param mv   Service
 * @param load How near the media engine is to being late [1/1000]
 */
void punt_look(struct move *mv, unsigned load)
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
		give_one(mv);
}


static void look_handler(void *arg)
{
	struct move *mv = arg;
	const struct mesh_api *api =
		service_api(service_server(mv->svc), "mesh");
	struct mesh_load load;

	tmr_start(&mv->punt.tmr, LOOK_TIME, look_handler, mv);
	if (api && api->mesh && !mesh_load(api->mesh, &load))
		punt_look(mv, load.load);
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
