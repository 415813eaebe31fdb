/**
 * @file mesh/mesh_priv.h  Main's side of the mesh
 */
#ifndef JUNCTOR_MESH_MESH_PRIV_H
#define JUNCTOR_MESH_MESH_PRIV_H

enum { MESH_WORKERS_MAX = 64 };

struct order {                   /* a message from main                   */
	struct msg msg;
	struct wconf *conf;
	struct wpart *part;
	int value;
	/* handed over; what the worker leaves or puts here comes back */
	struct mesh_media *media;
	struct sender_group *group, *group_old;
	struct sender *sender;
	struct filter_rules *rules;
};

struct mesh {
	struct mesh_config cfg;
	struct mqueue *mq;
	struct worker **workerv;
	unsigned workerc;
	bool started;
	unsigned ports;          /* private ones in use                   */
	uint8_t *portv;          /* which, if they are numbered           */
};

struct mesh_conf {
	struct mesh *mesh;
	struct worker *w;
	struct wconf *conf;      /* the worker's                          */
	struct order *leave;     /* for the end, so that it cannot fail   */
	unsigned partc;
	struct list linkl;
	struct list partl;       /* participants, links are none          */
	struct list rulel;       /* of them, those with rules             */
	unsigned ratev[4];       /* members by what they can use          */
	uint32_t ssrc_seed, ssrc_next;
	unsigned senders;        /* that its listeners may need at once   */
	unsigned seats;
	uint32_t rate_max, rate; /* [Hz]                                  */
};

struct mesh_part {
	struct le le;            /* counted by the conference             */
	struct le rule_le;
	struct mesh_conf *conf;
	struct wpart *part;      /* the worker's, but for `handle`        */
	struct order *leave;
	struct mesh_media media;
	struct mesh_part_state state; /* as was set; `speaking` is not    */
	struct sa rtp, rtcp;     /* ours                                  */
	uint32_t ssrc;
	int port;                /* number of the private port, or -1     */
	bool own_port;
	bool link;               /* to another server                     */
	bool own_sender;         /* counted for rules                     */
	mesh_event_h *h;
	void *arg;
};

int  mesh_part_make(struct mesh_part **pp, struct mesh_conf *conf,
		    const struct mesh_part_params *prm, bool link);
int  mesh_part_change(struct mesh_part *part, const struct mesh_media *media);
int  order_alloc(struct order **op, struct wconf *conf, struct wpart *part,
		 void (*apply_h)(struct msg *msg, void *arg));
void order_part_add(struct msg *msg, void *arg);
void order_part_remove(struct msg *msg, void *arg);
void order_part_removed(struct msg *msg, void *arg);
void order_part_update(struct msg *msg, void *arg);
bool mesh_stream_valid(const struct mesh_stream *st);
void mesh_stream_pass(struct mesh_stream *st, uint64_t usec);
int  mesh_senders_need(struct mesh_conf *conf, unsigned need);
int  mesh_conf_part_add(struct mesh_conf *conf, struct mesh_part *part);
void mesh_conf_part_remove(struct mesh_conf *conf, struct mesh_part *part);
bool mesh_part_state_valid(const struct mesh_part_state *state);
int  mesh_part_state_begin(struct mesh_part *part,
			   const struct mesh_part_state *state);
void mesh_part_forget(struct mesh_part *part, const struct mesh_part *gone);
int  mesh_part_own_sender(struct mesh_part *part);
int  mesh_rules_post(struct mesh_part *part);
int  mesh_rules_know(struct mesh_part *part);
void mesh_conf_rate_count(struct mesh_conf *conf,
			  const struct mesh_format *fmt, int by);
int  mesh_conf_rate(struct mesh_conf *conf);
void mesh_part_trace(const struct mesh_part *part, const char *what);
void mesh_conf_trace(const struct mesh_conf *conf, const char *what);

#endif
