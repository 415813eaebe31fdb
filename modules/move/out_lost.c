/**
 * @file out_lost.c  The server that a conference goes to has died
 *
 * Before it had the claim nothing has happened, and the conference stays.
 * After, this server knows most of it: it takes the claim back, and those who
 * had moved come back by their seats on the bus (adopt.c). Where a third
 * server was faster, what is still here goes there.
 */
#include <string.h>
#include <re.h>
#include "server/event.h"
#include "server/service.h"
#include "move/mover.h"


static void out_take(struct out *out);


static void take_again_handler(void *arg)
{
	out_take(arg);
}


/* A third server was faster: what is here goes there. */
static void out_follow(struct out *out, const char *server)
{
	str_ncpy(out->to, server, sizeof(out->to));
	out->merge = true;
	out->begun = false;
	out->lost = 0;
	out->deadline = tmr_jiffies() + OUT_AGAIN_TIME;
	out_begin(out);
}


static void taken(struct out *out, int err, const char *server)
{
	struct move *mv = out->mv;
	char conference[CLIENT_CONFERENCE_MAX], dead[NAME_SERVER_MAX];

	if (err == ESTALE && server && strcmp(server, out->to) &&
	    strcmp(server, mv->name)) {
		out_follow(out, server);
		return;
	}

	if (err && err != ENOENT && err != ESTALE &&
	    tmr_jiffies() < out->deadline) {
		tmr_start(&out->tmr, OUT_CLAIM_AGAIN, take_again_handler, out);
		return;
	}

	str_ncpy(conference, out->conference, sizeof(conference));
	str_ncpy(dead, out->to, sizeof(dead));
	out->begun = false;
	out_fail(out, EHOSTDOWN, "the other server is gone");
	(void)adopt_run(mv, conference, dead, NULL, NULL);
}


static void taken_handler(int err, const char *server, void *arg)
{
	struct out *out = arg;

	out->claim = mem_deref(out->claim);
	taken(out, err, server);
}


static void out_take(struct out *out)
{
	const struct dispatchee_api *d = out->mv->disp;
	int err;

	err = d->take(&out->claim, d->d, out->conference, out->to,
		      taken_handler, out);
	if (err)
		taken(out, err, d->owner(d->d, out->conference));
}


/**
 * The other server is gone. Before it had the claim: nothing has happened.
 * After: this server knows most of the conference and takes it back at once
 *
 * @param out Conference
 */
void out_lost(struct out *out)
{
	switch (out->state) {

	case OUT_ASKING:
		if (!out->had) {
			out_fail(out, EHOSTDOWN, "the other server is gone");
			break;
		}
		/* fall through */

	case OUT_CLAIMING:
	case OUT_MOVING:
	case OUT_TAIL:
		out_legs_unsure(out);
		out->state = OUT_TAKING;
		out->ask   = mem_deref(out->ask);
		out->claim = mem_deref(out->claim);
		out->half  = half_close(out->half);
		out->deadline = tmr_jiffies() + OUT_CLAIM_TIME;
		tmr_cancel(&out->keep);
		out_take(out);
		break;

	case OUT_TAKING:
		break;
	}
}


/**
 * A server is gone: conferences that were to go there stay
 *
 * @param mv     Service
 * @param server Its name
 */
void out_node_down(struct move *mv, const char *server)
{
	struct le *le = list_head(&mv->outl);

	while (le) {
		struct out *out = le->data;

		le = le->next;
		if (!strcmp(out->to, server))
			out_lost(out);
	}
}
