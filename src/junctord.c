/**
 * @file junctord.c  The server: command line around server/server.h
 */
#define _GNU_SOURCE         /* close_range */
#include <string.h>
#include <stdio.h>
#include <stdlib.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <re.h>
#include "server/server.h"
#include "server/event.h"
#include "server/log.h"


enum {
	SETS_MAX = 256,
	OPT_CHECK = 256, OPT_SET, OPT_MODULES, OPT_READY, OPT_SETTINGS,
};

enum mode { MODE_RUN, MODE_CHECK, MODE_SETTINGS };

struct options {
	struct server_opts srv;
	const char *setv[SETS_MAX];
	enum mode mode;
	int ready_fd;              /* -1: nobody waits                      */
	struct log_sink *startup;  /* until all runs                        */
};

static const struct option longopts[] = {
	{"check-config", no_argument, NULL, OPT_CHECK},
	{"set", required_argument, NULL, OPT_SET},
	{"modules", required_argument, NULL, OPT_MODULES},
	{"ready-fd", required_argument, NULL, OPT_READY},
	{"settings", no_argument, NULL, OPT_SETTINGS},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0}
};


static void usage(FILE *f)
{
	(void)fprintf(f,
"usage: junctord -f FILE [options]\n"
"\n"
"  -f FILE           configuration: one `key value` per line\n"
"  --set KEY=VALUE   a setting above those of FILE (repeatable)\n"
"  --modules PATH    folders of plug-ins, separated by colons\n"
"  --check-config    judge the configuration and exit: 0 good, 1 bad\n"
"  --settings        print the settings of the services named, and exit\n"
"  --ready-fd N      write `ready` to file descriptor N when all runs\n"
"  -h, --help        print this\n"
"  -V, --version     print the version\n"
"\n"
"Signals: TERM and INT stop, HUP rereads FILE and reopens logs.\n");
}


static int fd_parse(int *fdp, const char *str)
{
	const size_t len = strlen(str);

	if (!len || len > 6 || strspn(str, "0123456789") != len)
		return EINVAL;

	*fdp = (int)strtol(str, NULL, 10);

	return 0;
}


/* Returns -1 to go on, otherwise the exit status. */
static int options_parse(struct options *o, int argc, char **argv)
{
	int opt;

	while ((opt = getopt_long(argc, argv, "f:hV", longopts, NULL)) >= 0) {

		switch (opt) {

		case 'f':
			o->srv.file = optarg;
			break;

		case OPT_SET:
			if (o->srv.setc >= SETS_MAX) {
				(void)fprintf(stderr, "too many --set\n");
				return 1;
			}
			o->setv[o->srv.setc++] = optarg;
			break;

		case OPT_MODULES:
			o->srv.module_path = optarg;
			break;

		case OPT_CHECK:
			o->mode = MODE_CHECK;
			break;

		case OPT_SETTINGS:
			o->mode = MODE_SETTINGS;
			break;

		case OPT_READY:
			if (fd_parse(&o->ready_fd, optarg)) {
				(void)fprintf(stderr, "--ready-fd: not a"
					      " file descriptor\n");
				return 1;
			}
			break;

		case 'h':
			usage(stdout);
			return 0;

		case 'V':
			(void)printf("junctord %s\n", JUNCTOR_VERSION);
			return 0;

		default:
			usage(stderr);
			return 1;
		}
	}

	if (optind < argc || (!o->srv.file && !o->srv.setc)) {
		usage(stderr);
		return 1;
	}

	return -1;
}


/* Whoever starts a server looks at the terminal, not yet at its log. */
static void startup_error(const struct log_record *rec, void *arg)
{
	(void)arg;

	(void)fprintf(stderr, "%s: %s: %s\n", log_level_name(rec->level),
		      rec->service, rec->text);
}


/* A service manager of the kind of systemd(1) waits on a datagram socket. */
static void manager_tell(const char *state)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");
	const size_t n = path ? strlen(path) : 0;
	const size_t len = offsetof(struct sockaddr_un, sun_path) + n;
	int fd;

	if (n < 2 || n > sizeof(un.sun_path) ||
	    (path[0] != '/' && path[0] != '@'))
		return;

	memcpy(un.sun_path, path, n);
	if (path[0] == '@')
		un.sun_path[0] = '\0';

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;

	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (void *)&un,
		   (socklen_t)len) < 0)
		log_event(LOG_WARN, "server", NULL, "NOTIFY_SOCKET: %s",
			  strerror(errno));
	(void)close(fd);
}


/* Who is told STOPPING waits for our end, and kills what does not end. */
static bool stopping(const struct event *ev, void *arg)
{
	const struct server *srv = arg;
	(void)ev;

	manager_tell(server_restarting(srv) ? "RELOADING=1" : "STOPPING=1");

	return false;
}


static bool running(const struct event *ev, void *arg)
{
	struct options *o = arg;
	static const char ready[] = "ready\n";
	(void)ev;

	o->startup = mem_deref(o->startup);
	manager_tell("READY=1");

	if (o->ready_fd >= 0) {
		if (write(o->ready_fd, ready, sizeof(ready) - 1) < 0)
			log_event(LOG_WARN, "server", NULL, "--ready-fd: %s",
				  strerror(errno));
		(void)close(o->ready_fd);
		o->ready_fd = -1;
	}

	return false;
}


static int run(struct options *o, bool *restart)
{
	struct server *srv = NULL;
	struct listener *l = NULL, *end = NULL;
	int err;

	err = log_sink_add(&o->startup, LOG_KIND_EVENT, startup_error, NULL);
	if (err)
		return err;

	log_sink_level(o->startup, LOG_WARN);

	err = server_alloc(&srv, &o->srv);
	if (err)
		goto out;

	err = event_listen(&l, server_events(srv), "server.running",
			   EVENT_PRIO_NORMAL, running, o);
	err |= event_listen(&end, server_events(srv), "server.stopping",
			    EVENT_PRIO_NORMAL, stopping, srv);
	if (err)
		goto out;

	err = server_run(srv);
	*restart = !err && server_restarting(srv);

 out:
	o->startup = mem_deref(o->startup);
	mem_deref(l);
	mem_deref(end);
	mem_deref(srv);
	if (err && err != EBADMSG)
		(void)fprintf(stderr, "junctord: cannot run: %s\n",
			      strerror(err));

	return err;
}


static int print(const char *p, size_t size, void *arg)
{
	return fwrite(p, 1, size, arg) == size ? 0 : EIO;
}


static int options_run(struct options *o, bool *restart)
{
	struct re_printf pf = {print, stdout};

	switch (o->mode) {

	case MODE_CHECK:
		return server_check(&o->srv);

	case MODE_SETTINGS:
		return server_settings_print(&pf, &o->srv);

	default:
		return run(o, restart);
	}
}


/* The new image must not find our sockets, and nobody waits on --ready-fd
 * any more. Returns only if it failed. */
static void again(const char *exe, int argc, char **argv)
{
	int i, n = 1;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--ready-fd"))
			++i;
		else if (strncmp(argv[i], "--ready-fd=", 11))
			argv[n++] = argv[i];
	}
	argv[n] = NULL;

	(void)close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);

	(void)execv(exe, argv);
	(void)fprintf(stderr, "junctord: cannot restart: %s: %s\n", exe,
		      strerror(errno));
}


int main(int argc, char **argv)
{
	struct options o = {.ready_fd = -1};
	bool restart = false;
	char exe[4096];
	ssize_t n;
	int err;

	o.srv.setv = o.setv;

	err = options_parse(&o, argc, argv);
	if (err >= 0)
		return err;

	/* the name now, not when a restart may find it replaced */
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	exe[n > 0 ? n : 0] = '\0';

	(void)signal(SIGPIPE, SIG_IGN);

	err = libre_init();
	if (err) {
		(void)fprintf(stderr, "junctord: %s\n", strerror(err));
		return 1;
	}

	err = options_run(&o, &restart);

	libre_close();

	if (restart)
		again(exe, argc, argv);

	return err || restart ? 1 : 0;
}
