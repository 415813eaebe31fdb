/**
 * @file due.c  One timer for many things that become due
 */
#include <re.h>
#include "bus/heap.h"
#include "bus/due.h"


enum {
	BATCH = 1024,              /* handlers before sockets get their turn */
};

static void due_handler(void *arg);


static void timer_set(struct due *due, uint64_t when, uint64_t now)
{
	due->at = when;
	tmr_start(&due->tmr, when > now ? when - now : 0, due_handler, due);
}


static void due_handler(void *arg)
{
	struct due *due = arg;
	const uint64_t now = tmr_jiffies();
	void *owner = mem_ref(due->owner);
	struct heap_node *node;
	unsigned n = BATCH;

	/* a handler may let the owner go; then only we hold it */
	while (n-- && mem_nrefs(owner) > 1 &&
	       (node = heap_first(&due->heap)) && node->when <= now) {

		heap_remove(&due->heap, node);
		node->h(node->arg);
	}

	if (mem_nrefs(owner) > 1) {
		node = heap_first(&due->heap);
		if (node)
			timer_set(due, node->when, now);
		else
			due->at = 0;
	}

	mem_deref(owner);
}


/**
 * Have a node's handler called later, or at another time than before
 *
 * @param due   Timer, zeroed before its first use, its owner set
 * @param node  Node, its handler set
 * @param delay When [ms]
 *
 * @return 0 if success; ENOMEM
 */
int due_start(struct due *due, struct heap_node *node, uint64_t delay)
{
	const uint64_t now = tmr_jiffies();
	const int err = heap_insert(&due->heap, node, now + delay);

	if (err)
		return err;

	/* a timer that comes too early finds nothing due and starts again */
	if (!due->at || now + delay < due->at)
		timer_set(due, now + delay, now);

	return 0;
}


/**
 * Have a node's handler not called
 *
 * @param due  Timer
 * @param node Node; nothing happens if it does not wait
 */
void due_stop(struct due *due, struct heap_node *node)
{
	heap_remove(&due->heap, node);
}


/**
 * Forget all nodes
 *
 * @param due Timer, as good as new afterwards
 */
void due_reset(struct due *due)
{
	tmr_cancel(&due->tmr);
	heap_reset(&due->heap);
	due->at = 0;
}
