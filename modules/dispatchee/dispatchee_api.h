/**
 * @file dispatchee_api.h  What the service `dispatchee` offers to services
 *                         above it: claims of conferences, places, its state
 *
 * Main thread only.
 */
#ifndef JUNCTOR_DISPATCHEE_DISPATCHEE_API_H
#define JUNCTOR_DISPATCHEE_DISPATCHEE_API_H

struct dispatchee;
struct willcall_join;
struct claim_op;               /* mem_deref: the handler is not called      */

/* err 0: done; ESTALE: the claim is another server's, named by `server`;
   ENOENT: there is no claim; EBUSY: it is being changed, try again; what the
   bus says if it cannot be reached, and then the claim may be either's */
typedef void (claim_h)(int err, const char *server, void *arg);
typedef void (owner_each_h)(const char *server, void *arg);
typedef void (claim_each_h)(const char *conference, uint32_t participants,
			    void *arg);

/* "dispatchee.drain": an operator wants the server to be emptied, or no
 * longer. Whoever moves conferences sets `taken`. */
struct dispatchee_drain {
	bool on;
	bool exit;                 /* end the process when it is empty      */
	bool taken;
};

/* "dispatchee.conflict": a conference that runs here is claimed by another
 * server */
struct dispatchee_conflict {
	const char *conference;
	const char *server;        /* "?" when not known                    */
};

/* what service_api(srv, "dispatchee") points to; usable once started */
struct dispatchee_api {
	struct dispatchee *d;

	/* the state that others see, enum capacity_state */
	int (*state)(const struct dispatchee *d);
	/* what is left [audio participants], leases taken off */
	uint32_t (*unused)(struct dispatchee *d);
	void (*drain)(struct dispatchee *d, bool on);
	/* says that nothing is left, whatever there is */
	void (*full)(struct dispatchee *d, bool on);

	/* whose claim: NULL if there is none or it is not known */
	const char *(*owner)(const struct dispatchee *d,
			     const char *conference);
	/* conferences that `server` has claimed; this one: that run here */
	void (*claims)(const struct dispatchee *d, const char *server,
		       claim_each_h *h, void *arg);

	/* all servers that have, or had, claims or told where they are */
	void (*owners)(const struct dispatchee *d, owner_each_h *h, void *arg);

	/* what runs here and is ours becomes `to`'s: who is sent here from
	   now on is sent there */
	int (*give)(struct claim_op **opp, struct dispatchee *d,
		    const char *conference, const char *to,
		    claim_h *h, void *arg);
	/* what `from` had becomes ours; `from` may be this server's name: of
	   its earlier life */
	int (*take)(struct claim_op **opp, struct dispatchee *d,
		    const char *conference, const char *from,
		    claim_h *h, void *arg);
	/* deletes what was taken if the conference does not run here */
	void (*settle)(struct dispatchee *d, const char *conference);

	/* keeps places for a conference that will be moved here; 0: no
	   longer. ENOSPC: there is no room */
	int (*expect)(struct dispatchee *d, const char *conference,
		      uint32_t participants);

	/* where somebody is to call a conference of another server, with a
	   fresh ticket. ENOENT: nobody knows */
	int (*uri)(struct dispatchee *d, const char *server,
		   const struct willcall_join *j, char *uri, size_t sz);

	/* where clients reach this server; and another one that has said so,
	   as long as nothing else is known of it */
	const char *(*contact)(const struct dispatchee *d);
	void (*met)(struct dispatchee *d, const char *server,
		    const char *contact);

	/* asked instead of deleting claims of an earlier life; NULL: no
	   longer */
	void (*orphans)(struct dispatchee *d, claim_each_h *h, void *arg);
};

#endif
