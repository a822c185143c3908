/* SPDX-License-Identifier: MIT */
/* Lines leave in the order of their time, those of one lane in their own. */
#include <stdio.h>
#include <string.h>

#include "merge.h"
#include "suite.h"

/* Every line that left, one behind the other, each followed by its channel. */
static char left[4096];
static struct merge *merge;

static void
leave(void *context, unsigned channel, const char *line, size_t n)
{
	ck_assert_ptr_eq(context, &merge);
	size_t have = strlen(left);
	snprintf(left + have, sizeof left - have, "%.*s%u ", (int)n, line, channel);
}

static void
fresh(uint64_t window_ns, size_t max_bytes)
{
	merge_free(merge);
	merge = merge_new(window_ns, max_bytes, leave, &merge);
	ck_assert_ptr_nonnull(merge);
	left[0] = '\0';
}

static void
add(struct merge_source *source, uint64_t time_ns, const char *line)
{
	merge_add(merge, source, time_ns, 1, line, strlen(line));
}

START_TEST(lines_of_two_lanes_leave_by_time)
{
	struct merge_source a = {0}, b = {0};
	fresh(50, 1000);
	ck_assert(merge_idle(merge));
	add(&a, 100, "a");
	add(&a, 120, "b");
	merge_add(merge, &b, 90, 7, "c", 1);
	add(&b, 110, "d");
	ck_assert(!merge_idle(merge));
	merge_release(merge, 139, 139);
	ck_assert_str_eq(left, "");
	merge_release(merge, 140, 140);
	ck_assert_str_eq(left, "c7 ");
	merge_release(merge, 165, 165);
	ck_assert_str_eq(left, "c7 a1 d1 ");
	merge_flush(merge);
	ck_assert_str_eq(left, "c7 a1 d1 b1 ");
	ck_assert(merge_idle(merge));
	merge_free(merge);
}
END_TEST

START_TEST(a_mark_is_past_when_all_before_it_has_left)
{
	struct merge_source a = {0}, b = {0};
	fresh(50, 1000);
	struct merge_mark none = merge_mark(merge);
	ck_assert(merge_is_past(merge, &none));
	add(&a, 100, "a");
	add(&a, 120, "b");
	struct merge_mark mark = merge_mark(merge);
	add(&b, 110, "c");
	add(&b, 120, "d");
	merge_release(merge, 160, 160);
	ck_assert_str_eq(left, "a1 c1 ");
	ck_assert(!merge_is_past(merge, &mark));
	add(&b, 130, "e");
	merge_release(merge, 170, 170);
	ck_assert_str_eq(left, "a1 c1 b1 d1 ");
	ck_assert(merge_is_past(merge, &mark) && !merge_idle(merge));
	mark = merge_mark(merge);
	ck_assert(!merge_is_past(merge, &mark));
	merge_flush(merge);
	ck_assert(merge_is_past(merge, &mark));
	merge_free(merge);
}
END_TEST

/* By an hour, and then what is read of before that still comes. */
START_TEST(a_clock_that_is_set_back_holds_nothing_up)
{
	struct merge_source a = {0}, b = {0};
	fresh(50, 1000);
	merge_release(merge, 3700, 7);
	add(&a, 3700, "a");
	merge_release(merge, 3700, 10);
	add(&b, 100, "b"); /* it was set back from 3700 to 100 */
	add(&a, 3701, "c");
	merge_release(merge, 100, 10);
	struct merge_mark mark = merge_mark(merge);
	merge_release(merge, 160, 70);
	ck_assert_str_eq(left, "b1 ");
	/* Somebody has always something to say. */
	for (uint64_t now = 160; now <= 320; now += 10) {
		add(&b, now, "");
		merge_release(merge, now, now - 90);
	}
	ck_assert_ptr_nonnull(strstr(left, "a1 c1 "));
	ck_assert(merge_is_past(merge, &mark));
	merge_release(merge, 370, 280);
	left[0] = '\0';
	add(&a, 330, "d");
	add(&b, 320, "e");
	merge_release(merge, 379, 289);
	ck_assert_str_eq(left, "e1 ");
	merge_release(merge, 380, 290);
	ck_assert_str_eq(left, "e1 d1 ");
	ck_assert(merge_is_past(merge, &mark));
	merge_free(merge);
}
END_TEST

START_TEST(one_lane_keeps_its_order_whatever_its_times_say)
{
	struct merge_source a = {0}, b = {0};
	fresh(50, 1000);
	add(&a, 100, "1");
	add(&a, 50, "2");
	add(&b, 90, "x");
	add(&a, 99, "3");
	add(&a, 101, "4");
	merge_flush(merge);
	ck_assert_str_eq(left, "x1 11 21 31 41 ");
	merge_free(merge);
}
END_TEST

START_TEST(equal_times_leave_as_they_came)
{
	struct merge_source sources[10] = {{0}};
	char expected[100] = "";
	fresh(50, 1000);
	for (unsigned i = 0; i < 10; i++) {
		char line[2] = {(char)('a' + i)};
		add(&sources[i], 5, line);
		strcat(strcat(expected, line), "1 ");
	}
	merge_flush(merge);
	ck_assert_str_eq(left, expected);
	merge_free(merge);
}
END_TEST

START_TEST(beyond_the_memory_allowed_the_oldest_leave_early)
{
	struct merge_source a = {0}, b = {0};
	fresh(1000000, 10);
	add(&a, 100, "aaaa");
	add(&b, 90, "bbbb");
	ck_assert_str_eq(left, "");
	add(&a, 110, "ccc");
	ck_assert_str_eq(left, "bbbb1 ");
	add(&a, 120, "dddddddddddddddd"); /* alone above the limit */
	ck_assert_str_eq(left, "bbbb1 aaaa1 ccc1 dddddddddddddddd1 ");
	ck_assert(merge_idle(merge));
	/* The sum is kept right. */
	for (unsigned i = 0; i < 100; i++) {
		left[0] = '\0';
		add(&a, 200 + 10 * i, "0123456789");
		ck_assert_str_eq(left, i > 0 ? "01234567891 " : "");
	}
	merge_free(merge);
}
END_TEST

START_TEST(what_is_held_is_a_copy_and_freed_with_it)
{
	struct merge_source a = {0};
	char line[] = "abc";
	fresh(50, 1000);
	merge_add(merge, &a, 1, 1, line, 3);
	memset(line, 'x', 3);
	merge_add(merge, &a, 2, 1, "", 0);
	merge_release(merge, 51, 51);
	ck_assert_str_eq(left, "abc1 ");
	merge_free(merge); /* with a line inside */
	merge = NULL;
	merge_free(merge);
}
END_TEST

static uint64_t last_time;
static unsigned last_of[8], n_left;

static void
check_order(void *context, unsigned channel, const char *line, size_t n)
{
	uint64_t time;
	unsigned number;
	(void)context;
	NEED(n == sizeof time + sizeof number);
	memcpy(&time, line, sizeof time);
	memcpy(&number, line + sizeof time, sizeof number);
	NEED(time >= last_time);
	NEED(number == last_of[channel]);
	last_of[channel]++;
	last_time = time;
	n_left++;
}

START_TEST(random_lanes_within_the_window_come_out_sorted)
{
	struct merge_source sources[8] = {{0}};
	uint64_t times[8] = {0}, now = 1000;
	unsigned numbers[8] = {0}, n = 0;
	struct dice dice = {1};
	merge = merge_new(100, 1u << 20, check_order, NULL);
	for (unsigned round = 0; round < 20000; round++) {
		unsigned lane = dice_below(&dice, 8);
		char line[12];
		/* No older than the window when it comes in. */
		uint64_t time = now - dice_below(&dice, 100);
		if (time < times[lane])
			time = times[lane];
		times[lane] = time;
		memcpy(line, &time, 8);
		memcpy(line + 8, &numbers[lane], 4);
		numbers[lane]++;
		merge_add(merge, &sources[lane], time, lane, line, sizeof line);
		n++;
		if (round % 3 == 0) {
			now += dice_below(&dice, 20);
			merge_release(merge, now, now);
		}
	}
	ck_assert_uint_gt(n_left, n / 2);
	merge_flush(merge);
	ck_assert_uint_eq(n_left, n);
	merge_free(merge);
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("merge");
	tcase_add_test(tc, lines_of_two_lanes_leave_by_time);
	tcase_add_test(tc, a_mark_is_past_when_all_before_it_has_left);
	tcase_add_test(tc, a_clock_that_is_set_back_holds_nothing_up);
	tcase_add_test(tc, one_lane_keeps_its_order_whatever_its_times_say);
	tcase_add_test(tc, equal_times_leave_as_they_came);
	tcase_add_test(tc, beyond_the_memory_allowed_the_oldest_leave_early);
	tcase_add_test(tc, what_is_held_is_a_copy_and_freed_with_it);
	tcase_add_test(tc, random_lanes_within_the_window_come_out_sorted);
	return suite_run("merge", tc);
}
