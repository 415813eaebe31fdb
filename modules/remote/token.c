/**
 * @file token.c  The secret that lets an operator in
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <openssl/crypto.h>
#include <re.h>
#include "remote/token.h"

static int token_create(const char *path)
{
	uint8_t raw[TOKEN_BYTES];
	char hex[2 * TOKEN_BYTES + 2];
	ssize_t n;
	int fd, err = 0;

	if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		return errno ? errno : EIO;

	if (re_snprintf(hex, sizeof(hex), "%w\n", raw, sizeof(raw)) < 0)
		return ENOMEM;

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		  0600);
	if (fd < 0)
		return errno;

	n = write(fd, hex, sizeof(hex) - 1);
	if (n != (ssize_t)sizeof(hex) - 1)
		err = n < 0 ? errno : ENOSPC;
	if (close(fd) && !err)
		err = errno;
	if (err)
		(void)unlink(path);

	return err;
}

static int token_decode(struct token *tok, size_t len)
{
	size_t i;

	while (len && strchr("\r\n", tok->str[len - 1]))
		--len;

	if (len < TOKEN_MIN || len > TOKEN_MAX)
		return EBADMSG;

	for (i = 0; i < len; i++)
		if (tok->str[i] <= 0x20 || tok->str[i] >= 0x7f)
			return EBADMSG;

	/* token_match compares all of it */
	memset(&tok->str[len], 0, sizeof(tok->str) - len);
	return 0;
}

static int token_read(struct token *tok, const char *path)
{
	struct stat st;
	ssize_t n;
	int fd, err = 0;

	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno;

	if (fstat(fd, &st))
		err = errno;
	else if (!S_ISREG(st.st_mode) || st.st_size > TOKEN_MAX)
		err = EBADMSG;
	else if (st.st_mode & (S_IRWXG | S_IRWXO))
		err = EACCES;
	if (err)
		goto out;

	n = read(fd, tok->str, TOKEN_MAX);
	err = n < 0 ? errno : token_decode(tok, (size_t)n);

 out:
	(void)close(fd);
	return err;
}

/**
 * Load the token, and make one of 32 random bytes if there is none
 *
 * @param tok  Returned token
 * @param path File; created readable for its owner only
 *
 * @return 0, EACCES if others may read the file, EBADMSG if it holds no
 *         16 to 256 printable characters, or another errno
 */
int token_load(struct token *tok, const char *path)
{
	int err;

	if (!tok || !path)
		return EINVAL;

	err = token_read(tok, path);
	if (err != ENOENT)
		return err;

	err = token_create(path);
	if (err && err != EEXIST)
		return err;

	return token_read(tok, path);
}

/**
 * Does a request know the token? Takes equally long for every wrong one.
 *
 * @param tok           Token
 * @param authorization Value of the Authorization header (RFC 6750 2.1)
 *
 * @return True if it does
 */
bool token_match(const struct token *tok, const struct pl *authorization)
{
	char buf[TOKEN_MAX + 1] = "";
	struct pl val, scheme;

	if (!tok || !authorization || !tok->str[0])
		return false;

	val = *authorization;
	scheme.p = val.p;
	scheme.l = 6;
	if (val.l <= scheme.l || pl_strcasecmp(&scheme, "Bearer"))
		return false;

	pl_advance(&val, 6);
	if (*val.p != ' ')
		return false;
	while (val.l && *val.p == ' ')
		pl_advance(&val, 1);

	if (val.l > TOKEN_MAX)
		return false;
	memcpy(buf, val.p, val.l);

	return !CRYPTO_memcmp(buf, tok->str, sizeof(buf));
}
