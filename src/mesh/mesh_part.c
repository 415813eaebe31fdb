/**
 * @file mesh/mesh_part.c  Participants as the main thread sees them
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


static void wpart_destructor(void *arg)
{
	struct wpart *part = arg;

	mem_deref(part->sched);
	mem_deref(part->rules);
	mem_deref(part->port);
}


static void address_forget(struct mesh_part *part)
{
	struct demux *taken = part->conf->w->taken;

	if (!part->own_port && demux_find(taken, &part->media.rtp) == part)
		demux_remove(taken, &part->media.rtp);
}


static void part_destructor(void *arg)
{
	struct mesh_part *part = arg;
	struct mesh *mesh = part->conf->mesh;

	address_forget(part);

	if (part->port >= 0)
		mesh->portv[part->port] = 0;
	if (part->own_port)
		--mesh->ports;

	list_unlink(&part->rule_le);
	if (part->le.list) {
		mesh_part_trace(part, "goes");
		if (part->link)
			list_unlink(&part->le);
		else
			mesh_conf_part_remove(part->conf, part);
		part->part->handle = NULL;
		worker_post(part->conf->w, &part->leave->msg);
	}
	else {
		mem_deref(part->leave);
		mem_deref(part->part);
	}

	mem_deref(part->conf);
}


static bool format_valid(const struct mesh_format *fmt)
{
	return fmt->codec <= MESH_OPUS && fmt->pt <= 127;
}


static bool media_valid(const struct mesh_media *m)
{
	if (!m->rxc || m->rxc > MESH_FORMATS_MAX || !format_valid(&m->tx))
		return false;

	for (unsigned i = 0; i < m->rxc; i++)
		if (!format_valid(&m->rxv[i]))
			return false;

	return (m->ptime == 10 || m->ptime == 20 || m->ptime == 40 ||
		m->ptime == 60) && m->ext_level < 15 && m->ext_mixer < 15;
}


/* Another port is needed if somebody else is already known by this address */
static int address_take(struct mesh_part *part, const struct sa *rtp)
{
	if (part->own_port)
		return 0;

	return demux_add(part->conf->w->taken, rtp, part);
}


static int port_open(struct mesh_part *part)
{
	struct mesh *mesh = part->conf->mesh;
	struct sa sa = mesh->cfg.laddr;
	int err = ENOSPC;

	if (mesh->ports >= mesh->cfg.private_max)
		return ENOSPC;

	if (!sa_port(&sa)) {
		err = channel_open(&part->part->port, &sa, false);
		goto out;
	}

	for (unsigned i = 0; i < mesh->cfg.private_max; i++) {
		const unsigned port = sa_port(&mesh->cfg.laddr) +
			2 * (mesh->workerc + i);

		if (mesh->portv[i])
			continue;
		if (port > 65534)
			break;

		sa_set_port(&sa, (uint16_t)port);
		err = channel_open(&part->part->port, &sa, false);
		if (err)
			continue;

		part->port = (int)i;
		mesh->portv[i] = 1;
		break;
	}

 out:
	if (!err) {
		part->own_port = true;
		++mesh->ports;
	}

	return err;
}


/* Everything that the worker will have, except its place in a list */
static int wpart_alloc(struct mesh_part *part,
		       const struct mesh_part_params *prm)
{
	const struct mesh_config *cfg = &part->conf->mesh->cfg;
	const struct scheduler_config scfg = {
		.depth_max   = cfg->jitter_max,
		.dtmf_inband = !part->media.telev_rx && !part->link,
		.link        = part->link,
	};
	struct wpart *wp;
	int err;

	wp = mem_zalloc(sizeof(*wp), wpart_destructor);
	if (!wp)
		return ENOMEM;

	part->part = wp;
	wp->handle = part;
	wp->conf = part->conf->conf;
	wp->entry.who = wp;
	wp->tx.ssrc = part->ssrc;
	wp->tx.seq = rand_u16();
	wp->tx.ts = rand_u32();
	wp->tx.marker = true;
	wp->tx.hush = prm->quiet;
	wp->link.on = part->link;
	str_ncpy(wp->rtcp.cname, prm->cname ? prm->cname : "junctor",
		 sizeof(wp->rtcp.cname));

	err = scheduler_alloc(&wp->sched, part->conf->w->pool, &scfg,
			      &part->media, wpart_dtmf, wp);
	if (err)
		return err;

	if (prm->stream)
		wpart_resume(wp, prm->stream, prm->skip);

	/* so that there is something to see before the worker knows it */
	wp->rx.heard = worker_clock();
	wpart_show(wp, wp->rx.heard);

	return 0;
}


/* A number that looks random, and is another one each time: every step can be
   undone, so two different numbers stay different */
static uint32_t ssrc_new(struct mesh_conf *conf)
{
	uint32_t v;

	do {
		v = conf->ssrc_seed + conf->ssrc_next++;
		v ^= v >> 16;
		v *= 0x85ebca6bu;
		v ^= v >> 13;
		v *= 0xc2b2ae35u;
		v ^= v >> 16;
	} while (!v);

	return v;
}


/* What goes with a message that says what was agreed */
static int media_put(struct order *ord, const struct mesh_media *media)
{
	ord->media = mem_zalloc(sizeof(*ord->media), NULL);
	ord->group = mem_zalloc(sizeof(*ord->group), NULL);
	if (!ord->media || !ord->group)
		return ENOMEM;

	*ord->media = *media;
	ord->group->key.fmt = media->tx;
	ord->group->key.ptime = (uint8_t)media->ptime;
	ord->group->key.ext_mixer = media->ext_mixer;

	return sender_alloc(&ord->group->sender);
}


static void laddr_set(struct mesh_part *part)
{
	const struct channel *ch = part->own_port ? part->part->port
		: part->conf->w->ch;

	part->rtp = ch->rtp_laddr;
	part->rtcp = part->media.rtcp_mux ? ch->rtp_laddr : ch->rtcp_laddr;
}


static int part_prepare(struct mesh_part *part,
			const struct mesh_part_params *prm)
{
	bool private_port = prm->private_port;
	int err;

	err = wpart_alloc(part, prm);
	if (err)
		return err;

	if (!private_port) {
		err = address_take(part, &part->media.rtp);
		if (err == EEXIST || err == EINVAL)
			private_port = true;
		else if (err)
			return err;
	}

	if (private_port) {
		err = port_open(part);
		if (err)
			return err;
	}

	laddr_set(part);

	return 0;
}


/**
 * Allocate a participant and add it to a conference
 *
 * @param pp   Pointer to allocated participant; mem_deref takes it out, no
 *             handler is called after that
 * @param conf Conference, referenced
 * @param prm  What it is; only `media` must be set. It also gets a port of
 *             its own if somebody else on the worker is known by its
 *             address, or it has none.
 *
 * @return 0, EINVAL, ENOMEM, ENOSPC if all private ports are in use
 */
int mesh_part_alloc(struct mesh_part **pp, struct mesh_conf *conf,
		    const struct mesh_part_params *prm)
{
	if (!pp || !conf || !prm || !prm->media || !media_valid(prm->media) ||
	    (prm->stream && !mesh_stream_valid(prm->stream)) ||
	    (prm->state && !mesh_part_state_valid(prm->state)))
		return EINVAL;

	return mesh_part_make(pp, conf, prm, false);
}


/* A link counts for nothing that participants have a share in */
static int part_count(struct mesh_conf *conf, struct mesh_part *part)
{
	int err;

	if (!part->link)
		return mesh_conf_part_add(conf, part);

	err = mesh_part_own_sender(part);
	if (!err)
		list_append(&conf->linkl, &part->le, part);

	return err;
}


/**
 * Make a participant or a link, and add it to a conference
 *
 * @param pp   Pointer to allocated participant
 * @param conf Conference, referenced
 * @param prm  What it is, valid
 * @param link Whether it is a link
 *
 * @return 0, ENOMEM, ENOSPC if all private ports are in use
 */
int mesh_part_make(struct mesh_part **pp, struct mesh_conf *conf,
		   const struct mesh_part_params *prm, bool link)
{
	static const struct mesh_part_state plain;
	struct mesh_part *part;
	struct order *add = NULL;
	int err;

	part = mem_zalloc(sizeof(*part), part_destructor);
	if (!part)
		return ENOMEM;

	part->conf = mem_ref(conf);
	part->media = *prm->media;
	part->port = -1;
	part->link = link;
	part->ssrc = prm->stream ? prm->stream->ssrc : ssrc_new(conf);
	part->h = prm->h;
	part->arg = prm->arg;

	err = part_prepare(part, prm);
	if (err)
		goto out;

	err  = order_alloc(&part->leave, conf->conf, part->part,
			   order_part_remove);
	err |= order_alloc(&add, conf->conf, part->part,
			   order_part_add);
	if (err)
		goto out;

	part->leave->msg.done_h = order_part_removed;
	err = media_put(add, prm->media);
	if (err)
		goto out;

	err = mesh_part_state_begin(part, prm->state ? prm->state : &plain);
	if (err)
		goto out;

	err = part_count(conf, part);
	if (err)
		goto out;

	worker_post(conf->w, &add->msg);
	add = NULL;
	(void)mesh_conf_rate(conf);
	err = mesh_rules_know(part);

 out:
	if (err) {
		mem_deref(add);
		mem_deref(part);
	}
	else {
		mesh_part_trace(part, "comes");
		*pp = part;
	}

	return err;
}


/**
 * Change what was agreed with a participant
 *
 * @param part  Participant
 * @param media What is agreed now
 *
 * @return 0, EINVAL, ENOMEM, or EADDRINUSE if somebody else is known by the
 *         new address; nothing has changed then
 */
int mesh_part_update(struct mesh_part *part, const struct mesh_media *media)
{
	if (!part || part->link || !media || !media_valid(media))
		return EINVAL;

	return mesh_part_change(part, media);
}


/**
 * Change the media of a participant or a link
 *
 * @param part  Participant
 * @param media What is agreed now, valid
 *
 * @return 0, ENOMEM, or EADDRINUSE; nothing has changed then
 */
int mesh_part_change(struct mesh_part *part, const struct mesh_media *media)
{
	struct order *ord;
	int err;

	err = order_alloc(&ord, part->conf->conf, part->part,
			  order_part_update);
	if (err)
		return err;

	err = media_put(ord, media);
	if (err)
		goto out;

	if (!sa_cmp(&media->rtp, &part->media.rtp, SA_ALL)) {
		err = address_take(part, &media->rtp);
		if (err) {
			err = err == EEXIST ? EADDRINUSE : err;
			goto out;
		}
		address_forget(part);
	}

	if (!part->link) {
		mesh_conf_rate_count(part->conf, &part->media.tx, -1);
		mesh_conf_rate_count(part->conf, &media->tx, 1);
	}
	part->media = *media;
	laddr_set(part);
	worker_post(part->conf->w, &ord->msg);
	(void)mesh_conf_rate(part->conf);
	mesh_part_trace(part, "is changed");

 out:
	if (err)
		mem_deref(ord);

	return err;
}


/**
 * Where a participant shall send to
 *
 * @param part Participant
 * @param rtp  Set, if not NULL
 * @param rtcp Set, if not NULL; equal to `rtp` if both share a port
 *
 * @return 0 or EINVAL
 */
int mesh_part_laddr(const struct mesh_part *part, struct sa *rtp,
		    struct sa *rtcp)
{
	if (!part)
		return EINVAL;

	if (rtp)
		*rtp = part->rtp;
	if (rtcp)
		*rtcp = part->rtcp;

	return 0;
}


/**
 * The synchronization source of what a participant is sent; others see the
 * same number as contributing source when they hear it
 *
 * @param part Participant
 *
 * @return SSRC, unique in the conference
 */
uint32_t mesh_part_ssrc(const struct mesh_part *part)
{
	return part ? part->ssrc : 0;
}


/**
 * A participant's numbers; at most a third of a second old
 *
 * @param part Participant
 * @param st   Filled in
 *
 * @return 0 or EINVAL
 */
int mesh_part_stats(const struct mesh_part *part, struct mesh_stats *st)
{
	struct wpart_shown sh;

	if (!part || !st)
		return EINVAL;

	snap_read(&part->part->shown, &sh, sizeof(sh));
	*st = sh.st;

	return 0;
}
