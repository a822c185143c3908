/* SPDX-License-Identifier: MIT */
/*
 * From a call or return to what its level wants:
 *
 *	count    the function's number of calls + 1
 *	stats    call_times.h: a shadow of the thread's stack, and sums of times
 *	record   eight bytes in the open slot of lane 0
 *
 * The functions below are made for one level each, at compile time: a back end has a set of
 * callbacks for each level, and installs the one that is in force.
 */
#ifndef HOOK_CALL_EMIT_H
#define HOOK_CALL_EMIT_H

#include <stdbool.h>
#include <stdint.h>

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
	uint64_t version;   /* of the plan: another one has other back ends, rules, depths */
};
extern struct call_plan call_plan __attribute__((visibility("hidden")));

/* A thread, as calls see it. */
struct call_thread {
	uint64_t generation, version; /* of session and plan that the rest belongs to */
	uint32_t tid;
	uint32_t depth;               /* calls that are open */
	struct call_times times;
};
extern __thread struct call_thread call_thread
	__attribute__((tls_model("initial-exec"), visibility("hidden")));

/* Another thread than at the last event, or a new plan. False: there is nothing to be done. */
bool call_emit_enter(void);

/* Calls were not seen for a while: what is open now in whatever thread is forgotten. */
void call_emit_renew(void);

/* The open slot does not take it. `depth`: calls that were open before it. */
void call_emit_open(uint64_t word, uint64_t ticks, uint32_t depth);

/* So often at level count: is the collector still there whose settings are in force? */
#define CALL_COUNT_LOOK 65536

/* The calling thread is the owner of the lane and of all tables. */
CALL_INLINE bool
call_emit_here(void)
{
	return likely(session.calls_owner == &call_thread) || call_emit_enter();
}

CALL_INLINE void
call_emit_record(uint64_t word, uint32_t depth)
{
	uint64_t ticks = clock_ticks(session.clock_kind);
	if (unlikely(!lane_call(&session.producers[0].lane, word, ticks)))
		call_emit_open(word, ticks, depth);
}

/*
 * Four of five events at level record: nothing has changed since the last one, and the open slot
 * has room. False: nothing was done, take the long way. It calls no function, so that a callback
 * saves no registers before it is known to be needed.
 */
CALL_INLINE bool
call_record_fast(uint64_t word, enum call_event what)
{
	struct lane *lane = &session.producers[0].lane;
	struct call_thread *me = &call_thread;
	uint32_t depth = me->depth;
	if (unlikely(session.calls_fast != me) || unlikely(!lane_call_has_room(lane)) ||
	    !lane_call(lane, word | call_word(what, 0), clock_counter()))
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
	if (unlikely(id >= session.n_call_stats) && !session_reserve_call_stats(id)) {
		session_lost(LOST_NO_MEMORY);
		return;
	}
	uint64_t *calls = &session.call_stats[id].calls, n = load_relaxed(calls) + 1;
	store_relaxed(calls, n);
	if (unlikely(n % CALL_COUNT_LOOK == 0))
		settings_check_lease();
}

/* `word`: of call_target.h, wanted; `what` begins a call. */
CALL_INLINE void
call_begins(enum call_level level, uint64_t word, enum call_event what)
{
	if (!call_emit_here())
		return;
	uint32_t depth = call_thread.depth++;
	if (unlikely(depth >= call_plan.max_depth))
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
	if (!call_emit_here())
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

/* Either, by the shortest way. */
CALL_INLINE void
call_happens(enum call_level level, uint64_t word, enum call_event what)
{
	if (level == CALL_LEVEL_RECORD &&
	    (likely(call_record_fast(word, what)) || likely(call_record_next(word, what))))
		return;
	if (call_ends(what))
		call_ends_here(level, word, what);
	else
		call_begins(level, word, what);
}

/* One that the back end was not told of, for hush.h. */
void call_emit_c_returned(PyCFunctionObject *function);

#endif
