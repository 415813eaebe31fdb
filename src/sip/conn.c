/**
 * @file conn.c  The way back to a peer: its connection, or the other side of
 *               its NAT
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sofia-sip/hostdomain.h>
#include "sip/leg.h"


/* A phone that speaks to us directly, but whose Contact names another
 * address than its packets come from, sits behind NAT: what we send to the
 * Contact would not arrive. */
static void hop_set(struct leg *lg, msg_t *msg)
{
	const sip_t *sip = sip_object(msg);
	const su_sockaddr_t *su = msg_addr(msg);
	const char *host;
	char addr[64] = "", hop[96];
	const bool six = su->su_family == AF_INET6;

	if (!sip->sip_contact || sip->sip_record_route ||
	    !sip->sip_via || sip->sip_via->v_next)
		return;

	host = sip->sip_contact->m_url->url_host;
	if (!host || !su_inet_ntop(su->su_family, SU_ADDR(su), addr,
				   sizeof(addr)))
		return;

	free(lg->hop);
	lg->hop = NULL;
	lg->nat = host_cmp(host, addr) != 0;

	/* a connection is the way back as long as it is there, and nothing
	   else is */
	if (!lg->nat || lg->conn)
		return;

	(void)snprintf(hop, sizeof(hop), six ? "sip:[%s]:%u" : "sip:%s:%u",
		       addr, ntohs(su->su_port));
	lg->hop = strdup(hop);
}


static void conn_set(struct leg *lg, tport_t *tp)
{
	if (tp == lg->conn)
		return;

	if (lg->conn)
		tport_unref(lg->conn);

	lg->conn = tport_is_reliable(tp) ? tport_ref(tp) : NULL;
}


/**
 * Keep in mind where a request came in, which only now nta tells: requests
 * of ours go back over the peer's connection, or to where its datagrams come
 * from, as that may be the only way to a peer behind NAT
 *
 * @param lg  Leg
 * @param irq Server transaction of a request that has just come
 */
void leg_conn(struct leg *lg, nta_incoming_t *irq)
{
	msg_t *msg = nta_incoming_getrequest(irq);
	tport_t *tp = tport_delivered_by(nta_agent_tports(lg->ag->nta), msg);

	if (tp) {
		/* primary transports live as long as the agent */
		if (!lg->tport)
			lg->tport = tport_parent(tp);

		conn_set(lg, tp);
		hop_set(lg, msg);
	}

	msg_destroy(msg);
}
