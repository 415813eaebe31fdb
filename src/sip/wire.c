/**
 * @file wire.c  Messages between the main thread and the signalling threads
 *
 * One allocation per message, its strings behind it. A queue wakes its
 * reader only when it was empty, so a burst costs one wake.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "sip/wire.h"

struct wireq {
	pthread_mutex_t mutex;
	struct wire *head;
	struct wire **tail;
	wire_wake_h *wakeh;
	void *arg;
};


/**
 * Make a message with copies of its strings
 *
 * @param type What it says
 * @param id   Dialog it is about, 0 if none
 * @param strv Strings by enum wire_str, or NULL when there are none
 * @param lenv Their lengths [bytes], or NULL when all are zero-terminated
 *
 * @return The message, which the caller owns, or NULL without memory
 */
struct wire *wire_alloc(enum wire_type type, uint64_t id,
			const char *const strv[WIRE_STRC],
			const size_t lenv[WIRE_STRC])
{
	size_t lv[WIRE_STRC] = {0}, size = sizeof(struct wire);
	struct wire *w;
	char *p;

	for (int i = 0; strv && i < WIRE_STRC; i++) {
		if (!strv[i])
			continue;

		lv[i] = lenv ? lenv[i] : strlen(strv[i]);
		size += lv[i] + 1;
	}

	w = malloc(size);
	if (!w)
		return NULL;

	memset(w, 0, sizeof(*w));
	w->type = type;
	w->id   = id;

	p = (char *)(w + 1);

	for (int i = 0; strv && i < WIRE_STRC; i++) {
		if (!strv[i])
			continue;

		memcpy(p, strv[i], lv[i]);
		p[lv[i]] = '\0';
		w->strv[i] = p;
		w->lenv[i] = lv[i];
		p += lv[i] + 1;
	}

	return w;
}


/**
 * Free a message
 *
 * @param w Message or NULL
 *
 * @return NULL
 */
struct wire *wire_free(struct wire *w)
{
	free(w);

	return NULL;
}


/**
 * Make a queue
 *
 * @param qp    Set to the queue
 * @param wakeh Called by the writer when the reader has to be woken, with
 *              no lock held; must be safe in any thread
 * @param arg   Its argument
 *
 * @return 0 or errno
 */
int wireq_alloc(struct wireq **qp, wire_wake_h *wakeh, void *arg)
{
	struct wireq *q;

	if (!qp || !wakeh)
		return EINVAL;

	q = calloc(1, sizeof(*q));
	if (!q)
		return ENOMEM;

	if (pthread_mutex_init(&q->mutex, NULL)) {
		free(q);
		return ENOMEM;
	}

	q->tail  = &q->head;
	q->wakeh = wakeh;
	q->arg   = arg;

	*qp = q;

	return 0;
}


/**
 * Free a queue with everything in it; nobody may use it any more
 *
 * @param q Queue or NULL
 *
 * @return NULL
 */
struct wireq *wireq_free(struct wireq *q)
{
	if (!q)
		return NULL;

	while (q->head) {
		struct wire *w = q->head;

		q->head = w->next;
		wire_free(w);
	}

	pthread_mutex_destroy(&q->mutex);
	free(q);

	return NULL;
}


/**
 * Put a message into a queue, from any thread
 *
 * @param q Queue
 * @param w Message, which belongs to the queue's reader from now on; NULL
 *          (no memory for it) is ignored
 */
void wireq_push(struct wireq *q, struct wire *w)
{
	bool wake;

	if (!q || !w)
		return;

	w->next = NULL;

	pthread_mutex_lock(&q->mutex);
	wake = q->head == NULL;
	*q->tail = w;
	q->tail  = &w->next;
	pthread_mutex_unlock(&q->mutex);

	if (wake)
		q->wakeh(q->arg);
}


/**
 * Take everything out of a queue, in the thread that reads it
 *
 * @param q Queue
 *
 * @return First message of a list linked by `next`, oldest first, or NULL;
 *         the caller frees each with wire_free
 */
struct wire *wireq_take(struct wireq *q)
{
	struct wire *w;

	if (!q)
		return NULL;

	pthread_mutex_lock(&q->mutex);
	w = q->head;
	q->head = NULL;
	q->tail = &q->head;
	pthread_mutex_unlock(&q->mutex);

	return w;
}
