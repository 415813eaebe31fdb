/**
 * @file gate.h  The fast path in front of real sofia agents, for tests
 */
#ifndef JUNCTOR_TESTS_GATE_H
#define JUNCTOR_TESTS_GATE_H

struct redirect;

enum { GATE_THREADS = 3, GATE_TEXT = 8192 };

struct gate_thread {
	struct redirect *r;
	unsigned ix;
	const char *host;
	unsigned port;             /* 0 at first: any                   */
	pthread_t tid;
	atomic_int up;             /* 1 running, -1 failed              */
	atomic_int stop;
	atomic_uint got;          /* messages that sofia got           */
	atomic_uint acks;
	atomic_size_t body;       /* of the last                       */
};

extern struct gate_thread gate_threadv[GATE_THREADS];

struct redirect_query;

struct redirect *gate_begin(unsigned threads);
void gate_end(struct redirect *r, unsigned threads);
bool gate_listen(struct redirect *r, unsigned n, const char *host);
void gate_stop(unsigned n);
int  gate_lookup(const struct redirect_query *q, char *contact, size_t sz,
		 size_t *len, void *arg);
int  gate_client(const char *host);

void text_send(int fd, const char *text, size_t len);
size_t text_recv(int fd, char *buf);
size_t request(char *buf, size_t sz, const char *method, const char *conf,
	       const char *callid, unsigned seq, const char *totag,
	       const char *more);
void expect(int fd, char *buf, const char *start);
void ask(int fd, char *buf, const char *method, const char *conf,
	 const char *callid, unsigned seq, const char *more,
	 const char *start);
void tag_get(char *tag, size_t sz, const char *buf);

#endif
