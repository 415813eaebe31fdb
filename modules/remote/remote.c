/**
 * @file remote.c  Service `remote`: HTTP + JSON for operators
 *
 * Offers every command that any service registers, over TCP on a loopback
 * address; `remote` itself knows none of them. Who may read DIR/token may do
 * everything. DIR/remote.addr says where the server listens. In a farm, where
 * `heartbeat` runs, commands for other servers go over the bus (forward.c).
 *
 * Settings:
 *
 *   remote.listen        ADDR:PORT, loopback only; port 0: any free one
 *   remote.metrics_open  /metrics needs no token
 *   remote.connections   connections at a time
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <re.h>
#include "server/log.h"
#include "server/offers.h"
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "remote/forward.h"
#include "remote/http.h"
#include "remote/token.h"
#include "remote/remote.h"

extern const struct service_export service_export;

static const struct setting settings[] = {
	{.key = "remote.listen", .type = SETTING_SA, .def = "127.0.0.1:0",
	 .help = "TCP address for operators, loopback only; port 0: any"},
	{.key = "remote.metrics_open", .type = SETTING_BOOL, .def = "no",
	 .flags = SETTING_RUNTIME,
	 .help = "/metrics is answered without the token"},
	{.key = "remote.connections", .type = SETTING_U32, .def = "64",
	 .min = 1, .max = 1024,
	 .help = "connections at a time"},
	{.key = NULL}
};

static double conns_metric(void *arg)
{
	return httpd_conns(((struct remote *)arg)->httpd);
}

static int metrics_start(struct remote *r)
{
	const struct offer_metric metricv[] = {
		{METRIC_COUNTER, "junctor_remote_requests_total", NULL,
		 "Requests of operators", offers_counter, &r->requests},
		{METRIC_COUNTER, "junctor_remote_denied_total", NULL,
		 "Requests without the token", offers_counter, &r->denied},
		{METRIC_GAUGE, "junctor_remote_connections", NULL,
		 "Connections of operators", conns_metric, NULL},
	};
	int err;

	err = offers_alloc(&r->offers, r->srv);
	if (err)
		return err;

	return offers_metrics(r->offers, metricv, ARRAY_SIZE(metricv), r);
}

static void destructor(void *arg)
{
	struct remote *r = arg;

	mem_deref(r->forward);
	mem_deref(r->offers);
	mem_deref(r->httpd);
	mem_deref(r->addr_file);
}

static int remote_init(struct service *svc)
{
	struct remote *r = mem_zalloc(sizeof(*r), destructor);

	if (!r)
		return ENOMEM;

	r->svc = svc;
	r->srv = service_server(svc);
	list_init(&r->watchl);
	service_data_set(svc, r);

	return metrics_start(r);
}

static int token_start(struct remote *r)
{
	char path[1024];
	int err;

	if (re_snprintf(path, sizeof(path), "%s/token",
			server_dir(r->srv)) < 0)
		return ENAMETOOLONG;

	err = token_load(&r->token, path);
	if (err)
		log_event(LOG_ERROR, "remote", NULL, "%s: %s", path,
			  err == EACCES ? "others may read it (chmod 600)" :
			  err == EBADMSG ? "holds no token" : strerror(err));

	return err;
}

/* Appears at once and whole: who finds it can connect. */
static int addr_publish(struct remote *r, const struct sa *sa)
{
	char line[80], tmp[1024];
	ssize_t n;
	int fd, len, err = 0;

	len = re_snprintf(line, sizeof(line), "%J\n", sa);
	if (len < 0 || re_snprintf(tmp, sizeof(tmp), "%s.new",
				   r->addr_file) < 0)
		return ENAMETOOLONG;

	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
		  0644);
	if (fd < 0)
		return errno;

	n = write(fd, line, (size_t)len);
	if (n != len)
		err = n < 0 ? errno : ENOSPC;
	if (close(fd) && !err)
		err = errno;
	if (!err && rename(tmp, r->addr_file))
		err = errno;
	if (err)
		(void)unlink(tmp);

	return err;
}

static int listen_start(struct remote *r)
{
	const struct httpd_limits lim = {
		.conns      = config_u32(server_config(r->srv),
					 "remote.connections"),
		.streams    = 16,
		.line       = 2048,
		.header     = 8192,
		.body       = 65536,
		.backlog    = 262144,
		.request_ms = 10000,
		.idle_ms    = 60000,
		.answer_ms  = 30000,
		.send_ms    = 20000,
	};
	struct sa sa;
	int err;

	err = config_sa(server_config(r->srv), "remote.listen", &sa);
	if (err)
		return err;

	if (!sa_is_loopback(&sa)) {
		log_event(LOG_ERROR, "remote", NULL, "remote.listen: not a "
			  "loopback address: the token would travel in clear");
		return EINVAL;
	}

	err = httpd_listen(&r->httpd, &sa, &lim, api_request, r);
	if (err) {
		log_event(LOG_ERROR, "remote", NULL, "remote.listen: %s",
			  strerror(err));
		return err;
	}

	err = httpd_addr(r->httpd, &sa);
	if (!err)
		err = re_sdprintf(&r->addr_file, "%s/remote.addr",
				  server_dir(r->srv));
	if (!err)
		err = addr_publish(r, &sa);

	return err;
}

static void remote_stop(struct service *svc)
{
	struct remote *r = service_data(svc);

	watch_alone(r);
	r->forward = mem_deref(r->forward);
	if (r->addr_file)
		(void)unlink(r->addr_file);
	r->addr_file = mem_deref(r->addr_file);
	r->httpd = mem_deref(r->httpd);
}

static int remote_start(struct service *svc)
{
	struct remote *r = service_data(svc);
	int err;

	err = token_start(r);
	if (!err)
		err = listen_start(r);
	/* in a farm, commands of other servers are taken, too */
	if (!err && service_find(r->srv, "heartbeat"))
		err = forward_alloc(&r->forward, r->srv);
	if (err)
		remote_stop(svc);

	return err;
}

static void remote_close(struct service *svc)
{
	struct remote *r = service_data(svc);

	r->offers = mem_deref(r->offers);
	mem_deref(r);
	service_data_set(svc, NULL);
}

const struct service_export service_export = {
	.api_version = SERVICE_API_VERSION,
	.name        = "remote",
	.settings    = settings,
	.init        = remote_init,
	.start       = remote_start,
	.stop        = remote_stop,
	.close       = remote_close,
};
