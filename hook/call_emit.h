/* SPDX-License-Identifier: MIT */
/*
 * From a call or return to what its level wants:
 *
 *	count    the function's number of calls + 1
 *	stats    call_times.h: a shadow of the thread's stack, and sums of times
 *	record   eight bytes in the open slot of lane 0; without a GIL, of the thread's own
 *
 * The functions below are made for one level each, at compile time: a back end has a set of
 * callbacks for each level, and installs the one that is in force.
 */
#ifndef HOOK_CALL_EMIT_H
#define HOOK_CALL_EMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "call_greenlets.h"
#include "call_rules.h"
#include "call_times.h"
#include "lane.h"
#include "pycompat.h"
#include "session.h"
#include "settings.h"

#define CALL_INLINE static inline __attribute__((always_inline))

/* What is in force; read at each event. */
struct call_plan {
	enum call_level level;
	bool c_calls;
	bool filtered;      /* by rules: else every Python function is wanted */
	bool ends;          /* returns are wanted, too */
	uint32_t max_depth; /* UINT32_MAX: no limit */
};
extern struct call_plan call_plan __attribute__((visibility("hidden")));

/* A thread, as calls see it. */
struct call_thread {
	uint64_t epoch;      /* session.calls_epoch that the rest is of; CALL_NO_EPOCH: none */
	uint64_t here_way;   /* session.calls_way in which call_emit_enter() need not be asked */
	uint64_t fast_way;   /* and in which events may take the short way; both without a GIL */
	struct lane *lane;   /* without a GIL: its own */
	uint64_t stack;      /* calls_stack() of it and its greenlet */
	uint32_t tid;
	uint32_t depth;      /* calls that are open there */
	struct call_times times;
	struct call_greenlets greenlets;
	py_frame evaluated;  /* by source_eval, that CPython does not know of yet, or no longer */
	const PyObject *c_callable; /* source_monitoring: what was called last, if it was a C function */
	uint64_t c_word;            /* and its word */
};
#define CALL_NO_EPOCH UINT64_MAX
extern __thread struct call_thread call_thread
	__attribute__((tls_model("initial-exec"), visibility("hidden")));

CALL_INLINE struct lane *
call_lane(const struct call_thread *me)
{
#if PY_HAS_GIL
	(void)me;
	return &session.producers[0].lane;
#else
	return me->lane;
#endif
}

/* Nothing has changed since this thread's last event, and with a GIL no other thread had one. */
CALL_INLINE bool
call_is_here(const struct call_thread *me)
{
#if PY_HAS_GIL
	return session.calls_here == me;
#else
	return me->here_way == load_relaxed(&session.calls_way);
#endif
}

/* And there is nothing to be asked of each event at level record. */
CALL_INLINE bool
call_is_fast(const struct call_thread *me)
{
#if PY_HAS_GIL
	return session.calls_fast == me;
#else
	return me->fast_way == load_relaxed(&session.calls_way);
#endif
}

/*
 * Another thread than at the last event, or a new plan, or it must be asked which greenlet that is.
 * False: there is nothing to be done.
 */
bool call_emit_enter(enum call_event what);

/* From now on that is asked. */
void call_emit_ask_greenlets(void);

/* The calling thread has its lane no longer. */
void call_emit_forget_lane(void);

/* Calls were not seen for a while: what is open now in whatever thread is forgotten. */
void call_emit_renew(void);

/* In this one alone. With a GIL. */
void call_emit_renew_thread(uint64_t tstate_id);

/* The open slot does not take it. `depth`: calls that were open before it. */
void call_emit_open(uint64_t word, uint64_t ticks, uint32_t depth);

/* So often at level count: is the collector still there whose settings are in force? */
#define CALL_COUNT_LOOK 65536

CALL_INLINE bool
call_emit_here(enum call_event what)
{
	return likely(call_is_here(&call_thread)) || call_emit_enter(what);
}

CALL_INLINE void
call_emit_record(uint64_t word, uint32_t depth)
{
	uint64_t ticks = clock_ticks(session.clock_kind);
	if (unlikely(!lane_call(call_lane(&call_thread), word, ticks)))
		call_emit_open(word, ticks, depth);
}

CALL_INLINE bool
call_record_fast(const struct call_thread *me, uint64_t word)
{
	struct lane *lane = call_lane(me);
	return likely(lane_call_has_room(lane)) && lane_call(lane, word, clock_counter());
}

CALL_INLINE bool
call_stats_fast(struct call_thread *me, uint64_t word, enum call_event what)
{
	return call_ends(what) ? call_times_end_fast(&me->times, call_id(word))
			       : call_times_begin_fast(&me->times, call_id(word));
}

/*
 * At levels stats and record: nothing has changed since the last event, and there is room; at level
 * record that is so of four events in five. False: nothing was done, take the long way. It calls no
 * function, so that a callback saves no registers before it is known to be needed.
 */
CALL_INLINE bool
call_fast(enum call_level level, uint64_t word, enum call_event what)
{
	struct call_thread *me = &call_thread;
	uint32_t depth = me->depth;
	if (level == CALL_LEVEL_COUNT || unlikely(!call_is_fast(me)))
		return false;
	if (level == CALL_LEVEL_RECORD ? !call_record_fast(me, word | call_word(what, 0))
				       : !call_stats_fast(me, word, what))
		return false;
	me->depth = call_ends(what) ? depth - (depth > 0) : depth + 1;
	return true;
}

/* And the fifth, with the same meaning of false. */
bool call_record_next(uint64_t word, enum call_event what);

CALL_INLINE void
call_emit_count(uint32_t id)
{
	if (unlikely(settings_changed()))
		settings_refresh();
	struct call_table *table = call_table_of(&call_thread.times);
	if (unlikely(id >= load_acquire(&table->n)) && !session_reserve_call_stats(table, id)) {
		session_lost(LOST_NO_MEMORY);
		return;
	}
	if (unlikely(call_sum_add(table, &table->stats[id].calls, 1) % CALL_COUNT_LOOK == 0))
		settings_check_lease();
}

/* `word`: of call_target.h, wanted; `what` begins a call. */
CALL_INLINE void
call_begins(enum call_level level, uint64_t word, enum call_event what)
{
	if (!call_emit_here(what))
		return;
	uint32_t depth = call_thread.depth++;
	/* Where no end is told the depth grows on and on, and means nothing. */
	if (unlikely(depth >= call_plan.max_depth) && call_plan.max_depth != UINT32_MAX)
		return;
	if (level == CALL_LEVEL_RECORD)
		call_emit_record(word | call_word(what, 0), depth);
	else if (level == CALL_LEVEL_STATS)
		call_times_begin(&call_thread.times, call_id(word));
	else
		call_emit_count(call_id(word));
}

/* And one that ends it. One that began before we came finds a depth of 0. */
CALL_INLINE void
call_ends_here(enum call_level level, uint64_t word, enum call_event what)
{
	if (!call_emit_here(what))
		return;
	uint32_t depth = call_thread.depth;
	call_thread.depth = depth - (depth > 0);
	if (unlikely(depth > call_plan.max_depth))
		return;
	if (level == CALL_LEVEL_RECORD)
		call_emit_record(word | call_word(what, 0), depth);
	else if (level == CALL_LEVEL_STATS)
		call_times_end(&call_thread.times, call_id(word));
}

/* Either, where call_fast() did nothing. */
CALL_INLINE void
call_happens_slowly(enum call_level level, uint64_t word, enum call_event what)
{
	if (level == CALL_LEVEL_RECORD && likely(call_record_next(word, what)))
		return;
	if (call_ends(what))
		call_ends_here(level, word, what);
	else
		call_begins(level, word, what);
}

/* Either, by the shortest way. */
CALL_INLINE void
call_happens(enum call_level level, uint64_t word, enum call_event what)
{
	if (!likely(call_fast(level, word, what)))
		call_happens_slowly(level, word, what);
}

/* One that the back end was not told of, for hush.h. */
void call_emit_c_returned(PyCFunctionObject *function);

#endif
