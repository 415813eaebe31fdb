/**
 * @file noc.h  A whole NOC in the test's process: dispatch and dispatchee are
 *              real, the client host, the connect service and a second media
 *              server are made up
 */
#ifndef JUNCTOR_TESTS_MODULES_NOC_H
#define JUNCTOR_TESTS_MODULES_NOC_H

#include "noc/client.h"
#include "noc/wire.h"
#include "siphost/siphost.h"

enum { PHONES_MAX = 128 };

/* One call. */
struct phone {
	struct client *client;
	unsigned answers;          /* must never be more than 1             */
	uint16_t scode;            /* 302, what it was rejected with, or 0  */
	bool taken;                /* some listener answers it              */
	bool admitted;
	char reason[64];
	char contact[1024];
};

enum other_mode { OTHER_GRANTS, OTHER_FULL, OTHER_SILENT, OTHER_CLAIMS };

/* The second media server, "m2" */
struct other {
	struct bus_sub *sub;
	enum other_mode mode;
	struct wire_server report;
	unsigned reserves;         /* messages                              */
	unsigned granted;
	unsigned released;         /* given back                            */
};

struct noc {
	struct server *srv;
	struct siphost_api host;
	siphost_redirect_h *redirect;  /* as dispatch has set it            */
	void *redirect_arg;
	struct phone phonev[PHONES_MAX];
	struct other other;
	unsigned created;          /* "dispatch.created" fired              */
	unsigned id;               /* of the last participant               */
	struct tmr tmr;
	void (*const *stepv)(void);
	unsigned stepc, step;
	unsigned delay;            /* before the next step [ms]             */
	bool (*until)(void);       /* before the next step, NULL: nothing   */
	unsigned waited;           /* ... so long [ms]                      */
	char dir[64];
};

typedef void (step_h)(void);

#define BOTH "service dispatch\nservice dispatchee\n"
#define HERE "127.0.0.1:5070"
#define OTHER "127.0.0.2:5070"

/* Runs a NOC with a configuration, and in it the steps */
#define RUN(conf, ...) do { \
	step_h *const stepv_[] = { __VA_ARGS__ }; \
	noc_run(conf, stepv_, ARRAY_SIZE(stepv_)); \
} while (0)

extern struct noc noc;

void noc_until(bool (*h)(void));
void noc_run(const char *conf, step_h *const *stepv, unsigned stepc);

struct phone *phone_call_media(unsigned ix, const char *conf,
			       const char *user, const char *ticket,
			       unsigned media);
struct phone *phone_ask(unsigned ix, const char *what, const char *conf,
			const char *user, const char *ticket, unsigned media);
struct phone *phone_call(unsigned ix, const char *conf, const char *user,
			 const char *ticket);
const char *phone_ticket(const struct phone *p);
void phone_is(unsigned ix, uint16_t scode, const char *host);

void connect_say(const char *event, const char *conf, const char *user,
		 unsigned id, unsigned participants);

void other_start(uint32_t unused, enum other_mode mode);
void other_report(void);
void claim_put(const char *conf, const char *server, uint32_t ttl_ms);
int  fast(const char *conf, const char *user, char *uri, size_t sz);
void call_one(void);
void sent_here(void);
unsigned table_count(const char *command, const char *array);

#endif
