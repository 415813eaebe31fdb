/**
 * @file mesh/mesh_trace.c  What the main thread asks of the media engine, for
 * those who follow it. Not for the workers: a tick takes no locks.
 */
#include <re.h>
#include <pthread.h>
#include <string.h>
#include "server/log.h"
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


/**
 * Trace what becomes of a participant or a link
 *
 * @param part Participant
 * @param what What is done
 */
void mesh_part_trace(const struct mesh_part *part, const char *what)
{
	static const char *const codecv[] = {
		[MESH_PCMU] = "PCMU", [MESH_PCMA] = "PCMA",
		[MESH_G722] = "G722", [MESH_OPUS] = "opus",
		[MESH_L16]  = "L16",
	};
	const struct mesh_format *tx = &part->media.tx;
	char addr[64];

	if (!log_trace_wanted("mesh"))
		return;

	(void)re_snprintf(addr, sizeof(addr), "%J", &part->media.rtp);
	log_trace("mesh", NULL, "%s %08x %s: %s at %u Hz, %u ms to %s%s, "
		  "worker %u", part->link ? "link" : "participant",
		  part->ssrc, what,
		  (size_t)tx->codec < ARRAY_SIZE(codecv) &&
		  codecv[tx->codec] ? codecv[tx->codec] : "?",
		  tx->rate, part->media.ptime, addr,
		  part->media.send ? "" : " (nothing is sent)",
		  part->conf->w->ix);
}


/**
 * Trace what becomes of a conference
 *
 * @param conf Conference
 * @param what What is done
 */
void mesh_conf_trace(const struct mesh_conf *conf, const char *what)
{
	log_trace("mesh", NULL, "conference %08x %s: %u participants, mixed "
		  "at %u Hz, worker %u", conf->ssrc_seed, what, conf->partc,
		  conf->rate, conf->w->ix);
}
