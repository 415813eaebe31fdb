/**
 * @file mesh/order_part.c  What a worker does with a participant for main
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


/* In the worker: the group for this key, or the new one of the message */
static struct sender_group *group_join(struct order *ord)
{
	struct list *groupl = &ord->conf->groupl;
	struct sender_group *group;
	struct le *le;

	LIST_FOREACH(groupl, le) {
		group = le->data;

		if (sender_key_equal(&group->key, &ord->group->key)) {
			++group->refc;
			return group;
		}
	}

	group = ord->group;
	ord->group = NULL;
	group->refc = 1;
	list_append(groupl, &group->le, group);

	return group;
}


/* In the worker: what nobody needs any more goes back with the message */
static void group_leave(struct order *ord, struct sender_group *group)
{
	if (!group || --group->refc)
		return;

	sender_clear(group->sender);
	list_unlink(&group->le);
	ord->group_old = group;
}


/**
 * In the worker: add a participant
 *
 * @param msg Order with the participant, its media and a new group
 * @param arg Worker
 */
void order_part_add(struct msg *msg, void *arg)
{
	struct order *ord = (struct order *)msg;
	struct worker *w = arg;

	ord->part->group = group_join(ord);
	wconf_part_add(ord->conf, ord->part);
	if (ord->part->rules)
		wconf_rules(ord->conf, ord->part, ord->part->rules);
	wpart_media(ord->part, ord->media);
	(void)wpart_attach(ord->part, w);
	wpart_publish(ord->part);
}


/**
 * In the worker: remove a participant
 *
 * @param msg Order with the participant; takes back what it needed
 * @param arg Worker
 */
void order_part_remove(struct msg *msg, void *arg)
{
	struct order *ord = (struct order *)msg;
	struct worker *w = arg;

	/* a stream that goes on elsewhere has not ended */
	if (!ord->part->tx.hush)
		wpart_rtcp_send(ord->part, true);
	wpart_detach(ord->part, w);
	wconf_part_remove(ord->conf, ord->part);
	group_leave(ord, ord->part->group);
	ord->part->group = NULL;
	scheduler_reset(ord->part->sched);
}


/**
 * In main again: free a participant that is removed
 *
 * @param msg Order with the participant
 * @param arg Worker
 */
void order_part_removed(struct msg *msg, void *arg)
{
	struct order *ord = (struct order *)msg;
	(void)arg;

	mem_deref(ord->part);
	mem_deref(ord);
}


/**
 * In the worker: change what was agreed with a participant. A sender of its
 * own has the old key: what it made so far is lost.
 *
 * @param msg Order with the participant, its media and a new group
 * @param arg Worker
 */
void order_part_update(struct msg *msg, void *arg)
{
	struct order *ord = (struct order *)msg;
	struct wpart *part = ord->part;
	struct sender_group *old = part->group;
	struct worker *w = arg;

	wpart_detach(part, w);
	wpart_media(part, ord->media);
	(void)wpart_attach(part, w);
	(void)scheduler_update(part->sched, ord->media);

	part->group = group_join(ord);
	if (part->group != old) {
		if (part->own)
			sender_clear(part->own);
		part->tx.marker = true;
	}

	group_leave(ord, old);
	wpart_publish(part);
}
