/**
 * @file siphost_server.h  A server with the SIP client host: phones on one
 *                         side, a service that hears its events on the other
 *
 * The server runs in the test's thread, a script with its phones in a thread
 * of its own with a loop of its own.
 */
#ifndef JUNCTOR_TESTS_MODULES_SIPHOST_SERVER_H
#define JUNCTOR_TESTS_MODULES_SIPHOST_SERVER_H

#include <pthread.h>
#include "noc/client.h"
#include "../sip/phone.h"

struct server;

typedef void (script_h)(struct phone *p);

struct host {
	struct server *srv;
	struct listener *lv[16];
	unsigned lc;
	struct client *client;     /* of the last join, referenced          */
	struct client *watcher;    /* of the last subscription, referenced  */
	struct mqueue *mq;
	struct sa laddr;
	script_h *script;
	pthread_t tid;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	char log[2048];            /* under the mutex                       */
	bool done;                 /* what was asked for, under the mutex   */
	bool light;                /* somebody dispatches                   */
	bool expects;              /* somebody is about to adopt            */
	int err;                   /* of what was asked for last            */
	char dialog[CLIENT_DIALOG_MAX];
	size_t dialoglen;
	char result[16384];
};

/* asked of the server's thread by the phones' */
enum ask { ASK_BYE, ASK_TEXT, ASK_ROSTER, ASK_STOP, ASK_TRACE, ASK_METRICS,
	   ASK_PAUSE, ASK_RESUME, ASK_SERVICE_STOP, ASK_DISPATCH,
	   ASK_DIALOG, ASK_THAW, ASK_RELEASE, ASK_ADOPT, ASK_ADOPT_BAD,
	   ASK_OFFER, ASK_REFER, ASK_PROBE, ASK_DIALOG_WATCHER };

extern struct host host;

/* the script has to end with ASK_STOP */
void host_run(script_h *script);
void host_run_light(script_h *script);
void host_told(const char *fmt, ...);

/* for scripts */
void ask(enum ask what);
void log_wait(const char *want);
void log_is(const char *want);
void phone_join(struct phone *p);

/* siphost_ask.c */
void host_ask_handler(int id, void *data, void *arg);

#endif
