/**
 * @file log.c  From whoever logs to whoever listens
 *
 * Logging must be possible from every thread and from code that knows no
 * server, so here is the one mutable state at file scope in the ground floor:
 * the list of sinks and the services that are traced. Sinks are rare and
 * records are many: a read lock is held while sinks run.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <pthread.h>
#include <stdatomic.h>
#include <re.h>
#include "server/log.h"


enum {
	TEXT_MAX = 8192,           /* [bytes] with the final zero           */
	CALLID_MAX = 256,          /* [bytes] with the final zero           */
	TRACE_MAX = 32,            /* services that can be traced at once   */
	SERVICE_MAX = 32,          /* [bytes] with the final zero           */

};

struct log_sink {
	struct le le;
	enum log_kind kind;
	enum log_level level;      /* the least important it wants          */
	log_sink_h *h;
	void *arg;
};

static struct {
	pthread_rwlock_t lock;
	struct list sinkl;
	unsigned sinkc[2];                    /* by enum log_kind           */
	char tracev[TRACE_MAX][SERVICE_MAX];
	atomic_uint tracec;                   /* of tracev in use           */
	atomic_int level;                     /* what any sink of events
						 wants; without one, what
						 goes to standard error     */
} state = {
	.lock = PTHREAD_RWLOCK_INITIALIZER,
	.level = LOG_WARN,
};


/* With the write lock. */
static void level_update(void)
{
	enum log_level level = state.sinkc[LOG_KIND_EVENT] ? LOG_ERROR
							   : LOG_WARN;
	struct le *le;

	LIST_FOREACH(&state.sinkl, le) {
		const struct log_sink *sink = le->data;

		if (sink->kind == LOG_KIND_EVENT && sink->level > level)
			level = sink->level;
	}

	atomic_store(&state.level, (int)level);
}


static void sink_destructor(void *data)
{
	struct log_sink *sink = data;

	pthread_rwlock_wrlock(&state.lock);
	list_unlink(&sink->le);
	--state.sinkc[sink->kind];
	level_update();
	pthread_rwlock_unlock(&state.lock);
}


/**
 * Add a sink
 *
 * @param lp   Pointer to the new sink; mem_deref takes it out, and when that
 *             returns the handler does not run any more. Not to be called
 *             from a sink.
 * @param kind Records to get
 * @param h    Called in the thread that logs, possibly several at once
 * @param arg  Handler argument
 *
 * @return 0 if success, otherwise errorcode
 */
int log_sink_add(struct log_sink **lp, enum log_kind kind,
		 log_sink_h *h, void *arg)
{
	struct log_sink *sink;

	if (!lp || !h || kind > LOG_KIND_TRACE)
		return EINVAL;

	sink = mem_zalloc(sizeof(*sink), sink_destructor);
	if (!sink)
		return ENOMEM;

	sink->kind = kind;
	sink->level = LOG_DEBUG;
	sink->h    = h;
	sink->arg  = arg;

	pthread_rwlock_wrlock(&state.lock);
	list_append(&state.sinkl, &sink->le, sink);
	++state.sinkc[kind];
	level_update();
	pthread_rwlock_unlock(&state.lock);

	*lp = sink;

	return 0;
}


/**
 * Say what a sink wants, which saves the work for what nobody wants
 *
 * @param sink  Sink
 * @param level The least important level to get; all at first
 */
void log_sink_level(struct log_sink *sink, enum log_level level)
{
	if (!sink)
		return;

	pthread_rwlock_wrlock(&state.lock);
	sink->level = level;
	level_update();
	pthread_rwlock_unlock(&state.lock);
}


/**
 * Tell whether somebody wants a level; cheap
 *
 * @param level Level
 *
 * @return true if log_event would reach somebody
 */
bool log_event_wanted(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&state.level,
						  memory_order_relaxed);
}


static bool is_plain(char ch)
{
	return (uint8_t)ch >= 0x20 && ch != 0x7f;
}


/* One record is one line: what would break it is shown as an escape. Text
   that needs none, by far the most, is not copied. */
static const char *line_clean(char *dst, size_t sz, const char *src)
{
	static const char hex[] = "0123456789abcdef";
	size_t n = 0;

	while (n < sz && is_plain(src[n]))
		++n;
	if (n < sz && !src[n])
		return src;

	for (n = 0; *src; src++) {
		const unsigned char ch = (unsigned char)*src;
		char esc[4] = {'\\', 'x', hex[ch >> 4], hex[ch & 15]};
		size_t len = 4;

		if (is_plain(*src)) {
			esc[0] = *src;
			len = 1;
		}
		else if (ch == '\n' || ch == '\r' || ch == '\t') {
			esc[1] = ch == '\n' ? 'n' : ch == '\r' ? 'r' : 't';
			len = 2;
		}

		if (n + len >= sz)
			break;

		memcpy(dst + n, esc, len);
		n += len;
	}

	dst[n] = '\0';

	return dst;
}


static void record_give(enum log_kind kind, enum log_level level,
			const char *service, const char *callid,
			const char *fmt, va_list ap)
{
	char raw[TEXT_MAX], text[TEXT_MAX], id[CALLID_MAX];
	struct log_record rec = {
		.kind = kind,
		.level = level,
		.service = service ? service : "-",
	};
	struct timespec ts;
	struct le *le;
	size_t len;

	(void)vsnprintf(raw, sizeof(raw), fmt, ap);

	/* a line feed at the end is a habit, not a message */
	len = strlen(raw);
	while (len && (raw[len - 1] == '\n' || raw[len - 1] == '\r'))
		raw[--len] = '\0';

	rec.text = line_clean(text, sizeof(text), raw);
	if (str_isset(callid))
		rec.callid = line_clean(id, sizeof(id), callid);

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	rec.usec = (uint64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;

	pthread_rwlock_rdlock(&state.lock);

	LIST_FOREACH(&state.sinkl, le) {
		const struct log_sink *sink = le->data;

		if (sink->kind == kind && level <= sink->level)
			sink->h(&rec, sink->arg);
	}

	pthread_rwlock_unlock(&state.lock);
}


static bool sinks_any(enum log_kind kind)
{
	bool any;

	pthread_rwlock_rdlock(&state.lock);
	any = state.sinkc[kind] > 0;
	pthread_rwlock_unlock(&state.lock);

	return any;
}


/**
 * Log what operators want to know
 *
 * Before there is a sink, warnings and errors go to standard error.
 *
 * @param level   How bad it is
 * @param service Who says it
 * @param callid  Call-ID it is about, or NULL
 * @param fmt     printf format
 * @param ...     Its arguments
 */
void log_event(enum log_level level, const char *service,
	       const char *callid, const char *fmt, ...)
{
	va_list ap;

	if (!fmt || !log_event_wanted(level))
		return;

	va_start(ap, fmt);

	if (sinks_any(LOG_KIND_EVENT)) {
		record_give(LOG_KIND_EVENT, level, service, callid, fmt, ap);
	}
	else {
		char text[512];

		(void)vsnprintf(text, sizeof(text), fmt, ap);
		(void)fprintf(stderr, "%s: %s: %s\n", log_level_name(level),
			      service ? service : "-", text);
	}

	va_end(ap);
}


/**
 * Log what developers want to follow; nothing unless the service is traced
 *
 * @param service Who says it
 * @param callid  Call-ID it is about, or NULL
 * @param fmt     printf format
 * @param ...     Its arguments
 */
void log_trace(const char *service, const char *callid,
	       const char *fmt, ...)
{
	va_list ap;

	if (!fmt || !log_trace_wanted(service))
		return;

	va_start(ap, fmt);
	record_give(LOG_KIND_TRACE, LOG_DEBUG, service, callid, fmt, ap);
	va_end(ap);
}


static int trace_find(const char *service)
{
	unsigned i;

	for (i = 0; i < state.tracec; i++) {
		if (!strcmp(state.tracev[i], service))
			return (int)i;
	}

	return -1;
}


/**
 * Tell whether a service is traced; cheap enough for the media path
 *
 * @param service Name of the service
 *
 * @return true if log_trace would reach somebody
 */
bool log_trace_wanted(const char *service)
{
	bool wanted;

	if (!service
	    || !atomic_load_explicit(&state.tracec, memory_order_relaxed))
		return false;

	pthread_rwlock_rdlock(&state.lock);
	wanted = state.sinkc[LOG_KIND_TRACE]
		&& (trace_find(service) >= 0 || trace_find("*") >= 0);
	pthread_rwlock_unlock(&state.lock);

	return wanted;
}


/**
 * Switch the trace of a service
 *
 * @param service Name of the service, or "*" for all
 * @param on      On or off
 */
void log_trace_set(const char *service, bool on)
{
	int ix;

	if (!str_isset(service) || strlen(service) >= SERVICE_MAX)
		return;

	pthread_rwlock_wrlock(&state.lock);

	ix = trace_find(service);
	if (on && ix < 0 && state.tracec < TRACE_MAX) {
		str_ncpy(state.tracev[state.tracec], service, SERVICE_MAX);
		++state.tracec;
	}
	else if (!on && ix >= 0) {
		--state.tracec;
		memmove(state.tracev[ix], state.tracev[state.tracec],
			SERVICE_MAX);
	}

	pthread_rwlock_unlock(&state.lock);
}


/**
 * Name of a level
 *
 * @param level Level
 *
 * @return Its name, as log_level_decode takes it
 */
const char *log_level_name(enum log_level level)
{
	switch (level) {

	case LOG_ERROR:  return "error";
	case LOG_WARN:   return "warn";
	case LOG_NOTICE: return "notice";
	case LOG_INFO:   return "info";
	case LOG_DEBUG:  return "debug";
	}

	return "?";
}


/**
 * Level of a name
 *
 * @param level Filled in
 * @param name  Name
 *
 * @return 0 if success, EINVAL if there is no such level
 */
int log_level_decode(enum log_level *level, const char *name)
{
	int i;

	if (!level || !name)
		return EINVAL;

	for (i = LOG_ERROR; i <= LOG_DEBUG; i++) {
		if (!strcmp(name, log_level_name((enum log_level)i))) {
			*level = (enum log_level)i;
			return 0;
		}
	}

	return EINVAL;
}
