/**
 * @file stackwire.c  What signalling threads tell, as events of calls
 */
#include <string.h>
#include <re.h>
#include "sip/stack.h"
#include "sip/proxy.h"
#include "sip/stack_int.h"


static struct sipcall *call_new(struct sipstack *st, const struct wire *w)
{
	struct agent *ag = st->agentv[(w->id >> 56) - 1];
	struct sipcall *call;

	if (sipcall_alloc(&call, &st->calls, ag, w->id, w->strv[WIRE_CALLID],
			  w->type)) {

		struct wire *no = wire_alloc(WIRE_REJECT, w->id, NULL, NULL);

		if (no)
			no->scode = 503;
		agent_push(ag, no);

		return NULL;
	}

	return call;
}


static int what_decode(enum sipcall_what *what, enum wire_type type)
{
	switch (type) {

	case WIRE_JOIN:        *what = SIPCALL_JOIN;        break;
	case WIRE_SUBSCRIBE:   *what = SIPCALL_SUBSCRIBE;   break;
	case WIRE_TEXT_OUT:    *what = SIPCALL_TEXT_OUT;    break;
	case WIRE_ESTABLISHED: *what = SIPCALL_ESTABLISHED; break;
	case WIRE_REOFFER:     *what = SIPCALL_OFFER;       break;
	case WIRE_ANSWER:      *what = SIPCALL_ANSWER;      break;
	case WIRE_REFUSED:     *what = SIPCALL_REFUSED;     break;
	case WIRE_TEXT:        *what = SIPCALL_TEXT;        break;
	case WIRE_DTMF:        *what = SIPCALL_DTMF;        break;
	case WIRE_REFRESHED:   *what = SIPCALL_REFRESHED;   break;
	case WIRE_DIALOG:      *what = SIPCALL_DIALOG;      break;
	case WIRE_REFERRED:    *what = SIPCALL_REFERRED;    break;
	case WIRE_DEAD:        *what = SIPCALL_DEAD;        break;
	case WIRE_LOST:        *what = SIPCALL_LOST;        break;
	case WIRE_END:         *what = SIPCALL_END;         break;
	case WIRE_LOG:         *what = SIPCALL_TRACED;      break;
	default:                                            return EBADMSG;
	}

	return 0;
}


static const char *str(const struct wire *w, enum wire_str ix)
{
	return w->strv[ix] ? w->strv[ix] : "";
}


static int event_make(struct sipcall_event *ev, const struct wire *w)
{
	memset(ev, 0, sizeof(*ev));

	ev->callid     = str(w, WIRE_CALLID);
	ev->conference = str(w, WIRE_CONF);
	ev->account    = str(w, WIRE_ACCOUNT);
	ev->user       = str(w, WIRE_USER);
	ev->name       = str(w, WIRE_NAME);
	ev->info       = str(w, WIRE_INFO);
	ev->ticket     = str(w, WIRE_TICKET);
	ev->ctype      = str(w, WIRE_CTYPE);
	ev->reason     = str(w, WIRE_REASON);
	ev->body       = w->strv[WIRE_BODY];
	ev->bodylen    = w->lenv[WIRE_BODY];
	ev->digit      = w->digit;
	ev->duration   = w->duration;
	ev->scode      = w->scode;
	ev->err        = w->err;
	ev->sent       = w->flag;
	ev->replaces   = str(w, WIRE_REPLACES);
	ev->id         = w->id;

	if (w->src.s.sa_family != AF_UNSPEC)
		(void)sa_set_sa(&ev->src, &w->src.s);

	return what_decode(&ev->what, w->type);
}


static struct sipcall *call_get(struct sipstack *st, const struct wire *w)
{
	switch (w->type) {

	case WIRE_JOIN:
	case WIRE_SUBSCRIBE:
	case WIRE_TEXT_OUT:
		return call_new(st, w);

	default:
		return sipcall_find(&st->calls, w->id);
	}
}


static void call_handle(struct sipstack *st, struct sipcall *call,
			struct sipcall_event *ev, const struct wire *w)
{
	if (!w->strv[WIRE_CALLID])
		ev->callid = sipcall_callid(call);

	mem_ref(call);

	if (w->type == WIRE_ESTABLISHED)
		(void)sipcall_tags_set(call, w->strv[WIRE_LTAG],
				       w->strv[WIRE_RTAG]);

	if (w->type == WIRE_END) {
		replace_ended(&st->rep, call);
		sipcall_detach(call);
	}

	st->h(call, ev, st->arg);
	mem_deref(call);
}


/**
 * Tell the stack's owner what a signalling thread told
 *
 * @param st Stack
 * @param w  Message, remains the caller's
 */
void stack_wire(struct sipstack *st, const struct wire *w)
{
	struct sipcall *call;
	struct sipcall_event ev;

	if (w->type == WIRE_ADOPTED) {
		sipcall_adopted(sipcall_find(&st->calls, w->id), &st->calls,
				w->id2);
		return;
	}

	if (event_make(&ev, w))
		return;

	call = call_get(st, w);

	if (call && w->strv[WIRE_REPLACES] &&
	    replace_find(&st->rep, &st->calls, &ev, w)) {
		/* nobody has heard of it, so nobody has to know its end */
		(void)sipcall_reject(call, ev.scode, NULL);
		sipcall_detach(call);
		return;
	}

	if (call)
		call_handle(st, call, &ev, w);

	/* the rest of a trace may come after the end */
	else if (w->type == WIRE_LOG || w->type == WIRE_LOST)
		st->h(NULL, &ev, st->arg);
}
