/**
 * @file mesh/queue.c  Messages between the main thread and a worker
 *
 * A command goes to the worker and comes back to main, which frees it and
 * what came back with it; nothing is freed in a worker. Taking is always
 * all at once, so the stacks have no ABA problem and need no lock. How many
 * commands can be on their way is bounded by how many objects main has: it
 * is main alone that allocates them.
 */
#include <re.h>
#include <stdatomic.h>
#include "mesh/queue.h"


/**
 * Push a message; what it points to goes with it
 *
 * @param stack Stack
 * @param msg   Message
 */
void msg_push(struct msg_stack *stack, struct msg *msg)
{
	struct msg *top = atomic_load_explicit(&stack->top,
					       memory_order_relaxed);

	do {
		msg->next = top;
	} while (!atomic_compare_exchange_weak_explicit(&stack->top, &top,
							msg,
							memory_order_seq_cst,
							memory_order_relaxed));
}


/**
 * Take all messages, oldest first
 *
 * @param stack Stack, empty afterwards
 *
 * @return First message, linked by `next`, or NULL
 */
struct msg *msg_take(struct msg_stack *stack)
{
	struct msg *msg, *first = NULL;

	msg = atomic_exchange_explicit(&stack->top, NULL,
				       memory_order_acquire);
	while (msg) {
		struct msg *next = msg->next;

		msg->next = first;
		first = msg;
		msg = next;
	}

	return first;
}


/**
 * Is anything there to take
 *
 * @param stack Stack
 *
 * @return True if so
 */
bool msg_pending(const struct msg_stack *stack)
{
	return atomic_load_explicit(&stack->top, memory_order_relaxed) != NULL;
}


/**
 * Put an event
 *
 * @param ring Ring
 * @param ev   Event, copied
 * @param once Whether it cannot be told later. The last places are kept for
 *             that.
 *
 * @return False if the ring is full and the event was not put
 */
bool event_ring_put(struct event_ring *ring, const struct ring_event *ev,
		    bool once)
{
	const uint32_t size = once ? EVENT_RING_SIZE
		: EVENT_RING_SIZE - EVENT_RING_KEPT;
	const uint32_t head = atomic_load_explicit(&ring->head,
						   memory_order_relaxed);
	const uint32_t tail = atomic_load_explicit(&ring->tail,
						   memory_order_acquire);

	if (head - tail >= size)
		return false;

	ring->v[head % EVENT_RING_SIZE] = *ev;
	atomic_store_explicit(&ring->head, head + 1, memory_order_release);

	return true;
}


/**
 * Get the oldest event
 *
 * @param ring Ring
 * @param ev   Filled in
 *
 * @return False if there is none
 */
bool event_ring_get(struct event_ring *ring, struct ring_event *ev)
{
	const uint32_t tail = atomic_load_explicit(&ring->tail,
						   memory_order_relaxed);
	const uint32_t head = atomic_load_explicit(&ring->head,
						   memory_order_acquire);

	if (head == tail)
		return false;

	*ev = ring->v[tail % EVENT_RING_SIZE];
	atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);

	return true;
}
