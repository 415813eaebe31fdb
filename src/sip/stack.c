/**
 * @file stack.c  The signalling threads, as the main thread sees them
 *
 *   signalling 0 --+
 *   signalling 1 --+--> one queue, one wake per burst --> handler
 *        ...     --+
 */
#include <string.h>
#include <re.h>
#include "sip/stack.h"
#include "sip/proxy.h"
#include "sip/redirect.h"
#include "sip/stack_int.h"

enum {
	ADDRS_PER_URL = 2,             /* UDP and TCP                       */
	CALLS_SIZE    = 4096,          /* buckets                           */
};

static bool call_end_h(struct le *le, void *arg)
{
	struct sipcall *call = le->data;

	(void)arg;
	sipcall_detach(call);

	return false;
}


/* Asked for twice it is still one; what nobody asked for cannot end. */
static int trace_note(struct sipstack *st, const char *what, bool on)
{
	unsigned i = 0;
	int err;

	while (i < st->tracec) {
		if (!what || !strcmp(st->tracev[i], what)) {
			if (on)
				return 0;
			mem_deref(st->tracev[i]);
			st->tracev[i] = st->tracev[--st->tracec];
		}
		else
			++i;
	}

	if (!on)
		return 0;
	if (st->tracec >= AGENT_TRACE_MAX)
		return EOVERFLOW;

	err = str_dup(&st->tracev[st->tracec], what);
	if (!err)
		++st->tracec;

	return err;
}


static void destructor(void *arg)
{
	struct sipstack *st = arg;

	for (unsigned i = 0; i < st->agentc; i++)
		st->agentv[i] = agent_free(st->agentv[i]);
	(void)trace_note(st, NULL, false);

	(void)hash_apply(st->calls.idh, call_end_h, NULL);
	mem_deref(st->calls.idh);
	mem_deref(st->calls.callidh);
	wireq_free(st->q);
	mem_deref(st->mq);
}


/* Runs in a signalling thread. */
static void wake_h(void *arg)
{
	struct sipstack *st = arg;

	(void)mqueue_push(st->mq, 0, NULL);
}


static void mqueue_handler(int id, void *data, void *arg)
{
	struct sipstack *st = arg;
	struct wire *w;

	(void)id;
	(void)data;

	w = wireq_take(st->q);

	/* the handler may end the stack, not the messages */
	mem_ref(st);

	while (w) {
		struct wire *next = w->next;

		stack_wire(st, w);
		wire_free(w);
		w = next;
	}

	mem_deref(st);
}


static void url_print(char *buf, size_t sz, const struct sa *sa, bool tcp)
{
	char port[8] = "*";

	if (sa_port(sa))
		(void)re_snprintf(port, sizeof(port), "%u", sa_port(sa));

	/* without a transport: UDP and TCP, on the same port */
	(void)re_snprintf(buf, sz, sa_af(sa) == AF_INET6 ?
			  "sip:[%j]:%s%s" : "sip:%j:%s%s", sa, port,
			  tcp ? "" : ";transport=udp");
}


static int agent_add(struct sipstack *st, const struct sipstack_conf *conf)
{
	char urlv[SIPSTACK_LISTEN_MAX][96];
	const char *pv[SIPSTACK_LISTEN_MAX];
	const bool first = st->agentc == 0;
	struct agent_conf ac = {
		.index   = st->agentc,
		.threads = conf->threads,
		.urlv    = pv,
		.urlc    = conf->laddrc,
		.shared  = &st->sh,
		.out     = st->q,
	};
	int err;

	/* connections belong to the first thread; UDP is shared by all */
	for (unsigned i = 0; i < conf->laddrc; i++) {
		url_print(urlv[i], sizeof(urlv[i]),
			  first ? &conf->laddrv[i] : &st->laddrv[i], first);
		pv[i] = urlv[i];
	}

	err = agent_alloc(&st->agentv[st->agentc], &ac);
	if (err)
		return err;

	++st->agentc;

	return 0;
}


static int laddrs_get(struct sipstack *st, unsigned n)
{
	union wire_addr av[ADDRS_PER_URL * SIPSTACK_LISTEN_MAX];
	unsigned ac;

	ac = agent_addrs(st->agentv[0], av, ADDRS_PER_URL * n);

	for (unsigned i = 0; i * ADDRS_PER_URL < ac && i < n; i++) {

		int err = sa_set_sa(&st->laddrv[i],
				    &av[i * ADDRS_PER_URL].s);
		if (err)
			return err;

		++st->laddrc;
	}

	return st->laddrc == n ? 0 : EADDRNOTAVAIL;
}


static void shared_set(struct agent_shared *sh,
		       const struct sipstack_conf *conf)
{
	sh->max_calls      = conf->max_calls;
	sh->max_pending    = conf->max_pending;
	sh->max_msg        = conf->max_msg;
	sh->se             = conf->se;
	sh->min_se         = conf->min_se;
	sh->probe          = conf->probe;
	sh->t1             = conf->t1;
	sh->move_ms        = conf->move_ms;
	sh->lost_ms        = conf->lost_ms;
	sh->trust_asserted = conf->trust_asserted;
	sh->redirect       = conf->redirect;
	str_ncpy(sh->server, conf->server ? conf->server : "Junctor",
		 sizeof(sh->server));
}


/**
 * Start the signalling threads; when this returns they listen
 *
 * @param stp  Set to the stack
 * @param conf Where to listen, how many threads, bounds
 * @param h    Hears everything that happens to calls
 * @param arg  Its argument
 *
 * @return 0 or errno, as of bind(2) if an address cannot be had
 */
int sipstack_alloc(struct sipstack **stp, const struct sipstack_conf *conf,
		   sipcall_h *h, void *arg)
{
	struct sipstack *st;
	int err;

	if (!stp || !conf || !h || !conf->laddrc || !conf->threads ||
	    conf->laddrc > SIPSTACK_LISTEN_MAX ||
	    conf->threads > SIPSTACK_THREADS_MAX)
		return EINVAL;

	st = mem_zalloc(sizeof(*st), destructor);
	if (!st)
		return ENOMEM;

	st->h   = h;
	st->arg = arg;
	shared_set(&st->sh, conf);
	redirect_threads_set(conf->redirect, conf->threads);
	redirect_freebind(conf->redirect, conf->freebind);

	err  = hash_alloc(&st->calls.idh, CALLS_SIZE);
	err |= hash_alloc(&st->calls.callidh, CALLS_SIZE);
	err |= mqueue_alloc(&st->mq, mqueue_handler, st);
	err |= wireq_alloc(&st->q, wake_h, st);
	if (err)
		goto out;

	for (unsigned i = 0; i < conf->threads; i++) {

		err = agent_add(st, conf);
		if (!err && i == 0)
			err = laddrs_get(st, conf->laddrc);
		if (err)
			goto out;
	}

 out:
	if (err)
		mem_deref(st);
	else
		*stp = st;

	return err;
}


/**
 * Where the stack listens
 *
 * @param st Stack
 * @param ix Which of the addresses of its configuration
 * @param sa Set to the address, with the port that was chosen
 *
 * @return 0 or errno
 */
int sipstack_laddr(const struct sipstack *st, unsigned ix, struct sa *sa)
{
	if (!st || !sa)
		return EINVAL;

	if (ix >= st->laddrc)
		return ENOENT;

	*sa = st->laddrv[ix];

	return 0;
}


static int tell_all(struct sipstack *st, enum wire_type type, uint16_t scode,
		    const char *what, bool flag)
{
	const char *strv[WIRE_STRC] = {[WIRE_USER] = what};

	for (unsigned i = 0; i < st->agentc; i++) {

		struct wire *w = wire_alloc(type, 0, strv, NULL);

		if (!w)
			return ENOMEM;

		w->scode = scode;
		w->flag  = flag;
		agent_push(st->agentv[i], w);
	}

	return 0;
}


/**
 * Take nothing new from now on; dialogs that exist go on
 *
 * @param st    Stack
 * @param scode What to refuse it with, 0: take new things again
 *
 * @return 0 or errno
 */
int sipstack_refuse(struct sipstack *st, uint16_t scode)
{
	if (!st)
		return EINVAL;

	redirect_hold(st->sh.redirect, REDIRECT_HOLD_REFUSING, scode != 0);

	return tell_all(st, WIRE_LIMIT, scode, NULL, false);
}


/**
 * Trace everything of a call, or of the coming calls of somebody
 *
 * @param st   Stack
 * @param what Call-ID, user or user@host; NULL: forget all, with `on` false
 * @param on   Start or stop
 *
 * @return 0; EOVERFLOW if so many are traced already; or errno
 */
int sipstack_trace(struct sipstack *st, const char *what, bool on)
{
	int err;

	if (!st || (on && !what))
		return EINVAL;

	err = trace_note(st, what, on);
	if (err)
		return err;

	/* the fast path has no time to look for it */
	redirect_hold(st->sh.redirect, REDIRECT_HOLD_TRACING, st->tracec > 0);

	return tell_all(st, WIRE_TRACE_MATCH, 0, what, on);
}


/**
 * A number that operators want to know
 *
 * @param st   Stack
 * @param stat Which
 * @param ix   Method or response class, 0 for the others
 *
 * @return The number
 */
double sipstack_stat(const struct sipstack *st, enum sipstack_stat stat,
		     unsigned ix)
{
	const struct agent_shared *sh;

	if (!st)
		return 0;

	sh = &st->sh;

	switch (stat) {

	case SIPSTACK_CALLS:     return atomic_load(&sh->calls);
	case SIPSTACK_PENDING:   return atomic_load(&sh->pending);
	case SIPSTACK_MALFORMED: return atomic_load(&sh->malformed);
	case SIPSTACK_OVERLOAD:  return atomic_load(&sh->overload);
	case SIPSTACK_REQUESTS:
		return ix < METHOD_C ? atomic_load(&sh->reqv[ix]) : 0;
	case SIPSTACK_RESPONSES:
		return ix < 7 ? atomic_load(&sh->respv[ix]) : 0;
	case SIPSTACK_SENT:
		return ix < METHOD_C ? atomic_load(&sh->sentv[ix]) : 0;
	default:
		return 0;
	}
}


/**
 * Name of a method in the statistics
 *
 * @param ix 0 to whatever
 *
 * @return Name, "other", or NULL beyond the last
 */
const char *sipstack_method(unsigned ix)
{
	static const char *const namev[METHOD_C] = {
		"INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "UPDATE",
		"INFO", "MESSAGE", "SUBSCRIBE", "NOTIFY", "REFER", "other",
	};

	return ix < METHOD_C ? namev[ix] : NULL;
}
