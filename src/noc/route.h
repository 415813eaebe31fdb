/**
 * @file route.h  The whole answer to a join for a known conference
 */
#ifndef JUNCTOR_NOC_ROUTE_H
#define JUNCTOR_NOC_ROUTE_H

struct route;
struct tables;
struct conf_route;
struct willcall_join;
struct ticket_key;

/* Joins wait for tables_handover. Called in the thread of the lookup. */
typedef void (route_wake_h)(void *arg);

int  route_alloc(struct route **rp, struct tables *tables,
		 struct ticket_key *key, uint32_t ticket_s,
		 route_wake_h *h, void *arg);
void route_ticket_set(struct route *r, uint32_t ticket_s);
int  route_lookup(struct route *r, const struct willcall_join *j, bool ipv6,
		  char *contact, size_t sz, size_t *len);
void route_family(struct conf_route *cr, bool ipv6);
int  route_contact(const struct route *r, const struct willcall_join *j,
		   const struct conf_route *cr,
		   char *contact, size_t sz, size_t *len);

#endif
