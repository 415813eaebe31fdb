/**
 * @file farm_int.h  Shared by farm.c and farm_media.c only
 */
#ifndef JUNCTOR_BENCH_FARM_INT_H
#define JUNCTOR_BENCH_FARM_INT_H

struct join;

struct farm_media *farm_media_find(const struct farm *f, const char *contact);
int farm_media_arrive(struct farm_media *m, const struct join *join,
		      const char *ticket);

#endif
