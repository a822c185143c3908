/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <unistd.h>

#include "account.h"
#include "clock.h"
#include "producer.h"
#include "stepped.h"
#include "tests.h"

/* At a random moment, with or without somebody who reads. */
void
kill_producer(enum lane_mode mode)
{
	uint64_t kills = 0, records = 0, lost = 0, under_way = 0, open = 0;
	for (; time_is_left(); kills++) {
		arena_reset(64ull << random_below(7));
		struct account a = account_open(mode);
		pid_t pid = fork_producer(mode);
		bool reads = random_below(2);
		uint64_t end = clock_ns(CLOCK_MONOTONIC) + random_below(3000000);
		while (clock_ns(CLOCK_MONOTONIC) < end)
			if (reads)
				account_drain(&a, true);
		kill_and_reap(pid);
		account_drain(&a, true);
		under_way += account_settle(&a, true);
		if (mode == LANE_OVERWRITE && !reads)
			account_check_kept(&a);
		records += a.records;
		open += a.open_taken > 0;
		lost += a.gaps;
	}
	must(records > 0, "no records");
	printf("%s: %" PRIu64 " kills, %" PRIu64 " with an event under way, %" PRIu64
	       " with an open slot, %" PRIu64 " events, %" PRIu64 " lost\n", test, kills, under_way,
	       open, records, lost);
}

/* Into a lane that is empty, half full or full; block mode would wait there. */
static pid_t
fork_stepped_producer(enum lane_mode mode)
{
	uint64_t n_before = random_below(mode == LANE_BLOCK ? 12 : 200);
	pid_t pid = fork_child();
	if (pid == 0) {
		struct lane lane;
		open_lane(&lane, mode);
		for (uint64_t i = 0; i < n_before; i++)
			produce(&lane, ONE_PRODUCER);
		stepped_begin();
		for (;;)
			produce(&lane, ONE_PRODUCER);
	}
	return pid;
}

/* What a collector would find if the producer were killed now. */
static uint64_t
check_as_if_killed(const struct account *a, bool kept)
{
	struct account copy = *a;
	account_drain(&copy, false);
	uint64_t under_way = account_settle(&copy, true);
	if (kept)
		account_check_kept(&copy);
	return under_way;
}

/* Really, after so many instructions; false: ptrace is not allowed. */
static bool
kill_after_instructions(enum lane_mode mode, uint64_t end_ns, uint64_t *kills,
			    uint64_t *under_way)
{
	for (; clock_ns(CLOCK_MONOTONIC) < end_ns; ++*kills) {
		arena_reset(64);
		struct account a = account_open(mode);
		pid_t pid = fork_stepped_producer(mode);
		if (!stepped_wait(pid))
			return false;
		for (uint64_t n = random_below(800); n > 0; n--)
			step(pid);
		kill_and_reap(pid);
		account_drain(&a, true);
		*under_way += account_settle(&a, true);
	}
	return true;
}

/*
 * One producer goes on for as long as there is time, and what stands in shared memory is
 * checked after each instruction: that is all that a kill would leave. In overwrite mode,
 * with or without somebody who reads.
 */
static void
look_after_each_instruction(enum lane_mode mode, uint64_t *steps, uint64_t *under_way)
{
	arena_reset(64);
	struct account a = account_open(mode);
	bool kept = mode == LANE_OVERWRITE && random_below(2);
	pid_t pid = fork_stepped_producer(mode);
	stepped_wait(pid);
	uint64_t end = *steps + 5000;
	for (; time_is_left() && *steps < end; ++*steps) {
		step(pid);
		*under_way += check_as_if_killed(&a, kept);
		if (!kept && random_below(2000) == 0)
			account_drain(&a, true);
	}
	kill_and_reap(pid);
	account_drain(&a, true);
	account_settle(&a, true);
	/* Time may have run out before the first one. */
	must(*steps < end || a.records > 0 || n_dropped() > 0, "no event in 5000 steps");
}

void
step_producer(enum lane_mode mode)
{
	uint64_t kills = 0, steps = 0, under_way = 0, now_ns = clock_ns(CLOCK_MONOTONIC);
	stepped_one_processor(true);
	if (kill_after_instructions(mode, now_ns + (deadline_ns - now_ns) / 3, &kills,
				    &under_way)) {
		while (time_is_left())
			look_after_each_instruction(mode, &steps, &under_way);
		printf("%s: %" PRIu64 " kills, %" PRIu64
		       " more points looked at, %" PRIu64 " with an event under way\n", test, kills,
		       steps, under_way);
	}
	stepped_one_processor(false);
}
