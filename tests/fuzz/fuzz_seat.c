/**
 * @file fuzz_seat.c  What is read is written, and what is written is read
 *                    the same
 */
#include <string.h>
#include <stdlib.h>
#include <re.h>
#include "noc/client.h"
#include "noc/json.h"
#include "noc/seal.h"
#include "noc/seat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static struct odict *decode(const void *buf, size_t len)
{
	static const struct json_limits max = {8, 1024};
	struct odict *od = NULL;

	return json_object_within(&od, buf, len, &max) ? NULL : od;
}


static char *text_of(const struct odict *od)
{
	char *text = NULL;

	if (re_sdprintf(&text, "%H", json_print, od))
		abort();

	return text;
}


static void seat_check(const struct odict *od)
{
	struct odict *one = NULL, *two = NULL, *back;
	struct seat s, t;
	char *a, *b;

	if (seat_decode(&s, od) || seat_encode(&one, &s))
		return;

	a = text_of(one);
	back = decode(a, strlen(a));
	if (!back || seat_decode(&t, back) || seat_encode(&two, &t))
		abort();

	b = text_of(two);
	if (strcmp(a, b))
		abort();

	mem_deref(a);
	mem_deref(b);
	mem_deref(one);
	mem_deref(two);
	mem_deref(back);
}


static void room_check(const struct odict *od)
{
	struct odict *one = NULL;
	struct seat_room r, t;

	if (seat_room_decode(&r, od) || seat_room_encode(&one, &r))
		return;

	if (seat_room_decode(&t, one) || r.created_usec != t.created_usec ||
	    r.locked != t.locked || r.ssrc_next != t.ssrc_next)
		abort();

	mem_deref(one);
}


/* A stranger has no key: whatever it sends is forged. */
static void seal_check(const uint8_t *data, size_t size)
{
	static const uint8_t secret[32] = "a key that nobody has guessed";
	struct seal_key *key;
	struct odict *od = NULL;

	if (seal_key_alloc(&key, secret, sizeof(secret)))
		return;
	if (!seal_open(&od, key, "seats/a", data, size))
		abort();
	mem_deref(key);
}


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct odict *od;

	seal_check(data, size);

	od = decode(data, size);
	if (!od)
		return 0;

	seat_check(od);
	room_check(od);
	mem_deref(od);

	return 0;
}
