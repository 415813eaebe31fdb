/**
 * @file estimator.h  How much room a media server has
 */
#ifndef JUNCTOR_NOC_ESTIMATOR_H
#define JUNCTOR_NOC_ESTIMATOR_H

enum { ESTIMATOR_MEDIA = 3 };     /* audio, video, text: bits of media_type */

/* What the operator says this server can do. */
struct estimator_config {
	uint32_t users;           /* "users"                                */
	uint32_t bandwidth;       /* "bandwidth": units of the whole server */
	uint32_t unitv[ESTIMATOR_MEDIA];    /* one participant's            */
	uint32_t cpu;             /* "cpu": of the machine to use [1/1000]  */
	uint32_t cpuv[ESTIMATOR_MEDIA];     /* one participant's [1/10^6]   */
	uint32_t conferences;     /* "conferences"                          */
	uint32_t contracted;      /* participants of each                   */
};

/* What it does now. Leases are places kept for those on their way. */
struct estimator_load {
	uint32_t participants;
	uint32_t leased;
	uint32_t mediav[ESTIMATOR_MEDIA];   /* participants with that media */
	uint32_t leasev[ESTIMATOR_MEDIA];
	uint32_t cpu;             /* in use [1/1000 of the machine]         */
	uint32_t contracted;      /* sum over conferences of the contracted
				     size or, if greater, participants and
				     leases                                 */
};

struct estimator {
	const char *name;
	uint32_t (*capacity)(const struct estimator_config *cfg,
			     const struct estimator_load *load);
	uint32_t (*unused)(const struct estimator_config *cfg,
			   const struct estimator_load *load);
	/* of unused, for one more in a conference of `size`; 0: a new one */
	uint32_t (*need)(const struct estimator_config *cfg, uint32_t size);
};

const struct estimator *estimator_find(const char *name);

#endif
