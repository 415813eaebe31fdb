/* How evenly joins are spread over media servers: the dispatch server's own
 * capacity table is read while people join and when all are in.
 *
 * --capacity names a command that prints a JSON array with one object for
 * each media server, which has the numbers "participants" and "unused". */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bench.h"

static const int64_t ms = 1000000, second = 1000000000;

enum {
	LOOK_MS = 250,          /* from one look to the next */
	SETTLE_S = 3,           /* reports are up to a second old */
	TABLE_MAX = 1 << 20,    /* [bytes] */
};

struct table {
	uint32_t servers;
	double sum, max;        /* participants */
	double over;            /* above what was announced, worst */
	double over_share;      /* the same, of what was announced [%] */
};

struct spread {
	struct bench *b;
	struct crowd *c;
	struct act look;
	char path[32], cmd[560];
	struct table last, worst;
	uint32_t looks;
};


/* The number behind "key": in a flat object; strings hold no quotes here
 * that matter, a name with one is refused by the server. */
static int number_get(double *v, const char *obj, const char *end,
		      const char *key)
{
	const size_t n = strlen(key);

	for (const char *p = obj; p + n + 3 < end; p++) {
		char *num;

		if (*p != '"' || strncmp(p + 1, key, n) || p[n + 1] != '"')
			continue;
		for (p += n + 2; isspace((unsigned char)*p);)
			++p;
		if (*p != ':')
			continue;
		*v = strtod(p + 1, &num);
		return num > p + 1 ? 0 : EBADMSG;
	}

	return ENOENT;
}


/**
 * Read a capacity table
 *
 * @param t    Filled in
 * @param json What the command printed, ends with a zero
 *
 * @return 0 if success, EBADMSG if it is none
 */
static int table_parse(struct table *t, const char *json)
{
	const char *p = json, *end;

	memset(t, 0, sizeof(*t));
	while ((p = strchr(p, '{'))) {
		double parts, unused;

		end = strchr(p, '}');
		if (!end || number_get(&parts, p, end, "participants") ||
		    number_get(&unused, p, end, "unused"))
			return EBADMSG;

		/* who is gone holds nobody any more */
		if (memmem(p, (size_t)(end - p), "\"in_contact\":false", 18)) {
			p = end;
			continue;
		}

		++t->servers;
		t->sum += parts;
		t->max = parts > t->max ? parts : t->max;
		if (unused < 0 && -unused > t->over) {
			t->over = -unused;
			t->over_share = parts + unused > 0 ?
				100 * -unused / (parts + unused) : 100;
		}
		p = end;
	}

	return t->servers ? 0 : EBADMSG;
}


static int table_read(struct table *t, const char *path)
{
	char *buf = calloc(1, TABLE_MAX + 1);
	FILE *f = fopen(path, "r");
	int err = EBADMSG;

	if (buf && f && fread(buf, 1, TABLE_MAX, f) > 0)
		err = table_parse(t, buf);
	if (f)
		fclose(f);
	free(buf);

	return err;
}


static void look_end(struct spread *sp)
{
	if (!sp->look.done || act_poll(&sp->look))
		return;

	sp->look.done = false;
	if (table_read(&sp->last, sp->path))
		return;

	++sp->looks;
	if (sp->last.over > sp->worst.over)
		sp->worst = sp->last;
}


static bool look(struct spread *sp, int64_t until)
{
	int64_t due = 0;

	for (;;) {
		const int64_t now = now_ns();

		look_end(sp);
		if (now >= until && !sp->look.pid)
			return true;
		if (now >= due && now < until && !sp->look.pid) {
			act_start(&sp->look, sp->cmd);
			due = now + LOOK_MS * ms;
		}
		if (!calls_poll(sp->c->calls, now + 5 * ms))
			return false;
	}
}


static bool join_all(struct spread *sp)
{
	const struct opts *o = sp->c->o;
	const int64_t t0 = now_ns();
	int64_t due = t0;
	char uri[80];

	for (uint32_t i = 0; i < sp->c->n; i++) {
		const int64_t at = t0 + (int64_t)(o->seconds * second *
			(double)i / sp->c->n);

		if (at > now_ns() && !calls_poll(sp->c->calls, at))
			return false;
		look_end(sp);
		if (now_ns() >= due && !sp->look.pid) {
			act_start(&sp->look, sp->cmd);
			due = now_ns() + LOOK_MS * ms;
		}
		if (conf_uri(uri, sizeof(uri), o, &o->to,
			     i % o->conferences) ||
		    call_start(sp->c->calls, i, uri, &o->to,
			       media_part(sp->c->media, i)))
			return false;
	}

	return true;
}


static void tell(struct spread *sp)
{
	struct result *r = sp->b->res;
	const struct table *t = &sp->last;
	const double mean = t->servers ? t->sum / t->servers : 0;

	result_num(r, "joined", calls_count(sp->c->calls, CALL_UP), "",
		   "participants that joined");
	result_num(r, "servers", t->servers, "", "media servers");
	result_num(r, "counted", t->sum, "", "participants they count");
	result_num(r, "max", t->max, "", "on the fullest");
	result_num(r, "max_over_mean", mean > 0 ? t->max / mean : 0, "",
		   "fullest over mean");
	result_num(r, "over", sp->worst.over, "",
		   "most above what was announced, ever");
	result_num(r, "over_share", sp->worst.over_share, "%",
		   "the same, of what was announced");
	result_num(r, "looks", sp->looks, "", "times looked");
	if (!sp->looks || sp->worst.over > 0 ||
	    t->sum < calls_count(sp->c->calls, CALL_UP))
		sp->b->failed = true;
}


static int run(struct spread *sp)
{
	struct bench *b = sp->b;
	bool ok;
	int fd, err = 0;

	snprintf(sp->path, sizeof(sp->path), "/tmp/bench.XXXXXX");
	fd = mkstemp(sp->path);
	if (fd < 0)
		return errno;
	close(fd);
	snprintf(sp->cmd, sizeof(sp->cmd), "{ %s; } >%s", b->o.capacity,
		 sp->path);

	if (!b->o.nortp)
		err = media_start(sp->c->media);
	if (err)
		goto out;

	ok = join_all(sp) && look(sp, now_ns() + SETTLE_S * second);
	if (!ok)
		b->failed = true;
	tell(sp);
	crowd_setup(sp->c, b->res);
	crowd_close(b, sp->c);

 out:
	unlink(sp->path);

	return err;
}


/**
 * Measure how evenly joins are spread
 *
 * @param b Measurement
 *
 * @return 0 if measured, otherwise errorcode
 */
int bench_spread(struct bench *b)
{
	struct spread sp = {.b = b};
	int err;

	if (!b->o.capacity[0]) {
		fprintf(stderr, "--capacity: which command tells?\n");
		return EINVAL;
	}

	err = crowd_alloc(&sp.c, &b->o, b->o.count);
	if (!err)
		err = run(&sp);
	crowd_free(sp.c);

	return err;
}
