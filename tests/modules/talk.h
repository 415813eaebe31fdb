/**
 * @file talk.h  A blocking client in a thread beside the main loop
 *
 * The server under test runs in this process; its client says what it has to
 * say from a thread of its own, and the loop ends when the client is done.
 */
#ifndef JUNCTOR_TESTS_TALK_H
#define JUNCTOR_TESTS_TALK_H

#include <stdatomic.h>

enum { TALK_MAX = 8 << 20 };     /* answer kept [bytes]                    */

struct talk {
	struct sa addr;
	const char *say;
	size_t len;              /* of say; 0: up to its zero byte         */
	size_t piece;            /* bytes sent at a time; 0: all           */
	unsigned pause_ms;       /* between pieces, or before reading      */
	atomic_bool *until;      /* do not read before this; or NULL       */
	bool leave;              /* close without reading                  */
	bool half;               /* say that nothing more will come        */

	char *heard;             /* answer with a zero byte                */
	size_t heardc;
	int err;
};

void talk_do(struct talk *t);
void talk_run(struct talk *tv, size_t tc);
void talk_reset(struct talk *t);
unsigned talk_status(const struct talk *t);

#endif
