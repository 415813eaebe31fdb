/**
 * @file test_heap.c  What is due, the earliest first
 */
#include <check.h>
#include <re.h>
#include "bus/heap.h"
#include "../suite.h"


START_TEST(test_heap)
{
	enum { N = 500 };
	static struct heap_node nodev[N];
	struct heap heap = { .nodev = NULL };
	struct heap_node *node;
	uint64_t last = 0;
	unsigned i, n = 0;
	uint32_t x = 1;

	/* in, changed and out again in disorder */
	for (i=0; i<3*N; i++) {
		x = x * 1103515245 + 12345;
		ck_assert_int_eq(0, heap_insert(&heap, &nodev[i % N],
						x >> 20));
	}
	for (i=0; i<N; i+=3)
		heap_remove(&heap, &nodev[i]);
	heap_remove(&heap, &nodev[0]);
	ck_assert_uint_eq(0, nodev[0].pos);

	while ((node = heap_first(&heap))) {
		ck_assert_uint_ge(node->when, last);
		last = node->when;
		heap_remove(&heap, node);
		++n;
	}
	ck_assert_uint_eq(N - (N + 2) / 3, n);

	ck_assert_int_eq(0, heap_insert(&heap, &nodev[0], 1));
	heap_reset(&heap);
	ck_assert_uint_eq(0, nodev[0].pos);
	ck_assert_ptr_null(heap_first(&heap));
}
END_TEST


int main(void)
{
	TCase *tc = tcase_create("heap");

	tcase_add_test(tc, test_heap);

	return suite_run("heap", tc);
}
