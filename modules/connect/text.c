/**
 * @file text.c  Text for members
 *
 * Whoever is on its way to another server cannot be told anything: text waits
 * here until it stays after all, or goes after it:
 *
 *   leg_save ... text, text ... leg_thaw:    it is sent
 *                               leg_texts:   and leg_release; there leg_text
 *   leg_adopt ... text ... answered:         it is sent
 */
#include <string.h>
#include <re.h>
#include "server/log.h"
#include "noc/base64url.h"
#include "noc/json.h"
#include "connect/connect.h"
#include "connect/room.h"


enum {
	TEXTS_MAX = 16,            /* wait for one member                   */
	TYPE_MAX  = 128,           /* bytes of a MIME type                  */
};

/* A text that waits */
struct held {
	struct le le;              /* in member.textl                       */
	char *from, *type, *text;
};


static void held_destructor(void *data)
{
	struct held *h = data;

	list_unlink(&h->le);
	mem_deref(h->from);
	mem_deref(h->type);
	mem_deref(h->text);
}


static void hold(struct member *m, const char *from, const char *type,
		 const char *text)
{
	struct held *h = NULL;
	int err = ENOSPC;

	if (list_count(&m->textl) < TEXTS_MAX) {
		h = mem_zalloc(sizeof *h, held_destructor);
		err = h ? 0 : ENOMEM;
	}
	if (!err)
		err = str_dup(&h->from, from);
	if (!err)
		err = str_dup(&h->type, type);
	if (!err)
		err = str_dup(&h->text, text);

	if (err) {
		log_trace(m->room->c->rule->name,
			  client_join(m->client)->callid,
			  "a text is lost: %s", strerror(err));
		mem_deref(h);
		return;
	}

	list_append(&m->textl, &h->le, h);
}


static void text_to(struct member *m, const char *from, const char *type,
		    const char *text)
{
	if (m->frozen || m->adoption)
		hold(m, from, type, text);
	else
		(void)client_text(m->client, from, type, text);
}


/**
 * Pass a member's text message on to all others in the room
 *
 * @param from Sender
 * @param type MIME type of the text
 * @param text The message
 */
void member_text(struct member *from, const char *type, const char *text)
{
	struct le *le;

	if (!from || !type || !text)
		return;

	LIST_FOREACH(&from->room->memberl, le) {
		struct member *m = le->data;

		if (m != from && (m->joined_usec || m->adoption))
			text_to(m, client_join(from->client)->name, type,
				text);
	}
}


/**
 * A member is ours now, or still: send it the text that waited
 *
 * @param m Member
 */
void member_text_flush(struct member *m)
{
	struct le *le;

	while ((le = m->textl.head)) {
		struct held *h = le->data;

		(void)client_text(m->client, h->from, h->type, h->text);
		mem_deref(h);
	}
}


static int held_add(struct odict *od, unsigned ix, const struct held *h)
{
	const size_t n = strlen(h->text);
	struct odict *one = NULL;
	char key[16], *b64;
	int err;

	/* it may be anything but JSON's UTF-8 */
	b64 = mem_zalloc(4 * n / 3 + 3, NULL);
	if (!b64)
		return ENOMEM;

	(void)base64url_encode(b64, (const uint8_t *)h->text, n);
	(void)re_snprintf(key, sizeof key, "%u", ix);

	err = odict_alloc(&one, 4);
	if (!err)
		err = odict_entry_add(one, "from", ODICT_STRING,
				      json_utf8(h->from) ? h->from : "");
	if (!err)
		err = odict_entry_add(one, "type", ODICT_STRING,
				      json_utf8(h->type) ? h->type
				      : "text/plain");
	if (!err)
		err = odict_entry_add(one, "text", ODICT_STRING, b64);
	if (!err)
		err = odict_entry_add(od, key, ODICT_OBJECT, one);

	mem_deref(one);
	mem_deref(b64);

	return err;
}


/**
 * Take the text that waits for a leg on its way to another server
 *
 * @param c      Connect service
 * @param callid Its Call-ID
 * @param odp    Set to the texts, for leg_text there; owned by the caller
 *
 * @return 0 if success; ENOENT if there is none; ENOMEM
 */
int leg_texts(struct connect *c, const char *callid, struct odict **odp)
{
	struct member *m = member_callid(c, callid);
	struct odict *od;
	unsigned n = 0;
	struct le *le;
	int err;

	if (!odp)
		return EINVAL;
	if (!m || list_isempty(&m->textl))
		return ENOENT;

	err = odict_alloc(&od, TEXTS_MAX);
	if (err)
		return err;

	err = odict_entry_add(od, "id", ODICT_INT,
			      (int64_t)(rand_u32() | 1));
	for (le = m->textl.head; le && !err; le = le->next)
		err = held_add(od, n++, le->data);

	if (err) {
		mem_deref(od);
		return err;
	}

	list_flush(&m->textl);
	*odp = od;

	return 0;
}


static bool is_plain(const char *str, size_t max)
{
	if (strlen(str) >= max)
		return false;

	for (; *str; str++)
		if ((uint8_t)*str < 0x20 || *str == 0x7f)
			return false;

	return true;
}


static void one_take(struct member *m, const struct odict *od)
{
	const char *from = odict_string(od, "from");
	const char *type = odict_string(od, "type");
	const char *b64  = odict_string(od, "text");
	uint8_t text[CLIENT_TEXT_MAX + 1];
	size_t n;

	if (!from || !type || !b64 || !*type || !is_plain(type, TYPE_MAX) ||
	    !is_plain(from, CLIENT_USER_MAX) ||
	    base64url_decode(text, CLIENT_TEXT_MAX, &n, b64, strlen(b64)) ||
	    memchr(text, '\0', n))
		return;

	text[n] = '\0';
	text_to(m, *from ? from : NULL, type, (const char *)text);
}


/**
 * Give a leg that has come from another server the text that waited for it
 * there. The same texts are given once
 *
 * @param c      Connect service
 * @param callid Its Call-ID
 * @param od     What leg_texts took there
 *
 * @return 0 if success; ENOENT if it is not here; EBADMSG
 */
int leg_text(struct connect *c, const char *callid, const struct odict *od)
{
	struct member *m = member_callid(c, callid);
	unsigned n = 0;
	struct le *le;
	uint64_t id;

	if (!od || !odict_get_number(od, &id, "id"))
		return EBADMSG;
	if (!m)
		return ENOENT;
	if (m->texts_id == (uint32_t)id)
		return 0;

	m->texts_id = (uint32_t)id;
	for (le = od->lst.head; le && n < TEXTS_MAX; le = le->next) {
		const struct odict_entry *e = le->data;

		if (e->type == ODICT_OBJECT) {
			one_take(m, e->u.odict);
			++n;
		}
	}

	return 0;
}
