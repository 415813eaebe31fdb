/**
 * @file seats_move.c  Who moves conferences, made up
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "noc/seal.h"
#include "connect/connect.h"
#include "seats.h"


static struct odict *through_bus(struct move *mv, const struct odict *od)
{
	struct odict *back = NULL;
	uint8_t *buf;
	size_t n;

	ck_assert_int_eq(0, seal_odict(&buf, &n, seats_key, "move", od));
	ck_assert_int_eq(0, seal_open(&back, seats_key, "move", buf, n));
	mv->bytes += n;
	mem_deref(buf);

	return back;
}


void adopted_h(int err, uint16_t scode, uint32_t cseq,
	       const char *callid, void *arg)
{
	const struct connect_api *old;
	struct move *mv = arg;

	--mv->pending;

	if (mv->from >= HOSTS_MAX) {
		if (err)
			++mv->failed;
		else
			++mv->ok;
		mv->err = err ? err : mv->err;
		return;
	}

	old = api_of(mv->from);
	if (!err) {
		++mv->ok;
		ck_assert_int_eq(0, old->leg_release(old->c, callid, "m2"));
		return;
	}

	++mv->failed;
	mv->err = err;
	mv->scode = scode;
	ck_assert_uint_gt(cseq, 7);
	if (err == ENOTCONN)
		caller_leave(caller_find(callid));
	else
		ck_assert_int_eq(0, old->leg_thaw(old->c, callid, cseq));
}


void saved_h(int err, const char *callid, const struct odict *seat,
	     void *arg)
{
	struct move *mv = arg;
	const struct connect_api *new = api_of(mv->to);
	struct odict *copy;

	(void)callid;
	ck_assert_int_eq(0, err);
	copy = through_bus(mv, seat);
	ck_assert_int_eq(0, new->leg_adopt(new->c, copy, false, adopted_h,
					   mv));
	mem_deref(copy);
}


static void leg_h(const char *callid, unsigned id, bool watcher, void *arg)
{
	struct move *mv = arg;

	ck_assert(watcher == !id);
	str_ncpy(mv->legv[mv->legc++], callid, sizeof mv->legv[0]);
}


bool none_pending(void *arg)
{
	const struct move *mv = arg;

	return !mv->pending;
}


/* All at once, but watchers when the others have gone. */
void legs_move(struct move *mv)
{
	const struct connect_api *old = api_of(mv->from);

	mv->legc = 0;
	(void)old->legs(old->c, "room", leg_h, mv);

	for (unsigned i = 0; i < mv->legc; i++) {
		if (caller_find(mv->legv[i])->watcher)
			ck_assert(farm_wait(none_pending, mv, LIMIT_MS));
		++mv->pending;
		ck_assert_int_eq(0, old->leg_save(old->c, mv->legv[i],
						  saved_h, mv));
		ck_assert_int_eq(EBUSY, old->leg_save(old->c, mv->legv[i],
						      saved_h, mv));
	}

	ck_assert(farm_wait(none_pending, mv, LIMIT_MS));
}


void move_begin(struct move *mv, unsigned from, unsigned to)
{
	const struct connect_api *old = api_of(from), *new = api_of(to);
	struct odict *od, *copy;
	char one[64], two[64];

	memset(mv, 0, sizeof *mv);
	mv->from = from;
	mv->to = to;

	ck_assert_int_eq(ENOENT, old->room_save(old->c, "none", &od));
	ck_assert_int_eq(0, old->room_save(old->c, "room", &od));
	copy = through_bus(mv, od);
	mem_deref(od);
	ck_assert_int_eq(0, new->room_load(new->c, copy, &mv->hold));
	mem_deref(copy);

	ck_assert_int_eq(0, old->link(old->c, "room", NULL, one,
				      sizeof one));
	ck_assert_int_eq(0, new->link(new->c, "room", one, two, sizeof two));
	ck_assert_int_eq(0, old->link(old->c, "room", two, NULL, 0));
	ck_assert_int_eq(0, old->link(old->c, "room", two, NULL, 0));
	ck_assert_int_eq(EALREADY, old->link(old->c, "room", "127.0.0.1:9",
					     NULL, 0));
	ck_assert_int_eq(EBADMSG, old->link(old->c, "room", "nowhere",
					    NULL, 0));
}


void move_end(struct move *mv)
{
	const struct connect_api *old = api_of(mv->from);
	const struct connect_api *new = api_of(mv->to);

	ck_assert_int_eq(0, old->room_drop(old->c, "room", "m2"));
	ck_assert_int_eq(ENOENT, old->room_drop(old->c, "room", "m2"));
	ck_assert_int_eq(0, new->unlink(new->c, "room"));
	ck_assert_int_eq(ENOENT, new->unlink(new->c, "room"));
	mv->hold = mem_deref(mv->hold);
}
