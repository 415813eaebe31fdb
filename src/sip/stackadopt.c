/**
 * @file stackadopt.c  Dialogs of other servers, and those that nobody knows
 */
#include <string.h>
#include <re.h>
#include "sip/stack.h"
#include "sip/proxy.h"
#include "sip/dialogtext.h"
#include "sip/redirect.h"
#include "sip/stack_int.h"


/* Where what the phone sends in this dialog arrives */
static struct agent *agent_of(const struct sipstack *st,
			      const struct dialogtext *d)
{
	unsigned ix = 0;

	if (strcmp(d->transport, "tcp"))
		ix = redirect_owner(st->sh.redirect, d->callid,
				    strlen(d->callid));

	return st->agentv[ix < st->agentc ? ix : 0];
}


/**
 * Take a dialog of another server over. Nothing is sent until something is
 * asked of the call. If the signalling thread cannot make a dialog of it,
 * SIPCALL_END follows
 *
 * @param st    Stack
 * @param callp Set to the call, established and answered; not a reference
 * @param d     Dialog, as it was read
 *
 * @return 0; EEXIST if there is this dialog already;
 *         ENOTCONN if the phone can be reached over the other server's
 *         connection only; EOVERFLOW if there are too many calls; otherwise
 *         errorcode
 */
int sipstack_adopt(struct sipstack *st, struct sipcall **callp,
		   const struct dialogtext *d)
{
	const char *strv[WIRE_STRC] = {0};
	struct sipcall *call;
	struct wire *w;
	size_t len;
	char *text;
	int err;

	if (!st || !callp || !d)
		return EINVAL;

	if (sipcall_find_callid(&st->calls, d->callid, d->local_tag,
				!dialogtext_is_call(d)))
		return EEXIST;

	if (!strcmp(d->transport, "tcp") && d->nat && !d->routec)
		return ENOTCONN;

	if (atomic_load(&st->sh.calls) >= st->sh.max_calls)
		return EOVERFLOW;

	text = mem_alloc(DIALOGTEXT_MAX, NULL);
	if (!text)
		return ENOMEM;

	err = dialogtext_encode(text, DIALOGTEXT_MAX, &len, d);
	if (err)
		goto out;

	strv[WIRE_BODY] = text;
	w = wire_alloc(WIRE_ADOPT, ++st->token, strv, NULL);
	if (!w) {
		err = ENOMEM;
		goto out;
	}

	err = sipcall_alloc(&call, &st->calls, agent_of(st, d), st->token,
			    d->callid, dialogtext_is_call(d) ? WIRE_JOIN
			    : WIRE_SUBSCRIBE);
	if (!err)
		err = sipcall_tags_set(call, d->local_tag, d->remote_tag);
	if (err) {
		wire_free(w);
		goto out;
	}

	sipcall_adopting(call);
	agent_push(agent_of(st, d), w);
	*callp = call;

 out:
	mem_deref(text);

	return err;
}


/**
 * Nobody knows the dialog that SIPCALL_LOST told of
 *
 * @param st Stack
 * @param id As the event told
 *
 * @return 0 or errno
 */
int sipstack_lost_no(struct sipstack *st, uint64_t id)
{
	const uint64_t ix = id >> 56;
	struct wire *w;

	if (!st || !ix || ix > st->agentc)
		return EINVAL;

	w = wire_alloc(WIRE_LOST_NO, id, NULL, NULL);
	if (!w)
		return ENOMEM;

	agent_push(st->agentv[ix - 1], w);

	return 0;
}
