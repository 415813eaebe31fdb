/**
 * @file tables_int.h  Internal to the two tables
 *
 * The lock guards what tables_lookup reads and writes. Main takes it to write
 * what lookups read; what only main writes, main reads without it.
 */
#ifndef JUNCTOR_NOC_TABLES_INT_H
#define JUNCTOR_NOC_TABLES_INT_H

enum {
	LEASE_SLOTS = 32,
	PENDING_MAX = 128 * 1024,     /* joins to hand over, a server [bytes]*/
};

/* Reservations, counted by when they were made; they expire a slot at a
   time. */
struct leases {
	uint32_t slotv[LEASE_SLOTS];
	uint32_t total;
	uint64_t slot;                /* the latest one's number            */
};

struct noc_server {
	struct le le;
	struct wire_server report;    /* written by main                    */
	size_t namelen, contactlen;
	uint64_t hash;                /* of its name, the same everywhere   */
	uint64_t heard;               /* [ms]                               */
	bool lost;                    /* told to be gone                    */
	bool dead;                    /* and to have died                   */
	bool marked;                  /* registries cannot reach it         */
	uint64_t instance;            /* last one that lived, or 0          */
	uint32_t epoch;               /* instances so far                   */
	uint64_t out_from, out_to;    /* UTC [s]                            */
	uint32_t confs;               /* of the conference table            */
	uint64_t tally;               /* of these, as in wire_server        */

	struct leases leases;         /* written by lookups too             */
	uint8_t *pend;                /* encoded joins, PENDING_MAX         */
	size_t pendlen;
	unsigned pendc;
};

struct noc_conf {
	struct noc_conf *next;        /* in the same bucket                 */
	struct noc_server *server;    /* lives as long as the tables        */
	uint64_t hash;
	uint32_t participants;
	uint32_t epoch;               /* of the server when it was told     */
	uint32_t round;               /* when its participants were counted */
	uint32_t namelen;
	char name[];
};

struct tables {
	struct tables_config cfg;
	struct siphash_key hkey;
	pthread_mutex_t *lock;

	struct list serverl;
	uint64_t heard;               /* latest of any server [ms]          */
	bool blind;                   /* nobody can be heard of             */
	uint32_t serverc;
	struct noc_conf **bucketv;
	size_t bucketc;               /* power of 2                         */
	uint32_t confc;
	uint32_t round;               /* of counting participants           */

	bool woken;                   /* somebody was told of pending joins */
	uint8_t *spare;               /* PENDING_MAX                        */
};

uint64_t tables_hash(const void *p, size_t len);
void conf_counted(struct noc_conf *c, const struct tables *t, uint32_t n);
struct noc_server *server_find(const struct tables *t, const char *name);
bool server_in_contact(const struct tables *t, const struct noc_server *s,
		       uint64_t now);
bool server_presumed(const struct tables *t, const struct noc_server *s,
		     uint64_t now);
uint32_t server_left(const struct tables *t, struct noc_server *s,
		     uint64_t now);
void server_route(const struct noc_server *s, struct conf_route *route);
void leases_add(struct leases *l, const struct tables *t, uint64_t now);
uint32_t leases_live(struct leases *l, const struct tables *t, uint64_t now);

#endif
