/**
 * @file fuzz_wire.c  Whatever is on the bus: decoders of all its messages
 */
#include <string.h>
#include <stdlib.h>
#include <re.h>
#include "noc/client.h"
#include "noc/willcall.h"
#include "noc/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void join_handler(const struct willcall_join *j, void *arg)
{
	uint8_t buf[WIRE_JOIN_MAX];
	size_t n;

	/* what was accepted can be written again */
	if (wire_join_encode(buf, sizeof(buf), &n, j))
		abort();
}


static void count_handler(const char *name, size_t namelen, uint32_t n,
			  void *arg)
{
	char conf[CLIENT_CONFERENCE_MAX];
	uint8_t buf[WIRE_COUNT_MAX];
	size_t len;
	(void)arg;

	if (namelen >= sizeof(conf))
		abort();
	memcpy(conf, name, namelen);
	conf[namelen] = '\0';
	if (wire_count_encode(buf, sizeof(buf), &len, conf, n))
		abort();
}


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	union {
		struct wire_server server;
		struct wire_claim claim;
		struct wire_reserve reserve;
		struct wire_granted granted;
		struct wire_user user;
		struct wire_plan plan;
		struct wire_place place;
		struct wire_counts counts;
	} u;
	uint8_t buf[WIRE_SMALL_MAX];
	unsigned joinc;
	size_t n;

	if (!wire_server_decode(&u.server, data, size) &&
	    wire_server_encode(buf, sizeof(buf), &n, &u.server))
		abort();
	if (!wire_claim_decode(&u.claim, data, size) &&
	    wire_claim_encode(buf, sizeof(buf), &n, &u.claim))
		abort();
	if (!wire_granted_decode(&u.granted, data, size) &&
	    wire_granted_encode(buf, sizeof(buf), &n, &u.granted))
		abort();
	if (!wire_user_decode(&u.user, data, size) &&
	    wire_user_encode(buf, sizeof(buf), &n, &u.user))
		abort();
	if (!wire_plan_decode(&u.plan, data, size) &&
	    wire_plan_encode(buf, sizeof(buf), &n, &u.plan))
		abort();
	if (!wire_place_decode(&u.place, data, size) &&
	    wire_place_encode(buf, sizeof(buf), &n, &u.place))
		abort();
	if (!wire_counts_decode(&u.counts, data, size, count_handler, NULL) &&
	    wire_counts_encode(buf, sizeof(buf), &n, &u.counts))
		abort();
	(void)wire_reserve_decode(&u.reserve, &joinc, data, size,
				  join_handler, NULL);

	return 0;
}
