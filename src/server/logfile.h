/**
 * @file logfile.h  A log file that follows its settings and SIGHUP
 */
#ifndef JUNCTOR_SERVER_LOGFILE_H
#define JUNCTOR_SERVER_LOGFILE_H

#include "server/log.h"

struct logfile;
struct server;

struct logfile_conf {
	enum log_kind kind;
	const char *service;       /* whose it is                           */
	const char *file;          /* keys of settings: name of the file,   */
	const char *console;       /* also to standard error, or NULL,      */
	const char *queue;         /* what may wait for the disk [kB]       */
	const char *metric, *help; /* lines dropped                         */
};

int  logfile_alloc(struct logfile **lfp, struct server *srv,
		   const struct logfile_conf *conf);
void logfile_level(struct logfile *lf, enum log_level level);

#endif
