/* SPDX-License-Identifier: MIT */
/*
 * Level stats: how often each function was called, and how long it took. Each thread keeps a shadow
 * of its stack; what ends there is added up in the segment (struct call_stats). As cProfile does
 * it: the time of a generator is that between resumption and yield, and of calls of a function
 * within itself only the outermost adds to the cumulative time. But what has not ended is seen,
 * too: now and then the time so far of all that is open is added, and it begins anew.
 */
#ifndef HOOK_CALL_TIMES_H
#define HOOK_CALL_TIMES_H

#include <stdbool.h>
#include <stdint.h>

#include "barrier.h"
#include "clock.h"
#include "pycompat.h"
#include "session.h"

/*
 * So often the lease is looked at, and what is open added up: each third of a second, or each
 * second.
 */
#define CALL_LOOK_TICKS (1u << 30)

struct call_time {
	uint64_t began, inner; /* ticks: since when its time is not added yet; of that, its calls' */
	uint64_t id;           /* or'ed with: */
};
#define CALL_ADOPTED (1ull << 32) /* its end may go unheard (call_adopted.h) */

static inline uint32_t
call_time_id(const struct call_time *call)
{
	return (uint32_t)call->id;
}

/* What is open on one stack. Memory of our own, here and below. */
struct call_shadow {
	struct call_time *calls;
	uint32_t n, room;
	uint32_t n_beyond;  /* calls deeper than there is memory for */
	uint64_t next_look; /* ticks: when it, settings and lease are looked at again */
};

struct call_times {
	struct call_shadow open; /* on the stack that runs */
	uint32_t n_ids;     /* ids that both `levels` and the sums have memory for */
	uint32_t *levels;   /* by definition id: how often it is open there */
	uint32_t n_levels;
	struct call_table *table; /* without a GIL: what this thread adds to */
};

/* Nothing is open. */
void call_times_reset(struct call_times *times);
void call_times_free(struct call_times *times);

/* Another stack of the thread runs: what is open on the one that does not, and on that. */
void call_times_switch(struct call_times *times, struct call_shadow *from,
		       const struct call_shadow *to);

/* What was open has ended unseen. */
void call_times_drop(struct call_times *times);

/* Is there room for one more of this function, or can it be made? */
bool call_times_has_room(struct call_times *times, uint32_t id);

/* The same where there must be. False: it is counted as beyond, and as lost. */
bool call_times_make_room(struct call_times *times, uint32_t id);

/* Settings, lease and what is open, now and then. */
void call_times_look(struct call_times *times, uint64_t ticks);

/*
 * Not the innermost ends: those above it have left no trace of their end. False: it began before
 * we came, or beyond.
 */
bool call_times_find(struct call_times *times, uint32_t id);

static inline __attribute__((always_inline)) struct call_table *
call_table_of(const struct call_times *times)
{
#if PY_HAS_GIL
	(void)times;
	return &session.call_tables[0];
#else
	return times->table;
#endif
}

/*
 * The sum with it. A table has one writer, but without a GIL the first: it is of all that have
 * none.
 */
static inline __attribute__((always_inline)) uint64_t
call_sum_add(const struct call_table *table, uint64_t *sum, uint64_t n)
{
	if (!PY_HAS_GIL && unlikely(table == &session.call_tables[0]))
		return add_relaxed(sum, n) + n;
	n += load_relaxed(sum);
	store_relaxed(sum, n);
	return n;
}

/* `ticks` of the call, and of them those of the calls within it. */
static inline __attribute__((always_inline)) void
call_times_add(const struct call_table *table, const struct call_time *call, bool outermost,
	       uint64_t ticks, uint64_t inner)
{
	struct call_stats *stats = &table->stats[call_time_id(call)];
	if (outermost)
		call_sum_add(table, &stats->cum_ticks, ticks);
	call_sum_add(table, &stats->own_ticks, ticks > inner ? ticks - inner : 0);
}

/* 0 where the clocks of two processors differ by more. */
static inline uint64_t
call_time_since(const struct call_time *call, uint64_t ticks)
{
	return (int64_t)(ticks - call->began) > 0 ? ticks - call->began : 0;
}

/* There is room for a call of this function. */
static inline __attribute__((always_inline)) bool
call_times_fits(const struct call_times *times, uint32_t id)
{
	return likely(id < times->n_ids) && likely(times->open.n < times->open.room) &&
	       likely(times->open.n_beyond == 0);
}

/* The innermost call is one of this function. */
static inline __attribute__((always_inline)) bool
call_times_on_top(const struct call_times *times, uint32_t id)
{
	uint32_t n = times->open.n - 1;
	return likely(n < times->open.room) && likely(times->open.n_beyond == 0) &&
	       likely(times->open.calls[n].id == id);
}

static inline __attribute__((always_inline)) void
call_times_push(struct call_times *times, uint32_t id, uint64_t ticks)
{
	struct call_table *table = call_table_of(times);
	struct call_stats *stats = &table->stats[id];
	struct call_time *top = &times->open.calls[times->open.n++];
	call_sum_add(table, &stats->calls, 1);
	if (times->levels[id]++ == 0)
		call_sum_add(table, &stats->primitive, 1);
	top->began = ticks;
	top->inner = 0;
	top->id = id;
}

static inline __attribute__((always_inline)) void
call_times_pop(struct call_times *times, uint32_t id, uint64_t ticks)
{
	uint32_t n = --times->open.n;
	struct call_time *top = &times->open.calls[n];
	uint64_t whole = call_time_since(top, ticks);
	call_times_add(call_table_of(times), top, --times->levels[id] == 0, whole, top->inner);
	if (likely(n > 0))
		top[-1].inner += whole;
}

static inline bool
call_times_look_due(const struct call_times *times, uint64_t ticks)
{
	return unlikely((int64_t)(ticks - times->open.next_look) >= 0);
}

static inline __attribute__((always_inline)) void
call_times_begin(struct call_times *times, uint32_t id)
{
	if (!call_times_fits(times, id) && !call_times_make_room(times, id))
		return;
	uint64_t ticks = clock_ticks(session.clock_kind);
	call_times_push(times, id, ticks);
	if (call_times_look_due(times, ticks))
		call_times_look(times, ticks);
}

static inline __attribute__((always_inline)) void
call_times_end(struct call_times *times, uint32_t id)
{
	uint64_t ticks = clock_ticks(session.clock_kind);
	if (call_times_on_top(times, id) || call_times_find(times, id))
		call_times_pop(times, id, ticks);
}

/*
 * Both, where nothing is out of the ordinary; false: nothing was done. They call no function, and
 * the clock is a counter.
 */
static inline __attribute__((always_inline)) bool
call_times_begin_fast(struct call_times *times, uint32_t id)
{
	if (!call_times_fits(times, id))
		return false;
	uint64_t ticks = clock_counter();
	if (call_times_look_due(times, ticks))
		return false;
	call_times_push(times, id, ticks);
	return true;
}

static inline __attribute__((always_inline)) bool
call_times_end_fast(struct call_times *times, uint32_t id)
{
	if (!call_times_on_top(times, id))
		return false;
	call_times_pop(times, id, clock_counter());
	return true;
}

#endif
