/**
 * @file tests/noc/tables.c  Tables to test with, and who is in them
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "noc/client.h"
#include "noc/willcall.h"
#include "tables.h"


const struct tables_config tables_config = { 16, 1000, LEASE, CONTACT };


/* A server that says how much it has left */
struct wire_server tables_report(const char *name, unsigned media,
				 uint32_t unused)
{
	struct wire_server s = {
		.state = CAPACITY_IN_SERVICE, .media = media,
		.capacity = 1000, .unused = unused,
	};

	str_ncpy(s.name, name, sizeof(s.name));
	re_snprintf(s.contact, sizeof(s.contact), "%s.example:5060", name);

	return s;
}


/* ... and a table that has heard it */
void tables_add(struct tables *t, const char *name, unsigned media,
		uint32_t unused)
{
	const struct wire_server s = tables_report(name, media, unused);

	ck_assert_int_eq(0, tables_server_report(t, &s, 0));
}


/* What was printed is this; forgets it */
void printed(struct mbuf *mb, const char *expected)
{
	(void)mbuf_write_u8(mb, 0);
	ck_assert_str_eq(expected, (char *)mb->buf);
	mb->pos = mb->end = 0;
}
