/**
 * @file signals.c  SIGTERM, SIGINT and SIGHUP as events of the main loop
 *
 * libre's re_main knows no SIGHUP and polls what a handler left behind. A
 * signalfd is an event like any other, and no thread but the main one ever
 * sees a signal.
 */
#include <errno.h>
#include <signal.h>
#include <unistd.h>
#include <sys/signalfd.h>
#include <re.h>
#include "server/server.h"
#include "server/event.h"
#include "server/service.h"
#include "server/core.h"


struct signals {
	struct server *srv;
	sigset_t old;              /* mask to put back                      */
	int fd;
};


static void signals_destructor(void *data)
{
	struct signals *sig = data;

	if (sig->fd < 0)
		return;

	fd_close(sig->fd);
	(void)close(sig->fd);
	(void)pthread_sigmask(SIG_SETMASK, &sig->old, NULL);
}


/* From now on SIGINT ends the process, even if the main loop hangs: whoever
 * presses Ctrl-C twice means it. */
static void interrupt_open(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	(void)signal(SIGINT, SIG_DFL);
	(void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}


/* A service may want to give its work away first; it stops the server itself
 * then. */
static void terminate(struct server *srv)
{
	const struct event ev = {.name = "server.terminate"};

	if (!event_fire(server_events(srv), &ev))
		server_stop(srv, false);
}


static void signal_handler(int flags, void *arg)
{
	struct signals *sig = arg;
	struct signalfd_siginfo si;
	(void)flags;

	if (read(sig->fd, &si, sizeof(si)) != (ssize_t)sizeof(si))
		return;

	switch (si.ssi_signo) {

	case SIGHUP:
		(void)server_reload(sig->srv);
		break;

	case SIGINT:
		interrupt_open();
		server_stop(sig->srv, false);
		break;

	case SIGTERM:
		terminate(sig->srv);
		break;
	}
}


/**
 * Take the signals of the process
 *
 * @param sp  Pointer to the new object; mem_deref gives the signals back
 * @param srv Server to stop or reload
 *
 * @return 0 if success, otherwise errorcode
 */
int signals_alloc(struct signals **sp, struct server *srv)
{
	struct signals *sig;
	sigset_t set;
	int err;

	if (!sp || !srv)
		return EINVAL;

	sig = mem_zalloc(sizeof(*sig), signals_destructor);
	if (!sig)
		return ENOMEM;

	sig->srv = srv;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);

	sig->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (sig->fd < 0) {
		err = errno;
		goto out;
	}

	err = pthread_sigmask(SIG_BLOCK, &set, &sig->old);
	if (err)
		goto out;

	err = fd_listen(sig->fd, FD_READ, signal_handler, sig);

 out:
	if (err)
		mem_deref(sig);
	else
		*sp = sig;

	return err;
}
