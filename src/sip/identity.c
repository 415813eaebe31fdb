/**
 * @file identity.c  Who asks for what: a request as plain strings
 *
 * conference: user part of the request URI
 * ticket:     its parameter `ticket`
 * account:    its parameter `account`; else, if peers are trusted to say who
 *             somebody is, the user part of P-Asserted-Identity (RFC 3325)
 * user:       user@host of From
 * name:       display name of From
 * info:       User-Agent
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sofia-sip/url.h>
#include "sip/leg.h"

/* lengths with the final zero, as in noc/client.h */
enum {
	CONF_MAX    = 128,
	ACCOUNT_MAX = 64,
	USER_MAX    = 128,
	NAME_MAX_   = 128,
	INFO_MAX    = 256,
	TICKET_MAX  = 128,
	CALLID_MAX  = 256,
};

struct identity {
	char conf[CONF_MAX];
	char account[ACCOUNT_MAX];
	char user[USER_MAX];
	char name[NAME_MAX_];
	char info[INFO_MAX];
	char ticket[TICKET_MAX];
};


/* Control characters would let a name forge lines of logs and headers. */
static bool printable(const char *s)
{
	for (; *s; s++) {
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	}

	return true;
}


static bool unescape(char *dst, size_t sz, const char *src)
{
	if (!src || strlen(src) >= sz || strstr(src, "%00"))
		return false;

	url_unescape(dst, src);

	return printable(dst);
}


static void clean_copy(char *dst, size_t sz, const char *src)
{
	size_t n = 0;

	for (; src && *src && n + 1 < sz; src++) {
		if ((unsigned char)*src >= 0x20 && *src != 0x7f)
			dst[n++] = *src;
	}

	dst[n] = '\0';
}


/**
 * Copy a display name without its quotes and escapes, and without control
 * characters; one that is too long is cut, not within a UTF-8 character
 *
 * @param dst Copy, ends with a zero
 * @param sz  Its size [bytes]
 * @param src As nta has it, or NULL
 */
void identity_display(char *dst, size_t sz, const char *src)
{
	size_t n = 0;
	bool quoted = false;

	if (src && *src == '"') {
		quoted = true;
		++src;
	}

	for (; src && *src && n + 1 < sz; src++) {

		if (quoted && *src == '"')
			break;
		if (quoted && *src == '\\' && src[1])
			++src;

		if ((unsigned char)*src >= 0x20 && *src != 0x7f)
			dst[n++] = *src;
	}

	/* bytes of a character whose end did not fit */
	if (n + 1 >= sz && src && ((unsigned char)*src & 0xc0) == 0x80) {
		while (n && ((unsigned char)dst[n - 1] & 0xc0) == 0x80)
			--n;
		if (n)
			--n;
	}

	while (n && dst[n - 1] == ' ')
		--n;

	dst[n] = '\0';
}


static bool param_get(char *dst, size_t sz, const url_t *url,
		      const char *name)
{
	char buf[256];
	isize_t n;

	dst[0] = '\0';

	if (!url->url_params)
		return true;

	n = url_param(url->url_params, name, buf, sizeof(buf));
	if (!n)
		return true;

	return n <= (isize_t)sizeof(buf) && unescape(dst, sz, buf);
}


static void asserted_get(struct identity *id, sip_t const *sip)
{
	const sip_unknown_t *un;

	for (un = sip->sip_unknown; un; un = un->un_next) {

		const char *p, *end;
		char buf[ACCOUNT_MAX];
		size_t n;

		if (strcasecmp(un->un_name, "P-Asserted-Identity"))
			continue;

		p = strstr(un->un_value, "sip:");
		end = p ? strchr(p, '@') : NULL;
		n = end ? (size_t)(end - p - 4) : 0;

		if (!n || n >= sizeof(buf))
			continue;

		memcpy(buf, p + 4, n);
		buf[n] = '\0';
		if (!unescape(id->account, sizeof(id->account), buf))
			id->account[0] = '\0';

		return;
	}
}


static const char *identity_get(struct identity *id, const struct agent *ag,
				sip_t const *sip)
{
	const url_t *url = sip->sip_request->rq_url;
	const url_t *from = sip->sip_from->a_url;
	char user[USER_MAX] = "";
	int n;

	memset(id, 0, sizeof(*id));

	if (strlen(sip->sip_call_id->i_id) >= CALLID_MAX)
		return "Call-ID Too Long";

	if (!url->url_user || !*url->url_user)
		id->conf[0] = '\0';
	else if (!unescape(id->conf, sizeof(id->conf), url->url_user))
		return "Bad Conference Name";

	if (!param_get(id->ticket, sizeof(id->ticket), url, "ticket"))
		return "Bad Ticket";

	if (!param_get(id->account, sizeof(id->account), url, "account"))
		return "Bad Account";

	if (!id->account[0] && ag->sh->trust_asserted)
		asserted_get(id, sip);

	if (from->url_user && !unescape(user, sizeof(user), from->url_user))
		return "Bad From User";

	n = snprintf(id->user, sizeof(id->user), "%s%s%s", user,
		     user[0] ? "@" : "", from->url_host ? from->url_host :"");
	if (n < 0 || (size_t)n >= sizeof(id->user))
		return "From Too Long";

	identity_display(id->name, sizeof(id->name), sip->sip_from->a_display);
	if (!id->name[0])
		clean_copy(id->name, sizeof(id->name),
			   user[0] ? user : id->user);

	if (sip->sip_user_agent)
		clean_copy(id->info, sizeof(id->info),
			   sip->sip_user_agent->g_string);

	return NULL;
}


static void source_get(union wire_addr *src, nta_incoming_t *irq)
{
	msg_t *msg = nta_incoming_getrequest(irq);
	const su_sockaddr_t *su;

	if (!msg)
		return;

	su = msg_addr(msg);
	if (su->su_family == AF_INET)
		src->in = su->su_sin;
	else if (su->su_family == AF_INET6)
		src->in6 = su->su_sin6;

	msg_destroy(msg);
}


/**
 * Make the message that tells the main thread who asks for what
 *
 * @param ag   Agent
 * @param type Of the message
 * @param id   Of the leg
 * @param irq  Server transaction
 * @param sip  Request
 * @param bad  Set to what to answer if NULL is returned
 *
 * @return Message without a body, owned by the caller, or NULL
 */
struct wire *identity_wire(struct agent *ag, enum wire_type type,
			   uint64_t id, nta_incoming_t *irq,
			   sip_t const *sip, struct reply *bad)
{
	const sip_payload_t *pl = sip->sip_payload;
	const char *strv[WIRE_STRC] = {0};
	size_t lenv[WIRE_STRC] = {0};
	struct identity who;
	struct wire *w;
	const char *err;

	err = identity_get(&who, ag, sip);
	if (err) {
		bad->scode  = 400;
		bad->phrase = err;
		return NULL;
	}

	strv[WIRE_CALLID]  = sip->sip_call_id->i_id;
	strv[WIRE_CONF]    = who.conf;
	strv[WIRE_ACCOUNT] = who.account;
	strv[WIRE_USER]    = who.user;
	strv[WIRE_NAME]    = who.name;
	strv[WIRE_INFO]    = who.info;
	strv[WIRE_TICKET]  = who.ticket;
	if (sip->sip_content_type)
		strv[WIRE_CTYPE] = sip->sip_content_type->c_type;
	if (type == WIRE_JOIN && sip->sip_replaces) {
		strv[WIRE_REPLACES] = sip->sip_replaces->rp_call_id;
		strv[WIRE_LTAG]     = sip->sip_replaces->rp_to_tag;
		strv[WIRE_RTAG]     = sip->sip_replaces->rp_from_tag;
	}

	for (int i = 0; i < WIRE_STRC; i++)
		lenv[i] = strv[i] ? strlen(strv[i]) : 0;

	if (pl && pl->pl_len) {
		strv[WIRE_BODY] = pl->pl_data;
		lenv[WIRE_BODY] = pl->pl_len;
	}

	w = wire_alloc(type, id, strv, lenv);
	if (!w) {
		bad->scode  = 503;
		bad->phrase = NULL;
		return NULL;
	}

	w->flag = sip->sip_replaces && sip->sip_replaces->rp_early_only;
	source_get(&w->src, irq);

	return w;
}


/**
 * Make the Contact that a dialog of ours carries: a focus (RFC 4579) at the
 * address where the request came in
 *
 * @param lg   Leg
 * @param user User part, escaped, "" or NULL
 *
 * @return Contact header value, which the caller frees, or NULL
 */
char *identity_contact(const struct leg *lg, const char *user)
{
	const tp_name_t *tpn = lg->tport ? tport_name(lg->tport) : NULL;
	char buf[512];
	bool six;
	int n;

	if (!tpn)
		return NULL;

	six = strchr(tpn->tpn_canon, ':') && tpn->tpn_canon[0] != '[';

	n = snprintf(buf, sizeof(buf), "<sip:%s%s%s%s%s:%s%s>;isfocus",
		     user ? user : "", user && *user ? "@" : "",
		     six ? "[" : "", tpn->tpn_canon, six ? "]" : "",
		     tpn->tpn_port,
		     strcasecmp(tpn->tpn_proto, "tcp") ? ""
		     : ";transport=tcp");

	return n < 0 || (size_t)n >= sizeof(buf) ? NULL : strdup(buf);
}
