/**
 * @file fuzz_mirror.c  What one server tells of its roster is shown by
 *                      another, and told on by that one without change
 */
#include <string.h>
#include <stdlib.h>
#include <re.h>
#include "noc/client.h"
#include "noc/json.h"
#include "noc/roster.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static struct odict *decode(const void *buf, size_t len)
{
	static const struct json_limits max = {8, 1024};
	struct odict *od = NULL;

	return json_object_within(&od, buf, len, &max) ? NULL : od;
}


/* Some are here, some on the way, most elsewhere. */
static enum roster_place place_h(unsigned id, void *arg)
{
	(void)arg;

	return id % 8 > ROSTER_HERE ? ROSTER_ELSEWHERE
		: (enum roster_place)(id % 8);
}


static enum roster_place nowhere_h(unsigned id, void *arg)
{
	(void)id;
	(void)arg;

	return ROSTER_ELSEWHERE;
}


static void news_h(void *arg)
{
	(void)arg;
}


/* What we tell makes sense to everybody. */
static void tell(struct roster_mirror *m, struct roster *to)
{
	struct odict *od, *back;
	char *text;

	while (!roster_mirror_next(m, &od)) {
		if (re_sdprintf(&text, "%H", json_print, od))
			abort();
		back = decode(text, strlen(text));
		if (!back || roster_take(to, "m2", back, nowhere_h, NULL))
			abort();
		mem_deref(back);
		mem_deref(text);
		mem_deref(od);
	}
}


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct odict *od = decode(data, size);
	struct roster_mirror *same = NULL, *other = NULL;
	struct roster *a = NULL, *b = NULL;

	if (!od)
		return 0;

	if (roster_alloc(&a, "c", 1000) || roster_alloc(&b, "c", 1000) ||
	    roster_mirror_alloc(&same, a, "m1", news_h, NULL) ||
	    roster_mirror_alloc(&other, a, "m3", news_h, NULL))
		goto out;

	(void)roster_take(a, "m1", od, place_h, NULL);
	tell(other, b);
	roster_whole(a, place_h, NULL);
	tell(other, b);

 out:
	mem_deref(same);
	mem_deref(other);
	mem_deref(a);
	mem_deref(b);
	mem_deref(od);

	return 0;
}
