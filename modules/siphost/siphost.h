/**
 * @file siphost.h  What the SIP client host offers to other services
 */
#ifndef JUNCTOR_SIPHOST_SIPHOST_H
#define JUNCTOR_SIPHOST_SIPHOST_H

struct siphost;
struct sa;

/* Where does this conference run? Called in any signalling thread, with
 * `contact` to be filled with a URI (no brackets), not zero-terminated.
 * 0: redirect there at once; ENOENT: fire "client.join" as usual. */
typedef int (siphost_redirect_h)(const char *conf, size_t conflen,
				 const char *user, size_t userlen,
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
};

#endif
