/**
 * @file fuzz_natsjs.c  What JetStream says: the first byte tells which form
 */
#include <string.h>
#include <stdlib.h>
#include <re.h>
#include "bus/natsjs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void reply(const char *buf, size_t len)
{
	struct natsval val;
	struct odict *od;
	unsigned code;

	if (natsjs_reply_decode(&od, &code, buf, len))
		return;

	/* what cannot be decoded carries nothing */
	if (!natsjs_value_decode(&val, od) && (!val.seq || !val.buf))
		abort();
	natsjs_value_reset(&val);
	mem_deref(od);
}


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct natsval val = { .seq = 0 };
	struct natspush push;
	uint64_t ns;
	char *s;

	if (!size)
		return 0;

	s = mem_zalloc(size, NULL);
	if (!s)
		return 0;
	memcpy(s, data + 1, size - 1);

	switch (data[0]) {

	case 'r': reply(s, size - 1); break;
	case 'p': (void)natsjs_push_decode(&push, s); break;
	case 't': (void)natsjs_time_decode(&ns, s); break;
	case 'h': (void)natsjs_headers_decode(&val, s, size - 1); break;
	default:  break;
	}

	mem_deref(s);

	return 0;
}
