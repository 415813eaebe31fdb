/**
 * @file details.c  Events of clients as JSON members, for logs and remote
 *                  listeners
 */
#include <stddef.h>
#include <string.h>
#include <re.h>
#include "server/event.h"
#include "noc/client.h"
#include "siphost/host.h"


/* "client.connect", "client.join", "client.subscribe": of struct join */
const struct event_field details_join[] = {
	{"conference", EVENT_TEXT, offsetof(struct join, conference)},
	{"account",    EVENT_TEXT, offsetof(struct join, account)},
	{"user",       EVENT_TEXT, offsetof(struct join, user)},
	{"name",       EVENT_TEXT, offsetof(struct join, name)},
	{"info",       EVENT_TEXT, offsetof(struct join, info)},
	{"source",     EVENT_ADDR, offsetof(struct join, src)},
	{NULL, EVENT_TEXT, 0}
};


/**
 * Details of the other events of a client
 *
 * @param od   Filled
 * @param data struct client_event
 *
 * @return 0 or errno
 */
int details_event(struct odict *od, const void *data)
{
	const struct client_event *ce = data;
	const struct join *j = client_join(ce->client);
	int err = 0;

	if (j) {
		err |= odict_entry_add(od, "conference", ODICT_STRING,
				       j->conference);
		err |= odict_entry_add(od, "user", ODICT_STRING, j->user);
	}

	if (ce->err)
		err |= odict_entry_add(od, "error", ODICT_STRING,
				       strerror(ce->err));

	if (ce->cause)
		err |= odict_entry_add(od, "cause", ODICT_INT,
				       (int64_t)ce->cause);

	if (str_isset(ce->reason))
		err |= odict_entry_add(od, "reason", ODICT_STRING,
				       ce->reason);

	return err;
}
