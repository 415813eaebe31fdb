/**
 * @file mesh/channel.h  UDP ports of a worker and packets in batches
 */
#ifndef JUNCTOR_MESH_CHANNEL_H
#define JUNCTOR_MESH_CHANNEL_H

enum {
	CHANNEL_RX_BATCH = 128,
	CHANNEL_TX_BATCH = 256,
};

struct channel {                 /* an RTP and an RTCP port               */
	int rtp, rtcp;           /* sockets, or -1                        */
	struct sa rtp_laddr, rtcp_laddr;
	uint32_t drops;          /* of RTP, thrown away before being read */
};

struct rx_batch;
struct tx_batch;

struct tx_stats {
	uint64_t packets, errors;
};

int  channel_open(struct channel **chp, const struct sa *laddr, bool big);

int  rx_batch_alloc(struct rx_batch **bp);
unsigned rx_batch_recv(struct rx_batch *b, int fd);
const uint8_t *rx_batch_packet(const struct rx_batch *b, unsigned ix,
			       size_t *len);
unsigned rx_batch_drops(const struct rx_batch *b, uint32_t *seen);
uint64_t rx_batch_time(const struct rx_batch *b, unsigned ix, uint64_t now);
const struct sa *rx_batch_src(const struct rx_batch *b, unsigned ix);

int  tx_batch_alloc(struct tx_batch **bp);
uint8_t *tx_batch_add(struct tx_batch *b, int fd, const struct sa *dst,
		      const void *shared, size_t len);
void tx_batch_flush(struct tx_batch *b);
void tx_batch_stats(const struct tx_batch *b, struct tx_stats *st);

#endif
