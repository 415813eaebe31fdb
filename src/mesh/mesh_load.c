/**
 * @file mesh/mesh_load.c  Load and cost as the main thread sees them
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


/**
 * How near a worker is to breaking
 *
 * @param mesh Media engine
 * @param ix   Which worker, 0 or more
 * @param load Filled in: of the last full second
 *
 * @return 0, EINVAL, or ENOENT if there is no such worker
 */
int mesh_worker_load(const struct mesh *mesh, unsigned ix,
		     struct mesh_worker_load *load)
{
	if (!mesh || !load)
		return EINVAL;

	if (ix >= mesh->workerc)
		return ENOENT;

	snap_read(&mesh->workerv[ix]->load, load, sizeof(*load));

	return 0;
}


/**
 * How near the media engine is to breaking. A conference stays with its
 * worker, so the worst one breaks first; giving away what another one has
 * does not help it.
 *
 * @param mesh Media engine
 * @param load Filled in
 *
 * @return 0 or EINVAL
 */
int mesh_load(const struct mesh *mesh, struct mesh_load *load)
{
	uint64_t sum = 0;

	if (!mesh || !load)
		return EINVAL;

	memset(load, 0, sizeof(*load));

	for (unsigned i = 0; i < mesh->workerc; i++) {
		struct mesh_worker_load wl;

		(void)mesh_worker_load(mesh, i, &wl);
		sum += wl.load;
		if (wl.load > load->load) {
			load->load = wl.load;
			load->worst = i;
		}
	}

	load->mean = (unsigned)(sum / mesh->workerc);

	return 0;
}


/**
 * What a conference costs its worker; at most a second old
 *
 * @param conf Conference
 * @param cost Filled in
 *
 * @return 0 or EINVAL
 */
int mesh_conf_cost(const struct mesh_conf *conf, struct mesh_conf_cost *cost)
{
	if (!conf || !cost)
		return EINVAL;

	snap_read(&conf->conf->cost, cost, sizeof(*cost));
	cost->worker = conf->w->ix;

	return 0;
}
