/* SPDX-License-Identifier: MIT */
/* What values_check() accepts can be walked without looking where it ends. */
#include <sys/mman.h>
#include <unistd.h>

#include "encode.h"
#include "value_tree.h"
#include "values.h"

/* Bytes right before a page that nobody may touch. */
static uint8_t *fence;

static void
build_fence(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *map = mmap(NULL, 9 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
	ck_assert_ptr_ne(map, MAP_FAILED);
	fence = map + 8 * page;
	ck_assert_int_eq(mprotect(fence, page, PROT_NONE), 0);
}

static const uint8_t *
before_fence(const void *bytes, size_t n)
{
	return n > 0 ? memcpy(fence - n, bytes, n) : fence;
}

/* If it is accepted, everybody who relies on that comes to the same end. */
static bool
walk(const void *bytes, size_t n, unsigned n_values)
{
	const uint8_t *begin = before_fence(bytes, n), *end = values_check(begin, fence, n_values);
	if (end == NULL)
		return false;
	struct encoder encoder = {0};
	struct line out = {0};
	struct where where = {.name = "value", .name_len = 5};
	const uint8_t *skipped = begin, *encoded = begin;
	NEED(end >= begin && end <= fence);
	for (unsigned i = 0; i < n_values; i++) {
		NEED(skipped < end);
		encoder_begin(&encoder, i % 2 == 0);
		encoded = encode_value(&encoder, &out, encoded, &where);
		skipped = value_skip(skipped);
		NEED(encoded == skipped);
	}
	NEED(skipped == end);
	encoder_fini(&encoder);
	line_fini(&out);
	return true;
}

START_TEST(what_the_hook_writes_is_accepted_and_no_part_of_it)
{
	build_fence();
	for (unsigned seed = 0; seed < 600; seed++) {
		struct dice dice = {seed};
		struct node nodes[3];
		tree_reset();
		for (unsigned i = 0; i < 3; i++)
			nodes[i] = tree_random(&dice, VALUE_MAX_DEPTH);
		size_t n = tree_encode(nodes, 3);
		if (n > 8 * 4096)
			continue;
		NEED(walk(tree_bytes, n, 3));
		NEED(!walk(tree_bytes, n, 4));
		size_t step = n > 300 ? n / 100 : 1;
		for (size_t less = step; less <= n; less += step)
			NEED(!walk(tree_bytes, n - less, 3));
	}
}
END_TEST

/* Bytes that differ a little from valid ones, or not at all resemble them. */
START_TEST(nothing_that_is_accepted_leads_out_of_bounds)
{
	build_fence();
	unsigned accepted = 0;
	for (unsigned seed = 0; seed < 60000; seed++) {
		struct dice dice = {seed + 1000000};
		size_t n = dice_below(&dice, 60);
		unsigned n_values = 1 + dice_below(&dice, 3);
		tree_reset();
		if (seed % 4 != 0) {
			struct node node = tree_random(&dice, 3);
			n = tree_encode(&node, 1);
			n_values = 1;
		} else {
			for (size_t i = 0; i < n; i++)
				tree_bytes[i] = dice_below(&dice, 3)
							? (uint8_t)dice_below(&dice, 26)
							: (uint8_t)dice_u64(&dice);
		}
		if (n > 4096)
			n = 4096;
		for (unsigned flips = dice_below(&dice, 4); flips > 0 && n > 0; flips--) {
			/* Often in the head of the first value. */
			unsigned most = dice_below(&dice, 2) && n > 20 ? 20 : (unsigned)n;
			size_t at = dice_below(&dice, most);
			tree_bytes[at] = dice_below(&dice, 2) ? (uint8_t)(tree_bytes[at] + 1)
							       : (uint8_t)dice_u64(&dice);
		}
		accepted += walk(tree_bytes, n, n_values);
	}
	/* It is no test if all is refused. */
	ck_assert_uint_gt(accepted, 10000);
	ck_assert_uint_lt(accepted, 58000);
}
END_TEST

START_TEST(lengths_that_point_beyond_the_end_are_refused)
{
	static const uint8_t lengths[] = {VALUE_STR, VALUE_BYTES, VALUE_STR_CUT, VALUE_BYTES_CUT,
					  VALUE_TUPLE, VALUE_LIST, VALUE_DICT};
	static const uint32_t wrong[] = {4, 64, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff};
	build_fence();
	for (unsigned i = 0; i < sizeof lengths; i++) {
		for (unsigned k = 0; k < 6; k++) {
			uint8_t bytes[16] = {lengths[i]};
			memset(bytes + 1, VALUE_NONE, 15);
			memcpy(bytes + 1, &wrong[k], 4);
			NEED_MSG(!walk(bytes, lengths[i] <= VALUE_BYTES ? 8 : 16, 1) ||
					      lengths[i] == VALUE_STR_CUT,
				      "tag %u, %u", lengths[i], wrong[k]);
		}
	}
	NEED(!walk("\x0b\x04" "abc", 5, 1)); /* STR8 of 4 */
	NEED(walk("\x0b\x03" "abc", 5, 1));
	NEED(!walk("\x08\x04\0abc", 6, 1)); /* BIGINT of 4 */
	/* A dict of n pairs has twice as many values. */
	struct node dict = TREE_ITEMS(VALUE_DICT, tree_int(1), tree_int(2));
	NEED(walk(tree_bytes, tree_encode(&dict, 1), 1));
	NEED(!walk(tree_bytes, tree_encode(&dict, 1) - 2, 1));
}
END_TEST

START_TEST(what_is_no_tag_is_refused)
{
	build_fence();
	for (unsigned tag = 0; tag < 256; tag++) {
		uint8_t bytes[32] = {(uint8_t)tag};
		bool is_tag = tag >= VALUE_NONE && tag <= VALUE_ELLIPSIS;
		NEED_MSG(walk(bytes, sizeof bytes, 1) == is_tag, "tag %u", tag);
	}
	ck_assert_ptr_null(values_check(fence, fence, 1));
	ck_assert_ptr_eq(values_check(fence, fence, 0), fence);
}
END_TEST

START_TEST(containers_are_followed_to_a_bounded_depth)
{
	build_fence();
	for (unsigned depth = 1; depth < 2000; depth += depth < 12 ? 1 : 400) {
		tree_reset();
		struct node node = tree_plain(VALUE_NONE);
		for (unsigned i = 0; i < depth; i++)
			node = i % 2 ? TREE_ITEMS(VALUE_LIST, node)
				     : TREE_ITEMS(VALUE_DICT, tree_int(1), node);
		NEED(walk(tree_bytes, tree_encode(&node, 1), 1) == (depth <= VALUES_MAX_DEPTH));
	}
}
END_TEST

START_TEST(a_value_is_read_with_all_that_it_says)
{
	struct value value;
	struct node node = tree_int(-2);
	size_t n = tree_encode(&node, 1);
	ck_assert_ptr_eq(value_read(tree_bytes, &value), tree_bytes + n);
	ck_assert_int_eq(value.integer, -2);
	NEED(value_is_int(&value) && !value_is_text(&value));

	node = tree_int(INT64_MIN);
	tree_encode(&node, 1);
	value_read(tree_bytes, &value);
	ck_assert_int_eq(value.integer, INT64_MIN);

	node = (struct node){.tag = VALUE_BYTES_CUT, .bytes = (const uint8_t *)"abc", .len = 3,
			     .full = 1u << 20};
	n = tree_encode(&node, 1);
	ck_assert_ptr_eq(value_read(tree_bytes, &value), tree_bytes + n);
	ck_assert_uint_eq(value.len, 3);
	ck_assert_uint_eq(value.full, 1u << 20);
	ck_assert_mem_eq(value.bytes, "abc", 3);
	NEED(value_is_bytes(&value) && value_is_text(&value) && !value_is_str(&value));

	node = tree_kind(VALUE_SECRET, KIND_BYTES, 12345678901);
	tree_encode(&node, 1);
	value_read(tree_bytes, &value);
	ck_assert_uint_eq(value.kind, KIND_BYTES);
	ck_assert_uint_eq(value.full, 12345678901);

	node = TREE_ITEMS(VALUE_TUPLE, tree_str("first"), tree_int(2));
	n = tree_encode(&node, 1);
	ck_assert_ptr_eq(value_read(tree_bytes, &value), value.bytes);
	ck_assert_uint_eq(value.len, 2);
	NEED(value_is_sequence(&value));
	ck_assert_ptr_eq(value_skip(tree_bytes), tree_bytes + n);
	value_read(value.bytes, &value);
	NEED(value_is_str(&value));
	ck_assert_uint_eq(value.full, 5);
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("values");
	tcase_add_test(tc, what_the_hook_writes_is_accepted_and_no_part_of_it);
	tcase_add_test(tc, nothing_that_is_accepted_leads_out_of_bounds);
	tcase_add_test(tc, lengths_that_point_beyond_the_end_are_refused);
	tcase_add_test(tc, what_is_no_tag_is_refused);
	tcase_add_test(tc, containers_are_followed_to_a_bounded_depth);
	tcase_add_test(tc, a_value_is_read_with_all_that_it_says);
	return suite_run("values", tc);
}
