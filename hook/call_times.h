/* SPDX-License-Identifier: MIT */
/*
 * Level stats: how often each function was called, and how long it took. Each thread keeps a
 * shadow of its stack; what ends there is added up in the segment (struct call_stats), under
 * the GIL. As cProfile does it: the time of a generator is that between resumption and yield,
 * and of calls of a function within itself only the outermost adds to the cumulative time.
 */
#ifndef HOOK_CALL_TIMES_H
#define HOOK_CALL_TIMES_H

#include <stdint.h>

#include "clock.h"
#include "session.h"

struct call_time {
	uint64_t began, inner; /* ticks; those of the calls within it */
	uint32_t id;
};

/* Memory of our own, freed when the thread ends. */
struct call_times {
	struct call_time *stack;
	uint32_t n, room;
	uint32_t n_beyond;  /* calls deeper than there is memory for */
	uint32_t *levels;   /* by definition id: how often it is on the stack */
	uint32_t n_levels;
	uint64_t next_look; /* ticks: when settings and lease are looked at again */
};

/* Nothing is open. */
void call_times_reset(struct call_times *times);

void call_times_begin(struct call_times *times, uint32_t id);
void call_times_end(struct call_times *times, uint32_t id);

#endif
