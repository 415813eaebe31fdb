/**
 * @file forward.c  Commands to and from other servers of the farm
 *
 *   server.KEY.command   {id, time, from, command, args, read}
 *   answer               {result} or {errno, reason}
 *
 * both sealed; the answer for that request only. A request that comes a second
 * time, or late, is refused: somebody on the bus may have kept it. Clocks of
 * servers may differ by less than SEEN_S.
 */
#include <string.h>
#include <time.h>
#include <re.h>
#include "server/log.h"
#include "server/offers.h"
#include "server/server.h"
#include "server/settings.h"
#include "bus/bus.h"
#include "noc/client.h"
#include "noc/name.h"
#include "noc/seal.h"
#include "noc/wire.h"
#include "remote/feed.h"
#include "remote/forward_int.h"


/* A command of ours at another server */
struct call {
	struct le le;
	struct forward *f;
	struct bus_req *req;
	command_resp_h *h;
	void *arg;
	char server[NAME_SERVER_MAX];
	char place[NAME_KEY_MAX + 64];     /* the answer is sealed for      */
};

/* A command of another server here */
struct guest {
	struct seal_key *key;              /* referenced                    */
	struct bus_reply *reply;
	char place[NAME_KEY_MAX + 64];
};

struct owner {
	struct le le;
	struct bus_kvop *op;
	forward_owner_h *h;
	void *arg;
};

struct lookup {
	const char *name;
	bool found;
	enum command_kind kind;
};


static void lookup_handler(const char *name, enum command_kind kind,
			   const char *help, void *arg)
{
	struct lookup *lu = arg;
	(void)help;

	if (!str_cmp(name, lu->name)) {
		lu->found = true;
		lu->kind  = kind;
	}
}


/**
 * Does this server have a command?
 *
 * @param srv  Server
 * @param name Name of the command
 * @param kind Set to what it does
 *
 * @return True if so
 */
bool command_kind_get(struct server *srv, const char *name,
		      enum command_kind *kind)
{
	struct lookup lu = {.name = name};

	command_apply(server_commands(srv), lookup_handler, &lu);
	if (lu.found)
		*kind = lu.kind;

	return lu.found;
}


static int subject_make(char *buf, size_t sz, const char *server)
{
	char key[NAME_KEY_MAX];
	int err;

	err = name_key(key, sizeof(key), server, strlen(server));
	if (err)
		return err;

	return re_snprintf(buf, sz, "server.%s.command", key) < 0
		? EOVERFLOW : 0;
}


static void guest_destructor(void *arg)
{
	struct guest *g = arg;

	mem_deref(g->reply);
	mem_deref(g->key);
}


static int answer_make(struct odict **odp, int err, const char *reason,
		       const struct odict *result)
{
	struct odict *od = NULL, *none = NULL;
	int e;

	e  = odict_alloc(&od, 4);
	e |= odict_alloc(&none, 1);
	if (!e && err) {
		e  = odict_entry_add(od, "errno", ODICT_INT, (int64_t)err);
		e |= odict_entry_add(od, "reason", ODICT_STRING,
				     reason ? reason : "");
	}
	else if (!e) {
		e = odict_entry_add(od, "result", ODICT_OBJECT,
				    result ? result : none);
	}
	mem_deref(none);

	if (e)
		mem_deref(od);
	else
		*odp = od;

	return e;
}


static int answer_send(struct guest *g, int err, const char *reason,
		       const struct odict *result)
{
	struct bus_reply *reply = g->reply;
	struct odict *od = NULL;
	uint8_t *buf = NULL;
	size_t n;
	int e;

	e = answer_make(&od, err, reason, result);
	if (!e)
		e = seal_odict(&buf, &n, g->key, g->place, od);
	mem_deref(od);
	if (e)
		return e;

	g->reply = NULL;
	(void)bus_respond(reply, buf, n);
	mem_deref(buf);

	return 0;
}


static void answer_handler(int err, const char *reason,
			   const struct odict *result, void *arg)
{
	struct guest *g = arg;
	const int e = answer_send(g, err, reason, result);

	if (e)
		(void)answer_send(g, EMSGSIZE, "the answer is too large for"
				  " the bus: ask that server itself", NULL);
	mem_deref(g);
}


/* True if it is the first time, and not too late */
static bool is_fresh(struct forward *f, const char *id, uint64_t sent)
{
	const uint64_t now = (uint64_t)time(NULL);
	struct seen *s = &f->seenv[f->seenc % SEEN_MAX];
	unsigned i;

	if (!id || strlen(id) != sizeof(s->id) - 1 ||
	    sent + SEEN_S < now || sent > now + SEEN_S)
		return false;

	for (i=0; i<SEEN_MAX; i++) {
		if (!strcmp(f->seenv[i].id, id))
			return false;
	}

	/* the oldest one could come again */
	if (s->id[0] && s->time + SEEN_S >= now)
		return false;

	str_ncpy(s->id, id, sizeof(s->id));
	s->time = sent;
	++f->seenc;

	return true;
}


static void guest_run(struct forward *f, struct guest *g,
		      const struct odict *od)
{
	const char *name = odict_string(od, "command");
	const char *from = odict_string(od, "from");
	const struct odict_entry *args;
	enum command_kind kind;
	bool read = false;
	int err;

	args = odict_get_type(od, ODICT_OBJECT, "args");
	(void)odict_get_boolean(od, &read, "read");

	if (!name || !from || !args) {
		answer_handler(EBADMSG, "not understood", NULL, g);
		return;
	}
	if (!command_kind_get(f->srv, name, &kind)) {
		answer_handler(ENOSYS, "no such command on that server",
			       NULL, g);
		return;
	}
	if (read && kind != COMMAND_READ) {
		answer_handler(EPERM, "this command changes something",
			       NULL, g);
		return;
	}

	/* without its arguments: one may be a secret */
	if (kind == COMMAND_CHANGE)
		log_event(LOG_NOTICE, "remote", NULL, "command %s, by way of"
			  " %s", name, from);

	err = command_run(server_commands(f->srv), name, args->u.odict,
			  answer_handler, g);
	if (err)
		answer_handler(err, strerror(err), NULL, g);
}


static void command_handler(const char *subject, const uint8_t *buf,
			    size_t len, struct bus_reply *reply, void *arg)
{
	struct forward *f = arg;
	struct odict *od = NULL;
	struct guest *g;
	uint64_t sent = 0;
	const char *id;
	int err;

	if (!reply)
		return;

	g = mem_zalloc(sizeof(*g), guest_destructor);
	if (!g) {
		mem_deref(reply);
		return;
	}

	g->key = mem_ref(f->key);
	g->reply = reply;
	err = seal_open(&od, f->key, subject, buf, len);
	if (err) {
		log_event(LOG_WARN, "remote", NULL,
			  "a command on the bus is not of this farm: %s",
			  strerror(err));
		mem_deref(g);
		return;
	}

	id = odict_string(od, "id");
	(void)odict_get_number(od, &sent, "time");
	if (!is_fresh(f, id, sent)) {
		log_event(LOG_WARN, "remote", NULL, "a command on the bus is"
			  " old: do the servers' clocks differ?");
		mem_deref(g);
	}
	else {
		(void)re_snprintf(g->place, sizeof(g->place), "%s/%s",
				  subject, id);
		guest_run(f, g, od);
	}
	mem_deref(od);
}


static void call_destructor(void *arg)
{
	struct call *c = arg;

	list_unlink(&c->le);
	mem_deref(c->req);
}


static void call_end(struct call *c, int err, const char *reason,
		     const struct odict *result)
{
	command_resp_h *h = c->h;

	c->h = NULL;
	if (h)
		h(err, reason, result, c->arg);
	mem_deref(c);
}


static void resp_handler(int err, const uint8_t *buf, size_t len, void *arg)
{
	struct call *c = arg;
	struct odict *od = NULL;
	const struct odict_entry *result;
	char reason[256];
	uint64_t code = 0;

	if (err) {
		(void)re_snprintf(reason, sizeof(reason), "%s: %s", c->server,
				  err == ENOENT ? "no such server is there" :
				  err == ETIMEDOUT ? "does not answer" :
				  err == ENOTCONN ? "the bus is down" :
				  strerror(err));
		call_end(c, err == ENOENT ? ENODEV : err, reason, NULL);
		return;
	}

	err = seal_open(&od, c->f->key, c->place, buf, len);
	result = err ? NULL : odict_get_type(od, ODICT_OBJECT, "result");
	if (result)
		call_end(c, 0, NULL, result->u.odict);
	else if (!err && odict_get_number(od, &code, "errno") && code &&
		 code < 4096)
		call_end(c, (int)code, odict_string(od, "reason"), NULL);
	else
		call_end(c, EPROTO, "the answer is not understood", NULL);

	mem_deref(od);
}


static int request_make(struct odict **odp, struct forward *f,
			const char *id, const char *name,
			const struct odict *args, bool read)
{
	struct odict *od = NULL, *none = NULL;
	int err;

	err  = odict_alloc(&od, 8);
	err |= odict_alloc(&none, 1);
	if (!err) {
		err |= odict_entry_add(od, "id", ODICT_STRING, id);
		err |= odict_entry_add(od, "time", ODICT_INT,
				       (int64_t)time(NULL));
		err |= odict_entry_add(od, "from", ODICT_STRING,
				       server_name(f->srv));
		err |= odict_entry_add(od, "command", ODICT_STRING, name);
		err |= odict_entry_add(od, "args", ODICT_OBJECT,
				       args ? args : none);
		if (read)
			err |= odict_entry_add(od, "read", ODICT_BOOL, 1);
	}
	mem_deref(none);

	if (err)
		mem_deref(od);
	else
		*odp = od;

	return err;
}


/**
 * Give a command to another server
 *
 * @param f       Forward
 * @param server  Name of the server
 * @param name    Name of the command
 * @param args    Its arguments, or NULL
 * @param read    Only if it changes nothing there
 * @param timeout Longest wait for the answer [ms]
 * @param h       Called once with the answer, later, unless f goes first;
 *                ENODEV: no such server, ENOSYS: it has no such command,
 *                ETIMEDOUT
 * @param arg     Handler argument
 *
 * @return 0 if h will be called; EINVAL; ENOMEM; what the bus says
 */
int forward_run(struct forward *f, const char *server, const char *name,
		const struct odict *args, bool read, uint32_t timeout,
		command_resp_h *h, void *arg)
{
	char subject[NAME_KEY_MAX + 32], id[17];
	struct odict *od = NULL;
	uint8_t *buf = NULL;
	struct call *c;
	size_t n;
	int err;

	if (!f || !server || !name || !h ||
	    !name_valid(server, strlen(server), NAME_SERVER_MAX))
		return EINVAL;

	c = mem_zalloc(sizeof(*c), call_destructor);
	if (!c)
		return ENOMEM;

	c->f = f;
	c->h = h;
	c->arg = arg;
	str_ncpy(c->server, server, sizeof(c->server));
	list_append(&f->callsl, &c->le, c);
	(void)re_snprintf(id, sizeof(id), "%016llx", rand_u64());

	err = subject_make(subject, sizeof(subject), server);
	if (!err)
		err = request_make(&od, f, id, name, args, read);
	if (!err)
		err = seal_odict(&buf, &n, f->key, subject, od);
	if (!err && re_snprintf(c->place, sizeof(c->place), "%s/%s", subject,
				id) < 0)
		err = EOVERFLOW;
	if (!err)
		err = bus_request(&c->req, f->bus, subject, buf, n, timeout,
				  resp_handler, c);

	mem_deref(buf);
	mem_deref(od);
	if (err)
		mem_deref(c);

	return err;
}


static void owner_destructor(void *arg)
{
	struct owner *o = arg;

	list_unlink(&o->le);
	mem_deref(o->op);
}


static void owner_handler(int err, uint64_t rev, const uint8_t *buf,
			  size_t len, void *arg)
{
	struct owner *o = arg;
	struct wire_claim c;
	(void)rev;

	if (!err)
		err = wire_claim_decode(&c, buf, len);

	o->h(err, err ? NULL : c.server, o->arg);
	mem_deref(o);
}


/**
 * Find the server where a conference runs
 *
 * @param f          Forward
 * @param conference Its name
 * @param h          Called once, later, unless f goes first: the name of the
 *                   server, or NULL; ENOENT if it runs nowhere
 * @param arg        Handler argument
 *
 * @return 0 if h will be called
 */
int forward_owner(struct forward *f, const char *conference,
		  forward_owner_h *h, void *arg)
{
	char key[NAME_KEY_MAX];
	struct owner *o;
	int err;

	if (!f || !conference || !h ||
	    !name_valid(conference, strlen(conference),
			CLIENT_CONFERENCE_MAX))
		return EINVAL;

	err = name_key(key, sizeof(key), conference, strlen(conference));
	if (err)
		return err;

	o = mem_zalloc(sizeof(*o), owner_destructor);
	if (!o)
		return ENOMEM;

	o->h = h;
	o->arg = arg;
	list_append(&f->ownerl, &o->le, o);
	err = bus_kv_get(&o->op, f->bus, "conferences", key, owner_handler,
			 o);
	if (err)
		mem_deref(o);

	return err;
}


static void forward_destructor(void *arg)
{
	struct forward *f = arg;

	mem_deref(f->offers);
	mem_deref(f->sub);
	feeds_stop(f);

	/* whoever waits is told, and may not ask again */
	while (f->callsl.head)
		call_end(f->callsl.head->data, ESHUTDOWN, "the server stops",
			 NULL);
	while (f->ownerl.head) {
		struct owner *o = f->ownerl.head->data;

		o->h(ESHUTDOWN, NULL, o->arg);
		mem_deref(o);
	}
	mem_deref(f->key);
}


/**
 * Begin to take commands of other servers, and to give them some
 *
 * @param fp  Pointer to the forward, owned by the caller; when it goes,
 *            everybody who waits is told ESHUTDOWN
 * @param srv Server
 *
 * @return 0 if success
 */
int forward_alloc(struct forward **fp, struct server *srv)
{
	char subject[NAME_KEY_MAX + 32];
	struct forward *f;
	int err;

	if (!fp || !srv)
		return EINVAL;

	f = mem_zalloc(sizeof(*f), forward_destructor);
	if (!f)
		return ENOMEM;

	f->srv = srv;
	f->bus = server_bus(srv);
	err = seal_key_load(&f->key, srv, "remote");
	if (!err)
		err = subject_make(subject, sizeof(subject),
				   server_name(srv));
	if (!err)
		err = bus_subscribe(&f->sub, f->bus, subject,
				    command_handler, f);
	if (!err)
		err = offers_alloc(&f->offers, srv);
	if (!err)
		err = farm_commands(f);
	if (!err)
		err = feeds_offer(f);

	if (err)
		mem_deref(f);
	else
		*fp = f;

	return err;
}
