/**
 * @file fuzz_stream.c  Where the streams of a leg are, as another media server
 *                      has written it down
 */
#include <stdlib.h>
#include <string.h>
#include <re.h>
#include "noc/json.h"
#include "connect/stream.c"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct odict *od = NULL, *out = NULL;
	struct mesh_stream st, back;

	if (json_object_decode(&od, (const char *)data, size))
		return 0;

	/* what was understood is written again, and understood the same */
	if (!stream_decode(&st, od)) {
		memset(&back, 0, sizeof(back));
		if (stream_encode(&out, &st) || stream_decode(&back, out))
			abort();
		if (back.ssrc != st.ssrc || back.age != st.age ||
		    back.seq != st.seq || back.ts != st.ts ||
		    back.tx_bytes != st.tx_bytes || back.on != st.on ||
		    back.loud != st.loud || back.lsr_age != st.lsr_age)
			abort();
	}

	mem_deref(out);
	mem_deref(od);

	return 0;
}
