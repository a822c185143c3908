/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "account.h"
#include "clock.h"
#include "producer.h"
#include "tests.h"

#define PAGE 4096
#define RING 256

static void
consume_until_time_is_up(struct account *a)
{
	while (time_is_left()) {
		account_drain(a, true);
		if (random_below(64) == 0)
			usleep((unsigned)random_below(300));
	}
	store_relaxed(&arena->stop, 1);
	for (int i = 0; i < 100; i++) { /* the producer may wait for room */
		account_drain(a, true);
		usleep(100);
	}
}

static void
settle_and_report(struct account *a)
{
	account_drain(a, true);
	account_settle(a, false);
	must(a->records > 0, "no records");
	printf("%s: %" PRIu64 " events, %" PRIu64 " of an open slot, %" PRIu64 " %s\n", test,
	       a->records, a->from_open, a->gaps, a->reader.overwrite ? "overwritten" : "dropped");
}

void
live(enum lane_mode mode)
{
	arena_reset(RING);
	struct account a = account_open(mode);
	pid_t pid = fork_producer(mode);
	consume_until_time_is_up(&a);
	reap(pid);
	settle_and_report(&a);
	must(mode != LANE_BLOCK || a.gaps == 0, "%" PRIu64 " dropped in block mode", a.gaps);
	must(mode == LANE_BLOCK || a.gaps > 0, "the producer was too slow to prove anything");
}

/*
 * An event waits no longer than it may (see wait_a_little), and each time that the time is
 * up, tail has moved since the last time. The consumer sleeps longer than that, mostly.
 */
void
live_timeouts(enum lane_mode mode)
{
	arena_reset(RING);
	wait_limit = 5;
	struct account a = account_open(mode);
	pid_t pid = fork_producer(mode);
	while (time_is_left()) {
		usleep((unsigned)random_below(4000));
		must(load_relaxed(&arena->timeouts) <= a.releases + 1, "%" PRIu64
		     " timeouts, tail moved %" PRIu64 " times", arena->timeouts, a.releases);
		account_drain(&a, true);
	}
	uint64_t timeouts = load_relaxed(&arena->timeouts);
	store_relaxed(&arena->stop, 1);
	reap(pid);
	settle_and_report(&a);
	must(timeouts > 1, "it proved nothing");
	must(arena->lane.dropped[LOST_LANE_FULL] == a.gaps, "another reason than a full lane");
}

/* ---- the producer forks ---- */

/* What the hook does: its lane is not there in a child, which then writes nothing. */
static void
produce_if_mine(struct lane *lane)
{
	if (lane->shared != NULL)
		produce(lane, (uint32_t)getpid());
}

static void
produce_and_fork(enum lane_mode mode)
{
	struct lane *lane = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(lane != MAP_FAILED, "mmap");
	must(madvise(lane, PAGE, MADV_WIPEONFORK) == 0, "MADV_WIPEONFORK");
	open_lane(lane, mode);
	while (!load_relaxed(&arena->stop)) {
		for (int i = 0; i < 500; i++)
			produce_if_mine(lane);
		pid_t pid = fork_child();
		for (int i = 0; i < 20; i++)
			produce_if_mine(lane);
		if (pid == 0)
			_exit(0);
		reap(pid);
	}
}

void
live_forking(enum lane_mode mode)
{
	arena_reset(RING);
	struct account a = account_open(mode);
	pid_t pid = fork_child();
	if (pid == 0) {
		produce_and_fork(mode);
		_exit(0);
	}
	a.thread = (uint32_t)pid;
	consume_until_time_is_up(&a);
	reap(pid);
	settle_and_report(&a);
}

/* ---- in one process ---- */

static void *
produce_in_thread(void *mode)
{
	struct lane lane;
	open_lane(&lane, *(enum lane_mode *)mode);
	produce_on(&lane);
	return NULL;
}

void
threads(enum lane_mode mode)
{
	pthread_t thread;
	arena_reset(RING);
	struct account a = account_open(mode);
	must(pthread_create(&thread, NULL, produce_in_thread, &mode) == 0, "pthread_create");
	consume_until_time_is_up(&a);
	pthread_join(thread, NULL);
	settle_and_report(&a);
	must(mode != LANE_BLOCK || a.gaps == 0, "%" PRIu64 " dropped in block mode", a.gaps);
}

static struct lane reused;

/* Whoever finds the lane left takes it, as it was or afresh. */
static void *
produce_by_turns(void *unused)
{
	uint32_t *state = &arena->lane.state;
	while (!load_relaxed(&arena->stop)) {
		uint32_t left = LANE_LEFT;
		if (!__atomic_compare_exchange_n(state, &left, LANE_OWNED, false, __ATOMIC_ACQUIRE,
						 __ATOMIC_RELAXED)) {
			usleep(10);
			continue;
		}
		if (reused.seq / 7 % 2 == 0)
			lane_init(&reused, reused.shared, reused.slots, n_slots, reused.mode,
				  reused.n_backed, reused.ops, reused.context);
		for (uint64_t n = 1 + reused.seq / 3 % 300; n > 0; n--)
			produce(&reused, ONE_PRODUCER);
		lane_call_close(&reused);
		store_release(state, LANE_LEFT);
		usleep(10);
	}
	return unused;
}

void
threads_reuse(enum lane_mode mode)
{
	pthread_t thread[2];
	arena_reset(RING);
	struct account a = account_open(mode);
	open_lane(&reused, mode);
	store_release(&arena->lane.state, LANE_LEFT);
	for (int i = 0; i < 2; i++)
		must(pthread_create(&thread[i], NULL, produce_by_turns, NULL) == 0, "pthread_create");
	consume_until_time_is_up(&a);
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	settle_and_report(&a);
}
