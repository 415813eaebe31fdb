/**
 * @file fuzz_preparse.c  What the pre-parser takes is what sofia reads, it can
 *                        be answered, and lies within the datagram
 */
#include <stdlib.h>
#include <string.h>
#include <re.h>
#include "sip/preparse.h"
#include "sip/redirmsg.h"
#include "../sip/sofiacmp.c"   /* a target is one file */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void within(const struct pl *pl, const char *buf, size_t len)
{
	if (pl->l && (pl->p < buf || pl->p + pl->l > buf + len))
		abort();
}


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct redirmsg rm = {
		"302 Moved Temporarily", 1, PL("sip:conf@10.0.0.1;ticket=0")
	};
	struct sockaddr_in src = {.sin_family = AF_INET};
	const char *buf = (const char *)data;
	struct preparse pp;
	struct pl callid;
	char reply[4096];
	size_t len, i;

	if (!preparse_callid(&callid, buf, size))
		within(&callid, buf, size);

	(void)preparse_ack(&pp, buf, size);

	if (preparse_invite(&pp, buf, size))
		return 0;

	if (sofiacmp(&pp, "INVITE", buf, size))
		abort();

	within(&pp.conf, buf, size);
	within(&pp.user, buf, size);
	within(&pp.branch, buf, size);
	within(&pp.callid, buf, size);
	within(&pp.rport, buf, size);

	if (redirmsg_encode(reply, sizeof(reply), &len, &pp,
			    (struct sockaddr *)&src, &rm))
		return 0;

	/* a line of ours is never broken by what was in theirs */
	for (i=0; i<len; i++) {
		if ((reply[i] == '\n') != (i && reply[i-1] == '\r') ||
		    !reply[i])
			abort();
	}

	return 0;
}
