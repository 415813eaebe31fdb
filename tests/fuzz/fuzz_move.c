/**
 * @file fuzz_move.c  What another media server says about a move
 *
 * It is authenticated before it gets here; a server of another version, or
 * with a fault, may still say anything.
 */
#include <stdlib.h>
#include <string.h>
#include <re.h>
#include "noc/client.h"
#include "noc/json.h"
#include "noc/name.h"
#include "move/message.c"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void message(const struct odict *od)
{
	struct move_msg msg, back;
	struct odict *out;

	if (move_msg_decode(&msg, od))
		return;

	/* what was understood is written again, and understood the same */
	if (move_msg_encode(&out, &msg))
		abort();
	if (move_msg_decode(&back, out))
		abort();
	if (back.op != msg.op || strcmp(back.conference, msg.conference) ||
	    strcmp(back.callid, msg.callid) || strcmp(back.link, msg.link) ||
	    back.participants != msg.participants ||
	    back.abort != msg.abort || !back.seat != !msg.seat ||
	    !back.texts != !msg.texts || !back.users != !msg.users)
		abort();

	mem_deref(out);
}


static void reply(const struct odict *od)
{
	struct move_reply r, back;
	struct odict *out;

	if (move_reply_decode(&r, od))
		return;

	if (move_reply_encode(&out, &r))
		abort();
	if (move_reply_decode(&back, out))
		abort();
	if (back.error != r.error || back.scode != r.scode ||
	    back.cseq != r.cseq || strcmp(back.reason, r.reason))
		abort();

	mem_deref(out);
}


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct odict *od = NULL;

	if (json_object_decode(&od, (const char *)data, size))
		return 0;

	message(od);
	reply(od);
	mem_deref(od);

	return 0;
}
