/**
 * @file fuzz_sdp.c  What is read is written, and what is written is read
 */
#include <string.h>
#include <stdlib.h>
#include <re.h>
#include "sip/sdp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct media_desc offer, answer;
	struct mbuf *mb;
	struct sa laddr;

	if (sdp_desc_decode(&offer, data, size))
		return 0;

	mb = mbuf_alloc(1024);
	if (!mb)
		return 0;

	if (sa_set_str(&laddr, "127.0.0.1", 4000) ||
	    sdp_answer_init(&answer, &offer, &laddr, 1) ||
	    sdp_desc_encode(mb, &answer) ||
	    sdp_desc_decode(&offer, mb->buf, mb->end) ||
	    offer.mediac != answer.mediac)
		abort();

	mem_deref(mb);

	return 0;
}
