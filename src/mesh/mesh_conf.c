/**
 * @file mesh/mesh_conf.c  Conferences as the main thread sees them
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

enum {
	SENDERS_HOLD = 4,        /* some still talk, some have just done  */
	CONF_WEIGHT  = 4,        /* a conference counts as this many      */
	SSRC_MARGIN  = 1 << 16,  /* given away since a state was kept     */
};


static void conf_add(struct msg *msg, void *arg)
{
	struct order *ord = (struct order *)msg;
	struct worker *w = arg;

	worker_conf_add(w, ord->conf);
}


static void conf_remove(struct msg *msg, void *arg)
{
	struct order *ord = (struct order *)msg;
	(void)arg;

	worker_conf_remove(ord->conf);
}


static void conf_removed(struct msg *msg, void *arg)
{
	struct order *ord = (struct order *)msg;
	(void)arg;

	mem_deref(ord->conf);
	mem_deref(ord);
}


static void conf_rate_set(struct msg *msg, void *arg)
{
	struct order *ord = (struct order *)msg;
	(void)arg;

	wconf_rate(ord->conf, (uint32_t)ord->value);
}


static void conf_tone_play(struct msg *msg, void *arg)
{
	struct order *ord = (struct order *)msg;
	(void)arg;

	(void)tone_start(&ord->conf->tone, ord->value, ord->conf->rate);
}


static void conf_destructor(void *arg)
{
	struct mesh_conf *conf = arg;

	if (conf->conf && conf->leave) {
		mesh_conf_trace(conf, "ends");
		--conf->w->confs;
		conf->w->senders_need -= conf->senders;
		worker_post(conf->w, &conf->leave->msg);
	}
	else {
		mem_deref(conf->leave);
		mem_deref(conf->conf);
	}

	mem_deref(conf->mesh);
}


/* The worker with the most room */
static struct worker *worker_pick(const struct mesh *mesh)
{
	struct worker *best = NULL;
	unsigned least = 0;

	for (unsigned i = 0; i < mesh->workerc; i++) {
		struct worker *w = mesh->workerv[i];
		const unsigned load = max(w->parts, CONF_WEIGHT * w->confs);

		if (!best || load < least) {
			best = w;
			least = load;
		}
	}

	return best;
}


static int wconf_alloc(struct wconf **wp, const struct mesh_conf *conf)
{
	const struct mesh_config *cfg = &conf->mesh->cfg;
	struct wconf *wc = mem_zalloc(sizeof(*wc), NULL);

	if (!wc)
		return ENOMEM;

	wc->w = conf->w;
	wc->sorter.seats = conf->seats;
	wc->rate = wc->rate_next = conf->rate;
	wc->env.pool = conf->w->pool;
	wc->env.rate = conf->rate;
	wc->env.bitrate = cfg->opus_bitrate;
	wc->env.pass_through = cfg->pass_through;
	*wp = wc;

	return 0;
}


/**
 * Allocate a conference; the worker with the most room gets it
 *
 * @param cp   Pointer to allocated conference
 * @param mesh Media engine, referenced
 * @param prm  Parameters, or NULL
 *
 * @return 0, EINVAL or ENOMEM
 */
int mesh_conf_alloc(struct mesh_conf **cp, struct mesh *mesh,
		    const struct mesh_conf_params *prm)
{
	struct mesh_conf *conf;
	struct order *add;
	int err;

	if (!cp || !mesh || (prm && prm->talkers_max > MESH_TALKERS_MAX))
		return EINVAL;

	conf = mem_zalloc(sizeof(*conf), conf_destructor);
	if (!conf)
		return ENOMEM;

	conf->mesh = mem_ref(mesh);
	conf->w = worker_pick(mesh);
	conf->seats = prm && prm->talkers_max ? prm->talkers_max
		: mesh->cfg.talkers_max;
	conf->rate_max = prm && prm->rate_max ? prm->rate_max
		: CODEC_RATE_MAX;
	conf->rate = 8000;
	conf->ssrc_seed = rand_u32();
	if (prm && (prm->ssrc_seed || prm->ssrc_next)) {
		conf->ssrc_seed = prm->ssrc_seed;
		conf->ssrc_next = prm->ssrc_next + SSRC_MARGIN;
	}

	err = wconf_alloc(&conf->conf, conf);
	if (err)
		goto out;

	err = order_alloc(&add, conf->conf, NULL, conf_add);
	if (err)
		goto out;

	err = order_alloc(&conf->leave, conf->conf, NULL, conf_remove);
	if (err) {
		mem_deref(add);
		goto out;
	}

	conf->leave->msg.done_h = conf_removed;
	++conf->w->confs;
	worker_post(conf->w, &add->msg);
	mesh_conf_trace(conf, "begins");

 out:
	if (err)
		mem_deref(conf);
	else
		*cp = conf;

	return err;
}


/**
 * Play a sound to everybody in a conference
 *
 * @param conf Conference
 * @param tone Which one
 *
 * @return 0, EINVAL or ENOMEM
 */
int mesh_conf_tone(struct mesh_conf *conf, enum mesh_tone tone)
{
	struct order *ord;
	int err;

	if (!conf || tone > MESH_TONE_LEAVE)
		return EINVAL;

	err = order_alloc(&ord, conf->conf, NULL, conf_tone_play);
	if (err)
		return err;

	ord->value = (int)tone;
	worker_post(conf->w, &ord->msg);

	return 0;
}


/**
 * What an equal conference would have to be made of
 *
 * @param conf Conference
 * @param prm  Filled in. SSRCs of new participants there differ from all that
 *             were given away here, also from some thousands to come.
 *
 * @return 0 or EINVAL
 */
int mesh_conf_state(const struct mesh_conf *conf, struct mesh_conf_params *prm)
{
	if (!conf || !prm)
		return EINVAL;

	memset(prm, 0, sizeof(*prm));
	prm->talkers_max = conf->seats;
	prm->rate_max    = conf->rate_max;
	prm->ssrc_seed   = conf->ssrc_seed;
	prm->ssrc_next   = conf->ssrc_next;

	return 0;
}


static const uint32_t ratev[] = {8000, 16000, 24000, 48000};


/* The second highest of what the members can use, or that of the only one */
static uint32_t rate_best(const struct mesh_conf *conf)
{
	const unsigned want = min(conf->partc, 2u);
	unsigned n = 0;

	for (size_t i = ARRAY_SIZE(ratev); i--; ) {

		n += conf->ratev[i];
		if (n >= want && ratev[i] <= conf->rate_max)
			return ratev[i];
	}

	return ratev[0];
}


/**
 * Count a member by the rate it can use
 *
 * @param conf Conference
 * @param fmt  What the member is sent
 * @param by   1 or -1
 */
void mesh_conf_rate_count(struct mesh_conf *conf,
			  const struct mesh_format *fmt, int by)
{
	const uint32_t rate = codec_rate(fmt);
	size_t i = ARRAY_SIZE(ratev) - 1;

	while (i && ratev[i] > rate)
		--i;

	conf->ratev[i] += (unsigned)by;
}


/**
 * Choose the rate of the mix anew, after members or their formats changed
 *
 * @param conf Conference
 *
 * @return 0, or ENOMEM; the rate stays as it is then
 */
int mesh_conf_rate(struct mesh_conf *conf)
{
	const uint32_t rate = rate_best(conf);
	struct order *ord;
	int err;

	if (rate == conf->rate || !conf->partc)
		return 0;

	err = order_alloc(&ord, conf->conf, NULL, conf_rate_set);
	if (err)
		return err;

	ord->value = (int)rate;
	conf->rate = rate;
	worker_post(conf->w, &ord->msg);
	mesh_conf_trace(conf, "has another rate");

	return 0;
}


/**
 * Note that a participant is there
 *
 * @param conf Conference
 * @param part Participant
 *
 * @return 0, or ENOMEM
 */
int mesh_conf_part_add(struct mesh_conf *conf, struct mesh_part *part)
{
	const unsigned need = min(conf->partc + 1,
				  conf->seats + SENDERS_HOLD);
	int err;

	if (need > conf->senders) {
		err = mesh_senders_need(conf, need - conf->senders);
		if (err)
			return err;
	}

	list_append(&conf->partl, &part->le, part);
	mesh_conf_rate_count(conf, &part->media.tx, 1);
	++conf->partc;
	++conf->w->parts;

	return 0;
}


/**
 * Note that a participant is gone
 *
 * @param conf Conference
 * @param part Participant
 */
void mesh_conf_part_remove(struct mesh_conf *conf, struct mesh_part *part)
{
	struct le *le;

	list_unlink(&part->le);
	list_unlink(&part->rule_le);
	LIST_FOREACH(&conf->rulel, le)
		mesh_part_forget(le->data, part);

	mesh_conf_rate_count(conf, &part->media.tx, -1);
	--conf->partc;
	--conf->w->parts;
	(void)mesh_conf_rate(conf);
}


static void sender_spare(struct msg *msg, void *arg)
{
	struct order *ord = (struct order *)msg;
	struct worker *w = arg;

	list_append(&w->sparel, &ord->sender->le, ord->sender);
	ord->sender = NULL;
}


/**
 * See to it that a worker has senders for those who hear what no other does
 *
 * @param conf Conference that needs more
 * @param need How many more
 *
 * @return 0, or ENOMEM
 */
int mesh_senders_need(struct mesh_conf *conf, unsigned need)
{
	struct worker *w = conf->w;

	conf->senders += need;
	w->senders_need += need;

	while (w->senders < w->senders_need) {
		struct order *ord;
		int err;

		err = order_alloc(&ord, conf->conf, NULL, sender_spare);
		if (err)
			return err;

		err = sender_alloc(&ord->sender);
		if (err) {
			mem_deref(ord);
			return err;
		}

		worker_post(w, &ord->msg);
		++w->senders;
	}

	return 0;
}
