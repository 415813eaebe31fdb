/**
 * @file fuzz_ping.c  What a server answers, or does not, to our OPTIONS
 */
#include <stdlib.h>
#include <re.h>
#include "sip/ping.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint16_t scode = 0;

	if (!ping_response((const char *)data, size, "abc", &scode) &&
	    (scode < 100 || scode > 699))
		abort();

	return 0;
}
