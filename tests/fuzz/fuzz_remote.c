/**
 * @file fuzz_remote.c  A request of a stranger: head, JSON body, query
 *
 * The plug-in is in no library, so its sources are taken in as they are.
 */
#include <stdlib.h>
#include <math.h>
#include <string.h>
#include <re.h>
#include "noc/json.h"
#include "remote/args.c"
#include "remote/http.h"
#include "remote/httpread.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* What was decoded is printed, and what was printed is JSON. */
static void object_check(struct odict *od)
{
	char *text = NULL;

	if (re_sdprintf(&text, "%H", json_print, od))
		return;
	if (json_check(text, strlen(text)) == EBADMSG)
		abort();
	mem_deref(text);
}


static void body_check(const char *buf, size_t len)
{
	struct odict *od = NULL;

	if (json_object_decode(&od, buf, len))
		return;

	object_check(od);
	mem_deref(od);
}


static void query_check(const char *buf, size_t len)
{
	const struct pl pl = {buf, len};
	struct odict *od = NULL;

	if (args_decode(&od, &pl))
		return;

	mem_deref(od);
}


static void requests_check(struct httpd_conn *conn)
{
	unsigned n;

	for (n = 0; n < 16; n++) {

		const uint16_t scode = httpd_read(conn);

		if (scode)
			break;

		body_check((const char *)mbuf_buf(conn->req->msg->mb),
			   mbuf_get_left(conn->req->msg->mb));
		query_check(conn->req->msg->prm.p, conn->req->msg->prm.l);
		conn->req = mem_deref(conn->req);
	}

	conn->req = mem_deref(conn->req);
}


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct httpd httpd = {.lim = {.line = 256, .header = 1024,
		.body = 1024}};
	struct httpd_conn conn = {.httpd = &httpd};

	body_check((const char *)data, size);
	query_check((const char *)data, size);

	conn.mb = mbuf_alloc(size ? size : 1);
	if (!conn.mb)
		return 0;

	(void)mbuf_write_mem(conn.mb, data, size);
	conn.mb->pos = 0;
	requests_check(&conn);
	mem_deref(conn.mb);

	return 0;
}
