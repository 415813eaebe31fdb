/**
 * @file tests/mesh/phone.h  Phones for tests: a tone goes out, audio comes in
 */
#ifndef JUNCTOR_TESTS_MESH_PHONE_H
#define JUNCTOR_TESTS_MESH_PHONE_H

struct phone;

enum { PHONE_RATE = 8000, PHONE_SECONDS = 12 };

struct phone_stats {
	unsigned packets;        /* received                              */
	unsigned gaps;           /* sequence numbers that were skipped    */
	unsigned gap_most;       /* most numbers that one of them skipped */
	unsigned ts_bad;         /* steps of the time stamp that are not
				    those of the sequence number          */
	unsigned markers;
	unsigned rtcp, bye;
	uint32_t sr_packets;     /* of the latest sender report           */
	struct rtcp_rr rr;       /* and what it says about us             */
	unsigned csrcc;          /* of the latest packet                  */
	uint32_t csrcv[16];
	uint8_t levels;          /* length of the RFC 6465 levels, or 0   */
	uint32_t ssrc;
	unsigned ssrcs;          /* changes of it                         */
	uint8_t payload[1500];   /* of the latest packet                  */
	size_t len;
};

int  phone_alloc(struct phone **pp, enum mesh_codec codec, unsigned ptime,
		 const char *host);
void phone_media(const struct phone *ph, struct mesh_media *media);
void phone_peer(struct phone *ph, const struct sa *rtp);
void phone_laddr(const struct phone *ph, struct sa *sa);
void phone_talk(struct phone *ph, double freq, double amp);
void phone_start(struct phone *ph);
void phone_stop(struct phone *ph);
int  phone_report(struct phone *ph, const struct sa *dst,
		  const struct rtcp_rr *rr);
int  phone_send(struct phone *ph, const void *p, size_t len);
int  phone_move(struct phone *ph);
const struct phone_stats *phone_stats(const struct phone *ph);
void phone_forget(struct phone *ph);
const int16_t *phone_heard(const struct phone *ph, size_t *sampc);
size_t phone_sent(const struct phone *ph);
double phone_level(const struct phone *ph, double freq, unsigned ms);
double tone_power(const int16_t *v, size_t n, double freq, double rate);
double click_max(const int16_t *v, size_t n);
void run_ms(unsigned ms);

#endif
