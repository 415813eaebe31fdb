/**
 * @file metrics.c  Numbers of seats on the bus
 */
#include <stddef.h>
#include <re.h>
#include "server/offers.h"
#include "connect/connect.h"
#include "connect/room.h"
#include "connect/seatwriter.h"


static double stat_metric(void *arg, size_t offset)
{
	const struct connect *c = arg;
	struct seatwriter_stats st;

	seatwriter_stats(c->writer, &st);

	return (double)*(const uint64_t *)(const void *)
		((const uint8_t *)&st + offset);
}


static double written_metric(void *arg)
{
	return stat_metric(arg, offsetof(struct seatwriter_stats, written));
}


static double failed_metric(void *arg)
{
	return stat_metric(arg, offsetof(struct seatwriter_stats, failed));
}


static double lost_metric(void *arg)
{
	return stat_metric(arg, offsetof(struct seatwriter_stats, lost));
}


static double waiting_metric(void *arg)
{
	const struct connect *c = arg;

	return seatwriter_waiting(c->writer);
}


/**
 * Offer the metrics of a connect service
 *
 * @param c Connect service
 *
 * @return 0 if success, otherwise errorcode
 */
int connect_metrics(struct connect *c)
{
	static const struct offer_metric metricv[] = {
		{METRIC_COUNTER, "junctor_seats_written_total", NULL,
		 "seats and rooms written to the bus", written_metric, NULL},
		{METRIC_COUNTER, "junctor_seats_failed_total", NULL,
		 "seats and rooms that had to be written again",
		 failed_metric, NULL},
		{METRIC_COUNTER, "junctor_seats_lost_total", NULL,
		 "participants that another server has taken over",
		 lost_metric, NULL},
		{METRIC_GAUGE, "junctor_seats_waiting", NULL,
		 "seats and rooms not on the bus yet", waiting_metric, NULL},
	};

	return offers_metrics(c->offers, metricv, ARRAY_SIZE(metricv), c);
}
