/**
 * @file recent.c  INVITEs that were accepted, and dialogs that moved away, a
 *                 short while ago
 *
 * nta forgets an INVITE's transaction T4 after its ACK. A retransmission that
 * was under way for longer, as happens when a queue overflows, would then
 * make a second call that nobody acknowledges. RFC 6026 keeps the transaction
 * for 64*T1; it is enough to remember that it was there.
 *
 * One entry per hash, the latest wins: what is overwritten too early makes
 * that second call, which ends by itself.
 */
#include <stdlib.h>
#include <string.h>
#include "sip/leg.h"
#include "server/siphash.h"

enum {
	RECENT_SIZE = 8192,            /* power of two                      */
	RECENT_LIFE = 32,              /* [s]                               */
};

struct recent {
	struct siphash_key key;
	struct {
		uint64_t hash;
		unsigned when;         /* [s], 0: never                     */
	} v[RECENT_SIZE];
};


static uint64_t hash(const struct recent *r, const char *id,
		     const char *tag, uint32_t cseq)
{
	uint64_t v[3];

	tag = tag ? tag : "";

	v[0] = siphash(&r->key, id, strlen(id));
	v[1] = siphash(&r->key, tag, strlen(tag));
	v[2] = cseq;

	return siphash(&r->key, v, sizeof(v));
}


static uint64_t invite_hash(const struct recent *r, sip_t const *sip)
{
	return hash(r, sip->sip_call_id->i_id, sip->sip_from->a_tag,
		    sip->sip_cseq->cs_seq);
}


static void put(struct recent *r, uint64_t h, unsigned now)
{
	r->v[h % RECENT_SIZE].hash = h;
	r->v[h % RECENT_SIZE].when = now;
}


static bool had(const struct recent *r, uint64_t h, unsigned now)
{
	return r->v[h % RECENT_SIZE].when &&
		r->v[h % RECENT_SIZE].hash == h &&
		now - r->v[h % RECENT_SIZE].when <= RECENT_LIFE;
}


/**
 * Make an empty memory
 *
 * @return Memory, to be given to free, or NULL
 */
struct recent *recent_alloc(void)
{
	struct recent *r = calloc(1, sizeof(*r));

	if (r)
		siphash_key_random(&r->key);

	return r;
}


/**
 * Remember an INVITE
 *
 * @param r   Memory
 * @param sip INVITE that is accepted
 * @param now As agent_now tells [s]
 */
void recent_add(struct recent *r, sip_t const *sip, unsigned now)
{
	put(r, invite_hash(r, sip), now);
}


/**
 * Was this INVITE accepted before?
 *
 * @param r   Memory
 * @param sip INVITE without a To tag
 * @param now As agent_now tells [s]
 *
 * @return true if so
 */
bool recent_has(const struct recent *r, sip_t const *sip, unsigned now)
{
	return had(r, invite_hash(r, sip), now);
}


/**
 * Remember a dialog
 *
 * @param r      Memory, of dialogs only
 * @param callid Call-ID
 * @param tag    The peer's tag, or NULL
 * @param now    As agent_now tells [s]
 */
void recent_put(struct recent *r, const char *callid, const char *tag,
		unsigned now)
{
	put(r, hash(r, callid, tag, 0), now);
}


/**
 * Was there this dialog?
 *
 * @param r      Memory, of dialogs only
 * @param callid Call-ID
 * @param tag    The peer's tag, or NULL
 * @param now    As agent_now tells [s]
 *
 * @return true if so
 */
bool recent_had(const struct recent *r, const char *callid, const char *tag,
		unsigned now)
{
	return had(r, hash(r, callid, tag, 0), now);
}
