/**
 * @file test_seats.c  Conferences that go from one server to another, leg by
 *                     leg
 */
#define _GNU_SOURCE 1
#include <sys/resource.h>
#include <string.h>
#include <check.h>
#include <re.h>
#include "connect/connect.h"
#include "seats.h"
#include "../suite.h"


/* Three who talk, one of them muted, one who holds, a locked room */
struct four {
	struct caller *cv[4], *w;
	unsigned docs;             /* that the watcher had                  */
	uint64_t sess_id;          /* of the first one's session            */
	struct sa origin;
};


static void four_join(struct four *f)
{
	for (unsigned n = 0; n < 4; n++)
		f->cv[n] = caller_join(0, "room", n, true);
	f->w = caller_watch(0, "room", f->cv[0]->user);
	farm_nap(800);

	command(0, "mute", f->cv[1]->user);
	command(0, "lock", NULL);
	caller_key(f->cv[2], '*');
	caller_key(f->cv[2], '6');
	caller_key(f->cv[2], '*');
	caller_key(f->cv[2], '6');
	caller_hold(f->cv[3], true);
	ck_assert(hears(f->cv[0], 2));
	ck_assert(hears_not(f->cv[0], 1));
	kept_are("seats", "m1", 5);
	kept_are("rooms", "m1", 1);
	ck_assert_uint_eq(3, toldv[0].muted);

	f->docs = f->w->docc;
	f->sess_id = f->cv[0]->answer.sess_id;
	f->origin  = f->cv[0]->answer.rtp;
	for (unsigned n = 0; n < 4; n++)
		phone_forget(f->cv[n]->phone);
}


/* Everybody is there, and nobody has left or come. */
static void four_arrived(void)
{
	ck_assert_uint_eq(0, here(0));
	ck_assert_uint_eq(4, here(1));
	ck_assert_uint_eq(0, roomsof(0));
	ck_assert_uint_eq(1, roomsof(1));
	ck_assert_uint_eq(0, toldv[0].left + toldv[1].left);
	ck_assert_uint_eq(4, toldv[0].moved);
	ck_assert_uint_eq(4, toldv[1].arrived);
	ck_assert_uint_eq(0, toldv[1].joined + toldv[0].lost);
	ck_assert_uint_eq(1, toldv[0].deleted);
	ck_assert_str_eq("m2", toldv[0].to);
}


/* The same session, one version further */
static void four_same_session(const struct four *f)
{
	ck_assert_uint_eq(f->sess_id, f->cv[0]->offer.sess_id);
	ck_assert_uint_eq(f->cv[0]->answer.sess_ver + 1,
			  f->cv[0]->offer.sess_ver);
	ck_assert(sa_cmp(&f->origin, &f->cv[0]->offer.origin, SA_ADDR));
	ck_assert(!sa_cmp(&f->origin, &f->cv[0]->offer.rtp, SA_ALL));
	ck_assert_uint_eq(2, f->cv[0]->offer.codecc);
	ck_assert_str_eq("PCMU", f->cv[0]->offer.codecv[0].name);
	ck_assert_uint_eq(97, f->cv[0]->offer.codecv[1].pt);
	ck_assert_int_eq(SDP_SENDRECV, f->cv[0]->offer.dir);
	ck_assert_int_eq(SDP_RECVONLY, f->cv[3]->offer.dir);
}


/* The roster is what it was; at most who speaks was told. */
static void four_same_roster(const struct four *f)
{
	for (unsigned i = f->docs; i < f->w->docc; i++) {
		ck_assert_ptr_null(strstr(f->w->docv[i], "state=\"full\" v"));
		ck_assert_ptr_null(strstr(f->w->docv[i], "deleted"));
	}
	ck_assert(!f->w->over);
	ck_assert_uint_eq(1, f->w->where);
}


/* Muted, locked, held there as here */
static void four_as_before(struct four *f)
{
	command(1, "unmute", f->cv[1]->user);
	ck_assert_uint_eq(1, toldv[1].muted);
	ck_assert_uint_eq(403, caller_join(1, "room", 9, false)->rejected);
	caller_hold(f->cv[3], false);
	ck_assert(hears(f->cv[0], 1));
	ck_assert(hears(f->cv[3], 0));
	ck_assert_ptr_nonnull(strstr(f->w->docv[f->w->docc - 1],
				     "state=\"partial\""));
}


static void four_leave(struct four *f)
{
	for (unsigned n = 0; n < 4; n++)
		caller_leave(f->cv[n]);
	comes_to(&toldv[1].left, 4);
	ck_assert(f->w->over);
	kept_are("seats", "m2", 0);
	kept_are("rooms", "m2", 0);
	usage_are(0, 0, 0);
	usage_are(1, 4, 4);
}


START_TEST(test_move)
{
	struct four f;
	struct move mv;

	server_up(0, "m1", "");
	server_up(1, "m2", "");
	four_join(&f);

	move_begin(&mv, 0, 1);
	legs_move(&mv);
	ck_assert_uint_eq(5, mv.ok);
	ck_assert_uint_eq(0, mv.failed);
	move_end(&mv);

	four_arrived();
	four_same_session(&f);

	farm_nap(1200);
	for (unsigned n = 0; n < 3; n++)
		seamless(phone_stats(f.cv[n]->phone));
	ck_assert(hears(f.cv[0], 2));
	ck_assert(hears(f.cv[2], 0));
	ck_assert(hears_not(f.cv[0], 1));

	four_same_roster(&f);
	four_as_before(&f);

	kept_are("seats", "m2", 5);
	kept_are("rooms", "m2", 1);
	usage_are(0, 0, 0);
	usage_are(1, 4, 0);
	four_leave(&f);
}
END_TEST


static struct move one_moves(unsigned *n)
{
	static struct move mv;

	move_begin(&mv, 0, 1);
	legs_move(&mv);
	*n = here(1);

	return mv;
}


/* It is asked again, and dislikes the one codec only. */
static void refused_again(struct caller *c, struct move *mv)
{
	c->mode = REFUSES_ONCE;
	c->scode = 488;
	legs_move(mv);
	ck_assert_uint_eq(3, here(1));
	ck_assert_uint_eq(3, c->sidev[1].offers);
	ck_assert_uint_ge(c->offer.codecc, 4);
	move_end(mv);
	ck_assert_uint_eq(0, toldv[0].left + toldv[1].left);
}


/* Whose phone does not follow stays where it is, and everybody still hears
   everybody; later it follows. */
START_TEST(test_refused)
{
	struct caller *cv[3];
	struct move mv;
	unsigned n;

	server_up(0, "m1", "");
	server_up(1, "m2", "");
	for (n = 0; n < 3; n++)
		cv[n] = caller_join(0, "room", n, true);
	cv[1]->mode = REFUSES;
	cv[1]->scode = 500;
	farm_nap(300);

	mv = one_moves(&n);
	ck_assert_uint_eq(2, mv.ok);
	ck_assert_uint_eq(1, mv.failed);
	ck_assert_int_eq(EPROTO, mv.err);
	ck_assert_uint_eq(500, mv.scode);
	ck_assert_uint_eq(2, n);
	ck_assert_uint_eq(1, here(0));
	ck_assert(cv[1]->sidev[1].released);
	ck_assert_uint_gt(cv[1]->sidev[0].thawed, 7);
	ck_assert_int_eq(EBUSY, api_of(0)->room_drop(api_of(0)->c, "room",
						     "m2"));

	farm_nap(1000);
	ck_assert(hears(cv[0], 1));
	ck_assert(hears(cv[1], 0));
	ck_assert(hears(cv[1], 2));
	ck_assert(hears(cv[2], 0));
	seamless(phone_stats(cv[1]->phone));
	usage_are(0, 1, 0);
	usage_are(1, 2, 0);

	refused_again(cv[1], &mv);

	farm_nap(500);
	for (n = 0; n < 3; n++)
		ck_assert(hears(cv[n], (n + 1) % 3));
	for (n = 0; n < 3; n++)
		caller_leave(cv[n]);
	kept_are("seats", "", 0);
	usage_are(0, 0, 0);
	usage_are(1, 3, 3);
}
END_TEST


/* Hung up on its way: at the new server, and at the old one */
START_TEST(test_hangs_up)
{
	struct caller *cv[3];
	struct move mv;
	unsigned n;

	server_up(0, "m1", "");
	server_up(1, "m2", "");
	for (n = 0; n < 3; n++)
		cv[n] = caller_join(0, "room", n, false);
	farm_nap(200);
	cv[1]->mode = HANGS_UP;

	mv = one_moves(&n);
	ck_assert_uint_eq(2, mv.ok);
	ck_assert_int_eq(ENOTCONN, mv.err);
	ck_assert_uint_eq(1, toldv[0].left);
	ck_assert_uint_eq(0, toldv[1].left);
	move_end(&mv);

	for (n = 0; n < 3; n += 2)
		caller_leave(cv[n]);
	kept_are("seats", "", 0);
	kept_are("rooms", "", 0);
	usage_are(0, 1, 1);
	usage_are(1, 2, 2);
}
END_TEST


/* Two who hear each other, and nobody else, wherever they are */
START_TEST(test_pair)
{
	struct caller *cv[2];
	struct move mv;

	server_up(0, "m1", "service pointtopoint\n");
	server_up(1, "m2", "service pointtopoint\n");
	cv[0] = caller_join(0, "room", 0, true);
	cv[1] = caller_join(0, "room", 1, true);
	farm_nap(300);

	/* one after the other: the link stands for who is not there yet */
	cv[1]->mode = REFUSES;
	cv[1]->scode = 500;
	move_begin(&mv, 0, 1);
	legs_move(&mv);
	ck_assert_uint_eq(1, here(0));
	ck_assert_uint_eq(1, here(1));
	farm_nap(1000);
	ck_assert(hears(cv[0], 1));
	ck_assert(hears(cv[1], 0));
	ck_assert(hears_not(cv[0], 0));

	cv[1]->mode = ANSWERS;
	legs_move(&mv);
	move_end(&mv);
	farm_nap(1000);
	ck_assert_uint_eq(2, here(1));
	ck_assert(hears(cv[0], 1));
	ck_assert(hears(cv[1], 0));
	ck_assert(hears_not(cv[1], 1));
	ck_assert_uint_eq(486, caller_join(1, "room", 2, false)->rejected);
}
END_TEST


static bool offered(void *arg)
{
	return ((const struct caller *)arg)->sidev[1].offers > 0;
}


/* Kicked out by an operator of the new server, who sees it already */
START_TEST(test_kicked)
{
	const struct connect_api *old, *new;
	struct caller *c[2];
	struct move mv;

	server_up(0, "m1", "");
	server_up(1, "m2", "");
	c[0] = caller_join(0, "room", 0, false);
	c[1] = caller_join(0, "room", 1, false);
	farm_nap(200);
	old = api_of(0);
	new = api_of(1);

	move_begin(&mv, 0, 1);
	c[0]->mode = IGNORES;
	++mv.pending;
	ck_assert_int_eq(0, old->leg_save(old->c, c[0]->callid, saved_h,
					  &mv));
	ck_assert(farm_wait(offered, c[0], LIMIT_MS));
	ck_assert_uint_eq(0, here(1));
	ck_assert_uint_eq(0, new->legs(new->c, "room", NULL, NULL));
	command(1, "kick", c[0]->user);
	ck_assert(farm_wait(none_pending, &mv, LIMIT_MS));
	ck_assert_int_eq(ENOTCONN, mv.err);
	ck_assert(c[0]->sidev[1].bye);
	ck_assert_uint_eq(1, toldv[0].left);
	ck_assert_uint_eq(0, toldv[1].left);

	/* one that is on its way when its new server stops */
	c[1]->mode = IGNORES;
	++mv.pending;
	ck_assert_int_eq(0, old->leg_save(old->c, c[1]->callid, saved_h,
					  &mv));
	ck_assert(farm_wait(offered, c[1], LIMIT_MS));
	mv.hold = mem_deref(mv.hold);
	server_down(1);
	ck_assert(c[1]->sidev[1].released);
	ck_assert(!c[1]->sidev[1].bye);
	ck_assert_uint_eq(1, mv.pending);
	ck_assert_int_eq(0, old->leg_thaw(old->c, c[1]->callid, 0));
	ck_assert_int_eq(ENOENT, old->leg_thaw(old->c, c[1]->callid, 0));
	ck_assert_int_eq(ENOENT, old->leg_release(old->c, c[1]->callid,
						  "m2"));
	ck_assert_uint_eq(1, here(0));
	caller_leave(c[1]);
	comes_to(&toldv[0].left, 2);
	usage_are(0, 2, 2);
	kept_are("seats", "", 0);
}
END_TEST


/* What makes no sense is refused, and nothing of it stays */
START_TEST(test_nonsense)
{
	static const char *const v[] = {
		"{}", "{\"v\":1}",
		"{\"v\":2,\"kind\":\"leg\"}",
		"{\"v\":1,\"kind\":\"leg\",\"conference\":\"c\","
		"\"server\":\"m\",\"dialog\":\"d\","
		"\"join\":{\"callid\":\"i\",\"user\":\"u\"}}",
	};
	const struct connect_api *new;
	struct room_hold *hold = NULL;

	server_up(0, "m1", "");
	new = api_of(0);

	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		struct odict *od;

		ck_assert_int_eq(0, json_decode_odict(&od, 8, v[i],
						      strlen(v[i]), 8));
		ck_assert_int_ne(0, new->leg_adopt(new->c, od, false,
						   adopted_h, NULL));
		/* the last one would do for a room */
		if (i + 1 < ARRAY_SIZE(v))
			ck_assert_int_ne(0, new->room_load(new->c, od,
							   &hold));
		mem_deref(od);
	}

	ck_assert_ptr_null(hold);
	ck_assert_uint_eq(0, roomsof(0));
	ck_assert_int_eq(ENOENT, new->leg_save(new->c, "nobody", saved_h,
					       NULL));
	ck_assert_int_eq(ENOENT, new->link(new->c, "none", NULL, NULL, 0));
	new->leg_gone(new->c, "none", 1);
	new->verify(new->c, "none");
}
END_TEST


static double cpu_seconds(void)
{
	struct rusage ru;

	ck_assert_int_eq(0, getrusage(RUSAGE_THREAD, &ru));

	return (double)ru.ru_utime.tv_sec + (double)ru.ru_stime.tv_sec +
		1e-6 * (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec);
}


/* A large room: all arrive, and what one seat takes is known */
START_TEST(test_large)
{
	enum { N = 200 };
	struct caller *w;
	struct move mv;
	unsigned docs;
	double cpu;

	server_up(0, "m1", "connect.seats no\n");
	server_up(1, "m2", "connect.seats no\n");
	for (unsigned i = 0; i < N; i++)
		(void)caller_join(0, "room", i, false);
	w = caller_watch(0, "room", "u0@test");
	do {
		docs = w->docc;
		farm_nap(1000);
	} while (docs != w->docc);

	cpu = cpu_seconds();
	move_begin(&mv, 0, 1);
	legs_move(&mv);
	move_end(&mv);
	cpu = cpu_seconds() - cpu;

	ck_assert_uint_eq(N + 1, mv.ok);
	ck_assert_uint_eq(N, here(1));
	ck_assert_uint_eq(0, here(0) + roomsof(0));
	ck_assert_uint_eq(N, toldv[0].moved);
	ck_assert_uint_eq(N, toldv[1].arrived);
	farm_nap(500);
	ck_assert_uint_eq(docs, w->docc);

	/* a room or a seat, twice each way */
	ck_assert_uint_lt(mv.bytes / (N + 2), 1800);
	(void)re_fprintf(stderr, "a seat: %zu bytes, %u us of the main"
			 " threads of both servers and the test\n",
			 mv.bytes / (N + 2), (unsigned)(1e6 * cpu / N));

	usage_are(0, 0, 0);
	usage_are(1, N, 0);
}
END_TEST


int main(void)
{
	TCase *tc = seats_case("seats");

	tcase_add_test(tc, test_move);
	tcase_add_test(tc, test_refused);
	tcase_add_test(tc, test_hangs_up);
	tcase_add_test(tc, test_pair);
	tcase_add_test(tc, test_kicked);
	tcase_add_test(tc, test_nonsense);
	tcase_add_test(tc, test_large);

	return suite_run("seats", tc);
}
