/**
 * @file later.c  What the connect service was asked for and answers later
 *
 * It never answers when it stops. What was to be answered is kept until then,
 * or until this service ends, whichever comes first.
 */
#include <re.h>
#include "move/mover.h"


struct later {
	struct le le;              /* in move.laterl                        */
	void *obj;                 /* referenced                            */
};


static void later_destructor(void *arg)
{
	struct later *l = arg;

	list_unlink(&l->le);
	mem_deref(l->obj);
}


/**
 * Wait for an answer
 *
 * @param mv  Service
 * @param obj What it is for, referenced
 *
 * @return The handler's argument, to be ended by later_end; NULL: no memory
 */
struct later *later_begin(struct move *mv, void *obj)
{
	struct later *l = mem_zalloc(sizeof(*l), later_destructor);

	if (!l)
		return NULL;

	l->obj = mem_ref(obj);
	list_append(&mv->laterl, &l->le, l);

	return l;
}


/**
 * The answer is here, or will not come
 *
 * @param l As later_begin returned
 *
 * @return What it is for; the reference is the caller's
 */
void *later_end(struct later *l)
{
	void *obj = mem_ref(l->obj);

	mem_deref(l);

	return obj;
}
