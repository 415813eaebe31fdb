/**
 * @file mesh/mesh_link.c  Links between servers that share a conference
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

enum { PTIME = 10 };             /* [ms]                                  */


/* Both sides know this, nothing is agreed but the addresses */
static void media_make(struct mesh_media *media, const struct sa *peer)
{
	static const uint32_t ratev[] = {8000, 16000, 24000, 48000};

	memset(media, 0, sizeof(*media));

	for (unsigned i = 0; i < ARRAY_SIZE(ratev); i++) {
		media->rxv[i].codec = MESH_L16;
		media->rxv[i].rate = ratev[i];
		media->rxv[i].pt = wlink_pt(ratev[i]);
		++media->rxc;
	}

	/* of what is sent, the rate follows that of the mix */
	media->tx = media->rxv[0];
	media->ptime = PTIME;
	media->ext_mixer = WLINK_EXT_MIXER;
	media->rtcp_mux = true;
	media->send = media->recv = true;
	if (peer)
		media->rtp = media->rtcp = *peer;
	else
		sa_init(&media->rtp, AF_UNSPEC);
}


/**
 * Allocate a link: a participant that stands for all who are in the same
 * conference at another server
 *
 * @param pp   Pointer to allocated link. It has a port of its own, which
 *             mesh_part_laddr() tells. mem_deref takes it out.
 * @param conf Conference, referenced
 * @param peer Where the link at the other server is, or NULL if that is not
 *             known yet
 * @param h    Event handler, or NULL: MESH_LATCHED, MESH_SILENT
 * @param arg  Handler argument
 *
 * @return 0, EINVAL, ENOMEM, ENOSPC if the conference has too many links or
 *         all private ports are in use
 */
int mesh_link_alloc(struct mesh_part **pp, struct mesh_conf *conf,
		    const struct sa *peer, mesh_event_h *h, void *arg)
{
	struct mesh_media media;
	const struct mesh_part_params prm = {
		.media = &media,
		.private_port = true,
		.cname = "link",
		.h = h,
		.arg = arg,
	};

	if (!pp || !conf || (peer && !sa_isset(peer, SA_ALL)))
		return EINVAL;

	if (list_count(&conf->linkl) >= MESH_LINKS_MAX)
		return ENOSPC;

	media_make(&media, peer);

	return mesh_part_make(pp, conf, &prm, true);
}


/**
 * Tell a link where the other server's is
 *
 * @param link Link
 * @param peer Its address and port
 *
 * @return 0, EINVAL or ENOMEM
 */
int mesh_link_peer(struct mesh_part *link, const struct sa *peer)
{
	struct mesh_media media;

	if (!link || !link->link || !peer || !sa_isset(peer, SA_ALL))
		return EINVAL;

	media_make(&media, peer);

	return mesh_part_change(link, &media);
}
