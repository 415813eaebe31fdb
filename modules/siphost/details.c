/**
 * @file details.c  Events of clients as JSON members, for logs and remote
 *                  listeners
 */
#include <re.h>
#include "noc/client.h"
#include "siphost/host.h"


/**
 * Details of "client.connect", "client.join", "client.subscribe"
 *
 * @param od   Filled
 * @param data struct join
 *
 * @return 0 or errno
 */
int details_join(struct odict *od, const void *data)
{
	const struct join *j = data;
	char src[64];
	int err = 0;

	(void)re_snprintf(src, sizeof(src), "%J", &j->src);

	err |= odict_entry_add(od, "conference", ODICT_STRING,
			       j->conference);
	err |= odict_entry_add(od, "account", ODICT_STRING, j->account);
	err |= odict_entry_add(od, "user", ODICT_STRING, j->user);
	err |= odict_entry_add(od, "name", ODICT_STRING, j->name);
	err |= odict_entry_add(od, "info", ODICT_STRING, j->info);
	err |= odict_entry_add(od, "source", ODICT_STRING, src);

	return err;
}


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

	if (ce->cause)
		err |= odict_entry_add(od, "cause", ODICT_INT,
				       (int64_t)ce->cause);

	if (str_isset(ce->reason))
		err |= odict_entry_add(od, "reason", ODICT_STRING,
				       ce->reason);

	return err;
}
