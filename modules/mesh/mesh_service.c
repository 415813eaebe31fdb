/**
 * @file mesh_service.c  Service: the media engine
 *
 * Settings:
 *   mesh.listen           address of the RTP ports, as callers are told it
 *   mesh.port             first port, even; 0: any free ports. Worker n uses
 *                         port + 2n for RTP and the next one for RTCP, private
 *                         ports follow.
 *   mesh.workers          threads, 0: one per core
 *   mesh.private_ports    most ports for callers behind NAT
 *   mesh.talkers          most talkers mixed at once in a conference
 *   mesh.opus_complexity  0..10
 *   mesh.opus_adapt       less of it while there is too much to do
 *   mesh.opus_bitrate     [bit/s]
 *   mesh.jitter_max       deepest scheduler [ms]
 *   mesh.pass_through     send the frames of an only talker as they came
 *   mesh.silence_timeout  without RTP and RTCP: report it [s], 0: never
 */
#include <stddef.h>
#include <string.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "server/log.h"
#include "server/metrics.h"
#include "mesh/mesh.h"
#include "mesh/mesh_service.h"

enum {
	WATCH_MS  = 1000,        /* how often overruns are looked for     */
	NUMBERS   = 19,          /* metrics per worker                    */
	LABEL_MAX = 32,
};

struct number {                  /* one metric of one worker              */
	struct metric *metric;
	const struct meshsvc *ms;
	unsigned worker;
	size_t offset;           /* in struct mesh_worker_stats           */
	bool narrow;             /* unsigned, else uint64_t               */
};

struct meshsvc {
	struct service *svc;
	struct mesh_api api;
	struct number *numberv;
	unsigned numberc;
	struct tmr tmr;
	uint64_t overruns;       /* seen                                  */
};

struct number_def {
	const char *name;
	enum metric_type type;
	size_t offset;
	bool narrow;
	const char *help;
};

#define FIELD(f) offsetof(struct mesh_worker_stats, f)

static const struct number_def number_defs[NUMBERS] = {
	{"junctor_mesh_conferences", METRIC_GAUGE, FIELD(confs), true,
	 "Conferences of a mesh worker"},
	{"junctor_mesh_participants", METRIC_GAUGE, FIELD(parts), true,
	 "Participants of a mesh worker"},
	{"junctor_mesh_rx_packets_total", METRIC_COUNTER, FIELD(rx_packets),
	 false, "Packets received"},
	{"junctor_mesh_tx_packets_total", METRIC_COUNTER, FIELD(tx_packets),
	 false, "Packets sent"},
	{"junctor_mesh_rx_unknown_total", METRIC_COUNTER, FIELD(rx_unknown),
	 false, "Packets received from nobody known"},
	{"junctor_mesh_rx_malformed_total", METRIC_COUNTER,
	 FIELD(rx_malformed), false, "Packets received that make no sense"},
	{"junctor_mesh_tx_errors_total", METRIC_COUNTER, FIELD(tx_errors),
	 false, "Packets that the system did not send"},
	{"junctor_mesh_ticks_total", METRIC_COUNTER, FIELD(ticks), false,
	 "Ticks of 20 ms"},
	{"junctor_mesh_tick_overruns_total", METRIC_COUNTER, FIELD(overruns),
	 false, "Ticks that began more than 10 ms late"},
	{"junctor_mesh_tick_microseconds_total", METRIC_COUNTER,
	 FIELD(tick_usec), false, "Time spent in ticks"},
	{"junctor_mesh_load", METRIC_GAUGE, FIELD(load.load), true,
	 "How near a worker is to breaking, 1000: it is heard"},
	{"junctor_mesh_busy", METRIC_GAUGE, FIELD(load.busy), true,
	 "Part of its time that a worker is busy, in 1/1000"},
	{"junctor_mesh_late_microseconds", METRIC_GAUGE, FIELD(load.late),
	 true, "How late ticks began, but for the worst two of a second"},
	{"junctor_mesh_rx_drops", METRIC_GAUGE, FIELD(load.drops), true,
	 "Packets that came and could not be read in time, per second"},
	{"junctor_mesh_opus_complexity", METRIC_GAUGE,
	 FIELD(load.complexity), true,
	 "Effort of Opus encoders, less than set while there is much to do"},
	{"junctor_mesh_decodes_total", METRIC_COUNTER, FIELD(decodes), false,
	 "Frames decoded"},
	{"junctor_mesh_encodes_total", METRIC_COUNTER, FIELD(encodes), false,
	 "Frames encoded"},
	{"junctor_mesh_encodes_shared_total", METRIC_COUNTER,
	 FIELD(encodes_shared), false, "Ticks in which listeners shared one"},
	{"junctor_mesh_passed_through_total", METRIC_COUNTER,
	 FIELD(passed_through), false, "Frames sent on as they came"},
};

static const struct setting settings[] = {
	{"mesh.listen", SETTING_ADDR, "127.0.0.1", 0, 0, NULL, 0,
	 "address of the RTP ports, as callers are told it"},
	{"mesh.port", SETTING_U32, "0", 0, 65000, NULL, 0,
	 "first RTP port, even; 0: any free ports"},
	{"mesh.workers", SETTING_U32, "0", 0, 64, NULL, 0,
	 "mixing threads, 0: one per core"},
	{"mesh.private_ports", SETTING_U32, "1000", 0, 32000, NULL, 0,
	 "most ports for callers behind NAT"},
	{"mesh.talkers", SETTING_U32, "4", 1, MESH_TALKERS_MAX, NULL, 0,
	 "most talkers mixed at once in a conference"},
	{"mesh.opus_complexity", SETTING_U32, "5", 0, 10, NULL, 0,
	 "effort of the Opus encoder"},
	{"mesh.opus_adapt", SETTING_BOOL, "yes", 0, 0, NULL, 0,
	 "less effort than that while a worker has too much to do"},
	{"mesh.opus_bitrate", SETTING_U32, "24000", 6000, 510000, NULL, 0,
	 "of Opus, unless the caller asks for less [bit/s]"},
	{"mesh.jitter_max", SETTING_U32, "400", 40, 1000, NULL, 0,
	 "deepest jitter buffer [ms]"},
	{"mesh.pass_through", SETTING_BOOL, "yes", 0, 0, NULL, 0,
	 "send the frames of an only talker as they came"},
	{"mesh.silence_timeout", SETTING_U32, "30", 0, 3600, NULL, 0,
	 "without RTP and RTCP before it is reported [s], 0: never"},
	{NULL, 0, NULL, 0, 0, NULL, 0, NULL}
};


static void meshsvc_destructor(void *arg)
{
	struct meshsvc *ms = arg;

	tmr_cancel(&ms->tmr);
	for (unsigned i = 0; i < ms->numberc; i++)
		mem_deref(ms->numberv[i].metric);
	mem_deref(ms->numberv);
	mem_deref(ms->api.mesh);
}


static int init(struct service *svc)
{
	struct meshsvc *ms;

	ms = mem_zalloc(sizeof(*ms), meshsvc_destructor);
	if (!ms)
		return ENOMEM;

	ms->svc = svc;
	tmr_init(&ms->tmr);
	service_data_set(svc, ms);
	service_api_set(svc, &ms->api);

	return 0;
}


static int config_read(struct mesh_config *mc, const struct config *cfg)
{
	const uint32_t port = config_u32(cfg, "mesh.port");

	memset(mc, 0, sizeof(*mc));

	if (port & 1) {
		log_event(LOG_ERROR, "mesh", NULL,
			  "mesh.port: %u is not even", port);
		return EINVAL;
	}

	mc->workers         = config_u32(cfg, "mesh.workers");
	mc->private_max     = config_u32(cfg, "mesh.private_ports");
	mc->talkers_max     = config_u32(cfg, "mesh.talkers");
	mc->opus_complexity = config_u32(cfg, "mesh.opus_complexity");
	mc->opus_adapt      = config_bool(cfg, "mesh.opus_adapt");
	mc->opus_bitrate    = config_u32(cfg, "mesh.opus_bitrate");
	mc->jitter_max      = config_u32(cfg, "mesh.jitter_max");
	mc->pass_through    = config_bool(cfg, "mesh.pass_through");
	mc->silence_timeout = config_u32(cfg, "mesh.silence_timeout");

	return sa_set_str(&mc->laddr, config_str(cfg, "mesh.listen"),
			  (uint16_t)port);
}


static double number_read(void *arg)
{
	const struct number *n = arg;
	struct mesh_worker_stats st;
	const uint8_t *p = (const uint8_t *)&st + n->offset;

	if (!n->ms->api.mesh ||
	    mesh_worker_stats(n->ms->api.mesh, n->worker, &st))
		return 0;

	return n->narrow ? (double)*(const unsigned *)(const void *)p
		: (double)*(const uint64_t *)(const void *)p;
}


static int number_add(struct meshsvc *ms, struct metrics *metrics,
		      const struct number_def *def, unsigned worker)
{
	struct number *n = &ms->numberv[ms->numberc];
	char label[LABEL_MAX];
	int err;

	if (re_snprintf(label, sizeof(label), "worker=\"%u\"", worker) < 0)
		return ENOMEM;

	n->ms = ms;
	n->worker = worker;
	n->offset = def->offset;
	n->narrow = def->narrow;

	err = metric_add(&n->metric, metrics, def->type, def->name, label,
			 def->help, number_read, n);
	if (!err)
		++ms->numberc;

	return err;
}


static int numbers_add(struct meshsvc *ms, struct metrics *metrics)
{
	const unsigned workers = mesh_workers(ms->api.mesh);
	int err = 0;

	if (ms->numberv)
		return 0;

	ms->numberv = mem_zalloc(NUMBERS * workers * sizeof(*ms->numberv),
				 NULL);
	if (!ms->numberv)
		return ENOMEM;

	for (unsigned i = 0; i < NUMBERS && !err; i++)
		for (unsigned w = 0; w < workers && !err; w++)
			err = number_add(ms, metrics, &number_defs[i], w);

	return err;
}


/* Late ticks are heard by everybody: tell the operator */
static void watch(void *arg)
{
	struct meshsvc *ms = arg;
	uint64_t overruns = 0;

	tmr_start(&ms->tmr, WATCH_MS, watch, ms);

	for (unsigned i = 0; i < mesh_workers(ms->api.mesh); i++) {
		struct mesh_worker_stats st;

		if (!mesh_worker_stats(ms->api.mesh, i, &st))
			overruns += st.overruns;
	}

	if (overruns > ms->overruns)
		log_event(LOG_WARN, "mesh", NULL,
			  "%llu ticks began more than 10 ms late",
			  (unsigned long long)(overruns - ms->overruns));

	ms->overruns = overruns;
}


static int start(struct service *svc)
{
	struct meshsvc *ms = service_data(svc);
	struct server *srv = service_server(svc);
	struct mesh_config mc;
	struct sa sa;
	int err;

	err = config_read(&mc, server_config(srv));
	if (err)
		return err;

	err = mesh_alloc(&ms->api.mesh, &mc);
	if (err) {
		log_event(LOG_ERROR, "mesh", NULL, "mesh.listen %s: %s",
			  config_str(server_config(srv), "mesh.listen"),
			  sa_is_any(&mc.laddr) ? "callers are told where their"
			  " audio goes: name one address of this machine"
			  : strerror(err));
		return err;
	}

	err = numbers_add(ms, server_metrics(srv));
	if (!err)
		err = mesh_start(ms->api.mesh);
	if (err) {
		ms->api.mesh = mem_deref(ms->api.mesh);
		return err;
	}

	for (unsigned i = 0; i < mesh_workers(ms->api.mesh); i++) {
		char buf[64];

		if (mesh_laddr(ms->api.mesh, i, &sa) ||
		    re_snprintf(buf, sizeof(buf), "%J", &sa) < 0)
			continue;
		log_event(LOG_INFO, "mesh", NULL, "worker %u on %s", i, buf);
	}

	ms->overruns = 0;
	tmr_start(&ms->tmr, WATCH_MS, watch, ms);

	return 0;
}


static void stop(struct service *svc)
{
	struct meshsvc *ms = service_data(svc);

	tmr_cancel(&ms->tmr);
	ms->api.mesh = mem_deref(ms->api.mesh);
}


static void close_(struct service *svc)
{
	service_api_set(svc, NULL);
	service_data_set(svc, mem_deref(service_data(svc)));
}


const struct service_export service_export = {
	.api_version = SERVICE_API_VERSION,
	.name = "mesh",
	.settings = settings,
	.init = init,
	.start = start,
	.stop = stop,
	.close = close_,
};
