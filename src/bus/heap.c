/**
 * @file heap.c  What is due next: a binary heap of times
 *
 * Keys that expire are renewed every second or so by thousands; libre's sorted
 * list of timers would be walked for each of them.
 */
#include <re.h>
#include "bus/heap.h"


static void place(struct heap *heap, size_t ix, struct heap_node *node)
{
	heap->nodev[ix] = node;
	node->pos = ix + 1;
}


static void sift_up(struct heap *heap, size_t ix, struct heap_node *node)
{
	while (ix) {
		const size_t up = (ix - 1) / 2;

		if (heap->nodev[up]->when <= node->when)
			break;

		place(heap, ix, heap->nodev[up]);
		ix = up;
	}

	place(heap, ix, node);
}


static void sift_down(struct heap *heap, size_t ix, struct heap_node *node)
{
	for (;;) {
		size_t down = 2 * ix + 1;

		if (down >= heap->nodec)
			break;

		if (down + 1 < heap->nodec &&
		    heap->nodev[down + 1]->when < heap->nodev[down]->when)
			++down;

		if (node->when <= heap->nodev[down]->when)
			break;

		place(heap, ix, heap->nodev[down]);
		ix = down;
	}

	place(heap, ix, node);
}


static int grow(struct heap *heap)
{
	const size_t sz = heap->sz ? 2 * heap->sz : 64;
	struct heap_node **nodev;

	nodev = mem_reallocarray(heap->nodev, sz, sizeof(*nodev), NULL);
	if (!nodev)
		return ENOMEM;

	heap->nodev = nodev;
	heap->sz = sz;

	return 0;
}


/**
 * Put a node into the heap, or give one that is in it another time
 *
 * @param heap Heap, zeroed before its first use
 * @param node Node, owned by the caller, who removes it before it goes away
 * @param when Time [ms]
 *
 * @return 0 if success; ENOMEM
 */
int heap_insert(struct heap *heap, struct heap_node *node, uint64_t when)
{
	if (!heap || !node)
		return EINVAL;

	heap_remove(heap, node);

	if (heap->nodec == heap->sz) {
		const int err = grow(heap);
		if (err)
			return err;
	}

	node->when = when;
	sift_up(heap, heap->nodec++, node);

	return 0;
}


/**
 * Take a node out of the heap
 *
 * @param heap Heap
 * @param node Node; nothing happens if it is not in the heap
 */
void heap_remove(struct heap *heap, struct heap_node *node)
{
	struct heap_node *last;
	size_t ix;

	if (!heap || !node || !node->pos)
		return;

	ix = node->pos - 1;
	node->pos = 0;

	last = heap->nodev[--heap->nodec];
	if (last == node)
		return;

	if (ix && heap->nodev[(ix - 1) / 2]->when > last->when)
		sift_up(heap, ix, last);
	else
		sift_down(heap, ix, last);
}


/**
 * The node with the earliest time
 *
 * @param heap Heap
 *
 * @return Node or NULL if there is none; it stays in the heap
 */
struct heap_node *heap_first(const struct heap *heap)
{
	return heap && heap->nodec ? heap->nodev[0] : NULL;
}


/**
 * Take out all nodes and release the heap's memory
 *
 * @param heap Heap, as good as new afterwards
 */
void heap_reset(struct heap *heap)
{
	if (!heap)
		return;

	while (heap->nodec)
		heap->nodev[--heap->nodec]->pos = 0;

	heap->nodev = mem_deref(heap->nodev);
	heap->sz = 0;
}
