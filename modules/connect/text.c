/**
 * @file text.c  Text for members
 *
 * Whoever is on its way to another server cannot be told anything: text waits
 * here until it stays after all, or goes after it:
 *
 *   leg_save ... text, text ... leg_thaw:    it is sent
 *                               leg_texts:   and leg_release; there leg_text
 *   leg_adopt ... text ... answered:         it is sent
 *
 * What is said while some of a conference are at other servers goes there,
 * too: "connect.text", and there room_text. So a text may come to a member on
 * several ways, and by servers that it has left: every text has a number, and
 * a member remembers those that it had last; its seat takes them along.
 */
#include <string.h>
#include <re.h>
#include "server/event.h"
#include "server/log.h"
#include "server/server.h"
#include "server/service.h"
#include "noc/base64url.h"
#include "noc/json.h"
#include "noc/seat.h"
#include "connect/connect.h"
#include "connect/room.h"


enum {
	TEXTS_MAX = 16,            /* wait for one member                   */
	TYPE_MAX  = 128,           /* bytes of a MIME type                  */
};

struct text {
	uint32_t id;               /* random, never 0                       */
	unsigned sender;           /* member who said it                    */
	const char *from, *type, *text;
};

/* A text that waits */
struct held {
	struct le le;              /* in member.textl                       */
	struct text t;
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


static void hold(struct member *m, const struct text *t)
{
	struct held *h = NULL;
	int err = ENOSPC;

	if (list_count(&m->textl) < TEXTS_MAX) {
		h = mem_zalloc(sizeof *h, held_destructor);
		err = h ? 0 : ENOMEM;
	}
	if (!err)
		err = str_dup(&h->from, t->from ? t->from : "");
	if (!err)
		err = str_dup(&h->type, t->type);
	if (!err)
		err = str_dup(&h->text, t->text);

	if (err) {
		log_trace(m->room->c->rule->name,
			  client_join(m->client)->callid,
			  "a text is lost: %s", strerror(err));
		mem_deref(h);
		return;
	}

	h->t = *t;
	h->t.from = h->from;
	h->t.type = h->type;
	h->t.text = h->text;
	list_append(&m->textl, &h->le, h);
}


/* True: it has had that one. */
static bool seen(struct member *m, uint32_t id)
{
	for (unsigned i = 0; i < m->seenc; i++)
		if (m->seenv[i] == id)
			return true;

	if (m->seenc == ARRAY_SIZE(m->seenv))
		memmove(m->seenv, m->seenv + 1,
			--m->seenc * sizeof m->seenv[0]);
	m->seenv[m->seenc++] = id;

	return false;
}


static void text_send(struct member *m, const struct text *t)
{
	(void)client_text(m->client, str_isset(t->from) ? t->from : NULL,
			  t->type, t->text);
}


static void text_to(struct member *m, const struct text *t)
{
	if (m->id == t->sender || seen(m, t->id))
		return;

	if (m->frozen || m->adoption)
		hold(m, t);
	else
		text_send(m, t);
}


static void text_all(const struct room *room, const struct text *t)
{
	struct le *le;

	LIST_FOREACH(&room->memberl, le) {
		struct member *m = le->data;

		if (m->joined_usec || m->adoption)
			text_to(m, t);
	}
}


static int text_add(struct odict *od, unsigned ix, const struct text *t)
{
	const size_t n = strlen(t->text);
	struct odict *one = NULL;
	char key[16], *b64;
	int err;

	/* it may be anything but JSON's UTF-8 */
	b64 = mem_zalloc(4 * n / 3 + 3, NULL);
	if (!b64)
		return ENOMEM;

	(void)base64url_encode(b64, (const uint8_t *)t->text, n);
	(void)re_snprintf(key, sizeof key, "%u", ix);

	err = odict_alloc(&one, 8);
	if (!err)
		err = odict_entry_add(one, "id", ODICT_INT, (int64_t)t->id);
	if (!err)
		err = odict_entry_add(one, "sender", ODICT_INT,
				      (int64_t)t->sender);
	if (!err)
		err = odict_entry_add(one, "from", ODICT_STRING,
				      t->from && json_utf8(t->from)
				      ? t->from : "");
	if (!err)
		err = odict_entry_add(one, "type", ODICT_STRING,
				      json_utf8(t->type) ? t->type
				      : "text/plain");
	if (!err)
		err = odict_entry_add(one, "text", ODICT_STRING, b64);
	if (!err)
		err = odict_entry_add(od, key, ODICT_OBJECT, one);

	mem_deref(one);
	mem_deref(b64);

	return err;
}


/* What is said here is to be said at the other servers, too. */
static void text_fire(const struct room *room, const struct text *t)
{
	struct connect_text ct = {.conference = room->name};
	struct odict *od;
	int err;

	err = odict_alloc(&od, 1);
	if (!err)
		err = text_add(od, 0, t);
	if (!err) {
		ct.texts = od;
		event_fire(server_events(service_server(room->c->svc)),
			   &(struct event){.name = "connect.text",
					   .data = &ct});
	}

	mem_deref(od);
}


/**
 * Pass a member's text message on to all others in the conference
 *
 * @param from Sender
 * @param type MIME type of the text
 * @param text The message
 */
void member_text(struct member *from, const char *type, const char *text)
{
	struct text t = {.type = type, .text = text};

	if (!from || !type || !text)
		return;

	t.id = rand_u32() | 1;
	t.sender = from->id;
	t.from = client_join(from->client)->name;
	text_all(from->room, &t);

	if (room_parted(from->room))
		text_fire(from->room, &t);
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

		text_send(m, &h->t);
		mem_deref(h);
	}
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

	for (le = m->textl.head; le && !err; le = le->next) {
		const struct held *h = le->data;

		err = text_add(od, n++, &h->t);
	}

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


static uint32_t number_of(const struct odict *od, const char *key)
{
	uint64_t val;

	return odict_get_number(od, &val, key) && val <= UINT32_MAX
		? (uint32_t)val : 0;
}


static int text_take(const struct odict *od, struct room *room,
		     struct member *m)
{
	const char *from = odict_string(od, "from");
	const char *type = odict_string(od, "type");
	const char *b64  = odict_string(od, "text");
	uint8_t buf[CLIENT_TEXT_MAX + 1];
	struct text t;
	size_t n;

	if (!from || !type || !b64 || !*type || !is_plain(type, TYPE_MAX) ||
	    !is_plain(from, CLIENT_USER_MAX) ||
	    base64url_decode(buf, CLIENT_TEXT_MAX, &n, b64, strlen(b64)) ||
	    memchr(buf, '\0', n))
		return EBADMSG;

	buf[n] = '\0';
	t = (struct text){
		.id = number_of(od, "id"), .sender = number_of(od, "sender"),
		.from = from, .type = type, .text = (const char *)buf,
	};
	if (!t.id)
		return EBADMSG;

	if (m)
		text_to(m, &t);
	else
		text_all(room, &t);

	return 0;
}


/* 0 if any of them makes sense */
static int texts_take(const struct odict *od, struct room *room,
		      struct member *m)
{
	int err = EBADMSG;
	unsigned n = 0;
	struct le *le;

	for (le = od->lst.head; le && n < TEXTS_MAX; le = le->next) {
		const struct odict_entry *e = le->data;

		if (e->type != ODICT_OBJECT)
			continue;

		++n;
		if (!text_take(e->u.odict, room, m))
			err = 0;
	}

	return err;
}


/**
 * Give a leg that has come from another server the text that waited for it
 * there; what it has had already it does not get again
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

	if (!od)
		return EBADMSG;
	if (!m)
		return ENOENT;

	return texts_take(od, m->room, m);
}


/**
 * Something was said in a part of a conference that is at another server: all
 * who are here are told, but for those who have had it already
 *
 * @param c          Connect service
 * @param conference Its name
 * @param od         What "connect.text" told there
 *
 * @return 0 if success; ENOENT if it is not here; EBADMSG
 */
int room_text(struct connect *c, const char *conference,
	      const struct odict *od)
{
	struct room *room = room_find(c, conference);

	if (!od)
		return EBADMSG;
	if (!room)
		return ENOENT;

	return texts_take(od, room, NULL);
}
