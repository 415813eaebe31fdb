/**
 * @file service.h  Service plug-ins: shared objects with a life cycle
 *
 * A plug-in exports one symbol, `service_export`. The server loads the
 * plug-ins that `service NAME` lines name, checks every setting of all of
 * them, then calls init and start in the order of what they need; stop and
 * close run in reverse. All handlers run in the main thread.
 */
#ifndef JUNCTOR_SERVER_SERVICE_H
#define JUNCTOR_SERVER_SERVICE_H

struct server;
struct service;
struct setting;
struct odict;

enum { SERVICE_API_VERSION = 1 };

enum service_state {
	SERVICE_LOADED,      /* settings known, nothing else               */
	SERVICE_STOPPED,     /* init done                                  */
	SERVICE_RUNNING,
	SERVICE_PAUSED,      /* takes nothing new, what it has goes on     */
};

typedef int  (service_h)(struct service *svc);
typedef void (service_void_h)(struct service *svc);
typedef unsigned (service_busy_h)(const struct service *svc);

struct service_export {
	uint32_t api_version;          /* SERVICE_API_VERSION              */
	const char *name;
	const char *role;              /* also found by this name, or NULL */
	const char *const *needs;      /* names or roles, NULL-terminated  */
	const struct setting *settings;/* terminated by key NULL, or NULL  */
	service_h *init;               /* allocate; no I/O                 */
	service_h *start;
	service_void_h *stop;
	service_h *pause;
	service_h *resume;
	service_busy_h *busy;          /* what a shutdown still waits for  */
	service_void_h *close;
};

struct service *service_find(struct server *srv, const char *name_or_role);
struct server *service_server(const struct service *svc);
const char *service_name(const struct service *svc);
enum service_state service_state(const struct service *svc);
const char *service_state_name(enum service_state state);
void  service_data_set(struct service *svc, void *data);
void  service_release(struct service *svc);
void *service_data(const struct service *svc);
void  service_api_set(struct service *svc, const void *api);
const void *service_api(struct server *srv, const char *name_or_role);
int   service_pause(struct service *svc);
int   service_resume(struct service *svc);
int   service_stop(struct service *svc);
int   service_start(struct service *svc);
int   service_list(struct server *srv, struct odict *array);

#endif
