/* SPDX-License-Identifier: MIT */
#include <sched.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "account.h"
#include "calls.h"
#include "clock.h"
#include "producer.h"
#include "tests.h"

#define PATIENCE_NS UINT64_C(90000000000)

/* A position near another, or anywhere. */
static uint64_t
any_position(uint64_t near)
{
	switch (random_below(4)) {
	case 0: return near + random_below(4);
	case 1: return near - random_below(2 * n_slots);
	case 2: return near - n_slots - random_below(3);
	default: return random_below(1u << 31) << 33 | random_below(1u << 31);
	}
}

/* A tail that lies costs records: each event is counted still, and no other memory touched. */
void
lying_consumer(enum lane_mode mode)
{
	uint64_t lies = 0;
	arena_reset(256);
	wait_limit = 2;
	pid_t pid = fork_producer(mode);
	for (; time_is_left(); lies++)
		store_relaxed(&arena->lane.tail, any_position(load_relaxed(&arena->lane.head)));
	store_relaxed(&arena->stop, 1);
	reap(pid);
	arena_check_untouched();
	uint64_t seq = counts_with_open_slot().seq;
	must(seq == arena->attempts, "seq %" PRIu64 ", %" PRIu64 " attempts", seq, arena->attempts);
	must(arena->committed + n_dropped() == arena->attempts, "%" PRIu64 " committed, %" PRIu64
	     " dropped of %" PRIu64, arena->committed, n_dropped(), arena->attempts);
	must(arena->lane.high_water <= n_slots, "high water %" PRIu64, arena->lane.high_water);
	must(arena->committed > 0 && n_dropped() > 0, "it proved nothing");
	printf("%s: %" PRIu64 " lies, %" PRIu64 " records, %" PRIu64 " dropped\n", test, lies,
	       arena->committed, n_dropped());
}

static void
lie_about_head(void)
{
	for (uint64_t head = start;;) {
		uint64_t i = random_below(n_slots);
		if (random_below(16) == 0)
			head += random_below(n_slots);
		store_relaxed(&arena->lane.head, random_below(8) ? head : any_position(head));
		store_relaxed(&arena->lane.intent, any_position(head));
		store_relaxed(&arena->slots[i].w[0],
			      record_w0((unsigned)random_below(2),
					(unsigned)(random_below(2) ? random_below(4) : random_below(2048)),
					random_below(2) ? RECORD_AUDIT : RECORD_CALLS,
					random_below(2)));
		store_relaxed(&arena->slots[i].w[3 + random_below(5)], random_below(3));
	}
}

/* The reader takes no more than it asked for, each batch ends, and it knows what is absurd. */
void
lying_producer(enum lane_mode mode)
{
	static struct slot copy[MOST_SLOTS];
	uint64_t batches = 0, absurd = 0, records = 0, words[CALLS_PER_SLOT];
	arena_reset(256);
	struct account a = account_open(mode);
	pid_t pid = fork_child();
	if (pid == 0)
		lie_about_head();
	/* On one processor, or one that stands still for a while, the two may meet too seldom. */
	uint64_t end_ns = clock_ns(CLOCK_MONOTONIC) + PATIENCE_NS;
	for (; time_is_left() ||
	       ((absurd == 0 || records == 0) && clock_ns(CLOCK_MONOTONIC) < end_ns);
	     batches++) {
		uint64_t max = 1 + random_below(2 * n_slots), at = 0;
		copy[max].w[0] = ~batches;
		int64_t n = lane_reader_copy(&a.reader, copy, max);
		must(copy[max].w[0] == ~batches, "it wrote past %" PRIu64 " slots", max);
		if (n < 0) {
			must(n == LANE_IMPLAUSIBLE, "%" PRId64, n);
			absurd++;
			store_relaxed(&arena->lane.tail, load_relaxed(&arena->lane.head));
			a = account_open(mode);
			continue;
		}
		if (n == 0)
			sched_yield();
		must((uint64_t)n <= max && (uint64_t)n <= n_slots, "%" PRId64 " slots", n);
		while (at < (uint64_t)n) {
			int k = record_check(copy + at, (uint64_t)n - at);
			must(k >= -1 && k <= (int64_t)((uint64_t)n - at), "%d", k);
			must(lane_reader_open_slot(&a.reader, a.reader.head - 1, words) <= CALLS_PER_SLOT,
			     "more than a slot holds");
			records += k > 0;
			at += k > 0 ? (uint64_t)k : 1;
		}
		lane_reader_release(&a.reader, a.reader.position);
	}
	must(waitpid(pid, NULL, WNOHANG) == 0, "the liar has ended");
	kill_and_reap(pid);
	must(absurd > 0 && records > 0, "it proved nothing: %" PRIu64 " batches, %" PRIu64
	     " absurd, %" PRIu64 " records, head %" PRIu64, batches, absurd, records,
	     arena->lane.head);
	printf("%s: %" PRIu64 " batches, %" PRIu64 " absurd, %" PRIu64 " that looked like records\n",
	       test, batches, absurd, records);
}
