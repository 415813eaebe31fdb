/**
 * @file talk.c  A blocking client in a thread beside the main loop
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <re.h>
#include "talk.h"

enum { LIMIT_S = 30 };           /* of any test [s]                        */

struct talks {
	struct talk *tv;
	size_t tc;
	struct mqueue *mq;
};

static void nap(unsigned ms)
{
	const struct timespec ts = {.tv_sec = ms / 1000,
		.tv_nsec = (long)(ms % 1000) * 1000000};

	(void)nanosleep(&ts, NULL);
}

static int talk_say(struct talk *t, int fd)
{
	const size_t len = t->len ? t->len : strlen(t->say);
	size_t pos = 0;

	while (pos < len) {

		const size_t piece = t->piece && t->piece < len - pos
			? t->piece : len - pos;
		const ssize_t n = send(fd, t->say + pos, piece,
				       MSG_NOSIGNAL);

		if (n < 0)
			return errno;
		pos += (size_t)n;

		if (t->piece && t->pause_ms)
			nap(t->pause_ms);
	}

	return 0;
}

static int talk_hear(struct talk *t, int fd)
{
	while (t->heardc < TALK_MAX) {

		const ssize_t n = recv(fd, t->heard + t->heardc,
				       TALK_MAX - t->heardc, 0);

		if (n <= 0)
			return n ? errno : 0;
		t->heardc += (size_t)n;
	}

	return EOVERFLOW;
}

/**
 * Let one client talk, in the thread that calls
 *
 * @param t Client; what it heard is in it afterwards
 */
void talk_do(struct talk *t)
{
	const struct timeval tv = {.tv_sec = LIMIT_S};
	int fd = socket(sa_af(&t->addr), SOCK_STREAM, 0);

	t->heard  = calloc(1, TALK_MAX + 1);
	t->heardc = 0;
	t->err = 0;
	if (!t->heard)
		abort();

	if (fd < 0) {
		t->err = errno;
		return;
	}

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));

	if (connect(fd, &t->addr.u.sa, t->addr.len))
		t->err = errno;
	else
		t->err = talk_say(t, fd);

	if (t->half)
		(void)shutdown(fd, SHUT_WR);
	if (!t->piece && t->pause_ms)
		nap(t->pause_ms);
	for (unsigned i = 0; t->until && !*t->until && i < LIMIT_S * 100; i++)
		nap(10);

	/* what a refusing server said is there even if it did not listen */
	if (!t->leave) {
		const int err = talk_hear(t, fd);

		if (!t->err)
			t->err = err;
	}

	(void)close(fd);
}

static void *talk_thread(void *arg)
{
	talk_do(arg);
	return NULL;
}

static void *all_thread(void *arg)
{
	struct talks *ts = arg;
	pthread_t tidv[64];
	size_t i;

	for (i = 0; i < ts->tc; i++)
		(void)pthread_create(&tidv[i], NULL, talk_thread, &ts->tv[i]);
	for (i = 0; i < ts->tc; i++)
		(void)pthread_join(tidv[i], NULL);

	(void)mqueue_push(ts->mq, 0, NULL);
	return NULL;
}

static void done_handler(int id, void *data, void *arg)
{
	(void)id;
	(void)data;
	(void)arg;

	re_cancel();
}

/**
 * Let clients talk, all at once, and run the main loop until they are done
 *
 * @param tv Clients; what they heard is in them afterwards
 * @param tc Number of them, at most 64
 */
void talk_run(struct talk *tv, size_t tc)
{
	struct talks ts = {.tv = tv, .tc = tc};
	pthread_t tid;

	if (mqueue_alloc(&ts.mq, done_handler, NULL) ||
	    pthread_create(&tid, NULL, all_thread, &ts))
		abort();

	(void)re_main(NULL);
	(void)pthread_join(tid, NULL);
	mem_deref(ts.mq);
}

/**
 * Forget what a client heard
 *
 * @param t Client
 */
void talk_reset(struct talk *t)
{
	free(t->heard);
	t->heard = NULL;
	t->heardc = 0;
}

/**
 * The status code of the last answer a client heard
 *
 * @param t Client
 *
 * @return Status code, 0 if there was no answer
 */
unsigned talk_status(const struct talk *t)
{
	const char *p = t->heard, *last = NULL;

	while (p && (p = strstr(p, "HTTP/1.1 "))) {
		p += 9;
		last = p;
	}

	return last ? (unsigned)strtoul(last, NULL, 10) : 0;
}
