/* A shell command in the middle of a measurement: what the operator does, or
 * what befalls a server. */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include "bench.h"

extern char **environ;

enum { LOOK_MS = 5 };


/**
 * Run a command, and go on
 *
 * @param a   Filled in; act_poll() tells when it has ended
 * @param cmd Shell command
 */
void act_start(struct act *a, const char *cmd)
{
	char *argv[] = {"sh", "-c", (char *)cmd, NULL};
	posix_spawnattr_t attr;
	sigset_t none;

	/* this program keeps the signals that end it for itself */
	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);

	a->began = a->ended = wall_ns();
	a->done = true;
	if (posix_spawn(&a->pid, "/bin/sh", NULL, &attr, argv, environ)) {
		a->pid = 0;
		a->status = -1;
	}
	posix_spawnattr_destroy(&attr);
}


/** Tell whether the command still runs */
bool act_poll(struct act *a)
{
	int status;

	if (a->pid && waitpid(a->pid, &status, WNOHANG) == a->pid) {
		a->ended = wall_ns();
		a->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
		a->pid = 0;
	}

	return a->pid != 0;
}


/**
 * Wait until the command has ended; one that takes too long is left alone
 *
 * @param a     Command
 * @param limit Monotonic time [ns]
 */
void act_wait(struct act *a, int64_t limit)
{
	while (act_poll(a) && now_ns() < limit)
		wait_until(NULL, 0, now_ns() + LOOK_MS * INT64_C(1000000));
}
