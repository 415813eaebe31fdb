/**
 * @file log.h  Log and trace events from any thread
 */
#ifndef JUNCTOR_SERVER_LOG_H
#define JUNCTOR_SERVER_LOG_H

enum log_level {
	LOG_ERROR,
	LOG_WARN,
	LOG_NOTICE,
	LOG_INFO,
	LOG_DEBUG,
};

enum log_kind {
	LOG_KIND_EVENT,      /* what operators want to know                 */
	LOG_KIND_TRACE,      /* what developers want to follow, per service */
};

struct log_record {
	enum log_kind kind;
	enum log_level level;
	const char *service;     /* "dispatch", "mesh", "server", ...       */
	const char *callid;      /* or NULL                                 */
	const char *text;        /* one line without a line feed            */
	uint64_t usec;           /* UTC since the epoch [us]                */
};

struct log_sink;

/* Runs in the thread that logs, possibly several at once; never blocks. */
typedef void (log_sink_h)(const struct log_record *rec, void *arg);

int  log_sink_add(struct log_sink **lp, enum log_kind kind,
		  log_sink_h *h, void *arg);
void log_sink_level(struct log_sink *sink, enum log_level level);
bool log_event_wanted(enum log_level level);
void log_event(enum log_level level, const char *service,
	       const char *callid, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void log_trace(const char *service, const char *callid,
	       const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
bool log_trace_wanted(const char *service);
void log_trace_set(const char *service, bool on);
const char *log_level_name(enum log_level level);
int  log_level_decode(enum log_level *level, const char *name);

#endif
