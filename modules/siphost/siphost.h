/**
 * @file siphost.h  What the SIP client host offers to other services
 */
#ifndef JUNCTOR_SIPHOST_SIPHOST_H
#define JUNCTOR_SIPHOST_SIPHOST_H

struct siphost;
struct client;
struct join;
struct sa;
struct redirect_query;     /* sip/redirect.h                                */

/* Where does this conference run? Called in any signalling thread, with
 * `contact` to be filled with a URI (no brackets), not zero-terminated.
 * 0: redirect there at once; ENOENT: fire "client.join" as usual. */
typedef int (siphost_redirect_h)(const struct redirect_query *q,
				 char *contact, size_t sz, size_t *len,
				 void *arg);

/* what service_api(srv, "siphost") points to */
struct siphost_api {
	struct siphost *sh;

	/* NULL: no longer. When it returns, the handler runs nowhere. */
	int (*redirect_set)(struct siphost *sh, siphost_redirect_h *h,
			    void *arg);

	/* first address that is listened on; ENOENT before start */
	int (*laddr)(const struct siphost *sh, struct sa *sa);

	/* likewise, of a family; NULL if nobody can say */
	int (*laddr_af)(const struct siphost *sh, int af, struct sa *sa);

	/* A dialog of another server, as client_dialog told there, becomes
	 * ours. Nothing is sent until client_offer, client_roster or
	 * client_bye; the client is established already, and no event is
	 * fired. `join` tells what of it is not in the dialog: conference,
	 * account, user, name, info, src, media (its callid, offer and
	 * client are not looked at).
	 * skip: 0, or after a crash so many numbers of CSeq that the other
	 * server may have used since then, and versions of its SDP.
	 * *clp is not a reference.
	 * EBADMSG: no dialog. EEXIST: we have it. ENOTCONN: the client can be
	 * reached over the other server's connection only, or this server
	 * stops. EOVERFLOW: too many calls. If it turns out later that no
	 * dialog can be made of it, "client.leave" is fired. */
	int (*adopt)(struct siphost *sh, struct client **clp,
		     const struct join *join, const char *dialog, size_t len,
		     unsigned skip);
};

#endif
