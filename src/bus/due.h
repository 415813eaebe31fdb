/**
 * @file due.h  One timer for many things that become due
 */
#ifndef JUNCTOR_BUS_DUE_H
#define JUNCTOR_BUS_DUE_H

struct due {
	void *owner;               /* mem object that holds this            */
	struct heap heap;
	struct tmr tmr;
	uint64_t at;               /* 0: the timer does not run [ms]        */
};

int  due_start(struct due *due, struct heap_node *node, uint64_t delay);
void due_stop(struct due *due, struct heap_node *node);
void due_reset(struct due *due);

#endif
