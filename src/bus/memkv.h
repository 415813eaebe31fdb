/**
 * @file memkv.h  Internal to the key-value buckets of the memory bus
 */
#ifndef JUNCTOR_BUS_MEMKV_H
#define JUNCTOR_BUS_MEMKV_H

struct change;

struct value {
	uint64_t rev;
	size_t len;
	uint8_t data[];
};

struct bucket {
	struct le le;
	struct membus *mb;
	struct hash *entries;
	uint32_t hsize, entryc;
	struct list watchl;
	char name[];
};

struct entry {
	struct le he;
	struct heap_node due;
	struct bucket *bucket;
	struct value *val;         /* owned                                 */
	uint32_t hash;
	char key[];
};

int  bucket_get(struct bucket **bp, struct membus *mb, const char *name);
void bucket_unwatch(struct bucket *b);

int  change_alloc(struct change **cp, struct bucket *b);
void change_push(struct change *c, struct entry *e, struct value *val);

#endif
