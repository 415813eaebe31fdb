/**
 * @file process.h  What the kernel counts for this process
 */
#ifndef JUNCTOR_SERVER_PROCESS_H
#define JUNCTOR_SERVER_PROCESS_H

struct process_stats {
	double cpu;                /* user and system [s]                   */
	uint64_t rss;              /* resident memory [bytes]               */
	unsigned threads;
	unsigned fds;              /* open files and sockets                */
};

int process_stats(struct process_stats *st);

#endif
