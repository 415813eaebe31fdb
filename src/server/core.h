/**
 * @file core.h  The inside of the server, for src/server only
 */
#ifndef JUNCTOR_SERVER_CORE_H
#define JUNCTOR_SERVER_CORE_H

struct builtin;
struct bridge;
struct bus;
struct commands;
struct degraded;
struct events;
struct metrics;
struct netbus;
struct process;
struct server_opts;
struct service_export;
struct setting;
struct setup;
struct signals;
struct trim;
struct pidfile;

/* Main thread only. */
struct server {
	struct setup *setup;          /* configuration, plug-ins            */
	struct list svcl;             /* in the order in which they start   */
	struct events *events;
	struct commands *commands;
	struct metrics *metrics;
	struct bus *bus;
	struct netbus *netbus;        /* metrics of the bus                */
	struct degraded *degraded;    /* what is missing                    */
	struct bridge *bridge;        /* events from and to other servers   */
	struct builtin *builtin;      /* commands of the server itself      */
	struct process *process;      /* metrics of the process             */
	struct signals *signals;
	struct trim *trim;
	struct pidfile *pidfile;
	struct tmr tmr;               /* of stopping                        */
	char *name;
	char *file;                   /* of the configuration, or NULL      */
	char *module_path;            /* as given, or NULL                  */
	char **setv;                  /* "key=value" as given               */
	size_t setc;
	const struct service_export *const *builtinv;
	uint64_t started;             /* [ms], tmr_jiffies; 0: not running  */
	uint64_t deadline;            /* of stopping [ms], tmr_jiffies      */
	bool looping;                 /* re_main runs for us                */
	bool stopping;
	bool restart;
};

struct service {
	struct le le;
	struct server *srv;
	const struct service_export *exp;
	enum service_state state;
	void *data;
	const void *api;
};

const struct setting *server_settings(void);
int  server_init(struct server *srv);
void server_opts_get(const struct server *srv, struct server_opts *opts);

int  services_alloc(struct server *srv);
int  services_init(struct server *srv);
int  services_start(struct server *srv);
void services_stop(struct server *srv);
unsigned services_busy(const struct server *srv);

int  builtin_alloc(struct builtin **bp, struct server *srv);
int  process_alloc(struct process **pp, struct metrics *ms,
		   const struct server *srv);
int  signals_alloc(struct signals **sp, struct server *srv);
int  pidfile_alloc(struct pidfile **pp, const char *dir);

#endif
