/* Histograms, medians and the figures a measurement ends with. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "bench.h"

enum { FIGURES_MAX = 48 };

struct hist {
	uint64_t step;          /* width of a bin */
	uint32_t stepc;         /* bins; the last holds all that is larger */
	uint64_t n;
	uint32_t binv[];
};

struct figure {
	char key[32];
	char unit[12];
	char text[48];          /* for people */
	double v;
};

struct result {
	char what[64];
	struct figure figv[FIGURES_MAX];
	size_t figc;
};


/**
 * Allocate a histogram
 *
 * @param hp    Where it goes; the caller frees it with free()
 * @param step  Width of a bin, above 0
 * @param stepc Number of bins, 1 to 2^24
 *
 * @return 0 if success, otherwise errorcode
 */
int hist_alloc(struct hist **hp, uint64_t step, uint32_t stepc)
{
	struct hist *h;

	if (!hp || !step || !stepc || stepc > 1u << 24)
		return EINVAL;

	h = calloc(1, sizeof(*h) + stepc * sizeof(h->binv[0]));
	if (!h)
		return ENOMEM;

	h->step = step;
	h->stepc = stepc;
	*hp = h;

	return 0;
}


/** Count one value */
void hist_add(struct hist *h, uint64_t v)
{
	const uint64_t i = v / h->step;

	++h->binv[i < h->stepc ? i : h->stepc - 1];
	++h->n;
}


/**
 * The value below which a share of all values lies
 *
 * @param h Histogram
 * @param p Share, 0..1
 *
 * @return Upper end of the bin; 0 if nothing was counted
 */
uint64_t hist_percentile(const struct hist *h, double p)
{
	uint64_t want, sum = 0;

	if (!h || !h->n)
		return 0;

	want = (uint64_t)ceil(p * (double)h->n);
	if (!want)
		want = 1;

	for (uint32_t i = 0; i < h->stepc; i++) {
		sum += h->binv[i];
		if (sum >= want)
			return (i + 1) * h->step;
	}

	return h->stepc * h->step;
}


/** How many values were counted */
uint64_t hist_count(const struct hist *h)
{
	return h ? h->n : 0;
}


/** Forget all values */
void hist_reset(struct hist *h)
{
	memset(h->binv, 0, h->stepc * sizeof(h->binv[0]));
	h->n = 0;
}


static int double_cmp(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}


/**
 * Median; sorts the values
 *
 * @param v Values
 * @param n How many
 *
 * @return The middle one, or the mean of the two in the middle; NAN if none
 */
double median(double *v, size_t n)
{
	if (!n)
		return NAN;

	qsort(v, n, sizeof(*v), double_cmp);

	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}


/**
 * Begin the figures of a measurement
 *
 * @param rp   Where they go, freed with result_free()
 * @param what Name of the measurement
 *
 * @return 0 if success, otherwise errorcode
 */
int result_alloc(struct result **rp, const char *what)
{
	struct result *r;

	if (!rp || !what)
		return EINVAL;

	r = calloc(1, sizeof(*r));
	if (!r)
		return ENOMEM;

	snprintf(r->what, sizeof(r->what), "%s", what);
	*rp = r;

	return 0;
}


/**
 * Add a figure, or replace the one of that name
 *
 * @param r    Figures
 * @param key  Name for programs
 * @param v    Value
 * @param unit Unit, "" if it is a plain number
 * @param text What it is, for people
 */
void result_num(struct result *r, const char *key, double v,
		const char *unit, const char *text)
{
	struct figure *f;
	size_t i;

	for (i = 0; i < r->figc; i++) {
		if (!strcmp(r->figv[i].key, key))
			break;
	}
	if (i == FIGURES_MAX)
		return;
	if (i == r->figc)
		++r->figc;

	f = &r->figv[i];
	snprintf(f->key, sizeof(f->key), "%s", key);
	snprintf(f->unit, sizeof(f->unit), "%s", unit);
	snprintf(f->text, sizeof(f->text), "%s", text);
	f->v = v;
}


static void number(char *buf, size_t n, double v)
{
	if (!isfinite(v))
		snprintf(buf, n, "null");
	else if (v == floor(v) && fabs(v) < 1e15)
		snprintf(buf, n, "%.0f", v);
	else
		snprintf(buf, n, "%.4g", v);
}


/**
 * Print all figures: one line each for people, one flat object for programs
 *
 * @param r    Figures
 * @param json True for the JSON object
 * @param f    Where to
 */
void result_print(const struct result *r, bool json, FILE *f)
{
	char buf[32];

	if (json)
		fprintf(f, "{\"what\":\"%s\"", r->what);
	else
		fprintf(f, "%s\n", r->what);

	for (size_t i = 0; i < r->figc; i++) {
		const struct figure *fig = &r->figv[i];

		number(buf, sizeof(buf), fig->v);
		if (json)
			fprintf(f, ",\"%s\":%s", fig->key, buf);
		else
			fprintf(f, "  %-44s %12s %s\n", fig->text,
				isfinite(fig->v) ? buf : "-", fig->unit);
	}

	fprintf(f, json ? "}\n" : "");
	fflush(f);
}


/** Free the figures */
void result_free(struct result *r)
{
	free(r);
}
