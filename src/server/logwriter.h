/**
 * @file logwriter.h  Log lines into a file, from a thread of its own
 */
#ifndef JUNCTOR_SERVER_LOGWRITER_H
#define JUNCTOR_SERVER_LOGWRITER_H

struct logwriter;
struct log_record;

enum {
	LOGWRITER_QUEUE_MIN = 16 * 1024,          /* [bytes]                */
	LOGWRITER_QUEUE_MAX = 64 * 1024 * 1024,   /* [bytes]                */
};

int  logwriter_alloc(struct logwriter **lwp, size_t queue);
int  logwriter_target(struct logwriter *lw, const char *file, bool console);
void logwriter_put(struct logwriter *lw, const struct log_record *rec);
uint64_t logwriter_dropped(const struct logwriter *lw);

#endif
