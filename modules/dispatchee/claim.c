/**
 * @file claim.c  Claims change hands: one compare-and-set each
 *
 * Two servers that both want a claim cannot both get it; who gives one away
 * while another takes it finds out. When the bus does not answer, nobody knows
 * whose it is; asking again is safe, because a claim that became `to`'s (or
 * ours) meanwhile is what was wanted.
 */
#include <string.h>
#include <re.h>
#include "bus/bus.h"
#include "noc/client.h"
#include "dispatchee/dispatchee.h"


struct claim_op {
	struct conf *c;            /* NULL: nothing is awaited any more     */
	claim_h *h;
	void *arg;
};


static void op_destructor(void *arg)
{
	struct claim_op *op = arg;

	if (op->c)
		op->c->cop = NULL;
}


/**
 * Tell whoever waits for a claim what became of it
 *
 * @param c   Conference
 * @param err What to tell
 */
void claim_op_end(struct conf *c, int err)
{
	struct claim_op *op = c->cop;

	if (!op)
		return;

	c->cop = NULL;
	op->c = NULL;
	op->h(err, c->owner ? c->owner->name : NULL, op->arg);
}


static int outcome(struct conf *c, const struct owner *to, int err,
		   uint64_t rev, const uint8_t *buf, size_t len)
{
	switch (err) {

	case 0:
		c->rev = rev;
		c->owner = (struct owner *)to;
		c->live = true;
		c->foreign = to != c->d->self;
		c->held = !c->foreign;
		local_tally(c);
		return 0;

	case ESTALE:
	case EEXIST:
		local_claim_set(c, rev, buf, len);
		return c->owner == to && c->live ? 0 : ESTALE;

	case ENOENT:
		local_claim_none(c);
		return ENOENT;

	default:
		/* the bus did not answer, but told it otherwise */
		return c->owner == to && c->live ? 0 : err;
	}
}


/* Whoever waited may have released the conference. */
static void done(struct conf *c, int err)
{
	struct dispatchee *d = c->d;
	char name[CLIENT_CONFERENCE_MAX];

	str_ncpy(name, c->name, sizeof(name));
	if (err == ESTALE)
		c->given = c->taken = false;

	claim_op_end(c, err);

	c = local_find(d, name);
	if (c)
		local_sync(c);
}


static void give_handler(int err, uint64_t rev, const uint8_t *buf,
			 size_t len, void *arg)
{
	struct conf *c = arg;
	const struct owner *to = c->wanted;

	/* told before whose it is, so that it is no conflict */
	c->given = true;
	err = outcome(c, to, err, rev, buf, len);
	if (err)
		c->given = false;

	done(c, err);
}


static void take_handler(int err, uint64_t rev, const uint8_t *buf,
			 size_t len, void *arg)
{
	struct conf *c = arg;

	err = outcome(c, c->d->self, err, rev, buf, len);
	if (!err) {
		c->taken = !c->running;
		c->given = c->conflict = false;
	}

	done(c, err);
}


static int change(struct claim_op **opp, struct conf *c, struct owner *to,
		  bus_kv_h *kvh, claim_h *h, void *arg)
{
	char key[NAME_KEY_MAX];
	uint8_t buf[WIRE_SMALL_MAX];
	struct claim_op *op;
	size_t n;
	int err;

	op = mem_zalloc(sizeof(*op), op_destructor);
	if (!op)
		return ENOMEM;

	op->h = h;
	op->arg = arg;

	err = local_claim_encode(c, to->name, buf, sizeof(buf), &n, key);
	if (!err)
		err = bus_kv_update(&c->op, c->d->bus, "conferences", key,
				    c->rev, buf, n, 0, kvh, c);
	if (err) {
		mem_deref(op);
		return err;
	}

	c->wanted = to;
	c->cop = op;
	op->c = c;
	*opp = op;

	return 0;
}


/**
 * Give the claim of a conference that runs here to another server
 *
 * @param opp  Set to the operation, owned by the caller
 * @param d    Dispatchee
 * @param name Conference
 * @param to   Server that is to have it; it may have it already
 * @param h    Told what became of it
 * @param arg  Handler argument
 *
 * @return 0 if the handler will be called; EALREADY if `to` has it, and the
 *         handler will not be called; ENOENT if it does not run here; ESTALE
 *         if it is another's; EBUSY; EINVAL; ENOMEM
 */
int claim_give(struct claim_op **opp, struct dispatchee *d, const char *name,
	       const char *to, claim_h *h, void *arg)
{
	struct conf *c = local_find(d, name);
	struct owner *o;
	int err;

	if (!opp || !h || !name_valid(to, str_len(to), NAME_SERVER_MAX))
		return EINVAL;

	if (!c || !c->running)
		return ENOENT;

	err = owner_get(&o, d, to);
	if (err)
		return err;

	if (c->op || c->cop)
		return EBUSY;

	if (c->foreign) {
		if (c->owner != o)
			return ESTALE;
		c->given = true;
		return EALREADY;
	}

	/* not even made ours: that comes first */
	if (!c->rev) {
		local_sync(c);
		return EBUSY;
	}

	return change(opp, c, o, give_handler, h, arg);
}


/**
 * Make the claim of another server's conference ours
 *
 * @param opp  Set to the operation, owned by the caller
 * @param d    Dispatchee
 * @param name Conference
 * @param from Server that had it; or this one, in an earlier life
 * @param h    Told what became of it
 * @param arg  Handler argument
 *
 * @return 0 if the handler will be called; ENOENT if there is no such claim;
 *         ESTALE if it is another's; EBUSY; EINVAL; ENOMEM
 */
int claim_take(struct claim_op **opp, struct dispatchee *d, const char *name,
	       const char *from, claim_h *h, void *arg)
{
	struct conf *c = local_find(d, name);

	if (!opp || !from || !h)
		return EINVAL;

	if (!c || !c->rev)
		return ENOENT;

	if (!c->owner || strcmp(c->owner->name, from))
		return ESTALE;

	if (c->op || c->cop)
		return EBUSY;

	return change(opp, c, d->self, take_handler, h, arg);
}


/**
 * Whoever was to come into a conference that was taken is there: if it does
 * not run now, its claim is deleted
 *
 * @param d    Dispatchee
 * @param name Conference
 */
void claim_settle(struct dispatchee *d, const char *name)
{
	struct conf *c = local_find(d, name);

	if (!c)
		return;

	c->taken = c->orphan = false;
	local_sync(c);
}


/**
 * Tell who has a claim
 *
 * @param d    Dispatchee
 * @param name Conference
 *
 * @return Name of a server (borrowed), NULL: nobody, as far as is known
 */
const char *claim_owner(const struct dispatchee *d, const char *name)
{
	const struct conf *c = local_find(d, name);

	return c && c->owner ? c->owner->name : NULL;
}


struct each {
	const struct owner *o;
	bool self;
	claim_each_h *h;
	void *arg;
};


static bool each_handler(struct le *le, void *arg)
{
	const struct conf *c = le->data;
	const struct each *e = arg;

	if (e->self ? c->running : c->owner == e->o && c->live)
		e->h(c->name, c->participants, e->arg);

	return false;
}


/**
 * Tell the conferences of a server
 *
 * @param d      Dispatchee
 * @param server Its name; this server's: what runs here, whoever claims it
 * @param h      Called for each; must not change claims
 * @param arg    Handler argument
 */
void claim_each(const struct dispatchee *d, const char *server,
		claim_each_h *h, void *arg)
{
	struct each e = { .h = h, .arg = arg };
	struct le *le;

	LIST_FOREACH(&d->ownerl, le) {
		const struct owner *o = le->data;

		if (!strcmp(o->name, server))
			e.o = o;
	}

	if (!e.o)
		return;

	e.self = e.o == d->self;
	(void)hash_apply(d->confh, each_handler, &e);
}
