/**
 * @file test_connect.c  The connect services, between a client host that is
 *                       the test itself and the real mesh
 *
 * A test is a list of steps with the time to wait before each, and with what
 * has to be true then, however long that takes; they run in the main loop of a
 * real server. Clients are made by the test, their phones send and hear real
 * RTP.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "server/event.h"
#include "server/command.h"
#include "noc/client.h"
#include "sip/sdp.h"
#include "mesh/mesh.h"
#include "connect/connect.h"
#include "../mesh/phone.h"


enum {
	CLIENTS = 4,
	LONG = 600, SHORT = 60,              /* [ms]                     */
	LIMIT = 20000,                       /* for what has to be [ms]  */
};

struct user {
	struct client *client;
	struct phone *phone;
	struct media_desc answer;
	bool accepted, gone;
	uint16_t rejected;
	char text[64];
	unsigned rosters;
};

struct step {
	unsigned wait;                       /* before it [ms]           */
	void (*run)(void);
	bool (*ready)(void);                 /* or NULL                  */
};

static struct {
	struct server *srv;
	struct user userv[CLIENTS];
	char dir[32];
	const struct step *step;
	struct tmr tmr;
	unsigned waited;                     /* for this step [ms]       */
	unsigned joined, left, speaking;
	int cmd_err;
} fix;


static int accept_op(struct client *cl, const struct media_desc *answer)
{
	struct user *u = client_arg(cl);

	u->accepted = true;
	if (answer)
		u->answer = *answer;

	return 0;
}


static int reject_op(struct client *cl, uint16_t scode, const char *reason)
{
	struct user *u = client_arg(cl);

	(void)reason;
	u->rejected = scode;

	return 0;
}


static int text_op(struct client *cl, const char *from, const char *type,
		   const char *text)
{
	struct user *u = client_arg(cl);

	(void)re_snprintf(u->text, sizeof u->text, "%s|%s|%s", from, type,
			  text);

	return 0;
}


static int roster_op(struct client *cl, const char *xml, bool last)
{
	struct user *u = client_arg(cl);

	(void)xml;
	(void)last;
	++u->rosters;

	return 0;
}


static int bye_op(struct client *cl, uint16_t scode, const char *reason)
{
	struct user *u = client_arg(cl);

	(void)scode;
	(void)reason;
	u->gone = true;

	return 0;
}


static const struct client_ops ops = {
	.accept = accept_op, .reject = reject_op, .text = text_op,
	.roster = roster_op, .bye = bye_op,
};


static bool fire(const char *name, void *data, const char *callid)
{
	return event_fire(server_events(fix.srv), &(struct event){
		.name = name, .data = data, .callid = callid});
}


static void offer_make(struct media_desc *md, const struct user *u,
		       const char *codec, uint8_t pt, uint32_t srate)
{
	memset(md, 0, sizeof *md);
	md->media = MEDIA_AUDIO;
	md->mediac = 1;
	str_ncpy(md->medialinev[0], "audio RTP/AVP 0", 64);
	md->has_audio = true;
	phone_laddr(u->phone, &md->rtp);
	md->dir = SDP_SENDRECV;
	md->codecc = 1;
	str_ncpy(md->codecv[0].name, codec, 16);
	md->codecv[0].pt = pt;
	md->codecv[0].srate = srate;
	md->codecv[0].ch = 1;
}


/* User n (0..) asks to join; its phone says 500 + 300 n Hz. */
static void join(unsigned n)
{
	struct user *u = &fix.userv[n];
	struct media_desc offer;
	char name[16], callid[16];
	struct join jn;

	(void)re_snprintf(name, sizeof name, "u%u@test", n);
	(void)re_snprintf(callid, sizeof callid, "call-%u", n);

	ck_assert_int_eq(phone_alloc(&u->phone, MESH_PCMU, 20, "127.0.0.1"),
			 0);
	offer_make(&offer, u, "PCMU", 0, 8000);

	jn = (struct join){
		.callid = callid, .conference = "room", .account = "acme",
		.user = name, .name = name, .info = "", .ticket = "",
		.src = offer.rtp, .media = MEDIA_AUDIO, .admitted = true,
	};
	ck_assert_int_eq(client_alloc(&u->client, &ops, &jn, u), 0);
	jn.client = u->client;
	jn.offer  = &offer;

	ck_assert(fire("client.join", &jn, callid));
	if (!u->accepted)
		return;

	phone_peer(u->phone, &u->answer.rtp);
	phone_talk(u->phone, 500 + 300 * n, 8000);
	phone_start(u->phone);
	(void)fire("client.established",
		   &(struct client_event){.client = u->client}, callid);
}


static void leave(unsigned n)
{
	struct user *u = &fix.userv[n];

	client_gone(u->client);
	(void)fire("client.leave",
		   &(struct client_event){.client = u->client}, "c");
}


static bool hears(unsigned n, unsigned other)
{
	return phone_level(fix.userv[n].phone, 500 + 300 * other, 400)
		> 2000;       /* of 8000 */
}


static void resp_h(int err, const char *reason, const struct odict *result,
		   void *arg)
{
	(void)reason;
	(void)result;
	(void)arg;
	fix.cmd_err = err;
}


static void command(const char *name, const char *user)
{
	struct odict *args;

	fix.cmd_err = -1;
	ck_assert_int_eq(odict_alloc(&args, 4), 0);
	ck_assert_int_eq(odict_entry_add(args, "conference", ODICT_STRING,
					 "room"), 0);
	if (user)
		ck_assert_int_eq(odict_entry_add(args, "user", ODICT_STRING,
						 user), 0);
	ck_assert_int_eq(command_run(server_commands(fix.srv), name, args,
				     resp_h, NULL), 0);
	mem_deref(args);
}


static unsigned rooms(void)
{
	const struct connect_api *api = service_api(fix.srv, "connect");
	struct connect_totals tot;

	api->totals(api->c, &tot);

	return tot.conferences;
}


/* A client host that does nothing by itself. */
static int host_h(struct service *svc)
{
	(void)svc;

	return 0;
}


static const struct service_export host = {
	.api_version = SERVICE_API_VERSION, .name = "siphost",
	.init = host_h, .start = host_h,
};

static const struct service_export *const builtinv[] = {&host, NULL};


static bool joined_h(const struct event *ev, void *arg)
{
	const struct connect_event *ce = ev->data;

	(void)arg;
	ck_assert_str_eq(ce->conference, "room");
	ck_assert_str_eq(ce->account, "acme");
	ck_assert_uint_gt(ce->participants, 0);
	++fix.joined;

	return false;
}


static bool left_h(const struct event *ev, void *arg)
{
	const struct connect_event *ce = ev->data;

	(void)arg;
	ck_assert_ptr_nonnull(ce->stats);
	ck_assert_uint_ge(ce->left_usec, ce->joined_usec);
	++fix.left;

	return false;
}


static bool speaking_h(const struct event *ev, void *arg)
{
	const struct connect_event *ce = ev->data;

	(void)arg;
	fix.speaking += ce->on;

	return false;
}


static void step_h(void *arg)
{
	(void)arg;

	if (!fix.step->run) {
		server_stop(fix.srv, false);
		return;
	}

	if (fix.step->ready && !fix.step->ready() && fix.waited < LIMIT) {
		fix.waited += 50;
		tmr_start(&fix.tmr, 50, step_h, NULL);
		return;
	}

	fix.step->run();
	++fix.step;
	fix.waited = 0;
	tmr_start(&fix.tmr, fix.step->wait, step_h, NULL);
}


/* Run the steps under a server with this connect service. */
static void play(const char *service, const struct step *steps)
{
	char conf[256], path[64], dirset[64];
	const char *setv[] = {dirset};
	struct listener *lv[3];
	const struct server_opts opts = {
		.file = path, .setv = setv, .setc = 1,
		.module_path = "modules", .builtinv = builtinv,
	};
	FILE *f;

	(void)re_snprintf(path, sizeof path, "%s/conf", fix.dir);
	(void)re_snprintf(dirset, sizeof dirset, "server.dir=%s", fix.dir);
	(void)re_snprintf(conf, sizeof conf, "service siphost\n"
			  "service mesh\nservice %s\nmesh.workers 1\n",
			  service);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(conf, f), 0);
	ck_assert_int_eq(fclose(f), 0);

	ck_assert_int_eq(server_alloc(&fix.srv, &opts), 0);
	ck_assert_int_eq(event_listen(&lv[0], server_events(fix.srv),
		"connect.joined", EVENT_PRIO_NORMAL, joined_h, NULL), 0);
	ck_assert_int_eq(event_listen(&lv[1], server_events(fix.srv),
		"connect.left", EVENT_PRIO_NORMAL, left_h, NULL), 0);
	ck_assert_int_eq(event_listen(&lv[2], server_events(fix.srv),
		"connect.speaking", EVENT_PRIO_NORMAL, speaking_h, NULL), 0);

	fix.step = steps;
	tmr_start(&fix.tmr, steps->wait, step_h, NULL);
	ck_assert_int_eq(server_run(fix.srv), 0);
	tmr_cancel(&fix.tmr);

	for (unsigned i = 0; i < CLIENTS; i++) {
		mem_deref(fix.userv[i].phone);
		mem_deref(fix.userv[i].client);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(lv); i++)
		mem_deref(lv[i]);
	fix.srv = mem_deref(fix.srv);

	ck_assert_uint_eq(fix.joined, fix.left);
}


static void setup(void)
{
	memset(&fix, 0, sizeof fix);
	(void)re_snprintf(fix.dir, sizeof fix.dir, "/tmp/junctor-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(fix.dir));
	ck_assert_int_eq(libre_init(), 0);
}


static void teardown(void)
{
	char cmd[64];

	(void)re_snprintf(cmd, sizeof cmd, "rm -rf %s", fix.dir);
	ck_assert_int_eq(system(cmd), 0);
	libre_close();
}


/* groups: three hear each other, not themselves */

static void three_join(void)
{
	for (unsigned n = 0; n < 3; n++) {
		join(n);
		ck_assert(fix.userv[n].accepted);
	}

	ck_assert_uint_eq(fix.joined, 3);
	ck_assert_uint_eq(rooms(), 1);
}


static bool do_three_hear(void)
{
	for (unsigned n = 0; n < 3; n++)
		for (unsigned o = 0; o < 3; o++)
			if (hears(n, o) != (n != o))
				return false;

	return fix.speaking >= 3;
}


static void three_hear(void)
{
	for (unsigned n = 0; n < 3; n++)
		for (unsigned o = 0; o < 3; o++)
			ck_assert_int_eq(hears(n, o), n != o);

	ck_assert_uint_ge(fix.speaking, 3);
}


static void mute_first(void)
{
	command("mute", "u0@test");
	ck_assert_int_eq(fix.cmd_err, 0);
	command("mute", "nobody");
	ck_assert_int_eq(fix.cmd_err, ENOENT);
	command("mute", NULL);
	ck_assert_int_eq(fix.cmd_err, EINVAL);
}


static bool is_first_mute(void)
{
	return !hears(1, 0) && !hears(2, 0) && hears(0, 1) && hears(2, 1);
}


static void first_is_mute(void)
{
	ck_assert(!hears(1, 0));
	ck_assert(!hears(2, 0));
	ck_assert(hears(0, 1));
	ck_assert(hears(2, 1));
}


static void key(unsigned n, char digit)
{
	(void)fire("client.dtmf", &(struct client_event){
		.client = fix.userv[n].client, .digit = digit}, "c");
}


static void star_six(void)
{
	key(0, '6');                 /* alone: means nothing */
	key(0, '*');
	key(0, '6');
}


static void all_leave(void)
{
	for (unsigned n = 0; n < 3; n++)
		leave(n);

	ck_assert_uint_eq(rooms(), 0);
	ck_assert_uint_eq(fix.left, 3);
}


static const struct step groups_steps[] = {
	{SHORT, three_join, NULL}, {LONG, three_hear, do_three_hear},
	{0, mute_first, NULL}, {LONG, first_is_mute, is_first_mute},
	{0, star_six, NULL}, {LONG, three_hear, do_three_hear},
	{0, all_leave, NULL}, {SHORT, NULL, NULL},
};


START_TEST(groups_everybody_hears_everybody)
{
	play("groups", groups_steps);
}
END_TEST


/* lock, kick, text, roster */

static void lock_room(void)
{
	command("lock", NULL);
	ck_assert_int_eq(fix.cmd_err, 0);
	join(3);
	ck_assert_uint_eq(fix.userv[3].rejected, 403);
	mem_deref(fix.userv[3].client);
	mem_deref(fix.userv[3].phone);
	memset(&fix.userv[3], 0, sizeof fix.userv[3]);
	command("unlock", NULL);
	join(3);
	ck_assert(fix.userv[3].accepted);
}


static void say(void)
{
	(void)fire("client.text", &(struct client_event){
		.client = fix.userv[0].client, .type = "text/plain",
		.text = "hello"}, "c");

	ck_assert_str_eq(fix.userv[0].text, "");
	for (unsigned n = 1; n < 4; n++)
		ck_assert_str_eq(fix.userv[n].text,
				 "u0@test|text/plain|hello");
}


static void watch(const char *user, bool may)
{
	static struct user w;
	struct join jn = {
		.callid = "w", .conference = "room", .account = "",
		.user = user, .name = user, .info = "", .ticket = "",
	};

	memset(&w, 0, sizeof w);
	ck_assert_int_eq(client_alloc(&w.client, &ops, &jn, &w), 0);
	jn.client = w.client;
	ck_assert(fire("client.subscribe", &jn, "w"));
	ck_assert_int_eq(w.accepted, may);
	ck_assert_uint_eq(w.rosters, may ? 1 : 0);
	ck_assert_uint_eq(w.rejected, may ? 0 : 403);

	client_gone(w.client);
	(void)fire("client.leave",
		   &(struct client_event){.client = w.client}, "w");
	mem_deref(w.client);
}


static void watchers(void)
{
	watch("u1@test", true);
	watch("stranger@test", false);
}


static void kick_all(void)
{
	command("kick", "all");
	ck_assert_int_eq(fix.cmd_err, 0);
	for (unsigned n = 0; n < 4; n++)
		ck_assert(fix.userv[n].gone);
	ck_assert_uint_eq(rooms(), 0);
	command("kick", "all");
	ck_assert_int_eq(fix.cmd_err, ENOENT);
}


static const struct step rule_steps[] = {
	{SHORT, three_join, NULL}, {0, lock_room, NULL}, {0, say, NULL},
	{0, watchers, NULL}, {SHORT, kick_all, NULL}, {SHORT, NULL, NULL},
};


START_TEST(operators_rule)
{
	play("groups", rule_steps);
}
END_TEST


/* a server that stops says goodbye */

static const struct step stop_steps[] = {
	{SHORT, three_join, NULL}, {SHORT, NULL, NULL},
};


START_TEST(stopping_says_goodbye)
{
	play("groups", stop_steps);

	for (unsigned n = 0; n < 3; n++)
		ck_assert(fix.userv[n].gone);
	ck_assert_uint_eq(fix.left, 3);
}
END_TEST


/* pointtopoint: two, and no third */

static void two_and_a_third(void)
{
	join(0);
	join(1);
	join(2);
	ck_assert(fix.userv[0].accepted);
	ck_assert(fix.userv[1].accepted);
	ck_assert(!fix.userv[2].accepted);
	ck_assert_uint_eq(fix.userv[2].rejected, 486);
}


static bool do_two_hear(void)
{
	return hears(0, 1) && hears(1, 0) && !hears(0, 0) && !hears(1, 1);
}


static void two_hear(void)
{
	ck_assert(hears(0, 1));
	ck_assert(hears(1, 0));
	ck_assert(!hears(0, 0));
	ck_assert(!hears(1, 1));
}


static void one_leaves(void)
{
	leave(0);
	ck_assert_uint_eq(rooms(), 1);
}


static const struct step pair_steps[] = {
	{SHORT, two_and_a_third, NULL}, {LONG, two_hear, do_two_hear},
	{0, one_leaves, NULL}, {SHORT, NULL, NULL},
};


START_TEST(pointtopoint_is_for_two)
{
	play("pointtopoint", pair_steps);
}
END_TEST


int main(void)
{
	Suite *su = suite_create("connect");
	TCase *tc = tcase_create("connect");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 240);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, groups_everybody_hears_everybody);
	tcase_add_test(tc, operators_rule);
	tcase_add_test(tc, stopping_says_goodbye);
	tcase_add_test(tc, pointtopoint_is_for_two);
	suite_add_tcase(su, tc);

	sr = srunner_create(su);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed != 0;
}
