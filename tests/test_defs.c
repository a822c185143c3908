/* SPDX-License-Identifier: MIT */
/* Definitions are walked to their end, and never beyond it. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "defs.h"
#include "suite.h"

static uint8_t region[1u << 17];
static uint64_t used;

static void
append(uint32_t id, uint16_t kind, const void *bytes, uint16_t len)
{
	struct def def = {id, kind, len};
	ck_assert_uint_le(used + def_bytes(len), sizeof region);
	memset(region + used, 0, def_bytes(len));
	memcpy(region + used, &def, sizeof def);
	memcpy(region + used + sizeof def, bytes, len);
	used += def_bytes(len);
}

START_TEST(every_length_comes_back_in_order)
{
	static uint8_t bytes[DEF_MAX_BYTES];
	struct def def;
	const uint8_t *at;
	uint64_t offset = 0;
	bool damaged;
	for (unsigned i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 7);
	used = 0;
	for (uint16_t len = 0; len < 300; len++)
		append(len + 1u, DEF_EVENT, bytes, len);
	append(1000, DEF_CODE, bytes, DEF_MAX_BYTES);
	for (uint16_t len = 0; len < 300; len++) {
		ck_assert(defs_next(region, used, &offset, &def, &at, &damaged));
		ck_assert_uint_eq(def.id, len + 1u);
		ck_assert_uint_eq(def.len, len);
		ck_assert_int_eq(memcmp(at, bytes, len), 0);
		ck_assert(!damaged);
		ck_assert_uint_eq(offset % 8, 0);
	}
	ck_assert(defs_next(region, used, &offset, &def, &at, &damaged));
	ck_assert_uint_eq(def.kind, DEF_CODE);
	ck_assert(!defs_next(region, used, &offset, &def, &at, &damaged));
	ck_assert(!damaged);
	ck_assert_uint_eq(offset, used);
}
END_TEST

START_TEST(more_can_be_read_when_more_was_written)
{
	struct def def;
	const uint8_t *at;
	uint64_t offset = 0;
	bool damaged;
	used = 0;
	ck_assert(!defs_next(region, used, &offset, &def, &at, &damaged) && !damaged);
	append(1, DEF_EVENT, "open", 4);
	ck_assert(defs_next(region, used, &offset, &def, &at, &damaged));
	ck_assert(!defs_next(region, used, &offset, &def, &at, &damaged) && !damaged);
	append(2, DEF_EVENT, "import", 6);
	ck_assert(defs_next(region, used, &offset, &def, &at, &damaged));
	ck_assert_uint_eq(def.id, 2);
	ck_assert_mem_eq(at, "import", 6);
}
END_TEST

START_TEST(a_definition_that_does_not_fit_is_damage)
{
	static uint8_t bytes[DEF_MAX_BYTES + 1];
	struct def def;
	const uint8_t *at;
	bool damaged;
	used = 0;
	append(1, DEF_EVENT, "12345678", 8);
	for (uint64_t less = 1; less < 16; less++) {
		uint64_t offset = 0;
		ck_assert(!defs_next(region, used - less, &offset, &def, &at, &damaged));
		ck_assert(damaged);
		ck_assert_uint_eq(offset, 0);
	}
	used = 0;
	append(1, DEF_EVENT, bytes, DEF_MAX_BYTES + 1);
	uint64_t offset = 0;
	ck_assert(!defs_next(region, used, &offset, &def, &at, &damaged) && damaged);
	offset = 24;
	ck_assert(!defs_next(region, 16, &offset, &def, &at, &damaged) && damaged);
	offset = UINT64_MAX;
	ck_assert(!defs_next(region, 16, &offset, &def, &at, &damaged) && damaged);
}
END_TEST

START_TEST(random_regions_are_read_within_bounds)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			    0);
	ck_assert_ptr_ne(map, MAP_FAILED);
	ck_assert_int_eq(mprotect(map + page, page, PROT_NONE), 0);
	unsigned n_read = 0, n_damaged = 0;
	for (unsigned seed = 0; seed < 50000; seed++) {
		struct dice dice = {seed};
		uint64_t n = dice_below(&dice, 200), offset = 0, sum = 0;
		uint8_t *begin = map + page - n;
		for (uint64_t i = 0; i < n; i++)
			begin[i] = (uint8_t)dice_u64(&dice);
		/* Most lengths are small, or nothing would ever be read. */
		for (uint64_t i = 6; i + 1 < n; i += 8) {
			begin[i] = (uint8_t)dice_below(&dice, 24);
			begin[i + 1] = dice_below(&dice, 8) ? 0 : begin[i + 1];
		}
		struct def def;
		const uint8_t *at;
		bool damaged;
		while (defs_next(begin, n, &offset, &def, &at, &damaged)) {
			NEED(at >= begin && at + def.len <= map + page);
			NEED(offset <= n);
			for (unsigned i = 0; i < def.len; i++)
				sum += at[i];
			n_read++;
		}
		n_damaged += damaged;
		NEED(damaged || offset == n);
		NEED(sum < UINT32_MAX);
	}
	ck_assert_uint_gt(n_read, 10000);
	ck_assert_uint_gt(n_damaged, 10000);
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("defs");
	tcase_add_test(tc, every_length_comes_back_in_order);
	tcase_add_test(tc, more_can_be_read_when_more_was_written);
	tcase_add_test(tc, a_definition_that_does_not_fit_is_damage);
	tcase_add_test(tc, random_regions_are_read_within_bounds);
	return suite_run("defs", tc);
}
