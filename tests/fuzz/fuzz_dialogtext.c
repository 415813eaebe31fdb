/**
 * @file fuzz_dialogtext.c  What is read is written and read again the same
 */
#include <stdlib.h>
#include <string.h>
#include "sip/dialogtext.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dialogtext d, again;
	char buf[DIALOGTEXT_MAX];
	size_t len;

	if (dialogtext_decode(&d, (const char *)data, size))
		return 0;

	if (dialogtext_encode(buf, sizeof(buf), &len, &d) ||
	    dialogtext_decode(&again, buf, len) ||
	    memcmp(&d, &again, sizeof(d)) || strpbrk(buf, "\r\t"))
		abort();

	return 0;
}
