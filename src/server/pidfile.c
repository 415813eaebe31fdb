/**
 * @file pidfile.c  DIR/junctord.pid, which also keeps a folder to one server
 */
#include <stdio.h>
#include <string.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <sys/file.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/log.h"
#include "server/core.h"


struct pidfile {
	char *path;
	int fd;                    /* holds the lock                        */
};


static void pidfile_destructor(void *data)
{
	struct pidfile *pf = data;

	if (pf->fd >= 0) {
		(void)unlink(pf->path);
		(void)close(pf->fd);
	}
	mem_deref(pf->path);
}


static int pid_write(int fd)
{
	char buf[32];
	const int n = snprintf(buf, sizeof(buf), "%ld\n", (long)getpid());

	if (ftruncate(fd, 0))
		return errno;

	return write(fd, buf, (size_t)n) == n ? 0 : EIO;
}


/**
 * Write the process id, and claim the folder
 *
 * @param pp  Pointer to the new object; mem_deref removes the file
 * @param dir Folder
 *
 * @return 0 if success, EBUSY if another server runs there, otherwise
 *         errorcode
 */
int pidfile_alloc(struct pidfile **pp, const char *dir)
{
	struct pidfile *pf;
	int err, fd = -1;

	if (!pp || !dir)
		return EINVAL;

	pf = mem_zalloc(sizeof(*pf), pidfile_destructor);
	if (!pf)
		return ENOMEM;

	pf->fd = -1;
	err = re_sdprintf(&pf->path, "%s/junctord.pid", dir);
	if (err)
		goto out;

	fd = open(pf->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0) {
		err = errno;
		goto out;
	}

	/* a lock, unlike a number, dies with the process */
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		err = errno == EWOULDBLOCK ? EBUSY : errno;
		goto out;
	}

	pf->fd = fd;
	err = pid_write(fd);

 out:
	if (err) {
		log_event(LOG_ERROR, "server", NULL, "%s: %s", pf->path
			  ? pf->path : dir, err == EBUSY
			  ? "another server runs in this folder"
			  : strerror(err));
		if (fd >= 0 && pf->fd < 0)
			(void)close(fd);
		mem_deref(pf);
	}
	else {
		*pp = pf;
	}

	return err;
}
