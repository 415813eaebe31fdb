/**
 * @file cli/log.c  The end of the log, and what comes
 *
 * The log is a file of this machine, so it can be read when the server is
 * dead, which is when one wants to.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <re.h>
#include "cli/cli.h"

enum {
	LINES     = 20,          /* shown at first                         */
	LINES_MAX = 1000000,
	PIECE     = 16384,       /* [bytes]                                */
	LOOK_MS   = 1000,        /* if no event tells of a change [ms]     */
};

struct tail {
	const char *path;
	FILE *f;
	ino_t ino;
	off_t pos;               /* of what is not printed yet             */
};

/* Where the last n lines begin: backwards, a piece at a time. */
static off_t tail_start(FILE *f, unsigned n)
{
	char buf[PIECE];
	off_t pos, end;

	if (fseeko(f, 0, SEEK_END))
		return 0;

	end = pos = ftello(f);
	if (!n)
		return end;

	while (pos > 0) {

		const size_t len = pos < PIECE ? (size_t)pos : PIECE;
		size_t i;

		pos -= (off_t)len;
		if (fseeko(f, pos, SEEK_SET) ||
		    fread(buf, 1, len, f) != len)
			return end;

		for (i = len; i-- > 0;) {
			const off_t at = pos + (off_t)i;

			/* the last byte ends the last line */
			if (buf[i] == '\n' && at + 1 < end && !--n)
				return at + 1;
		}
	}

	return 0;
}

static int tail_open(struct tail *t)
{
	struct stat st;

	t->f = fopen(t->path, "r");
	if (!t->f)
		return errno;

	t->ino = fstat(fileno(t->f), &st) ? 0 : st.st_ino;
	t->pos = 0;

	return 0;
}

static void tail_print(struct tail *t)
{
	char buf[PIECE];
	size_t n;

	if (fseeko(t->f, t->pos, SEEK_SET))
		return;

	while ((n = fread(buf, 1, sizeof(buf), t->f))) {
		(void)fwrite(buf, 1, n, stdout);
		t->pos += (off_t)n;
	}

	(void)fflush(stdout);
	clearerr(t->f);
}

/* Rotated away, or cut to nothing: begin again with what stands there. */
static void tail_follow(struct tail *t)
{
	struct stat st;

	if (t->f)
		tail_print(t);

	if (stat(t->path, &st))
		return;

	if (!t->f || st.st_ino != t->ino) {
		if (t->f)
			(void)fclose(t->f);
		if (!tail_open(t))
			tail_print(t);
	}
	else if (st.st_size < t->pos) {
		t->pos = 0;
		tail_print(t);
	}
}

static void folder_watch(int fd, const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[1024];

	if (re_snprintf(dir, sizeof(dir), "%b", path,
			slash ? (size_t)(slash - path) + 1 : 0) >= 0)
		(void)inotify_add_watch(fd, dir[0] ? dir : ".", IN_MODIFY |
					IN_CREATE | IN_MOVED_TO | IN_DELETE);
}

static int follow(struct tail *t)
{
	char ev[4096];
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	if (fd >= 0)
		folder_watch(fd, t->path);

	while (!ferror(stdout)) {

		struct pollfd pfd = {.fd = fd, .events = POLLIN};

		tail_follow(t);
		if (poll(&pfd, 1, LOOK_MS) > 0)
			while (read(fd, ev, sizeof(ev)) > 0)
				;
	}

	if (fd >= 0)
		(void)close(fd);

	return CLI_FAILED;
}

static int level_set(struct cli *cli, int argc, char **argv)
{
	struct odict *args = NULL;
	int ret;

	if (argc != 2) {
		cli_error("usage: junctor log level LEVEL");
		return CLI_USAGE;
	}
	if (odict_alloc(&args, 4))
		return CLI_FAILED;

	ret = arg_set(args, "level", argv[1]);
	if (!ret)
		ret = command_call(cli, "log.level", args);

	mem_deref(args);
	return ret;
}

struct options {
	unsigned lines;
	bool follow, trace;
	const char *file;
};

static bool number(const char *val)
{
	return val && val[0] && strlen(val) < 8 &&
		strspn(val, "0123456789") == strlen(val);
}

static int options_read(struct options *o, int argc, char **argv)
{
	int i;

	for (i = 0; i < argc; i++) {

		const char *val = i + 1 < argc ? argv[i + 1] : NULL;

		if (!strcmp(argv[i], "--no-follow")) {
			o->follow = false;
		}
		else if (!strcmp(argv[i], "-n") && !number(val)) {
			cli_error("log: -n needs a number of lines");
			return CLI_USAGE;
		}
		else if (!strcmp(argv[i], "-n")) {
			o->lines = (unsigned)strtoul(val, NULL, 10);
			if (o->lines > LINES_MAX)
				o->lines = LINES_MAX;
			++i;
		}
		else if (!strcmp(argv[i], "--trace")) {
			o->trace = true;
		}
		else if (!strcmp(argv[i], "--file") && val) {
			o->file = val;
			++i;
		}
		else {
			cli_error("log: what is '%s'? usage: junctor log "
				  "[-n N] [--no-follow] [--trace] [--file "
				  "PATH], or log level LEVEL", argv[i]);
			return CLI_USAGE;
		}
	}

	return CLI_OK;
}

/* Another place is a setting, which the server knows if it lives. */
static int path_ask(char **pathp, struct cli *cli, const char *key)
{
	struct odict *args = NULL;
	struct answer ans = {0};
	const char *file = NULL;
	int ret;

	if (odict_alloc(&args, 4))
		return CLI_FAILED;

	ret = arg_set(args, "key", key);
	if (!ret)
		ret = client_call(cli, &ans, "get", args);
	if (!ret && ans.scode == 200)
		file = odict_string(ans.od, key);
	if (!ret && (!file || !file[0])) {
		cli_error("this server writes no such file (%s)", key);
		ret = CLI_FAILED;
	}
	if (!ret && (file[0] == '/' ? str_dup(pathp, file)
		     : re_sdprintf(pathp, "%s/%s", cli->dir, file)))
		ret = CLI_FAILED;

	answer_reset(&ans);
	mem_deref(args);
	return ret;
}

static int path_find(char **pathp, struct cli *cli, bool trace)
{
	char *path = NULL;

	if (re_sdprintf(&path, "%s/%s", cli->dir,
			trace ? "trace.log" : "junctord.log"))
		return CLI_FAILED;

	if (access(path, R_OK)) {
		mem_deref(path);
		return path_ask(pathp, cli, trace ? "trace.file"
				: "log.file");
	}

	*pathp = path;
	return CLI_OK;
}

/**
 * log [-n N] [--no-follow] [--trace | --file PATH], log level LEVEL
 *
 * @param cli  Options
 * @param argc Number of arguments
 * @param argv Arguments
 *
 * @return Exit code
 */
int cmd_log(struct cli *cli, int argc, char **argv)
{
	struct options o = {.lines = LINES, .follow = true};
	struct tail t = {.f = NULL};
	char *path = NULL;
	int ret, err;

	if (argc && !strcmp(argv[0], "level"))
		return level_set(cli, argc, argv);

	ret = only_here(cli, "log");
	if (!ret)
		ret = options_read(&o, argc, argv);
	if (ret)
		return ret;

	ret = o.file ? (str_dup(&path, o.file) ? CLI_FAILED : CLI_OK)
		: path_find(&path, cli, o.trace);
	if (ret)
		return ret;

	t.path = path;
	err = tail_open(&t);
	if (err) {
		cli_error("%s: %s", path, strerror(err));
		ret = CLI_FAILED;
		goto out;
	}

	t.pos = tail_start(t.f, o.lines);
	tail_print(&t);
	if (o.follow)
		ret = follow(&t);

 out:
	if (t.f)
		(void)fclose(t.f);
	mem_deref(path);
	return ret;
}
