/**
 * @file trim.c  Give memory back that the load no longer needs
 *
 * After a peak of calls the C library keeps what was freed, because some of
 * what lies between is still in use. Now and then, when that has become much
 * and more than what is in use, it is asked to return the pages. What is
 * returned still counts as free, so that only more than that is worth asking
 * again. To look means to walk through all that is free: a server with much
 * memory looks less often, which keeps that below a two thousandth of a core.
 */
#include <malloc.h>
#include <re.h>
#include "server/trim.h"


enum {
	TRIM_MIN = 8 << 20,       /* less is not worth it [bytes]           */
	SHARE    = 2000,
	LONGEST  = 60000,         /* between two looks [ms]                 */
};

struct trim {
	struct tmr tmr;
	uint32_t interval;        /* at least [ms]                          */
	size_t left;              /* free, though it was returned [bytes]   */
};


static void trim_destructor(void *data)
{
	struct trim *t = data;

	tmr_cancel(&t->tmr);
}


static void trim_h(void *arg)
{
	const uint64_t began = tmr_jiffies();
	const struct mallinfo2 mi = mallinfo2();
	struct trim *t = arg;
	uint64_t took;

	t->left = min(t->left, mi.fordblks);
	if (mi.fordblks > t->left + TRIM_MIN &&
	    mi.fordblks > mi.uordblks / 2) {
		malloc_trim(TRIM_MIN / 8);
		t->left = mi.fordblks;
	}

	took = tmr_jiffies() - began;
	tmr_start(&t->tmr, max(t->interval, min(took * SHARE,
						(uint64_t)LONGEST)),
		  trim_h, t);
}


/**
 * Begin to give memory back
 *
 * @param tp          Pointer to the new object; mem_deref ends it
 * @param interval_ms How often to look [ms]
 *
 * @return 0 if success, otherwise errorcode
 */
int trim_alloc(struct trim **tp, uint32_t interval_ms)
{
	struct trim *t;

	if (!tp || !interval_ms)
		return EINVAL;

	t = mem_zalloc(sizeof *t, trim_destructor);
	if (!t)
		return ENOMEM;

	t->interval = interval_ms;
	tmr_start(&t->tmr, t->interval, trim_h, t);
	*tp = t;

	return 0;
}
