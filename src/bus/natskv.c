/**
 * @file natskv.c  Operations on keys, as they are asked for
 */
#include <nats/nats.h>
#include <re.h>
#include "server/siphash.h"
#include "bus/bus.h"
#include "bus/ops.h"
#include "bus/heap.h"
#include "bus/due.h"
#include "bus/natsbus.h"
#include "bus/natsjob.h"


/**
 * Store a value, see bus_kv_create, bus_kv_update, bus_kv_put
 *
 * @param opp Pointer to the operation, or NULL
 * @param bus NATS bus
 * @param put What to store, checked
 * @param h   Told the result, or NULL
 * @param arg Handler argument
 *
 * @return 0 if success
 */
int natskv_put(struct bus_kvop **opp, struct bus *bus,
	       const struct bus_put *put, bus_kv_h *h, void *arg)
{
	static const enum job_cmd cmdv[] = {
		[BUS_KV_CREATE] = JOB_CREATE,
		[BUS_KV_UPDATE] = JOB_UPDATE,
		[BUS_KV_PUT]    = JOB_PUT,
	};
	struct kvjob *j;
	int err;

	err = job_alloc(&j, bus, cmdv[put->cmd], put->bucket, put->key,
			put->buf, put->len);
	if (err)
		return err;

	j->ttl    = put->ttl_ms;
	j->rev    = put->rev;
	j->expect = put->cmd == BUS_KV_UPDATE ? put->rev : 0;
	j->blind  = put->cmd == BUS_KV_PUT;

	/* sequence number 0 would be the condition that nothing is there */
	j->reading = put->cmd == BUS_KV_UPDATE && !put->rev;

	err = job_start(opp, j, h, arg);
	if (err)
		mem_deref(j);

	return err;
}


/**
 * Delete a value, see bus_kv_delete
 *
 * @param opp    Pointer to the operation, or NULL
 * @param bus    NATS bus
 * @param bucket Bucket
 * @param key    Key
 * @param rev    Revision that must be stored, 0: any
 * @param h      Told the result, or NULL
 * @param arg    Handler argument
 *
 * @return 0 if success
 */
int natskv_delete(struct bus_kvop **opp, struct bus *bus, const char *bucket,
		  const char *key, uint64_t rev, bus_kv_h *h, void *arg)
{
	struct kvjob *j;
	int err;

	err = job_alloc(&j, bus, JOB_DELETE, bucket, key, NULL, 0);
	if (err)
		return err;

	/* who does not ask if something was there need not wait for it */
	j->rev     = j->expect = rev;
	j->blind   = !rev && !h;
	j->reading = !rev && h;

	err = job_start(opp, j, h, arg);
	if (err)
		mem_deref(j);

	return err;
}


/**
 * Read a value, see bus_kv_get
 *
 * @param opp    Pointer to the operation, or NULL
 * @param bus    NATS bus
 * @param bucket Bucket
 * @param key    Key
 * @param h      Told the value
 * @param arg    Handler argument
 *
 * @return 0 if success
 */
int natskv_get(struct bus_kvop **opp, struct bus *bus, const char *bucket,
	       const char *key, bus_kv_h *h, void *arg)
{
	struct kvjob *j;
	int err;

	err = job_alloc(&j, bus, JOB_GET, bucket, key, NULL, 0);
	if (err)
		return err;

	j->reading = true;
	err = job_start(opp, j, h, arg);
	if (err)
		mem_deref(j);

	return err;
}
