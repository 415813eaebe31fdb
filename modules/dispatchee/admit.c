/**
 * @file admit.c  Who may come in: those with a ticket, those on the will-call
 *                list, or everybody if the server is open
 */
#include <string.h>
#include <time.h>
#include <re.h>
#include "server/settings.h"
#include "server/event.h"
#include "server/log.h"
#include "noc/client.h"
#include "noc/ticket.h"
#include "dispatchee/dispatchee.h"


static int ticket_judge(struct dispatchee *d, const struct join *join,
			char *account)
{
	struct ticket t = {
		.conference = join->conference,
		.conferencelen = str_len(join->conference),
		.user = join->user,
		.userlen = str_len(join->user),
		.server = d->report.name,
		.serverlen = strlen(d->report.name),
	};

	return ticket_check(d->key, join->ticket, str_len(join->ticket), &t,
			    account, CLIENT_ACCOUNT_MAX,
			    (uint32_t)time(NULL));
}


static bool refuse(struct dispatchee *d, const struct join *join,
		   uint16_t scode, const char *reason)
{
	log_event(LOG_NOTICE, "dispatchee", join->callid,
		  "%s may not join %s: %s", join->user, join->conference,
		  reason);
	(void)d;
	(void)client_reject(join->client, scode, reason);

	return true;
}


/* EACCES and the like: a bad ticket; ENOENT: nobody sent it here. `account`
   is set to what it was sent with. */
static int admit(struct dispatchee *d, const struct join *join,
		 const struct willcall_join *j, char *account)
{
	const uint64_t now = tmr_jiffies();
	int err;

	if (str_isset(join->ticket)) {
		err = ticket_judge(d, join, account);
		if (err)
			return err;

		/* it came by its ticket, not once more by its name */
		(void)willcall_admit(d->willcall, j, now, NULL, 0);
		++d->countv[ADMITTED_TICKET];
		return 0;
	}

	err = willcall_admit(d->willcall, j, now, account,
			     CLIENT_ACCOUNT_MAX);
	if (!err) {
		++d->countv[ADMITTED_WILLCALL];
		return 0;
	}

	if (!config_bool(dispatchee_config(d), "dispatchee.open"))
		return ENOENT;

	++d->countv[ADMITTED_OPEN];

	return 0;
}


/* A place that was not reserved, or no longer is, must be there now. */
static bool has_place(struct dispatchee *d, const struct willcall_join *j,
		      bool ticket)
{
	const uint64_t now = tmr_jiffies();
	const struct conf *c;

	if (willcall_has(d->willcall, j, now))
		return true;

	c = local_find(d, j->conference);
	if (report_unused(d) <
	    d->est->need(&d->est_cfg, c ? c->participants : 0))
		return false;

	/* kept until it is in; dispatch will tell of it in a moment */
	if (ticket) {
		(void)willcall_early(d->willcall, j, now);
	}
	else {
		(void)willcall_add(d->willcall, j, now);
		(void)willcall_admit(d->willcall, j, now, NULL, 0);
	}
	report_changed(d);

	return true;
}


/* The conference was moved while this one was on its way, or ended here and
   began elsewhere. */
static const struct owner *runs_elsewhere(const struct dispatchee *d,
					  const char *name)
{
	const struct conf *c = local_find(d, name);

	return c && c->foreign && (!c->running || c->given) ? c->owner : NULL;
}


/**
 * "client.join": mark those that may come in
 *
 * @param ev  Event
 * @param arg Dispatchee
 *
 * @return True if it was rejected
 */
bool admit_handler(const struct event *ev, void *arg)
{
	struct dispatchee *d = arg;
	struct join *join = ev->data;
	char account[CLIENT_ACCOUNT_MAX] = "";
	const struct owner *owner;
	struct willcall_join j;
	int err;

	if (!join || join->admitted || !str_isset(join->conference))
		return false;

	j = (struct willcall_join){
		join->conference, strlen(join->conference),
		join->user, str_len(join->user),
		join->account, str_len(join->account),
		join->media ? join->media : MEDIA_AUDIO
	};

	err = admit(d, join, &j, account);
	if (err == ENOENT)
		return false;

	if (err) {
		++d->countv[REFUSED_TICKET];
		return refuse(d, join, 403, err == ETIMEDOUT ?
			      "Ticket has expired" : "Ticket is not valid");
	}

	/* an open server may know more than the list: who it is told to be */
	if (!account[0])
		str_ncpy(account, join->account, sizeof(account));

	owner = runs_elsewhere(d, join->conference);
	if (owner) {
		/* whoever dispatches may know where that is */
		return !owner_redirect(d, owner, join, account);
	}

	if (report_state(d) == CAPACITY_OUT)
		return refuse(d, join, 503, "Server is out of service");

	if (!has_place(d, &j, str_isset(join->ticket))) {
		++d->countv[REFUSED_FULL];
		return refuse(d, join, 503, "Server is full");
	}

	join->admitted = true;
	log_trace("dispatchee", join->callid, "%s is let in to %s by %s",
		  join->user, join->conference, str_isset(join->ticket)
		  ? "its ticket" : "the will-call list");

	return false;
}


/**
 * "client.join", after everybody else: nobody sent it here, and nobody on this
 * server sends it on
 *
 * @param ev  Event
 * @param arg Dispatchee
 *
 * @return True if it was rejected
 */
bool uninvited_handler(const struct event *ev, void *arg)
{
	struct dispatchee *d = arg;
	const struct join *join = ev->data;

	/* what is admitted lacks something else: a connect service */
	if (!join || join->admitted || !str_isset(join->conference))
		return false;

	++d->countv[REFUSED_TICKET];

	return refuse(d, join, 403, "Ticket is missing");
}
