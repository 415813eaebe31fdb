/**
 * @file redirjoin.h  A plain INVITE that waits for its answer without a
 *                    transaction
 *
 * Made in a signalling thread, answered in the main thread, in which it has
 * to be freed too, and before the fast path it comes from.
 */
#ifndef JUNCTOR_SIP_REDIRJOIN_H
#define JUNCTOR_SIP_REDIRJOIN_H

struct redirect;
struct redirect_join;

struct redirect_join *redirect_join_next(struct redirect *r);
const struct preparse *redirect_join_get(const struct redirect_join *j);
const struct sockaddr *redirect_join_src(const struct redirect_join *j);
int  redirect_join_answer(struct redirect_join *j, const char *status,
			  const char *contact);
int  redirect_join_pass(struct redirect_join *j);

#endif
