/**
 * @file server.h  The generic server: what it is follows from its services
 */
#ifndef JUNCTOR_SERVER_SERVER_H
#define JUNCTOR_SERVER_SERVER_H

struct server;
struct bus;
struct config;
struct commands;
struct events;
struct metrics;
struct config_error;
struct re_printf;
struct service_export;

/* Events, none has data:
 * "server.running":  every service runs
 * "server.terminate": SIGTERM came; a listener that answers calls server_stop
 *                    when it has given its work away
 * "server.stopping": no new work from now on; say goodbye
 * "server.hup":      SIGHUP, or the command reload: reopen files */

struct server_opts {
	const char *file;             /* configuration file, or NULL        */
	const char *const *setv;      /* "key=value", after the file        */
	size_t setc;
	const char *module_path;      /* colon-separated; NULL: as built    */
	const struct service_export *const *builtinv; /* looked up before
					 plug-ins, NULL-terminated, or NULL */
	void (*errh)(const struct config_error *err, void *arg);
	void *arg;                    /* of errh; NULL: standard error      */
	struct bus *bus;              /* shared by several servers of one
					 process; NULL: its own             */
};

int  server_alloc(struct server **srvp, const struct server_opts *opts);
int  server_run(struct server *srv);
int  server_start(struct server *srv);
void server_end(struct server *srv);
void server_stop(struct server *srv, bool restart);
bool server_stopping(const struct server *srv);
bool server_restarting(const struct server *srv);
int  server_reload(struct server *srv);
int  server_check(const struct server_opts *opts);
int  server_settings_print(struct re_printf *pf,
			   const struct server_opts *opts);

const char     *server_name(const struct server *srv);
const char     *server_dir(const struct server *srv);
struct config  *server_config(struct server *srv);
struct events  *server_events(struct server *srv);
struct commands *server_commands(struct server *srv);
struct metrics *server_metrics(struct server *srv);
struct bus     *server_bus(struct server *srv);

#endif
