/**
 * @file fuzz_streamlimit.c  A stream is the same stream in pieces
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include "sip/streamlimit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data;
	struct streamlimit one, many;
	bool ok, still = true;

	memset(&one, 0, sizeof(one));
	memset(&many, 0, sizeof(many));

	ok = streamlimit_take(&one, p, size);

	for (size_t i = 0; i < size && still; i++)
		still = streamlimit_take(&many, p + i, 1);

	if (ok != still || (ok && (one.body != many.body ||
				   one.lines != many.lines ||
				   one.linelen != many.linelen)))
		abort();

	return 0;
}
