/**
 * @file mesh/queue.h  Messages between the main thread and a worker
 */
#ifndef JUNCTOR_MESH_QUEUE_H
#define JUNCTOR_MESH_QUEUE_H

enum {
	EVENT_RING_SIZE = 1024,      /* a power of two                    */
	EVENT_RING_KEPT = 256,       /* of them, for what is told once    */
};

struct msg {                 /* embed as first member; owned by who has it */
	struct msg *next;
	void (*apply_h)(struct msg *msg, void *arg);  /* in the worker     */
	void (*done_h)(struct msg *msg, void *arg);   /* in main again     */
};

struct msg_stack {           /* any thread pushes, one takes all          */
	_Atomic(struct msg *) top;
};

struct ring_event {
	void *part;
	int event;
	int value;
};

struct event_ring {          /* one writer, one reader                    */
	_Atomic uint32_t head;                /* written by the worker     */
	_Atomic uint32_t tail;                /* written by main           */
	struct ring_event v[EVENT_RING_SIZE];
};

void msg_push(struct msg_stack *stack, struct msg *msg);
struct msg *msg_take(struct msg_stack *stack);
bool msg_pending(const struct msg_stack *stack);
bool event_ring_put(struct event_ring *ring, const struct ring_event *ev,
		    bool once);
bool event_ring_get(struct event_ring *ring, struct ring_event *ev);

#endif
