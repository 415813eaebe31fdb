/**
 * @file tests/mesh/sim.h  A sender, a network and a scheduler, simulated
 */
#ifndef JUNCTOR_TESTS_MESH_SIM_H
#define JUNCTOR_TESTS_MESH_SIM_H

enum { SIM_QUEUE = 256 };

struct sim_packet {
	bool used;
	double at;            /* arrival [us]                               */
	struct scheduler_packet pkt;
	uint8_t buf[CODEC_PAYLOAD_MAX];
};

struct sim {
	/* set by the test */
	struct mesh_format fmt;
	struct mesh_media media;
	struct scheduler_config cfg;
	unsigned ptime;       /* [ms]                                       */
	uint32_t rate;        /* of the sender's and the output PCM [Hz]    */
	double phase;         /* first packet's arrival before a tick [us]  */
	double jitter;        /* up to this late, evenly spread [us]        */
	double loss;          /* 0..1                                       */
	double drift;         /* of the sender's clock, 1e-6 is 1 ppm       */
	bool ext;             /* send RFC 6464 levels                       */
	bool frames;          /* take frames where possible                 */
	bool no_pcm;          /* never take PCM                             */
	int silence;          /* at what the sender is; 0 speech, 1 digital
				 silence, 2 noise at `noise`, 3 sine        */
	double noise;         /* [dBov]                                     */
	double freq;          /* [Hz]                                       */
	unsigned complexity;
	bool (*lose)(struct sim *sim, uint16_t seq);
	double (*delay)(struct sim *sim, uint16_t seq); /* extra [us]       */

	/* state */
	struct codec_pool *pool;
	struct codec_enc *enc;
	struct scheduler *s;
	struct signal sig;
	struct signal rnd;
	double now;           /* of the next tick [us]                      */
	double send_at;       /* of the next packet [us]                    */
	uint16_t seq;
	uint32_t ts, ssrc;
	struct sim_packet queue[SIM_QUEUE];

	/* results */
	int16_t *in, *out;    /* all samples sent and played                */
	size_t inc, outc, cap;
	unsigned ticks, talking, framed, nodata, judging;
	char digits[64];
	uint8_t level;
};

void sim_init(struct sim *sim, enum mesh_codec codec);
void sim_start(struct sim *sim);
void sim_run(struct sim *sim, double seconds);
void sim_send(struct sim *sim);
void sim_close(struct sim *sim);
double sim_random(struct sim *sim);
struct scheduler_stats sim_stats(const struct sim *sim);
void sim_close_clean(struct sim *sim);
void sim_put(struct sim *sim, uint16_t seq, uint32_t ts, uint32_t ssrc,
	     uint8_t pt, const uint8_t *p, size_t len);
enum scheduler_state sim_tick(struct sim *sim, int16_t *out);
void sim_loud(uint8_t *p, size_t len, unsigned k);
double sim_delay_ms(const struct sim *sim, double seconds);

#endif
