/**
 * @file service.c  The life cycle of services
 *
 *            init           start           pause
 *   LOADED ------> STOPPED ------> RUNNING <------> PAUSED
 *          <------         <------         resume
 *           close           stop (also from PAUSED)
 *
 * A service whose init failed is not closed: its init cleans up after itself.
 * The same holds for start and stop.
 */
#include <string.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "server/log.h"
#include "server/module.h"
#include "server/core.h"


static bool plays(const struct service *svc, const char *name_or_role)
{
	return !strcmp(svc->exp->name, name_or_role)
		|| (svc->exp->role && !strcmp(svc->exp->role, name_or_role));
}


static bool needs(const struct service *svc, const struct service *other)
{
	const char *const *needv = svc->exp->needs;

	for (; needv && *needv; needv++) {
		if (service_find(svc->srv, *needv) == other)
			return true;
	}

	return false;
}


static void service_destructor(void *data)
{
	struct service *svc = data;

	if (svc->state != SERVICE_LOADED) {
		(void)service_stop(svc);
		if (svc->exp->close)
			svc->exp->close(svc);
	}

	list_unlink(&svc->le);
}


/**
 * Make the services of a server from its plug-ins; nothing of them runs yet
 *
 * @param srv Server
 *
 * @return 0 if success, otherwise errorcode
 */
int services_alloc(struct server *srv)
{
	struct le *le;

	LIST_FOREACH(&srv->setup->modl, le) {
		const struct module *mod = le->data;
		struct service *svc;

		svc = mem_zalloc(sizeof(*svc), service_destructor);
		if (!svc)
			return ENOMEM;

		svc->srv = srv;
		svc->exp = mod->exp;
		list_append(&srv->svcl, &svc->le, svc);
	}

	return 0;
}


/**
 * Initialise all services in order
 *
 * @param srv Server
 *
 * @return 0 if success, otherwise errorcode of the first that failed
 */
int services_init(struct server *srv)
{
	struct le *le;

	LIST_FOREACH(&srv->svcl, le) {
		struct service *svc = le->data;
		int err = 0;

		if (svc->exp->init)
			err = svc->exp->init(svc);
		if (err) {
			log_event(LOG_ERROR, svc->exp->name, NULL,
				  "cannot initialise: %s", strerror(err));
			return err;
		}

		svc->state = SERVICE_STOPPED;
	}

	return 0;
}


/**
 * Start all services in order
 *
 * @param srv Server
 *
 * @return 0 if success, otherwise errorcode of the first that failed; those
 *         before it run
 */
int services_start(struct server *srv)
{
	struct le *le;

	LIST_FOREACH(&srv->svcl, le) {
		int err = service_start(le->data);

		if (err)
			return err;
	}

	return 0;
}


/**
 * Stop all services in reverse order
 *
 * @param srv Server
 */
void services_stop(struct server *srv)
{
	struct le *le;

	for (le = srv->svcl.tail; le; le = le->prev)
		(void)service_stop(le->data);
}


/**
 * Count what services still have to do before they can stop
 *
 * @param srv Server
 *
 * @return Number of calls, records, ...; 0: nothing
 */
unsigned services_busy(const struct server *srv)
{
	unsigned n = 0;
	struct le *le;

	LIST_FOREACH(&srv->svcl, le) {
		const struct service *svc = le->data;

		if (svc->state >= SERVICE_RUNNING && svc->exp->busy)
			n += svc->exp->busy(svc);
	}

	return n;
}


/**
 * Start a service
 *
 * @param svc Service
 *
 * @return 0 if success or if it runs already, ENOTCONN if a service that it
 *         needs does not run, otherwise the service's own errorcode
 */
int service_start(struct service *svc)
{
	struct le *le;
	int err = 0;

	if (!svc || svc->state == SERVICE_LOADED)
		return EINVAL;
	if (svc->state >= SERVICE_RUNNING)
		return 0;

	LIST_FOREACH(&svc->srv->svcl, le) {
		const struct service *other = le->data;

		if (needs(svc, other) && other->state < SERVICE_RUNNING)
			return ENOTCONN;
	}

	if (svc->exp->start)
		err = svc->exp->start(svc);
	if (err) {
		log_event(LOG_ERROR, svc->exp->name, NULL,
			  "cannot start: %s", strerror(err));
		return err;
	}

	svc->state = SERVICE_RUNNING;
	log_event(LOG_DEBUG, "server", NULL, "%s runs", svc->exp->name);
	log_trace(svc->exp->name, NULL, "started");

	return 0;
}


/**
 * Stop a service
 *
 * @param svc Service
 *
 * @return 0 if success or if it does not run, EBUSY if a running service
 *         needs it
 */
int service_stop(struct service *svc)
{
	struct le *le;

	if (!svc)
		return EINVAL;
	if (svc->state < SERVICE_RUNNING)
		return 0;

	LIST_FOREACH(&svc->srv->svcl, le) {
		const struct service *other = le->data;

		if (other->state >= SERVICE_RUNNING && needs(other, svc))
			return EBUSY;
	}

	svc->state = SERVICE_STOPPED;
	if (svc->exp->stop)
		svc->exp->stop(svc);

	log_event(LOG_DEBUG, "server", NULL, "%s stopped", svc->exp->name);
	log_trace(svc->exp->name, NULL, "stopped");

	return 0;
}


/**
 * Pause a service: it takes nothing new, what it has goes on
 *
 * @param svc Service
 *
 * @return 0 if success or if it is paused, ENOTCONN if it does not run,
 *         ENOSYS if it cannot pause, otherwise the service's own errorcode
 */
int service_pause(struct service *svc)
{
	int err;

	if (!svc)
		return EINVAL;
	if (svc->state == SERVICE_PAUSED)
		return 0;
	if (svc->state != SERVICE_RUNNING)
		return ENOTCONN;
	if (!svc->exp->pause)
		return ENOSYS;

	err = svc->exp->pause(svc);
	if (err)
		return err;

	svc->state = SERVICE_PAUSED;
	log_event(LOG_NOTICE, "server", NULL, "%s paused", svc->exp->name);
	log_trace(svc->exp->name, NULL, "paused");

	return 0;
}


/**
 * Resume a paused service
 *
 * @param svc Service
 *
 * @return 0 if success or if it runs, ENOTCONN if it is stopped, otherwise
 *         the service's own errorcode
 */
int service_resume(struct service *svc)
{
	int err = 0;

	if (!svc)
		return EINVAL;
	if (svc->state == SERVICE_RUNNING)
		return 0;
	if (svc->state != SERVICE_PAUSED)
		return ENOTCONN;

	if (svc->exp->resume)
		err = svc->exp->resume(svc);
	if (err)
		return err;

	svc->state = SERVICE_RUNNING;
	log_event(LOG_NOTICE, "server", NULL, "%s resumed", svc->exp->name);
	log_trace(svc->exp->name, NULL, "resumed");

	return 0;
}


/**
 * Find a service
 *
 * @param srv          Server
 * @param name_or_role Name, or role
 *
 * @return Service, the server's own; NULL if there is none. A name goes
 *         before a role.
 */
struct service *service_find(struct server *srv, const char *name_or_role)
{
	struct service *found = NULL;
	struct le *le;

	if (!srv || !name_or_role)
		return NULL;

	LIST_FOREACH(&srv->svcl, le) {
		struct service *svc = le->data;

		if (!strcmp(svc->exp->name, name_or_role))
			return svc;
		if (!found && plays(svc, name_or_role))
			found = svc;
	}

	return found;
}


/**
 * Server that a service belongs to
 *
 * @param svc Service
 *
 * @return Server
 */
struct server *service_server(const struct service *svc)
{
	return svc ? svc->srv : NULL;
}


/**
 * Name of a service
 *
 * @param svc Service
 *
 * @return Name
 */
const char *service_name(const struct service *svc)
{
	return svc ? svc->exp->name : NULL;
}


/**
 * State of a service
 *
 * @param svc Service
 *
 * @return State; within the handlers of a service the one it leaves, except
 *         that a service that is being stopped is stopped
 */
enum service_state service_state(const struct service *svc)
{
	return svc ? svc->state : SERVICE_LOADED;
}


/**
 * Name of a state
 *
 * @param state State
 *
 * @return Name
 */
const char *service_state_name(enum service_state state)
{
	switch (state) {

	case SERVICE_LOADED:  return "loaded";
	case SERVICE_STOPPED: return "stopped";
	case SERVICE_RUNNING: return "running";
	case SERVICE_PAUSED:  return "paused";
	}

	return "?";
}


/**
 * Keep a service's own object
 *
 * @param svc  Service
 * @param data Object; stays the service's to free
 */
void service_data_set(struct service *svc, void *data)
{
	if (svc)
		svc->data = data;
}


/**
 * Release a service's own object, and with it what it offers: the close of a
 * service whose object is reference counted
 *
 * @param svc Service
 */
void service_release(struct service *svc)
{
	if (!svc)
		return;

	svc->api  = NULL;
	svc->data = mem_deref(svc->data);
}


/**
 * The object that service_data_set kept
 *
 * @param svc Service
 *
 * @return Object, or NULL
 */
void *service_data(const struct service *svc)
{
	return svc ? svc->data : NULL;
}


/**
 * Offer an interface to services above
 *
 * @param svc Service
 * @param api Struct of function pointers; lives as long as the service
 */
void service_api_set(struct service *svc, const void *api)
{
	if (svc)
		svc->api = api;
}


/**
 * Interface of a service
 *
 * @param srv          Server
 * @param name_or_role Name, or role
 *
 * @return Interface, of the type that the service's header tells; NULL if
 *         there is no such service or it offers none
 */
const void *service_api(struct server *srv, const char *name_or_role)
{
	const struct service *svc = service_find(srv, name_or_role);

	return svc ? svc->api : NULL;
}


/**
 * List the services of a server
 *
 * @param srv   Server
 * @param array Dictionary that gets one object per service, in the order in
 *              which they start: name, role, state
 *
 * @return 0 if success, otherwise errorcode
 */
int service_list(struct server *srv, struct odict *array)
{
	struct le *le;
	int err = 0;

	if (!srv || !array)
		return EINVAL;

	LIST_FOREACH(&srv->svcl, le) {
		const struct service *svc = le->data;
		struct odict *od;

		err = odict_alloc(&od, 4);
		if (err)
			break;

		err  = odict_entry_add(od, "name", ODICT_STRING,
				       svc->exp->name);
		if (svc->exp->role)
			err |= odict_entry_add(od, "role", ODICT_STRING,
					       svc->exp->role);
		err |= odict_entry_add(od, "state", ODICT_STRING,
				       service_state_name(svc->state));
		err |= odict_entry_add(array, svc->exp->name, ODICT_OBJECT,
				       od);
		mem_deref(od);
		if (err)
			break;
	}

	return err;
}
