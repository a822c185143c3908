/* SPDX-License-Identifier: MIT */
/* What all processes of a torture share: the lane, and what each says it did. */
#ifndef TORTURE_ARENA_H
#define TORTURE_ARENA_H

#include <inttypes.h>
#include <stdbool.h>
#include <sys/types.h>

#include "lane.h"

#define MOST_SLOTS 4096
#define N_DEFINITIONS 8192

/* What a consumer has written out: entry n - 1 counts once n is stored. */
struct output {
	uint64_t n;
	uint64_t repeated, batches_repeated;
	struct {
		uint64_t position, next_seq;
	} entry[2];
};

struct arena {
	struct lane_shared lane;
	struct slot slots[MOST_SLOTS];
	/* what the ids of calls mean: written once, before the first event that uses it */
	uint64_t definitions[N_DEFINITIONS];
	/* the producer's own count, apart from the lane's: stored before and after each event */
	uint64_t attempts, committed;
	uint64_t timeouts; /* block mode: how often the time was up */
	/* the consumer */
	struct output output;
	uint32_t reader_alive;
	uint32_t stop;
};

extern struct arena *arena;
extern uint64_t n_slots, start; /* where head and tail began */
extern uint64_t turn;           /* which events are calls, and which slots close early */
extern unsigned wait_limit;     /* block mode: how often an event may wait */
extern const char *test;
extern unsigned seed;
extern uint64_t deadline_ns;

static inline uint64_t
definition_of(uint64_t id)
{
	return ~id;
}

void arena_open(void);

/*
 * A lane of so many slots, whose positions start at 0, or where an earlier owner left it,
 * which is soon to go past the largest number.
 */
void arena_reset(uint64_t slots);

/* Slots behind the lane's are as they were. */
void arena_check_untouched(void);

_Noreturn void fail(const char *file, int line, const char *condition, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
#define must(condition, ...) \
	do { \
		if (!(condition)) \
			fail(__FILE__, __LINE__, #condition, __VA_ARGS__); \
	} while (0)

void random_start(uint64_t from);
uint64_t random_below(uint64_t n);

bool time_is_left(void);

/* The child dies with its parent. */
pid_t fork_child(void);

/* It ended with status 0, or by SIGKILL. */
void reap(pid_t pid);
void kill_and_reap(pid_t pid);

#endif
