/**
 * @file run.c  The life of a server from start to stop
 *
 *   server_run     folder, process id, signals, services; main loop
 *   server_stop    "server.stopping" is fired: no new work, say goodbye
 *                  ... until nothing is busy, at most server.stop_timeout
 *                  services stop in reverse; server_run returns
 */
#include <string.h>
#include <errno.h>
#include <unistd.h>
#include <sys/stat.h>
#include <re.h>
#include "server/server.h"
#include "server/settings.h"
#include "server/service.h"
#include "server/event.h"
#include "server/log.h"
#include "server/config.h"
#include "server/module.h"
#include "server/trim.h"
#include "server/core.h"


enum {
	BUSY_INTERVAL = 10,        /* between two looks at what is busy [ms]*/
	TRIM_INTERVAL = 10000,     /* between two looks at freed memory [ms]*/
	DIR_MODE = 0750,
};


static void event_say(struct server *srv, const char *name)
{
	const struct event ev = {.name = name};

	(void)event_fire(srv->events, &ev);
}


static int dir_make(const char *dir)
{
	struct stat st;

	if (mkdir(dir, DIR_MODE) && errno != EEXIST) {
		const int err = errno;

		log_event(LOG_ERROR, "server", NULL, "cannot make folder %s:"
			  " %s", dir, strerror(err));
		return err;
	}

	if (stat(dir, &st) || !S_ISDIR(st.st_mode)) {
		log_event(LOG_ERROR, "server", NULL, "%s is no folder", dir);
		return ENOTDIR;
	}

	return 0;
}


static void loop_leave(struct server *srv)
{
	if (srv->looping)
		re_cancel();
}


/* An event would do for most services, but what is busy may as well be a
 * thread's queue; nobody is in a hurry while a server stops. */
static void busy_poll(void *arg)
{
	struct server *srv = arg;
	const unsigned n = services_busy(srv);

	if (n && tmr_jiffies() < srv->deadline) {
		tmr_start(&srv->tmr, BUSY_INTERVAL, busy_poll, srv);
		return;
	}

	if (n)
		log_event(LOG_WARN, "server", NULL, "stops with %u still"
			  " busy", n);

	loop_leave(srv);
}


static int prepare(struct server *srv)
{
	int err;

	err = dir_make(server_dir(srv));
	if (err)
		return err;

	err = pidfile_alloc(&srv->pidfile, server_dir(srv));
	if (err)
		return err;

	/* before any service has a thread, so that all inherit the mask */
	err = signals_alloc(&srv->signals, srv);
	if (err)
		return err;

	return trim_alloc(&srv->trim, TRIM_INTERVAL);
}


static int services_run(struct server *srv)
{
	int err;

	srv->started = tmr_jiffies();
	err = services_start(srv);
	if (err)
		return err;

	log_event(LOG_NOTICE, "server", NULL, "%s runs, version %s",
		  srv->name, JUNCTOR_VERSION);
	event_say(srv, "server.running");

	return 0;
}


/**
 * Start a server beside others of a process, which has the main loop and the
 * signals; server_run does all of that itself
 *
 * @param srv Server
 *
 * @return 0 if success, otherwise errorcode of what could not be started;
 *         server_end is due in any case
 */
int server_start(struct server *srv)
{
	int err;

	if (!srv || srv->started)
		return EINVAL;

	err = dir_make(server_dir(srv));

	return err ? err : services_run(srv);
}


/**
 * End a server that server_start has started: no goodbyes are waited for
 *
 * @param srv Server
 */
void server_end(struct server *srv)
{
	if (!srv)
		return;

	tmr_cancel(&srv->tmr);
	services_stop(srv);
}


/**
 * Run a server until it is stopped
 *
 * @param srv Server
 *
 * @return 0 if it was stopped in order, otherwise errorcode of what could
 *         not be started
 */
int server_run(struct server *srv)
{
	int err;

	if (!srv || srv->started)
		return EINVAL;

	err = prepare(srv);
	if (err)
		goto out;

	err = services_run(srv);
	if (err)
		goto out;

	/* a service may have asked for the end already */
	if (!srv->stopping || tmr_isrunning(&srv->tmr)) {
		srv->looping = true;
		err = re_main(NULL);
		srv->looping = false;
	}

 out:
	tmr_cancel(&srv->tmr);
	log_event(LOG_NOTICE, "server", NULL, "%s stops", srv->name);
	services_stop(srv);
	srv->trim = mem_deref(srv->trim);
	srv->signals = mem_deref(srv->signals);
	srv->pidfile = mem_deref(srv->pidfile);

	return err;
}


/**
 * Begin to stop a server; server_run returns when it has stopped. Who asks to
 * stop while it restarts gets his will.
 *
 * @param srv     Server
 * @param restart What server_restarting is to tell
 */
void server_stop(struct server *srv, bool restart)
{
	uint32_t timeout;

	if (!srv)
		return;

	if (srv->stopping) {
		srv->restart = srv->restart && restart;
		return;
	}

	timeout = config_u32(srv->setup->cfg, "server.stop_timeout");

	srv->stopping = true;
	srv->restart  = restart;
	srv->deadline = tmr_jiffies() + timeout;

	log_event(LOG_NOTICE, "server", NULL, "%s is asked to %s",
		  srv->name, restart ? "restart" : "stop");
	event_say(srv, "server.stopping");

	/* later, so that whoever asked gets an answer */
	tmr_start(&srv->tmr, BUSY_INTERVAL, busy_poll, srv);
}


/**
 * Tell whether a server is stopping
 *
 * @param srv Server
 *
 * @return true if it takes no new work
 */
bool server_stopping(const struct server *srv)
{
	return srv ? srv->stopping : false;
}


/**
 * Tell whether a server that stopped is to be run again
 *
 * @param srv Server
 *
 * @return true if so
 */
bool server_restarting(const struct server *srv)
{
	return srv ? srv->stopping && srv->restart : false;
}


static void error_log(const struct config_error *ce, void *arg)
{
	(void)arg;

	log_event(LOG_ERROR, "server", NULL, "%s: %s: %s", ce->where,
		  ce->key, ce->reason);
}


static void frozen_log(const char *key, void *arg)
{
	(void)arg;

	log_event(LOG_WARN, "server", NULL, "%s changed in the file, but"
		  " needs a restart", key);
}


/**
 * Read the configuration file again; a file with errors changes nothing
 *
 * Also fires "server.hup", whatever the file holds.
 *
 * @param srv Server
 *
 * @return 0 if success, EBADMSG if the file has errors, which were logged,
 *         otherwise errorcode
 */
int server_reload(struct server *srv)
{
	struct setup *setup = NULL;
	struct server_opts opts;
	int err;

	if (!srv)
		return EINVAL;

	event_say(srv, "server.hup");

	server_opts_get(srv, &opts);
	err = setup_alloc(&setup, &opts, error_log, NULL);
	if (err) {
		log_event(LOG_ERROR, "server", NULL,
			  "reload: nothing was changed");
	}
	else {
		err = config_adopt(srv->setup->cfg, setup->cfg, frozen_log,
				   NULL);
		log_event(LOG_NOTICE, "server", NULL, "reload: done");
	}

	mem_deref(setup);

	return err;
}
