/* SPDX-License-Identifier: MIT */
/* A header is followed only if every size in it is one that we can follow. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "segment.h"
#include "suite.h"

static char why[200];

static struct segment_header
good_header(void)
{
	return (struct segment_header){
		.magic = SEGMENT_MAGIC, .abi_major = SEGMENT_ABI_MAJOR,
		.abi_minor = SEGMENT_ABI_MINOR, .abi_oldest = SEGMENT_ABI_OLDEST,
		.header_bytes = sizeof(struct segment_header), .ready = 1,
		.page_bytes = SEGMENT_PAGE, .n_ids = SEGMENT_IDS, .n_lanes = SEGMENT_LANES,
		.defs_bytes = SEGMENT_DEFS_BYTES,
		.lane0_slots = SEGMENT_DEFAULT_RING / SLOT_BYTES,
		.other_slots = SEGMENT_OTHER_SLOTS, .mode = LANE_DROP, .call_tables = 1,
		.clock_kind = CLOCK_KIND_TSC,
	};
}

static int
check(const struct segment_header *header)
{
	why[0] = '\0';
	return segment_check(header, segment_layout(header).total_bytes, why, sizeof why);
}

START_TEST(what_the_hook_makes_is_accepted)
{
	struct segment_header header = good_header();
	ck_assert_int_eq(check(&header), 0);
	header.abi_minor = 99;
	ck_assert_int_eq(check(&header), 0);
	header.abi_major = SEGMENT_ABI_MAJOR + 1; /* newer, and says that we may read it */
	ck_assert_int_eq(check(&header), 0);
	for (uint32_t ring = SEGMENT_MIN_RING; ring <= SEGMENT_MAX_RING; ring *= 2) {
		header.lane0_slots = ring / SLOT_BYTES;
		ck_assert_int_eq(check(&header), 0);
	}
}
END_TEST

START_TEST(an_unfinished_one_is_not_ready_whatever_else_it_says)
{
	struct segment_header header = {0};
	ck_assert_int_eq(segment_check(&header, 1u << 20, why, sizeof why), SEGMENT_NOT_READY);
	header = good_header();
	ck_assert_int_eq(segment_check(&header, 0, why, sizeof why), SEGMENT_NOT_READY);
	ck_assert_int_eq(segment_check(&header, SEGMENT_PAGE - 1, why, sizeof why),
			 SEGMENT_NOT_READY);
	header.ready = 0;
	ck_assert_int_eq(check(&header), SEGMENT_NOT_READY);
}
END_TEST

START_TEST(another_abi_is_refused_by_its_number)
{
	struct segment_header header = good_header();
	header.abi_oldest = SEGMENT_ABI_MAJOR + 1;
	header.abi_major = SEGMENT_ABI_MAJOR + 2;
	ck_assert_int_eq(check(&header), -EPROTO);
	ck_assert_ptr_nonnull(strstr(why, "ABI 4"));
	header = good_header();
	header.abi_major = 0;
	ck_assert_int_eq(check(&header), -EPROTO);
	header = good_header();
	header.magic ^= 1;
	ck_assert_int_eq(check(&header), -EBADMSG);
}
END_TEST

START_TEST(sizes_that_make_no_sense_are_refused_by_name)
{
#define REFUSE(field, value, name) \
	do { \
		struct segment_header header = good_header(); \
		header.field = (value); \
		ck_assert_msg(check(&header) == -EBADMSG, #field " " #value); \
		ck_assert_msg(strstr(why, name) != NULL, "%s", why); \
	} while (0)
	REFUSE(page_bytes, 16384, "page size");
	REFUSE(header_bytes, SEGMENT_PAGE + 1, "page size");
	REFUSE(n_ids, 0, "number of ids");
	REFUSE(n_ids, (1u << 20) + 1, "number of ids");
	REFUSE(n_ids, UINT32_MAX, "number of ids");
	REFUSE(n_lanes, 0, "number of lanes");
	REFUSE(n_lanes, 1025, "number of lanes");
	REFUSE(n_lanes, UINT32_MAX, "number of lanes");
	REFUSE(call_tables, 0, "number of tables");
	REFUSE(call_tables, SEGMENT_LANES + 2, "number of tables");
	REFUSE(call_tables, UINT32_MAX, "number of tables");
	REFUSE(defs_bytes, 0, "definitions");
	REFUSE(defs_bytes, UINT32_MAX, "definitions");
	REFUSE(lane0_slots, 0, "ring size");
	REFUSE(lane0_slots, 32, "ring size");
	REFUSE(lane0_slots, 65535, "ring size");
	REFUSE(lane0_slots, 1u << 31, "ring size");
	REFUSE(other_slots, 3 * 64, "ring size");
	REFUSE(mode, LANE_BLOCK + 1, "mode");
	REFUSE(clock_kind, 0, "clock");
	REFUSE(clock_kind, CLOCK_KIND_CNTVCT + 1, "clock");
#undef REFUSE
	struct segment_header header = good_header();
	uint64_t total = segment_layout(&header).total_bytes;
	ck_assert_int_eq(segment_check(&header, total - 1, why, sizeof why), -EBADMSG);
	ck_assert_int_eq(segment_check(&header, total + SEGMENT_PAGE, why, sizeof why), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(why, "size of the object"));
}
END_TEST

/* A random header that is accepted describes regions that follow each other in the object. */
START_TEST(whatever_is_accepted_lies_within_the_object)
{
	unsigned accepted = 0;
	for (unsigned seed = 0; seed < 100000; seed++) {
		struct dice dice = {seed};
		struct segment_header header = good_header();
		uint32_t *fields[] = {&header.n_ids, &header.n_lanes, &header.defs_bytes,
				      &header.lane0_slots, &header.other_slots,
				      &header.call_tables};
		for (unsigned i = 0; i < 6; i++) {
			if (dice_below(&dice, 3) == 0)
				*fields[i] = 1u << dice_below(&dice, 32);
			else if (dice_below(&dice, 6) == 0)
				*fields[i] = (uint32_t)dice_u64(&dice);
		}
		struct segment_layout at = segment_layout(&header);
		if (segment_check(&header, at.total_bytes, why, sizeof why) != 0)
			continue;
		accepted++;
		NEED(at.control >= sizeof header && at.levels >= at.control + SEGMENT_PAGE);
		NEED(at.defs >= at.levels + header.n_ids);
		NEED(at.lanes >= at.defs + header.defs_bytes);
		NEED(at.counters >= sizeof(struct lane_shared));
		NEED(at.slots >= at.counters + 8 * (uint64_t)header.n_ids);
		NEED(segment_lane_offset(&at, 0) == at.lanes);
		NEED(at.n_call_tables == header.call_tables);
		NEED(at.call_table_bytes >= sizeof(struct call_stats) * header.n_ids);
		NEED(at.total_bytes == at.call_tables + at.n_call_tables * at.call_table_bytes);
		for (uint32_t lane = 0; lane < header.n_lanes; lane++) {
			uint64_t begin = segment_lane_offset(&at, lane);
			uint64_t slots = lane == 0 ? header.lane0_slots : header.other_slots;
			uint64_t end = begin + at.slots + slots * SLOT_BYTES;
			NEED(begin % SEGMENT_PAGE == 0);
			NEED(end <= at.total_bytes);
			NEED(lane + 1 == header.n_lanes
				     ? end == at.call_tables
				     : end == segment_lane_offset(&at, lane + 1));
			if (lane > 3 && lane + 3 < header.n_lanes)
				lane += header.n_lanes / 20;
		}
	}
	ck_assert_uint_gt(accepted, 1000);
}
END_TEST

START_TEST(names_are_read_back)
{
	struct dice dice = {1};
	char name[SEGMENT_NAME_BYTES];
	for (unsigned i = 0; i < 10000; i++) {
		uint32_t in[3], out[3];
		for (unsigned k = 0; k < 3; k++)
			in[k] = (uint32_t)(dice_u64(&dice) >> (32 + dice_below(&dice, 32)));
		segment_name(name, in[0], in[1], in[2]);
		NEED(segment_name_parse(name, &out[0], &out[1], &out[2]) == 0);
		NEED(memcmp(in, out, sizeof in) == 0);
		NEED(segment_name_parse(name + 1, &out[0], &out[1], &out[2]) == 0);
	}
	segment_name(name, UINT32_MAX, UINT32_MAX, UINT32_MAX);
	ck_assert_str_eq(name, "/pyauditd.4294967295.4294967295.ffffffff");
}
END_TEST

START_TEST(a_name_has_one_spelling)
{
	static const char *const wrong[] = {
		"", "/", "pyauditd", "pyauditd.", "pyauditd.0", "pyauditd.0.1", "pyauditd.0.1.",
		"pyauditd.0.1.1", "pyauditd.0.1.000000001", "pyauditd.0.1.0000000A",
		"pyauditd.0.1.0000000g", "pyauditd.00.1.00000001", "pyauditd.0.01.00000001",
		"pyauditd.+0.1.00000001", "pyauditd.-1.1.00000001", "pyauditd. 0.1.00000001",
		"pyauditd.0. 1.00000001", "pyauditd.0.1. 0000001", "pyauditd.0.1.0x000001",
		"pyauditd.0.1.00000001 ", "pyauditd.0.1.00000001/x", "pyauditd.0.1.00000001.",
		"//pyauditd.0.1.00000001", "pyauditd.4294967296.1.00000001",
		"pyauditd.0.4294967297.00000001", "pyauditd.0.18446744073709551617.00000001",
		"Pyauditd.0.1.00000001", "xpyauditd.0.1.00000001", "pyauditd.0.1.00000001\n",
		"../pyauditd.0.1.00000001", "pyauditd..1.00000001", "pyauditd.0..00000001"};
	uint32_t uid, pid, nonce;
	for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		ck_assert_msg(segment_name_parse(wrong[i], &uid, &pid, &nonce) == -EINVAL, "%s",
			      wrong[i]);
	char *longer = malloc(100000);
	memset(longer, '1', 100000);
	memcpy(longer, "pyauditd.", 9);
	longer[99999] = '\0';
	ck_assert_int_eq(segment_name_parse(longer, &uid, &pid, &nonce), -EINVAL);
	longer[50000] = '.';
	longer[60000] = '.';
	ck_assert_int_eq(segment_name_parse(longer, &uid, &pid, &nonce), -EINVAL);
	free(longer);
}
END_TEST

START_TEST(what_has_no_name_is_called_so)
{
	ck_assert_str_eq(coverage_name(COVERAGE_SITE), "site");
	ck_assert_str_eq(coverage_name(COVERAGE_NONE), "none");
	ck_assert_str_eq(coverage_name(UINT32_MAX), "none");
	ck_assert_str_eq(lost_reason_name(LOST_KILLED), "killed");
	ck_assert_str_eq(lost_reason_name(N_LOST_REASONS), "unknown");
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("segment");
	tcase_add_test(tc, what_the_hook_makes_is_accepted);
	tcase_add_test(tc, an_unfinished_one_is_not_ready_whatever_else_it_says);
	tcase_add_test(tc, another_abi_is_refused_by_its_number);
	tcase_add_test(tc, sizes_that_make_no_sense_are_refused_by_name);
	tcase_add_test(tc, whatever_is_accepted_lies_within_the_object);
	tcase_add_test(tc, names_are_read_back);
	tcase_add_test(tc, a_name_has_one_spelling);
	tcase_add_test(tc, what_has_no_name_is_called_so);
	return suite_run("segment", tc);
}
