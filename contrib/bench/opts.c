/* The command line: every option has a range, and no load leaves the host
 * unless its owner says so. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "bench.h"

enum kind { NUM, FLAG, TEXT };

struct option_def {
	const char *name;
	enum kind kind;
	size_t off;             /* of the field in struct opts */
	size_t size;            /* TEXT: its size */
	uint32_t min, max;      /* NUM */
};

#define FIELD(f) offsetof(struct opts, f)

static const struct option_def defv[] = {
	{"count",       NUM,  FIELD(count),       0, 1, 10000000},
	{"rate",        NUM,  FIELD(rate),        0, 1, 200000},
	{"seconds",     NUM,  FIELD(seconds),     0, 1, 3600},
	{"outstanding", NUM,  FIELD(outstanding), 0, 1, 4096},
	{"parts",       NUM,  FIELD(parts),       0, 1, PARTS_MAX},
	{"conferences", NUM,  FIELD(conferences), 0, 1, PARTS_MAX},
	{"talkers",     NUM,  FIELD(talkers),     0, 0, 64},
	{"join-rate",   NUM,  FIELD(joinrate),    0, 1, 10000},
	{"warmup",      NUM,  FIELD(warmup),      0, 0, 60},
	{"hangup",      NUM,  FIELD(hangup),      0, 1, 60},
	{"rounds",      NUM,  FIELD(rounds),      0, 1, 1000},
	{"settle",      NUM,  FIELD(settle),      0, 0, 600},
	{"timeout",     NUM,  FIELD(timeout),     0, 1, 64},
	{"bitrate",     NUM,  FIELD(bitrate),     0, 6000, 128000},
	{"ptime",       NUM,  FIELD(ptime),       0, 10, 60},
	{"payload",     NUM,  FIELD(payload),     0, 1, FRAME_MAX},
	{"before",      NUM,  FIELD(before),      0, 0, 600},
	{"stubborn",    NUM,  FIELD(stubborn),    0, 0, 100},
	{"retry",       NUM,  FIELD(retry),       0, 0, 60000},
	{"retries",     NUM,  FIELD(retries),     0, 0, 1000},
	{"do",          TEXT, FIELD(act),     sizeof(((struct opts *)0)->act),
	 0, 0},
	{"capacity",    TEXT, FIELD(capacity),
	 sizeof(((struct opts *)0)->capacity), 0, 0},
	{"each",        TEXT, FIELD(each),    sizeof(((struct opts *)0)->each),
	 0, 0},
	{"but-threads", TEXT, FIELD(but),     sizeof(((struct opts *)0)->but),
	 0, 0},
	{"conf",        TEXT, FIELD(conf),   sizeof(((struct opts *)0)->conf),
	 0, 0},
	{"local",       TEXT, FIELD(local), sizeof(((struct opts *)0)->local),
	 0, 0},
	{"speech",      TEXT, FIELD(speech),
	 sizeof(((struct opts *)0)->speech), 0, 0},
	{"burst",       FLAG, FIELD(burst),   0, 0, 0},
	{"no-rtp",      FLAG, FIELD(nortp),   0, 0, 0},
	{"json",        FLAG, FIELD(json),    0, 0, 0},
	{"sip",         FLAG, FIELD(sip),     0, 0, 0},
	{"no-check",    FLAG, FIELD(nocheck), 0, 0, 0},
	{"i-own-this-host", FLAG, FIELD(foreign), 0, 0, 0},
};

static const char *const codecv[] = {"pcmu", "pcma", "g722", "opus"};


/** Name of a codec, as on the command line */
const char *codec_name(enum codec codec)
{
	return codecv[codec];
}


static int number(uint32_t *v, const char *s, uint32_t min, uint32_t max)
{
	char *end;
	unsigned long n;

	if (*s < '0' || *s > '9')
		return EINVAL;

	errno = 0;
	n = strtoul(s, &end, 10);
	if (errno || *end || n < min || n > max)
		return ERANGE;

	*v = (uint32_t)n;

	return 0;
}


/**
 * Read "ADDR:PORT" or "ADDR" (then port 5060); IPv4 only
 *
 * @param sin Filled in
 * @param s   Text
 * @param len Its length
 *
 * @return 0 if success, EINVAL if it is not one
 */
int addr_parse(struct sockaddr_in *sin, const char *s, size_t len)
{
	char buf[64];
	uint32_t port = 5060;
	char *colon;

	if (len >= sizeof(buf))
		return EINVAL;

	memcpy(buf, s, len);
	buf[len] = '\0';

	colon = strchr(buf, ':');
	if (colon) {
		*colon++ = '\0';
		if (number(&port, colon, 1, 65535))
			return EINVAL;
	}

	memset(sin, 0, sizeof(*sin));
	sin->sin_family = AF_INET;
	sin->sin_port = htons((uint16_t)port);
	if (!strcmp(buf, "localhost"))
		sin->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else if (inet_pton(AF_INET, buf, &sin->sin_addr) != 1)
		return EINVAL;

	return 0;
}


/**
 * Tell whether load may be sent there
 *
 * @param sin     Address
 * @param foreign The user owns what is not this host
 *
 * @return 0 if it may, EACCES if not
 */
int addr_allowed(const struct sockaddr_in *sin, bool foreign)
{
	if (foreign)
		return 0;

	return ntohl(sin->sin_addr.s_addr) >> 24 == 127 ? 0 : EACCES;
}


static int pidv_parse(int *pidv, size_t *pidc, const char *s)
{
	char *end;

	for (*pidc = 0; *s; s = *end ? end + 1 : end) {
		const long pid = strtol(s, &end, 10);

		if (end == s || pid < 1 || pid > 1 << 22 ||
		    (*end && *end != ',') || *pidc == PIDS_MAX)
			return EINVAL;

		pidv[(*pidc)++] = (int)pid;
	}

	return *pidc ? 0 : EINVAL;
}


static int pids_parse(struct opts *o, const char *s)
{
	return pidv_parse(o->pidv, &o->pidc, s);
}


static int buspids_parse(struct opts *o, const char *s)
{
	return pidv_parse(o->buspidv, &o->buspidc, s);
}


static int codec_parse(struct opts *o, const char *s)
{
	for (size_t i = 0; i < sizeof(codecv) / sizeof(codecv[0]); i++) {
		if (!strcmp(s, codecv[i])) {
			o->codec = (enum codec)i;
			return 0;
		}
	}

	return EINVAL;
}


static int to_parse(struct opts *o, const char *s)
{
	for (o->toc = 0; o->toc < TOS_MAX; s += *s == ',') {
		const size_t n = strcspn(s, ",");

		if (addr_parse(&o->tov[o->toc], s, n))
			return EINVAL;
		++o->toc;
		s += n;
		if (!*s)
			break;
	}
	o->to = o->tov[0];

	return *s ? EINVAL : 0;
}


static int listeners_parse(struct opts *o, const char *s)
{
	o->listeners = strcmp(s, "noise") ? LISTEN_SILENCE : LISTEN_NOISE;

	return strcmp(s, "noise") && strcmp(s, "silence") ? EINVAL : 0;
}


/* Those that are neither number, flag nor text. */
static const struct special {
	const char *name;
	int (*parse)(struct opts *o, const char *s);
	const char *wanted;
} specialv[] = {
	{"to",        to_parse,        "an IPv4 address, or address:port,.."},
	{"pid",       pids_parse,      "process ids with commas between"},
	{"bus-pid",   buspids_parse,   "process ids with commas between"},
	{"codec",     codec_parse,     "pcmu, pcma, g722 or opus"},
	{"listeners", listeners_parse, "silence or noise"},
};


static const struct special *special_find(const char *name)
{
	for (size_t i = 0; i < sizeof(specialv) / sizeof(specialv[0]); i++) {
		if (!strcmp(specialv[i].name, name))
			return &specialv[i];
	}

	return NULL;
}


static const struct option_def *def_find(const char *name)
{
	for (size_t i = 0; i < sizeof(defv) / sizeof(defv[0]); i++) {
		if (!strcmp(defv[i].name, name))
			return &defv[i];
	}

	return NULL;
}


/* A name with at most one %d, and nothing that means more in a SIP URI. */
static bool conf_valid(const char *s)
{
	const char *pc = strchr(s, '%');

	if (!*s || (pc && (pc[1] != 'd' || strchr(pc + 1, '%'))))
		return false;

	return !s[strspn(s, "abcdefghijklmnopqrstuvwxyz"
			 "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.+%")];
}


static int option_set(struct opts *o, const struct option_def *d,
		      const char *val, FILE *err)
{
	char *field = (char *)o + d->off;

	switch (d->kind) {

	case FLAG:
		*(bool *)(void *)field = true;
		return 0;

	case TEXT:
		if (strlen(val) >= d->size) {
			fprintf(err, "--%s: too long\n", d->name);
			return EINVAL;
		}
		memcpy(field, val, strlen(val) + 1);
		return 0;

	default:
		if (!number((uint32_t *)(void *)field, val, d->min, d->max))
			return 0;

		fprintf(err, "--%s %s: a number from %u to %u is wanted\n",
			d->name, val, d->min, d->max);
		return EINVAL;
	}
}


static int tos_allowed(const struct opts *o)
{
	int err = addr_allowed(&o->to, o->foreign);

	for (size_t i = 0; !err && i < o->toc; i++)
		err = addr_allowed(&o->tov[i], o->foreign);

	return err;
}


static int opts_check(const struct opts *o, FILE *err)
{
	const char *why = NULL;

	if (!conf_valid(o->conf))
		why = "--conf: letters, digits, - _ . + and one %d";
	else if (o->ptime % 10 || o->ptime == 50)
		why = "--ptime: 10, 20, 30, 40 or 60";
	else if (o->ptime == 30 && o->codec == CODEC_OPUS)
		why = "--ptime: an Opus frame is 10, 20, 40 or 60 ms";
	else if ((uint64_t)o->parts * o->conferences > PARTS_MAX)
		why = "--parts times --conferences: at most 20000";
	else if (o->tones && o->talkers > TONES_MAX)
		why = "--talkers: at most 8 here";
	else if (tos_allowed(o))
		why = "--to: not in 127.0.0.0/8; load goes to this host only,"
			" unless you say --i-own-this-host";
	else if (o->foreign && !addr_allowed(&o->to, false))
		why = "--i-own-this-host: the target is this host anyway";
	else if (o->foreign && !o->local[0])
		why = "--i-own-this-host: say --local ADDR, your address";
	else if (proc_check(o->pidv, o->pidc) ||
		 proc_check(o->buspidv, o->buspidc))
		why = "--pid: no such process";

	if (why)
		fprintf(err, "%s\n", why);

	return why ? EINVAL : 0;
}


/**
 * Read the command line
 *
 * @param o    Holds the defaults; changed by what is there
 * @param argc Number of words
 * @param argv Words, without the program's and the command's name
 * @param err  Where complaints go
 *
 * @return 0 if success, EINVAL after a complaint
 */
int opts_parse(struct opts *o, int argc, char **argv, FILE *err)
{
	for (int i = 0; i < argc; i++) {
		const char *name = argv[i] + 2, *val = NULL;
		const bool dashes = !strncmp(argv[i], "--", 2);
		const struct option_def *d;
		const struct special *sp;

		d = dashes ? def_find(name) : NULL;
		sp = dashes ? special_find(name) : NULL;
		if (!d && !sp) {
			fprintf(err, "%s: no such option\n", argv[i]);
			return EINVAL;
		}

		if (sp || d->kind != FLAG) {
			val = i + 1 < argc ? argv[++i] : "";
			if (!*val) {
				fprintf(err, "--%s: a value is wanted\n",
					name);
				return EINVAL;
			}
		}

		if (d && option_set(o, d, val, err))
			return EINVAL;
		if (sp && sp->parse(o, val)) {
			fprintf(err, "--%s %s: %s is wanted\n", name, val,
				sp->wanted);
			return EINVAL;
		}
	}

	return opts_check(o, err);
}
