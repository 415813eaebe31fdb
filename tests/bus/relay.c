/**
 * @file relay.c  A TCP relay of a test's own: slow, deaf, or cut
 *
 * A process that does nothing but poll. What it reads it writes to the other
 * side after a time, in order.
 */
#define _GNU_SOURCE 1
#include <string.h>
#include <stdlib.h>
#include <stdio.h>
#include <signal.h>
#include <unistd.h>
#include <poll.h>
#include <fcntl.h>
#include <time.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sys/prctl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <stdbool.h>
#include <check.h>
#include "relay.h"


enum { PAIRS = 32, CHUNK = 65536 };

struct chunk {
	struct chunk *next;
	uint64_t due;              /* [ms]                                  */
	size_t len, pos;
	char buf[];
};

struct side {
	int fd;                    /* -1: none                              */
	struct chunk *head, **tail;      /* to be written to it             */
	size_t queued;
};

struct state {
	struct side sidev[PAIRS][2];
	int lfd;
	unsigned port, delay;
	int cut, stall, mute;
};


static uint64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);

	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}


static void pair_close(struct side *pair)
{
	int i;

	for (i=0; i<2; i++) {
		struct chunk *c;

		while ((c = pair[i].head)) {
			pair[i].head = c->next;
			free(c);
		}
		if (pair[i].fd >= 0)
			(void)close(pair[i].fd);
		pair[i].fd = -1;
		pair[i].queued = 0;
	}
}


static void accept_one(struct state *st)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	const int fd = accept(st->lfd, NULL, NULL);
	int i, one = 1, to;

	for (i=0; i<PAIRS && st->sidev[i][0].fd >= 0; i++)
		;
	if (fd < 0 || i == PAIRS || st->cut) {
		if (fd >= 0)
			(void)close(fd);
		return;
	}

	to = socket(AF_INET, SOCK_STREAM, 0);
	sin.sin_port = htons((uint16_t)st->port);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(to, (struct sockaddr *)&sin, sizeof(sin))) {
		(void)close(fd);
		(void)close(to);
		return;
	}

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)setsockopt(to, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	st->sidev[i][0] = (struct side){ .fd = fd };
	st->sidev[i][1] = (struct side){ .fd = to };
	st->sidev[i][0].tail = &st->sidev[i][0].head;
	st->sidev[i][1].tail = &st->sidev[i][1].head;
}


static int pump(struct state *st, struct side *from, struct side *to)
{
	struct chunk *c = malloc(sizeof(*c) + CHUNK);
	const ssize_t n = read(from->fd, c->buf, CHUNK);

	if (n <= 0) {
		free(c);
		return -1;
	}

	c->next = NULL;
	c->due = now_ms() + st->delay;
	c->len = (size_t)n;
	c->pos = 0;
	*to->tail = c;
	to->tail = &c->next;
	to->queued += (size_t)n;

	return 0;
}


static int flush(struct side *s)
{
	struct chunk *c;

	while ((c = s->head) && c->due <= now_ms()) {
		const ssize_t n = send(s->fd, c->buf + c->pos,
				       c->len - c->pos,
				       MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0)
			return 0;       /* full, or the reader finds out */

		c->pos += (size_t)n;
		s->queued -= (size_t)n;
		if (c->pos < c->len)
			return 0;

		s->head = c->next;
		if (!s->head)
			s->tail = &s->head;
		free(c);
	}

	return 0;
}


static void command(struct state *st, int ctrl)
{
	char c;
	int i;

	if (read(ctrl, &c, 1) != 1)
		_exit(0);

	switch (c) {

	case 'c':
		st->cut = 1;
		for (i=0; i<PAIRS; i++)
			pair_close(st->sidev[i]);
		break;

	case 'm':
		st->cut = 0;
		break;

	case 's':
	case 'S':
		st->stall = c == 's';
		break;

	case 'q':
	case 'Q':
		st->mute = c == 'q';
		break;
	}

	/* who told it waits until it is so */
	if (write(ctrl, &c, 1) != 1)
		_exit(0);
}


static void run(struct state *st, int ctrl)
{
	for (;;) {
		struct pollfd pv[2 + 2 * PAIRS];
		int i, k;

		pv[0] = (struct pollfd){ .fd = ctrl, .events = POLLIN };
		pv[1] = (struct pollfd){ .fd = st->lfd, .events = POLLIN };
		for (i=0; i<PAIRS; i++) {
			for (k=0; k<2; k++) {
				struct side *s = &st->sidev[i][k];
				const size_t q = st->sidev[i][!k].queued;

				pv[2 + 2 * i + k] = (struct pollfd){
					.fd = st->stall ||
						(st->mute && k) ||
						q > (4 << 20) ? -1 : s->fd,
					.events = POLLIN
				};
			}
		}

		(void)poll(pv, 2 + 2 * PAIRS, 2);

		if (pv[0].revents) {
			command(st, ctrl);
			continue;
		}
		if (pv[1].revents)
			accept_one(st);
		for (i=0; i<PAIRS; i++) {
			struct side *pair = st->sidev[i];

			for (k=0; k<2 && pair[0].fd >= 0; k++) {
				if (pv[2 + 2 * i + k].revents &&
				    pv[2 + 2 * i + k].fd == pair[k].fd &&
				    pump(st, &pair[k], &pair[!k]))
					pair_close(pair);
			}
			for (k=0; k<2 && pair[0].fd >= 0 && !st->stall; k++)
				(void)flush(&pair[k]);
		}
	}
}


/**
 * Start a relay
 *
 * @param r        Zeroed
 * @param port     Where it leads, on loopback
 * @param delay_ms Each way [ms]
 */
void relay_start(struct relay *r, unsigned port, unsigned delay_ms)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t n = sizeof(sin);
	static struct state st;
	int fdv[2], i;

	memset(&st, 0, sizeof(st));
	st.port = port;
	st.delay = delay_ms;
	for (i=0; i<PAIRS; i++)
		st.sidev[i][0].fd = st.sidev[i][1].fd = -1;

	st.lfd = socket(AF_INET, SOCK_STREAM, 0);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(0, bind(st.lfd, (struct sockaddr *)&sin, n));
	ck_assert_int_eq(0, listen(st.lfd, 16));
	ck_assert_int_eq(0, getsockname(st.lfd, (struct sockaddr *)&sin, &n));
	ck_assert_int_eq(0, socketpair(AF_UNIX, SOCK_STREAM, 0, fdv));

	r->pid = fork();
	ck_assert_int_ge(r->pid, 0);
	if (!r->pid) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)close(fdv[1]);
		run(&st, fdv[0]);
	}

	(void)close(fdv[0]);
	(void)close(st.lfd);
	r->ctrl = fdv[1];
	(void)snprintf(r->url, sizeof(r->url), "nats://127.0.0.1:%u",
		       ntohs(sin.sin_port));
}


static void tell(struct relay *r, char c)
{
	ck_assert_int_eq(1, write(r->ctrl, &c, 1));
	ck_assert_int_eq(1, read(r->ctrl, &c, 1));
}


/**
 * Close all connections and let nobody through
 *
 * @param r Relay
 */
void relay_cut(struct relay *r)
{
	tell(r, 'c');
}


/**
 * Let connections through again
 *
 * @param r Relay
 */
void relay_mend(struct relay *r)
{
	tell(r, 'm');
}


/**
 * Keep connections, but let nothing through, or again
 *
 * @param r  Relay
 * @param on True for nothing
 */
void relay_stall(struct relay *r, bool on)
{
	tell(r, on ? 's' : 'S');
}


/**
 * Keep connections, but let nothing through that the server says, or again
 *
 * @param r  Relay
 * @param on True for nothing
 */
void relay_mute(struct relay *r, bool on)
{
	tell(r, on ? 'q' : 'Q');
}


/**
 * End it
 *
 * @param r Nothing happens if it was never started
 */
void relay_stop(struct relay *r)
{
	if (!r->pid)
		return;

	(void)close(r->ctrl);
	(void)kill(r->pid, SIGKILL);
	(void)waitpid(r->pid, NULL, 0);
	r->pid = 0;
}
