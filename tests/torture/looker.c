/* SPDX-License-Identifier: MIT */
/*
 * One that looks on while another reads: what it takes is whole and comes once, in order, and
 * neither the reader nor the producer notices.
 */
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "account.h"
#include "calls.h"
#include "producer.h"
#include "tests.h"

#define BATCH 512

struct looker {
	struct lane_reader reader;
	uint32_t thread;
	uint64_t next_seq, events;
};

/* Shared with a child that looks on. */
struct seen {
	uint64_t events, skipped;
};

/* Of a slot of calls that has closed. */
static void
look_at_calls(struct looker *looker, const struct slot *slot)
{
	for (unsigned i = 0; i < CALLS_PER_SLOT && slot->w[3 + i] != 0; i++) {
		check_call(slot, i, slot->w[3 + i], looker->thread);
		looker->next_seq = record_seq(slot->w[0]) + i + 1;
		looker->events++;
	}
}

static void
look_at_record(struct looker *looker, const struct slot *slot, unsigned k)
{
	uint64_t seq = record_seq(slot->w[0]);
	must(seq >= looker->next_seq, "seq %" PRIu64 " after %" PRIu64, seq, looker->next_seq);
	if (record_type(slot->w[0]) == RECORD_CALLS) {
		look_at_calls(looker, slot);
		return;
	}
	check_record(slot, k, seq, looker->thread);
	looker->next_seq = seq + 1;
	looker->events++;
}

/* It may be filled up still. */
static bool
is_open(const struct looker *looker, uint64_t seq, uint64_t position, uint64_t w0)
{
	return record_type(w0) == RECORD_CALLS && position == looker->reader.head - 1 &&
	       (int64_t)(seq - record_seq(w0)) <= 0;
}

/* Until what comes next is about to be overwritten, if that does not take long. */
static void
fall_behind(const struct looker *looker)
{
	for (int i = 0; i < 5000; i++)
		if (load_relaxed(&arena->lane.head) - looker->reader.position > n_slots / 8 * 7)
			return;
}

/* False: there was nothing. */
static bool
look(struct looker *looker)
{
	static struct slot copy[MOST_SLOTS];
	uint64_t seq = load_acquire(&arena->lane.seq), at = 0;
	bool whole = false; /* behind a gap we may be inside a record, and before it never */
	int64_t n = lane_reader_peek(&looker->reader, copy, BATCH);
	must(n >= 0, "head %" PRIu64 " position %" PRIu64, arena->lane.head, looker->reader.position);
	while (at < (uint64_t)n) {
		int k = record_check(copy + at, (uint64_t)n - at);
		if (k == 0)
			break;
		if (k < 0) {
			must(!whole, "no record, after seq %" PRIu64, looker->next_seq);
			at++;
			continue;
		}
		if (is_open(looker, seq, looker->reader.position - (uint64_t)n + at, copy[at].w[0]))
			break;
		look_at_record(looker, copy + at, (unsigned)k);
		whole = true;
		at += (uint64_t)k;
	}
	lane_reader_unread(&looker->reader, (uint64_t)n - at);
	return at > 0;
}

static void
look_on(enum lane_mode mode, struct seen *seen)
{
	struct looker looker = {.thread = ONE_PRODUCER};
	lane_reader_init(&looker.reader, &arena->lane, arena->slots, n_slots, mode == LANE_OVERWRITE);
	for (unsigned i = 0; !load_relaxed(&arena->stop); i++) {
		for (int k = 0; k < 64 && look(&looker); k++)
			if (i % 4 != 0)
				fall_behind(&looker);
		if (i % 16 == 0)
			usleep(i % 7 * 40);
	}
	store_relaxed(&seen->events, looker.events);
	store_relaxed(&seen->skipped, looker.reader.skipped);
}

static void
consume(struct account *a)
{
	while (time_is_left()) {
		account_drain(a, true);
		if (random_below(8) == 0)
			usleep((unsigned)random_below(300));
	}
	store_relaxed(&arena->stop, 1);
	for (int i = 0; i < 100; i++) { /* the producer may wait for room */
		account_drain(a, true);
		usleep(100);
	}
}

static void
settle(struct account *a, const struct seen *seen)
{
	account_drain(a, true);
	account_settle(a, false);
	must(seen->events > 0 && a->records > 0, "nothing was seen");
	printf("%s: %" PRIu64 " events, %" PRIu64 " seen beside, %" PRIu64 " slots missed\n", test,
	       a->records, seen->events, seen->skipped);
}

void
lookers(enum lane_mode mode)
{
	arena_reset(1024);
	struct seen *seen = mmap(NULL, 2 * sizeof *seen, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(seen != MAP_FAILED, "mmap");
	struct account a = account_open(mode);
	pid_t pids[3] = {fork_producer(mode)};
	for (int i = 0; i < 2; i++) {
		pids[1 + i] = fork_child();
		if (pids[1 + i] == 0) {
			look_on(mode, &seen[i]);
			_exit(0);
		}
	}
	consume(&a);
	for (int i = 0; i < 3; i++)
		reap(pids[i]);
	settle(&a, &seen[0]);
	must(seen[1].events > 0, "the other one saw nothing");
	munmap(seen, 2 * sizeof *seen);
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

struct look_in_thread {
	enum lane_mode mode;
	struct seen seen;
};

static void *
look_in_thread(void *context)
{
	struct look_in_thread *look = context;
	look_on(look->mode, &look->seen);
	return NULL;
}

void
threads_looker(enum lane_mode mode)
{
	pthread_t producer, looker;
	struct look_in_thread look = {.mode = mode};
	arena_reset(1024);
	struct account a = account_open(mode);
	must(pthread_create(&producer, NULL, produce_in_thread, &mode) == 0 &&
	     pthread_create(&looker, NULL, look_in_thread, &look) == 0, "pthread_create");
	consume(&a);
	pthread_join(producer, NULL);
	pthread_join(looker, NULL);
	settle(&a, &look.seen);
}
