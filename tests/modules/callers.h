/**
 * @file callers.h  Client hosts that are made up, and callers that several
 *                  servers can have one after the other; their media are real
 */
#ifndef JUNCTOR_TESTS_MODULES_CALLERS_H
#define JUNCTOR_TESTS_MODULES_CALLERS_H

#include "noc/client.h"
#include "mesh/mesh.h"
#include "sip/sdp.h"
#include "siphost/siphost.h"

enum { HOSTS_MAX = 4, CALLERS_MAX = 320, DOCS_MAX = 32 };

/* What a phone does with an offer of ours */
enum answer { ANSWERS, REFUSES, IGNORES, HANGS_UP, REFUSES_ONCE };

struct caller;

/* A caller as one server sees it */
struct side {
	struct caller *caller;
	unsigned host;
	struct client *client;       /* ours, NULL: none                    */
	struct tmr tmr;
	client_dialog_h *dialogh;
	void *dialogarg;
	bool frozen, released;
	bool bye;                    /* the server said goodbye             */
	uint32_t thawed;             /* CSeq that was told                  */
	unsigned peeks, offers, probes;
	char said[256];              /* texts that it was sent, in order    */
};

struct caller {
	char callid[64], user[64];
	bool watcher;
	unsigned host;               /* that has it                         */
	struct side sidev[HOSTS_MAX];
	struct phone *phone;
	struct media_desc answer;    /* last one from a server              */
	struct media_desc offer;     /* last offer from a server            */
	enum answer mode;
	uint16_t scode;              /* when it refuses                     */
	unsigned delay;              /* before it answers [ms]              */
	bool held;                   /* it holds us                         */
	char *docv[DOCS_MAX];        /* of a watcher                        */
	unsigned docc;
	unsigned where;            /* times it was told where we are         */
	bool over;
	uint16_t rejected;
};

struct callers {
	struct server *srvv[HOSTS_MAX];
	struct siphost_api apiv[HOSTS_MAX];
	unsigned starting;           /* which host's server is being made   */
	struct caller *callerv[CALLERS_MAX];
	unsigned callerc;
};

extern struct callers callers;
extern const struct service_export *const callers_builtin[];

void callers_open(void);
void callers_close(void);
struct caller *caller_join(unsigned host, const char *conference,
			   unsigned n, bool media);
struct caller *caller_watch(unsigned host, const char *conference,
			    const char *user);
void caller_leave(struct caller *c);
void caller_hold(struct caller *c, bool on);
void caller_dead(struct caller *c);
void caller_key(struct caller *c, char digit);
void caller_say(struct caller *c, const char *text);
bool caller_hears(const struct caller *c, unsigned n);
unsigned caller_freq(unsigned n);
struct caller *caller_find(const char *callid);

/* callers_leg.c */
struct farm;
struct connect_api;

void callers_up(struct farm *f, unsigned ix, const char *name,
		const char *more);
void callers_down(struct farm *f, unsigned ix);
const struct connect_api *api_of(unsigned ix);
int  callers_command(unsigned ix, const char *name, const char *user,
		     char *reason, size_t sz);
struct odict *callers_save(unsigned ix, const struct caller *c);
int  callers_adopt_begin(unsigned ix, const struct odict *seat, bool crash,
			 int *errp);
void callers_adopted(int *errp);
void callers_adopt(unsigned ix, const struct odict *seat, bool crash);
void callers_release(unsigned ix, const struct caller *c, const char *to);

#endif
