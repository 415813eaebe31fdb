/**
 * @file about.c  server.NAME.about: what is known here of a conference, for
 *                whoever has to decide which of two is to remain
 *
 *   {conference} -> {running, participants, age [ms]}
 *
 * The age is counted by the clock of this server alone, from when the
 * conference came here; to that is added how old it was then.
 */
#include <string.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/log.h"
#include "bus/bus.h"
#include "noc/client.h"
#include "noc/json.h"
#include "dispatchee/dispatchee.h"


static int answer_make(struct mbuf *mb, const struct dispatchee *d,
		       const char *name)
{
	const struct conf *c = local_find(d, name);
	const bool running = c && c->running;
	const uint64_t age = running ? tmr_jiffies() - c->since + c->older
		: 0;

	return mbuf_printf(mb, "{\"running\":%s,\"participants\":%u,"
			   "\"age\":%lu}", running ? "true" : "false",
			   running ? c->participants : 0,
			   (unsigned long)age);
}


/**
 * Tell how a conference is here
 *
 * @param subject Asked for, server.<name>.about
 * @param buf     Question
 * @param len     Its length [bytes]
 * @param reply   Where the answer goes, taken; NULL if none is wanted
 * @param arg     Dispatchee
 */
void about_handler(const char *subject, const uint8_t *buf, size_t len,
		   struct bus_reply *reply, void *arg)
{
	struct dispatchee *d = arg;
	struct odict *od = NULL;
	struct mbuf *mb = NULL;
	const char *name;
	(void)subject;

	if (!reply || json_object_decode(&od, (const char *)buf, len))
		goto out;

	name = odict_string(od, "conference");
	mb = mbuf_alloc(128);
	if (!name || !mb || answer_make(mb, d, name))
		goto out;

	(void)bus_respond(reply, mb->buf, mb->end);
	reply = NULL;

 out:
	mem_deref(mb);
	mem_deref(od);
	mem_deref(reply);
}


/**
 * A conference that runs here is claimed by another server: tell everybody,
 * one of those who hear it will resolve it
 *
 * @param d          Dispatchee
 * @param conference Its name
 * @param server     Who claims it, "?" when not known
 */
void about_conflict(struct dispatchee *d, const char *conference,
		    const char *server)
{
	struct odict *od = NULL;
	char *json = NULL;
	int err;

	err = odict_alloc(&od, 4);
	if (!err)
		err = odict_entry_add(od, "conference", ODICT_STRING,
				      conference);
	if (!err)
		err = odict_entry_add(od, "server", ODICT_STRING,
				      d->report.name);
	if (!err)
		err = odict_entry_add(od, "claimed", ODICT_STRING, server);
	if (!err)
		err = re_sdprintf(&json, "%H", json_print, od);
	if (!err)
		err = bus_publish(d->bus, "noc.conflict", (uint8_t *)json,
				  strlen(json));
	if (err)
		log_event(LOG_WARN, "dispatchee", NULL,
			  "cannot tell of the conflict: %s", strerror(err));

	mem_deref(json);
	mem_deref(od);
}
