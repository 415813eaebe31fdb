/**
 * @file noc/mark.c  What registries say of a server, in the bucket "marks"
 */
#include <string.h>
#include <re.h>
#include "noc/client.h"
#include "noc/json.h"
#include "noc/name.h"
#include "noc/mark.h"


static const struct {
	enum mark_state state;
	const char *name, *text;
} statev[] = {
	{MARK_IN_CONTACT, "in-contact", "in contact"},
	{MARK_PLANNED, "planned", "planned out"},
	{MARK_DRAINING, "draining", "draining"},
	{MARK_OUT_OF_SERVICE, "out-of-service", "out of service"},
	{MARK_OUT_OF_CONTACT, "out-of-contact", "out of contact"},
};


/**
 * Name of a state on the bus
 *
 * @param state State
 *
 * @return Its name
 */
const char *mark_state_name(enum mark_state state)
{
	size_t i;

	for (i=0; i<ARRAY_SIZE(statev); i++) {
		if (statev[i].state == state)
			return statev[i].name;
	}

	return "none";
}


/**
 * Name of a state for people
 *
 * @param state State
 *
 * @return Its name
 */
const char *mark_state_text(enum mark_state state)
{
	size_t i;

	for (i=0; i<ARRAY_SIZE(statev); i++) {
		if (statev[i].state == state)
			return statev[i].text;
	}

	return "unknown";
}


/**
 * Write a mark as JSON
 *
 * @param mb Buffer, written from its position on
 * @param m  Mark
 *
 * @return 0 if success; EINVAL; ENOMEM
 */
int mark_encode(struct mbuf *mb, const struct mark *m)
{
	struct odict *od = NULL;
	int err;

	if (!mb || !m || !m->name[0] || m->state == MARK_NONE)
		return EINVAL;

	err = odict_alloc(&od, 8);
	if (err)
		return err;

	err |= odict_entry_add(od, "name", ODICT_STRING, m->name);
	err |= odict_entry_add(od, "state", ODICT_STRING,
			       mark_state_name(m->state));
	err |= odict_entry_add(od, "since", ODICT_INT, (int64_t)m->since);
	err |= odict_entry_add(od, "reason", ODICT_STRING, m->reason);
	err |= odict_entry_add(od, "by", ODICT_STRING, m->by);
	if (!err)
		err = mbuf_printf(mb, "%H", json_print, od);
	mem_deref(od);

	return err;
}


static int members_decode(struct mark *m, const struct odict *od)
{
	const char *name = odict_string(od, "name");
	const char *by = odict_string(od, "by");
	const char *state = odict_string(od, "state");
	const char *reason = odict_string(od, "reason");
	size_t i;

	if (!name || !name_valid(name, strlen(name), sizeof(m->name)) ||
	    !by || !name_valid(by, strlen(by), sizeof(m->by)) || !state)
		return EBADMSG;

	for (i=0; i<ARRAY_SIZE(statev); i++) {
		if (!strcmp(statev[i].name, state))
			m->state = statev[i].state;
	}
	if (m->state == MARK_NONE)
		return EBADMSG;

	str_ncpy(m->name, name, sizeof(m->name));
	str_ncpy(m->by, by, sizeof(m->by));
	str_ncpy(m->reason, reason ? reason : "", sizeof(m->reason));
	for (i=0; m->reason[i]; i++) {
		if ((uint8_t)m->reason[i] < ' ' || m->reason[i] == 0x7f)
			m->reason[i] = '?';
	}
	(void)odict_get_number(od, &m->since, "since");

	return 0;
}


/**
 * Read a mark
 *
 * @param m   Mark
 * @param buf JSON
 * @param len Its length [bytes]
 *
 * @return 0 if success; EBADMSG; EOVERFLOW; EINVAL; ENOMEM
 */
int mark_decode(struct mark *m, const uint8_t *buf, size_t len)
{
	struct odict *od = NULL;
	int err;

	if (!m || !buf)
		return EINVAL;
	if (len > MARK_RECORD_MAX)
		return EOVERFLOW;

	memset(m, 0, sizeof(*m));
	err = json_object_decode(&od, (const char *)buf, len);
	if (err)
		return err == EINVAL ? EBADMSG : err;

	err = members_decode(m, od);
	mem_deref(od);

	return err;
}
