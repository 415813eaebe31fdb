/**
 * @file fixture.c  A signalling stack under test, and what it told
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "fixture.h"

const char fix_sdp[] =
	"v=0\r\n"
	"o=junctor 7 7 IN IP4 127.0.0.1\r\n"
	"s=-\r\n"
	"c=IN IP4 127.0.0.1\r\n"
	"t=0 0\r\n"
	"m=audio 20000 RTP/AVP 0\r\n";


static const char *word(enum sipcall_what what)
{
	switch (what) {

	case SIPCALL_JOIN:        return "join";
	case SIPCALL_SUBSCRIBE:   return "subscribe";
	case SIPCALL_TEXT_OUT:    return "text-out";
	case SIPCALL_ESTABLISHED: return "established";
	case SIPCALL_OFFER:       return "offer";
	case SIPCALL_ANSWER:      return "answer";
	case SIPCALL_REFUSED:     return "refused";
	case SIPCALL_TEXT:        return "text";
	case SIPCALL_DTMF:        return "dtmf";
	case SIPCALL_REFRESHED:   return "refreshed";
	case SIPCALL_DIALOG:      return "dialog";
	case SIPCALL_REFERRED:    return "referred";
	case SIPCALL_DEAD:        return "dead";
	case SIPCALL_LOST:        return "lost";
	case SIPCALL_END:         return "end";
	default:                  return "?";
	}
}


static void log_add(struct fix *fx, const struct sipcall_event *ev)
{
	size_t n = strlen(fx->log);

	if (ev->what == SIPCALL_DTMF)
		(void)re_snprintf(fx->log + n, sizeof(fx->log) - n,
				  "%sdtmf:%c/%u", n ? " " : "", ev->digit,
				  ev->duration);
	else if (ev->what == SIPCALL_END || ev->what == SIPCALL_REFUSED ||
		 ev->what == SIPCALL_REFERRED || ev->what == SIPCALL_DEAD)
		(void)re_snprintf(fx->log + n, sizeof(fx->log) - n,
				  "%s%s:%u", n ? " " : "", word(ev->what),
				  ev->scode);
	else
		(void)re_snprintf(fx->log + n, sizeof(fx->log) - n, "%s%s",
				  n ? " " : "", word(ev->what));
}


static void join(struct fix *fx, struct sipcall *call,
		 const struct sipcall_event *ev)
{
	mem_deref(fx->call);
	fx->call = mem_ref(call);
	fx->replaced = ev->replaced;
	str_ncpy(fx->replaces, ev->replaces, sizeof(fx->replaces));
	fx->src  = ev->src;
	str_ncpy(fx->name, ev->name, sizeof(fx->name));
	str_ncpy(fx->user, ev->user, sizeof(fx->user));
	str_ncpy(fx->account, ev->account, sizeof(fx->account));
	str_ncpy(fx->ticket, ev->ticket, sizeof(fx->ticket));
	str_ncpy(fx->info, ev->info, sizeof(fx->info));

	if (!strcmp(ev->conference, "silent"))
		return;

	if (!strcmp(ev->conference, "refuse"))
		ck_assert(!sipcall_reject(call, 403, "Not You"));
	else if (!strcmp(ev->conference, "move"))
		ck_assert(!sipcall_redirect(call, "<sip:x@127.0.0.1:9;"
					    "ticket=a.b>"));
	else if (ev->what == SIPCALL_JOIN)
		ck_assert(!sipcall_accept(call, fix_sdp, strlen(fix_sdp)));
	else
		ck_assert(!sipcall_accept(call, NULL, 0));
}


static void handler(struct sipcall *call, const struct sipcall_event *ev,
		    void *arg)
{
	struct fix *fx = arg;

	if (ev->what == SIPCALL_TRACED) {
		size_t n = strlen(fx->trace);

		(void)re_snprintf(fx->trace + n, sizeof(fx->trace) - n,
				  "%s\n", ev->body);
		return;
	}

	if (ev->what == SIPCALL_LOST && !fx->lost_wait) {
		ck_assert(!sipstack_lost_no(fx->st, ev->id));
		return;
	}

	log_add(fx, ev);

	if (ev->body)
		str_ncpy(fx->body, ev->body, sizeof(fx->body));


	switch (ev->what) {

	case SIPCALL_JOIN:
	case SIPCALL_SUBSCRIBE:
	case SIPCALL_TEXT_OUT:
		join(fx, call, ev);
		break;

	case SIPCALL_END:
	case SIPCALL_REFUSED:
		fx->scode = ev->scode;
		fx->err   = ev->err;
		break;

	case SIPCALL_DIALOG:
		fx->err = ev->err;
		break;

	case SIPCALL_LOST:
		fx->lost = ev->id;
		str_ncpy(fx->lostid, ev->callid, sizeof(fx->lostid));
		break;

	default:
		break;
	}
}


void fix_conf(struct sipstack_conf *conf, const char *addr)
{
	memset(conf, 0, sizeof(*conf));
	ck_assert(!sa_set_str(&conf->laddrv[0], addr, 0));
	conf->laddrc      = 1;
	conf->threads     = 1;
	conf->max_calls   = 100;
	conf->max_pending = 50;
	conf->max_msg     = 32768;
	conf->se          = 1800;
	conf->min_se      = 90;
	conf->t1          = 4000;  /* nothing is repeated for a stall */
	conf->move_ms     = 30000;
	conf->server      = "Junctor test";
}


void fix_open(struct fix *fx, const struct sipstack_conf *conf)
{
	ck_assert_int_eq(libre_init(), 0);
	fix_start(fx, conf);
}


/* Another one in the same process */
void fix_start(struct fix *fx, const struct sipstack_conf *conf)
{
	memset(fx, 0, sizeof(*fx));
	ck_assert_int_eq(sipstack_alloc(&fx->st, conf, handler, fx), 0);
	ck_assert_int_eq(sipstack_laddr(fx->st, 0, &fx->laddr), 0);
	ck_assert_uint_ne(sa_port(&fx->laddr), 0);
}


void fix_open_default(struct fix *fx)
{
	struct sipstack_conf conf;

	fix_conf(&conf, "127.0.0.1");
	fix_open(fx, &conf);
}


void fix_stop(struct fix *fx)
{
	fx->call = mem_deref(fx->call);
	fx->st   = mem_deref(fx->st);
}


/* Every block of libre's is back: the tests prove that nothing leaks. */
void fix_close(struct fix *fx)
{
	struct memstat st;

	fix_stop(fx);
	tmr_debug();
	libre_close();

	if (!mem_get_stat(&st))
		ck_assert_uint_eq(st.blocks_cur, 0);
}


/* Waits until no dialog is left. */
bool fix_idle(struct fix *fx)
{
	for (unsigned i = 0; i <= PHONE_LIMIT / 10; i++) {
		if (sipstack_stat(fx->st, SIPSTACK_CALLS, 0) == 0)
			return true;
		loop_run(10);
	}

	return false;
}


/* Time for these events, which a busy machine may need, and for more. */
void fix_await(const struct fix *fx, const char *words)
{
	for (int i = 0; i < PHONE_LIMIT / 20 && strcmp(fx->log, words); i++)
		loop_run(20);

	loop_run(20);
}


/* A call as it should be, up to "established". */
void fix_join(struct fix *fx, struct phone *p)
{
	phone_send(p, "INVITE", NULL, phone_sdp);
	ck_assert_uint_eq(phone_status(p), 200);
	phone_send(p, "ACK", NULL, NULL);
	for (int i = 0; i < PHONE_LIMIT / 20 &&
		     !strstr(fx->log, "established"); i++)
		loop_run(20);
	ck_assert_ptr_nonnull(strstr(fx->log, "established"));
	fx->log[0] = '\0';
}


/* Is somebody there who answers OPTIONS? */
bool fix_alive(struct phone *p)
{
	phone_new(p);
	phone_send(p, "OPTIONS", NULL, NULL);

	/* after much junk there may be no room for it at first */
	for (int i = 0; i < PHONE_LIMIT / 2000; i++) {
		while (phone_wait(p, 2000)) {
			if (!p->msg->req && p->msg->scode > 100)
				return p->msg->scode == 200;
		}
		if (!p->tcp)
			phone_repeat(p);
	}

	return false;
}


/* A call that somebody else looks at */
void fix_call(struct phone *p)
{
	phone_send(p, "INVITE", NULL, phone_sdp);
	ck_assert_uint_eq(phone_status(p), 200);
	phone_send(p, "ACK", NULL, NULL);
	loop_run(20);
}
