/* SPDX-License-Identifier: MIT */
/* Ticks become the time that the real-time clock says, in order, whatever a tracee claims. */
#include <inttypes.h>
#include <time.h>

#include "calibrate.h"
#include "suite.h"

static const enum clock_kind kinds[] = {
	CLOCK_KIND_MONOTONIC,
#if defined(__x86_64__)
	CLOCK_KIND_TSC,
#elif defined(__aarch64__)
	CLOCK_KIND_CNTVCT,
#endif
};
#define N_KINDS (sizeof kinds / sizeof kinds[0])

/* Of 10 ms, the first slope, a preempted reader may miss some. */
#define SLACK_NS 2000000

START_TEST(the_time_of_now_is_now)
{
	for (unsigned k = 0; k < N_KINDS; k++) {
		calibrate_tick(kinds[k]);
		for (unsigned i = 0; i < 1000; i++) {
			uint64_t before = clock_ns(CLOCK_REALTIME);
			uint64_t ticks = clock_ticks(kinds[k]);
			uint64_t after = clock_ns(CLOCK_REALTIME);
			uint64_t time = calibrate_time(kinds[k], ticks);
			NEED_MSG(time + SLACK_NS > before && time < after + SLACK_NS,
				 "clock %d: %lld ns off", kinds[k], (long long)(time - before));
		}
	}
}
END_TEST

/* Two pieces meet: no event after another one gets an earlier time by more than the slewing. */
START_TEST(times_go_on_over_the_end_of_a_piece)
{
	struct timespec pause = {.tv_nsec = 300000000};
	for (unsigned k = 0; k < N_KINDS; k++) {
		calibrate_tick(kinds[k]);
		uint64_t first = calibrate_latest(kinds[k])->from.ticks;
		calibrate_tick(kinds[k]); /* too early for another one */
		ck_assert_uint_eq(calibrate_latest(kinds[k])->from.ticks, first);
	}
	for (unsigned i = 0; i < 4; i++)
		nanosleep(&pause, NULL);
	for (unsigned k = 0; k < N_KINDS; k++) {
		uint64_t old = calibrate_latest(kinds[k])->from.ticks;
		calibrate_tick(kinds[k]);
		struct calibrate_piece piece = *calibrate_latest(kinds[k]);
		ck_assert_uint_gt(piece.from.ticks, old);
		ck_assert_uint_eq(calibrate_time(kinds[k], piece.from.ticks),
				  piece.from.realtime_ns);
		uint64_t just_before = calibrate_time(kinds[k], piece.from.ticks - 1);
		ck_assert_uint_lt(just_before, piece.from.realtime_ns + SLACK_NS);
		ck_assert_uint_gt(just_before + SLACK_NS, piece.from.realtime_ns);
		/* Ticks of the piece before are counted from there. */
		ck_assert_uint_lt(calibrate_time(kinds[k], old), piece.from.realtime_ns);
	}
}
END_TEST

START_TEST(what_lies_before_us_is_counted_from_the_tracees_own_start)
{
	for (unsigned k = 0; k < N_KINDS; k++) {
		struct clock_pair start = clock_pair_read(kinds[k]);
		struct timespec pause = {.tv_nsec = 100000000};
		struct calibrate_past past;
		nanosleep(&pause, NULL);
		calibrate_past_init(&past, kinds[k], start);
		uint64_t now = clock_ticks(kinds[k]);
		ck_assert(past.valid);
		ck_assert_uint_eq(calibrate_convert(&past, kinds[k], start.ticks, now),
				  start.realtime_ns);
		/* Nothing happened before it started. */
		ck_assert_uint_eq(calibrate_convert(&past, kinds[k], start.ticks - 1000, now),
				  start.realtime_ns);
		/* Both pieces meet, and no time goes back on the way. */
		uint64_t first = past.first.ticks, last = 0;
		for (uint64_t i = 0; i <= 1000; i++) {
			uint64_t at = start.ticks + (first - start.ticks) / 1000 * i;
			uint64_t time = calibrate_convert(&past, kinds[k], at, now);
			NEED(time >= last);
			last = time;
		}
		ck_assert_uint_le(last, past.first.realtime_ns);
		ck_assert_uint_gt(last + SLACK_NS, past.first.realtime_ns);
	}
}
END_TEST

START_TEST(nothing_happens_in_the_future)
{
	for (unsigned k = 0; k < N_KINDS; k++) {
		struct clock_pair start = clock_pair_read(kinds[k]);
		struct calibrate_past past;
		calibrate_past_init(&past, kinds[k], start);
		uint64_t now = clock_ticks(kinds[k]);
		uint64_t latest = calibrate_convert(&past, kinds[k], now, now);
		ck_assert_uint_eq(calibrate_convert(&past, kinds[k], now + 1, now), latest);
		ck_assert_uint_eq(calibrate_convert(&past, kinds[k], now + (UINT64_MAX >> 2), now),
				  latest);
		ck_assert_uint_lt(latest, clock_ns(CLOCK_REALTIME) + SLACK_NS);
	}
}
END_TEST

/* The pair in a header is the tracee's word: any numbers may stand there. */
START_TEST(a_hostile_start_costs_only_the_tracee_its_times)
{
	static const uint64_t hard[] = {0, 1, 1000, UINT64_MAX, UINT64_MAX / 2, UINT64_MAX / 2 + 1,
					1795359601000000000u};
	for (unsigned k = 0; k < N_KINDS; k++) {
		struct dice dice = {k};
		for (unsigned i = 0; i < 20000; i++) {
			struct calibrate_past past;
			uint64_t now = clock_ticks(kinds[k]);
			struct clock_pair start = {
				i % 2 ? hard[dice_below(&dice, 7)] : dice_u64(&dice),
				i % 3 ? hard[dice_below(&dice, 7)] : dice_u64(&dice)};
			uint64_t ticks = i % 5 ? dice_u64(&dice) : hard[dice_below(&dice, 7)];
			if (i % 7 == 0)
				start.ticks = now - dice_below(&dice, 1000000);
			calibrate_past_init(&past, kinds[k], start);
			uint64_t time = calibrate_convert(&past, kinds[k], ticks, now);
			NEED_MSG(time < clock_ns(CLOCK_REALTIME) + SLACK_NS,
				 "start %" PRIu64 " %" PRIu64 ", ticks %" PRIu64 ": %" PRIu64,
				 start.ticks, start.realtime_ns, ticks, time);
		}
	}
}
END_TEST

START_TEST(a_clock_that_was_set_makes_no_slope)
{
	for (unsigned k = 0; k < N_KINDS; k++) {
		struct calibrate_past past;
		struct clock_pair now = clock_pair_read(kinds[k]);
		calibrate_latest(kinds[k]);
		/* Half of the uptime in ticks, a microsecond in time; and so on. */
		uint64_t half = now.ticks / 2;
		calibrate_past_init(&past, kinds[k],
				    (struct clock_pair){now.ticks - half, now.realtime_ns - 1000});
		ck_assert(!past.valid);
		calibrate_past_init(&past, kinds[k], (struct clock_pair){now.ticks - 1000, 0});
		ck_assert(!past.valid);
		struct clock_pair later = {now.ticks + 1, now.realtime_ns + (1u << 30)};
		calibrate_past_init(&past, kinds[k], later);
		ck_assert(!past.valid);
		/* No time at all between the two. */
		struct clock_pair same = {past.first.ticks, past.first.realtime_ns - 1000};
		calibrate_past_init(&past, kinds[k], same);
		ck_assert(!past.valid);
		/* Then our own slope goes on backwards. */
		uint64_t before = past.first.ticks - 1000;
		uint64_t time = calibrate_convert(&past, kinds[k], before, now.ticks);
		ck_assert_uint_le(time, past.first.realtime_ns);
		ck_assert_uint_gt(time + SLACK_NS, past.first.realtime_ns);
	}
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("calibrate");
	tcase_add_test(tc, the_time_of_now_is_now);
	tcase_add_test(tc, times_go_on_over_the_end_of_a_piece);
	tcase_add_test(tc, what_lies_before_us_is_counted_from_the_tracees_own_start);
	tcase_add_test(tc, nothing_happens_in_the_future);
	tcase_add_test(tc, a_hostile_start_costs_only_the_tracee_its_times);
	tcase_add_test(tc, a_clock_that_was_set_makes_no_slope);
	return suite_run("calibrate", tc);
}
