/**
 * @file logwriter.c  Log lines into a file, from a thread of its own
 *
 *   any thread:  logwriter_put -> fill  (under the lock, memory only)
 *   own thread:  fill <-> drain swapped (under the lock); drain -> files
 *
 * Whoever logs never waits for a disk. If the disk is slower than the log,
 * the queue fills up, lines are dropped, and the log says how many. Lines are
 * gathered for a few milliseconds, so that a busy server pays one wake-up for
 * many lines; warnings and errors are written at once.
 */
#define _GNU_SOURCE         /* pthread_setname_np */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/stat.h>
#include <re.h>
#include "server/log.h"
#include "server/logwriter.h"


enum {
	GATHER = 20,               /* [ms]                                  */
	LINE_SIZE = 9216,          /* [bytes], longer than any record       */
	POLL_WAIT = 100,           /* for a pipe or terminal [ms]           */
	QUIT_WAIT = 1000,          /* the same, when about to end [ms]      */
	PIPE_CHUNK = 4096,         /* what poll promises to take [bytes]    */
	FILE_MODE = 0640,
	TARGETS_MAX = 8,           /* that wait for the thread              */
};

/* Where lines go from some point of the queue on. */
struct target {
	int fd;                    /* -1: no file                           */
	bool console;
	size_t cut;                /* where in the queue [bytes]            */
};

struct buffer {
	char *p;
	size_t len;
};

struct logwriter {
	/* set before the thread starts, then constant */
	size_t size;               /* of each buffer [bytes]                */
	pthread_t thread;
	bool threaded;

	/* any thread */
	atomic_ullong dropped;     /* lines, ever                           */
	atomic_bool quit;

	/* under the lock */
	pthread_mutex_t lock;
	pthread_cond_t cond;
	struct buffer fill;
	unsigned missed;           /* lines dropped, not yet reported       */
	bool urgent;
	struct target nextv[TARGETS_MAX];
	unsigned nextc;

	/* own thread; the destructor after it ended */
	struct buffer drain;
	struct target now;
	bool targeted;             /* had a first target                    */
};


static bool is_regular(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISREG(st.st_mode);
}


/* A stopped terminal or a pipe nobody reads must not keep us for ever. */
static bool wait_writable(struct logwriter *lw, int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLOUT};
	unsigned waited = 0;

	for (;;) {
		const int n = poll(&pfd, 1, POLL_WAIT);

		if (n > 0)
			return pfd.revents & POLLOUT;
		if (n < 0 && errno != EINTR)
			return false;

		if (atomic_load(&lw->quit) && (waited += POLL_WAIT)
		    >= QUIT_WAIT)
			return false;
	}
}


static void fd_write(struct logwriter *lw, int fd, const char *p, size_t len)
{
	const bool regular = is_regular(fd);

	while (len) {
		size_t chunk = len;
		ssize_t n;

		if (!regular) {
			chunk = len < PIPE_CHUNK ? len : PIPE_CHUNK;
			if (!wait_writable(lw, fd))
				return;
		}

		n = write(fd, p, chunk);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;

		p += n;
		len -= (size_t)n;
	}
}


static void text_write(struct logwriter *lw, const char *p, size_t len)
{
	if (lw->now.fd >= 0)
		fd_write(lw, lw->now.fd, p, len);
	if (lw->now.console)
		fd_write(lw, STDERR_FILENO, p, len);
}


static char *digits_put(char *p, unsigned v, unsigned n, char then)
{
	for (unsigned i = n; i-- > 0; v /= 10)
		p[i] = (char)('0' + v % 10);
	p[n] = then;

	return p + n + 1;
}


/* A word and what follows it, cut to what there is room for. */
static char *word_put(char *p, const char *end, const char *word, char then)
{
	const size_t left = (size_t)(end - p), n = strnlen(word, left);

	memcpy(p, word, n);
	p += n;
	if (p < end)
		*p++ = then;

	return p;
}


/* Lines come by the thousand: so no printf. LINE_SIZE leaves room for what is
   before the Call-ID. */
static size_t line_format(char *buf, size_t sz, const struct log_record *rec)
{
	const time_t sec = (time_t)(rec->usec / 1000000);
	const char *end = buf + sz - 1;
	char *p = buf;
	struct tm tm;

	(void)gmtime_r(&sec, &tm);
	p = digits_put(p, (unsigned)tm.tm_year + 1900, 4, '-');
	p = digits_put(p, (unsigned)tm.tm_mon + 1, 2, '-');
	p = digits_put(p, (unsigned)tm.tm_mday, 2, 'T');
	p = digits_put(p, (unsigned)tm.tm_hour, 2, ':');
	p = digits_put(p, (unsigned)tm.tm_min, 2, ':');
	p = digits_put(p, (unsigned)tm.tm_sec, 2, '.');
	p = digits_put(p, (unsigned)(rec->usec / 1000 % 1000), 3, 'Z');
	*p++ = ' ';
	p = word_put(p, end, rec->kind == LOG_KIND_TRACE ? "trace"
		     : log_level_name(rec->level), ' ');
	p = word_put(p, end, rec->service, ' ');
	p = word_put(p, end, rec->callid ? rec->callid : "-", ' ');
	p = word_put(p, end, rec->text, '\n');
	if (p[-1] != '\n')
		*p++ = '\n';

	return (size_t)(p - buf);
}


static void missed_write(struct logwriter *lw, unsigned missed)
{
	struct timespec ts;
	char text[64], line[256];
	struct log_record rec = {
		.level = LOG_WARN, .service = "server", .text = text
	};

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	rec.usec = (uint64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
	(void)snprintf(text, sizeof(text), "%u log lines dropped: too many"
		       " at once", missed);

	text_write(lw, line, line_format(line, sizeof(line), &rec));
}


/* With the lock: wait for something to do, then a little for more. */
static void work_wait(struct logwriter *lw)
{
	struct timespec ts;

	while (!lw->fill.len && !lw->missed && !lw->nextc
	       && !atomic_load(&lw->quit))
		pthread_cond_wait(&lw->cond, &lw->lock);

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_nsec += GATHER * 1000000L;
	if (ts.tv_nsec >= 1000000000L) {
		ts.tv_nsec -= 1000000000L;
		++ts.tv_sec;
	}

	while (!lw->urgent && !lw->nextc && !atomic_load(&lw->quit)) {
		if (pthread_cond_timedwait(&lw->cond, &lw->lock, &ts))
			break;
	}
}


/* Lines go where they were meant to go when they were logged; except that
 * the first target gets what was logged before it. */
static void batch_write(struct logwriter *lw, const struct target *nextv,
			unsigned nextc)
{
	size_t pos = 0;
	unsigned i;

	for (i = 0; i < nextc; i++) {
		const struct target *next = &nextv[i];

		if (lw->targeted) {
			text_write(lw, lw->drain.p + pos, next->cut - pos);
			pos = next->cut;
		}

		if (lw->now.fd >= 0)
			(void)close(lw->now.fd);
		lw->now = *next;
		lw->targeted = true;
	}

	text_write(lw, lw->drain.p + pos, lw->drain.len - pos);
}


static void *writer_thread(void *arg)
{
	struct target nextv[TARGETS_MAX];
	struct logwriter *lw = arg;
	unsigned missed, nextc;
	struct buffer tmp;
	bool quit;

	do {
		pthread_mutex_lock(&lw->lock);
		work_wait(lw);

		tmp = lw->drain;
		lw->drain = lw->fill;
		lw->fill = tmp;
		lw->fill.len = 0;
		lw->urgent = false;
		missed = lw->missed;
		lw->missed = 0;
		nextc = lw->nextc;
		lw->nextc = 0;
		memcpy(nextv, lw->nextv, sizeof(nextv));
		quit = atomic_load(&lw->quit);
		pthread_mutex_unlock(&lw->lock);

		batch_write(lw, nextv, nextc);
		if (missed)
			missed_write(lw, missed);

	} while (!quit);

	return NULL;
}


static void logwriter_destructor(void *data)
{
	struct logwriter *lw = data;

	if (lw->threaded) {
		pthread_mutex_lock(&lw->lock);
		atomic_store(&lw->quit, true);
		pthread_cond_signal(&lw->cond);
		pthread_mutex_unlock(&lw->lock);
		(void)pthread_join(lw->thread, NULL);
	}

	if (lw->now.fd >= 0)
		(void)close(lw->now.fd);
	while (lw->nextc) {
		if (lw->nextv[--lw->nextc].fd >= 0)
			(void)close(lw->nextv[lw->nextc].fd);
	}

	pthread_cond_destroy(&lw->cond);
	pthread_mutex_destroy(&lw->lock);
	mem_deref(lw->fill.p);
	mem_deref(lw->drain.p);
}


static int thread_start(struct logwriter *lw)
{
	sigset_t all, old;
	int err;

	/* signals are for the main loop */
	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&lw->thread, NULL, writer_thread, lw);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);

	if (!err) {
		(void)pthread_setname_np(lw->thread, "log");
		lw->threaded = true;
	}

	return err;
}


/**
 * Allocate a log writer, with its thread; it writes nowhere yet
 *
 * @param lwp   Pointer to the new writer; mem_deref writes what is queued
 * @param queue Most that may wait for the disk [bytes], LOGWRITER_QUEUE_MIN
 *              to LOGWRITER_QUEUE_MAX
 *
 * @return 0 if success, otherwise errorcode
 */
int logwriter_alloc(struct logwriter **lwp, size_t queue)
{
	pthread_condattr_t attr;
	struct logwriter *lw;
	int err = 0;

	if (!lwp || queue < LOGWRITER_QUEUE_MIN
	    || queue > LOGWRITER_QUEUE_MAX)
		return EINVAL;

	lw = mem_zalloc(sizeof(*lw), logwriter_destructor);
	if (!lw)
		return ENOMEM;

	lw->now.fd = -1;
	lw->size = queue;
	pthread_mutex_init(&lw->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&lw->cond, &attr);
	pthread_condattr_destroy(&attr);

	lw->fill.p  = mem_alloc(queue, NULL);
	lw->drain.p = mem_alloc(queue, NULL);
	if (!lw->fill.p || !lw->drain.p)
		err = ENOMEM;
	if (!err)
		err = thread_start(lw);

	if (err)
		mem_deref(lw);
	else
		*lwp = lw;

	return err;
}


/**
 * Say where lines go; also to open a file again that was moved away
 *
 * @param lw      Log writer
 * @param file    File to append to, made when missing; NULL or "": none
 * @param console Standard error, too
 *
 * @return 0 if success; otherwise errorcode, and nothing changes
 */
int logwriter_target(struct logwriter *lw, const char *file, bool console)
{
	struct target *next;
	int fd = -1;

	if (!lw)
		return EINVAL;

	if (str_isset(file)) {
		fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC
			  | O_NOCTTY, FILE_MODE);
		if (fd < 0)
			return errno;
	}

	pthread_mutex_lock(&lw->lock);
	if (lw->nextc < TARGETS_MAX) {
		next = &lw->nextv[lw->nextc++];
		next->cut = lw->fill.len;
	}
	else {
		/* the disk hangs: the last one that waits gives way */
		next = &lw->nextv[TARGETS_MAX - 1];
		if (next->fd >= 0)
			(void)close(next->fd);
	}
	next->fd = fd;
	next->console = console;
	pthread_cond_signal(&lw->cond);
	pthread_mutex_unlock(&lw->lock);

	return 0;
}


/**
 * Queue a line. Any thread; never waits for a file.
 *
 * @param lw  Log writer
 * @param rec Record
 */
void logwriter_put(struct logwriter *lw, const struct log_record *rec)
{
	char line[LINE_SIZE];
	size_t len;

	if (!lw || !rec)
		return;

	len = line_format(line, sizeof(line), rec);

	pthread_mutex_lock(&lw->lock);

	if (lw->fill.len + len > lw->size) {
		++lw->missed;
		atomic_fetch_add(&lw->dropped, 1);
	}
	else {
		const bool first = !lw->fill.len;
		const bool urgent = rec->level <= LOG_WARN && !lw->urgent;

		memcpy(lw->fill.p + lw->fill.len, line, len);
		lw->fill.len += len;
		lw->urgent |= urgent;
		if (first || urgent)
			pthread_cond_signal(&lw->cond);
	}

	pthread_mutex_unlock(&lw->lock);
}


/**
 * Lines that were dropped since the writer was made
 *
 * @param lw Log writer
 *
 * @return Number of lines
 */
uint64_t logwriter_dropped(const struct logwriter *lw)
{
	return lw ? atomic_load(&lw->dropped) : 0;
}
