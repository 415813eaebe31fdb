/**
 * @file hook.c  A program that is run, with a time limit
 *
 * It gets a clean environment, no descriptor of ours, and a process group of
 * its own, which is killed as a whole when time is up. The kernel tells of its
 * end by a descriptor (pidfd), so nobody has to look for it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <unistd.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <re.h>
#include "standby/hook.h"


struct hook {
	struct tmr tmr;
	pid_t pid;                 /* 0: has been waited for                */
	int fd;                    /* pidfd                                 */
	hook_h *h;
	void *arg;
};


static void destructor(void *data)
{
	struct hook *hk = data;

	tmr_cancel(&hk->tmr);
	if (hk->fd >= 0) {
		fd_close(hk->fd);
		(void)close(hk->fd);
	}
	if (hk->pid > 0) {
		(void)kill(-hk->pid, SIGKILL);
		(void)waitpid(hk->pid, NULL, 0);
	}
}


static void end(struct hook *hk, int err)
{
	tmr_cancel(&hk->tmr);
	fd_close(hk->fd);
	hk->h(err, hk->arg);
}


static void exit_handler(int flags, void *arg)
{
	struct hook *hk = arg;
	int status = 0;
	(void)flags;

	if (waitpid(hk->pid, &status, WNOHANG) != hk->pid)
		return;

	hk->pid = 0;
	end(hk, WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : ECANCELED);
}


static void timeout_handler(void *arg)
{
	struct hook *hk = arg;

	(void)kill(-hk->pid, SIGKILL);
	(void)waitpid(hk->pid, NULL, 0);
	hk->pid = 0;
	end(hk, ETIMEDOUT);
}


static int spawn(pid_t *pid, const char *const argv[])
{
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	char *env[] = { path, NULL };
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int err;

	(void)sigemptyset(&none);
	(void)sigfillset(&all);

	err = posix_spawnattr_init(&attr);
	if (err)
		return err;
	err = posix_spawn_file_actions_init(&fa);
	if (err)
		goto out;

	err |= posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP |
					POSIX_SPAWN_SETSIGMASK |
					POSIX_SPAWN_SETSIGDEF);
	err |= posix_spawnattr_setpgroup(&attr, 0);
	err |= posix_spawnattr_setsigmask(&attr, &none);
	err |= posix_spawnattr_setsigdefault(&attr, &all);
	err |= posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDWR,
						0);
	err |= posix_spawn_file_actions_adddup2(&fa, 0, 1);
	err |= posix_spawn_file_actions_adddup2(&fa, 0, 2);
	err |= posix_spawn_file_actions_addclosefrom_np(&fa, 3);
	if (!err)
		err = posix_spawn(pid, argv[0], &fa, &attr,
				  (char *const *)(uintptr_t)argv, env);
	else
		err = ENOMEM;

	(void)posix_spawn_file_actions_destroy(&fa);
 out:
	(void)posix_spawnattr_destroy(&attr);

	return err;
}


/**
 * Run a program
 *
 * @param hp      Set to the hook; mem_deref before its end kills the program,
 *                and no handler is called
 * @param argv    Path and arguments, NULL-terminated
 * @param timeout Longest it may take [ms]
 * @param h       Called once, from the main loop
 * @param arg     Its argument
 *
 * @return 0 if it runs; as of posix_spawn
 */
int hook_run(struct hook **hp, const char *const argv[], uint32_t timeout,
	     hook_h *h, void *arg)
{
	struct hook *hk;
	int err;

	if (!hp || !argv || !argv[0] || !h)
		return EINVAL;

	hk = mem_zalloc(sizeof(*hk), destructor);
	if (!hk)
		return ENOMEM;

	hk->fd  = -1;
	hk->h   = h;
	hk->arg = arg;
	tmr_init(&hk->tmr);

	err = spawn(&hk->pid, argv);
	if (err) {
		hk->pid = 0;
		goto out;
	}

	hk->fd = (int)syscall(SYS_pidfd_open, hk->pid, 0);
	if (hk->fd < 0) {
		err = errno;
		goto out;
	}

	err = fd_listen(hk->fd, FD_READ, exit_handler, hk);
	if (err)
		goto out;

	tmr_start(&hk->tmr, timeout, timeout_handler, hk);

 out:
	if (err)
		mem_deref(hk);
	else
		*hp = hk;

	return err;
}


/**
 * Run a program that nobody waits for
 *
 * @param argv Path and arguments, NULL-terminated
 *
 * @return 0 if it runs; as of posix_spawn
 */
int hook_leave(const char *const argv[])
{
	pid_t pid;

	return argv && argv[0] ? spawn(&pid, argv) : EINVAL;
}
