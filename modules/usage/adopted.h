/**
 * @file adopted.h  Which server has the record of a leg
 */
#ifndef JUNCTOR_USAGE_ADOPTED_H
#define JUNCTOR_USAGE_ADOPTED_H

struct adopted;
struct service;
struct usage_store;

int  adopted_alloc(struct adopted **ap, struct service *svc,
		   struct usage_store *store);
void adopted_mark(struct adopted *a, const char *leg, bool crash);
unsigned adopted_waiting(const struct adopted *a);

#endif
