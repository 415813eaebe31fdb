/**
 * @file tables.h  Conference table and capacity table
 *
 * Conference -> media server, and media server -> state, media types, contact,
 * unused capacity. The main thread alone changes what the tables say; any
 * thread may ask for a conference with tables_lookup, which also counts the
 * reservation that goes with the answer. Times are passed in: `now` is
 * monotonic [ms], `utc` is since the epoch [s].
 */
#ifndef JUNCTOR_NOC_TABLES_H
#define JUNCTOR_NOC_TABLES_H

struct tables;
struct wire_server;
struct willcall_join;

struct tables_config {
	uint32_t servers_max;
	uint32_t conferences_max;
	uint32_t lease_ms;       /* longest life of a reservation [ms]      */
	uint32_t contact_ms;     /* a server that was not heard of for so
				    long is out of contact [ms]             */
};

/* Where a conference is, or is to be. */
struct conf_route {
	char server[64];
	char contact[128];
	char other[128];         /* of the other family of addresses, or "" */
	size_t serverlen, contactlen;
	uint32_t next;           /* tables_select: what the next best server
				    of the same kind has left               */
	bool wake;               /* joins wait to be handed over, and nobody
				    was told so far                         */
};

struct select_req {
	const char *conf;        /* conference: who selects for the same one
				    by the same tables finds the same server*/
	size_t conflen;
	unsigned media;          /* set of media types asked for            */
	const char *const *notv; /* servers that were tried already         */
	size_t notc;
	uint64_t now, utc;
};

/* One row of the capacity table. */
struct server_info {
	const struct wire_server *report;
	uint32_t reserved;       /* that the server does not know of yet    */
	uint64_t heard;          /* [ms]                                    */
	uint64_t out_from, out_to;  /* planned out of service, UTC [s]      */
	bool in_contact;
	bool marked;             /* registries cannot reach it              */
};

typedef void (tables_server_h)(const struct server_info *si, void *arg);
typedef void (tables_conf_h)(const char *name, size_t namelen,
			     const char *server, const char *contact,
			     uint32_t participants, void *arg);
typedef void (tables_handover_h)(const char *server, const uint8_t *buf,
				 size_t len, unsigned joinc, void *arg);

int tables_alloc(struct tables **tp, const struct tables_config *cfg);

int  tables_server_report(struct tables *t, const struct wire_server *rep,
			  uint64_t now);
int  tables_server_granted(struct tables *t, const char *server,
			   uint32_t unused, uint64_t seq, uint64_t now);
void tables_server_lost(struct tables *t, const char *server);
void tables_server_dead(struct tables *t, const char *server,
			uint64_t instance);
void tables_server_alive(struct tables *t, const char *server,
			 uint64_t instance);
void tables_server_mark(struct tables *t, const char *server, bool out);
void tables_server_taken(struct tables *t, const char *server, uint32_t n);
void tables_blind(struct tables *t, bool on, uint64_t now);
int  tables_server_room(const struct tables *t, const char *server,
			uint64_t now, uint32_t *room, uint64_t *seq);
int  tables_server_plan(struct tables *t, const char *server,
			uint64_t from, uint64_t to);
int  tables_server_route(const struct tables *t, const char *server,
			 uint64_t now, struct conf_route *route);
void tables_release(struct tables *t, const char *server, uint32_t n,
		    uint64_t now);
int  tables_select(struct tables *t, const struct select_req *req,
		   struct conf_route *route);
void tables_servers(const struct tables *t, uint64_t now,
		    tables_server_h *h, void *arg);
const char *tables_state_name(const struct server_info *si, uint64_t utc);

int  tables_conf_set(struct tables *t, const char *name, size_t namelen,
		     const char *server);
int  tables_conf_participants(struct tables *t, const char *name,
			      size_t namelen, const char *server,
			      uint32_t participants);
bool tables_tally_same(const struct tables *t, const char *server);
uint32_t tables_recount_begin(struct tables *t);
void tables_recount_end(struct tables *t, const char *server, uint32_t round);
bool tables_conf_del(struct tables *t, const char *name, size_t namelen,
		     const char *server);
const char *tables_conf_server(const struct tables *t, const char *name,
			       size_t namelen);
bool tables_conf_orphan(const struct tables *t, const char *name,
			size_t namelen, uint64_t now);
uint32_t tables_conf_count(const struct tables *t);
void tables_confs(const struct tables *t, tables_conf_h *h, void *arg);

int  tables_lookup(struct tables *t, const char *name, size_t namelen,
		   const struct willcall_join *join, uint64_t now,
		   struct conf_route *route);
void tables_handover(struct tables *t, tables_handover_h *h, void *arg);

#endif
