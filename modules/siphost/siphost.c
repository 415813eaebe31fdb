/**
 * @file siphost.c  Service: client host for SIP
 *
 * The one place where the server speaks SIP with its clients. It knows
 * nothing of conferences: it tells the services above what clients want, by
 * the events of noc/client.h, and does what they say.
 *
 * Settings: sip.* (settings.c)
 * Commands: sip.trace
 */
#include <string.h>
#include <re.h>
#include "server/command.h"
#include "server/event.h"
#include "server/log.h"
#include "server/server.h"
#include "server/service.h"
#include "sip/redirect.h"
#include "sip/stack.h"
#include "siphost/host.h"

enum {
	PEERS_SIZE    = 4096,          /* buckets                           */
	GOODBYE_DELAY = 300,           /* for the services above [ms]       */
};


static void goodbye_h(void *arg)
{
	peers_bye(arg, 503, "Server Stops");
}


static bool stopping_h(const struct event *ev, void *arg)
{
	struct siphost *sh = arg;

	(void)ev;

	sh->closing = true;

	if (sh->stack)
		(void)sipstack_refuse(sh->stack, 503);

	/* whoever the services above did not say goodbye to */
	tmr_start(&sh->tmr, GOODBYE_DELAY, goodbye_h, sh);

	return false;
}


static int laddr_get(const struct siphost *sh, struct sa *sa)
{
	if (!sh || !sa)
		return EINVAL;

	return sh->stack ? sipstack_laddr(sh->stack, 0, sa) : ENOENT;
}


static int laddr_af_get(const struct siphost *sh, int af, struct sa *sa)
{
	unsigned i;
	int err;

	if (!sh || !sa)
		return EINVAL;
	if (!sh->stack)
		return ENOENT;

	for (i=0; ; i++) {
		err = sipstack_laddr(sh->stack, i, sa);
		if (err || sa_af(sa) == af)
			return err;
	}
}


static int redirect_set(struct siphost *sh, siphost_redirect_h *h, void *arg)
{
	if (!sh)
		return EINVAL;

	redirect_handler(sh->redirect, h, arg);

	return 0;
}


static void destructor(void *arg)
{
	struct siphost *sh = arg;

	tmr_cancel(&sh->tmr);
	mem_deref(sh->stopping);
	mem_deref(sh->trace);

	for (unsigned i = 0; i < sh->metricc; i++)
		mem_deref(sh->metricv[i]);

	mem_deref(sh->stack);
	lights_stop(sh);
	hash_flush(sh->peers);
	mem_deref(sh->peers);
	mem_deref(sh->redirect);
}


static int init(struct service *svc)
{
	struct server *srv = service_server(svc);
	struct siphost *sh;
	int err;

	sh = mem_zalloc(sizeof(*sh), destructor);
	if (!sh)
		return ENOMEM;

	sh->svc = svc;
	sh->api.sh = sh;
	sh->api.laddr = laddr_get;
	sh->api.laddr_af = laddr_af_get;
	sh->api.redirect_set = redirect_set;
	sh->api.adopt = move_adopt;
	tmr_init(&sh->tmr);

	err = hash_alloc(&sh->peers, PEERS_SIZE);
	if (!err)
		err = redirect_alloc(&sh->redirect, SIPSTACK_THREADS_MAX);
	if (!err)
		err = event_listen(&sh->stopping, server_events(srv),
				   "server.stopping", EVENT_PRIO_NORMAL,
				   stopping_h, sh);
	if (!err)
		err = command_add(&sh->trace, server_commands(srv),
				  "sip.trace", COMMAND_CHANGE,
				  "trace a call: callid or user, on",
				  trace_command, sh);
	if (!err)
		err = metrics_init(sh);

	if (err) {
		mem_deref(sh);
		return err;
	}

	service_data_set(svc, sh);
	service_api_set(svc, &sh->api);

	return 0;
}


static void cannot_listen(const struct sipstack_conf *conf, int err)
{
	char buf[256] = "";
	size_t n = 0;

	for (unsigned i = 0; i < conf->laddrc; i++) {
		const int len = re_snprintf(buf + n, sizeof(buf) - n, "%s%J",
					    i ? ", " : "", &conf->laddrv[i]);

		if (len < 0)
			break;
		n += (size_t)len;
	}

	log_event(LOG_ERROR, "siphost", NULL, "cannot listen on %s: %s", buf,
		  strerror(err));
}


static int start(struct service *svc)
{
	struct siphost *sh = service_data(svc);
	struct sipstack_conf conf;
	struct sa sa;
	int err;

	err = settings_get(&conf, server_config(service_server(svc)));
	if (err)
		return err;

	conf.redirect = sh->redirect;

	err = lights_start(sh);
	if (err)
		return err;

	err = sipstack_alloc(&sh->stack, &conf, calls_handle, sh);
	if (err) {
		lights_stop(sh);
		cannot_listen(&conf, err);
		return err;
	}

	sh->closing = false;

	for (unsigned i = 0; !sipstack_laddr(sh->stack, i, &sa); i++) {

		char buf[64];

		(void)re_snprintf(buf, sizeof(buf), "%J", &sa);
		log_event(LOG_NOTICE, "siphost", NULL,
			  "listening on %s, UDP and TCP", buf);
	}

	return 0;
}


static void stop(struct service *svc)
{
	struct siphost *sh = service_data(svc);

	tmr_cancel(&sh->tmr);

	/* whoever still holds a client finds it gone */
	sh->stack = mem_deref(sh->stack);
	lights_stop(sh);
	calls_end(sh);
}


static int pause_(struct service *svc)
{
	struct siphost *sh = service_data(svc);

	return sipstack_refuse(sh->stack, 503);
}


static int resume(struct service *svc)
{
	struct siphost *sh = service_data(svc);

	return sipstack_refuse(sh->stack, 0);
}


static unsigned busy(const struct service *svc)
{
	const struct siphost *sh = service_data(svc);

	return sh ? sipstack_stat(sh->stack, SIPSTACK_CALLS, 0) : 0;
}


static void close_(struct service *svc)
{
	struct siphost *sh = service_data(svc);

	service_data_set(svc, NULL);
	mem_deref(sh);
}


const struct service_export service_export = {
	.api_version = SERVICE_API_VERSION,
	.name        = "siphost",
	.role        = NULL,
	.needs       = NULL,
	.settings    = siphost_settings,
	.init        = init,
	.start       = start,
	.stop        = stop,
	.pause       = pause_,
	.resume      = resume,
	.busy        = busy,
	.close       = close_,
};
