/**
 * @file tests/modules/callers_leg.c  The servers of callers, and legs that go
 *                                    from one to another by hand
 */
#include <string.h>
#include <stdlib.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/command.h"
#include "connect/connect.h"
#include "callers.h"
#include "farm.h"


enum { LONG = 15000 };             /* for whatever has to happen [ms]      */


/**
 * Start the server of a host
 *
 * @param f    Farm
 * @param ix   Host
 * @param name Server's name
 * @param more Configuration: connect service and what else there is
 */
void callers_up(struct farm *f, unsigned ix, const char *name,
		const char *more)
{
	char conf[512];

	ck_assert_int_gt(re_snprintf(conf, sizeof conf, "service siphost\n"
				     "service mesh\nmesh.workers 1\n%s",
				     more), 0);
	callers.starting = ix;
	callers.srvv[ix] = farm_start(f, ix, name, conf, callers_builtin);
}


/**
 * Stop the server of a host, if it is up
 *
 * @param f  Farm
 * @param ix Host
 */
void callers_down(struct farm *f, unsigned ix)
{
	if (callers.srvv[ix])
		farm_stop(f, ix);
	callers.srvv[ix] = NULL;
}


/**
 * The connect service of a host
 *
 * @param ix Host
 *
 * @return What it offers
 */
const struct connect_api *api_of(unsigned ix)
{
	return service_api(callers.srvv[ix], "connect");
}


struct told {
	int err;
	char *reason;
	size_t sz;
};


static void resp_h(int err, const char *reason, const struct odict *result,
		   void *arg)
{
	struct told *t = arg;

	(void)result;
	t->err = err;
	if (t->reason)
		str_ncpy(t->reason, reason ? reason : "", t->sz);
}


/**
 * Give a command about the conference "room"; it is answered at once
 *
 * @param ix     Host
 * @param name   Command
 * @param user   Whom it is about, or NULL
 * @param reason Set to why it failed, may be NULL
 * @param sz     Its size [bytes]
 *
 * @return What was answered: 0 or an errno
 */
int callers_command(unsigned ix, const char *name, const char *user,
		    char *reason, size_t sz)
{
	struct told t = {.err = -1, .reason = reason, .sz = sz};
	struct odict *args;

	ck_assert_int_eq(0, odict_alloc(&args, 4));
	ck_assert_int_eq(0, odict_entry_add(args, "conference", ODICT_STRING,
					    "room"));
	if (user)
		ck_assert_int_eq(0, odict_entry_add(args, "user",
						    ODICT_STRING, user));
	ck_assert_int_eq(0, command_run(server_commands(callers.srvv[ix]),
					name, args, resp_h, &t));
	mem_deref(args);

	return t.err;
}


static void saved_h(int err, const char *callid, const struct odict *od,
		    void *arg)
{
	(void)callid;
	ck_assert_int_eq(0, err);
	*(struct odict **)arg = mem_ref((void *)od);
}


static bool is_saved(void *arg)
{
	return *(struct odict **)arg != NULL;
}


/**
 * Save a leg, which is frozen from then on
 *
 * @param ix Host that has it
 * @param c  Caller
 *
 * @return Seat, owned by the caller of this function
 */
struct odict *callers_save(unsigned ix, const struct caller *c)
{
	const struct connect_api *api = api_of(ix);
	struct odict *seat = NULL;

	ck_assert_int_eq(0, api->leg_save(api->c, c->callid, saved_h, &seat));
	ck_assert(farm_wait(is_saved, &seat, LONG));

	return seat;
}


static void adopted_h(int err, uint16_t scode, uint32_t cseq,
		      const char *callid, void *arg)
{
	(void)scode;
	(void)cseq;
	(void)callid;
	*(int *)arg = err;
}


static bool is_adopted(void *arg)
{
	return *(int *)arg != -1;
}


/**
 * Begin to adopt a leg
 *
 * @param ix    Host that is to have it
 * @param seat  Seat
 * @param crash Its server is dead
 * @param errp  Set to -1 now, and to 0 or an errno when it is over
 *
 * @return 0 if it begins, otherwise errorcode
 */
int callers_adopt_begin(unsigned ix, const struct odict *seat, bool crash,
			int *errp)
{
	const struct connect_api *api = api_of(ix);

	*errp = -1;

	return api->leg_adopt(api->c, seat, crash, adopted_h, errp);
}


/**
 * Wait until a leg is adopted
 *
 * @param errp What was given to callers_adopt_begin
 */
void callers_adopted(int *errp)
{
	ck_assert(farm_wait(is_adopted, errp, LONG));
	ck_assert_int_eq(0, *errp);
}


/**
 * Adopt a leg
 *
 * @param ix    Host that is to have it
 * @param seat  Seat
 * @param crash Its server is dead
 */
void callers_adopt(unsigned ix, const struct odict *seat, bool crash)
{
	int err;

	ck_assert_int_eq(0, callers_adopt_begin(ix, seat, crash, &err));
	callers_adopted(&err);
}


/**
 * Let a leg go that another server has
 *
 * @param ix Host that had it
 * @param c  Caller
 * @param to The other server
 */
void callers_release(unsigned ix, const struct caller *c, const char *to)
{
	const struct connect_api *api = api_of(ix);

	ck_assert_int_eq(0, api->leg_release(api->c, c->callid, to));
}
