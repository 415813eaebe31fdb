/**
 * @file fuzz_ticket.c  Tickets that strangers put into a URI
 */
#include <stdlib.h>
#include <re.h>
#include "noc/client.h"
#include "noc/ticket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t secret[32] = "0123456789abcdef";
	struct ticket t = {
		.conference = "c", .conferencelen = 1, .server = "s",
		.serverlen = 1, .user = "u", .userlen = 1,
	};
	char account[CLIENT_ACCOUNT_MAX];
	struct ticket_key *key;

	if (ticket_key_alloc(&key, secret, sizeof(secret)))
		return 0;

	/* nobody guesses a ticket */
	if (!ticket_check(key, (const char *)data, size, &t, account,
			  sizeof(account), 0))
		abort();

	mem_deref(key);

	return 0;
}
