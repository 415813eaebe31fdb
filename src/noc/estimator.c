/**
 * @file estimator.c  How much room a media server has
 *
 * All estimators answer in audio participants, so that servers with different
 * estimators can be compared: `capacity` when nobody is there, `unused` now,
 * leases already taken off.
 */
#include <string.h>
#include <re.h>
#include "noc/estimator.h"


static uint32_t less(uint64_t whole, uint64_t used)
{
	const uint64_t left = used < whole ? whole - used : 0;

	return left > UINT32_MAX ? UINT32_MAX : (uint32_t)left;
}


/* users: a number of participants, whatever they do */

static uint32_t users_capacity(const struct estimator_config *cfg,
			       const struct estimator_load *load)
{
	(void)load;

	return cfg->users;
}


static uint32_t users_unused(const struct estimator_config *cfg,
			     const struct estimator_load *load)
{
	return less(cfg->users, (uint64_t)load->participants + load->leased);
}


/* bandwidth: units, of which each media type takes some per participant */

static uint32_t unit(uint32_t u)
{
	return u ? u : 1;
}


static uint32_t bandwidth_capacity(const struct estimator_config *cfg,
				   const struct estimator_load *load)
{
	(void)load;

	return cfg->bandwidth / unit(cfg->unitv[0]);
}


static uint32_t bandwidth_unused(const struct estimator_config *cfg,
				 const struct estimator_load *load)
{
	uint64_t used = 0;
	size_t i;

	for (i=0; i<ESTIMATOR_MEDIA; i++)
		used += ((uint64_t)load->mediav[i] + load->leasev[i]) *
			cfg->unitv[i];

	return less(cfg->bandwidth, used) / unit(cfg->unitv[0]);
}


/* cpu: what the machine is measured to do, leases by what they will need */

static uint32_t cpu_unused(const struct estimator_config *cfg,
			   const struct estimator_load *load)
{
	uint64_t used = (uint64_t)load->cpu * 1000;
	size_t i;

	for (i=0; i<ESTIMATOR_MEDIA; i++)
		used += (uint64_t)load->leasev[i] * cfg->cpuv[i];

	return less((uint64_t)cfg->cpu * 1000, used) / unit(cfg->cpuv[0]);
}


/* what is used by others on this machine is no capacity of ours */
static uint32_t cpu_capacity(const struct estimator_config *cfg,
			     const struct estimator_load *load)
{
	const uint64_t n = (uint64_t)cpu_unused(cfg, load) +
		load->participants + load->leased;

	return less(n, 0);
}


/* conferences: so many of a contracted size, whether it is filled or not */

static uint32_t conferences_capacity(const struct estimator_config *cfg,
				     const struct estimator_load *load)
{
	(void)load;

	return less((uint64_t)cfg->conferences * cfg->contracted, 0);
}


static uint32_t conferences_unused(const struct estimator_config *cfg,
				   const struct estimator_load *load)
{
	return less((uint64_t)cfg->conferences * cfg->contracted,
		    load->contracted);
}


static uint32_t conferences_need(const struct estimator_config *cfg,
				 uint32_t size)
{
	if (!size)
		return cfg->contracted;

	return size < cfg->contracted ? 0 : 1;
}


static uint32_t one_need(const struct estimator_config *cfg, uint32_t size)
{
	(void)cfg;
	(void)size;

	return 1;
}


/**
 * Find an estimator
 *
 * @param name "users", "bandwidth", "cpu" or "conferences"
 *
 * @return Estimator, or NULL if there is none of that name
 */
const struct estimator *estimator_find(const char *name)
{
	static const struct estimator estimatorv[] = {
		{"users", users_capacity, users_unused, one_need},
		{"bandwidth", bandwidth_capacity, bandwidth_unused, one_need},
		{"cpu", cpu_capacity, cpu_unused, one_need},
		{"conferences", conferences_capacity, conferences_unused,
		 conferences_need},
	};
	size_t i;

	for (i=0; name && i<ARRAY_SIZE(estimatorv); i++) {
		if (!strcmp(estimatorv[i].name, name))
			return &estimatorv[i];
	}

	return NULL;
}
