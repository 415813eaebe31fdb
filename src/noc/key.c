/**
 * @file noc/key.c  The secret that all servers of a NOC share
 */
#include <string.h>
#include <fcntl.h>
#include <unistd.h>
#include <sys/stat.h>
#include <openssl/crypto.h>
#include <re.h>
#include "server/server.h"
#include "server/settings.h"
#include "server/log.h"
#include "noc/ticket.h"
#include "noc/key.h"


/* A server that starts at the same time must not overwrite the key: the file
   appears under its name complete, and only if there is none. */
static int file_create(const char *file)
{
	uint8_t secret[NOC_KEY_LEN];
	char *tmp = NULL;
	ssize_t n;
	int fd, err;

	err = re_sdprintf(&tmp, "%s.%d.%08x", file, (int)getpid(),
			  rand_u32());
	if (err)
		return err;

	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		err = errno;
		goto out;
	}

	rand_bytes(secret, sizeof(secret));
	n = write(fd, secret, sizeof(secret));
	if (n != sizeof(secret))
		err = n < 0 ? errno : EIO;
	if (close(fd) && !err)
		err = errno;

	if (!err && link(tmp, file) && errno != EEXIST)
		err = errno;

	(void)unlink(tmp);
	OPENSSL_cleanse(secret, sizeof(secret));

 out:
	mem_deref(tmp);

	return err;
}


static int file_read(uint8_t key[NOC_KEY_LEN], const char *file)
{
	uint8_t secret[NOC_KEY_LEN + 1];
	struct stat st;
	ssize_t n;
	int fd, err = 0;

	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;

	if (fstat(fd, &st)) {
		err = errno;
		goto out;
	}

	if (!S_ISREG(st.st_mode) || st.st_mode & 077) {
		err = EPERM;
		goto out;
	}

	n = read(fd, secret, sizeof(secret));
	if (n < 0)
		err = errno;
	else if (n != NOC_KEY_LEN)
		err = EBADMSG;
	else
		memcpy(key, secret, NOC_KEY_LEN);

	OPENSSL_cleanse(secret, sizeof(secret));

 out:
	(void)close(fd);

	return err;
}


/**
 * Read the key of the NOC, or make one if there is none
 *
 * @param key  Set to the key; the caller wipes it when done
 * @param file File of 32 bytes that nobody else may read
 *
 * @return 0 if success; EPERM if others may read it; EBADMSG if it is no key;
 *         else what the file system says
 */
int noc_key_read(uint8_t key[NOC_KEY_LEN], const char *file)
{
	int err;

	if (!key || !file)
		return EINVAL;

	err = file_read(key, file);
	if (err != ENOENT)
		return err;

	err = file_create(file);
	if (err)
		return err;

	return file_read(key, file);
}


static int file_name(char **filep, struct server *srv)
{
	const char *file = config_str(server_config(srv), "noc.key");

	return str_isset(file) ? str_dup(filep, file)
		: re_sdprintf(filep, "%s/noc.key", server_dir(srv));
}


/**
 * Read the key of the NOC that a server belongs to; says in the log why it
 * cannot
 *
 * @param key     Set to the key; the caller wipes it when done
 * @param srv     Server
 * @param service Who wants it, for the log
 *
 * @return 0 if success; as noc_key_read
 */
int noc_key_load(uint8_t key[NOC_KEY_LEN], struct server *srv,
		 const char *service)
{
	char *file = NULL;
	int err;

	if (!key || !srv || !service)
		return EINVAL;

	err = file_name(&file, srv);
	if (err)
		return err;

	err = noc_key_read(key, file);
	if (err)
		log_event(LOG_ERROR, service, NULL, "%s: %s", file,
			  err == EPERM ? "others may read it, it must have"
			  " mode 0600" : err == EBADMSG ?
			  "is no key of 32 bytes" : strerror(err));
	mem_deref(file);

	return err;
}


/**
 * Load the key that tickets are made and checked with
 *
 * @param kp      Pointer to the key, owned by the caller
 * @param srv     Server
 * @param service Who wants it, for the log
 *
 * @return 0 if success; as noc_key_read
 */
int noc_key_ticket(struct ticket_key **kp, struct server *srv,
		   const char *service)
{
	uint8_t key[NOC_KEY_LEN];
	int err;

	if (!kp)
		return EINVAL;

	err = noc_key_load(key, srv, service);
	if (!err)
		err = ticket_key_alloc(kp, key, sizeof(key));
	OPENSSL_cleanse(key, sizeof(key));

	return err;
}
