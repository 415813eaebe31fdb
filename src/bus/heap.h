/**
 * @file heap.h  What is due next: a binary heap of times
 */
#ifndef JUNCTOR_BUS_HEAP_H
#define JUNCTOR_BUS_HEAP_H

struct heap_node;

typedef void (heap_due_h)(void *arg);

struct heap_node {
	uint64_t when;           /* [ms]                                    */
	size_t pos;              /* 0: not in the heap, else index + 1      */
	heap_due_h *h;           /* called by whoever owns the heap         */
	void *arg;
};

struct heap {
	struct heap_node **nodev;
	size_t nodec;
	size_t sz;
};

int  heap_insert(struct heap *heap, struct heap_node *node, uint64_t when);
void heap_remove(struct heap *heap, struct heap_node *node);
struct heap_node *heap_first(const struct heap *heap);
void heap_reset(struct heap *heap);

#endif
