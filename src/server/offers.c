/**
 * @file offers.c  What a service adds to a server, taken back at once
 */
#include <re.h>
#include "server/server.h"
#include "server/offers.h"


struct offer {
	struct le le;
	void *obj;                 /* owned                                 */
};

struct offers {
	struct server *srv;
	struct list offerl;        /* struct offer, in order of adding      */
};


static void offer_destructor(void *arg)
{
	struct offer *of = arg;

	list_unlink(&of->le);
	mem_deref(of->obj);
}


static void offers_destructor(void *arg)
{
	struct offers *o = arg;

	while (o->offerl.tail)
		mem_deref(o->offerl.tail->data);
}


/**
 * Make an empty set
 *
 * @param op  Pointer to the set, owned by the caller
 * @param srv Server, which lives longer
 *
 * @return 0 if success; EINVAL; ENOMEM
 */
int offers_alloc(struct offers **op, struct server *srv)
{
	struct offers *o;

	if (!op || !srv)
		return EINVAL;

	o = mem_zalloc(sizeof(*o), offers_destructor);
	if (!o)
		return ENOMEM;

	o->srv = srv;
	*op = o;

	return 0;
}


/* A place for what is added next, so that it can never be lost */
static int offer_add(struct offer **ofp, struct offers *o)
{
	struct offer *of = mem_zalloc(sizeof(*of), offer_destructor);

	if (!of)
		return ENOMEM;

	list_append(&o->offerl, &of->le, of);
	*ofp = of;

	return 0;
}


/**
 * Listen to events
 *
 * @param o   Set
 * @param v   Events and their handlers
 * @param n   Their number
 * @param arg Argument of all of them
 *
 * @return 0 if success; on error those added so far stay in the set
 */
int offers_listen(struct offers *o, const struct offer_listener *v, size_t n,
		  void *arg)
{
	struct events *evs;
	int err = 0;
	size_t i;

	if (!o || !v)
		return EINVAL;

	evs = server_events(o->srv);
	for (i=0; i<n && !err; i++) {
		struct listener *l = NULL;
		struct offer *of;

		err = offer_add(&of, o);
		if (err)
			break;

		err = v[i].remote
			? event_listen_remote(&l, evs, v[i].name, v[i].prio,
					      v[i].h, arg)
			: event_listen(&l, evs, v[i].name, v[i].prio,
				       v[i].h, arg);
		of->obj = l;
	}

	return err;
}


/**
 * Offer commands
 *
 * @param o   Set
 * @param v   Commands and their handlers
 * @param n   Their number
 * @param arg Argument of all of them
 *
 * @return 0 if success; EEXIST if a name is taken; on error those added so
 *         far stay in the set
 */
int offers_commands(struct offers *o, const struct offer_command *v,
		    size_t n, void *arg)
{
	int err = 0;
	size_t i;

	if (!o || !v)
		return EINVAL;

	for (i=0; i<n && !err; i++) {
		struct command *c = NULL;
		struct offer *of;

		err = offer_add(&of, o);
		if (err)
			break;

		err = command_add(&c, server_commands(o->srv), v[i].name,
				  v[i].kind, v[i].help, v[i].h, arg);
		of->obj = c;
	}

	return err;
}


/**
 * Offer metrics
 *
 * @param o   Set
 * @param v   Metrics and their handlers
 * @param n   Their number
 * @param arg Argument of those that do not name one
 *
 * @return 0 if success; on error those added so far stay in the set
 */
int offers_metrics(struct offers *o, const struct offer_metric *v, size_t n,
		   void *arg)
{
	int err = 0;
	size_t i;

	if (!o || !v)
		return EINVAL;

	for (i=0; i<n && !err; i++) {
		struct metric *m = NULL;
		struct offer *of;

		err = offer_add(&of, o);
		if (err)
			break;

		err = metric_add(&m, server_metrics(o->srv), v[i].type,
				 v[i].name, v[i].labels, v[i].help, v[i].h,
				 v[i].arg ? v[i].arg : arg);
		of->obj = m;
	}

	return err;
}


/**
 * Metric handler of a plain counter, which any thread may count up
 *
 * @param arg uint64_t, changed with atomic operations only if by other threads
 *
 * @return Its value
 */
double offers_counter(void *arg)
{
	const uint64_t *n = arg;

	return (double)__atomic_load_n(n, __ATOMIC_RELAXED);
}
