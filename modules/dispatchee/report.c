/**
 * @file report.c  What this server says about itself
 *
 *   bucket servers   everything, every heartbeat, lives for three of them
 *   noc.capacity     the same, when something has changed: at once, but not
 *                    more often than every capacity.report_interval
 */
#include <string.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "server/log.h"
#include "bus/bus.h"
#include "noc/client.h"
#include "mesh/mesh.h"
#include "mesh/mesh_service.h"
#include "dispatchee/dispatchee.h"


enum {
	STRAIN_MAX   = 4000,       /* more is not worse                     */
	STRAIN_LEAST = 16,         /* part of the room that always remains  */
};

/* What this process does [1/1000 of the machine]. Others on it do not count:
   they come and go. */
static void cpu_look(struct dispatchee *d)
{
	const long cores = sysconf(_SC_NPROCESSORS_ONLN);
	const uint64_t now = tmr_jiffies();
	struct timespec ts;
	uint64_t usec;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts))
		return;

	usec = (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;

	if (d->cpu_at && now > d->cpu_at && cores > 0) {
		const uint64_t used = usec - d->cpu_usec;

		d->cpu = (uint32_t)(used / (now - d->cpu_at) /
				    (uint64_t)cores);
	}

	d->cpu_usec = usec;
	d->cpu_at = now;
}


/* How near the media engine is to being late, smoothed: what lasts a second
   only is no reason to send callers elsewhere. */
static void strain_look(struct dispatchee *d)
{
	const struct mesh_api *api =
		service_api(service_server(d->svc), "mesh");
	struct mesh_load load;

	if (api && api->mesh && !mesh_load(api->mesh, &load))
		d->strain = (3 * d->strain + min(load.load, STRAIN_MAX)) / 4;
}


/* Whatever the estimator says: a server whose ticks get late has less room,
   down to a small part, so that it is only chosen if there is no other. */
static uint32_t corrected(const struct dispatchee *d, uint32_t unused)
{
	const uint32_t max_ = d->strain_max, low = max_ / 2;
	uint64_t share = 0;

	if (!unused || (!d->full && (!max_ || d->strain <= low)))
		return unused;

	if (!d->full && d->strain < max_)
		share = 1000ULL * (max_ - d->strain) / (max_ - low);
	share = max(share, 1000 / STRAIN_LEAST);

	return max(1, (uint32_t)(unused * share / 1000));
}


static void load_get(struct dispatchee *d, struct estimator_load *load)
{
	const uint64_t now = tmr_jiffies();

	local_purge(d);
	load->participants = d->participants;
	load->leased = (uint32_t)willcall_count(d->willcall, now) +
		d->incoming;
	load->cpu = d->cpu;
	load->contracted = d->contracted;
	memcpy(load->mediav, d->mediav, sizeof(load->mediav));
	willcall_media(d->willcall, now, load->leasev);
	load->leasev[0] += d->incoming;
}


/**
 * What is really left
 *
 * @param d Dispatchee
 *
 * @return Unused capacity [audio participants], leases taken off; less if
 *         the media engine has trouble
 */
uint32_t report_unused(struct dispatchee *d)
{
	struct estimator_load load;

	load_get(d, &load);

	return corrected(d, d->est->unused(&d->est_cfg, &load));
}


/**
 * The state that others see
 *
 * @param d Dispatchee
 *
 * @return State
 */
enum capacity_state report_state(const struct dispatchee *d)
{
	if (d->stopping || d->paused)
		return CAPACITY_OUT;

	return d->draining ? CAPACITY_DRAINING : CAPACITY_IN_SERVICE;
}


static int report_encode(struct dispatchee *d, uint8_t *buf, size_t sz,
			 size_t *len)
{
	struct estimator_load load;

	load_get(d, &load);
	d->report.state        = report_state(d);
	d->report.capacity     = d->est->capacity(&d->est_cfg, &load);
	d->report.unused       = corrected(d, d->est->unused(&d->est_cfg,
							     &load));
	d->report.participants = d->participants;
	d->report.conferences  = d->running;
	d->report.tally        = d->tally;
	d->report.seq          = ++d->seq;
	d->reported = tmr_jiffies();

	return wire_server_encode(buf, sz, len, &d->report);
}


static void trouble(int err)
{
	/* that the bus is down is known */
	if (err && err != ENOTCONN)
		log_event(LOG_WARN, "dispatchee", NULL,
			  "cannot report capacity: %s", strerror(err));
}


static void report_handler(void *arg)
{
	struct dispatchee *d = arg;
	uint8_t buf[WIRE_SMALL_MAX];
	size_t n;
	int err;

	d->scheduled = false;
	err = report_encode(d, buf, sizeof(buf), &n);
	if (!err)
		err = bus_publish(d->bus, "noc.capacity", buf, n);
	trouble(err);
}


/**
 * Something has changed: report it soon
 *
 * @param d Dispatchee
 */
void report_changed(struct dispatchee *d)
{
	const uint64_t now = tmr_jiffies();
	uint64_t due;

	if (d->scheduled)
		return;

	due = d->reported + d->report_ms;
	d->scheduled = true;
	tmr_start(&d->report_tmr, due > now ? due - now : 0, report_handler,
		  d);
}


static void announce(struct dispatchee *d, uint32_t ttl)
{
	char key[NAME_KEY_MAX];
	uint8_t buf[WIRE_SMALL_MAX];
	size_t n;
	int err;

	err = report_encode(d, buf, sizeof(buf), &n);
	if (!err)
		err = name_key(key, sizeof(key), d->report.name,
			       strlen(d->report.name));
	if (!err)
		err = bus_kv_put(NULL, d->bus, "servers", key, buf, n, ttl,
				 NULL, NULL);
	trouble(err);
}


static void heartbeat_handler(void *arg)
{
	struct dispatchee *d = arg;

	cpu_look(d);
	strain_look(d);
	report_now(d);
	local_sync_all(d);
}


/**
 * Report everything at once, and again every heartbeat
 *
 * @param d Dispatchee
 */
void report_now(struct dispatchee *d)
{
	const uint32_t ms = config_u32(dispatchee_config(d),
				       "capacity.heartbeat");

	announce(d, 3 * ms);
	tmr_start(&d->heartbeat, bus_turn(ms), heartbeat_handler, d);
}


/**
 * Say goodbye and report no more
 *
 * @param d Dispatchee
 */
void report_stop(struct dispatchee *d)
{
	char key[NAME_KEY_MAX];

	tmr_cancel(&d->heartbeat);
	tmr_cancel(&d->report_tmr);
	d->scheduled = false;

	if (d->reported && !name_key(key, sizeof(key), d->report.name,
				     strlen(d->report.name)))
		(void)bus_kv_delete(NULL, d->bus, "servers", key, 0, NULL,
				    NULL);
	d->reported = 0;
}


static int media_decode(unsigned *media, const char *s)
{
	static const struct { const char *name; unsigned bit; } typev[] = {
		{"audio", MEDIA_AUDIO}, {"video", MEDIA_VIDEO},
		{"text", MEDIA_TEXT},
	};
	unsigned set = 0;
	size_t i;

	for (s += strspn(s, ", "); *s; s += strspn(s, ", ")) {
		const size_t n = strcspn(s, ", ");

		for (i=0; i<ARRAY_SIZE(typev); i++) {
			if (strlen(typev[i].name) == n &&
			    !strncasecmp(typev[i].name, s, n))
				break;
		}
		if (i == ARRAY_SIZE(typev))
			return EINVAL;

		set |= typev[i].bit;
		s += n;
	}

	*media = set;

	return set ? 0 : EINVAL;
}


/**
 * Take over the settings
 *
 * @param d Dispatchee
 *
 * @return 0 if success; EINVAL if they cannot be used
 */
int report_settings(struct dispatchee *d)
{
	const struct config *cfg = dispatchee_config(d);
	struct estimator_config *ec = &d->est_cfg;
	unsigned media;
	int err;

	err = media_decode(&media, config_str(cfg, "dispatchee.media"));
	if (err) {
		log_event(LOG_ERROR, "dispatchee", NULL,
			  "dispatchee.media: only audio, video, text");
		return err;
	}

	d->report.media = media;
	d->est = estimator_find(config_str(cfg, "capacity.estimator"));
	if (!d->est)
		return EINVAL;

	ec->users       = config_u32(cfg, "capacity.users");
	ec->bandwidth   = config_u32(cfg, "capacity.bandwidth");
	ec->unitv[0]    = config_u32(cfg, "capacity.bandwidth_audio");
	ec->unitv[1]    = config_u32(cfg, "capacity.bandwidth_video");
	ec->unitv[2]    = config_u32(cfg, "capacity.bandwidth_text");
	ec->cpu         = config_u32(cfg, "capacity.cpu") * 10;
	ec->cpuv[0]     = config_u32(cfg, "capacity.cpu_audio");
	ec->cpuv[1]     = config_u32(cfg, "capacity.cpu_video");
	ec->cpuv[2]     = config_u32(cfg, "capacity.cpu_text");
	ec->conferences = config_u32(cfg, "capacity.conferences");
	ec->contracted  = config_u32(cfg, "capacity.contracted");

	d->strain_max = config_u32(cfg, "capacity.strain");
	d->lease_ms  = config_u32(cfg, "dispatchee.lease");
	d->report_ms = config_u32(cfg, "capacity.report_interval");
	willcall_ttl_set(d->willcall, d->lease_ms);
	local_recount(d);

	return 0;
}
