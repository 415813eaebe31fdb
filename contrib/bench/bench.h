/* The load generator: SIP callers with real RTP, who check what they hear.
 * It shares no code with the server, so that it cannot share its mistakes. */
#ifndef JUNCTOR_BENCH_H
#define JUNCTOR_BENCH_H

#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

enum {
	TOS_MAX = 8,
	PIDS_MAX = 16,
	PARTS_MAX = 20000,
	DGRAM_MAX = 4096,       /* largest SIP datagram [bytes] */
	FRAME_MAX = 512,        /* largest codec frame [bytes] */
	EAR_RATE = 8000,        /* the rate all listening is done at [Hz] */
};

enum codec { CODEC_PCMU, CODEC_PCMA, CODEC_G722, CODEC_OPUS };
enum listen_kind { LISTEN_SILENCE, LISTEN_NOISE };

struct opts {
	/* what to measure */
	struct sockaddr_in to;          /* the server, the first of them */
	struct sockaddr_in tov[TOS_MAX];        /* all, if there are several */
	size_t toc;
	char conf[64];                  /* conference name, %d is its number */
	int pidv[PIDS_MAX];
	size_t pidc;
	char local[16];                 /* own address, only off loopback */
	/* how much */
	uint32_t count, rate, seconds, outstanding;
	uint32_t parts, conferences, talkers;
	uint32_t joinrate;              /* [joins/s] */
	uint32_t warmup;                /* [s] */
	uint32_t hangup;                /* all hang up within [s] */
	uint32_t rounds;
	uint32_t settle;                /* memory is looked at after [s] */
	uint32_t timeout;               /* [s] */
	/* what happens meanwhile */
	char act[512];                  /* shell command */
	uint32_t before;                /* it is run after [s] */
	uint32_t retry;                 /* a refused join waits [ms] */
	uint32_t retries;               /* at most */
	char capacity[512];             /* command that prints capacities */
	uint32_t stubborn;              /* phones that refuse re-INVITE [%] */
	char each[256];                 /* file for every participant */
	char but[64];                   /* threads that do not count */
	int buspidv[PIDS_MAX];
	size_t buspidc;
	/* what is said */
	enum codec codec;
	uint32_t bitrate;               /* Opus [bit/s] */
	uint32_t ptime;                 /* [ms] */
	uint32_t payload;               /* of the floor [bytes] */
	enum listen_kind listeners;
	bool burst;
	bool nortp;
	bool inactive;                  /* on hold from the start */
	bool tones;                     /* talkers send tones, not speech */
	char speech[256];
	/* how it is told */
	bool json, sip, foreign, nocheck;
};

/* opts.c */
int opts_parse(struct opts *o, int argc, char **argv, FILE *err);
int addr_parse(struct sockaddr_in *sin, const char *s, size_t len);
int addr_allowed(const struct sockaddr_in *sin, bool foreign);
const char *codec_name(enum codec codec);

/* stat.c */
struct hist;
int hist_alloc(struct hist **hp, uint64_t step, uint32_t stepc);
void hist_add(struct hist *h, uint64_t v);
uint64_t hist_percentile(const struct hist *h, double p);
uint64_t hist_count(const struct hist *h);
void hist_reset(struct hist *h);
double median(double *v, size_t n);

struct result;
int result_alloc(struct result **rp, const char *what);
void result_num(struct result *r, const char *key, double v,
		const char *unit, const char *text);
void result_print(const struct result *r, bool json, FILE *f);
void result_free(struct result *r);

/* proc.c */
struct proc_use {
	double cpu;             /* user + system since the start [s] */
	uint64_t rss, pss;      /* [bytes] */
	uint32_t threads;
};
int proc_read(struct proc_use *u, const int *pidv, size_t pidc, bool mem);
int proc_check(const int *pidv, size_t pidc);
double proc_threads(const int *pidv, size_t pidc, const char *but);
double proc_self(void);
void own_priority(int nice);

/* net.c */
struct sockio;
typedef void (sockio_recv_h)(char *buf, size_t len,
			     const struct sockaddr_in *src, void *arg);
int sockio_alloc(struct sockio **iop, const char *local);
void sockio_free(struct sockio *io);
int sockio_fd(const struct sockio *io);
const struct sockaddr_in *sockio_addr(const struct sockio *io);
char *sockio_buf(struct sockio *io);
void sockio_push(struct sockio *io, size_t len,
		 const struct sockaddr_in *dst);
void sockio_push_from(struct sockio *io, uint32_t src, size_t len,
		      const struct sockaddr_in *dst);
void source_set(struct msghdr *mh, void *ctl, size_t n, uint32_t src);
void sockio_flush(struct sockio *io);
void sockio_read(struct sockio *io, sockio_recv_h *recvh, void *arg);
int64_t now_ns(void);
int64_t wall_ns(void);
int stop_fd(void);
bool stop_wanted(int fd);
int wait_until(const int *fdv, size_t fdc, int64_t until);

/* msg.c */
struct str {
	const char *p;
	size_t l;
};

enum { MSG_VIAS = 8, MSG_ROUTES = 8 };

struct msg {
	bool request;
	int code;                       /* of a response */
	struct str method;              /* of a request, or from the CSeq */
	struct str ruri, from, to, callid, contact, referto, body;
	uint32_t cseq;
	struct str viav[MSG_VIAS];
	size_t viac;
	struct str routev[MSG_ROUTES];  /* Record-Route values */
	size_t routec;
};

struct sdp_answer {
	struct sockaddr_in media;
	uint8_t pt;
	uint32_t ptime;                 /* [ms], 0: not said */
};

int msg_parse(struct msg *m, const char *buf, size_t len);
int str_param(struct str *val, const struct str *hdr, const char *name);
int str_uri(struct str *uri, const struct str *hdr);
bool str_is(const struct str *s, const char *z);
int uri_addr(struct sockaddr_in *sin, const struct str *uri);
int sdp_parse(struct sdp_answer *a, const struct str *body,
	      enum codec codec);

/* write.c */
struct wbuf {
	char *p;
	size_t n, cap;
	bool full;
};
void wbuf_add(struct wbuf *w, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void wbuf_str(struct wbuf *w, const struct str *s);
void sdp_write(struct wbuf *w, const struct opts *o,
	       const struct sockaddr_in *media, uint32_t id);
int conf_uri(char *buf, size_t n, const struct opts *o,
	     const struct sockaddr_in *to, uint32_t no);
void reply_write(struct wbuf *w, const struct msg *req, int code,
		 const char *reason, const char *contact,
		 const char *body);

/* call.c, uas.c */
enum call_state { CALL_IDLE, CALL_INVITE, CALL_UP, CALL_BYE, CALL_DONE };
struct calls;
struct part;

struct dialog {
	uint32_t gen;           /* makes its Call-ID unique */
	uint32_t cseq;          /* of the last own request */
	uint32_t rcseq;         /* of the server's last request, 0: none */
	char ruri[400];         /* request URI of the current hop */
	char totag[128];
	char route[600];        /* Route header lines, ready to send */
	struct sockaddr_in dst;
};

struct call {
	enum call_state state;
	bool hangup;            /* say BYE as soon as it is up */
	uint8_t hops;           /* redirections followed */
	uint32_t gens;          /* Call-IDs used */
	int code;               /* why it failed, 0: it did not */
	uint32_t addr;          /* own address, host order */
	char conf[80];          /* conference URI, the first request URI */
	char replaces[300];     /* header of the INVITE, "" for none */
	struct dialog d;
	struct dialog *old;     /* which d is to replace, NULL for none */
	struct sockaddr_in media;       /* the server's */
	uint32_t moves;         /* to another media address */
	bool referred;          /* it has followed a REFER */
	uint32_t disorder;      /* requests of the server out of order */
	int64_t started;        /* first INVITE [ns, monotonic] */
	int64_t next, ival;     /* retransmission [ns], 0: none due */
	int64_t limit;          /* gives up at [ns] */
	double setup;           /* both hops [s] */
	struct part *part;      /* its media, may be NULL */
};

int calls_alloc(struct calls **csp, const struct opts *o, uint32_t callc);
void calls_free(struct calls *cs);
int calls_fd(const struct calls *cs);
int call_start(struct calls *cs, uint32_t i, const char *conf,
	       const struct sockaddr_in *to, struct part *part);
void call_bye(struct calls *cs, uint32_t i);
struct call *calls_get(struct calls *cs, uint32_t i);
void calls_work(struct calls *cs, int64_t now);
bool calls_poll(struct calls *cs, int64_t until);
uint32_t calls_count(const struct calls *cs, enum call_state state);
uint32_t calls_failed(const struct calls *cs);
void calls_report(const struct calls *cs, FILE *f);
void calls_hangup(struct calls *cs, int64_t within);
bool calls_stopped(const struct calls *cs);
uint32_t calls_retrans(const struct calls *cs);
void calls_request(struct calls *cs, const struct msg *m,
		   const struct sockaddr_in *src);
struct call *calls_find(struct calls *cs, const struct str *callid,
			uint32_t *ip, struct dialog **dp);
char *calls_buf(struct calls *cs);
void calls_push(struct calls *cs, const struct call *c, size_t len,
		const struct sockaddr_in *dst);
void call_contact(const struct calls *cs, uint32_t i, char *buf, size_t n);
void call_sdp(const struct calls *cs, uint32_t i, struct wbuf *w);
void call_media(struct calls *cs, struct call *c, const struct str *body);
void call_ended(struct calls *cs, struct call *c, int code);

/* speech.c, codec.c */
struct loop {
	uint32_t framec;        /* frames in the loop */
	uint32_t samples;       /* per frame at EAR_RATE */
	uint16_t *lenv;
	uint8_t *data;          /* framec x FRAME_MAX */
	int16_t *ref;           /* what a perfect listener decodes */
};

struct decoder;
uint32_t pcm_rate(enum codec codec);
int speech_load(int16_t **pcmp, size_t *np, const char *path,
		uint32_t rate);
int loop_speech(struct loop **lp, const struct opts *o);
int loop_quiet(struct loop **lp, const struct opts *o);
void loop_free(struct loop *l);
int loop_encode(struct loop **lp, const struct opts *o, const int16_t *pcm,
		size_t n);
uint32_t codec_rate(enum codec codec);
int decoder_alloc(struct decoder **dp, enum codec codec);
void decoder_free(struct decoder *d);
int decoder_frame(struct decoder *d, int16_t *pcm, size_t max,
		  const uint8_t *p, size_t len);

/* rtp.c, part.c */
struct heard_packet {           /* in a row of them, each as long as it is */
	int64_t at;             /* arrival [ns, wall clock] */
	uint32_t ts;
	uint16_t len;
	uint8_t data[];
};

struct part {
	uint32_t i;
	uint32_t addr;          /* own address, host order */
	uint16_t port;
	uint8_t pt;
	uint8_t slot;           /* [ms] within the ptime */
	bool active;            /* sends; under the lock, as is remote */
	struct sockaddr_in remote;
	pthread_mutex_t *lock;  /* of the media */
	/* sent; media thread only */
	const struct loop *loop;
	uint32_t frame, off;    /* frames sent, where in the loop it began */
	uint32_t ssrc, ts;
	uint16_t seq;
	int64_t *sentv;         /* when frame k left, talkers only [ns] */
	uint32_t sentmax;
	/* received; media thread only */
	bool seen;
	uint32_t rssrc;
	uint16_t rseq;
	int64_t last;           /* last arrival [ns] */
	uint32_t got, lost, late, gaps;
	int64_t worst;          /* longest silence [ns] */
	uint32_t anew;          /* streams that began anew (SSRC) */
	uint8_t *heard;         /* struct heard_packet, one behind another */
	size_t heardlen, heardmax;      /* [bytes] */
	uint32_t heardc;
};

/* When this program itself was late, so that nobody else is blamed. */
enum { STALLS_MAX = 4096 };

struct stall {
	int64_t from, to;       /* [ns, wall clock] */
};

struct stalls {
	uint32_t n;
	struct stall v[STALLS_MAX];
};

struct media;
int media_alloc(struct media **mp, const struct opts *o, uint32_t partc);
struct part *media_part(struct media *m, uint32_t i);
int media_start(struct media *m);
void media_stop(struct media *m);
void media_free(struct media *m);
void media_window(struct media *m, int64_t from, int64_t to);
int part_record(struct part *p, uint32_t packets);
void part_keep(struct part *p, int64_t at, uint32_t ts, const uint8_t *b,
	       size_t len);
const struct heard_packet *part_heard(const struct part *p,
				      const struct heard_packet *prev);
int part_logsent(struct part *p, uint32_t frames);
void part_connect(struct part *p, const struct sockaddr_in *remote,
		  uint8_t pt);
void part_disconnect(struct part *p);
const struct hist *media_jitter(const struct media *m);
const struct hist *media_lateness(const struct media *m);
const struct stalls *media_stalls(const struct media *m);

/* rtprecv.c */
struct rxset;
int rxset_alloc(struct rxset **rsp);
void rxset_free(struct rxset *rs);
void rxset_window(struct rxset *rs, int64_t from, int64_t to);
void rxset_read(struct rxset *rs, int fd, struct part *const *byaddr,
		uint32_t base, uint32_t n, uint32_t ptime);
bool rxset_open(struct rxset *rs, int64_t at);
struct hist *rxset_jitter(struct rxset *rs);

/* tone.c */
enum { TONES_MAX = 8, TONE_BLOCK = EAR_RATE / 100 };

struct tones {
	uint32_t count;
	float cosv[TONES_MAX][TONE_BLOCK], sinv[TONES_MAX][TONE_BLOCK];
};

int loop_tone(struct loop **lp, const struct opts *o, uint32_t k);
void tones_init(struct tones *ts, uint32_t count);
uint32_t tones_find(const struct tones *ts, const int16_t *pcm);

/* gap.c */
struct silence {
	int64_t longest;        /* [ns] */
	int64_t back;           /* end of the last one to count, 0: none */
	uint32_t excused;       /* this program had its share in */
};

struct gaps {
	struct silence silence0, missing0;      /* before the event */
	struct silence silence, missing;        /* from it on */
	bool heard;             /* all of them, at the end */
};

struct gaps_ask {
	const struct tones *tones;
	const struct stalls *stalls;
	enum codec codec;
	uint32_t mask;          /* the tones it should hear */
	int64_t from, event, to;        /* [ns, wall clock] */
};

int gaps_find(struct gaps *g, const struct part *p,
	      const struct gaps_ask *ask);

/* hear.c */
struct ear;
struct heard {
	bool heard;
	double share;           /* segments recognised, 0..1 */
	int64_t delay;          /* commonest [ns] */
};
int ear_alloc(struct ear **ep, const struct part *p, enum codec codec);
void ear_free(struct ear *e);
int ear_listen(struct heard *h, const struct ear *e,
	       const struct part *talker, struct hist *delays);

/* act.c */
struct act {
	int pid;                /* of the command, 0: none runs */
	bool done;              /* it was run */
	int status;             /* as the shell says, -1: could not be run */
	int64_t began, ended;   /* [ns, wall clock] */
};

void act_start(struct act *a, const char *cmd);
bool act_poll(struct act *a);
void act_wait(struct act *a, int64_t limit);

/* canary.c */
struct canary;
int canary_alloc(struct canary **cp);
int64_t canary_tell(struct canary *c, struct result *r);
void canary_free(struct canary *c);

/* The measurements. */
struct bench {
	struct opts o;
	struct result *res;
	bool failed;            /* measured, but something went wrong */
};

/* crowd.c */
struct crowd {
	const struct opts *o;
	struct media *media;
	struct calls *calls;
	struct loop *speech, *quiet;
	struct loop *tonev[TONES_MAX];
	uint32_t n;             /* participants */
};
int crowd_alloc(struct crowd **cp, const struct opts *o, uint32_t n);
void crowd_free(struct crowd *c);
bool crowd_join(struct crowd *c, uint32_t rate);
bool crowd_wait(struct crowd *c, uint32_t seconds);
void crowd_setup(const struct crowd *c, struct result *r);
void crowd_close(struct bench *b, struct crowd *c);

/* report.c */
void media_report(struct bench *b, struct media *m, uint32_t n);

/* check.c */
int check_prepare(struct crowd *c);
void check_run(struct bench *b, struct crowd *c);

extern const char usage_text[];
int bench_redirect(struct bench *b);
int bench_firstjoin(struct bench *b);
int bench_conference(struct bench *b);
int bench_latency(struct bench *b);
int bench_join(struct bench *b);
int bench_storm(struct bench *b);
int bench_floor(struct bench *b);
int bench_move(struct bench *b);
int bench_failover(struct bench *b);
int bench_spread(struct bench *b);
int bench_idle(struct bench *b);

#endif
