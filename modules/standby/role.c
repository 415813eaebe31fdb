/**
 * @file role.c  The role on the bus: who has it, and how it is taken
 *
 * No clock is compared with another one: who is passive only sees whether the
 * key changes. While the bus is down nothing can be written, so who is active
 * stays so.
 */
#include <string.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/log.h"
#include "bus/bus.h"
#include "noc/json.h"
#include "noc/name.h"
#include "standby/standby.h"


static const char *bucket = "roles";


/**
 * Does the bus say that the role is this server's?
 *
 * @param st Standby
 *
 * @return True if so
 */
bool role_mine(const struct standby *st)
{
	return st->holder.known &&
		!strcmp(st->holder.server,
			server_name(service_server(st->svc)));
}


static void holder_set(struct standby *st, uint64_t rev, const uint8_t *buf,
		       size_t len)
{
	struct holder *ho = &st->holder;
	struct odict *od = NULL;
	const char *server, *sip;
	const struct odict_entry *ready;

	/* what an operation of ours has told may be newer */
	if (buf && ho->known && rev < ho->rev)
		return;

	ho->known   = true;
	ho->rev     = buf ? rev : 0;
	ho->changed = tmr_jiffies();

	if (!buf) {
		ho->server[0] = ho->sip[0] = '\0';
		return;
	}

	if (json_object_decode(&od, (const char *)buf, len)) {
		log_event(LOG_WARN, "standby", NULL,
			  "role %s is not understood", st->conf.role);
		ho->server[0] = ho->sip[0] = '\0';
		return;
	}

	server = odict_string(od, "server");
	sip    = odict_string(od, "sip");
	ready  = odict_lookup(od, "ready");
	str_ncpy(ho->server, server ? server : "", sizeof(ho->server));
	str_ncpy(ho->sip, sip ? sip : "", sizeof(ho->sip));
	ho->ready = ready && ready->type == ODICT_BOOL && ready->u.boolean;
	mem_deref(od);
}


static void write_handler(int err, uint64_t rev, const uint8_t *buf,
			  size_t len, void *arg)
{
	struct standby *st = arg;

	switch (err) {

	case 0:
		/* the watch may be late, or have told even more */
		holder_set(st, rev, (const uint8_t *)st->wrote,
			   strlen(st->wrote));
		break;

	case EEXIST:
	case ESTALE:
		holder_set(st, rev, buf, len);
		break;

	case ENOENT:
		holder_set(st, 0, NULL, 0);
		break;

	default:
		/* nobody can be told: all stays as it is */
		return;
	}

	standby_told(st);
}


/**
 * Write who has the role, if nobody has written since
 *
 * @param st     Standby
 * @param server Who, "": nobody
 * @param sip    Where it answers OPTIONS
 * @param ready  It can be reached at the virtual address
 *
 * @return 0 if it is on its way; EBUSY: something else is; as of the bus
 */
int role_write(struct standby *st, const char *server, const char *sip,
	       bool ready)
{
	char *json = st->wrote;
	int n;

	if (st->op)
		return EBUSY;

	n = re_snprintf(json, sizeof(st->wrote),
			"{\"server\":\"%s\",\"sip\":\"%s\",\"ready\":%s}",
			server, sip, ready ? "true" : "false");
	if (n < 0)
		return EOVERFLOW;

	return st->holder.rev ?
		bus_kv_update(&st->op, st->bus, bucket, st->key,
			      st->holder.rev, (uint8_t *)json, (size_t)n, 0,
			      write_handler, st) :
		bus_kv_create(&st->op, st->bus, bucket, st->key,
			      (uint8_t *)json, (size_t)n, 0, write_handler,
			      st);
}


/**
 * Give the role up, without waiting whether it works
 *
 * @param st Standby
 */
void role_release(struct standby *st)
{
	static const char json[] =
		"{\"server\":\"\",\"sip\":\"\",\"ready\":false}";

	if (role_mine(st) && st->holder.rev)
		(void)bus_kv_update(NULL, st->bus, bucket, st->key,
				    st->holder.rev, (const uint8_t *)json,
				    sizeof(json) - 1, 0, NULL, NULL);
}


/**
 * Try to get the role
 *
 * @param st Standby
 *
 * @return as role_write
 */
int role_take(struct standby *st)
{
	return role_write(st, server_name(service_server(st->svc)), st->sip,
			  false);
}


static void watch_handler(const char *key, uint64_t rev, const uint8_t *buf,
			  size_t len, void *arg)
{
	struct standby *st = arg;

	if (key)
		holder_set(st, rev, buf, len);
	else
		st->holder.known = true;

	standby_told(st);
}


/**
 * Begin to follow the role
 *
 * @param st Standby
 *
 * @return 0 if success
 */
int role_start(struct standby *st)
{
	char key[NAME_KEY_MAX];
	int err;

	err = name_key(key, sizeof(key), st->conf.role,
		       strlen(st->conf.role));
	if (err)
		return err;

	if (re_snprintf(st->key, sizeof(st->key), "dispatch-%s", key) < 0)
		return EOVERFLOW;

	return bus_kv_watch(&st->watch, st->bus, bucket, st->key,
			    watch_handler, st);
}


/**
 * Follow it no more
 *
 * @param st Standby
 */
void role_stop(struct standby *st)
{
	st->watch = mem_deref(st->watch);
	st->op    = mem_deref(st->op);
}
