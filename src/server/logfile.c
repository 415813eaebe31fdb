/**
 * @file logfile.c  A log file that follows its settings and SIGHUP
 *
 * SIGHUP opens the file again, for log rotation.
 */
#include <string.h>
#include <re.h>
#include "server/server.h"
#include "server/settings.h"
#include "server/offers.h"
#include "server/logwriter.h"
#include "server/logfile.h"


struct logfile {
	struct server *srv;
	const struct logfile_conf *conf;
	struct logwriter *lw;
	struct log_sink *sink;
	struct offers *offers;
};


static void record_handler(const struct log_record *rec, void *arg)
{
	struct logfile *lf = arg;

	logwriter_put(lf->lw, rec);
}


static int target_set(struct logfile *lf)
{
	const struct config *cfg = server_config(lf->srv);
	const char *file = config_str(cfg, lf->conf->file);
	char *path = NULL;
	int err;

	if (!str_isset(file) || file[0] == '/')
		err = re_sdprintf(&path, "%s", file ? file : "");
	else
		err = re_sdprintf(&path, "%s/%s", server_dir(lf->srv), file);
	if (err)
		return err;

	err = logwriter_target(lf->lw, path, lf->conf->console &&
			       config_bool(cfg, lf->conf->console));
	if (err)
		log_event(LOG_ERROR, lf->conf->service, NULL,
			  "cannot open %s: %s", path, strerror(err));
	mem_deref(path);

	return err;
}


static bool hup_handler(const struct event *ev, void *arg)
{
	(void)ev;
	(void)target_set(arg);

	return false;
}


static bool changed_handler(const struct event *ev, void *arg)
{
	const struct config_change *ch = ev->data;
	struct logfile *lf = arg;

	if (ch && (!strcmp(ch->key, lf->conf->file) ||
		   !str_cmp(ch->key, lf->conf->console)))
		(void)target_set(lf);

	return false;
}


static double dropped(void *arg)
{
	const struct logfile *lf = arg;

	return (double)logwriter_dropped(lf->lw);
}


static void logfile_destructor(void *arg)
{
	struct logfile *lf = arg;

	mem_deref(lf->offers);
	mem_deref(lf->sink);      /* before the writer it puts lines into */
	mem_deref(lf->lw);
}


static int offers_make(struct logfile *lf)
{
	static const struct offer_listener listenerv[] = {
		{"server.hup", EVENT_PRIO_NORMAL, hup_handler, false},
		{"config.changed", EVENT_PRIO_NORMAL, changed_handler, false},
	};
	const struct offer_metric metric = {
		METRIC_COUNTER, lf->conf->metric, NULL, lf->conf->help,
		dropped, lf
	};
	int err;

	err = offers_alloc(&lf->offers, lf->srv);
	if (err)
		return err;

	err = offers_listen(lf->offers, listenerv, ARRAY_SIZE(listenerv),
			    lf);
	if (err)
		return err;

	return offers_metrics(lf->offers, &metric, 1, NULL);
}


/**
 * Open a log file
 *
 * @param lfp  Pointer to the log file, owned by the caller
 * @param srv  Server
 * @param conf What it is; lives longer
 *
 * @return 0 if success; EINVAL; ENOMEM; else what the file system says, which
 *         was logged
 */
int logfile_alloc(struct logfile **lfp, struct server *srv,
		  const struct logfile_conf *conf)
{
	struct logfile *lf;
	int err;

	if (!lfp || !srv || !conf)
		return EINVAL;

	lf = mem_zalloc(sizeof(*lf), logfile_destructor);
	if (!lf)
		return ENOMEM;

	lf->srv  = srv;
	lf->conf = conf;
	err = logwriter_alloc(&lf->lw, 1024 * config_u32(server_config(srv),
							 conf->queue));
	if (err)
		goto out;

	err = target_set(lf);
	if (err)
		goto out;

	err = log_sink_add(&lf->sink, conf->kind, record_handler, lf);
	if (err)
		goto out;

	err = offers_make(lf);

 out:
	if (err)
		mem_deref(lf);
	else
		*lfp = lf;

	return err;
}


/**
 * Leave out what is less important
 *
 * @param lf    Log file
 * @param level The least important lines to write
 */
void logfile_level(struct logfile *lf, enum log_level level)
{
	if (lf)
		log_sink_level(lf->sink, level);
}
