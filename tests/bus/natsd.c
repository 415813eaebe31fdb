/**
 * @file natsd.c  A nats-server of a test's own
 *
 * It ends with the process that started it, listens on a port that the kernel
 * chose, and keeps its store in a folder of its own.
 */
#define _GNU_SOURCE 1
#include <string.h>
#include <stdlib.h>
#include <stdio.h>
#include <signal.h>
#include <unistd.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/wait.h>
#include <sys/stat.h>
#include <sys/prctl.h>
#include <check.h>
#include <re.h>
#include "natsd.h"
#include "../suite.h"


static const char *program(void)
{
	static const char *const pathv[] = {
		"/usr/sbin/nats-server", "/usr/bin/nats-server",
		"/usr/local/bin/nats-server",
	};
	size_t i;

	for (i=0; i<ARRAY_SIZE(pathv); i++) {
		if (!access(pathv[i], X_OK))
			return pathv[i];
	}

	return NULL;
}


/**
 * Tell if there is a nats-server to test with
 *
 * @return True if so
 */
bool natsd_installed(void)
{
	return program() != NULL;
}


/**
 * Run tests that cannot do without a nats-server
 *
 * @param name Of the suite
 * @param tc   Its case, which belongs to it
 *
 * @return What main() has to return
 */
int natsd_run(const char *name, TCase *tc)
{
	if (!natsd_installed()) {
		(void)re_fprintf(stderr, "skipped: nats-server is not"
				 " installed (contrib/packages)\n");
		return 77;
	}

	return suite_run(name, tc);
}


/**
 * Find a port that nobody uses
 *
 * @return Port, which somebody else may be faster to take
 */
unsigned natsd_port_free(void)
{
	struct sa sa;
	struct tcp_sock *ts;

	ck_assert_int_eq(0, sa_set_str(&sa, "127.0.0.1", 0));
	ck_assert_int_eq(0, tcp_listen(&ts, &sa, NULL, NULL));
	ck_assert_int_eq(0, tcp_sock_local_get(ts, &sa));
	mem_deref(ts);

	return sa_port(&sa);
}


static void child(const struct natsd *nd)
{
	const char *argv[NATSD_ARGS + 16] = {
		"nats-server", "-a", "127.0.0.1", "-sd", nd->dir, "-p"
	};
	char port[16];
	size_t n = 6, i;
	int fd;

	(void)snprintf(port, sizeof(port), "%u", nd->port);
	argv[n++] = port;
	if (!nd->plain)
		argv[n++] = "-js";
	for (i=0; nd->argv[i]; i++)
		argv[n++] = nd->argv[i];

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)setenv("GOMAXPROCS", "1", 1);

	fd = open("/dev/null", O_RDWR);
	if (!getenv("NATSD_LOG")) {
		(void)dup2(fd, 0);
		(void)dup2(fd, 1);
		(void)dup2(fd, 2);
	}
	(void)execv(program(), (char *const *)argv);
	_exit(127);
}


static bool answers(unsigned port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	char buf[8] = "";
	bool ok;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	sin.sin_port = htons((uint16_t)port);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ok = !connect(fd, (struct sockaddr *)&sin, sizeof(sin)) &&
		recv(fd, buf, 4, 0) == 4 && !memcmp(buf, "INFO", 4);
	(void)close(fd);

	return ok;
}


static void launch(struct natsd *nd)
{
	(void)snprintf(nd->url, sizeof(nd->url), "nats://127.0.0.1:%u",
		       nd->port);
	nd->pid = fork();
	ck_assert_int_ge(nd->pid, 0);
	if (!nd->pid)
		child(nd);
}


/**
 * Start it, and wait until it answers
 *
 * @param nd Zeroed before its first start
 */
void natsd_start(struct natsd *nd)
{
	const bool first = !nd->port;
	unsigned n = 6000;

	ck_assert_int_eq(0, nd->pid);

	if (!nd->dir[0]) {
		(void)snprintf(nd->dir, sizeof(nd->dir),
			       "/tmp/natsd.XXXXXX");
		ck_assert_ptr_nonnull(mkdtemp(nd->dir));
	}
	if (first)
		nd->port = natsd_port_free();
	launch(nd);

	while (!answers(nd->port)) {
		ck_assert_msg(n--, "nats-server does not answer");
		(void)usleep(10000);
		if (waitpid(nd->pid, NULL, WNOHANG) != nd->pid)
			continue;

		/* somebody else was faster to take the port */
		if (first)
			nd->port = natsd_port_free();
		launch(nd);
	}
}


static void cluster_conf(struct natsd *nd, unsigned i, const unsigned *portv)
{
	char (*v)[160] = nd->clusterv;
	const char *const argv[] = {
		"--name", v[0], "--cluster_name", "c", "--cluster", v[1],
		"--routes", v[2],
	};

	(void)re_snprintf(v[0], sizeof(v[0]), "n%u", i);
	(void)re_snprintf(v[1], sizeof(v[1]), "nats://127.0.0.1:%u",
			  portv[i]);
	(void)re_snprintf(v[2], sizeof(v[2]), "nats://127.0.0.1:%u,"
			  "nats://127.0.0.1:%u,nats://127.0.0.1:%u",
			  portv[0], portv[1], portv[2]);
	memcpy(nd->argv, argv, sizeof(argv));
}


/**
 * Start three that are one
 *
 * @param nodev NATSD_CLUSTER of them, zeroed before their first start
 */
void natsd_cluster_start(struct natsd *nodev)
{
	unsigned portv[NATSD_CLUSTER], i;

	for (i=0; i<NATSD_CLUSTER; i++)
		portv[i] = natsd_port_free();
	for (i=0; i<NATSD_CLUSTER; i++) {
		cluster_conf(&nodev[i], i, portv);
		natsd_start(&nodev[i]);
	}
}


/**
 * Stop it; its store stays
 *
 * @param nd  Nothing happens if it does not run
 * @param sig SIGKILL, or SIGTERM for an orderly end
 */
void natsd_stop(struct natsd *nd, int sig)
{
	if (!nd->pid)
		return;

	(void)kill(nd->pid, SIGCONT);
	(void)kill(nd->pid, sig);
	(void)waitpid(nd->pid, NULL, 0);
	nd->pid = 0;
}


static int remove_handler(const char *path, const struct stat *st, int type,
			  struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;

	return remove(path);
}


/**
 * Lose what it has stored
 *
 * @param nd It does not run
 */
void natsd_wipe(struct natsd *nd)
{
	ck_assert_int_eq(0, nd->pid);
	(void)nftw(nd->dir, remove_handler, 16, FTW_DEPTH | FTW_PHYS);
	(void)mkdir(nd->dir, 0700);
}


/**
 * Stop it and leave nothing behind
 *
 * @param nd Nothing happens if it was never started
 */
void natsd_close(struct natsd *nd)
{
	natsd_stop(nd, SIGKILL);
	if (nd->dir[0])
		(void)nftw(nd->dir, remove_handler, 16, FTW_DEPTH | FTW_PHYS);
	nd->dir[0] = '\0';
}
