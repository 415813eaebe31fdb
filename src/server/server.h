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

struct server_opts {
	const char *file;             /* configuration file, or NULL        */
	const char *const *setv;      /* "key=value", after the file        */
	size_t setc;
	const char *module_path;      /* colon-separated; NULL: as built    */
};

int  server_alloc(struct server **srvp, const struct server_opts *opts);
int  server_run(struct server *srv);
void server_stop(struct server *srv, bool restart);
bool server_stopping(const struct server *srv);
int  server_reload(struct server *srv);

const char     *server_name(const struct server *srv);
const char     *server_dir(const struct server *srv);
struct config  *server_config(struct server *srv);
struct events  *server_events(struct server *srv);
struct commands *server_commands(struct server *srv);
struct metrics *server_metrics(struct server *srv);
struct bus     *server_bus(struct server *srv);

#endif
