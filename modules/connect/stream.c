/**
 * @file stream.c  The streams to and from a member, as its seat has them
 *
 * The numbers are the mesh's, the way to write them down is that of seats;
 * neither knows of the other. One table ties them together.
 */
#include <stddef.h>
#include <re.h>
#include "noc/fields.h"
#include "mesh/mesh.h"
#include "connect/stream.h"


#define F(name, type, member, min, max) \
	{name, type, offsetof(struct mesh_stream, member), min, max}
#define U32(member) F(#member, FIELD_U32, member, 0, UINT32_MAX)
#define U64(member) F(#member, FIELD_U64, member, 0, 0)

static const struct field stream_fields[] = {
	U64(age),
	F("ssrc", FIELD_U32, ssrc, 1, UINT32_MAX),
	U32(ts),
	F("step", FIELD_U32, step, 0, 48000),
	F("ptime", FIELD_U32, ptime, 0, 60),
	F("seq", FIELD_U16, seq, 0, UINT16_MAX),
	F("pt", FIELD_U8, pt, 0, 127),
	F("on", FIELD_BOOL, on, 0, 0),
	U32(psent), U32(osent), U64(tx_packets), U64(tx_bytes),
	U32(tx_lost), U32(rtt),
	U64(rx_packets), U64(rx_bytes), U32(rx_ssrc), U32(rx_ext_seq),
	U32(rx_expected), U32(rx_lost), U32(rx_late), U32(rx_dup),
	U32(rx_jitter), U32(concealed),
	F("loud", FIELD_U8, loud, 0, 127),
	U32(expected_prior), U32(lost_prior), U32(lsr), U64(lsr_age),
	{NULL, 0, 0, 0, 0}
};


/**
 * Write down where streams are
 *
 * @param odp Set to the object, owned by the caller
 * @param st  Streams
 *
 * @return 0 if success; EINVAL; ENOMEM
 */
int stream_encode(struct odict **odp, const struct mesh_stream *st)
{
	struct odict *od;
	int err;

	if (!odp || !st)
		return EINVAL;

	err = odict_alloc(&od, 32);
	if (err)
		return err;

	err = fields_put(od, stream_fields, st);
	if (err)
		mem_deref(od);
	else
		*odp = od;

	return err;
}


/**
 * Read where streams were
 *
 * @param st Set to what the object says
 * @param od Object
 *
 * @return 0 if success; EBADMSG if something is missing, of a wrong type or
 *         out of bounds; EINVAL
 */
int stream_decode(struct mesh_stream *st, const struct odict *od)
{
	if (!st || !od)
		return EINVAL;

	*st = (struct mesh_stream){0};

	return fields_get(st, stream_fields, od) ? EBADMSG : 0;
}
