/* All callers: one socket, one clock. The Call-ID tells which of them a
 * message is about. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "calls.h"

enum {
	STOP_S = 3,             /* how long Ctrl-C waits for BYEs */
	SCAN_MS = 20,           /* timers are looked at this often */
};

static const int64_t ms = 1000000, second = 1000000000;


/**
 * Make a number of callers
 *
 * @param csp   Where they go, freed with calls_free()
 * @param o     Options; must live as long
 * @param callc How many
 *
 * @return 0 if success, otherwise errorcode
 */
int calls_alloc(struct calls **csp, const struct opts *o, uint32_t callc)
{
	struct calls *cs;
	int err;

	cs = calloc(1, sizeof(*cs) + callc * sizeof(cs->callv[0]));
	if (!cs)
		return ENOMEM;

	cs->o = o;
	cs->callc = callc;
	cs->stopfd = -1;
	err = sockio_alloc(&cs->io, o->local);
	if (!err && getrandom(&cs->run, sizeof(cs->run), 0) < 0)
		err = errno;
	if (err) {
		calls_free(cs);
		return err;
	}

	cs->stopfd = stop_fd();
	*csp = cs;

	return 0;
}


/** Free the callers; does not hang up */
void calls_free(struct calls *cs)
{
	if (!cs)
		return;

	for (uint32_t i = 0; i < cs->callc; i++)
		free(cs->callv[i].old);
	sockio_free(cs->io);
	free(cs);
}


/** The SIP socket, to wait on */
int calls_fd(const struct calls *cs)
{
	return sockio_fd(cs->io);
}


/** Room for the next message, DGRAM_MAX bytes */
char *calls_buf(struct calls *cs)
{
	return sockio_buf(cs->io);
}


/**
 * Queue a message
 *
 * @param cs  Callers
 * @param c   Whose it is: signalling comes from where the media do, else the
 *            server would take the caller for one behind a NAT. May be NULL
 * @param len Its length
 * @param dst Where to
 */
void calls_push(struct calls *cs, const struct call *c, size_t len,
		const struct sockaddr_in *dst)
{
	if (c)
		sockio_push_from(cs->io, c->addr, len, dst);
	else
		sockio_push(cs->io, len, dst);
}


/** A caller */
struct call *calls_get(struct calls *cs, uint32_t i)
{
	return &cs->callv[i];
}


/** Tell whether the user wants this to end */
bool calls_stopped(const struct calls *cs)
{
	return cs->stops > 0;
}


/** Number of retransmissions sent so far */
uint32_t calls_retrans(const struct calls *cs)
{
	return cs->retrans;
}


/** Number of calls that failed so far */
uint32_t calls_failed(const struct calls *cs)
{
	return cs->failed;
}


/** How many are in a state */
uint32_t calls_count(const struct calls *cs, enum call_state state)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < cs->callc; i++)
		n += cs->callv[i].state == state;

	return n;
}


/* Call-IDs of this run begin with its number. */
static bool run_is(const struct calls *cs, const struct str *callid)
{
	char num[12];
	const int n = snprintf(num, sizeof(num), "%08x-", cs->run);

	return callid->l > (size_t)n && !strncmp(callid->p, num, (size_t)n);
}


/**
 * Find the call a Call-ID names
 *
 * @param cs     Callers
 * @param callid Call-ID
 * @param ip     Filled in: its number
 * @param dp     Filled in: its dialog, which may be the replaced one
 *
 * @return The call; NULL if it is none of this run's
 */
struct call *calls_find(struct calls *cs, const struct str *callid,
			uint32_t *ip, struct dialog **dp)
{
	char buf[64], *end;
	unsigned long run, i, gen;
	struct call *c;

	if (callid->l >= sizeof(buf))
		return NULL;
	memcpy(buf, callid->p, callid->l);
	buf[callid->l] = '\0';

	run = strtoul(buf, &end, 16);
	if (*end != '-')
		return NULL;
	i = strtoul(end + 1, &end, 10);
	if (*end != '-')
		return NULL;
	gen = strtoul(end + 1, &end, 10);

	if (strcmp(end, "@bench") || run != cs->run || i >= cs->callc)
		return NULL;

	c = &cs->callv[i];
	*ip = (uint32_t)i;
	*dp = c->old && gen == c->old->gen ? c->old :
		gen == c->d.gen ? &c->d : NULL;

	return *dp ? c : NULL;
}


/** Count a failure; for the codes see call_ended() */
void calls_failure(struct calls *cs, int code)
{
	++cs->failed;
	for (int i = 0; i < CODES_MAX; i++) {
		if (!cs->codev[i].n)
			cs->codev[i].code = code;
		if (cs->codev[i].code == code) {
			++cs->codev[i].n;
			return;
		}
	}
}


/**
 * Say why calls failed
 *
 * @param cs Callers
 * @param f  Where to
 */
void calls_report(const struct calls *cs, FILE *f)
{
	for (int i = 0; i < CODES_MAX && cs->codev[i].n; i++) {
		const int code = cs->codev[i].code;

		if (code == 1)
			fprintf(f, "%u calls: no answer\n", cs->codev[i].n);
		else if (code == 2)
			fprintf(f, "%u calls: answer not understood\n",
				cs->codev[i].n);
		else if (code == 3)
			fprintf(f, "%u calls: hung up by the server\n",
				cs->codev[i].n);
		else
			fprintf(f, "%u calls: refused with %d\n",
				cs->codev[i].n, code);
	}
}


static void datagram(char *buf, size_t len, const struct sockaddr_in *src,
		     void *arg)
{
	struct calls *cs = arg;
	struct dialog *d;
	struct call *c;
	struct msg m;
	uint32_t i;

	if (msg_parse(&m, buf, len))
		return;
	if (m.request) {
		calls_request(cs, &m, src);
		return;
	}

	c = calls_find(cs, &m.callid, &i, &d);
	if (!c || (c->state == CALL_DONE && c->code == 1)) {
		if (run_is(cs, &m.callid))
			stray_answer(cs, &m, src);
		return;
	}
	if (d != &c->d)
		return;
	if (str_is(&m.method, "INVITE"))
		call_answer(cs, i, &m, src);
	else if (str_is(&m.method, "BYE") && c->state == CALL_BYE &&
		 m.code >= 200)
		call_ended(cs, c, m.code < 300 || m.code == 481 ? 0 :
			   m.code);
}


/**
 * Read what has come, serve the timers, send what is queued
 *
 * @param cs  Callers
 * @param now Monotonic time [ns]
 */
void calls_work(struct calls *cs, int64_t now)
{
	sockio_read(cs->io, datagram, cs);

	if (now >= cs->scan) {
		for (uint32_t i = 0; i < cs->callc; i++)
			call_timer(cs, i, now);
		cs->scan = now + SCAN_MS * ms;
	}

	sockio_flush(cs->io);
}


/**
 * Work until a time
 *
 * @param cs    Callers
 * @param until Monotonic time [ns]
 *
 * @return False if the user wants this to end
 */
bool calls_poll(struct calls *cs, int64_t until)
{
	const int fdv[2] = {sockio_fd(cs->io), cs->stopfd};
	int64_t now = now_ns();

	sockio_flush(cs->io);
	do {
		const int64_t t = cs->scan < until ? cs->scan : until;

		if (wait_until(fdv, 2, t) & 2 && stop_wanted(cs->stopfd))
			++cs->stops;
		now = now_ns();
		calls_work(cs, now);
	} while (now < until && !cs->stops);

	return !cs->stops;
}


/**
 * Hang up all calls and wait until they are gone. After Ctrl-C this is
 * quick, and a second Ctrl-C ends it.
 *
 * @param cs     Callers
 * @param within Spread over this time [ns]
 */
void calls_hangup(struct calls *cs, int64_t within)
{
	const int64_t t0 = now_ns();
	int64_t limit = t0 + within + cs->o->timeout * second;
	uint32_t left;

	for (uint32_t i = 0; i < cs->callc; i++) {
		call_bye(cs, i);
		if (!cs->stops)
			calls_poll(cs, t0 + within * (i + 1) / cs->callc);
		else if (i % 32 == 31)
			calls_work(cs, now_ns());
	}

	if (cs->stops)
		limit = now_ns() + STOP_S * second;
	do {
		calls_poll(cs, now_ns() + 5 * ms);
		left = calls_count(cs, CALL_INVITE) +
			calls_count(cs, CALL_UP) + calls_count(cs, CALL_BYE);
	} while (left && now_ns() < limit && cs->stops < 2);
}
