/**
 * @file noc/node.c  What a server says about itself in the bucket "nodes"
 */
#include <string.h>
#include <re.h>
#include "noc/client.h"
#include "noc/json.h"
#include "noc/name.h"
#include "noc/node.h"


enum { INSTANCE_LEN = 16 };    /* hex digits                            */


static int services_array(struct odict **odp, const char *services)
{
	struct odict *array = NULL;
	unsigned n = 0;
	int err;

	err = odict_alloc(&array, 16);
	while (!err && *services) {
		const size_t len = strcspn(services, ",");
		char key[16], name[64];
		const struct pl pl = {services, len};

		services += len + (services[len] == ',');
		if (!len || pl_strcpy(&pl, name, sizeof(name)))
			continue;

		(void)re_snprintf(key, sizeof(key), "%u", n++);
		err = odict_entry_add(array, key, ODICT_STRING, name);
	}

	if (err)
		mem_deref(array);
	else
		*odp = array;

	return err;
}


/**
 * Write a record as JSON
 *
 * @param mb Buffer, written from its position on
 * @param nr Record
 *
 * @return 0 if success; EINVAL; ENOMEM
 */
int node_record_encode(struct mbuf *mb, const struct node_record *nr)
{
	char instance[INSTANCE_LEN + 1];
	struct odict *od = NULL, *services = NULL;
	int err;

	if (!mb || !nr || !nr->name[0] || !nr->instance)
		return EINVAL;

	(void)re_snprintf(instance, sizeof(instance), "%016llx",
			  nr->instance);
	err  = odict_alloc(&od, 16);
	err |= services_array(&services, nr->services);
	if (err)
		goto out;

	err |= odict_entry_add(od, "name", ODICT_STRING, nr->name);
	err |= odict_entry_add(od, "instance", ODICT_STRING, instance);
	err |= odict_entry_add(od, "services", ODICT_ARRAY, services);
	err |= odict_entry_add(od, "version", ODICT_STRING, nr->version);
	err |= odict_entry_add(od, "started", ODICT_INT,
			       (int64_t)nr->started);
	err |= odict_entry_add(od, "sip", ODICT_STRING, nr->sip);
	err |= odict_entry_add(od, "beat", ODICT_STRING, nr->beat);
	if (nr->left)
		err |= odict_entry_add(od, "left", ODICT_BOOL, 1);
	if (!err)
		err = mbuf_printf(mb, "%H", json_print, od);

 out:
	mem_deref(services);
	mem_deref(od);

	return err;
}


/**
 * Read the number of an instance
 *
 * @param instance Its number, not 0
 * @param str      16 hex digits
 *
 * @return 0 if success; EBADMSG
 */
int node_instance_decode(uint64_t *instance, const char *str)
{
	uint64_t v = 0;
	size_t i;

	if (!instance || !str || strlen(str) != INSTANCE_LEN)
		return EBADMSG;

	for (i=0; i<INSTANCE_LEN; i++) {
		const char ch = str[i];

		if (ch >= '0' && ch <= '9')
			v = v << 4 | (uint64_t)(ch - '0');
		else if (ch >= 'a' && ch <= 'f')
			v = v << 4 | (uint64_t)(ch - 'a' + 10);
		else
			return EBADMSG;
	}

	if (!v)
		return EBADMSG;

	*instance = v;

	return 0;
}


static bool word_valid(const char *s)
{
	return s[0] && !s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-_")];
}


static int services_decode(char *buf, size_t sz, const struct odict *od)
{
	const struct odict_entry *e;
	const struct le *le;
	size_t n = 0;

	buf[0] = '\0';
	e = odict_get_type(od, ODICT_ARRAY, "services");
	if (!e)
		return EBADMSG;

	for (le = e->u.odict->lst.head; le; le = le->next) {
		const struct odict_entry *s = le->data;
		size_t len;

		if (s->type != ODICT_STRING || !word_valid(s->u.str))
			return EBADMSG;

		len = strlen(s->u.str);
		if (n + len + 2 > sz)
			return EOVERFLOW;
		if (n)
			buf[n++] = ',';
		memcpy(buf + n, s->u.str, len + 1);
		n += len;
	}

	return 0;
}


/* Text without what a terminal or a log would take amiss; missing: empty */
static int text_decode(char *buf, size_t sz, const struct odict *od,
		       const char *key)
{
	const char *s = odict_string(od, key);
	size_t i;

	if (!s)
		s = "";
	if (strlen(s) >= sz)
		return EOVERFLOW;

	for (i=0; s[i]; i++) {
		if ((uint8_t)s[i] <= ' ' || (uint8_t)s[i] >= 0x7f)
			return EBADMSG;
	}

	str_ncpy(buf, s, sz);

	return 0;
}


static int members_decode(struct node_record *nr, const struct odict *od)
{
	const char *name = odict_string(od, "name");
	struct sa sa;
	int err;

	if (!name || !name_valid(name, strlen(name), sizeof(nr->name)))
		return EBADMSG;

	str_ncpy(nr->name, name, sizeof(nr->name));
	err = node_instance_decode(&nr->instance,
				   odict_string(od, "instance"));
	if (!err)
		err = services_decode(nr->services, sizeof(nr->services), od);
	if (!err)
		err = text_decode(nr->version, sizeof(nr->version), od,
				  "version");
	if (!err)
		err = text_decode(nr->sip, sizeof(nr->sip), od, "sip");
	if (!err)
		err = text_decode(nr->beat, sizeof(nr->beat), od, "beat");
	if (err)
		return err;

	if (nr->sip[0] && !name_contact_valid(nr->sip, strlen(nr->sip)))
		return EBADMSG;

	if (nr->beat[0] && (sa_decode(&sa, nr->beat, strlen(nr->beat)) ||
			    !sa_port(&sa) || sa_is_any(&sa)))
		return EBADMSG;

	(void)odict_get_number(od, &nr->started, "started");
	(void)odict_get_boolean(od, &nr->left, "left");

	return 0;
}


/**
 * Read a record
 *
 * @param nr  Record
 * @param buf JSON
 * @param len Its length [bytes]
 *
 * @return 0 if success; EBADMSG if it is none; EOVERFLOW if it is too large;
 *         EINVAL; ENOMEM
 */
int node_record_decode(struct node_record *nr, const uint8_t *buf, size_t len)
{
	struct odict *od = NULL;
	int err;

	if (!nr || !buf)
		return EINVAL;
	if (len > NODE_RECORD_MAX)
		return EOVERFLOW;

	memset(nr, 0, sizeof(*nr));
	err = json_object_decode(&od, (const char *)buf, len);
	if (err)
		return err == EINVAL ? EBADMSG : err;

	err = members_decode(nr, od);
	mem_deref(od);

	return err;
}


/**
 * Does a server run a service?
 *
 * @param services Names with commas between
 * @param service  Name
 *
 * @return True if so
 */
bool node_has_service(const char *services, const char *service)
{
	const size_t n = str_len(service);

	while (services && *services && n) {
		const size_t len = strcspn(services, ",");

		if (len == n && !memcmp(services, service, n))
			return true;

		services += len + (services[len] == ',');
	}

	return false;
}


/**
 * Name of a state, as operators see it
 *
 * @param state State
 *
 * @return "new", "up", "down", "left" or "unknown"
 */
const char *node_state_name(enum node_state state)
{
	switch (state) {

	case NODE_NEW:  return "new";
	case NODE_UP:   return "up";
	case NODE_DOWN: return "down";
	case NODE_LEFT: return "left";
	default:        return "unknown";
	}
}
