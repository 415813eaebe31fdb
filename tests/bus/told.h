/**
 * @file told.h  What a bus tells, one line per call of a handler
 */
#ifndef JUNCTOR_TESTS_BUS_TOLD_H
#define JUNCTOR_TESTS_BUS_TOLD_H

/* It only ends what would never end: a busy machine takes its time. */
enum { LIMIT_MS = 90000 };

void told_begin(void);
void told_end(void);
void tell(const char *fmt, ...);
void told(const char *expected);
bool told_has(const char *line);
void told_forget(void);
struct pl told_text(const uint8_t *buf, size_t len);
void until(bool (*done)(void));
void await(const char *expected);
void await_sorted(const char *expected);
void await_all(const char *const *linev);

/* handlers; arg is the line's first word */
void msg_handler(const char *subject, const uint8_t *buf, size_t len,
		 struct bus_reply *reply, void *arg);
void resp_handler(int err, const uint8_t *buf, size_t len, void *arg);
void kv_handler(int err, uint64_t rev, const uint8_t *buf, size_t len,
		void *arg);
uint64_t kv_rev(void);
void watch_handler(const char *key, uint64_t rev, const uint8_t *buf,
		   size_t len, void *arg);

const uint8_t *bytes(const char *s);

#endif
